"""Deciding a strategy over a million candles, against the same written by hand over TA-Lib and against another backtester.

python -m tests.load.bench_strategies
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import talib

from modules.analysis.candles import Candles
from modules.strategies.builtin import builtin
from modules.strategies.decide import decide
from modules.strategies.documents import read_strategy
from modules.strategies.evaluate import evaluate
from tests.load.table import Row, render

AREA = "strategies"
MILLION = 1_000_000
DOCUMENT = {
    "name": "SMA cross with RSI",
    "timeframe": "1m",
    "entry": {
        "all": [
            {"type": "sma", "period": 20, "operator": "crosses_above", "other": {"type": "sma", "period": 50}},
            {"type": "rsi", "period": 14, "operator": "<", "value": 70},
        ]
    },
    "exit": {"type": "sma", "period": 20, "operator": "crosses_below", "other": {"type": "sma", "period": 50}},
}


def candles(rows: int, length_ms: int = 60_000) -> Candles:
    """A seeded random walk."""
    draw = np.random.default_rng(1)
    close = 30_000 * np.exp(np.cumsum(draw.normal(0, 0.001, rows)))
    opened = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opened, close) * 1.0005, np.minimum(opened, close) * 0.9995
    return Candles.checked(
        np.arange(rows) * length_ms, opened, high, low, close, draw.random(rows) * 10, timeframe_ms=length_ms
    )


def medians_ms(*actions: Callable[[], Any], runs: int = 7) -> list[float]:
    """The median time of each action, taken in turns after one run that warms it up: what else the machine does hits all."""
    for action in actions:
        action()
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(runs):
        for action, own in zip(actions, times, strict=True):
            started = time.perf_counter()
            action()
            own.append((time.perf_counter() - started) * 1000)
    return [statistics.median(own) for own in times]


def by_hand(series: Candles) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same decisions, and the average true range that comes with them, with nothing around them."""
    fast, slow = talib.SMA(series.close, 20), talib.SMA(series.close, 50)
    calm = talib.RSI(series.close, 14) < 70
    with np.errstate(invalid="ignore"):
        above, below = fast > slow, fast < slow
    up, down = np.zeros(len(above), bool), np.zeros(len(above), bool)
    up[1:] = above[1:] & (fast[:-1] <= slow[:-1]) & calm[1:]
    down[1:] = below[1:] & (fast[:-1] >= slow[:-1])
    return up, down, talib.ATR(series.high, series.low, series.close, 14)


def by_vectorbt(series: Candles) -> Callable[[], Any] | None:
    """The same with vectorbt's indicators; None where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import vectorbt
        except ImportError:
            return None

    def action() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast, slow = vectorbt.MA.run(series.close, 20), vectorbt.MA.run(series.close, 50)
            calm = vectorbt.RSI.run(series.close, 14, ewm=True).rsi_below(70)
            return fast.ma_crossed_above(slow) & calm, fast.ma_crossed_below(slow)

    return action


def run() -> list[Row]:
    """All rows."""
    series = candles(MILLION)
    strategy = read_strategy(DOCUMENT)
    decisions, (up, down, _) = decide(strategy, series), by_hand(series)
    if not (np.array_equal(decisions.entry == 1, up) and np.array_equal(decisions.exit_long, down)):
        raise AssertionError("the strategy does not decide what the same written by hand does")
    actions = [lambda: decide(strategy, series), lambda: by_hand(series)]
    peer = by_vectorbt(series)
    own, hand, *theirs = medians_ms(*actions, *([peer] if peer is not None else []))
    rows = [
        Row(AREA, "1M candles, SMA cross and RSI, with ATR", own, "ms", "< 100 ms", own < 100),
        Row(AREA, "time against the same by hand over TA-Lib", own / hand, "x", "<= 3", own / hand <= 3),
    ]
    rows += [Row(AREA, "time against vectorbt's indicators", own / each, "x", "< 1", own < each) for each in theirs]
    hours = candles(20_000, 3_600_000)
    for name in ("rsi_mean_reversion", "smc"):
        one = builtin(name)
        rows.append(Row(AREA, f"20k hours, built-in {name}", medians_ms(lambda one=one: decide(one, hours))[0], "ms"))
    present, smc = hours[-1_500:], builtin("smc")
    rows.append(Row(AREA, "evaluate smc on 1,500 bars", medians_ms(lambda: evaluate(smc, present))[0], "ms"))
    rows.append(Row(AREA, "read a document", medians_ms(lambda: read_strategy(DOCUMENT), runs=50)[0], "ms"))
    return rows


if __name__ == "__main__":
    print(render(run()))
