"""Quotes between processes: slow, late, absent clients and a killed server lose no range and no volume."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from modules.connections.feeds.hub_frames import decode_quote, decode_status, encode_quote
from modules.connections.feeds.simulated import SimulatedMarket
from modules.connections.quote_hub import HubServer, QuoteClient
from modules.domain.errors import InvalidInput, Misconfigured
from modules.domain.market import Quote
from modules.runtime.clock import SystemClock


class HandSource:
    """A source that says what the test says."""

    name = "hand"

    def __init__(self) -> None:
        self.wanted: list[frozenset[str]] = []
        self.references: dict[str, Decimal] = {}
        self.queue: asyncio.Queue[Quote | None] = asyncio.Queue()

    def want(self, symbols: Collection[str]) -> None:
        self.wanted.append(frozenset(symbols))

    def want_at(self, symbol: str, price: Decimal) -> None:
        self.references[symbol] = price

    async def quotes(self) -> AsyncIterator[Quote]:
        while (quote := await self.queue.get()) is not None:
            yield quote

    async def close(self) -> None:
        self.queue.put_nowait(None)


def quote(
    price: object,
    symbol: str = "BTCUSDT",
    *,
    high: object = None,
    low: object = None,
    volume: object = 1,
    time_ms: int = 1,
) -> Quote:
    last = Decimal(str(price))
    top, bottom = Decimal(str(high or price)), Decimal(str(low or price))
    return Quote("x", symbol, time_ms, 2, last, last, top, bottom, last, last, Decimal(str(volume)), 1)


@pytest.fixture
def path():
    with tempfile.TemporaryDirectory(prefix="hub") as folder:
        yield Path(folder) / "q.sock"


@asynccontextmanager
async def serving(path: Path, source: object = None, **options: object):
    server = HubServer(path, source or HandSource(), SystemClock(), **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def listening(path: Path, *symbols: str):
    client = QuoteClient(path, SystemClock(), first_wait=0.005, longest_wait=0.02)
    client.want(symbols or ["BTCUSDT"])
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_quote_survives_the_wire_exactly():
    made = Quote(
        "binance", "PEPEUSDT", 5, 6, Decimal("0.00001234"), Decimal("0.0000123"), Decimal("0.00002"),
        Decimal("0.00000001"), Decimal("0.000012"), Decimal("0.000013"), Decimal("123456789012.12345678"), 17, True, 4, Decimal("0.0000125"),
    )  # fmt: skip
    assert decode_quote(orjson.loads(encode_quote(made))) == made


@pytest.mark.parametrize("fields", [[], [1], ["x"] * 15, [None] * 15])
def test_what_is_no_quote_is_refused(fields: list[object]):
    with pytest.raises(InvalidInput):
        decode_quote(fields)
    with pytest.raises(InvalidInput):
        decode_status({"source": 1})


async def test_clients_get_what_they_want_and_the_source_learns_the_union(path: Path):
    source = HandSource()
    async with serving(path, source) as server, listening(path, "BTCUSDT") as one, listening(path, "ETHUSDT") as two:
        await until(lambda: server.wanted() == {"BTCUSDT", "ETHUSDT"})
        assert source.wanted[-1] == {"BTCUSDT", "ETHUSDT"}
        server.publish(quote(100))
        server.publish(quote(5, "ETHUSDT"))
        await until(lambda: one.latest("BTCUSDT") and two.latest("ETHUSDT"))
        assert one.latest("ETHUSDT") is None
        one.want(["BTCUSDT", "SOLUSDT"])
        await until(lambda: source.wanted[-1] == {"BTCUSDT", "ETHUSDT", "SOLUSDT"})
        one.want(["SOLUSDT"])
        await until(lambda: source.wanted[-1] == {"ETHUSDT", "SOLUSDT"})
        assert one.latest("BTCUSDT") is None


async def test_a_late_client_gets_the_price_at_once_without_its_past(path: Path):
    async with serving(path) as server:
        server.want(["BTCUSDT"])
        server.publish(quote(100, high=120, low=80))
        async with listening(path) as client:
            await until(lambda: client.latest("BTCUSDT"))
            known = client.latest("BTCUSDT")
            assert known is not None
            assert (known.last, known.high, known.low, known.volume, known.trades) == (100, 100, 100, 0, 0)


async def test_a_slow_consumer_gets_merged_quotes(path: Path):
    async with serving(path) as server, listening(path) as client:
        stream = client.quotes()
        first = asyncio.create_task(anext(stream))
        await until(lambda: server.wanted())
        server.publish(quote(100))
        assert (await first).last == 100
        for price in (101, 150, 60, 99):
            server.publish(quote(price))
        await until(lambda: client.latest("BTCUSDT") == quote(99) or (client.latest("BTCUSDT") or quote(1)).last == 99)
        merged = await anext(stream)
        assert (merged.open, merged.high, merged.low, merged.last) == (101, 150, 60, 99)
        assert (merged.volume, merged.trades) == (4, 4)


async def test_a_client_that_does_not_read_costs_no_memory_and_loses_no_range(path: Path):
    async with serving(path, buffer_bytes=4096) as server:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 12)
        writer.write(orjson.dumps({"client": "slow", "want": ["BTCUSDT"]}) + b"\n")
        await until(lambda: server.wanted())
        total = 30_000
        for step in range(total):
            extreme = 1_000_000 if step == 20_000 else 0.5 if step == 20_001 else 100 + step % 7
            server.publish(quote(extreme))
            await asyncio.sleep(0)
        [connection] = server.connections
        assert not connection.ready
        seen: list[Quote] = []
        async with asyncio.timeout(10):
            while sum(quote.trades for quote in seen) < total:
                said = orjson.loads(await reader.readline())
                if isinstance(said, list):
                    seen.append(decode_quote(said))
        assert max(quote.high for quote in seen) == 1_000_000
        assert min(quote.low for quote in seen) == Decimal("0.5")
        assert sum(quote.volume for quote in seen) == total
        assert len(seen) < total / 2
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_was_away_for_a_moment_gets_what_happened_meanwhile(path: Path):
    async with serving(path) as server, listening(path) as client:
        stream = client.quotes()
        first = asyncio.create_task(anext(stream))
        await until(lambda: server.wanted())
        server.publish(quote(100))
        await first
        for connection in list(server.connections):
            connection.close()
        await until(lambda: not client.connected)
        server.publish(quote(170))
        server.publish(quote(40))
        server.publish(quote(101))
        merged = await asyncio.wait_for(anext(stream), 5)
        assert (merged.high, merged.low, merged.last) == (170, 40, 101)
        assert client.connections == 2


async def test_an_absent_client_is_forgotten_and_its_symbols_dropped(path: Path):
    source = HandSource()
    async with serving(path, source, keep_seconds=0.0) as server:
        async with listening(path):
            await until(lambda: server.wanted())
        await until(lambda: not server.connections)
        server.forget_absent()
        assert server.wanted() == frozenset()
        assert source.wanted[-1] == frozenset()


async def test_a_killed_and_restarted_hub_harms_no_client(path: Path):
    async with listening(path) as client:
        await asyncio.sleep(0.01)
        assert not client.connected
        for price in (100, 101, 102):
            source = HandSource()
            async with serving(path, source) as server:
                await until(lambda server=server: server.wanted())
                server.publish(quote(price))
                await until(lambda price=price: (client.latest("BTCUSDT") or quote(1)).last == price)
            await until(lambda: not client.connected)
        assert client.connections == 3
        assert client.latest("BTCUSDT") is not None


async def test_a_dead_socket_is_taken_over_and_a_living_one_is_not(path: Path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    async with serving(path) as server:
        assert oct(os.stat(path).st_mode & 0o777) == "0o600"
        with pytest.raises(Misconfigured, match="already serves"):
            await HubServer(path, HandSource(), SystemClock()).start()
        assert server.wanted() == frozenset()
    assert not path.exists()
    path.write_text("a file")
    with pytest.raises(Misconfigured, match="no socket"):
        await HubServer(path, HandSource(), SystemClock()).start()
    with pytest.raises(Misconfigured, match="longer"):
        await HubServer(path.with_name("x" * 120), HandSource(), SystemClock()).start()


@pytest.mark.parametrize("said", [b"nonsense\n", b"[1]\n", b'{"client": "a"}\n', b'{"client": "a", "want": 5}\n',
                                  b'{"client": "a", "want": ["X"], "prices": {"X": "z"}}\n', b"y" * (1 << 21)])  # fmt: skip
async def test_a_client_that_speaks_nonsense_is_hung_up_on_and_nobody_else(path: Path, said: bytes):
    async with serving(path) as server, listening(path) as client:
        await until(lambda: server.wanted())
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(said)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            assert await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()
        server.publish(quote(100))
        await until(lambda: client.latest("BTCUSDT"))


async def test_status_tells_source_age_and_unknown_symbols(path: Path):
    async with serving(path, status_seconds=0.01) as server, listening(path, "BTCUSDT", "NOPEUSDT") as client:
        runner = asyncio.create_task(server._tell_status())
        await until(lambda: server.wanted())
        server.publish(quote(100))
        await until(lambda: client.status and client.status.ages)
        assert client.status is not None
        assert client.status.source == "hand"
        assert not client.status.simulated
        assert client.status.unknown == ("NOPEUSDT",)
        assert client.status.ages["BTCUSDT"] > 0
        assert client.message_age() is not None
        assert client.message_age() < 5
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)


async def test_reference_prices_reach_a_source_that_needs_them(path: Path):
    market = SimulatedMarket(SystemClock(), speed=0)
    server = HubServer(path, market, SystemClock(), status_seconds=0.01)
    running = asyncio.create_task(server.run())
    client = QuoteClient(path, SystemClock(), first_wait=0.005, longest_wait=0.02)
    client.want(["NOVELUSDT"], {"NOVELUSDT": Decimal("0.125")})
    await client.start()
    await until(lambda: client.latest("NOVELUSDT") and client.status and client.status.ages)
    known = client.latest("NOVELUSDT")
    assert known is not None
    assert known.simulated
    assert abs(known.last - Decimal("0.125")) < Decimal("0.01")
    assert client.status is not None
    assert client.status.simulated
    await client.close()
    await market.close()
    await asyncio.wait_for(running, 5)
    assert not path.exists()


async def test_a_lossless_source_is_not_merged(path: Path):
    class Fast(HandSource):
        lossless = True

        async def quotes(self) -> AsyncIterator[Quote]:
            await asked.wait()
            for step in range(5_000):
                yield quote(100 + step)
            await asyncio.sleep(3600)

    asked = asyncio.Event()
    server = HubServer(path, Fast(), SystemClock(), buffer_bytes=8192)
    running = asyncio.create_task(server.run())
    await until(path.exists)
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(orjson.dumps({"client": "reader", "want": ["BTCUSDT"]}) + b"\n")
    await until(lambda: server.wanted())
    asked.set()
    seen = []
    async with asyncio.timeout(10):
        while len(seen) < 5_000:
            said = orjson.loads(await reader.readline())
            if isinstance(said, list):
                seen.append(decode_quote(said))
    assert all(quote.trades == 1 for quote in seen)
    writer.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def named(path: Path, *symbols: str):
    client = QuoteClient(path, SystemClock(), name="executor", first_wait=0.005, longest_wait=0.02)
    await client.start()
    client.want(symbols or ["BTCUSDT"])
    try:
        yield client
    finally:
        await client.close()


async def test_what_a_killed_client_was_told_and_did_not_deal_with_is_told_to_its_successor(path: Path):
    async with serving(path) as server:
        async with named(path) as client:
            stream = client.quotes()
            first = asyncio.create_task(anext(stream))
            await until(lambda: server.wanted())
            server.publish(quote(100))
            assert (await first).last == 100
            second = asyncio.create_task(anext(stream))
            server.publish(quote(101))
            assert (await second).last == 101
            await asyncio.sleep(0)
            server.publish(quote(150, time_ms=2))  # reaches a process that dies before it looks
            await until(lambda: client.latest("BTCUSDT") == quote(150, time_ms=2))
        server.publish(quote(99, time_ms=3))
        server.publish(quote(70, time_ms=4))
        async with named(path) as successor:
            stream = successor.quotes()
            told = [await asyncio.wait_for(anext(stream), 5) for _ in range(3)]
            assert [each.last for each in told] == [101, 150, 70]
            assert [each.since_ms is not None for each in told] == [True] * 3
            assert (told[2].high, told[2].low) == (99, 70)
            assert [each.stood for each in told] == [100, 101, 150]
            waiting = asyncio.create_task(anext(stream))
            server.publish(quote(71, time_ms=5))
            assert (await asyncio.wait_for(waiting, 5)).since_ms is None


async def test_nothing_is_told_twice_to_a_client_that_only_lost_its_connection(path: Path):
    async with serving(path) as server, named(path) as client:
        stream = client.quotes()
        first = asyncio.create_task(anext(stream))
        await until(lambda: server.wanted())
        server.publish(quote(100))
        await first
        server.publish(quote(101))
        await until(lambda: client.latest("BTCUSDT") == quote(101))
        for connection in list(server.connections):
            connection.close()
        await until(lambda: not client.connected)
        server.publish(quote(102))
        told = [await asyncio.wait_for(anext(stream), 5) for _ in range(2)]
        assert [(each.last, each.trades) for each in told] == [(101, 1), (102, 1)]


async def test_a_client_that_never_acknowledges_is_kept_in_bounds(path: Path):
    async with serving(path) as server:
        async with named(path) as client:
            stream = client.quotes(acknowledge=False)
            first = asyncio.create_task(anext(stream))
            await until(lambda: server.wanted())
            for step in range(500):
                server.publish(quote(1000 if step == 300 else 100, time_ms=step + 1))
                await asyncio.sleep(0)
            await first
            await until(lambda: (client.latest("BTCUSDT") or quote(1)).time_ms == 500)
        async with named(path) as successor:
            stream, told = successor.quotes(), []
            while sum(each.trades for each in told) < 500:
                told.append(await asyncio.wait_for(anext(stream), 5))
            assert len(told) <= 65
            assert max(each.high for each in told) == 1000
