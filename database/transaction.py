"""A transaction: changes of several collections, journal entries and cursors that become visible together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from database import journal
from database.documents import Collection
from database.engine import Engine
from database.errors import StoreError
from database.journal import Entry, Journal


class Transaction:
    """What can be done inside ``with store.transaction()``, by the thread that opened it."""

    def __init__(self, engine: Engine, collections: Callable[[str], Collection]) -> None:
        self._engine = engine
        self._collections = collections
        self._journal = Journal(engine)
        self._open = True
        self.appended = False
        self.callbacks: list[Callable[[], object]] = []
        self.flush_wanted = False

    def __getitem__(self, collection: str) -> Collection:
        """A collection; what is done with it belongs to this transaction."""
        self._check_open()
        return self._collections(collection)

    def append(self, kind: str, body: Mapping[str, Any], at_ms: int, key: str | None = None) -> int:
        """Add an entry to the journal; its sequence number. A key used before gives the old number and writes nothing."""
        self._check_open()
        seq, new = journal.append(self._engine, kind, body, at_ms, key)
        self.appended = self.appended or new
        return seq

    def cursor(self, name: str) -> int:
        """How far a consumer has read, as this transaction sees it; 0 when it has not begun."""
        self._check_open()
        return self._journal.cursor(name)

    def move_cursor(self, name: str, seq: int) -> bool:
        """Move a consumer's cursor forward; False when it is there or further already (another process was faster)."""
        self._check_open()
        return journal.move_cursor(self._engine, self._journal, name, seq)

    def bury(self, consumer: str, entry: Entry, error: str, at_ms: int) -> None:
        """Put an entry that cannot be dealt with among the dead letters."""
        self._check_open()
        journal.bury(self._engine, consumer, entry, error, at_ms)

    def after_commit(self, function: Callable[[], object]) -> None:
        """Call a function once the transaction is committed; never if it is rolled back. An error of it reaches the caller."""
        self._check_open()
        self.callbacks.append(function)

    def end(self) -> None:
        """No further use; called by the store."""
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise StoreError("this transaction has ended")
