"""Signals in, and what became of them: inbox, signals, positions, orders, events, the kill switch."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.trading import (
    EventQuery,
    InboxMessage,
    KillBody,
    OrderQuery,
    PositionQuery,
    ResumeBody,
    SignalPath,
    SignalQuery,
)
from api.rooms import Rooms, answer
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.events import EventKind
from modules.domain.signals import SourceMessage
from modules.trading import safety
from modules.trading.safety import Scope, Stage
from modules.trading.safety_state import change

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("trading", __name__, url_prefix="/api", abp_tags=[Tag(name="trading")])

    @blueprint.post("/signals/inbox", summary="Hand in one message of a source")
    def inbox(body: InboxMessage) -> Answer:
        now = rooms.clock.now()
        edit = rooms.intake.next_edit(body.source, body.message_id, body.text) if body.edited else 0
        message = SourceMessage(
            source=body.source,
            message_id=body.message_id,
            text=body.text,
            at=(body.at or now).astimezone(UTC),
            received_at=now,
            reply_to=body.reply_to,
            edited=edit,
        )
        taken = rooms.intake.take(message)
        fields = {
            "accepted": taken.accepted,
            "duplicate": taken.duplicate,
            "kind": taken.kind.value,
            "signal_id": taken.signal_id,
            "parse": taken.parse,
            "reason": taken.reason,
        }
        return answer(fields, 202)

    @blueprint.get("/signals", summary="Signals, newest first")
    def signals(query: SignalQuery) -> Answer:
        page = rooms.views.signals(query.status, source=query.source, cursor=query.cursor, limit=query.limit)
        return answer({"signals": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/signals/<signal_id>", summary="One signal, how it was read and what was refused")
    def signal(path: SignalPath) -> Answer:
        row = rooms.views.signal(path.signal_id)
        if row is None:
            raise NotFound("There is no such signal.")
        return answer({"signal": row})

    @blueprint.get("/sources", summary="Sources with the record that prices give them")
    def sources() -> Answer:
        return answer({"sources": rooms.views.sources()})

    @blueprint.get("/positions", summary="Positions, newest first")
    def positions(query: PositionQuery) -> Answer:
        prices = rooms.prices_of_open_positions()
        page = rooms.views.positions(query.status, prices=prices, cursor=query.cursor, limit=query.limit)
        return answer({"positions": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/orders", summary="Orders, newest first")
    def orders(query: OrderQuery) -> Answer:
        page = rooms.views.orders(query.status, cursor=query.cursor, limit=query.limit)
        return answer({"orders": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/events", summary="Facts of the journal after a number, oldest first")
    def events(query: EventQuery) -> Answer:
        if query.kind is not None and query.kind not in set(EventKind):
            raise InvalidInput(f"there are no events of kind {query.kind}", fields={"kind": "unknown"})
        page = rooms.views.events(query.after, kinds=[query.kind] if query.kind else None, limit=query.limit)
        return answer({"events": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/safety/status", summary="What the kill switch says")
    def safety_status() -> Answer:
        return answer({"states": rooms.store["safety"].all(), "kill_file": rooms.kill_file.exists()})

    @blueprint.post("/safety/killswitch", summary="Stop new entries, or close everything too")
    def killswitch(body: KillBody) -> Answer:
        now, stage = rooms.clock.now(), Stage.FLATTEN if body.flatten else Stage.REDUCING
        state = change(
            rooms.store,
            Scope.GLOBAL,
            "",
            lambda current: safety.kill(current, "api", now, stage=stage, reason=body.reason),
            now,
        )
        return answer({"stage": state.stage.value, "by": state.by, "reason": state.reason})

    @blueprint.post("/safety/resume", summary="Trade on, from a fresh baseline of the day")
    def resume(body: ResumeBody) -> Answer:
        now = rooms.clock.now()
        state = change(
            rooms.store, Scope.GLOBAL, "", lambda current: safety.resume(current, "api", now, reason=body.reason), now
        )
        return answer({"stage": state.stage.value, "kill_file": rooms.kill_file.exists()})

    return blueprint
