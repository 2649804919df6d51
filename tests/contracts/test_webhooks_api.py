"""Webhooks over HTTP, out and in: shapes, limits, whose they are, and what a posted call becomes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.accounts.first_start import prepare
from modules.accounts.people import add_user
from modules.domain.people import Role
from modules.runtime.logs import redacted
from tests.contracts.trading_house import PEOPLE, House

URL = "https://example.com/hook"
ALERT = {"ticker": "BINANCE:BTCUSDT.P", "action": "buy", "price": 60000, "stop": "59000", "targets": [61000, "62000"]}
CALL = {"symbol": "BTC/USDT", "side": "long", "entry": 60000, "stop_loss": 59000, "targets": [61000], "leverage": 5}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    store = made.world.store
    prepare(store, made.settings, made.world.clock.now())
    for name in ("ann", "bob", "eve"):
        with store.transaction() as tx:
            user = add_user(
                tx, made.settings, made.world.clock.now(), email=f"{name}@x.test", password_hash="", name=name,
                role=PEOPLE[name].role,
            )  # fmt: skip
            tx["users"].remove(key=user["id"])
            tx["accounts"].remove(key=f"paper-{user['id']}")
            tx["users"].insert({**user, "id": name})
        made.account(name)
    yield made
    made.close()


def _out(house: House, who: str = "ann", **fields: Any) -> dict[str, Any]:
    status, body = house.call(who, "POST", "/api/hooks", json={"url": URL, "events": ["position.*"], **fields})
    assert status == 201, body
    return body


def _in(house: House, who: str = "ann", **fields: Any) -> dict[str, Any]:
    status, body = house.call(who, "POST", "/api/webhooks", json={"name": "tv", **fields})
    assert status == 201, body
    return body


def _post(house: House, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return house.call(None, "POST", path, data=raw, headers=headers, content_type="text/plain")


# ---- out ---------------------------------------------------------------------------------------------------------------


def test_a_hook_is_made_changed_and_removed_and_its_secret_shown_once(house: House) -> None:
    made = _out(house, name="mine")
    hook = made["webhook"]
    assert made["secret"].startswith("whsec_")
    assert {"id", "name", "url", "events", "enabled", "created_at", "failures", "disabled_reason"} <= set(hook)
    assert hook["created_at"] == "2025-10-15T12:00:00Z"
    path = f"/api/hooks/{hook['id']}"
    for method, where in (("GET", "/api/hooks"), ("GET", path)):
        assert made["secret"] not in json.dumps(house.call("ann", method, where)[1])
    status, changed = house.call("ann", "PATCH", path, json={"events": ["*"], "enabled": False})
    assert (status, changed["webhook"]["events"], changed["webhook"]["enabled"]) == (200, ["*"], False)
    assert changed["webhook"]["name"] == "mine"
    status, again = house.call("ann", "POST", f"{path}/secret")
    assert status == 200
    assert again["secret"] != made["secret"]
    assert house.call("ann", "DELETE", path)[0] == 200
    assert house.call("ann", "GET", path)[0] == 404
    actions = [row["action"] for row in house.world.store["audit_log"].all() if row["action"].startswith("webhook.")]
    assert actions == ["webhook.create", "webhook.change", "webhook.rotate", "webhook.delete"]
    rows = [row for row in house.world.store["audit_log"].all() if row["action"].startswith("webhook.")]
    assert {row["origin"] for row in rows} == {"127.0.0.1"}
    assert rows[0]["after"]["host"] == "example.com"
    assert "/hook" not in json.dumps([[row["before"], row["after"]] for row in rows])  # a path may hold a secret


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"url": "http://example.com/"}, "url"), ({"url": "https://127.0.0.1/"}, "url"), ({"url": "https://a@b.c/"}, "url"),
        ({"url": "https://example.com:22/"}, "url"), ({"url": ""}, "url"), ({"url": 5}, "url"), ({"events": []}, "events"),
        ({"events": ["nothing"]}, "events"), ({"events": "*"}, "events"), ({"name": "x" * 61}, "name"),
        ({"name": "a\nb"}, "name"), ({"secret": "mine"}, "secret"), ({"events": ["*"] * 51}, "events"),
    ],
)  # fmt: skip
def test_a_wrong_hook_says_what_is_wrong(house: House, fields: dict[str, Any], name: str) -> None:
    status, body = house.call("ann", "POST", "/api/hooks", json={"url": URL, "events": ["*"], **fields})
    assert status == 422, body
    assert name in body["error"]["fields"], body


def test_every_hook_route_treats_anothers_hook_as_none(house: House) -> None:
    hook_id = _out(house)["webhook"]["id"]
    path = f"/api/hooks/{hook_id}"
    asked: list[tuple[str, str, Any]] = [
        ("GET", path, None), ("PATCH", path, {"name": "x"}), ("DELETE", path, None), ("POST", f"{path}/secret", None),
        ("POST", f"{path}/test", None), ("GET", f"{path}/deliveries", None), ("POST", f"{path}/deliveries/x/again", None),
    ]  # fmt: skip
    for method, where, body in asked:
        assert house.call("bob", method, where, json=body)[0] == 404, (method, where)
        assert house.call(None, method, where, json=body)[0] == 401
    assert house.call("bob", "GET", "/api/hooks")[1]["webhooks"] == []
    assert house.call("bob", "GET", f"/api/hooks?cursor={hook_id}")[0] == 422


def test_hooks_and_deliveries_are_paged(house: House) -> None:
    made = [_out(house)["webhook"]["id"] for _ in range(3)]
    status, first = house.call("ann", "GET", "/api/hooks?limit=2")
    _, second = house.call("ann", "GET", f"/api/hooks?limit=2&cursor={first['next_cursor']}")
    assert status == 200
    assert [row["id"] for row in first["webhooks"] + second["webhooks"]] == made[::-1]
    assert second["next_cursor"] is None
    status, told = house.call("ann", "POST", f"/api/hooks/{made[0]}/test")
    assert status == 202
    _, listed = house.call("ann", "GET", f"/api/hooks/{made[0]}/deliveries?status=queued")
    (row,) = listed["deliveries"]
    assert row["id"] == told["delivery_id"]
    assert {
        "type",
        "status",
        "tries",
        "response_status",
        "response_ms",
        "response_excerpt",
        "next_try_at",
        "body",
    } <= set(row)
    assert json.loads(row["body"])["type"] == "webhook.test"
    assert house.call("ann", "GET", f"/api/hooks/{made[0]}/deliveries?status=odd")[0] == 422
    again = f"/api/hooks/{made[0]}/deliveries/{row['id']}/again"
    assert house.call("ann", "POST", again)[0] == 409


def test_the_events_that_can_be_asked_for_are_listed(house: House) -> None:
    _, body = house.call("ann", "GET", "/api/hooks/events")
    assert {"signal.received", "position.closed", "order.filled"} <= set(body["events"])
    for name in (*body["events"], *body["patterns"]):
        _out(house, "bob", events=[name])
        (row,) = house.call("bob", "GET", "/api/hooks")[1]["webhooks"]
        house.call("bob", "DELETE", f"/api/hooks/{row['id']}")


# ---- in ----------------------------------------------------------------------------------------------------------------


def test_an_alert_becomes_a_trade_of_the_owner_alone(house: House) -> None:
    made = _in(house, source="tradingview")["webhook"]
    assert made["path"].startswith("/api/webhook/vzk_")
    assert made["url"].endswith(made["path"])
    assert (made["source"], made["source_name"], made["public"], made["signed"]) == (
        "tradingview",
        "webhook:tv",
        False,
        False,
    )
    assert len(made["path"]) > 70
    house.world.price("BTCUSDT", "60000")
    status, told = _post(house, made["path"], ALERT)
    assert status == 202, told
    assert (told["accepted"], told["kind"], told["duplicate"]) == (True, "entry", False)
    house.settle()
    assert [p["symbol"] for p in house.call("ann", "GET", "/api/positions")[1]["positions"]] == ["BTCUSDT"]
    for other in ("bob", "operator"):
        assert house.call(other, "GET", "/api/positions")[1]["positions"] == []
        assert house.call(other, "GET", "/api/signals")[1]["signals"] == []
        assert house.call(other, "GET", f"/api/signals/{told['signal_id']}")[0] == 404
    status, closed = _post(house, made["path"], {"ticker": "BTCUSDT", "action": "close"})
    assert closed["accepted"], closed
    house.settle()
    assert house.call("ann", "GET", "/api/positions")[1]["positions"] == []
    (row,) = house.call("ann", "GET", "/api/webhooks")[1]["webhooks"]
    assert row["received"] == 2
    assert row["last_received_at"] is not None


def test_calls_of_staff_are_for_everybody_unless_they_say_otherwise(house: House) -> None:
    public = _in(house, "operator")["webhook"]
    private = _in(house, "operator", name="own", public=False)["webhook"]
    assert (public["public"], private["public"]) == (True, False)
    house.world.price("BTCUSDT", "60000")
    _post(house, private["path"], CALL)
    house.settle()
    assert house.call("bob", "GET", "/api/positions")[1]["positions"] == []
    _post(house, public["path"], {**CALL, "stop_loss": 59100})
    house.settle()
    assert len(house.call("bob", "GET", "/api/positions")[1]["positions"]) == 1


def test_a_public_hook_turns_private_when_its_user_may_no_longer_post(house: House) -> None:
    public = _in(house, "operator")["webhook"]
    house.world.store["users"].update({"role": "subscriber"}, key="operator")
    house.world.price("BTCUSDT", "60000")
    _post(house, public["path"], CALL)
    house.settle()
    assert house.call("bob", "GET", "/api/signals")[1]["signals"] == []


@pytest.mark.parametrize("body", [CALL, ALERT, b"#BTC/USDT LONG Entry 60000 SL 59000 TP 61000", {"text": "BTCUSDT long 60000 sl 59000 tp 61000"}])  # fmt: skip
def test_every_form_is_read_and_a_replay_is_a_duplicate(house: House, body: Any) -> None:
    path = _in(house)["webhook"]["path"]
    house.world.price("BTCUSDT", "60000")
    first = _post(house, path, body)
    again = _post(house, path, body)
    assert first[1]["accepted"], first
    assert again == (202, {**first[1], "duplicate": True})
    house.world.clock.advance(120)
    later = _post(house, path, body)[1]
    assert not later["accepted"]
    assert len(house.world.store["signals"].all()) == 1


def test_an_id_of_the_sender_makes_a_message_unique(house: House) -> None:
    path = _in(house)["webhook"]["path"]
    first = _post(house, path, {**CALL, "id": "a1"})[1]
    house.world.clock.advance(7200)
    assert _post(house, path, {**CALL, "id": "a1"})[1] == {**first, "duplicate": True}


def test_signatures(house: House) -> None:
    made = _in(house, signed=True)
    path, secret = made["webhook"]["path"], made["secret"]
    raw = json.dumps(CALL).encode()

    def sign(data: bytes, key: str = secret) -> str:
        return hmac.new(key.encode(), data, hashlib.sha256).hexdigest()

    now = int(house.world.clock.now().timestamp())
    wrong = [
        {}, {"X-Signature": "00"}, {"X-Signature": sign(raw, "other")}, {"X-Signature": sign(raw + b" ")}, {"X-Signature": "é"},
        {"X-Verzek-Signature": f"t={now},v1={sign(raw)}"}, {"X-Verzek-Signature": "nonsense"}, {"X-Verzek-Signature": ""},
        {"X-Verzek-Signature": f"t={now - 301},v1=" + sign(f"{now - 301}.".encode() + raw)},
    ]  # fmt: skip
    for headers in wrong:
        status, body = _post(house, path, raw, **headers)
        assert (status, body["error"]["code"]) == (401, "bad_signature"), headers
    assert house.world.store["messages"].all() == []
    right = [
        {"X-Signature": sign(raw)}, {"X-Hub-Signature-256": "sha256=" + sign(raw)}, {"X-Webhook-Signature": sign(raw).upper()},
        {"X-Verzek-Signature": f"t={now},v1=" + sign(f"{now}.".encode() + raw)},
    ]  # fmt: skip
    assert {_post(house, path, raw, **headers)[0] for headers in right} == {202}
    loose = _in(house, name="loose")["webhook"]["path"]
    assert _post(house, loose, raw)[0] == 202
    assert _post(house, loose, raw, **{"X-Signature": "00"})[0] == 401  # one that is given must fit


def test_a_hook_that_is_off_or_gone_or_never_was_is_none(house: House) -> None:
    made = _in(house)["webhook"]
    path = made["path"]
    status, body = house.call("ann", "POST", f"/api/webhooks/{made['id']}/toggle")
    assert (status, body["webhook"]["enabled"]) == (200, False)
    assert _post(house, path, CALL)[0] == 404
    assert house.call("ann", "POST", f"/api/webhooks/{made['id']}/toggle", json={"enabled": True})[1]["webhook"][
        "enabled"
    ]
    assert _post(house, path, CALL)[0] == 202
    house.world.store["users"].update({"enabled": False}, key="ann")
    assert _post(house, path, CALL)[0] == 404
    house.world.store["users"].update({"enabled": True}, key="ann")
    assert house.call("bob", "POST", f"/api/webhooks/{made['id']}/toggle")[0] == 404
    assert house.call("bob", "DELETE", f"/api/webhooks/{made['id']}")[0] == 404
    assert house.call("ann", "DELETE", f"/api/webhooks/{made['id']}")[0] == 200
    assert _post(house, path, CALL)[0] == 404
    address = path.rpartition("/")[2]
    assert redacted(f"POST {path}") == "POST /api/webhook/[secret]"
    for name in house.world.store.collections:
        assert address not in json.dumps(house.world.store[name].all())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"), (b"  ", "body"), (b"\xff\xfe", "body"), (b"{", "body"), (b"{}", "body"), (b'{"a": 1}', "body"),
        (b'{"symbol": NaN}', "body"), (b'{"a":' * 5000, "body"), ({"ticker": "BTCUSDT"}, "action"),
        ({"ticker": "BTCUSDT", "action": "dance"}, "action"), ({"ticker": 5, "action": "buy"}, "ticker"),
        ({"ticker": "", "action": "buy"}, "ticker"), ({"ticker": "BTCUSDT", "action": "buy"}, "price"),
        ({**ALERT, "price": "soon"}, "price"), ({**ALERT, "price": -1}, "price"), ({**ALERT, "price": True}, "price"),
        ({**ALERT, "stop": [1, 2]}, "stop"), ({**ALERT, "targets": [1] * 21}, "targets"), ({**ALERT, "price": 1e300}, "price"),
        ({**CALL, "side": "up"}, "side"), ({**CALL, "entry": {}}, "entry"), ({**CALL, "symbol": "<script>"}, "symbol"),
    ],
)  # fmt: skip
def test_what_is_no_call_is_a_clear_no(house: House, body: Any, field: str) -> None:
    made = _in(house)["webhook"]
    status, told = _post(house, made["path"], body)
    assert status == 422, told
    assert field in told["error"]["fields"], told
    (row,) = house.call("ann", "GET", "/api/webhooks")[1]["webhooks"]
    assert row["last_outcome"] == told["error"]["message"][:300]


def test_a_sender_gone_wild_is_slowed_down(house: House) -> None:
    path, other = _in(house)["webhook"]["path"], _in(house, name="other")["webhook"]["path"]
    for number in range(60):
        assert _post(house, path, {"text": f"note {number}"})[0] == 202
    raw = house.client.post(path, data=b"one more")
    assert raw.status_code == 429
    assert int(raw.headers["Retry-After"]) >= 1
    assert _post(house, other, {"text": "note"})[0] == 202
    house.world.clock.advance(2)
    assert _post(house, path, {"text": "note later"})[0] == 202


def test_who_may_make_which_hook(house: House) -> None:
    assert house.call("eve", "POST", "/api/webhooks", json={"name": "x"})[0] == 403
    assert house.call("ann", "POST", "/api/webhooks", json={"name": "x", "public": True})[0] == 403
    _in(house)
    assert house.call("ann", "POST", "/api/webhooks", json={"name": "tv"})[0] == 409
    _in(house, "bob")
    for name in ("", " ", "a/b", "x" * 61, "<b>", "a\nb", "-x"):
        assert house.call("ann", "POST", "/api/webhooks", json={"name": name})[0] == 422, name
    assert house.call("ann", "POST", "/api/webhooks", json={"name": "y", "source": "odd"})[0] == 422


def test_two_users_hooks_of_one_name_stay_apart(house: House) -> None:
    house.world.price("BTCUSDT", "60000")
    ann, bob = _in(house)["webhook"]["path"], _in(house, "bob")["webhook"]["path"]
    assert _post(house, ann, CALL)[1]["accepted"]
    assert _post(house, bob, CALL)[1]["accepted"]
    house.settle()
    assert _post(house, bob, {"symbol": "BTCUSDT", "side": "close"})[1]["accepted"]
    house.settle()
    assert len(house.call("ann", "GET", "/api/positions")[1]["positions"]) == 1
    assert house.call("bob", "GET", "/api/positions")[1]["positions"] == []


def test_an_account_that_follows_named_sources_follows_a_new_hook_too(house: House) -> None:
    def sources() -> list[str]:
        account = house.world.store["accounts"].get(key="paper-ann")
        assert account is not None
        return list(account["settings"]["sources"])

    house.world.store["accounts"].update(lambda row: row["settings"].update(sources=["a"]), key="paper-ann")
    _in(house)
    assert sources() == ["a", "webhook:tv"]
    assert Role.SUBSCRIBER is PEOPLE["ann"].role
