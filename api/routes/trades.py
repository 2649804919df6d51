"""What became of signals: positions, orders, events."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.trading import EventQuery, OrderQuery, PositionQuery
from api.gate import needs
from api.rooms import Rooms, answer
from api.scope import accounts_in_question
from modules.accounts.permissions import Verb
from modules.domain.errors import InvalidInput
from modules.domain.events import EventKind

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("trades", __name__, url_prefix="/api", abp_tags=[Tag(name="trades")])

    @blueprint.get("/positions", summary="Positions, newest first")
    @needs(Verb.READ_TRADES)
    def positions(query: PositionQuery) -> Answer:
        prices = rooms.prices_of_open_positions()
        whose = accounts_in_question(rooms, query.user, query.all)
        page = rooms.views.positions(
            query.status, accounts=whose, prices=prices, cursor=query.cursor, limit=query.limit
        )
        return answer({"positions": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/orders", summary="Orders, newest first")
    @needs(Verb.READ_TRADES)
    def orders(query: OrderQuery) -> Answer:
        whose = accounts_in_question(rooms, query.user, query.all)
        page = rooms.views.orders(query.status, accounts=whose, cursor=query.cursor, limit=query.limit)
        return answer({"orders": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/events", summary="Facts of the journal after a number, oldest first")
    @needs(Verb.READ_EVENTS)
    def events(query: EventQuery) -> Answer:
        if query.kind is not None and query.kind not in set(EventKind):
            raise InvalidInput(f"there are no events of kind {query.kind}", fields={"kind": "unknown"})
        page = rooms.views.events(query.after, kinds=[query.kind] if query.kind else None, limit=query.limit)
        return answer({"events": page.rows, "next_cursor": page.next_cursor})

    return blueprint
