"""The analysis paths of the HTTP door: shapes, statuses, and that an answer as of a time knows nothing later."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from modules.analysis.candles import Candles
from modules.candles import CandleStore, SeriesName
from modules.domain.market import ms_from_utc, utc_from_ms
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Side
from modules.opinions import FearGreed, Headline, OpinionBook
from modules.records import to_document
from tests.contracts.test_http_api import Door
from tests.fakes.candle_rest import walk

HOUR_MS = 3_600_000
BARS = 700


def hourly(symbol: str, seed: int, end_ms: int) -> Candles:
    """Hours that end just before `end_ms`."""
    start = end_ms // HOUR_MS * HOUR_MS - BARS * HOUR_MS
    made = walk(BARS, seed, timeframe_ms=HOUR_MS, tick=0.01, start_ms=start)
    return Candles(made.timestamp, made.open, made.high, made.low, made.close, made.volume, HOUR_MS, symbol)


class Market:
    """The door, with candles of two symbols up to now."""

    def __init__(self, folder: Path) -> None:
        self.door = Door(folder)
        self.now_ms = ms_from_utc(self.door.world.clock.now())
        self.candles = CandleStore(folder / "candles")
        for seed, symbol in ((3, "BTCUSDT"), (4, "ETHUSDT")):
            self.candles.upsert(SeriesName("binance", symbol, "1h"), hourly(symbol, seed, self.now_ms))

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        answered, body = self.door.call("GET", f"/api{path}")
        assert answered == status, body
        return body

    def post(self, path: str, body: Any, status: int = 200) -> dict[str, Any]:
        answered, found = self.door.call("POST", f"/api{path}", json=body)
        assert answered == status, found
        return found

    def at(self, hours_ago: int) -> str:
        return utc_from_ms(self.now_ms - hours_ago * HOUR_MS).isoformat().replace("+00:00", "Z")


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    made = Market(tmp_path)
    yield made
    made.door.world.close()


HEADING = {"success", "symbol", "timeframe", "exchange", "as_of", "age_seconds", "candles_read"}
READ = tuple(f"/analytics/{name}/{{}}" for name in ("advanced-smc", "chart", "patterns", "predict", "sentiment"))


def test_structure_says_where_things_lie_and_since_when(market: Market) -> None:
    body = market.get("/analytics/advanced-smc/BTCUSDT")
    assert set(body) >= HEADING | {"trend", "dealing_range", "order_blocks", "fair_value_gaps", "liquidity", "breaks"}
    assert (body["symbol"], body["timeframe"], body["candles_read"]) == ("BTCUSDT", "1h", BARS)
    assert body["trend"] in ("bullish", "bearish")
    assert body["breaks"]
    for row in (*body["order_blocks"], *body["fair_value_gaps"], *body["breaks"]):
        assert row["low"] <= row["price"] <= row["high"]
        assert row["formed_at"] <= row["confirmed_at"] <= body["as_of"]
    assert all(row["price"] > body["price"] for row in body["liquidity"]["above"])


def test_the_chart_has_candles_and_shapes(market: Market) -> None:
    body = market.get("/analytics/chart/ethusdt?timeframe=4h")
    assert body["timeframe_ms"] == 4 * HOUR_MS
    assert all(len(row) == 6 and row[3] <= min(row[1], row[4]) for row in body["candles"])
    assert {"form", "kind", "label", "direction", "points", "known_at"} == set(body["shapes"][0])


@pytest.mark.parametrize("path", READ)
def test_later_candles_change_nothing_that_was_said(market: Market, path: str) -> None:
    asked = f"{path.format('BTCUSDT')}?at={market.at(200)}"
    before = market.get(asked)
    cut = market.now_ms - 200 * HOUR_MS
    whole = market.candles.read(SeriesName("binance", "BTCUSDT", "1h"))
    market.candles.upsert(SeriesName("binance", "BTCUSDT", "1h"), _moved(whole, cut))
    assert market.get(asked) == before
    assert market.get(path.format("BTCUSDT")) != before


def _moved(candles: Candles, after_ms: int) -> Candles:
    """The same with every bar that closed after a moment at ten times its price."""
    factor = 1.0 + 9.0 * (candles.timestamp + HOUR_MS > after_ms)
    return Candles.checked(
        candles.timestamp, candles.open * factor, candles.high * factor, candles.low * factor, candles.close * factor,
        candles.volume, timeframe_ms=HOUR_MS, symbol=candles.symbol,
    )  # fmt: skip


def test_a_score_has_nine_parts_and_says_what_it_knew(market: Market) -> None:
    body = market.post("/signals/score", {"symbol": "btc/usdt", "timeframe": "1h"})
    assert set(body) >= HEADING | {
        "score",
        "direction",
        "consensus",
        "disagreement",
        "confidence",
        "risk_level",
        "advice",
    }
    assert 0 <= body["score"] <= 1
    assert body["advice"] in ("STRONG_BUY", "BUY", "HOLD", "SELL", "STRONG_SELL")
    formula = body["fixed_formula"]
    assert 0 <= formula["value"] <= 1
    assert [part["name"] for part in formula["parts"]][:2] == ["rsi_macd", "smc"]
    assert [part["detector"] for part in body["parts"]] == [each["detector"] for each in body["detections"]]
    assert len(body["parts"]) == 9
    assert {each["detector"] for each in body["detections"] if not each["confidence"]} >= {
        "sentiment",
        "news",
        "whales",
    }
    assert body["weights"] == market.get("/config/weights")["weights"]
    assert body["opinions"]["fear_greed"]["state"] == "none"


def test_weights_of_one_question_count_for_it_alone(market: Market) -> None:
    body = market.post("/signals/score", {"symbol": "BTCUSDT", "weights": {"sar": 2}})
    sar = next(each for each in body["detections"] if each["detector"] == "sar")
    assert body["direction"] == pytest.approx(sar["direction"])
    assert market.get("/config/weights")["documented"]
    market.post("/config/weights", {"weights": {"sar": 1}})
    assert market.post("/signals/score", {"symbol": "BTCUSDT"})["direction"] == pytest.approx(sar["direction"])


def test_stored_opinions_speak_in_the_score(market: Market) -> None:
    OpinionBook(market.door.world.store).add([FearGreed(market.now_ms - HOUR_MS, 5, "index")])
    body = market.post("/signals/score", {"symbol": "BTCUSDT"})
    sentiment = next(each for each in body["detections"] if each["detector"] == "sentiment")
    assert sentiment["direction"] > 0
    assert body["opinions"]["fear_greed"]["sources"] == ["index"]
    then = market.post("/signals/score", {"symbol": "BTCUSDT", "at": market.at(2)})
    assert next(each for each in then["detections"] if each["detector"] == "sentiment")["confidence"] == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"symbol": "NOPEUSDT"}, 404),
        ({"symbol": ""}, 422),
        ({}, 422),
        ({"symbol": "BTCUSDT", "timeframe": "7x"}, 422),
        ({"symbol": "BTCUSDT", "weights": {"luck": 1}}, 422),
        ({"symbol": "BTCUSDT", "weights": {"smc": 0}}, 422),
        ({"symbol": "BTCUSDT", "colour": "red"}, 422),
        ([], 422),
    ],
)
def test_a_score_that_cannot_be_made_has_its_status(market: Market, body: Any, status: int) -> None:
    assert market.post("/signals/score", body, status)["error"]["message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/analytics/advanced-smc/NOPEUSDT", 404),
        ("/analytics/advanced-smc/BTCUSDT?timeframe=15m", 404),
        ("/analytics/advanced-smc/BTCUSDT?timeframe=soon", 422),
        ("/analytics/advanced-smc/BTCUSDT?at=2024-01-01T00:00:00", 422),
        ("/analytics/advanced-smc/BTCUSDT?at=2001-01-01T00:00:00Z", 404),
        ("/analytics/advanced-smc/BTCUSDT?colour=red", 422),
        ("/analytics/chart/$$$", 422),
    ],
)
def test_what_cannot_be_answered_has_its_status(market: Market, path: str, status: int) -> None:
    assert market.get(path, status)["error"]["message"]


def test_patterns_have_the_form_that_clients_know(market: Market) -> None:
    body = market.get("/analytics/patterns/BTCUSDT")
    assert set(body) == HEADING | {"patterns"}
    told = [
        row
        for hours in range(0, 300, 12)
        for row in market.get(f"/analytics/patterns/BTCUSDT?at={market.at(hours)}")["patterns"]
    ]
    assert told
    for row in told:
        assert {"pattern", "confidence", "signal", "description"} <= set(row)
        assert row["signal"] in ("BUY", "SELL")
        assert 0 < row["confidence"] < 1


def test_a_forecast_has_an_interval_and_its_own_past_error(market: Market) -> None:
    body = market.get("/analytics/predict/BTCUSDT")
    assert set(body) >= HEADING | {
        "current_price", "predicted_price", "price_change_pct", "hours_ahead", "signal", "confidence", "interval",
    }  # fmt: skip
    assert body["hours_ahead"] == 24
    assert body["signal"] in ("BUY", "SELL", "HOLD")
    assert 0 <= body["confidence"] <= 1
    assert body["interval"]["low"] < body["interval"]["high"]
    change = 100 * (body["predicted_price"] / body["current_price"] - 1)
    assert body["price_change_pct"] == pytest.approx(change)
    assert body["out_of_sample"]["forecasts"] > 100


def test_sentiment_adds_up_and_brings_others_opinions(market: Market) -> None:
    body = market.get("/analytics/sentiment/ETHUSDT?timeframe=4h")
    assert body["bullish_percentage"] + body["bearish_percentage"] == pytest.approx(100)
    assert body["strength"] in ("STRONG", "MODERATE", "WEAK")
    assert body["volatility"] > 0
    assert body["opinions"]["fear_greed"] is None


def test_too_few_candles_are_said_with_their_number(market: Market) -> None:
    early = market.at(BARS - 20)
    for path in ("patterns", "predict", "sentiment"):
        error = market.get(f"/analytics/{path}/BTCUSDT?at={early}", 422)["error"]
        assert error["code"] == "not_enough_data"
        assert "20" in error["message"]
    assert market.get("/analytics/predict/BTCUSDT?timeframe=1w", 404 if BARS < 168 else 422)["error"]["message"]


def closed_trade(number: int, symbol: str, side: Side, pnl: str) -> dict[str, Any]:
    moment = utc_from_ms(1_700_000_000_000 + number)
    return to_document(
        Position(
            id=f"p{number}", account_id="a", plan_id=f"plan{number}", signal_id=None, exchange="paper", symbol=symbol,
            side=side, leverage=Decimal(1), opened_at=moment, status=PositionStatus.CLOSED, realised_pnl=Decimal(pnl),
            fees=Decimal("0.5"), closed_at=moment,
        )
    )  # fmt: skip


def test_win_probability_reads_closed_trades_of_the_symbol_and_side(market: Market) -> None:
    positions = market.door.world.store["positions"]
    asked = {"symbol": "BTCUSDT", "side": "long"}
    assert market.post("/analytics/win-probability", asked, 422)["error"]["code"] == "not_enough_data"
    for number in range(30):
        positions.insert(closed_trade(number, "BTCUSDT", Side.LONG, "10" if number % 10 else "-5"))
        positions.insert(closed_trade(100 + number, "BTCUSDT", Side.SHORT, "-10"))
        positions.insert(closed_trade(200 + number, "ETHUSDT", Side.LONG, "0.4"))
    body = market.post("/analytics/win-probability", asked)
    assert (body["total_trades"], body["wins"], body["recommendation"]) == (30, 27, "TAKE")
    assert body["interval"]["low"] < body["win_probability"] < body["interval"]["high"]
    short = market.post("/analytics/win-probability", {"symbol": "BTCUSDT", "side": "SHORT"})
    assert (short["wins"], short["recommendation"]) == (0, "AVOID")
    even = market.post("/analytics/win-probability", {"symbol": "ETHUSDT", "side": "LONG"})
    assert even["wins"] == 0, "fees count: 0.4 less 0.5 is a loss"
    assert market.post("/analytics/win-probability", {"symbol": "BTCUSDT", "side": "UP"}, 422)["error"]["fields"]


def test_weights_are_normalised_kept_and_shown(market: Market) -> None:
    first = market.get("/config/weights")
    assert first["documented"]
    assert sum(first["weights"].values()) == pytest.approx(1.0)
    assert first["weights"]["smc"] == pytest.approx(0.20 / 1.05)
    told = market.post("/config/weights", {"weights": {"smc": 3, "sar": 1}})
    assert told["weights"]["smc"] == pytest.approx(0.75)
    assert told["weights"]["harmonic"] == 0
    again = market.get("/config/weights")
    assert (again["weights"], again["documented"]) == (told["weights"], False)
    assert again["changed_at"] == utc_from_ms(market.now_ms).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    "weights",
    [{}, {"smc": 0}, {"smc": -1}, {"astrology": 1}, {"smc": "much"}, {"smc": None}, "smc", None, {"smc": 1, "x": 1}],
)
def test_wrong_weights_are_refused_and_the_old_ones_stay(market: Market, weights: Any) -> None:
    before = market.get("/config/weights")
    assert market.post("/config/weights", {"weights": weights}, 422)["error"]["message"]
    assert market.get("/config/weights") == before


@pytest.mark.parametrize("huge", [1e308, 5e-324])
def test_extreme_weights_are_still_weights(market: Market, huge: float) -> None:
    told = market.post("/config/weights", {"weights": {"smc": huge, "sar": huge}})
    assert (told["weights"]["smc"], told["weights"]["sar"]) == (0.5, 0.5)


def test_opinions_say_how_fresh_they_are(market: Market) -> None:
    nothing = market.get("/analytics/opinions/BTCUSDT")
    assert nothing["fear_greed"] is None
    assert {each["state"] for each in nothing["freshness"].values()} == {"none"}
    book = OpinionBook(market.door.world.store)
    book.add(
        [
            FearGreed(market.now_ms - HOUR_MS, 20, "index"),
            Headline(market.now_ms - 48 * HOUR_MS, "Long ago", "paper"),
        ]
    )
    told = market.get("/analytics/opinions/BTCUSDT")
    assert told["fear_greed"] == {"value": 20, "classification": "Extreme Fear"}
    assert told["headlines"] == []
    assert told["freshness"]["headline"]["state"] == "stale"
    assert told["freshness"]["fear_greed"] == {
        "state": "fresh", "count": 1, "sources": ["index"], "age_seconds": 3600.0,
    }  # fmt: skip


def test_a_scan_ranks_what_is_stored_and_failures_are_rows(market: Market) -> None:
    rules = {"min_score": 0, "min_confidence": 0}
    body = market.post("/scanner/run", {"symbols": ["BTCUSDT", "NOPEUSDT"], "timeframes": ["1h", "4h"], "rules": rules})
    assert {each["symbol"] for each in body["opportunities"]} == {"BTCUSDT"}
    assert set(body["opportunities"][0]["timeframes"]) == {"1h", "4h"}
    assert [each["symbol"] for each in body["failures"]] == ["NOPEUSDT"]
    everything = market.post("/scanner/run", {"rules": rules})
    assert {each["symbol"] for each in everything["opportunities"]} == {"BTCUSDT", "ETHUSDT"}
    none = market.post("/scanner/run", {"rules": {"min_score": 1}})
    assert none["opportunities"] == []
    assert all(each["reasons"] for each in none["dropped"])


@pytest.mark.parametrize(
    "body",
    [
        {"timeframes": ["1x"]},
        {"timeframes": []},
        {"symbols": []},
        {"symbols": [f"S{n}USDT" for n in range(101)]},
        {"rules": {"min_score": 2}},
        {"rules": {"max_risk_level": "NONE"}},
        {"rules": {"min_scor": 1}},
        {"symbol": "BTCUSDT"},
    ],
)
def test_a_scan_s_mistakes_are_named(market: Market, body: dict[str, Any]) -> None:
    assert market.post("/scanner/run", body, 422)["error"]["fields"]


def test_the_scan_as_of_a_time_knows_nothing_later(market: Market) -> None:
    asked = {
        "symbols": ["BTCUSDT"],
        "timeframes": ["1h"],
        "rules": {"min_score": 0, "min_confidence": 0},
        "at": market.at(200),
    }
    before = market.post("/scanner/run", asked)
    whole = market.candles.read(SeriesName("binance", "BTCUSDT", "1h"))
    market.candles.upsert(SeriesName("binance", "BTCUSDT", "1h"), _moved(whole, market.now_ms - 200 * HOUR_MS))
    assert market.post("/scanner/run", asked) == before


def test_the_best_five_say_why(market: Market) -> None:
    body = market.get("/analytics/top5")
    assert len(body["best"]) <= 5
    assert [each["rank"] for each in body["best"]] == list(range(1, len(body["best"]) + 1))
    assert body["best"] or body["dropped"]
    for each in (*body["best"], *body["dropped"]):
        assert each["reasons"]
        assert each["symbol"] in ("BTCUSDT", "ETHUSDT")
