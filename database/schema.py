"""Tables and indexes made to agree with the declared collections.

New collections and indexes appear by themselves; an index that is no longer declared for a declared collection is dropped, so
that a withdrawn uniqueness does not stay in force. Collections that are not declared are left alone. When everything is there
already, nothing is written, so that many processes can start at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from database import journal, leases, migrations
from database.engine import Engine
from database.queries import json_path
from database.specs import CollectionSpec, Index, path_of

_OWN = (*journal.SCHEMA, *leases.SCHEMA, *migrations.SCHEMA)


def create_tables(engine: Engine, specs: Sequence[CollectionSpec]) -> None:
    """Make the tables that are missing."""
    wanted = {spec.table for spec in specs} | {
        "journal",
        "journal_key",
        "journal_cursor",
        "journal_dead_letter",
        "lease",
        "migration",
    }
    if wanted <= _names(engine, "table"):
        return
    with engine.writing():
        for statement in _OWN:
            engine.run(statement)
        for spec in specs:
            engine.run(
                f'CREATE TABLE IF NOT EXISTS "{spec.table}"'
                "(row INTEGER PRIMARY KEY, key NOT NULL UNIQUE, revision INTEGER NOT NULL, body TEXT NOT NULL)"
            )


def create_indexes(engine: Engine, specs: Sequence[CollectionSpec]) -> None:
    """Make missing indexes and drop withdrawn ones; DuplicateKey when documents there already break a new unique one."""
    for spec in specs:
        wanted = {_index_name(spec, index): index for index in spec.indexes}
        if set(wanted) == _indexes_of(engine, spec):
            continue
        with engine.writing():
            there = _indexes_of(engine, spec)
            for name in sorted(there - set(wanted)):
                engine.run(f'DROP INDEX IF EXISTS "{name}"')
            for name in sorted(set(wanted) - there):
                engine.run(_index_statement(name, spec, wanted[name]))


def _index_name(spec: CollectionSpec, index: Index) -> str:
    """The name tells all about the index; errors are told from it as well."""
    return f"{spec.table}:{'u' if index.unique else 'i'}:{','.join(index.fields)}"


def _index_statement(name: str, spec: CollectionSpec, index: Index) -> str:
    expressions = ",".join(
        "key" if field == spec.key else f"json_extract(body,{json_path(path_of(field))})" for field in index.fields
    )
    return f'CREATE {"UNIQUE " if index.unique else ""}INDEX "{name}" ON "{spec.table}"({expressions})'


def _indexes_of(engine: Engine, spec: CollectionSpec) -> set[str]:
    found = engine.rows(
        "SELECT name FROM sqlite_master WHERE type='index' AND tbl_name=? AND name LIKE 'doc\\_%' ESCAPE '\\'",
        (spec.table,),
    )
    return {name for (name,) in found}


def _names(engine: Engine, kind: str) -> set[str]:
    return {name for (name,) in engine.rows("SELECT name FROM sqlite_master WHERE type=?", (kind,))}
