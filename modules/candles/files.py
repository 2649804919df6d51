"""Candle files people bring and take: Parquet or CSV with `timestamp, open, high, low, close, volume`."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from modules.analysis.candles import VALUE_COLUMNS, Candles, Floats, Integers
from modules.candles.names import BadCandles, timeframe_ms
from modules.candles.times import milliseconds

COLUMNS = ("timestamp", *VALUE_COLUMNS)

_OTHER_NAMES = {
    "time": "timestamp",
    "date": "timestamp",
    "datetime": "timestamp",
    "open_time": "timestamp",
    "open time": "timestamp",
    "vol": "volume",
}
_NAME = re.compile(r"(?P<symbol>[A-Za-z0-9]+)(?:-(?P<venue>[A-Za-z0-9_]+))?-(?P<timeframe>[1-9]\d{0,3}[mhdw])")
_SUFFIXES = (".parquet", ".csv", ".csv.gz")


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file's name says: `SYMBOL-TF`, `SYMBOL-VENUE-TF`, and whatever may follow after a `-` or a `.`."""

    symbol: str
    venue: str | None
    timeframe: str


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Candle columns as read, not yet checked: they may hold NaN, gaps, duplicates or disorder."""

    timestamp: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.timestamp)


def is_candle_file(path: Path) -> bool:
    """Whether the name ends like a candle file."""
    return path.name.lower().endswith(_SUFFIXES)


def parse_file_name(path: Path) -> FileName | None:
    """Symbol, venue and timeframe from a name like `BTCUSDT-1h.parquet`, `BTCUSD-BITFINEX-1m.csv`; None if it has none."""
    found = _NAME.match(path.name)
    if found is None or path.name[found.end() : found.end() + 1] not in ("", "-", "."):
        return None
    venue = found["venue"]
    return FileName(found["symbol"].upper(), venue.lower() if venue else None, found["timeframe"])


def load_file(
    path: Path | str, *, symbol: str | None = None, timeframe: str | None = None, times: str = "auto"
) -> Candles:
    """Read a candle file; symbol and timeframe come from the arguments, else from the file's name.

    `times` says what the file's times mean where the file does not (see `times.TIMES`). Raises BadCandles (a ValueError)
    naming the file, the column and the row for anything that is not a well-formed history.
    """
    path = Path(path)
    said = parse_file_name(path)
    timeframe = timeframe or (said.timeframe if said else None)
    symbol = symbol or (said.symbol if said else None)
    if timeframe is None or symbol is None:
        missing = "timeframe" if timeframe is None else "symbol"
        raise BadCandles(f"{path.name}: the name is not like BTCUSDT-1h.parquet, so say which {missing} it holds")
    length_ms = timeframe_ms(timeframe)
    columns = read_columns(path, timeframe_ms=length_ms, times=times)
    try:
        return Candles.checked(*(getattr(columns, name) for name in COLUMNS), timeframe_ms=length_ms, symbol=symbol)
    except ValueError as error:
        raise BadCandles(f"{path.name}: {error}") from error


def read_columns(path: Path, *, timeframe_ms: int | None = None, times: str = "auto") -> Columns:
    """The six columns of a Parquet or CSV file with times in ms UTC, unchecked otherwise.

    Empty fields are NaN. Raises BadCandles for a file that is not there, is neither format, lacks a column or has a
    field that is no number.
    """
    if not is_candle_file(path):
        raise BadCandles(f"{path.name}: neither {' nor '.join(_SUFFIXES)}")
    try:
        table = pq.read_table(path) if path.name.lower().endswith(".parquet") else _read_csv(path)
    except FileNotFoundError:
        raise BadCandles(f"{path}: no such file") from None
    except (OSError, pa.ArrowException) as error:
        raise BadCandles(f"{path.name}: can't be read: {error}") from error
    table = _with_our_names(path, table)
    try:
        stamps = milliseconds(table["timestamp"].combine_chunks(), times, timeframe_ms)
        return Columns(stamps, *(_numbers(name, table[name]) for name in VALUE_COLUMNS))
    except BadCandles as error:
        raise BadCandles(f"{path.name}: {error}") from error


def _read_csv(path: Path) -> Any:
    with pa.input_stream(str(path), compression="detect") as stream:
        head = stream.read(4096).decode("utf-8-sig", errors="replace")
    first = head.splitlines()[0] if head else ""
    delimiter = max(",;\t", key=first.count)
    names = next(csv.reader([first], delimiter=delimiter), [])
    wanted = {name: pa.string() if _our_name(name) == "timestamp" else pa.float64() for name in names}
    wanted = {name: kind for name, kind in wanted.items() if _our_name(name) in COLUMNS}
    return arrow_csv.read_csv(
        str(path),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
        convert_options=arrow_csv.ConvertOptions(column_types=wanted, include_columns=list(wanted)),
    )


def _our_name(name: str) -> str:
    plain = name.strip().lower()
    return _OTHER_NAMES.get(plain, plain)


def _with_our_names(path: Path, table: Any) -> Any:
    names = [_our_name(name) for name in table.column_names]
    for name in COLUMNS:
        if (count := names.count(name)) != 1:
            what = "no column" if count == 0 else f"{count} columns"
            raise BadCandles(f"{path.name}: has {what} named {name}; it needs {', '.join(COLUMNS)}")
    return table.rename_columns(names)


def _numbers(name: str, column: Any) -> Floats:
    try:
        # a null becomes NaN, so that the check of the history names its row
        values: Floats = np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except (pa.ArrowException, TypeError) as error:
        raise BadCandles(f"{name}: not a column of numbers: {error}") from error
    return values


def save_file(candles: Candles, path: Path) -> None:
    """Write candles as Parquet or CSV, by the file's ending. Raises BadCandles for another ending."""
    table = pa.table({name: getattr(candles, name) for name in COLUMNS})
    if path.name.lower().endswith(".parquet"):
        pq.write_table(table, path, compression="zstd")
    elif path.name.lower().endswith(".csv"):
        arrow_csv.write_csv(table, path)
    else:
        raise BadCandles(f"{path.name}: can be written as .parquet or .csv only")
