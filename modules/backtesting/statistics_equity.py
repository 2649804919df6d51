"""Figures of an equity curve: returns a bar and their spread, the falls below the peak, and the tail of the days.

One walk over the curve in blocks. In a block each place keeps its own sums, so that the arithmetic of a hundred bars runs
side by side and is still that of IEEE doubles in a written order. The peak is only looked for in blocks that reach it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from modules.analysis.candles import Floats, Integers
from modules.analysis.compiled import kernel
from modules.backtesting import words

BLOCK: Final = 256
DAY_MS: Final = 86_400_000
#: Tail of the value at risk: the worst twentieth of the days.
TAIL: Final = 0.05

#: Sums over all bars; those without movement count as returns of zero.
SUMS = np.dtype(
    [
        ("last", "f8"),  # equity at the end
        ("total", "f8"),  # of the returns
        ("squares", "f8"),
        ("below", "f8"),  # squares of the negative ones
        ("lost", "f8"),  # of the negative ones
        ("deeper", "f8"),  # squares of the depths below the peak
        ("peak", "f8"),
        ("begun", "i8"),  # bar of the peak the curve lies below; -1 = the capital at the start
        ("low", "f8"),  # since then
        ("under", "i8"),
        ("max_drawdown", "f8"),  # <= 0, fraction of the peak
        ("max_drawdown_value", "f8"),  # largest fall, quote currency
        ("drawdown_from", "i8"),  # bars of the deepest fall: its peak, and its recovery or the last bar
        ("drawdown_to", "i8"),
        ("longest", "i8"),  # bars of the longest time below a peak
    ]
)


class Desk(NamedTuple):
    """Room for one walk: the returns of a block, and sums by place in it."""

    returns: Floats
    totals: Floats
    squares: Floats
    below: Floats
    lost: Floats
    deeper: Floats
    low: Floats
    high: Floats


def blank_desk() -> Desk:
    """Fresh sums."""
    return Desk(*np.zeros((len(Desk._fields), BLOCK)))


@kernel(inline=True, borrows=True)
def _highest(part: Floats, high: Floats) -> float:
    """Highest value of a full block: eight values a place, then four, then what is left."""
    for at in range(BLOCK // 8):
        one = max(part[at + 32], part[at])
        two = max(part[at + 96], part[at + 64])
        three = max(part[at + 160], part[at + 128])
        four = max(part[at + 224], part[at + 192])
        one = max(two, one)
        three = max(four, three)
        high[at] = max(three, one)
    for at in range(BLOCK // 32):
        one = max(high[at + 8], high[at])
        two = max(high[at + 24], high[at + 16])
        high[at] = max(two, one)
    top = high[0]
    for at in range(1, BLOCK // 32):
        top = max(top, high[at])
    return float(top)


@kernel(inline=True, borrows=True)
def _add_returns(now: Floats, before: Floats, desk: Desk) -> None:
    """Add the returns of a block to the sums; `before` is the same block one bar earlier."""
    returns, totals, squares = desk.returns, desk.totals, desk.squares
    for at in range(now.shape[0]):
        change = now[at] / before[at] - 1.0 if before[at] > 0.0 else 0.0
        returns[at] = change
        totals[at] += change
        squares[at] += change * change
    below, lost = desk.below, desk.lost
    for at in range(now.shape[0]):
        down = min(0.0, returns[at])
        below[at] += down * down
        lost[at] += down


@kernel(borrows=True)
def _end_fall(sums: np.void, at: int) -> None:
    """The curve is back at its peak, or over, at bar `at`: note the fall."""
    peak, low = sums["peak"], sums["low"]
    depth = low / peak - 1.0
    if depth < sums["max_drawdown"]:
        sums["max_drawdown"] = depth
        sums["drawdown_from"] = sums["begun"]
        sums["drawdown_to"] = at
    sums["max_drawdown_value"] = max(sums["max_drawdown_value"], peak - low)
    sums["longest"] = max(sums["longest"], at - sums["begun"])
    sums["under"] = 0


@kernel(borrows=True)
def _gather_low(low: Floats, sums: np.void) -> None:
    """Bring the lows by place, of the blocks walked since the peak, into the one low."""
    for at in range(BLOCK):
        sums["low"] = min(sums["low"], low[at])
        low[at] = np.inf


@kernel(borrows=True)
def _walk_peaks(part: Floats, start: int, low: Floats, sums: np.void) -> None:
    """Peaks and depths bar by bar, for a block that reaches a peak."""
    _gather_low(low, sums)
    peak, lowest, under, deeper = sums["peak"], sums["low"], sums["under"], 0.0
    scale = 1.0 / peak
    for place in range(part.shape[0]):
        now = part[place]
        if now >= peak:
            if under == 1:
                sums["low"] = lowest
                _end_fall(sums, start + place)
                under = 0
            if now > peak:
                peak, scale = now, 1.0 / now
                sums["peak"] = now
            continue
        if under == 0:
            under, lowest = 1, now
            sums["begun"] = start + place - 1
        lowest = min(lowest, now)
        depth = now * scale - 1.0
        deeper += depth * depth
    sums["low"], sums["under"] = lowest, under
    sums["deeper"] += deeper


@kernel(inline=True, borrows=True)
def _add_depths(part: Floats, start: int, desk: Desk, sums: np.void) -> None:
    """Depths below the peak of a full block."""
    if _highest(part, desk.high) >= sums["peak"]:
        _walk_peaks(part, start, desk.low, sums)
        return
    if sums["under"] == 0:
        sums["under"] = 1
        sums["begun"] = start - 1
        sums["low"] = part[0]
    scale, low, deeper = 1.0 / sums["peak"], desk.low, desk.deeper
    for at in range(BLOCK):
        low[at] = min(low[at], part[at])
        depth = part[at] * scale - 1.0
        deeper[at] += depth * depth


@kernel(borrows=True)
def _first_bar(equity: Floats, capital: float, desk: Desk, sums: np.void) -> None:
    """The first bar, whose return is counted from the capital."""
    sums["peak"] = capital
    sums["begun"] = -1
    for at in range(BLOCK):
        desk.low[at] = np.inf
    change = equity[0] / capital - 1.0
    down = min(change, 0.0)
    desk.totals[0] = change
    desk.squares[0] = change * change
    desk.below[0] = down * down
    desk.lost[0] = down
    _walk_peaks(equity[:1], 0, desk.low, sums)


@kernel(borrows=True)
def walk_equity(equity: Floats, capital: float, desk: Desk, told: words.Records) -> None:
    """Fill the `SUMS` record of a curve of at least one bar."""
    sums, count = told[0], equity.shape[0]
    _first_bar(equity, capital, desk, sums)
    at = 1
    while at < count:
        end = min(at + BLOCK, count)
        part, before = equity[at:end], equity[at - 1 : end - 1]
        if end - at == BLOCK:
            _add_depths(part, at, desk, sums)
        else:
            _walk_peaks(part, at, desk.low, sums)
        _add_returns(part, before, desk)
        at = end
    _gather_low(desk.low, sums)
    if sums["under"] == 1:
        _end_fall(sums, count - 1)
    for place in range(BLOCK):
        sums["total"] += desk.totals[place]
        sums["squares"] += desk.squares[place]
        sums["below"] += desk.below[place]
        sums["lost"] += desk.lost[place]
        sums["deeper"] += desk.deeper[place]
    sums["last"] = equity[count - 1]


def sums_of(equity: Floats, capital: float) -> np.void:
    """The `SUMS` of a curve; of an empty one nothing but the capital."""
    told = np.zeros(1, SUMS)
    told["last"] = told["peak"] = capital
    if len(equity):
        walk_equity(equity, capital, blank_desk(), told)
    sums: np.void = told[0]
    return sums


def returns_of(equity: Floats, capital: float) -> Floats:
    """The return of every value after the one before it, the first after the capital; 0 where nothing was left before it."""
    if not len(equity):
        return np.empty(0)
    before = np.concatenate(([capital], equity[:-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before > 0.0, equity / before - 1.0, 0.0)


def last_of_days(times: Integers) -> Integers:
    """Index of the last bar that began on each UTC day that has any."""
    if not len(times):
        return np.empty(0, np.int64)
    midnights = np.arange(int(times[0]) // DAY_MS + 1, int(times[-1]) // DAY_MS + 2) * DAY_MS
    return np.unique(np.searchsorted(times, midnights, side="left") - 1)


def value_at_risk(returns: Floats) -> tuple[float, float]:
    """(Value at risk, conditional value at risk) of returns, as returns (usually negative); NaN for less than two.

    The 5 % quantile, linear between neighbours, and the mean of the returns up to it.
    """
    if len(returns) < 2:
        return np.nan, np.nan
    ordered = np.sort(returns)
    rank = TAIL * (len(ordered) - 1)
    first = int(rank)
    at_risk = ordered[first] + (rank - first) * (ordered[first + 1] - ordered[first])
    return float(at_risk), float(np.mean(ordered[: first + 1]))
