"""The loop that every process lives in."""

from __future__ import annotations

import asyncio
import errno
from datetime import datetime
from pathlib import Path

import pytest

from modules.runtime.clock import SystemClock
from modules.runtime.heartbeat import Heartbeat, read_beats
from modules.runtime.process import live


class Counting:
    """Counts its turns."""

    name = "counting"

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.turns = 0
        self.stopped = False

    async def start(self) -> None:
        """Nothing to begin with."""

    async def turn(self, _now: datetime) -> bool:
        self.turns += 1
        return False

    async def stop(self) -> None:
        self.stopped = True

    def status(self) -> tuple[str, str]:
        return "up", ""


async def a_while() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def lived(worker: Counting, folder: Path, gather_seconds: float) -> tuple[asyncio.Task[None], asyncio.Event]:
    stopping = asyncio.Event()
    (folder / "run").mkdir()
    life = live(
        worker,
        SystemClock(),
        Heartbeat(folder / "run", worker.name),
        stopping=stopping,
        idle_seconds=60,
        gather_seconds=gather_seconds,
    )
    task = asyncio.create_task(life)
    await a_while()
    return task, stopping


async def test_news_wake_a_worker_at_once(tmp_path: Path) -> None:
    worker = Counting()
    task, stopping = await lived(worker, tmp_path, 0.0)
    assert worker.turns == 1
    worker.wake.set()
    await a_while()
    assert worker.turns == 2
    stopping.set()
    await task
    assert worker.stopped
    assert read_beats(tmp_path / "run")["counting"].state == "stopping"


async def test_news_gather_where_nobody_waits_and_an_end_does_not(tmp_path: Path) -> None:
    worker = Counting()
    task, stopping = await lived(worker, tmp_path, 60.0)
    for _ in range(5):
        worker.wake.set()
        await a_while()
    assert worker.turns == 1
    stopping.set()
    await asyncio.wait_for(task, 5)
    assert worker.stopped


def test_a_full_disk_ends_no_process_and_the_beat_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    heart = Heartbeat(tmp_path, "beating", every_ms=1000)
    heart.beat(1_000, detail="a longer word than the next one")
    monkeypatch.setattr(Path, "write_bytes", full)
    heart.beat(5_000, detail="full")
    assert (read_beats(tmp_path)["beating"].at_ms, read_beats(tmp_path)["beating"].detail) == (5_000, "full")
    Heartbeat(tmp_path, "never beat before").beat(6_000)
    assert set(read_beats(tmp_path)) == {"beating"}
