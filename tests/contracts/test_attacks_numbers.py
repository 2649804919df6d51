"""Numbers that no market has: one person's must neither break the trading of all others nor fill the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.trading_house import House

WISH: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "LONG",
    "quantity": "0.01",
    "stop_loss": "59000",
    "targets": [{"price": "61000"}],
}
HUGE = ["1e24", "9" * 24, "100000000001", "59000." + "1" * 300_000, "0." + "0" * 300_000 + "1", "1E+12"]
TINY = ["1e-24", "0.00000000000000001"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("numbers"))
    made.account("ann")
    made.account("bob")
    made.price("BTCUSDT", "60000")
    yield made
    made.close()


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in WISH.items() if name not in names}


def wishes(number: str) -> Iterator[dict[str, Any]]:
    """The number in every place that takes one."""
    yield {**WISH, "quantity": number}
    yield {**without("quantity"), "amount": number}
    yield {**WISH, "stop_loss": number}
    yield {**WISH, "targets": [{"price": number}]}
    yield {**WISH, "type": "limit", "price": number}
    yield {**WISH, "leverage": number}
    yield {**WISH, "targets": [{"price": "61000", "share": number}]}


@pytest.mark.parametrize("number", HUGE, ids=lambda text: f"{text[:14]}({len(text)})")
def test_a_number_beyond_all_markets_is_refused_at_the_door(house: House, number: str) -> None:
    """Past the door it would be the executor's, which is everybody's."""
    for wish in wishes(number):
        status, answer = house.call("ann", "POST", "/api/positions", json=wish)
        assert (status, answer["error"]["code"]) == (422, "invalid_input"), wish
        assert len(json.dumps(answer)) < 2_000  # and is not said back
    assert house.world.store["planning_queue"].all() == []


@pytest.mark.parametrize("number", [*TINY, "100000000000"])
def test_after_any_number_that_is_let_in_others_trade_on(house: House, number: str) -> None:
    for wish in wishes(number):
        status, answer = house.call("ann", "POST", "/api/positions", json=wish)
        assert status in (202, 422), (wish, answer)
        if status == 202:
            assert answer["status"] in ("refused", "done", "waiting"), answer
    assert house.world.store["planning_queue"].all() == []
    status, answer = house.call("bob", "POST", "/api/positions", json=WISH)
    assert (status, answer["status"]) == (202, "done")


def test_what_is_stored_of_an_order_is_short(house: House) -> None:
    house.call("ann", "POST", "/api/positions", json=WISH)
    for name in ("plans", "orders", "positions", "audit_log"):
        for row in house.world.store[name].all():
            assert len(json.dumps(row)) < 10_000, name


@pytest.mark.parametrize("raw", ["1e400", "-1e400", "NaN", "Infinity", "9" * 5_000, "1e999999999", "0x10", "01", ".5"])
def test_numbers_that_no_json_reader_agrees_on_are_refused(house: House, raw: str) -> None:
    body = json.dumps({**WISH, "quantity": "@"}).replace('"@"', raw)
    status, _ = house.call("ann", "POST", "/api/positions", data=body, content_type="application/json")
    assert status in (400, 422)
