"""The journal: what happened, in the order of commits, for consumers that each remember how far they have read.

An entry is appended in the same transaction as the change it tells of, and a consumer moves its cursor in the transaction of
what it made of the entry; so nothing is told that did not happen, and nothing is acted on twice. Writers are one at a time,
therefore a sequence number is never overtaken by a smaller one that commits later.
"""

# ruff: noqa: S608 - the names in the statements come from checked specifications, the values are parameters

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from database.bodies import Document, decode, encode
from database.engine import Engine
from database.errors import InvalidQuery

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS journal(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS journal_key(key TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS journal_cursor(name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE IF NOT EXISTS journal_dead_letter(consumer TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL,"
        " body TEXT NOT NULL, error TEXT NOT NULL, buried_ms INTEGER NOT NULL, PRIMARY KEY(consumer, seq)) WITHOUT ROWID"
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact: its place in the journal, its kind, when it happened, and what it says."""

    seq: int
    kind: str
    at_ms: int
    body: Document


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that a consumer gave up on, with the reason."""

    consumer: str
    entry: Entry
    error: str
    buried_ms: int


class Journal:
    """Reading the journal and its cursors; writing belongs to a `Transaction`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, after: int, limit: int = 500, kinds: Several[str] | None = None) -> list[Entry]:
        """Up to `limit` entries after a sequence number, oldest first, of some kinds or all.

        Whoever reads only some kinds asks `last_seq` first and moves its cursor there once fewer than `limit` came back:
        else it passes over the entries of other kinds again each time.
        """
        if kinds is not None and not kinds:
            return []
        among = "" if kinds is None else f" AND kind IN ({','.join('?' * len(kinds))})"
        sql = f"SELECT seq,kind,at_ms,body FROM journal WHERE seq>?{among} ORDER BY seq LIMIT ?"
        rows = self._engine.rows(sql, (after, *sorted(kinds or ()), limit))
        return [Entry(seq, kind, at_ms, decode(body)) for seq, kind, at_ms, body in rows]

    def last_seq(self) -> int:
        """The newest sequence number ever given, also after trimming; 0 when the journal is new."""
        found = self._engine.row("SELECT seq FROM sqlite_sequence WHERE name='journal'")
        return int(found[0]) if found else 0

    def cursor(self, name: str) -> int:
        """How far a consumer has read; 0 when it has not begun."""
        found = self._engine.row("SELECT seq FROM journal_cursor WHERE name=?", (name,))
        return int(found[0]) if found else 0

    def cursors(self) -> dict[str, int]:
        """Every consumer that has begun, and how far it is."""
        return dict(self._engine.rows("SELECT name,seq FROM journal_cursor ORDER BY name"))

    def forget_cursor(self, name: str) -> None:
        """Drop a consumer that will not come back, so that it no longer holds up trimming."""
        self._engine.run("DELETE FROM journal_cursor WHERE name=?", (name,))

    def dead_letters(self, consumer: str | None = None) -> list[DeadLetter]:
        """What consumers gave up on, oldest entry first."""
        sql = "SELECT consumer,seq,kind,at_ms,body,error,buried_ms FROM journal_dead_letter WHERE ?1 IS NULL OR consumer=?1 ORDER BY seq,consumer"
        rows = self._engine.rows(sql, (consumer,))
        return [
            DeadLetter(name, Entry(seq, kind, at_ms, decode(body)), error, buried_ms)
            for name, seq, kind, at_ms, body, error, buried_ms in rows
        ]

    def trim(self, before_seq: int) -> int:
        """Remove entries older than `before_seq` that every consumer has read; how many went.

        Their keys stay known: an entry that was trimmed away can still not be appended a second time.
        """
        sql = "DELETE FROM journal WHERE seq<? AND seq<=coalesce((SELECT min(seq) FROM journal_cursor),seq)"
        return self._engine.run(sql, (before_seq,))


def append(engine: Engine, kind: str, body: Mapping[str, Any], at_ms: int, key: str | None) -> tuple[int, bool]:
    """Append an entry; its sequence number and whether it is new. A key used before gives the old number and writes nothing."""
    if key is not None:
        found = engine.row("SELECT seq FROM journal_key WHERE key=?", (key,))
        if found is not None:
            return int(found[0]), False
    sql = "INSERT INTO journal(kind,at_ms,body) VALUES(?,?,?) RETURNING seq"
    seq = int(engine.rows(sql, (kind, at_ms, encode(body)))[0][0])
    if key is not None:
        engine.run("INSERT INTO journal_key(key,seq) VALUES(?,?)", (key, seq))
    return seq, True


def move_cursor(engine: Engine, journal: Journal, name: str, seq: int) -> bool:
    """Move a consumer's cursor forward; False when it is there or further already.

    Raises InvalidQuery beyond the end of the journal: entries still to come would be skipped.
    """
    if seq > journal.last_seq():
        raise InvalidQuery(f"cursor {name}: {seq} is beyond the end of the journal")
    sql = "INSERT INTO journal_cursor(name,seq) VALUES(?,?) ON CONFLICT(name) DO UPDATE SET seq=excluded.seq WHERE excluded.seq>seq"
    return engine.run(sql, (name, seq)) == 1


def bury(engine: Engine, consumer: str, entry: Entry, error: str, at_ms: int) -> None:
    """Keep an entry that the consumer gave up on, with the reason."""
    engine.run(
        "INSERT OR REPLACE INTO journal_dead_letter(consumer,seq,kind,at_ms,body,error,buried_ms) VALUES(?,?,?,?,?,?,?)",
        (consumer, entry.seq, entry.kind, entry.at_ms, encode(entry.body), error, at_ms),
    )
