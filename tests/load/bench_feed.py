"""Price feed: the Binance client against ccxt.pro on the same burst of trades from a loopback server.

The server and each client are processes of their own. Every client takes the same 60,000 trade messages, each time in a
fresh process, in turns; figures are medians. CPU is the client's own, from its first message to its last.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from tests.load.table import Row

TRADES = 60_000
WICKS = {31_234: "99999.99", 31_236: "0.01"}
ROUNDS = 3
_START_MS = 1_723_161_600_000
_LIMIT_SECONDS = 25
_ROOT = Path(__file__).resolve().parents[2]


def run() -> list[Row]:
    """The rows of this benchmark; about half a minute."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.load.bench_feed", "server"], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(_client("ours", url))
            theirs.append(_client("ccxt", url))
    finally:
        server.kill()
        server.wait()
    return _rows(ours, theirs)


def _rows(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> list[Row]:
    def middle(results: list[dict[str, float]], name: str) -> float:
        return statistics.median(result[name] for result in results)

    our_cpu, their_cpu = middle(ours, "cpu"), middle(theirs, "cpu")
    ratio = their_cpu / our_cpu
    lost = max(result["wicks_lost"] for result in ours)
    missing = max(TRADES - result["trades"] for result in ours)
    return [
        Row("feed", "our client", TRADES / our_cpu, "messages/s of CPU"),
        Row("feed", "ccxt.pro watchTrades", TRADES / their_cpu, "messages/s of CPU"),
        Row("feed", "ratio per core", ratio, "x ccxt.pro", ">= 3", ratio >= 3),
        Row("feed", "our client, wall", middle(ours, "wall"), "s for 60,000"),
        Row("feed", "ccxt.pro, wall", middle(theirs, "wall"), "s for 60,000"),
        Row("feed", "our trades not counted", missing, "of 60,000", "0", missing == 0),
        Row("feed", "our highs and lows lost", lost, "of 2", "0", lost == 0),
        Row("feed", "our volume off by", max(result["volume_off"] for result in ours), "coins", "0",
            all(result["volume_off"] == 0 for result in ours)),
        Row("feed", "ccxt.pro trades never seen", middle([{"n": TRADES - r["trades"]} for r in theirs], "n"), "of 60,000"),
        Row("feed", "ccxt.pro highs and lows lost", middle(theirs, "wicks_lost"), "of 2"),
    ]  # fmt: skip


def _client(kind: str, url: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.bench_feed", kind, url],
        cwd=_ROOT, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=True,
    )  # fmt: skip
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _messages() -> list[dict[str, Any]]:
    return [
        {
            "e": "trade", "E": _START_MS + number // 20, "s": "BTCUSDT", "t": number,
            "p": WICKS.get(number, f"{60_000 + number % 97}.50000000"), "q": "0.00012300",
            "T": _START_MS + number // 20, "m": True, "M": True,
        }
        for number in range(1, TRADES + 1)
    ]  # fmt: skip


async def _serve() -> None:
    """Sends the whole burst to whoever subscribes to the trades of BTCUSDT, combined or raw as its path asks."""
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed

    def framed(message: object) -> bytes:
        body = orjson.dumps(message)
        return bytes([0x81, 126]) + len(body).to_bytes(2, "big") + body

    trades = _messages()
    raw = [framed(trade) for trade in trades]
    combined = [framed({"stream": "btcusdt@trade", "data": trade}) for trade in trades]

    async def visit(connection: ServerConnection) -> None:
        assert connection.request is not None
        frames = combined if connection.request.path.startswith("/stream") else raw
        with suppress(ConnectionClosed, RuntimeError):  # a client that hung up
            async for message in connection:
                said = orjson.loads(message)
                await connection.send(orjson.dumps({"result": None, "id": said["id"]}).decode())
                if "btcusdt@trade" in said["params"]:
                    await burst(connection, frames)

    async def burst(connection: ServerConnection, frames: list[bytes]) -> None:
        for at in range(0, TRADES, 500):
            connection.transport.write(b"".join(frames[at : at + 500]))
            while connection.transport.get_write_buffer_size() > 1 << 20:
                await asyncio.sleep(0.0005)

    async with serve(visit, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.get_running_loop().create_future()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _tell(trades: int, highest: float, lowest: float, volume: Decimal | None, cpu: float, wall: float) -> None:
    wicks = (highest != float(WICKS[31_234])) + (lowest != float(WICKS[31_236]))
    off = 0.0 if volume is None else float(abs(volume - TRADES * Decimal("0.000123")))
    print(json.dumps({"trades": trades, "wicks_lost": wicks, "volume_off": off, "cpu": cpu, "wall": wall}))


async def _ours(url: str) -> None:
    from modules.connections.feeds.binance import BinanceSource
    from modules.runtime.clock import SystemClock

    source = BinanceSource("binance", SystemClock(), urls={"binance": url})
    source.want(["BTCUSDT"])
    trades, highest, lowest, volume = 0, 0.0, 1e18, Decimal(0)
    cpu, began = _cpu(), time.perf_counter()
    async for quote in source.quotes():
        trades += quote.trades
        highest, lowest = max(highest, float(quote.high)), min(lowest, float(quote.low))
        volume += quote.volume
        if trades >= TRADES:
            break
    cpu, wall = _cpu() - cpu, time.perf_counter() - began
    await source.close()
    _tell(trades, highest, lowest, volume, cpu, wall)


async def _ccxt(url: str) -> None:
    import ccxt.pro

    exchange = ccxt.pro.binance({"newUpdates": True})
    exchange.urls["api"]["ws"]["spot"] = url.replace("http", "ws") + "/ws"
    exchange.set_markets([
        exchange.safe_market_structure({
            "id": "BTCUSDT", "lowercaseId": "btcusdt", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "baseId": "BTC", "quoteId": "USDT",
            "type": "spot", "spot": True, "margin": False, "swap": False, "future": False, "option": False,
            "contract": False, "linear": None, "inverse": None, "active": True, "precision": {"amount": 1e-8, "price": 0.01}, "limits": {}, "info": {},
        })
    ])  # fmt: skip
    seen, highest, lowest, last = 0, 0.0, 1e18, 0
    cpu, began = _cpu(), time.perf_counter()
    while last < TRADES:
        for trade in await exchange.watch_trades("BTC/USDT"):
            seen += 1
            last = max(last, int(trade["id"]))
            highest, lowest = max(highest, trade["price"]), min(lowest, trade["price"])
    cpu, wall = _cpu() - cpu, time.perf_counter() - began
    await exchange.close()
    _tell(seen, highest, lowest, None, cpu, wall)


def main(arguments: list[str]) -> None:
    """One of the processes (`server`, `ours URL`, `ccxt URL`), or the whole benchmark, printed."""
    import uvloop

    match arguments:
        case ["server"]:
            uvloop.run(_serve())
        case ["ours", url]:
            uvloop.run(_ours(url))
        case ["ccxt", url]:
            uvloop.run(_ccxt(url))
        case _:
            from tests.load.table import render

            print(render(run()))


if __name__ == "__main__":
    main(sys.argv[1:])
