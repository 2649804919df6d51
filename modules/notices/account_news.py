"""News of one's account in one's chats and on one's devices: new sign-ins, keys, factors, linked chats.

The audit log is what it reads, from where it stopped; the deed's own mail, which nobody can switch off, is sent elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tinydb import where

from database import Document, Store, Transaction
from modules.domain.market import utc_from_ms
from modules.notices.personal import NEWS_FOR, tell
from modules.notices.preferences import Notice

_STATE = "account_news"
_BATCH = 100
_NOT_YOU = "If this was not you, set a new password and sign out everywhere."
#: What is told of each action; the row's origin goes into it.
NEWS: Mapping[str, tuple[Notice, str]] = {
    "session.opened": (Notice.SIGN_IN, "New sign-in from {origin} with {agent}. " + _NOT_YOU),
    "session.reused": (Notice.SIGN_IN, "A sign-in was ended for safety: a copy of its token was used. " + _NOT_YOU),
    "password.changed": (Notice.SIGN_IN, "Your password was changed from {origin}. " + _NOT_YOU),
    "password.reset": (Notice.SIGN_IN, "Your password was set anew from {origin}. " + _NOT_YOU),
    "email.changed": (Notice.SIGN_IN, "The address of your account was changed from {origin}. " + _NOT_YOU),
    "two_factor.on": (Notice.SIGN_IN, "Two-factor sign-in is on."),
    "two_factor.off": (Notice.SIGN_IN, "Two-factor sign-in is off. " + _NOT_YOU),
    "api_key.created": (Notice.ACCOUNT, "An API key was made from {origin}. " + _NOT_YOU),
    "telegram.linked": (Notice.ACCOUNT, "A Telegram account was linked to yours."),
    "exchange_key.added": (Notice.ACCOUNT, "An exchange key was added from {origin}. " + _NOT_YOU),
    "exchange_key.removed": (Notice.ACCOUNT, "An exchange key was removed from {origin}."),
    "inbound_webhook.create": (Notice.ACCOUNT, "An address for incoming calls was made from {origin}. " + _NOT_YOU),
}


class AccountNews:
    """Reads the audit log for the people it is about."""

    name = "account news"

    def __init__(self, store: Store) -> None:
        self._store = store

    async def turn(self, now: datetime) -> bool:
        """Tells what was written since; whether there may be more. The first time it begins with what comes next."""
        kept = self._store["reader_states"].get(key=_STATE)
        if kept is None:
            newest = self._store["audit_log"].search(order_by="seq", descending=True, limit=1)
            self._store["reader_states"].replace({"id": _STATE, "seq": newest[0]["seq"] if newest else 0})
            return False
        rows = self._store["audit_log"].search(where("seq") > kept["seq"], order_by="seq", limit=_BATCH)
        if not rows:
            return False
        with self._store.transaction() as tx:
            for row in rows:
                _tell_of(tx, row, now)
            tx["reader_states"].update({"seq": rows[-1]["seq"]}, key=_STATE)
        return len(rows) == _BATCH

    async def stop(self) -> None:
        """Nothing is under way between turns."""

    def trouble(self) -> str:
        """Nothing can go wrong here but the store, which every turn says itself."""
        return ""


def _tell_of(tx: Transaction, row: Document, now: datetime) -> None:
    news = NEWS.get(str(row["action"]))
    if news is None or utc_from_ms(row["at"]) < now - NEWS_FOR or not _is_news(tx, row):
        return
    notice, text = news
    subject = str(row["subject"])
    user_id = subject.removeprefix("user:") if subject.startswith("user:") else str(row["who"])
    agent = (row["after"] or {}).get("agent") or "an unknown program"
    said = text.format(origin=row["origin"] or "an unknown address", agent=agent)
    tell(tx, user_id, notice, said, key=f"audit:{row['seq']}", now=now, mailed=True)


def _is_news(tx: Transaction, row: Document) -> bool:
    """A sign-in is news when none came from this address with this program before, and it is not the first of all."""
    if row["action"] != "session.opened":
        return True
    after = row["after"] or {}
    earlier = [
        each
        for each in tx["sessions"].search(where("user_id") == row["who"])
        if each["id"] != after.get("session") and each["created_at"] <= row["at"]
    ]
    here = (row["origin"], after.get("agent"))
    return bool(earlier) and all((each["address"], each["agent"]) != here for each in earlier)
