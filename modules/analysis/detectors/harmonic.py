"""Harmonic patterns from confirmed turns: Gartley, Bat, Butterfly and Crab.

Ratios after Scott Carney, "Harmonic Trading" (volumes 1 and 2). A pattern is complete when its last turn D is confirmed;
before that, its potential reversal zone is told as soon as X, A, B and C are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import View, price_text, side_word, view_of
from modules.analysis.detectors.records import Context, Detection, Evidence, no_opinion
from modules.analysis.detectors.turns import Step, Turn, steps_of

TOLERANCE = 0.06
"""How far a ratio may lie off its ideal, as a share of it."""

TARGETS = (0.382, 0.618, 1.0)
"""Targets as shares of the way from D back to A."""

LONGEST_WAIT = 2.0
"""A pattern is spent after so many times the bars its last leg took."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Ratios of a pattern: B as a share of XA, C of AB, CD of BC, and D of XA, each from least to most."""

    name: str
    b: tuple[float, float]
    c: tuple[float, float]
    d_of_bc: tuple[float, float]
    d_of_xa: float
    beyond_x: bool


SHAPES = (
    Shape("Gartley", (0.618, 0.618), (0.382, 0.886), (1.13, 1.618), 0.786, beyond_x=False),
    Shape("Bat", (0.382, 0.5), (0.382, 0.886), (1.618, 2.618), 0.886, beyond_x=False),
    Shape("Butterfly", (0.786, 0.786), (0.382, 0.886), (1.618, 2.24), 1.27, beyond_x=True),
    Shape("Crab", (0.382, 0.618), (0.382, 0.886), (2.24, 3.618), 1.618, beyond_x=True),
)


@dataclass(frozen=True, slots=True)
class Harmonic:
    """A pattern found at the close of bar `confirmed`: `turns` X, A, B, C and, when complete, D.

    `side` is 1 when it lets the price rise from D. `zone` is the potential reversal zone, `fit` from 0 to 1 how near the
    ratios lie to their ideals, `stop` the price beyond which it has failed.
    """

    shape: str
    side: int
    turns: tuple[Turn, ...]
    zone: tuple[float, float]
    stop: float
    fit: float
    confirmed: int

    @property
    def complete(self) -> bool:
        """Whether D is confirmed."""
        return len(self.turns) == 5

    def targets(self, d: float) -> tuple[float, ...]:
        """Where the price may go from `d`: shares of the way back to A."""
        return tuple(d + share * (self.turns[1].price - d) for share in TARGETS)


def harmonics_of(candles: Candles, tolerance: float = TOLERANCE) -> list[Harmonic]:
    """Every pattern of a history, complete or awaiting D, in the order in which they became known.

    What is found on the first t candles is found on all of them, unchanged.
    """
    return [found for step in steps_of(candles) for found in _at(step, tolerance)]


def _at(step: Step, tolerance: float) -> list[Harmonic]:
    found: list[Harmonic] = []
    for shape in SHAPES:
        if len(step.turns) >= 5 and (made := _complete(shape, step.turns[-5:], tolerance)):
            found.append(made)
        if len(step.turns) >= 4 and (made := _awaiting(shape, step.turns[-4:], tolerance)):
            found.append(made)
    return found


def _miss(ratio: float, span: tuple[float, float]) -> float:
    """How far a ratio lies outside its span, as a share of the nearer end."""
    if ratio < span[0]:
        return (span[0] - ratio) / span[0]
    return max(0.0, (ratio - span[1]) / span[1])


def _body_misses(shape: Shape, turns: tuple[Turn, ...]) -> tuple[float, float]:
    x, a, b, c = (turn.price for turn in turns[:4])
    return _miss((a - b) / (a - x), shape.b), _miss((c - b) / (a - b), shape.c)


def _zone(shape: Shape, turns: tuple[Turn, ...], tolerance: float) -> tuple[float, float] | None:
    """Where D may lie by both measures; None when they do not meet."""
    x, a, b, c = (turn.price for turn in turns[:4])
    by_xa = sorted(a - shape.d_of_xa * (1 + off) * (a - x) for off in (-tolerance, tolerance))
    shares = (shape.d_of_bc[0] * (1 - tolerance), shape.d_of_bc[1] * (1 + tolerance))
    by_bc = sorted(c - share * (c - b) for share in shares)
    low, high = max(by_xa[0], by_bc[0]), min(by_xa[1], by_bc[1])
    return (low, high) if low < high and low > 0 else None


def _made(
    shape: Shape, turns: tuple[Turn, ...], zone: tuple[float, float], misses: list[float], tol: float
) -> Harmonic:
    side = turns[1].side  # A is a high when the pattern lets the price rise
    x = turns[0].price
    outer = zone[0] if side > 0 else zone[1]
    d = turns[4].price if len(turns) == 5 else outer
    stop = min(x, outer, d) if side > 0 else max(x, outer, d)
    if shape.beyond_x:
        stop = min(outer, d) if side > 0 else max(outer, d)
    fit = 1 - sum(misses) / (len(misses) * tol)
    return Harmonic(shape.name, side, turns, zone, stop, fit, turns[-1].confirmed)


def _awaiting(shape: Shape, turns: tuple[Turn, ...], tolerance: float) -> Harmonic | None:
    misses = list(_body_misses(shape, turns))
    if max(misses) > tolerance:
        return None
    zone = _zone(shape, turns, tolerance)
    return _made(shape, turns, zone, misses, tolerance) if zone else None


def _complete(shape: Shape, turns: tuple[Turn, ...], tolerance: float) -> Harmonic | None:
    x, a, b, c, d = (turn.price for turn in turns)
    misses = [*_body_misses(shape, turns), _miss((c - d) / (c - b), shape.d_of_bc)]
    misses.append(_miss((a - d) / (a - x), (shape.d_of_xa, shape.d_of_xa)))
    if max(misses) > tolerance:
        return None
    zone = _zone(shape, turns, tolerance)
    return _made(shape, turns, zone, misses, tolerance) if zone else None


class HarmonicDetector:
    """The best harmonic pattern that is still in force."""

    name: ClassVar[str] = "harmonic"
    lookback: ClassVar[int] = 60

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`."""
        view = view_of(self.name, self.lookback, candles, context)
        if isinstance(view, Detection):
            return view
        steps = steps_of(candles)
        found = [each for step in steps for each in _at(step, TOLERANCE)]
        newest = steps[-1].turns[-4:] if steps else ()
        living = [(value, each) for each in found if each.complete and (value := _value(view, each)) > 0]
        awaited = [each for each in found if not each.complete and each.turns == newest and not _passed(view, each)]
        living += [(0.25 + 0.35 * each.fit, each) for each in awaited if _inside(view, each)]
        if not living:
            return self._nothing(view, awaited)
        value, best = max(living, key=lambda each: (each[0], each[1].confirmed))
        return Detection(self.name, float(best.side), value, _words(best), _drawn(view, best), view.at)

    def _nothing(self, view: View, awaited: list[Harmonic]) -> Detection:
        if not awaited:
            return no_opinion(self.name, "no harmonic pattern is in force", view.at)
        best = max(awaited, key=lambda each: each.fit)
        reason = f"no pattern is complete; a {side_word(best.side)} {best.shape} awaits {_span(best.zone)}"
        return no_opinion(self.name, reason, view.at, _drawn(view, best))


def _value(view: View, found: Harmonic) -> float:
    """The confidence in a complete pattern: 0 once it has failed, met its second target or grown old."""
    c, d = found.turns[3], found.turns[4]
    lasts = max(20.0, LONGEST_WAIT * (d.index - c.index))
    age = view.last - d.index
    if age > lasts:
        return 0.0
    low = float(view.candles.low[d.index + 1 :].min())
    high = float(view.candles.high[d.index + 1 :].max())
    goal = found.targets(d.price)[1]
    failed = low < found.stop if found.side > 0 else high > found.stop
    met = high >= goal if found.side > 0 else low <= goal
    return 0.0 if failed or met else (0.45 + 0.45 * found.fit) * (1 - 0.5 * age / lasts)


def _passed(view: View, found: Harmonic) -> bool:
    """Whether the price has gone through the zone since C, or has left the pattern beyond C."""
    since = found.turns[3].index + 1
    low, high = float(view.candles.low[since:].min()), float(view.candles.high[since:].max())
    c = found.turns[3].price
    if found.side > 0:
        return low < found.zone[0] or high > c
    return high > found.zone[1] or low < c


def _inside(view: View, found: Harmonic) -> bool:
    low, high = float(view.candles.low[-1]), float(view.candles.high[-1])
    return low <= found.zone[1] and high >= found.zone[0]


def _origin(found: Harmonic) -> float:
    """Where the way to the targets begins: D, or the middle of the zone before there is one."""
    return found.turns[4].price if found.complete else (found.zone[0] + found.zone[1]) / 2


def _span(zone: tuple[float, float]) -> str:
    return f"{price_text(zone[0])} to {price_text(zone[1])}"


def _words(found: Harmonic) -> str:
    if found.complete:
        state = f"complete at {price_text(found.turns[4].price)}"
    else:
        state = f"in its reversal zone {_span(found.zone)}"
    targets = " and ".join(price_text(target) for target in found.targets(_origin(found))[:2])
    void = price_text(found.stop)
    return f"{side_word(found.side)} {found.shape} {state}; targets {targets}; void beyond {void}"


def _drawn(view: View, found: Harmonic) -> tuple[Evidence, ...]:
    points = tuple((view.stamp(turn.index), turn.price) for turn in found.turns)
    known = view.stamp(found.confirmed)
    name = f"{side_word(found.side)} {found.shape}"
    letters = "XABCD" if found.complete else "XABC"
    drawn = [
        Evidence("harmonic_pattern", None, None, None, points[0][0], known, f"{name} {letters}", points),
        Evidence("reversal_zone", None, found.zone[0], found.zone[1], points[3][0], known, f"{name} zone of D"),
    ]
    for share, price in zip(TARGETS, found.targets(_origin(found)), strict=True):
        drawn.append(Evidence("target", price, None, None, points[-1][0], known, f"target {share:g}"))
    drawn.append(Evidence("invalidation", found.stop, None, None, points[-1][0], known, "void beyond"))
    return tuple(drawn)
