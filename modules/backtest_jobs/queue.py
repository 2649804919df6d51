"""The queue of tests in the store: taken by lease, so that whatever a process dies over is taken up by the next.

Every write of a job under way names who holds it; a holder that lost its lease (a long pause) writes nothing any more.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from tinydb import where

from database import Store, Transaction
from modules.accounts.listing import page
from modules.backtest_jobs.jobs import MOST_TRIES, Job, JobStatus, Lane, Reply, error_of
from modules.backtest_jobs.results import Finished, keep_result
from modules.backtest_jobs.wording import failed_text
from modules.domain.errors import Conflict, NotFound, Trouble
from modules.domain.market import ms_from_utc
from modules.notices.outbox import say
from modules.records import from_document, to_document

LEASE: Final = timedelta(seconds=5)
#: Jobs of one user that may wait or run at a time, and ended ones that are remembered.
MOST_WAITING: Final = 10
MOST_ENDED: Final = 200
_COLLECTION: Final = "jobs"
_SHORT: Final = frozenset({"backtest", "compare"})
_SHORT_DAYS: Final = 1_500


@dataclass(frozen=True, slots=True)
class Order:
    """A test to be queued: what a user wishes, and where the answer goes (None: the user will look)."""

    user_id: str
    title: str
    wish: Mapping[str, Any]
    reply: Reply | None = None

    @property
    def lane(self) -> Lane:
        """Single runs are short; what runs a strategy again and again is long."""
        again = self.wish.get("checks") or self.wish.get("kind", "backtest") not in _SHORT
        return Lane.LONG if again or int(self.wish.get("days") or 0) > _SHORT_DAYS else Lane.SHORT


class JobQueue:
    """The queue in one store."""

    def __init__(self, store: Store, *, lease: timedelta = LEASE) -> None:
        self._store = store
        self._lease = lease

    # ---- for those who ask --------------------------------------------------------------------------------------

    def submit(self, order: Order, now: datetime) -> Job:
        """Queues a test. Raises Conflict where the user has too many under way."""
        job = Job(
            id="job-" + secrets.token_hex(8),
            user_id=order.user_id,
            kind=str(order.wish.get("kind", "backtest")),
            title=order.title,
            wish=dict(order.wish),
            created_at=now,
            changed_at=now,
            lane=order.lane.value,
            reply=None if order.reply is None else asdict(order.reply),
        )
        with self._store.transaction() as tx:
            waiting = (where("user_id") == order.user_id) & where("status").one_of(["queued", "running"])
            if tx[_COLLECTION].count(waiting) >= MOST_WAITING:
                raise Conflict(
                    f"You have {MOST_WAITING} tests under way; wait for one, or cancel one.", code="too_many_jobs"
                )
            tx[_COLLECTION].insert(to_document(job))
            _forget_old(tx, order.user_id)
        self._store.doorbell.ring()
        return job

    def get(self, user_id: str, job_id: str) -> Job:
        """One job of that user. Raises NotFound for anybody else's."""
        found = self._store[_COLLECTION].get(key=job_id)
        if found is None or found["user_id"] != user_id:
            raise NotFound("There is no such job.")
        return from_document(Job, found)

    def jobs(self, user_id: str, *, limit: int, cursor: str | None = None) -> tuple[list[Job], str | None]:
        """A user's jobs, newest first, and the cursor of the next page."""
        if cursor is not None:
            self.get(user_id, cursor)
        mine = where("user_id") == user_id
        found, following = page(self._store[_COLLECTION], mine, order_by="created_at", limit=limit, cursor=cursor)
        return [from_document(Job, each) for each in found], following

    def ask_reply(self, user_id: str, job_id: str, reply: Reply, now: datetime) -> Job:
        """Has the answer sent to a chat once the job ends; a job that has ended already is answered by whoever asks."""
        with self._store.transaction() as tx:
            job = _read(tx, job_id)
            if job is None or job.user_id != user_id:
                raise NotFound("There is no such job.")
            if not job.ended:
                job = replace(job, reply=asdict(reply), changed_at=now)
                _write(tx, job)
        return job

    def cancel(self, user_id: str, job_id: str, now: datetime) -> Job:
        """Ends a job: at once where it waits, within a moment where it runs. Raises NotFound, or Conflict where it has ended."""
        with self._store.transaction() as tx:
            job = _read(tx, job_id)
            if job is None or job.user_id != user_id:
                raise NotFound("There is no such job.")
            if job.ended:
                raise Conflict(f"This job is {job.status} already.", code="job_ended")
            if job.status == JobStatus.QUEUED.value:
                job = _ended(job, JobStatus.CANCELLED, now)
            else:
                job = replace(job, cancel_wanted=True, changed_at=now)
            _write(tx, job)
        self._store.doorbell.ring()
        return job

    def changed_since(self, at: datetime, limit: int = 200) -> list[Job]:
        """Jobs of anybody that changed at that time or later, the longest ago first."""
        later = where("changed_at") >= ms_from_utc(at)
        found = self._store[_COLLECTION].search(later, order_by="changed_at", limit=limit)
        return [from_document(Job, each) for each in found]

    # ---- for those who work -------------------------------------------------------------------------------------

    def claim(self, holder: str, lane: Lane, now: datetime) -> Job | None:
        """Takes the job of a lane that has waited longest, or one whose holder fell silent; None where there is none.

        Users take turns: one who has a job running comes after those who have none. A job that was taken too often is failed.
        """
        if not self._may_be_due(lane, now):
            return None
        with self._store.transaction() as tx:
            running = [from_document(Job, each) for each in tx[_COLLECTION].search(where("status") == "running")]
            lost = (job for job in running if job.lane == lane.value and _silent(job, now))
            left = next((job for job in lost if not _is_over(tx, job, now)), None)
            if left is not None:
                return self._take(tx, left, holder, now)
            busy = {job.user_id for job in running if not _silent(job, now)}
            queued = tx[_COLLECTION].search(where("status") == "queued", order_by="created_at")
            mine = [from_document(Job, each) for each in queued if each["lane"] == lane.value]
            if not mine:
                return None
            return self._take(tx, min(mine, key=lambda job: job.user_id in busy), holder, now)

    def _may_be_due(self, lane: Lane, now: datetime) -> bool:
        """A look without a lock, so that an idle worker writes nothing."""
        open_ones = self._store[_COLLECTION].search(where("status").one_of(["queued", "running"]))
        mine = [from_document(Job, each) for each in open_ones if each["lane"] == lane.value]
        return any(job.status == JobStatus.QUEUED.value or _silent(job, now) for job in mine)

    def _take(self, tx: Transaction, job: Job, holder: str, now: datetime) -> Job:
        taken = replace(
            job,
            status=JobStatus.RUNNING.value,
            holder=holder,
            tries=job.tries + 1,
            lease_until=now + self._lease,
            started_at=job.started_at or now,
            changed_at=now,
        )
        _write(tx, taken)
        return taken

    def renew(self, held: Job, now: datetime, *, progress: float, stage: str) -> Job | None:
        """Holds on to a job and says how far it is; None where it is another's by now."""
        with self._store.transaction() as tx:
            job = _held(tx, held)
            if job is None:
                return None
            moved = (progress, stage) != (job.progress, job.stage)
            changed = now if moved else job.changed_at
            job = replace(job, progress=progress, stage=stage, lease_until=now + self._lease, changed_at=changed)
            _write(tx, job)
        return job

    def finish(self, held: Job, finished: Finished, now: datetime) -> Job | None:
        """Keeps the result and ends the job, together; None where it is another's by now."""
        with self._store.transaction() as tx:
            job = _held(tx, held)
            if job is None:
                return None
            result_id = keep_result(tx, job, finished, now)
            job = replace(_ended(job, JobStatus.DONE, now), progress=1.0, result_id=result_id)
            _write(tx, job)
            _reply(tx, job, finished.text, now, finished.picture_path)
        self._store.doorbell.ring()
        return job

    def fail(self, held: Job, trouble: Trouble, now: datetime) -> None:
        """Ends a job with what went wrong."""
        self._end(held, JobStatus.FAILED, now, error_of(trouble))

    def cancelled(self, held: Job, now: datetime) -> None:
        """Ends a job that was called off."""
        self._end(held, JobStatus.CANCELLED, now, None)

    def give_back(self, held: Job, now: datetime) -> None:
        """Puts a job back in the queue: the process stops in good order, and that is no failed try."""
        with self._store.transaction() as tx:
            job = _held(tx, held)
            if job is not None and job.cancel_wanted:
                _write(tx, _ended(job, JobStatus.CANCELLED, now))
            elif job is not None:
                waiting = replace(job, status=JobStatus.QUEUED.value, holder=None, lease_until=None, changed_at=now)
                _write(tx, replace(waiting, tries=job.tries - 1))

    def _end(self, held: Job, status: JobStatus, now: datetime, error: dict[str, Any] | None) -> None:
        with self._store.transaction() as tx:
            job = _held(tx, held)
            if job is not None:
                job = replace(_ended(job, status, now), error=error)
                _write(tx, job)
                _reply(tx, job, failed_text(job), now)
        self._store.doorbell.ring()


def _read(tx: Transaction, job_id: str) -> Job | None:
    found = tx[_COLLECTION].get(key=job_id)
    return None if found is None else from_document(Job, found)


def _write(tx: Transaction, job: Job) -> None:
    tx[_COLLECTION].upsert(to_document(job))


def _held(tx: Transaction, held: Job) -> Job | None:
    """The job as it is now, while it is still this try of this holder."""
    job = _read(tx, held.id)
    same = job is not None and (job.status, job.holder, job.tries) == ("running", held.holder, held.tries)
    return job if same else None


def _reply(tx: Transaction, job: Job, text: str, now: datetime, picture: str | None = None) -> None:
    """Answers in the chat that asked, where one waits; written together with the job's end."""
    if job.reply is not None:
        fields = {"reply_to": job.reply["reply_to"], "picture": picture}
        say(tx, str(job.reply["chat_id"]), text, job.id, now, **fields)


def _silent(job: Job, now: datetime) -> bool:
    return job.status == JobStatus.RUNNING.value and (job.lease_until is None or job.lease_until <= now)


def _ended(job: Job, status: JobStatus, now: datetime) -> Job:
    left = replace(job, status=status.value, stage="", holder=None, lease_until=None)
    return replace(left, finished_at=now, changed_at=now)


def _is_over(tx: Transaction, lost: Job, now: datetime) -> bool:
    """Whether a job whose holder fell silent is not taken again: it was called off or taken too often, and ends here."""
    if lost.cancel_wanted:
        _write(tx, _ended(lost, JobStatus.CANCELLED, now))
    elif lost.tries >= MOST_TRIES:
        failed = _given_up(lost, now)
        _write(tx, failed)
        _reply(tx, failed, failed_text(failed), now)
    else:
        return False
    return True


def _given_up(job: Job, now: datetime) -> Job:
    died = Trouble(f"The process that worked on it died {MOST_TRIES} times; it may be too large.", code="worker_died")
    return replace(_ended(job, JobStatus.FAILED, now), error=error_of(died))


def _forget_old(tx: Transaction, user_id: str) -> None:
    """Of a user's ended jobs the newest are remembered."""
    ended = (where("user_id") == user_id) & where("status").one_of(["done", "failed", "cancelled"])
    for old in tx[_COLLECTION].search(ended, order_by="created_at", descending=True)[MOST_ENDED:]:
        tx[_COLLECTION].remove(key=old["id"])
