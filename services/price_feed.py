"""The price process: one source of quotes, served to every other process through the quote hub.

Subscriptions follow need: what positions, signals and watchers ask the hub for is what the source is asked for.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from modules.connections.feeds.choice import choose_source
from modules.connections.quote_hub import HubServer
from modules.domain.ports import PriceSource
from modules.runtime.logs import log
from modules.runtime.process import run
from modules.wiring import Core, serve


class PriceFeed:
    """The process's worker."""

    name = "prices"

    def __init__(self, core: Core, source: PriceSource, sentence: str) -> None:
        self.wake = asyncio.Event()
        self._source = source
        self._sentence = sentence
        self._hub = HubServer(core.hub_path, source, core.clock)
        self._running: asyncio.Task[None] | None = None
        self._ended = False
        self._log = log("prices")

    async def start(self) -> None:
        """Opens the hub and begins to listen to the source."""
        self._hub.detail = self._sentence
        self._log.info(self._sentence, source=self._source.name)
        self._running = asyncio.create_task(self._hub.run())

    async def turn(self, now: datetime) -> bool:  # noqa: ARG002 - the turn of any worker
        """Nothing to do but to notice when the source ended: a replay may, nothing else should."""
        if self._running is not None and self._running.done() and not self._ended:
            self._running.result()
            if self._source.name != "replay":
                raise SystemExit("the price source ended")
            self._ended = True
            self._log.info("the replay has ended")
        return False

    async def stop(self) -> None:
        """Lets every listener go."""
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
        source, sentence = await choose_source(
            settings.prices,
            core.clock,
            exchange=settings.price_exchange,
            urls=settings.exchange_urls,
            speed=settings.speed,
            run_dir=core.run_dir,
        )
        await place.live(PriceFeed(core, source, sentence), stopping, doorbell=False)


if __name__ == "__main__":
    run(main)
