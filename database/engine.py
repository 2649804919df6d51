"""The face behind which a database does the work.

Collections, journal and leases speak through these few calls; SQLite answers them today. A second engine provides the same
calls, the same tables, and its own compiler for queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

Row = tuple[Any, ...]


class Engine(Protocol):
    """One open database. Every call raises only errors of `database.errors`."""

    @property
    def path(self) -> Path:
        """Where the data lies."""

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread has a transaction open."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a statement and fetch all of its rows."""

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Run a statement and fetch its first row."""

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Run a reading statement and fetch row by row; it ends when the iterator is closed."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a writing statement; the number of rows it changed."""

    def run_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a writing statement once for each set of parameters."""

    def begin(self, *, durable: bool = False) -> None:
        """Open a writing transaction of the calling thread; `durable` commits only once the disk has it."""

    def commit(self) -> None:
        """Make the transaction visible to all, or raise and leave it open."""

    def rollback(self) -> None:
        """Undo the transaction, if one is open."""

    def flush(self) -> None:
        """Force everything committed so far on to the disk."""

    def writing(self) -> AbstractContextManager[None]:
        """All or nothing for several statements: a transaction of their own, or a part of the open one."""

    def reading(self) -> AbstractContextManager[None]:
        """Several reads that see one and the same state."""

    def close(self) -> None:
        """Close the connections of all threads."""
