"""Sums and stillness over a sliding window, exact enough to divide by.

A running sum that adds the new row and subtracts the old one keeps the rounding of everything it ever saw; after one
huge volume a window of small ones is noise. Here each window is summed from its own rows only, in constant time a row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Floats
from modules.analysis.compiled import kernel


@kernel
def rolling_sum(values: Floats, period: int) -> Floats:
    """The sum of the last `period` rows, NaN for the first `period - 1`.

    The rows are cut into blocks of `period`; a window is the tail of one block plus the head of the next, and both are
    sums that only ever grow, so that nothing is subtracted and nothing cancels.
    """
    rows = len(values)
    out = np.full(rows, np.nan)
    tail = np.zeros(period + 1)
    head = 0.0
    for row in range(rows):
        place = row % period
        head = values[row] if place == 0 else head + values[row]
        if place == period - 1:
            out[row] = head
            total = 0.0
            for back in range(period - 1, -1, -1):
                total += values[row - period + 1 + back]
                tail[back] = total
        elif row >= period:
            out[row] = tail[place + 1] + head
    return out


@kernel
def still(values: Floats, period: int) -> npt.NDArray[np.bool_]:
    """Where the last `period` rows (two or more) are all the same number; False where the window is not full."""
    out = np.zeros(len(values), dtype=np.bool_)
    same = 1
    for row in range(1, len(values)):
        same = same + 1 if values[row] == values[row - 1] else 1
        out[row] = same >= period
    return out
