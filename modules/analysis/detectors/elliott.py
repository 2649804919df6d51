"""Elliott waves over confirmed turns: impulses by the three hard rules, corrections A-B-C, and what would void a count.

The three rules: wave 2 never goes beyond the start of wave 1, wave 3 is never the shortest of 1, 3 and 5, wave 4 never enters
the price range of wave 1. Guidelines (depths and proportions) rank the counts that keep the rules; none is certain, so every
count carries the price that voids it, and the next best ones are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import View, price_text, side_word, view_of
from modules.analysis.detectors.records import Context, Detection, Evidence, no_opinion
from modules.analysis.detectors.turns import Step, Turn, steps_of

ALTERNATES = 2
WAVES = "012345ABC"


@dataclass(frozen=True, slots=True)
class Count:
    """A count known at the close of bar `confirmed`: `turns` from the start of wave 1 (0) to the newest wave's end.

    `way` is the impulse's direction, `next_way` where the following wave goes, `void` the price beyond which the count is
    wrong, `fit` from 0 to 1 how well the guidelines are kept.
    """

    turns: tuple[Turn, ...]
    way: int
    next_way: int
    void: float
    fit: float
    confirmed: int

    @property
    def stage(self) -> str:
        """The name of the wave that is complete: 2, 4, 5, B or C."""
        return WAVES[len(self.turns) - 1]


def breaks_rule(prices: tuple[float, ...], way: int) -> int:
    """The hard rule (1, 2 or 3) that the ends of waves 0 to 5 break, 0 for none; fewer ends are judged as far as they go.

    A wave 3 that does not pass the end of wave 1 counts as breaking rule 2: it leads nowhere.
    """
    p = [way * price for price in prices]
    if len(p) > 2 and p[2] <= p[0]:
        return 1
    if len(p) > 4 and p[4] <= p[1]:
        return 3
    if len(p) > 3 and p[3] <= p[1]:
        return 2
    if len(p) > 5:
        first, third, fifth = p[1] - p[0], p[3] - p[2], p[5] - p[4]
        if third < first and third < fifth:
            return 2
    return 0


_COMPLETE = (3, 5, 6, 8, 9)
"""How many turns the stages 2, 4, 5, B and C have."""


def _at(step: Step) -> list[Count]:
    found = (_count(step.turns[-many:], step.confirmed) for many in _COMPLETE if len(step.turns) >= many)
    return [each for each in found if each is not None]


def _count(turns: tuple[Turn, ...], confirmed: int) -> Count | None:
    way = turns[1].side
    prices = tuple(turn.price for turn in turns)
    if breaks_rule(prices[:6], way):
        return None
    if len(turns) > 5 and way * (prices[5] - prices[3]) <= 0:
        return None  # a truncated fifth is left to the alternates
    if len(turns) > 6 and not _corrects(prices, way):
        return None
    impulse_over = len(turns) > 5
    done = len(turns) == 9
    next_way = -way if impulse_over and not done else way
    return Count(turns, way, next_way, prices[_VOIDED_BY[len(turns)]], _fit(prices, way), confirmed)


def _corrects(prices: tuple[float, ...], way: int) -> bool:
    """Whether A, B (and C) correct the impulse: B stays short of its end, C goes beyond A and not below the start."""
    p = [way * price for price in prices]
    if p[7] >= p[5] or p[6] <= p[0]:
        return False
    return len(p) < 9 or p[0] < p[8] <= p[6]


_VOIDED_BY = {3: 0, 5: 1, 6: 5, 8: 5, 9: 8}
"""Which wave's end may not be passed, by the number of turns: 2 not the start, 4 not into wave 1, no new extreme beyond 5
in a correction, nothing beyond C once it is over."""


def _near(value: float, least: float, most: float) -> float:
    """1 within the span, falling to 0 at half its least and one and a half times its most."""
    if value < least:
        return max(0.0, 1 - (least - value) / (0.5 * least))
    if value > most:
        return max(0.0, 1 - (value - most) / (0.5 * most))
    return 1.0


def _fit(prices: tuple[float, ...], way: int) -> float:
    p = [way * price for price in prices]
    first = p[1] - p[0]
    marks = [_near((p[1] - p[2]) / first, 0.382, 0.786)]
    if len(p) > 4:
        third = p[3] - p[2]
        marks += [_near(third / first, 1.3, 2.8), _near((p[3] - p[4]) / third, 0.236, 0.5)]
    if len(p) > 5:
        marks.append(_near((p[5] - p[4]) / first, 0.618, 1.618))
    if len(p) > 7:
        marks.append(_near((p[7] - p[6]) / (p[5] - p[6]), 0.382, 0.786))
    if len(p) > 8:
        marks.append(_near((p[7] - p[8]) / (p[5] - p[6]), 0.618, 1.618))
    return sum(marks) / len(marks)


_TRUST = {"2": 0.35, "4": 0.6, "5": 0.6, "B": 0.5, "C": 0.65}
"""Confidence in a stage whose guidelines are all kept: the more waves stand behind it, the more."""


class ElliottDetector:
    """The best-ranked wave count that still stands."""

    name: ClassVar[str] = "elliott"
    lookback: ClassVar[int] = 60

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`."""
        view = view_of(self.name, self.lookback, candles, context)
        if isinstance(view, Detection):
            return view
        steps = steps_of(candles)
        standing = [each for each in (_at(steps[-1]) if steps else []) if not _voided(view, each)]
        if not standing:
            return no_opinion(self.name, "no wave count keeps the rules", view.at)
        ranked = sorted(standing, key=lambda each: (-_trust(each), -len(each.turns)))
        best = ranked[0]
        against = max((_trust(each) for each in ranked[1:] if each.next_way != best.next_way), default=0.0)
        confidence = _trust(best) * (1 - 0.5 * against / _trust(best))
        evidence = [each for count in ranked[: 1 + ALTERNATES] for each in _drawn(view, count, count is best)]
        lean = best.next_way * (0.5 + 0.5 * best.fit)
        return Detection(self.name, lean, confidence, _words(best, len(ranked) - 1), tuple(evidence), view.at)


def _trust(count: Count) -> float:
    return _TRUST[count.stage] * (0.3 + 0.7 * count.fit)


def _voided(view: View, count: Count) -> bool:
    """Whether the price has passed the voiding price since the newest turn."""
    since = count.turns[-1].index + 1
    if count.next_way > 0:
        return float(view.candles.low[since:].min()) < count.void
    return float(view.candles.high[since:].max()) > count.void


def _words(count: Count, others: int) -> str:
    following = {"2": "wave 3", "4": "wave 5", "5": "a correction", "B": "wave C", "C": "a new impulse"}[count.stage]
    kind = f"{side_word(count.way)} impulse"
    words = f"{kind}: wave {count.stage} is complete, {following} {'up' if count.next_way > 0 else 'down'} expected"
    words += f"; void beyond {price_text(count.void)}"
    return words + (f"; {others} other counts stand" if others > 1 else "; one other count stands" if others else "")


def _drawn(view: View, count: Count, best: bool) -> list[Evidence]:
    points = tuple((view.stamp(turn.index), turn.price) for turn in count.turns)
    known = view.stamp(count.confirmed)
    rank = "count" if best else "alternate count"
    label = f"{rank} {'-'.join(WAVES[: len(points)])}"
    path = Evidence("elliott_waves", None, None, None, points[0][0], known, label, points)
    void = Evidence("invalidation", count.void, None, None, points[-1][0], known, f"{rank} void beyond")
    return [path, void]
