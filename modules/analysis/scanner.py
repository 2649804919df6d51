"""The multi-timeframe scan of one symbol, and the ranking of many. Pure: where it runs is the caller's business.

A bar of any timeframe counts only once it is closed at the moment asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import fsum, isfinite
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.confluence import Confluence, Reason, confluence, reasons_of
from modules.analysis.detectors import Context, Detection, detect_all
from modules.analysis.detectors.reading import shared_context
from modules.analysis.fixed_formula import FixedScore, fixed_score
from modules.analysis.quality import Candidate, efficiency, levels_of
from modules.analysis.scoring import RISK_LEVELS, RiskLevel, Score, dynamic_score, normalised_weights
from modules.analysis.structure import Structure

TIMEFRAMES = ("15m", "1h", "4h", "1d")
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
STALE_BARS = 3
"""A history that ended more bars than this before the moment asked for says nothing of it."""

LEAST_LEAN = 0.05
"""A timeframe that leans less gives no candidate."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an opportunity must meet. `min_volume_usd` is the volume of the last day in the quote currency."""

    min_score: float = 0.6
    min_confidence: float = 0.3
    max_risk_level: RiskLevel = "HIGH"
    min_volume_usd: float = 0.0

    def __post_init__(self) -> None:
        for name in ("min_score", "min_confidence", "min_volume_usd"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), int | float):
                raise ValueError(f"{name}: must be a number, got {getattr(self, name)!r}")
        for name in ("min_score", "min_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: must lie in [0, 1], got {getattr(self, name)}")
        if self.max_risk_level not in RISK_LEVELS:
            raise ValueError(f"max_risk_level: must be one of {', '.join(RISK_LEVELS)}, got {self.max_risk_level}")
        if not (isfinite(self.min_volume_usd) and self.min_volume_usd >= 0):
            raise ValueError(f"min_volume_usd: must be at least 0, got {self.min_volume_usd}")


@dataclass(frozen=True, slots=True, eq=False)
class TimeframeReading:
    """One timeframe of a symbol: its opinions and both scores at the close of its last closed bar."""

    timeframe: str
    structure: Structure
    detections: tuple[Detection, ...]
    score: Score
    fixed: FixedScore


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A symbol over its timeframes as of `at` (ms UTC). `scores` are by timeframe; `errors` tells of those not read.

    `direction` is the mean of the timeframes' directions by confidence and length (a longer one counts more), `score` how
    strongly its side is favoured, `confidence` the mean confidence of the timeframes on that side, less what the others
    take away. `risk_level` is the highest of the timeframes'. `volume_usd` is None where less than a day is known.
    """

    symbol: str
    score: float
    direction: float
    confidence: float
    risk_level: RiskLevel
    volume_usd: float | None
    scores: Mapping[str, Score]
    fixed: Mapping[str, FixedScore]
    confluence: Confluence
    candidates: tuple[Candidate, ...]
    at: int
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def side(self) -> str:
        """LONG, SHORT or NEUTRAL."""
        return "LONG" if self.direction > 0 else "SHORT" if self.direction < 0 else "NEUTRAL"

    @property
    def rank_key(self) -> tuple[float, float, str]:
        """Sorts the best first: strength times confidence, then confidence, then the name."""
        return (-(2 * self.score - 1) * self.confidence, -self.confidence, self.symbol)

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {
            "symbol": self.symbol,
            "side": self.side,
            "score": self.score,
            "direction": self.direction,
            "confidence": self.confidence,
            "risk_level": self.risk_level,
            "volume_usd": self.volume_usd,
            "timeframes": {name: score.as_json() for name, score in self.scores.items()},
            "fixed": {name: score.as_json() for name, score in self.fixed.items()},
            "confluence": self.confluence.as_json(),
            "at": self.at,
            "errors": dict(self.errors),
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A symbol that could not be analysed, and why."""

    symbol: str
    error: str

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {"symbol": self.symbol, "error": self.error}


@dataclass(frozen=True, slots=True)
class Dropped:
    """An opportunity that the rules leave out, and why."""

    opportunity: Opportunity
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {"symbol": self.opportunity.symbol, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class Ranking:
    """A scan's result: opportunities best first, those left out with the reason, and failures by name."""

    opportunities: tuple[Opportunity, ...]
    dropped: tuple[Dropped, ...]
    failures: tuple[Failure, ...]

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {
            "opportunities": [each.as_json() for each in self.opportunities],
            "dropped": [each.as_json() for each in self.dropped],
            "failures": [each.as_json() for each in self.failures],
        }


def read_timeframe(
    timeframe: str, candles: Candles, context: Context | None = None, weights: Mapping[str, float] | None = None
) -> TimeframeReading:
    """Opinions and both scores at the last bar. Raises ValueError for bad candles or weights."""
    shared = shared_context(candles, context)
    assert shared.structure is not None
    detections = detect_all(candles, shared)
    score = dynamic_score(detections, candles, weights)
    return TimeframeReading(timeframe, shared.structure, detections, score, fixed_score(candles, detections, shared))


def analyse_one(
    symbol: str,
    candles_by_timeframe: Mapping[str, Candles],
    context: Context | None = None,
    weights: Mapping[str, float] | None = None,
    at: int | None = None,
) -> Opportunity | Failure:
    """One symbol on all its timeframes as of `at` (ms UTC; by default the latest close of any bar).

    Bars not closed by then are not read. A timeframe that ended long before, or can't be read, is told in `errors`; with
    none left the symbol is a Failure. Raises ValueError for bad weights only.
    """
    if not candles_by_timeframe:
        return Failure(symbol, "there are no candles")
    moment = _latest_close(candles_by_timeframe) if at is None else at
    given = replace(context or Context(), structure=None, asked_at=moment)
    readings: dict[str, TimeframeReading] = {}
    errors: dict[str, str] = {}
    closed: dict[str, Candles] = {}
    normalised_weights(weights)
    for timeframe, candles in sorted(candles_by_timeframe.items(), key=lambda one: one[1].timeframe_ms):
        try:
            closed[timeframe] = _recent(candles.closed_by(moment), moment)
            readings[timeframe] = read_timeframe(timeframe, closed[timeframe], given, weights)
        except ValueError as error:
            errors[timeframe] = str(error)
    if not readings:
        return Failure(symbol, "; ".join(f"{timeframe}: {error}" for timeframe, error in errors.items()))
    return _joined(symbol, readings, {name: closed[name] for name in readings}, moment, errors)


def _recent(candles: Candles, moment: int) -> Candles:
    """The same. Raises ValueError for a history that ended too long before the moment to speak of it."""
    if len(candles):
        age = moment - candles.closed_at(len(candles) - 1)
        if age > STALE_BARS * candles.timeframe_ms:
            raise ValueError(f"the newest candle closed {age / HOUR_MS:.1f} hours before")
    return candles


def _latest_close(candles_by_timeframe: Mapping[str, Candles]) -> int:
    closes = [candles.closed_at(len(candles) - 1) for candles in candles_by_timeframe.values() if len(candles)]
    return max(closes, default=0)


def _joined(
    symbol: str,
    readings: Mapping[str, TimeframeReading],
    candles: Mapping[str, Candles],
    at: int,
    errors: Mapping[str, str],
) -> Opportunity:
    lengths = {name: candles[name].timeframe_ms ** 0.25 for name in readings}
    total = fsum(lengths.values())
    forces = {name: lengths[name] / total * one.score.confidence for name, one in readings.items()}
    force = fsum(forces.values())
    direction = fsum(forces[name] * one.score.direction for name, one in readings.items()) / force if force > 0 else 0.0
    direction = max(-1.0, min(1.0, direction))
    with_it = fsum(forces[name] for name, one in readings.items() if one.score.direction * direction > 0)
    against = fsum(forces[name] for name, one in readings.items() if one.score.direction * direction < 0)
    reasons: dict[str, list[Reason]] = {
        name: reasons_of(name, one.structure, one.detections) for name, one in readings.items()
    }
    return Opportunity(
        symbol=symbol,
        score=0.5 + 0.5 * abs(direction),
        direction=direction,
        confidence=max(0.0, min(1.0, with_it - against)),
        risk_level=max((one.score.risk_level for one in readings.values()), key=RISK_LEVELS.index),
        volume_usd=day_volume(min(candles.values(), key=lambda one: one.timeframe_ms)),
        scores={name: one.score for name, one in readings.items()},
        fixed={name: one.fixed for name, one in readings.items()},
        confluence=confluence(reasons),
        candidates=tuple(_candidates(symbol, readings, candles, reasons)),
        at=at,
        errors=dict(errors),
    )


def day_volume(candles: Candles) -> float | None:
    """Volume of the day up to the last close, in the quote currency; None where the history is shorter than a day."""
    last = candles.closed_at(len(candles) - 1)
    inside = candles.timestamp >= last - max(DAY_MS, candles.timeframe_ms)
    if candles.timestamp[0] > last - DAY_MS:
        return None
    typical = (candles.high[inside] + candles.low[inside] + candles.close[inside]) / 3
    days = max(1.0, candles.timeframe_ms / DAY_MS)
    return float(np.sum(typical * candles.volume[inside])) / days


def _candidates(
    symbol: str,
    readings: Mapping[str, TimeframeReading],
    candles: Mapping[str, Candles],
    reasons: Mapping[str, list[Reason]],
) -> Iterable[Candidate]:
    """A candidate for each timeframe that leans; the next longer one is its higher timeframe."""
    names = list(readings)
    for place, name in enumerate(names):
        reading = readings[name]
        lean = reading.score.direction
        if abs(lean) < LEAST_LEAN or reading.score.confidence <= 0:
            continue
        side = 1 if lean > 0 else -1
        try:
            levels = levels_of(candles[name], reading.structure, side)
            straight = efficiency(candles[name])
        except ValueError:
            continue  # too short a history, or one that stands still, has no levels to trade by
        told = reasons[name]
        higher = readings[names[place + 1]].score if place + 1 < len(names) else None
        effort = float(reading.structure.bars["effort"][-1])
        yield Candidate(
            symbol=symbol,
            timeframe=name,
            side=side,
            entry=levels.entry,
            stop=levels.stop,
            target=levels.target,
            confidence=reading.score.confidence,
            atr=float(reading.structure.bars["atr"][-1]),
            at=reading.score.at,
            agreement=sum(one.side == side for one in told) / len(told) if told else 0.0,
            efficiency=straight,
            effort=effort if isfinite(effort) else None,
            higher=None if higher is None or higher.confidence <= 0 else higher.direction,
        )


def broken_rules(found: Opportunity, rules: Rules) -> tuple[str, ...]:
    """Why the rules leave an opportunity out; empty for one that meets them."""
    broken: list[str] = []
    if found.direction == 0:
        broken.append("no direction")
    if found.score < rules.min_score:
        broken.append(f"score {found.score:.2f} below {rules.min_score:g}")
    if found.confidence < rules.min_confidence:
        broken.append(f"confidence {found.confidence:.2f} below {rules.min_confidence:g}")
    if RISK_LEVELS.index(found.risk_level) > RISK_LEVELS.index(rules.max_risk_level):
        broken.append(f"risk {found.risk_level} above {rules.max_risk_level}")
    if rules.min_volume_usd > 0 and found.volume_usd is None:
        broken.append("the volume of a day is not known")
    elif found.volume_usd is not None and found.volume_usd < rules.min_volume_usd:
        broken.append(f"volume {found.volume_usd:,.0f} below {rules.min_volume_usd:,.0f}")
    return tuple(broken)


def rank(results: Iterable[Opportunity | Failure], rules: Rules | None = None) -> Ranking:
    """Opportunities that meet the rules, best first; the order in which results come does not matter."""
    chosen = rules or Rules()
    kept: list[Opportunity] = []
    dropped: list[Dropped] = []
    failures: list[Failure] = []
    for each in results:
        if isinstance(each, Failure):
            failures.append(each)
        elif broken := broken_rules(each, chosen):
            dropped.append(Dropped(each, broken))
        else:
            kept.append(each)
    return Ranking(
        tuple(sorted(kept, key=lambda one: one.rank_key)),
        tuple(sorted(dropped, key=lambda one: one.opportunity.rank_key)),
        tuple(sorted(failures, key=lambda one: one.symbol)),
    )
