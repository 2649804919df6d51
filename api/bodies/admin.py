"""Bodies and queries of the audit log, of users as admins see them, of broadcasts and backups."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from api.bodies.trading import ListQuery, Strict
from modules.domain.people import Role


def _zoned(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise ValueError("needs a time zone, for example 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[datetime | None, AfterValidator(_zoned)]
Word = Annotated[str | None, StringConstraints(min_length=1, max_length=300)]


class NumberedQuery(Strict):
    """A page of a list whose rows are numbered."""

    limit: int = Field(default=100, ge=1, le=500)
    cursor: int | None = Field(default=None, ge=0, lt=2**63)


class AuditQuery(NumberedQuery):
    """Rows of the audit log."""

    who: Word = Field(default=None, description="Id of the user who acted.")
    action: Word = Field(default=None, description="As in user.role; session. is every action that begins so.")
    subject: Word = Field(default=None, description="As in user:u-1 or safety:global.")
    origin: Word = Field(default=None, description="The address it came from.")
    since: Moment = Field(default=None, description="From this time on: ISO-8601 with zone.")
    until: Moment = Field(default=None, description="Before this time: ISO-8601 with zone.")


class AlertQuery(ListQuery):
    """Alerts; `open` are those nobody looked at."""

    status: Literal["open", "all"] = "open"


class AlertPath(Strict):
    """One alert."""

    alert_id: str = Field(max_length=200)


class UserPath(Strict):
    """One user."""

    user_id: str = Field(max_length=100)


class UsersQuery(ListQuery):
    """Users by a part of id, address or name, by role, by whether they may come in."""

    search: str | None = Field(default=None, max_length=200)
    role: Role | None = None
    enabled: bool | None = None


class UserPatch(Strict):
    """What is to change."""

    role: Role | None = Field(default=None, examples=["analyst"])
    enabled: bool | None = Field(default=None, strict=True)

    @model_validator(mode="after")
    def _something(self) -> UserPatch:
        if self.role is None and self.enabled is None:
            raise ValueError("role or enabled is needed")
        return self


class BroadcastBody(Strict):
    """A text for the groups: plain, no markup."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=3500)] = Field(
        examples=["Maintenance at 18:00 UTC; open trades keep their stops."]
    )


class ActivityQuery(Strict):
    """How much of what happened last."""

    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=50)


class BackupPath(Strict):
    """One backup."""

    name: str = Field(max_length=100)
