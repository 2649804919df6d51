"""Open times as a file has them, turned into milliseconds UTC: only when it is certain what they mean.

A whole number may count seconds, milliseconds, microseconds or nanoseconds since 1970. For dates from 2001 to 2286
these don't overlap, so its size tells. A text without a zone could be anybody's local time: it is refused unless the
reader says that it is UTC.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from modules.candles.names import BadCandles

UNITS = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}
"""Units of a counted time, each with how many of them make a millisecond."""

TIMES = ("auto", "utc", *UNITS)
"""What a reader may say about the times: nothing, that texts without a zone are UTC, or the unit of the numbers."""

_FIRST_MS, _LAST_MS = 1e12, 1e13
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def milliseconds(column: Any, times: str, timeframe_ms: int | None) -> npt.NDArray[np.int64]:
    """A `pyarrow` column of open times as ms UTC.

    `times` is one of `TIMES`. `timeframe_ms` settles numbers whose size does not tell. Raises BadCandles naming the row
    for a time that can't be read, and for times whose meaning is not certain.
    """
    if times not in TIMES:
        raise BadCandles(f"times: {times!r} is none of {', '.join(TIMES)}")
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise BadCandles(f"timestamp: row {row} is empty")
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(column, times, timeframe_ms)
    if pa.types.is_timestamp(kind):
        if kind.tz is None and times != "utc":
            raise BadCandles(_no_zone(0, column[0].as_py()))
        return _as_numpy(pc.cast(column, pa.timestamp("ms", tz=kind.tz), safe=False).cast(pa.int64()))
    if pa.types.is_date(kind):
        if times != "utc":
            raise BadCandles(_no_zone(0, column[0].as_py()))
        return _as_numpy(column.cast(pa.timestamp("ms")).cast(pa.int64()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_numbers(column.to_numpy(), times, timeframe_ms)
    raise BadCandles(f"timestamp: {kind} is neither a number nor a time")


def _as_numpy(column: Any) -> npt.NDArray[np.int64]:
    values: npt.NDArray[np.int64] = column.to_numpy()
    return values


def _no_zone(row: int, text: object) -> str:
    return f"timestamp: row {row} has no time zone: {text}; say that the file's times are utc, or add Z to them"


def _from_text(column: Any, times: str, timeframe_ms: int | None) -> npt.NDArray[np.int64]:
    texts = pc.utf8_trim_whitespace(column)
    blank = pc.equal(texts, "").to_numpy(zero_copy_only=False)
    if blank.any():
        raise BadCandles(f"timestamp: row {int(np.argmax(blank))} is empty")
    if len(texts) and _NUMBER.fullmatch(texts[0].as_py()):
        try:
            numbers = texts.cast(pa.int64() if "." not in texts[0].as_py() else pa.float64())
        except pa.ArrowInvalid as error:
            raise BadCandles(f"timestamp: {error}") from error
        return _from_numbers(numbers.to_numpy(), times, timeframe_ms)
    texts = pc.replace_substring_regex(texts, pattern=r"\s*(UTC|GMT)$", replacement="Z")
    try:
        return _as_numpy(texts.cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()))
    except pa.ArrowInvalid:
        pass  # one of them has no zone or is no time at all: find out which
    for row, text in enumerate(texts.to_pylist()):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise BadCandles(f"timestamp: row {row} is not a time: {text!r}") from None
        if moment.tzinfo is None and times != "utc":
            raise BadCandles(_no_zone(row, text))
    try:
        return _as_numpy(texts.cast(pa.timestamp("ms")).cast(pa.int64()))
    except pa.ArrowInvalid as error:
        raise BadCandles(f"timestamp: some rows have a time zone and some have none: {error}") from error


def _from_numbers(numbers: npt.NDArray[Any], times: str, timeframe_ms: int | None) -> npt.NDArray[np.int64]:
    if not len(numbers):
        return np.zeros(0, dtype=np.int64)
    if not np.isfinite(numbers).all():
        raise BadCandles(f"timestamp: row {int(np.argmin(np.isfinite(numbers)))} is not a finite number")
    unit = times if times in UNITS else _unit_by_size(numbers, timeframe_ms)
    per_ms = UNITS[unit]
    whole = numbers.dtype.kind in "iu"
    if whole and per_ms > 1:
        exact, rest = np.divmod(numbers, int(per_ms))
    elif whole:
        exact, rest = numbers * round(1 / per_ms), np.zeros(len(numbers))
    else:
        exact = np.round(numbers / per_ms)
        rest = np.where(np.abs(numbers / per_ms - exact) < 1e-3, 0.0, 1.0)
    if rest.any():
        row = int(np.argmax(rest != 0))
        raise BadCandles(f"timestamp: row {row} is not a whole millisecond: {numbers[row]} {unit}")
    return exact.astype(np.int64)


def _unit_by_size(numbers: npt.NDArray[Any], timeframe_ms: int | None) -> str:
    low, high = float(numbers.min()), float(numbers.max())
    for unit, per_ms in UNITS.items():
        if low / per_ms >= _FIRST_MS and high / per_ms < _LAST_MS:
            return unit
    steps = np.diff(numbers)
    if timeframe_ms is not None and len(steps) and steps.min() == timeframe_ms:
        return "ms"
    raise BadCandles(
        f"timestamp: can't tell the unit of {numbers.min()} to {numbers.max()}; say whether they are s, ms, us or ns"
    )
