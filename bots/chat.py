"""One table of commands for every chat: Telegram, the local chat and the terminal render the same answers.

A command names its arguments, what somebody must be allowed to use it (the one table of permissions decides), and whether it
asks before it acts. Nothing here knows a channel.
A confirmation is bound to the person, the chat and the exact command, can be used once, and runs out.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Any

from database import Store
from modules.accounts.permissions import Verb, may
from modules.analysis.candles import Candles
from modules.domain.errors import InvalidInput, NotAllowed, Trouble
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal, Role
from modules.domain.ports import Clock, QuoteBoard
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.views import Views

CONFIRM_FOR = timedelta(minutes=2)
LONGEST_COMMAND = 4000


@dataclass(frozen=True, slots=True)
class Person:
    """Who writes, and where. `chat_id` is `local:NAME` or `telegram:ID`.

    `message_id` is the message that is answered, where the chat has such ids. `role` is None for a guest, who was not taken in yet; `disabled` for a user whose account was closed by an admin.
    """

    user_id: str
    chat_id: str
    role: Role | None
    name: str = ""
    disabled: bool = False
    message_id: str | None = None

    def may(self, verb: Verb) -> bool:
        """Whether the person may do that; a guest may nothing."""
        return self.role is not None and may(self.principal, verb)

    @property
    def principal(self) -> Principal:
        """As whom permissions and the audit log know the person. Raises NotAllowed for a guest."""
        if self.role is None:
            raise NotAllowed("Write /start first.")
        return Principal(self.user_id, self.role, self.chat_id.partition(":")[0].replace("local", "chat"))


@dataclass(frozen=True, slots=True)
class Button:
    """A button; pressing it is writing `command`."""

    label: str
    command: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A text (Telegram's HTML), buttons in rows, and perhaps a picture (PNG)."""

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    picture: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rooms:
    """What commands reach of the house."""

    store: Store
    views: Views
    clock: Clock
    board: QuoteBoard
    settings: Settings
    intake: Intake
    candles: Callable[[str], Candles | None] = lambda _symbol: None
    feed: Callable[[], dict[str, Any] | None] = lambda: None

    def prices_of(self, account_id: str) -> dict[str, Decimal]:
        """The newest price of every symbol the account holds."""
        held = {row["symbol"] for row in self.views.positions("open", accounts=[account_id], limit=500).rows}
        return {symbol: quote.last for symbol in held if (quote := self.board.latest(symbol)) is not None}


@dataclass(frozen=True, slots=True)
class Call:
    """One command being carried out. `text` is what follows its name, with its line breaks."""

    person: Person
    rooms: Rooms
    words: tuple[str, ...]
    now: datetime
    confirmed: bool = False
    text: str = ""

    def word(self, index: int, default: str = "") -> str:
        """The argument at `index`, or `default`."""
        return self.words[index] if index < len(self.words) else default


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table. `verb` is what somebody must be allowed; None is open to guests as well. `asks` says, before
    it acts, what it will do; None acts at once."""

    name: str
    help: str
    usage: str
    verb: Verb | None
    handler: Handler
    fewest: int = 0
    asks: Callable[[Call], str | None] | None = None
    example: str = ""
    aliases: tuple[str, ...] = field(default=())

    def open_to(self, role: Role | None) -> bool:
        """Whether somebody of this role may use it."""
        return self.verb is None or (role is not None and may(Principal("", role, "chat"), self.verb))


class ChatTable:
    """The commands, by name."""

    def __init__(self, commands: tuple[Command, ...]) -> None:
        self.commands = commands
        self._by_name = {name: command for command in commands for name in (command.name, *command.aliases)}

    async def handle(self, person: Person, text: str, rooms: Rooms) -> Answer:
        """The answer to what a person wrote; every problem is an answer that says what to do."""
        now = rooms.clock.now()
        try:
            return await self._answer(person, text[:LONGEST_COMMAND], rooms, now)
        except Trouble as trouble:
            return Answer(f"⚠️ {escape(trouble.message)}")

    def visible(self, role: Role | None) -> tuple[Command, ...]:
        """The commands somebody with this role (None: a guest) may use."""
        return tuple(command for command in self.commands if command.open_to(role))

    async def _answer(self, person: Person, text: str, rooms: Rooms, now: datetime) -> Answer:
        if person.disabled:
            raise NotAllowed("Your account is closed. Ask whoever runs this service.")
        name, rest = _split(text)
        confirmed = name == "confirm"
        if confirmed:
            name, rest = self._confirmed(person, tuple(rest.split()), rooms.store, now)
        words = tuple(rest.split())
        command = self._by_name.get(name)
        if command is None or not command.open_to(person.role):
            return self._unknown(name, person)
        if len(words) < command.fewest:
            raise InvalidInput(
                f"Usage: /{command.usage}" + (f"\nExample: /{command.example}" if command.example else "")
            )
        call = Call(person, rooms, words, now, confirmed, rest)
        question = command.asks(call) if command.asks and not confirmed else None
        if question is not None:
            return self._ask(call, command, question)
        return await command.handler(call)

    def _unknown(self, name: str, person: Person) -> Answer:
        names = [command.name for command in self.visible(person.role)]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean /{near[0]}?" if near else "See /help."
        return Answer(f"There is no command /{escape(name)}. {hint}")

    def _ask(self, call: Call, command: Command, question: str) -> Answer:
        nonce = secrets.token_urlsafe(9)
        document = {
            "id": nonce,
            "user_id": call.person.user_id,
            "chat_id": call.person.chat_id,
            "command": command.name,
            "text": call.text,
            "expires_at": ms_from_utc(call.now + CONFIRM_FOR),
        }
        call.rooms.store["confirmations"].insert(document)
        buttons = ((Button("Yes, do it", f"/confirm {nonce}"), Button("No", f"/confirm {nonce} no")),)
        return Answer(f"{question}\n<i>Good for two minutes.</i>", buttons)

    def _confirmed(self, person: Person, words: tuple[str, ...], store: Store, now: datetime) -> tuple[str, str]:
        with store.transaction() as tx:
            document = tx["confirmations"].get(key=words[0]) if words else None
            mine = document is not None and (document["user_id"], document["chat_id"]) == (
                person.user_id,
                person.chat_id,
            )
            if document is None or not mine or document["expires_at"] < ms_from_utc(now):
                raise NotAllowed("This question is no longer open. Write the command again.")
            tx["confirmations"].remove(key=document["id"])
        if words[1:] == ("no",):
            raise NotAllowed("Nothing was done.")
        return str(document["command"]), str(document["text"])


def _split(text: str) -> tuple[str, str]:
    """`/close@bot BTCUSDT 50` is ("close", "BTCUSDT 50")."""
    name, *rest = text.strip().split(maxsplit=1) or [""]
    if not name:
        raise InvalidInput("Write a command, for example /help.")
    return name.lstrip("/").partition("@")[0].lower(), rest[0] if rest else ""


@contextmanager
def example(usage: str) -> Iterator[None]:
    """Turns a wrong argument inside into an answer that shows how it is written."""
    try:
        yield
    except InvalidInput as wrong:
        raise InvalidInput(f"{wrong.message}\nExample: /{usage}", fields=wrong.fields) from wrong


def table_text(rows: list[tuple[Any, ...]]) -> str:
    """Rows in a monospaced block, columns aligned; for narrow screens keep it to four columns."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "<pre>" + escape("\n".join(lines)) + "</pre>"
