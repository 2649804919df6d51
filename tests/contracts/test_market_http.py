"""Candles, tickers, sources and single signals over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from api.watched_symbols import WatchedSymbols
from modules.analysis.candles import Candles
from modules.candles.names import SeriesName
from modules.candles.store import CandleStore
from modules.domain.market import ms_from_utc
from tests.contracts.trading_house import House
from tests.fakes.clock import ScriptedClock
from tests.flows.world import ENTRY


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.account("ann")
    made.account("bob")
    yield made
    made.close()


def keep_candles(house: House, symbol: str, count: int) -> int:
    """Hourly candles up to now; returns when the last one closed."""
    now = ms_from_utc(house.world.clock.now())
    opened = now - 3_600_000 * np.arange(count, 0, -1)
    close = np.arange(count, dtype=float) + 100
    candles = Candles.checked(
        timestamp=opened, open=close, high=close + 1, low=close - 1, close=close, volume=close,
        timeframe_ms=3_600_000, symbol=symbol,
    )  # fmt: skip
    CandleStore(house.folder / "candles").upsert(SeriesName("binance", symbol, "1h"), candles)
    return int(now)


def test_candles_are_closed_ones_oldest_first(house: House) -> None:
    keep_candles(house, "BTCUSDT", 50)
    status, body = house.call("ann", "GET", "/api/candles/btcusdt?timeframe=1h&limit=10")
    assert (status, body["exchange"], len(body["candles"])) == (200, "binance", 10)
    assert body["candles"][-1] == {
        "time": "2025-10-15T11:00:00Z", "open": 149.0, "high": 150.0, "low": 148.0, "close": 149.0, "volume": 149.0,
    }  # fmt: skip
    _, before = house.call("ann", "GET", "/api/candles/BTCUSDT?limit=10&before=2025-10-15T11:30:00Z")
    assert before["candles"][-1]["time"] == "2025-10-15T10:00:00Z"
    assert len(house.call("ann", "GET", "/api/candles/BTCUSDT?timeframe=4h")[1]["candles"]) == 12
    for wrong in ("timeframe=7x", "limit=0", "limit=1501", "before=2025-10-15", "before=noon"):
        assert house.call("ann", "GET", f"/api/candles/BTCUSDT?{wrong}")[0] == 422, wrong
    assert house.call("ann", "GET", "/api/candles/ETHUSDT")[0] == 404


def test_a_ticker_is_the_newest_price_and_its_age(house: House) -> None:
    answer = house.client.get("/api/ticker/BTCUSDT", headers={"Authorization": "Bearer ann"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert house.rooms.watched.symbols(house.world.clock.now()) == {"BTCUSDT"}
    house.price("BTCUSDT", "60000.5")
    house.world.clock.advance(4)
    _, body = house.call("ann", "GET", "/api/ticker/BTCUSDT")
    assert (body["ticker"]["price"], body["ticker"]["age_seconds"], body["ticker"]["stale"]) == ("60000.5", 4.0, False)
    house.world.clock.advance(60)
    assert house.call("ann", "GET", "/api/ticker/BTCUSDT")[1]["ticker"]["stale"]
    assert house.call("ann", "GET", "/api/ticker/NOSUCHTHING")[0] == 404


def test_without_a_price_the_last_candle_is_told_as_what_it_is(house: House) -> None:
    now = ms_from_utc(house.world.clock.now())
    ones = np.array([50.0])
    candles = Candles.checked(
        timestamp=np.array([now - 120_000]), open=ones, high=ones, low=ones, close=ones, volume=ones,
        timeframe_ms=60_000, symbol="ETHUSDT",
    )  # fmt: skip
    CandleStore(house.folder / "candles").upsert(SeriesName("simulated", "ETHUSDT", "1m"), candles)
    _, body = house.call("ann", "GET", "/api/ticker/ETHUSDT")
    told = body["ticker"]
    assert (told["price"], told["source"], told["simulated"], told["age_seconds"]) == ("50.0", "candle", True, 60.0)


def test_what_was_asked_for_is_followed_for_a_while_and_not_without_end() -> None:
    watched, clock = WatchedSymbols(), ScriptedClock()
    assert all(watched.look(f"S{number}", clock.now()) for number in range(200))
    assert not watched.look("ONEMORE", clock.now())
    assert watched.look("S7", clock.now())
    assert watched.symbols(clock.now() + timedelta(seconds=119)) >= {"S7"}
    assert watched.symbols(clock.now() + timedelta(seconds=120)) == set()
    assert watched.look("ONEMORE", clock.now())


def test_a_signal_shows_ones_own_plans_and_refusals(house: House) -> None:
    taken = house.world.say(ENTRY)
    house.settle()
    house.price("BTCUSDT", "60000", "60000", "61100")
    _, body = house.call("ann", "GET", f"/api/signals/{taken.signal_id}")
    signal = body["signal"]
    assert signal["parse"]["spans"]
    assert signal["text"] == ENTRY
    assert [each["number"] for each in signal["targets_hit"]] == [1]
    assert [each["account_id"] for each in signal["plans"]] == ["paper-ann"]
    assert len(signal["plans"][0]["fills"]) == 2
    assert signal["plans"][0]["position_id"] == f"pos-{signal['id']}:paper-ann"
    _, seen = house.call("operator", "GET", f"/api/signals/{taken.signal_id}")
    assert len(seen["signal"]["plans"]) == 3


def test_a_source_has_the_record_that_prices_give_it(house: House) -> None:
    house.world.say(ENTRY, source="loud/one")
    house.settle()
    house.price("BTCUSDT", "60000", "60000", "61100", "62100", "63100")
    _, listed = house.call("ann", "GET", "/api/sources")
    (row,) = listed["sources"]
    assert (row["source"], row["win_rate"], row["muted"], row["followed"]) == ("loud/one", "1", False, True)
    assert house.call("ann", "GET", "/api/sources?cursor=loud%2Fone")[1]["sources"] == []
    _, body = house.call("ann", "GET", "/api/sources/loud/one")
    source = body["source"]
    assert source["sum_r"] == source["best_r"] == source["median_r"]
    assert [each["signals"] for each in source["by_side"]] == [1, 0]
    assert source["by_symbol"][0]["name"] == "BTCUSDT"
    assert len(source["recent"]) == 1
    assert house.call("ann", "GET", "/api/sources/nobody")[0] == 404


def test_a_muted_source_is_not_traded_until_it_is_followed_again(house: House) -> None:
    house.world.say(ENTRY, source="loud")
    house.settle()
    house.price("BTCUSDT", "60000", "60000")
    before = len(house.call("ann", "GET", "/api/positions?status=all")[1]["positions"])
    _, muted = house.call("ann", "POST", "/api/sources/loud/mute", json={})
    assert (muted["muted"], muted["followed"]) == (True, False)
    assert house.call("ann", "GET", "/api/trade-settings")[1]["settings"]["muted_sources"] == "loud"
    house.world.say(ENTRY.replace("61000", "61500"), "2", source="loud")
    house.settle()
    house.price("BTCUSDT", "60000")
    assert len(house.call("ann", "GET", "/api/positions?status=all")[1]["positions"]) == before
    _, again = house.call("ann", "POST", "/api/sources/loud/follow", json={})
    assert (again["muted"], again["followed"]) == (False, True)
    assert house.call("ann", "POST", "/api/sources/nobody/mute", json={})[0] == 404
    house.call("bob", "PATCH", "/api/trade-settings", json={"settings": {"sources": "other"}})
    assert house.call("bob", "GET", "/api/sources")[1]["sources"][0]["muted"]
    house.call("bob", "POST", "/api/sources/loud/follow", json={})
    assert house.call("bob", "GET", "/api/trade-settings")[1]["settings"]["sources"] == "other,loud"
