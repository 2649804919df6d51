"""Whose things an answer shows: one's own, unless staff asks for more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.trading_house import House
from tests.flows.world import ENTRY


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    for person in ("ann", "bob"):
        made.account(person)
    made.world.say(ENTRY)
    made.settle()
    made.price("BTCUSDT", "60000", "60000")
    yield made
    made.close()


@pytest.mark.parametrize("what", ["positions", "orders"])
def test_a_list_shows_ones_own(house: House, what: str) -> None:
    for person in ("ann", "bob", "operator"):
        status, body = house.call(person, "GET", f"/api/{what}")
        assert status == 200
        assert {each["account_id"] for each in body[what]} == {f"paper-{person}"}


@pytest.mark.parametrize("what", ["positions", "orders"])
def test_only_staff_asks_for_more(house: House, what: str) -> None:
    for query in ("all=true", "user=bob"):
        assert house.call("ann", "GET", f"/api/{what}?{query}")[0] == 403
    _, everybody = house.call("operator", "GET", f"/api/{what}?all=true")
    assert {each["account_id"] for each in everybody[what]} == {"paper-ann", "paper-bob", "paper-operator"}
    _, bobs = house.call("operator", "GET", f"/api/{what}?user=bob")
    assert {each["account_id"] for each in bobs[what]} == {"paper-bob"}
    assert house.call("operator", "GET", f"/api/{what}?user=nobody")[1][what] == []
    assert house.call("ann", "GET", f"/api/{what}?user=ann")[0] == 200


def test_a_person_without_an_account_sees_an_empty_list(house: House) -> None:
    assert house.call("eve", "GET", "/api/positions")[1]["positions"] == []


def test_events_are_staffs(house: House) -> None:
    assert house.call("ann", "GET", "/api/events")[0] == 403
    assert house.call("operator", "GET", "/api/events")[0] == 200


def test_the_address_is_the_peers_unless_a_proxy_of_ours_tells_it(tmp_path: Path) -> None:
    from api.gate import origin

    told = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    for hops, headers, expected in (
        (0, told, "127.0.0.1"),
        (1, told, "203.0.113.9"),
        (2, told, "6.6.6.6"),
        (3, told, "127.0.0.1"),
        (1, {}, "127.0.0.1"),
        (1, {"X-Forwarded-For": "nonsense"}, "127.0.0.1"),
    ):
        folder = tmp_path / f"{hops}{len(headers)}{len(str(headers))}"
        folder.mkdir(exist_ok=True)
        made = House(folder, trust_proxy=hops)
        with made.app.test_request_context(headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"}):
            assert origin() == expected
        made.close()
