"""Does a strategy use what it can't know? Its decisions are made again on candles that end earlier, or begin later.

The look-ahead check cuts the future off: what was decided at a bar must not change when later bars arrive. The recursive
check cuts the past off: what is decided must not depend on how long ago the candles begin, once there are enough of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from modules.analysis.candles import Candles, Integers
from modules.backtesting.robustness.subject import Decide, Parameters, Progress, unheard
from modules.backtesting.warnings import Checks
from modules.strategies.decisions import Decisions

#: How many ends the look-ahead check tries, and the share of the candles that is always there.
POINTS: Final = 60
_ALWAYS: Final = 0.1
#: Prices that differ by less than this share are the same.
_SAME: Final = 1e-6
#: Lengths of history the recursive check tries, and over how many of the last bars it compares.
HISTORIES: Final = (50, 100, 200, 400, 800, 1_600, 3_200, 6_400)
_WINDOW: Final = 200


@dataclass(frozen=True, slots=True)
class Differing:
    """The first bar whose decision changed, when `bars` candles were given instead of all."""

    bar: int
    time: int
    column: str
    all_bars: str
    fewer_bars: str
    bars: int

    @property
    def when(self) -> str:
        return f"{datetime.fromtimestamp(self.time / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def look_ahead(
    decide: Decide, candles: Candles, parameters: Parameters, *, points: int = POINTS, seed: int = 1,
    progress: Progress = unheard,
) -> Differing | None:  # fmt: skip
    """The first bar whose decision changes when the candles end earlier, or None.

    Ends are the bars of signals and others at random, `points` of each at most; all bars up to each end are compared.
    """
    whole = decide(candles, parameters)
    found: Differing | None = None
    ends = _ends(whole, len(candles), points, seed)
    for number, end in enumerate(ends.tolist()):
        progress(number / len(ends))
        fewer = decide(candles[: end + 1], parameters)
        place = _first_difference(whole, fewer, 0, 0, end + 1)
        if place is not None and (found is None or place[0] < found.bar):
            found = _tell(candles, place, whole, fewer, (0, end + 1))
    progress(1.0)
    return found


def _ends(whole: Decisions, count: int, points: int, seed: int) -> Integers:
    """Bars at which the candles are cut: some of those with a signal, the bar before each, and some at random."""
    draws = np.random.Generator(np.random.PCG64(seed))
    signals = np.flatnonzero((whole.entry != 0) | whole.exit_long | whole.exit_short)
    if len(signals) > points // 2:
        signals = draws.choice(signals, points // 2, replace=False)
    others = draws.integers(int(count * _ALWAYS), max(count - 1, 1), points) if count > 1 else np.empty(0, np.int64)
    ends = np.unique(np.concatenate((signals, signals - 1, others)))
    return ends[(ends >= int(count * _ALWAYS)) & (ends < count - 1)].astype(np.int64)


def recursive(
    decide: Decide,
    candles: Candles,
    parameters: Parameters,
    *,
    history: int | None = None,
    progress: Progress = unheard,
) -> Differing | None:
    """The first bar decided otherwise with only the candles a live strategy would hold, or None.

    `history` is how many bars it is given before the first decision that counts, and also one more; without it, the longest
    length the candles allow of `HISTORIES`. The last bars are compared, as many as are left up to 200.
    """
    count = len(candles)
    given = history if history is not None else max((n for n in HISTORIES if 2 * n <= count), default=count // 2)
    window = min(_WINDOW, count - given - 2)
    if window < 1:
        return None
    whole, found = decide(candles, parameters), list[Differing]()
    for number, length in enumerate((given, given + 1)):
        progress((number + 1) / 3)
        start = count - window - length
        fewer = decide(candles[start:], parameters)
        place = _first_difference(whole, fewer, start, length, count - start)
        if place is not None:
            found.append(_tell(candles, place, whole, fewer, (start, count - start)))
    progress(1.0)
    return min(found, key=lambda each: each.bar, default=None)


def history_needed(
    decide: Decide, candles: Candles, parameters: Parameters, progress: Progress = unheard
) -> int | None:
    """The least of `HISTORIES` from which on longer histories decide the same, or None where none of them does."""
    tried = [n for n in HISTORIES if n + 2 < len(candles)]
    needed: int | None = None
    for number, history in enumerate(reversed(tried)):
        progress(number / len(tried))
        if recursive(decide, candles, parameters, history=history) is not None:
            break
        needed = history
    progress(1.0)
    return needed


def check(
    decide: Decide, candles: Candles, parameters: Parameters, progress: Progress = unheard, *, points: int = POINTS
) -> Checks:
    """Both checks as they are attached to a result; more `points` take longer and find what happens rarely."""
    ahead = look_ahead(decide, candles, parameters, points=points, progress=lambda share: progress(share * 0.8))
    drift = recursive(decide, candles, parameters, progress=lambda share: progress(0.8 + share * 0.2))
    told = Checks(
        None if ahead is None else look_ahead_sentence(ahead), None if drift is None else drift_sentence(drift)
    )
    progress(1.0)
    return told


def look_ahead_sentence(found: Differing) -> str:
    """What the look-ahead check found, for people."""
    return (
        f"It looks ahead: at bar {found.bar} ({found.when}) {found.column} is {found.all_bars} with all candles,"
        f" but was {found.fewer_bars} when only {found.bars} bars were known."
    )


def drift_sentence(found: Differing) -> str:
    """What the recursive check found, for people."""
    return (
        f"It depends on where the candles begin: at bar {found.bar} ({found.when}) {found.column} is {found.all_bars}"
        f" with all candles, but {found.fewer_bars} with the last {found.bars} bars."
    )


def _columns(decisions: Decisions) -> Iterator[tuple[str, object]]:
    for name in ("entry", "exit_long", "exit_short", "stop", "targets", "atr", "entry_price"):
        yield name, getattr(decisions, name)


def _first_difference(whole: Decisions, fewer: Decisions, start: int, skip: int, length: int) -> tuple[int, str] | None:
    """(Bar, column) of the first difference; `fewer` begins at bar `start`, its first `skip` bars don't count.

    Prices count only where there is an entry they belong to.
    """
    first: tuple[int, str] | None = None
    wanted = fewer.entry[skip:length] != 0
    for name, column in _columns(whole):
        other = getattr(fewer, name)
        if (column is None) != (other is None):
            return start + skip, name
        if not isinstance(column, np.ndarray) or other is None:
            continue
        mine, theirs = column[start + skip : start + length], other[skip:length]
        if mine.dtype.kind == "f":
            differs = ~np.isclose(mine, theirs, rtol=_SAME, atol=0.0, equal_nan=True)
            differs = (differs.any(axis=1) if differs.ndim == 2 else differs) & wanted
        else:
            differs = mine != theirs
        rows = np.flatnonzero(differs)
        if len(rows) and (first is None or start + skip + int(rows[0]) < first[0]):
            first = (start + skip + int(rows[0]), name)
    return first


def _tell(
    candles: Candles, place: tuple[int, str], whole: Decisions, fewer: Decisions, part: tuple[int, int]
) -> Differing:
    bar, name = place
    start, length = part
    mine, theirs = getattr(whole, name), getattr(fewer, name)
    return Differing(
        bar=bar,
        time=int(candles.timestamp[bar]),
        column=name,
        all_bars="missing" if mine is None else _shown(mine[bar]),
        fewer_bars="missing" if theirs is None else _shown(theirs[bar - start]),
        bars=length,
    )


def _shown(value: object) -> str:
    if isinstance(value, np.ndarray):
        return ", ".join(_shown(each) for each in value)
    if isinstance(value, np.bool_):
        return "yes" if value else "no"
    return f"{value:.8g}" if isinstance(value, np.floating) else str(value)
