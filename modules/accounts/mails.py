"""Mail through an outbox: a mail is a row written in the transaction that causes it; the notifier sends it.

Whether an address belongs to somebody is looked at when the mail is made out, not when it is asked for: a request about an
unknown address writes the same rows and takes the same time as one about a known address. Fields of a mail, which may hold a
code, are wiped once it is sent or given up.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from tinydb import where

from database import Document, Store, Transaction
from modules.accounts.mail_wording import Letter, Written, write
from modules.accounts.people import by_email
from modules.domain.errors import Rejected, Unavailable
from modules.domain.market import ms_from_utc
from modules.runtime.logs import log

MOST_TRIES = 8
_SHORTEST_PAUSE_SECONDS = 15
_LONGEST_PAUSE = timedelta(hours=2)
#: No mail takes longer than this to hand over; one that does is taken up again, under the same Message-ID.
_STUCK_AFTER = timedelta(minutes=5)
_AT_ONCE = 10


class MailStatus(StrEnum):
    """The life of a mail: queued, sending, then one of sent, dropped (it has no reader) or dead (given up)."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DROPPED = "dropped"
    DEAD = "dead"


class Reader(StrEnum):
    """Who the mail is for, looked at when it is made out."""

    ANYBODY = "anybody"
    ACCOUNT = "account"  # only if the address has an account
    NO_ACCOUNT = "no_account"  # with an account the `otherwise` letter goes out instead


class MailSender(Protocol):
    """How a mail leaves. Raises Unavailable when it is worth another try, Rejected when it is not."""

    def send(self, mail_id: str, to: str, written: Written, at: datetime) -> None:
        """Hands a mail over. The id becomes its Message-ID, so that one sent twice is known for the same."""


def post(
    tx: Transaction,
    to: str,
    letter: Letter,
    now: datetime,
    *,
    fields: Mapping[str, str] | None = None,
    reader: Reader = Reader.ANYBODY,
    otherwise: Letter | None = None,
    user_id: str | None = None,
) -> str:
    """Queues a letter; its id."""
    mail_id = f"m-{secrets.token_hex(12)}"
    tx["mails"].insert(
        {
            "id": mail_id,
            "user_id": user_id,
            "to": to,
            "letter": letter.value,
            "otherwise": otherwise.value if otherwise else None,
            "reader": reader.value,
            "fields": dict(fields or {}),
            "status": MailStatus.QUEUED.value,
            "tries": 0,
            "due_at": ms_from_utc(now),
            "created_at": ms_from_utc(now),
            "error": "",
        }
    )
    return mail_id


def pause_after(tries: int) -> timedelta:
    """How long to wait before the next try."""
    return min(timedelta(seconds=_SHORTEST_PAUSE_SECONDS * 4.0 ** min(tries - 1, 10)), _LONGEST_PAUSE)


class MailCourier:
    """Sends what is due, a few at a time, none of them in the event loop's thread. There is one in an installation.

    What was being sent when the process died goes out again at once: twice at worst, and then known for the same mail.
    """

    name = "mail"

    def __init__(self, store: Store, sender: MailSender, web_address: str) -> None:
        self._store = store
        self._sender = sender
        self._web_address = web_address
        self._trouble = ""
        self._began = False
        self._logger = log("mail")

    async def turn(self, now: datetime) -> bool:
        """Sends up to a handful of mails; whether there may be more."""
        if not self._began:
            sending = where("status") == MailStatus.SENDING.value
            self._store["mails"].update({"due_at": ms_from_utc(now)}, sending)
            self._began = True
        due = self._claim(now)
        await asyncio.gather(*(asyncio.to_thread(self._deliver, mail, now) for mail in due))
        return len(due) == _AT_ONCE

    async def stop(self) -> None:
        """Nothing is under way between turns."""

    def trouble(self) -> str:
        """What the newest try failed with; empty when it worked."""
        return self._trouble

    def _claim(self, now: datetime) -> list[Document]:
        now_ms = ms_from_utc(now)
        waiting = where("status").one_of([MailStatus.QUEUED.value, MailStatus.SENDING.value])
        with self._store.transaction() as tx:
            due = tx["mails"].search(waiting & (where("due_at") <= now_ms), order_by="due_at", limit=_AT_ONCE)
            for mail in due:
                claim = {"status": MailStatus.SENDING.value, "due_at": ms_from_utc(now + _STUCK_AFTER)}
                tx["mails"].update({**claim, "tries": mail["tries"] + 1}, key=mail["id"])
        return due

    def _deliver(self, mail: Document, now: datetime) -> None:
        letter = self._letter(mail)
        if letter is None:
            self._settle(mail, MailStatus.DROPPED)
            return
        try:
            written = write(letter, mail["fields"], self._web_address)
            self._sender.send(mail["id"], mail["to"], written, now)
        except Unavailable as error:
            self._failed(mail, error.message, now, for_good=mail["tries"] + 1 >= MOST_TRIES)
        except Rejected as error:
            self._failed(mail, error.message, now, for_good=True)
        except Exception as error:  # whatever it is: the other mails go out
            self._logger.error("mail failed", mail_id=mail["id"], error=repr(error), exc_info=error)
            self._failed(mail, repr(error), now, for_good=mail["tries"] + 1 >= MOST_TRIES)
        else:
            self._trouble = ""
            self._settle(mail, MailStatus.SENT)
            if letter is Letter.DELETED:  # nothing is kept of whoever left, their address least of all
                self._store["mails"].remove(key=mail["id"])
            self._logger.info("mail sent", mail_id=mail["id"], letter=letter.value)

    def _letter(self, mail: Document) -> Letter | None:
        reader, letter = Reader(mail["reader"]), Letter(mail["letter"])
        if reader is Reader.ANYBODY:
            return letter
        known = by_email(self._store, mail["to"]) is not None
        if known is (reader is Reader.ACCOUNT):
            return letter
        return Letter(mail["otherwise"]) if mail["otherwise"] else None

    def _settle(self, mail: Document, status: MailStatus, **fields: Any) -> None:
        self._store["mails"].update({"status": status.value, "fields": {}, "error": "", **fields}, key=mail["id"])

    def _failed(self, mail: Document, error: str, now: datetime, *, for_good: bool) -> None:
        self._trouble = error
        self._logger.warning(
            "mail not sent", mail_id=mail["id"], error=error, tries=mail["tries"] + 1, given_up=for_good
        )
        if for_good:
            self._settle(mail, MailStatus.DEAD, error=error[:300])
            return
        again = ms_from_utc(now + pause_after(mail["tries"] + 1))
        fields = {"status": MailStatus.QUEUED.value, "due_at": again, "error": error[:300]}
        self._store["mails"].update(fields, key=mail["id"])
