"""Which prices have gone stale: told once when it happens and once when they are back. A stale price decides nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from database import Store
from modules.domain.events import Event, EventKind
from modules.domain.market import ms_from_utc
from modules.domain.ports import QuoteBoard
from modules.journal import append


class StalenessWatch:
    """Watches the symbols that matter. A symbol is given `stale_seconds` from when it began to matter."""

    def __init__(self, store: Store, board: QuoteBoard, stale_seconds: float) -> None:
        self._store = store
        self._board = board
        self._stale_seconds = stale_seconds
        self._since_ms: dict[str, int] = {}
        self.stale: frozenset[str] = frozenset()

    def turn(self, symbols: Collection[str], now: datetime) -> None:
        """Compares every symbol's newest price with the clock."""
        now_ms = ms_from_utc(now)
        self._since_ms = {symbol: self._since_ms.get(symbol, now_ms) for symbol in symbols}
        stale = frozenset(symbol for symbol in symbols if self._is_stale(symbol, now_ms))
        gone, back = stale - self.stale, (self.stale - stale) & frozenset(symbols)
        self.stale = stale
        if gone:
            self._tell(EventKind.PRICES_STALE, gone, now)
        if back:
            self._tell(EventKind.PRICES_BACK, back, now)

    def _is_stale(self, symbol: str, now_ms: int) -> bool:
        quote = self._board.latest(symbol)
        heard_ms = max(quote.received_ms if quote else 0, self._since_ms[symbol])
        return (now_ms - heard_ms) / 1000 > self._stale_seconds

    def _tell(self, kind: EventKind, symbols: frozenset[str], now: datetime) -> None:
        body = {"symbols": sorted(symbols), "after_seconds": self._stale_seconds}
        with self._store.transaction() as tx:
            append(tx, Event(kind, now, body))
