"""The store: collections, transactions, journal, leases and doorbell over one file, open in many processes at once.

store = open_store("sqlite:///var/store.db", [CollectionSpec("signals", indexes=(Index(("symbol",)),))])
with store.transaction() as tx:
    tx["signals"].insert({"id": "s1", "symbol": "BTCUSDT"})
    tx.append("SignalReceived", {"signal_id": "s1"}, at_ms=1_700_000_000_000)
store["signals"].search(where("symbol") == "BTCUSDT")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

from database import backup, exchange, schema
from database.documents import Collection
from database.doorbell import Doorbell
from database.errors import InvalidQuery, StoreUnavailable, UnknownCollection
from database.journal import Journal
from database.leases import Leases
from database.migrations import Migration, migrate, ordered, schema_version
from database.probe import refuse_emptied
from database.specs import CollectionSpec
from database.sqlite_engine import SqliteEngine
from database.transaction import Transaction


def open_store(
    url: str,
    specs: Sequence[CollectionSpec],
    migrations: Sequence[Migration] = (),
    *,
    bells: Path | None = None,
    sync: Literal["normal", "full"] = "normal",
    timeout_seconds: float = 10.0,
) -> Store:
    """Open the store at ``sqlite:///path`` (four slashes for an absolute path), make what is declared and migrate.

    `bells` is the directory of the doorbell's sockets, by default beside the file; `timeout_seconds` how long a writer waits
    for others. Raises StoreUnavailable, StoreDamaged, StoreTooNew, StoreFull or StoreBusy, each saying what to do.
    """
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise InvalidQuery("a collection is declared twice")
    newest = max((migration.version for migration in ordered(migrations)), default=0)
    path = _path_of(url)
    with ExitStack() as undo:
        doorbell = Doorbell(bells or Path(f"{path}-bells"))
        undo.callback(doorbell.close)
        if doorbell.was_used:
            refuse_emptied(path)
        engine = SqliteEngine(path, sync=sync, timeout_seconds=timeout_seconds, known_version=newest)
        store = Store(engine, specs, doorbell)
        undo.callback(store.close)
        schema.create_tables(engine, specs)
        migrate(engine, migrations, store.transaction)
        schema.create_indexes(engine, specs)
        undo.pop_all()
    return store


class Store:
    """An open store. One object serves all threads of a process and survives a fork; each process closes its own."""

    def __init__(self, engine: SqliteEngine, specs: Sequence[CollectionSpec], doorbell: Doorbell) -> None:
        self._engine = engine
        self._collections = {spec.name: Collection(engine, spec) for spec in specs}
        self._local = threading.local()
        self.journal = Journal(engine)
        self.leases = Leases(engine)
        self.doorbell = doorbell

    def __getitem__(self, collection: str) -> Collection:
        """A collection: reads see the last commit, each write is a transaction of its own (or part of the thread's open one)."""
        try:
            return self._collections[collection]
        except KeyError:
            raise UnknownCollection(f"no collection {collection!r} is declared") from None

    @property
    def path(self) -> Path:
        """The file."""
        return self._engine.path

    @property
    def schema_version(self) -> int:
        """The newest migration applied; 0 for none."""
        return schema_version(self._engine)

    @property
    def collections(self) -> tuple[str, ...]:
        """The declared collections."""
        return tuple(self._collections)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Transaction]:
        """All or nothing. `durable` returns only once the disk has it (for money).

        Inside another transaction of the same thread it joins that one: an exception undoes the inner part, and the outer one
        decides about the rest. Keep it short, without waiting for anything. Raises StoreBusy when other writers hold the file.
        """
        outer: Transaction | None = getattr(self._local, "transaction", None)
        if outer is not None and self._engine.in_transaction:
            with self._joined(outer, durable=durable):
                yield outer
            return
        self._engine.begin(durable=durable)
        tx = self._local.transaction = Transaction(self._engine, self.__getitem__)
        try:
            yield tx
            self._engine.commit()
        finally:
            self._engine.rollback()  # nothing is left to undo after a commit
            tx.end()
            self._local.transaction = None
        self._committed(tx)

    def backup(self, path: Path) -> None:
        """Write a consistent copy to `path`, while others go on working; an older copy there is replaced in one step."""
        backup.backup(self._engine, path)

    def check(self, *, quick: bool = False) -> list[str]:
        """Look through the whole file; the problems found, empty when all is well. `quick` looks at its pages alone."""
        specs = [] if quick else [each.spec for each in self._collections.values()]
        return backup.check(self._engine, specs, quick=quick)

    def export(self, directory: Path) -> list[Path]:
        """Write each collection as a JSON file, all as of one moment; the files written."""
        return exchange.export(self._engine, [each.spec for each in self._collections.values()], directory)

    def import_(self, directory: Path, *, check: exchange.Check = exchange.any_form) -> dict[str, int]:
        """Replace the collections whose JSON files are in the directory, all or none; how many documents each has now.

        `check(collection, document)` raises ValueError for a document that its readers could not read.
        """
        with self.transaction():
            return exchange.import_(list(self._collections.values()), directory, check)

    def close(self) -> None:
        """Close the connections of this process."""
        self._engine.close()
        self.doorbell.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _joined(self, outer: Transaction, *, durable: bool) -> Iterator[None]:
        before, outer.callbacks = outer.callbacks, []
        inner: list[Callable[[], object]] = []
        try:
            with self._engine.writing():
                yield
            inner = outer.callbacks
            outer.flush_wanted = outer.flush_wanted or durable
        finally:
            outer.callbacks = before + inner

    def _committed(self, tx: Transaction) -> None:
        if tx.flush_wanted:
            self._engine.flush()
        if tx.appended:
            self.doorbell.ring()
        for function in tx.callbacks:
            function()


def _path_of(url: str) -> Path:
    scheme, _, rest = url.partition("://")
    if scheme in {"postgresql", "postgres"}:
        raise StoreUnavailable(
            "DATABASE_URL asks for PostgreSQL, but this installation has no PostgreSQL engine; use sqlite:///path"
        )
    if scheme != "sqlite" or not rest.startswith("/") or len(rest) < 2:
        raise StoreUnavailable(f"{scheme or url!r} is no store address; use sqlite:///path")
    return Path(rest[1:])
