"""A day's forecast: a straight line through the last log prices, with what such lines have been worth on this very history.

The interval and the confidence are measured by rolling origin: the same line is fitted at every earlier bar, and its error
against the price that came is what the interval is made of. A line is a weak model; the measured skill says how weak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from modules.analysis.candles import Candles, Floats
from modules.analysis.detectors.reading import refuse_bad
from modules.analysis.indicators import NotEnoughData

HOURS_AHEAD = 24
LEAST_POINTS = 50
LEAST_WINDOW, LONGEST_WINDOW = 10, 100
LEAST_ERRORS = 10
INTERVAL = (0.1, 0.9)
"""Quantiles of the errors that bound the interval."""

SURE = 0.6
"""Confidence from which a forecast is a signal."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The price expected `hours_ahead` after `at` (ms UTC, the close of the last bar).

    `low` and `high` bound four in five of the outcomes that the model's own earlier errors would give. `confidence` is the
    share of those outcomes on the forecast's side of the present price. `error_percent` is the mean absolute error
    of the earlier forecasts, `skill` how much smaller it is than that of expecting no change (negative: larger), `tested`
    how many there were.
    """

    symbol: str | None
    current_price: float
    predicted_price: float
    low: float
    high: float
    price_change_pct: float
    hours_ahead: int
    signal: Literal["BUY", "SELL", "HOLD"]
    confidence: float
    error_percent: float
    skill: float
    tested: int
    at: int

    def as_json(self) -> dict[str, Any]:
        """The form of the API."""
        return {
            "symbol": self.symbol,
            "current_price": self.current_price,
            "predicted_price": self.predicted_price,
            "price_change_pct": self.price_change_pct,
            "hours_ahead": self.hours_ahead,
            "signal": self.signal,
            "confidence": self.confidence,
            "interval": {"low": self.low, "high": self.high, "share": INTERVAL[1] - INTERVAL[0]},
            "out_of_sample": {"forecasts": self.tested, "error_percent": self.error_percent, "skill": self.skill},
        }


def forecast(candles: Candles) -> Forecast:
    """The forecast a day ahead from the last bars (at most 100 in a line).

    Raises NotEnoughData for fewer than 50 bars, or fewer than leave ten earlier forecasts to measure; ValueError for a
    timeframe that does not divide a day.
    """
    refuse_bad(candles)
    steps, rest = divmod(HOURS_AHEAD * 3_600_000, candles.timeframe_ms)
    if rest:
        raise ValueError(f"timeframe_ms: {candles.timeframe_ms} does not divide a day")
    needed = max(LEAST_POINTS, LEAST_WINDOW + steps + LEAST_ERRORS)
    if len(candles) < needed:
        raise NotEnoughData("forecast", needed, len(candles))
    logs = np.log(candles.close)
    window = min(LONGEST_WINDOW, max(LEAST_WINDOW, (len(candles) - steps) // 2))
    lines = _line_ends(logs, window, steps)
    errors = logs[window - 1 + steps :] - lines[:-steps]
    still = logs[window - 1 + steps :] - logs[window - 1 : -steps]
    now, ahead = float(logs[-1]), float(lines[-1])
    move = ahead - now
    outcomes = move + errors
    confidence = float(np.mean(outcomes * np.sign(move) > 0)) if move else 0.0
    low, high = (float(np.exp(ahead + bound)) for bound in np.quantile(errors, INTERVAL))
    naive, own = float(np.mean(np.abs(still))), float(np.mean(np.abs(errors)))
    return Forecast(
        symbol=candles.symbol,
        current_price=float(candles.close[-1]),
        predicted_price=float(np.exp(ahead)),
        low=low,
        high=high,
        price_change_pct=float(100 * np.expm1(move)),
        hours_ahead=HOURS_AHEAD,
        signal="HOLD" if confidence < SURE else "BUY" if move > 0 else "SELL",
        confidence=confidence,
        error_percent=100 * own,
        skill=1 - own / naive if naive > 0 else 0.0,
        tested=len(errors),
        at=candles.closed_at(len(candles) - 1),
    )


def _line_ends(logs: Floats, window: int, steps: int) -> Floats:
    """Where the least-squares line through each `window` of values lies `steps` after its end; one value a window.

    The line's value there is a fixed weighted sum of the window.
    """
    places = np.arange(window) - (window - 1) / 2
    target = window - 1 + steps - (window - 1) / 2
    weights = 1 / window + places * target / np.sum(places**2)
    ends: Floats = np.lib.stride_tricks.sliding_window_view(logs, window) @ weights
    return ends
