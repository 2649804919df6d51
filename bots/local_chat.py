"""The local chat in a terminal: commands as in Telegram, any other text is a message of the source `local:operator`.

Notices of all local rooms appear as they come. Buttons are shown with numbers; writing `!1` presses the first. Lines
that arrive together, as pasted ones do, are one message.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
from typing import Any

from bots.chat import Answer, Button, Person, Rooms
from bots.commands import TABLE
from modules.accounts.first_start import OPERATOR, prepare
from modules.connections.feeds.hub_client import QuoteClient
from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc
from modules.domain.people import Role
from modules.domain.signals import SourceMessage
from modules.notices.local_channel import last_number, messages_after
from modules.notices.wording import without_markup
from modules.trading.open_symbols import OpenSymbols
from modules.views import Views
from modules.wiring import Core, make_intake

_ROOMS = {"local:vip": "VIP", "local:trial": "trial", f"local:{OPERATOR}": "you"}
SOURCE = "local:operator"
_SHOWN_AT_FIRST = 3
_CHUNK = 1 << 16
_PRICES_WITHIN_SECONDS = 1.0


class Terminal:
    """One conversation. `lines` are what is to be printed."""

    def __init__(self, core: Core, board: Any, *, feed: Any = lambda: None) -> None:
        prepare(core.store, core.settings, core.clock.now())
        self._core = core
        self._person = Person(OPERATOR, f"local:{OPERATOR}", Role.OWNER)
        views = Views(core.store, core.run_dir)
        self._rooms = Rooms(core.store, views, core.clock, board, core.settings, make_intake(core, board), feed=feed)
        self._seen = {chat: max(0, last_number(core.store, chat) - _SHOWN_AT_FIRST) for chat in _ROOMS}
        self._last_ms = 0
        self._buttons: list[Button] = []

    async def hear(self, line: str) -> str:
        """What is answered to one line."""
        text = line.strip()
        if not text:
            return ""
        if text.startswith("!"):
            return await self.hear(self._pressed(text[1:]))
        if text.startswith("/"):
            return self._shown(await TABLE.handle(self._person, text, self._rooms))
        return self._taken(text)

    def news(self) -> str:
        """Messages that came into the rooms since the last look; at first only the newest three of each."""
        lines = []
        for chat, name in _ROOMS.items():
            found = messages_after(self._core.store, chat, self._seen[chat], limit=1000)
            for message in found:
                self._seen[chat] = message["number"]
                reply = f" (re {message['reply_to']})" if message["reply_to"] else ""
                lines.append(f"[{name} {message['number']}{reply}] {without_markup(message['text'])}")
                if message.get("picture"):
                    lines.append(f"    picture: {message['picture']}")
        return "\n".join(lines)

    def _taken(self, text: str) -> str:
        now = self._core.clock.now()
        self._last_ms = max(ms_from_utc(now), self._last_ms + 1)  # two in one moment are still two
        message = SourceMessage(SOURCE, f"t{self._last_ms}", text, now, now)
        try:
            taken = self._rooms.intake.take(message)
        except InvalidInput as wrong:
            return wrong.message
        return f"→ {taken.kind.value}: {taken.reason}" + (f" [{taken.signal_id}]" if taken.signal_id else "")

    def _pressed(self, text: str) -> str:
        number = int(text) if text.isdecimal() else 0
        if not 1 <= number <= len(self._buttons):
            return "/help"
        return self._buttons[number - 1].command

    def _shown(self, answer: Answer) -> str:
        self._buttons = [button for row in answer.buttons for button in row] or self._buttons
        lines = [without_markup(answer.text)]
        if answer.buttons:
            lines.append("  ".join(f"!{number} {button.label}" for number, button in enumerate(self._buttons, start=1)))
        return "\n".join(lines)


def converse(core: Core) -> None:
    """Runs until end of input or Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_converse(core))


async def _converse(core: Core) -> None:
    prices = QuoteClient(core.hub_path, core.clock)
    await prices.start()
    terminal = Terminal(core, prices, feed=prices.feed)
    shown = OpenSymbols(core.store)
    print("Commands start with / (try /help); anything else is taken in as a channel's message. Ctrl-D ends.")
    try:
        await _first_prices(prices, shown.symbols(core.clock.now()))
        while True:
            prices.want(shown.symbols(core.clock.now()))
            if news := terminal.news():
                print(news)
            typed = await asyncio.to_thread(_typed)
            if typed == "":
                break
            for entry in entries(typed or ""):
                print(await terminal.hear(entry))
    finally:
        await prices.close()


async def _first_prices(prices: QuoteClient, symbols: frozenset[str]) -> None:
    """Waits a moment for the prices of what is open: a command that comes at once must not find them missing."""
    prices.want(symbols)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PRICES_WITHIN_SECONDS):
            await prices.introduced()
            while any(prices.latest(symbol) is None for symbol in symbols):  # noqa: ASYNC110 - the board has no bell
                await asyncio.sleep(0.02)


def entries(typed: str) -> list[str]:
    """What arrived together, as single commands and whole messages."""
    found: list[str] = []
    for line in typed.splitlines():
        alone = line.lstrip().startswith(("/", "!"))
        if alone or not found or found[-1].lstrip().startswith(("/", "!")):
            found.append(line)
        else:
            found[-1] += f"\n{line}"
    return [entry for entry in found if entry.strip()]


def _typed() -> str | None:
    """What came on standard input; None when nothing did within half a second, "" at its end."""
    descriptor = sys.stdin.fileno()
    wait, read = 0.5, b""
    while select.select([descriptor], [], [], wait)[0]:
        if not (chunk := os.read(descriptor, _CHUNK)):
            return read.decode("utf-8", "replace")
        read += chunk
        wait = 0.05  # a pasted text may come in pieces
    return read.decode("utf-8", "replace") if read else None
