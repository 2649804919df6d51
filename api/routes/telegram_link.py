"""Linking a Telegram account, and signing in by what Telegram signed."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies import accounts as bodies
from api.gate import current, needs
from api.rooms import Rooms, answer
from api.routes.accounts import caller, granted
from modules.accounts.desk import open_accounts
from modules.accounts.people import by_telegram
from modules.accounts.permissions import Verb
from modules.accounts.telegram_login import read_init_data, read_widget
from modules.domain.errors import NotSignedIn
from modules.domain.market import iso_from_ms, ms_from_utc

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("telegram_link", __name__, url_prefix="/api", abp_tags=[Tag(name="telegram")])
    desk = open_accounts(rooms.store, rooms.clock, rooms.settings)
    bot_token = rooms.settings.telegram_bot_token.get_secret_value()

    @blueprint.post(
        "/telegram/link", summary="A one-time code that links a Telegram account, and the address that uses it"
    )
    @needs(Verb.OWN_PROFILE)
    def link() -> Answer:
        made = desk.linking.begin(current())
        expires = iso_from_ms(ms_from_utc(made.expires_at))
        return answer({"code": made.code, "url": made.url or None, "expires_at": expires}, 201)

    @blueprint.delete("/telegram/link", summary="Take the link away")
    @needs(Verb.OWN_PROFILE)
    def unlink() -> Answer:
        desk.linking.end(current(), caller())
        return answer({})

    @blueprint.post("/auth/telegram", summary="Sign in by a Mini App's init data or the Login Widget's fields")
    @needs(None)
    def sign_in(body: bodies.TelegramLoginBody) -> Answer:
        now = rooms.clock.now()
        if body.init_data is not None:
            identity = read_init_data(body.init_data, bot_token, now)
        else:
            fields = {name: str(value) for name, value in (body.widget or {}).items()}
            identity = read_widget(fields, bot_token, now)
        if identity is None:
            raise NotSignedIn("Telegram did not sign this, or too long ago.", code="bad_signature")
        user = by_telegram(rooms.store, identity.telegram_id)
        if user is None:
            raise NotSignedIn("No user is linked to this Telegram account.", code="not_linked")
        return granted(rooms, desk.sign_in.with_telegram(user, body.totp, caller()), in_cookie=body.cookie)

    return blueprint
