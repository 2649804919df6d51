"""Moving averages: what the price is lately, smoothed in different ways. All but two are TA-Lib's."""

from __future__ import annotations

import math

import talib

from modules.analysis.candles import Floats
from modules.analysis.indicators.declaration import PERIOD, Between, indicator
from modules.analysis.indicators.rolling import rolling_sum


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def sma(close: Floats, period: int = 20) -> Floats:
    """Simple moving average: the mean of the last `period` closes."""
    return talib.SMA(close, period)


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def ema(close: Floats, period: int = 20) -> Floats:
    """Exponential moving average with weight 2 / (period + 1), started from the first simple mean."""
    return talib.EMA(close, period)


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def wma(close: Floats, period: int = 20) -> Floats:
    """Weighted moving average: weights falling in a straight line from the newest close to the oldest."""
    return talib.WMA(close, period)


@indicator(lookback=lambda s: 2 * (int(s["period"]) - 1), period=PERIOD)
def dema(close: Floats, period: int = 20) -> Floats:
    """Double exponential moving average (Mulloy): twice the EMA less the EMA of the EMA."""
    return talib.DEMA(close, period)


@indicator(lookback=lambda s: 3 * (int(s["period"]) - 1), period=PERIOD)
def tema(close: Floats, period: int = 20) -> Floats:
    """Triple exponential moving average (Mulloy)."""
    return talib.TEMA(close, period)


@indicator(lookback=lambda s: int(s["period"]), period=PERIOD)
def kama(close: Floats, period: int = 10) -> Floats:
    """Kaufman's adaptive moving average: fast in a straight move, slow in a noisy one."""
    return talib.KAMA(close, period)


@indicator(lookback=lambda s: int(s["period"]) + max(2, math.isqrt(int(s["period"]))) - 2, period=Between(4, 5000))
def hull(close: Floats, period: int = 20) -> Floats:
    """Hull moving average: WMA over the root of the period of (2 WMA(period / 2) - WMA(period))."""
    leading = 2.0 * talib.WMA(close, period // 2) - talib.WMA(close, period)
    return talib.WMA(leading, max(2, math.isqrt(period)))


@indicator(lookback=lambda s: int(s["period"]) - 1, sparse=True, period=PERIOD)
def vwma(close: Floats, volume: Floats, period: int = 20) -> Floats:
    """Volume-weighted moving average of the close; NaN where the window traded nothing."""
    traded = rolling_sum(volume, period)
    traded[traded == 0.0] = float("nan")
    return rolling_sum(close * volume, period) / traded
