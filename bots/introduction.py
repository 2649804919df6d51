"""Who writes: to the bot an operator by name, a user whose chat is linked, somebody taken in by the bot, or a guest; over
HTTP a user who signed in."""

from __future__ import annotations

from collections.abc import Collection

from bots.chat import Person
from database import Document, Store
from modules.accounts.first_start import OPERATOR
from modules.accounts.people import by_telegram, is_active
from modules.domain.people import Role


def telegram_person(store: Store, writer: int, chat_id: int, name: str, operators: Collection[str]) -> Person:
    """The person behind a Telegram id. The role is read anew each time, so that taking one away counts at once."""
    chat = f"telegram:{chat_id}"
    if {str(writer), name, f"@{name}"} & set(operators):
        return Person(OPERATOR, chat, Role.OPERATOR, name)
    user = by_telegram(store, writer)
    return Person(f"tg-{writer}", chat, None, name) if user is None else _user(user, chat, name)


def signed_in_person(store: Store, user_id: str, chat_id: str) -> Person:
    """The user who wrote into a room over HTTP, as they are now: what was queued may have waited."""
    user = store["users"].get(key=user_id)
    return Person(user_id, chat_id, None, disabled=True) if user is None else _user(user, chat_id, "")


def _user(user: Document, chat_id: str, name: str) -> Person:
    if not is_active(user):
        return Person(str(user["id"]), chat_id, None, name, disabled=True)
    return Person(str(user["id"]), chat_id, Role(user["role"]), name)
