"""Volatility and the bands drawn from it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import talib

from modules.analysis.candles import Floats
from modules.analysis.compiled import kernel
from modules.analysis.indicators.declaration import FACTOR, PERIOD, Between, Settings, indicator
from modules.analysis.indicators.rolling import rolling_sum


@indicator(lookback=lambda s: int(s["period"]), period=Between(1, 5000))
def atr(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Average true range (Wilder), in price."""
    return talib.ATR(high, low, close, period)


@indicator(lookback=lambda s: int(s["period"]), period=Between(1, 5000))
def natr(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Average true range in per cent of the close."""
    return talib.NATR(high, low, close, period)


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def standard_deviation(close: Floats, period: int = 20) -> Floats:
    """Standard deviation (population) of the last `period` closes."""
    return talib.STDDEV(close, period, 1.0)


class Bollinger(NamedTuple):
    upper: Floats
    middle: Floats
    lower: Floats
    percent_b: Floats
    width: Floats


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD, deviations=FACTOR)
def bollinger(close: Floats, period: int = 20, deviations: float = 2.0) -> Bollinger:
    """Bollinger bands: SMA and `deviations` population standard deviations either side.

    `percent_b` is 0 at the lower band and 1 at the upper (0.5 where the bands have no width), `width` their distance as
    a fraction of the middle.
    """
    upper, middle, lower = talib.BBANDS(close, period, deviations, deviations)
    return Bollinger(upper, middle, lower, *_place_and_width(close, upper, middle, lower, period))


@kernel
def _place_and_width(close: Floats, upper: Floats, middle: Floats, lower: Floats, period: int) -> tuple[Floats, Floats]:
    place = np.full(len(close), np.nan)
    width = np.full(len(close), np.nan)
    same = 1
    for row in range(len(close)):
        same = same + 1 if row > 0 and close[row] == close[row - 1] else 1
        if row < period - 1:
            continue
        # after a move the rounding of TA-Lib's sums leaves a resting market a band of some 1e-8
        spread = upper[row] - lower[row] if same < period else 0.0
        place[row] = (close[row] - lower[row]) / spread if spread > 0.0 else 0.5
        width[row] = spread / middle[row] if spread > 0.0 else 0.0
    return place, width


class Channel(NamedTuple):
    upper: Floats
    middle: Floats
    lower: Floats


@indicator(
    lookback=lambda s: max(int(s["period"]) - 1, int(s["atr_period"])),
    period=PERIOD,
    atr_period=Between(1, 5000),
    multiplier=FACTOR,
)
def keltner(
    high: Floats, low: Floats, close: Floats, period: int = 20, atr_period: int = 10, multiplier: float = 2.0
) -> Channel:
    """Keltner channel: EMA of the close and `multiplier` average true ranges either side."""
    middle = talib.EMA(close, period)
    reach = multiplier * talib.ATR(high, low, close, atr_period)
    return Channel(middle + reach, middle, middle - reach)


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def donchian(high: Floats, low: Floats, period: int = 20) -> Channel:
    """Donchian channel: highest high and lowest low of the last `period` bars, this one included, and their middle."""
    upper = talib.MAX(high, period)
    lower = talib.MIN(low, period)
    return Channel(upper, (upper + lower) / 2.0, lower)


class Squeeze(NamedTuple):
    on: Floats
    bars: Floats


@indicator(lookback=lambda s: int(s["period"]), period=PERIOD, deviations=FACTOR, multiplier=FACTOR)
def squeeze(
    high: Floats,
    low: Floats,
    close: Floats,
    period: int = 20,
    deviations: float = 2.0,
    multiplier: float = 1.5,
) -> Squeeze:
    """Volatility squeeze: `on` is 1 while the Bollinger bands lie inside the Keltner channel; `bars` counts how long."""
    upper, _, lower = talib.BBANDS(close, period, deviations, deviations)
    middle = talib.EMA(close, period)
    reach = multiplier * talib.ATR(high, low, close, period)
    inside = (upper < middle + reach) & (lower > middle - reach)
    bars = _run_lengths(inside)
    on = inside.astype(np.float64)
    on[:period] = np.nan
    bars[:period] = np.nan
    return Squeeze(on, bars)


@kernel
def _run_lengths(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    out = np.zeros(len(flags))
    for row in range(len(flags)):
        if flags[row]:
            out[row] = 1.0 if row == 0 else out[row - 1] + 1.0
    return out


def _kernel_span(s: Settings) -> int:
    """Bars that carry weight: beyond nine bandwidths a Gaussian weight is below the rounding of the sum (1e-17)."""
    return min(int(s["window"]), math.ceil(9.0 * float(s["bandwidth"])))


@indicator(
    lookback=lambda s: _kernel_span(s) - 1 + int(s["error_period"]) - 1,
    bandwidth=Between(0.5, 500),
    window=PERIOD,
    error_period=PERIOD,
    multiplier=FACTOR,
)
def nadaraya_watson(
    close: Floats, bandwidth: float = 8.0, window: int = 500, error_period: int = 499, multiplier: float = 3.0
) -> Channel:
    """Nadaraya-Watson envelope in its end-point form, which never repaints.

    The middle is the Gaussian-weighted mean of this close and the up to `window - 1` before it (weights
    exp(-age^2 / (2 bandwidth^2)); those too small to change the sum are left out). The bands lie `multiplier` times the
    mean absolute error of the last `error_period` bars away.
    """
    span = _kernel_span({"window": window, "bandwidth": bandwidth})
    weights = np.exp(-0.5 * (np.arange(span) / bandwidth) ** 2)
    middle = weighted_ends(close, weights / weights.sum())
    reach = np.full(len(close), np.nan)
    reach[span - 1 :] = rolling_sum(np.abs(close - middle)[span - 1 :], error_period) * (multiplier / error_period)
    return Channel(middle + reach, middle, middle - reach)


@kernel
def weighted_ends(values: Floats, weights: Floats) -> Floats:
    """For each row the sum of `weights[age] * values[row - age]`; NaN where the window is not full.

    Works in blocks so that the inner loop runs over rows, which compiles to vector instructions, while each row still
    adds its terms in the order of age: a prefix gives the same digits as the whole.
    """
    rows = len(values)
    span = len(weights)
    out = np.full(rows, np.nan)
    block = 1024
    for start in range(span - 1, rows, block):
        stop = min(start + block, rows)
        part = np.zeros(stop - start)
        for age in range(span):
            weight = weights[age]
            for place in range(stop - start):
                part[place] += weight * values[start + place - age]
        out[start:stop] = part
    return out
