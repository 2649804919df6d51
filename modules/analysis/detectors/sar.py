"""Parabolic stop-and-reverse with the strength of the trend: it speaks loudly in a trend and softly in a range."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import price_text, view_of
from modules.analysis.detectors.records import Context, Detection, Evidence, no_opinion
from modules.analysis.indicators.trend import adx, sar

DRAWN_BARS = 50
TREND_ADX = 40.0
"""An ADX from which the trend counts in full."""

WHIPSAW_BARS = 40
CALM_FLIPS = 2
"""Reversals within `WHIPSAW_BARS` that are usual in a trend; each further one takes from the confidence."""


class SarDetector:
    """On which side of the price the parabolic stop lies."""

    name: ClassVar[str] = "sar"
    lookback: ClassVar[int] = 30

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`."""
        view = view_of(self.name, self.lookback, candles, context)
        if isinstance(view, Detection):
            return view
        stop, side = sar(candles.high, candles.low)
        trend = float(adx(candles.high, candles.low, candles.close).adx[-1])
        direction = float(side[-1])
        if not (np.isfinite(direction) and np.isfinite(trend)) or direction == 0:
            return no_opinion(self.name, "the stop has no side yet", view.at)
        recent = side[-WHIPSAW_BARS:]
        recent = recent[np.isfinite(recent)]
        flips = int(np.count_nonzero(np.diff(recent)))
        held = _bars_held(side)
        strength = min(1.0, trend / TREND_ADX)
        calm = 1.0 / (1.0 + 0.25 * max(0, flips - CALM_FLIPS))
        confidence = (0.25 + 0.65 * strength) * calm
        lean = direction * (0.4 + 0.6 * strength)
        place = "below" if direction > 0 else "above"
        reason = (
            f"SAR at {price_text(float(stop[-1]))} lies {place} the price for {held} bars, ADX {trend:.0f}, "
            f"{flips} reversals in {WHIPSAW_BARS} bars"
        )
        shown = range(max(1, len(candles) - DRAWN_BARS), len(candles))
        path = tuple((view.stamp(row), float(stop[row])) for row in shown)
        here = view.stamp(view.last)
        evidence = (
            Evidence("sar_stop", float(stop[-1]), None, None, view.stamp(view.last - held + 1), here, f"SAR {place}"),
            Evidence("sar", None, None, None, path[0][0], here, "parabolic SAR", path),
        )
        return Detection(self.name, lean, confidence, reason, evidence, view.at)


def _bars_held(side: np.ndarray) -> int:
    other = np.flatnonzero(side != side[-1])
    return len(side) if not len(other) else len(side) - 1 - int(other[-1])
