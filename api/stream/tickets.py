"""One-time tickets: a browser can't send a header with a WebSocket, and a token in an address ends up in logs.

A ticket is worth one connection within half a minute. They live in memory: a restart of the process forgets them.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass

from modules.domain.people import Principal
from modules.domain.ports import Clock

LIFETIME_SECONDS = 30.0
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Admission:
    """Who a ticket lets in, and the token they had when they asked for it, so that it can be checked again later."""

    who: Principal
    token: str | None = None


class Tickets:
    """Issued by request threads, redeemed by the event loop."""

    def __init__(self, clock: Clock, lifetime_seconds: float = LIFETIME_SECONDS) -> None:
        self._clock = clock
        self._lifetime = lifetime_seconds
        self._open: dict[str, tuple[float, Admission]] = {}
        self._lock = threading.Lock()

    def issue(self, who: Principal, token: str | None = None) -> str:
        """A new ticket. Past the most that are kept, the oldest goes."""
        ticket, now = "wst_" + secrets.token_urlsafe(32), self._clock.monotonic()
        with self._lock:
            for old in [each for each, (until, _) in self._open.items() if until <= now]:
                del self._open[old]
            if len(self._open) >= _MOST:
                del self._open[next(iter(self._open))]
            self._open[ticket] = (now + self._lifetime, Admission(who, token))
        return ticket

    def redeem(self, ticket: str) -> Admission | None:
        """Whom it lets in, once; None when it is unknown, used or too old."""
        with self._lock:
            until, admission = self._open.pop(ticket, (0.0, None))
        return admission if admission is not None and self._clock.monotonic() < until else None
