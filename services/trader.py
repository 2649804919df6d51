"""The trader: what looks at markets by itself. It scores every signal as of the moment it came, keeps what others say of
markets, and lets users' strategies decide; it sends no order."""

from __future__ import annotations

import asyncio
from datetime import datetime

from modules.analysis_views import AnalysisViews
from modules.analysis_views.signal_scores import SignalScorer
from modules.connections.feeds.hub_client import QuoteClient
from modules.domain.market import Quote
from modules.runtime.process import run
from modules.wiring import Core, serve
from services.opinion_keeper import OpinionKeeper
from services.strategy_runner import StrategyRunner


class Trader:
    """The process's worker. Analysis runs in a thread, so that the heartbeat goes on."""

    name = "trader"

    def __init__(self, core: Core, prices: QuoteClient) -> None:
        self._prices = prices
        self.wake = asyncio.Event()
        # Prices that no market made have no news.
        self._opinions = OpinionKeeper(core.store) if core.settings.prices in ("auto", "live") else None
        candles = core.settings.data_dir / "candles"
        self._scorer = SignalScorer(core.store, AnalysisViews(candles, core.store))
        self._strategies = StrategyRunner(core.store, candles, core.instruments)

    async def start(self) -> None:
        """Nothing to take up: what was not scored is still due."""

    def quote(self, quote: Quote) -> None:
        """A price decides nothing here: it is asked for so that the price process keeps the symbol's candles."""

    async def turn(self, now: datetime) -> bool:
        """Notes new signals, decides one bar of a strategy and scores one signal that is due."""
        if self._opinions is not None:
            self._opinions.turn(now)
        more = await self._strategies.turn(now)
        self._prices.want(self._strategies.symbols())
        more = self._scorer.sync(now) > 0 or more
        due = self._scorer.due()
        if due:
            await asyncio.to_thread(self._scorer.score, due[0])
        return more or len(due) > 1

    async def stop(self) -> None:
        """Nothing is kept in memory."""
        if self._opinions is not None:
            await self._opinions.stop()

    def status(self) -> tuple[str, str]:
        """Always up while it turns."""
        return "up", ""


async def main(stopping: asyncio.Event) -> None:
    """The life of this process, behind those that trade: analysis takes the processor that they leave."""
    async with serve("trader", behind=True) as place:
        prices = place.quote_client()
        worker = Trader(place.core, prices)
        await place.live(worker, stopping, quotes=worker.quote, prices=prices, gather_seconds=0.1)


if __name__ == "__main__":
    run(main)
