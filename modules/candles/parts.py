"""The files of one stored history: how a part is read, written, named and laid over another.

A file is replaced as a whole (written beside its place, synced, renamed), so whoever reads sees the old or the new one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from modules.analysis.candles import Integers
from modules.candles.files import COLUMNS
from modules.candles.names import BadCandles

MONTHLY_BELOW_MS = 15 * 60_000
"""Timeframes below this have a part a month, the others a part a year."""

TAIL = "tail.parquet"
"""The file of the newest changes; its rows count over those of the parts."""

Table = dict[str, npt.NDArray[Any]]
Span = tuple[int | None, int | None]
"""From (inclusive) and to (exclusive) an open time in ms; None is open-ended."""

EVERYTHING: Span = (None, None)


def load(folder: Path, timeframe_ms: int, span: Span = EVERYTHING, columns: Sequence[str] = COLUMNS) -> Table:
    """The rows of a history within a span, in order of time, the tail laid over the parts.

    The tail is read before the parts are listed: should it be moved into them meanwhile, no row is missed.
    """
    tail = read(folder / TAIL, span, columns)
    parts = [read(path, span, columns) for path in part_files(folder) if _period_meets(path, timeframe_ms, span)]
    table = overlaid([*parts, tail])
    start, end = span
    stamps = table["timestamp"]
    low = 0 if start is None else int(np.searchsorted(stamps, start))
    high = len(stamps) if end is None else int(np.searchsorted(stamps, end))
    return {column: values[low:high] for column, values in table.items()}


def part_files(folder: Path) -> list[Path]:
    """The parts of a history, oldest first."""
    return sorted(path for path in folder.glob("*.parquet") if path.name != TAIL)


def by_part(table: Table, timeframe_ms: int) -> Iterator[tuple[str, Table]]:
    """A table in order of time, cut into the parts it belongs to: each with its label, such as `2024-08` or `2024`."""
    periods = table["timestamp"].astype("datetime64[ms]").astype(f"datetime64[{_unit(timeframe_ms)}]")
    starts = np.flatnonzero(np.append(True, periods[1:] != periods[:-1])).tolist()
    for start, end in zip(starts, [*starts[1:], len(periods)], strict=True):
        yield str(periods[start]), {column: values[start:end] for column, values in table.items()}


def _unit(timeframe_ms: int) -> Any:
    return "M" if timeframe_ms < MONTHLY_BELOW_MS else "Y"


def _period_meets(path: Path, timeframe_ms: int, span: Span) -> bool:
    """Whether a part can have rows of the span, by its name."""
    try:
        period = np.datetime64(path.stem, _unit(timeframe_ms))
    except ValueError:
        raise BadCandles(f"{path.name}: not a part of a candle history") from None
    first, after = (int(edge.astype("datetime64[ms]").astype(np.int64)) for edge in (period, period + 1))
    start, end = span
    return (start is None or after > start) and (end is None or first < end)


def read(path: Path, span: Span = EVERYTHING, columns: Sequence[str] = COLUMNS) -> Table:
    """The columns of one file; no rows if it is not there, or if all its rows lie outside the span.

    Raises BadCandles for a damaged file.
    """
    try:
        with pq.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
            if not _rows_meet(file.metadata, span):
                return _no_rows(columns)
            table = file.read(columns=list(columns))
        return {column: table[column].combine_chunks().to_numpy(zero_copy_only=False) for column in columns}
    except FileNotFoundError:
        return _no_rows(columns)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise BadCandles(f"{path.name}: can't be read: {error}") from error


def bounds(path: Path) -> tuple[int, int] | None:
    """First and last open time of one file, from its footer; None if it is not there or empty."""
    try:
        return _footer_bounds(pq.read_metadata(path))
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException) as error:
        raise BadCandles(f"{path.name}: can't be read: {error}") from error


def _footer_bounds(footer: Any) -> tuple[int, int] | None:
    groups = [footer.row_group(group).column(0).statistics for group in range(footer.num_row_groups)]
    known = [group for group in groups if group is not None and group.has_min_max]
    if not known:
        return None
    return min(int(group.min) for group in known), max(int(group.max) for group in known)


def _rows_meet(footer: Any, span: Span) -> bool:
    start, end = span
    if start is None and end is None:
        return True
    edges = _footer_bounds(footer)
    if edges is None:
        return True
    return (start is None or edges[1] >= start) and (end is None or edges[0] < end)


def write(path: Path, table: Table) -> None:
    """Replace a file as a whole; when this returns it survives a loss of power."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with beside.open("wb") as file:
        pq.write_table(
            pa.table(table),
            file,
            compression="lz4",
            use_dictionary=False,
            column_encoding={
                column: "DELTA_BINARY_PACKED" if column == "timestamp" else "BYTE_STREAM_SPLIT" for column in COLUMNS
            },
            write_page_checksum=True,
        )
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sweep(folder: Path) -> None:
    """Remove what a killed writer left half-written. Only for whoever holds the history's lock."""
    for leftover in folder.glob(".*.partial"):
        leftover.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _no_rows(columns: Sequence[str]) -> Table:
    return {column: np.zeros(0, np.int64 if column == "timestamp" else np.float64) for column in columns}


def rows(table: Table, chosen: npt.NDArray[np.bool_]) -> Table:
    """The chosen rows of a table."""
    return {column: values[chosen] for column, values in table.items()}


def overlaid(tables: Sequence[Table]) -> Table:
    """Tables joined in order of time; of rows with the same open time the last table's is kept."""
    filled = [table for table in tables if len(table["timestamp"])]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        return tables[0]
    joined = {column: np.concatenate([table[column] for table in filled]) for column in filled[0]}
    stamps = joined["timestamp"]
    if (stamps[1:] > stamps[:-1]).all():
        return joined
    order = np.argsort(stamps, kind="stable")
    ordered = stamps[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    return {column: values[order[last]] for column, values in joined.items()}


def found_in(stamps: Integers, wanted: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """For each wanted open time its row among sorted `stamps`, and whether it is there."""
    where = np.searchsorted(stamps, wanted)
    known = where < len(stamps)
    known[known] = stamps[where[known]] == wanted[known]
    return where, known
