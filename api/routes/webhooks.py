"""Outgoing webhooks over HTTP: which there are, what was delivered, and trying one out."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.trading import ListQuery
from api.bodies.webhooks import DeliveryPath, DeliveryQuery, HookEdit, HookPath, NewHook
from api.gate import current, needs, origin
from api.rooms import Rooms, answer
from modules.accounts.permissions import Verb
from modules.connections.safe_http import outbound_rules
from modules.domain.market import iso_from_ms
from modules.notices.webhook_book import Asked, Hook, HookChange, WebhookBook
from modules.notices.webhook_rules import EVENT_TYPES
from modules.records import to_document
from modules.runtime.settings import kept_secret

Answer = tuple[Any, int]
_TIMES = ("created_at", "failing_since", "last_delivered_at", "ended_at", "last_received_at")


def asked_now(rooms: Rooms) -> Asked:
    """Who asks, when, and from where."""
    return Asked(current(), rooms.clock.now(), origin())


def shown_times(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its times as answers have them."""
    return {
        name: iso_from_ms(value) if name in _TIMES and value is not None else value for name, value in document.items()
    }


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("hooks", __name__, url_prefix="/api/hooks", abp_tags=[Tag(name="webhooks out")])
    book = WebhookBook(rooms.store, kept_secret(rooms.settings, "secret_key"), outbound_rules(rooms.settings))
    _hooks(blueprint, rooms, book)
    _trying(blueprint, rooms, book)
    _deliveries(blueprint, rooms, book)
    return blueprint


def _hooks(blueprint: APIBlueprint, rooms: Rooms, book: WebhookBook) -> None:
    @blueprint.get("/events", summary="The events a webhook can ask for")
    @needs(Verb.MANAGE_WEBHOOKS)
    def events() -> Answer:
        names = sorted(EVENT_TYPES.values())
        families = sorted({each.partition(".")[0] + ".*" for each in names})
        return answer({"events": names, "patterns": ["*", *families], "next_cursor": None})

    @blueprint.get("", summary="One's webhooks, newest first")
    @needs(Verb.MANAGE_WEBHOOKS)
    def hooks(query: ListQuery) -> Answer:
        found, following = book.hooks_of(current().user_id, query.cursor, query.limit)
        return answer({"webhooks": [_hook_row(each) for each in found], "next_cursor": following})

    @blueprint.post("", summary="Send events to an address; the answer holds its secret, this once")
    @needs(Verb.MANAGE_WEBHOOKS)
    def create(body: NewHook) -> Answer:
        hook, secret = book.create(asked_now(rooms), body.url, body.events, body.name)
        return answer({"webhook": _hook_row(hook), "secret": secret}, 201)

    @blueprint.get("/<hook_id>", summary="One webhook")
    @needs(Verb.MANAGE_WEBHOOKS)
    def hook(path: HookPath) -> Answer:
        return answer({"webhook": _hook_row(book.get(current().user_id, path.hook_id))})

    @blueprint.patch("/<hook_id>", summary="Change a webhook, or switch it on or off")
    @needs(Verb.MANAGE_WEBHOOKS)
    def change(path: HookPath, body: HookEdit) -> Answer:
        events = tuple(body.events) if body.events is not None else None
        wanted = HookChange(name=body.name, url=body.url, events=events, enabled=body.enabled)
        return answer({"webhook": _hook_row(book.change(asked_now(rooms), path.hook_id, wanted))})

    @blueprint.delete("/<hook_id>", summary="Remove a webhook with its deliveries")
    @needs(Verb.MANAGE_WEBHOOKS)
    def remove(path: HookPath) -> Answer:
        book.remove(asked_now(rooms), path.hook_id)
        return answer({})


def _trying(blueprint: APIBlueprint, rooms: Rooms, book: WebhookBook) -> None:
    @blueprint.post("/<hook_id>/secret", summary="Another secret; the answer holds it, this once")
    @needs(Verb.MANAGE_WEBHOOKS)
    def rotate(path: HookPath) -> Answer:
        hook, secret = book.rotate(asked_now(rooms), path.hook_id)
        return answer({"webhook": _hook_row(hook), "secret": secret})

    @blueprint.post("/<hook_id>/test", summary="Send a test event now, once")
    @needs(Verb.MANAGE_WEBHOOKS)
    def test(path: HookPath) -> Answer:
        return answer({"delivery_id": book.test(asked_now(rooms), path.hook_id)}, 202)


def _deliveries(blueprint: APIBlueprint, rooms: Rooms, book: WebhookBook) -> None:
    @blueprint.get("/<hook_id>/deliveries", summary="What was sent to a webhook or waits to be, newest first")
    @needs(Verb.MANAGE_WEBHOOKS)
    def deliveries(path: HookPath, query: DeliveryQuery) -> Answer:
        found, following = book.deliveries(
            current().user_id, path.hook_id, query.status, query.cursor, query.limit
        )  # fmt: skip
        return answer({"deliveries": [_delivery_row(each) for each in found], "next_cursor": following})

    @blueprint.post("/<hook_id>/deliveries/<delivery_id>/again", summary="Send an ended delivery once more")
    @needs(Verb.MANAGE_WEBHOOKS)
    def again(path: DeliveryPath) -> Answer:
        row = book.send_again(asked_now(rooms), path.hook_id, path.delivery_id)
        return answer({"delivery": _delivery_row(row)}, 202)


def _hook_row(hook: Hook) -> dict[str, Any]:
    document = to_document(hook)
    return shown_times({name: value for name, value in document.items() if name not in ("salt", "user_id")})


def _delivery_row(row: dict[str, Any]) -> dict[str, Any]:
    hidden = ("hook_id", "user_id", "due_at", "once")
    waits = iso_from_ms(row["due_at"]) if row["status"] == "queued" else None
    return {**shown_times({k: v for k, v in row.items() if k not in hidden}), "next_try_at": waits}
