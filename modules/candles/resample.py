"""Higher timeframes out of lower ones: whole, closed bars only, unless partial ones are asked for and then marked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Candles, Integers
from modules.candles.names import BadCandles, grid_phase_ms, timeframe_name


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """Candles of a higher timeframe, and what each was made of.

    `present` counts the source bars of each, `expected` is the full number, `closed` says whether the source reaches to
    the bar's end.
    """

    candles: Candles
    present: Integers
    expected: int
    closed: npt.NDArray[np.bool_]

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Closed and without a missing source bar."""
        whole: npt.NDArray[np.bool_] = self.closed & (self.present == self.expected)
        return whole


def resample(candles: Candles, timeframe_ms: int, *, keep_partial: bool = False, least_share: float = 1.0) -> Resampled:
    """Join bars into bars of `timeframe_ms`, on the grid of midnight UTC (weeks: Monday).

    By default a bar is left out that is not closed yet, or lacks a source bar; `least_share` below 1 accepts a closed
    bar with at least that share of its source bars (venues leave out minutes without a trade). With `keep_partial`
    nothing is left out and `complete` marks the good ones. Raises BadCandles for a timeframe that is not a multiple.
    """
    length_ms = candles.timeframe_ms
    if timeframe_ms <= 0 or timeframe_ms % length_ms:
        raise BadCandles(f"{timeframe_ms} ms is not a multiple of the candles' {length_ms} ms")
    if not 0.0 < least_share <= 1.0:
        raise BadCandles(f"least_share must be above 0 and at most 1, got {least_share}")
    phase = grid_phase_ms(timeframe_ms)
    if len(candles) and (int(candles.timestamp[0]) - phase) % length_ms:
        raise BadCandles(f"the candles' open times are not on the grid of {timeframe_name(timeframe_ms)}")
    expected = timeframe_ms // length_ms
    if not len(candles):
        return Resampled(_relabelled(candles, timeframe_ms), np.zeros(0, np.int64), expected, np.zeros(0, bool))
    opens = (candles.timestamp - phase) // timeframe_ms * timeframe_ms + phase
    starts = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    ends = np.append(starts[1:], len(candles)) - 1
    present = ends - starts + 1
    closed = opens[starts] + timeframe_ms <= int(candles.timestamp[-1]) + length_ms
    joined = Candles(
        timestamp=opens[starts],
        open=candles.open[starts],
        high=np.maximum.reduceat(candles.high, starts),
        low=np.minimum.reduceat(candles.low, starts),
        close=candles.close[ends],
        volume=np.add.reduceat(candles.volume, starts),
        timeframe_ms=timeframe_ms,
        symbol=candles.symbol,
    )
    kept = np.ones(len(starts), dtype=bool) if keep_partial else closed & (present >= least_share * expected)
    return Resampled(_rows(joined, kept), present[kept], expected, closed[kept])


def _rows(candles: Candles, kept: npt.NDArray[np.bool_]) -> Candles:
    columns = {name: getattr(candles, name)[kept] for name in ("timestamp", "open", "high", "low", "close", "volume")}
    for values in columns.values():
        values.setflags(write=False)
    return Candles(timeframe_ms=candles.timeframe_ms, symbol=candles.symbol, **columns)


def _relabelled(candles: Candles, timeframe_ms: int) -> Candles:
    return Candles(
        candles.timestamp, candles.open, candles.high, candles.low, candles.close, candles.volume, timeframe_ms,
        candles.symbol,
    )  # fmt: skip
