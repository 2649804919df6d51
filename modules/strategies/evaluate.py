"""What a strategy says at the close of the last candle, condition by condition, with the numbers it compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.domain.errors import InvalidInput
from modules.strategies.catalogue import KINDS
from modules.strategies.decide import atr_series, decide, level_prices, truth_of
from modules.strategies.language import Condition, Series, Strategy, conditions_of
from modules.strategies.measures import Market
from modules.strategies.windows import Marks


@dataclass(frozen=True, slots=True)
class Checked:
    """One condition: where the document says it, in words, what was compared, and whether it holds (None: not known)."""

    place: str
    words: str
    left: float | None
    right: float | None
    holds: bool | None

    def as_json(self) -> dict[str, Any]:
        """The form of the API."""
        return {
            "place": self.place,
            "condition": self.words,
            "left": self.left,
            "right": self.right,
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the market: whether its entry and its exit hold, and the levels an entry now would have."""

    action: str
    enters: bool
    leaves: bool
    entry: tuple[Checked, ...]
    exit: tuple[Checked, ...]
    stop: float | None
    targets: tuple[float | None, ...]

    def as_json(self) -> dict[str, Any]:
        """The form of the API."""
        return {
            "action": self.action,
            "enters": self.enters,
            "leaves": self.leaves,
            "entry": [each.as_json() for each in self.entry],
            "exit": [each.as_json() for each in self.exit],
            "stop_at": self.stop,
            "targets_at": list(self.targets),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A strategy at `at` (ms UTC, the close of the last bar). `signal` is BUY, SELL or NONE."""

    symbol: str | None
    timeframe: str
    at: int
    price: float
    signal: str
    sides: tuple[Side, ...]

    def as_json(self) -> dict[str, Any]:
        """The form of the API; the time is added by whoever words times."""
        return {
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "price": self.price,
            "signal": self.signal,
            "conditions_met": self.signal != "NONE",
            "sides": [side.as_json() for side in self.sides],
        }


def evaluate(strategy: Strategy, candles: Candles, higher: Mapping[str, Candles] | None = None) -> Evaluation:
    """What `strategy` says at the close of the last of these candles.

    Raises InvalidInput for no candles, or where candles of a higher timeframe are missing.
    """
    if not len(candles):
        raise InvalidInput("there are no candles to evaluate the strategy on")
    last = np.zeros(len(candles), np.bool_)
    last[-1] = True
    decisions = decide(strategy, candles, higher, only=last)
    market = Market(candles, higher, strategy.indicators)
    atr = market.own.column(atr_series(strategy))
    sides: list[Side] = []
    for direction, conduct in strategy.conducts():
        action = "BUY" if direction > 0 else "SELL"
        leaves = decisions.exit_long if direction > 0 else decisions.exit_short
        stop = None if conduct.stop_at is None else level_prices(conduct.stop_at, -direction, market, atr)[-1]
        targets = [level_prices(level, direction, market, atr)[-1] for level in conduct.targets_at]
        sides.append(
            Side(
                action=action,
                enters=bool(decisions.entry[-1] == direction),
                leaves=bool(leaves[-1]),
                entry=tuple(_checked(each, market, last) for each in conditions_of(conduct.entry)),
                exit=tuple(_checked(each, market, last) for each in conditions_of(conduct.exit)),
                stop=None if stop is None else _number(stop),
                targets=tuple(_number(price) for price in targets),
            )
        )
    signal = {1: "BUY", -1: "SELL"}.get(int(decisions.entry[-1]), "NONE")
    return Evaluation(
        symbol=candles.symbol,
        timeframe=strategy.timeframe,
        at=candles.closed_at(len(candles) - 1),
        price=float(candles.close[-1]),
        signal=signal,
        sides=tuple(sides),
    )


def _checked(condition: Condition, market: Market, last: Marks) -> Checked:
    truth = truth_of(condition, market, last)
    holds = True if truth.yes[-1] else False if truth.no[-1] else None
    right = condition.right
    against = right if isinstance(right, float) else float(market.values(right, last)[-1])
    left = float(market.values(condition.left, last)[-1])
    return Checked(condition.place, in_words(condition), _number(left), _number(against), holds)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


# ---- words ------------------------------------------------------------------------------------------------------------


def in_words(condition: Condition) -> str:
    """A condition as people write it: `sma(20) crosses above sma(50)`, `4h price close > 4h ema(200)`."""
    operator = condition.operator.value.replace("_", " ")
    right = condition.right
    return f"{series_words(condition.left)} {operator} {series_words(right) if isinstance(right, Series) else f'{right:g}'}"


def series_words(series: Series) -> str:
    """A series in short: its type, its settings, its output and how it is looked at."""
    kind = KINDS[series.type]
    shown = [value if isinstance(value, str) else f"{value:g}" for _, value in _telling(series)]
    words = series.type + (f"({', '.join(shown)})" if shown else "")
    if series.output is not None and kind.outputs and series.output != kind.default_output:
        words += f" {series.output}"
    if series.timeframe is not None:
        words = f"{series.timeframe} {words}"
    if series.shift:
        words += f" {series.shift} bars ago"
    return words if series.times == 1.0 else f"{series.times:g} × {words}"


def _telling(series: Series) -> list[tuple[str, float | str]]:
    """The settings worth saying: not the price a plain average is taken from."""
    return [
        (name, value) for name, value in series.settings if (name, value) not in (("source", "close"), ("within", 1.0))
    ]
