"""The fear & greed index, read against the crowd: extremes lean the other way, the middle says nothing."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import refuse_bad
from modules.analysis.detectors.records import Context, Detection, Evidence, no_opinion

FRESH_MS = 36 * 3_600_000
"""Published once a day; half a day's grace for a late one."""

_VALUES = (0.0, 10.0, 25.0, 45.0, 55.0, 75.0, 90.0, 100.0)
_LEANS = (1.0, 0.8, 0.4, 0.0, 0.0, -0.4, -0.8, -1.0)


class SentimentDetector:
    """Extreme fear leans up, extreme greed down. An index older than 36 hours is no opinion."""

    name: ClassVar[str] = "sentiment"
    lookback: ClassVar[int] = 1

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`. Raises ValueError for an index outside 0 to 100."""
        refuse_bad(candles)
        at = candles.closed_at(len(candles) - 1)
        moment = context.moment(at)
        if context.fear_greed is None or context.fear_greed[0] > moment:
            return no_opinion(self.name, "no fear & greed index is known", at)
        known_ms, value = context.fear_greed
        if not 0 <= value <= 100:
            raise ValueError(f"fear_greed: {value} is not within 0 and 100")
        if moment - known_ms > FRESH_MS:
            hours = (moment - known_ms) / 3_600_000
            return no_opinion(self.name, f"the fear & greed index is {hours:.0f} hours old", at)
        lean = float(np.interp(value, _VALUES, _LEANS))
        if lean == 0:
            return no_opinion(self.name, f"fear & greed at {value} is neutral", at)
        crowd = (
            ("extreme fear" if value <= 24 else "fear") if value < 50 else ("extreme greed" if value > 75 else "greed")
        )
        way = "fear" if lean > 0 else "greed"
        reason = f"fear & greed at {value}, {crowd}: {'bullish' if lean > 0 else 'bearish'} against the crowd's {way}"
        evidence = (Evidence("fear_greed", None, None, None, known_ms, known_ms, f"fear & greed {value}"),)
        return Detection(self.name, lean, 0.2 + 0.5 * abs(lean), reason, evidence, at)
