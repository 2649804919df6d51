"""Where opinions are kept: one document each, once, with the moment from which it may be used.

Opinions older than any use are forgotten, so the book does not grow for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

from tinydb import where

from database import Store
from modules.opinions.freshness import KEPT_MS, Known, concerns, known_by
from modules.opinions.records import KINDS, Opinion, kind_of, subject_of
from modules.records import Document, from_document, to_document

NEWEST_READ = 2000
"""At most so many of a kind are read for one answer."""

_COLLECTION = "opinions"


class OpinionBook:
    """Opinions in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, opinions: Iterable[Opinion]) -> int:
        """Keeps those that are new, all or none; how many those were. The first telling of a headline counts."""
        added = 0
        with self._store.transaction() as tx:
            for opinion in opinions:
                if not tx[_COLLECTION].contains(key=opinion.id):
                    tx[_COLLECTION].insert(_document(opinion))
                    added += 1
        return added

    def as_of(self, at_ms: int, *, symbol: str | None = None) -> Known:
        """What counts at `at_ms`. With a symbol, prints are those of the symbol and flows those of its base asset."""
        found: list[Opinion] = []
        for kind, kept_ms in KEPT_MS.items():
            wanted = (where("kind") == kind) & (where("known_at") <= at_ms)
            inside = wanted & (where("known_at") >= at_ms - kept_ms)
            rows = self._store[_COLLECTION].search(inside, order_by="known_at", descending=True, limit=NEWEST_READ)
            if not rows:  # the newest that is too old tells how stale the source is
                rows = self._store[_COLLECTION].search(wanted, order_by="known_at", descending=True, limit=1)
            found += [_opinion(row) for row in rows if concerns(kind, row["subject"], symbol)]
        return known_by(found, at_ms)

    def forget_before(self, at_ms: int) -> int:
        """Removes what was known before `at_ms`; how many that were."""
        return len(self._store[_COLLECTION].remove(where("known_at") < at_ms))


def _document(opinion: Opinion) -> Document:
    named = {"id": opinion.id, "kind": kind_of(opinion), "known_at": opinion.known_ms, "subject": subject_of(opinion)}
    return {**named, "opinion": to_document(opinion)}


def _opinion(document: Document) -> Opinion:
    opinion: Opinion = from_document(KINDS[document["kind"]], document["opinion"])
    return opinion
