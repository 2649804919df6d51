"""Compiled loops of formulas and zones. Every row depends on rows up to itself; a NaN says that a value is not known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Floats, Integers
from modules.analysis.compiled import kernel
from modules.analysis.indicators.rolling import rolling_sum

Marks = npt.NDArray[np.bool_]


def rolling(function: str, values: Floats, period: int) -> Floats:
    """`mean`, `sum`, `max`, `min`, `stdev` (population), `ema` or `shift`; unknown wherever the window holds an unknown."""
    if function == "shift":
        return shifted(values, period)
    if function == "ema":
        return exponential(values, period)
    if len(values) < period:
        return np.full(len(values), np.nan)
    missing = np.isnan(values)
    filled = np.where(missing, 0.0, values)
    result = _window(function, filled, period)
    if missing.any():
        result[rolling_sum(missing.astype(np.float64), period) > 0.0] = np.nan
    return result


def _window(function: str, filled: Floats, period: int) -> Floats:
    match function:
        case "sum":
            return rolling_sum(filled, period)
        case "mean":
            return rolling_sum(filled, period) / period
        case "stdev":
            return deviation(filled, period)
        case "max":
            return extreme(filled, period, 1.0)
        case "min":
            return extreme(filled, period, -1.0)
    raise ValueError(f"function: {function} is none of a formula's")


def shifted(values: Floats, bars: int) -> Floats:
    """The value `bars` rows ago."""
    if bars == 0:
        return values
    out = np.full(len(values), np.nan)
    out[bars:] = values[: max(len(values) - bars, 0)]
    return out


@kernel
def exponential(values: Floats, period: int) -> Floats:
    """Exponential average begun with the mean of the first `period` values in a row; an unknown begins it again."""
    out = np.full(len(values), np.nan)
    weight = 2.0 / (period + 1.0)
    run, total, average = 0, 0.0, 0.0
    for row in range(len(values)):
        value = values[row]
        if np.isnan(value):
            run, total = 0, 0.0
            continue
        run += 1
        if run < period:
            total += value
        elif run == period:
            average = (total + value) / period
            out[row] = average
        else:
            average += weight * (value - average)
            out[row] = average
    return out


@kernel
def deviation(values: Floats, period: int) -> Floats:
    """Standard deviation of each window, from its own rows: the mean first, then the squares around it."""
    out = np.full(len(values), np.nan)
    for row in range(period - 1, len(values)):
        total = 0.0
        for place in range(row - period + 1, row + 1):
            total += values[place]
        mean, squares = total / period, 0.0
        for place in range(row - period + 1, row + 1):
            squares += (values[place] - mean) * (values[place] - mean)
        out[row] = np.sqrt(squares / period)
    return out


@kernel
def extreme(values: Floats, period: int, side: float) -> Floats:
    """The largest (`side` 1) or smallest (-1) value of each window, by a queue of those that may still be it."""
    out = np.full(len(values), np.nan)
    queue = np.empty(len(values), np.int64)
    first, after = 0, 0
    for row in range(len(values)):
        while after > first and (values[row] - values[queue[after - 1]]) * side >= 0.0:
            after -= 1
        queue[after] = row
        after += 1
        if queue[first] <= row - period:
            first += 1
        if row >= period - 1:
            out[row] = values[queue[first]]
    return out


@kernel
def lasting(events: npt.NDArray[np.int8], bars: int) -> Floats:
    """The latest of the last `bars` events that is not zero, 0 where there is none."""
    out = np.zeros(len(events))
    latest, at = 0, -bars
    for row in range(len(events)):
        if events[row] != 0:
            latest, at = events[row], row
        if row - at < bars:
            out[row] = latest
    return out


@kernel
def latest_standing(confirmed: Integers, ended: Integers, rows: int) -> Integers:
    """For each bar the zone known last that still stands at its close, as its place in the columns; -1 for none.

    Zones come in the order in which they became known; `ended` is -1 for one that never did. What a later bar ends stands
    until then.
    """
    out = np.full(rows, -1, np.int64)
    stack = np.empty(len(confirmed), np.int64)
    height, coming = 0, 0
    for row in range(rows):
        while coming < len(confirmed) and confirmed[coming] <= row:
            stack[height] = coming
            height += 1
            coming += 1
        while height > 0 and 0 <= ended[stack[height - 1]] <= row:
            height -= 1
        if height > 0:
            out[row] = stack[height - 1]
    return out


#: Values that running sums made differ by this share of their size at most, where exact ones are equal.
_ROUNDING = 1e-12
BELOW, AT_MOST, ABOVE, AT_LEAST, EQUAL = 0, 1, 2, 3, 4


@kernel(inline=True)
def _apart(left: float, right: float) -> float:
    """How far `left` lies above `right`; nothing where only rounding parts them, so that a flat price is its own average."""
    between = left - right
    if left == right or abs(between) <= _ROUNDING * max(abs(left), abs(right)):
        return 0.0
    return between


@kernel(inline=True)
def _holds(code: int, between: float) -> bool:
    if code == BELOW:
        return between < 0.0
    if code == AT_MOST:
        return between <= 0.0
    if code == ABOVE:
        return between > 0.0
    if code == AT_LEAST:
        return between >= 0.0
    return between == 0.0


@kernel
def compare(code: int, left: Floats, right: Floats, yes: Marks, no: Marks) -> None:
    """Where the comparison holds and where it does not; neither where a side is not known. One `right` is for all rows."""
    same = len(right) == 1
    for row in range(len(left)):
        a, b = left[row], right[0] if same else right[row]
        known = not (np.isnan(a) or np.isnan(b))
        holds = _holds(code, _apart(a, b))
        yes[row] = known and holds
        no[row] = known and not holds


@kernel
def cross(side: float, left: Floats, right: Floats, yes: Marks, no: Marks) -> None:
    """Where `left` crosses above (`side` 1) or below (-1): beyond now and not beyond on the bar before, both known."""
    same = len(right) == 1
    if len(left):
        yes[0] = no[0] = False
    for row in range(1, len(left)):
        now = _apart(left[row], right[0] if same else right[row]) * side
        before = _apart(left[row - 1], right[0] if same else right[row - 1]) * side
        known = not (np.isnan(now) or np.isnan(before))
        crossed = now > 0.0 and before <= 0.0
        yes[row] = known and crossed
        no[row] = known and not crossed
