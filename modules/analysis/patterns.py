"""Simple chart patterns over moving averages and the fortnight's range, each with how often it came true in this history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Candles, Floats
from modules.analysis.detectors.reading import refuse_bad
from modules.analysis.indicators import NotEnoughData
from modules.analysis.indicators.averages import sma

FAST, SLOW = 20, 50
MOMENTUM = 0.02
RANGE_MS = 14 * 86_400_000
OUTCOME_BARS = 10
"""A pattern came true when the close this many bars later lies on its side."""

RECENT_CROSS_BARS = 3
"""A cross is told on the bar it happens and on the two after it."""

Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ChartPattern:
    """A pattern that holds on the last bar.

    `confidence` is the share of its earlier occurrences in the same history after which the price stood on its side ten bars
    later, with one success and one failure added, so that a pattern never seen before has 0.5; `occurrences` says of how many.
    """

    pattern: str
    signal: Literal["BUY", "SELL"]
    confidence: float
    occurrences: int
    description: str
    at: int

    def as_json(self) -> dict[str, Any]:
        """The form of the API."""
        return {
            "pattern": self.pattern,
            "confidence": self.confidence,
            "signal": self.signal,
            "description": self.description,
            "occurrences": self.occurrences,
        }


def find_patterns(candles: Candles) -> tuple[ChartPattern, ...]:
    """The patterns of the last bar. Raises NotEnoughData for fewer than 51 bars or less than a fortnight and a bar."""
    refuse_bad(candles)
    window = max(2, RANGE_MS // candles.timeframe_ms)
    needed = max(SLOW, window) + 1
    if len(candles) < needed:
        raise NotEnoughData("patterns", needed, len(candles))
    fast, slow = sma(candles.close, period=FAST), sma(candles.close, period=SLOW)
    above = _past_range(candles.high, window, np.max)
    below = _past_range(candles.low, window, np.min)
    close = candles.close
    with np.errstate(invalid="ignore"):
        crossed = np.concatenate([[0.0], np.diff(np.sign(fast - slow))])
        shapes: list[tuple[str, Literal["BUY", "SELL"], Marks, str, int]] = [
            ("Bullish Momentum", "BUY", close > (1 + MOMENTUM) * fast, "price more than 2% above the 20 SMA", 1),
            ("Bearish Momentum", "SELL", close < (1 - MOMENTUM) * fast, "price more than 2% below the 20 SMA", 1),
            ("Golden Cross", "BUY", (crossed > 0) & (fast > slow), "20 SMA crossed above 50 SMA", RECENT_CROSS_BARS),
            ("Death Cross", "SELL", (crossed < 0) & (fast < slow), "20 SMA crossed below 50 SMA", RECENT_CROSS_BARS),
            ("Breakout", "BUY", close > above, "close above the high of the 14 days before", 1),
            ("Breakdown", "SELL", close < below, "close below the low of the 14 days before", 1),
        ]
    at = candles.closed_at(len(candles) - 1)
    found: list[ChartPattern] = []
    for name, signal, marks, words, recent in shapes:
        if marks[-recent:].any():
            confidence, seen = _came_true(marks, close, 1 if signal == "BUY" else -1)
            found.append(ChartPattern(name, signal, confidence, seen, words, at))
    return tuple(found)


def _past_range(values: Floats, window: int, edge: Any) -> Floats:
    """The edge of the `window` bars before each bar; NaN where there are fewer."""
    result = np.full(len(values), np.nan)
    result[window:] = edge(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)[:-1]
    return result


def _came_true(marks: Marks, close: Floats, side: int) -> tuple[float, int]:
    """How often the price stood on the pattern's side later, of the times it began and its outcome is known."""
    began = marks & ~np.concatenate([[False], marks[:-1]])
    starts = np.flatnonzero(began[:-OUTCOME_BARS])
    good = int(np.count_nonzero(side * (close[starts + OUTCOME_BARS] - close[starts]) > 0))
    return (good + 1) / (len(starts) + 2), len(starts)
