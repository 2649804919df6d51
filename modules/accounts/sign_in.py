"""Signing in with password and second factor, and whatever else asks for the password again.

What is told about a wrong sign-in, and how long telling takes, is the same for an address that is known and one that is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from database import Document, Transaction
from modules.accounts import attempts, audit
from modules.accounts.office import Caller, Office
from modules.accounts.people import by_email, is_active, normal_email
from modules.accounts.sessions import Grant, Sessions
from modules.accounts.two_factor import TwoFactor, is_on
from modules.domain.errors import InvalidInput, NotAllowed, NotSignedIn
from modules.domain.people import Principal, Role

_WRONG = "The address or the password is wrong."
NOBODY = Principal("nobody", Role.READ_ONLY, "sign_in")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try to come in."""

    via: str
    counted: tuple[attempts.Counter, ...]
    caller: Caller
    now: datetime


class SignIn:
    """Opens sessions for whoever proves who they are."""

    def __init__(self, office: Office, sessions: Sessions, two_factor: TwoFactor) -> None:
        self._office = office
        self._sessions = sessions
        self._two_factor = two_factor

    def with_password(self, email: str, password: str, totp: str | None, caller: Caller) -> Grant:
        """A new session.

        Raises NotSignedIn (`wrong_credentials`; `totp_required` when the password is right and a code is missing;
        `wrong_code`), TooMany after too many failures.
        """
        try:
            normal = normal_email(email)
        except InvalidInput:
            normal = email[:300]  # no such user; the tries count all the same
        now, store = self._office.now(), self._office.store
        attempt = _Attempt("password", attempts.counters(normal, caller.address), caller, now)
        attempts.check(store, attempt.counted, now)
        user = by_email(store, normal)
        right = self._office.passwords.matches(user.get("password_hash") if user else None, password)
        grant = self._enter(user, totp, attempt, proven=right)
        self._renew_hash(user, password)
        return grant

    def with_telegram(self, user: Document, totp: str | None, caller: Caller) -> Grant:
        """A new session for somebody whom Telegram vouches for; a second factor is asked for all the same."""
        now = self._office.now()
        attempt = _Attempt("telegram", attempts.counters(f"telegram:{user['id']}", caller.address), caller, now)
        attempts.check(self._office.store, attempt.counted, now)
        return self._enter(user, totp, attempt, proven=True)

    def _enter(self, user: Document | None, totp: str | None, attempt: _Attempt, *, proven: bool) -> Grant:
        """The session, unless something is wrong; what is wrong is counted and kept, and only then told."""
        with self._office.store.transaction() as tx:
            fresh = _as_proven(tx, user) if user and proven else None
            if fresh is None:
                failure: NotSignedIn | None = self._failed(tx, user, "wrong_credentials", _WRONG, attempt)
            else:
                failure = self._second_factor(tx, fresh, totp, attempt)
            if fresh is not None and failure is None:
                attempts.succeeded(tx, attempt.counted)
                return self._sessions.open(tx, fresh, attempt.via, attempt.caller, attempt.now)
            if failure is not None and failure.code != "totp_required":
                attempts.failed(tx, attempt.counted, attempt.now)
        raise failure or NotSignedIn(_WRONG)

    def check_password(self, who: Principal, password: str, caller: Caller) -> Document:
        """The user, once the password was right. Raises NotAllowed (`wrong_password`), TooMany after too many."""
        now, store = self._office.now(), self._office.store
        counted = attempts.counters(f"again:{who.user_id}", caller.address)
        attempts.check(store, counted, now)
        user = store["users"].get(key=who.user_id)
        right = self._office.passwords.matches(user.get("password_hash") if user else None, password)
        with store.transaction() as tx:
            if right and user is not None:
                attempts.succeeded(tx, counted)
                return user
            attempts.failed(tx, counted, now)
            subject = f"user:{who.user_id}"
            audit.record(tx, who, "password.wrong", subject, now=now, origin=caller.address)
        raise NotAllowed("The password is wrong.", code="wrong_password", fields={"password": "is wrong"})

    def _second_factor(
        self, tx: Transaction, user: Document, totp: str | None, attempt: _Attempt
    ) -> NotSignedIn | None:
        if not is_on(user.get("two_factor")):
            return None
        if not totp:
            return NotSignedIn("A code of the authenticator is needed.", code="totp_required")
        codes = [attempts.counter_of_codes(str(user["id"]))]
        attempts.check(tx, codes, attempt.now)
        if self._two_factor.use(tx, user, totp, attempt.now):
            attempts.succeeded(tx, codes)
            return None
        attempts.failed(tx, codes, attempt.now)
        return self._failed(tx, user, "wrong_code", "The code is wrong.", attempt)

    def _failed(
        self, tx: Transaction, user: Document | None, code: str, message: str, attempt: _Attempt
    ) -> NotSignedIn:
        subject = f"user:{user['id']}" if user else "user:unknown"
        origin, after = attempt.caller.address, {"reason": code, "agent": attempt.caller.agent[:300]}
        audit.record(tx, NOBODY, "session.failed", subject, now=attempt.now, origin=origin, after=after)
        return NotSignedIn(message, code=code)

    def _renew_hash(self, user: Document | None, password: str) -> None:
        """Keeps the password under today's parameters, now that it is known for a moment."""
        if user is None or not self._office.passwords.outdated(user["password_hash"]):
            return
        kept = self._office.passwords.kept(password)
        self._office.store["users"].compare_and_set(
            str(user["id"]), {"password_hash": user["password_hash"]}, {"password_hash": kept}
        )


def _as_proven(tx: Transaction, user: Document) -> Document | None:
    """The user as kept now; None for one who is gone or off, or has another password than the one that was checked."""
    fresh = tx["users"].get(key=user["id"])
    same = fresh is not None and fresh.get("password_hash") == user.get("password_hash")
    return fresh if same and is_active(fresh) else None
