"""Which symbols are listed, by whose rules, and where the rules come from."""

from __future__ import annotations

import asyncio
import http
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

from modules.connections.feeds.market_rules import moved, refresh_rules
from modules.connections.instrument_catalogue import (
    CACHE_FILE,
    InstrumentCatalogue,
    instruments_from_ccxt,
    split_symbol,
)
from modules.domain.errors import InvalidInput
from modules.domain.instruments import MarketKind


def market(**more: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "active": True, "spot": True, "swap": False,
        "linear": None, "precision": {"price": 0.01, "amount": 0.00001},
        "limits": {"amount": {"min": 0.00001}, "cost": {"min": 5}, "leverage": {}}, "maker": 0.001, "taker": 0.001,
        **more,
    }  # fmt: skip


PERPETUAL = market(
    spot=False, swap=True, linear=True, precision={"price": 0.1, "amount": 0.001},
    limits={"amount": {"min": 0.001}, "cost": {"min": 100}, "leverage": {"max": 125}}, maker=0.0002, taker=0.0005,
)  # fmt: skip


@pytest.mark.parametrize("symbol", ["BTC", "USDT", "USDTUSDT", "12345USDT", "btcusdt", "BTC/USDT", "", "X" * 16 + "USDT",
                                    "BTCXYZ", "BTC USDT", "ÜÜUSDT"])  # fmt: skip
def test_what_can_be_no_symbol_is_not_listed(tmp_path: Path, symbol: str):
    assert InstrumentCatalogue(tmp_path).find(symbol, reference_price=Decimal(5)) is None


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [("BTCUSDT", ("BTC", "USDT")), ("ETHBTC", ("ETH", "BTC")), ("1INCHUSDT", ("1INCH", "USDT")),
     ("1000PEPEUSDT", ("1000PEPE", "USDT")), ("BTCFDUSD", ("BTC", "FDUSD")), ("USDCUSDT", ("USDC", "USDT"))],
)  # fmt: skip
def test_symbols_are_split_into_base_and_quote(symbol: str, parts: tuple[str, str]):
    assert split_symbol(symbol) == parts


@pytest.mark.parametrize("price", ["64000.1", "2683.81", "0.12345", "0.00001234"])
def test_assumed_rules_keep_the_price_they_were_made_from(tmp_path: Path, price: str):
    catalogue = InstrumentCatalogue(tmp_path)
    made = catalogue.find("ANYUSDT", reference_price=Decimal(price))
    assert made is not None
    assert catalogue.assumed
    assert made.kind is MarketKind.PERPETUAL
    assert made.max_leverage == 125
    assert made.round_price(Decimal(price)) == Decimal(price)
    assert Decimal("0.01") <= made.lot_size * Decimal(price) <= 10


def test_metals_and_currencies_need_a_source_that_has_them(tmp_path: Path):
    assert InstrumentCatalogue(tmp_path).find("XAUUSD", reference_price=Decimal(2400)) is None
    sourced = InstrumentCatalogue(tmp_path, has_price=lambda symbol: symbol == "XAUUSD")
    assert sourced.find("XAUUSD", reference_price=Decimal(2400)) is not None
    assert sourced.find("EURUSD", reference_price=Decimal(1)) is None


def test_an_exchange_list_becomes_rules_and_perpetuals_go_first():
    found = instruments_from_ccxt("binance", {
        "a": market(), "b": PERPETUAL, "c": market(base="OLD", active=False), "d": market(base="ETH", precision={}),
        "e": market(base="ETH", spot=False), "f": market(base="SOL"),
    })  # fmt: skip
    assert [(one.symbol, one.kind) for one in found] == [
        ("BTCUSDT", MarketKind.PERPETUAL),
        ("SOLUSDT", MarketKind.SPOT),
    ]
    assert (found[0].tick_size, found[0].lot_size, found[0].min_notional) == (Decimal("0.1"), Decimal("0.001"), 100)
    assert (found[0].max_leverage, found[0].taker_fee) == (125, Decimal("0.0005"))
    assert found[1].max_leverage == 1


def test_kept_rules_are_found_by_every_process_and_replace_assumed_ones(tmp_path: Path):
    here, there = InstrumentCatalogue(tmp_path / "new"), InstrumentCatalogue(tmp_path / "new")
    assert there.find("NOVELUSDT", reference_price=Decimal(1)) is not None
    here.keep(instruments_from_ccxt("binance", {"b": PERPETUAL}))
    kept = there.find("BTCUSDT")
    assert kept is not None
    assert kept.tick_size == Decimal("0.1")
    assert not there.assumed
    assert there.find("NOVELUSDT", reference_price=Decimal(1)) is None
    assert [file.name for file in (tmp_path / "new").iterdir()] == [CACHE_FILE]


@pytest.mark.parametrize("content", ["", "{}x", "[1]", '[{"symbol": "BTCUSDT"}]', '{"a": 1}'])
def test_a_spoilt_file_is_as_none(tmp_path: Path, content: str):
    (tmp_path / CACHE_FILE).write_text(content)
    catalogue = InstrumentCatalogue(tmp_path)
    assert catalogue.assumed
    assert catalogue.find("BTCUSDT", reference_price=Decimal(60_000)) is not None


def test_addresses_move_to_another_server_with_their_paths():
    assert moved(
        {"public": "https://api.binance.com/api/v3", "ws": {"spot": "wss://x/ws"}, "n": None}, "http://h:1"
    ) == {
        "public": "http://h:1/api/v3",
        "ws": {"spot": "http://h:1/ws"},
        "n": None,
    }


EXCHANGE_INFO = {
    "timezone": "UTC", "serverTime": 1, "rateLimits": [], "exchangeFilters": [],
    "symbols": [{
        "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8,
        "quotePrecision": 8, "orderTypes": ["LIMIT", "MARKET"], "timeInForce": ["GTC"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
        ],
    }],
}  # fmt: skip


async def test_rules_are_fetched_in_a_process_of_their_own(tmp_path: Path):
    asked: list[str] = []

    def answer(_connection: object, request: Any) -> Response:
        asked.append(request.path)
        good = request.path.startswith("/fapi/v1/exchangeInfo")
        body = json.dumps(EXCHANGE_INFO if good else {}).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
        return Response(200, http.HTTPStatus.OK.phrase, headers, body)

    async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=answer) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await refresh_rules("binanceusdm", tmp_path, urls={"binanceusdm": url}, timeout_seconds=60)
    made = InstrumentCatalogue(tmp_path).find("BTCUSDT")
    assert made is not None
    assert (made.exchange, made.kind, made.tick_size, made.lot_size) == (
        "binanceusdm", MarketKind.PERPETUAL, Decimal("0.1"), Decimal("0.001"),
    )  # fmt: skip
    assert made.min_notional == 100
    assert all(path.startswith("/fapi/") for path in asked)


async def test_an_exchange_that_does_not_answer_changes_nothing(tmp_path: Path):
    assert not await refresh_rules("binance", tmp_path, urls={"binance": "http://127.0.0.1:9"}, timeout_seconds=0.05)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidInput):
        await refresh_rules("nowhere", tmp_path)
