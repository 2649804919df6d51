"""Trading sessions: where a day (or any fixed number of hours) begins in a column of open times."""

from __future__ import annotations

import numpy as np

from modules.analysis.candles import Integers
from modules.analysis.indicators.declaration import Between
from modules.analysis.indicators.inputs import NotEnoughData

HOUR_MS = 3_600_000
SESSION_HOURS = Between(1, 24 * 366)
OFFSET_HOURS = Between(0, 24 * 366)


def session_numbers(timestamp: Integers, session_hours: int, offset_hours: int) -> Integers:
    """The number of the session each bar opens in.

    Sessions are `session_hours` long and counted from 1970-01-01 00:00 UTC plus `offset_hours`: 24 and 0 are UTC days,
    168 and 96 are weeks that begin on Monday.
    """
    return (timestamp - offset_hours * HOUR_MS) // (session_hours * HOUR_MS)


def first_whole_session(
    what: str, timestamp: Integers, sessions: Integers, session_hours: int, offset_hours: int
) -> int:
    """The row at which the first session begins that the history has from its start.

    That is row 0 if it opens exactly with its session, else the first row of the next one; sessions cut off at the
    left edge would give figures that depend on where the file happens to begin. Raises NotEnoughData if there is none.
    """
    session_ms = session_hours * HOUR_MS
    if (int(timestamp[0]) - offset_hours * HOUR_MS) % session_ms == 0:
        return 0
    row = int(np.searchsorted(sessions, sessions[0], side="right"))
    if row == len(timestamp):
        left = session_ms - (int(timestamp[0]) - offset_hours * HOUR_MS) % session_ms
        raise NotEnoughData(what, 1 + _bars(timestamp, left), len(timestamp))
    return row


def second_whole_session(
    what: str, timestamp: Integers, sessions: Integers, session_hours: int, offset_hours: int
) -> tuple[int, int]:
    """The rows at which the first and the second whole session begin. Raises NotEnoughData if there are not two."""
    first = first_whole_session(what, timestamp, sessions, session_hours, offset_hours)
    second = int(np.searchsorted(sessions, sessions[first], side="right"))
    if second == len(timestamp):
        raise NotEnoughData(what, first + 1 + _bars(timestamp, session_hours * HOUR_MS), len(timestamp))
    return first, second


def _bars(timestamp: Integers, span_ms: int) -> int:
    """How many bars a span holds, by the closest two bars seen; 1 where there is only one bar to go by."""
    if len(timestamp) < 2:
        return 1
    return max(1, -(-span_ms // int(np.diff(timestamp).min())))
