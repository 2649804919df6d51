"""Collections as JSON files and back: one file per collection, a list of documents in insertion order, made to be read by people."""

# ruff: noqa: S608 - the names in the statements come from checked specifications, the values are parameters

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from database.backup import publish
from database.bodies import decode
from database.documents import Collection
from database.engine import Engine
from database.errors import InvalidDocument, StoreFull
from database.specs import CollectionSpec

Check = Callable[[str, Any], None]


def export(engine: Engine, specs: Sequence[CollectionSpec], directory: Path) -> list[Path]:
    """Write each collection's file. All are written aside first, and get their names only when every one is complete."""
    drafts: list[tuple[Path, Path]] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with engine.reading():
            for spec in specs:
                target = directory / spec.file_name
                draft = directory / f"{spec.file_name}.{os.getpid()}.part"
                drafts.append((draft, target))
                with draft.open("wb") as file:
                    file.writelines(_lines(engine, spec))
        for draft, target in drafts:
            publish(draft, target)
    except OSError as error:
        raise StoreFull(f"{directory}: cannot write ({error.strerror or error})") from error
    finally:
        for draft, _ in drafts:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
    return [target for _, target in drafts]


def _lines(engine: Engine, spec: CollectionSpec) -> Iterator[bytes]:
    before = b"[\n"
    for (body,) in engine.stream(f'SELECT body FROM "{spec.table}" ORDER BY row'):
        pretty = orjson.dumps(decode(body), option=orjson.OPT_INDENT_2)
        yield before + b"  " + pretty.replace(b"\n", b"\n  ")
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def any_form(_collection: str, _document: Any) -> None:
    """Lets every document pass."""


def import_(collections: Sequence[Collection], directory: Path, check: Check) -> dict[str, int]:
    """Replace what the files hold; the caller's transaction makes it all or nothing. Raises InvalidDocument naming the file."""
    if not directory.is_dir():
        raise InvalidDocument(f"{directory}: no such directory")
    counts: dict[str, int] = {}
    for collection in collections:
        path = directory / collection.spec.file_name
        if not path.exists():
            continue
        documents = _documents(path)
        collection.truncate()
        try:
            for document in documents:
                check(collection.name, document)
            collection.insert_multiple(documents)
        except (InvalidDocument, ValueError) as error:
            raise InvalidDocument(f"{path.name}: {error}") from error
        counts[collection.name] = len(documents)
    return counts


def _documents(path: Path) -> list[Any]:
    try:
        documents = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InvalidDocument(f"{path.name}: not JSON ({error})") from error
    if not isinstance(documents, list):
        raise InvalidDocument(f"{path.name}: must be a list of documents")
    return documents
