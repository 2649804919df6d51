"""Where doors hand in tests: one is queued, waited for a moment, and answered, or its job is named. Imports nothing compiled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from database import Store
from modules.backtest_jobs.jobs import Job, JobStatus, Reply, trouble_of
from modules.backtest_jobs.queue import JobQueue, Order
from modules.backtest_jobs.results import ResultBook
from modules.domain.errors import Trouble
from modules.domain.market import ms_from_utc
from modules.domain.ports import Clock
from modules.runtime.heartbeat import read_beats

#: A process that was silent for longer is not waited for.
_ALIVE_MS: Final = 5_000
_STEP_SECONDS: Final = 0.05
_WORKER: Final = "backtester"


class BacktestDesk:
    """Hands tests in for users and reads what came of them."""

    def __init__(self, store: Store, run_dir: Path, clock: Clock) -> None:
        self._store = store
        self._run_dir = run_dir
        self._clock = clock
        self.queue = JobQueue(store)
        self.results = ResultBook(store)

    def submit(self, user_id: str, wish: Mapping[str, Any], reply: Reply | None = None) -> Job:
        """Queues a test. Raises Conflict where the user has too many under way."""
        return self.queue.submit(Order(user_id, title_of(wish), wish, reply), self._clock.now())

    def await_end(self, job: Job, seconds: float) -> Job:
        """The job as it is when it ends, or after so long; at once where nobody works."""
        if not self.worked(self._clock.now()):
            return self.queue.get(job.user_id, job.id)
        deadline = self._clock.monotonic() + seconds
        with self._store.doorbell.listen("tests") as bell:
            while True:
                found = self.queue.get(job.user_id, job.id)
                if found.ended or self._clock.monotonic() >= deadline:
                    return found
                bell.wait(_STEP_SECONDS)

    def worked(self, now: datetime) -> bool:
        """Whether a process carries out tests now."""
        beat = read_beats(self._run_dir).get(_WORKER)
        return beat is not None and ms_from_utc(now) - beat.at_ms < _ALIVE_MS


def refuse_failed(job: Job) -> None:
    """Raises what a failed or cancelled job failed of."""
    if job.error is not None:
        raise trouble_of(job.error)
    if job.status == JobStatus.CANCELLED.value:
        raise Trouble("The test was cancelled.", code="cancelled")


def title_of(wish: Mapping[str, Any]) -> str:
    """A job in a few words."""
    said = wish.get("strategy") or wish.get("strategy_id") or "the built-in strategy"
    name = said.get("name") or said.get("builtin") if isinstance(said, Mapping) else said
    kind = str(wish.get("kind", "backtest")).replace("_", " ")
    where = ", ".join(wish.get("symbols") or []) or "its symbols"
    days = f", {wish['days']} days" if wish.get("days") else ""
    return f"{kind} of {name or 'a strategy'} on {where}{days}"[:200]
