"""The backtester: carries out the tests people ask for, one short and one long at a time, behind everything that trades.

Jobs are taken by lease: what this process dies over is taken up by the next. Tests run in threads; this loop holds their
leases, writes down how far they are, and tells them to stop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from modules.backtest_jobs.jobs import Lane
from modules.backtest_jobs.queue import JobQueue
from modules.backtest_jobs.warm import warm_up
from modules.backtest_jobs.workshop import Fetch, Running, Workshop
from modules.backtesting.robustness.subject import Cancelled
from modules.candles import CandleStore, SeriesName
from modules.connections.candle_download import Downloaded, Wanted
from modules.connections.candle_fetch import fetch
from modules.connections.feeds.addresses import Addresses, addresses_of
from modules.domain.errors import Trouble, Unavailable
from modules.domain.market import ms_from_utc
from modules.runtime.logs import log
from modules.runtime.process import run
from modules.wiring import Core, serve

#: How often a lease is renewed and progress written down.
RENEW: Final = timedelta(milliseconds=500)
_FETCH_SECONDS: Final = 60.0
#: Price exchanges as candle downloads call them, and the kind of market that their prices are of.
MARKETS: Final = {
    "binance": ("binance", "spot"),
    "binanceusdm": ("binanceusdm", "perpetual"),
    "bybit": ("bybit", "spot"),
    "bybitlinear": ("bybit", "perpetual"),
}


@dataclass(slots=True)
class Seat:
    """A lane's job under way and the thread it runs in."""

    running: Running
    task: asyncio.Task[None]
    renewed: datetime


class Backtester:
    """The process's worker."""

    name = "backtester"

    def __init__(self, queue: JobQueue, workshop: Workshop, *, holder: str, warm: Callable[[], None] = warm_up) -> None:
        self.wake = asyncio.Event()
        self._queue = queue
        self._workshop = workshop
        self._holder = holder
        self._warm = warm
        self._warming: asyncio.Task[None] | None = None
        self._seats: dict[Lane, Seat] = {}
        self._done = 0
        self._log = log("backtester")

    async def start(self) -> None:
        """Loads what a test needs, so that the first one is as fast as the next."""
        self._warming = asyncio.create_task(asyncio.to_thread(self._warm))
        self._warming.add_done_callback(lambda _done: self.wake.set())

    async def turn(self, now: datetime) -> bool:
        """Takes jobs into free lanes, holds on to those under way, and ends those that are done."""
        if self._warming is not None:
            if not self._warming.done():
                return False
            self._warming.result()
            self._warming = None
        for lane in Lane:
            seat = self._seats.get(lane)
            if seat is not None and seat.task.done():
                self._leave(lane, seat, now)
            elif seat is not None:
                await self._hold(seat, now)
            if lane not in self._seats:
                self._sit(lane, now)
        return False

    def _sit(self, lane: Lane, now: datetime) -> None:
        job = self._queue.claim(self._holder, lane, now)
        if job is None:
            return
        running = Running(job)
        task = asyncio.create_task(asyncio.to_thread(self._workshop.carry_out, running), name=job.id)
        task.add_done_callback(lambda _done: self.wake.set())
        self._seats[lane] = Seat(running, task, now)

    async def _hold(self, seat: Seat, now: datetime) -> None:
        """Renews the lease; a job that was called off, or is another's by now, is told to stop."""
        running = seat.running
        if now - seat.renewed < RENEW:
            return
        held = self._queue.renew(running.job, now, progress=round(running.progress, 3), stage=running.stage)
        seat.renewed = now
        if held is None or held.cancel_wanted:
            running.stop.set()

    def _leave(self, lane: Lane, seat: Seat, now: datetime) -> None:
        del self._seats[lane]
        error = seat.task.exception()
        job = seat.running.job
        if error is None:
            self._done += 1
            return
        if isinstance(error, Cancelled):
            self._queue.cancelled(job, now)
            return
        self._log.error("job failed", job=job.id, error=repr(error), exc_info=error)
        self._queue.fail(job, Trouble("Something went wrong here; it was written to the log.", code="internal"), now)

    async def stop(self) -> None:
        """Stops what runs and puts it back in the queue."""
        for seat in self._seats.values():
            seat.running.stop.set()
        await asyncio.gather(*(seat.task for seat in self._seats.values()), return_exceptions=True)
        for seat in self._seats.values():
            self._queue.give_back(seat.running.job, seat.renewed)
        self._seats.clear()

    def status(self) -> tuple[str, str]:
        """Always up while it turns; the detail says what is under way."""
        told = [f"{seat.running.job.kind} {seat.running.progress:.0%}" for seat in self._seats.values()]
        return "up", "; ".join([f"{self._done} done", *told])


def fetcher(core: Core) -> Fetch | None:
    """A way to fetch missing history, where prices come from an exchange at all."""
    settings = core.settings
    if settings.prices not in ("auto", "live"):
        return None
    sink = CandleStore(settings.data_dir / "candles")
    exchange = settings.price_exchange
    address = addresses_of(exchange, Addresses("", ""), settings.exchange_urls).rest or None

    def get(names: list[SeriesName], since_ms: int, progress: Callable[[float], None]) -> None:
        """Fetches what is missing of these histories since `since_ms`, within the time a fetch may take."""
        until = ms_from_utc(core.clock.now())
        ccxt_id, kind = MARKETS[exchange]
        wishes = [Wanted(name, since_ms, until, kind=kind) for name in names]

        async def within() -> list[Downloaded]:
            async with asyncio.timeout(_FETCH_SECONDS):
                return await fetch(ccxt_id, sink, wishes, address=address, progress=progress)

        try:
            results = asyncio.run(within())
        except TimeoutError:
            raise Unavailable(f"the exchange did not answer within {_FETCH_SECONDS:.0f} seconds") from None
        failed = [each.error for each in results if each.error is not None]
        if failed:
            raise Unavailable(failed[0])

    return get


async def main(stopping: asyncio.Event) -> None:
    """The life of this process, behind those that trade: tests take the processor that they leave."""
    async with serve("backtester", behind=True) as place:
        core = place.core
        queue = JobQueue(core.store)
        workshop = Workshop(
            core.store,
            queue,
            core.settings.data_dir,
            core.clock,
            fetch=fetcher(core),
            exchange=core.settings.price_exchange,
        )
        holder = f"{os.uname().nodename}:{os.getpid()}:{ms_from_utc(core.clock.now())}"
        await place.live(Backtester(queue, workshop, holder=holder), stopping)


if __name__ == "__main__":
    run(main)
