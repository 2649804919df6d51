"""The dynamic score: nine opinions as one, with how far they agree and how risky the market is.

Weights are always normalised, over the detectors that have an opinion; a detector without one counts neither way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite, prod, sqrt
from types import MappingProxyType
from typing import Any, Literal

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import refuse_bad
from modules.analysis.detectors.records import NAMES, Detection
from modules.analysis.indicators import NotEnoughData
from modules.analysis.indicators.bands import natr

RiskLevel = Literal["LOW", "MEDIUM", "HIGH"]
Advice = Literal["STRONG_BUY", "BUY", "HOLD", "SELL", "STRONG_SELL"]
RISK_LEVELS: tuple[RiskLevel, ...] = ("LOW", "MEDIUM", "HIGH")

DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "harmonic": 0.15,
        "elliott": 0.15,
        "smc": 0.20,
        "fibonacci": 0.10,
        "price_action": 0.15,
        "sar": 0.10,
        "sentiment": 0.10,
        "news": 0.05,
        "whales": 0.05,
    }
)
"""The documented weights. They add up to 1.05; every score normalises the weights it is given."""

ATR_BARS = 14
DAY_MS = 86_400_000
CALM_ATR_PERCENT, WILD_ATR_PERCENT = 3.0, 7.0
"""Average true range of a day, in per cent of the price, from which risk is medium and high. That of another timeframe is
brought to a day by the root of time."""

SPLIT, TORN = 0.5, 0.85
"""Disagreement from which risk is medium and high."""

LEAN, STRONG_LEAN = 0.15, 0.45
STRONG_CONFIDENCE, STRONG_CONSENSUS = 0.4, 0.7


@dataclass(frozen=True, slots=True)
class Part:
    """What one detector added. `weight` is its share among those with an opinion; 0 for one without."""

    detector: str
    weight: float
    direction: float
    confidence: float
    contribution: float
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {
            "detector": self.detector,
            "weight": self.weight,
            "direction": self.direction,
            "confidence": self.confidence,
            "contribution": self.contribution,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Score:
    """One figure for a symbol and timeframe at `at` (ms UTC, the close of the last bar).

    `direction` from -1 to 1 is the mean of the opinions by weight and confidence. `score` is how strongly the side it
    points to is favoured: 0.5 is neither, 1 is every voice fully for that side. `consensus` is the share of the weight
    that points the same way, `disagreement` the weighted spread (standard deviation) of the directions, `confidence` what
    the agreeing voices support together, less what consensus and disagreement take away.
    `atr_percent` is None for fewer than 15 bars.
    """

    score: float
    direction: float
    consensus: float
    disagreement: float
    confidence: float
    risk_level: RiskLevel
    advice: Advice
    parts: tuple[Part, ...]
    price: float
    atr_percent: float | None
    at: int

    @property
    def side(self) -> str:
        """LONG, SHORT or NEUTRAL."""
        return "LONG" if self.direction > 0 else "SHORT" if self.direction < 0 else "NEUTRAL"

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {
            "score": self.score,
            "direction": self.direction,
            "side": self.side,
            "consensus": self.consensus,
            "disagreement": self.disagreement,
            "confidence": self.confidence,
            "risk_level": self.risk_level,
            "advice": self.advice,
            "price": self.price,
            "atr_percent": self.atr_percent,
            "parts": [part.as_json() for part in self.parts],
        }


def normalised_weights(weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """Weights of all nine detectors that add up to 1; one that is not given has none.

    Raises ValueError for an unknown detector, a weight that is no finite number of at least 0, or weights all nought.
    """
    given = DEFAULT_WEIGHTS if weights is None else weights
    for name, value in given.items():
        if name not in NAMES:
            raise ValueError(f"weights: there is no detector {name!r}; there are {', '.join(NAMES)}")
        if isinstance(value, bool) or not isfinite(value) or value < 0:
            raise ValueError(f"weights: {name} must be a finite number of at least 0, got {value}")
    largest = max(given.values(), default=0.0)
    if largest <= 0:
        raise ValueError("weights: at least one must be above 0")
    scaled = {name: given.get(name, 0.0) / largest for name in NAMES}
    total = fsum(scaled.values())
    return {name: value / total for name, value in scaled.items()}


def dynamic_score(
    detections: Sequence[Detection], candles: Candles, weights: Mapping[str, float] | None = None
) -> Score:
    """The opinions of one moment as one score.

    Raises ValueError for bad weights or candles, a detector told twice, and opinions of another moment than the candles'.
    """
    refuse_bad(candles)
    at = candles.closed_at(len(candles) - 1)
    _refuse_mixed(detections, at)
    voices = normalised_weights(weights)
    shares = _shares(detections, voices)
    force = fsum(shares[each.detector] * each.confidence for each in detections)
    pushes = {each.detector: shares[each.detector] * each.confidence * each.direction for each in detections}
    direction = max(-1.0, min(1.0, fsum(pushes.values()) / force)) if force > 0 else 0.0
    consensus = fsum(shares[each.detector] for each in detections if each.direction * direction > 0)
    disagreement = _spread(detections, shares)
    confidence = _support(detections, voices, direction) * consensus * (1 - 0.5 * min(1.0, disagreement))
    atr_percent = _atr_percent(candles)
    parts = tuple(
        Part(
            each.detector,
            shares[each.detector],
            each.direction,
            each.confidence,
            pushes[each.detector] / force if force > 0 else 0.0,
            each.reason,
        )
        for each in detections
    )
    return Score(
        score=0.5 + 0.5 * abs(direction),
        direction=direction,
        consensus=min(1.0, consensus),
        disagreement=disagreement,
        confidence=min(1.0, confidence),
        risk_level=risk_level(atr_percent, candles.timeframe_ms, disagreement),
        advice=_advice(direction, confidence, consensus),
        parts=parts,
        price=float(candles.close[-1]),
        atr_percent=atr_percent,
        at=at,
    )


def _refuse_mixed(detections: Sequence[Detection], at: int) -> None:
    seen: set[str] = set()
    for each in detections:
        if each.detector in seen:
            raise ValueError(f"detections: {each.detector} is told twice")
        if each.detector not in NAMES:
            raise ValueError(f"detections: there is no detector {each.detector!r}")
        if each.at != at:
            raise ValueError(f"detections: {each.detector} speaks of {each.at}, the candles end at {at}")
        seen.add(each.detector)


def _shares(detections: Sequence[Detection], weights: Mapping[str, float]) -> dict[str, float]:
    told = {each.detector: weights[each.detector] if each.has_opinion else 0.0 for each in detections}
    total = fsum(told.values())
    return {name: value / total if total > 0 else 0.0 for name, value in told.items()}


def _support(detections: Sequence[Detection], voices: Mapping[str, float], direction: float) -> float:
    """The chance that not all who point this way are wrong, were they independent and wrong as often as they fear.

    A voice of average weight counts once, one of twice that weight twice.
    """
    doubt = prod(
        (1 - each.confidence) ** (len(NAMES) * voices[each.detector])
        for each in detections
        if each.direction * direction > 0
    )
    return 1 - float(doubt)


def _spread(detections: Sequence[Detection], shares: Mapping[str, float]) -> float:
    mean = fsum(shares[each.detector] * each.direction for each in detections)
    return sqrt(max(0.0, fsum(shares[each.detector] * (each.direction - mean) ** 2 for each in detections)))


def _atr_percent(candles: Candles) -> float | None:
    try:
        return float(natr(candles.high, candles.low, candles.close, period=ATR_BARS)[-1])
    except NotEnoughData:
        return None


def risk_level(atr_percent: float | None, timeframe_ms: int, disagreement: float) -> RiskLevel:
    """LOW, MEDIUM or HIGH: the worse of what the range of a day and the disagreement say; HIGH when there is no range yet."""
    if atr_percent is None:
        return "HIGH"
    daily = atr_percent * sqrt(DAY_MS / timeframe_ms)
    by_range = (daily >= CALM_ATR_PERCENT) + (daily >= WILD_ATR_PERCENT)
    by_voices = (disagreement >= SPLIT) + (disagreement >= TORN)
    return RISK_LEVELS[max(by_range, by_voices)]


def _advice(direction: float, confidence: float, consensus: float) -> Advice:
    if abs(direction) < LEAN:
        return "HOLD"
    strong = abs(direction) >= STRONG_LEAN and confidence >= STRONG_CONFIDENCE and consensus >= STRONG_CONSENSUS
    if direction > 0:
        return "STRONG_BUY" if strong else "BUY"
    return "STRONG_SELL" if strong else "SELL"
