"""The symbols with an open position, for processes that only show prices: re-read at most once a second, and only when
something happened."""

from __future__ import annotations

from datetime import datetime

from tinydb import where

from database import Store
from modules.domain.market import ms_from_utc
from modules.domain.positions import PositionStatus

_EVERY_MS = 1000


class OpenSymbols:
    """Remembers what it read; `now` decides when to look again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seq = -1
        self._read_ms = 0
        self._symbols: frozenset[str] = frozenset()

    def symbols(self, now: datetime) -> frozenset[str]:
        """Symbols of open positions of every account."""
        now_ms = ms_from_utc(now)
        if 0 <= now_ms - self._read_ms < _EVERY_MS:
            return self._symbols
        self._read_ms = now_ms
        seq = self._store.journal.last_seq()
        if seq != self._seq:
            self._seq = seq
            found = self._store["positions"].search(where("status") == PositionStatus.OPEN.value)
            self._symbols = frozenset(str(each["symbol"]) for each in found)
        return self._symbols
