"""The advanced orders monitor: trailing stops, stops that move with price, time exits, OCO, conditional and DCA orders."""

from __future__ import annotations

import asyncio
from datetime import datetime

from modules.connections.feeds.hub_client import QuoteClient
from modules.domain.market import Quote, ms_from_utc
from modules.runtime.process import run
from modules.trading.advanced_book import AdvancedBook
from modules.trading.position_monitor import ORDERS, PositionMonitor
from modules.trading.warm import warm_kernels
from modules.wiring import Core, serve


class AdvancedOrdersMonitor:
    """The process's worker."""

    name = "orders"

    def __init__(self, core: Core, prices: QuoteClient) -> None:
        self.wake = asyncio.Event()
        self._clock = core.clock
        self._fresh_seconds = core.settings.stale_after_seconds
        self._prices = prices
        self._monitor = PositionMonitor(core.store, ORDERS, core.instruments)
        self._waiting = AdvancedBook(core.store)

    async def start(self) -> None:
        """Loads the kernels and takes up what was open."""
        warm_kernels()
        self._monitor.recover(self._clock.now())
        self._waiting.refresh()

    def quote(self, quote: Quote) -> None:
        """A new price. An old one, told on connecting, decides nothing."""
        now = self._clock.now()
        if quote.age_seconds(ms_from_utc(now)) <= self._fresh_seconds:
            try:
                self._monitor.on_quote(quote, now)
            finally:  # a store that fails the one must not keep the price from the other
                self._waiting.on_quote(quote, now)

    async def turn(self, now: datetime) -> bool:
        """Learns of positions, fills and new orders; asks for the prices it needs."""
        more = self._monitor.sync(now) + self._waiting.sync(now)
        if self._monitor.flush(now):
            self._prices.acknowledge()
        self._prices.want(self._waiting.symbols() | set(self._monitor.symbols()))
        return more > 0

    async def stop(self) -> None:
        """Keeps what the rows know beyond the plan and the position."""
        self._monitor.flush(self._clock.now(), at_once=True)

    def status(self) -> tuple[str, str]:
        """Waiting while there is no price hub."""
        return ("up", "") if self._prices.connected else ("waiting", "no price process")


async def main(stopping: asyncio.Event) -> None:
    """The life of this process. Prices are looked at as they come; what the journal brings may gather a moment."""
    async with serve("orders") as place:
        prices = place.quote_client()
        worker = AdvancedOrdersMonitor(place.core, prices)
        await place.live(worker, stopping, quotes=worker.quote, prices=prices, acknowledge=False, gather_seconds=0.02)


if __name__ == "__main__":
    run(main)
