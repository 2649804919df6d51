"""TinyDB's queries, describing themselves completely.

TinyDB leaves the flags out of the description of a regular expression and the field out of that of a fragment. Plain TinyDB
queries give the same results; these can also be decided, counted and negated in SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import Any

import tinydb
from tinydb.queries import QueryInstance


class Query(tinydb.Query):
    """TinyDB's `Query` with complete descriptions of regular expressions and fragments."""

    def matches(self, regex: str, flags: int = 0) -> QueryInstance:
        """Whether text begins with a match of the pattern."""
        return self._described("matches", super().matches(regex, flags), regex, flags)

    def search(self, regex: str, flags: int = 0) -> QueryInstance:
        """Whether text contains a match of the pattern."""
        return self._described("search", super().search(regex, flags), regex, flags)

    def fragment(self, document: Mapping[str, Any]) -> QueryInstance:
        """Whether an object holds all these fields with these values."""
        if not document:
            return self.exists() if self._path else self.noop()
        parts: list[QueryInstance] = [self[name] == value for name, value in document.items()]
        return reduce(and_, parts)

    def _described(self, operator: str, plain: QueryInstance, regex: str, flags: int) -> QueryInstance:
        return QueryInstance(plain, (operator, self._path, regex, flags) if self.is_cacheable() else None)


def where(field: str) -> Query:
    """A query on one top-level field: ``where("symbol") == "BTCUSDT"``."""
    query: Query = Query()[field]
    return query
