"""Writing facts into the journal, and reading them under a name: each exactly once, in order, whatever is killed when.

The handler's writes and the cursor's move commit in one transaction. An event that fails five times is buried as a dead
letter with an alarm, so that one poisoned fact can't stop the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from database import Entry, Store, StoreBusy, StoreFull, Transaction
from modules.domain.events import Event, EventKind
from modules.domain.market import ms_from_utc
from modules.runtime.logs import log

TRIES = 5


def append(tx: Transaction, event: Event) -> int:
    """Writes the event into the journal within `tx`; returns its number (the old one, for a key already used)."""
    body: dict[str, Any] = dict(event.body)
    for name in ("account_id", "signal_id", "plan_id", "order_id"):
        value = getattr(event, name)
        if value is not None:
            body[name] = value
    return tx.append(event.kind.value, body, ms_from_utc(event.occurred_at), event.key)


class JournalConsumer:
    """Reads events of `kinds` for `name` and hands each, with its transaction, to `handle`."""

    def __init__(
        self,
        store: Store,
        name: str,
        handle: Callable[[Entry, Transaction, datetime], None],
        kinds: Collection[EventKind] | None = None,
    ) -> None:
        self._store = store
        self._name = name
        self._handle = handle
        self._kinds = None if kinds is None else {kind.value for kind in kinds}
        self._cursor: int | None = None
        self._failures: tuple[int, int] = (0, 0)
        self._log = log(name)

    def turn(self, now: datetime, limit: int = 200) -> int:
        """Handles what is there, at most `limit` events; returns how many were handled."""
        if self._cursor is None:
            self._cursor = self._store.journal.cursor(self._name)
        last = self._store.journal.last_seq()
        if last <= self._cursor:
            return 0
        entries = self._store.journal.read(self._cursor, limit, self._kinds)
        for entry in entries:
            if not self._take(entry, now):
                return entries.index(entry)
        if len(entries) < limit and last > self._cursor:
            self._skip_to(max(last, entries[-1].seq if entries else 0))
        return len(entries)

    def _take(self, entry: Entry, now: datetime) -> bool:
        try:
            with self._store.transaction() as tx:
                if tx.cursor(self._name) < entry.seq:
                    self._handle(entry, tx, now)
                    tx.move_cursor(self._name, entry.seq)
        except (StoreBusy, StoreFull):
            raise
        except Exception as error:  # noqa: BLE001 - a consumer is a process edge: five tries, then dead letter
            return self._failed(entry, error, now)
        self._cursor = entry.seq
        return True

    def _failed(self, entry: Entry, error: Exception, now: datetime) -> bool:
        seq, count = self._failures
        count = count + 1 if seq == entry.seq else 1
        self._failures = (entry.seq, count)
        self._log.error(
            "event failed", seq=entry.seq, kind=entry.kind, attempt=count, error=repr(error), exc_info=error
        )
        if count < TRIES:
            return False
        with self._store.transaction() as tx:
            tx.bury(self._name, entry, repr(error), ms_from_utc(now))
            tx.move_cursor(self._name, entry.seq)
            sentence = f"{self._name} could not handle event {entry.seq} ({entry.kind}); it is kept as a dead letter."
            append(
                tx,
                Event(
                    EventKind.ALARM,
                    now,
                    {"area": self._name, "sentence": sentence},
                    key=f"dead:{self._name}:{entry.seq}",
                ),
            )
        self._cursor = entry.seq
        return True

    def _skip_to(self, seq: int) -> None:
        """Events of other kinds need no transaction each; the durable cursor follows with the next event handled."""
        self._cursor = seq
