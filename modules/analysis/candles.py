"""Candles as columns: the one input every indicator and detector reads.

Decides what a well-formed history is and refuses the rest. It never repairs, resamples or fills anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PRICE_COLUMNS = ("open", "high", "low", "close")
VALUE_COLUMNS = (*PRICE_COLUMNS, "volume")


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed candle; `timestamp` is its open time in ms UTC."""

    timestamp: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def refuse_impossible(self) -> None:
        """Raise ValueError naming the field for values that no candle can have (see `Candles.checked`)."""
        for name in VALUE_COLUMNS:
            value = getattr(self, name)
            if not isfinite(value):
                raise ValueError(f"{name}: is not a finite number: {value}")
            if value < 0 or (value == 0 and name != "volume"):
                raise ValueError(f"{name}: {value} is out of range")
        if self.high < self.low:
            raise ValueError(f"high: lies below the low: {self.high} < {self.low}")
        for name, value in (("open", self.open), ("close", self.close)):
            if not self.low <= value <= self.high:
                raise ValueError(f"{name}: lies outside [low, high]: {value} not in [{self.low}, {self.high}]")


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Closed candles of one symbol and timeframe, oldest first.

    `timestamp` is the open time in ms UTC (int64); the other columns are float64 of the same length. All columns are
    read-only. Bars may be missing (see `gaps`), but every open time lies on the grid of `timeframe_ms`, the grid being
    set by the first bar. Build it with `checked`; the plain constructor is for columns already known to be good.
    """

    timestamp: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    timeframe_ms: int
    symbol: str | None = None

    @classmethod
    def checked(
        cls,
        timestamp: Sequence[int] | Integers,
        open: Sequence[float] | Floats,  # noqa: A002 - the column's name everywhere
        high: Sequence[float] | Floats,
        low: Sequence[float] | Floats,
        close: Sequence[float] | Floats,
        volume: Sequence[float] | Floats,
        *,
        timeframe_ms: int,
        symbol: str | None = None,
    ) -> Self:
        """Copy the columns, check them, and make them read-only.

        Raises ValueError naming the column and the row for: columns of different length, NaN or infinity, a price that
        is not positive, a negative volume, high < low, open or close outside [low, high], open times that are unsorted,
        repeated or off the grid of `timeframe_ms`. An empty history is allowed.
        """
        if timeframe_ms <= 0:
            raise ValueError(f"timeframe_ms: must be positive, got {timeframe_ms}")
        stamps = _stamps(timestamp)
        columns = {
            name: _column(name, values)
            for name, values in zip(VALUE_COLUMNS, (open, high, low, close, volume), strict=True)
        }
        for name, values in columns.items():
            if len(values) != len(stamps):
                raise ValueError(
                    f"{name}: has {len(values)} rows where timestamp has {len(stamps)}; "
                    f"row {min(len(values), len(stamps))} has no partner"
                )
        _refuse_bad_stamps(stamps, timeframe_ms)
        _refuse_bad_values(columns)
        stamps.setflags(write=False)
        for values in columns.values():
            values.setflags(write=False)
        return cls(timestamp=stamps, timeframe_ms=timeframe_ms, symbol=symbol, **columns)

    def __len__(self) -> int:
        return len(self.timestamp)

    @overload
    def __getitem__(self, key: slice) -> Candles: ...
    @overload
    def __getitem__(self, key: int) -> Bar: ...

    def __getitem__(self, key: slice | int) -> Candles | Bar:
        """A slice gives `Candles` over the same memory (step 1 only); an index gives one `Bar`."""
        if isinstance(key, slice):
            if key.step not in (None, 1):
                raise ValueError(f"candles can be cut but not thinned: step {key.step}")
            return Candles(
                timestamp=self.timestamp[key],
                open=self.open[key],
                high=self.high[key],
                low=self.low[key],
                close=self.close[key],
                volume=self.volume[key],
                timeframe_ms=self.timeframe_ms,
                symbol=self.symbol,
            )
        return Bar(
            timestamp=int(self.timestamp[key]),
            open=float(self.open[key]),
            high=float(self.high[key]),
            low=float(self.low[key]),
            close=float(self.close[key]),
            volume=float(self.volume[key]),
        )

    def closed_at(self, index: int) -> int:
        """Time (ms UTC) from which bar `index` may be used: its open time plus the timeframe."""
        return int(self.timestamp[index]) + self.timeframe_ms

    def closed_by(self, moment_ms: int) -> Candles:
        """The bars that were closed at `moment_ms` (ms UTC)."""
        return self[: int(np.searchsorted(self.timestamp, moment_ms - self.timeframe_ms, side="right"))]

    def gaps(self) -> list[tuple[int, int]]:
        """Holes in the history: (index of the first bar after the hole, number of missing bars)."""
        if len(self) < 2:
            return []
        missing = np.diff(self.timestamp) // self.timeframe_ms - 1
        return [(int(row) + 1, int(missing[row])) for row in np.flatnonzero(missing > 0)]

    def equals(self, other: Candles) -> bool:
        """Same symbol, timeframe and values."""
        mine, theirs = ((c.timestamp, c.open, c.high, c.low, c.close, c.volume) for c in (self, other))
        return (self.symbol, self.timeframe_ms) == (other.symbol, other.timeframe_ms) and all(
            np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True)
        )


def _stamps(values: Sequence[int] | Integers) -> Integers:
    array: npt.NDArray[Any] = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"timestamp: must be one-dimensional, got {array.ndim} dimensions")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"timestamp: row 0 must be whole milliseconds, got dtype {array.dtype}")
    return array.astype(np.int64, copy=True)


def _column(name: str, values: Sequence[float] | Floats) -> Floats:
    array = np.array(values, dtype=np.float64, copy=True)
    if array.ndim != 1:
        raise ValueError(f"{name}: must be one-dimensional, got {array.ndim} dimensions")
    return array


def _first(mask: npt.NDArray[np.bool_]) -> int | None:
    rows = np.flatnonzero(mask)
    return int(rows[0]) if rows.size else None


def _refuse_bad_stamps(stamps: Integers, timeframe_ms: int) -> None:
    if not stamps.size:
        return
    steps = np.diff(stamps)
    if (row := _first(steps == 0)) is not None:
        raise ValueError(f"timestamp: row {row + 1} repeats {stamps[row + 1]}")
    if (row := _first(steps < 0)) is not None:
        raise ValueError(f"timestamp: row {row + 1} goes back from {stamps[row]} to {stamps[row + 1]}")
    if (row := _first((stamps - stamps[0]) % timeframe_ms != 0)) is not None:
        raise ValueError(f"timestamp: row {row} is off the grid of {timeframe_ms} ms: {stamps[row]}")


def _refuse_bad_values(columns: dict[str, Floats]) -> None:
    for name, values in columns.items():
        if (row := _first(~np.isfinite(values))) is not None:
            raise ValueError(f"{name}: row {row} is not a finite number: {values[row]}")
        if name in PRICE_COLUMNS and (row := _first(values <= 0)) is not None:
            raise ValueError(f"{name}: row {row} is not a positive price: {values[row]}")
    if (row := _first(columns["volume"] < 0)) is not None:
        raise ValueError(f"volume: row {row} is negative: {columns['volume'][row]}")
    high, low = columns["high"], columns["low"]
    if (row := _first(high < low)) is not None:
        raise ValueError(f"high: row {row} lies below the low: {high[row]} < {low[row]}")
    for name in ("open", "close"):
        values = columns[name]
        if (row := _first((values < low) | (values > high))) is not None:
            raise ValueError(
                f"{name}: row {row} lies outside [low, high]: {values[row]} not in [{low[row]}, {high[row]}]"
            )
