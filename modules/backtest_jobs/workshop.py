"""One job carried out: read what was asked, get the candles, run the test, keep the result. Runs in a thread of its own.

The thread tells how far it is and is told when to stop; whoever owns it renews the job's lease meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Final

from database import Store
from modules.backtest_jobs.descriptions import Description, Kind
from modules.backtest_jobs.drawing import result_picture
from modules.backtest_jobs.histories import Material, Needs, from_store, missing_in_store
from modules.backtest_jobs.jobs import Job
from modules.backtest_jobs.limits import refuse_too_large
from modules.backtest_jobs.queue import JobQueue
from modules.backtest_jobs.results import Finished
from modules.backtest_jobs.running import Means, Outcome, carry_out, needs_of, work_of
from modules.backtest_jobs.wishes import description_of
from modules.backtest_jobs.wording import chat_text
from modules.backtesting.robustness.subject import Cancelled, Progress
from modules.candles import CandleStore, SeriesName
from modules.domain.errors import NotFound, Trouble
from modules.domain.ports import Clock
from modules.runtime.logs import log

#: Gets histories into the store from an exchange: (names, from ms, progress). Raises Trouble where it can't.
Fetch = Callable[[list[SeriesName], int, Progress], None]
#: Having failed to reach an exchange, nothing is fetched for so long: whoever waits is told at once.
REST: Final = timedelta(minutes=2)
_SHARE_OF_FETCHING: Final = 0.5
#: Tests whose run is too long, or can't be, made again for a picture.
_DRAWN_AT_ONCE: Final = frozenset({Kind.SEARCH, Kind.WALK_FORWARD, Kind.MONTE_CARLO})


@dataclass(slots=True)
class Running:
    """A job under way: what its thread says, and whether it is to stop."""

    job: Job
    stage: str = "starting"
    progress: float = 0.0
    stop: Event = field(default_factory=Event)

    def hear(self, share: float) -> None:
        """The progress callback of the thread. Raises Cancelled once the job is to stop."""
        if self.stop.is_set():
            raise Cancelled
        self.progress = min(max(share, 0.0), 1.0)


class Workshop:
    """Where jobs are carried out: candles in `data_dir`, and a way to fetch more (None: no exchange is asked)."""

    def __init__(
        self, store: Store, queue: JobQueue, data_dir: Path, clock: Clock, *, fetch: Fetch | None = None,
        exchange: str = "",
    ) -> None:  # fmt: skip
        self._store = store
        self._queue = queue
        self._candles = CandleStore(data_dir / "candles")
        self._kept = data_dir / "searches"
        self._pictures = data_dir / "pictures"
        self._clock = clock
        self._fetch = fetch
        self._exchange = exchange
        self._rest_until: datetime | None = None
        self._log = log("backtester")

    def carry_out(self, running: Running) -> None:
        """Carries the job out and ends it in the store. Raises Cancelled where it was told to stop."""
        job = running.job
        try:
            described = description_of(job.wish, job.user_id, job.created_at, self._store)
            material = self._material(described, running)
            running.stage = "testing"
            refuse_too_large(work_of(described, material))
            begun = running.progress
            outcome = carry_out(
                described,
                material,
                lambda share: running.hear(begun + (1.0 - begun) * share),
                Means(kept=self._kept, tables=True),
            )
            running.stage = "storing"
            self._queue.finish(job, self._finished(job, described, outcome), self._clock.now())
        except Trouble as trouble:
            self._queue.fail(job, trouble, self._clock.now())
        except MemoryError:
            self._log.error("job out of memory", job=job.id)
            self._queue.fail(job, Trouble("It needs more memory than there is.", code="too_large"), self._clock.now())

    def _finished(self, job: Job, described: Description, outcome: Outcome) -> Finished:
        """What the job leaves behind; a chat's job with its picture in a file, too."""
        for_chat = bool(job.wish.get("picture"))
        wanted = for_chat or described.kind in _DRAWN_AT_ONCE
        drawn = result_picture(outcome) if wanted and len(outcome.result.times) > 1 else None
        path = None
        if for_chat and drawn is not None:
            file = self._pictures / f"{job.id}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(drawn)
            path = str(file)
        return Finished(outcome.document, described.as_json(), drawn, chat_text(outcome.document), path)

    def _material(self, described: Description, running: Running) -> Material:
        needs, refused = needs_of(described), ""
        running.stage = "reading candles"
        if self._fetch is not None and needs.exchange in (None, self._exchange):
            refused = self._fetch_missing(needs, running)
        try:
            return from_store(needs, self._candles)
        except NotFound as missing:
            raise NotFound(missing.message + refused, code=missing.code) from missing

    def _fetch_missing(self, needs: Needs, running: Running) -> str:
        """Fetches what the store lacks; what is said where that was not possible."""
        names = missing_in_store(needs, self._candles, self._exchange)
        if not names or self._fetch is None or needs.start_ms is None:
            return ""
        now = self._clock.now()
        if self._rest_until is not None and now < self._rest_until:
            return f"; {self._exchange} could not be reached to fetch it"
        running.stage = "fetching candles"
        since = min(needs.start_ms - needs.warm_up(name.timeframe) * name.timeframe_ms for name in names)
        try:
            self._fetch(names, max(since, 0), lambda share: running.hear(_SHARE_OF_FETCHING * share))
        except Trouble as trouble:
            self._log.warning("candles not fetched", reason=trouble.message)
            self._rest_until = now + REST
            return f"; {self._exchange} was asked for it: {trouble.message}"
        return ""
