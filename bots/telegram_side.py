"""One bot token's two directions: deliveries out of the outbox, and what people write or press.

The token's only consumer, by lease. A chat's messages go out in order, one at a time; a chat that must wait delays no other.
Imported only where there is a token: the library behind it takes a while to load.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from bots.chat import Rooms
from bots.commands import TABLE
from bots.pictures import Ending, Pictures
from bots.telegram_inbox import TelegramInbox
from modules.accounts.linking import remember_bot_name
from modules.connections.telegram_bot_api import BotSender, Delivered, Outgoing
from modules.connections.telegram_inputs import ChatInput
from modules.connections.telegram_updates import BotReceiver, TokenInUse, WebhookSettings
from modules.domain.errors import Misconfigured, OutcomeUnknown, Unavailable
from modules.domain.events import EventKind
from modules.domain.people import Role
from modules.domain.signals import Signal
from modules.leaseholder import LeaseHolder
from modules.notices.outbox import begin, delivered, due_deliveries, first_post, postpone, say, undeliverable
from modules.records import from_document
from modules.runtime.logs import log
from modules.wiring import Core

PREFIX = "telegram:"
_TRIES = 5
_CONNECT_AGAIN_SECONDS = 2.0


class TelegramSide:
    """Sending and receiving with one bot token, by lease."""

    def __init__(self, core: Core, rooms: Rooms, pictures: Pictures, wake: asyncio.Event) -> None:
        settings = core.settings
        self._core = core
        self._pictures = pictures
        self._wake = wake
        self._token = settings.telegram_bot_token.get_secret_value()
        digest = hashlib.sha256(self._token.encode()).hexdigest()[:16]
        self._lease = LeaseHolder(core.store, f"bot:{digest}")
        self._inbox = TelegramInbox(
            TABLE,
            rooms,
            sources=frozenset(settings.telegram_channels),
            operators=frozenset(settings.telegram_operators),
        )
        self._sender: BotSender | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._log = log("telegram")
        self.trouble = "connecting to Telegram"

    async def turn(self, now: datetime) -> None:
        """Holds the lease, keeps the receiver alive, and begins to send the next row of every free chat."""
        if not self._lease.hold(now):
            self.trouble = f"the bot token is used by {self._lease.owner(now)}"
            return
        self._clear_ended()
        if self._sender is None:
            # Beside the turns: a Telegram that does not answer must not hold up the local chat.
            self._connecting = self._connecting or asyncio.create_task(self._connect(), name="telegram connect")
            return
        self._receiving = self._receiving or asyncio.create_task(self._receive(), name="telegram receiver")
        for row in due_deliveries(self._core.store, PREFIX, now):
            if row["chat"] not in self._sending:
                self._sending[row["chat"]] = asyncio.create_task(self._deliver(row), name=f"deliver {row['chat']}")

    async def stop(self) -> None:
        """Ends receiving, waits for what is under way, gives the lease back."""
        ending = [task for task in (self._connecting, self._receiving) if task is not None]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=3)
        if self._sender is not None:
            await self._sender.close()
        self._lease.release()

    def _clear_ended(self) -> None:
        """Lets go of tasks that are done; raises what ended them, which only a wrong token or a bug can be."""
        if self._connecting is not None and self._connecting.done():
            ended, self._connecting = self._connecting, None
            ended.result()
        if self._receiving is not None and self._receiving.done():
            ended, self._receiving = self._receiving, None
            ended.result()
        for chat in [chat for chat, task in self._sending.items() if task.done()]:
            self._sending.pop(chat).result()

    async def _connect(self) -> None:
        sender = BotSender(self._token, self._core.clock, base_url=self._core.settings.telegram_bot_api)
        try:
            await sender.start()
            me = await sender.me()
            await sender.set_commands([(each.name, each.help) for each in TABLE.visible(Role.SUBSCRIBER)])
        except (Unavailable, OutcomeUnknown) as silence:
            self.trouble = f"Telegram does not answer: {silence.message}"
            await sender.close()
            await asyncio.sleep(_CONNECT_AGAIN_SECONDS)
            return
        except BaseException:
            await sender.close()
            raise
        self._sender = sender
        self._wake.set()
        self.trouble = f"@{me.username}"
        remember_bot_name(self._core.store, me.username or "", self._core.clock.now())
        self._log.info("telegram bot connected", bot=me.username)

    async def _receive(self) -> None:
        settings = self._core.settings
        webhook = None
        if settings.telegram_webhook_url:
            secret = settings.telegram_webhook_secret.get_secret_value()
            webhook = WebhookSettings(settings.telegram_webhook_url, secret, port=settings.telegram_webhook_port)
        receiver = BotReceiver(self._token, settings.telegram_bot_api, self._on_update, webhook, clock=self._core.clock)
        try:
            await receiver.run()
        except TokenInUse as conflict:
            self.trouble = conflict.message
            self._log.warning("the bot token is polled elsewhere", reason=conflict.message)
            await asyncio.sleep(5)
        except Unavailable as silence:
            self._log.warning("receiving stopped, will begin again", reason=silence.message)
            await asyncio.sleep(1)

    async def _on_update(self, update: ChatInput) -> None:
        answer = await self._inbox.handle(update)
        if update.callback_id and self._sender is not None:
            await self._sender.answer_callback(update.callback_id)
        if answer is not None and self._sender is not None:
            try:
                await self._sender.send(answer)
            except OutcomeUnknown as silence:
                self._log.warning("an answer may not have arrived", chat=answer.chat_id, reason=silence.message)
        self._wake.set()

    async def _deliver(self, row: Mapping[str, Any]) -> None:
        """One row of one chat; a row that can't be handled is put off, then given up, so that the next ones go on."""
        store, now = self._core.store, self._core.clock.now()
        try:
            await self._send(row)
        except Misconfigured:
            raise
        except Exception as error:  # noqa: BLE001 - a per-chat send
            self._log.error("delivery failed", delivery=row["id"], error=repr(error), exc_info=error)
            if int(row["attempts"]) + 1 >= _TRIES:
                undeliverable(store, row, repr(error), blocked=False)
            else:
                postpone(store, row, 2.0 ** int(row["attempts"]), repr(error), now)
        self._wake.set()

    async def _send(self, row: Mapping[str, Any]) -> None:
        """Marked before it is sent; sent again only when it certainly or possibly did not arrive."""
        assert self._sender is not None
        store, clock = self._core.store, self._core.clock
        begin(store, row)
        message = await self._message(row)
        try:
            result = await self._sender.send(message)
        except Unavailable as later:
            wait = later.retry_after_seconds or min(2.0 ** min(int(row["attempts"]), 6), 60.0)
            postpone(store, row, wait, later.message, clock.now())
            return
        except OutcomeUnknown as silence:
            postpone(store, row, 2.0, silence.message, clock.now())
            return
        if isinstance(result, Delivered):
            with store.transaction() as tx:
                delivered(tx, row, str(result.message_id), clock.now())
                if result.rest is not None:
                    say(tx, row["chat"], result.rest.text, f"rest:{row['id']}", clock.now(), signal_id=row["signal_id"])
        else:
            self._log.warning("undeliverable", chat=row["chat"], reason=result.reason, detail=result.detail)
            undeliverable(store, row, f"{result.reason}: {result.detail}", blocked=result.reason != "bad_request")

    async def _message(self, row: Mapping[str, Any]) -> Outgoing:
        chat = str(row["chat"]).removeprefix(PREFIX)
        reply = row.get("reply_to") or first_post(self._core.store, row["chat"], row["signal_id"])
        picture = await asyncio.to_thread(_drawn, row.get("picture"))
        if row["kind"] == EventKind.SIGNAL_RECEIVED.value:
            document = self._core.store["signals"].get(key=row["signal_id"])
            if document is not None:
                with suppress(Ending):
                    picture = await asyncio.to_thread(self._pictures.draw, from_document(Signal, document))
        chat_id: int | str = int(chat) if chat.lstrip("-").isdigit() else chat
        return Outgoing(chat_id, row["text"], reply_to=int(reply) if reply else None, picture=picture)


def _drawn(path: str | None) -> bytes | None:
    """The picture that goes with a row, None where it has none or the file is gone or can't be read."""
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError:
        return None
