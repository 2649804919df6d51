"""Trading over HTTP: the same planner, limits and kill switch as a signal's; somebody else's trade does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modules.accounts.audit import LOG
from modules.domain.market import ms_from_utc
from tests.contracts.trading_house import House

OPEN = {
    "symbol": "BTC/USDT",
    "side": "long",
    "quantity": "0.02",
    "stop_loss": 59000,
    "targets": [{"price": "62000"}, {"price": "61000"}],
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.account("ann")
    made.account("bob")
    made.price("BTCUSDT", "60000")
    yield made
    made.close()


def opened(house: House, who: str = "ann", **fields: Any) -> dict[str, Any]:
    status, body = house.call(who, "POST", "/api/positions", json={**OPEN, **fields})
    assert (status, body["status"]) == (202, "done"), body
    found: dict[str, Any] = house.call(who, "GET", f"/api/positions/{body['position_id']}")[1]["position"]
    return found


def actions(house: House) -> list[tuple[str, str]]:
    return [(row["who"], row["action"]) for row in house.world.store[LOG].all()]


def test_a_trade_is_opened_with_its_stop_and_targets(house: House) -> None:
    position = opened(house)
    assert (position["symbol"], position["side"], position["quantity"]) == ("BTCUSDT", "LONG", "0.02")
    assert position["stop_loss"] == "59000"
    assert [(each["price"], each["share"]) for each in position["targets"]] == [("61000", "0.5"), ("62000", "0.5")]
    assert position["plan"]["source"] == "manual"
    assert len(position["fills"]) == 1
    assert {each["role"] for each in position["orders"]} == {"entry", "stop", "target"}
    assert ("ann", "position.open") in actions(house)


@pytest.mark.parametrize(
    ("fields", "low", "high"),
    [
        ({"amount": 600, "leverage": 2}, "0.0199", "0.02"),
        ({"equity_percent": 6, "leverage": 2}, "0.0199", "0.02"),
        ({"risk_percent": "0.2"}, "0.018", "0.02"),
        ({}, "0.09", "0.1"),
    ],
    ids=["amount", "equity", "risk", "settings"],
)
def test_a_size_is_said_in_one_of_four_ways_or_left_to_the_settings(
    house: House, fields: dict[str, Any], low: str, high: str
) -> None:
    position = opened(house, quantity=None, **fields)
    assert float(low) <= float(position["quantity"]) <= float(high)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "1e400"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"amount": 5}, "body"),
        ({"type": "limit"}, "body"),
        ({"price": 5}, "body"),
        ({"side": "up"}, "side"),
        ({"symbol": "B"}, "symbol"),
        ({"leverage": 0}, "leverage"),
        ({"leverage": 201}, "leverage"),
        ({"targets": [{"price": 1, "share": 101}]}, "targets.0.share"),
        ({"targets": [{"price": 1, "share": 50}, {"price": 2}]}, "body"),
        ({"targets": [{"price": 1}] * 17}, "targets"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_wrong_wish_names_its_field(house: House, fields: dict[str, Any], name: str) -> None:
    status, body = house.call("ann", "POST", "/api/positions", json={**OPEN, **fields})
    assert status == 422, body
    assert name in body["error"]["fields"]


def test_a_rule_that_says_no_gives_its_figure_and_limit(house: House) -> None:
    status, body = house.call("ann", "POST", "/api/positions", json={**OPEN, "quantity": "5"})
    assert (status, body["status"]) == (202, "refused")
    refusal = body["refusal"]
    assert refusal["rule"]
    assert refusal["sentence"]
    assert refusal["figure"]
    assert refusal["limit"]
    assert house.call("ann", "GET", "/api/positions")[1]["positions"] == []


def test_a_plan_says_what_became_of_a_wish(house: House) -> None:
    _, made = house.call("ann", "POST", "/api/positions", json=OPEN)
    _, refused = house.call("ann", "POST", "/api/positions", json={**OPEN, "quantity": "5"})
    _, plan = house.call("ann", "GET", f"/api/plans/{made['plan_id']}")
    assert (plan["status"], plan["plan"]["source"], plan["plan"]["signal_id"]) == ("done", "manual", None)
    _, no_plan = house.call("ann", "GET", f"/api/plans/{refused['plan_id']}")
    assert (no_plan["status"], no_plan["plan"], no_plan["refusal"]) == ("refused", None, refused["refusal"])
    for plan_id in (made["plan_id"], refused["plan_id"], "none"):
        assert house.call("bob", "GET", f"/api/plans/{plan_id}")[0] == 404
    _, listed = house.call("ann", "GET", "/api/plans?status=open")
    assert [each["id"] for each in listed["plans"]] == [made["plan_id"]]
    assert house.call("bob", "GET", "/api/plans")[1]["plans"] == []
    assert house.call("bob", "GET", "/api/plans?all=true")[0] == 403
    assert house.call("operator", "GET", "/api/plans?user=ann")[1]["plans"][0]["account_id"] == "paper-ann"
    assert house.call("ann", "GET", "/api/plans?cursor=none")[0] == 422
    assert house.call("ann", "GET", "/api/positions")[1]["positions"][0]["signal_id"] is None


def test_nothing_is_opened_while_trading_is_stopped_but_closing_works(house: House) -> None:
    position = opened(house)
    assert house.call("ann", "POST", "/api/safety/killswitch", json={})[0] == 200
    status, body = house.call("ann", "POST", "/api/positions", json=OPEN)
    assert (status, body["error"]["code"]) == (423, "trading_halted")
    assert house.call("bob", "POST", "/api/positions", json=OPEN)[0] == 202
    status, body = house.call("ann", "POST", f"/api/positions/{position['id']}/close")
    assert (status, body["status"]) == (202, "done")
    assert house.call("ann", "GET", "/api/positions")[1]["positions"] == []
    assert house.call("ann", "POST", "/api/safety/resume", json={})[0] == 200
    assert house.call("ann", "POST", "/api/positions", json=OPEN)[0] == 202


def test_a_part_is_closed(house: House) -> None:
    position = opened(house)
    status, _ = house.call("ann", "POST", f"/api/positions/{position['id']}/close", json={"percent": 25})
    assert status == 202
    assert house.call("ann", "GET", "/api/positions")[1]["positions"][0]["quantity"] == "0.015"
    for wrong in (0, 101, -5, "half"):
        path = f"/api/positions/{position['id']}/close"
        assert house.call("ann", "POST", path, json={"percent": wrong})[0] == 422


def test_the_stop_and_the_targets_are_moved(house: House) -> None:
    position = opened(house)
    path = f"/api/positions/{position['id']}"
    wish = {"stop_loss": "59500", "targets": [{"price": 63000, "share": 20}, {"price": 61500, "share": 80}]}
    status, body = house.call("ann", "PATCH", path, json=wish)
    assert status == 202
    assert [each["status"] for each in body["requests"]] == ["done", "done"]
    after = house.call("ann", "GET", path)[1]["position"]
    assert after["stop_loss"] == "59500"
    assert [(each["price"], each["share"]) for each in after["targets"]] == [("61500", "0.8"), ("63000", "0.2")]
    house.price("BTCUSDT", "60500")
    status, body = house.call("ann", "PATCH", path, json={"break_even": True})
    assert body["requests"][0]["status"] == "done"
    after = house.call("ann", "GET", path)[1]["position"]
    assert abs(float(after["stop_loss"]) - float(after["average_price"])) < 0.1
    for wrong in (
        {},
        {"stop_loss": 0},
        {"stop_loss": 1, "break_even": True},
        {"trailing": {"percent": 1, "amount": 2}},
    ):
        assert house.call("ann", "PATCH", path, json=wrong)[0] == 422


def test_a_stop_that_trails_replaces_the_one_before(house: House) -> None:
    position = opened(house, targets=[])
    assert house.call("ann", "PATCH", f"/api/positions/{position['id']}", json={"trailing": {"percent": 5}})[0] == 202
    status, body = house.call(
        "ann", "POST", "/api/orders/trailing-stop", json={"position_id": position["id"], "trail_percent": 2}
    )
    assert status == 201
    trails = house.call("ann", "GET", "/api/orders/advanced")[1]["orders"]
    assert sorted(each["status"] for each in trails) == ["cancelled", "waiting"]
    newest, oldest = trails
    _, page = house.call("ann", "GET", "/api/orders/advanced?limit=1")
    assert (page["orders"], page["next_cursor"]) == ([newest], newest["id"])
    _, page = house.call("ann", "GET", f"/api/orders/advanced?limit=1&cursor={newest['id']}")
    assert (page["orders"], page["next_cursor"]) == ([oldest], None)
    assert house.call("ann", "GET", "/api/orders/advanced?cursor=none")[0] == 422
    house.settle()
    house.price("BTCUSDT", "60100", "63000")
    assert house.call("ann", "GET", "/api/positions")[1]["positions"][0]["stop_loss"] == "61740"
    path = f"/api/orders/trailing-stop/{body['order']['id']}"
    assert house.call("bob", "DELETE", path)[0] == 404
    assert house.call("ann", "DELETE", path)[1]["order"]["status"] == "cancelled"
    assert house.call("ann", "DELETE", path)[0] == 409


def test_one_of_a_pair_ends_the_other(house: House) -> None:
    position = opened(house, targets=[])
    wish = {"position_id": position["id"], "take_profit_price": "61000", "stop_loss_price": "59500"}
    status, body = house.call("ann", "POST", "/api/orders/oco", json=wish)
    assert status == 201
    assert house.call("ann", "POST", "/api/orders/oco", json={**wish, "stop_loss_price": "62000"})[0] == 422
    assert house.call("bob", "POST", "/api/orders/oco", json=wish)[0] == 404
    house.settle()
    house.price("BTCUSDT", "60100", "61050")
    assert house.call("ann", "GET", "/api/positions")[1]["positions"] == []
    assert house.call("ann", "DELETE", f"/api/orders/oco/{body['order']['id']}")[0] == 409


def test_a_waiting_entry_is_taken_back_and_a_stop_is_not(house: House) -> None:
    status, body = house.call("ann", "POST", "/api/positions", json={**OPEN, "type": "limit", "price": "59500"})
    assert (status, body["status"]) == (202, "done")
    (waiting,) = house.call("ann", "GET", "/api/orders?status=open")[1]["orders"]
    assert house.call("bob", "GET", f"/api/orders/{waiting['id']}")[0] == 404
    assert house.call("bob", "DELETE", f"/api/orders/{waiting['id']}")[0] == 404
    status, body = house.call("ann", "DELETE", f"/api/orders/{waiting['id']}")
    assert (status, body["status"]) == (202, "done")
    assert house.call("ann", "GET", f"/api/orders/{waiting['id']}")[1]["order"]["status"] == "cancelled"
    assert house.call("ann", "DELETE", f"/api/orders/{waiting['id']}")[0] == 409
    opened(house)
    stop = next(o for o in house.call("ann", "GET", "/api/orders?status=open")[1]["orders"] if o["role"] == "stop")
    assert house.call("ann", "DELETE", f"/api/orders/{stop['id']}")[0] == 422


def test_several_are_closed_at_once_and_all_in_an_emergency(house: House) -> None:
    ids = [opened(house)["id"] for _ in range(3)]
    status, body = house.call("ann", "POST", "/api/positions/bulk-close", json={"position_ids": [*ids[:2], ids[0]]})
    assert status == 202
    assert [each["status"] for each in body["closing"]] == ["done", "done"]
    bobs = opened(house, "bob")["id"]
    assert house.call("ann", "POST", "/api/positions/bulk-close", json={"position_ids": [ids[2], bobs]})[0] == 404
    status, body = house.call("ann", "POST", "/api/positions/emergency-exit", json={"reason": "enough"})
    assert (status, body["stage"], body["closing"]) == (202, "flatten", [ids[2]])
    house.settle()
    assert house.call("ann", "GET", "/api/positions")[1]["positions"] == []
    assert len(house.call("bob", "GET", "/api/positions")[1]["positions"]) == 1
    assert house.call("ann", "POST", "/api/positions", json=OPEN)[0] == 423
    assert ("ann", "safety.flatten") in actions(house)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"stop_loss": 1}),
        ("POST", "/close", {"percent": 50}),
    ],
)
def test_somebody_elses_position_does_not_exist(house: House, method: str, path: str, body: Any) -> None:
    mine = opened(house)["id"]
    assert house.call("bob", method, f"/api/positions/{mine}{path}", json=body)[0] == 404
    assert house.call("bob", method, f"/api/positions/nothing{path}", json=body)[0] == 404


def test_a_reader_only_reads(house: House) -> None:
    house.account("eve")
    assert house.call("eve", "GET", "/api/positions")[0] == 200
    for method, path in (("POST", "/api/positions"), ("PATCH", "/api/trade-settings"), ("POST", "/api/safety/resume")):
        assert house.call("eve", method, path, json={})[0] == 403


def test_one_key_opens_one_trade_whatever_happens_between(house: House) -> None:
    key = {"Idempotency-Key": "open-1"}
    first = house.client.post("/api/positions", json=OPEN, headers={**key, "Authorization": "Bearer ann"})
    again = house.client.post("/api/positions", json=OPEN, headers={**key, "Authorization": "Bearer ann"})
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(house.call("ann", "GET", "/api/positions")[1]["positions"]) == 1
    status, body = house.call("ann", "POST", "/api/positions", json={**OPEN, "quantity": 1}, headers=key)
    assert (status, body["error"]["code"]) == (409, "idempotency_key_reused")
    assert house.call("bob", "POST", "/api/positions", json=OPEN, headers=key)[0] == 202
    assert len(house.call("bob", "GET", "/api/positions")[1]["positions"]) == 1


def test_a_key_whose_answer_was_lost_asks_again_without_doing_again(house: House) -> None:
    key = {"Idempotency-Key": "open-1"}
    _, first = house.call("ann", "POST", "/api/positions", json=OPEN, headers=key)
    (kept,) = house.world.store["idempotency_keys"].all()
    lost = {"status": None, "body": None, "boot": "one that died"}
    house.world.store["idempotency_keys"].update(lost, key=kept["id"])
    _, again = house.call("ann", "POST", "/api/positions", json=OPEN, headers=key)
    assert again == first
    assert len(house.call("ann", "GET", "/api/positions")[1]["positions"]) == 1


def test_a_key_still_being_answered_is_a_conflict_and_a_no_is_not_kept(house: House) -> None:
    key = {"Idempotency-Key": "k"}
    house.call("ann", "POST", "/api/positions", json=OPEN, headers=key)
    (kept,) = house.world.store["idempotency_keys"].all()
    house.world.store["idempotency_keys"].update({"status": None, "body": None}, key=kept["id"])
    status, body = house.call("ann", "POST", "/api/positions", json=OPEN, headers=key)
    assert (status, body["error"]["code"]) == (409, "still_answering")
    house.world.clock.advance(61)
    assert house.call("ann", "POST", "/api/positions", json=OPEN, headers=key)[0] == 202
    other = {"Idempotency-Key": "other"}
    assert house.call("ann", "POST", "/api/positions", json={}, headers=other)[0] == 422
    house.price("BTCUSDT", "60000")
    assert house.call("ann", "POST", "/api/positions", json=OPEN, headers=other)[0] == 202
    assert house.call("ann", "POST", "/api/positions", json=OPEN, headers={"Idempotency-Key": "ä" * 3})[0] == 422


def test_one_key_at_the_same_moment_opens_one_trade(house: House) -> None:
    headers = {"Idempotency-Key": "at-once", "Authorization": "Bearer ann"}
    with ThreadPoolExecutor(6) as threads:
        asked = [
            threads.submit(house.app.test_client().post, "/api/positions", json=OPEN, headers=headers) for _ in range(6)
        ]
        statuses = sorted(each.result().status_code for each in asked)
    assert statuses[0] == 202
    assert set(statuses) <= {202, 409}
    assert len(house.call("ann", "GET", "/api/positions")[1]["positions"]) == 1


def test_keys_are_forgotten_after_a_day(house: House) -> None:
    for number in range(3):
        house.call("ann", "POST", "/api/positions", json=OPEN, headers={"Idempotency-Key": f"k{number}"})
    house.world.clock.advance(86_401)
    house.price("BTCUSDT", "60000")
    house.call("ann", "POST", "/api/positions", json=OPEN, headers={"Idempotency-Key": "k9"})
    assert len(house.world.store["idempotency_keys"].all()) == 1


def test_settings_are_read_and_changed_all_or_none(house: House) -> None:
    _, before = house.call("ann", "GET", "/api/trade-settings")
    assert {"name", "value", "meaning", "type", "range", "example"} == set(before["fields"][0])
    wish = {"settings": {"risk": 2, "autotrade": False, "default_stop_percent": None, "target_shares": "50,50"}}
    _, after = house.call("ann", "PATCH", "/api/trade-settings", json=wish)
    got = after["settings"]
    assert (got["size"], got["autotrade"], got["default_stop_percent"]) == ("2", "off", "off")
    status, body = house.call("ann", "PATCH", "/api/trade-settings", json={"settings": {"size": 3, "leverage_cap": 0}})
    assert (status, set(body["error"]["fields"])) == (422, {"leverage_cap"})
    assert house.call("ann", "GET", "/api/trade-settings")[1]["settings"]["size"] == "2"
    assert ("ann", "settings.change") in actions(house)
    assert house.call("bob", "GET", "/api/trade-settings")[1]["settings"] == before["settings"]


def test_the_predecessors_documents_are_ones_own(house: House) -> None:
    _, risk = house.call("ann", "GET", "/api/users/ann/risk")
    assert risk["risk"]["leverage_cap"] == "25"
    _, dca = house.call("ann", "PUT", "/api/users/me/dca", json={"settings": {"dca": "1.5x1,2x1.2"}})
    assert dca["dca"] == {"dca": "1.5x1,2x1.2"}
    _, strategy = house.call("ann", "GET", "/api/users/ann/strategy")
    assert "target_shares" in strategy["strategy"]
    assert not set(strategy["strategy"]) & set(risk["risk"])
    for method, body in (("GET", None), ("PUT", {"settings": {"size": 1}})):
        assert house.call("bob", method, "/api/users/ann/risk", json=body)[0] == 404
    status, told = house.call("ann", "PUT", "/api/users/ann/dca", json={"settings": {"size": 1}})
    assert (status, set(told["error"]["fields"])) == (422, {"size"})


def test_limits_hold_the_next_trade(house: House) -> None:
    status, body = house.call("ann", "POST", "/api/positions/limits", json={"max_positions": 1, "max_exposure": None})
    assert status == 200
    assert (body["limits"]["max_positions"], body["limits"]["max_exposure"]) == (1, None)
    assert body["limits"]["max_position_size"] is None
    opened(house)
    _, refused = house.call("ann", "POST", "/api/positions", json=OPEN)
    assert refused["status"] == "refused"
    assert refused["refusal"]["limit"] == "1"
    assert house.call("ann", "GET", "/api/positions/limits")[1]["limits"]["open_positions"] == 1


def test_money_follows_the_trades(house: House) -> None:
    _, before = house.call("ann", "GET", "/api/balance")
    assert (before["wallet"], before["equity"], before["currency"]) == ("10000", "10000", "USDT")
    opened(house)
    house.price("BTCUSDT", "60500")
    _, held = house.call("ann", "GET", "/api/balance")
    assert 9 < float(held["unrealised"]) < 11
    house.price("BTCUSDT", "61100", "62100")
    for period in ("day", "week", "month", "year", "all"):
        _, made = house.call("ann", "GET", f"/api/pnl?period={period}")
        assert (made["trades"], made["wins"]) == (1, 1)
        assert 20 < float(made["net_pnl"]) < 32
    assert house.call("bob", "GET", "/api/pnl")[1]["trades"] == 0
    assert house.call("ann", "GET", "/api/pnl?period=eon")[0] == 422
    assert house.call("ann", "GET", "/api/balance?account_id=paper-bob")[0] == 404
    assert house.call("eve", "GET", "/api/balance")[0] == 404


def test_equity_is_a_line_through_the_marks_that_were_kept(house: House) -> None:
    assert house.call("ann", "GET", "/api/equity")[1]["equity"] == []
    now = ms_from_utc(house.world.clock.now())
    for number in range(100):
        at = now - (99 - number) * 300_000
        mark = {"account_id": "paper-ann", "at": at, "equity": str(10_000 + number), "wallet": "10000", "fine": True}
        house.world.store["equity_history"].insert({"id": f"paper-ann:{at}", **mark})
    _, whole = house.call("ann", "GET", "/api/equity")
    assert [each["equity"] for each in whole["equity"]] == [str(10_000 + number) for number in range(100)]
    assert whole["equity"][-1]["time"] == "2025-10-15T12:00:01Z"
    assert whole["now"] == {"equity": "10000", "wallet": "10000"}
    _, thin = house.call("ann", "GET", "/api/equity?limit=10")
    assert [each["equity"] for each in thin["equity"]] == [str(10_000 + 11 * number) for number in range(10)]
    _, late = house.call("ann", "GET", "/api/equity?since=2025-10-15T11:50:01Z")
    assert len(late["equity"]) == 3
    assert house.call("bob", "GET", "/api/equity")[1]["equity"] == []
    for wrong in ("limit=0", "since=2025-10-15", "account_id=paper-bob"):
        assert house.call("ann", "GET", f"/api/equity?{wrong}")[0] in (404, 422), wrong


def test_staff_stops_everybody_and_others_only_themselves(house: House) -> None:
    assert house.call("ann", "POST", "/api/safety/pause", json={"duration_minutes": 5, "scope": "global"})[0] == 403
    _, paused = house.call("ann", "POST", "/api/safety/pause", json={"duration_minutes": 5, "reason": "lunch"})
    assert (paused["stage"], paused["scope"], paused["scope_id"], paused["reason"]) == (
        "paused",
        "user",
        "ann",
        "lunch",
    )
    assert paused["until"].endswith("Z")
    assert house.call("bob", "GET", "/api/safety/status")[1]["trading"] == "active"
    assert house.call("bob", "GET", "/api/safety/status")[1]["states"] == []
    assert house.call("operator", "POST", "/api/safety/killswitch", data=b"{garbled")[1]["stage"] == "reducing"
    assert house.call("bob", "GET", "/api/safety/status")[1]["trading"] == "reducing"
    assert house.call("bob", "POST", "/api/safety/resume", json={})[0] == 200
    assert house.call("bob", "POST", "/api/positions", json=OPEN)[0] == 423
    _, seen = house.call("operator", "GET", "/api/safety/status")
    assert {each["id"] for each in seen["states"]} >= {"global", "user:ann"}
    house.call("operator", "POST", "/api/safety/resume", json={})
    assert house.call("bob", "POST", "/api/positions", json=OPEN)[0] == 202
    assert house.call("ann", "POST", "/api/safety/pause", json={"duration_minutes": 0})[0] == 422
    assert {"safety.paused", "safety.reducing", "safety.active"} <= {action for _, action in actions(house)}


def test_a_trip_of_the_breaker_is_shown_and_reset(house: House) -> None:
    for _ in range(5):
        opened(house, targets=[], quantity="0.005")
        house.price("BTCUSDT", "58900", "60000")
    _, tripped = house.call("ann", "GET", "/api/safety/circuit-breaker")
    assert tripped["accounts"][0]["tripped"], tripped
    assert "5 losses" in tripped["accounts"][0]["reason"]
    assert house.call("ann", "POST", "/api/positions", json=OPEN)[0] == 423
    _, reset = house.call("ann", "POST", "/api/safety/circuit-breaker", json={})
    assert (reset["reset"], reset["trading"]) == (1, "active")
    assert house.call("ann", "POST", "/api/positions", json=OPEN)[0] == 202


@pytest.mark.parametrize(("price", "change"), [("60300", {"stop_loss": "60400"}), ("59500", {"break_even": True})])
def test_a_stop_that_the_market_has_passed_is_refused_and_closes_nothing(
    house: House, price: str, change: dict[str, Any]
) -> None:
    path = f"/api/positions/{opened(house)['id']}"
    house.price("BTCUSDT", price)
    status, body = house.call("ann", "PATCH", path, json=change)
    assert status == 422
    assert body["error"]["fields"] == {"stop_loss": f"must be below {price}"}
    house.settle()
    position = house.call("ann", "GET", path)[1]["position"]
    assert (position["status"], position["stop_loss"]) == ("open", "59000")
