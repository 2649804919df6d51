"""A commit in one process wakes sleepers in others; a listener that was killed does no harm."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from database import CollectionSpec, Store, open_store

pytestmark = pytest.mark.processes

spawn = multiprocessing.get_context("spawn")


def _open(path: Path) -> Store:
    return open_store(f"sqlite:///{path}", [CollectionSpec("orders")], bells=path.parent / "bells")


def _sleep_until_rung(path: Path, in_a_loop: bool, answer: Connection) -> None:
    """Consume the journal, sleeping at the bell between entries; answers with when each entry was read."""
    with _open(path) as store, store.doorbell.listen("sleeper") as bell:
        answer.send("listening")
        seen = 0
        while seen < 5:
            for entry in store.journal.read(seen):
                seen = entry.seq
                answer.send((entry.seq, time.monotonic_ns()))
            if seen < 5:
                rang = asyncio.run(bell.wait_async(60)) if in_a_loop else bell.wait(60)
                if not rang:
                    answer.send("slept through")


def _listen_for_ever(path: Path, answer: Connection) -> None:
    with _open(path) as store, store.doorbell.listen("victim") as bell:
        answer.send("listening")
        bell.wait(600)


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_a_commit_wakes_sleepers_in_other_processes(tmp_path: Path, in_a_loop: bool) -> None:
    path = tmp_path / "store.db"
    with _open(path) as store:
        ends = [spawn.Pipe(duplex=False) for _ in range(2)]
        sleepers = [spawn.Process(target=_sleep_until_rung, args=(path, in_a_loop, end[1])) for end in ends]
        for sleeper in sleepers:
            sleeper.start()
        for receiving, sending in ends:
            sending.close()
            assert receiving.poll(60)
            assert receiving.recv() == "listening"
        for number in range(1, 6):
            committed = time.monotonic_ns()
            with store.transaction() as tx:
                tx.append("A", {"n": number}, number)
            for receiving, _ in ends:
                assert receiving.poll(60)
                seq, woken = receiving.recv()
                assert seq == number
                assert woken - committed < 30e9  # by the ring, not by the sleeper's own time-out
        for sleeper in sleepers:
            sleeper.join(60)
            assert sleeper.exitcode == 0
        for receiving, _ in ends:
            receiving.close()


def test_the_bell_of_a_killed_listener_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with _open(path) as store:
        receiving, sending = spawn.Pipe(duplex=False)
        victim = spawn.Process(target=_listen_for_ever, args=(path, sending))
        victim.start()
        sending.close()
        assert receiving.poll(60)
        receiving.recv()
        victim.kill()
        victim.join(60)
        receiving.close()
        assert len(list(store.doorbell.directory.iterdir())) == 1
        with store.doorbell.listen("alive") as bell:
            with store.transaction() as tx:
                tx.append("A", {}, 1)
            assert bell.wait(30)
            assert [each.name.split(".")[0] for each in store.doorbell.directory.iterdir()] == ["alive"]
