"""What a collection is: its name, its key, its indexes, and the name of its exported file.

A specification is plain data; `Store` makes tables and indexes of it. Names become part of SQL text, so they are checked here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from database.errors import InvalidQuery

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


@dataclass(frozen=True)
class Index:
    """An index over one or more fields (dotted paths). A unique one ignores documents where a field is missing or null."""

    fields: tuple[str, ...]
    unique: bool = False

    def __post_init__(self) -> None:
        if not self.fields:
            raise InvalidQuery("an index needs at least one field")
        for field in self.fields:
            path_of(field)


@dataclass(frozen=True)
class CollectionSpec:
    """One collection: `key` is the document field (text or integer) that names a document; `file` its exported JSON file."""

    name: str
    key: str = "id"
    indexes: tuple[Index, ...] = ()
    file: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise InvalidQuery(f"{self.name!r} is no collection name: small letters, digits and underscores")
        if "." in self.key or not indexable((self.key,)):
            raise InvalidQuery(f"{self.name}: the key {self.key!r} must be a plain top-level field")
        if "/" in self.file_name or self.file_name.startswith("."):
            raise InvalidQuery(f"{self.name}: {self.file_name!r} must be a plain file name")

    @property
    def file_name(self) -> str:
        """The name of the JSON file that an export writes."""
        return self.file or f"{self.name}.json"

    @property
    def table(self) -> str:
        """The SQL table that holds the documents."""
        return f"doc_{self.name}"


def path_of(field: str) -> tuple[str, ...]:
    """Split a dotted field into its steps; raises InvalidQuery when a step is empty or cannot stand in a JSON path."""
    path = tuple(field.split("."))
    if not indexable(path):
        raise InvalidQuery(f"{field!r} cannot be indexed or sorted by")
    return path


def indexable(path: tuple[object, ...]) -> bool:
    """Whether every step is a key that SQL's JSON paths can name: these have no escape for quotes and control characters."""
    return bool(path) and all(
        isinstance(step, str) and step != "" and step.isprintable() and '"' not in step and "\\" not in step
        for step in path
    )
