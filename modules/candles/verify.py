"""What is wrong with a history: findings, each with its place. Judges columns as they are; repairs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import PRICE_COLUMNS, VALUE_COLUMNS, Floats, Integers
from modules.candles.names import DAY_MS, grid_phase_ms

JUMP_FLOOR = 0.05
"""A move smaller than this fraction is never called a jump."""

JUMP_MEDIANS = 40.0
"""A move this many times the history's median move is called a jump."""


class Problem(StrEnum):
    """Kinds of findings. The first group can't be used; the second is worth a look and may be the truth."""

    UNREADABLE = "unreadable"
    NOT_A_NUMBER = "not_a_number"
    NOT_POSITIVE = "not_positive"
    HIGH_BELOW_LOW = "high_below_low"
    OUTSIDE_RANGE = "outside_range"
    DUPLICATE = "duplicate"
    UNSORTED = "unsorted"
    MISALIGNED = "misaligned"

    GAP = "gap"
    ZERO_VOLUME = "zero_volume"
    JUMP = "jump"

    @property
    def is_error(self) -> bool:
        return self not in (Problem.GAP, Problem.ZERO_VOLUME, Problem.JUMP)


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem: the open time and row it starts at, how many bars it covers, and a sentence.

    A gap's time is that of the first missing bar and its row the first bar after it.
    """

    problem: Problem
    timestamp: int
    row: int
    bars: int
    detail: str


class CandleColumns(Protocol):
    """Anything with candle columns, checked or not."""

    @property
    def timestamp(self) -> Integers: ...
    @property
    def open(self) -> Floats: ...
    @property
    def high(self) -> Floats: ...
    @property
    def low(self) -> Floats: ...
    @property
    def close(self) -> Floats: ...
    @property
    def volume(self) -> Floats: ...


def verify_columns(columns: CandleColumns, timeframe_ms: int) -> list[Finding]:
    """All findings, by row. Several bars in a row with the same problem are one finding, except gaps and jumps."""
    found = [*_bad_values(columns), *_bad_times(columns.timestamp, timeframe_ms), *_zero_volume(columns)]
    found += _jumps(columns, timeframe_ms)
    return sorted(found, key=lambda one: (one.row, one.problem))


def _runs(stamps: Integers, bad: npt.NDArray[np.bool_], problem: Problem, detail: str) -> Iterator[Finding]:
    edges = np.flatnonzero(np.diff(bad.astype(np.int8), prepend=0, append=0))
    for start, end in edges.reshape(-1, 2).tolist():
        yield Finding(problem, int(stamps[start]), start, end - start, detail)


def _bad_values(columns: CandleColumns) -> Iterator[Finding]:
    stamps, high, low = columns.timestamp, columns.high, columns.low
    for name in VALUE_COLUMNS:
        values: Floats = getattr(columns, name)
        yield from _runs(stamps, ~np.isfinite(values), Problem.NOT_A_NUMBER, f"{name} is not a finite number")
        if name in PRICE_COLUMNS:
            yield from _runs(stamps, values <= 0, Problem.NOT_POSITIVE, f"{name} is not above zero")
    yield from _runs(stamps, columns.volume < 0, Problem.NOT_POSITIVE, "volume is negative")
    yield from _runs(stamps, high < low, Problem.HIGH_BELOW_LOW, "the high lies below the low")
    for name in ("open", "close"):
        values = getattr(columns, name)
        outside = ((values < low) | (values > high)) & (high >= low)
        yield from _runs(stamps, outside, Problem.OUTSIDE_RANGE, f"{name} lies outside low and high")


def _bad_times(stamps: Integers, timeframe_ms: int) -> Iterator[Finding]:
    if not len(stamps):
        return
    steps = np.diff(stamps, prepend=stamps[0] - timeframe_ms)
    yield from _runs(stamps, steps == 0, Problem.DUPLICATE, "the same open time again")
    yield from _runs(stamps, steps < 0, Problem.UNSORTED, "an open time before the one above it")
    off = (stamps - grid_phase_ms(timeframe_ms)) % timeframe_ms
    if timeframe_ms > DAY_MS and not (off == 0).any():
        # venues differ in where they start bars of several days: then most bars are right
        values, counts = np.unique(off, return_counts=True)
        off = off - values[np.argmax(counts)]
    misaligned = off != 0
    yield from _runs(stamps, misaligned, Problem.MISALIGNED, "the open time is off the grid of the timeframe")
    missing = steps // timeframe_ms - 1
    for row in np.flatnonzero(missing > 0).tolist():
        first = int(stamps[row - 1]) + timeframe_ms
        bars = int(missing[row])
        yield Finding(Problem.GAP, first, row, bars, f"{bars} missing bar{'s' if bars > 1 else ''}")


def _zero_volume(columns: CandleColumns) -> Iterator[Finding]:
    yield from _runs(columns.timestamp, columns.volume == 0, Problem.ZERO_VOLUME, "no volume")


def _jumps(columns: CandleColumns, timeframe_ms: int) -> Iterator[Finding]:
    """Moves far out of this history's own measure: from close to close of neighbours, and wicks beyond the body."""
    prices = np.column_stack([getattr(columns, name) for name in PRICE_COLUMNS])
    good = np.isfinite(prices).all(axis=1) & (prices > 0).all(axis=1)
    if good.sum() < 2:
        return
    logs = np.zeros_like(prices)
    np.log(prices, out=logs, where=good[:, None])
    opened, high, low, close = logs.T
    neighbours = np.zeros(len(columns.timestamp), dtype=bool)
    neighbours[1:] = good[1:] & good[:-1] & (np.diff(columns.timestamp) == timeframe_ms)
    move = np.where(neighbours, close - np.concatenate(([0.0], close[:-1])), 0.0)
    up = np.where(good, high - np.maximum(opened, close), 0.0)
    down = np.where(good, np.minimum(opened, close) - low, 0.0)
    sizes = np.abs(move[neighbours])
    usual = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 0.0
    limit = max(JUMP_FLOOR, JUMP_MEDIANS * usual)
    for what, size in (("close", move), ("upper wick", up), ("lower wick", -down)):
        for row in np.flatnonzero(np.abs(size) > limit).tolist():
            detail = f"{what} moved by {100 * float(np.expm1(size[row])):+.1f} %"
            yield Finding(Problem.JUMP, int(columns.timestamp[row]), row, 1, detail)
