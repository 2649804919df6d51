"""The journal as topics: which fact is told where, under numbers that outlive this process.

The nth message of a channel is the nth fact of the journal that belongs to it, counted from one beginning that a
checkpoint keeps. A restart reads the facts after the checkpoint again and numbers them as before; so a listener resumes at the
number it knows, whatever died meanwhile. The checkpoint follows `RETAINED` facts behind, which is also what can be replayed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from tinydb import where

from api.stream import protocol
from api.stream.hub import Hub
from api.stream.topics import channel_key
from database import Entry, Store
from modules.domain.events import SIGNAL_EVENTS, EventKind
from modules.domain.market import utc_from_ms

RETAINED = 5_000
CONSUMER = "stream"
_CHECKPOINT = "journal"
_BATCH = 500

_ORDERS = frozenset(
    {
        EventKind.PLAN_MADE,
        EventKind.PLAN_ENDED,
        EventKind.TRADE_REFUSED,
        EventKind.REQUEST_REFUSED,
        EventKind.ORDER_SUBMITTED,
        EventKind.ORDER_OPENED,
        EventKind.ORDER_FILLED,
        EventKind.ORDER_ENDED,
        EventKind.ORDER_UNKNOWN,
    }
)
_POSITIONS = frozenset(
    {
        EventKind.POSITION_OPENED,
        EventKind.TARGET_HIT,
        EventKind.STOP_MOVED,
        EventKind.TARGETS_CHANGED,
        EventKind.POSITION_CLOSED,
    }
)
_SYSTEM = frozenset({EventKind.PRICES_STALE, EventKind.PRICES_BACK})
_STAFF_ONLY = frozenset({EventKind.ALARM, EventKind.RECONCILED})


class Facts:
    """Reads the journal in turns and tells what it finds."""

    def __init__(self, store: Store, hub: Hub, *, retained: int = RETAINED) -> None:
        self._store = store
        self._hub = hub
        self._retained = retained
        self._owners: dict[str, str] = {}
        self._cursor = -1
        #: (journal number, channels told) of what can be replayed, oldest first.
        self._told: deque[tuple[int, list[str]]] = deque()
        self._counted: dict[str, tuple[str, int]] = {}
        self._checkpoint = 0

    def turn(self) -> bool:
        """Tells what is new; whether there may be more."""
        if self._cursor < 0:
            self._begin()
        if self._store.journal.last_seq() <= self._cursor:
            return False
        entries = self._store.journal.read(self._cursor, _BATCH)
        for entry in entries:
            self._tell(entry)
            self._cursor = entry.seq
        if not entries:
            return False
        if self._told and self._told[0][0] - self._checkpoint > self._retained:
            self._save()
        return len(entries) == _BATCH

    def _begin(self) -> None:
        """Continues at the checkpoint; the very first time, at the newest facts."""
        kept = self._store["stream_state"].get(key=_CHECKPOINT)
        if kept is None:
            self._checkpoint = max(0, self._store.journal.last_seq() - self._retained)
            self._save()
        else:
            self._checkpoint = int(kept["seq"])
            self._counted = {key: (topic, int(count)) for key, (topic, count) in kept["counted"].items()}
        for key, (topic, count) in self._counted.items():
            self._hub.channel(key, topic).seq = count
        self._cursor = self._checkpoint

    def _save(self) -> None:
        """Moves the checkpoint to just before the oldest fact that can be replayed."""
        if self._told:
            self._checkpoint = self._told[0][0] - 1
        counted = {key: [topic, count] for key, (topic, count) in self._counted.items()}
        with self._store.transaction() as tx:
            tx["stream_state"].upsert({"id": _CHECKPOINT, "seq": self._checkpoint, "counted": counted})
            tx.move_cursor(CONSUMER, self._checkpoint)

    def _tell(self, entry: Entry) -> None:
        told: list[str] = []
        data = {"event": entry.kind, "event_id": entry.seq, **entry.body}
        time = protocol.iso_time(utc_from_ms(entry.at_ms))
        for topic, kind, user_id in self._places(entry):
            key = channel_key(topic, user_id)
            self._hub.tell(self._hub.channel(key, topic), kind, data, time)
            told.append(key)
        if told:
            self._told.append((entry.seq, told))
        while len(self._told) > self._retained:
            self._outdate(self._told.popleft()[1])

    def _outdate(self, keys: list[str]) -> None:
        """The oldest fact leaves the memory of its channels and is counted instead."""
        for key in keys:
            channel = self._hub.find(key)
            if channel is None:
                continue
            count = self._counted.get(key, (channel.topic, 0))[1] + 1
            self._counted[key] = (channel.topic, count)
            if channel.past and channel.past[0][0] <= count:
                channel.past.popleft()

    def _places(self, entry: Entry) -> Iterator[tuple[str, str, str | None]]:
        """(topic, type, owner) of each channel the fact belongs to. Of the journal alone: the same at every reading."""
        kind, account = entry.kind, entry.body.get("account_id")
        if kind in SIGNAL_EVENTS:
            owner = entry.body.get("owner")
            yield ("signals", "signal", None) if owner is None else ("signals:own", "signal", str(owner))
        elif kind in _POSITIONS or kind in _ORDERS:
            topic, word = ("positions", "position") if kind in _POSITIONS else ("orders", "order")
            if account is not None and (owner := self._owner(str(account))) is not None:
                yield topic, word, owner
            yield f"{topic}:all", word, None
        elif kind == EventKind.SAFETY_CHANGED:
            if entry.body.get("scope") == "global":
                yield "system", "system", None
            yield "system:all", "system", None
        elif kind in _SYSTEM:
            yield "system", "system", None
            yield "system:all", "system", None
        elif kind in _STAFF_ONLY:
            yield "system:all", "system", None

    def _owner(self, account_id: str) -> str | None:
        if (known := self._owners.get(account_id)) is not None:
            return known
        found: dict[str, Any] | None = self._store["accounts"].get(where("id") == account_id)
        if found is None:
            return None
        owner = self._owners[account_id] = str(found["user_id"])
        return owner
