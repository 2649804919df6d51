"""Backtests against a bare loop and two other backtesters: the same strategy, candles, fees and trades.

python -m tests.load.bench_backtest

Decisions (moving averages, RSI) are made once for all and are not part of the times, except in the sweeps, where each
side makes its own. One core, but for the sweeps. Peak memory is measured in a process of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import talib

from modules.analysis.candles import Candles
from modules.backtesting import portfolio
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.engine import run as backtest
from modules.backtesting.robustness.monte_carlo import Method, Simulation, simulate_trades
from modules.backtesting.robustness.search import search
from modules.backtesting.robustness.subject import Parameters, Subject
from modules.backtesting.robustness.walk_forward import Walk, walk_forward
from modules.backtesting.statistics import MEANINGS, metrics_of
from modules.backtesting.sweep import sweep
from modules.strategies.decisions import Decisions
from tests.load import backtest_peers as peers
from tests.load.table import Row, render

AREA = "backtest"
ROOT = Path(__file__).resolve().parents[2]
MINUTE = 60_000
#: Ten thousand fees of 0.1 % shrink any account; vectorbt ignores positions below 1e-8 coins, so it must begin large.
CASH = 1e13
PAIRS = [(fast, slow) for fast in range(5, 25) for slow in range(30, 80, 5)]
SYMBOLS = (
    "BTCUSDT",
    "ETHUSDT",
    "SOLUSDT",
    "BNBUSDT",
    "XRPUSDT",
    "ADAUSDT",
    "DOGEUSDT",
    "AVAXUSDT",
    "LINKUSDT",
    "DOTUSDT",
)
YEAR_OF_15M = 35_040


def minutes(count: int) -> Candles:
    """One-minute candles: the returns and shapes of recorded ones repeated, else a random walk."""
    if (peers.RECORDED / "BTCUSDT-1m.parquet").exists():
        return peers.tiled(peers.recorded("BTCUSDT-1m.parquet", MINUTE, "BTCUSDT"), count)
    return peers.generated(count, MINUTE, spread=0.0006)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def same_trades(result: Any, found: peers.Found) -> None:
    """Every closed trade and the money, or the benchmark compares two different things."""
    assert np.array_equal(result.trades["entry_bar"], found.entry_bar)
    assert np.array_equal(result.trades["exit_bar"], found.exit_bar)
    assert np.allclose(result.trades["exit_price"], found.exit_price, rtol=1e-9, atol=0)
    assert np.isclose(result.final_equity, found.final_equity, rtol=1e-9)


def bare(candles: Candles, decisions: Decisions, equity: Any, rows: Any) -> peers.Found:
    prices = (candles.open, candles.high, candles.low, candles.close)
    count, final, *_ = peers.bare_loop(prices, decisions.entry, decisions.exit_long, (CASH, peers.FEE), equity, rows)
    return peers.Found(*rows[:count].T[:4], final)


def ours(candles: Candles, decisions: Decisions) -> Any:
    """A run and every figure of it."""
    result = backtest(candles, decisions, peers.RULES, Assumptions(capital=CASH))
    metrics_of(result)
    return result


def vectorbt_run(candles: Candles, decisions: Decisions) -> Any:
    """Simulation, value curve and trades; no `stats()`."""
    made = peers.vectorbt_portfolio(candles, decisions.entry > 0, decisions.exit_long, CASH)
    return made.value(), made.trades.records


def single_rows(count: int = 1_000_000, rounds: int = 7) -> list[Row]:
    """Rounds of all in turn, so that a slow stretch of the machine falls on all of them."""
    candles = minutes(count)
    decisions = peers.cross(candles)
    equity, rows = np.empty(count), np.empty((int(np.count_nonzero(decisions.entry)) + 1, 5))
    same_trades(ours(candles, decisions), bare(candles, decisions, equity, rows))
    same_trades(ours(candles, decisions), peers.by_vectorbt(candles, decisions, CASH))
    taken = [
        (
            seconds(lambda: bare(candles, decisions, np.empty(count), np.empty(rows.shape)))[0],
            seconds(lambda: ours(candles, decisions))[0],
            seconds(lambda: vectorbt_run(candles, decisions))[0],
        )
        for _ in range(rounds)
    ]
    loop, mine, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    near = statistics.median(b / a for a, b, _ in taken)
    ahead = statistics.median(c / b for _, b, c in taken)
    trades = len(ours(candles, decisions).trades)
    return [
        Row(AREA, "bars in one run", count, "candles"),
        Row(AREA, "trades, equal in all of them", trades, ""),
        Row(AREA, "bare numba loop with equity, trades and five figures", loop * 1e3, "ms"),
        Row(AREA, f"ours, with fills, trades, equity and all {len(MEANINGS)} metrics", mine * 1e3, "ms"),
        Row(AREA, "ours / bare loop", near, "x", "<= 2", near <= 2),
        Row(AREA, "vectorbt without stats", theirs * 1e3, "ms"),
        Row(AREA, "vectorbt / ours", ahead, "x", ">= 4", ahead >= 4),
    ]


def backtesting_rows(count: int = 100_000) -> list[Row]:
    """backtesting.py on a tenth of the bars; its capital is large because it trades whole units."""
    candles = minutes(count)
    decisions = peers.cross(candles)
    theirs, found = seconds(lambda: peers.by_backtesting_py(candles, decisions, 1e15))
    one_lot = Assumptions(capital=1e15, lot_size=peers.WHOLE)
    same_trades(backtest(candles, decisions, peers.RULES, one_lot), found)
    mine = statistics.median(seconds(lambda: ours(candles, decisions))[0] for _ in range(9))
    return [
        Row(AREA, f"backtesting.py, {count:,} candles", theirs * 1e3, "ms"),
        Row(AREA, f"ours, {count:,} candles", mine * 1e3, "ms"),
        Row(AREA, "backtesting.py / ours", theirs / mine, "x", ">= 100", theirs / mine >= 100),
    ]


class Crosses:
    """The decisions of every pair; the averages used last are kept."""

    def __init__(self, candles: Candles) -> None:
        self.average = lru_cache(maxsize=12)(lambda period: talib.SMA(candles.close, period))
        self.weak = talib.RSI(candles.close, 14) < 70

    def __call__(self, number: int) -> Decisions:
        fast, slow = PAIRS[number]
        above = self.average(fast) > self.average(slow)
        up, down = np.zeros(len(above), bool), np.zeros(len(above), bool)
        np.greater(above[slow:], above[slow - 1 : -1], out=up[slow:])
        np.less(above[slow:], above[slow - 1 : -1], out=down[slow:])
        up &= self.weak
        up[-3:], down[-2] = False, True
        return Decisions(up.view(np.int8), down, np.zeros(len(above), bool))


def our_sweep(candles: Candles) -> Any:
    return sweep(candles, Crosses(candles), [peers.RULES] * len(PAIRS), Assumptions(capital=CASH))


def vectorbt_sweep(candles: Candles, part: int = 25) -> list[float]:
    """Final values of all pairs, some columns at a time: all at once would need most of the machine's memory."""
    made, final = Crosses(candles), list[float]()
    for start in range(0, len(PAIRS), part):
        chosen = [made(number) for number in range(start, start + part)]
        entries = np.stack([each.entry > 0 for each in chosen], axis=1)
        exits = np.stack([each.exit_long for each in chosen], axis=1)
        done = peers.vectorbt_portfolio(candles, entries, exits, CASH)
        final += done.final_value().tolist()
    return final


def sweep_rows(count: int = 100_000) -> list[Row]:
    candles = minutes(count)
    our_sweep(candles[:1_000])
    mine = [seconds(lambda: our_sweep(candles)) for _ in range(3)]
    theirs, values = seconds(lambda: vectorbt_sweep(candles))
    assert np.allclose(mine[0][1]["final_equity"], values, rtol=1e-9)
    taken = statistics.median(each for each, _ in mine)
    return [
        Row(AREA, f"sweep of {len(PAIRS)} sets, {count:,} candles, all cores", taken * 1e3, "ms"),
        Row(AREA, "vectorbt, the same in parts of 25 sets", theirs * 1e3, "ms"),
        Row(AREA, "vectorbt / ours, sweep", theirs / taken, "x", ">= 20", theirs / taken >= 20),
    ]


def portfolio_rows() -> list[Row]:
    """Ten symbols, a year of 15-minute candles, with every fill and mark."""
    markets = []
    for place, symbol in enumerate(SYMBOLS):
        file = f"{symbol}-15m.parquet"
        if (peers.RECORDED / file).exists():
            candles = peers.recorded(file, 15 * MINUTE, symbol, slice(-YEAR_OF_15M, None))
        else:
            candles = peers.generated(YEAR_OF_15M, 15 * MINUTE, seed=place, spread=0.002, symbol=symbol)
        markets.append(portfolio.Market(candles, peers.cross(candles)))
    rules, assumed = peers.RULES, Assumptions(max_positions=5)
    taken = [seconds(lambda: metrics_of(portfolio.run(markets, rules, assumed)))[0] for _ in range(6)][1:]
    middle = statistics.median(taken)
    return [Row(AREA, "portfolio, 10 symbols x 1 year of 15m", middle, "s", "< 1", middle < 1)]


def decide_pair(candles: Candles, parameters: Parameters) -> Decisions:
    """The strategy of the benchmark with open periods."""
    return peers.cross(candles, parameters["fast"], parameters["slow"])


def luck_rows() -> list[Row]:
    """Monte Carlo, search and walk-forward; how fast, without a promise."""
    draws = np.random.default_rng(1)
    gains, asked = draws.normal(0.001, 0.01, 1_000), Simulation(Method.BOOTSTRAP, runs=10_000)
    simulate_trades(gains[:9], np.ones(9), Simulation(Method.BOOTSTRAP, runs=2))
    paths = statistics.median(seconds(lambda: simulate_trades(gains, np.ones(1_000), asked))[0] for _ in range(5))
    candles, subject = minutes(100_000), Subject(decide_pair, peers.RULES, Assumptions(capital=CASH))
    sets = [{"fast": fast, "slow": slow} for fast, slow in PAIRS]
    search(subject, candles[:1_000], sets[:4])
    searched, _ = seconds(lambda: search(subject, candles, sets))
    walked, steps = seconds(lambda: len(walk_forward(subject, candles, sets, Walk(20_000, 10_000)).steps))
    trained = steps * len(sets) * 20_000 / walked
    return [
        Row(AREA, "Monte Carlo, 10,000 paths of 1,000 trades in blocks", paths * 1e3, "ms"),
        Row(AREA, f"search of {len(sets)} sets, 100,000 candles, decisions included", len(sets) / searched, "sets/s"),
        Row(AREA, f"walk-forward of {steps} steps over {len(sets)} sets, training", trained / 1e6, "M candles/s"),
    ]


def in_process(what: str, count: int, cache: str | None = None) -> dict[str, float]:
    """Run one part in a fresh process; `cache` is another folder for compiled code."""
    extra = {"NUMBA_CACHE_DIR": cache} if cache else {}
    answer = subprocess.run(
        [sys.executable, "-m", "tests.load.bench_backtest", what, str(count)],
        env={**os.environ, **extra}, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def one_part(what: str, count: int) -> dict[str, float]:
    """What a fresh process does: makes candles, runs one thing once, tells its time, memory and compilations."""
    candles = minutes(count)
    decisions = peers.cross(candles)
    parts: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(candles, decisions),
        "vectorbt": lambda: vectorbt_run(candles, decisions),
        "sweep": lambda: our_sweep(candles),
        "portfolio": lambda: portfolio.run([portfolio.Market(candles, decisions)], peers.RULES),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        taken, _ = seconds(parts[what])
    return {"seconds": taken, "mib": peak_mib(), "compiled": compiled()}


def peak_mib() -> float:
    """Peak memory of this process; unlike `getrusage` it knows nothing of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def compiled() -> int:
    """How many kernels of the backtester this process had to compile."""
    from modules.backtesting import bar, engine, leaving, loop, metrics, opening, statistics_equity, statistics_trades
    from modules.backtesting import sweep as sweeping
    from modules.trading import exits

    own = (bar, engine, leaving, loop, statistics_equity, statistics_trades)
    kernels = [
        each
        for module in (*own, metrics, opening, portfolio, sweeping, exits)
        for each in vars(module).values()
        if hasattr(each, "py_func")
    ]
    return sum(sum(each.stats.cache_misses.values()) for each in kernels)


def process_rows() -> list[Row]:
    mine, theirs = in_process("ours", 1_000_000), in_process("vectorbt", 1_000_000)
    wide = in_process("sweep", 1_000_000)
    with tempfile.TemporaryDirectory() as cache:
        parts = ("ours", "sweep", "portfolio")
        cold = [in_process(part, 10_000, cache) for part in parts]
        warm = [in_process(part, 10_000, cache) for part in parts]
    again = sum(each["compiled"] for each in warm)
    assert all(each["compiled"] > 0 for each in cold)
    less, gib = mine["mib"] <= theirs["mib"], wide["mib"] / 1024
    return [
        Row(AREA, "peak memory, 1,000,000 candles", mine["mib"], "MiB", "<= vectorbt", less),
        Row(AREA, "peak memory, vectorbt", theirs["mib"], "MiB"),
        Row(AREA, "peak memory, sweep of 200 sets, 1,000,000 candles", gib, "GiB", "< 1", gib < 1),
        Row(AREA, "the same sweep, time", wide["seconds"], "s"),
        Row(AREA, "first backtest ever, 10,000 candles (compiles)", cold[0]["seconds"] * 1e3, "ms"),
        Row(AREA, "first backtest of a later process", warm[0]["seconds"] * 1e3, "ms"),
        Row(AREA, "kernels compiled by later processes", again, "", "0", again == 0),
    ]


def run() -> list[Row]:
    """All rows; about three minutes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [*single_rows(), *backtesting_rows(), *sweep_rows(), *portfolio_rows(), *luck_rows(), *process_rows()]


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(one_part(sys.argv[1], int(sys.argv[2]))))
    else:
        print(render(run()))
