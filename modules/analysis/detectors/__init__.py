"""The nine detectors: each reads closed candles and what else was known by their end, and answers with one opinion."""

from __future__ import annotations

from modules.analysis.candles import Candles
from modules.analysis.detectors.elliott import ElliottDetector
from modules.analysis.detectors.fibonacci import FibonacciDetector
from modules.analysis.detectors.harmonic import HarmonicDetector
from modules.analysis.detectors.news import NewsDetector
from modules.analysis.detectors.price_action import PriceActionDetector
from modules.analysis.detectors.reading import shared_context
from modules.analysis.detectors.records import (
    NAMES,
    Context,
    Detection,
    Detector,
    Evidence,
    ExchangeFlow,
    Headline,
    LargePrint,
)
from modules.analysis.detectors.sar import SarDetector
from modules.analysis.detectors.sentiment import SentimentDetector
from modules.analysis.detectors.smc import SmartMoneyDetector
from modules.analysis.detectors.whales import WhaleDetector

__all__ = [
    "DETECTORS",
    "NAMES",
    "Context",
    "Detection",
    "Detector",
    "Evidence",
    "ExchangeFlow",
    "Headline",
    "LargePrint",
    "detect_all",
]

DETECTORS: tuple[Detector, ...] = (
    HarmonicDetector(),
    ElliottDetector(),
    SmartMoneyDetector(),
    FibonacciDetector(),
    PriceActionDetector(),
    SarDetector(),
    SentimentDetector(),
    NewsDetector(),
    WhaleDetector(),
)
"""All nine, in the order of `NAMES`."""


def detect_all(candles: Candles, context: Context | None = None) -> tuple[Detection, ...]:
    """The opinion of each detector at the close of the last bar; the structure is read once for all.

    Raises ValueError for an empty history, one with NaN, or a context whose structure is another history's.
    """
    shared = shared_context(candles, context)
    return tuple(detector.detect(candles, shared) for detector in DETECTORS)
