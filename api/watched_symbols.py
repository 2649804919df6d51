"""Symbols that somebody asked the price of a moment ago: the process keeps following them for a while."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

_FOR = timedelta(minutes=2)
#: More at once would let a stranger's list decide what this process listens to.
_MOST = 200


class WatchedSymbols:
    """Asked in request threads, read in the loop."""

    def __init__(self) -> None:
        self._asked: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def look(self, symbol: str, now: datetime) -> bool:
        """Somebody asks for `symbol`; whether it will be followed (there is room for so many only)."""
        with self._lock:
            if symbol not in self._asked and len(self._asked) >= _MOST:
                return False
            self._asked[symbol] = now
        return True

    def symbols(self, now: datetime) -> set[str]:
        """What was asked for lately."""
        with self._lock:
            self._asked = {symbol: at for symbol, at in self._asked.items() if now - at < _FOR}
            return set(self._asked)
