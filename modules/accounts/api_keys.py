"""API keys: for programs that act for a user. A key is shown once; the store keeps its hash and a prefix to know it by."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tinydb import where

from database import Document
from modules.accounts import audit
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import post
from modules.accounts.office import Caller, Office, shown
from modules.accounts.people import is_active, principal, require_personal
from modules.accounts.permissions import Verb, may
from modules.domain.errors import Conflict, InvalidInput, NotFound
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.people import Principal

MOST_KEYS = 25
PREFIX = "vzk_k_"
_SHOWN = len(PREFIX) + 6
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is to be: None as `scopes` is all that its owner may, None as `expires_at` for ever."""

    name: str
    scopes: Sequence[str] | None = None
    expires_at: datetime | None = None


class ApiKeys:
    """Makes, lists, revokes and knows keys."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store

    def create(self, who: Principal, wanted: NewKey, caller: Caller) -> tuple[str, dict[str, Any]]:
        """The key, shown this once, and its row. Raises InvalidInput for a scope that is unknown or that `who` lacks."""
        require_personal(who)
        now = self._office.now()
        self._check(who, wanted, now)
        key = PREFIX + secrets.token_urlsafe(32)
        row: Document = {
            "id": f"k-{secrets.token_hex(8)}",
            "user_id": who.user_id,
            "name": wanted.name,
            "scopes": None if wanted.scopes is None else sorted(set(wanted.scopes)),
            "prefix": key[:_SHOWN],
            "secret_hash": _hashed(key),
            "created_at": ms_from_utc(now),
            "expires_at": ms_from_utc(wanted.expires_at) if wanted.expires_at else None,
            "last_used_at": None,
            "revoked_at": None,
        }
        with self._store.transaction() as tx:
            if tx["api_keys"].count((where("user_id") == who.user_id) & (where("revoked_at") == None)) >= MOST_KEYS:  # noqa: E711
                raise Conflict(f"Nobody has more than {MOST_KEYS} keys. Revoke one first.", code="too_many_keys")
            tx["api_keys"].insert(row)
            after = {"name": row["name"], "scopes": row["scopes"], "prefix": row["prefix"]}
            audit.record(
                tx, who, "api_key.created", f"api_key:{row['id']}", now=now, origin=caller.address, after=after
            )
            user = tx["users"].get(key=who.user_id)
            if user is not None and user.get("email"):
                fields = {"name": wanted.name, "at": shown(now), "address": caller.address or "an unknown address"}
                post(tx, user["email"], Letter.KEY_CREATED, now, fields=fields, user_id=who.user_id)
        return key, key_row(row, now)

    def of_user(self, user_id: str) -> list[dict[str, Any]]:
        """The keys that were not revoked, newest first, without what they are hashed to."""
        now = self._office.now()
        rows = self._store["api_keys"].search(where("user_id") == user_id)
        return [key_row(row, now) for row in reversed(rows) if row["revoked_at"] is None]

    def revoke(self, who: Principal, key_id: str, caller: Caller) -> None:
        """Ends one of one's own keys at once. Raises NotFound for every other."""
        require_personal(who)
        now = self._office.now()
        with self._store.transaction() as tx:
            row = tx["api_keys"].get(key=key_id)
            if row is None or row["user_id"] != who.user_id or row["revoked_at"] is not None:
                raise NotFound("There is no such key.")
            tx["api_keys"].update({"revoked_at": ms_from_utc(now)}, key=key_id)
            audit.record(tx, who, "api_key.revoked", f"api_key:{key_id}", now=now, origin=caller.address)

    def principal_of(self, key: str, now: datetime) -> Principal | None:
        """Whom a key stands for; None when it is unknown, revoked, too old, or its owner may not come in."""
        if not key.startswith(PREFIX) or len(key) > 100:
            return None
        row = self._store["api_keys"].get(where("secret_hash") == _hashed(key))
        if row is None or row["revoked_at"] is not None or _expired(row, now):
            return None
        user = self._store["users"].get(key=row["user_id"])
        if user is None or not is_active(user):
            return None
        self._note_use(row, now)
        scopes = None if row["scopes"] is None else frozenset(row["scopes"])
        return principal(user, "api_key", scopes=scopes)

    def _check(self, who: Principal, wanted: NewKey, now: datetime) -> None:
        known = {verb.value: verb for verb in Verb}
        for scope in wanted.scopes or ():
            if scope not in known or not may(who, known[scope]):
                raise InvalidInput(
                    f"There is no scope {scope!r} for you.", fields={"scopes": f"{scope!r} is not yours"}
                )
        if wanted.scopes is not None and not wanted.scopes:
            raise InvalidInput("A key without scopes can do nothing.", fields={"scopes": "is empty"})
        if wanted.expires_at is not None and wanted.expires_at <= now:
            raise InvalidInput("The key would be over already.", fields={"expires_at": "has passed"})

    def _note_use(self, row: Document, now: datetime) -> None:
        """Once a minute is enough: a key may ask many times a second."""
        last = row["last_used_at"]
        if last is None or ms_from_utc(now - _NOTED_EVERY) >= last:
            self._store["api_keys"].update({"last_used_at": ms_from_utc(now)}, key=row["id"])


def key_row(row: Document, now: datetime) -> dict[str, Any]:
    """A key as its owner sees it."""
    return {
        "id": row["id"],
        "name": row["name"],
        "prefix": row["prefix"],
        "scopes": row["scopes"],
        "created_at": iso_from_ms(row["created_at"]),
        "expires_at": iso_from_ms(row["expires_at"]),
        "expired": _expired(row, now),
        "last_used_at": iso_from_ms(row["last_used_at"]),
    }


def _expired(row: Document, now: datetime) -> bool:
    return row["expires_at"] is not None and row["expires_at"] <= ms_from_utc(now)


def _hashed(key: str) -> str:
    """Keys are long and random, so a plain hash is enough."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
