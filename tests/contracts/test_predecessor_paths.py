"""Filters of the lists, and the small reading paths that earlier clients call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.trading_house import House
from tests.flows.world import ENTRY

SECOND = ENTRY.replace("BTC", "ETH")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.account("ann")
    made.account("bob")
    yield made
    made.close()


def trade(house: House, message_id: str = "1") -> None:
    """A trade of everybody's that reaches its last target."""
    house.world.say(ENTRY, message_id)
    house.settle()
    house.price("BTCUSDT", "60000", "60000", "61100", "62100", "63100")


def get(house: House, path: str, who: str | None = "ann") -> dict[str, Any]:
    status, body = house.call(who, "GET", path)
    assert status == 200, body
    return body


# ---- filters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["positions", "orders"])
def test_trades_are_listed_by_symbol_and_account(house: House, name: str) -> None:
    trade(house)
    (account,) = {each["account_id"] for each in get(house, f"/api/{name}?status=all")[name]}
    everything = get(house, f"/api/{name}?status=all")[name]
    assert everything
    assert get(house, f"/api/{name}?status=all&symbol=btc/usdt&account_id={account}")[name] == everything
    assert get(house, f"/api/{name}?status=all&symbol=ETHUSDT")[name] == []
    assert house.call("bob", "GET", f"/api/{name}?account_id={account}")[0] == 404
    assert house.call("operator", "GET", f"/api/{name}?all=true&account_id={account}")[0] == 404
    assert house.call("bob", "GET", f"/api/{name}?all=true&account_id=paper-bob")[0] == 403
    assert house.call("ann", "GET", f"/api/{name}?symbol=%20")[0] == 422


def test_a_filtered_list_goes_on_where_its_page_ended(house: House) -> None:
    trade(house)
    whole = [each["id"] for each in get(house, "/api/orders?symbol=BTCUSDT")["orders"]]
    assert len(whole) > 2
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = get(house, f"/api/orders?symbol=BTCUSDT&limit=2{cursor and '&cursor=' + cursor}")
        seen += [each["id"] for each in page["orders"]]
        cursor = page["next_cursor"]
    assert seen == whole


def test_signals_are_listed_by_symbol_side_source_and_time(house: House) -> None:
    house.world.say(ENTRY, "1")
    first = get(house, "/api/signals")["signals"][0]
    house.world.clock.advance(60)
    house.world.say(SECOND, "2")
    both = get(house, "/api/signals")["signals"]
    assert {each["symbol"] for each in both} == {"BTCUSDT", "ETHUSDT"}
    later = next(each for each in both if each["symbol"] == "ETHUSDT")

    def ids(query: str) -> list[str]:
        return [each["id"] for each in get(house, f"/api/signals?{query}")["signals"]]

    assert ids("symbol=BTC-USDT") == [first["id"]]
    assert ids(f"since={later['received_at']}") == [later["id"]]
    assert ids(f"symbol=ETHUSDT&source={later['source']}&side=buy") == [later["id"]]
    assert ids("side=short") == []
    assert house.call("ann", "GET", "/api/signals?side=up")[0] == 422
    assert house.call("ann", "GET", "/api/signals?since=2026-01-01T00:00:00")[0] == 422


# ---- small things ---------------------------------------------------------------------------------------------------


def test_what_was_made_says_since_when_in_utc(house: House) -> None:
    assert get(house, "/api/pnl?period=week")["since"].endswith("T00:00:00Z")


def test_the_address_of_an_inbound_webhook_is_whole(house: House) -> None:
    status, made = house.call("ann", "POST", "/api/webhooks", json={"name": "mine", "source": "custom"})
    assert status == 201, made
    hook = made["webhook"]
    assert hook["url"] == house.settings.web_address + hook["path"]
    assert hook["url"].startswith("http")


def test_a_path_that_is_not_there_refuses_nobody(house: House) -> None:
    assert house.call("ann", "GET", "/api/no-such-path")[0] == 404
    assert house.world.store["audit_log"].count() == 0
    assert house.call("ann", "GET", "/api/positions/none")[0] == 404
    assert house.world.store["audit_log"].count() == 1
