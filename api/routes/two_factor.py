"""The second factor over HTTP: enrol, prove, turn off, backup codes."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies import accounts as bodies
from api.gate import current, needs
from api.rooms import Rooms, answer
from api.routes.accounts import caller
from modules.accounts.desk import open_accounts
from modules.accounts.permissions import Verb

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("two_factor", __name__, url_prefix="/api/2fa", abp_tags=[Tag(name="two-factor sign-in")])
    desk = open_accounts(rooms.store, rooms.clock, rooms.settings)

    @blueprint.get("/status", summary="Whether two-factor sign-in is on")
    @needs(Verb.OWN_PROFILE)
    def status() -> Answer:
        return answer(desk.two_factor.status(current().user_id))

    @blueprint.post("/enroll", summary="A new secret for an authenticator; it counts once a code is verified")
    @needs(Verb.OWN_PROFILE)
    def enroll() -> Answer:
        made = desk.two_factor.enrol(current())
        return answer({"secret": made.secret, "otpauth_uri": made.uri, "qr_svg": made.qr_svg}, 201)

    @blueprint.post("/verify", summary="Turn it on with a code; the backup codes are shown this once")
    @needs(Verb.OWN_PROFILE)
    def verify(body: bodies.TotpBody) -> Answer:
        codes = desk.two_factor.confirm(current(), body.code, caller())
        return answer({"enabled": True, "backup_codes": codes})

    @blueprint.post("/disable", summary="Turn it off, with the password")
    @needs(Verb.OWN_PROFILE)
    def disable(body: bodies.PasswordBody) -> Answer:
        desk.sign_in.check_password(current(), body.password, caller())
        desk.two_factor.turn_off(current(), caller())
        return answer({"enabled": False})

    @blueprint.post("/backup-codes", summary="Ten new backup codes in place of the old ones, with the password")
    @needs(Verb.OWN_PROFILE)
    def backup_codes(body: bodies.PasswordBody) -> Answer:
        desk.sign_in.check_password(current(), body.password, caller())
        return answer({"backup_codes": desk.two_factor.renew_backup_codes(current(), caller())})

    return blueprint
