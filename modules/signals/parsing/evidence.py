"""Decide what kind of message it is, before any price is believed.

An entry needs something to trade and prices that are labelled for it. Reports of the past, conditions, lists of results, calls on
binary options and adverts speak against it. The costly error is to take talk for a signal, so doubt falls on the side of none.
"""

from __future__ import annotations

from dataclasses import dataclass

from modules.domain.parses import Kind
from modules.signals.parsing import parts as p
from modules.signals.parsing.entries import Draft, side_of
from modules.signals.parsing.reading import Reading
from modules.signals.parsing.symbols import Found
from modules.signals.parsing.updates import Update


@dataclass(frozen=True, slots=True)
class Evidence:
    """The verdict: a kind, how sure, why, and the update meant."""

    kind: Kind
    confidence: float
    reason: str
    update: Update | None = None


def weigh(reading: Reading, draft: Draft, updates: list[Update], symbol: Found | None, symbols: list[Found], text: str) -> Evidence:
    """The kind of the message."""
    ticked = sum(f.ticked for f in draft.targets)
    complete = bool(draft.targets) + bool(draft.stop) + bool(draft.entries)
    several = len({f.symbol for f in symbols if f.weight >= 9})
    if reading.parts[p.BINARY] >= 2 or "otc" in text.lower():
        return Evidence(Kind.NONE, 0.9, "a call on binary options, which have no entry price")
    if several >= 4:
        return Evidence(Kind.NONE, 0.9, f"names {several} symbols: a list, not one signal")
    strongest = updates[0] if updates else None
    if complete >= 2 and ticked and ticked < len(draft.targets):
        return Evidence(Kind.UPDATE, 0.8, f"a signal repeated with {ticked} of its targets ticked", Update("target_hit", ticked, 3, draft.targets[0].token))
    if complete >= 2 and draft.targets and draft.entries or complete == 3:
        side, _ = side_of(reading, draft)
        if symbol is not None and side is not None:
            return Evidence(Kind.ENTRY, 0.9, "names a symbol, a side and prices to enter and leave at")
    if strongest is not None and strongest.strength >= 2:
        return Evidence(Kind.UPDATE, 0.8, f"tells of an older signal: {strongest.what}", strongest)
    if symbol is not None and symbol.weight >= 5:
        side, known = side_of(reading, draft)
        if side is not None and complete and (draft.labelled or reading.parts[p.SIGNAL] or draft.entries):
            return Evidence(Kind.ENTRY, 0.6, "names a symbol, a side and some prices")
    if strongest is not None:
        return Evidence(Kind.UPDATE, 0.6, "tells of an entry that was filled", strongest)
    return Evidence(Kind.NONE, 0.7, "holds neither a signal nor news of one")
