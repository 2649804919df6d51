"""Picks the concrete parts: which store, clock, exchange, price source. The only place that knows all of them.

A process says `async with serve(name) as place:` and gets its settings, logs, store, heartbeat and doorbell; `place.live`
runs its worker until it is told to stop. Parts that only some processes need (compiled kernels, column files) are imported
where they are made, so that a process is back quickly after it died.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from database import Bell, Store, StoreBusy, StoreError, StoreFull
from modules.accounts.audit import seal_with
from modules.connections.feeds.hub_client import QuoteClient
from modules.connections.instrument_catalogue import InstrumentCatalogue
from modules.domain.errors import Misconfigured, Unavailable
from modules.domain.market import Quote
from modules.domain.ports import QuoteBoard
from modules.records import open_records
from modules.runtime.clock import SystemClock
from modules.runtime.heartbeat import Heartbeat
from modules.runtime.logs import log, set_up_logs
from modules.runtime.process import Worker, live
from modules.runtime.settings import Settings, ensure_data_dir, kept_secret, load_settings
from modules.signals.intake import Intake
from modules.trading.risk import HardLimits

if TYPE_CHECKING:
    from modules.analysis.candles import Candles
    from modules.connections.paper_exchange import PaperExchange

_LONGEST_SOCKET = 100


@dataclass(frozen=True, slots=True)
class Core:
    """What every process and command has."""

    settings: Settings
    clock: SystemClock
    store: Store
    instruments: InstrumentCatalogue

    @property
    def run_dir(self) -> Path:
        return self.settings.data_dir / "run"

    @property
    def hub_path(self) -> Path:
        """The quote hub's socket; a data directory too deep for a socket's address gets a short one derived from it."""
        path = (self.run_dir / "quotes.sock").resolve()
        if len(str(path)) <= _LONGEST_SOCKET:
            return path
        digest = hashlib.sha256(str(path).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"quotes-{digest}.sock"


def open_core(settings: Settings | None = None) -> Core:
    """Settings, data directory and store. Raises Misconfigured when one of them can't be used."""
    chosen = settings or load_settings()
    if chosen.trading == "live":
        raise Misconfigured(["TRADING: this version trades on paper only; set TRADING=paper"])
    if chosen.redis_url:
        raise Misconfigured(["REDIS_URL: this version runs on one machine and speaks to no Redis; leave it empty"])
    ensure_data_dir(chosen)
    try:
        store = open_records(chosen.store_url, chosen.data_dir)
    except (StoreBusy, StoreFull) as passing:  # it may go over: worth another start
        raise Unavailable(f"the store can't be used now: {passing}") from passing
    except StoreError as error:
        raise Misconfigured([f"DATABASE_URL: {error}"]) from error
    seal_with(kept_secret(chosen, "secret_key"))
    return Core(chosen, SystemClock(), store, InstrumentCatalogue(chosen.data_dir))


def hard_limits(settings: Settings) -> HardLimits:
    """The deployment's maximums, which no user setting exceeds."""
    return HardLimits(
        max_order_value=settings.max_order_value,
        max_position_value=settings.max_position_value,
        max_leverage=settings.max_leverage,
        max_daily_loss=settings.max_daily_loss,
        max_orders_per_minute=settings.max_orders_per_minute,
    )


def paper_exchange(core: Core, board: QuoteBoard) -> PaperExchange:
    """The paper exchange over the core's store, with the configured slippage."""
    from modules.connections.paper_exchange import PaperExchange
    from modules.trading.fill_model import FillModel, Slippage

    model = FillModel(slippage=Slippage.BPS, slippage_size=core.settings.paper_slippage_bps)
    return PaperExchange(
        core.store,
        board=board,
        instruments=core.instruments,
        clock=core.clock,
        model=model,
        fresh_seconds=core.settings.stale_after_seconds,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker lives."""

    core: Core
    name: str
    heartbeat: Heartbeat

    def quote_client(self) -> QuoteClient:
        """A listener on the price process's hub; it connects by itself, for ever."""
        return QuoteClient(self.core.hub_path, self.core.clock, name=self.name)

    def recent_candles(self, symbol: str) -> Candles | None:
        """The newest candles that this machine keeps of a symbol, the finest timeframe first; None where there are none."""
        return recent_candles(self.core.settings.data_dir / "candles", symbol)

    async def live(
        self,
        worker: Worker,
        stopping: asyncio.Event,
        *,
        quotes: Callable[[Quote], None] | None = None,
        prices: QuoteClient | None = None,
        idle_seconds: float = 0.25,
        gather_seconds: float = 0.0,
        doorbell: bool = True,
        acknowledge: bool = True,
    ) -> None:
        """Runs `worker`; the doorbell (where it reads the journal) wakes it, and every quote of `prices` goes to `quotes`.

        A worker that keeps what a quote changed in memory for a while says itself when it is stored: `acknowledge=False`
        and `prices.acknowledge()` after storing.
        """
        bell = self.core.store.doorbell.listen(self.name) if doorbell else None
        tasks = [asyncio.create_task(_ring(bell, worker.wake))] if bell is not None else []
        try:
            if prices is not None and quotes is not None:
                await prices.start()
            running = asyncio.create_task(
                live(
                    worker,
                    self.core.clock,
                    self.heartbeat,
                    stopping=stopping,
                    idle_seconds=idle_seconds,
                    gather_seconds=gather_seconds,
                )
            )
            if prices is not None and quotes is not None:
                tasks.append(asyncio.create_task(_pump(prices, quotes, worker.wake, acknowledge=acknowledge)))
            await running
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if prices is not None:
                await prices.close()
            if bell is not None:
                bell.close()


@asynccontextmanager
async def serve(name: str, *, behind: bool = False) -> AsyncIterator[Place]:
    """A process's place in the house; closes the store at the end.

    `behind`: nobody waits for it as money waits for an order, so news that wakes it takes the processor from nobody. Its
    share stays a full one: it writes the same store, and with a smaller share it would keep others waiting for the file.
    """
    if behind and hasattr(os, "sched_setscheduler"):
        with suppress(OSError):  # some sandboxes forbid it: then it is one of many
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    settings = load_settings()
    set_up_logs(name, settings.log_level, settings.log_format)
    core = open_core(settings)
    try:
        yield Place(core, name, Heartbeat(core.run_dir, name))
    finally:
        core.store.close()


async def _ring(bell: Bell, wake: asyncio.Event) -> None:
    while True:
        if await bell.wait_async(60):
            wake.set()


async def _pump(prices: QuoteClient, take: Callable[[Quote], None], wake: asyncio.Event, *, acknowledge: bool) -> None:
    """Every quote to the worker. A quote that fails is logged and the next one taken: prices never stop for one error."""
    logger = log("prices.pump")
    with suppress(asyncio.CancelledError):
        async for quote in prices.quotes(acknowledge=acknowledge):
            try:
                take(quote)
            except Exception as error:
                logger.error("quote failed", symbol=quote.symbol, error=repr(error), exc_info=error)
                wake.set()


async def feed_now(core: Core, seconds: float = 1.0) -> dict[str, Any] | None:
    """What the price process says of its feed, asked from outside; None where it says nothing within `seconds`."""
    client = QuoteClient(core.hub_path, core.clock)
    await client.start()
    try:
        await asyncio.wait_for(client.introduced(), seconds)
        return client.feed()
    except TimeoutError:
        return None
    finally:
        await client.close()


def make_intake(core: Core, board: QuoteBoard | None = None) -> Intake:
    """The way in for messages, checking against listed symbols and, with a board, the newest prices."""

    def price(symbol: str) -> Decimal | None:
        quote = board.latest(symbol) if board is not None else None
        return quote.last if quote is not None else None

    return Intake(
        core.store,
        late_after=timedelta(seconds=core.settings.late_after_seconds),
        listed=lambda symbol: core.instruments.find(symbol) is not None,
        market_price=price,
    )


def recent_candles(folder: Path, symbol: str) -> Candles | None:
    """The last day or so of a symbol's candles in the candle store, for pictures."""
    from modules.candles.store import CandleStore

    if not folder.is_dir():
        return None
    store = CandleStore(folder)
    kept = sorted((name for name in store.names() if name.symbol == symbol), key=lambda name: name.timeframe_ms)
    for name in kept:
        last = store.last_ms(name)
        if last is not None:
            return store.read(name, start_ms=last - 120 * name.timeframe_ms)
    return None
