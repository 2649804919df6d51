"""`kill -9` of the backtester in the middle of a search: the next one finishes it, once, from where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from modules.backtest_jobs.queue import LEASE
from modules.runtime.clock import SystemClock
from tests.fakes.clock import ScriptedClock
from tests.processes.running import ROOT, environment, until
from tests.unit.backtest_house import WISH, House

pytestmark = pytest.mark.processes

SETS = 36 * 36
SEARCH = {
    **WISH,
    "days": 60,
    "kind": "search",
    "search": {
        "space": {
            "entry_conditions.rsi.value": {"low": 15, "high": 50, "step": 1},
            "exit_conditions.rsi.value": {"low": 51, "high": 86, "step": 1},
        },
        "method": "grid",
        "min_trades": 1,
    },
}


def pieces(folder: Path) -> int:
    """Sets that are finished and kept."""
    files = list((folder / "searches").glob("*.jsonl"))
    return max(len(files[0].read_bytes().splitlines()) - 1, 0) if files else 0


def test_a_search_that_was_cut_off_is_finished_once(tmp_path: Path) -> None:
    clock = ScriptedClock(SystemClock().now())
    house = House(tmp_path, clock=clock)
    job = house.submit(SEARCH)
    process = subprocess.Popen(
        [sys.executable, "-m", "services.backtester"],
        cwd=ROOT,
        env=environment(tmp_path, PRICES="simulated", DATABASE_URL=f"sqlite:///{tmp_path / 'store.db'}"),
    )
    try:
        until(lambda: pieces(tmp_path) > 0, 30, "the first sets are finished", every=0.005)
        process.send_signal(signal.SIGSTOP)  # it must not finish while this test looks
        cut_off = house.queue.get("ann", job.id)
    finally:
        process.kill()
        process.wait(10)
    before = pieces(tmp_path)
    assert (cut_off.status, cut_off.tries) == ("running", 1)
    assert 0 < before < SETS
    assert house.desk.results.results("ann", limit=10)[0] == []

    clock.set(SystemClock().now() + LEASE)
    (finished,) = house.work("the next")
    assert (finished.status, finished.tries) == ("done", 2)
    assert pieces(tmp_path) == SETS
    assert house.document(finished)["search"]["trials"] == SETS
    assert len(house.desk.results.results("ann", limit=10)[0]) == 1
    assert house.work("the next") == []
    house.close()
