"""Several real processes write one file at once: no error, no lost write, and every copy taken meanwhile is consistent."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from database import CollectionSpec, Index, Store, open_store, restore_backup, where

pytestmark = pytest.mark.processes

PROCESSES, ROUNDS = 8, 60
SPECS = [
    CollectionSpec("orders", indexes=(Index(("owner",)), Index(("client_id",), unique=True))),
    CollectionSpec("counters"),
]
spawn = multiprocessing.get_context("spawn")


def _open(path: Path) -> Store:
    return open_store(f"sqlite:///{path}", SPECS, timeout_seconds=60)


def _write(path: Path, name: str, answer: Connection) -> None:
    """All kinds of writes; answers how often compare-and-set let it through."""
    with _open(path) as store:
        won = 0
        for number in range(ROUNDS):
            store["orders"].insert(
                {"id": f"{name}-{number}", "owner": name, "client_id": f"{name}:{number}", "state": "new"}
            )
            with store.transaction(durable=number % 20 == 0) as tx:
                tx["counters"].update(lambda each: each.update(n=each["n"] + 1), key="shared")
                tx["orders"].update({"state": "sent"}, key=f"{name}-{number}")
                seq = tx.append("Sent", {"order": f"{name}-{number}"}, number, key=f"sent:{name}:{number}")
                tx.append("Sent", {"order": "twice"}, number, key=f"sent:{name}:{number}")
                tx.move_cursor(name, seq)
            seen = store["counters"].get(key="contended")
            assert seen is not None
            won += store["counters"].compare_and_set("contended", {"n": seen["n"]}, {"n": seen["n"] + 1})
        answer.send(won)


def test_eight_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with _open(path) as store:
        store["counters"].insert_multiple([{"id": "shared", "n": 0}, {"id": "contended", "n": 0}])
    ends = [spawn.Pipe(duplex=False) for _ in range(PROCESSES)]
    writers = [spawn.Process(target=_write, args=(path, f"w{n}", end[1])) for n, end in enumerate(ends)]
    for writer in writers:
        writer.start()
    won = 0
    for receiving, sending in ends:
        sending.close()
        won += receiving.recv()
        receiving.close()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    with _open(path) as store:
        assert store.check() == []
        assert len(store["orders"]) == store["orders"].count(where("state") == "sent") == PROCESSES * ROUNDS
        assert store["counters"].get(key="shared") == {"id": "shared", "n": PROCESSES * ROUNDS}
        assert store["counters"].get(key="contended") == {"id": "contended", "n": won}
        assert won >= ROUNDS
        entries = store.journal.read(0, limit=10_000)
        assert [each.seq for each in entries] == list(range(1, PROCESSES * ROUNDS + 1))
        assert {each.body["order"] for each in entries} == {each["id"] for each in store["orders"]}
        last = {
            name: max(each.seq for each in entries if each.body["order"].startswith(f"{name}-"))
            for name in store.journal.cursors()
        }
        assert store.journal.cursors() == last


def _first_start(path: Path, answer: Connection) -> None:
    with _open(path) as store:
        answer.send(store["orders"].insert({"id": os.getpid()}))


def test_eight_first_starts_at_once_make_one_store(tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    ends = [spawn.Pipe(duplex=False) for _ in range(PROCESSES)]
    starters = [spawn.Process(target=_first_start, args=(path, end[1])) for end in ends]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(60)
        assert starter.exitcode == 0
    for receiving, sending in ends:
        sending.close()
        receiving.close()
    with _open(path) as store:
        assert {each["id"] for each in store["orders"]} == {starter.pid for starter in starters}
        assert store.check() == []


def _keep_balance(path: Path, name: str, ready: Connection, stop: Connection) -> None:
    with _open(path) as store:
        number = 0
        while not stop.poll():
            with store.transaction() as tx:
                tx["orders"].insert({"id": f"{name}-{number}", "owner": name})
                tx["counters"].update(lambda each: each.update(n=each["n"] + 1), key="shared")
                tx.append("Made", {}, number)
            number += 1
            if number == 20:
                ready.send(True)


def test_backups_taken_while_others_write_are_consistent(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with _open(path) as store:
        store["counters"].insert({"id": "shared", "n": 0})
        ready, started = spawn.Pipe(duplex=False)
        stop, stopping = spawn.Pipe(duplex=False)
        writers = [spawn.Process(target=_keep_balance, args=(path, f"w{n}", started, stop)) for n in range(2)]
        for writer in writers:
            writer.start()
        assert ready.poll(60)
        for number in range(5):
            store.backup(tmp_path / f"copy-{number}.db")
            store.export(tmp_path / f"export-{number}")
        stopping.send(True)
        for writer in writers:
            writer.join(60)
            assert writer.exitcode == 0
        for end in (ready, started, stop, stopping):
            end.close()
    sizes = []
    for number in range(5):
        restore_backup(tmp_path / f"copy-{number}.db", tmp_path / f"restored-{number}.db")
        with _open(tmp_path / f"restored-{number}.db") as copy:
            assert copy.check() == []
            counter = copy["counters"].get(key="shared")
            assert counter is not None
            assert counter["n"] == len(copy["orders"]) == copy.journal.last_seq()
            sizes.append(counter["n"])
            copy.import_(tmp_path / f"export-{number}")
            counter = copy["counters"].get(key="shared")
            assert counter is not None
            assert counter["n"] == len(copy["orders"]) >= sizes[-1]
    assert sizes == sorted(sizes)
    assert sizes[0] >= 20


def test_a_forked_child_uses_connections_of_its_own(tmp_path: Path) -> None:
    with _open(tmp_path / "store.db") as store:
        store["orders"].insert({"id": "parent"})
        with store.transaction() as tx:
            tx["orders"].insert({"id": "uncommitted"})
            child = os.fork()
            if child == 0:
                try:
                    os._exit(0 if [each["id"] for each in store["orders"]] == ["parent"] else 3)
                finally:
                    os._exit(4)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        child = os.fork()
        if child == 0:
            try:
                with store.transaction() as tx:
                    tx["orders"].insert({"id": "child"})
                store.close()
                os._exit(0)
            finally:
                os._exit(4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        store["orders"].insert({"id": "after"})
        assert [each["id"] for each in store["orders"]] == ["parent", "uncommitted", "child", "after"]
        assert store.check() == []
