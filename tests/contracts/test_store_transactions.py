"""Transactions over several collections and the journal, cursors, dead letters, leases and the doorbell within one process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from database import (
    CollectionSpec,
    DuplicateKey,
    Entry,
    InvalidDocument,
    InvalidQuery,
    Lease,
    Store,
    StoreBusy,
    StoreError,
    open_store,
    where,
)

SPECS = [CollectionSpec("orders"), CollectionSpec("fills")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/store.db", SPECS, timeout_seconds=0.05) as opened:
        yield opened


def _in_thread(function: object) -> None:
    failures: list[BaseException] = []

    def body() -> None:
        try:
            function()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("durable", [False, True])
def test_everything_of_a_transaction_or_nothing(store: Store, durable: bool) -> None:
    store["orders"].insert({"id": 1, "state": "new"})
    with pytest.raises(ZeroDivisionError), store.transaction(durable=durable) as tx:
        tx["orders"].update({"state": "filled"}, key=1)
        tx["fills"].insert({"id": 1})
        tx.append("Filled", {"order": 1}, 5, key="fill:1")
        tx.move_cursor("desk", 1)
        _ = 1 / 0
    assert store["orders"].all() == [{"id": 1, "state": "new"}]
    assert (store["fills"].all(), store.journal.read(0), store.journal.cursors()) == ([], [], {})
    with store.transaction(durable=durable) as tx:
        tx["fills"].insert({"id": 1})
        assert tx.append("Filled", {"order": 1}, 5, key="fill:1") == 1
        assert tx.move_cursor("desk", 1)
    assert len(store["fills"]) == 1
    assert store.journal.cursor("desk") == 1


def test_readers_see_the_last_commit(store: Store) -> None:
    with store.transaction() as tx:
        tx["orders"].insert({"id": 1})
        assert len(tx["orders"]) == len(store["orders"]) == 1
        _in_thread(lambda: _expect(len(store["orders"]) == 0))
    _in_thread(lambda: _expect(len(store["orders"]) == 1))


def _expect(truth: bool) -> None:
    assert truth


def test_a_second_writer_is_told_that_the_store_is_busy(store: Store) -> None:
    def write() -> None:
        with pytest.raises(StoreBusy):
            store["orders"].insert({"id": 2})
        with pytest.raises(StoreBusy), store.transaction(durable=True):
            pass

    with store.transaction() as tx:
        tx["orders"].insert({"id": 1})
        _in_thread(write)
    _in_thread(lambda: store["orders"].insert({"id": 2}))
    assert [each["id"] for each in store["orders"]] == [1, 2]


def test_an_inner_transaction_joins_the_outer_one(store: Store) -> None:
    told: list[str] = []
    with store.transaction() as outer:
        outer["orders"].insert({"id": 1})
        with pytest.raises(DuplicateKey), store.transaction() as inner:
            inner["fills"].insert({"id": 1})
            inner.append("Lost", {}, 1)
            inner.after_commit(lambda: told.append("lost"))
            inner["orders"].insert({"id": 1})
        with store.transaction(durable=True) as inner:
            inner["fills"].insert({"id": 2})
            inner.after_commit(lambda: told.append("kept"))
        assert told == []
    assert told == ["kept"]
    assert [each["id"] for each in store["fills"]] == [2]
    assert store.journal.read(0) == []
    with pytest.raises(ZeroDivisionError), store.transaction():
        with store.transaction() as inner:
            inner["fills"].insert({"id": 3})
        _ = 1 / 0
    assert [each["id"] for each in store["fills"]] == [2]


def test_what_follows_a_commit_never_follows_a_rollback(store: Store) -> None:
    told: list[int] = []
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        tx.after_commit(lambda: told.append(1))
        _ = 1 / 0
    with store.transaction() as tx:
        tx["orders"].insert({"id": 1})
        tx.after_commit(lambda: told.append(len(store["orders"])))
        tx.after_commit(lambda: store["orders"].insert({"id": 2}))
    assert told == [1]
    assert len(store["orders"]) == 2


def test_a_transaction_that_has_ended_is_of_no_use(store: Store) -> None:
    with store.transaction() as tx:
        pass
    for use in (
        lambda: tx["orders"],
        lambda: tx.append("x", {}, 1),
        lambda: tx.cursor("x"),
        lambda: tx.move_cursor("x", 0),
    ):
        with pytest.raises(StoreError, match="ended"):
            use()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/closed.db", SPECS)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store["orders"].all()
    with pytest.raises(StoreError, match="closed"), store.transaction():
        pass
    _in_thread(lambda: _expect_closed(store))


def _expect_closed(store: Store) -> None:
    with pytest.raises(StoreError, match="closed"), store.transaction(durable=True):
        pass


def test_the_journal_keeps_the_order_and_each_key_once(store: Store) -> None:
    with store.transaction() as tx:
        assert tx.append("A", {"n": 1}, 10, key="k1") == 1
        assert tx.append("B", {"n": 2}, 11) == 2
        assert tx.append("A", {"n": 3}, 12, key="k1") == 1
    with store.transaction() as tx:
        assert tx.append("C", {"n": 4}, 13, key="k1") == 1
        assert tx.append("A", {"n": 5}, 14, key="k2") == 3
    assert store.journal.last_seq() == 3
    assert store.journal.read(0) == [
        Entry(1, "A", 10, {"n": 1}),
        Entry(2, "B", 11, {"n": 2}),
        Entry(3, "A", 14, {"n": 5}),
    ]
    assert [each.seq for each in store.journal.read(1, limit=1)] == [2]
    assert [each.seq for each in store.journal.read(0, kinds={"A", "C"})] == [1, 3]
    assert store.journal.read(0, kinds=()) == []
    with pytest.raises(InvalidDocument), store.transaction() as tx:
        tx.append("A", {"n": float("nan")}, 15)


def test_cursors_move_only_forward_and_never_beyond_the_end(store: Store) -> None:
    with store.transaction() as tx:
        for number in range(5):
            tx.append("A", {"n": number}, number)
        assert tx.cursor("c") == 0
        assert tx.move_cursor("c", 3)
        assert not tx.move_cursor("c", 3)
        assert not tx.move_cursor("c", 2)
        assert tx.cursor("c") == 3
        with pytest.raises(InvalidQuery):
            tx.move_cursor("c", 6)
    assert store.journal.cursors() == {"c": 3}


def test_trimming_spares_what_a_consumer_has_not_read(store: Store) -> None:
    with store.transaction() as tx:
        for number in range(1, 7):
            tx.append("A", {}, number, key=f"k{number}")
        tx.move_cursor("slow", 2)
        tx.move_cursor("fast", 6)
    assert store.journal.trim(5) == 2
    assert [each.seq for each in store.journal.read(0)] == [3, 4, 5, 6]
    store.journal.forget_cursor("slow")
    assert store.journal.trim(100) == 4
    assert store.journal.last_seq() == 6
    with store.transaction() as tx:
        assert tx.append("A", {}, 1, key="k2") == 2
        assert tx.append("A", {}, 1) == 7
        assert tx.move_cursor("fast", 7)


def test_dead_letters_keep_entry_and_reason(store: Store) -> None:
    with store.transaction() as tx:
        tx.append("A", {"x": 1}, 5)
    entry = store.journal.read(0)[0]
    with store.transaction() as tx:
        tx.bury("outbox", entry, "no chat", 9)
        tx.bury("outbox", entry, "still no chat", 10)
        tx.bury("desk", entry, "other", 11)
        tx.move_cursor("outbox", entry.seq)
    (letter,) = store.journal.dead_letters("outbox")
    assert (letter.consumer, letter.entry, letter.error, letter.buried_ms) == ("outbox", entry, "still no chat", 10)
    assert [each.consumer for each in store.journal.dead_letters()] == ["desk", "outbox"]


def test_a_lease_has_one_holder_and_growing_tokens(store: Store) -> None:
    leases = store.leases
    first = leases.acquire("account:1", "a", ttl_ms=100, now_ms=0)
    assert first == Lease("account:1", "a", 1, 100)
    assert leases.acquire("account:1", "b", 100, 99) is None
    assert leases.owner("account:1", 99) == first
    renewed = leases.renew(first, 50)
    assert renewed == Lease("account:1", "a", 1, 150)
    assert leases.acquire("account:1", "b", 100, 149) is None
    second = leases.acquire("account:1", "b", 100, 150)
    assert second is not None
    assert second.token == 2
    assert leases.renew(first, 151) is None
    assert not leases.release(first)
    again = leases.acquire("account:1", "b", 100, 160)
    assert again is not None
    assert again.token == 3
    assert leases.renew(second, 161) is None
    assert leases.release(again)
    assert leases.owner("account:1", 162) is None
    third = leases.acquire("account:1", "a", 100, 162)
    assert third is not None
    assert third.token == 4
    assert leases.renew(third, 262) is None


def test_an_append_rings_and_a_plain_write_does_not(store: Store) -> None:
    with store.doorbell.listen("reader") as bell:
        store["orders"].insert({"id": 1})
        with store.transaction() as tx:
            tx["orders"].insert({"id": 2})
        assert not bell.wait(0)
        for number in range(3):
            with store.transaction() as tx:
                tx.append("A", {}, number)
        assert bell.wait(5)
        assert not bell.wait(0)
        with pytest.raises(ZeroDivisionError), store.transaction() as tx:
            tx.append("A", {}, 9)
            _ = 1 / 0
        assert not bell.wait(0)
        with store.transaction() as tx:
            tx.append("A", {}, 1, key="k")
        assert bell.wait(5)
        with store.transaction() as tx:
            tx.append("A", {}, 1, key="k")
        assert not bell.wait(0)


async def test_waiting_without_blocking_the_loop(store: Store) -> None:
    with store.doorbell.listen("reader") as bell:
        assert not await bell.wait_async(0)
        waiter = asyncio.create_task(bell.wait_async(20))
        await asyncio.sleep(0)
        with store.transaction() as tx:
            tx.append("A", {}, 1)
        assert await waiter
        assert not await bell.wait_async(0)
        store.doorbell.ring()
        assert await bell.wait_async(0)


def test_every_listener_hears_and_the_dead_are_cleared_away(store: Store) -> None:
    first, second = store.doorbell.listen("same"), store.doorbell.listen("same")
    dead = store.doorbell.listen("dead")
    dead._socket.close()  # as a killed process leaves it: the file stays
    assert len(list(store.doorbell.directory.iterdir())) == 3
    store.doorbell.ring()
    assert first.wait(5)
    assert second.wait(5)
    assert len(list(store.doorbell.directory.iterdir())) == 2
    second.close()
    for _ in range(2000):  # more than the queue takes: the ringer never waits
        store.doorbell.ring()
    assert first.wait(5)
    assert not first.wait(0)
    first.close()
    store.doorbell.ring()
    with pytest.raises(InvalidQuery):
        store.doorbell.listen("../x")


def test_a_path_too_long_for_a_socket_still_has_a_doorbell(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("name" * 20)
    with open_store(f"sqlite:///{folder}/s.db", SPECS) as one, open_store(f"sqlite:///{folder}/s.db", SPECS) as other:
        with one.doorbell.listen("reader") as bell:
            with other.transaction() as tx:
                tx.append("A", {}, 1)
            assert bell.wait(5)
        one.doorbell.directory.rmdir()


def test_threads_share_a_store(store: Store) -> None:
    store["orders"].insert({"id": "counter", "n": 0})

    def count() -> None:
        for _ in range(50):
            while True:
                try:
                    with store.transaction() as tx:
                        tx["orders"].update(lambda each: each.update(n=each["n"] + 1), where("id") == "counter")
                    break
                except StoreBusy:
                    continue

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert store["orders"].get(key="counter") == {"id": "counter", "n": 200}
