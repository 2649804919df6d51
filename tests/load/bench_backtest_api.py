"""A backtest asked for over HTTP: through the door, the queue, the worker's process and back, all of them real."""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modules.candles import CandleStore, SeriesName
from tests.contracts.backtest_objects import wave
from tests.load.table import Row
from tests.processes.running import environment, free_port

REQUESTS = 40
HOUR_MS = 3_600_000
_ROOT = Path(__file__).resolve().parents[2]
_PROCFILE = "backtester: python -m services.backtester\napi: python -m api.app\n"
_BODY = {
    "strategy": {
        "name": "RSI",
        "entry_conditions": {"rsi": {"operator": "<", "value": 45}},
        "exit_conditions": {"rsi": {"operator": ">", "value": 55}},
        "stop_loss_pct": 5,
    },
    "symbol": "BTCUSDT",
    "days": 30,
}


def run() -> list[Row]:
    """The rows of this benchmark; about half a minute."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        end_ms = int(time.time() * 1000) // HOUR_MS * HOUR_MS
        candles = wave(2_000, start_ms=end_ms - 2_000 * HOUR_MS)
        CandleStore(data_dir / "candles").upsert(SeriesName("binance", "BTCUSDT", "1h"), candles)
        with _started(data_dir) as port:
            _answered(port, data_dir)
        before = _kernels()
        with _started(data_dir) as port:
            _answered(port, data_dir)
            short = [_timed(port, data_dir, _BODY) for _ in range(REQUESTS)]
            checked = [_timed(port, data_dir, {**_BODY, "checks": True}) for _ in range(5)]
        compiled = len(_kernels() - before)
    middle, ninth = statistics.median(short), sorted(short)[int(0.9 * len(short))]
    return [
        Row("backtest api", "POST /api/backtest 30 days of 1h: median", middle, "ms", "< 100", middle < 100),
        Row("backtest api", "POST /api/backtest 30 days of 1h: p90", ninth, "ms"),
        Row("backtest api", "the same with both checks: median", statistics.median(checked), "ms"),
        Row("backtest api", "kernels compiled by a second start", compiled, "files", "0", compiled == 0),
    ]


def _kernels() -> set[Path]:
    return set((_ROOT / "modules").rglob("*.nbc"))


@contextmanager
def _started(data_dir: Path) -> Iterator[int]:
    """API and backtester over the data directory; ended as Ctrl-C does it."""
    procfile, port = data_dir / "Procfile", free_port()
    procfile.write_text(_PROCFILE)
    settings = {"PORT": str(port), "PRICES": "simulated", "RATE_USER_PER_MINUTE": "100000", "PYTHONPATH": str(_ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(_ROOT / "run_all.py"), "--procfile", str(procfile)],
        cwd=_ROOT,
        env=environment(data_dir, **settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield port
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


def _asked(port: int, data_dir: Path, body: dict[str, Any]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    token = (data_dir / "operator.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/backtest", json.dumps(body), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def _answered(port: int, data_dir: Path) -> None:
    """Waits until a backtest is answered at once. Raises TimeoutError when that never comes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if _asked(port, data_dir, _BODY) == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.5)
    raise TimeoutError("no backtest was answered within two minutes")


def _timed(port: int, data_dir: Path, body: dict[str, Any]) -> float:
    """Milliseconds from the request to the whole answer."""
    began = time.perf_counter()
    status = _asked(port, data_dir, body)
    took = (time.perf_counter() - began) * 1000
    if status != 200:
        raise RuntimeError(f"a backtest was answered with {status}")
    return took
