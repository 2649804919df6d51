"""A strategy that is on trades what its backtest says: the same candles through the engine and through the whole paper way.

The paper run is the runner at each closed bar, signals, planner, desk, resting orders at the paper exchange, settlement and
monitors; each bar reaches it as one conflated quote. Without costs, every fill must be the same: bar, side, price, quantity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.backtesting import engine, words
from modules.backtesting.assumptions import Assumptions
from modules.domain.errors import NotFound
from modules.domain.market import utc_from_ms
from modules.domain.people import Principal, Role
from modules.rehearsal.material import quotes_of
from modules.strategies.builtin import builtin_document
from modules.strategies.decide import decide
from modules.strategies.documents import read_strategy
from modules.strategies.language import Strategy
from modules.strategy_book.book import KeptStrategy, StrategyBook, Who
from modules.strategy_book.markets import MarketNow
from modules.strategy_book.running import StrategyRuns
from tests.flows.world import World

HOUR = 3_600_000
START = 1_760_000_400_000
ANN = Principal("user-a1", Role.SUBSCRIBER, "access_token")
NO_COSTS = Assumptions(
    taker_fee=0.0, maker_fee=0.0, tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), min_notional=5.0
)
QUOTE = {"mode": "quote", "value": 1000}


def walk(seed: int, bars: int = 260) -> Candles:
    """Hours on a grid of cents that open where the one before closed, with a few jumps within bars."""
    draw = np.random.default_rng(seed)
    steps = draw.normal(0, 0.004, bars) + np.where(draw.random(bars) < 0.05, draw.normal(0, 0.02, bars), 0)
    close = np.round(200 * np.exp(np.cumsum(steps)), 2)
    opened = np.concatenate([[200.0], close[:-1]])
    high = np.round(np.maximum(opened, close) * (1 + draw.random(bars) * 0.004), 2)
    low = np.round(np.minimum(opened, close) * (1 - draw.random(bars) * 0.004), 2)
    stamps = START + HOUR * np.arange(bars)
    return Candles.checked(
        stamps, opened, high, low, close, draw.random(bars) * 9 + 1, timeframe_ms=HOUR, symbol="BTCUSDT"
    )


def simple(**fields: Any) -> dict[str, Any]:
    """Buys when the RSI comes up, leaves when it is high."""
    rsi = {"type": "rsi", "period": 7}
    return {
        "name": "simple",
        "symbols": ["BTCUSDT"],
        "timeframe": "1h",
        "entry": {**rsi, "operator": "crosses_above", "value": 35},
        "exit": {**rsi, "operator": ">", "value": 65},
        "position_size": QUOTE,
        **fields,
    }


STRATEGIES: dict[str, dict[str, Any]] = {
    "exit by signal": simple(),
    "stop and take profit": simple(stop_loss_pct=1.2, take_profit_pct=1.5),
    "ladder with the rest running": simple(
        stop_loss_atr=2, targets=[{"pct": 0.8, "share": 0.3}, {"r": 1.5, "share": 0.3}]
    ),
    "ladder, then to the entry": simple(
        stop_loss_pct=1, targets=[{"pct": 0.7, "share": 0.5}], take_profit_pct=2, break_even_after=1
    ),
    "time": simple(exit={"type": "rsi", "operator": ">", "value": 99}, time_exit_bars=5, stop_loss_pct=2),
    "stop below the last swing": simple(stop_loss_at={"type": "donchian", "output": "lower", "period": 10}),
    "selling": simple(
        action="SELL",
        entry={"type": "rsi", "period": 7, "operator": "crosses_below", "value": 65},
        exit={"type": "rsi", "period": 7, "operator": "<", "value": 35},
        stop_loss_pct=1.5,
    ),
    "both sides": builtin_document(
        "ma_cross", {"fast": 4, "slow": 11, "symbols": ["BTCUSDT"], "timeframe": "1h", "position_size": QUOTE}
    ),
}


@dataclass(frozen=True)
class Fill:
    """One execution: the open time of its bar, what was done, and at what price."""

    bar_ms: int
    action: int
    price: Decimal
    quantity: Decimal


class Rig:
    """A world with one strategy switched on before the first candle; `feed` shows it candles bar by bar."""

    def __init__(self, folder: Path, document: dict[str, Any], candles: Candles) -> None:
        self.world = World(folder)
        self.world.clock.set(utc_from_ms(int(candles.timestamp[0])))
        self.world.account("a1")
        self.candles, self.known = candles, 0
        self.book = StrategyBook(self.world.store)
        made = self.book.create(self.who, document)
        self.kept: KeptStrategy = self.book.toggle(self.who, made.id, enabled=True)
        self.restart()

    @property
    def who(self) -> Who:
        return Who(ANN, self.world.clock.now())

    def restart(self) -> None:
        """The runner's process anew."""
        self.runs = StrategyRuns(self.world.store, self._load)

    def _load(self, _strategy: Strategy, _symbol: str, at_ms: int) -> MarketNow:
        known = self.candles[: self.known].closed_by(at_ms)
        if not len(known):
            raise NotFound("no candles are stored here")
        return MarketNow("test", known, {})

    def feed(self, first: int, last: int, between: Callable[[int], None] = lambda _row: None) -> None:
        """Each bar as a quote at its close, then whatever is due."""
        part = self.candles[first:last]
        end = utc_from_ms(part.closed_at(len(part) - 1))
        for row, quote in enumerate(quotes_of(part, utc_from_ms(0), end), start=first):
            self.world.clock.set(utc_from_ms(quote.time_ms))
            self.world.stage.quote(quote)
            self.known = row + 1
            self.decide()
            between(row)

    def decide(self) -> list[str]:
        """All that is due now."""
        now = self.world.clock.now()
        due = self.runs.due(now)
        for name in due:
            self.runs.decide(name, now)
        self.world.settle()
        return due

    def fills(self) -> list[Fill]:
        """What was executed, in order, each in the bar it belongs to."""
        orders = {each["id"]: each for each in self.world.store["orders"].all()}
        found = []
        for each in self.world.store["fills"].all():
            order = orders[each["client_order_id"]]
            at_close = order["role"] in ("stop", "target") or "time" in (self._asked(order) or "")
            bar_ms = each["at"] - (HOUR if at_close else 0)
            action = 1 if each["action"] == "buy" else -1
            found.append(Fill(bar_ms, action, Decimal(each["price"]), Decimal(each["quantity"])))
        return found

    def _asked(self, order: dict[str, Any]) -> str | None:
        request = self.world.store["order_requests"].get(key=order["request_id"])
        return None if request is None else str(request["reason"])

    def note(self) -> dict[str, Any]:
        (run,) = self.world.store["strategy_runs"].all()
        return run


def backtested(strategy: Strategy, candles: Candles) -> list[Fill]:
    """The engine's fills, but for the close of what is open at the end."""
    result = engine.run(candles, decide(strategy, candles), strategy.rules, NO_COSTS)
    return [
        Fill(
            int(candles.timestamp[each["bar"]]),
            int(each["action"]),
            Decimal(repr(float(each["price"]))),
            Decimal(repr(round(float(each["quantity"]), 6))),
        )
        for each in result.fills
        if each["kind"] != words.END
    ]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("document", STRATEGIES.values(), ids=STRATEGIES.keys())
def test_paper_and_backtest_fill_alike(tmp_path: Path, document: dict[str, Any], seed: int) -> None:
    candles = walk(seed)
    rig = Rig(tmp_path, document, candles)
    rig.feed(0, len(candles))
    expected = backtested(read_strategy(document), candles)
    last = int(candles.timestamp[-1])
    assert [each for each in rig.fills() if each.bar_ms <= last] == expected
    assert len(expected) > 6
    rig.world.close()
