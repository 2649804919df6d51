"""SQLite's failures as the store's own, told apart by their codes."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from database.errors import DuplicateKey, StoreBusy, StoreDamaged, StoreError, StoreFull

_DUPLICATE = re.compile(r"UNIQUE constraint failed: (?:index 'doc_(\w+):u:(.+)'$|doc_(\w+)\.key)")
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN}
_FULL_EXTENDED = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN}


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """SQLite's error as one of the store's, by its code."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_CONSTRAINT and (found := _DUPLICATE.search(str(error))):
        if found[1]:
            return DuplicateKey(found[1], tuple(found[2].split(",")))
        return DuplicateKey(found[3], ("key",))
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(f"{path}: another process kept the file locked ({error})")
    if primary in _FULL or code in _FULL_EXTENDED:
        return StoreFull(f"{path}: cannot write ({error}); check free space and permissions")
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreDamaged(f"{path}: {error}; restore a backup")
    return StoreError(f"{path}: {error}")
