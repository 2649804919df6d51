"""Standing objects: how they enter a list, what a bar does to them, and how they leave.

A list holds objects that price reaches from one side: sign +1 from above (its lows fall on them), sign -1 from below.
Each list knows the nearest price at which anything on it changes, so a bar that does not reach it costs one comparison.
"""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.analysis.structure.layout import (
    BREAKER_BLOCK,
    BROKEN,
    FILLED,
    LISTS,
    ON_BLOCKS,
    ON_BREAKERS,
    ON_BREAKS,
    ON_EVENTS,
    ON_GAPS,
    ON_POOLS,
    ON_SWINGS,
    RETIRED,
    STANDING_CAP,
    STANDS,
    SWEPT,
    Memory,
    Now,
    Record,
)


@kernel(inline=True)
def new_object(memory: Memory, kind: int, direction: int, formed: int, confirmed: int) -> int:
    """Open a row for an object and return its slot; prices are for the caller to set."""
    state = memory.core["state"]
    slot = state["objects"]
    row = memory.objects[slot]
    row["id"] = state["next_id"]
    row["kind"] = kind
    row["direction"] = direction
    row["low"] = np.nan
    row["high"] = np.nan
    row["price"] = np.nan
    row["strength"] = np.nan
    row["formed"] = formed
    row["confirmed"] = confirmed
    row["touched"] = -1
    row["mitigated"] = -1
    row["superseded"] = -1
    row["ended"] = -1
    row["cause"] = STANDS
    row["label"] = 0
    row["count"] = 1
    row["related"] = -1
    state["objects"] = slot + 1
    state["next_id"] += 1
    return int(slot)


@kernel(inline=True)
def set_prices(memory: Memory, slot: int, low: float, high: float, price: float) -> None:
    """Write the price range of an object and the one price that names it."""
    row = memory.objects[slot]
    row["low"] = low
    row["high"] = high
    row["price"] = price


@kernel(inline=True)
def in_atr(distance: float, atr: float) -> float:
    """A price distance in ATR; NaN while there is no ATR or no movement to compare with."""
    if atr > 0.0:
        return distance / atr
    return np.nan


@kernel(inline=True)
def copy_entry(old: Record, new: Record) -> None:
    """Move one entry of a list to another place of it."""
    new["trigger"] = old["trigger"]
    new["middle"] = old["middle"]
    new["far"] = old["far"]
    new["slot"] = old["slot"]
    new["stage"] = old["stage"]
    new["pooled"] = old["pooled"]


@kernel
def remove_entry(memory: Memory, number: int, place: int) -> None:
    """Take one entry off a list, keeping the order of the others."""
    standing = memory.core["lists"][number]
    for later in range(place + 1, standing["count"]):
        copy_entry(memory.core["entries"][number, later], memory.core["entries"][number, later - 1])
    standing["count"] -= 1
    if standing["count"] > 0:
        standing["guard"] = memory.core["entries"][number, standing["count"] - 1]["trigger"]
    else:
        standing["guard"] = -np.inf


@kernel
def _retire_farthest(memory: Memory, number: int, index: int) -> None:
    """Make room on a full list: what price is farthest from reaching is no longer followed."""
    row = memory.objects[memory.core["entries"][number, 0]["slot"]]
    row["ended"] = index
    row["cause"] = RETIRED
    remove_entry(memory, number, 0)


@kernel
def stand(memory: Memory, category: int, sign: int, slot: int, near: float, far: float) -> int:
    """Put an object on the list of its category and side; price meets it at `near` and ends it at `far`.

    A list is kept in the order in which price would reach its entries, the next one last. Returns the place.
    """
    number = 2 * category + (0 if sign > 0 else 1)
    standing = memory.core["lists"][number]
    if standing["count"] == STANDING_CAP:
        _retire_farthest(memory, number, memory.objects[slot]["confirmed"])
    trigger = sign * near
    place = standing["count"]
    while place > 0 and trigger < memory.core["entries"][number, place - 1]["trigger"]:
        copy_entry(memory.core["entries"][number, place - 1], memory.core["entries"][number, place])
        place -= 1
    entry = memory.core["entries"][number, place]
    entry["trigger"] = trigger
    entry["middle"] = near + (far - near) / 2.0
    entry["far"] = far
    entry["slot"] = slot
    entry["stage"] = 0
    entry["pooled"] = 0
    standing["count"] += 1
    standing["guard"] = memory.core["entries"][number, standing["count"] - 1]["trigger"]
    return int(place)


@kernel(inline=True)
def _ended(memory: Memory, category: int, sign: int, now: Now, far: float) -> bool:
    """Whether the bar takes an entry off the market by its category's rule."""
    reached = now.low if sign > 0 else now.high
    if category == ON_GAPS:
        return sign * reached <= sign * far
    if category in (ON_BREAKS, ON_EVENTS):
        return sign * now.close < sign * far
    if category == ON_BLOCKS and memory.core["choices"]["body_fails_block"] == 1:
        body = min(now.open, now.close) if sign > 0 else max(now.open, now.close)
        return sign * body < sign * far
    return sign * reached < sign * far


@kernel
def _finish(memory: Memory, category: int, sign: int, entry: Record, now: Now) -> None:
    """Write down why an object ended, and what follows from it."""
    row = memory.objects[entry["slot"]]
    row["ended"] = now.at
    row["cause"] = BROKEN
    if category == ON_GAPS:
        row["cause"] = FILLED
    elif category == ON_BLOCKS:
        _make_breaker(memory, entry["slot"], now)
    elif category in (ON_SWINGS, ON_POOLS) and sign * now.close >= sign * entry["far"]:
        row["cause"] = SWEPT
        _note_sweep(memory, category, sign, entry, row["id"])


@kernel
def _make_breaker(memory: Memory, block: int, now: Now) -> None:
    """A failed order block is met from its other side: support becomes resistance and the reverse."""
    old = memory.objects[block]
    direction = -old["direction"]
    slot = new_object(memory, BREAKER_BLOCK, direction, old["formed"], now.at)
    set_prices(memory, slot, old["low"], old["high"], old["price"])
    memory.objects[slot]["related"] = old["id"]
    memory.objects[slot]["strength"] = old["strength"]
    if direction > 0:
        stand(memory, ON_BREAKERS, 1, slot, old["high"], old["low"])
    else:
        stand(memory, ON_BREAKERS, -1, slot, old["low"], old["high"])


@kernel
def _note_sweep(memory: Memory, category: int, sign: int, entry: Record, identity: int) -> None:
    """Remember what the bar swept on one side: the farthest level, how many swings, and a pool if there is one."""
    side = memory.core["sides"][1 if sign > 0 else 0]
    farther = np.isnan(side["swept_price"]) or sign * entry["far"] < sign * side["swept_price"]
    if farther:
        side["swept_price"] = entry["far"]
    if category == ON_POOLS:
        if farther or side["swept_pool"] == 0:
            side["swept_id"] = identity
        side["swept_pool"] = 1
    else:
        side["swept_count"] += 1
        if side["swept_pool"] == 0 and farther:
            side["swept_id"] = identity


@kernel(inline=True)
def _advance_entry(memory: Memory, category: int, sign: int, entry: Record, now: Now) -> bool:
    """Let the bar touch, mitigate and end one entry it reached; True while it stands."""
    reached = sign * (now.low if sign > 0 else now.high)
    row = memory.objects[entry["slot"]]
    if entry["stage"] == 0:
        row["touched"] = now.at
        entry["stage"] = 1
        entry["trigger"] = sign * entry["middle"]
    if entry["stage"] == 1 and reached <= entry["trigger"]:
        row["mitigated"] = now.at
        entry["stage"] = 2
        entry["trigger"] = sign * entry["far"]
    if entry["stage"] == 2 and _ended(memory, category, sign, now, entry["far"]):
        _finish(memory, category, sign, entry, now)
        return False
    return True


@kernel(inline=True)
def _sink(memory: Memory, number: int, place: int) -> int:
    """Move an entry whose next price is now farther to where it belongs; returns its new place."""
    while (
        place > 0
        and memory.core["entries"][number, place]["trigger"] < memory.core["entries"][number, place - 1]["trigger"]
    ):
        _swap(memory.core["entries"][number, place], memory.core["entries"][number, place - 1])
        place -= 1
    return place


@kernel(inline=True)
def _swap(one: Record, other: Record) -> None:
    one["trigger"], other["trigger"] = other["trigger"], one["trigger"]
    one["middle"], other["middle"] = other["middle"], one["middle"]
    one["far"], other["far"] = other["far"], one["far"]
    one["slot"], other["slot"] = other["slot"], one["slot"]
    one["stage"], other["stage"] = other["stage"], one["stage"]
    one["pooled"], other["pooled"] = other["pooled"], one["pooled"]


@kernel(inline=True)
def _advance_list(memory: Memory, number: int, sign: int, now: Now) -> None:
    """Show the bar to the entries it reached, nearest first. An entry that sank is met again and found done."""
    standing = memory.core["lists"][number]
    reached = sign * (now.low if sign > 0 else now.high)
    place = standing["count"] - 1
    while place >= 0 and reached <= memory.core["entries"][number, place]["trigger"]:
        entry = memory.core["entries"][number, place]
        if not _advance_entry(memory, number >> 1, sign, entry, now):
            remove_entry(memory, number, place)
            place -= 1
        elif _sink(memory, number, place) == place:
            place -= 1
    if standing["count"] > 0:
        standing["guard"] = memory.core["entries"][number, standing["count"] - 1]["trigger"]


@kernel(inline=True)
def advance_standing(memory: Memory, now: Now) -> None:
    """Show the bar to every list whose nearest price it reached."""
    lists = memory.core["lists"]
    reached = now.low
    for number in range(LISTS):
        if reached <= lists[number]["guard"]:
            _advance_list(memory, number, 1 - 2 * (number & 1), now)
        reached = -now.high if number & 1 == 0 else now.low
