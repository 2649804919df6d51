"""What a strategy decides and the rules its trades follow: the words between strategies and whatever carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class SizeMode(StrEnum):
    """How large a trade is.

    QUOTE: `size_value` in quote currency. EQUITY_PERCENT: that percentage of the equity. RISK_PERCENT: lose that percentage
    of the equity at the stop. ATR_RISK: the same with a distance of `stop_atr` (else 1) average true ranges.
    """

    QUOTE = "quote"
    EQUITY_PERCENT = "equity_percent"
    RISK_PERCENT = "risk_percent"
    ATR_RISK = "atr_risk"


class TargetKind(StrEnum):
    """What a target's value counts: percent of the entry price, average true ranges, or multiples of the first risk."""

    PCT = "pct"
    ATR = "atr"
    R = "r"


@dataclass(frozen=True, slots=True)
class Target:
    """One level of a target ladder; `share` is the fraction of the original size it closes."""

    kind: TargetKind
    value: float
    share: float


@dataclass(frozen=True, slots=True)
class TradeRules:
    """Size and exits of every trade of a strategy. Percentages are percent (5 = 5 %); None means "no such rule".

    `dca` holds (drop in percent from the rung before, size as a multiple of the first entry's quantity).
    """

    size_mode: SizeMode = SizeMode.EQUITY_PERCENT
    size_value: float = 100.0
    stop_pct: float | None = None
    stop_atr: float | None = None
    take_profit_pct: float | None = None
    targets: tuple[Target, ...] = ()
    trail_pct: float | None = None
    trail_atr: float | None = None
    trail_activate_pct: float | None = None
    break_even_after: int | None = None
    time_exit_bars: int | None = None
    dca: tuple[tuple[float, float], ...] = ()
    leverage: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What is wanted at the close of each of n bars.

    `entry` is +1 (long), -1 (short) or 0; `stop` and `targets` (n x k) are absolute prices where the strategy names them (NaN:
    by the rules); `entry_price` is the price of a waiting entry order (NaN: market at the next open).
    """

    entry: npt.NDArray[np.int8]
    exit_long: npt.NDArray[np.bool_]
    exit_short: npt.NDArray[np.bool_]
    stop: Floats | None = None
    targets: Floats | None = None
    atr: Floats | None = None
    entry_price: Floats | None = None
