"""Notices over HTTP: which come over which channel and when, and the devices that push reaches."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.trading import ListQuery
from api.bodies.webhooks import DeviceChoice, NewDevice, NoticeSettings, TestChoice
from api.gate import current, needs
from api.rooms import Rooms, answer
from api.routes.webhooks import asked_now, shown_times
from modules.accounts import audit
from modules.accounts.permissions import Verb
from modules.connections.push_sender import registration_check
from modules.connections.safe_http import outbound_rules
from modules.connections.web_push import PushKey
from modules.notices import preferences
from modules.notices.preferences import Channel, Notice
from modules.notices.push import DeviceKind, PushBook, Registration

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    tag = Tag(name="notifications")
    blueprint = APIBlueprint("notifications", __name__, url_prefix="/api/notifications", abp_tags=[tag])
    check = registration_check(rooms.settings, outbound_rules(rooms.settings))
    _choices(blueprint, rooms)
    _devices(blueprint, rooms, PushBook(rooms.store, check), PushKey(rooms.settings.data_dir).public)
    return blueprint


def _choices(blueprint: APIBlueprint, rooms: Rooms) -> None:
    def shown() -> Answer:
        chosen = preferences.as_json(preferences.preferences_of(rooms.store, current().user_id))
        return answer({"settings": chosen, "kinds": list(Notice), "channel_names": list(Channel)})

    @blueprint.get("/settings", summary="Which notices come over which channel, and when not")
    @needs(Verb.OWN_PROFILE)
    def settings() -> Answer:
        return shown()

    @blueprint.put("/settings", summary="Choose notices, channels and quiet hours; what is not named has its default")
    @needs(Verb.OWN_PROFILE)
    def choose(body: NoticeSettings) -> Answer:
        quiet = body.quiet.model_dump(by_alias=True) if body.quiet is not None else None
        asked = asked_now(rooms)
        with rooms.store.transaction() as tx:
            before = preferences.as_json(preferences.preferences_of(tx, asked.who.user_id))
            preferences.keep(tx, asked.who.user_id, body.channels, quiet)
            after = preferences.as_json(preferences.preferences_of(tx, asked.who.user_id))
            audit.record(
                tx, asked.who, "notifications.change", f"user:{asked.who.user_id}", now=asked.now, origin=asked.origin,
                before=before, after=after,
            )  # fmt: skip
        return shown()


def _devices(blueprint: APIBlueprint, rooms: Rooms, book: PushBook, key: str) -> None:
    @blueprint.get("/push-key", summary="The public key that a browser subscribes with")
    @needs(Verb.OWN_PROFILE)
    def push_key() -> Answer:
        return answer({"key": key})

    @blueprint.get("/devices", summary="One's devices, newest first")
    @needs(Verb.OWN_PROFILE)
    def devices(query: ListQuery) -> Answer:
        found, following = book.page_of(current().user_id, query.cursor, query.limit)
        return answer({"devices": [_row(each) for each in found], "next_cursor": following})

    @blueprint.post("/register", summary="Send notices to a device from now on")
    @needs(Verb.OWN_PROFILE)
    def register(body: NewDevice) -> Answer:
        return answer({"device": _row(book.register(asked_now(rooms), _registration(body)))}, 201)

    @blueprint.post("/unregister", summary="Send nothing more to a device")
    @needs(Verb.OWN_PROFILE)
    def unregister(body: DeviceChoice) -> Answer:
        book.unregister(asked_now(rooms), body.device_id)
        return answer({})

    @blueprint.post("/test", summary="Send a test notice to one device, or to all of one's own")
    @needs(Verb.OWN_PROFILE)
    def test(body: TestChoice) -> Answer:
        return answer({"queued": book.test(asked_now(rooms), body.device_id)}, 202)


def _registration(body: NewDevice) -> Registration:
    if body.kind == "web" and body.endpoint is not None and body.keys is not None:
        return Registration(DeviceKind.WEB, body.endpoint, body.keys.p256dh, body.keys.auth, body.name)
    return Registration(DeviceKind.FCM, body.token or "", name=body.name)


def _row(device: dict[str, Any]) -> dict[str, Any]:
    return shown_times({name: device[name] for name in ("id", "kind", "name", "created_at")})
