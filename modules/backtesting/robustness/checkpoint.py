"""What a long test has finished, in a file, so that it goes on where it was stopped.

A line a piece of work, written through to the disk; a line that was cut off by a crash is dropped. The first line says which
work it belongs to, and another work refuses the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from modules.analysis.candles import Candles
from modules.backtesting.result import ENGINE_VERSION, hash_of
from modules.backtesting.robustness.subject import Subject
from modules.domain.errors import Conflict


class Checkpoint:
    """Finished pieces by their key; `done` holds those of earlier runs, too."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        """Open or begin the file. Raises Conflict where it belongs to other work."""
        self._path = path
        self.done: dict[str, Any] = {}
        lines = _whole_lines(path)
        if not lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"work": fingerprint}) + "\n")
            return
        if lines[0].get("work") != fingerprint:
            raise Conflict(f"{path.name} belongs to another search: other candles, strategy, space or settings")
        self.done = {line["key"]: line["value"] for line in lines[1:]}

    def keep(self, finished: dict[str, Any]) -> None:
        """Write finished pieces, all of them or, after a crash, the first few."""
        with self._path.open("a") as file:
            for key, value in finished.items():
                file.write(json.dumps({"key": key, "value": value}, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.done.update(finished)


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file up to one that was cut off, which is removed from it."""
    if not path.exists():
        return []
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def fingerprint(subject: Subject, candles: Candles, *parts: object) -> str:
    """Which work this is: engine, candles, strategy, assumptions, and whatever else decides its outcome."""
    decide = getattr(subject.decide, "__qualname__", type(subject.decide).__qualname__)
    rules = "" if callable(subject.rules) else repr(subject.rules)
    whole = (
        ENGINE_VERSION,
        hash_of((candles,)),
        subject.label,
        decide,
        rules,
        repr(subject.assumptions),
        *map(repr, parts),
    )
    return hashlib.sha256(repr(whole).encode()).hexdigest()
