"""Bodies of the backtest paths. Strategies and assumptions pass as they are: their own readers tell every mistake by its place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from api.bodies.analysis import Symbol, Timeframe
from api.bodies.trading import Identifier, ListQuery, Strict

_RULES: dict[str, JsonValue] = {
    "name": "Test Strategy",
    "entry_conditions": {"rsi": {"operator": "<", "value": 30}},
    "exit_conditions": {"rsi": {"operator": ">", "value": 70}},
    "position_size": 1000,
    "stop_loss_pct": 5,
    "take_profit_pct": 10,
}


def _moment_ms(value: object) -> object:
    """ISO-8601 (UTC where it names no zone) or milliseconds; what is neither is left for the field to refuse."""
    if isinstance(value, str):
        try:
            said = datetime.fromisoformat(value.strip())
        except ValueError as problem:
            raise ValueError("must be a time like 2024-01-31, 2024-01-31T12:00:00Z or milliseconds") from problem
        return round((said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp() * 1000)
    return value


def _end_ms(value: object) -> object:
    """The same for the end of a span: a day means all of it."""
    found = _moment_ms(value)
    whole_day = isinstance(value, str) and len(value.strip()) == 10
    return found + 86_400_000 - 1 if whole_day and isinstance(found, int) else found


Start = Annotated[int, BeforeValidator(_moment_ms), Field(ge=0, lt=10**13)]
End = Annotated[int, BeforeValidator(_end_ms), Field(ge=0, lt=10**13)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class MarketBody(Strict):
    """What every test needs: a market, a span, and what is assumed."""

    symbol: Symbol | None = Field(default=None, examples=["BTCUSDT"])
    symbols: list[Symbol] | None = Field(
        default=None, min_length=1, max_length=20, description="Several share the capital."
    )
    timeframe: Timeframe | None = Field(default=None, description="The strategy's own without it.")
    days: int | None = Field(
        default=None, ge=1, le=3_660, examples=[30], description="The last so many days; 30 without a span."
    )
    since: Start | None = Field(default=None, alias="from", description="First bar that counts: ISO-8601 or ms.")
    until: End | None = Field(
        default=None, alias="to", description="Last bar that counts, included; a day means all of it."
    )
    fee: float | None = Field(default=None, gt=-1, lt=1, description="Fee a side as a fraction; 0.001 without it.")
    slippage: float | str | None = Field(default=None, description='A fraction, "5 bps", "volume:0.1" or "atr:0.05".')
    capital: float | None = Field(default=None, gt=0, le=1e15, description="10,000 without it.")
    assumptions: dict[str, JsonValue] = Field(default_factory=dict, description="Any other assumption by its name.")
    exchange: Identifier | None = Field(
        default=None, description="Whose candles; `simulated` must be asked for by name."
    )

    @model_validator(mode="after")
    def _one_way(self) -> MarketBody:
        if self.symbol is not None and self.symbols is not None:
            raise ValueError("say symbol or symbols, not both")
        if self.days is not None and (self.since is not None or self.until is not None):
            raise ValueError("say days, or from and to, not both")
        return self

    def market_wish(self) -> dict[str, Any]:
        """The part of the wish that says where and how."""
        short = {"fee": self.fee, "slippage": self.slippage, "capital": self.capital}
        assumed = {**self.assumptions, **{name: value for name, value in short.items() if value is not None}}
        symbols = [self.symbol] if self.symbol is not None else self.symbols
        found = {
            "symbols": symbols, "timeframe": self.timeframe, "days": self.days, "from": self.since, "to": self.until,
            "assumptions": assumed or None, "exchange": self.exchange,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}


class BacktestBody(MarketBody):
    """A strategy (a document, or a built-in's name), or the id of one of yours, on a market."""

    strategy: dict[str, JsonValue] | Identifier | None = Field(default=None, examples=[_RULES, "ma_cross"])
    strategy_id: Identifier | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="Of a built-in strategy.")
    lower: Timeframe | None = Field(default=None, description="A lower timeframe that decides inside a bar.")
    checks: bool = Field(default=False, description="Check for looking ahead and for hanging on the first bar.")

    def wish(self) -> dict[str, Any]:
        """The whole wish, as it is queued."""
        found: dict[str, Any] = {"strategy": self.strategy, "strategy_id": self.strategy_id}
        found |= {"parameters": self.parameters or None, "lower": self.lower, "checks": self.checks or None}
        return {**self.market_wish(), **{name: value for name, value in found.items() if value is not None}}


class RunBody(Strict):
    """A symbol and two days; the house's own strategy where none is named."""

    symbol: Symbol = Field(examples=["BTCUSDT"])
    start_date: Start = Field(examples=["2024-01-01"])
    end_date: End = Field(examples=["2024-02-01"])
    strategy: dict[str, JsonValue] | Identifier | None = None
    timeframe: Timeframe | None = None

    def wish(self) -> dict[str, Any]:
        """The whole wish, as it is queued."""
        found = {
            "symbols": [self.symbol], "from": self.start_date, "to": self.end_date, "strategy": self.strategy,
            "timeframe": self.timeframe,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}


class CompareBody(BacktestBody):
    """Version B beside version A, on the same candles."""

    other: dict[str, JsonValue] | Identifier = Field(examples=["macd_trend"])
    seed: int = Field(default=1, ge=0, le=2**31)

    def wish(self) -> dict[str, Any]:
        return {**super().wish(), "kind": "compare", "other": self.other, "luck": {"seed": self.seed}}


class MonteCarloBody(BacktestBody):
    """The same trades in other orders, drawn again, skipped and worse filled."""

    runs: int = Field(default=1_000, ge=1, le=100_000)
    method: Literal["shuffle", "bootstrap", "as_it_was"] = "bootstrap"
    block: int | None = Field(default=None, ge=1, le=10_000)
    noise_bps: float = Field(default=0.0, ge=0, le=10_000, allow_inf_nan=False)
    skip: Share = 0.0
    ruin: Share = 0.5
    seed: int = Field(default=1, ge=0, le=2**31)

    def wish(self) -> dict[str, Any]:
        luck = {
            "method": self.method, "runs": self.runs, "seed": self.seed, "block": self.block,
            "slippage_bps": self.noise_bps, "skip": self.skip, "ruin": self.ruin,
        }  # fmt: skip
        return {**super().wish(), "kind": "monte_carlo", "luck": luck}


class SearchBody(BacktestBody):
    """Which numbers to vary; a built-in strategy's own ranges without `space`."""

    space: dict[str, JsonValue] | None = Field(
        default=None, examples=[{"fast": [10, 20, 30], "slow": {"low": 40, "high": 200, "step": 20}}]
    )
    method: Literal["grid", "random", "tpe"] | None = None
    trials: int = Field(default=100, ge=1, le=100_000)
    objective: Identifier = "sharpe"
    min_trades: int = Field(default=10, ge=0, le=1_000_000)
    seed: int = Field(default=1, ge=0, le=2**31)

    def wish(self) -> dict[str, Any]:
        """The search as the queue keeps it; what was left out stays out."""
        search: dict[str, Any] = {
            "space": self.space, "method": self.method, "trials": self.trials, "objective": self.objective,
            "min_trades": self.min_trades, "seed": self.seed,
        }  # fmt: skip
        return {
            **super().wish(),
            "kind": "search",
            "search": {name: value for name, value in search.items() if value is not None},
        }


class WalkForwardBody(SearchBody):
    """Parameters are chosen on one stretch of bars and traded on the next, again and again."""

    train_bars: int = Field(default=2_000, ge=2, le=2_000_000)
    test_bars: int = Field(default=500, ge=2, le=2_000_000)
    anchored: bool = False

    def wish(self) -> dict[str, Any]:
        walk = {"train_bars": self.train_bars, "test_bars": self.test_bars, "anchored": self.anchored}
        return {**super().wish(), "kind": "walk_forward", "walk": walk}


class BacktestQuery(ListQuery):
    """A page of one's own."""

    limit: int = Field(default=50, ge=1, le=100)


class BacktestPath(Strict):
    """One finished test."""

    backtest_id: Identifier


class JobPath(Strict):
    """One job."""

    job_id: Identifier
