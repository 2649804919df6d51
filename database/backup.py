"""Backup, restore and inspection of the file. A copy appears under its name only when it is whole and on the disk."""

# ruff: noqa: S608 - the names in the statements come from checked specifications, the values are parameters

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from database.engine import Engine
from database.errors import StoreDamaged, StoreError, StoreFull
from database.probe import probe
from database.specs import CollectionSpec
from database.sqlite_engine import SqliteEngine
from database.sqlite_errors import translated


def backup(engine: SqliteEngine, path: Path) -> None:
    """Copy the store as of now to `path`; readers and writers go on. Raises StoreFull when the place cannot take it."""
    if path.absolute() == engine.path.absolute():
        raise StoreError(f"{path}: a backup cannot replace the store itself")
    if engine.in_transaction:
        raise StoreError("a backup inside a transaction would hold what is not committed")
    _copy(engine.connection(), path)


def restore_backup(source: Path, target: Path) -> None:
    """Put a backup where no store is yet. It is examined first: raises StoreDamaged or StoreTooNew and writes nothing."""
    left = [place for place in (target, Path(f"{target}-wal"), Path(f"{target}-shm")) if place.exists()]
    if left:
        raise StoreError(f"{left[0]}: something is there already; move it away first")
    if not source.exists():
        raise StoreError(f"{source}: no such backup")
    probe(source)
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            problems = [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
            if problems or connection.execute("PRAGMA page_count").fetchone() == (0,):
                raise StoreDamaged(f"{source}: {problems[0] if problems else 'empty'}")
            _copy(connection, target)
    except sqlite3.Error as error:
        raise translated(error, source) from error


def check(engine: Engine, specs: Sequence[CollectionSpec], *, quick: bool = False) -> list[str]:
    """What is wrong with the file as a whole and with each collection; empty when all is well.

    `quick` leaves out whether the indexes agree with their tables.
    """
    try:
        with engine.reading():
            return _problems(engine, specs, "quick_check" if quick else "integrity_check")
    except StoreDamaged as error:
        return [str(error)]


def _problems(engine: Engine, specs: Sequence[CollectionSpec], look: str) -> list[str]:
    problems = [text for (text,) in engine.rows(f"PRAGMA {look}") if text != "ok"]
    for spec in specs:
        broken = engine.rows(
            f"SELECT key FROM \"{spec.table}\" WHERE NOT json_valid(body) OR json_type(body)<>'object'"
        )
        problems += [f"{spec.name}: the document {key!r} is not readable" for (key,) in broken]
        if not broken:
            strayed = engine.rows(
                f'SELECT key FROM "{spec.table}" WHERE json_extract(body,?) IS NOT key', (f'$."{spec.key}"',)
            )
            problems += [f"{spec.name}: the document under {key!r} has another {spec.key}" for (key,) in strayed]
    ahead = engine.rows(
        "SELECT name FROM journal_cursor WHERE seq>coalesce((SELECT seq FROM sqlite_sequence WHERE name='journal'),0)"
    )
    problems += [f"journal: the cursor {name} is beyond the end" for (name,) in ahead]
    return problems


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(draft)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        publish(draft, path)
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except OSError as error:
        raise StoreFull(f"{path}: cannot write ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            for left in (draft, Path(f"{draft}-journal")):
                left.unlink(missing_ok=True)


def publish(draft: Path, path: Path) -> None:
    """Give a finished file its name in one step, once its content is on the disk; its owner alone may read it."""
    draft.chmod(0o600)
    for place, step in ((draft, None), (path.parent, (draft, path))):
        if step is not None:
            step[0].replace(step[1])
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
