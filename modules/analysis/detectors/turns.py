"""Confirmed alternating turns: the zigzag of what was known, in the order in which it became known.

A swing counts when the bars after it have confirmed it. A further swing of the same side replaces the newest turn when it
goes beyond it, so the newest turn may move on; a reader that acts on each `Step` as it comes never learns anything early,
and what it found stays found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modules.analysis.candles import Candles
from modules.analysis.structure import Settings, analyse
from modules.analysis.structure.layout import SWING

SWING_LENGTH = 5
"""Bars that confirm a turn of a pattern; fewer than for structure, because a pattern's last turn is traded."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A swing high (`side` 1) or low (-1), the bar it lies on and the bar that confirmed it."""

    index: int
    price: float
    side: int
    confirmed: int


@dataclass(frozen=True, slots=True)
class Step:
    """The turns as they stood when the newest of them was confirmed, oldest first (at most the newest ten)."""

    turns: tuple[Turn, ...]

    @property
    def confirmed(self) -> int:
        """The bar at whose close these turns were known."""
        return self.turns[-1].confirmed


KEPT = 10


def steps_of(candles: Candles, length: int = SWING_LENGTH) -> list[Step]:
    """Every state of the zigzag of a history, in the order of its confirmations."""
    table = analyse(candles, Settings(swing_length=length)).table
    swings = table[table["kind"] == SWING]
    columns = (swings[name].tolist() for name in ("formed", "price", "direction", "confirmed"))
    found = (Turn(*row) for row in zip(*columns, strict=True))
    return list(_walk(found))


def _walk(swings: Iterator[Turn]) -> Iterator[Step]:
    turns: list[Turn] = []
    for swing in sorted(swings, key=lambda one: (one.confirmed, one.index)):
        if turns and turns[-1].side == swing.side:
            if (swing.price - turns[-1].price) * swing.side <= 0:
                continue
            turns.pop()
        elif turns and (swing.price - turns[-1].price) * swing.side <= 0:
            continue  # a high below the low before it is no leg up
        turns.append(swing)
        del turns[:-KEPT]
        yield Step(tuple(turns))
