"""Signals in, and what was understood: the inbox, signals, sources."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.trading import InboxMessage, SignalPath, SignalQuery
from api.gate import current, needs
from api.rooms import Rooms, answer
from modules.accounts.permissions import Verb
from modules.domain.errors import NotFound
from modules.domain.signals import SourceMessage
from modules.signals.intake import Taken

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("signals", __name__, url_prefix="/api", abp_tags=[Tag(name="signals")])

    @blueprint.post("/signals/inbox", summary="Hand in one message of a source")
    @needs(Verb.POST_SIGNALS)
    def inbox(body: InboxMessage) -> Answer:
        return answer(_taken(rooms.intake.take(_message(rooms, body))), 202)

    @blueprint.get("/signals", summary="Signals, newest first")
    @needs(Verb.READ_SIGNALS)
    def signals(query: SignalQuery) -> Answer:
        mine = current().user_id
        page = rooms.views.signals(
            query.status, source=query.source, viewer=mine, cursor=query.cursor, limit=query.limit
        )
        return answer({"signals": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/signals/<signal_id>", summary="One signal, how it was read and what was refused")
    @needs(Verb.READ_SIGNALS)
    def signal(path: SignalPath) -> Answer:
        row = rooms.views.signal(path.signal_id, viewer=current().user_id)
        if row is None:
            raise NotFound("There is no such signal.")
        return answer({"signal": row})

    @blueprint.get("/sources", summary="Sources with the record that prices give them")
    @needs(Verb.READ_SIGNALS)
    def sources() -> Answer:
        return answer({"sources": rooms.views.sources(viewer=current().user_id)})

    return blueprint


def _message(rooms: Rooms, body: InboxMessage) -> SourceMessage:
    now = rooms.clock.now()
    edit = rooms.intake.next_edit(body.source, body.message_id, body.text) if body.edited else 0
    return SourceMessage(
        source=body.source,
        message_id=body.message_id,
        text=body.text,
        at=(body.at or now).astimezone(UTC),
        received_at=now,
        reply_to=body.reply_to,
        edited=edit,
    )


def _taken(taken: Taken) -> dict[str, Any]:
    return {
        "accepted": taken.accepted,
        "duplicate": taken.duplicate,
        "kind": taken.kind.value,
        "signal_id": taken.signal_id,
        "parse": taken.parse,
        "reason": taken.reason,
    }
