"""A clock that moves only when told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ScriptedClock:
    """Starts at `at` and stays there until `advance` or `set`."""

    def __init__(self, at: datetime = datetime(2025, 10, 15, 12, 0, tzinfo=UTC)) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return self._at.timestamp()

    def advance(self, seconds: float) -> datetime:
        """Moves on by `seconds` (which may be negative: clocks jump)."""
        self._at += timedelta(seconds=seconds)
        return self._at

    def set(self, at: datetime) -> None:
        self._at = at
