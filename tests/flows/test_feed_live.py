"""The real stream clients against a loopback exchange: captures, drops, silence, gaps, bursts and nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from modules.connections.feeds.binance import BinanceSource
from modules.connections.feeds.bybit import BybitSource
from modules.connections.feeds.live import LiveRules, LiveSource
from modules.connections.feeds.socket_client import SocketRules
from modules.domain.errors import InvalidInput
from modules.domain.market import Candle, Quote, utc_from_ms
from modules.opinions import OpinionBook
from modules.records import open_records
from modules.runtime.clock import SystemClock
from services.opinion_keeper import PrintKeeper
from tests.fakes.exchange_streams import ExchangeStreams, recorded

T0 = 1_723_161_600_000
SHARED = Path(__file__).resolve().parents[2] / "../shared"
CAPTURES = SHARED / "data/ws"
needs_captures = pytest.mark.skipif(not CAPTURES.exists(), reason="the recorded captures are not beside the project")
FAST = SocketRules(first_wait=0.01, longest_wait=0.05, send_every=0.0, silence=5.0, open_timeout=2.0)
EAGER = LiveRules(ack_timeout=0.2, look_every=0.05, poll_after=0.1, poll_each=0.01)


class Feed:
    """A running source with everything it gave."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.quotes: list[Quote] = []
        self.candles: list[Candle] = []

    async def gather(self) -> None:
        async for quote in self.source.quotes():
            self.quotes.append(quote)

    def of(self, symbol: str = "BTCUSDT") -> list[Quote]:
        return [quote for quote in self.quotes if quote.symbol == symbol]

    def volume(self, symbol: str = "BTCUSDT") -> Decimal:
        return sum((quote.volume for quote in self.of(symbol)), Decimal(0))

    def trades(self, symbol: str = "BTCUSDT") -> int:
        return sum(quote.trades for quote in self.of(symbol))


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def feeding(
    server: ExchangeStreams, *symbols: str, exchange: str = "binance", rules: SocketRules = FAST, **options: Any
) -> AsyncIterator[Feed]:
    candles: list[Candle] = []
    kind: Any = BybitSource if exchange.startswith("bybit") else BinanceSource
    source = kind(
        exchange,
        SystemClock(),
        urls={exchange: server.url},
        interval_ms=5,
        socket_rules=rules,
        rules=EAGER,
        on_candle=candles.append,
        **options,
    )
    source.want(symbols or ["BTCUSDT"])
    feed = Feed(source)
    feed.candles = candles
    task = asyncio.create_task(feed.gather())
    try:
        await server.until(lambda: len(server.subscribed()) >= 2 * len(symbols or ["BTCUSDT"]))
        yield feed
    finally:
        await source.close()
        await asyncio.wait_for(task, 5)


@pytest.fixture
async def server():
    async with ExchangeStreams() as made:
        yield made


def trade(
    number: int, price: object, *, at: int | None = None, quantity: str = "1", symbol: str = "BTCUSDT", **more: Any
):
    event = {
        "e": "trade", "E": at or T0 + number, "s": symbol, "t": number, "p": str(price), "q": quantity,
        "T": at or T0 + number, "m": True, **more,
    }  # fmt: skip
    return {"stream": f"{symbol.lower()}@trade", "data": event}


def bybit_trade(name: str, price: object, at: int, symbol: str = "BTCUSDT"):
    one = {"T": at, "s": symbol, "S": "Buy", "v": "1", "p": str(price), "L": "PlusTick", "i": name, "BT": False}
    return {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": at, "data": [one]}


# --- captures -------------------------------------------------------------------------------------------------------


def recorded_minutes(symbol: str, first: int, last: int) -> dict[int, tuple[Decimal, ...]]:
    from pyarrow import parquet

    table = parquet.read_table(SHARED / f"data/ohlcv/{symbol}-1m-2024-08.parquet").to_pylist()
    names = ("open", "high", "low", "close", "volume")
    return {
        row["timestamp"]: tuple(Decimal(repr(row[name])) for name in names)
        for row in table
        if first <= row["timestamp"] <= last
    }


@needs_captures
@pytest.mark.shared
@pytest.mark.parametrize(
    ("symbol", "capture", "first", "minutes"),
    [
        ("BTCUSDT", "binance-spot-btcusdt-20240808-full", 1_723_161_300_000, 5),
        ("BTCUSDT", "binance-spot-btcusdt-20240809-trade-bookticker", 1_723_161_660_000, 4),
        ("ETHUSDT", "binance-spot-ethusdt-20240808-trade", 1_723_161_300_000, 5),
        ("ETHUSDT", "binance-spot-ethusdt-20240809-trade", 1_723_161_660_000, 4),
    ],
)
async def test_a_capture_gives_the_recorded_candles(server, symbol: str, capture: str, first: int, minutes: int):
    wanted = recorded_minutes(symbol, first, first + (minutes - 1) * 60_000)
    assert len(wanted) == minutes
    async with feeding(server, symbol) as feed:
        messages = list(recorded(CAPTURES / f"{capture}.jsonl.gz"))
        await server.replay(messages)
        server.rest_status = 503  # what is made here comes from the stream alone
        count = sum(message.get("data", {}).get("e") == "trade" for message in messages)
        await until(lambda: feed.trades(symbol) >= count)
        await until(lambda: len([c for c in feed.candles if c.open_ms in wanted]) == minutes)
    made = {c.open_ms: (c.open, c.high, c.low, c.close, c.volume) for c in feed.candles if c.open_ms in wanted}
    assert made == wanted
    traded = [message["data"] for message in messages if message.get("data", {}).get("e") == "trade"]
    assert feed.volume(symbol) == sum(Decimal(one["q"]) for one in traded)
    assert max(quote.high for quote in feed.of(symbol)) == max(Decimal(one["p"]) for one in traded)
    assert min(quote.low for quote in feed.of(symbol)) == min(Decimal(one["p"]) for one in traded)
    if "full" in capture or "bookticker" in capture:
        assert any(quote.bid < quote.ask for quote in feed.of(symbol))


@needs_captures
@pytest.mark.shared
@pytest.mark.parametrize("stream", ["trade", "aggTrade"])
async def test_perpetual_captures_give_every_trade(server, stream: str):
    names = {"trade": ["binance-usdm-btcusdt-20240808-trade", "binance-usdm-ethusdt-20240808-trade"],
             "aggTrade": ["binance-usdm-multi-20211012-full"]}[stream]  # fmt: skip
    messages = [message for name in names for message in recorded(CAPTURES / f"{name}.jsonl.gz")]
    traded = [message["data"] for message in messages if message.get("data", {}).get("e") == stream]
    symbols = sorted({one["s"] for one in traded})
    async with feeding(server, *symbols, exchange="binanceusdm", trade_stream=stream) as feed:
        assert any("/public/stream" in visitor.path for visitor in server.visitors)
        await server.replay(messages)
        for symbol in symbols:
            own = [one for one in traded if one["s"] == symbol]
            volume = sum(Decimal(one["q"]) for one in own)
            await until(lambda symbol=symbol, volume=volume: feed.volume(symbol) == volume)
            assert max(quote.high for quote in feed.of(symbol)) == max(Decimal(one["p"]) for one in own)
            assert min(quote.low for quote in feed.of(symbol)) == min(Decimal(one["p"]) for one in own)


@needs_captures
@pytest.mark.shared
@pytest.mark.parametrize("capture", ["bybit-v5-reframed-20210417-trade", "bybit-v5-linear-frame-samples"])
async def test_bybit_captures_give_every_trade(server, capture: str):
    messages = [m for m in recorded(CAPTURES / f"{capture}.jsonl.gz") if m["topic"].startswith("publicTrade.")]
    traded = {one["i"]: one for message in messages for one in message["data"]}
    symbols = sorted({one["s"] for one in traded.values()})
    async with feeding(server, *symbols, exchange="bybitlinear") as feed:
        assert server.visitors[0].path == "/v5/public/linear"
        await server.replay(messages)
        for symbol in symbols:
            own = [one for one in traded.values() if one["s"] == symbol]
            volume = sum(Decimal(one["v"]) for one in own)
            await until(lambda symbol=symbol, volume=volume: feed.volume(symbol) == volume)
            assert {min(q.low for q in feed.of(symbol)), max(q.high for q in feed.of(symbol))} == {
                min(Decimal(one["p"]) for one in own),
                max(Decimal(one["p"]) for one in own),
            }


# --- one stream -----------------------------------------------------------------------------------------------------


async def test_duplicates_count_once_and_reordered_trades_count(server):
    async with feeding(server) as feed:
        for number, price in [(1, 100), (2, 101), (2, 101), (4, 103), (3, 90), (3, 90), (5, 102), (1, 100)]:
            await server.replay([trade(number, price)])
        await until(lambda: feed.trades() == 5 and feed.of()[-1].last == 102)
        assert feed.volume() == 5
        assert min(quote.low for quote in feed.of()) == 90


async def test_transfers_without_a_price_are_no_trades(server):
    async with feeding(server, exchange="binanceusdm", trade_stream="trade") as feed:
        await server.replay(
            [trade(1, 100, X="MARKET"), trade(2, 0, X="NA"), trade(3, 5, X="INSURANCE_FUND"), trade(4, 101)]
        )
        await until(lambda: feed.trades() == 2)
        assert feed.of()[-1].last == 101
        assert min(quote.low for quote in feed.of()) == 100


async def test_the_price_is_known_before_the_first_trade(server):
    server.note(trade(7, 123.5))
    async with feeding(server) as feed:
        await until(lambda: feed.of())
        first = feed.of()[0]
        assert (first.last, first.trades, first.volume) == (Decimal("123.5"), 0, 0)


@pytest.mark.parametrize(
    "frame",
    [
        b"nonsense", b"[]", b"17", b"{}", b'{"stream": "btcusdt@trade"}', b'{"stream": "x", "data": null}',
        b'{"stream": "btcusdt@trade", "data": {"e": "trade", "s": "BTCUSDT"}}',
        b'{"stream": "btcusdt@trade", "data": {"e": "trade", "s": "BTCUSDT", "t": 5, "p": "x", "q": "1", "T": 5}}',
        b'{"stream": "btcusdt@trade", "data": {"e": "trade", "s": "BTCUSDT", "t": "5", "p": "1", "q": "1", "T": 5}}',
        b'{"error": {"code": 2, "msg": "Invalid request"}, "id": 3}', b'{"e": "trade", "s": ["BTCUSDT"]}',
        b'{"data": {"s": "BTCUSDT", "b": "x", "a": "1"}}', b'"\xff"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("exchange", ["binance", "bybitlinear"])
async def test_nonsense_stops_nothing(server, frame: bytes, exchange: str):
    async with feeding(server, exchange=exchange) as feed:
        sound = (
            [bybit_trade("a", 100, T0), bybit_trade("b", 101, T0 + 1)]
            if "bybit" in exchange
            else [trade(1, 100), trade(2, 101)]
        )
        await server.replay(sound[:1])
        for visitor in server.visitors:
            if b"\xff" in frame:
                visitor.connection.transport.write(bytes([0x81, len(frame)]) + frame)
            else:
                await visitor.connection.send(frame.decode())
        await server.replay(sound[1:])
        await until(lambda: feed.of() and feed.of()[-1].last == 101)
        assert feed.source.connected
        assert server.connections == 1


async def test_a_message_in_fragments_is_put_together(server):
    async with feeding(server) as feed:
        text = orjson.dumps(trade(1, 100)).decode()
        for visitor in server.visitors:
            await visitor.connection.send([text[:10], text[10:40], text[40:]])
            await visitor.connection.ping()
        await server.replay([trade(2, 101)])
        await until(lambda: feed.trades() == 2)


async def test_a_frame_cut_anywhere_is_put_together(server):
    async with feeding(server) as feed:
        bodies = [orjson.dumps(trade(number, 100 + number)) for number in range(1, 6)]
        bodies[2] = orjson.dumps(trade(3, 103, note="x" * 70_000))
        stream = b""
        for body in bodies:
            size = len(body)
            head = (
                bytes([0x81, 126]) + size.to_bytes(2, "big")
                if size < 1 << 16
                else bytes([0x81, 127]) + size.to_bytes(8, "big")
            )
            stream += head + body
        transport = server.visitors[0].connection.transport
        for at in [*range(1, 400), *range(400, len(stream), 5_000)]:
            transport.write(stream[at - 1 : at] if at < 400 else stream[at - 1 : at + 4_999])
            if at < 400:
                await asyncio.sleep(0)
        await until(lambda: feed.trades() == 5)
        assert feed.of()[-1].last == 105


# --- connections ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exchange", "stream"), [("binance", "trade"), ("binanceusdm", "aggTrade")])
async def test_what_was_missed_while_cut_off_is_fetched_and_lost_nowhere(server, exchange: str, stream: str):
    def happens(number: int, price: object):
        made = trade(number, price)
        made["data"]["e"] = stream
        if stream == "aggTrade":
            made["data"].update(a=number, f=number, l=number)
        return {"stream": f"btcusdt@{stream}", "data": made["data"]}

    async with feeding(server, exchange=exchange) as feed:
        await server.replay([happens(number, 100) for number in range(1, 11)])
        await until(lambda: feed.trades() == 10)
        before = server.connections
        server.drop()
        for number in range(11, 31):
            server.note(happens(number, {15: 140, 20: 60}.get(number, 101)))
        await server.until(lambda: server.connections == 2 * before and f"btcusdt@{stream}" in server.subscribed())
        await server.replay([happens(31, 102)])
        await until(lambda: feed.trades() == 31)
        assert feed.volume() == 31
        assert max(quote.high for quote in feed.of()) == 140
        assert min(quote.low for quote in feed.of()) == 60
        assert feed.of()[-1].last == 102
        assert feed.source.reconnects >= 1
        await server.replay([happens(20, 60)])
        await server.replay([happens(32, 103)])
        await until(lambda: feed.trades() == 32)


async def test_bybit_fills_its_gap_too(server):
    async with feeding(server, exchange="bybit") as feed:
        for number in range(10):
            await server.replay([bybit_trade(f"n{number}", 100, T0 + number * 100)])
        await until(lambda: feed.trades() == 10)
        server.drop()
        for number in range(10, 30):
            server.note(bybit_trade(f"n{number}", {15: 140, 20: 60}.get(number, 101), T0 + number * 100))
        await server.until(lambda: server.connections > 1 and server.subscribed())
        await server.replay([bybit_trade("n30", 102, T0 + 3_000)])
        await until(lambda: feed.trades() == 31)
        assert feed.volume() == 31
        assert max(quote.high for quote in feed.of()) == 140
        assert min(quote.low for quote in feed.of()) == 60


async def test_a_gap_beyond_what_rest_tells_is_filled_from_candles(server):
    async with feeding(server) as feed:
        start = T0 - T0 % 60_000
        await server.replay([trade(number, 100, at=start + number * 1_000) for number in range(1, 65)])
        await until(lambda: feed.trades() == 64)
        server.drop()
        for number in range(65, 65 + 3_000):  # more than the thousand that REST tells, over two and a half minutes
            price = {200: 150, 300: 50}.get(number, 101)
            server.note(trade(number, price, at=start + 65_000 + (number - 65) * 50))
        await server.until(lambda: server.connections > 1 and server.subscribed())
        await server.replay([trade(3_065, 102, at=start + 216_000)])
        await until(lambda: feed.of()[-1].last == 102 and not feed.source._tracks["BTCUSDT"].gap_from_ms)
        await until(lambda: max(quote.high for quote in feed.of()) == 150)
        assert min(quote.low for quote in feed.of()) == 50
        await server.replay([trade(3_065 + step, 102, at=start + 216_000 + step * 60_000) for step in range(1, 4)])
        await until(lambda: {start + 60_000, start + 120_000, start + 180_000} <= {c.open_ms for c in feed.candles})
        second = next(candle for candle in feed.candles if candle.open_ms == start + 60_000)
        assert (second.high, second.low) == (150, 50)
        assert second.volume == sum(
            Decimal(one.quantity)
            for one in server.history["BTCUSDT"]
            if start + 60_000 <= one.time_ms < start + 120_000
        )


async def test_an_old_extreme_is_not_told_again_after_a_gap(server):
    async with feeding(server) as feed:
        start = T0 - T0 % 60_000
        await server.replay(
            [trade(1, 100, at=start - 1_000), trade(2, 150, at=start + 1_000), trade(3, 100, at=start + 2_000)]
        )
        await until(lambda: feed.trades() == 3)
        already = len(feed.of())
        server.drop()
        for number in range(4, 1_504):
            server.note(trade(number, 101, at=start + 3_000 + number * 10))
        await server.until(lambda: server.connections > 1 and server.subscribed())
        await server.replay([trade(1_504, 102, at=start + 30_000)])
        await until(lambda: feed.of()[-1].last == 102 and not feed.source._tracks["BTCUSDT"].gap_from_ms)
        assert max(quote.high for quote in feed.of()[already:]) == 102


async def test_a_lost_message_in_mid_stream_is_fetched(server):
    async with feeding(server) as feed:
        await server.replay([trade(1, 100)])
        server.note(trade(2, 50))
        await server.replay([trade(3, 101)])
        await until(lambda: feed.trades() == 3)
        assert min(quote.low for quote in feed.of()) == 50
        assert feed.of()[-1].last == 101


async def test_a_silent_socket_is_replaced(server):
    quick = SocketRules(first_wait=0.01, longest_wait=0.05, send_every=0.0, silence=0.08, open_timeout=2.0)
    async with feeding(server, rules=quick) as feed:
        await server.replay([trade(1, 100)])
        await until(lambda: feed.trades() == 1)
        server.muted = True
        server.note(trade(2, 70))
        await server.until(lambda: server.connections >= 2)
        await until(lambda: feed.trades() == 2)
        server.muted = False
        await server.until(lambda: server.subscribed())
        await server.replay([trade(3, 101)])
        await until(lambda: feed.trades() == 3)


async def test_a_connection_is_renewed_before_the_exchange_ends_it(server):
    short = SocketRules(first_wait=5.0, send_every=0.0, renew_after=0.1, open_timeout=2.0)
    async with feeding(server, rules=short) as feed:
        await server.until(lambda: server.connections >= 3)  # a wait of 5 s in between would not let it get here
        await server.until(lambda: server.subscribed())
        await server.replay([trade(1, 100)])
        await until(lambda: feed.trades() == 1)


async def test_it_never_gives_up_and_polls_meanwhile(server):
    async with feeding(server) as feed:
        await server.replay([trade(1, 100)])
        await until(lambda: feed.trades() == 1)
        server.refusing = True
        server.drop()
        await until(lambda: feed.source._lines[0].socket.failures >= 5)
        server.note(trade(2, 80))
        server.note(trade(3, 99))
        await until(lambda: feed.trades() == 3)  # by REST
        assert not feed.source.connected
        server.refusing = False
        await server.until(lambda: server.subscribed())
        await server.replay([trade(4, 101)])
        await until(lambda: feed.trades() == 4)
        assert min(quote.low for quote in feed.of()) == 80


async def test_a_failing_rest_delays_the_fill_and_stops_nothing(server):
    async with feeding(server) as feed:
        await server.replay([trade(1, 100)])
        await until(lambda: feed.trades() == 1)
        server.rest_status = 503
        server.drop()
        server.note(trade(2, 66))
        await server.until(lambda: server.connections > 1 and server.subscribed())
        await server.replay([trade(3, 101)])
        await until(lambda: feed.trades() == 2)
        server.rest_status = None
        server.drop()
        await until(lambda: feed.trades() == 3)
        assert min(quote.low for quote in feed.of()) == 66


async def test_an_exchange_that_says_too_many_is_left_alone(server):
    server.rest_status = 429
    async with feeding(server) as feed:
        await server.until(lambda: server.requests)
        for number in range(1, 6):
            await server.replay([trade(number, 100)])
        await until(lambda: feed.trades() == 5)
        assert len(server.requests) == 1


async def test_a_restarted_numbering_is_not_taken_for_duplicates(server):
    async with feeding(server) as feed:
        await server.replay([trade(5_000, 100, at=T0)])
        await server.replay([trade(1, 101, at=T0 + 10), trade(2, 102, at=T0 + 20), trade(3, 103, at=T0 + 30)])
        await until(lambda: feed.of() and feed.of()[-1].last == 103)
        assert feed.trades() == 4


# --- subscriptions --------------------------------------------------------------------------------------------------


async def test_subscriptions_follow_what_is_wanted(server):
    async with feeding(server) as feed:
        feed.source.want(["BTCUSDT", "ETHUSDT"])
        await server.until(lambda: "ethusdt@trade" in server.subscribed())
        await server.replay([trade(1, 5, symbol="ETHUSDT"), trade(1, 100)])
        await until(lambda: feed.of("ETHUSDT") and feed.of())
        feed.source.want(["ETHUSDT"])
        await server.until(lambda: "btcusdt@trade" not in server.subscribed())
        for visitor in server.visitors:
            await visitor.connection.send(orjson.dumps(trade(2, 101)).decode())
        await server.replay([trade(2, 6, symbol="ETHUSDT")])
        await until(lambda: feed.of("ETHUSDT")[-1].last == 6)
        assert feed.of()[-1].last == 100
        assert server.connections == 1
        feed.source.want([])
        await server.until(lambda: not server.visitors)
        feed.source.want(["BTCUSDT"])
        await server.until(lambda: "btcusdt@trade" in server.subscribed())


async def test_many_symbols_are_spread_over_connections_and_messages(server):
    symbols = [f"C{number:03d}USDT" for number in range(250)]
    async with feeding(server, *symbols) as feed:
        assert len(server.visitors) == 2
        for visitor in server.visitors:
            assert len(visitor.streams) <= 400
            assert all(len(frame["params"]) <= 100 for frame in visitor.frames)
        assert len(server.subscribed()) == 500
        await server.replay([trade(1, 7, symbol="C249USDT")])
        await until(lambda: feed.of("C249USDT"))


async def test_one_bad_bybit_topic_does_not_spoil_the_others(server):
    server.unlisted = {"NOPEUSDT"}
    async with feeding(server, "BTCUSDT", exchange="bybitlinear") as feed:
        feed.source.want(["BTCUSDT", "ETHUSDT", "NOPEUSDT", "not a symbol"])
        await server.until(lambda: "publicTrade.ETHUSDT" in server.subscribed())
        await until(lambda: feed.source.unknown == {"NOPEUSDT", "not a symbol"})
        await server.replay([bybit_trade("a", 5, T0, "ETHUSDT")])
        await until(lambda: feed.of("ETHUSDT"))


async def test_a_symbol_binance_does_not_list_is_named(server):
    server.unlisted = {"NOPEUSDT"}
    async with feeding(server, "BTCUSDT", "NOPEUSDT") as feed:
        await until(lambda: feed.source.unknown == {"NOPEUSDT"})


async def test_bybit_book_and_heartbeat(server):
    beating = SocketRules(first_wait=0.01, send_every=0.0, heartbeat='{"op":"ping"}', heartbeat_every=0.02)
    async with feeding(server, exchange="bybit", rules=beating) as feed:
        await server.replay([bybit_trade("a", 100, T0)])
        for book in ({"b": [["99.5", "1"]], "a": [["100.5", "2"]]}, {"b": [], "a": [["100.25", "2"]]}):
            await server.send("orderbook.1.BTCUSDT", {"data": {"s": "BTCUSDT", "u": 1, **book}})
        await until(lambda: feed.of() and feed.of()[-1].ask == Decimal("100.25"))
        assert feed.of()[-1].bid == Decimal("99.5")
        await server.until(lambda: any(frame.get("op") == "ping" for frame in server.visitors[0].frames))


async def test_availability_is_the_stream_answering(server):
    source = BinanceSource("binance", SystemClock(), urls={"binance": server.url})
    assert await source.available(2.0)
    server.refusing = True
    assert not await source.available(2.0)
    nowhere = BinanceSource("binance", SystemClock(), urls={"binance": "http://127.0.0.1:9"})
    assert not await nowhere.available(0.5)
    await source.close()


def test_only_markets_that_exist_can_be_made():
    for make in (lambda: BinanceSource("bybit", SystemClock()), lambda: BybitSource("binance", SystemClock()),
                 lambda: BinanceSource("binance", SystemClock(), trade_stream="kline")):  # fmt: skip
        with pytest.raises(InvalidInput):
            make()


async def test_nothing_is_left_running_after_close(server):
    before = asyncio.all_tasks()
    async with feeding(server, "BTCUSDT", "ETHUSDT") as feed:
        await server.replay([trade(1, 100)])
        await until(lambda: feed.trades() == 1)
    await server.until(lambda: not server.visitors)
    await until(
        lambda: asyncio.all_tasks() - before <= {task for task in asyncio.all_tasks() if "websockets" in repr(task)}
    )


# --- load -----------------------------------------------------------------------------------------------------------


async def test_a_burst_of_sixty_thousand_trades_loses_nothing(server):
    async with feeding(server) as feed:
        total, wick_up, wick_down = 60_000, 31_234, 31_236
        prices = {wick_up: "99999.99", wick_down: "0.01"}
        frames = []
        for number in range(1, total + 1):
            body = orjson.dumps(trade(number, prices.get(number, f"{60_000 + number % 97}.5"), quantity="0.00012345"))
            frames.append(bytes([0x81, 126]) + len(body).to_bytes(2, "big") + body)
        transport = server.visitors[0].connection.transport
        for at in range(0, total, 2_000):
            transport.write(b"".join(frames[at : at + 2_000]))
            await asyncio.sleep(0)
        await until(lambda: feed.trades() == total, 30)
        assert feed.volume() == Decimal("0.00012345") * total
        assert max(quote.high for quote in feed.of()) == Decimal("99999.99")
        assert min(quote.low for quote in feed.of()) == Decimal("0.01")
        assert len(feed.of()) < total / 100


# --- large prints ---------------------------------------------------------------------------------------------------


async def told_prints(server: ExchangeStreams, exchange: str, frames: list[dict[str, Any]], store: Any) -> list[Any]:
    keeper = PrintKeeper(store, exchange)
    kind: Any = BybitSource if exchange.startswith("bybit") else BinanceSource
    source = kind(exchange, SystemClock(), urls={exchange: server.url}, socket_rules=FAST, rules=EAGER)
    source.on_trade = keeper.take
    source.want(["BTCUSDT"])
    feed = Feed(source)
    task = asyncio.create_task(feed.gather())
    try:
        await server.until(lambda: len(server.subscribed()) >= 2)
        for frame in frames:
            await server.send_frame(str(frame.get("stream", frame.get("topic"))), orjson.dumps(frame))
        await until(lambda: feed.trades() == len(frames))
        await keeper.write(utc_from_ms(T0 + 10_000))
    finally:
        await source.close()
        await asyncio.wait_for(task, 5)
    return list(OpinionBook(store).as_of(T0 + 10_000, symbol="BTCUSDT").prints)


async def test_large_orders_are_found_in_the_stream(server, tmp_path: Path):
    first = [trade(1, 60_000, at=T0 - 5_000)]  # says where the numbers begin
    burst = [trade(number, 60_000, at=T0 + number, quantity="3", m=False) for number in range(2, 6)]
    small = [trade(6, 60_000, at=T0 + 2_000, quantity="1", m=True)]
    with open_records(f"sqlite:///{tmp_path / 'store.db'}", tmp_path) as store:
        [found] = await told_prints(server, "binance", [*first, *burst, *small], store)
    assert (found.buy, found.usd, found.trades, found.source) == (True, 720_000, 4, "binance")
    assert found.known_ms == T0 + 2 + 250


async def test_bybit_s_too(server, tmp_path: Path):
    frames = [bybit_trade(f"n{number}", 600_000, T0 + number) for number in range(2)]
    for frame in frames:
        frame["data"][0]["S"] = "Sell"
    with open_records(f"sqlite:///{tmp_path / 'store.db'}", tmp_path) as store:
        [found] = await told_prints(server, "bybit", frames, store)
    assert (found.buy, found.usd, found.trades) == (False, 1_200_000, 2)
