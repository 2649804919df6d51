"""The audit log over HTTP, and the rows it gets from refused requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Response, g, request
from flask_openapi3 import APIBlueprint, Tag
from tinydb import where

from api.bodies.admin import AlertPath, AlertQuery, AuditQuery, NumberedQuery, UserPath
from api.bodies.trading import ListQuery
from api.gate import current, needs, origin
from api.rooms import Rooms, answer
from database import StoreError
from modules.accounts import audit_views
from modules.accounts.alerts import acknowledge
from modules.accounts.audit import LOG, record
from modules.accounts.audit_views import AuditFilter
from modules.accounts.permissions import Verb, may
from modules.domain.errors import NotFound
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal
from modules.runtime.logs import log

Answer = tuple[Any, int]
#: So many refusals of one person are written down within the span; more of them say nothing new.
_MOST_REFUSALS = 40
_SPAN = timedelta(minutes=10)


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("audit", __name__, url_prefix="/api/audit", abp_tags=[Tag(name="audit")])

    @blueprint.get("", summary="Who did what, newest first")
    @needs(Verb.READ_AUDIT)
    def audit_rows(query: AuditQuery) -> Answer:
        wanted = AuditFilter(query.who, query.action, query.subject, query.origin, query.since, query.until)
        found, following = audit_views.rows(rooms.store, wanted, limit=query.limit, cursor=query.cursor)
        return answer({"entries": found, "next_cursor": following})

    @blueprint.get("/user/<user_id>", summary="What one did, and what was done to one; an admin may ask for anybody")
    @needs(Verb.OWN_PROFILE)
    def audit_of_user(path: UserPath, query: NumberedQuery) -> Answer:
        everything = may(current(), Verb.READ_AUDIT)
        whose = current().user_id if path.user_id == "me" else path.user_id
        if whose != current().user_id and not everything:
            raise NotFound("There is no such user.")
        found, following = audit_views.rows_about(
            rooms.store, whose, limit=query.limit, cursor=query.cursor, everything=everything
        )
        return answer({"entries": found, "next_cursor": following})

    _alerts(blueprint, rooms)
    _watch_refusals(blueprint, rooms)
    return blueprint


def _alerts(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/alerts", summary="Alerts, newest first")
    @needs(Verb.READ_AUDIT)
    def alerts(query: AlertQuery) -> Answer:
        found, following = audit_views.alerts(
            rooms.store, open_only=query.status == "open", limit=query.limit, cursor=query.cursor
        )
        return answer({"alerts": found, "next_cursor": following})

    @blueprint.post("/alerts/<alert_id>/acknowledge", summary="Somebody looked at the alert")
    @needs(Verb.READ_AUDIT)
    def acknowledge_alert(path: AlertPath) -> Answer:
        now = rooms.clock.now()
        with rooms.store.transaction() as tx:
            alert = acknowledge(tx, path.alert_id, current(), now)
            if alert["acknowledged_at"] == ms_from_utc(now):
                subject = f"alert:{path.alert_id}"
                record(tx, current(), "alert.acknowledged", subject, now=now, origin=origin())
        return answer({"alert": audit_views.alert_row(alert)})

    @blueprint.get("/suspicious", summary="Open alerts, each with the rows that show it")
    @needs(Verb.READ_AUDIT)
    def suspicious(query: ListQuery) -> Answer:
        found, following = audit_views.suspicious(rooms.store, limit=query.limit, cursor=query.cursor)
        return answer({"findings": found, "next_cursor": following})


def _watch_refusals(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.after_app_request
    def note_refusal(response: Response) -> Response:
        """Writes down who was refused what."""
        who: Principal | None = g.get("principal")
        # A path that isn't there refuses nobody, nor does a market without candles.
        if who is not None and request.path.startswith("/api/") and request.url_rule and _is_refusal(response):
            try:
                _note(rooms, who, response.status_code)
            except StoreError as error:  # the answer is made already
                log("api").error("a refusal could not be written down", user=who.user_id, error=repr(error))
        return response


def _is_refusal(response: Response) -> bool:
    """Whether somebody asked for what is not theirs: a right, or an object."""
    if response.status_code != 404:
        return response.status_code == 403
    said = response.get_json(silent=True)
    return isinstance(said, dict) and said.get("error", {}).get("code") == NotFound.code


def _note(rooms: Rooms, who: Principal, status: int) -> None:
    now = rooms.clock.now()
    refused = (where("who") == who.user_id) & (where("at") > ms_from_utc(now - _SPAN))
    if rooms.store[LOG].count(refused & (where("action") == "access.refused")) >= _MOST_REFUSALS:
        return
    with rooms.store.transaction() as tx:
        subject = f"{request.method} {request.path}"
        record(tx, who, "access.refused", subject, now=now, origin=origin(), after={"status": status})
