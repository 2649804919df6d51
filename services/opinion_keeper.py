"""Keeps what others say of markets: the fear & greed index and headlines, asked for now and then, and large prints.

Nothing here is needed to trade: a source that does not answer is told once and asked again later.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from database import Store
from modules.connections.opinion_sources import Addresses, OpinionSources
from modules.domain.market import ms_from_utc
from modules.opinions import OpinionBook
from modules.opinions.freshness import KEPT_MS
from modules.opinions.prints import PrintAccumulator
from modules.opinions.records import LargePrint
from modules.runtime.logs import log

ASK_EVERY_MS = 15 * 60_000


class OpinionKeeper:
    """Asks the index and the feeds every quarter of an hour, beside whatever else the process does."""

    def __init__(self, store: Store, addresses: Addresses | None = None) -> None:
        self._book = OpinionBook(store)
        self._addresses = addresses
        self._asked_ms = 0
        self._asking: asyncio.Task[None] | None = None
        self._failing: set[str] = set()
        self._log = log("opinions")

    def turn(self, now: datetime) -> None:
        """Begins to ask when that is due and nothing is being asked."""
        now_ms = ms_from_utc(now)
        if now_ms - self._asked_ms < ASK_EVERY_MS or (self._asking is not None and not self._asking.done()):
            return
        self._asked_ms = now_ms
        self._asking = asyncio.create_task(self.ask(now), name="opinions")

    async def ask(self, now: datetime) -> None:
        """Asks every source once, keeps what is new and forgets what is too old for any use."""
        async with OpinionSources(self._addresses) as sources:
            asked = await sources.refresh(self._book, now)
        for each in asked:
            if each.error is not None and each.source not in self._failing:
                self._log.info("source does not answer", source=each.source, reason=each.error)
            (self._failing.discard if each.error is None else self._failing.add)(each.source)
        await asyncio.to_thread(self._book.forget_before, ms_from_utc(now) - 2 * max(KEPT_MS.values()))

    async def stop(self) -> None:
        """Lets go of what is being asked."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)


class PrintKeeper:
    """Finds large prints in a trade stream and keeps them in batches, off the loop."""

    def __init__(self, store: Store, exchange: str) -> None:
        self._book = OpinionBook(store)
        self._prints = PrintAccumulator(exchange)
        self._waiting: list[LargePrint] = []

    def take(self, symbol: str, time_ms: int, price: float, quantity: float, buy: bool) -> None:
        """One trade of the stream; one without a price or quantity says nothing."""
        if price > 0 and quantity > 0:
            found = self._prints.add(symbol, time_ms, price, quantity, buy=buy)
            if found is not None:
                self._waiting.append(found)

    async def write(self, now: datetime) -> int:
        """Keeps the prints that are over; returns how many."""
        self._waiting += self._prints.flush(ms_from_utc(now))
        waiting, self._waiting = self._waiting, []
        return await asyncio.to_thread(self._book.add, waiting) if waiting else 0
