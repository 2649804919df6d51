"""Inbound webhooks over HTTP: one's addresses, and the open door that other programs post to."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_openapi3 import APIBlueprint, Tag

from api.bodies.trading import ListQuery
from api.bodies.webhooks import AddressPath, InboundPath, NewInbound, Toggle
from api.gate import current, needs
from api.platform.rate_limits import TokenBuckets
from api.platform.strict_json import takes_raw_body
from api.rooms import Rooms, answer
from api.routes.webhooks import asked_now, shown_times
from modules.accounts.permissions import Verb, may
from modules.domain.errors import InvalidInput, TooMany
from modules.domain.signals import SourceMessage
from modules.notices.inbound_webhooks import InboundBook, InboundHook
from modules.records import to_document
from modules.runtime.settings import kept_secret
from modules.signals.webhook_messages import read_posted

Answer = tuple[Any, int]
_PATH = "/api/webhook"
#: Messages that one address takes, so that a sender gone wild fills neither the store nor the account.
MOST_A_MINUTE = 60


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("webhooks", __name__, url_prefix="/api", abp_tags=[Tag(name="webhooks in")])
    book = InboundBook(rooms.store, kept_secret(rooms.settings, "secret_key"))
    _addresses(blueprint, rooms, book)
    _door(blueprint, rooms, book)
    return blueprint


def _addresses(blueprint: APIBlueprint, rooms: Rooms, book: InboundBook) -> None:
    base = rooms.settings.web_address

    def row(hook: InboundHook) -> dict[str, Any]:
        shown = {name: value for name, value in to_document(hook).items() if name not in ("salt", "user_id", "kind")}
        path = f"{_PATH}/{book.address(hook)}"
        return shown_times({**shown, "source": hook.kind, "source_name": hook.source, "path": path, "url": base + path})

    @blueprint.get("/webhooks", summary="One's addresses for calls, newest first")
    @needs(Verb.MANAGE_WEBHOOKS)
    def webhooks(query: ListQuery) -> Answer:
        found, following = book.hooks_of(current().user_id, query.cursor, query.limit)
        return answer({"webhooks": [row(each) for each in found], "next_cursor": following})

    @blueprint.post(
        "/webhooks", summary="Make an address that calls come in by; the answer holds its secret, this once"
    )
    @needs(Verb.MANAGE_WEBHOOKS)
    def create(body: NewInbound) -> Answer:
        asked = asked_now(rooms)
        public = may(asked.who, Verb.POST_SIGNALS) if body.public is None else body.public
        hook, secret = book.create(asked, body.name, body.source, signed=body.signed, public=public)
        return answer({"webhook": row(hook), "secret": secret}, 201)

    @blueprint.post("/webhooks/<webhook_id>/toggle", summary="Switch an address on or off")
    @needs(Verb.MANAGE_WEBHOOKS)
    def toggle(path: InboundPath, body: Toggle) -> Answer:
        return answer({"webhook": row(book.toggle(asked_now(rooms), path.webhook_id, body.enabled))})

    @blueprint.delete("/webhooks/<webhook_id>", summary="Remove an address")
    @needs(Verb.MANAGE_WEBHOOKS)
    def remove(path: InboundPath) -> Answer:
        book.remove(asked_now(rooms), path.webhook_id)
        return answer({})


def _door(blueprint: APIBlueprint, rooms: Rooms, book: InboundBook) -> None:
    buckets = TokenBuckets(MOST_A_MINUTE)

    @blueprint.post("/webhook/<address>", summary="Hand in a call: a TradingView alert, a call as JSON, or text")
    @takes_raw_body
    @needs(None)
    def post(path: AddressPath) -> Answer:
        now, body = rooms.clock.now(), request.get_data(cache=False)
        hook = book.admit(path.address, body, dict(request.headers), now)
        allowance = buckets.take(hook.id, rooms.clock.monotonic())
        if not allowance.allowed:
            raise TooMany("Too many messages for one address.", retry_after_seconds=allowance.retry_seconds)
        try:
            posted = read_posted(body)
            message = SourceMessage(
                source=hook.source,
                message_id=hook.message_id(body, posted.given_id, now),
                text=posted.text,
                at=now,
                received_at=now,
                owner=book.owner_of_signals(hook),
            )
            taken = rooms.intake.take(message)
        except InvalidInput as wrong:
            book.note(hook, wrong.message, now)
            raise
        if not taken.duplicate:
            book.note(hook, taken.reason or taken.kind.value, now)
        told = {
            "accepted": taken.accepted,
            "duplicate": taken.duplicate,
            "kind": taken.kind.value,
            "signal_id": taken.signal_id,
            "reason": taken.reason,
        }
        return answer(told, 202)
