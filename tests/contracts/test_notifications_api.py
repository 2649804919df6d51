"""Notices over HTTP: what is chosen, which devices there are, and whose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.connections.web_push import decoded
from tests.contracts.trading_house import House
from tests.fakes.browser import Browser

ENDPOINT = "https://push.example/send/abc"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def test_choices_are_kept_per_user_and_begin_with_everything(house: House) -> None:
    status, before = house.call("ann", "GET", "/api/notifications/settings")
    assert status == 200
    assert set(before["kinds"]) == set(before["settings"]["channels"])
    assert set(before["channel_names"]) == {"telegram", "mail", "webhook", "push"}
    assert before["settings"]["quiet"] is None
    wanted: dict[str, Any] = {
        "channels": {"target": ["push"], "stop": []},
        "quiet": {"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"},
    }
    status, after = house.call("ann", "PUT", "/api/notifications/settings", json=wanted)
    assert status == 200
    assert after["settings"]["channels"] == {**before["settings"]["channels"], **wanted["channels"]}
    assert after["settings"]["quiet"] == wanted["quiet"]
    assert house.call("ann", "GET", "/api/notifications/settings")[1] == after
    assert house.call("bob", "GET", "/api/notifications/settings")[1] == before
    status, back = house.call("ann", "PUT", "/api/notifications/settings", json=after["settings"])
    assert (status, back) == (200, after)
    actions = [row["action"] for row in house.world.store["audit_log"].all()]
    assert actions == ["notifications.change", "notifications.change"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channels": {"x": []}}, "channels.x"), ({"channels": {"stop": ["x"]}}, "channels.stop"),
        ({"channels": {"stop": "push"}}, "channels.stop"), ({"channels": []}, "channels"), ({"other": 1}, "other"),
        ({"quiet": {"from": "x", "to": "07:00", "zone": "UTC"}}, "quiet.from"),
        ({"quiet": {"from": "22:00", "to": "07:00"}}, "quiet.zone"),
        ({"quiet": {"from": "22:00", "to": "07:00", "zone": "Nowhere"}}, "quiet.zone"),
    ],
)  # fmt: skip
def test_a_wrong_choice_says_where(house: House, body: dict[str, Any], field: str) -> None:
    status, told = house.call("ann", "PUT", "/api/notifications/settings", json=body)
    assert status == 422, told
    assert field in told["error"]["fields"], told


def test_a_browser_is_registered_listed_tested_and_let_go(house: House) -> None:
    _, told = house.call("ann", "GET", "/api/notifications/push-key")
    assert len(decoded(told["key"])) == 65
    given = {**Browser().subscription(ENDPOINT), "name": "my phone"}
    status, made = house.call("ann", "POST", "/api/notifications/register", json=given)
    assert status == 201, made
    assert set(made["device"]) == {"id", "kind", "name", "created_at"}
    again = house.call("ann", "POST", "/api/notifications/register", json=given)[1]
    assert again["device"]["id"] == made["device"]["id"]
    assert house.call("ann", "GET", "/api/notifications/devices")[1]["devices"] == [again["device"]]
    assert house.call("bob", "GET", "/api/notifications/devices")[1]["devices"] == []
    assert house.call("ann", "POST", "/api/notifications/test")[1]["queued"] == 1
    choice = {"device_id": made["device"]["id"]}
    assert house.call("ann", "POST", "/api/notifications/test", json=choice)[0] == 202
    assert house.call("bob", "POST", "/api/notifications/test", json=choice)[0] == 404
    assert house.call("bob", "POST", "/api/notifications/unregister", json=choice)[0] == 404
    assert house.call("ann", "POST", "/api/notifications/unregister", json=choice)[0] == 200
    assert house.call("ann", "POST", "/api/notifications/test")[0] == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": "http://push.example/"}, "endpoint"), ({"endpoint": "https://10.0.0.1/"}, "endpoint"),
        ({"endpoint": None}, "body"), ({"keys": None}, "body"), ({"keys": {"p256dh": "x", "auth": "y"}}, "keys"),
        ({"kind": "pigeon"}, "kind"), ({"kind": "fcm"}, "body"), ({"kind": "fcm", "token": "abc"}, "kind"),
    ],
)  # fmt: skip
def test_a_device_that_can_not_be_served_says_why(house: House, change: dict[str, Any], field: str) -> None:
    body = {**Browser().subscription(ENDPOINT), **change}
    status, told = house.call("ann", "POST", "/api/notifications/register", json=body)
    assert status == 422, told
    assert field in told["error"]["fields"], told
    assert house.world.store["push_devices"].all() == []


def test_nobody_else_comes_in(house: House) -> None:
    for method, path in (("GET", "settings"), ("PUT", "settings"), ("POST", "register"), ("POST", "test")):
        assert house.call(None, method, f"/api/notifications/{path}", json={} if method != "GET" else None)[0] == 401
