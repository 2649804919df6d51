"""One notice to one person, over every channel they chose for that kind: their chats, their devices, their mailbox.

`tell` writes rows within the caller's transaction, as often as it is called; couriers send them. `PersonalNotices` tells of the facts of the journal
what the outbox does not: chats have their own reader of the journal, devices and mail have this one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from typing import Any

from tinydb import where

from database import Entry, Store, Transaction
from modules.accounts import mails
from modules.accounts.mail_wording import Letter
from modules.accounts.people import is_active
from modules.domain.events import EventKind
from modules.domain.market import utc_from_ms
from modules.domain.people import Role
from modules.journal import JournalConsumer
from modules.notices.outbox import ACCOUNT_KINDS, QUIET_RULES, chats_of, say
from modules.notices.preferences import NOTICE_OF, Channel, Notice, Preferences, preferences_of
from modules.notices.push import queue_push
from modules.notices.wording import account_line, operator_line, without_markup

#: What whoever runs the service must know wherever they are; the rest of it is told in their chat alone.
_STAFF_KINDS = (EventKind.ALARM, EventKind.SAFETY_CHANGED)
#: What became of a call that came in by one's own source.
_OWNER_KINDS = (EventKind.SIGNAL_REFUSED, EventKind.UPDATE_UNBOUND)
_STAFF = [Role.OWNER.value, Role.ADMIN.value, Role.OPERATOR.value]
#: A fact older than this is no news for a device or a mailbox any more (the process was off for long, or starts anew).
NEWS_FOR = timedelta(hours=6)


def tell(
    tx: Transaction, user_id: str, notice: Notice, text: str, *, key: str, now: datetime, mailed: bool = False
) -> None:
    """Tells the user `text` (plain) over the channels they chose for `notice`; `key` names the notice in chats and devices.

    `mailed` says that a mail about the same went out already.
    """
    preferences = preferences_of(tx, user_id)
    if mailed:
        preferences = preferences.without(Channel.MAIL)
    if preferences.wants(notice, Channel.TELEGRAM):
        until = preferences.quiet_until(notice, now)
        held = {} if until is None else {"quiet_until": round(until.timestamp() * 1000)}
        for chat in chats_of(tx, user_id):
            if chat.wants("system", now):
                say(tx, chat.id, escape(text), key, now, **held)
    _tell_silently(tx, user_id, notice, preferences, text, key, now)


class PersonalNotices:
    """Reads the journal for devices and mailboxes."""

    name = "personal"

    def __init__(self, store: Store) -> None:
        self._consumer = JournalConsumer(
            store, "personal", self._handle, (*ACCOUNT_KINDS, *_STAFF_KINDS, *_OWNER_KINDS)
        )

    async def turn(self, now: datetime) -> bool:
        """Writes what happened since; whether there may be more."""
        return self._consumer.turn(now) > 0

    async def stop(self) -> None:
        """Nothing is under way between turns."""

    def trouble(self) -> str:
        """Nothing can go wrong here that the journal's reader does not say itself."""
        return ""

    @staticmethod
    def _handle(entry: Entry, tx: Transaction, now: datetime) -> None:
        if utc_from_ms(entry.at_ms) < now - NEWS_FOR:
            return
        kind, body = EventKind(entry.kind), _with_symbol(tx, entry.body)
        if body.get("rule") in QUIET_RULES:
            return
        text = account_line(kind, body) if kind in ACCOUNT_KINDS else operator_line(kind, body)
        if text is None:
            return
        for user_id in _concerned(tx, kind, body):
            chosen = preferences_of(tx, user_id)
            _tell_silently(tx, user_id, NOTICE_OF[kind], chosen, without_markup(text), f"{entry.seq}", now)


def _concerned(tx: Transaction, kind: EventKind, body: dict[str, Any]) -> list[str]:
    """The users whom a fact concerns: the account's, the private source's, or the staff."""
    if kind in ACCOUNT_KINDS:
        account = tx["accounts"].get(key=str(body.get("account_id")))
        return [] if account is None else [str(account["user_id"])]
    if kind in _OWNER_KINDS:
        return [str(body["owner"])] if body.get("owner") is not None else []
    return [str(user["id"]) for user in tx["users"].search(where("role").one_of(_STAFF))]


def _tell_silently(
    tx: Transaction, user_id: str, notice: Notice, preferences: Preferences, text: str, key: str, now: datetime
) -> None:
    """Devices and mailbox. A push in quiet hours is left out: the chat and the page have it in the morning."""
    user = tx["users"].get(key=user_id)
    if not is_active(user):
        return
    if preferences.wants(notice, Channel.PUSH) and preferences.quiet_until(notice, now) is None:
        queue_push(tx, user_id, notice, text, key=key, now=now)
    if preferences.wants(notice, Channel.MAIL) and user is not None and user.get("email"):
        mails.post(tx, str(user["email"]), Letter.NOTICE, now, fields={"text": text}, user_id=user_id)


def _with_symbol(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:
    """The body with its signal's symbol, for facts that name only the signal."""
    if "symbol" in body or body.get("signal_id") is None:
        return body
    document = tx["signals"].get(key=body["signal_id"])
    return {**body, "symbol": document["symbol"]} if document else body
