"""What moves by itself: the worth of open positions every second, and the state of the house's processes.

Both are told only while somebody listens, and only when something changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from tinydb import where

from api.stream.hub import Hub
from database import Store
from modules.domain.market import Quote, ms_from_utc
from modules.domain.positions import Position, PositionStatus
from modules.records import from_document
from modules.rows import SILENT_AFTER_MS, position_row
from modules.runtime.heartbeat import Beat, read_beats

POSITIONS_MS = 1_000
PROCESSES_MS = 500


class Prices(Protocol):
    """The newest prices, and whether the process that gathers them answers."""

    @property
    def connected(self) -> bool: ...

    def latest(self, symbol: str) -> Quote | None: ...


class LivePositions:
    """Tells each user who watches what their open positions are worth now."""

    def __init__(self, store: Store, hub: Hub, prices: Prices) -> None:
        self._store = store
        self._hub = hub
        self._prices = prices
        self._due_ms = 0
        self._seq = -1
        self._held: dict[str, list[Position]] = {}
        self._told: dict[str, list[dict[str, Any]]] = {}

    def turn(self, now: datetime) -> None:
        """At most once a second."""
        now_ms = ms_from_utc(now)
        if 0 < self._due_ms - now_ms <= POSITIONS_MS:
            return
        self._due_ms = now_ms + POSITIONS_MS
        watchers = self._hub.listeners("positions:live")
        self._told = {user: rows for user, rows in self._told.items() if user in watchers}
        if watchers:
            self._read()
        for user in watchers:
            rows = [position_row(each, self._latest(each.symbol)) for each in self._held.get(user, [])]
            if rows != self._told.get(user, []):
                self._told[user] = rows
                self._hub.publish("positions:live", "position", {"positions": rows}, user)

    def _latest(self, symbol: str) -> dict[str, Decimal]:
        quote = self._prices.latest(symbol)
        return {} if quote is None else {symbol: quote.last}

    def _read(self) -> None:
        """The open positions of everybody, anew only when something happened."""
        seq = self._store.journal.last_seq()
        if seq == self._seq:
            return
        owners = {str(each["id"]): str(each["user_id"]) for each in self._store["accounts"].all()}
        held: dict[str, list[Position]] = defaultdict(list)
        for document in self._store["positions"].search(where("status") == PositionStatus.OPEN.value):
            position = from_document(Position, document)
            if position.account_id in owners:
                held[owners[position.account_id]].append(position)
        self._seq, self._held = seq, held


class Processes:
    """Tells when a process of the house came back, went silent or works again, and when prices stop and return."""

    def __init__(self, hub: Hub, run_dir: Path, prices: Prices) -> None:
        self._hub = hub
        self._run_dir = run_dir
        self._prices = prices
        self._due_ms = 0
        self._known: dict[str, tuple[int, str]] | None = None
        self._connected: bool | None = None

    def turn(self, now: datetime) -> None:
        """Looks at the heartbeats; the first look only learns."""
        now_ms = ms_from_utc(now)
        if 0 < self._due_ms - now_ms <= PROCESSES_MS:
            return
        self._due_ms = now_ms + PROCESSES_MS
        seen = {name: (beat.started_ms, _state(beat, now_ms)) for name, beat in read_beats(self._run_dir).items()}
        if self._known is not None:
            self._compare(self._known, seen)
        self._known = {**(self._known or {}), **seen}
        if self._connected is not None and self._connected != self._prices.connected:
            self._tell({"process": "prices", "state": "connected" if self._prices.connected else "disconnected"})
        self._connected = self._prices.connected

    def _compare(self, before: Mapping[str, tuple[int, str]], seen: Mapping[str, tuple[int, str]]) -> None:
        for name, (started_ms, state) in seen.items():
            old_started, old_state = before.get(name, (None, None))
            if old_started is not None and started_ms != old_started:
                self._tell({"process": name, "state": "restarted"})
            elif state != old_state:
                self._tell({"process": name, "state": state})

    def _tell(self, data: dict[str, str]) -> None:
        self._hub.publish("system:processes", "system", data)


def _state(beat: Beat, now_ms: int) -> str:
    return "silent" if now_ms - beat.at_ms > SILENT_AFTER_MS else beat.state
