"""An installation with both Telegram doors in one test: real clients against the doubles, real rooms behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tinydb import where

from bots.chat import Rooms
from bots.signal_forwarder import Forwarder
from bots.telegram_bot import Broadcast
from modules.accounts.first_start import prepare
from modules.domain.market import Quote, ms_from_utc
from modules.rehearsal.stage import Board, Stage, StageParts
from modules.runtime.heartbeat import Heartbeat
from modules.runtime.process import Worker, live
from modules.runtime.settings import Settings
from modules.views import Views
from modules.wiring import Core, make_intake, open_core
from tests.fakes.bot_api import BotApi
from tests.fakes.data_centre import DataCentre

OPERATOR_ID, ADA_ID = 900, 501
TRIAL = -1002


class Prices(Board):
    """The newest prices, and who wants them."""

    def want(self, symbols: Collection[str]) -> None:
        self.wanted = set(symbols)


class House:
    """One data directory; `open` starts the two doors over it and may be used again after it was left."""

    def __init__(self, folder: Path, api: BotApi, centre: DataCentre) -> None:
        self.folder = folder
        self.api = api
        self.centre = centre
        self.calls = centre.add_channel("Calls", "calls")
        self.group = centre.add_channel("VIP", "vip", megagroup=True)
        self.vip = self.group.marked_id
        self.settings = Settings(
            _env_file=None,
            data_dir=folder / "var",
            telegram_bot_token=api.token,
            telegram_bot_api=api.base_url,
            telegram_api_id=1,
            telegram_api_hash="hash",
            telegram_session=centre.session,
            telegram_channels="calls,vip",
            telegram_operators=str(OPERATOR_ID),
            vip_chat_id=str(self.vip),
            trial_chat_id=str(TRIAL),
        )
        self.core: Core = open_core(self.settings)
        self.store = self.core.store
        prepare(self.store, self.settings, self.core.clock.now())
        parts = StageParts(self.store, self.core.clock, self.core.instruments, self.settings.kill_file)
        self.stage = Stage(parts)
        self.prices = Prices()
        self.prices.quotes = self.stage.board.quotes

    @asynccontextmanager
    async def open(self, *, sending: bool = True, reading: bool = True) -> AsyncIterator[None]:
        """The doors are at work; they end as processes do."""
        stopping = asyncio.Event()
        workers: list[Worker] = []
        if sending:
            workers.append(Broadcast(self.core, self.rooms(), self.prices))  # type: ignore[arg-type]
        if reading:
            workers.append(Forwarder(self.core, make_intake(self.core, self.prices)))
        tasks = [asyncio.create_task(self._live(each, stopping), name=each.name) for each in workers]
        try:
            if reading:
                await self.until(lambda: all(self._read(each.marked_id) for each in (self.calls, self.group)))
            yield
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            stopping.set()
            await asyncio.gather(*tasks)

    def _read(self, chat_id: int) -> bool:
        states = self.store["reader_states"].all()
        return any(str(chat_id) in each["state"].get("memories", {}) for each in states) and all(
            memory.get("last_id") is not None for each in states for memory in each["state"]["memories"].values()
        )

    async def _live(self, worker: Worker, stopping: asyncio.Event) -> None:
        heartbeat = Heartbeat(self.core.run_dir, worker.name)
        await live(worker, self.core.clock, heartbeat, stopping=stopping, idle_seconds=0.02)

    def rooms(self) -> Rooms:
        views = Views(self.store, self.core.run_dir)
        intake = make_intake(self.core, self.prices)
        return Rooms(self.store, views, self.core.clock, self.prices, self.settings, intake)

    # ---- what happens

    async def price(self, symbol: str, *prices: str) -> None:
        """Trades at these prices, and what follows from each."""
        for text in prices:
            last, now_ms = Decimal(text), ms_from_utc(self.core.clock.now())
            quote = Quote("test", symbol, now_ms, now_ms, last, last, last, last, last, last)
            await asyncio.to_thread(self.stage.quote, quote)

    async def settle(self) -> None:
        """The executor and the monitors do what there is to do."""
        await asyncio.to_thread(self.stage.settle)

    async def until(self, true: Any, seconds: float = 10.0) -> None:
        """Waits until it is so."""
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.02)

    # ---- what there is

    def shown(self, chat: int) -> list[str]:
        """What a member of the chat reads."""
        return [message.get("caption") or message.get("text", "") for message in self.api.messages(chat)]

    def signals(self) -> list[dict[str, Any]]:
        return list(self.store["signals"].search(where("source") == f"telegram:{self.calls.marked_id}"))

    def positions(self, **wanted: str) -> list[dict[str, Any]]:
        rows = self.store["positions"].all()
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    def messages(self) -> list[str]:
        """Texts of all messages taken in, in order."""
        return [each["text"] for each in self.store["messages"].search(order_by="received_at")]

    def now(self) -> datetime:
        return self.core.clock.now()

    def close(self) -> None:
        self.store.close()
