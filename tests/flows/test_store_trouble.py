"""A full disk, a locked or damaged store while money is at stake: nothing half done, and it goes on once it can."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from database import StoreBusy, StoreDamaged, StoreFull
from database.sqlite_engine import SqliteEngine
from modules.domain.market import Quote, ms_from_utc
from modules.domain.plans import ExitRules, OppositeRule
from modules.domain.positions import PositionStatus
from modules.records import open_records
from modules.rehearsal.stage import Board
from modules.runtime.settings import Settings
from modules.signals.tracker import SignalTracker
from modules.trading.advanced_book import AdvancedBook
from modules.trading.position_monitor import PositionMonitor
from modules.wiring import open_core
from services.advanced_orders import AdvancedOrdersMonitor
from services.target_monitor import TargetMonitor
from tests.flows.test_trading_entries import assert_books_agree, working
from tests.flows.world import ENTRY, World


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
    world.price("BTCUSDT", "60500")
    closed = world.position()
    assert (closed.close_reason, closed.exit_price) == ("stop_loss", 58_900)
    assert_books_agree(world)


def test_a_lost_quote_says_nothing_to_an_order_placed_after_it(world: World) -> None:
    world.account(opposite=OppositeRule.HEDGE)
    world.say(ENTRY)
    world.settle()
    with commits_fail(StoreFull("disk full")), pytest.raises(StoreFull):
        world.price("BTCUSDT", "60300/60300/58900/59500")
    world.clock.advance(1)
    world.say("#BTC/USDT SHORT\nEntry: 60200\nStop Loss: 61500\nTargets: 58000 - 57000\nLeverage: 5x", "2")
    world.settle()
    world.price("BTCUSDT", "60000")
    assert world.position().close_reason == "stop_loss"
    assert [each["role"] for each in world.store["orders"].all() if each["state"] == "open"] == ["entry"]


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
    engine = world.store._engine
    patience, engine._timeout = engine._timeout, 0.05
    yield
    engine._timeout = patience


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


@pytest.mark.parametrize("number", range(1, 5))
def test_what_a_price_decided_is_asked_for_once_the_store_takes_it(world: World, number: int) -> None:
    world.account(exits=ExitRules(break_even_after=None, break_even_at_r=Decimal("0.5"), time_exit_seconds=600))
    world.say(ENTRY)
    world.settle()
    with commits_fail(StoreFull("disk full"), from_number=number, times=1), suppress(StoreFull):
        world.price("BTCUSDT", "60700")
    world.price("BTCUSDT", "60600")
    world.settle()
    assert world.position().stop_loss == 60_000
    world.clock.advance(600)
    with commits_fail(StoreFull("disk full"), from_number=number, times=1), suppress(StoreFull):
        world.price("BTCUSDT", "60650")
    world.price("BTCUSDT", "60600")
    world.settle()
    assert (world.position().status, world.position().close_reason) == (PositionStatus.CLOSED, "time")
    assert_books_agree(world)


def test_a_row_is_not_stored_before_what_it_decided_is_asked_for(world: World, tmp_path: Path) -> None:
    world.account(exits=ExitRules(break_even_after=None, time_exit_seconds=600))
    world.say(ENTRY)
    world.settle()
    world.clock.advance(600)
    with commits_fail(StoreFull("disk full")), pytest.raises(StoreFull):
        world.price("BTCUSDT", "60650")
    for monitor in world.stage.monitors:
        monitor.flush(world.clock.now(), at_once=True)
    again = World(tmp_path, world.clock)
    again.price("BTCUSDT", "60660")
    again.settle(reconcile=True)
    assert again.position().status is PositionStatus.CLOSED
    again.close()


@pytest.mark.parametrize(
    ("price", "hits", "status"), [("58500", [], "closed"), ("61500", [1], "active"), ("63500", [1, 2, 3], "closed")]
)
def test_a_signal_is_judged_by_a_price_that_came_while_the_disk_was_full(
    world: World, price: str, hits: list[int], status: str
) -> None:
    taken = world.say(ENTRY)
    world.settle()
    now = world.clock.advance(1)
    quote = Quote.at_price("test", "BTCUSDT", ms_from_utc(now), Decimal(price))
    with commits_fail(StoreFull("disk full")), pytest.raises(StoreFull):
        world.stage.tracker.on_quote(quote, now)
    world.stage.tracker.sync(now)
    signal = world.signal(taken.signal_id)
    assert ([hit.number for hit in signal.hits], signal.status.value) == (hits, status)


def test_what_the_journal_told_is_looked_at_again_where_the_store_failed(world: World) -> None:
    enter_two(world)
    monitor = world.stage.monitors[0]
    for request in ("1", "2"):
        world.say("Close this trade now", f"close {request}", reply_to=request)
    world.stage.planner.read(world.clock.now())
    settle_account(world)
    monitor._consumer.turn(world.clock.now())
    with commits_fail(StoreFull("disk full")), pytest.raises(StoreFull):
        monitor.sync(world.clock.now())
    monitor.sync(world.clock.now())
    assert monitor.symbols() == ()


def enter_two(world: World) -> None:
    """Two trades of the plain ladder, on two symbols."""
    world.price("ETHUSDT", "60000")
    world.say(ENTRY)
    world.say(ENTRY.replace("BTC", "ETH"), "2")
    world.settle()
    assert len(world.stage.monitors[0].symbols()) == 2


def settle_account(world: World) -> None:
    """The account's lane alone; no monitor hears of it yet."""
    lane = world.stage._lane("a1")

    async def once() -> None:
        lane.kick()
        await lane.idle()

    asyncio.run(once())


@pytest.mark.parametrize("process", ["targets", "orders"])
def test_a_price_that_one_part_could_not_book_still_reaches_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: str
) -> None:
    def full(*_: object) -> int:
        raise StoreFull("disk full")

    seen: list[str] = []
    monkeypatch.setattr(PositionMonitor, "on_quote", full)
    for each in (SignalTracker, AdvancedBook):
        monkeypatch.setattr(each, "on_quote", lambda _self, quote, _now: seen.append(quote.symbol))
    core = open_core(Settings(_env_file=None, data_dir=tmp_path))
    made = {"targets": TargetMonitor, "orders": AdvancedOrdersMonitor}[process](core, Board())  # type: ignore[arg-type]
    now_ms = ms_from_utc(core.clock.now())
    with pytest.raises(StoreFull):
        made.quote(Quote.at_price("test", "BTCUSDT", now_ms, Decimal(60_000)))
    assert seen == ["BTCUSDT"]
    core.store.close()
