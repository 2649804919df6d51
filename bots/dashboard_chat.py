"""The local chat for people who write over HTTP: the same table of commands, answered into their room.

Commands start with a slash. Any other text is taken in as a message of the source `local:NAME`, where the writer's role
allows handing in signals. Each room has its own order; a slow answer in one delays no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from bots.chat import Answer, ChatTable, Rooms
from bots.introduction import signed_in_person
from modules.accounts.permissions import Verb
from modules.domain.errors import InvalidInput
from modules.domain.signals import SourceMessage
from modules.notices.questions import answer, claim, interrupted, queued
from modules.runtime.logs import log

_INTERRUPTED = "This was interrupted by a restart. It may or may not have been done: look at /positions or /status before you repeat it."
_FAILED = "⚠️ Something went wrong here; it was written to the log."


class DashboardChat:
    """Answers what is queued, in turns."""

    def __init__(self, table: ChatTable, rooms: Rooms, wake: asyncio.Event) -> None:
        self._table = table
        self._rooms = rooms
        self._wake = wake
        self._answering: dict[str, asyncio.Task[None]] = {}
        self._log = log("dashboard chat")

    def begin(self, now: datetime) -> None:
        """Tells the askers of what an earlier life of this process did not finish."""
        for question in interrupted(self._rooms.store):
            answer(self._rooms.store, question, _INTERRUPTED, now)

    def turn(self) -> None:
        """Begins to answer the oldest question of every room that nobody answers at the moment."""
        for room in [room for room, task in self._answering.items() if task.done()]:
            self._answering.pop(room).result()
        for question in queued(self._rooms.store):
            room = question["chat"]
            if room not in self._answering and claim(self._rooms.store, question):
                self._answering[room] = asyncio.create_task(self._answer(question), name=f"answer {room}")

    async def stop(self) -> None:
        """Lets what is being answered finish, for a moment."""
        if self._answering:
            await asyncio.wait(self._answering.values(), timeout=3)

    async def _answer(self, question: Mapping[str, Any]) -> None:
        store = self._rooms.store
        try:
            found, signal_id = await self._found(question)
            picture = self._kept(found.picture, question)
        except Exception as error:  # noqa: BLE001 - one person's question must not end the process that answers everybody
            self._log.error("a question failed", room=question["chat"], error=repr(error), exc_info=error)
            found, picture, signal_id = Answer(_FAILED), None, None
        buttons = [[{"label": each.label, "command": each.command} for each in row] for row in found.buttons]
        now = self._rooms.clock.now()
        answer(store, question, found.text, now, buttons=buttons, picture=picture, signal_id=signal_id)
        self._wake.set()

    async def _found(self, question: Mapping[str, Any]) -> tuple[Answer, str | None]:
        """The answer, and the signal that the text became where it was one."""
        person = signed_in_person(self._rooms.store, question["user_id"], question["chat"])
        text = str(question["text"]).strip()
        if text.startswith("/"):
            return await self._table.handle(person, text, self._rooms), None
        if not person.may(Verb.POST_SIGNALS):
            return Answer("Commands start with a slash: try /help."), None
        return self._taken(question, text)

    def _taken(self, question: Mapping[str, Any], text: str) -> tuple[Answer, str | None]:
        now = self._rooms.clock.now()
        message = SourceMessage(question["chat"], f"d{question['number']}", text, now, now)
        try:
            taken = self._rooms.intake.take(message)
        except InvalidInput as wrong:
            return Answer(f"⚠️ {escape(wrong.message)}"), None
        return Answer(f"<b>{taken.kind.value}</b>: {escape(taken.reason)}"), taken.signal_id

    def _kept(self, picture: bytes | None, question: Mapping[str, Any]) -> str | None:
        """Where the picture of an answer lies; None where it has none."""
        if picture is None:
            return None
        name = "".join(letter if letter.isalnum() else "-" for letter in str(question["id"]))
        path = Path(self._rooms.settings.data_dir) / "pictures" / f"chat-{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture)
        return str(path)
