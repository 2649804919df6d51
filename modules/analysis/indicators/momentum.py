"""Oscillators: how fast and how one-sidedly the price moves. The arithmetic is TA-Lib's.

Where a formula is nought by nought because the market stood still, TA-Lib answers 0, which an oscillator's reader takes
for "oversold" (or, for Williams' %R, "overbought"). Here such a row has the neutral middle of the scale.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from modules.analysis.candles import Floats
from modules.analysis.compiled import kernel
from modules.analysis.indicators.declaration import PERIOD, Between, Settings, indicator
from modules.analysis.indicators.rolling import still

SMOOTHING = Between(1, 500)
PERCENT = Between(0, 100)
RSI_NOISE = 1e-9
"""An RSI that moves by less stands still: what is left is the rounding of its own averages."""


@indicator(lookback=lambda s: int(s["period"]), period=PERIOD)
def rsi(close: Floats, period: int = 14) -> Floats:
    """Relative strength index (Wilder), 0 to 100; 50 as long as the price has not moved at all."""
    return relative_strength(close, period)


def relative_strength(close: Floats, period: int) -> Floats:
    """The RSI of columns that are already checked."""
    out: Floats = talib.RSI(close, period)
    nought = out == 0.0
    if nought.any():
        step = np.diff(close, prepend=close[0])
        risen = np.maximum.accumulate(step > 0)
        moved = np.maximum.accumulate(step != 0)
        resting = still(step, period)
        out[nought & (~moved | (risen & resting))] = 50.0
    return out


class Macd(NamedTuple):
    macd: Floats
    signal: Floats
    histogram: Floats


def _fast_below_slow(settings: Settings) -> str | None:
    return None if settings["fast"] < settings["slow"] else "fast must be below slow"


@indicator(
    lookback=lambda s: int(s["slow"] + s["signal"]) - 2,
    require=_fast_below_slow,
    fast=PERIOD,
    slow=PERIOD,
    signal=SMOOTHING,
)
def macd(close: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Moving average convergence / divergence: fast EMA less slow EMA, its signal line, and the distance of the two."""
    return Macd(*talib.MACD(close, fast, slow, signal))


class Stochastic(NamedTuple):
    k: Floats
    d: Floats


def _smoothed(values: Floats, period: int) -> Floats:
    return values if period == 1 else np.clip(talib.SMA(values, period), 0.0, 100.0)


@indicator(
    lookback=lambda s: int(s["period"] + s["smooth_k"] + s["smooth_d"]) - 3,
    period=PERIOD,
    smooth_k=SMOOTHING,
    smooth_d=SMOOTHING,
)
def stochastic(
    high: Floats, low: Floats, close: Floats, period: int = 14, smooth_k: int = 3, smooth_d: int = 3
) -> Stochastic:
    """Slow stochastic (Lane): where the close lies in the range of the last `period` bars, 0 to 100, smoothed twice."""
    raw = _place_in_range(high, low, close, period, 0.0)
    k = _smoothed(raw, smooth_k)
    return Stochastic(k, _smoothed(k, smooth_d))


def _place_in_range(high: Floats, low: Floats, close: Floats, period: int, noise: float) -> Floats:
    raw: Floats = talib.STOCHF(high, low, close, fastk_period=period, fastd_period=1)[0]
    if noise > 0.0 or (raw == 0.0).any():
        raw[talib.MAX(high, period) - talib.MIN(low, period) <= noise] = 50.0
    return raw


class StochasticRsi(NamedTuple):
    k: Floats
    d: Floats
    zone: Floats
    cross: Floats


@indicator(
    lookback=lambda s: int(s["rsi_period"] + s["period"] + s["smooth_k"] + s["smooth_d"]) - 3,
    require=lambda s: None if s["oversold"] < s["overbought"] else "oversold must be below overbought",
    rsi_period=PERIOD,
    period=PERIOD,
    smooth_k=SMOOTHING,
    smooth_d=SMOOTHING,
    overbought=PERCENT,
    oversold=PERCENT,
)
def stochastic_rsi(
    close: Floats,
    rsi_period: int = 14,
    period: int = 14,
    smooth_k: int = 3,
    smooth_d: int = 3,
    overbought: float = 80.0,
    oversold: float = 20.0,
) -> StochasticRsi:
    """Stochastic of the RSI, with levels.

    `zone` is 1 while k is above `overbought`, -1 below `oversold`, else 0; `cross` is 1 on the bar where k passes above
    d, -1 where it passes below, else 0. Unsmoothed it is TA-Lib's STOCHRSI.
    """
    strength = relative_strength(close, rsi_period)
    k = _smoothed(_place_in_range(strength, strength, strength, period, RSI_NOISE), smooth_k)
    d = _smoothed(k, smooth_d)
    return StochasticRsi(k, d, *_zones_and_crosses(k, d, overbought, oversold))


@kernel
def _zones_and_crosses(k: Floats, d: Floats, overbought: float, oversold: float) -> tuple[Floats, Floats]:
    zone = np.full(len(k), np.nan)
    cross = np.full(len(k), np.nan)
    gap_before = np.nan
    for row in range(len(k)):
        gap = k[row] - d[row]
        if np.isnan(gap):
            continue
        zone[row] = 1.0 if k[row] > overbought else (-1.0 if k[row] < oversold else 0.0)
        up = gap > 0.0 and gap_before <= 0.0
        down = gap < 0.0 and gap_before >= 0.0
        cross[row] = 1.0 if up else (-1.0 if down else 0.0)
        gap_before = gap
    return zone, cross


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def cci(high: Floats, low: Floats, close: Floats, period: int = 20) -> Floats:
    """Commodity channel index (Lambert): distance of the typical price from its mean, in mean deviations."""
    out: Floats = talib.CCI(high, low, close, period)
    out[still((high + low + close) / 3.0, period)] = 0.0
    return out


@indicator(lookback=lambda s: int(s["period"]), period=PERIOD)
def mfi(high: Floats, low: Floats, close: Floats, volume: Floats, period: int = 14) -> Floats:
    """Money flow index: an RSI of typical price times volume, 0 to 100; 50 where the window saw no money move."""
    out: Floats = talib.MFI(high, low, close, volume, period)
    if (out == 0.0).any():
        step = np.diff((high + low + close) / 3.0, prepend=np.nan)
        flow = ((step != 0.0) & (volume > 0.0)).astype(np.float64)
        out[still(flow, period) & (flow == 0.0) & ~np.isnan(out)] = 50.0
    return out


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def williams_r(high: Floats, low: Floats, close: Floats, period: int = 14) -> Floats:
    """Williams' %R: where the close lies below the highest high, -100 to 0; -50 where there is no range."""
    out: Floats = talib.WILLR(high, low, close, period)
    if (out == 0.0).any():
        out[talib.MAX(high, period) == talib.MIN(low, period)] = -50.0
    return out


@indicator(lookback=lambda s: int(s["period"]), period=Between(1, 5000))
def roc(close: Floats, period: int = 10) -> Floats:
    """Rate of change over `period` bars, in per cent."""
    return talib.ROC(close, period)


@indicator(lookback=lambda s: int(s["period"]), period=Between(1, 5000))
def momentum(close: Floats, period: int = 10) -> Floats:
    """Change of the close over `period` bars, in price."""
    return talib.MOM(close, period)


@indicator(lookback=lambda s: 3 * (int(s["period"]) - 1) + 1, period=PERIOD)
def trix(close: Floats, period: int = 15) -> Floats:
    """One-bar rate of change, in per cent, of the close smoothed by three EMAs."""
    return talib.TRIX(close, period)


@indicator(lookback=lambda s: int(s["slow"]) - 1, require=_fast_below_slow, fast=PERIOD, slow=PERIOD)
def ppo(close: Floats, fast: int = 12, slow: int = 26) -> Floats:
    """Percentage price oscillator: fast EMA less slow EMA, in per cent of the slow one."""
    exponential = 1
    return talib.PPO(close, fast, slow, exponential)  # type: ignore[arg-type]  # the C library takes the number
