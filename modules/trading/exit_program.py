"""The words of the exit kernel: the record of one exit program, the record of one event, and their codes.

A program row is one position or one tracked signal, its rules and its state. Prices of 0 and rules of 0 mean "none",
percentages are fractions, amounts are shares of the original size.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

MAX_TARGETS: Final = 16
#: The most events one step can write; `out` must have room for as many.
MAX_EVENTS: Final = MAX_TARGETS + 4
#: A share of the original size below this is nothing left.
EPSILON: Final = 1e-9

# Kinds of event.
TARGET: Final = 1  # level = its number from 1; share = what it closes
STOP: Final = 2  # share = all that is left; reason = what put the stop there
STOP_MOVED: Final = 3  # price = the new stop; reason = the rule
TIME_EXIT: Final = 4  # share = all that is left
CLOSED: Final = 5  # nothing is left; reason = what ended it
FAULT: Final = 6  # from `step_all` only: this row can't be stepped; reason = the code

# What put a stop where it is, and (from BY_TARGETS on) what closed a trade.
INITIAL: Final = 0
BREAK_EVEN: Final = 1
FOLLOWED: Final = 2
TRAILED: Final = 3
BY_HAND: Final = 4
BY_TARGETS: Final = 5
BY_TIME: Final = 6
BY_ORDER: Final = 7

# Distance of a trailing stop.
TRAIL_NONE: Final = 0
TRAIL_PERCENT: Final = 1
TRAIL_ATR: Final = 2
TRAIL_AMOUNT: Final = 3

# How the first bar after the entry counts.
ANY_BAR: Final = 0  # like every other bar
OWN_PRICE: Final = 1  # entered at the open: the whole range counts, a level fills at its own price
ENTERED_INSIDE: Final = 2  # entered by a limit inside the bar: stop by the range, targets by the close alone
CLOSE_ONLY: Final = 3  # the range began before the entry: only the close counts

# Roles of a fill told to `apply_fill`.
FILLED_TARGET: Final = 1
FILLED_STOP: Final = 2
FILLED_CLOSE: Final = 3

# Codes returned instead of a count of events.
BAD_PRICE: Final = -1
BAD_PROGRAM: Final = -2
NO_ROOM: Final = -3
BAD_FILL: Final = -4

#: One trade's exit program and its state. Prices of 0 and rules of 0 mean "none"; percentages are fractions.
PROGRAM = np.dtype(
    [
        ("direction", "i8"),  # +1 long, -1 short
        ("resting", "i8"),  # 1: orders lie at the exchange, 0: virtual
        ("entry_bar", "i8"),  # how the next bar counts if it is the first; ANY_BAR afterwards
        ("closed", "i8"),
        ("opened_ms", "i8"),  # bars before it are ignored
        ("time_exit_ms", "i8"),
        ("timed_out", "i8"),
        ("entry", "f8"),  # average entry price
        ("initial_stop", "f8"),
        ("stop", "f8"),
        ("stop_reason", "i8"),
        ("stop_touched", "i8"),
        ("remaining", "f8"),  # share of the original size
        ("best", "f8"),  # most favourable price since the entry
        ("worst", "f8"),
        ("levels", "i8"),
        ("reached", "i8"),  # highest target number that was filled
        ("target", "f8", (MAX_TARGETS,)),
        ("share", "f8", (MAX_TARGETS,)),
        ("hit", "i8", (MAX_TARGETS,)),
        ("touched", "i8", (MAX_TARGETS,)),
        ("break_even_after", "i8"),
        ("break_even_at_r", "f8"),
        ("break_even_offset", "f8"),
        ("follow", "i8"),
        ("trail_kind", "i8"),
        ("trail_distance", "f8"),
        ("trail_step", "f8"),
        ("trail_activation", "f8"),
        ("trail_active", "i8"),
        ("atr", "f8"),  # kept up to date from outside; 0 = unknown, an ATR trail then rests
        ("tick_numerator", "f8"),  # tick size as a fraction of whole numbers, so that rounding is exact; 0 = no tick
        ("tick_denominator", "f8"),
    ]
)

#: One event. `row` is the index of the program inside the array that was stepped.
EVENT = np.dtype([("kind", "i8"), ("row", "i8"), ("level", "i8"), ("reason", "i8"), ("price", "f8"), ("share", "f8")])

Events = npt.NDArray[np.void]
Rows = npt.NDArray[np.void]
Row = np.void


def blank() -> np.void:
    """A row without any rule; the caller sets direction, prices and rules."""
    row: np.void = np.zeros(1, PROGRAM)[0]
    row["direction"] = 1
    row["remaining"] = 1.0
    return row


def event_buffer(rows: int = 1) -> Events:
    """A buffer large enough for one step of so many rows."""
    return np.zeros(rows * MAX_EVENTS, EVENT)
