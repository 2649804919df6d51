"""Made-up candle histories, and an exchange's candle endpoint that serves them on loopback."""

from __future__ import annotations

import numpy as np

from modules.analysis.candles import Candles

START_MS = 1_700_006_400_000  # 2023-11-15 00:00 UTC, the start of an hour, a day and no week
MINUTE_MS = 60_000


def walk(
    rows: int,
    seed: int = 0,
    *,
    timeframe_ms: int = 15 * MINUTE_MS,
    price: float = 100.0,
    missing: float = 0.0,
    resting: float = 0.0,
    start_ms: int = START_MS,
    tick: float = 0.0,
) -> Candles:
    """A random walk of `rows` candles, reproducible by its seed.

    `missing` is the share of bars left out of the grid, `resting` the share of stretches in which the price stands
    still and nothing is traded. With `tick` all prices are multiples of it.
    """
    draw = np.random.default_rng(seed)
    moves = draw.standard_t(4, rows) * 0.004
    quiet = np.repeat(draw.random(rows // 8 + 1) < resting, 8)[:rows]
    moves[quiet] = 0.0
    close = price * np.exp(np.cumsum(moves))
    opened = np.concatenate(([price], close[:-1]))
    wick = np.where(quiet, 0.0, np.abs(draw.normal(0.0, 0.003, (2, rows))))
    high = np.maximum(opened, close) * (1.0 + wick[0])
    low = np.minimum(opened, close) * (1.0 - wick[1] / 2.0)
    columns = [opened, high, low, close]
    if tick:
        columns = [np.maximum(np.round(column / tick), 1.0) * tick for column in columns]
    volume = np.where(quiet, 0.0, draw.lognormal(2.0, 1.0, rows))
    steps = 1 + (draw.random(rows) < missing) * draw.integers(1, 40, rows)
    stamps = start_ms + (np.cumsum(steps) - steps[0]) * timeframe_ms
    return Candles.checked(stamps, *columns, volume, timeframe_ms=timeframe_ms, symbol="BTCUSDT")


def flat(rows: int, price: float = 0.1, timeframe_ms: int = 15 * MINUTE_MS) -> Candles:
    """A market that never moves and never trades."""
    level = np.full(rows, price)
    stamps = START_MS + np.arange(rows) * timeframe_ms
    return Candles.checked(stamps, level, level, level, level, np.zeros(rows), timeframe_ms=timeframe_ms)
