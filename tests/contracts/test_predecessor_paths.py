"""Filters of the lists, and the small reading paths that earlier clients call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tinydb import where

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


# ---- earlier paths --------------------------------------------------------------------------------------------------


def test_results_are_what_the_closed_trades_made(house: House) -> None:
    empty = get(house, "/api/analytics/performance")["performance"]
    assert (empty["trades"], empty["win_rate"], empty["best"], empty["net_pnl"]) == (0, None, None, "0")
    assert get(house, "/api/latest")["trade"] is None
    trade(house)
    made = get(house, "/api/analytics/performance?days=7")
    (recorded,) = get(house, "/api/trades")["trades"]
    assert made["performance"]["net_pnl"] == made["performance"]["best"] == recorded["pnl"]
    assert (made["performance"]["wins"], made["performance"]["win_rate"]) == (1, "1")
    assert made["performance"]["profit_factor"] is None  # nothing was lost
    assert [each["symbol"] for each in made["symbols"]] == ["BTCUSDT"]
    assert get(house, "/api/latest")["trade"] == recorded
    (account,) = get(house, "/api/users/ann/stats")["stats"]["accounts"]
    assert (account["net_pnl"], account["open_positions"]) == (recorded["pnl"], 0)
    house.world.clock.advance(8 * 86_400)
    assert get(house, "/api/analytics/performance?days=7")["performance"]["trades"] == 0
    assert house.call("bob", "GET", "/api/users/ann/stats")[0] == 404
    assert house.call("bob", "GET", f"/api/analytics/performance?account_id={account['account_id']}")[0] == 404
    assert house.call("ann", "GET", "/api/analytics/performance?days=0")[0] == 422


def test_risk_is_what_the_stops_would_lose(house: House) -> None:
    idle = get(house, "/api/analytics/risk")["risk"]
    assert (idle["exposure"], idle["open_risk"], idle["drawdown"]) == ("0", "0", "0")
    house.world.say(ENTRY, "1")
    house.settle()
    house.price("BTCUSDT", "60000")
    (held,) = get(house, "/api/positions")["positions"]
    risk = get(house, "/api/analytics/risk")["risk"]
    quantity, average, stop = (float(held[name]) for name in ("quantity", "average_price", "stop_loss"))
    assert float(risk["exposure"]) == pytest.approx(60_000 * quantity)
    assert float(risk["open_risk"]) == pytest.approx((average - stop) * quantity)
    assert (risk["open_positions"], risk["without_stop"], risk["valued_at_entry"]) == (1, [], [])
    account = held["account_id"]
    at = int(house.world.clock.now().timestamp() * 1000) - 1000
    equity = float(risk["equity"])
    for number, worth in enumerate((equity * 2, equity / 2)):
        mark = {"id": f"m{number}", "account_id": account, "at": at + number, "fine": True}
        house.world.store["equity_history"].insert({**mark, "equity": str(worth), "wallet": str(worth)})
    fallen = get(house, "/api/analytics/risk")["risk"]
    assert (fallen["drawdown"], fallen["max_drawdown"]) == ("0.5", "0.75")


def test_the_platforms_figures_are_for_staff_and_add_no_two_currencies(house: House) -> None:
    trade(house)
    whole = get(house, "/api/analytics/platform?days=1", "operator")
    _, page = house.call("operator", "GET", "/api/admin/trading/performance?limit=2")
    rest = get(house, f"/api/admin/trading/performance?cursor={page['next_cursor']}", "operator")
    rows = [*page["accounts"], *rest["accounts"]]
    assert ([each["user_id"] for each in rows], rest["next_cursor"]) == (["ann", "bob", "operator"], None)
    (made,) = whole["performance"]
    assert (made["currency"], made["paper"]) == (rows[0]["currency"], True)
    assert made["trades"] == sum(each["trades"] for each in rows)
    assert float(made["net_pnl"]) == pytest.approx(sum(float(each["net_pnl"]) for each in rows))
    house.world.store["accounts"].update({"currency": "USDC"}, where("user_id") == "bob")
    split = get(house, "/api/analytics/platform", "operator")["performance"]
    assert [each["currency"] for each in split] == ["USDC", "USDT"]
    for path in ("/api/analytics/platform", "/api/admin/trading/performance", "/api/system/ip", "/api/users"):
        assert house.call("ann", "GET", path)[0] == 403


def test_what_chiefs_read_is_the_same_under_both_paths(house: House) -> None:
    house.call("ann", "GET", "/api/users")
    assert get(house, "/api/admin/audit", "operator") == get(house, "/api/audit", "operator")
    assert get(house, "/api/admin/audit", "operator")["entries"]
    assert get(house, "/api/users", "operator") == get(house, "/api/admin/users", "operator")


def test_signs_of_life_need_no_sign_in(house: House) -> None:
    plain, usual = house.client.get("/health"), house.client.get("/api/health")
    assert (plain.status_code, plain.json) == (usual.status_code, usual.json)
    assert plain.json is not None
    assert plain.json["status"] == "down"  # no process runs
    status = get(house, "/api/status", None)
    assert set(status) == {"success", "status", "version", "trading", "prices"}
    assert get(house, "/api/test", None)["time"].endswith("Z")


@pytest.mark.parametrize(
    ("url", "ip", "host"),
    [("", None, None), ("https://203.0.113.9:8443", "203.0.113.9", "203.0.113.9"), ("https://a.test", None, "a.test")],
)
def test_the_public_address_is_told_only_where_it_is_known(
    house: House, url: str, ip: str | None, host: str | None
) -> None:
    house.settings.__dict__["public_url"] = url
    told = get(house, "/api/system/ip", "operator")
    assert (told["ip"], told["host"]) == (ip, host)
    assert "not known here" in told["message"] or ip


def test_a_forecast_is_refused_for_a_horizon_nobody_measured(house: House) -> None:
    status, body = house.call("ann", "GET", "/api/analytics/predict/BTCUSDT?hours=48")
    assert (status, body["error"]["fields"]) == (422, {"hours": "must be 24"})
    assert "24 hours" in body["error"]["message"]
    assert "hours" not in house.call("ann", "GET", "/api/analytics/predict/BTCUSDT?hours=24")[1]["error"].get(
        "fields", {}
    )
    assert house.call("ann", "GET", "/api/analytics/predict/BTCUSDT?hours=169")[0] == 422
