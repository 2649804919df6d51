"""What a detector is given and what it answers.

Bars are named by their open times (ms UTC) in evidence, as in market structure; `Detection.at` is the moment from which
the answer may be used, the close of the last bar read.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

from modules.analysis.candles import Candles
from modules.analysis.structure import Structure

NAMES = ("harmonic", "elliott", "smc", "fibonacci", "price_action", "sar", "sentiment", "news", "whales")
"""The nine detectors."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing a chart can draw: a level (`price`), a zone (`low`, `high`) or a path (`points`: open time in ms, price).

    `formed_at` is the bar where it lies, `confirmed_at` the bar whose close made it known; None for a level in the future.
    """

    kind: str
    price: float | None = None
    low: float | None = None
    high: float | None = None
    formed_at: int | None = None
    confirmed_at: int | None = None
    label: str = ""
    points: tuple[tuple[int, float], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API; fields that say nothing are null."""
        return {
            "kind": self.kind,
            "label": self.label,
            "price": self.price,
            "low": self.low,
            "high": self.high,
            "formed_at": self.formed_at,
            "confirmed_at": self.confirmed_at,
            "points": [list(point) for point in self.points],
        }


@dataclass(frozen=True, slots=True)
class Detection:
    """One detector's opinion at `at` (ms UTC): `direction` from -1 (down) to 1 (up), `confidence` from 0 to 1.

    No opinion is direction 0 and confidence 0; the reason says why. Raises ValueError for values out of these ranges.
    """

    detector: str
    direction: float
    confidence: float
    reason: str
    evidence: tuple[Evidence, ...]
    at: int

    def __post_init__(self) -> None:
        if not (isfinite(self.direction) and -1 <= self.direction <= 1):
            raise ValueError(f"{self.detector}: direction {self.direction} is not within -1 and 1")
        if not (isfinite(self.confidence) and 0 <= self.confidence <= 1):
            raise ValueError(f"{self.detector}: confidence {self.confidence} is not within 0 and 1")

    @property
    def has_opinion(self) -> bool:
        """Whether it counts towards a score."""
        return self.confidence > 0

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {
            "detector": self.detector,
            "direction": self.direction,
            "confidence": self.confidence,
            "reason": self.reason,
            "evidence": [each.as_json() for each in self.evidence],
        }


def no_opinion(detector: str, reason: str, at: int, evidence: tuple[Evidence, ...] = ()) -> Detection:
    """The answer of a detector that has nothing to say."""
    return Detection(detector, 0.0, 0.0, reason, evidence, at)


@dataclass(frozen=True, slots=True)
class Headline:
    """One headline and the moment (ms UTC) from which it could be known."""

    at_ms: int
    title: str
    source: str


@dataclass(frozen=True, slots=True)
class LargePrint:
    """A large aggressive trade: `side` "buy" or "sell" is the taker's, `usd` its size."""

    at_ms: int
    side: str
    usd: float

    def __post_init__(self) -> None:
        if self.side not in ("buy", "sell"):
            raise ValueError(f"side: must be buy or sell, got {self.side!r}")
        if not (isfinite(self.usd) and self.usd > 0):
            raise ValueError(f"usd: must be above zero, got {self.usd}")


@dataclass(frozen=True, slots=True)
class ExchangeFlow:
    """Large transfers of one hour in USD, on to exchanges and off them; known at `at_ms` (ms UTC), the hour's end."""

    at_ms: int
    to_exchange_usd: float
    from_exchange_usd: float

    def __post_init__(self) -> None:
        for value in (self.to_exchange_usd, self.from_exchange_usd):
            if not (isfinite(value) and value >= 0):
                raise ValueError(f"exchange flow: {value} USD is not a sum of transfers")


@dataclass(frozen=True, slots=True)
class Context:
    """What is known besides the candles. Every part may be missing; a detector without its part has no opinion.

    `structure` is that of the same candles, read once and shared. `asked_at` (ms UTC) is the moment of the question
    where it is later than the close of the last bar: opinions known between the two count, later ones never do.
    """

    structure: Structure | None = None
    fear_greed: tuple[int, int] | None = None
    headlines: tuple[Headline, ...] = ()
    prints: tuple[LargePrint, ...] = ()
    exchange_flow_usd: tuple[ExchangeFlow, ...] = ()
    asked_at: int | None = None

    def moment(self, closed_at: int) -> int:
        """The moment of the question; raises ValueError when that lies before the last bar's close."""
        if self.asked_at is None:
            return closed_at
        if self.asked_at < closed_at:
            raise ValueError(f"asked_at: {self.asked_at} lies before the last bar's close {closed_at}")
        return self.asked_at


class Detector(Protocol):
    """One way of looking at a market. `lookback` is the least number of bars it needs; with fewer it has no opinion."""

    @property
    def name(self) -> str:
        """By which opinions, weights and the API know it."""

    @property
    def lookback(self) -> int:
        """The least number of bars."""

    def detect(self, candles: Candles, context: Context) -> Detection:
        """The opinion at the close of the last bar, from the bars given and from what of the context was known by then.

        Raises ValueError for an empty history or one with NaN.
        """
        ...
