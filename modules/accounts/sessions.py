"""Sessions: one per sign-in, each the root of a family of refresh tokens of which only the newest is good.

A refresh token that was used before proves that two hold the family: it ends for both, and its owner is told. Whatever a
session allows ends with it at once, since every request looks the session up.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tinydb import where

from database import Document, Store, Transaction
from modules.accounts import audit
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import post
from modules.accounts.office import Caller, Office, shown
from modules.accounts.people import is_active, principal
from modules.accounts.tokens import ACCESS_LIFETIME, RefreshParts, read_refresh
from modules.domain.errors import NotFound, NotSignedIn
from modules.domain.market import iso_from_ms, ms_from_utc, utc_from_ms
from modules.domain.people import Principal

IDLE_LIFETIME = timedelta(days=30)
LONGEST_LIFETIME = timedelta(days=180)
_OVER = "This sign-in is over. Sign in again."


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sign-in or a refresh gives."""

    access_token: str
    refresh_token: str
    expires_in: int
    session_id: str
    lasts_seconds: int


class Sessions:
    """Opens, renews and ends sessions."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store

    def open(self, tx: Transaction, user: Document, via: str, caller: Caller, now: datetime) -> Grant:
        """A new session; its owner is told by mail when it comes from where none came from before."""
        if user.get("email") and _is_new_device(tx, str(user["id"]), caller):
            fields = {"at": shown(now), "address": caller.address or "an unknown address", "agent": caller.agent}
            post(tx, user["email"], Letter.NEW_DEVICE, now, fields=fields, user_id=user["id"])
        session = {
            "id": secrets.token_hex(16),
            "user_id": user["id"],
            "via": via,
            "address": caller.address,
            "agent": caller.agent[:300],
            "created_at": ms_from_utc(now),
            "last_used_at": ms_from_utc(now),
            "expires_at": ms_from_utc(now + IDLE_LIFETIME),
            "generation": 0,
            "seed": secrets.token_hex(16),
            "revoked_at": None,
            "revoked_why": "",
        }
        tx["sessions"].insert(session)
        who = principal(user, "access_token", session_id=str(session["id"]))
        after = {"session": session["id"], "signed_in_by": via, "agent": session["agent"]}
        after |= {"country": caller.country} if caller.country else {}
        audit.record(tx, who, "session.opened", f"user:{user['id']}", now=now, origin=caller.address, after=after)
        return self._grant(session, now)

    def renew(self, refresh_token: str, caller: Caller) -> Grant:
        """The next tokens of a family. Raises NotSignedIn for every token but the newest of a session that goes on."""
        parts, now = read_refresh(refresh_token), self._office.now()
        grant: Grant | None = None
        if parts is not None:
            with self._store.transaction() as tx:
                grant = self._renewed(tx, parts, caller, now)
        if grant is None:
            raise NotSignedIn(_OVER, code="session_over")
        return grant

    def of_user(self, user_id: str, now: datetime) -> list[Document]:
        """The sessions that go on, newest first."""
        rows = self._store["sessions"].search(where("user_id") == user_id, order_by="last_used_at", descending=True)
        return [row for row in rows if goes_on(row, now)]

    def end(self, who: Principal, session_id: str, caller: Caller) -> None:
        """Ends one of one's own sessions. Raises NotFound for every other."""
        now = self._office.now()
        with self._store.transaction() as tx:
            row = tx["sessions"].get(key=session_id)
            if row is None or row["user_id"] != who.user_id or not goes_on(row, now):
                raise NotFound("There is no such session.")
            _end(tx, row, "signed out", now)
            subject = f"user:{who.user_id}"
            audit.record(
                tx, who, "session.closed", subject, now=now, origin=caller.address, after={"session": session_id}
            )

    def end_by_token(self, refresh_token: str, caller: Caller) -> None:
        """Ends the session of a refresh token; a token that proves nothing ends nothing."""
        parts, now = read_refresh(refresh_token), self._office.now()
        row = self._store["sessions"].get(key=parts.session_id) if parts else None
        if parts is None or row is None or not self._office.tokens.proves(parts, row["seed"]):
            return
        user = self._store["users"].get(key=row["user_id"])
        if user is not None and goes_on(row, now):
            who = principal(user, "access_token", session_id=parts.session_id)
            self.end(who, parts.session_id, caller)

    def end_all(self, who: Principal, caller: Caller) -> int:
        """Ends every session of one's own; how many there were."""
        now = self._office.now()
        with self._store.transaction() as tx:
            count = end_all(tx, who.user_id, "signed out everywhere", now)
            subject = f"user:{who.user_id}"
            audit.record(
                tx, who, "session.closed_all", subject, now=now, origin=caller.address, after={"sessions": count}
            )
        return count

    def _renewed(self, tx: Transaction, parts: RefreshParts, caller: Caller, now: datetime) -> Grant | None:
        row = tx["sessions"].get(key=parts.session_id)
        if row is None or not self._office.tokens.proves(parts, row["seed"]) or not goes_on(row, now):
            return None
        user = tx["users"].get(key=row["user_id"])
        if user is None or not is_active(user):
            return None
        if parts.generation != row["generation"]:
            self._reused(tx, row, user, caller, now)
            return None
        ends = min(now + IDLE_LIFETIME, utc_from_ms(row["created_at"]) + LONGEST_LIFETIME)
        renewed = {
            "generation": parts.generation + 1,
            "last_used_at": ms_from_utc(now),
            "expires_at": ms_from_utc(ends),
            "address": caller.address,
        }
        tx["sessions"].update(renewed, key=row["id"])
        return self._grant({**row, **renewed}, now)

    def _reused(self, tx: Transaction, row: Document, user: Document, caller: Caller, now: datetime) -> None:
        _end(tx, row, "a used token came back", now)
        who = principal(user, "access_token", session_id=row["id"])
        after = {"session": row["id"], "opened_from": row["address"]}
        audit.record(tx, who, "session.reused", f"user:{user['id']}", now=now, origin=caller.address, after=after)
        if user.get("email"):
            fields = {"at": shown(now), "address": caller.address or "an unknown address"}
            post(tx, user["email"], Letter.TOKEN_REUSED, now, fields=fields, user_id=user["id"])

    def _grant(self, session: Document, now: datetime) -> Grant:
        tokens, session_id = self._office.tokens, str(session["id"])
        return Grant(
            access_token=tokens.access(str(session["user_id"]), session_id, now),
            refresh_token=tokens.refresh(session_id, session["generation"], session["seed"]),
            expires_in=int(ACCESS_LIFETIME.total_seconds()),
            session_id=session_id,
            lasts_seconds=(session["expires_at"] - ms_from_utc(now)) // 1000,
        )


def goes_on(row: Document | None, now: datetime) -> bool:
    """Whether a session is neither ended nor too old."""
    return row is not None and row["revoked_at"] is None and row["expires_at"] > ms_from_utc(now)


def end_all(tx: Transaction, user_id: str, why: str, now: datetime, *, but: str | None = None) -> int:
    """Ends every session of a user, except perhaps one; how many were ended."""
    rows = tx["sessions"].search(where("user_id") == user_id)
    ended = [row for row in rows if goes_on(row, now) and row["id"] != but]
    for row in ended:
        _end(tx, row, why, now)
    return len(ended)


def session_row(row: Document, current: str | None) -> dict[str, Any]:
    """A session as its owner sees it."""
    return {
        "id": row["id"],
        "current": row["id"] == current,
        "signed_in_by": row["via"],
        "address": row["address"],
        "agent": row["agent"],
        "created_at": iso_from_ms(row["created_at"]),
        "last_used_at": iso_from_ms(row["last_used_at"]),
        "expires_at": iso_from_ms(row["expires_at"]),
    }


def network_of(address: str) -> str:
    """The network an address belongs to: its /24, or /48 with IPv6; the text itself where it is no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def _is_new_device(store: Store | Transaction, user_id: str, caller: Caller) -> bool:
    known = store["sessions"].search(where("user_id") == user_id)
    here = (network_of(caller.address), caller.agent[:300])
    return bool(known) and all((network_of(row["address"]), row["agent"]) != here for row in known)


def _end(tx: Transaction, row: Document, why: str, now: datetime) -> None:
    tx["sessions"].update({"revoked_at": ms_from_utc(now), "revoked_why": why}, key=row["id"])
