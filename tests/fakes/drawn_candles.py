"""Candles drawn along a line of prices, so that a test can say what the market did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from modules.analysis.candles import Candles

HOUR_MS = 3_600_000
START_MS = 1_700_006_400_000  # 2023-11-15 00:00 UTC


def drawn(prices: Sequence[float], bars: int = 12, *, spread: float = 0.15, symbol: str = "BTCUSDT") -> Candles:
    """Hours whose closes go straight from each price to the next in `bars` steps; wicks reach `spread` beyond bodies."""
    legs = [np.linspace(a, b, bars, endpoint=False) for a, b in pairwise(prices)]
    return closing(np.concatenate([*legs, prices[-1:]]), spread=spread, symbol=symbol)


def closing(closes: Sequence[float] | np.ndarray, *, spread: float = 0.15, symbol: str = "BTCUSDT") -> Candles:
    """Hours with these closes, each opening where the one before closed."""
    close = np.asarray(closes, dtype=float)
    opened = np.concatenate([close[:1], close[:-1]])
    return Candles.checked(
        START_MS + np.arange(len(close), dtype=np.int64) * HOUR_MS,
        opened,
        np.maximum(opened, close) + spread,
        np.minimum(opened, close) - spread,
        close,
        np.full(len(close), 100.0),
        timeframe_ms=HOUR_MS,
        symbol=symbol,
    )
