"""A text from whoever runs the service to the groups: queued for each group once, and written into the audit log."""

from __future__ import annotations

from datetime import datetime
from html import escape

from tinydb import where

from database import Store
from modules.accounts.audit import record
from modules.domain.people import Principal
from modules.notices.outbox import ChatKind, say

GROUPS = (ChatKind.VIP.value, ChatKind.TRIAL.value)


def send_to_groups(store: Store, who: Principal, text: str, key: str, *, now: datetime, origin: str = "") -> int:
    """Queues `text` (plain; markup in it is shown, not obeyed) for every group; how many there are.

    `key` names this one broadcast: the same again queues nothing more and is not written down again.
    """
    with store.transaction() as tx:
        chats = tx["chats"].search(where("kind").one_of(list(GROUPS)))
        new = [chat for chat in chats if not tx["deliveries"].contains(key=f"said:{key}:{chat['id']}")]
        for chat in new:
            say(tx, chat["id"], escape(text), key, now)
        if new:
            after = {"text": text, "chats": [chat["id"] for chat in new]}
            record(tx, who, "broadcast.send", "groups", now=now, origin=origin, after=after)
            tx.after_commit(store.doorbell.ring)
    return len(chats)
