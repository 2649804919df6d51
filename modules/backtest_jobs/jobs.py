"""One job: what is asked for, how far it is, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from modules.domain.errors import Conflict, InvalidInput, NotFound, Rejected, Trouble, Unavailable

#: A job that a process died over so often is given up.
MOST_TRIES: Final = 2


class JobStatus(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)


class Lane(StrEnum):
    """Short jobs never wait for long ones."""

    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Reply:
    """Where the answer is to be sent when it is ready: a chat, and the message that asked."""

    chat_id: str
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a user. `wish` is what was asked, as written; `lease_until` is how long `holder` may be silent.

    `error` is `{"kind", "code", "message", "fields"}` of a job that failed.
    """

    id: str
    user_id: str
    kind: str
    title: str
    wish: dict[str, Any]
    created_at: datetime
    changed_at: datetime
    lane: str = Lane.SHORT.value
    status: str = JobStatus.QUEUED.value
    stage: str = ""
    progress: float = 0.0
    tries: int = 0
    holder: str | None = None
    lease_until: datetime | None = None
    cancel_wanted: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: dict[str, Any] | None = None
    result_id: str | None = None
    reply: dict[str, Any] | None = field(default=None)

    @property
    def ended(self) -> bool:
        """Whether the job is done, failed or cancelled."""
        return JobStatus(self.status).ended


_KINDS: Final[Mapping[str, type[Trouble]]] = {
    "invalid": InvalidInput,
    "missing": NotFound,
    "conflict": Conflict,
    "rejected": Rejected,
    "unavailable": Unavailable,
}


def error_of(trouble: Trouble) -> dict[str, Any]:
    """What went wrong, as a job keeps it."""
    kind = next((name for name, each in _KINDS.items() if isinstance(trouble, each)), "trouble")
    return {"kind": kind, "code": trouble.code, "message": trouble.message, "fields": dict(trouble.fields)}


def trouble_of(error: Mapping[str, Any]) -> Trouble:
    """The error that a job kept, to be raised where somebody waits for it."""
    kind = _KINDS.get(str(error["kind"]), Trouble)
    return kind(str(error["message"]), code=str(error["code"]), fields=error.get("fields") or {})
