"""What detectors share: the checked history with its structure, and how several reasons make one opinion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from modules.analysis.candles import VALUE_COLUMNS, Candles
from modules.analysis.detectors.records import Context, Detection, Evidence, no_opinion
from modules.analysis.structure import Structure, analyse


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A history, its structure, and the facts of its last bar. `atr` is the average true range, in price."""

    candles: Candles
    structure: Structure
    at: int
    moment: int
    last: int
    close: float
    atr: float

    def stamp(self, index: int) -> int:
        """The open time of a bar."""
        return int(self.candles.timestamp[index])

    @property
    def stands_still(self) -> bool:
        """Whether there is no range to measure by."""
        return not self.atr > 1e-12 * self.close


def refuse_bad(candles: Candles) -> None:
    """Raise ValueError for an empty history, or one with NaN or infinity, naming column and row."""
    if not len(candles):
        raise ValueError("candles: not enough data: there is no bar")
    for name in VALUE_COLUMNS:
        column = getattr(candles, name)
        if not np.isfinite(column).all():
            row = int(np.argmin(np.isfinite(column)))
            raise ValueError(f"{name}: row {row} is not a finite number: {column[row]}")


def shared_context(candles: Candles, context: Context | None) -> Context:
    """The context with the structure of these candles in it. Raises ValueError for bad candles or another's structure."""
    refuse_bad(candles)
    given = context or Context()
    if given.structure is None:
        return replace(given, structure=analyse(candles))
    _structure_of(candles, given)
    return given


def _structure_of(candles: Candles, context: Context) -> Structure:
    if context.structure is None:
        return analyse(candles)
    stamps = context.structure.timestamp
    if len(stamps) != len(candles) or stamps[-1] != candles.timestamp[-1] or stamps[0] != candles.timestamp[0]:
        raise ValueError("structure: is not that of these candles")
    return context.structure


def view_of(name: str, lookback: int, candles: Candles, context: Context) -> View | Detection:
    """The history ready to be read, or the answer that there is not enough of it, or that it does not move."""
    refuse_bad(candles)
    at = candles.closed_at(len(candles) - 1)
    moment = context.moment(at)
    if len(candles) < lookback:
        return no_opinion(name, f"not enough data: needs {lookback} candles, has {len(candles)}", at)
    structure = _structure_of(candles, context)
    last = len(candles) - 1
    atr = float(structure.bars["atr"][last])
    view = View(candles, structure, at, moment, last, float(candles.close[last]), atr)
    if view.stands_still:
        return no_opinion(name, "the price does not move", at)
    return view


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its weight among the others, which way it leans from -1 to 1, and its words."""

    weight: float
    lean: float
    words: str


def weigh(
    name: str, reasons: Sequence[Reason], possible: float, evidence: tuple[Evidence, ...], at: int, nothing: str
) -> Detection:
    """One opinion of several reasons; `possible` is the weight there would be if every kind of reason spoke.

    The direction is the weighted mean of those that lean. The confidence is the product of how many of the possible
    reasons speak (its root), how far they agree, and how strongly they lean on the whole.
    """
    told = [each for each in reasons if each.weight > 0 and each.lean != 0]
    total = sum(each.weight for each in told)
    if not total:
        return no_opinion(name, nothing, at, evidence)
    pushes = [each.weight * each.lean for each in told]
    direction = sum(pushes) / total
    agreement = abs(sum(pushes)) / sum(abs(push) for push in pushes)
    strength = 0.4 + 0.6 * abs(direction)
    confidence = min(1.0, (total / possible) ** 0.5) * agreement * strength
    if confidence < 1e-9:
        return no_opinion(name, "reasons on both sides cancel out", at, evidence)
    return Detection(name, _within(direction), confidence, _told(told, direction), evidence, at)


def _within(direction: float) -> float:
    return max(-1.0, min(1.0, direction))


def _told(reasons: Sequence[Reason], direction: float) -> str:
    side = 1 if direction > 0 else -1
    ordered = sorted(reasons, key=lambda each: -each.weight * abs(each.lean))
    with_it = [each.words for each in ordered if each.lean * side > 0][:3]
    against = [each.words for each in ordered if each.lean * side < 0][:1]
    return "; ".join(with_it) + (f"; against it: {against[0]}" if against else "")


def side_word(direction: float) -> str:
    """Bullish, bearish or neutral."""
    return "bullish" if direction > 0 else "bearish" if direction < 0 else "neutral"


def price_text(price: float) -> str:
    """A price with seven significant digits, without an exponent where people would not write one."""
    return f"{price:,.7g}" if abs(price) >= 1e-4 else f"{price:.7g}"
