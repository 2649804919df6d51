"""The price process: one source of quotes, served to every other process through the quote hub.

Subscriptions follow need: what positions, signals and watchers ask the hub for is what the source is asked for.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from modules.connections.feeds.choice import PriceWish, choose_source
from modules.connections.feeds.live import LiveSource
from modules.connections.feeds.market_rules import refresh_rules
from modules.connections.quote_hub import HubServer
from modules.domain.ports import PriceSource
from modules.runtime.logs import log
from modules.runtime.process import run
from modules.wiring import Core, serve
from services.candle_keeper import CandleKeeper
from services.opinion_keeper import PrintKeeper

RULES_EVERY_SECONDS = 86_400.0


class PriceFeed:
    """The process's worker."""

    name = "prices"

    def __init__(self, core: Core, source: PriceSource, sentence: str, keeper: CandleKeeper) -> None:
        self.wake = asyncio.Event()
        self._core = core
        self._source = source
        self._keeper = keeper
        self._refreshing: asyncio.Task[bool] | None = None
        self._refreshed = float("-inf")
        self._sentence = sentence
        self._hub = HubServer(core.hub_path, source, core.clock)
        self._prints = PrintKeeper(core.store, source.exchange) if isinstance(source, LiveSource) else None
        if self._prints is not None and isinstance(source, LiveSource):
            source.on_trade = self._prints.take
        self._running: asyncio.Task[None] | None = None
        self._ended = False
        self._log = log("prices")

    async def start(self) -> None:
        """Opens the hub and begins to listen to the source."""
        self._hub.detail = self._sentence
        self._log.info(self._sentence, source=self._source.name)
        self._running = asyncio.create_task(self._hub.run())

    async def turn(self, now: datetime) -> bool:
        """Keeps candles and large prints and, once a day, the exchange's rules; notices when the source ended (only a replay may)."""
        await self._keeper.write()
        if self._prints is not None:
            await self._prints.write(now)
        self._refresh_rules()
        if self._running is not None and self._running.done() and not self._ended:
            self._running.result()
            if self._source.name != "replay":
                raise SystemExit("the price source ended")
            self._ended = True
            self._log.info("the replay has ended")
        return False

    def _refresh_rules(self) -> None:
        """Live prices want the exchange's own tick and lot sizes; until they are fetched, assumed ones serve."""
        clock, settings = self._core.clock, self._core.settings
        if self._source.name != "live" or clock.monotonic() - self._refreshed < RULES_EVERY_SECONDS:
            return
        self._refreshed = clock.monotonic()
        wanted = refresh_rules(settings.price_exchange, settings.data_dir, urls=settings.exchange_urls)
        self._refreshing = asyncio.create_task(wanted, name="market rules")

    async def stop(self) -> None:
        """Lets every listener go."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await self._keeper.write()
        await self._source.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def status(self) -> tuple[str, str]:
        """What the prices are, and how many symbols are wanted."""
        if self._ended:
            return "waiting", "the replay has ended"
        return "up", f"{self._sentence}; {len(self._hub.wanted())} symbols wanted"


async def main(stopping: asyncio.Event) -> None:
    """The life of this process."""
    async with serve("prices") as place:
        core, settings = place.core, place.core.settings
        keeper = CandleKeeper(settings.data_dir / "candles", settings.price_exchange)
        wish = PriceWish(
            settings.prices,
            settings.price_exchange,
            settings.exchange_urls,
            settings.speed,
            core.run_dir,
            on_candle=keeper.take,
            on_simulated=keeper.grow,
        )
        source, sentence = await choose_source(wish, core.clock)
        if source.name != "live":
            keeper.exchange = source.name
        await place.live(PriceFeed(core, source, sentence, keeper), stopping, doorbell=False)


if __name__ == "__main__":
    run(main)
