"""Numbered changes of the stored data, each applied once, in order, in one transaction with its record.

A store that has seen a migration this program does not know was written by a newer version and is not opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from database.engine import Engine
from database.errors import InvalidQuery

if TYPE_CHECKING:
    from database.transaction import Transaction

SCHEMA = ("CREATE TABLE IF NOT EXISTS migration(version INTEGER PRIMARY KEY, name TEXT NOT NULL)",)


@dataclass(frozen=True)
class Migration:
    """One change: `apply` gets the transaction in which it also becomes recorded."""

    version: int
    name: str
    apply: Callable[[Transaction], None]


def schema_version(engine: Engine) -> int:
    """The newest migration this store has seen; 0 for none."""
    found = engine.row("SELECT coalesce(max(version),0) FROM migration")
    return int(found[0]) if found else 0


def ordered(migrations: Sequence[Migration]) -> list[Migration]:
    """By version; raises InvalidQuery for versions below 1 or given twice."""
    result = sorted(migrations, key=lambda each: each.version)
    versions = [each.version for each in result]
    if len(set(versions)) < len(versions) or (versions and versions[0] < 1):
        raise InvalidQuery("migrations need different versions from 1 on")
    return result


def migrate(
    engine: Engine, migrations: Sequence[Migration], transaction: Callable[[], AbstractContextManager[Transaction]]
) -> None:
    """Apply what is missing. Several processes may start at once: each step looks again once it holds the file."""
    for migration in ordered(migrations):
        if migration.version <= schema_version(engine):
            continue
        with transaction() as tx:
            if migration.version > schema_version(engine):
                migration.apply(tx)
                engine.run("INSERT INTO migration(version,name) VALUES(?,?)", (migration.version, migration.name))
