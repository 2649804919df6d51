"""Lets the strategies that are switched on decide, one bar of one symbol at a time, beside whatever else the process does.

A strategy that fails is left alone for that bar and says so; it never stops another, nor the process. The compiled parts
are loaded once there is a strategy to run, so that the process is back quickly after it died.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tinydb import where

from database import Store
from modules.candles import CandleStore
from modules.domain.errors import Trouble
from modules.domain.market import ms_from_utc
from modules.domain.ports import Instruments
from modules.runtime.logs import log

if TYPE_CHECKING:
    from modules.strategy_book.running import StrategyRuns

LOOK_EVERY_MS: Final = 2_000


class StrategyRunner:
    """The strategies over the candles kept in `folder`. Deciding runs in a thread, so that the heartbeat goes on."""

    def __init__(self, store: Store, folder: Path, instruments: Instruments) -> None:
        self._store = store
        self._candles = CandleStore(folder)
        self._instruments = instruments
        self._runs: StrategyRuns | None = None
        self._looked_ms = -LOOK_EVERY_MS
        self._log = log("strategies")

    def symbols(self) -> frozenset[str]:
        """The symbols that strategies trade: their prices are asked for, so that their candles are kept."""
        return frozenset() if self._runs is None else self._runs.symbols()

    async def turn(self, now: datetime) -> bool:
        """Decides one bar that is due; whether more wait."""
        runs = self._runs or await self._begun(now)
        if runs is None:
            return False
        due = runs.due(now)
        if not due:
            return False
        try:
            await asyncio.to_thread(runs.decide, due[0], now)
        except Trouble as trouble:
            runs.failed(due[0], now, trouble.message.rstrip("."))
        except Exception as error:  # noqa: BLE001 - one user's strategy must not stop the others
            self._log.error("strategy failed", run=due[0], error=repr(error), exc_info=error)
            runs.failed(due[0], now, "something went wrong here; it was written to the log")
        return len(due) > 1

    async def _begun(self, now: datetime) -> StrategyRuns | None:
        """The runs, made once the first strategy is switched on."""
        now_ms = ms_from_utc(now)
        if 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            return None
        self._looked_ms = now_ms
        if self._store["strategies"].contains(where("enabled").one_of([True])):
            self._runs = await asyncio.to_thread(self._made)
        return self._runs

    def _made(self) -> StrategyRuns:
        from modules.strategy_book.markets import MarketReader
        from modules.strategy_book.running import StrategyRuns, warm_up

        warm_up()
        return StrategyRuns(self._store, MarketReader(self._candles).read, self._instruments)
