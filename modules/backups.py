"""Copies of the store on this machine: made while everything runs, listed, and found by their exact name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from database import Store
from modules.accounts.audit import record
from modules.domain.errors import NotFound
from modules.domain.people import Principal

FOLDER = "backups"
_NAME = re.compile(r"verzek-(\d{8}T\d{6})Z(?:-\d{1,3})?\.db")


@dataclass(frozen=True, slots=True)
class Backup:
    """One copy: its file name, when it was begun, its size."""

    name: str
    made_at: datetime
    size_bytes: int


def create(store: Store, data_dir: Path, who: Principal, *, now: datetime, origin: str = "") -> Backup:
    """A new copy under a name made of the time."""
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    stem = f"verzek-{now:%Y%m%dT%H%M%S}Z"
    names = (f"{stem}{mark}.db" for mark in ("", *(f"-{number}" for number in range(1, 1000))))
    name = next(name for name in names if not (folder / name).exists())
    store.backup(folder / name)
    (folder / name).chmod(0o600)
    made = Backup(name, now, (folder / name).stat().st_size)
    with store.transaction() as tx:
        after = {"name": name, "bytes": made.size_bytes}
        record(tx, who, "backup.created", "store", now=now, origin=origin, after=after)
    return made


def listing(data_dir: Path) -> list[Backup]:
    """The copies there are, newest first."""
    folder = data_dir / FOLDER
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        if matched := _NAME.fullmatch(path.name):
            made = datetime.strptime(matched[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            found.append(Backup(path.name, made, path.stat().st_size))
    return sorted(found, key=lambda each: each.name, reverse=True)


def named(data_dir: Path, name: str) -> Path:
    """The file of a copy. Raises NotFound for every name that `create` did not give, a path among them."""
    path = data_dir / FOLDER / name
    if _NAME.fullmatch(name) is None or not path.is_file():
        raise NotFound("There is no such backup.")
    return path
