"""Levels where the price may turn: pivot points of the last session, and the swing highs and lows where stops rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from modules.analysis.candles import Candles, Floats, Integers
from modules.analysis.compiled import kernel
from modules.analysis.indicators.declaration import Between, indicator
from modules.analysis.indicators.inputs import checked_columns
from modules.analysis.indicators.sessions import OFFSET_HOURS, SESSION_HOURS, second_whole_session, session_numbers


class PivotPoints(NamedTuple):
    pivot: Floats
    r1: Floats
    r2: Floats
    r3: Floats
    s1: Floats
    s2: Floats
    s3: Floats


@indicator(lookback=lambda _: 1, sparse=True, session_hours=SESSION_HOURS, offset_hours=OFFSET_HOURS)
def pivot_points(
    timestamp: Integers,
    high: Floats,
    low: Floats,
    close: Floats,
    session_hours: int = 24,
    offset_hours: int = 0,
) -> PivotPoints:
    """Standard (floor) pivot points of the previous session, the same on every bar of this one.

    P = (H + L + C) / 3, R1 = 2P - L, S1 = 2P - H, R2 = P + (H - L), S2 = P - (H - L), R3 = H + 2(P - L),
    S3 = L - 2(H - P). A session that traded nothing is passed over; NaN until one session is over that the history has
    from its start. Raises NotEnoughData if none is.
    """
    sessions = session_numbers(timestamp, session_hours, offset_hours)
    first, second = second_whole_session("pivot_points", timestamp, sessions, session_hours, offset_hours)
    starts = np.flatnonzero(np.diff(sessions, prepend=sessions[0] - 1))
    starts = starts[starts >= first]
    top = np.maximum.reduceat(high, starts)
    bottom = np.minimum.reduceat(low, starts)
    last = np.append(close[starts[1:] - 1], close[-1])
    bars = np.diff(np.append(starts, len(close)))
    spread = np.repeat(np.arange(len(starts) - 1), bars[1:])

    def over_bars(values: Floats) -> Floats:
        out = np.full(len(close), np.nan)
        out[second:] = values[spread]
        return out

    pivot = (top + bottom + last) / 3.0
    height = top - bottom
    return PivotPoints(
        pivot=over_bars(pivot),
        r1=over_bars(2.0 * pivot - bottom),
        r2=over_bars(pivot + height),
        r3=over_bars(top + 2.0 * (pivot - bottom)),
        s1=over_bars(2.0 * pivot - top),
        s2=over_bars(pivot - height),
        s3=over_bars(bottom - 2.0 * (top - pivot)),
    )


class LiquiditySwings(NamedTuple):
    high_level: Floats
    high_zone: Floats
    high_touches: Floats
    high_volume: Floats
    high_swept: Floats
    low_level: Floats
    low_zone: Floats
    low_touches: Floats
    low_volume: Floats
    low_swept: Floats


SWING_LENGTH = Between(1, 1000)


@indicator(lookback=lambda s: 2 * int(s["length"]), sparse=True, length=SWING_LENGTH)
def liquidity_swings(
    open: Floats,  # noqa: A002 - the column's name everywhere
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    length: int = 14,
) -> LiquiditySwings:
    """Swing highs and lows that have not been traded through yet, where stop orders gather.

    A swing high is a high above the `length` bars before it and not below the `length` after it; it is known `length`
    bars late and stands until a later high exceeds it (it is swept). On each row, for the side above: `high_level` is
    the nearest standing swing high (NaN if none), `high_zone` the top of its bar's body, `high_touches` and
    `high_volume` how many bars reached into its wick, and their volume, while it was the nearest, `high_swept` how many
    levels this bar swept. Likewise below with the names turned round.
    """
    above = _standing_levels(high, np.maximum(open, close), volume, length)
    below = _standing_levels(-low, -np.minimum(open, close), volume, length)
    return LiquiditySwings(*above, -below[0], -below[1], *below[2:])


@kernel
def swing_tops(values: Floats, length: int) -> Integers:
    """Rows that are above the `length` rows before them and not below the `length` after them, oldest first."""
    rows = len(values)
    found = np.empty(rows, dtype=np.int64)
    count = 0
    for row in range(length, rows - length):
        top = values[row]
        back = 1
        while back <= length and values[row - back] < top and values[row + back] <= top:
            back += 1
        if back > length:
            found[count] = row
            count += 1
    return found[:count].copy()


@kernel
def _standing_levels(
    high: Floats, body: Floats, volume: Floats, length: int
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """One pass with the standing swing highs on a stack, the nearest (lowest) on top; each is pushed and popped once."""
    rows = len(high)
    level = np.full(rows, np.nan)
    zone = np.full(rows, np.nan)
    touches = np.full(rows, np.nan)
    touched_volume = np.full(rows, np.nan)
    swept = np.full(rows, np.nan)
    tops = swing_tops(high, length)
    stack = np.empty(len(tops), dtype=np.int64)
    counts = np.zeros(len(tops))
    volumes = np.zeros(len(tops))
    depth = 0
    coming = 0
    for row in range(2 * length, rows):
        taken = 0.0
        while depth > 0 and high[row] > high[stack[depth - 1]]:
            depth -= 1
            taken += 1.0
        swept[row] = taken
        if depth > 0 and high[row] > body[stack[depth - 1]]:
            counts[depth - 1] += 1.0
            volumes[depth - 1] += volume[row]
        if coming < len(tops) and tops[coming] + length == row:
            stack[depth] = tops[coming]
            counts[depth] = 0.0
            volumes[depth] = 0.0
            depth += 1
            coming += 1
        if depth > 0:
            level[row] = high[stack[depth - 1]]
            zone[row] = body[stack[depth - 1]]
            touches[row] = counts[depth - 1]
            touched_volume[row] = volumes[depth - 1]
    return level, zone, touches, touched_volume, swept


@dataclass(frozen=True, slots=True)
class SwingLevel:
    """One swing high or low: where it is (`index`), when it was known, and the bar that traded through it, if any."""

    is_high: bool
    price: float
    zone: float
    index: int
    confirmed_at: int
    swept_at: int | None


def swing_levels(candles: Candles, length: int = 14) -> list[SwingLevel]:
    """Every swing level of the history in the order they became known (highs before lows on the same bar).

    All that is said of a level was known at its rows: for `candles[:t]` the answer is the levels with
    `confirmed_at < t`, with `swept_at` None where that row is not below t. Raises as the indicator does.
    """
    settings = liquidity_swings.spec.settings(length=length)
    names = liquidity_swings.spec.inputs
    columns = {name: getattr(candles, name) for name in names}
    checked_columns("swing_levels", columns, liquidity_swings.spec.lookback(settings) + 1)
    found: list[SwingLevel] = []
    for is_high in (True, False):
        edge = candles.high if is_high else -candles.low
        body = np.maximum(candles.open, candles.close) if is_high else np.minimum(candles.open, candles.close)
        prices = candles.high if is_high else candles.low
        tops = swing_tops(edge, length)
        for index, after in zip(tops.tolist(), _first_above(edge, tops, length).tolist(), strict=True):
            swept_at = after if after < len(candles) else None
            found.append(SwingLevel(is_high, float(prices[index]), float(body[index]), index, index + length, swept_at))
    return sorted(found, key=lambda one: (one.confirmed_at, not one.is_high))


@kernel
def _first_above(edge: Floats, tops: Integers, length: int) -> Integers:
    """For each swing the first row after its confirmation that exceeds it, or the number of rows if none does."""
    out = np.full(len(tops), len(edge), dtype=np.int64)
    stack = np.empty(len(tops), dtype=np.int64)
    depth = 0
    coming = 0
    for row in range(len(edge)):
        while depth > 0 and edge[row] > edge[tops[stack[depth - 1]]]:
            depth -= 1
            out[stack[depth]] = row
        if coming < len(tops) and tops[coming] + length == row:
            stack[depth] = coming
            depth += 1
            coming += 1
    return out
