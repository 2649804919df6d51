"""The nine opinions and the score of a history's last candle, with what else was known by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modules.analysis.candles import Candles
from modules.opinions import Known

if TYPE_CHECKING:
    from modules.analysis.detectors import Context, Detection
    from modules.analysis.fixed_formula import FixedScore
    from modules.analysis.scoring import Score


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What the detectors say at the close of the last candle, their score, and that of the fixed formula."""

    detections: tuple[Detection, ...]
    score: Score
    fixed: FixedScore

    def score_row(self) -> dict[str, Any]:
        """Both scores in the form of the command line and the API."""
        return {**self.score.as_json(), "fixed_formula": self.fixed.as_json()}


def score_candles(candles: Candles, known: Known | None = None, weights: Mapping[str, float] | None = None) -> Scored:
    """Asks all detectors. Opinions count up to `known.at_ms`, which is not before the last candle's close.

    Raises ValueError for an empty history or bad weights.
    """
    from modules.analysis.detectors import detect_all
    from modules.analysis.fixed_formula import fixed_score
    from modules.analysis.scoring import dynamic_score
    from modules.analysis.structure import analyse

    context = replace(context_of(known), structure=analyse(candles))
    detections = detect_all(candles, context)
    score = dynamic_score(detections, candles, weights)
    return Scored(detections, score, fixed_score(candles, detections, context))


def context_of(known: Known | None) -> Context:
    """What the detectors may know besides the candles, which is what was known at `known.at_ms`."""
    from modules.analysis.detectors import Context, ExchangeFlow, Headline, LargePrint

    if known is None:
        return Context()
    index = known.fear_greed
    return Context(
        fear_greed=None if index is None else (index.known_ms, index.value),
        headlines=tuple(Headline(each.known_ms, each.title, each.source) for each in known.headlines),
        prints=tuple(LargePrint(each.known_ms, "buy" if each.buy else "sell", each.usd) for each in known.prints),
        exchange_flow_usd=tuple(
            ExchangeFlow(each.known_ms, each.to_exchange_usd, each.from_exchange_usd) for each in known.flows
        ),
        asked_at=known.at_ms,
    )


def detection_rows(scored: Scored) -> list[dict[str, Any]]:
    """Each detector's opinion with its evidence, in the form of the command line and the API."""
    return [each.as_json() for each in scored.detections]


def score_lines(scored: Scored) -> list[str]:
    """The score and every opinion for people, the weightiest first."""
    score = scored.score
    head = (
        f"{score.advice.replace('_', ' ')}: score {score.score:.2f} {score.side}, confidence {score.confidence:.0%}, "
        f"consensus {score.consensus:.0%}, disagreement {score.disagreement:.2f}, risk {score.risk_level}"
    )
    spoken = sorted((each for each in score.parts if each.confidence > 0), key=lambda each: -abs(each.contribution))
    told = [f"  {each.detector:<12} {each.direction:+.2f} at {each.confidence:.0%}: {each.reason}" for each in spoken]
    formula = scored.fixed
    told.append(f"  fixed formula {formula.value:.2f} (0 sell, 1 buy): {formula.strength} {formula.side}")
    silent = [part.detector for part in score.parts if not part.confidence > 0]
    return [head, *told, *([f"  no opinion: {', '.join(silent)}"] if silent else [])]
