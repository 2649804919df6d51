"""Breaks of structure and changes of character, and the order blocks they leave behind."""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.analysis.structure.layout import BOS, CHOCH, ON_BLOCKS, ON_BREAKS, ORDER_BLOCK, Memory, Now, Record
from modules.analysis.structure.standing import in_atr, new_object, set_prices, stand
from modules.analysis.structure.swings import extend_leg, way_of_bar


@kernel(inline=True)
def _breaks(memory: Memory, now: Now, number: int) -> bool:
    """Whether the bar breaks the latest swing of a side, which can be broken once."""
    sign = 1 - 2 * number
    side = memory.core["sides"][number]
    if side["slot"] < 0 or side["crossed"] == 1 or side["leg_index"] < 0:
        return False
    probe = now.close
    if memory.core["choices"]["wick_breaks"] == 1:
        probe = now.high if sign > 0 else now.low
    return bool(sign * probe > sign * side["level"])


@kernel
def _leave_block(memory: Memory, now: Now, number: int, cause: int, row: Record) -> None:
    """Order block: the farthest candle between the broken swing and the break, from which the leg set out.

    It is validated (label 1) when that leg left a fair value gap or holds a displacement candle.
    """
    sign = 1 - 2 * number
    side = memory.core["sides"][number]
    if side["block_index"] == side["leg_index"]:
        return
    side["block_index"] = side["leg_index"]
    slot = new_object(memory, ORDER_BLOCK, sign, side["leg_index"], now.at)
    low = min(side["leg_far"], side["leg_near"])
    high = max(side["leg_far"], side["leg_near"])
    set_prices(memory, slot, low, high, low + (high - low) / 2.0)
    block = memory.objects[slot]
    block["strength"] = in_atr(sign * (now.close - side["leg_far"]), now.atr)
    if side["gap_index"] >= side["leg_index"] or side["push_index"] >= side["leg_index"]:
        block["label"] = 1
    block["related"] = memory.objects[cause]["id"]
    stand(memory, ON_BLOCKS, sign, slot, side["leg_near"], side["leg_far"])
    row["order_block"] = sign


@kernel
def _break_level(memory: Memory, now: Now, number: int, row: Record) -> None:
    """Break of structure with the trend, change of character against it; it stands until a close beyond its origin."""
    sign = 1 - 2 * number
    state = memory.core["state"]
    side = memory.core["sides"][number]
    side["crossed"] = 1
    against = state["trend"] == -sign
    state["trend"] = sign
    slot = new_object(memory, CHOCH if against else BOS, sign, side["index"], now.at)
    low = min(side["level"], side["leg_far"])
    high = max(side["level"], side["leg_far"])
    set_prices(memory, slot, low, high, side["level"])
    memory.objects[slot]["strength"] = in_atr(sign * (now.close - side["level"]), now.atr)
    memory.objects[slot]["related"] = memory.objects[side["slot"]]["id"]
    stand(memory, ON_BREAKS, sign, slot, side["leg_far"], side["leg_far"])
    if against:
        row["choch"] = sign
    else:
        row["bos"] = sign
    row["break_level"] = side["level"]
    _leave_block(memory, now, number, slot, row)


@kernel(inline=True)
def read_breaks(memory: Memory, now: Now, row: Record) -> None:
    """Break the latest swing high, the latest swing low, or (by wicks) both in the order the bar took them."""
    up = _breaks(memory, now, 0)
    down = _breaks(memory, now, 1)
    if up and down:
        way = way_of_bar(memory, now.at)
        if way == 0:
            return
        first = 1 if way > 0 else 0
        _break_level(memory, now, first, row)
        _break_level(memory, now, 1 - first, row)
    elif up:
        _break_level(memory, now, 0, row)
    elif down:
        _break_level(memory, now, 1, row)


@kernel(inline=True)
def read_range(memory: Memory, now: Now, row: Record) -> None:
    """Extend the legs by this bar and place the close and the pullback within the dealing range."""
    state = memory.core["state"]
    high = memory.core["sides"][0]
    low = memory.core["sides"][1]
    row["trend"] = state["trend"]
    row["swing_high"] = high["level"]
    row["swing_low"] = low["level"]
    row["swing_high_index"] = high["index"]
    row["swing_low_index"] = low["index"]
    if high["slot"] >= 0:
        extend_leg(high, 1, now.at, now.high, now.low)
    if low["slot"] >= 0:
        extend_leg(low, -1, now.at, now.high, now.low)
    span = high["level"] - low["level"]
    if not span > 0.0:
        return
    position = (now.close - low["level"]) / span
    row["range_position"] = position
    band = memory.core["choices"]["equilibrium_band"]
    if position > 0.5 + band:
        row["zone"] = 1
    elif position < 0.5 - band:
        row["zone"] = -1
    if state["last_side"] > 0:
        row["retracement"] = (high["level"] - now.low) / span
        row["deepest_retracement"] = (high["level"] - high["leg_far"]) / span
    else:
        row["retracement"] = (now.high - low["level"]) / span
        row["deepest_retracement"] = (low["leg_far"] - low["level"]) / span


@kernel(inline=True)
def blank(row: Record) -> None:
    """A row that says nothing yet."""
    row["swing_high"] = np.nan
    row["swing_low"] = np.nan
    row["swing_high_index"] = -1
    row["swing_low_index"] = -1
    row["break_level"] = np.nan
    row["range_position"] = np.nan
    row["retracement"] = np.nan
    row["deepest_retracement"] = np.nan
    row["volume_z"] = np.nan
    row["effort"] = np.nan
    row["result"] = np.nan
    row["money_flow"] = np.nan
    row["trend"] = 0
    row["high_label"] = 0
    row["low_label"] = 0
    row["bos"] = 0
    row["choch"] = 0
    row["order_block"] = 0
    row["fvg"] = 0
    row["displacement"] = 0
    row["sweep_high"] = 0
    row["sweep_low"] = 0
    row["pool_high"] = 0
    row["pool_low"] = 0
    row["zone"] = 0
    row["strat"] = 0
    row["strat_reversal"] = 0
    row["strat_continuation"] = 0
    row["absorption"] = 0
    row["impulse"] = 0
    row["divergence"] = 0
    row["swings_confirmed"] = 0
