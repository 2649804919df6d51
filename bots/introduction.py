"""Who writes to the bot: an operator by name, a user whose chat is linked, somebody taken in by the bot, or a guest."""

from __future__ import annotations

from collections.abc import Collection

from bots.chat import Person
from database import Store
from modules.accounts.first_start import OPERATOR
from modules.accounts.people import by_telegram, is_active
from modules.domain.people import Role


def telegram_person(store: Store, writer: int, chat_id: int, name: str, operators: Collection[str]) -> Person:
    """The person behind a Telegram id. The role is read anew each time, so that taking one away counts at once."""
    chat = f"telegram:{chat_id}"
    if {str(writer), name, f"@{name}"} & set(operators):
        return Person(OPERATOR, chat, Role.OPERATOR, name)
    user = by_telegram(store, writer)
    if user is None:
        return Person(f"tg-{writer}", chat, None, name)
    if not is_active(user):
        return Person(str(user["id"]), chat, None, name, disabled=True)
    return Person(str(user["id"]), chat, Role(user["role"]), name)
