"""When to try again what got no answer: after a second, then each time twice as long, at most half a minute."""

from __future__ import annotations

from datetime import datetime

from modules.domain.market import ms_from_utc

_FIRST_MS = 1_000
_LONGEST_MS = 30_000


class Patience:
    """Remembers, in this process only, what waits; after a restart everything is tried at once."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[int, int]] = {}

    def is_due(self, key: str, now: datetime) -> bool:
        """Whether it may be tried. A clock that was set back makes nothing wait longer than the longest wait."""
        waiting = self._waiting.get(key)
        if waiting is None:
            return True
        at_ms, _ = waiting
        return not 0 < at_ms - ms_from_utc(now) <= _LONGEST_MS

    def failed(self, key: str, now: datetime) -> None:
        """It got no answer now."""
        _, wait_ms = self._waiting.get(key, (0, _FIRST_MS))
        self._waiting[key] = (ms_from_utc(now) + wait_ms, min(wait_ms * 2, _LONGEST_MS))

    def done(self, key: str) -> None:
        """It was answered: nothing waits."""
        self._waiting.pop(key, None)
