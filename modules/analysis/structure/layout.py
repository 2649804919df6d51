"""The memory of the structure pass: which numbers are kept from bar to bar, and what a bar and an object look like.

Everything is a fixed-size numpy structured array, so that the compiled step can read and write it and a live reader's
memory is bounded. Sides come in pairs: index 0 is the upper side of the market for swings (sign +1, swing highs) and
the bullish side for zones; index 1 is its mirror image (sign -1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from modules.analysis.structure.settings import Settings

Records = npt.NDArray[np.void]

Record = Any
"""One row of a structured array, read and written by field; numpy has no static type for it."""

# Kinds of objects.
SWING = 0
BOS = 1
CHOCH = 2
ORDER_BLOCK = 3
BREAKER_BLOCK = 4
FVG = 5
POOL = 6
SWEEP = 7
DISPLACEMENT = 8
DEALING_RANGE = 9
STRAT_REVERSAL = 10
STRAT_CONTINUATION = 11
ABSORPTION = 12
IMPULSE = 13
FLOW_DIVERGENCE = 14

# Why an object no longer stands.
STANDS = 0
FILLED = 1
BROKEN = 2
SWEPT = 3
SUPERSEDED = 4
RETIRED = 5

# Lists of standing objects: one of each category per side. Breakers come before order blocks because a failing order
# block puts a breaker on its list, which must not be judged by the bar that made it.
ON_BREAKERS = 0
ON_BLOCKS = 1
ON_GAPS = 2
ON_SWINGS = 3
ON_POOLS = 4
ON_BREAKS = 5
ON_EVENTS = 6
CATEGORIES = 7
LISTS = 2 * CATEGORIES

STANDING_CAP = 64
"""Most objects that stand at once on one list (one category on one side); the farthest from price is retired first."""

OBJECTS_PER_BAR = 2 * STANDING_CAP + 32
"""No bar can make more objects than this: every order block fails at once, and one of each other kind."""

LIVE_TABLE = 2048
"""Rows of a live reader's table: all objects that can stand at once (14 x 64), and room for those that no longer do."""

OBJECT = np.dtype(
    [
        ("low", np.float64),
        ("high", np.float64),
        ("price", np.float64),
        ("strength", np.float64),
        ("id", np.int32),
        ("related", np.int32),
        ("formed", np.int32),
        ("confirmed", np.int32),
        ("touched", np.int32),
        ("mitigated", np.int32),
        ("superseded", np.int32),
        ("ended", np.int32),
        ("count", np.int32),
        ("kind", np.int8),
        ("direction", np.int8),
        ("cause", np.int8),
        ("label", np.int8),
    ],
    align=True,
)

BAR = np.dtype(
    [
        ("atr", np.float64),
        ("swing_high", np.float64),
        ("swing_low", np.float64),
        ("swing_high_index", np.int32),
        ("swing_low_index", np.int32),
        ("break_level", np.float64),
        ("range_position", np.float64),
        ("retracement", np.float64),
        ("deepest_retracement", np.float64),
        ("volume_z", np.float64),
        ("effort", np.float64),
        ("result", np.float64),
        ("money_flow", np.float64),
        ("trend", np.int8),
        ("high_label", np.int8),
        ("low_label", np.int8),
        ("bos", np.int8),
        ("choch", np.int8),
        ("order_block", np.int8),
        ("fvg", np.int8),
        ("displacement", np.int8),
        ("sweep_high", np.int8),
        ("sweep_low", np.int8),
        ("pool_high", np.int8),
        ("pool_low", np.int8),
        ("zone", np.int8),
        ("strat", np.int8),
        ("strat_reversal", np.int8),
        ("strat_continuation", np.int8),
        ("absorption", np.int8),
        ("impulse", np.int8),
        ("divergence", np.int8),
        ("swings_confirmed", np.int8),
    ],
    align=True,
)

CHOICES = np.dtype(
    [
        ("swing_length", np.int64),
        ("wick_breaks", np.int64),
        ("body_fails_block", np.int64),
        ("atr_period", np.int64),
        ("fvg_min_atr", np.float64),
        ("displacement_body_atr", np.float64),
        ("displacement_body_share", np.float64),
        ("equal_tolerance_atr", np.float64),
        ("equilibrium_band", np.float64),
        ("flow_window", np.int64),
        ("volume_z", np.float64),
        ("absorption_result_atr", np.float64),
        ("impulse_result_atr", np.float64),
        ("across_gaps", np.int64),
        ("ring_mask", np.int64),
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("bars", np.int64),
        ("objects", np.int64),
        ("next_id", np.int64),
        ("run", np.int64),
        ("last_stamp", np.int64),
        ("trend", np.int64),
        ("last_side", np.int64),
        ("range_slot", np.int64),
        ("strat_1", np.int64),
        ("strat_2", np.int64),
        ("true_ranges", np.int64),
        ("true_range_sum", np.float64),
        ("atr", np.float64),
        ("block_bars", np.int64),
        ("block_volume", np.float64),
        ("block_squares", np.float64),
        ("block_pressure", np.float64),
        ("window_volume", np.float64),
        ("window_squares", np.float64),
    ],
    align=True,
)

SIDE = np.dtype(
    [
        ("level", np.float64),
        ("index", np.int64),
        ("slot", np.int64),
        ("crossed", np.int64),
        ("flow", np.float64),
        ("before_level", np.float64),
        ("before_flow", np.float64),
        ("before_id", np.int64),
        ("before_index", np.int64),
        ("leg_far", np.float64),
        ("leg_near", np.float64),
        ("leg_index", np.int64),
        ("gap_index", np.int64),
        ("push_index", np.int64),
        ("block_index", np.int64),
        ("swept_price", np.float64),
        ("swept_count", np.int64),
        ("swept_id", np.int64),
        ("swept_pool", np.int64),
    ],
    align=True,
)

LIST = np.dtype([("count", np.int64), ("guard", np.float64)], align=True)

ENTRY = np.dtype(
    [
        ("trigger", np.float64),
        ("middle", np.float64),
        ("far", np.float64),
        ("slot", np.int32),
        ("stage", np.int16),
        ("pooled", np.int16),
    ],
    align=True,
)

PAST = np.dtype(
    [
        ("open", np.float64),
        ("high", np.float64),
        ("low", np.float64),
        ("close", np.float64),
        ("volume", np.float64),
        ("pressure", np.float64),
        ("money_flow", np.float64),
        ("later_volume", np.float64),
        ("later_squares", np.float64),
        ("later_pressure", np.float64),
    ],
    align=True,
)


CORE = np.dtype(
    [
        ("choices", CHOICES),
        ("state", STATE),
        ("sides", SIDE, (2,)),
        ("lists", LIST, (LISTS,)),
        ("entries", ENTRY, (LISTS, STANDING_CAP)),
    ],
    align=True,
)


class Memory(NamedTuple):
    """All that the step reads and writes between two bars.

    `core` is an array of one `CORE` outside the kernels and that one record inside them: a record is passed as one
    pointer, where every array costs seven words and a reference count. `ring` holds the latest bars, `objects` the table.
    """

    core: Any
    ring: Records
    objects: Records


class Now(NamedTuple):
    """The bar being read (number `at`), with what was measured on it. `run` counts bars since the last hole, this one included."""

    at: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    run: int
    atr: float
    atr_before: float


def empty_memory(settings: Settings, capacity: int) -> Memory:
    """The memory before the first bar, with room for `capacity` objects."""
    ring = ring_length(settings)
    core = np.zeros(1, CORE)
    core["choices"] = _choices(settings, ring - 1)
    core["state"]["range_slot"] = -1
    core["state"]["atr"] = np.nan
    sides = core["sides"]
    for name in ("level", "flow", "before_level", "before_flow", "leg_far", "leg_near", "swept_price"):
        sides[name] = np.nan
    for name in (
        "index",
        "slot",
        "leg_index",
        "gap_index",
        "push_index",
        "block_index",
        "swept_id",
        "before_id",
        "before_index",
    ):
        sides[name] = -1
    core["lists"]["guard"] = -np.inf
    return Memory(core=core, ring=np.zeros(ring, PAST), objects=np.empty(capacity, OBJECT))


def ring_length(settings: Settings) -> int:
    """Bars that must be remembered: the longest look-back, rounded up to a power of two."""
    longest = max(2 * settings.swing_length + 2, settings.flow_window + 2, 4)
    return 1 << (longest - 1).bit_length()


def _choices(settings: Settings, ring_mask: int) -> Records:
    choices = np.zeros(1, CHOICES)
    plain: dict[str, Any] = {
        "wick_breaks": settings.break_on == "wick",
        "body_fails_block": settings.order_block_break == "body",
        "ring_mask": ring_mask,
    }
    for name in CHOICES.names or ():
        choices[name] = plain[name] if name in plain else getattr(settings, name)
    return choices
