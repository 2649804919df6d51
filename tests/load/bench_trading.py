"""The two latencies that money feels: from a tick to a durable request, and from a message to its first paper fill.

Tick to request: a hub, a client and a monitor with 10,000 open trailing positions on 100 symbols; the time runs from the
quote's publication on the socket until the request it triggered is committed. Message to fill: the real processes over a
followed price file; the time runs from the HTTP call until the fill is in the journal. Both again with both cores busy.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from database import Store
from modules.connections.feeds.hub_client import QuoteClient
from modules.connections.instrument_catalogue import InstrumentCatalogue
from modules.connections.quote_hub import HubServer
from modules.domain.market import Quote
from modules.domain.people import Account
from modules.domain.plans import ExitRules, Plan, Trailing, TrailKind
from modules.domain.positions import Position, TargetLevel
from modules.domain.sides import Side
from modules.records import from_document, open_records, to_document
from modules.runtime.clock import SystemClock
from modules.trading.position_monitor import ORDERS, PositionMonitor
from modules.trading.settings_edit import edit
from tests.load.busy import busy_cores
from tests.load.table import Row

SYMBOLS, PER_SYMBOL, TICKS = 100, 100, 1500
MESSAGES = 40
ROOT = Path(__file__).resolve().parents[2]


def run() -> list[Row]:
    """Rows for both latencies, idle and busy."""
    rows = []
    for label, busy in (("", False), (", both cores busy", True)):
        latencies = _with_load(busy, lambda: asyncio.run(_tick_to_request()))
        rows += _rows("tick to request, 10,000 positions" + label, latencies, 10.0)
    for label, busy in (("", False), (", both cores busy", True)):
        latencies = _with_load(busy, _message_to_fill)
        rows += _rows("message to first paper fill" + label, latencies, 150.0)
    return rows


def _with_load(busy: bool, measure):  # type: ignore[no-untyped-def]
    if not busy:
        return measure()
    with busy_cores():
        return measure()


def _rows(measure: str, seconds: list[float], bar_ms: float) -> list[Row]:
    ordered = sorted(each * 1000 for each in seconds)
    p99 = ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
    return [
        Row("trading", f"{measure}, p50 of {len(ordered)}", statistics.median(ordered), "ms"),
        Row("trading", f"{measure}, p99", p99, "ms", f"< {bar_ms:.0f} ms", p99 < bar_ms),
    ]


# ---- tick to request ----------------------------------------------------------------------------------------------


class _Handed:
    """A price source that says what it is handed."""

    name = "bench"

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def want(self, symbols: Collection[str]) -> None:
        """Everything is delivered anyway."""

    async def quotes(self) -> AsyncIterator[Quote]:
        await self.closed.wait()
        return
        yield  # pragma: no cover - makes this a generator

    async def close(self) -> None:
        self.closed.set()


async def _tick_to_request() -> list[float]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = open_records(f"sqlite:///{folder / 'bench.db'}", folder)
        symbols = [f"S{number:03}USDT" for number in range(SYMBOLS)]
        _fill(store, symbols)
        monitor = PositionMonitor(store, ORDERS, InstrumentCatalogue(folder))
        monitor.recover(datetime.now(UTC))
        assert len(monitor.book) == SYMBOLS * PER_SYMBOL
        clock, source = SystemClock(), _Handed()
        hub = HubServer(folder / "q.sock", source, clock)
        serving = asyncio.create_task(hub.run())
        client = QuoteClient(folder / "q.sock", clock)
        await client.start()
        client.want(symbols)
        try:
            return await _ticks(hub, client, monitor, symbols)
        finally:
            await client.close()
            await source.close()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            store.close()


async def _ticks(hub: HubServer, client: QuoteClient, monitor: PositionMonitor, symbols: list[str]) -> list[float]:
    """Each tick is a new high of one symbol, so that a trailing stop of it moves; quiet ticks of others come between."""
    while not client.connected or len(hub.wanted()) < len(symbols):
        await asyncio.sleep(0.01)
    quotes = client.quotes()
    latencies = []
    for number in range(TICKS + 50):
        symbol = symbols[number % len(symbols)]
        price = Decimal(100) + Decimal(number // len(symbols) + 1) / 10
        now_ms = int(time.time() * 1000)
        started = time.perf_counter()
        hub.publish(Quote.at_price("bench", symbol, now_ms, price))
        quote = await anext(quotes)
        made = monitor.on_quote(quote, datetime.now(UTC))
        if number >= 50:
            assert made > 0, "a new high moved no stop"
            latencies.append(time.perf_counter() - started)
        monitor.flush(datetime.now(UTC))
        await asyncio.sleep(0.002)
    return latencies


def _fill(store: Store, symbols: list[str]) -> None:
    """10,000 open positions; one in a hundred trails closely enough to move with every new high."""
    now = datetime.now(UTC)
    plans, positions = [], []
    for symbol in symbols:
        for number in range(PER_SYMBOL):
            step = Decimal(0) if number == 0 else Decimal(50)
            rules = ExitRules(break_even_after=None, trailing=Trailing(TrailKind.PERCENT, Decimal(1), step))
            name = f"{symbol}:{number}"
            plan = Plan(name, "a", f"sig-{name}", "bench", "paper", symbol, Side.LONG, (), (), Decimal(90), Decimal(5),
                        rules, None, Decimal(100), now, now)  # fmt: skip
            target = TargetLevel(1, Decimal(500), Decimal(1))
            position = Position(f"pos-{name}", "a", name, None, "paper", symbol, Side.LONG, Decimal(5), now, quantity=Decimal(1),
                                initial_quantity=Decimal(1), average_price=Decimal(100), stop_loss=Decimal(90),
                                initial_stop=Decimal(90), targets=(target,))  # fmt: skip
            plans.append(to_document(plan))
            positions.append(to_document(position))
    store["plans"].insert_multiple(plans)
    store["positions"].insert_multiple(positions)


# ---- message to fill ----------------------------------------------------------------------------------------------


def _message_to_fill() -> list[float]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ticks = folder / "ticks.jsonl"
        ticks.write_text("".join(_tick(number) for number in range(MESSAGES + 5)), encoding="utf-8")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "DATA_DIR": str(folder),
            "PORT": str(port),
            "PRICES": f"follow:{ticks}",
            "LOG_LEVEL": "WARNING",
        }
        process = subprocess.Popen([sys.executable, "run_all.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            _until_healthy(port)
            token = (folder / "operator.token").read_text(encoding="utf-8").strip()
            store = open_records(f"sqlite:///{folder / 'verzek.db'}", folder)
            try:
                _open_the_limits(store)
                for number in range(5):
                    _one(store, port, token, number)  # warms every process
                return [_one(store, port, token, number) for number in range(5, MESSAGES + 5)]
            finally:
                store.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(15)


def _open_the_limits(store: Store) -> None:
    """As many trades at once as there are messages, each small."""
    account = from_document(Account, store["accounts"].all()[0])
    changes = {
        "size": "0.1",
        "max_open_positions": "off",
        "max_trades_per_day": "off",
        "max_total_exposure_percent": "off",
    }
    store["accounts"].update({"settings": to_document(edit(account.settings, changes))}, key=account.id)


def _one(store: Store, port: int, token: str, number: int) -> float:
    text = f"#B{number:02}/USDT LONG\nEntry: market\nStop Loss: 95\nTargets: 105 - 110\nLeverage: 5x"
    body = json.dumps({"source": "bench", "message_id": str(number), "text": text}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/signals/inbox", body, headers)
    after = store.journal.last_seq()
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=10) as answer:
        accepted = json.load(answer)
    assert accepted["accepted"], accepted
    deadline = started + 20
    with store.doorbell.listen("bench") as bell:
        while not store.journal.read(after, 100, ["OrderFilled"]):
            bell.wait(0.05)
            if time.perf_counter() > deadline:
                raise RuntimeError([entry.kind for entry in store.journal.read(after)])
    return time.perf_counter() - started


def _tick(number: int) -> str:
    moment = int(time.time() * 1000)
    row = {"time": moment, "exchange": "binance", "symbol": f"B{number:02}USDT", "price": "100", "quantity": "1"}
    return json.dumps(row) + "\n"


def _until_healthy(port: int) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2) as answer:
                if json.load(answer)["status"] == "ok":
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the processes did not come up")
