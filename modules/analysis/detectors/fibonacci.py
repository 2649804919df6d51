"""Fibonacci levels of the last confirmed leg, and where several legs' levels and standing structure meet."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import View, price_text, side_word, view_of
from modules.analysis.detectors.records import Context, Detection, Evidence, no_opinion
from modules.analysis.detectors.turns import Turn, steps_of
from modules.analysis.structure.layout import BREAKER_BLOCK, FVG, ORDER_BLOCK, POOL

RETRACEMENTS = (0.236, 0.382, 0.5, 0.618, 0.786)
EXTENSIONS = (1.272, 1.618, 2.0, 2.618)
NEAR_ATR = 0.5
"""Levels that lie within so many ATR of each other, or of the price, meet."""

OTHER_LEGS = 3

# How far a retracement speaks for the leg to go on: strongest at 0.618, against it once the leg's start is passed, and
# little beyond an extension, where legs tire. Below 0 the price has passed the leg's end.
_DEPTHS = (-1.618, -0.618, -0.272, 0.0, 0.236, 0.382, 0.5, 0.618, 0.786, 0.9, 1.0, 1.272, 1.618)
_LEANS = (0.0, 0.1, 0.4, 0.45, 0.3, 0.6, 0.8, 1.0, 0.6, 0.2, -0.3, -0.7, -0.5)


@dataclass(frozen=True, slots=True)
class Leg:
    """A move from one confirmed turn to the next."""

    start: Turn
    end: Turn

    @property
    def size(self) -> float:
        """Signed, in price."""
        return self.end.price - self.start.price

    def retracement(self, share: float) -> float:
        """The price at which this share of the leg is given back."""
        return self.end.price - share * self.size

    def extension(self, share: float) -> float:
        """The price this many lengths of the leg from its start."""
        return self.start.price + share * self.size


class FibonacciDetector:
    """Where the price stands in the last confirmed leg, and how many levels meet there."""

    name: ClassVar[str] = "fibonacci"
    lookback: ClassVar[int] = 40

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`."""
        view = view_of(self.name, self.lookback, candles, context)
        if isinstance(view, Detection):
            return view
        legs = _legs(view)
        if not legs or abs(legs[0].size) < view.atr:
            return no_opinion(self.name, "no leg of at least one ATR has been confirmed yet", view.at)
        leg = legs[0]
        depth = (leg.end.price - view.close) / leg.size
        lean = float(np.interp(depth, _DEPTHS, _LEANS)) * leg.end.side
        share, level = _nearest_level(leg, view.close)
        distance = abs(level - view.close) / view.atr
        meeting = _meeting(view, legs[1:], level)
        nearness = 1.0 / (1.0 + distance)
        confidence = abs(lean) * (0.35 + 0.35 * nearness + 0.3 * nearness * min(1.0, len(meeting) / 3))
        evidence = (_leg_evidence(view, leg), *_levels(view, leg), *meeting)
        if confidence <= 0:
            return no_opinion(self.name, "the price is beyond the last leg's extensions", view.at, evidence)
        reason = _reason(leg, depth, share, level, len(meeting), lean)
        return Detection(self.name, lean, confidence, reason, evidence, view.at)


def _legs(view: View) -> list[Leg]:
    """The newest leg first."""
    steps = steps_of(view.candles)
    turns = steps[-1].turns if steps else ()
    legs = [Leg(one, other) for one, other in pairwise(turns)]
    return legs[::-1][: 1 + OTHER_LEGS]


def _nearest_level(leg: Leg, close: float) -> tuple[float, float]:
    named = [(share, leg.retracement(share)) for share in RETRACEMENTS]
    named += [(share, leg.extension(share)) for share in EXTENSIONS]
    return min(named, key=lambda each: (abs(each[1] - close), each[0]))


def _reason(leg: Leg, depth: float, share: float, level: float, meeting: int, lean: float) -> str:
    way = "up" if leg.end.side > 0 else "down"
    place = f"{100 * depth:.0f}% of the last leg {way} is given back" if depth >= 0 else f"beyond the last leg {way}"
    if depth > 1:
        place = f"the start of the last leg {way} is passed"
    words = f"{side_word(lean)}: {place}; nearest level {share:g} at {price_text(level)}"
    return words + (f", where {meeting} more levels meet" if meeting else "")


def _leg_evidence(view: View, leg: Leg) -> Evidence:
    points = tuple((view.stamp(turn.index), turn.price) for turn in (leg.start, leg.end))
    known = view.stamp(leg.end.confirmed)
    return Evidence("fibonacci_leg", None, None, None, points[0][0], known, "last confirmed leg", points)


def _levels(view: View, leg: Leg) -> list[Evidence]:
    formed, known = view.stamp(leg.end.index), view.stamp(leg.end.confirmed)
    found = [
        Evidence("fibonacci_retracement", leg.retracement(share), None, None, formed, known, f"{share:g}")
        for share in RETRACEMENTS
    ]
    found += [
        Evidence("fibonacci_extension", price, None, None, formed, known, f"{share:g}")
        for share in EXTENSIONS
        if (price := leg.extension(share)) > 0
    ]
    return found


def _meeting(view: View, legs: list[Leg], level: float) -> list[Evidence]:
    """Levels of the legs before and standing structure that lie at this level."""
    reach = NEAR_ATR * view.atr
    found: list[Evidence] = []
    for leg in legs:
        for share in RETRACEMENTS:
            price = leg.retracement(share)
            if abs(price - level) <= reach:
                formed, known = view.stamp(leg.end.index), view.stamp(leg.end.confirmed)
                label = f"{share:g} of an earlier leg"
                found.append(Evidence("fibonacci_confluence", price, None, None, formed, known, label))
                break
    table = view.structure.table
    here = (table["ended"] < 0) & np.isin(table["kind"], (ORDER_BLOCK, BREAKER_BLOCK, FVG, POOL))
    here &= (table["low"] - reach <= level) & (level <= table["high"] + reach)
    for row in table[here][-3:]:
        formed, known = view.stamp(int(row["formed"])), view.stamp(int(row["confirmed"]))
        low, high = float(row["low"]), float(row["high"])
        found.append(Evidence("fibonacci_confluence", None, low, high, formed, known, "standing structure"))
    return found
