"""Every route and every chat command with every role, held against a table written by hand; and everything with an id in its
path, asked for by somebody whom it does not belong to."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from bots.chat import Person
from bots.chat import Rooms as ChatRooms
from bots.commands import TABLE
from modules.accounts.exchange_keys import KeyReport, NewKey, WithdrawRight, add
from modules.accounts.people import add_user
from modules.accounts.permissions import PERMISSIONS, Verb, may
from modules.accounts.vault import keyring
from modules.domain.people import Principal, Role
from tests.contracts import trading_house
from tests.contracts.backtest_objects import finished_backtest
from tests.contracts.permission_table import COMMANDS, GUESTS, lines, table
from tests.contracts.trading_house import House

EXPECTED = table()
NO_VERB = "may not do this"
OPEN = {"symbol": "BTCUSDT", "side": "long", "quantity": "0.02", "stop_loss": 59000, "targets": [{"price": "62000"}]}
STRATEGY = {
    "name": "s",
    "conditions": [{"type": "rsi", "operator": "<", "value": 30}],
    "action": "BUY",
    "symbols": ["BTCUSDT"],
}
CALL = {"symbol": "ETH/USDT", "side": "long", "entry": 3000, "stop_loss": 2900, "targets": [3100]}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    patch = pytest.MonkeyPatch()
    roles = {f"as-{role.value}": Principal(f"u-{role.value}", role, "access_token") for role in Role}
    unscoped = {"scopeless": Principal("operator", Role.OWNER, "api_key", frozenset())}
    patch.setattr(trading_house, "PEOPLE", {**trading_house.PEOPLE, **roles, **unscoped})
    rates = dict.fromkeys(("rate_user_per_minute", "rate_address_per_minute", "rate_auth_per_minute"), 10**6)
    nobody = {"bybit": "http://127.0.0.1:9"}  # nothing answers there
    made = House(tmp_path_factory.mktemp("house"), exchange_urls=nobody, **rates)
    for name in ("ann", "bob"):
        _user(made, name)
        made.account(name)
    made.price("BTCUSDT", "60000")
    made.price("ETHUSDT", "3000")
    yield made
    made.close()
    patch.undo()


def _user(house: House, name: str) -> None:
    """A user of that id, with everything a registered one has."""
    store = house.world.store
    with store.transaction() as tx:
        now = house.world.clock.now()
        given = {"email": f"{name}@x.test", "password_hash": "", "name": name, "role": Role.SUBSCRIBER}
        user = add_user(tx, house.settings, now, **given)  # type: ignore[arg-type]
        tx["users"].remove(key=user["id"])
        tx["accounts"].remove(key=f"paper-{user['id']}")
        tx["users"].insert({**user, "id": name})


def routes(house: House) -> dict[str, Any]:
    """Every route of the application, with the verb it declares."""
    found: dict[str, Any] = {}
    for rule in house.app.url_map.iter_rules():
        view = house.app.view_functions[rule.endpoint]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            found[f"{method} {rule.rule}"] = getattr(view, "verb", "closed")
    return found


def address(route: str, **arguments: str) -> tuple[str, str]:
    """Method and address of a route, its arguments filled in."""
    method, _, path = route.partition(" ")
    filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: arguments.get(found[1], "1"), path)
    return method, filled


# ---- routes and roles -----------------------------------------------------------------------------------------------


def test_every_route_is_in_the_table_and_nothing_else(house: House) -> None:
    assert set(routes(house)) == set(EXPECTED)


def test_every_route_declares_who_may(house: House) -> None:
    wrong = {}
    for route, verb in routes(house).items():
        expected = EXPECTED[route]
        if expected is None:
            allowed = verb is None
        elif expected:
            allowed = isinstance(verb, Verb) and PERMISSIONS[verb] == expected
        else:
            allowed = verb == "closed"
        if not allowed:
            wrong[route] = verb
    assert wrong == {}


def test_every_verb_has_its_row() -> None:
    assert set(PERMISSIONS) == set(Verb)


@pytest.mark.parametrize("route", [route for route, roles in EXPECTED.items() if roles is not None])
def test_who_is_not_signed_in_gets_nowhere(house: House, route: str) -> None:
    method, path = address(route)
    if path.startswith("/static/"):
        assert house.client.open(path, method=method).status_code in (401, 404)
        return
    status, told = house.call(None, method, path)
    assert (status, told["error"]["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize("role", list(Role))
def test_whoever_may_not_is_refused_before_anything_else(house: House, role: Role) -> None:
    """What is allowed is not asked here: that would do it. `test_every_route_declares_who_may` holds the other half."""
    for route, roles in EXPECTED.items():
        if not roles or role in roles:
            continue
        method, path = address(route)
        status, told = house.call(f"as-{role.value}", method, path)
        assert (status, told["error"]["code"]) == (403, "not_allowed"), route
        assert NO_VERB in told["error"]["message"], route


def test_a_closed_route_is_closed_to_the_owner_too(house: House) -> None:
    for route, roles in EXPECTED.items():
        if roles is not None and not roles:
            method, path = address(route)
            assert house.client.open(path, method=method, headers={"Authorization": "Bearer operator"}).status_code in (
                403,
                404,
            )


def test_an_api_key_without_the_scope_gets_nowhere_whatever_its_owner_may(house: House) -> None:
    for route, roles in EXPECTED.items():
        if roles:
            method, path = address(route)
            status, told = house.call("scopeless", method, path)
            assert status == 403, route
            assert told["error"]["message"].startswith("this key " + NO_VERB), route


@pytest.mark.parametrize("role", list(Role))
def test_a_scope_gives_nothing_that_the_role_does_not(role: Role) -> None:
    for verb in Verb:
        one = Principal("u", role, "api_key", frozenset({verb.value}))
        assert may(one, verb) is (role in PERMISSIONS[verb])
        assert not any(may(one, other) for other in Verb if other is not verb)


def test_signed_in_or_not_an_address_that_is_none_tells_nothing(house: House) -> None:
    assert house.call(None, "GET", "/api/no/such/thing")[0] == 401
    assert house.call("ann", "GET", "/api/no/such/thing")[0] == 404


# ---- what only staff may ask of a route that everybody has ----------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/positions?all=true", None),
        ("GET", "/api/positions?user=bob", None),
        ("GET", "/api/orders?all=true", None),
        ("GET", "/api/orders?user=bob", None),
        ("POST", "/api/safety/killswitch", {"scope": "global"}),
        ("POST", "/api/safety/pause", {"scope": "global", "duration_minutes": 5}),
        ("POST", "/api/safety/resume", {"scope": "global"}),
    ],
)
def test_more_than_ones_own_is_for_staff(house: House, method: str, path: str, body: dict[str, Any] | None) -> None:
    before = house.world.store["safety"].all()
    for who in ("ann", "as-analyst"):
        assert house.call(who, method, path, json=body)[0] == 403
    assert house.world.store["safety"].all() == before
    if method == "GET":
        assert house.call("as-operator", method, path)[0] == 200


# ---- objects --------------------------------------------------------------------------------------------------------

#: Arguments that name what is the same for everybody.
SHARED = {"symbol", "token", "address", "filename"}
#: Routes about objects that belong to the service: only those who may manage them get past the verb.
SERVICE = {
    *(route for route in EXPECTED if "/api/admin/" in route or "/api/backup/" in route or "/api/audit/alerts" in route),
    "GET /assets/<path:name>",
}

#: What of other people staff may look at (never change) under the same address.
STAFF_LOOK = {
    "GET /api/audit/user/<user_id>",
    "GET /api/orders/<order_id>",
    "GET /api/plans/<plan_id>",
    "GET /api/positions/<position_id>",
}


@pytest.fixture(scope="module")
def objects(house: House) -> dict[str, str]:
    """One object of Ann's of each kind, by the argument's name; an API key goes by the same name as an exchange's."""
    store = house.world.store
    status, opened = house.call("ann", "POST", "/api/positions", json=OPEN)
    assert status == 202, opened
    position = opened["position_id"]
    house.settle()
    mine = [row for row in store["orders"].all() if row["account_id"] == "paper-ann"]
    (working, *_) = [row["id"] for row in mine if row["state"] == "open"]

    def made(path: str, body: dict[str, Any], *names: str) -> str:
        status, told = house.call("ann", "POST", path, json=body)
        assert status in (200, 201, 202), (path, told)
        for name in names:
            told = told[name]
        return str(told)

    strategy = made("/api/strategies", STRATEGY, "strategy_id")
    indicator = made("/api/indicators", {"name": "i", "type": "rsi", "parameters": {"period": 14}}, "indicator_id")
    hook = made("/api/hooks", {"url": "https://example.com/h", "events": ["*"]}, "webhook", "id")
    delivery = made(f"/api/hooks/{hook}/test", {}, "delivery_id")
    inbound = house.call("ann", "POST", "/api/webhooks", json={"name": "tv"})[1]
    path = re.search(r"/api/webhook/[\w-]+", json.dumps(inbound))
    assert path is not None
    house.call(None, "POST", path[0], data=json.dumps(CALL), content_type="text/plain")
    (signal,) = [row for row in store["signals"].all() if row["symbol"] == "ETHUSDT"]
    session = {
        "id": "session-of-ann",
        "user_id": "ann",
        "via": "password",
        "address": "",
        "agent": "",
        "revoked_at": None,
    }
    times = {"created_at": 1, "last_used_at": 1, "expires_at": 2**50, "generation": 0, "seed": "", "revoked_why": ""}
    store["sessions"].insert({**session, **times})
    key = {
        "id": "key-of-ann",
        "user_id": "ann",
        "name": "k",
        "prefix": "vzk_",
        "hash": "h",
        "scopes": [],
        "created_at": 1,
    }
    store["api_keys"].insert({**key, "expires_at": None, "last_used_at": None, "revoked_at": None})
    wish = NewKey("bybit", "", SecretStr("key-0123456789"), SecretStr("s"))
    with store.transaction() as tx:
        report, now = KeyReport(True, "", WithdrawRight.NO), house.world.clock.now()
        exchange = add(tx, keyring(house.settings), trading_house.PEOPLE["ann"], wish, report, now=now)
    key = {"id": exchange["id"], "user_id": "ann", "name": "k", "prefix": "vzk_", "hash": "h", "scopes": []}
    store["api_keys"].insert({**key, "created_at": 1, "expires_at": None, "last_used_at": None, "revoked_at": None})
    backtest, job = finished_backtest(store, "ann", house.world.clock.now())
    return {
        "user_id": "ann",
        "backtest_id": backtest,
        "job_id": job,
        "position_id": position,
        "plan_id": position.removeprefix("pos-"),
        "order_id": working,
        "strategy_id": strategy,
        "indicator_id": indicator,
        "hook_id": hook,
        "delivery_id": delivery,
        "webhook_id": inbound["webhook"]["id"],
        "signal_id": signal["id"],
        "name": signal["source"],
        "session_id": "session-of-ann",
        "key_id": exchange["id"],
        "room": "ann",
        "number": "1",
    }


BODIES: dict[str, Any] = {
    "PATCH /api/positions/<position_id>": {"stop_loss": 59500},
    "PUT /api/strategies/<strategy_id>": STRATEGY,
    "PATCH /api/hooks/<hook_id>": {"enabled": False},
    "PATCH /api/exchanges/<key_id>": {"leverage_cap": 3},
    "PUT /api/users/<user_id>/exchanges/<key_id>/leverage": {"leverage": 3},
    "POST /api/users/<user_id>/exchanges": {"exchange": "bybit", "api_key": "k", "secret": "s"},
    "PUT /api/users/<user_id>": {"name": "x"},
    "PUT /api/users/<user_id>/general": {"name": "x"},
    "PUT /api/users/<user_id>/preferences": {"preferences": {}},
    "PUT /api/users/<user_id>/dca": {"settings": {"dca_enabled": True}},
    "PUT /api/users/<user_id>/risk": {"settings": {"leverage_cap": 3}},
    "PUT /api/users/<user_id>/strategy": {"settings": {"autotrade": True}},
}
#: What is answered as a file, not as JSON.
FILES = ("/chart.png", "/report", "/trades.csv")
QUERIES = {"DELETE /api/users/<user_id>/exchanges": "?exchange=bybit"}


def _owned() -> list[str]:
    found = []
    for route in EXPECTED:
        names = set(re.findall(r"<(?:\w+:)?(\w+)>", route))
        if names - SHARED and route not in SERVICE and EXPECTED[route]:
            found.append(route)
    return found


@pytest.mark.parametrize("route", _owned())
@pytest.mark.parametrize("who", ["bob", "as-owner"])
def test_anothers_object_does_not_exist(house: House, objects: dict[str, str], route: str, who: str) -> None:
    """Not even for the owner of the service, but for what staff may look into. A route with an unknown argument fails."""
    names = re.findall(r"<(?:\w+:)?(\w+)>", route)
    assert set(names) <= objects.keys() | SHARED, f"{route}: say whose {names} is"
    method, path = address(route, **{name: objects[name] for name in names if name in objects})
    before = house.world.store["audit_log"].count()
    body = BODIES.get(route, {} if method == "POST" else None)
    told = house.client.open(
        path + QUERIES.get(route, ""), method=method, json=body, headers={"Authorization": f"Bearer {who}"}
    )
    expected = 200 if who == "as-owner" and route in STAFF_LOOK else 422 if "/api/chat/" in route else 404
    assert told.status_code == expected, (route, told.get_data(as_text=True)[:300])
    done = house.world.store["audit_log"].search(order_by="seq")[before:]
    assert {row["action"] for row in done} <= {"access.refused"}


@pytest.mark.parametrize("route", [route for route in _owned() if route.startswith("GET ") and "/chat/" not in route])
def test_the_same_objects_are_there_for_whom_they_belong_to(house: House, objects: dict[str, str], route: str) -> None:
    names = re.findall(r"<(?:\w+:)?(\w+)>", route)
    method, path = address(route, **{name: objects[name] for name in names})
    if path.endswith(FILES):
        assert house.client.open(path, method=method, headers={"Authorization": "Bearer ann"}).status_code == 200
        return
    status, told = house.call("ann", method, path)
    if route == "GET /api/strategies/<strategy_id>/chart":  # it is found, and there is nothing stored to draw it on
        assert (status, "no candles" in told["error"]["message"]) == (404, True)
        return
    assert status == (503 if path.endswith("/balance") else 200), told


# ---- the chat -------------------------------------------------------------------------------------------------------


def expected_commands(role: Role | None) -> set[str]:
    """The commands that somebody of that role has, by the table."""
    names = set(GUESTS.split())
    for roles, text in COMMANDS.items():
        if role in roles:
            names |= set(text.split())
    return names


@pytest.mark.parametrize("role", [None, *Role])
def test_every_command_is_seen_by_whom_the_table_says(role: Role | None) -> None:
    assert {each.name for each in TABLE.visible(role)} == expected_commands(role)


@pytest.mark.parametrize("role", [None, *Role])
def test_who_may_not_use_a_command_is_told_there_is_none(house: House, role: Role | None) -> None:
    rooms = ChatRooms(house.world.store, house.rooms.views, house.world.clock, house.world.stage.board, house.settings,
                      house.rooms.intake)  # fmt: skip
    person = Person("u-somebody", "telegram:1", role)
    before = house.world.store["audit_log"].count()
    for command in TABLE.commands:
        if command.name not in expected_commands(role):
            for name in (command.name, *command.aliases):
                told = asyncio.run(TABLE.handle(person, f"/{name} 1 2 3", rooms))
                assert told.text.startswith(f"There is no command /{name}."), name
    assert house.world.store["audit_log"].count() == before


def test_the_table_writes_nothing_twice() -> None:
    names = [name for text in (GUESTS, *COMMANDS.values()) for name in text.split()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE) /\S*", line) for line in lines("\n".join(EXPECTED)))
