"""Leases: one holder at a time for a named duty, for as long as it keeps renewing.

Every new hold of a lease gets a greater token. Whoever writes under a lease can carry the token along, so that the writes of a
holder that lost it (a long pause) are told apart from those of its successor.
"""

from __future__ import annotations

from dataclasses import dataclass

from database.engine import Engine

SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS lease(name TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, ttl_ms INTEGER NOT NULL,"
        " expires_ms INTEGER NOT NULL) WITHOUT ROWID"
    ),
)


@dataclass(frozen=True, slots=True)
class Lease:
    """A hold of a duty until `expires_ms`; `token` grows with every new hold."""

    name: str
    holder: str
    token: int
    expires_ms: int


class Leases:
    """Taking, keeping and giving back leases. The time is the caller's, in milliseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def acquire(self, name: str, holder: str, ttl_ms: int, now_ms: int) -> Lease | None:
        """Take a lease that is free, expired, or already the holder's own (a restart); None while another holds it."""
        sql = (
            "INSERT INTO lease(name,holder,token,ttl_ms,expires_ms) VALUES(?1,?2,1,?3,?4)"
            " ON CONFLICT(name) DO UPDATE SET holder=?2,token=token+1,ttl_ms=?3,expires_ms=?4"
            " WHERE holder=?2 OR expires_ms<=?5 RETURNING name,holder,token,expires_ms"
        )
        return self._lease(sql, (name, holder, ttl_ms, now_ms + ttl_ms, now_ms))

    def renew(self, lease: Lease, now_ms: int) -> Lease | None:
        """Hold on for another term; None when the lease has run out or has gone to another."""
        sql = (
            "UPDATE lease SET expires_ms=?3+ttl_ms WHERE name=?1 AND token=?2 AND expires_ms>?3"
            " RETURNING name,holder,token,expires_ms"
        )
        return self._lease(sql, (lease.name, lease.token, now_ms))

    def release(self, lease: Lease) -> bool:
        """Give a lease back early; False when it was no longer this holder's."""
        return (
            self._engine.run(
                "UPDATE lease SET expires_ms=0 WHERE name=? AND token=? AND expires_ms>0", (lease.name, lease.token)
            )
            == 1
        )

    def owner(self, name: str, now_ms: int) -> Lease | None:
        """The lease that is in force now, if any."""
        return self._lease(
            "SELECT name,holder,token,expires_ms FROM lease WHERE name=? AND expires_ms>?", (name, now_ms)
        )

    def _lease(self, sql: str, parameters: tuple[object, ...]) -> Lease | None:
        found = self._engine.row(sql, parameters)
        return None if found is None else Lease(*found)
