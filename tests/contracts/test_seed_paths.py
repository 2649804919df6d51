"""Paths that earlier clients call, in the shapes their documents state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.trading_house import House
from tests.flows.world import ENTRY


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.account("ann")
    made.account("bob")
    yield made
    made.close()


def trade(house: House, message_id: str = "1") -> None:
    house.world.say(ENTRY, message_id)
    house.settle()
    house.price("BTCUSDT", "60000", "60000", "61100", "62100", "63100")


def test_a_session_has_the_trades_that_closed_in_it(house: House) -> None:
    assert house.call("ann", "GET", "/api/database/trading-sessions")[1]["sessions"] == []
    status, first = house.call("ann", "POST", "/api/database/create-session", json={"name": "one"})
    assert (status, first["session"]["status"], first["session"]["equity_at_start"]) == (201, "active", "10000")
    trade(house)
    house.world.clock.advance(10)
    _, second = house.call("ann", "POST", "/api/database/create-session")
    _, listed = house.call("ann", "GET", "/api/database/trading-sessions")
    newest, oldest = listed["sessions"]
    assert (newest["id"], newest["status"], newest["total_trades"]) == (second["session_id"], "active", 0)
    assert (oldest["id"], oldest["status"], oldest["total_trades"], oldest["winning_trades"]) == (
        first["session_id"], "ended", 1, 1,
    )  # fmt: skip
    assert oldest["win_rate"] == "1"
    assert float(oldest["total_pnl"]) > 0
    assert float(oldest["equity_at_end"]) == pytest.approx(10_000 + float(oldest["total_pnl"]), abs=0.01)
    assert house.call("bob", "GET", "/api/database/trading-sessions")[1]["sessions"] == []


def test_sessions_come_in_pages_and_a_key_begins_one(house: House) -> None:
    for number in range(3):
        house.call("ann", "POST", "/api/database/create-session", json={"name": f"s{number}"})
        house.world.clock.advance(1)
    _, page = house.call("ann", "GET", "/api/database/trading-sessions?limit=2")
    assert [each["name"] for each in page["sessions"]] == ["s2", "s1"]
    _, rest = house.call("ann", "GET", f"/api/database/trading-sessions?limit=2&cursor={page['next_cursor']}")
    assert ([each["name"] for each in rest["sessions"]], rest["next_cursor"]) == (["s0"], None)
    assert house.call("ann", "GET", "/api/database/trading-sessions?cursor=none")[0] == 422
    key = {"Idempotency-Key": "x"}
    ids = {
        house.call("ann", "POST", "/api/database/create-session", json={}, headers=key)[1]["session_id"] for _ in "ab"
    }
    assert len(ids) == 1


def test_trades_and_signals_are_recorded(house: House) -> None:
    trade(house)
    _, body = house.call("ann", "GET", "/api/database/trades")
    (row,) = body["trades"]
    assert {"id", "symbol", "side", "entry_price", "exit_price", "quantity", "pnl", "fees", "risk_amount"} <= row.keys()
    assert (row["symbol"], row["side"], row["status"], row["close_reason"]) == ("BTCUSDT", "LONG", "closed", "targets")
    assert float(row["r_multiple"]) > 0
    assert house.call("ann", "GET", "/api/database/trades?status=open")[1]["trades"] == []
    _, signals = house.call("ann", "GET", "/api/database/signals")
    (signal,) = signals["signals"]
    assert (signal["symbol"], signal["status"], signal["scores"]) == ("BTCUSDT", "closed", {"status": "due"})
    kept = {"id": signal["id"], "status": "scored", "components": {"smc": 0.5}}
    house.world.store["signal_scores"].insert(kept)
    _, signals = house.call("ann", "GET", "/api/database/signals")
    assert signals["signals"][0]["scores"] == {"status": "scored", "components": {"smc": 0.5}}


def test_metrics_are_staffs_and_limits_ones_own(house: House) -> None:
    assert house.call("ann", "GET", "/api/database/system-metrics")[0] == 403
    _, body = house.call("operator", "GET", "/api/database/system-metrics")
    assert {"time", "health", "metrics"} <= body.keys()
    _, limits = house.call("ann", "GET", "/api/database/risk-limits")
    assert limits["risk_limits"]["max_open_positions"] == 20
    assert limits["risk_limits"]["max_daily_loss_percent"] == "10"
    assert limits["deployment"]["max_leverage"] == "50"


def test_automatic_trading_goes_through_its_states(house: House) -> None:
    def after(verb: str, **body: object) -> str:
        status, answer = house.call("ann", "POST", f"/api/auto-trade/{verb}", json=body)
        assert status == 200, answer
        state: str = answer["state"]
        assert house.call("ann", "GET", "/api/auto-trade/status")[1]["state"] == state
        return state

    assert after("start") == "running"
    assert after("pause", duration_minutes=5) == "paused"
    assert after("resume") == "running"
    assert after("stop") == "stopped"
    trade(house)
    assert house.call("ann", "GET", "/api/positions?status=all")[1]["positions"] == []
    assert after("start") == "running"
    assert after("kill", reason="enough") == "killed"
    _, status = house.call("ann", "GET", "/api/auto-trade/status")
    assert (status["stopped_by"], status["reason"]) == ("ann", "enough")
    assert after("resume") == "running"
    assert house.call("bob", "GET", "/api/auto-trade/status")[1]["state"] == "running"
    assert house.call("ann", "POST", "/api/auto-trade/pause", json={"duration_minutes": 0})[0] == 422
    assert house.call("ann", "POST", "/api/auto-trade/kill", data=b"{garbled")[1]["state"] == "killed"


def test_a_kill_that_closes_everything_is_stopping_until_it_is_done(house: House) -> None:
    house.price("BTCUSDT", "60000")
    house.world.say(ENTRY)
    house.settle()
    house.price("BTCUSDT", "60000")
    _, answer = house.call("ann", "POST", "/api/auto-trade/kill", json={"flatten": True})
    assert (answer["state"], answer["open_positions"]) == ("stopping", 1)
    house.settle()
    _, answer = house.call("ann", "GET", "/api/auto-trade/status")
    assert (answer["state"], answer["open_positions"]) == ("killed", 0)
    assert house.call("ann", "POST", "/api/auto-trade/resume", json={})[1]["state"] == "running"
