"""Market structure of a history, and of a live series bar by bar. Both run the same compiled step.

Everything is causal: what is said of bar t uses bars up to t and never changes afterwards. An object known later than
it lies carries both positions; what happens to it later is stamped with the bar on which it happened, so `as_of` can
hide it again.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import VALUE_COLUMNS, Bar, Candles, Integers
from modules.analysis.structure.compaction import compact
from modules.analysis.structure.layout import (
    BAR,
    LIVE_TABLE,
    OBJECT,
    OBJECTS_PER_BAR,
    STANDS,
    Memory,
    Records,
    empty_memory,
)
from modules.analysis.structure.records import BarReading, StructureObject, kind_rows, read_bar, read_objects
from modules.analysis.structure.settings import Settings
from modules.analysis.structure.step import Prices, run

_LATER = ("touched", "mitigated", "superseded", "ended")


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The structure of a history.

    `bars` is a structured array with one row a candle (fields as in `BarReading`), `table` one row an object in the
    order in which they became known (fields as in `layout.OBJECT`; indices, -1 for never). Both are read-only.
    """

    settings: Settings
    timestamp: Integers
    bars: Records
    table: Records

    def __len__(self) -> int:
        return len(self.bars)

    def at(self, index: int) -> BarReading:
        """What was known at the close of bar `index`; raises IndexError outside the history."""
        return read_bar(self.bars[index])

    def as_of(self, index: int) -> Structure:
        """The structure as it was known at the close of bar `index`: later objects and later fates are hidden.

        Raises IndexError outside the history.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"bar {index} of {len(self)}")
        known = self.table[: int(np.searchsorted(self.table["confirmed"], index, side="right"))].copy()
        known["cause"][known["ended"] > index] = STANDS
        for name in _LATER:
            known[name][known[name] > index] = -1
        known.setflags(write=False)
        return Structure(self.settings, self.timestamp[: index + 1], self.bars[: index + 1], known)

    def objects(self, *kinds: str) -> list[StructureObject]:
        """All objects, or those of the kinds named, in the order in which they became known."""
        rows = kind_rows(self.table, kinds) if kinds else self.table
        return read_objects(rows, self._stamp)

    def standing(self, *kinds: str) -> list[StructureObject]:
        """The objects that are in force at the end of this view."""
        rows = kind_rows(self.table, kinds) if kinds else self.table
        return read_objects(rows[rows["ended"] < 0], self._stamp)

    def _stamp(self, index: int) -> int:
        return int(self.timestamp[index])


def analyse(candles: Candles, settings: Settings | None = None) -> Structure:
    """Read the structure of a history. Raises ValueError for NaN among the prices and volumes.

    Time grows with the number of candles; memory is about 120 bytes a candle and 72 an object.
    """
    chosen = settings or Settings()
    _refuse_nan(candles)
    rows = np.empty(len(candles), BAR)
    memory = empty_memory(chosen, len(candles) + 2 * OBJECTS_PER_BAR)
    done = _read(memory, candles, 0, rows)
    while done < len(candles):
        memory = memory._replace(objects=_doubled(memory.objects))
        done = _read(memory, candles, done, rows)
    table = memory.objects[: _object_count(memory)]
    rows.setflags(write=False)
    table.setflags(write=False)
    return Structure(chosen, candles.timestamp, rows, table)


@dataclass(slots=True, eq=False)
class StructureState:
    """The structure of a live series: feed it closed bars in order.

    Memory is bounded: at most 64 objects stand on each of 14 lists (the farthest from price is retired first), and
    objects that no longer stand are forgotten once the table of 2048 rows is full. The readings and ids equal those of
    `analyse` over the same bars bit for bit.
    """

    timeframe_ms: int
    settings: Settings = field(default_factory=Settings)
    _memory: Memory = field(init=False, repr=False)
    _row: Records = field(init=False, repr=False)
    _stamp_buffer: Integers = field(init=False, repr=False)
    _price_buffers: Prices = field(init=False, repr=False)
    _inputs: tuple[Integers, Prices] = field(init=False, repr=False)
    _runs: list[tuple[int, int]] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.timeframe_ms <= 0:
            raise ValueError(f"timeframe_ms: must be positive, got {self.timeframe_ms}")
        self._memory = empty_memory(self.settings, LIVE_TABLE)
        self._row = np.empty(1, BAR)
        self._stamp_buffer = np.zeros(1, np.int64)
        self._price_buffers = (np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1))
        views = [_read_only(buffer) for buffer in self._price_buffers]
        self._inputs = (_read_only(self._stamp_buffer), (views[0], views[1], views[2], views[3], views[4]))

    @classmethod
    def after(cls, candles: Candles, settings: Settings | None = None) -> Self:
        """The state behind a history, ready for its next bar. Raises ValueError as `analyse` does."""
        state = cls(candles.timeframe_ms, settings or Settings())
        _refuse_nan(candles)
        rows = np.empty(len(candles), BAR)
        done = 0
        while done < len(candles):
            done = _read(state._memory, candles, done, rows)
            if done < len(candles):
                compact(state._memory)
        if len(candles):
            starts = [0, *(row for row, _ in candles.gaps())]
            state._runs = [(row, int(candles.timestamp[row])) for row in starts]
            state._row[0] = rows[-1]
        return state

    def __len__(self) -> int:
        """Bars read so far."""
        return int(self._memory.core["state"]["bars"][0])

    def update(self, bar: Bar) -> BarReading:
        """Read one more closed bar and say what is known at its close.

        Raises ValueError, and changes nothing, for a bar that is malformed, not later than the last, or off the grid.
        """
        self._refuse_bad_bar(bar)
        index = len(self)
        if _object_count(self._memory) + OBJECTS_PER_BAR > LIVE_TABLE:
            compact(self._memory)
            self._forget_runs()
        if not self._runs or bar.timestamp != self._last_stamp() + self.timeframe_ms:
            self._runs.append((index, bar.timestamp))
        self._stamp_buffer[0] = bar.timestamp
        values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        for buffer, value in zip(self._price_buffers, values, strict=True):
            buffer[0] = value
        stamps, prices = self._inputs
        run(self._memory, stamps, prices, self.timeframe_ms, 0, self._row)
        return read_bar(self._row[0])

    def standing(self, *kinds: str) -> list[StructureObject]:
        """The objects in force after the last bar, in the order in which they became known."""
        rows = self._table(kinds)
        return read_objects(rows[rows["ended"] < 0], self._stamp)

    def changed(self, *kinds: str) -> list[StructureObject]:
        """The objects that the last bar confirmed, touched, mitigated, superseded or ended."""
        rows, last = self._table(kinds), len(self) - 1
        touched_now = rows["confirmed"] == last
        for name in _LATER:
            touched_now |= rows[name] == last
        return read_objects(rows[touched_now], self._stamp)

    def _table(self, kinds: tuple[str, ...]) -> Records:
        table = self._memory.objects[: _object_count(self._memory)]
        return kind_rows(table, kinds) if kinds else table

    def _stamp(self, index: int) -> int:
        """Open time of a bar: counted from the last hole before it, so no stamp needs to be kept per bar."""
        start, stamp = self._runs[bisect_right(self._runs, index, key=itemgetter(0)) - 1]
        return stamp + (index - start) * self.timeframe_ms

    def _last_stamp(self) -> int:
        return int(self._memory.core["state"]["last_stamp"][0])

    def _forget_runs(self) -> None:
        """Keep only the stretches without holes that an object still refers to, and the present one."""
        table = self._table(())
        indices = np.concatenate([table["formed"], table["confirmed"], *(table[name] for name in _LATER)])
        starts = np.array([start for start, _ in self._runs])
        needed = np.unique(np.searchsorted(starts, indices[indices >= 0], side="right") - 1)
        keep = {*needed.tolist(), len(self._runs) - 1}
        self._runs = [stretch for place, stretch in enumerate(self._runs) if place in keep]

    def _refuse_bad_bar(self, bar: Bar) -> None:
        first = not len(self)
        stamps = [bar.timestamp] if first else [self._last_stamp(), bar.timestamp]
        if not first and bar.timestamp <= stamps[0]:
            raise ValueError(f"timestamp: {bar.timestamp} does not follow {stamps[0]}")
        if (bar.timestamp - stamps[0]) % self.timeframe_ms:
            raise ValueError(f"timestamp: {bar.timestamp} is off the grid of {self.timeframe_ms} ms")
        bar.refuse_impossible()


def _read(memory: Memory, candles: Candles, start: int, rows: Records) -> int:
    prices = (
        _read_only(candles.open),
        _read_only(candles.high),
        _read_only(candles.low),
        _read_only(candles.close),
        _read_only(candles.volume),
    )
    return run(memory, _read_only(candles.timestamp), prices, candles.timeframe_ms, start, rows)


def _read_only(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A read-only contiguous view: one kind of array means one compiled version."""
    view = np.ascontiguousarray(column).view()
    view.setflags(write=False)
    return view


def _doubled(table: Records) -> Records:
    grown = np.empty(2 * len(table), OBJECT)
    grown[: len(table)] = table
    return grown


def _object_count(memory: Memory) -> int:
    return int(memory.core["state"]["objects"][0])


def _refuse_nan(candles: Candles) -> None:
    for name in VALUE_COLUMNS:
        column = getattr(candles, name)
        if np.isfinite(column.sum()):
            continue  # no NaN or infinity survives a finite sum
        bad = np.flatnonzero(~np.isfinite(column))
        if bad.size:
            raise ValueError(f"{name}: row {bad[0]} is not a finite number: {column[bad[0]]}")
