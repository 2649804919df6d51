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
from bots.pictures import Pictures
from modules.connections.feeds.hub_client import QuoteClient
from modules.notices.local_channel import deliver_local
from modules.notices.outbox import Outbox
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
        self._pictures = Pictures(rooms)
        self._delivering: asyncio.Task[int] | None = None
        self._log = log("broadcast")
        self._telegram = _telegram_side(core, rooms, self._pictures, self.wake)

    async def start(self) -> None:
        """Gets ready to draw, and says once what is missing."""
        self._pictures.start()
        self._dashboard.begin(self._core.clock.now())
        if self._telegram is None:
            self._log.info("no TELEGRAM_BOT_TOKEN: posts and notices go to the local chat (`cli.py chat`)")

    async def turn(self, now: datetime) -> bool:
        """Writes what happened since into the outbox and delivers what is due."""
        self._prices.want(self._open.symbols(now))  # for the answers that show what is open
        more = self._outbox.turn(now)
        self._dashboard.turn()
        self._deliver_local(now)
        if self._telegram is not None:
            await self._telegram.turn(now)
        return more > 0

    def _deliver_local(self, now: datetime) -> None:
        """Begins to fill the local rooms where nothing fills them: pictures take their time, and turns must not wait."""
        if self._delivering is not None:
            if not self._delivering.done():
                return
            ended, self._delivering = self._delivering, None
            ended.result()
        work = asyncio.to_thread(deliver_local, self._core.store, now, painted=self._pictures.keep)
        self._delivering = asyncio.create_task(work, name="local rooms")
        self._delivering.add_done_callback(self._delivered)

    def _delivered(self, work: asyncio.Task[int]) -> None:
        if work.cancelled() or work.exception() is not None or work.result():
            self.wake.set()

    async def stop(self) -> None:
        """Lets what is being sent finish; what waits for its picture is sent after the next start."""
        self._pictures.close()
        await self._dashboard.stop()
        if self._telegram is not None:
            await self._telegram.stop()
        if self._delivering is not None:
            await asyncio.wait([self._delivering], timeout=2)

    def status(self) -> tuple[str, str]:
        """Up; the detail says what is missing or wrong."""
        if self._telegram is None:
            return "up", "local chat only: no TELEGRAM_BOT_TOKEN"
        return "up", self._telegram.trouble


def _telegram_side(core: Core, rooms: Rooms, pictures: Pictures, wake: asyncio.Event) -> TelegramSide | None:
    if not core.settings.telegram_bot_token.get_secret_value():
        return None
    from bots.telegram_side import TelegramSide

    return TelegramSide(core, rooms, pictures, wake)


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
