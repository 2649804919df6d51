"""A look at a file before it is opened for writing: is it a store of ours, whole, and not newer than this program?"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from database.errors import StoreDamaged, StoreFull, StoreTooNew
from database.sqlite_errors import translated

APPLICATION_ID = 0x445A4B31  # marks the file as a store of this kind
LAYOUT = 1  # of the store's own tables

_SMALLEST = 512  # bytes: one page of the smallest size
#: A store that somebody else is just making is empty for some milliseconds.
_BEING_MADE_SECONDS = 2.0


def probe(path: Path, known_version: int | None = None) -> None:
    """Refuse a file that is not ours, broken, or too new, before anything could change it.

    `known_version` is the newest migration the program knows; None accepts any. Only SQLite itself opens the file: who closes
    it otherwise lets go of all locks that this process has on it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = path.stat().st_size if path.exists() else 0
    except OSError as error:
        raise StoreFull(f"{path}: {error.strerror or error}; check the path and permissions") from error
    if size == 0:
        return
    if size < _SMALLEST:
        raise StoreDamaged(f"{path}: not an SQLite file")
    # Killed before its first switch to WAL, a writer leaves a journal that only a writing connection can undo.
    mode = "rw" if Path(f"{path}-journal").exists() else "ro"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as connection:
            owner = connection.execute("PRAGMA application_id").fetchone()[0]
            layout = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            page_size = connection.execute("PRAGMA page_size").fetchone()[0]
            recorded = _recorded_version(connection)
    except sqlite3.Error as error:
        raise translated(error, path) from error
    _judge(path, owner, layout, tables, cut_short=not _has_log(path) and path.stat().st_size < pages * page_size)
    if known_version is not None and recorded > known_version:
        raise StoreTooNew(f"{path}: schema version {recorded}, this program knows {known_version}")


def refuse_emptied(path: Path) -> None:
    """Refuse a file that was a store once and holds nothing now: to begin anew there would hide the loss."""
    deadline = time.monotonic() + _BEING_MADE_SECONDS
    while path.exists() and path.stat().st_size == 0:
        if time.monotonic() > deadline:
            raise StoreDamaged(
                f"{path}: empty, though it was in use; restore a backup, or delete the file to begin anew"
            )
        time.sleep(0.05)


def _recorded_version(connection: sqlite3.Connection) -> int:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name='migration'").fetchone() is None:
        return 0
    return int(connection.execute("SELECT coalesce(max(version),0) FROM migration").fetchone()[0])


def _judge(path: Path, owner: int, layout: int, tables: int, *, cut_short: bool) -> None:
    if owner != APPLICATION_ID and (owner or tables):
        raise StoreDamaged(f"{path}: an SQLite file of another application")
    if layout > LAYOUT:
        raise StoreTooNew(f"{path}: written by a newer version (layout {layout}, this program knows {LAYOUT})")
    if cut_short:
        raise StoreDamaged(f"{path}: the file is cut short; restore a backup")


def _has_log(path: Path) -> bool:
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0
