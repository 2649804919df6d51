"""New passwords: by a code that went to the address, or by the old one. Either way every other sign-in ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from database import Document, Transaction
from modules.accounts import attempts, audit, one_time
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import Reader, post
from modules.accounts.office import Caller, Office, shown
from modules.accounts.one_time import Purpose
from modules.accounts.passwords import check_new
from modules.accounts.people import by_email, is_active, normal_email, principal, require_personal
from modules.accounts.sessions import end_all
from modules.domain.errors import InvalidInput
from modules.domain.people import Principal

_MAILS_PER_HOUR = 3


class Recovery:
    """Sets passwords."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store

    def forgot(self, email: str) -> None:
        """Sends a code to the address if it has an account; what is written here is the same if it has none."""
        normal, now = normal_email(email), self._office.now()
        with self._store.transaction() as tx:
            if attempts.allowed(tx, "reset", normal, most=_MAILS_PER_HOUR, per=timedelta(hours=1), now=now):
                code = one_time.issue(tx, Purpose.RESET_PASSWORD, f"email:{normal}", now)
                post(tx, normal, Letter.RESET, now, fields={"code": code}, reader=Reader.ACCOUNT)

    def reset(self, code: str, password: str, caller: Caller) -> None:
        """Sets the password of whoever the code was sent to. Raises InvalidInput for a weak one, or a code that is no good."""
        check_new(password)
        kept, now = self._office.passwords.kept(password), self._office.now()
        with self._store.transaction() as tx:
            row = one_time.redeem(tx, Purpose.RESET_PASSWORD, code, now)
            user = by_email(tx, str(row["subject"]).removeprefix("email:")) if row else None
            if user is None or not is_active(user):
                raise InvalidInput(
                    "This code is not good any more. Ask for a new one.",
                    code="bad_code",
                    fields={"token": "is not good any more"},
                )
            who = principal(user, "mail")
            self._set(tx, who, user, kept, "password.reset", caller, now, keep=None)

    def change(self, who: Principal, password: str, caller: Caller) -> None:
        """Sets one's own password; the caller has checked the old one. This sign-in goes on."""
        require_personal(who)
        now = self._office.now()
        user = self._store["users"].get(key=who.user_id) or {}
        check_new(password, email=str(user.get("email") or ""))
        kept = self._office.passwords.kept(password)
        with self._store.transaction() as tx:
            fresh = tx["users"].get(key=who.user_id)
            if fresh is not None:
                self._set(tx, who, fresh, kept, "password.changed", caller, now, keep=who.session_id)

    def _set(
        self,
        tx: Transaction,
        who: Principal,
        user: Document,
        kept: str,
        action: str,
        caller: Caller,
        now: datetime,
        *,
        keep: str | None,
    ) -> None:
        tx["users"].update({"password_hash": kept}, key=user["id"])
        ended = end_all(tx, str(user["id"]), "the password was changed", now, but=keep)
        audit.record(
            tx, who, action, f"user:{user['id']}", now=now, origin=caller.address, after={"sessions_ended": ended}
        )
        if user.get("email"):
            one_time.cancel(tx, Purpose.RESET_PASSWORD, f"email:{user['email']}")
            fields = {"at": shown(now), "address": caller.address or "an unknown address"}
            post(tx, user["email"], Letter.PASSWORD_CHANGED, now, fields=fields, user_id=user["id"])
