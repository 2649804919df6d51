"""What every price source promises, whatever stands behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from modules.connections.feeds.binance import BinanceSource
from modules.connections.feeds.bybit import BybitSource
from modules.connections.feeds.follow import FollowSource
from modules.connections.feeds.live import LiveSource
from modules.connections.feeds.replay import ReplaySource
from modules.connections.feeds.simulated import SimulatedMarket
from modules.connections.feeds.socket_client import SocketRules
from modules.domain.ports import PriceSource
from modules.runtime.clock import SystemClock
from tests.fakes.exchange_streams import ExchangeStreams

T0 = 1_790_000_000_000
QUICK = SocketRules(first_wait=0.01, send_every=0.0, open_timeout=2.0)


def _ticks(folder: Path) -> Path:
    file = folder / "ticks.jsonl"
    lines = [
        orjson.dumps(
            {"time": T0 + at, "exchange": "binance", "symbol": symbol, "price": str(100 + at), "quantity": "1"}
        )
        for at in range(50)
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


@pytest.fixture(params=["simulated", "follow", "replay", "binance", "binanceusdm", "bybit", "bybitlinear"])
async def source(request, tmp_path: Path) -> AsyncIterator[PriceSource]:
    kind = request.param
    async with ExchangeStreams() as server:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            server.note({"data": {"e": "trade", "s": symbol, "t": 1, "p": "100", "q": "1", "T": T0}})
        clock = SystemClock()
        made: PriceSource
        if kind == "simulated":
            made = SimulatedMarket(clock, speed=100)
        elif kind == "follow":
            made = FollowSource(_ticks(tmp_path), clock)
        elif kind == "replay":
            made = ReplaySource(_ticks(tmp_path), clock, speed=1)
        elif kind.startswith("binance"):
            made = BinanceSource(kind, clock, urls={kind: server.url}, socket_rules=QUICK)
        else:
            made = BybitSource(kind, clock, urls={kind: server.url}, socket_rules=QUICK)
        yield made
        await made.close()


async def test_it_delivers_what_is_wanted_and_nothing_else(source: PriceSource):
    source.want(["BTCUSDT"])
    stream = source.quotes()
    async with asyncio.timeout(10):
        quote = await anext(stream)
    assert quote.symbol == "BTCUSDT"
    assert quote.simulated == (source.name == "simulated")
    assert quote.low <= quote.last <= quote.high
    assert quote.received_ms > 1_700_000_000_000
    await source.close()
    assert [late async for late in stream if late.symbol != "BTCUSDT"] == []


async def test_symbols_can_be_wanted_before_and_after_it_runs(source: PriceSource):
    source.want([])
    stream = source.quotes()
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    source.want(["ETHUSDT"])
    assert (await asyncio.wait_for(waiting, 10)).symbol == "ETHUSDT"
    source.want(["ETHUSDT", "BTCUSDT"])
    async with asyncio.timeout(10):
        while (await anext(stream)).symbol != "BTCUSDT":
            pass


async def test_closing_ends_the_stream_and_may_be_repeated(source: PriceSource):
    source.want(["BTCUSDT"])
    gathered = asyncio.create_task(_all(source))
    await asyncio.sleep(0.02)
    await source.close()
    await source.close()
    await asyncio.wait_for(gathered, 10)


async def test_a_cancelled_consumer_leaves_nothing_running(source: PriceSource):
    before = asyncio.all_tasks()
    source.want(["BTCUSDT"])
    consumer = asyncio.create_task(_all(source))
    await asyncio.sleep(0.05)
    consumer.cancel()
    await asyncio.gather(consumer, return_exceptions=True)
    await source.close()
    left = {task for task in asyncio.all_tasks() - before if "feeds" in repr(task.get_coro())}
    assert left == set()
    assert source.name == ("live" if isinstance(source, LiveSource) else source.name)


async def _all(source: PriceSource) -> None:
    async for _ in source.quotes():
        pass
