"""The one HTTP path of the stream: a ticket for whoever is signed in."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_openapi3 import APIBlueprint, Tag

from api.gate import current, needs
from api.rooms import answer
from api.stream.tickets import LIFETIME_SECONDS, Tickets
from modules.accounts.permissions import Verb


def routes(tickets: Tickets) -> APIBlueprint:
    """The blueprint that issues tickets."""
    blueprint = APIBlueprint("stream", __name__, url_prefix="/api/ws", abp_tags=[Tag(name="stream")])

    @blueprint.post("/ticket", summary="A one-time ticket for a WebSocket connection: wss://HOST/api/ws?ticket=TICKET")
    @needs(Verb.OWN_PROFILE)
    def ticket() -> tuple[Any, int]:
        shown = request.headers.get("Authorization", "")
        scheme, _, token = shown.partition(" ")
        proof = token.strip() if scheme.lower() == "bearer" else shown or request.headers.get("X-API-Key")
        issued = tickets.issue(current(), proof)
        return answer({"ticket": issued, "expires_in": int(LIFETIME_SECONDS)}, 201)

    return blueprint
