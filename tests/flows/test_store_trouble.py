"""A full disk, a locked or damaged store while money is at stake: nothing half done, and it goes on once it can."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from database import StoreBusy, StoreDamaged, StoreFull
from database.sqlite_engine import SqliteEngine
from modules.domain.positions import PositionStatus
from modules.records import open_records
from tests.flows.test_trading_entries import assert_books_agree, working
from tests.flows.world import ENTRY, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.account()
    made.price("BTCUSDT", "60000")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Rendering a traceback for every failure would take longer than all else."""
    with capture_logs():
        yield


@contextmanager
def commits_fail(error: Exception, *, from_number: int = 1, times: int = 10**6) -> Iterator[list[int]]:
    """Commits `from_number` (from 1) and the next `times` raise; nothing of theirs is kept."""
    count = [0]
    real = SqliteEngine.commit

    def failing(engine: SqliteEngine) -> None:
        count[0] += 1
        if from_number <= count[0] < from_number + times:
            raise error
        real(engine)

    SqliteEngine.commit = failing  # type: ignore[method-assign]
    try:
        yield count
    finally:
        SqliteEngine.commit = real  # type: ignore[method-assign]


def test_a_full_disk_takes_no_message_and_the_next_try_does(world: World) -> None:
    with commits_fail(StoreFull("disk full")), pytest.raises(StoreFull):
        world.say(ENTRY)
    assert world.store["messages"].all() == []
    taken = world.say(ENTRY)
    assert (taken.accepted, taken.duplicate) == (True, False)


@pytest.mark.parametrize("error", [StoreFull("disk full"), StoreBusy("locked")], ids=["full", "busy"])
@pytest.mark.parametrize("number", range(1, 16))
def test_trouble_at_any_commit_of_an_entry_passes_without_a_trace(world: World, error: Exception, number: int) -> None:
    world.say(ENTRY)
    with commits_fail(error, from_number=number, times=2):
        for _ in range(2):
            try:
                world.settle()
            except (StoreFull, StoreBusy):
                continue
    world.settle()
    world.settle(reconcile=True)
    held = world.position()
    assert held.status is PositionStatus.OPEN
    assert len(working(world)) == 4
    assert len(world.store["orders"].all()) == 5
    assert world.events("Alarm") == []
    assert_books_agree(world)


def test_a_stop_that_fills_while_the_disk_is_full_is_settled_later(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    with commits_fail(StoreFull("disk full"), from_number=2), pytest.raises(StoreFull):
        world.price("BTCUSDT", "58900")
    world.settle()
    assert world.position().close_reason == "stop_loss"
    assert working(world) == []
    assert_books_agree(world)


def test_a_quote_lost_to_a_full_disk_is_made_good_by_the_next(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    with commits_fail(StoreFull("disk full")), pytest.raises(StoreFull):
        world.price("BTCUSDT", "58900")
    assert world.position().status is PositionStatus.OPEN
    world.price("BTCUSDT", "58800")
    assert world.position().close_reason == "stop_loss"
    assert_books_agree(world)


def test_another_writer_holding_the_file_delays_and_breaks_nothing(world: World) -> None:
    world.say(ENTRY)
    other = sqlite3.connect(world.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with short_wait(world), pytest.raises(StoreBusy):
            world.settle()
    finally:
        other.execute("ROLLBACK")
        other.close()
    world.settle()
    assert world.position().status is PositionStatus.OPEN
    assert_books_agree(world)


@contextmanager
def short_wait(world: World) -> Iterator[None]:
    """The store waits for other writers for a moment only."""
    connection = world.store._engine.connection()
    connection.execute("PRAGMA busy_timeout = 50")
    yield
    connection.execute("PRAGMA busy_timeout = 10000")


def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.account()
    world.close()
    path = tmp_path / "world.db"
    for each in tmp_path.glob("world.db-*"):
        if each.is_file():
            each.unlink()
    damaged = b"no database at all" * 500
    path.write_bytes(damaged)
    with pytest.raises(StoreDamaged):
        open_records(f"sqlite:///{path}", tmp_path)
    assert path.read_bytes() == damaged


def test_a_lane_that_failed_for_the_store_works_on_at_the_next_turn(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    world.say("Close this trade now", "2", reply_to="1")
    world.stage.planner.read(world.clock.now())
    lane = world.stage._lane("a1")

    async def once() -> None:
        lane.kick()
        await lane.idle()

    with commits_fail(StoreFull("disk full")):
        asyncio.run(once())
    assert isinstance(lane.failure, StoreFull)
    assert world.position().status is PositionStatus.OPEN
    asyncio.run(once())
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)
