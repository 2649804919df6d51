"""Bounded memory for live readers: forget the objects that no longer stand."""

from __future__ import annotations

import numpy as np

from modules.analysis.candles import Integers
from modules.analysis.compiled import kernel
from modules.analysis.structure.layout import LISTS, Memory, Record


@kernel
def _move_object(old: Record, new: Record) -> None:
    new["low"] = old["low"]
    new["high"] = old["high"]
    new["price"] = old["price"]
    new["strength"] = old["strength"]
    new["id"] = old["id"]
    new["related"] = old["related"]
    new["formed"] = old["formed"]
    new["confirmed"] = old["confirmed"]
    new["touched"] = old["touched"]
    new["mitigated"] = old["mitigated"]
    new["superseded"] = old["superseded"]
    new["ended"] = old["ended"]
    new["count"] = old["count"]
    new["kind"] = old["kind"]
    new["direction"] = old["direction"]
    new["cause"] = old["cause"]
    new["label"] = old["label"]


@kernel
def compact(table: Memory) -> None:
    """Move the objects still referred to (standing ones and the latest swings) to the front, in order, and drop the rest.

    Ids stay; slots change, and with them every reference to a slot.
    """
    memory = Memory(table.core[0], table.ring, table.objects)
    state = memory.core["state"]
    moved = np.full(state["objects"], -1, np.int64)
    for number in range(LISTS):
        for place in range(memory.core["lists"][number]["count"]):
            moved[memory.core["entries"][number, place]["slot"]] = 0
    for number in range(2):
        if memory.core["sides"][number]["slot"] >= 0:
            moved[memory.core["sides"][number]["slot"]] = 0
    if state["range_slot"] >= 0:
        moved[state["range_slot"]] = 0
    kept = 0
    for slot in range(len(moved)):
        if moved[slot] == 0:
            moved[slot] = kept
            if kept != slot:
                _move_object(memory.objects[slot], memory.objects[kept])
            kept += 1
    state["objects"] = kept
    _redirect(memory, moved)


@kernel
def _redirect(memory: Memory, moved: Integers) -> None:
    """Replace every slot held by a list, a side or the range by its new place."""
    for number in range(LISTS):
        for place in range(memory.core["lists"][number]["count"]):
            entry = memory.core["entries"][number, place]
            entry["slot"] = moved[entry["slot"]]
    for number in range(2):
        side = memory.core["sides"][number]
        if side["slot"] >= 0:
            side["slot"] = moved[side["slot"]]
    state = memory.core["state"]
    if state["range_slot"] >= 0:
        state["range_slot"] = moved[state["range_slot"]]
