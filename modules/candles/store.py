"""Candle histories kept as columns: one folder per exchange, symbol and timeframe, cut into parts by time.

    ROOT/binance/BTCUSDT/1m/2024-08.parquet   a part: a month of a timeframe below 15 minutes, else a year
    ROOT/binance/BTCUSDT/1m/tail.parquet      the newest changes, not yet moved into their parts

A new candle rewrites the small tail, not a part; a tail that has grown large is moved into the parts. Rows of the tail
count over rows of the parts, so a crash between the two leaves the same history. Every file is written beside its
place, synced and renamed, so a reader always sees a whole one and needs no lock; writers of one history wait for each
other on its lock file. Only well-formed candles get in (see `Candles.checked`); whether they are closed is the
caller's knowledge.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modules.analysis.candles import VALUE_COLUMNS, Candles, Integers
from modules.candles import parts
from modules.candles.files import COLUMNS, Columns, load_file, parse_file_name
from modules.candles.names import DAY_MS, BadCandles, SeriesName, grid_phase_ms
from modules.candles.parts import Table
from modules.candles.verify import Finding, Problem, verify_columns

TAIL_ROWS = 1024
"""A tail with more rows is moved into the parts."""

_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Upsert:
    """What storing candles did: how many were new, how many changed a stored one, how many were stored already."""

    inserted: int
    replaced: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """One stored history: first and last open time (ms UTC), rows, holes, and the bars missing in them."""

    name: SeriesName
    first_ms: int
    last_ms: int
    rows: int
    gaps: int
    missing: int


class CandleStore:
    """Candle histories under one folder, which is made when the first is stored."""

    def __init__(self, root: Path | str, *, tail_rows: int = TAIL_ROWS) -> None:
        """`tail_rows`: how large a tail may grow before it is moved into its parts."""
        self._root = Path(root)
        self._tail_rows = tail_rows

    def upsert(self, name: SeriesName, candles: Candles) -> Upsert:
        """Store candles by their open time: new ones are added, different ones replace the stored ones.

        Storing the same again changes nothing on disk. Safe against a crash and against other writers. Raises
        BadCandles if the candles are of another symbol or timeframe, malformed, or off the grid.
        """
        table = _checked(name, candles)
        if not len(candles):
            return Upsert(0, 0, 0)
        with self._writing(name) as folder:
            first_stored = self.first_ms(name) if name.timeframe_ms > DAY_MS else None
            _refuse_off_grid(table["timestamp"], name.timeframe_ms, first_stored)
            first, last = int(table["timestamp"][0]), int(table["timestamp"][-1])
            stored = parts.load(folder, name.timeframe_ms, (first, last + 1))
            where, known = parts.found_in(stored["timestamp"], table["timestamp"])
            same = known.copy()
            for column in VALUE_COLUMNS:
                same[known] &= stored[column][where[known]] == table[column][known]
            changed = parts.rows(table, ~same)
            if len(changed["timestamp"]):
                self._keep(folder, name, changed)
        return Upsert(int((~known).sum()), int((known & ~same).sum()), int(same.sum()))

    def read(self, name: SeriesName, *, start_ms: int | None = None, end_ms: int | None = None) -> Candles:
        """Candles with `start_ms <= open time < end_ms`; empty for a history that is not stored.

        Raises BadCandles if a file of the history is damaged.
        """
        table = parts.load(self._folder(name), name.timeframe_ms, (start_ms, end_ms))
        try:
            return Candles.checked(
                **{column: table[column] for column in COLUMNS}, timeframe_ms=name.timeframe_ms, symbol=name.symbol
            )
        except ValueError as error:
            raise BadCandles(f"{name}: {error}") from error

    def first_ms(self, name: SeriesName) -> int | None:
        """Open time of the oldest stored candle, None if there is none. Reads no rows."""
        folder = self._folder(name)
        edges = [parts.bounds(path) for path in (folder / parts.TAIL, *parts.part_files(folder)[:1])]
        return min((edge[0] for edge in edges if edge), default=None)

    def last_ms(self, name: SeriesName) -> int | None:
        """Open time of the newest stored candle, None if there is none. Reads no rows."""
        folder = self._folder(name)
        edges = [parts.bounds(path) for path in (folder / parts.TAIL, *parts.part_files(folder)[-1:])]
        return max((edge[1] for edge in edges if edge), default=None)

    def names(self) -> list[SeriesName]:
        """Every stored history, sorted."""
        found = []
        for folder in self._root.glob("*/*/*"):
            exchange, symbol, timeframe = folder.relative_to(self._root).parts
            try:
                name = SeriesName(exchange, symbol, timeframe)
            except BadCandles:
                continue  # not one of ours
            if any(folder.glob("*.parquet")):
                found.append(name)
        return sorted(found)

    def summary(self, name: SeriesName) -> SeriesSummary | None:
        """Extent and holes of one history; None if it is not stored."""
        stamps = self._stamps(name)
        if not len(stamps):
            return None
        missing = np.diff(stamps) // name.timeframe_ms - 1
        return SeriesSummary(
            name, int(stamps[0]), int(stamps[-1]), len(stamps), int((missing > 0).sum()), int(missing.sum())
        )

    def summaries(self) -> list[SeriesSummary]:
        """Extent and holes of every stored history."""
        return [found for name in self.names() if (found := self.summary(name)) is not None]

    def gaps(self, name: SeriesName) -> list[tuple[int, int]]:
        """Holes as (open time of the first missing bar, open time of the first bar after the hole), ms UTC."""
        stamps = self._stamps(name)
        rows = np.flatnonzero(np.diff(stamps) > name.timeframe_ms)
        return [(int(stamps[row]) + name.timeframe_ms, int(stamps[row + 1])) for row in rows]

    def verify(self, name: SeriesName) -> list[Finding]:
        """What is wrong with a stored history; a damaged file is one finding and its rows are left out."""
        folder = self._folder(name)
        damaged: list[Finding] = []
        tables: list[Table] = []
        for path in (*parts.part_files(folder), folder / parts.TAIL):
            try:
                tables.append(parts.read(path))
            except BadCandles as error:
                damaged.append(Finding(Problem.UNREADABLE, 0, 0, 0, str(error)))
        if not tables:
            return damaged
        out_of_order = any((np.diff(table["timestamp"]) <= 0).any() for table in tables)
        table = _end_to_end(tables) if out_of_order else parts.overlaid(tables)
        return damaged + verify_columns(Columns(**table), name.timeframe_ms)

    def import_file(
        self,
        path: Path | str,
        exchange: str | None = None,
        *,
        symbol: str | None = None,
        timeframe: str | None = None,
        times: str = "auto",
    ) -> tuple[SeriesName, Upsert]:
        """Store the candles of a Parquet or CSV file; what is not said is read from the file's name.

        Raises BadCandles for a file that can't be read or does not say whose candles it holds.
        """
        path = Path(path)
        said = parse_file_name(path)
        exchange = exchange or (said.venue if said else None)
        timeframe = timeframe or (said.timeframe if said else None)
        if exchange is None:
            raise BadCandles(f"{path.name}: say which exchange the candles are from")
        candles = load_file(path, symbol=symbol, timeframe=timeframe, times=times)
        name = SeriesName(exchange, candles.symbol or "", timeframe or "")
        return name, self.upsert(name, candles)

    def _folder(self, name: SeriesName) -> Path:
        return self._root / name.exchange / name.symbol / name.timeframe

    @contextmanager
    def _writing(self, name: SeriesName) -> Iterator[Path]:
        """Hold the history's lock. What a killed writer left half-written is swept first."""
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            parts.sweep(folder)
            yield folder

    def _stamps(self, name: SeriesName) -> Integers:
        stamps: Integers = parts.load(self._folder(name), name.timeframe_ms, columns=("timestamp",))["timestamp"]
        return stamps

    def _keep(self, folder: Path, name: SeriesName, changed: Table) -> None:
        tail_path = folder / parts.TAIL
        tail = parts.overlaid([parts.read(tail_path), changed])
        if len(tail["timestamp"]) <= self._tail_rows:
            parts.write(tail_path, tail)
            return
        for label, rows in parts.by_part(tail, name.timeframe_ms):
            part_path = folder / f"{label}.parquet"
            parts.write(part_path, parts.overlaid([parts.read(part_path), rows]))
        tail_path.unlink(missing_ok=True)
        parts.sync_folder(folder)


def _end_to_end(tables: list[Table]) -> Table:
    return {column: np.concatenate([table[column] for table in tables]) for column in COLUMNS}


def _checked(name: SeriesName, candles: Candles) -> Table:
    if candles.timeframe_ms != name.timeframe_ms:
        raise BadCandles(f"{name}: the candles are of {candles.timeframe_ms} ms")
    if candles.symbol is not None and candles.symbol != name.symbol:
        raise BadCandles(f"{name}: the candles are of {candles.symbol}")
    columns = {column: getattr(candles, column) for column in COLUMNS}
    try:
        Candles.checked(**columns, timeframe_ms=candles.timeframe_ms)
    except ValueError as error:
        raise BadCandles(f"{name}: {error}") from error
    return columns


def _refuse_off_grid(stamps: Integers, timeframe_ms: int, first_stored: int | None) -> None:
    """Bars up to a day open on whole multiples of UTC; longer ones where the history's first bar does."""
    phase = grid_phase_ms(timeframe_ms)
    if timeframe_ms > DAY_MS:
        phase = int(stamps[0]) if first_stored is None else first_stored
    off = (stamps - phase) % timeframe_ms != 0
    if off.any():
        row = int(np.argmax(off))
        raise BadCandles(f"timestamp: row {row} is off the grid of {timeframe_ms} ms: {stamps[row]}")
