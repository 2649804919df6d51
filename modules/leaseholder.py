"""Being the only one: a process that must not run twice holds a lease in the store and renews it while it works."""

from __future__ import annotations

import os
import socket
from datetime import datetime

from database import Lease, Store
from modules.domain.market import ms_from_utc


class LeaseHolder:
    """One process's claim on `name`. A holder that dies is replaced once its lease has run out."""

    def __init__(self, store: Store, name: str, *, ttl_ms: int = 3000) -> None:
        self._store = store
        self._name = name
        self._ttl_ms = ttl_ms
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._lease: Lease | None = None
        self._renewed_ms = 0

    def hold(self, now: datetime) -> bool:
        """Whether the lease is ours now; takes or renews it when that is due."""
        now_ms = ms_from_utc(now)
        if self._lease is not None and 0 <= now_ms - self._renewed_ms < self._ttl_ms // 3:
            return True
        if self._lease is not None:
            self._lease = self._store.leases.renew(self._lease, now_ms)
        if self._lease is None:
            self._lease = self._store.leases.acquire(self._name, self._holder, self._ttl_ms, now_ms)
        self._renewed_ms = now_ms
        return self._lease is not None

    def owner(self, now: datetime) -> str | None:
        """Who holds it, for a message to a person."""
        lease = self._store.leases.owner(self._name, ms_from_utc(now))
        return lease.holder if lease else None

    def release(self) -> None:
        """Gives it back, so that the next process need not wait."""
        if self._lease is not None:
            self._store.leases.release(self._lease)
            self._lease = None
