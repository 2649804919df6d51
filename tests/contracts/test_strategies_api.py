"""Strategies and indicators over HTTP, in the shapes that clients of the service send."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.candles import CandleStore, SeriesName
from modules.domain.market import ms_from_utc
from tests.contracts.trading_house import House

SEEDS = Path(__file__).resolve().parents[2] / "../shared/seeds"
HOUR = 3_600_000
CONDITIONS = {
    "name": "RSI + MA Cross Strategy",
    "conditions": [
        {"type": "rsi", "operator": "<", "value": 30},
        {"type": "price", "operator": ">", "ma_period": 20},
    ],
    "action": "BUY",
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "position_size": 1000,
    "stop_loss_pct": 5,
    "take_profit_pct": 10,
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.account("ann")
    yield made
    made.close()


def create(house: House, who: str = "ann", **fields: Any) -> str:
    status, body = house.call(who, "POST", "/api/strategies", json={**CONDITIONS, **fields})
    assert status == 201, body
    return str(body["strategy_id"])


def store_candles(house: House, symbol: str = "BTCUSDT", bars: int = 400, step: float = -20.0) -> None:
    """Hours that end with the present one: a fall by `step` each."""
    end = ms_from_utc(house.world.clock.now()) // HOUR * HOUR
    close = 60_000 + step * np.arange(bars) + 30 * np.sin(np.arange(bars))
    opened = np.concatenate([close[:1], close[:-1]])
    candles = Candles.checked(
        end - HOUR * np.arange(bars, 0, -1),
        opened,
        np.maximum(opened, close) + 5,
        np.minimum(opened, close) - 5,
        close,
        np.full(bars, 10.0),
        timeframe_ms=HOUR,
        symbol=symbol,
    )
    CandleStore(house.folder / "candles").upsert(SeriesName("binance", symbol, "1h"), candles)


def seed_documents() -> list[dict[str, Any]]:
    """Every strategy that the product's description shows as JSON."""
    files = sorted(SEEDS.glob("004*.txt"))
    if not files:
        pytest.skip("the product's description is not beside the project")
    blocks = re.findall(r"```json\n(.*?)```", files[0].read_text("utf-8"), re.DOTALL)
    return [json.loads(each) for each in blocks if '"conditions"' in each or '"entry_conditions"' in each]


def test_the_described_strategies_are_taken_as_written(house: House) -> None:
    documents = seed_documents()
    assert len(documents) == 2
    for document in documents:
        status, body = house.call("ann", "POST", "/api/strategies", json=document)
        assert status == 201
        assert body["strategy"]["document"] == document
        assert house.call("ann", "GET", f"/api/strategies/{body['strategy_id']}")[1]["strategy"]["document"] == document


def test_a_strategy_is_made_listed_changed_and_forgotten(house: House) -> None:
    made = create(house)
    status, body = house.call("ann", "GET", "/api/strategies")
    assert (status, body["next_cursor"]) == (200, None)
    (row,) = body["strategies"]
    assert (row["id"], row["enabled"], row["number"], row["document"]) == (made, False, 1, CONDITIONS)
    assert row["created_at"].endswith("Z")
    changed = {**CONDITIONS, "stop_loss_pct": 3}
    status, body = house.call("ann", "PUT", f"/api/strategies/{made}", json=changed)
    assert (status, body["strategy"]["number"]) == (200, 2)
    versions = house.call("ann", "GET", f"/api/strategies/{made}/versions")[1]["versions"]
    assert [each["document"]["stop_loss_pct"] for each in versions] == [3, 5]
    assert house.call("ann", "DELETE", f"/api/strategies/{made}")[0] == 200
    assert house.call("ann", "GET", f"/api/strategies/{made}")[0] == 404


def test_another_user_finds_nothing(house: House) -> None:
    made = create(house)
    for method, path in (
        ("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/toggle"), ("POST", "/evaluate"), ("GET", "/versions"),
    ):  # fmt: skip
        body = CONDITIONS if method == "PUT" else {} if method == "POST" else None
        status, answer = house.call("bob", method, f"/api/strategies/{made}{path}", json=body)
        assert (status, answer["error"]["code"]) == (404, "not_found"), path
    assert house.call("bob", "GET", "/api/strategies")[1]["strategies"] == []
    assert house.call("bob", "GET", f"/api/strategies?cursor={made}")[0] == 422
    assert house.call(None, "GET", "/api/strategies")[0] == 401


def test_who_may_only_read_changes_nothing(house: House) -> None:
    assert house.call("eve", "GET", "/api/strategies")[0] == 200
    assert house.call("eve", "POST", "/api/strategies", json=CONDITIONS)[0] == 403
    assert house.call("eve", "POST", "/api/indicators", json={})[0] == 403


def test_mistakes_come_back_by_their_places(house: House) -> None:
    document = {**CONDITIONS, "conditions": [{"type": "rsi", "operator": "=>", "value": 30}], "symbols": [5]}
    status, body = house.call("ann", "POST", "/api/strategies", json=document)
    assert (status, body["error"]["code"]) == (422, "invalid_strategy")
    assert set(body["error"]["fields"]) == {"conditions[0].operator", "symbols[0]"}
    assert house.call("ann", "POST", "/api/strategies", json={})[0] == 422
    assert house.call("ann", "POST", "/api/strategies/check", json=document)[0] == 422
    status, body = house.call("ann", "POST", "/api/strategies/check", json=CONDITIONS)
    assert (status, body["long_form"]["entry"]["all"][1]["other"]["period"]) == (200, 20)


def test_the_switch(house: House) -> None:
    made = create(house)
    assert house.call("ann", "POST", f"/api/strategies/{made}/toggle")[1]["enabled"] is True
    assert house.call("ann", "POST", f"/api/strategies/{made}/toggle")[1]["enabled"] is False
    body = house.call("ann", "POST", f"/api/strategies/{made}/toggle", json={"enabled": True})[1]
    assert body["strategy"]["enabled_at"] is not None
    foreign = house.account("bob").id
    status, body = house.call("ann", "POST", f"/api/strategies/{made}/toggle", json={"account_id": foreign})
    assert status == 200  # switched off: no account is needed
    status, body = house.call("ann", "POST", f"/api/strategies/{made}/toggle", json={"enabled": True})
    assert (status, set(body["error"]["fields"])) == (422, {"account_id"})
    bare = create(house, name="bare", symbols=[])
    status, body = house.call("ann", "POST", f"/api/strategies/{bare}/toggle")
    assert (status, set(body["error"]["fields"])) == (422, {"symbols"})
    actions = [each["action"] for each in house.world.store["audit_log"].all()]
    assert actions.count("strategy.toggle") == 4
    assert actions.count("strategy.create") == 2


def test_what_it_says_now(house: House) -> None:
    made = create(house)
    status, body = house.call("ann", "POST", f"/api/strategies/{made}/evaluate", json={"symbol": "BTCUSDT"})
    assert (status, body["error"]["code"]) == (404, "no_data")
    store_candles(house)
    status, body = house.call("ann", "POST", f"/api/strategies/{made}/evaluate")
    assert status == 200
    first, second = body["evaluations"]
    assert second["symbol"] == "ETHUSDT"
    assert "no candles" in second["problem"]
    below, above = first["sides"][0]["entry"]
    assert (first["signal"], first["conditions_met"], body["signals"]) == ("NONE", False, [])
    assert (below["condition"], below["holds"]) == ("rsi(14) < 30", True)
    assert (above["condition"], above["holds"]) == ("price(close) > sma(20)", False)
    assert above["left"] == first["price"] < above["right"]
    assert ms_from_utc(house.world.clock.now()) // HOUR * HOUR == milliseconds(first["at"])
    alone = create(house, name="alone", conditions=[CONDITIONS["conditions"][0]])
    body = house.call("ann", "POST", f"/api/strategies/{alone}/evaluate", json={"symbol": "BTC/USDT"})[1]
    assert body["signals"] == [{"symbol": "BTCUSDT", "signal": "BUY"}]


def milliseconds(text: str) -> int:
    from datetime import datetime

    return ms_from_utc(datetime.fromisoformat(text))


def test_indicators_of_ones_own(house: House) -> None:
    preset = {"name": "My RSI", "type": "rsi", "parameters": {"period": 7, "overbought": 70, "oversold": 30}}
    status, body = house.call("ann", "POST", "/api/indicators", json=preset)
    assert (status, body["indicator"]["document"]) == (201, preset)
    formula = {"name": "Stretch", "formula": "(close - mean(close, 20)) / stdev(close, 20)"}
    assert house.call("ann", "POST", "/api/indicators", json=formula)[0] == 201
    named = [each["name"] for each in house.call("ann", "GET", "/api/indicators")[1]["indicators"]]
    assert sorted(named) == ["My RSI", "Stretch"]
    conditions = [
        {"type": "custom", "name": "My RSI", "operator": "<", "value": "oversold"},
        {"type": "custom", "name": "Stretch", "operator": "<", "value": -1},
    ]
    made = create(house, name="mine", conditions=conditions)
    assert house.call("bob", "POST", "/api/strategies", json={**CONDITIONS, "conditions": conditions})[0] == 422
    assert house.call("ann", "DELETE", f"/api/indicators/{body['indicator_id']}")[0] == 200
    store_candles(house)
    said = house.call("ann", "POST", f"/api/strategies/{made}/evaluate", json={"symbol": "BTCUSDT"})[1]
    assert said["evaluations"][0]["sides"][0]["entry"][0]["holds"] is True
    status, body = house.call("ann", "POST", "/api/indicators", json={"name": "x", "formula": "close +"})
    assert (status, set(body["error"]["fields"])) == (422, {"formula"})
    assert house.call("bob", "DELETE", f"/api/indicators/{body.get('indicator_id', 'ind-1')}")[0] == 404


def test_built_in_strategies_can_be_kept_and_changed(house: House) -> None:
    rows = house.call("ann", "GET", "/api/strategies/builtin")[1]["strategies"]
    assert len(rows) == 7
    assert all(row["parameters"] and row["explanation"] for row in rows)
    wish = {"builtin": "ma_cross", "parameters": {"fast": 10}, "symbols": ["BTCUSDT"], "name": "Fast cross"}
    status, body = house.call("ann", "POST", "/api/strategies", json=wish)
    assert (status, body["strategy"]["document"]["entry"]["period"]) == (201, 10)
    wrong = {**wish, "name": "no", "parameters": {"fast": 1}}
    assert set(house.call("ann", "POST", "/api/strategies", json=wrong)[1]["error"]["fields"]) == {"fast"}
    assert house.call("ann", "POST", "/api/strategies", json={**wish, "builtin": "x", "name": "y"})[0] == 404
    language = house.call("ann", "GET", "/api/strategies/language")[1]["language"]
    assert {"rsi", "bos", "order_block", "pattern", "custom"} <= {each["type"] for each in language["series"]}


def test_names_and_numbers_are_limited(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modules.strategy_book.book.MOST_STRATEGIES", 2)
    create(house)
    status, body = house.call("ann", "POST", "/api/strategies", json=CONDITIONS)
    assert (status, body["error"]["code"]) == (409, "name_taken")
    create(house, name="two")
    status, body = house.call("ann", "POST", "/api/strategies", json={**CONDITIONS, "name": "three"})
    assert (status, body["error"]["code"]) == (409, "too_many_strategies")
    create(house, "bob")
    first = house.call("ann", "GET", "/api/strategies?limit=1")[1]
    second = house.call("ann", "GET", f"/api/strategies?limit=1&cursor={first['next_cursor']}")[1]
    assert {first["strategies"][0]["name"], second["strategies"][0]["name"]} == {"RSI + MA Cross Strategy", "two"}


def test_its_trades_are_drawn(house: House) -> None:
    made = create(house)
    assert house.call("ann", "GET", f"/api/strategies/{made}/chart")[0] == 404
    store_candles(house)
    headers = {"Authorization": "Bearer ann"}
    drawn = house.client.get(f"/api/strategies/{made}/chart?symbol=BTCUSDT", headers=headers)
    assert (drawn.status_code, drawn.mimetype, drawn.data[:4]) == (200, "image/png", b"\x89PNG")
    assert house.call("bob", "GET", f"/api/strategies/{made}/chart")[0] == 404
