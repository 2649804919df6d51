"""Users as the store keeps them: how they are found, made, and what they are when they ask."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tinydb import where

from database import Document, Store, Transaction
from modules.accounts.first_start import paper_account
from modules.domain.errors import InvalidInput, NotAllowed
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal, Role
from modules.domain.plans import TradeSettings
from modules.records import to_document
from modules.runtime.settings import Settings

#: Addresses as people have them; what a mail server thinks of one shows when it is mailed to.
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
                    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")  # fmt: skip
_LONGEST_EMAIL = 254
#: Ways of asking by which one may change how one signs in.
_PERSONAL = ("access_token", "operator_token")


def normal_email(given: str) -> str:
    """The address as it is kept. Raises InvalidInput when it is none."""
    email = given.strip().lower()
    if len(email) > _LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        raise InvalidInput("This is no e-mail address.", fields={"email": "is no e-mail address"})
    return email


def by_email(store: Store | Transaction, email: str) -> Document | None:
    """The user with this (normal) address."""
    return store["users"].get(where("email") == email)


def by_telegram(store: Store | Transaction, telegram_id: int) -> Document | None:
    """The user who linked this Telegram account, or who began in the chat with it."""
    linked = store["users"].get(where("telegram_id") == telegram_id)
    return linked or store["users"].get(key=f"tg-{telegram_id}")


def is_active(user: Mapping[str, Any] | None) -> bool:
    """Whether this user may come in at all."""
    return user is not None and bool(user.get("enabled", True)) and user.get("deleted_at") is None


def principal(
    user: Mapping[str, Any], via: str, *, scopes: frozenset[str] | None = None, session_id: str | None = None
) -> Principal:
    """Who this user is when asking `via` something; the role is the one on record."""
    return Principal(str(user["id"]), Role(user["role"]), via, scopes, session_id)


def require_personal(who: Principal) -> None:
    """Raises NotAllowed unless `who` signed in: an API key or data of a Mini App can't change how one signs in."""
    if who.via not in _PERSONAL:
        raise NotAllowed("This needs a sign-in with password.", code="sign_in_needed")


def add_user(
    tx: Transaction, settings: Settings, now: datetime, *, email: str, password_hash: str, name: str, role: Role
) -> Document:
    """Makes a user with a paper account that trades nothing until told. Raises DuplicateKey when the address is taken."""
    user: Document = {
        "id": f"u-{secrets.token_hex(8)}",
        "email": email,
        "name": name,
        "role": role.value,
        "enabled": True,
        "password_hash": password_hash,
        "created_at": ms_from_utc(now),
    }
    tx["users"].insert(user)
    account = to_document(paper_account(str(user["id"]), settings, now))
    account["settings"] = to_document(TradeSettings(autotrade=False))
    tx["accounts"].insert(account)
    return user
