"""The document store: JSON documents in TinyDB's dialect, a journal, leases and a doorbell, over one SQLite file.

It knows nothing of what the documents mean.
"""

from database.backup import restore_backup
from database.bodies import Document
from database.dialect import Query, where
from database.documents import Collection, Key
from database.doorbell import Bell, Doorbell
from database.errors import (
    DuplicateKey,
    InvalidDocument,
    InvalidQuery,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreTooNew,
    StoreUnavailable,
    UnknownCollection,
)
from database.journal import DeadLetter, Entry, Journal
from database.leases import Lease, Leases
from database.migrations import Migration
from database.specs import CollectionSpec, Index
from database.store import Store, open_store
from database.transaction import Transaction

__all__ = [
    "Bell",
    "Collection",
    "CollectionSpec",
    "DeadLetter",
    "Document",
    "Doorbell",
    "DuplicateKey",
    "Entry",
    "Index",
    "InvalidDocument",
    "InvalidQuery",
    "Journal",
    "Key",
    "Lease",
    "Leases",
    "Migration",
    "Query",
    "Store",
    "StoreBusy",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreTooNew",
    "StoreUnavailable",
    "Transaction",
    "UnknownCollection",
    "open_store",
    "restore_backup",
    "where",
]
