"""The broadcast process: writes the outbox, delivers it to the local rooms and to Telegram, and hears the bot's chats.

Without a token it says once what it lacks and serves the local chat alone. With one it is the token's only consumer, by
lease. A chat's messages go out in order, one at a time; a chat that must wait delays no other.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from bots.chat import Rooms
from bots.commands import TABLE
from bots.dashboard_chat import DashboardChat
from modules.connections.feeds.hub_client import QuoteClient
from modules.domain.signals import Signal
from modules.notices.local_channel import deliver_local
from modules.notices.outbox import Outbox
from modules.notices.painter import Painter
from modules.records import from_document
from modules.runtime.logs import log
from modules.runtime.process import run
from modules.trading.open_symbols import OpenSymbols
from modules.views import Views
from modules.wiring import Core, make_intake, serve

if TYPE_CHECKING:
    from bots.telegram_side import TelegramSide


class Broadcast:
    """The process's worker."""

    name = "broadcast"

    def __init__(self, core: Core, rooms: Rooms, prices: QuoteClient) -> None:
        self.wake = asyncio.Event()
        self._core = core
        self._rooms = rooms
        self._prices = prices
        self._open = OpenSymbols(core.store)
        self._outbox = Outbox(core.store)
        self._dashboard = DashboardChat(TABLE, rooms, self.wake)
        self._painter = Painter()
        self._log = log("broadcast")
        self._telegram = _telegram_side(core, rooms, self._painter, self.wake)

    async def start(self) -> None:
        """Says once what is missing."""
        self._dashboard.begin(self._core.clock.now())
        if self._telegram is None:
            self._log.info("no TELEGRAM_BOT_TOKEN: posts and notices go to the local chat (`cli.py chat`)")

    async def turn(self, now: datetime) -> bool:
        """Writes what happened since into the outbox and delivers what is due."""
        self._prices.want(self._open.symbols(now))  # for the answers that show what is open
        more = self._outbox.turn(now)
        self._dashboard.turn()
        await asyncio.to_thread(deliver_local, self._core.store, now, painted=self._painted)
        if self._telegram is not None:
            await self._telegram.turn(now)
        return more > 0

    def _painted(self, signal_id: str) -> str | None:
        """Has a signal's picture drawn into the data directory, once; where it lies, None where none could be drawn."""
        path = self._core.settings.data_dir / "pictures" / f"{signal_id}.png"
        document = self._core.store["signals"].get(key=signal_id)
        if document is None:
            return None
        if not path.exists():
            signal = from_document(Signal, document)
            picture = self._painter.draw(signal, self._rooms.candles(signal.symbol))
            if picture is None:
                return None
            path.parent.mkdir(exist_ok=True)
            draft = path.with_suffix(".draft")
            draft.write_bytes(picture)
            draft.replace(path)
        return str(path)

    async def stop(self) -> None:
        """Lets what is being sent finish."""
        await self._dashboard.stop()
        if self._telegram is not None:
            await self._telegram.stop()
        self._painter.close()

    def status(self) -> tuple[str, str]:
        """Up; the detail says what is missing or wrong."""
        if self._telegram is None:
            return "up", "local chat only: no TELEGRAM_BOT_TOKEN"
        return "up", self._telegram.trouble


def _telegram_side(core: Core, rooms: Rooms, painter: Painter, wake: asyncio.Event) -> TelegramSide | None:
    if not core.settings.telegram_bot_token.get_secret_value():
        return None
    from bots.telegram_side import TelegramSide

    return TelegramSide(core, rooms, painter, wake)


async def main(stopping: asyncio.Event) -> None:
    """The life of this process, a little behind those that trade: a post's picture costs more than its trades."""
    async with serve("broadcast", behind=True) as place:
        core, prices = place.core, place.quote_client()
        views = Views(core.store, core.run_dir)
        rooms = Rooms(
            store=core.store,
            views=views,
            clock=core.clock,
            board=prices,
            settings=core.settings,
            intake=make_intake(core, prices),
            candles=place.recent_candles,
            feed=prices.feed,
        )
        await place.live(Broadcast(core, rooms, prices), stopping, quotes=lambda _quote: None, prices=prices)


if __name__ == "__main__":
    run(main)
