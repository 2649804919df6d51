"""SQLite as the engine: one file in WAL mode, one connection per thread and process.

Readers never wait. Writers queue for the file (`BEGIN IMMEDIATE`) up to a time-out. A committed transaction survives the death
of any process; with ``sync="full"``, or in a durable transaction, also a power cut.

The log beside the file is carried over into it by whoever commits, one at a time and never without something to carry: SQLite
up to 3.51.2 may lose committed pages where a checkpoint that finds nothing to do meets a commit that begins the log anew
(https://sqlite.org/wal.html, "WAL-reset bug").

Connections never cross a fork: a child that inherits them leaves them untouched and opens its own.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from database.engine import Row
from database.errors import StoreBusy, StoreError
from database.probe import APPLICATION_ID, LAYOUT, probe
from database.sqlite_errors import translated

_CACHED_STATEMENTS = 512
_LOOK_AGAIN_SECONDS = 0.0005
#: The log is carried over after so many writes of a process, or when it has grown by so much.
_CARRY_AFTER_WRITES = 128
_CARRY_AFTER_BYTES = 4_000_000
#: A log of more frames (pages) than this is carried over behind every commit, until it could begin anew.
_LONG_LOG_FRAMES = 1000
_inherited: list[sqlite3.Connection] = []


class _Connection(sqlite3.Connection):
    """A connection that can be referred to weakly, so that a finished thread's connection goes with the thread."""


class _PerThread(threading.local):
    """What each thread has of its own."""

    connection: _Connection | None = None
    begun = False  # a transaction was opened and neither committed nor rolled back
    changes = 0  # rows that the connection had changed when it was opened
    durable = False  # the connection is set to wait for the disk at the next commit


class SqliteEngine:
    """The calls of `database.engine.Engine` on one SQLite file."""

    def __init__(
        self,
        path: Path,
        *,
        sync: Literal["normal", "full"] = "normal",
        timeout_seconds: float = 10.0,
        known_version: int | None = None,
    ) -> None:
        self.path = path
        self._sync = sync
        self._timeout = timeout_seconds
        self._local = _PerThread()
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False
        self._writes = 0  # since the log was last carried over
        self._log_path = Path(f"{path}-wal")
        self._log_bytes = 0
        probe(path, known_version)
        _engines.add(self)
        with ExitStack() as undo:
            undo.callback(self.close)
            self._prepare()
            undo.pop_all()

    # --- statements

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a statement and fetch all of its rows."""
        try:
            return self._connection().execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Run a statement and fetch its first row; the statement is finished when this returns."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Run a reading statement and fetch row by row; it ends when the iterator is closed."""
        try:
            with closing(self._connection().execute(sql, parameters)) as cursor:
                yield from cursor
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a writing statement; the number of rows it changed."""
        if self._connection().in_transaction:
            return self._execute(sql, parameters)
        log = self._lock_log()
        try:
            changed = self._execute(sql, parameters)
            if log is not None and changed > 0:
                self._carry_over()
        finally:
            if log is not None:
                os.close(log)
        return changed

    def _execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        try:
            return self._connection().execute(sql, parameters).rowcount
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def run_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a writing statement once for each set of parameters."""
        try:
            self._connection().executemany(sql, parameters)
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    # --- transactions

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread has a transaction open."""
        return self._local.begun or self._still_open()

    def _still_open(self) -> bool:
        connection = self._local.connection
        return connection is not None and connection.in_transaction

    def begin(self, *, durable: bool = False) -> None:
        """Open a writing transaction; waits for other writers up to the time-out, then raises StoreBusy."""
        if durable and self._sync != "full":
            self._execute("PRAGMA synchronous=FULL")
            self._local.durable = True
        try:
            self._take_turn()
            self._local.begun, self._local.changes = True, self._connection().total_changes
        finally:
            if not self._local.begun:
                self._relax()

    def _take_turn(self) -> None:
        """Wait for the file's one writing turn, looking every half millisecond.

        SQLite's own waiting looks ever less often, up to ten times a second, while the turn is free within one or two
        milliseconds: with several processes writing, most of a writer's time would be sleep beside a free file.
        """
        deadline = time.monotonic() + self._timeout
        self._execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    self._execute("BEGIN IMMEDIATE")
                    return
                except StoreBusy:
                    if time.monotonic() > deadline:
                        raise
                time.sleep(_LOOK_AGAIN_SECONDS)
        finally:
            self._execute(f"PRAGMA busy_timeout={round(self._timeout * 1000)}")

    def commit(self) -> None:
        """Make the transaction visible to all; when that fails it is still open and the reason raised."""
        log = self._lock_log() if self._connection().total_changes != self._local.changes else None
        try:
            self._execute("COMMIT")
            self._local.begun = False
            if log is not None:
                self._carry_over()
        finally:
            if log is not None:
                os.close(log)
        self._relax()

    def rollback(self) -> None:
        """Undo the transaction if one is open. SQLite has already done so after some failures (disk full)."""
        self._local.begun = False
        if self._still_open():
            self._execute("ROLLBACK")
        self._relax()

    def _relax(self) -> None:
        if self._local.durable:
            self._local.durable = False
            self._execute("PRAGMA synchronous=NORMAL")

    def flush(self) -> None:
        """Force what is committed on to the disk: it lies in the log beside the file until it is carried over."""
        if self._sync == "full":
            return
        try:
            descriptor = os.open(self._log_path, os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    # --- the log beside the file

    def _lock_log(self) -> int | None:
        """Counts a write that is about to be committed; where it is time to carry the log over, the lock on doing so.

        As long as it is held nobody else carries over. So what is committed under it is still to be carried when that
        begins, and before that ends nobody can begin the log anew. Who finds it taken leaves the carrying to the other.
        """
        self._writes += 1
        if self._writes < _CARRY_AFTER_WRITES and self._log_size() <= self._log_bytes + _CARRY_AFTER_BYTES:
            return None
        try:
            log = os.open(self._log_path, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(log)
            return None
        return log

    def _carry_over(self) -> None:
        """To be called under the lock, right behind a commit of this thread that wrote something.

        What goes wrong here (a full disk) is no reason to fail a write that is done: the next one tries again.
        """
        with suppress(sqlite3.Error):
            ((_, frames, _),) = self._connection().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._log_bytes = self._log_size()
            if frames <= _LONG_LOG_FRAMES:  # else what others committed meanwhile kept the log from beginning anew
                self._writes = 0

    def _log_size(self) -> int:
        try:
            return self._log_path.stat().st_size
        except OSError:
            return 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing for several statements: a transaction of their own, or a savepoint in the open one."""
        if not self.in_transaction:
            self.begin()
            try:
                yield
                self.commit()
            finally:
                self.rollback()
            return
        self._execute("SAVEPOINT part")
        kept = False
        try:
            yield
            kept = True
        finally:
            if self._still_open():  # else a full disk has undone all of it already
                if not kept:
                    self._execute("ROLLBACK TO part")
                self._execute("RELEASE part")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several reads that see one and the same state; never blocks a writer."""
        if self.in_transaction:
            yield
            return
        self._execute("BEGIN")
        try:
            yield
        finally:
            self.rollback()

    # --- connections

    def _connection(self) -> _Connection:
        connection = self._local.connection
        if connection is None:
            return self._connect()
        if (
            self._local.begun and not connection.in_transaction
        ):  # never let the rest of a transaction through one by one
            raise StoreError(f"{self.path}: the transaction was undone by the failure before")
        return connection

    def connection(self) -> sqlite3.Connection:
        """The calling thread's connection, for SQLite's own backup interface."""
        return self._connection()

    def _connect(self) -> _Connection:
        if self._closed:
            raise StoreError(f"{self.path}: the store is closed")
        try:
            connection = sqlite3.connect(
                self.path,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,  # only so that `close` may close the connections of other threads
                cached_statements=_CACHED_STATEMENTS,
                factory=_Connection,
            )
            for function in (re.match, re.search):
                name = "matches" if function is re.match else "search"
                connection.create_function(f"regexp_{name}", 3, _regexp(function), deterministic=True)
            connection.execute(f"PRAGMA synchronous={self._sync.upper()}")
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("PRAGMA cache_size=-16000")
            connection.execute("PRAGMA journal_size_limit=67108864")
            connection.execute("PRAGMA wal_autocheckpoint=0")
        except sqlite3.Error as error:
            raise translated(error, self.path) from error
        self._local.connection = connection
        with self._lock:
            self._open.add(connection)
        return connection

    def _prepare(self) -> None:
        """Switch to WAL (kept in the file) and mark the file as ours."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                if self.rows("PRAGMA journal_mode=WAL") == [("wal",)]:
                    break
                raise StoreError(f"{self.path}: this place cannot hold a store shared by processes (no WAL)")
            except StoreBusy:  # several first starts at once: SQLite does not wait by itself here
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        if self.rows("PRAGMA application_id") != [(APPLICATION_ID,)]:
            self.path.chmod(0o600)
            with self.writing():
                self.run(f"PRAGMA application_id={APPLICATION_ID}")
                self.run(f"PRAGMA user_version={LAYOUT}")

    def close(self) -> None:
        """Refresh the planner's statistics and close the connections of all threads of this process."""
        if self._closed:
            return
        connection = self._local.connection
        if connection is not None and not connection.in_transaction:
            with suppress(sqlite3.Error):  # a favour to later queries, which must neither fail nor delay the close
                connection.execute("PRAGMA busy_timeout=50")
                connection.execute("PRAGMA analysis_limit=400")
                connection.execute("PRAGMA optimize")
        self._closed = True
        with self._lock:
            for each in list(self._open):
                each.close()
        self._local = _PerThread()

    def leave_to_parent(self) -> None:
        """In a forked child: forget the inherited connections without closing them, which would touch the parent's file."""
        _inherited.extend(self._open)
        self._open = weakref.WeakSet()
        self._local = _PerThread()
        self._lock = threading.Lock()


_engines: weakref.WeakSet[SqliteEngine] = weakref.WeakSet()


def _after_fork() -> None:
    for engine in list(_engines):
        engine.leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)


def _regexp(function: Any) -> Any:
    compiled = lru_cache(maxsize=256)(re.compile)
    use = "match" if function is re.match else "search"

    def found(pattern: str, flags: int, text: Any) -> bool:
        return isinstance(text, str) and getattr(compiled(pattern, flags), use)(text) is not None

    return found
