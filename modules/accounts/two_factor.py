"""The second factor: time-based codes (RFC 6238) and ten backup codes, each good once.

The secret is kept sealed with a key of the installation and bound to its user; backup codes are kept as keyed hashes. A code
that was used is remembered by its time step, so that nobody who looked over a shoulder can use it again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyotp
import segno
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from database import Document, Transaction
from modules.accounts import audit
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import post
from modules.accounts.office import Caller, Office, shown
from modules.accounts.people import require_personal
from modules.accounts.tokens import purpose_key
from modules.domain.errors import Conflict, InvalidInput, Misconfigured, NotFound
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.people import Principal
from modules.runtime.settings import kept_secret

STEP_SECONDS = 30
BACKUP_CODES = 10
_ISSUER = "VerzekAutoTrader"
_DRIFT_STEPS = 1
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUP, _GROUPS = 5, 2


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator needs: the secret, its address, and the same as a picture."""

    secret: str
    uri: str
    qr_svg: str


class TwoFactor:
    """Turns the second factor on and off, and checks codes."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store
        self._seal = _Seal(kept_secret(office.settings, "master_key"))
        self._backup_key = purpose_key(kept_secret(office.settings, "secret_key"), "backup-code")

    def status(self, user_id: str) -> dict[str, Any]:
        """Whether it is on, since when, and how many backup codes are left."""
        factor = self._user(self._store, user_id).get("two_factor") or {}
        on = is_on(factor)
        return {
            "enabled": on,
            "enabled_at": iso_from_ms(factor.get("enabled_at")) if on else None,
            "backup_codes_left": len(factor["backup_codes"]) if on else 0,
        }

    def enrol(self, who: Principal) -> Enrolment:
        """A new secret, which counts once a code proves that it arrived. Raises Conflict while the factor is on."""
        require_personal(who)
        secret = pyotp.random_base32()
        with self._store.transaction() as tx:
            user = self._user(tx, who.user_id)
            if is_on(user.get("two_factor")):
                raise Conflict("Two-factor sign-in is on already. Turn it off first.", code="two_factor_on")
            if not user.get("password_hash"):  # turning it off asks for the password
                raise Conflict("There is no password yet that this could be added to.", code="no_password")
            factor = {"sealed": self._seal.close(secret, who.user_id), "enabled_at": None, "last_step": 0}
            tx["users"].update({"two_factor": {**factor, "backup_codes": []}}, key=who.user_id)
        uri = pyotp.TOTP(secret).provisioning_uri(name=user.get("email") or who.user_id, issuer_name=_ISSUER)
        return Enrolment(secret, uri, segno.make(uri, error="m").svg_inline(scale=4, border=2))

    def confirm(self, who: Principal, code: str, caller: Caller) -> list[str]:
        """Turns it on when `code` fits the secret given out; the backup codes, shown this once."""
        require_personal(who)
        now, codes = self._office.now(), _new_backup_codes()
        with self._store.transaction() as tx:
            user = self._user(tx, who.user_id)
            factor = user.get("two_factor")
            if factor is None or is_on(factor):
                raise Conflict("There is no enrolment to confirm.", code="no_enrolment")
            step = self._step(factor, who.user_id, code, now)
            if step is None:
                raise InvalidInput("The code is wrong.", code="wrong_code", fields={"code": "is wrong"})
            hashes = [self._hashed(each) for each in codes]
            changed = {**factor, "enabled_at": ms_from_utc(now), "last_step": step, "backup_codes": hashes}
            tx["users"].update({"two_factor": changed}, key=who.user_id)
            self._tell(tx, who, user, Letter.TWO_FACTOR_ON, "two_factor.on", caller, now)
        return codes

    def turn_off(self, who: Principal, caller: Caller) -> None:
        """Turns it off; the caller has checked the password. Raises Conflict when it is off."""
        require_personal(who)
        now = self._office.now()
        with self._store.transaction() as tx:
            user = self._user(tx, who.user_id)
            if not is_on(user.get("two_factor")):
                raise Conflict("Two-factor sign-in is off.", code="two_factor_off")
            tx["users"].update({"two_factor": None}, key=who.user_id)
            self._tell(tx, who, user, Letter.TWO_FACTOR_OFF, "two_factor.off", caller, now)

    def renew_backup_codes(self, who: Principal, caller: Caller) -> list[str]:
        """Ten new backup codes in place of the old ones; the caller has checked the password."""
        require_personal(who)
        now, codes = self._office.now(), _new_backup_codes()
        with self._store.transaction() as tx:
            factor = self._user(tx, who.user_id).get("two_factor")
            if factor is None or not is_on(factor):
                raise Conflict("Two-factor sign-in is off.", code="two_factor_off")
            hashes = [self._hashed(each) for each in codes]
            tx["users"].update({"two_factor": {**factor, "backup_codes": hashes}}, key=who.user_id)
            subject = f"user:{who.user_id}"
            audit.record(tx, who, "two_factor.backup_codes", subject, now=now, origin=caller.address)
        return codes

    def use(self, tx: Transaction, user: Document, code: str, now: datetime) -> bool:
        """Whether `code` lets this user in now; a code that does is used up, be it a time-based or a backup code."""
        factor = user["two_factor"]
        step = self._step(factor, str(user["id"]), code, now)
        if step is not None:
            tx["users"].update({"two_factor": {**factor, "last_step": step}}, key=user["id"])
            return True
        hashed = self._hashed(code)
        left = [each for each in factor["backup_codes"] if not hmac.compare_digest(each, hashed)]
        if len(left) == len(factor["backup_codes"]):
            return False
        tx["users"].update({"two_factor": {**factor, "backup_codes": left}}, key=user["id"])
        return True

    def _step(self, factor: Document, user_id: str, code: str, now: datetime) -> int | None:
        return matching_step(self._seal.open(factor["sealed"], user_id), code, now, after=factor["last_step"])

    def _hashed(self, code: str) -> str:
        plain = "".join(each for each in code.lower() if each in _ALPHABET)
        return hmac.digest(self._backup_key, plain.encode(), hashlib.sha256).hex()

    def _tell(
        self,
        tx: Transaction,
        who: Principal,
        user: Document,
        letter: Letter,
        action: str,
        caller: Caller,
        now: datetime,
    ) -> None:
        audit.record(tx, who, action, f"user:{who.user_id}", now=now, origin=caller.address)
        if user.get("email"):
            post(tx, user["email"], letter, now, fields={"at": shown(now)}, user_id=who.user_id)

    def _user(self, source: Any, user_id: str) -> Document:
        user: Document | None = source["users"].get(key=user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user


def is_on(factor: Document | None) -> bool:
    """Whether this second factor counts at sign-in."""
    return factor is not None and factor.get("enabled_at") is not None


def matching_step(secret: str, code: str, now: datetime, *, after: int = 0) -> int | None:
    """The time step whose code this is: now's or a neighbour's, and later than `after`; None for every other code."""
    plain = code.replace(" ", "")
    if len(plain) != 6 or not plain.isascii() or not plain.isdigit():
        return None
    otp, present = pyotp.HOTP(secret), int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(present - _DRIFT_STEPS, present + _DRIFT_STEPS + 1):
        if hmac.compare_digest(otp.at(step), plain) and step > after:
            found = step
    return found


class _Seal:
    """Encrypts secrets for the store (AES-256-GCM), each bound to its user."""

    def __init__(self, master_key: str) -> None:
        self._cipher = AESGCM(purpose_key(master_key, "two-factor"))

    def close(self, secret: str, user_id: str) -> str:
        """Nonce and sealed secret, in base64; only for the same user it opens again."""
        nonce = secrets.token_bytes(12)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), user_id.encode())).decode()

    def open(self, sealed: str, user_id: str) -> str:
        """The secret. Raises Misconfigured for what another key, or for another user, was closed."""
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:12], raw[12:], user_id.encode()).decode()
        except InvalidTag as error:
            raise Misconfigured(["MASTER_KEY: it is not the one that sealed the second factors"]) from error


def reseal(tx: Transaction, old_master: str, new_master: str) -> int:
    """Seals every second factor with a new MASTER_KEY; how many there were. For the rotation of that key."""
    old, new = _Seal(old_master), _Seal(new_master)
    count = 0
    for user in tx["users"].all():
        factor = user.get("two_factor")
        if factor:
            sealed = new.close(old.open(factor["sealed"], str(user["id"])), str(user["id"]))
            tx["users"].update({"two_factor": {**factor, "sealed": sealed}}, key=user["id"])
            count += 1
    return count


def _new_backup_codes() -> list[str]:
    def group() -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP))

    return ["-".join(group() for _ in range(_GROUPS)) for _ in range(BACKUP_CODES)]
