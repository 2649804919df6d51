"""What people write to the Telegram bot: commands in private chats, posts of groups that are sources, buttons pressed.

A group never controls anybody's money: commands count only in private chats, or pressed by the person who was asked.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

from bots.chat import Answer, Button, ChatTable, Person, Rooms
from bots.commands.everyone import enrol
from bots.introduction import telegram_person
from modules.connections import telegram_bot_api as wire
from modules.connections.telegram_inputs import ChatInput
from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc
from modules.domain.signals import SourceMessage
from modules.runtime.logs import log

_LONGEST_DATA = 64
_PRESS_FOR = timedelta(days=7)
_PRIVATE = "private"
#: With these somebody is not taken in as a new user: they begin, ask, or tell who they are already.
_GUESTS_WRITE = ("/start", "/help", "/link")


class TelegramInbox:
    """Turns one update into an answer to send, or into a source's message."""

    def __init__(self, table: ChatTable, rooms: Rooms, *, sources: frozenset[str], operators: frozenset[str]) -> None:
        self._table = table
        self._rooms = rooms
        self._sources = sources
        self._operators = operators
        self._log = log("telegram.inbox")

    async def handle(self, update: ChatInput) -> wire.Outgoing | None:
        """The answer to send, if any."""
        if str(update.chat_id) in self._sources and not update.callback_data:
            self._take(update)
            return None
        if update.chat_type != _PRIVATE or update.user_id is None or update.edited:
            return None
        text = self._pressed(update) if update.callback_data else update.text
        if not text:
            return None
        person = self._person(update)
        if person.role is None and not person.disabled and not _for_guests(text):
            enrol(person, self._rooms)  # who begins otherwise is taken in all the same
            person = self._person(update)
        self._rooms.store["chats"].update({"blocked": False}, key=person.chat_id)
        if update.message_id is not None and not update.callback_data:
            person = replace(person, message_id=str(update.message_id))
        answer = await self._table.handle(person, text, self._rooms)
        return self.rendered(
            answer, update.chat_id, person, reply_to=None if update.callback_data else update.message_id
        )

    def rendered(self, answer: Answer, chat_id: int, person: Person, *, reply_to: int | None) -> wire.Outgoing:
        """An answer as Telegram takes it."""
        buttons = tuple(tuple(self._button(each, person) for each in row) for row in answer.buttons)
        return wire.Outgoing(chat_id, answer.text, reply_to=reply_to, buttons=buttons, picture=answer.picture)

    def _person(self, update: ChatInput) -> Person:
        writer, name = update.user_id or 0, update.username or ""
        return telegram_person(self._rooms.store, writer, update.chat_id, name, self._operators)

    def _take(self, update: ChatInput) -> None:
        """A post of a source group in which the bot is a member."""
        if update.message_id is None or update.date is None or not update.text.strip():
            return
        source, message_id = f"telegram:{update.chat_id}", str(update.message_id)
        edit = self._rooms.intake.next_edit(source, message_id, update.text) if update.edited else 0
        reply_to = str(update.reply_to_message_id) if update.reply_to_message_id else None
        now = self._rooms.clock.now()
        message = SourceMessage(source, message_id, update.text, update.date, now, reply_to=reply_to, edited=edit)
        try:
            self._rooms.intake.take(message)
        except InvalidInput as wrong:
            self._log.warning("post not taken in", source=source, message_id=message_id, reason=wrong.message)

    def _button(self, button: Button, person: Person) -> wire.Button:
        if len(button.command.encode()) <= _LONGEST_DATA:
            return wire.Button(button.label, data=button.command)
        nonce = secrets.token_urlsafe(9)
        expires = ms_from_utc(self._rooms.clock.now() + _PRESS_FOR)
        document = {"id": f"press:{nonce}", "user_id": person.user_id, "press": button.command, "expires_at": expires}
        self._rooms.store["confirmations"].insert(document)
        return wire.Button(button.label, data=f"press:{nonce}")

    def _pressed(self, update: ChatInput) -> str:
        data = update.callback_data or ""
        if not data.startswith("press:"):
            return data
        document = self._rooms.store["confirmations"].get(key=data)
        if document is None or document["user_id"] != self._person(update).user_id:
            return "/help"
        return str(document["press"]) if document["expires_at"] >= ms_from_utc(self._rooms.clock.now()) else "/help"


def _for_guests(text: str) -> bool:
    return text.split(maxsplit=1)[0].partition("@")[0].lower() in _GUESTS_WRITE
