"""Asking the executor: a wish becomes a durable request, once per id, and the executor is woken after the commit."""

from __future__ import annotations

from collections.abc import Iterable

from database import Store, Transaction
from modules.domain.orders import OrderRequest
from modules.records import to_document


def ask(store: Store, tx: Transaction, requests: Iterable[OrderRequest]) -> int:
    """Writes the requests that were not made before; returns how many were new."""
    fresh = [to_document(each) for each in requests if not tx["order_requests"].contains(key=each.id)]
    if fresh:
        tx["order_requests"].insert_multiple(fresh)
        tx.after_commit(store.doorbell.ring)
    return len(fresh)
