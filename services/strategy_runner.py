"""Lets the strategies that are switched on decide, one bar of one symbol at a time, beside whatever else the process does.

A strategy that fails is left alone for that bar and says so; it never stops another, nor the process.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from database import Store
from modules.candles import CandleStore
from modules.domain.errors import Trouble
from modules.domain.ports import Instruments
from modules.runtime.logs import log
from modules.strategies.language import Strategy
from modules.strategy_book.markets import MarketNow, market_of
from modules.strategy_book.running import StrategyRuns


class StrategyRunner:
    """The strategies over the candles kept in `folder`. Deciding runs in a thread, so that the heartbeat goes on."""

    def __init__(self, store: Store, folder: Path, instruments: Instruments) -> None:
        self._candles = CandleStore(folder)
        self.runs = StrategyRuns(store, self._market, instruments)
        self._log = log("strategies")

    def _market(self, strategy: Strategy, symbol: str, at_ms: int) -> MarketNow:
        return market_of(self._candles, strategy, symbol, at_ms)

    async def turn(self, now: datetime) -> bool:
        """Decides one bar that is due; whether more wait."""
        due = self.runs.due(now)
        if not due:
            return False
        name = due[0]
        try:
            await asyncio.to_thread(self.runs.decide, name, now)
        except Trouble as trouble:
            self.runs.failed(name, now, trouble.message.rstrip("."))
        except Exception as error:  # noqa: BLE001 - one user's strategy must not stop the others
            self._log.error("strategy failed", run=name, error=repr(error), exc_info=error)
            self.runs.failed(name, now, "something went wrong here; it was written to the log")
        return len(due) > 1
