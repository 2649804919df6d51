"""What is kept of a person, where, and what becomes of it when they leave: one table for the copy and for the erasure.

Trades stay, since the record of a source and the audit log rest on them; what told whose they were is taken away. The audit
log is kept whole. Nothing here is a secret: hashes, seeds and sealed keys are left out of the copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tinydb import where

from database import CollectionSpec, Document, Store, Transaction
from modules.accounts import audit, one_time
from modules.accounts.api_keys import key_row
from modules.accounts.first_start import OPERATOR
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import post
from modules.accounts.office import Caller, Office, shown
from modules.accounts.one_time import Purpose
from modules.accounts.people import require_personal
from modules.accounts.profile import profile_row
from modules.accounts.sessions import session_row
from modules.domain.errors import Conflict, NotFound
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.people import Principal, Role
from modules.records import COLLECTIONS


class Leaving(StrEnum):
    """What becomes of rows when their person leaves."""

    REMOVED = "removed"
    KEPT = "kept"  # without anything that says whose they are


@dataclass(frozen=True, slots=True)
class Holding:
    """One collection with rows about people: by which field they belong, to a user or to an account of theirs."""

    collection: str
    field: str
    leaving: Leaving


#: Rows about people that the copy shows in a form of their own.
OWN_FORM = frozenset({"users", "sessions", "api_keys", "audit_log"})
#: Rows of a user that stay, since trades hang on them.
_STAY = frozenset({"accounts"})
#: Collections that belong to a user without an index that says so.
_BY_OTHER_FIELDS = {"confirmations": "user_id", "chat_questions": "user_id"}
#: Rows that belong to a row that is removed, and by which field they name it.
_PARTS = {
    "chats": (("deliveries", "chat"), ("local_messages", "chat")),
    "strategies": (("strategy_versions", "strategy_id"), ("strategy_runs", "strategy_id")),
}
_ERASED = (
    "password_hash",
    "two_factor",
    "telegram_id",
    "telegram_name",
    "preferences",
    "time_zone",
    "language",
    "token_hash",
)
_NAMES_OF_SECRETS = (
    "hash",
    "secret",
    "seed",
    "sealed",
    "token",
    "password",
    "passphrase",
    "private",
    "key",
    "nonce",
    "fields",
)


def holdings(specs: Iterable[CollectionSpec] = COLLECTIONS) -> tuple[Holding, ...]:
    """Every collection whose rows belong to a person: those indexed by user or account, and a few more."""
    found = []
    for spec in specs:
        first = {index.fields[0] for index in spec.indexes}
        field = _BY_OTHER_FIELDS.get(spec.name) or next(
            (each for each in ("user_id", "account_id") if each in first), None
        )
        if field is not None and spec.name not in OWN_FORM:
            removed = field == "user_id" and spec.name not in _STAY
            found.append(Holding(spec.name, field, Leaving.REMOVED if removed else Leaving.KEPT))
    return tuple(found)


class PersonalData:
    """The copy of everything of one's own, and its erasure."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store

    def export(self, who: Principal, caller: Caller) -> dict[str, Any]:
        """Everything that is kept of this user, as plain JSON. That it was taken is kept too."""
        require_personal(who)
        now, store = self._office.now(), self._store
        user = store["users"].get(key=who.user_id)
        if user is None:
            raise NotFound("There is no such user.")
        mine = where("user_id") == who.user_id
        found: dict[str, Any] = {
            "exported_at": iso_from_ms(ms_from_utc(now)),
            "user": {
                **profile_row(user),
                "telegram_id": user.get("telegram_id"),
                "preferences": user.get("preferences"),
            },
            "sessions": [session_row(row, who.session_id) for row in store["sessions"].search(mine)],
            "api_keys": [key_row(row, now) for row in store["api_keys"].search(mine)],
            "audit_log": store["audit_log"].search(where("who") == who.user_id),
        }
        for holding, rows in _held(store, who.user_id):
            found[holding.collection] = [_open(row) for row in rows]
            for part, field in _PARTS.get(holding.collection, ()):
                ids = [row["id"] for row in rows]
                found[part] = [_open(row) for row in store[part].search(where(field).one_of(ids))]
        with store.transaction() as tx:
            audit.record(tx, who, "user.exported", f"user:{who.user_id}", now=now, origin=caller.address)
        return found

    def erase(self, who: Principal, caller: Caller) -> None:
        """Erases this user; the caller has checked the password.

        Raises Conflict while a position is open or an order works, and for the last owner.
        """
        require_personal(who)
        now = self._office.now()
        with self._store.transaction(durable=True) as tx:
            user = tx["users"].get(key=who.user_id)
            if user is None:
                raise NotFound("There is no such user.")
            _refuse_the_last_owner(tx, user)
            _refuse_while_trading(tx, who.user_id)
            if user.get("email"):
                post(tx, user["email"], Letter.DELETED, now, fields={"at": shown(now)})
            audit.record(tx, who, "user.deleted", f"user:{who.user_id}", now=now, origin=caller.address)
            for holding, rows in _held(tx, who.user_id):
                if holding.leaving is Leaving.REMOVED:
                    _remove(tx, holding.collection, rows)
            self._forget(tx, user, now)

    def _forget(self, tx: Transaction, user: Document, now: datetime) -> None:
        """What is left of a user is a number that trades refer to."""
        user_id = str(user["id"])
        for collection in ("sessions", "api_keys"):
            tx[collection].remove(where("user_id") == user_id)
        for purpose in Purpose:
            one_time.cancel(tx, purpose, f"user:{user_id}")
            one_time.cancel(tx, purpose, f"email:{user.get('email')}")
        if user.get("email"):
            tx["mails"].remove((where("to") == user["email"]) & (where("letter") != Letter.DELETED.value))
        tx["accounts"].update({"enabled": False}, where("user_id") == user_id)
        gone: dict[str, Any] = dict.fromkeys(_ERASED)
        left = {**gone, "email": None, "name": "", "role": Role.READ_ONLY.value, "enabled": False}
        tx["users"].update({**left, "deleted_at": ms_from_utc(now)}, key=user_id)


def _refuse_the_last_owner(tx: Transaction, user: Document) -> None:
    if user["id"] == OPERATOR:
        raise Conflict("The first operator can't be deleted: the installation is theirs.", code="first_operator")
    owners = [row for row in tx["users"].search(where("role") == Role.OWNER.value) if row.get("enabled", True)]
    if user["role"] == Role.OWNER.value and len(owners) <= 1:
        raise Conflict("The last owner can't be deleted.", code="last_owner")


def _refuse_while_trading(tx: Transaction, user_id: str) -> None:
    accounts = [row["id"] for row in tx["accounts"].search(where("user_id") == user_id)]
    theirs = where("account_id").one_of(accounts)
    if tx["positions"].count(theirs & (where("status") == "open")):
        raise Conflict("Close your open positions first.", code="positions_open")
    if tx["plans"].count(theirs & (where("status") == "open")):
        raise Conflict("Trades of yours still wait or run. Cancel them first.", code="plans_open")


def _held(store: Store | Transaction, user_id: str) -> Iterable[tuple[Holding, list[Document]]]:
    accounts = [row["id"] for row in store["accounts"].search(where("user_id") == user_id)]
    for holding in holdings():
        owners = [user_id] if holding.field == "user_id" else accounts
        yield holding, store[holding.collection].search(where(holding.field).one_of(owners))


def _remove(tx: Transaction, collection: str, rows: list[Document]) -> None:
    ids = [row[tx[collection].spec.key] for row in rows]
    for part, field in _PARTS.get(collection, ()):
        tx[part].remove(where(field).one_of(ids))
    for each in ids:
        tx[collection].remove(key=each)


def _open(value: Any) -> Any:
    """A row without its secrets, however deep they are."""
    if isinstance(value, list):
        return [_open(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _open(each) for name, each in value.items() if not any(part in name for part in _NAMES_OF_SECRETS)}
