"""What can go wrong in the store, named by the reaction it asks for.

Busy: try again. Full: make room or give rights. Damaged, too new, unavailable: stop and tell the operator. The others are
faults of the call itself and are refused before anything is written.
"""

from __future__ import annotations


class StoreError(Exception):
    """Any refusal or failure of the store; nothing of the failed call was written."""


class StoreBusy(StoreError):
    """Another writer held the file for longer than the time-out; the same call may be tried again."""


class StoreFull(StoreError):
    """The store cannot be written: disk full, read-only, or no permission. What was there before is whole."""


class StoreDamaged(StoreError):
    """The file is not a store of this kind, or its content is broken; it was left as it is."""


class StoreTooNew(StoreError):
    """The file was written by a newer version of the program; it was left as it is."""


class StoreUnavailable(StoreError):
    """The address names a store that cannot be opened here; the message names what is missing."""


class UnknownCollection(StoreError, KeyError):
    """The collection was not declared when the store was opened."""

    def __str__(self) -> str:
        return str(self.args[0])


class InvalidDocument(StoreError, ValueError):
    """The document cannot be kept as JSON, or lacks its key."""


class InvalidQuery(StoreError, ValueError):
    """The arguments of a search or change do not make sense together."""


class DuplicateKey(StoreError):
    """A document with the same value in a unique field is already there."""

    def __init__(self, collection: str, fields: tuple[str, ...]) -> None:
        super().__init__(f"{collection}: another document has the same {', '.join(fields)}")
        self.collection = collection
        self.fields = fields
