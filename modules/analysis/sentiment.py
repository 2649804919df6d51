"""The market's own mood, from price alone, and the tone of headlines (see `detectors.headlines`)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors.headlines import Tone, tone_of
from modules.analysis.detectors.reading import refuse_bad
from modules.analysis.indicators import NotEnoughData

__all__ = ["MarketSentiment", "Tone", "market_sentiment", "tone_of"]

BARS = 100
LEAST_BARS = 21


@dataclass(frozen=True, slots=True)
class MarketSentiment:
    """Share of the last bars that closed higher and lower, in per cent of those that moved.

    `strength` says how far that is from chance: WEAK within one standard error of one half, MODERATE within two, STRONG
    beyond. `volatility` is the standard deviation of a bar's log return in per cent. `at` is the last bar's close (ms UTC).
    """

    symbol: str | None
    bullish_percent: float
    bearish_percent: float
    sentiment: Literal["BULLISH", "BEARISH", "NEUTRAL"]
    strength: Literal["STRONG", "MODERATE", "WEAK"]
    volatility: float
    bars: int
    at: int

    def as_json(self) -> dict[str, Any]:
        """The form of the API."""
        return {
            "symbol": self.symbol,
            "bullish_percentage": self.bullish_percent,
            "bearish_percentage": self.bearish_percent,
            "sentiment": self.sentiment,
            "strength": self.strength,
            "volatility": self.volatility,
            "bars": self.bars,
        }


def market_sentiment(candles: Candles, bars: int = BARS) -> MarketSentiment:
    """The mood of the last `bars` moves (fewer where the history is shorter). Raises NotEnoughData below 21 bars."""
    refuse_bad(candles)
    if len(candles) < LEAST_BARS:
        raise NotEnoughData("sentiment", LEAST_BARS, len(candles))
    returns = np.diff(np.log(candles.close[-bars - 1 :]))
    up, down = int(np.count_nonzero(returns > 0)), int(np.count_nonzero(returns < 0))
    moved = up + down
    share = up / moved if moved else 0.5
    errors = abs(share - 0.5) / (0.5 / sqrt(moved)) if moved else 0.0
    return MarketSentiment(
        symbol=candles.symbol,
        bullish_percent=100 * share,
        bearish_percent=100 * (1 - share),
        sentiment="NEUTRAL" if errors < 1 else "BULLISH" if share > 0.5 else "BEARISH",
        strength="STRONG" if errors >= 2 else "MODERATE" if errors >= 1 else "WEAK",
        volatility=100 * float(np.std(returns, ddof=1)),
        bars=len(returns),
        at=candles.closed_at(len(candles) - 1),
    )
