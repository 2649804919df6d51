"""Volume: is the move paid for, and at what average price."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from modules.analysis.candles import Floats, Integers
from modules.analysis.compiled import kernel
from modules.analysis.indicators.declaration import PERIOD, Between, indicator
from modules.analysis.indicators.rolling import rolling_sum, still
from modules.analysis.indicators.sessions import OFFSET_HOURS, SESSION_HOURS, first_whole_session, session_numbers


@indicator(lookback=lambda _: 0)
def obv(close: Floats, volume: Floats) -> Floats:
    """On-balance volume (Granville): volume added on a rising close, taken off on a falling one."""
    return talib.OBV(close, volume)


@indicator(lookback=lambda _: 0)
def accumulation_distribution(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Accumulation / distribution line (Chaikin)."""
    return talib.AD(high, low, close, volume)


@indicator(
    lookback=lambda s: int(s["slow"]) - 1,
    require=lambda s: None if s["fast"] < s["slow"] else "fast must be below slow",
    fast=PERIOD,
    slow=PERIOD,
)
def chaikin_oscillator(
    high: Floats, low: Floats, close: Floats, volume: Floats, fast: int = 3, slow: int = 10
) -> Floats:
    """Chaikin oscillator: fast EMA less slow EMA of the accumulation / distribution line."""
    return talib.ADOSC(high, low, close, volume, fast, slow)


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def chaikin_money_flow(high: Floats, low: Floats, close: Floats, volume: Floats, period: int = 20) -> Floats:
    """Chaikin money flow, -1 to 1: volume weighted by where the close lies in its bar; 0 where none was traded."""
    spread = high - low
    place = np.divide((close - low) - (high - close), spread, out=np.zeros_like(close), where=spread > 0.0)
    traded = rolling_sum(volume, period)
    flow = rolling_sum(place * volume, period)
    out: Floats = np.where(np.isnan(traded), np.nan, 0.0)
    np.divide(flow, traded, out=out, where=traded > 0.0)
    return out


@indicator(lookback=lambda s: int(s["period"]) - 1, period=PERIOD)
def volume_zscore(volume: Floats, period: int = 20) -> Floats:
    """How many standard deviations this bar's volume lies from the mean of the last `period`; 0 if all are the same."""
    deviation = talib.STDDEV(volume, period, 1.0)
    resting = still(volume, period) | (deviation == 0.0)
    deviation[resting] = 1.0
    out: Floats = (volume - talib.SMA(volume, period)) / deviation
    out[resting] = 0.0
    return out


@indicator(lookback=lambda s: int(s["period"]) - 1, sparse=True, period=Between(1, 5000))
def vwap_rolling(high: Floats, low: Floats, close: Floats, volume: Floats, period: int = 20) -> Floats:
    """Volume-weighted average of the typical price over the last `period` bars; NaN where none was traded."""
    traded = rolling_sum(volume, period)
    traded[traded == 0.0] = np.nan
    return rolling_sum((high + low + close) / 3.0 * volume, period) / traded


class Vwap(NamedTuple):
    vwap: Floats
    upper: Floats
    lower: Floats


@indicator(
    lookback=lambda _: 0,
    sparse=True,
    session_hours=SESSION_HOURS,
    offset_hours=OFFSET_HOURS,
    deviations=Between(0, 100),
)
def vwap_session(
    timestamp: Integers,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    session_hours: int = 24,
    offset_hours: int = 0,
    deviations: float = 1.0,
) -> Vwap:
    """Volume-weighted average price since the session began, with bands of volume-weighted standard deviations.

    Sessions are counted in UTC (see `session_numbers`). NaN before the first session that the history has from its
    start, and until the session's first traded volume.
    """
    sessions = session_numbers(timestamp, session_hours, offset_hours)
    first = first_whole_session("vwap_session", timestamp, sessions, session_hours, offset_hours)
    vwap, deviation = _since_session_start(sessions, high, low, close, volume, first)
    deviation *= deviations
    return Vwap(vwap, vwap + deviation, vwap - deviation)


@kernel
def _since_session_start(
    sessions: Integers, high: Floats, low: Floats, close: Floats, volume: Floats, first: int
) -> tuple[Floats, Floats]:
    """Weighted mean and deviation, updated bar by bar (West 1979), which neither cancels nor grows with the price."""
    rows = len(close)
    mean_out = np.full(rows, np.nan)
    deviation_out = np.full(rows, np.nan)
    traded = 0.0
    mean = 0.0
    squares = 0.0
    for row in range(first, rows):
        if row == first or sessions[row] != sessions[row - 1]:
            traded = 0.0
            mean = 0.0
            squares = 0.0
        if volume[row] > 0.0:
            price = (high[row] + low[row] + close[row]) / 3.0
            traded += volume[row]
            step = price - mean
            mean += step * (volume[row] / traded)
            squares += volume[row] * step * (price - mean)
        if traded > 0.0:
            mean_out[row] = mean
            deviation_out[row] = np.sqrt(max(squares, 0.0) / traded)
    return mean_out, deviation_out
