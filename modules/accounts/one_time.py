"""Codes that are worth one use: to verify an address, to set a new password, to link a chat. Only their hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tinydb import where

from database import Document, Transaction
from modules.domain.market import ms_from_utc

#: What logs know a code by, to leave it out.
PREFIX = "vzk_c_"
_LONGEST = 200


class Purpose(StrEnum):
    """What a code is good for; it is good for nothing else."""

    REGISTER = "register"
    CHANGE_EMAIL = "change_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose
    LINK_TELEGRAM = "link_telegram"


LIFETIMES = {
    Purpose.REGISTER: timedelta(days=2),
    Purpose.CHANGE_EMAIL: timedelta(days=2),
    Purpose.RESET_PASSWORD: timedelta(minutes=15),
    Purpose.LINK_TELEGRAM: timedelta(minutes=10),
}


def issue(
    tx: Transaction, purpose: Purpose, subject: str, now: datetime, known: Mapping[str, Any] | None = None
) -> str:
    """A new code about `subject` (a user's id or an address), with what is to be `known` when it comes back."""
    code = PREFIX + secrets.token_urlsafe(24)
    tx["one_time_codes"].insert(
        {
            "id": _kept(code),
            "purpose": purpose.value,
            "subject": subject,
            "known": dict(known or {}),
            "created_at": ms_from_utc(now),
            "expires_at": ms_from_utc(now + LIFETIMES[purpose]),
            "used_at": None,
        }
    )
    return code


def redeem(tx: Transaction, purpose: Purpose, code: str, now: datetime) -> Document | None:
    """The row of a code that is good now, which is used up by this; None for every other code."""
    row = look_up(tx, purpose, code)
    if row is None or row["used_at"] is not None or row["expires_at"] <= ms_from_utc(now):
        return None
    tx["one_time_codes"].update({"used_at": ms_from_utc(now), "known": {}}, key=row["id"])
    return row


def look_up(tx: Transaction, purpose: Purpose, code: str) -> Document | None:
    """The row of a code, used or not."""
    row = tx["one_time_codes"].get(key=_kept(code)) if 0 < len(code) <= _LONGEST else None
    return row if row is not None and row["purpose"] == purpose.value else None


def cancel(tx: Transaction, purpose: Purpose, subject: str) -> None:
    """No code of this purpose about `subject` is good any more."""
    tx["one_time_codes"].remove((where("subject") == subject) & (where("purpose") == purpose.value))


def newest(tx: Transaction, purpose: Purpose, subject: str, now: datetime) -> Document | None:
    """The row of the newest code that is still good."""
    good = waiting(tx, purpose, subject, now)
    return good[-1] if good else None


def waiting(tx: Transaction, purpose: Purpose, subject: str, now: datetime) -> list[Document]:
    """The rows of the codes that are still good, oldest first."""
    rows = tx["one_time_codes"].search((where("subject") == subject) & (where("purpose") == purpose.value))
    return [row for row in rows if row["used_at"] is None and row["expires_at"] > ms_from_utc(now)]


def _kept(code: str) -> str:
    """Codes are long and random, so a plain hash is enough."""
    return hashlib.sha256(code.encode(errors="replace")).hexdigest()
