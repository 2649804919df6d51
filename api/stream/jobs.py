"""How far jobs are: each change is told to the job's owner, on `jobs` and on `jobs:ID`. Looked at only while somebody listens."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from api.stream.hub import Hub
from database import Store
from modules.backtest_jobs.queue import JobQueue
from modules.backtest_jobs.views import job_row
from modules.domain.market import ms_from_utc, utc_from_ms

JOBS_MS: Final = 250
#: A change is written with the time at which it was made; one that is stored later than a newer one is still found for so long.
_LATE_MS: Final = 2_000


class JobProgress:
    """Tells of the jobs that changed since the last look."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._queue = JobQueue(store)
        self._hub = hub
        self._due_ms = 0
        self._since_ms = -1
        #: What was told already, by job, and when it was made.
        self._told: dict[str, tuple[int, str, float]] = {}

    def turn(self, now: datetime) -> None:
        """At most four times a second; the first look only learns what time it is."""
        now_ms = ms_from_utc(now)
        if 0 < self._due_ms - now_ms <= JOBS_MS:
            return
        self._due_ms = now_ms + JOBS_MS
        if self._since_ms < 0 or not self._hub.sessions:
            self._since_ms, self._told = now_ms, {}
            return
        for job in self._queue.changed_since(utc_from_ms(max(self._since_ms, now_ms - _LATE_MS))):
            state = (ms_from_utc(job.changed_at), job.status, job.progress)
            if self._told.get(job.id) == state:
                continue
            self._told[job.id] = state
            row = job_row(job)
            self._hub.publish("jobs", "job", row, job.user_id)
            self._hub.publish(f"jobs:{job.id}", "job", row, job.user_id)
        self._told = {name: state for name, state in self._told.items() if state[0] >= now_ms - _LATE_MS}
