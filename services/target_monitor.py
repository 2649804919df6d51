"""The target monitor: every signal against prices (its record, its notices), and the positions with plain ladders.

It also says when a price that matters has gone stale. It trades nothing itself: what should happen is a request.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from modules.connections.feeds.hub_client import QuoteClient
from modules.domain.market import Quote, ms_from_utc
from modules.domain.ports import Clock
from modules.runtime.process import run
from modules.signals.tracker import SignalTracker
from modules.trading.position_monitor import TARGETS, PositionMonitor
from modules.trading.staleness import StalenessWatch
from modules.trading.warm import warm_kernels
from modules.wiring import Core, serve


class TargetMonitor:
    """The process's worker."""

    name = "targets"

    def __init__(self, core: Core, prices: QuoteClient) -> None:
        self.wake = asyncio.Event()
        self._clock: Clock = core.clock
        self._fresh_seconds = core.settings.stale_after_seconds
        self._prices = prices
        self._tracker = SignalTracker(core.store, prices, fresh_seconds=self._fresh_seconds)
        self._monitor = PositionMonitor(core.store, TARGETS, core.instruments)
        self._stale = StalenessWatch(core.store, prices, self._fresh_seconds)

    async def start(self) -> None:
        """Loads the kernels and takes up what was open."""
        warm_kernels()
        now = self._clock.now()
        self._tracker.recover(now)
        self._monitor.recover(now)

    def quote(self, quote: Quote) -> None:
        """A new price. An old one, told on connecting, decides nothing."""
        now = self._clock.now()
        if quote.age_seconds(ms_from_utc(now)) <= self._fresh_seconds:
            try:
                self._monitor.on_quote(quote, now)
            finally:  # a store that fails the one must not keep the price from the other
                self._tracker.on_quote(quote, now)

    async def turn(self, now: datetime) -> bool:
        """Learns of signals, fills and updates; asks for the prices it needs."""
        more = self._tracker.sync(now) + self._monitor.sync(now) + self._tracker.expire(now)
        if self._monitor.flush(now):
            self._prices.acknowledge()
        signals = self._tracker.symbols()
        symbols = signals | set(self._monitor.symbols())
        references = {
            symbol: price for symbol in signals if (price := self._tracker.reference_price(symbol)) is not None
        }
        self._prices.want(symbols, references)
        self._stale.turn(symbols, now)
        return more > 0

    async def stop(self) -> None:
        """Keeps what the rows know beyond the plan and the position."""
        self._monitor.flush(self._clock.now(), at_once=True)

    def status(self) -> tuple[str, str]:
        """Waiting while there is no price hub."""
        if not self._prices.connected:
            return "waiting", "no price process"
        return "up", f"stale: {', '.join(sorted(self._stale.stale))}" if self._stale.stale else ""


async def main(stopping: asyncio.Event) -> None:
    """The life of this process. Prices are looked at as they come; what the journal brings may gather a moment."""
    async with serve("targets") as place:
        prices = place.quote_client()
        worker = TargetMonitor(place.core, prices)
        await place.live(worker, stopping, quotes=worker.quote, prices=prices, acknowledge=False, gather_seconds=0.02)


if __name__ == "__main__":
    run(main)
