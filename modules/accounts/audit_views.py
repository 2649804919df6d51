"""The audit log and its alerts as they are read: filtered, newest first, in pages. Writes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tinydb import where
from tinydb.queries import QueryInstance

from database import Document, Store
from modules.accounts.alerts import ALERTS
from modules.accounts.audit import LOG
from modules.accounts.listing import page
from modules.domain.market import iso_from_ms, ms_from_utc


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows; None is any. An `action` that ends in a dot or star is the beginning of one, as in `session.`."""

    who: str | None = None
    action: str | None = None
    subject: str | None = None
    origin: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def condition(self) -> QueryInstance:
        """The filter as a query."""
        wanted: QueryInstance = where("seq") >= 0
        for name in ("who", "subject", "origin"):
            value = getattr(self, name)
            if value is not None:
                wanted &= where(name) == value
        if self.action is not None:
            wanted &= _action(self.action)
        if self.since is not None:
            wanted &= where("at") >= ms_from_utc(self.since)
        if self.until is not None:
            wanted &= where("at") < ms_from_utc(self.until)
        return wanted


def rows(
    store: Store, wanted: AuditFilter, *, limit: int, cursor: int | None = None
) -> tuple[list[dict[str, Any]], int | None]:
    """Rows, newest first, and the cursor of the next page."""
    found, following = page(store[LOG], wanted.condition(), order_by="seq", limit=limit, cursor=cursor)
    return [audit_row(each) for each in found], following


def rows_about(
    store: Store, user_id: str, *, limit: int, cursor: int | None = None, everything: bool
) -> tuple[list[dict[str, Any]], int | None]:
    """What a user did and what was done to them. Without `everything`, who acted on them from where is not told."""
    wanted = (where("who") == user_id) | (where("subject") == f"user:{user_id}")
    found, following = page(store[LOG], wanted, order_by="seq", limit=limit, cursor=cursor)
    told = [audit_row(each) for each in found]
    for row in told:
        if not everything and row["who"] not in (user_id, "nobody", "system"):
            row |= {"who": "staff", "origin": ""}
    return told, following


def alerts(
    store: Store, *, open_only: bool, limit: int, cursor: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """Alerts, newest first."""
    wanted = where("acknowledged_at") == None if open_only else None  # noqa: E711 - a query
    found, following = page(store[ALERTS], wanted, order_by="at", limit=limit, cursor=cursor)
    return [alert_row(each) for each in found], following


def suspicious(store: Store, *, limit: int, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
    """Open alerts, each with the rows that show it."""
    found, following = alerts(store, open_only=True, limit=limit, cursor=cursor)
    for alert in found:
        evidence = [store[LOG].get(key=seq) for seq in alert["evidence"]]
        alert["entries"] = [audit_row(each) for each in evidence if each is not None]
    return found, following


def audit_row(row: Document) -> dict[str, Any]:
    """A row as answers carry it."""
    return {**row, "at": iso_from_ms(row["at"])}


def alert_row(alert: Document) -> dict[str, Any]:
    """An alert as answers carry it."""
    return {**alert, "at": iso_from_ms(alert["at"]), "acknowledged_at": iso_from_ms(alert["acknowledged_at"])}


def _action(action: str) -> QueryInstance:
    if action.endswith((".", "*")):
        beginning = action.rstrip("*")
        found: QueryInstance = where("action").matches(re.escape(beginning))
        return found
    exact: QueryInstance = where("action") == action
    return exact
