"""The local chat: rooms in the store that a terminal (and later the dashboard) reads. Needs no credentials.

A message and the note that it was delivered are one transaction, so here nothing is ever lost or repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tinydb import where

from database import Store, Transaction
from modules.domain.events import EventKind
from modules.domain.market import ms_from_utc
from modules.notices.outbox import delivered, due_deliveries, first_post

PREFIX = "local:"


Painter = Callable[[str], str | None]


def deliver_local(store: Store, now: datetime, *, painted: Painter = lambda _signal_id: None) -> int:
    """Puts what is due into the local rooms; returns how many messages.

    `painted(signal_id)` is the path of the picture that belongs under a signal's post, or None.
    """
    count = 0
    while rows := due_deliveries(store, PREFIX, now):
        for row in rows:
            received = row["kind"] == EventKind.SIGNAL_RECEIVED.value
            picture = painted(row["signal_id"]) if received else row.get("picture")
            with store.transaction() as tx:
                fields = {"signal_id": row["signal_id"], "picture": picture}
                reply_to = row.get("reply_to") or first_post(tx, row["chat"], row["signal_id"])
                number = post(tx, row["chat"], row["text"], now, reply_to=reply_to, **fields)
                delivered(tx, row, str(number), now)
            count += 1
    return count


def post(
    tx: Transaction,
    chat: str,
    text: str,
    now: datetime,
    *,
    author: str = "bot",
    reply_to: str | None = None,
    **fields: Any,
) -> int:
    """Writes one message into a room; returns its number."""
    number = last_number(tx, chat) + 1
    message = {
        "id": f"{chat}/{number}",
        "chat": chat,
        "number": number,
        "author": author,
        "text": text,
        "reply_to": reply_to,
        "at": ms_from_utc(now),
        **fields,
    }
    tx["local_messages"].insert(message)
    return number


def messages_after(store: Store, chat: str, number: int, limit: int = 100) -> list[Mapping[str, Any]]:
    """The room's messages after that number, oldest first."""
    wanted = (where("chat") == chat) & (where("number") > number)
    return list(store["local_messages"].search(wanted, order_by="number", limit=limit))


def last_number(reader: Store | Transaction, chat: str) -> int:
    """The number of the room's newest message; 0 while it is empty."""
    newest = reader["local_messages"].search(where("chat") == chat, order_by="number", descending=True, limit=1)
    return int(newest[0]["number"]) if newest else 0
