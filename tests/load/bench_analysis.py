"""What an analysed market costs: nine detectors and both scores for one symbol, a scan of many, and a second start."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from modules.analysis.candles import Candles
from modules.analysis.scanner import read_timeframe
from modules.candles import load_file
from modules.scanning import Job, Scanner, warm_up
from tests.load.certify import RECORDED, walk
from tests.load.table import Row

ROOT = Path(__file__).resolve().parents[2]
BARS, SYMBOLS, TIMEFRAMES = 1000, 100, ("15m", "1h", "4h", "1d")
_SECOND_START = """
import time
begun = time.perf_counter()
from numba.core import event
compiled = []
class Watch(event.Listener):
    def on_start(self, e): compiled.append(e)
    def on_end(self, e): pass
from modules.scanning import warm_up
with event.install_listener("numba:compile", Watch()):
    warm_up()
print(time.perf_counter() - begun, len(compiled))
"""


def run() -> list[Row]:
    """The measured rows."""
    warm_up()
    return [*_one_symbol(), *_scan(), *_second_start()]


def _median(work: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def _one_symbol() -> Iterator[Row]:
    candles = next(_histories())
    took = _median(lambda: read_timeframe("1h", candles), 40) * 1000
    yield Row("analysis", f"nine detectors and both scores, {BARS:,} candles", took, "ms", "< 20 ms", took < 20)


def _scan() -> Iterator[Row]:
    histories = _histories()
    jobs = [Job(f"S{number}USDT", {name: next(histories) for name in TIMEFRAMES}) for number in range(SYMBOLS)]
    workers = min(2, os.cpu_count() or 1)
    with Scanner(workers) as scanner:
        scanner.warm()
        took = _median(lambda: list(scanner.scan(jobs)), 5)
    what = f"scan of {SYMBOLS} symbols on {len(TIMEFRAMES)} timeframes, {workers} workers"
    yield Row("analysis", what, took, "s", "< 3 s", took < 3)


def _second_start() -> Iterator[Row]:
    said = subprocess.run(
        [sys.executable, "-c", _SECOND_START], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    seconds, compiled = said.stdout.split()
    yield Row("analysis", "kernels compiled by a second process", float(compiled), "", "0", compiled == "0")
    yield Row("analysis", "second process: imports and first analysis", float(seconds), "s")


def _histories() -> Iterator[Candles]:
    """Candles without end: recorded ones where they are, each from another part, else walks."""
    path = RECORDED / "BTCUSDT-1h.parquet"
    recorded = load_file(path) if path.exists() else None
    number = 0
    while True:
        if recorded is None:
            yield walk(number, BARS)
        else:
            start = number * 97 % (len(recorded) - BARS)
            yield recorded[start : start + BARS]
        number += 1
