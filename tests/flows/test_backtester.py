"""The backtester at work: two lanes, leases, progress, cancelling, stopping in order, and history fetched where it is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event
from typing import get_args

import pytest

from modules.backtest_jobs.jobs import Job
from modules.backtest_jobs.workshop import REST, Running
from modules.candles import SeriesName
from modules.connections.candle_download import MARKET_TYPES
from modules.domain.errors import Unavailable
from modules.runtime.settings import Settings
from services.backtester import MARKETS, RENEW, Backtester
from tests.contracts.backtest_objects import wave
from tests.unit.backtest_house import BARS, HOUR_MS, WISH, House

SEARCH = {**WISH, "kind": "search", "search": {"space": {"entry_conditions.rsi.value": [30, 35, 40]}, "min_trades": 1}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


async def ready(house: House, holder: str = "one") -> Backtester:
    """A worker that has warmed up."""
    worker = Backtester(house.queue, house.workshop, holder=holder, warm=lambda: None)
    await worker.start()
    await worker.wake.wait()
    worker.wake.clear()
    return worker


async def turns(worker: Backtester, house: House, until: Callable[[], bool]) -> None:
    """Turns whenever the worker is woken, until something is so."""
    async with asyncio.timeout(120):
        while not until():
            worker.wake.clear()
            await worker.turn(house.now)
            if not until():
                await worker.wake.wait()


def seen(house: House, job: Job) -> Job:
    return house.queue.get(job.user_id, job.id)


async def test_nothing_is_taken_before_the_worker_is_warm(house: House) -> None:
    warm = Event()
    worker = Backtester(house.queue, house.workshop, holder="one", warm=lambda: warm.wait(30) and None)
    job = house.submit()
    await worker.start()
    await worker.turn(house.now)
    assert seen(house, job).status == "queued"
    warm.set()
    await worker.wake.wait()
    await turns(worker, house, lambda: seen(house, job).ended)
    assert seen(house, job).status == "done"


async def test_a_short_job_does_not_wait_for_a_long_one(house: House) -> None:
    hold, entered = Event(), Event()
    carry_out = house.workshop.carry_out

    def slow(running: Running) -> None:
        if running.job.kind == "search":
            entered.set()
            hold.wait(20)
        carry_out(running)

    house.workshop.carry_out = slow  # type: ignore[method-assign]
    worker = await ready(house)
    long, short = house.submit(SEARCH), house.submit()
    await turns(worker, house, lambda: seen(house, short).ended)
    assert await asyncio.to_thread(entered.wait, 60)
    assert seen(house, long).status == "running"
    assert "search" in worker.status()[1]
    hold.set()
    await turns(worker, house, lambda: seen(house, long).ended)
    assert seen(house, long).status == "done"


async def test_a_running_job_is_held_and_ends_soon_after_it_was_cancelled(house: House) -> None:
    entered = Event()

    def endless(running: Running) -> None:
        running.stage = "testing"
        entered.set()
        running.stop.wait(20)
        running.hear(0.25)

    house.workshop.carry_out = endless  # type: ignore[method-assign]
    worker = await ready(house)
    job = house.submit(SEARCH)
    await worker.turn(house.now)
    assert await asyncio.to_thread(entered.wait, 60)
    before = seen(house, job).lease_until
    house.passes(RENEW.total_seconds())
    await worker.turn(house.now)
    held = seen(house, job)
    assert held.stage == "testing"
    assert before is not None
    assert held.lease_until is not None
    assert held.lease_until > before
    house.queue.cancel("ann", job.id, house.now)
    house.passes(RENEW.total_seconds())
    await turns(worker, house, lambda: seen(house, job).ended)
    assert seen(house, job).status == "cancelled"


async def test_a_worker_that_stops_puts_its_job_back(house: House) -> None:
    entered = Event()

    def endless(running: Running) -> None:
        entered.set()
        running.stop.wait(20)
        running.hear(0.5)

    house.workshop.carry_out = endless  # type: ignore[method-assign]
    worker = await ready(house)
    job = house.submit()
    await worker.turn(house.now)
    assert await asyncio.to_thread(entered.wait, 60)
    await worker.stop()
    assert (seen(house, job).status, seen(house, job).tries) == ("queued", 0)


async def test_a_bug_fails_the_job_and_not_the_worker(house: House) -> None:
    def broken(running: Running) -> None:
        raise ZeroDivisionError

    carry_out, house.workshop.carry_out = house.workshop.carry_out, broken  # type: ignore[method-assign]
    worker = await ready(house)
    job = house.submit()
    await turns(worker, house, lambda: seen(house, job).ended)
    failed = seen(house, job)
    assert failed.error is not None
    assert (failed.status, failed.error["code"]) == ("failed", "internal")
    house.workshop.carry_out = carry_out  # type: ignore[method-assign]
    again = house.submit()
    await turns(worker, house, lambda: seen(house, again).ended)
    assert seen(house, again).status == "done"


def test_missing_history_is_fetched_with_what_goes_before_it(tmp_path: Path) -> None:
    asked: list[tuple[list[SeriesName], int]] = []

    def fetch(names: list[SeriesName], since_ms: int, progress: Callable[[float], None]) -> None:
        asked.append((names, since_ms))
        progress(1.0)
        for name in names:
            house.candles.upsert(name, wave(BARS, symbol=name.symbol, start_ms=house.start_ms))

    house = House(tmp_path, fetch=fetch)
    job = house.done({**WISH, "symbols": ["SOLUSDT"], "days": 10})
    told = house.document(job)
    assert told["data"]["symbol"] == "SOLUSDT"
    ((names, since_ms),) = asked
    assert names == [SeriesName("binance", "SOLUSDT", "1h")]
    assert since_ms < told["data"]["from"] - 200 * HOUR_MS
    assert house.done(WISH).status == "done"
    assert len(asked) == 1, "what is stored is not asked for again"
    house.close()


def test_an_exchange_out_of_reach_is_said_and_left_alone_for_a_while(tmp_path: Path) -> None:
    asked: list[int] = []

    def fetch(_names: list[SeriesName], since_ms: int, _progress: Callable[[float], None]) -> None:
        asked.append(since_ms)
        raise Unavailable("nobody answers")

    house = House(tmp_path, fetch=fetch)
    for _ in range(2):
        failed = house.done({**WISH, "symbols": ["SOLUSDT"]})
        assert failed.error is not None
        assert failed.error["code"] == "no_data"
        assert "no data for SOLUSDT 1h from" in failed.error["message"]
    assert len(asked) == 1
    house.passes(REST.total_seconds())
    house.done({**WISH, "symbols": ["SOLUSDT"]})
    assert len(asked) == 2
    house.close()


def test_every_price_exchange_can_be_asked_for_history() -> None:
    kinds = Settings.model_fields["price_exchange"].annotation
    assert set(get_args(kinds)) == set(MARKETS)
    assert {kind for _, kind in MARKETS.values()} == set(MARKET_TYPES)
