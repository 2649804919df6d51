"""Registering, and proving that an address is one's own. No account exists before its address is proven.

Every answer here is the same whether the address is known or not; what its owner is told goes by mail. Where several
registrations wait for one address, none of their passwords is taken: somebody else's may be among them.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from database import Document, DuplicateKey, Transaction
from modules.accounts import attempts, audit, one_time
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import Reader, post
from modules.accounts.office import Caller, Office, shown
from modules.accounts.one_time import Purpose
from modules.accounts.passwords import check_new
from modules.accounts.people import add_user, by_email, normal_email, principal, require_personal
from modules.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal, Role

_BAD_CODE = "This code is not good any more. Ask for a new one."
_MAILS_PER_HOUR = 4
_HOUR = timedelta(hours=1)


class Registration:
    """From an address and a password to a user."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store

    def register(self, email: str, password: str, name: str, caller: Caller) -> None:
        """Sends a code to the address. Raises InvalidInput for a weak password, NotAllowed while registration is closed."""
        if self._office.settings.registration == "closed":
            raise NotAllowed("Registration is closed here.", code="registration_closed")
        normal = normal_email(email)
        check_new(password, email=normal)
        known = {"password_hash": self._office.passwords.kept(password), "name": name.strip()[:100]}
        self._send(normal, known, caller)

    def resend(self, email: str, caller: Caller) -> None:
        """Sends a new code to an address that was registered and not proven yet."""
        normal, now = normal_email(email), self._office.now()
        with self._store.transaction() as tx:
            waiting = one_time.newest(tx, Purpose.REGISTER, f"email:{normal}", now)
        self._send(normal, waiting["known"] if waiting else {}, caller)

    def verify(self, code: str, caller: Caller) -> str:
        """What a code proves comes into effect; the address. Raises InvalidInput for a code that is not good."""
        now = self._office.now()
        with self._store.transaction() as tx:
            row = one_time.redeem(tx, Purpose.REGISTER, code, now)
            if row is not None and row["known"]:
                return self._take_in(tx, row, caller, now)
            used = one_time.look_up(tx, Purpose.REGISTER, code)
            email = _address_of(used) if used else ""
            if used and used["used_at"] is not None and by_email(tx, email):
                return email  # opening the link a second time is no mistake
            return self._changed_email(code, caller)

    def _take_in(self, tx: Transaction, row: Document, caller: Caller, now: datetime) -> str:
        """Makes the user of a registration whose address is proven; the address."""
        email = _address_of(row)
        if by_email(tx, email) is not None:
            raise Conflict("This address has an account already. Sign in.", code="known_already")
        others = one_time.waiting(tx, Purpose.REGISTER, f"email:{email}", now)
        disputed = any(each["known"] and each["known"] != row["known"] for each in others)
        password_hash, name = str(row["known"]["password_hash"]), str(row["known"]["name"])
        if disputed:  # whose password this is the address does not prove; its owner sets another
            password_hash = self._office.passwords.kept(secrets.token_urlsafe(32))
        settings = self._office.settings
        user = add_user(tx, settings, now, email=email, password_hash=password_hash, name=name, role=Role.SUBSCRIBER)
        one_time.cancel(tx, Purpose.REGISTER, f"email:{email}")
        tx["one_time_codes"].upsert({**row, "known": {}, "used_at": ms_from_utc(now)})
        post(tx, email, Letter.WELCOME, now, user_id=user["id"])
        if disputed:
            reset = one_time.issue(tx, Purpose.RESET_PASSWORD, f"email:{email}", now)
            post(tx, email, Letter.RESET, now, fields={"code": reset}, reader=Reader.ACCOUNT)
        subject, after = f"user:{user['id']}", {"role": Role.SUBSCRIBER.value}
        who = principal(user, "mail")
        audit.record(tx, who, "user.registered", subject, now=now, origin=caller.address, after=after)
        return email

    def change_email(self, who: Principal, email: str) -> None:
        """Sends a code to the new address; the caller has checked the password. The old one stays until it is proven."""
        require_personal(who)
        normal, now = normal_email(email), self._office.now()
        with self._store.transaction() as tx:
            one_time.cancel(tx, Purpose.CHANGE_EMAIL, f"user:{who.user_id}")
            code = one_time.issue(tx, Purpose.CHANGE_EMAIL, f"user:{who.user_id}", now, {"email": normal})
            if attempts.allowed(tx, "mail", normal, most=_MAILS_PER_HOUR, per=_HOUR, now=now):
                fields = {"code": code}
                post(tx, normal, Letter.CHANGE_EMAIL, now, fields=fields, reader=Reader.NO_ACCOUNT,
                     otherwise=Letter.KNOWN_ALREADY, user_id=who.user_id)  # fmt: skip

    def _send(self, email: str, known: dict[str, str], caller: Caller) -> None:
        now = self._office.now()
        with self._store.transaction() as tx:
            code = one_time.issue(tx, Purpose.REGISTER, f"email:{email}", now, known)
            if attempts.allowed(tx, "mail", email, most=_MAILS_PER_HOUR, per=_HOUR, now=now):
                if known:
                    letter, reader, otherwise = Letter.VERIFY, Reader.NO_ACCOUNT, Letter.KNOWN_ALREADY
                else:  # nothing waits to be proven: only who has an account already is told so
                    letter, reader, otherwise = Letter.KNOWN_ALREADY, Reader.ACCOUNT, None
                fields = {"code": code, "at": shown(now), "address": caller.address or "an unknown address"}
                post(tx, email, letter, now, fields=fields, reader=reader, otherwise=otherwise)

    def _changed_email(self, code: str, caller: Caller) -> str:
        now = self._office.now()
        with self._store.transaction() as tx:
            row = one_time.redeem(tx, Purpose.CHANGE_EMAIL, code, now)
            if row is None:
                raise InvalidInput(_BAD_CODE, code="bad_code", fields={"token": "is not good any more"})
            user = tx["users"].get(key=str(row["subject"]).removeprefix("user:"))
            if user is None:
                raise NotFound("There is no such user.")
            email, old = str(row["known"]["email"]), user.get("email")
            try:
                tx["users"].update({"email": email}, key=user["id"])
            except DuplicateKey as error:
                raise Conflict("This address has an account already.", code="known_already") from error
            who = principal(user, "mail")
            before, after = {"email": old}, {"email": email}
            subject, origin = f"user:{user['id']}", caller.address
            audit.record(tx, who, "email.changed", subject, now=now, origin=origin, before=before, after=after)
            if old:
                post(tx, old, Letter.EMAIL_CHANGED, now, fields={"at": shown(now)}, user_id=user["id"])
        return email


def _address_of(row: Document) -> str:
    return str(row["subject"]).removeprefix("email:")
