"""Passwords: Argon2id with the parameters of the day, and what a new one must be. A kept hash tells nothing of its password.

Looking at a password costs the same whether there is something to compare it with or not, so that nobody learns from the
time an answer takes whether an address is known. Few are looked at at once: a flood of sign-ins can't eat the memory.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from modules.domain.errors import InvalidInput, Unavailable

#: OWASP's second recommendation for Argon2id: 19 MiB, two passes, one lane.
TIME_COST, MEMORY_KIB, LANES = 2, 19_456, 1
SHORTEST, LONGEST = 8, 256
_AT_ONCE = 4
_PATIENCE_SECONDS = 5.0
#: Of the passwords that are tried first everywhere, those long enough to be let in otherwise.
_COMMON = frozenset((
        "12345678", "123456789", "1234567890", "password", "password1", "password123", "passw0rd", "qwertyui",
        "qwertyuiop", "qwerty123", "qwerty12", "11111111", "00000000", "iloveyou", "sunshine", "princess", "football",
        "baseball", "superman", "trustno1", "letmein1", "letmein123", "welcome1", "welcome123", "admin123",
        "administrator", "changeme", "changeme1", "abcd1234", "abc12345", "1q2w3e4r", "1qaz2wsx", "zaq12wsx", "asdfghjk",
        "asdfghjkl", "zxcvbnm1", "michael1", "jennifer", "starwars", "computer", "whatever", "87654321", "88888888",
        "12341234", "11223344", "123123123", "bitcoin1", "bitcoin123", "binance1", "binance123", "trading1", "trading123",
        "tothemoon",
))  # fmt: skip


class Passwords:
    """Makes and checks kept hashes with one set of parameters."""

    def __init__(self, time_cost: int = TIME_COST, memory_kib: int = MEMORY_KIB, lanes: int = LANES) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=lanes)
        self._nobodys = _nobodys(time_cost, memory_kib, lanes)

    def kept(self, password: str) -> str:
        """What is stored of a password."""
        with _SLOTS:
            return self._hasher.hash(_plain(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Whether `password` is the one of the hash `kept`. Without a hash the same work is done, and the answer is no."""
        with _SLOTS:
            try:
                return self._hasher.verify(kept or self._nobodys, _plain(password)[: LONGEST * 4]) and bool(kept)
            except (VerificationError, InvalidHashError):
                return False

    def outdated(self, kept: str) -> bool:
        """Whether `kept` was made with other parameters than today's."""
        try:
            return self._hasher.check_needs_rehash(kept)
        except InvalidHashError:
            return True


class _Slots:
    """The few places for hashing in one process; waiting too long for one is `Unavailable`."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    def __enter__(self) -> None:
        if not self._free.acquire(timeout=_PATIENCE_SECONDS):
            raise Unavailable("Too many people sign in at this moment; try again.", retry_after_seconds=5)

    def __exit__(self, *_error: object) -> None:
        self._free.release()


_SLOTS = _Slots(_AT_ONCE)


@cache
def _nobodys(time_cost: int, memory_kib: int, lanes: int) -> str:
    """A hash that is compared with where there is none; made before anybody asks."""
    return PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=lanes).hash("nobody has this")


def made_up() -> str:
    """A password that nobody guesses and somebody can type."""
    return "-".join(secrets.token_hex(3) for _ in range(4))


def check_new(password: str, *, email: str = "") -> None:
    """Raises InvalidInput, naming the field, when a new password is too easily guessed."""
    plain = _plain(password)
    wrong = ""
    if len(plain) < SHORTEST:
        wrong = f"needs at least {SHORTEST} characters"
    elif len(plain) > LONGEST:
        wrong = f"has more than {LONGEST} characters"
    elif plain.lower() in _COMMON or len(set(plain)) < 4:
        wrong = "is one of those that are tried first"
    elif email and plain.lower() in (email.lower(), email.lower().partition("@")[0]):
        wrong = "is the e-mail address"
    if wrong:
        raise InvalidInput(f"The password {wrong}.", code="weak_password", fields={"password": wrong})


def _plain(password: str) -> str:
    """The same characters are the same password, however a keyboard composed them."""
    return unicodedata.normalize("NFKC", password)
