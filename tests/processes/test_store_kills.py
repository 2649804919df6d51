"""`kill -9` at any moment: the file stays whole, and what was acknowledged is there, all parts of it."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from database import CollectionSpec, Index, Store, open_store

pytestmark = pytest.mark.processes

KILLS = 12
SPECS = [CollectionSpec("orders", indexes=(Index(("number",), unique=True),)), CollectionSpec("counters")]
spawn = multiprocessing.get_context("spawn")


def _open(path: Path) -> Store:
    return open_store(f"sqlite:///{path}", SPECS, timeout_seconds=60)


def _write_for_ever(path: Path, name: str, durable: bool, acknowledge: Connection) -> None:
    """Commit, then acknowledge; several collections and the journal in each transaction."""
    with _open(path) as store:
        number = 0
        while True:
            number += 1
            key = f"{name}-{number}"
            with store.transaction(durable=durable) as tx:
                tx["orders"].insert({"id": key, "number": key, "note": "x" * (number * 37 % 3000)})
                tx.append("Made", {"order": key}, number, key=key)
                tx["counters"].update(lambda each: each.update(n=each["n"] + 1), key="all")
                tx.move_cursor(name, tx.cursor(name) + 1)
            acknowledge.send(key)


def _acknowledged(path: Path, turn: int, count: int) -> list[str]:
    """Start two writers, hear `count` acknowledgements of the first, kill both; everything they acknowledged."""
    ends = [spawn.Pipe(duplex=False) for _ in range(2)]
    writers = [
        spawn.Process(target=_write_for_ever, args=(path, f"t{turn}w{n}", turn % 3 == 0, end[1]))
        for n, end in enumerate(ends)
    ]
    heard: list[str] = []
    for writer in writers:
        writer.start()
    for _, sending in ends:
        sending.close()
    assert ends[1][0].poll(60)
    for _ in range(count):
        assert ends[0][0].poll(60)
        heard.append(ends[0][0].recv())
    for writer in writers:
        writer.kill()
    for writer, (receiving, _) in zip(writers, ends, strict=True):
        writer.join(60)
        try:
            while True:
                heard.append(receiving.recv())
        except EOFError:
            receiving.close()
    return heard


def _die_before_the_first_switch_to_wal(path: Path) -> None:
    """A restored copy is not in WAL mode yet; this writer spills a half-done transaction into the file and dies."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN")
    connection.execute("DELETE FROM doc_counters")
    connection.executemany(
        "INSERT INTO doc_orders(key,revision,body) VALUES(?,1,?)",
        ((n, f'{{"number": {n}, "note": "{"x" * 900}"}}') for n in range(500)),
    )
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_writer_killed_before_the_first_switch_to_wal_is_undone(tmp_path: Path) -> None:
    with _open(tmp_path / "first.db") as store:
        store["counters"].insert({"id": "all", "n": 7})
        store.backup(tmp_path / "store.db")
    writer = spawn.Process(target=_die_before_the_first_switch_to_wal, args=(tmp_path / "store.db",))
    writer.start()
    writer.join(60)
    assert writer.exitcode == -signal.SIGKILL
    assert (tmp_path / "store.db-journal").stat().st_size > 0
    with _open(tmp_path / "store.db") as store:
        assert store["counters"].all() == [{"id": "all", "n": 7}]
        assert len(store["orders"]) == 0
        assert store.check() == []


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(20261121)
    with _open(path) as store:
        store["counters"].insert({"id": "all", "n": 0})
    acknowledged: set[str] = set()
    for turn in range(KILLS):
        acknowledged |= set(_acknowledged(path, turn, chance.randint(1, 80)))
        with _open(path) as store:
            assert store.check() == []
            there = {each["id"] for each in store["orders"]}
            assert acknowledged <= there
            entries = store.journal.read(0, limit=1_000_000)
            assert {each.body["order"] for each in entries} == there
            counter = store["counters"].get(key="all")
            assert counter is not None
            assert counter["n"] == len(there) == len(entries) == sum(store.journal.cursors().values())
    assert len(acknowledged) > KILLS
