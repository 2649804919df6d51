"""Signals in, and what was understood: the inbox, signals, sources."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.market import EmptyBody, SourcePath, SourceQuery
from api.bodies.trading import ForwardedMessage, InboxMessage, SignalListQuery, SignalPath
from api.gate import current, needs
from api.rooms import Rooms, answer
from api.routes.trade_settings import set_settings
from api.scope import own_account, own_accounts
from modules.accounts.permissions import Verb, may
from modules.domain.errors import NotFound
from modules.domain.plans import TradeSettings
from modules.domain.signals import SourceMessage
from modules.signals.intake import Taken
from modules.source_views import followed, plans_of, source_record

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("signals", __name__, url_prefix="/api", abp_tags=[Tag(name="signals")])

    _handing_in(blueprint, rooms)

    @blueprint.get("/signals", summary="Signals, newest first")
    @needs(Verb.READ_SIGNALS)
    def signals(query: SignalListQuery) -> Answer:
        page = rooms.views.signals(
            query.status,
            source=query.source,
            symbol=query.symbol,
            side=query.side,
            since=query.since,
            viewer=current().user_id,
            cursor=query.cursor,
            limit=query.limit,
        )
        return answer({"signals": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/signals/<signal_id>", summary="One signal, how it was read and what was refused")
    @needs(Verb.READ_SIGNALS)
    def signal(path: SignalPath) -> Answer:
        row = rooms.views.signal(path.signal_id, viewer=current().user_id)
        if row is None:
            raise NotFound("There is no such signal.")
        everybody = may(current(), Verb.READ_ALL_TRADES)
        whose = None if everybody else [each.id for each in own_accounts(rooms)]
        row["refusals"] = [each for each in row["refusals"] if whose is None or each["account_id"] in whose]
        row["plans"] = plans_of(rooms.store, path.signal_id, whose)
        return answer({"signal": row})

    _sources(blueprint, rooms)
    return blueprint


def _handing_in(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.post("/signals/inbox", summary="Hand in one message of a source")
    @needs(Verb.POST_SIGNALS)
    def inbox(body: InboxMessage) -> Answer:
        return answer(_taken(rooms.intake.take(_message(rooms, body))), 202)

    @blueprint.post("/broadcast/signal", summary="Hand in one message of a source that has no numbers")
    @needs(Verb.POST_SIGNALS)
    def forwarded(body: ForwardedMessage) -> Answer:
        # The same words within the hour are one message sent twice; later they are said again. A call repeated across the
        # hour is known to the intake by what it says.
        hour = int(rooms.clock.now().timestamp() // 3600)
        number = hashlib.sha256(f"{hour}\n{body.text}".encode()).hexdigest()[:20]
        message = InboxMessage(source=body.source, message_id=number, text=body.text)
        return answer(_taken(rooms.intake.take(_message(rooms, message))), 202)


def _sources(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/sources", summary="Sources with the record that prices give them")
    @needs(Verb.READ_SIGNALS)
    def sources(query: SourceQuery) -> Answer:
        settings = _settings(rooms)
        rows = [each for each in rooms.views.sources(viewer=current().user_id) if each["source"] > (query.cursor or "")]
        shown = [{**each, **followed(each["source"], settings)} for each in rows[: query.limit]]
        following = shown[-1]["source"] if len(rows) > query.limit else None
        return answer({"sources": shown, "next_cursor": following})

    @blueprint.get("/sources/<path:name>", summary="One source's record, by symbol and side, with its newest signals")
    @needs(Verb.READ_SIGNALS)
    def source(path: SourcePath) -> Answer:
        record = source_record(rooms.store, path.name, current().user_id)
        return answer({"source": {**record, **followed(path.name, _settings(rooms))}})

    @blueprint.post("/sources/<path:name>/mute", summary="Trade this source's signals no more on one's account")
    @needs(Verb.TRADE)
    def mute(path: SourcePath, body: EmptyBody) -> Answer:  # noqa: ARG001 - said to be empty
        return answer({"source": path.name, **_follow(rooms, path.name, wanted=False)})

    @blueprint.post("/sources/<path:name>/follow", summary="Trade this source's signals on one's account")
    @needs(Verb.TRADE)
    def follow(path: SourcePath, body: EmptyBody) -> Answer:  # noqa: ARG001 - said to be empty
        return answer({"source": path.name, **_follow(rooms, path.name, wanted=True)})


def _settings(rooms: Rooms) -> TradeSettings | None:
    """The settings of one's first account; None for whoever has no account."""
    mine = own_accounts(rooms)
    return mine[0].settings if mine else None


def _follow(rooms: Rooms, source: str, *, wanted: bool) -> dict[str, bool | None]:
    """Follows or mutes a source on one's first account. Raises NotFound for a source that never said anything."""
    source_record(rooms.store, source, current().user_id)
    account = own_account(rooms)
    held = account.settings
    muted = tuple(each for each in held.muted_sources if each != source) + (() if wanted else (source,))
    reached = "*" in held.sources or source in held.sources
    sources = held.sources if reached or not wanted else (*held.sources, source)
    changed = set_settings(rooms, account, replace(held, muted_sources=muted, sources=sources))
    return followed(source, changed.settings)


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
