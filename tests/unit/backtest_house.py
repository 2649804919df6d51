"""A small installation for tests of backtests: a store, hours of two symbols, and a worker who works when the doorbell rings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from database import Store
from modules.backtest_jobs.desk import BacktestDesk
from modules.backtest_jobs.jobs import Job, Lane
from modules.backtest_jobs.queue import JobQueue, Order
from modules.backtest_jobs.workshop import Fetch, Running, Workshop
from modules.backtesting.robustness.subject import Cancelled
from modules.candles import CandleStore, SeriesName
from modules.domain.errors import Trouble
from modules.domain.market import ms_from_utc, utc_from_ms
from modules.records import open_records
from modules.runtime.heartbeat import Heartbeat
from tests.contracts.backtest_objects import RULES, wave
from tests.fakes.clock import ScriptedClock

START_MS = 1_704_067_200_000
HOUR_MS = 3_600_000
BARS = 1_500
WISH: Mapping[str, Any] = {"strategy": RULES, "symbols": ["BTCUSDT"], "days": 30}


class House:
    """One data directory. It is an hour after the last candle."""

    def __init__(
        self,
        folder: Path,
        *,
        store: Store | None = None,
        clock: ScriptedClock | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.folder = folder
        self.store = store or open_records(f"sqlite:///{folder / 'store.db'}", folder)
        self.clock = clock or ScriptedClock(utc_from_ms(START_MS + (BARS + 1) * HOUR_MS))
        self.start_ms = ms_from_utc(self.clock.now()) // HOUR_MS * HOUR_MS - (BARS + 1) * HOUR_MS
        self.candles = CandleStore(folder / "candles")
        for symbol in ("BTCUSDT", "ETHUSDT"):
            self.candles.upsert(SeriesName("binance", symbol, "1h"), wave(BARS, symbol=symbol, start_ms=self.start_ms))
        self.queue = JobQueue(self.store)
        self.desk = BacktestDesk(self.store, folder / "run", self.clock)
        self.workshop = Workshop(self.store, self.queue, folder, self.clock, fetch=fetch, exchange="binance")

    @property
    def now(self) -> Any:
        return self.clock.now()

    def submit(self, wish: Mapping[str, Any] = WISH, user_id: str = "ann") -> Job:
        return self.queue.submit(Order(user_id, "a test", wish), self.now)

    def work(self, holder: str = "worker") -> list[Job]:
        """Carries out everything that waits; the jobs as they ended."""
        done: list[Job] = []
        for lane in Lane:
            while (job := self.queue.claim(holder, lane, self.now)) is not None:
                try:
                    self.workshop.carry_out(Running(job))
                except Cancelled:
                    self.queue.cancelled(job, self.now)
                except Exception as error:
                    self.queue.fail(job, Trouble(repr(error), code="internal"), self.now)
                    raise
                done.append(self.queue.get(job.user_id, job.id))
        return done

    def done(self, wish: Mapping[str, Any] = WISH, user_id: str = "ann") -> Job:
        """A test handed in and carried out."""
        job = self.submit(wish, user_id)
        self.work()
        return self.queue.get(user_id, job.id)

    def document(self, job: Job) -> dict[str, Any]:
        assert job.error is None, job.error
        return self.desk.results.document(job.user_id, str(job.result_id))

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A worker beside the test, for those who wait for an answer."""
        (self.folder / "run").mkdir(exist_ok=True)
        Heartbeat(self.folder / "run", "backtester").beat(ms_from_utc(self.now))
        over = Event()
        with self.store.doorbell.listen("worker") as bell:
            thread = Thread(target=self._serve, args=(over, bell.wait))
            thread.start()
            try:
                yield
            finally:
                over.set()
                self.store.doorbell.ring()
                thread.join(30)

    def _serve(self, over: Event, rings: Callable[[float], bool]) -> None:
        while not over.is_set():
            rings(30)
            self.work()

    def close(self) -> None:
        self.store.close()
