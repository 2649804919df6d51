"""Loads the compiled parts by testing every built-in strategy on a short made-up wave; nobody ever sees that result."""

from __future__ import annotations

import numpy as np

from modules.analysis.candles import Candles
from modules.backtest_jobs.descriptions import read_description
from modules.backtest_jobs.histories import Market, Material
from modules.backtest_jobs.running import carry_out
from modules.candles.names import timeframe_ms
from modules.strategies.builtin import builtin_document, builtin_names

_BARS = 400


def warm_up() -> None:
    """Runs everything a test may need once. Nothing is kept."""
    for name in builtin_names():
        document = builtin_document(name)
        described = read_description({"document": document, "symbols": ["WAVE"], "timeframe": document["timeframe"]})
        own = timeframe_ms(described.timeframe)
        needed = {each: _wave(timeframe_ms(each)) for each in ("1h", "4h", "1d") if timeframe_ms(each) > own}
        carry_out(described, Material((Market(_wave(own), 0, "warm-up", needed),)))


def _wave(length_ms: int) -> Candles:
    steps = np.arange(_BARS, dtype=np.float64)
    close = 100.0 + 10.0 * np.sin(steps / 9.0) + 2.0 * np.sin(steps * 1.7)
    opens = np.roll(close, 1)
    opens[0] = close[0]
    high, low = np.maximum(opens, close) + 0.5, np.minimum(opens, close) - 0.5
    times = (np.arange(_BARS) + 1_000) * length_ms
    return Candles.checked(
        times, opens, high, low, close, 10.0 + np.abs(np.sin(steps)), timeframe_ms=length_ms, symbol="WAVE"
    )
