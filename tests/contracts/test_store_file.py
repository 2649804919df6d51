"""The file itself: opening, refusing, migrating, backup and restore, export and import, a full or read-only disk."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from database import (
    CollectionSpec,
    DuplicateKey,
    Index,
    InvalidDocument,
    InvalidQuery,
    Migration,
    Store,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreTooNew,
    StoreUnavailable,
    Transaction,
    open_store,
    restore_backup,
    where,
)

ORDERS = CollectionSpec("orders", indexes=(Index(("user",)),))
TARGETS = CollectionSpec("targets", file="portfolio_allocations.json")


def _open(path: Path, *specs: CollectionSpec, **options: Any) -> Store:
    return open_store(f"sqlite:///{path}", specs or (ORDERS, TARGETS), **options)


def _filled(path: Path) -> Path:
    with _open(path) as store:
        store["orders"].insert_multiple({"id": n, "user": n % 3, "note": "x" * 200} for n in range(300))
        store["targets"].insert({"id": "t", "weights": {"BTC": "0.5"}, "name": "Зима"})
        with store.transaction() as tx:
            tx.append("A", {"n": 1}, 5, key="k")
            tx.move_cursor("c", 1)
    return path


# --- opening


def test_a_store_is_made_with_its_folders_and_found_again(tmp_path: Path) -> None:
    path = _filled(tmp_path / "deep" / "er" / "store.db")
    with _open(path) as store:
        assert (store.path, store.schema_version, store.collections) == (path, 0, ("orders", "targets"))
        assert len(store["orders"]) == 300
        assert store.journal.cursor("c") == 1
        assert store.check() == []
    assert not Path(f"{path}-wal").exists()


@pytest.mark.parametrize("url", ["postgresql://host/db", "mysql://x", "store.db", "sqlite:///", "sqlite://store.db"])
def test_an_address_that_cannot_be_opened_is_explained(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="PostgreSQL engine" if "postgres" in url else "sqlite:///path"):
        open_store(url, [ORDERS])


def test_new_indexes_appear_and_withdrawn_ones_go(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    with _open(path, CollectionSpec("orders", indexes=(Index(("note", "id"), unique=True),))) as store:
        store["orders"].insert({"id": 1000, "user": 1})
    with pytest.raises(DuplicateKey):
        _open(path, CollectionSpec("orders", indexes=(Index(("user",), unique=True),)))
    with pytest.raises(InvalidQuery):
        _open(path, ORDERS, ORDERS)
    connection = sqlite3.connect(path)
    names = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='index' AND name LIKE 'doc%'")
    ]
    connection.close()
    assert names == ["doc_orders:u:note,id"]
    with _open(path) as store:
        assert len(store["orders"]) == 301


@pytest.mark.parametrize(
    "content", [b"x", b"not a database" * 100, b"SQLite format 3\x00", b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"store\.db"):
        _open(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs(x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="another application"):
        _open(path)
    assert path.read_bytes() == before


def test_a_file_cut_short_is_left_as_it_is(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    content = path.read_bytes()[: -2 * 4096 - 100]
    path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        _open(path)
    assert path.read_bytes() == content


def test_damage_inside_is_found_by_the_check(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    content = bytearray(path.read_bytes())
    for page in range(4, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xaa" * 200
    path.write_bytes(content)
    with pytest.raises(StoreDamaged), _open(path) as store:
        assert store.check() != []
        store["orders"].all()


def test_the_check_sees_documents_that_stray(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE doc_orders SET key=7000 WHERE key=7")
    connection.execute("UPDATE doc_targets SET body='[' WHERE key='t'")
    connection.execute("UPDATE journal_cursor SET seq=99")
    connection.commit()
    connection.close()
    with _open(path) as store:
        problems = "\n".join(store.check())
    for word in ("orders: the document under 7000", "targets: the document 't'", "the cursor c is beyond the end"):
        assert word in problems


# --- migrations


def _add_currency(tx: Transaction) -> None:
    tx["orders"].update(lambda order: order.setdefault("currency", "USDT"))


def _fail(tx: Transaction) -> None:
    tx["orders"].truncate()
    raise ZeroDivisionError


def test_migrations_run_once_in_order_and_are_recorded(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    ran: list[int] = []

    def numbered(version: int) -> Migration:
        def apply(tx: Transaction) -> None:
            _add_currency(tx)
            ran.append(version)

        return Migration(version, f"step {version}", apply)

    with _open(path, migrations=[numbered(2), numbered(1)]) as store:
        assert store.schema_version == 2
        assert store["orders"].count(where("currency") == "USDT") == 300
    with _open(path, migrations=[numbered(1), numbered(2), numbered(3)]) as store:
        assert store.schema_version == 3
    assert ran == [1, 2, 3]
    for wrong in ([numbered(1), numbered(1)], [numbered(0)]):
        with pytest.raises(InvalidQuery):
            _open(path, migrations=wrong)


def test_a_failing_migration_leaves_nothing_behind(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    with pytest.raises(ZeroDivisionError):
        _open(path, migrations=[Migration(1, "fine", _add_currency), Migration(2, "broken", _fail)])
    with _open(path, migrations=[Migration(1, "fine", _add_currency)]) as store:
        assert store.schema_version == 1
        assert len(store["orders"]) == 300


def test_a_unique_index_may_rely_on_a_migration(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    unique = CollectionSpec("orders", indexes=(Index(("user",), unique=True),))
    separate = Migration(
        1, "own users", lambda tx: tx["orders"].update(lambda order: order.update(user=order["id"])) and None
    )
    with _open(path, unique, migrations=[separate]) as store, pytest.raises(DuplicateKey):
        store["orders"].insert({"id": "new", "user": 5})


def test_a_store_of_a_newer_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    _open(path, migrations=[Migration(3, "later", _add_currency)]).close()
    before = path.read_bytes()
    for known in ([], [Migration(2, "older", _add_currency)]):
        with pytest.raises(StoreTooNew, match="3"):
            _open(path, migrations=known)
    connection = sqlite3.connect(tmp_path / "layout.db")
    connection.executescript("PRAGMA application_id=0x445A4B31; PRAGMA user_version=99; CREATE TABLE x(y);")
    connection.close()
    layout = (tmp_path / "layout.db").read_bytes()
    with pytest.raises(StoreTooNew, match="99"):
        _open(tmp_path / "layout.db")
    assert (path.read_bytes(), (tmp_path / "layout.db").read_bytes()) == (before, layout)


# --- backup and restore


def test_a_backup_is_one_whole_file_and_restores(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    copy = tmp_path / "backups" / "today.db"
    with _open(path) as store:
        store.backup(copy)
        store["orders"].truncate()
        store.backup(tmp_path / "later.db")
        store["orders"].insert({"id": 1})
        store.backup(tmp_path / "later.db")
        with pytest.raises(StoreError):
            store.backup(path)
        with pytest.raises(StoreError), store.transaction():
            store.backup(tmp_path / "never.db")
    assert [each.name for each in copy.parent.iterdir()] == ["today.db"]
    restore_backup(copy, tmp_path / "new" / "store.db")
    with _open(tmp_path / "new" / "store.db") as restored:
        assert len(restored["orders"]) == 300
        assert restored.journal.cursor("c") == 1
        assert restored.check() == []
    with _open(tmp_path / "later.db") as later:
        assert later["orders"].all() == [{"id": 1}]


def test_a_restore_examines_first_and_never_overwrites(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    with _open(path) as store:
        store.backup(tmp_path / "good.db")
    content = bytearray((tmp_path / "good.db").read_bytes())
    content[5 * 4096 : 5 * 4096 + 300] = b"\xaa" * 300
    (tmp_path / "bad.db").write_bytes(content)
    (tmp_path / "text.db").write_text("nothing of the kind, but long enough to have a header " * 5)
    (tmp_path / "empty.db").touch()
    for name in ("bad.db", "text.db", "empty.db"):
        with pytest.raises(StoreDamaged):
            restore_backup(tmp_path / name, tmp_path / "target.db")
    with pytest.raises(StoreError, match="no such"):
        restore_backup(tmp_path / "missing.db", tmp_path / "target.db")
    with pytest.raises(StoreError, match="already"):
        restore_backup(tmp_path / "good.db", path)
    assert not [each.name for each in tmp_path.iterdir() if each.name.startswith("target")]


def test_a_store_that_was_emptied_is_not_begun_anew(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    with _open(path) as store, store.doorbell.listen("test"):
        pass
    path.write_bytes(b"")
    with pytest.raises(StoreDamaged, match="restore a backup"):
        _open(path)
    assert path.stat().st_size == 0
    path.unlink()
    _open(path).close()


# --- export and import


def test_export_and_import_keep_every_document(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    with _open(path) as store:
        before = {name: store[name].all() for name in store.collections}
        assert [each.name for each in store.export(tmp_path / "out")] == ["orders.json", "portfolio_allocations.json"]
        store.export(tmp_path / "again")
        assert json.loads((tmp_path / "out" / "orders.json").read_text()) == before["orders"]
        text = (tmp_path / "out" / "portfolio_allocations.json").read_text()
        assert (
            text == '[\n  {\n    "id": "t",\n    "weights": {\n      "BTC": "0.5"\n    },\n    "name": "Зима"\n  }\n]\n'
        )
        store["orders"].truncate()
        store["targets"].insert({"id": "other"})
        assert store.import_(tmp_path / "out") == {"orders": 300, "targets": 1}
        assert {name: store[name].all() for name in store.collections} == before
        store["orders"].truncate()
        store.export(tmp_path / "out")
    assert (tmp_path / "out" / "orders.json").read_text() == "[]\n"
    names = sorted(each.name for each in (tmp_path / "out").iterdir())
    assert names == ["orders.json", "portfolio_allocations.json"]


@pytest.mark.parametrize(
    "text", ["", "{}", '{"1": {"id": 1}}', "[1]", '[{"name": "no key"}]', '[{"id": 1}, {"id": 1}]', "[{", "[NaN]"]
)
def test_a_bad_import_changes_nothing(tmp_path: Path, text: str) -> None:
    path = _filled(tmp_path / "store.db")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "orders.json").write_text('[{"id": "new"}]')
    (tmp_path / "in" / "portfolio_allocations.json").write_text(text)
    with _open(path) as store:
        with pytest.raises((InvalidDocument, DuplicateKey)):
            store.import_(tmp_path / "in")
        with pytest.raises(InvalidDocument, match="no such"):
            store.import_(tmp_path / "nowhere")
        assert len(store["orders"]) == 300
        assert [each["id"] for each in store["targets"]] == ["t"]


# --- no room, no rights


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store.db")
    with _open(path) as store:
        store._engine.run("PRAGMA max_page_count=60")
        big = [{"id": f"n{n}", "note": "y" * 500} for n in range(2000)]
        with pytest.raises(StoreFull, match="full"):
            store["orders"].insert_multiple(big)
        with pytest.raises(StoreFull), store.transaction() as tx:
            tx["targets"].truncate()
            tx["orders"].insert_multiple(big)
        with pytest.raises(StoreError), store.transaction() as tx:
            tx["targets"].truncate()
            with pytest.raises(StoreFull):
                for document in big:
                    tx["orders"].insert(document)
            raise StoreError("given up")
        assert len(store["orders"]) == 300
        assert len(store["targets"]) == 1
        assert store.check() == []
        store["orders"].remove(where("id") < 100)
        store["orders"].insert({"id": "fits"})


def test_the_log_is_carried_over_by_writers_and_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with _open(path) as store:
        with ThreadPoolExecutor(3) as threads:

            def write(thread: int) -> object:
                for number in range(400):
                    store["orders"].insert({"id": f"{thread}-{number}", "note": "z" * 4000})
                # SQLite's own carrying over may lose pages where it meets a writer.
                return store._engine.connection().execute("PRAGMA wal_autocheckpoint").fetchone()

            # One after the other: whoever writes without a pause keeps the log from beginning anew, here as in SQLite.
            assert [threads.submit(write, each).result() for each in range(3)] == [(0,)] * 3
        assert Path(f"{path}-wal").stat().st_size < 4_500_000  # in all 1,200 writes of three pages and more
        alone = tmp_path / "alone.db"
        run(["cp", path, alone], check=True)  # not here: closing the file would let go of this process's locks
        with closing(sqlite3.connect(alone)) as copy:
            assert copy.execute("SELECT count(*) FROM doc_orders").fetchone()[0] > 1_000
    with _open(path) as store:
        assert len(store["orders"]) == 1_200
        assert store.check() == []


def test_a_really_full_disk(tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the kernel refuses the write in the same place."""
    path = _filled(tmp_path / "store.db")
    code = f"""
import resource, signal
from pathlib import Path
from database import CollectionSpec, StoreFull, StoreError, open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store("sqlite:///{path}", [CollectionSpec("orders")])
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
kept = 0
try:
    for number in range(10_000):
        store["orders"].insert({{"id": f"n{{number}}", "note": "z" * 500}})
        kept += 1
except StoreError as error:
    print(type(error).__name__, kept, len(store["orders"]) - 300, store["orders"].get(key=f"n{{kept}}"))
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
try:
    store.backup(Path("{tmp_path}/copy.db"))
    print("copied")
except StoreFull:
    print("refused")
"""
    answer = run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    first, second = answer.stdout.strip().splitlines()
    kind, kept, there, half = first.split()
    assert kind == "StoreFull"
    assert int(kept) == int(there) > 50
    assert half == "None"
    assert second == "refused"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("copy")] == []
    with _open(path) as store:
        assert store.check() == []
        assert len(store["orders"]) == 300 + int(kept)


def _without_rights(tmp_path: Path, step: Callable[[], None]) -> str:
    """Run a step in a child without the rights of root; what it raised."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            step()
            os.write(write, b"nothing raised")
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def test_places_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    _filled(tmp_path / "store.db")
    tmp_path.chmod(0o555)
    try:
        for path in (tmp_path / "new.db", tmp_path / "sub" / "new.db", tmp_path / "store.db"):
            told = _without_rights(tmp_path, lambda path=path: _open(path).close())  # type: ignore[misc]
            assert told.startswith("StoreFull"), told
            assert str(path) in told
    finally:
        tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFull):
        _open(tmp_path / "file" / "store.db")
    with _open(tmp_path / "store.db") as store:
        with pytest.raises(StoreFull):
            store.backup(tmp_path / "file" / "copy.db")
        with pytest.raises(StoreFull):
            store.export(tmp_path / "file" / "out")
        assert store.check() == []
