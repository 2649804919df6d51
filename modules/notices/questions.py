"""What people write into their local room over HTTP, waiting for the process that answers chats.

A door that has no commands of its own (HTTP) asks here; the broadcast process answers into the same room. A question is
claimed before it is carried out: what a kill interrupts is never carried out again by itself, and its asker is told so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from tinydb import where

from database import Store, Transaction
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal, Role
from modules.notices.local_channel import PREFIX, post

_COLLECTION = "chat_questions"


class QuestionStatus(StrEnum):
    QUEUED = "queued"
    ANSWERING = "answering"


def room_of(user_id: str) -> str:
    """The local room of a user."""
    return f"{PREFIX}{user_id}"


def ask(store: Store, who: Principal, text: str, now: datetime) -> int:
    """Writes a question into the asker's room and queues it; returns its number there."""
    room = room_of(who.user_id)
    with store.transaction() as tx:
        _ensure_room(tx, room, who.user_id)
        number = post(tx, room, text, now, author=who.user_id)
        question = {
            "id": f"{room}/{number}",
            "chat": room,
            "number": number,
            "user_id": who.user_id,
            "role": who.role.value,
            "text": text,
            "asked_at": ms_from_utc(now),
            "status": QuestionStatus.QUEUED.value,
        }
        tx[_COLLECTION].insert(question)
        tx.after_commit(store.doorbell.ring)
    return number


def queued(store: Store, limit: int = 100) -> list[Mapping[str, Any]]:
    """Questions that nobody has begun to answer, oldest first."""
    wanted = where("status") == QuestionStatus.QUEUED.value
    return list(store[_COLLECTION].search(wanted, order_by="asked_at", limit=limit))


def interrupted(store: Store) -> list[Mapping[str, Any]]:
    """Questions that somebody began to answer. At the start of the process that answers, nobody does any more."""
    return list(store[_COLLECTION].search(where("status") == QuestionStatus.ANSWERING.value))


def claim(store: Store, question: Mapping[str, Any]) -> bool:
    """Marks a question as being answered; False when somebody else did so before."""
    with store.transaction() as tx:
        kept = tx[_COLLECTION].get(key=question["id"])
        if kept is None or kept["status"] != QuestionStatus.QUEUED.value:
            return False
        tx[_COLLECTION].update({"status": QuestionStatus.ANSWERING.value}, key=question["id"])
    return True


def answer(
    store: Store,
    question: Mapping[str, Any],
    text: str,
    now: datetime,
    *,
    buttons: Sequence[Sequence[Mapping[str, str]]] = (),
    picture: str | None = None,
    signal_id: str | None = None,
) -> None:
    """Writes the answer (Telegram's HTML) as a reply to the question, which is then done with."""
    fields: dict[str, Any] = {
        "buttons": [[dict(each) for each in row] for row in buttons],
        "picture": picture,
        "signal_id": signal_id,
    }
    with store.transaction() as tx:
        post(tx, question["chat"], text, now, reply_to=str(question["number"]), **fields)
        tx[_COLLECTION].remove(key=question["id"])


def pending(store: Store, room: str) -> bool:
    """Whether somebody waits for an answer in this room."""
    return bool(store[_COLLECTION].search(where("chat") == room, limit=1))


def _ensure_room(tx: Transaction, room: str, user_id: str) -> None:
    """Whoever writes has a room; from then on their notices come into it as well."""
    if tx["chats"].contains(key=room):
        return
    user = tx["users"].get(key=user_id)
    kind = "operator" if user and user["role"] in (Role.OWNER, Role.ADMIN, Role.OPERATOR) else "user"
    chat: dict[str, Any] = {
        "id": room,
        "kind": kind,
        "user_id": user_id,
        "muted": [],
        "muted_until": None,
        "blocked": False,
    }
    tx["chats"].insert(chat)
