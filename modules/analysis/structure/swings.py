"""Swing highs and lows, what they are called, and what follows from a new one: pools, dealing range, divergence."""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.analysis.structure.layout import (
    DEALING_RANGE,
    FLOW_DIVERGENCE,
    ON_EVENTS,
    ON_POOLS,
    ON_SWINGS,
    POOL,
    SUPERSEDED,
    SWEEP,
    SWING,
    Memory,
    Now,
    Record,
)
from modules.analysis.structure.standing import in_atr, new_object, remove_entry, set_prices, stand


@kernel(inline=True)
def _reach(past: Record, sign: int) -> float:
    """How far a bar reached on one side, signed so that farther is larger."""
    if sign > 0:
        return float(past["high"])
    return -float(past["low"])


@kernel(inline=True)
def is_swing(memory: Memory, index: int, sign: int) -> bool:
    """Whether the bar `swing_length` bars ago reached at least as far as all bars of its window."""
    length = memory.core["choices"]["swing_length"]
    mask = memory.core["choices"]["ring_mask"]
    candidate = index - length
    if candidate - length + 1 < 0:
        return False
    level = _reach(memory.ring[candidate & mask], sign)
    # Four bars spread over the window turn most candidates away at the price of one branch.
    farther = _reach(memory.ring[(candidate + 1) & mask], sign) > level
    farther |= _reach(memory.ring[index & mask], sign) > level
    farther |= _reach(memory.ring[(candidate - length + 1) & mask], sign) > level
    farther |= _reach(memory.ring[(candidate - length // 2) & mask], sign) > level
    if farther:
        return False
    for away in range(1, length):
        if _reach(memory.ring[(candidate + away) & mask], sign) > level:
            return False
        if _reach(memory.ring[(candidate - away) & mask], sign) > level:
            return False
    return True


@kernel
def way_of_bar(memory: Memory, index: int) -> int:
    """1 when a bar went down first and closed up, -1 the reverse, 0 when it says nothing.

    Read off its colour; a bar that closed where it opened is read against the close before.
    """
    mask = memory.core["choices"]["ring_mask"]
    past = memory.ring[index & mask]
    body = past["close"] - past["open"]
    if body == 0.0 and index > 0:
        body = past["close"] - memory.ring[(index - 1) & mask]["close"]
    if body > 0.0:
        return 1
    if body < 0.0:
        return -1
    return 0


@kernel
def _restart_leg(memory: Memory, now: Now, number: int) -> None:
    """Find the farthest bar on the other side between a just-known swing and the bar before this one."""
    sign = 1 - 2 * number
    mask = memory.core["choices"]["ring_mask"]
    side = memory.core["sides"][number]
    side["leg_far"] = np.nan
    side["leg_near"] = np.nan
    side["leg_index"] = -1
    for index in range(side["index"] + 1, now.at):
        past = memory.ring[index & mask]
        extend_leg(side, sign, index, past["high"], past["low"])


@kernel(inline=True)
def extend_leg(side: Record, sign: int, index: int, high: float, low: float) -> None:
    """Let one more bar be the farthest since the swing of this side (the later of equals)."""
    far = low if sign > 0 else high
    if side["leg_index"] < 0 or sign * far <= sign * side["leg_far"]:
        side["leg_far"] = far
        side["leg_near"] = high if sign > 0 else low
        side["leg_index"] = index


@kernel
def _join_pool(memory: Memory, now: Now, sign: int, level: float) -> bool:
    """Add a swing to a standing pool of its side; the pool it joins gives way to a larger one."""
    number = 2 * ON_POOLS + (1 if sign > 0 else 0)
    tolerance = memory.core["choices"]["equal_tolerance_atr"] * now.atr
    for place in range(memory.core["lists"][number]["count"] - 1, -1, -1):
        old_slot = memory.core["entries"][number, place]["slot"]
        old = memory.objects[old_slot]
        if abs(old["price"] - level) > tolerance:
            continue
        old["ended"] = now.at
        old["superseded"] = now.at
        old["cause"] = SUPERSEDED
        remove_entry(memory, number, place)
        slot = new_object(memory, POOL, sign, old["formed"], now.at)
        count = old["count"] + 1
        mean = old["price"] + (level - old["price"]) / count
        set_prices(memory, slot, min(old["low"], level), max(old["high"], level), mean)
        memory.objects[slot]["count"] = count
        memory.objects[slot]["related"] = old["id"]
        _stand_pool(memory, slot, sign)
        return True
    return False


@kernel
def _stand_pool(memory: Memory, slot: int, sign: int) -> None:
    row = memory.objects[slot]
    if sign > 0:
        stand(memory, ON_POOLS, -1, slot, row["low"], row["high"])
    else:
        stand(memory, ON_POOLS, 1, slot, row["high"], row["low"])


@kernel
def _new_pool(memory: Memory, now: Now, sign: int, other: float, level: float, formed: int, identity: int) -> None:
    """Open a pool of two swings."""
    low = min(other, level)
    high = max(other, level)
    slot = new_object(memory, POOL, sign, formed, now.at)
    set_prices(memory, slot, low, high, low + (high - low) / 2.0)
    memory.objects[slot]["count"] = 2
    memory.objects[slot]["related"] = identity
    _stand_pool(memory, slot, sign)


@kernel
def _pair(memory: Memory, now: Now, sign: int, level: float, tolerance: float) -> bool:
    """Make a pool of the new swing and the nearest unswept swing of its side within the tolerance, if there is one."""
    number = 2 * ON_SWINGS + (1 if sign > 0 else 0)
    for place in range(memory.core["lists"][number]["count"] - 1, -1, -1):
        entry = memory.core["entries"][number, place]
        if sign * entry["far"] > sign * level + tolerance:
            return False  # the list runs away from price: all that follow lie farther still
        if entry["pooled"] == 0 and abs(entry["far"] - level) <= tolerance:
            entry["pooled"] = 1
            other = memory.objects[entry["slot"]]
            _new_pool(memory, now, sign, other["price"], level, other["formed"], other["id"])
            return True
    return False


@kernel
def _gather(memory: Memory, now: Now, sign: int, level: float, row: Record) -> bool:
    """Liquidity pool: swings of one side within the tolerance of each other.

    A new swing joins a standing pool, or pairs with an unswept swing, or with the swing just before it, which it may
    have passed by less than the tolerance. True when the new swing now belongs to a pool.
    """
    if not now.atr > 0.0:
        return False
    tolerance = memory.core["choices"]["equal_tolerance_atr"] * now.atr
    side = memory.core["sides"][0 if sign > 0 else 1]
    found = _join_pool(memory, now, sign, level) or _pair(memory, now, sign, level, tolerance)
    if not found and abs(level - side["before_level"]) <= tolerance:
        _new_pool(memory, now, sign, side["before_level"], level, side["before_index"], side["before_id"])
        found = True
    if found and sign > 0:
        row["pool_high"] = 1
    elif found:
        row["pool_low"] = 1
    return found


@kernel
def _diverge(memory: Memory, now: Now, number: int, row: Record) -> None:
    """Money-flow divergence: the swing went farther than the one before, the money flow did not."""
    sign = 1 - 2 * number
    side = memory.core["sides"][number]
    if np.isnan(side["before_flow"]) or np.isnan(side["flow"]):
        return
    if not (sign * side["level"] > sign * side["before_level"] and sign * side["flow"] < sign * side["before_flow"]):
        return
    row["divergence"] = -sign
    slot = new_object(memory, FLOW_DIVERGENCE, -sign, side["index"], now.at)
    low = min(side["level"], side["before_level"])
    high = max(side["level"], side["before_level"])
    set_prices(memory, slot, low, high, side["level"])
    memory.objects[slot]["strength"] = abs(side["flow"] - side["before_flow"])
    memory.objects[slot]["related"] = memory.objects[side["slot"]]["id"]
    stand(memory, ON_EVENTS, -sign, slot, side["level"], side["level"])


@kernel
def _redraw_range(memory: Memory, now: Now, sign: int) -> None:
    """The dealing range lies between the latest swing high and the latest swing low."""
    state = memory.core["state"]
    high = memory.core["sides"][0]
    low = memory.core["sides"][1]
    if state["range_slot"] >= 0:
        old = memory.objects[state["range_slot"]]
        old["ended"] = now.at
        old["superseded"] = now.at
        old["cause"] = SUPERSEDED
        state["range_slot"] = -1
    if not high["level"] > low["level"]:
        return
    slot = new_object(memory, DEALING_RANGE, sign, min(high["index"], low["index"]), now.at)
    set_prices(memory, slot, low["level"], high["level"], low["level"] + (high["level"] - low["level"]) / 2.0)
    memory.objects[slot]["strength"] = in_atr(high["level"] - low["level"], now.atr)
    state["range_slot"] = slot


@kernel
def _enter_swing(memory: Memory, now: Now, number: int, candidate: int, level: float) -> None:
    """Make the swing the latest of its side and open its object."""
    sign = 1 - 2 * number
    state = memory.core["state"]
    side = memory.core["sides"][number]
    if state["last_side"] == sign:
        memory.objects[side["slot"]]["superseded"] = now.at
    else:
        if side["slot"] >= 0:
            side["before_id"] = memory.objects[side["slot"]]["id"]
        side["before_index"] = side["index"]
        side["before_level"] = side["level"]
        side["before_flow"] = side["flow"]
    state["last_side"] = sign
    side["level"] = level
    side["index"] = candidate
    side["crossed"] = 0
    side["flow"] = memory.ring[candidate & memory.core["choices"]["ring_mask"]]["money_flow"]
    slot = new_object(memory, SWING, sign, candidate, now.at)
    set_prices(memory, slot, level, level, level)
    side["slot"] = slot
    swing = memory.objects[slot]
    if not np.isnan(side["before_level"]):
        swing["label"] = 1 if sign * level > sign * side["before_level"] else -1
    opposite = memory.core["sides"][1 - number]["level"]
    swing["strength"] = in_atr(abs(level - opposite), now.atr)


@kernel
def _take_swing(memory: Memory, now: Now, number: int, row: Record) -> None:
    """Accept a pivot as a swing unless a farther one of the same side came last, and draw the consequences.

    Swings alternate: of several highs without a low between them the highest counts (the first of equals). A higher
    one that comes later supersedes the earlier from the bar on which it is known.
    """
    sign = 1 - 2 * number
    candidate = now.at - memory.core["choices"]["swing_length"]
    past = memory.ring[candidate & memory.core["choices"]["ring_mask"]]
    level = past["high"] if sign > 0 else past["low"]
    side = memory.core["sides"][number]
    if memory.core["state"]["last_side"] == sign and sign * level <= sign * side["level"]:
        return
    _enter_swing(memory, now, number, candidate, level)
    row["swings_confirmed"] += 1 if sign > 0 else 2
    if sign > 0:
        row["high_label"] = memory.objects[side["slot"]]["label"]
    else:
        row["low_label"] = memory.objects[side["slot"]]["label"]
    _restart_leg(memory, now, number)
    pooled = _gather(memory, now, sign, level, row)
    place = stand(memory, ON_SWINGS, -sign, side["slot"], level, level)
    if pooled:
        memory.core["entries"][2 * ON_SWINGS + (1 if sign > 0 else 0), place]["pooled"] = 1
    _diverge(memory, now, number, row)
    _redraw_range(memory, now, sign)


@kernel(inline=True)
def read_swings(memory: Memory, now: Now, row: Record) -> None:
    """Confirm the bar `swing_length` bars ago as a swing high, a swing low, or both in the order it made them."""
    high = is_swing(memory, now.at, 1)
    low = is_swing(memory, now.at, -1)
    if high and low:
        way = way_of_bar(memory, now.at - memory.core["choices"]["swing_length"])
        if way == 0:
            return
        first = 1 if way > 0 else 0
        _take_swing(memory, now, first, row)
        _take_swing(memory, now, 1 - first, row)
    elif high:
        _take_swing(memory, now, 0, row)
    elif low:
        _take_swing(memory, now, 1, row)


@kernel(inline=True)
def read_sweeps(memory: Memory, now: Now, row: Record) -> None:
    """Liquidity sweep: a wick took swings or a pool and the bar closed back; it stands until a close beyond the wick."""
    for number in range(2):
        side = memory.core["sides"][number]
        if np.isnan(side["swept_price"]):
            continue
        sign = 1 - 2 * number
        edge = now.high if sign > 0 else now.low
        slot = new_object(memory, SWEEP, -sign, now.at, now.at)
        set_prices(memory, slot, min(edge, side["swept_price"]), max(edge, side["swept_price"]), side["swept_price"])
        sweep = memory.objects[slot]
        sweep["strength"] = in_atr(abs(edge - side["swept_price"]), now.atr)
        sweep["count"] = max(side["swept_count"], 1)
        sweep["related"] = side["swept_id"]
        stand(memory, ON_EVENTS, -sign, slot, edge, edge)
        if sign > 0:
            row["sweep_high"] = 1
        else:
            row["sweep_low"] = 1
        side["swept_price"] = np.nan
        side["swept_count"] = 0
        side["swept_id"] = -1
        side["swept_pool"] = 0
