"""Exchange keys over HTTP: add with a check, list, test again, leverage cap, balance, remove; only one's own.

The paths under `/api/users/{id}` are those of earlier clients and do the same.
"""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.exchanges import (
    ExchangeKeyBody,
    ExchangeKeyPath,
    LeverageBody,
    OwnedKeyPath,
    OwnerPath,
    PredecessorLeverageBody,
    RemoveQuery,
)
from api.bodies.trading import ListQuery
from api.gate import current, needs, origin
from api.rooms import Rooms, answer
from modules.accounts import exchange_keys
from modules.accounts.exchange_keys import key_row
from modules.accounts.people import require_personal
from modules.accounts.permissions import Verb
from modules.accounts.vault import keyring
from modules.connections.exchange_keys import VENUES, KeyCheck
from modules.domain.errors import NotFound

Answer = tuple[Any, int]


class KeyDesk:
    """What both families of paths do. The exchange is asked before the store is written, never in between."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._ring = keyring(rooms.settings)
        self._check = KeyCheck(self._ring, rooms.settings.exchange_urls)

    def listed(self, query: ListQuery) -> Answer:
        """One's keys, and the exchanges that keys are taken for."""
        found, following = exchange_keys.list_own(self._rooms.store, current(), limit=query.limit, cursor=query.cursor)
        supported = [
            {"id": name, "name": venue.name, "tells_rights": venue.tells_rights, "passphrase": venue.needs_passphrase}
            for name, venue in VENUES.items()
        ]
        return answer({"exchanges": found, "supported": supported, "next_cursor": following})

    def add(self, body: ExchangeKeyBody) -> Answer:
        """Asks the exchange, then keeps the key."""
        require_personal(current())
        wish = body.wish()
        report = self._check.check(wish)
        now = self._rooms.clock.now()
        with self._rooms.store.transaction(durable=True) as tx:
            row = exchange_keys.add(tx, self._ring, current(), wish, report, now=now, origin=origin())
        return answer({"exchange": key_row(row)}, 201)

    def test(self, key_id: str) -> Answer:
        """Asks the exchange again."""
        row = exchange_keys.own(self._rooms.store, current(), key_id)
        report = self._check.check_kept(row)
        now = self._rooms.clock.now()
        with self._rooms.store.transaction() as tx:
            row = exchange_keys.note_check(tx, current(), row["id"], report, now=now, origin=origin())
        return answer({"exchange": key_row(row)})

    def balance(self, key_id: str) -> Answer:
        """Asks what money lies there."""
        row = exchange_keys.own(self._rooms.store, current(), key_id)
        return answer({"exchange": row["exchange"], "balances": self._check.balance(row)})

    def leverage(self, key_id: str, cap: int | None) -> Answer:
        """Sets the cap."""
        now = self._rooms.clock.now()
        with self._rooms.store.transaction() as tx:
            row = exchange_keys.set_leverage_cap(tx, current(), key_id, cap, now=now, origin=origin())
        return answer({"exchange": key_row(row)})

    def leverage_of(self, key_id: str) -> Answer:
        """The cap."""
        row = exchange_keys.own(self._rooms.store, current(), key_id)
        return answer({"exchange": row["exchange"], "leverage": row["leverage_cap"]})

    def remove(self, key_id: str) -> Answer:
        """Takes the key away."""
        require_personal(current())
        with self._rooms.store.transaction(durable=True) as tx:
            exchange_keys.remove(tx, current(), key_id, now=self._rooms.clock.now(), origin=origin())
        return answer({})


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("exchanges", __name__, url_prefix="/api", abp_tags=[Tag(name="exchanges")])
    desk = KeyDesk(rooms)
    _own_paths(blueprint, desk)
    _predecessor_paths(blueprint, desk)
    _predecessor_key_paths(blueprint, desk)
    return blueprint


def _own_paths(blueprint: APIBlueprint, desk: KeyDesk) -> None:
    @blueprint.get("/exchanges", summary="One's exchange keys, masked")
    @needs(Verb.MANAGE_EXCHANGES)
    def exchanges(query: ListQuery) -> Answer:
        return desk.listed(query)

    @blueprint.post(
        "/exchanges", summary="Add an exchange key; one that may withdraw is refused", responses={201: None}
    )
    @needs(Verb.MANAGE_EXCHANGES)
    def add_exchange(body: ExchangeKeyBody) -> Answer:
        return desk.add(body)

    @blueprint.post("/exchanges/<key_id>/test", summary="Ask the exchange about a key again")
    @needs(Verb.MANAGE_EXCHANGES)
    def test_exchange(path: ExchangeKeyPath) -> Answer:
        return desk.test(path.key_id)

    @blueprint.get("/exchanges/<key_id>/balance", summary="The money that lies there")
    @needs(Verb.MANAGE_EXCHANGES)
    def exchange_balance(path: ExchangeKeyPath) -> Answer:
        return desk.balance(path.key_id)

    @blueprint.patch("/exchanges/<key_id>", summary="Set the leverage cap of a key")
    @needs(Verb.MANAGE_EXCHANGES)
    def change_exchange(path: ExchangeKeyPath, body: LeverageBody) -> Answer:
        return desk.leverage(path.key_id, body.leverage_cap)

    @blueprint.delete("/exchanges/<key_id>", summary="Remove a key")
    @needs(Verb.MANAGE_EXCHANGES)
    def remove_exchange(path: ExchangeKeyPath) -> Answer:
        return desk.remove(path.key_id)


def _predecessor_paths(blueprint: APIBlueprint, desk: KeyDesk) -> None:
    @blueprint.get("/users/<user_id>/exchanges", summary="One's exchange keys, as earlier clients ask")
    @needs(Verb.MANAGE_EXCHANGES)
    def user_exchanges(path: OwnerPath, query: ListQuery) -> Answer:
        _oneself(path.user_id)
        return desk.listed(query)

    @blueprint.post(
        "/users/<user_id>/exchanges", summary="Add an exchange key, as earlier clients do", responses={201: None}
    )
    @needs(Verb.MANAGE_EXCHANGES)
    def add_user_exchange(path: OwnerPath, body: ExchangeKeyBody) -> Answer:
        _oneself(path.user_id)
        return desk.add(body)

    @blueprint.delete("/users/<user_id>/exchanges", summary="Remove a key, as earlier clients do")
    @needs(Verb.MANAGE_EXCHANGES)
    def remove_user_exchange(path: OwnerPath, query: RemoveQuery) -> Answer:
        _oneself(path.user_id)
        return desk.remove(query.exchange)


def _predecessor_key_paths(blueprint: APIBlueprint, desk: KeyDesk) -> None:
    @blueprint.get("/users/<user_id>/exchanges/<key_id>/leverage", summary="The leverage cap of a key")
    @needs(Verb.MANAGE_EXCHANGES)
    def user_leverage(path: OwnedKeyPath) -> Answer:
        _oneself(path.user_id)
        return desk.leverage_of(path.key_id)

    @blueprint.put("/users/<user_id>/exchanges/<key_id>/leverage", summary="Set the leverage cap of a key")
    @needs(Verb.MANAGE_EXCHANGES)
    def set_user_leverage(path: OwnedKeyPath, body: PredecessorLeverageBody) -> Answer:
        _oneself(path.user_id)
        return desk.leverage(path.key_id, body.leverage)

    @blueprint.get("/users/<user_id>/exchanges/<key_id>/balance", summary="The money that lies there")
    @needs(Verb.MANAGE_EXCHANGES)
    def user_balance(path: OwnedKeyPath) -> Answer:
        _oneself(path.user_id)
        return desk.balance(path.key_id)

    @blueprint.delete("/users/<user_id>/exchanges/<key_id>", summary="Remove a key, as earlier clients do")
    @needs(Verb.MANAGE_EXCHANGES)
    def remove_named_user_exchange(path: OwnedKeyPath) -> Answer:
        _oneself(path.user_id)
        return desk.remove(path.key_id)


def _oneself(user_id: str) -> None:
    if user_id not in ("me", current().user_id):
        raise NotFound("There is no such user.")
