"""Structure against the open Smart Money Concepts library: batch, growth, live bars, start of a process, repainting.

python -m tests.load.bench_structure
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
from pathlib import Path
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.structure import Settings, StructureState, analyse
from tests.load.table import Row, render

AREA = "structure"
ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "../shared/data/ohlcv/BTCUSDT-5m.parquet"
FIVE_MINUTES = 300_000
CHOICE = Settings(swing_length=10)
FIRST_USE = """
import json, sys, time
import numpy
begun = time.perf_counter()
from modules.analysis.candles import Candles
from modules.analysis.structure import analyse
from modules.analysis.structure.step import run
imported = time.perf_counter()
ones = numpy.ones(50)
analyse(Candles.checked(numpy.arange(50), ones, ones, ones, ones, ones, timeframe_ms=1))
used = time.perf_counter()
print(json.dumps({"import": imported - begun, "first": used - imported, "compiled": sum(run.stats.cache_misses.values())}))
"""


def candles_of(count: int) -> Candles:
    """Real five-minute candles where they lie beside the project, else a random walk of the same length."""
    names = ("timestamp", "open", "high", "low", "close", "volume")
    if RECORDED.exists():
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(RECORDED, columns=list(names))
        return Candles.checked(*(table[name].to_numpy()[:count] for name in names), timeframe_ms=FIVE_MINUTES)
    generator = np.random.default_rng(1)
    close = 30_000 * np.exp(np.cumsum(generator.normal(0, 0.001, count)))
    opened = np.concatenate([[30_000.0], close[:-1]])
    high = np.maximum(opened, close) * (1 + np.abs(generator.normal(0, 0.0005, count)))
    low = np.minimum(opened, close) * (1 - np.abs(generator.normal(0, 0.0005, count)))
    stamps = np.arange(count, dtype=np.int64) * FIVE_MINUTES
    return Candles.checked(
        stamps, opened, high, low, close, generator.lognormal(3, 1, count), timeframe_ms=FIVE_MINUTES
    )


def median_seconds(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def peer_of() -> Any:
    os.environ["SMC_CREDIT"] = "0"  # it greets on import otherwise
    from smartmoneyconcepts import smc

    return smc


def frame_of(candles: Candles) -> Any:
    import pandas

    names = ("open", "high", "low", "close", "volume")
    return pandas.DataFrame({name: np.array(getattr(candles, name)) for name in names})


def peer_structure(peer: Any, frame: Any) -> list[Any]:
    """The parts that both have: swings, gaps, breaks, order blocks, liquidity, retracement in the dealing range."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        swings = peer.swing_highs_lows(frame, swing_length=CHOICE.swing_length)
        return [
            swings,
            peer.fvg(frame),
            peer.bos_choch(frame, swings),
            peer.ob(frame, swings),
            peer.liquidity(frame, swings),
            peer.retracements(frame, swings),
        ]


def batch_rows(candles: Candles) -> list[Row]:
    """Rounds of peer, small and large in turn, so that a slow stretch of the machine falls on all of them."""
    analyse(candles[:100], CHOICE)
    peer, small, large = peer_of(), candles[:10_000], candles[:100_000]
    frame = frame_of(small)
    rounds = [
        (
            median_seconds(lambda: peer_structure(peer, frame), 1),
            median_seconds(lambda: analyse(small, CHOICE), 15),
            median_seconds(lambda: analyse(large, CHOICE), 5),
        )
        for _ in range(7)
    ]
    theirs, ours, ours_large = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(theirs / ours for theirs, ours, _ in rounds)
    growth = statistics.median(large / ours for _, ours, large in rounds)
    return [
        Row(AREA, "smartmoneyconcepts, six parts, 10,000 candles", theirs * 1e3, "ms"),
        Row(AREA, "whole structure set, 10,000 candles", ours * 1e3, "ms"),
        Row(AREA, "smartmoneyconcepts / ours", ratio, "x", ">= 500", ratio >= 500),
        Row(AREA, "whole structure set, 100,000 candles", ours_large * 1e3, "ms"),
        Row(AREA, "time at 100,000 / time at 10,000", growth, "x", "<= 11", growth <= 11),
    ]


def live_rows(candles: Candles) -> list[Row]:
    warm, count = 50_000, 10_000
    state = StructureState.after(candles[:warm], CHOICE)
    bars = [candles[index] for index in range(warm, warm + count)]
    taken = np.empty(count)
    for place, bar in enumerate(bars):
        begun = time.perf_counter()
        state.update(bar)
        taken[place] = time.perf_counter() - begun
    middle, high = float(np.median(taken)) * 1e6, float(np.quantile(taken, 0.99)) * 1e6
    peer, frame = peer_of(), frame_of(candles[warm - 1000 : warm])
    window = median_seconds(lambda: peer_structure(peer, frame), 5) * 1e6
    return [
        Row(AREA, "one live bar after 50,000, p50", middle, "us", "< 100", middle < 100),
        Row(AREA, "one live bar after 50,000, p99", high, "us", "< 100", high < 100),
        Row(
            AREA,
            "smartmoneyconcepts again over 1,000 bars / one live bar",
            window / middle,
            "x",
            ">= 1000",
            window / middle >= 1000,
        ),
    ]


def first_use(cache: str) -> dict[str, float]:
    """What a fresh process pays for its first structure, with compiled code kept in the folder `cache`."""
    answer = subprocess.run(  # the interpreter that runs this file
        [sys.executable, "-c", FIRST_USE],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(answer.stdout))


def start_rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as cache:
        cold = first_use(cache)
        warm = [first_use(cache) for _ in range(3)]
    again = statistics.median(one["first"] for one in warm)
    compiled = sum(one["compiled"] for one in warm)
    return [
        Row(AREA, "first structure of the first process (compiles)", cold["first"] * 1e3, "ms"),
        # Loading machine code from the cache; that nothing was compiled is the promise, and the next row.
        Row(AREA, "first structure of a second process", again * 1e3, "ms"),
        Row(AREA, "kernels compiled by a second process", compiled, "", "0", compiled == 0),
        Row(AREA, "import, second process", statistics.median(one["import"] for one in warm) * 1e3, "ms"),
    ]


def repaint_rows(candles: Candles) -> list[Row]:
    """Bars 0..t read alone against the same bars of the whole, t = 200 to 1,500 by 13."""
    starts = list(range(201, 1502, 13))
    whole, peer = candles[:1600], peer_of()
    frame = frame_of(whole)
    ours = analyse(whole, CHOICE)
    live, history, objects = 0, 0, 0
    for start in starts:
        part = analyse(whole[:start], CHOICE)
        changed = np.zeros(start, dtype=bool)
        for name in part.bars.dtype.names or ():
            changed |= ~np.isclose(part.bars[name], ours.bars[name][:start], rtol=0, atol=0, equal_nan=True)
        live += int(changed[-1])
        history += int(changed[:-1].sum())
        objects += part.objects() != ours.as_of(start - 1).objects()
    full = peer_structure(peer, frame)
    theirs = sum(
        int(not np.array_equal(table.to_numpy(), later.to_numpy()[:start], equal_nan=True))
        for start in starts
        for table, later in zip(peer_structure(peer, frame[:start]), full, strict=True)
    )
    return [
        Row(AREA, f"rows rewritten, newest of {len(starts)} prefixes", live, "rows", "0", live == 0),
        Row(AREA, f"rows rewritten, history of {len(starts)} prefixes", history, "rows", "0", history == 0),
        Row(AREA, f"prefixes whose objects differ, of {len(starts)}", objects, "", "0", objects == 0),
        Row(AREA, f"smartmoneyconcepts: tables rewritten, of {len(starts) * len(full)}", theirs, "tables"),
    ]


def run() -> list[Row]:
    """All rows; about a minute."""
    candles = candles_of(100_000)
    return [*batch_rows(candles), *live_rows(candles), *start_rows(), *repaint_rows(candles)]


if __name__ == "__main__":
    print(render(run()))
