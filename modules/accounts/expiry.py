"""What is over goes: used and old codes, ended sessions, counts of failures, mails that went out long ago."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tinydb import where

from database import Store
from modules.accounts.mails import MailStatus
from modules.domain.market import ms_from_utc

_EVERY = timedelta(hours=1)
#: An ended session is kept this long, so that a sign-in from where one was before is known for such.
KEEP_SESSIONS = timedelta(days=90)
KEEP_MAILS = timedelta(days=30)
KEEP_KEYS = timedelta(days=90)
_SETTLED = (MailStatus.SENT.value, MailStatus.DROPPED.value, MailStatus.DEAD.value)


class Sweeper:
    """Removes what is over, once an hour; one of the notifier's couriers."""

    name = "expiry"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next: datetime | None = None

    async def turn(self, now: datetime) -> bool:
        """Removes what is over, where the last time was an hour ago."""
        if self._next is None or now >= self._next:
            self._next = now + _EVERY
            await asyncio.to_thread(sweep, self._store, now)
        return False

    async def stop(self) -> None:
        """Nothing is under way between turns."""

    def trouble(self) -> str:
        """None that lasts: a turn that fails is told by whoever gave it."""
        return ""


def sweep(store: Store, now: datetime) -> int:
    """Removes what is over as of `now`, each collection in a transaction of its own; how many rows went."""
    now_ms = ms_from_utc(now)
    sessions_before, mails_before = ms_from_utc(now - KEEP_SESSIONS), ms_from_utc(now - KEEP_MAILS)
    over = (
        ("one_time_codes", where("expires_at") < now_ms),
        ("sign_in_attempts", where("forget_at") < now_ms),
        ("sessions", where("expires_at") < sessions_before),
        ("sessions", where("revoked_at") < sessions_before),
        ("api_keys", where("revoked_at") < ms_from_utc(now - KEEP_KEYS)),
        ("mails", where("status").one_of(list(_SETTLED)) & (where("created_at") < mails_before)),
    )
    return sum(len(store[collection].remove(condition)) for collection, condition in over)
