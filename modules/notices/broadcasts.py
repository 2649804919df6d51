"""A text from whoever runs the service to the groups: queued for each group once, and written into the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape

from tinydb import where

from database import Store
from modules.accounts.audit import record
from modules.domain.errors import Conflict
from modules.domain.people import Principal
from modules.notices.outbox import ChatKind, say

GROUPS = (ChatKind.VIP.value, ChatKind.TRIAL.value)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """How many groups there are, and for how many the text was queued just now."""

    chats: int
    queued: int


def send_to_groups(store: Store, who: Principal, text: str, key: str, *, now: datetime, origin: str = "") -> Broadcast:
    """Queues `text` (plain; markup in it is shown, not obeyed) for every group.

    `key` names this one broadcast: the same again queues nothing more and is not written down again. Raises Conflict when
    another text went out under it.
    """
    with store.transaction() as tx:
        chats = tx["chats"].search(where("kind").one_of(list(GROUPS)))
        said = {chat["id"]: tx["deliveries"].get(key=f"said:{key}:{chat['id']}") for chat in chats}
        if any(row is not None and row["text"] != escape(text) for row in said.values()):
            raise Conflict("Another text was sent under this key.", code="idempotency_key_reused")
        new = [chat for chat in chats if said[chat["id"]] is None]
        for chat in new:
            say(tx, chat["id"], escape(text), key, now)
        if new:
            after = {"text": text, "chats": [chat["id"] for chat in new]}
            record(tx, who, "broadcast.send", "groups", now=now, origin=origin, after=after)
            tx.after_commit(store.doorbell.ring)
    return Broadcast(len(chats), len(new))
