"""Token buckets: how often a person, an API key or an address may ask. In memory of the one API process.

A bucket holds as many tokens as a minute brings, so a burst of a minute's worth is fine and a steady stream of more is not.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

from modules.accounts.attempts import network_of_one
from modules.domain.people import Principal

#: More than so many different askers at once: those not heard of for longest are forgotten (their bucket was full again).
MOST_BUCKETS = 50_000
#: Paths where guessing pays: sign-in, codes, resets.
GUESSABLE = ("/api/auth/", "/api/2fa/")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit. `reset_seconds` until the bucket is full, `retry_seconds` until one more is allowed."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    retry_seconds: int = 0


class TokenBuckets:
    """Buckets of one size, by name; `now` is monotonic seconds. Safe for several threads."""

    def __init__(self, per_minute: int, most: int = MOST_BUCKETS) -> None:
        self.per_minute = per_minute
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, now: float) -> Allowance:
        """Takes one token from the bucket of that name, if there is one."""
        rate = self.per_minute / 60
        with self._lock:
            tokens, at = self._buckets.pop(name, (float(self.per_minute), now))
            tokens = min(float(self.per_minute), tokens + max(0.0, now - at) * rate)
            allowed = tokens >= 1.0
            tokens -= 1.0 if allowed else 0.0
            self._buckets[name] = (tokens, max(at, now))
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        reset = math.ceil((self.per_minute - tokens) / rate)
        retry = 0 if allowed else max(1, math.ceil((1.0 - tokens) / rate))
        return Allowance(allowed, self.per_minute, int(tokens), reset, retry)


@dataclass(frozen=True, slots=True)
class Rates:
    """How many requests a minute: of one person or key, of one address without a sign-in, of one address at sign-in."""

    user: int
    address: int
    sign_in: int


class Limits:
    """The limits of this process.

    Whoever holds the operator's token sits at this machine (local tools, loading tests): for them there is no limit.
    """

    def __init__(self, rates: Rates) -> None:
        self._users = TokenBuckets(rates.user)
        self._keys = TokenBuckets(max(1, rates.user // 2))
        self._addresses = TokenBuckets(rates.address)
        self._sign_ins = TokenBuckets(rates.sign_in)

    def for_address(self, address: str, path: str, now: float) -> Allowance:
        """One request of somebody who is not signed in."""
        buckets = self._sign_ins if path.startswith(GUESSABLE) else self._addresses
        return buckets.take(network_of_one(address), now)

    def for_principal(self, who: Principal, now: float, key: str = "") -> Allowance | None:
        """One request of somebody who is; None where there is no limit.

        A `key` has a bucket of its own, half a person's: a program that runs wild leaves its owner the other half.
        """
        if who.via == "operator_token":
            return None
        if who.via == "api_key" and key:
            of_key = self._keys.take(hashlib.sha256(key.encode()).hexdigest(), now)
            if not of_key.allowed:
                return of_key
            of_user = self._users.take(who.user_id, now)
            return min(of_key, of_user, key=lambda each: (each.allowed, each.remaining))
        return self._users.take(who.user_id, now)
