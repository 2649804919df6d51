"""Direction: is there a trend, which way, and where does it turn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from modules.analysis.candles import Floats
from modules.analysis.compiled import kernel
from modules.analysis.indicators.declaration import FACTOR, PERIOD, Between, Settings, indicator


class Adx(NamedTuple):
    adx: Floats
    plus_di: Floats
    minus_di: Floats


@indicator(lookback=lambda s: 2 * int(s["period"]) - 1, period=PERIOD)
def adx(high: Floats, low: Floats, close: Floats, period: int = 14) -> Adx:
    """Average directional index (Wilder) with both directional indicators, 0 to 100."""
    return Adx(
        talib.ADX(high, low, close, period),
        talib.PLUS_DI(high, low, close, period),
        talib.MINUS_DI(high, low, close, period),
    )


class Aroon(NamedTuple):
    up: Floats
    down: Floats
    oscillator: Floats


@indicator(lookback=lambda s: int(s["period"]), period=PERIOD)
def aroon(high: Floats, low: Floats, period: int = 25) -> Aroon:
    """Aroon (Chande): how recent the highest high and the lowest low are, 0 to 100, and their difference."""
    down, up = talib.AROON(high, low, period)
    return Aroon(up, down, up - down)


class Sar(NamedTuple):
    sar: Floats
    direction: Floats


@indicator(
    lookback=lambda _: 1,
    require=lambda s: None if s["acceleration"] <= s["maximum"] else "acceleration must not exceed maximum",
    acceleration=Between(0.0001, 1),
    maximum=Between(0.0001, 1),
)
def sar(high: Floats, low: Floats, acceleration: float = 0.02, maximum: float = 0.2) -> Sar:
    """Parabolic stop-and-reverse (Wilder); `direction` is 1 while the stop lies below the bar, -1 above it.

    A stop that lies inside the bar's range keeps the side it was on.
    """
    stop = talib.SAR(high, low, acceleration, maximum)
    return Sar(stop, _side_of_stop(high, low, stop))


@kernel
def _side_of_stop(high: Floats, low: Floats, stop: Floats) -> Floats:
    rows = len(stop)
    out = np.full(rows, np.nan)
    side = 0.0
    for row in range(1, rows):
        if stop[row] <= low[row]:
            side = 1.0
        elif stop[row] >= high[row] or side == 0.0:
            side = -1.0
        out[row] = side
    return out


class Supertrend(NamedTuple):
    line: Floats
    direction: Floats


@indicator(lookback=lambda s: int(s["period"]), period=PERIOD, multiplier=FACTOR)
def supertrend(high: Floats, low: Floats, close: Floats, period: int = 10, multiplier: float = 3.0) -> Supertrend:
    """Supertrend (Seban): a stop of `multiplier` ATR that only ever tightens until the close crosses it.

    `direction` is 1 (the line is support) or -1 (resistance). The first row takes the side on which its close lies of
    the middle of its bar.
    """
    return Supertrend(*_follow_trend(high, low, close, talib.ATR(high, low, close, period), period, multiplier))


@kernel
def _follow_trend(
    high: Floats, low: Floats, close: Floats, atr: Floats, first: int, multiplier: float
) -> tuple[Floats, Floats]:
    rows = len(close)
    line = np.full(rows, np.nan)
    direction = np.full(rows, np.nan)
    upper = 0.0
    lower = 0.0
    side = 0.0
    for row in range(first, rows):
        middle = (high[row] + low[row]) / 2.0
        reach = multiplier * atr[row]
        above = middle + reach
        below = middle - reach
        if row == first:
            upper = above
            lower = below
            side = 1.0 if close[row] >= middle else -1.0
        else:
            # each band may only move towards the price, unless the last close had already broken it
            if above < upper or close[row - 1] > upper:
                upper = above
            if below > lower or close[row - 1] < lower:
                lower = below
            if side < 0.0 and close[row] > upper:
                side = 1.0
            elif side > 0.0 and close[row] < lower:
                side = -1.0
        direction[row] = side
        line[row] = lower if side > 0.0 else upper
    return line, direction


class Ichimoku(NamedTuple):
    conversion: Floats
    base: Floats
    span_a: Floats
    span_b: Floats
    span_a_ahead: Floats
    span_b_ahead: Floats
    lag: Floats


def _ichimoku_lookback(s: Settings) -> int:
    longest = max(int(s["conversion"]), int(s["base"]), int(s["span"]))
    return longest - 1 + int(s["displacement"]) - 1


@indicator(lookback=_ichimoku_lookback, conversion=PERIOD, base=PERIOD, span=PERIOD, displacement=PERIOD)
def ichimoku(
    high: Floats,
    low: Floats,
    close: Floats,
    conversion: int = 9,
    base: int = 26,
    span: int = 52,
    displacement: int = 26,
) -> Ichimoku:
    """Ichimoku Kinko Hyo (Hosoda), without the forward leak.

    `span_a` and `span_b` are the cloud a chart shows over this very bar: computed `displacement` bars earlier, counting
    this one. `span_a_ahead`, `span_b_ahead` are this bar's own values, which the chart draws that far ahead. The lagging
    span is drawn in the past, where it was not known; `lag` gives what it is read for instead: this close less the
    close over which it is drawn.
    """
    conversion_line = _middle_of_range(high, low, conversion)
    base_line = _middle_of_range(high, low, base)
    a_ahead = (conversion_line + base_line) / 2.0
    b_ahead = _middle_of_range(high, low, span)
    back = displacement - 1
    lag = close - _delayed(close, back)
    return Ichimoku(conversion_line, base_line, _delayed(a_ahead, back), _delayed(b_ahead, back), a_ahead, b_ahead, lag)


def _middle_of_range(high: Floats, low: Floats, period: int) -> Floats:
    middle: Floats = (talib.MAX(high, period) + talib.MIN(low, period)) / 2.0
    return middle


def _delayed(values: Floats, rows: int) -> Floats:
    out = np.empty_like(values)
    out[:rows] = np.nan
    out[rows:] = values[: len(values) - rows]
    return out


class Regression(NamedTuple):
    value: Floats
    slope: Floats


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def linear_regression(close: Floats, period: int = 20) -> Regression:
    """End of the least-squares line through the last `period` closes, and its slope in price per bar."""
    return Regression(talib.LINEARREG(close, period), talib.LINEARREG_SLOPE(close, period))


class HeikinAshi(NamedTuple):
    open: Floats
    high: Floats
    low: Floats
    close: Floats


@indicator(lookback=lambda _: 0)
def heikin_ashi(open: Floats, high: Floats, low: Floats, close: Floats) -> HeikinAshi:  # noqa: A002
    """Heikin-Ashi candles: averaged bars that hold one colour through a trend. No one trades at these prices."""
    mean = (open + high + low + close) / 4.0
    start = _averaged_opens(mean, float(open[0]), float(close[0]))
    return HeikinAshi(start, np.maximum(high, np.maximum(start, mean)), np.minimum(low, np.minimum(start, mean)), mean)


@kernel
def _averaged_opens(mean: Floats, first_open: float, first_close: float) -> Floats:
    out = np.empty(len(mean))
    out[0] = (first_open + first_close) / 2.0
    for row in range(1, len(mean)):
        out[row] = (out[row - 1] + mean[row - 1]) / 2.0
    return out
