"""What an indicator accepts: the one place where its columns are checked.

Decides whether columns can be computed on and says what is wrong with them; it never repairs or fills a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Integers
from modules.analysis.compiled import kernel

Column = npt.NDArray[Any]

COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
"""The names of the columns an indicator may ask for; its other parameters are settings."""


class NotEnoughData(ValueError):
    """The history is shorter than the look-back: `needed` bars are asked for, `have` are there."""

    def __init__(self, what: str, needed: int, have: int) -> None:
        super().__init__(f"{what}: not enough data: needs {needed} bars, has {have}")
        self.what = what
        self.needed = needed
        self.have = have

    def __reduce__(self) -> tuple[type[NotEnoughData], tuple[str, int, int]]:
        return type(self), (self.what, self.needed, self.have)


def checked_columns(what: str, given: Mapping[str, object], needed: int) -> list[Column]:
    """The columns as contiguous arrays (int64 for `timestamp`, float64 for the rest), in the order given.

    Arrays that already have that form are passed on without a copy. Raises ValueError naming the column and the row
    for: more than one dimension, different lengths, NaN or infinity, negative volume, high below low, and timestamps
    that are not whole numbers in rising order. Raises NotEnoughData for fewer than `needed` rows.
    """
    arrays = {name: _array(name, values) for name, values in given.items()}
    first = next(iter(arrays))
    rows = len(arrays[first])
    for name, array in arrays.items():
        if len(array) != rows:
            raise ValueError(f"{name}: has {len(array)} rows where {first} has {rows}")
    for name, array in arrays.items():
        if name == "timestamp":
            _refuse_unsorted(array)
        else:
            _refuse_not_finite(name, array)
    if "volume" in arrays:
        _refuse(arrays["volume"] < 0, "volume: row {row} is negative")
    if "high" in arrays and "low" in arrays:
        _refuse(arrays["high"] < arrays["low"], "high: row {row} lies below the low")
    if rows < needed:
        raise NotEnoughData(what, needed, rows)
    return list(arrays.values())


def _array(name: str, values: object) -> Column:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name}: must be one-dimensional, got {array.ndim} dimensions")
    if name == "timestamp":
        if array.size and array.dtype.kind not in "iu":
            raise ValueError(f"timestamp: row 0 must be whole milliseconds, got dtype {array.dtype}")
        return np.ascontiguousarray(array, dtype=np.int64)
    if array.size and array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: row 0 must be a number, got dtype {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float64)


def _refuse(bad: npt.NDArray[np.bool_], message: str) -> None:
    if bad.any():
        raise ValueError(message.format(row=int(np.argmax(bad))))


def _refuse_not_finite(name: str, array: Column) -> None:
    if _count_not_finite(array.view(np.int64)):
        row = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name}: row {row} is not a finite number: {array[row]}")


@kernel
def _count_not_finite(bits: Integers) -> int:
    """How many doubles, given as their bits, are NaN or infinite: those whose exponent is all ones.

    Twice as fast as asking for each and then for all; the check is what a cheap indicator mostly costs.
    """
    count = 0
    for row in range(len(bits)):
        count += (bits[row] & 0x7FF0000000000000) == 0x7FF0000000000000
    return count


def _refuse_unsorted(stamps: Column) -> None:
    late = stamps[1:] <= stamps[:-1]
    if late.any():
        raise ValueError(f"timestamp: row {int(np.argmax(late)) + 1} does not come after the row before it")
