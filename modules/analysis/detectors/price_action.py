"""What the last bars say by themselves: candlestick patterns, pin bars, inside bars and engulfing, weighed by their place.

A pattern at a standing level (order block, gap, pool, swing) on its own side speaks more; a pattern grows old in three bars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors.candlesticks import WINDOW, candlesticks
from modules.analysis.detectors.reading import Reason, View, price_text, side_word, view_of, weigh
from modules.analysis.detectors.records import Context, Detection, Evidence
from modules.analysis.structure.layout import BREAKER_BLOCK, FVG, ORDER_BLOCK, POOL, SWING, Records

BARS = 3
PIN_WICK_SHARE = 0.6
"""A pin bar's wick is at least this share of its range, its body at most `PIN_BODY_SHARE`."""

PIN_BODY_SHARE = 0.3
LEAST_RANGE_ATR = 0.6
NEAR_ATR = 0.25
AT_LEVEL = 1.6
BUSY = 1.2
"""Volume from 1.5 times the mean of the window raises a pattern's weight by this."""


@dataclass(frozen=True, slots=True)
class Formation:
    """A pattern that ended on bar `index`."""

    name: str
    side: int
    weight: float
    index: int


class PriceActionDetector:
    """Candlestick patterns, pin bars, inside bars and engulfing at structure."""

    name: ClassVar[str] = "price_action"
    lookback: ClassVar[int] = WINDOW + BARS

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`."""
        view = view_of(self.name, self.lookback, candles, context)
        if isinstance(view, Detection):
            return view
        levels = _levels(view)
        effort = view.structure.bars["effort"]
        reasons: list[Reason] = []
        evidence: list[Evidence] = []
        for found in _formations(view):
            level = _level_at(view, levels, found)
            weight = found.weight * (1 - (view.last - found.index) / (BARS + 1))
            weight *= AT_LEVEL if level is not None else 1.0
            weight *= BUSY if effort[found.index] >= 1.5 else 1.0
            place = f" at {price_text(level)}" if level is not None else ""
            words = f"{side_word(found.side)} {found.name}{place}{_ago(view.last - found.index)}"
            reasons.append(Reason(min(1.0, weight), found.side * min(1.0, 0.5 + weight / 2), words))
            evidence.append(_drawn(view, found, words))
        return weigh(self.name, reasons, 2.0, tuple(evidence), view.at, "no pattern on the last three bars")


def _ago(bars: int) -> str:
    return "" if bars == 0 else " one bar ago" if bars == 1 else f" {bars} bars ago"


def _drawn(view: View, found: Formation, words: str) -> Evidence:
    stamp = view.stamp(found.index)
    low, high = float(view.candles.low[found.index]), float(view.candles.high[found.index])
    kind = found.name.lower().replace(" ", "_").replace("-", "_")
    return Evidence(kind, float(view.candles.close[found.index]), low, high, stamp, stamp, words)


def _formations(view: View) -> list[Formation]:
    found = [Formation(hit.name, hit.side, hit.weight, hit.index) for hit in candlesticks(view.candles, BARS)]
    for index in range(view.last, view.last - BARS, -1):
        found += _pin_bar(view, index)
        found += _inside_break(view, index)
    return found


def _pin_bar(view: View, index: int) -> list[Formation]:
    bar = view.candles[index]
    size = bar.high - bar.low
    if size < LEAST_RANGE_ATR * view.atr or abs(bar.close - bar.open) > PIN_BODY_SHARE * size:
        return []
    if min(bar.open, bar.close) - bar.low >= PIN_WICK_SHARE * size:
        return [Formation("pin bar", 1, 0.6, index)]
    if bar.high - max(bar.open, bar.close) >= PIN_WICK_SHARE * size:
        return [Formation("pin bar", -1, 0.6, index)]
    return []


def _inside_break(view: View, index: int) -> list[Formation]:
    """A close outside the mother bar right after a bar that lay inside it."""
    mother, inside, bar = (view.candles[row] for row in (index - 2, index - 1, index))
    if not (inside.high <= mother.high and inside.low >= mother.low and inside.high - inside.low > 0):
        return []
    if bar.close > mother.high:
        return [Formation("inside bar break", 1, 0.6, index)]
    if bar.close < mother.low:
        return [Formation("inside bar break", -1, 0.6, index)]
    return []


def _levels(view: View) -> Records:
    table = view.structure.table
    standing = (table["ended"] < 0) | (table["ended"] > view.last - BARS)
    return table[standing & np.isin(table["kind"], (ORDER_BLOCK, BREAKER_BLOCK, FVG, POOL, SWING))]


def _level_at(view: View, levels: Records, found: Formation) -> float | None:
    """The nearest standing level on the pattern's own side (support under a bullish one) known before it that it touches or takes."""
    reach = NEAR_ATR * view.atr
    low, high = float(view.candles.low[found.index]), float(view.candles.high[found.index])
    edge = low if found.side > 0 else high
    zone = np.isin(levels["kind"], (ORDER_BLOCK, BREAKER_BLOCK, FVG))
    # zones support in their own direction; a swing low or a pool of lows is told as bearish and supports
    sided = np.where(zone, levels["direction"] == found.side, levels["direction"] == -found.side)
    stood = (levels["confirmed"] < found.index) & ((levels["ended"] < 0) | (levels["ended"] >= found.index))
    near = sided & stood & (levels["low"] - reach <= edge) & (edge <= levels["high"] + reach)
    if not near.any():
        return None
    prices = levels["price"][near]
    return float(prices[int(np.argmin(np.abs(prices - edge)))])
