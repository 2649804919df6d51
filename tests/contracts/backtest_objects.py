"""A finished backtest of somebody, for tests that need one to be there."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from database import Store
from modules.analysis.candles import Candles
from modules.backtest_jobs.descriptions import read_description
from modules.backtest_jobs.drawing import result_picture
from modules.backtest_jobs.histories import Market, Material
from modules.backtest_jobs.jobs import Lane
from modules.backtest_jobs.queue import JobQueue, Order
from modules.backtest_jobs.results import Finished
from modules.backtest_jobs.running import Means, carry_out

RULES = {
    "name": "RSI both ways",
    "entry_conditions": {"rsi": {"operator": "<", "value": 40}},
    "exit_conditions": {"rsi": {"operator": ">", "value": 60}},
}


def wave(
    bars: int, *, symbol: str = "BTCUSDT", start_ms: int = 1_704_067_200_000, length_ms: int = 3_600_000
) -> Candles:
    """Candles that swing up and down, the same every time."""
    steps = np.arange(bars, dtype=np.float64)
    close = 100.0 + 12.0 * np.sin(steps / 11.0) + 3.0 * np.sin(steps * 1.3)
    opens = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opens, close) + 0.4, np.minimum(opens, close) - 0.4
    times = start_ms + np.arange(bars) * length_ms
    return Candles.checked(times, opens, high, low, close, steps + 5.0, timeframe_ms=length_ms, symbol=symbol)


def finished_backtest(store: Store, user_id: str, now: datetime) -> tuple[str, str]:
    """Ids of a finished backtest and of its job, with its picture."""
    described = read_description({"document": RULES, "symbols": ["BTCUSDT"], "timeframe": "1h"})
    outcome = carry_out(described, Material((Market(wave(400), 0, "test", {}),)), means=Means(tables=True))
    queue = JobQueue(store)
    job = queue.submit(Order(user_id, "a test", {"strategy": RULES, "symbols": ["BTCUSDT"], "days": 10}), now)
    held = queue.claim("test", Lane.SHORT, now)
    assert held is not None
    assert held.id == job.id
    done = queue.finish(held, Finished(outcome.document, described.as_json(), result_picture(outcome)), now)
    assert done is not None
    return str(done.result_id), done.id
