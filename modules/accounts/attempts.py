"""Guessing made slow: failures are counted per address and origin, and each one past the fifth doubles the wait.

The counts are in the store, so that a restart forgives nothing. They are kept under hashes: the store does not tell which
addresses somebody tried.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from database import Store, Transaction
from modules.domain.errors import TooMany
from modules.domain.market import ms_from_utc

FORGET_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Counter:
    """What failures are counted for, how many of them are free, and the longest wait."""

    key: str
    free: int
    longest_seconds: int


def counters(email: str, address: str) -> tuple[Counter, Counter]:
    """One address tried from one origin; and an origin, whatever it tries.

    Many people may share an origin, so that one never waits long.
    """
    origin = network_of_one(address)
    return Counter(_key("pair", email, origin), 5, 3600), Counter(_key("origin", origin), 30, 60)


def counter_of_codes(user_id: str) -> Counter:
    """Codes tried as the second factor of one user, wherever from: who tries them knows the password already."""
    return Counter(_key("codes", user_id), 10, 900)


def network_of_one(address: str) -> str:
    """What stands for one asker: an IPv4 address, the whole /64 of IPv6 (everybody has that many); other text as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.IPv6Address(int(parsed) >> 64 << 64)) + "/64"


def wait_seconds(failures: int, counter: Counter) -> int:
    """How long the next try must wait after so many failures."""
    beyond = failures - counter.free
    return 0 if beyond < 0 else min(15 * 2 ** min(beyond, 20), counter.longest_seconds)


def check(store: Store | Transaction, counted: Iterable[Counter], now: datetime) -> None:
    """Raises TooMany, with the seconds to wait, while one of the counters is closed."""
    now_ms = ms_from_utc(now)
    rows = [store["sign_in_attempts"].get(key=each.key) for each in counted]
    until = max((row["blocked_until"] for row in rows if row is not None), default=0)
    if until > now_ms:
        seconds = -(-(until - now_ms) // 1000)
        raise TooMany(f"Too many tries. Wait {seconds} seconds.", retry_after_seconds=seconds, code="too_many_tries")


def failed(tx: Transaction, counted: Iterable[Counter], now: datetime) -> int:
    """Counts one more failure everywhere; how many the first counter has now."""
    now_ms, most = ms_from_utc(now), 0
    for each in counted:
        row = tx["sign_in_attempts"].get(key=each.key)
        failures = 1 + (row["failures"] if row is not None and row["forget_at"] > now_ms else 0)
        tx["sign_in_attempts"].upsert(
            {
                "id": each.key,
                "failures": failures,
                "blocked_until": now_ms + 1000 * wait_seconds(failures, each),
                "forget_at": ms_from_utc(now + FORGET_AFTER),
            }
        )
        most = most or failures
    return most


def succeeded(tx: Transaction, counted: Iterable[Counter]) -> None:
    """Forgets the failures of the first counter; who guesses others' passwords does not begin anew by an own sign-in."""
    first = next(iter(counted))
    tx["sign_in_attempts"].remove(key=first.key)


def allowed(tx: Transaction, what: str, subject: str, *, most: int, per: timedelta, now: datetime) -> bool:
    """Whether `what` may happen once more about `subject` within the running span; counts it if so."""
    key, now_ms = _key(what, subject), ms_from_utc(now)
    row = tx["sign_in_attempts"].get(key=key)
    running = row is not None and row["forget_at"] > now_ms
    count = row["failures"] if running and row is not None else 0
    ends = row["forget_at"] if running and row is not None else ms_from_utc(now + per)
    tx["sign_in_attempts"].upsert(
        {"id": key, "failures": min(count + 1, most + 1), "blocked_until": 0, "forget_at": ends}
    )
    return bool(count < most)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
