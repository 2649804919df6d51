"""Heartbeats of useful work: each process tells, in a small file, that it still does its job.

A file, not the store, so that health and supervision work while the store is down. A beat is written only after a
completed turn of work, so a process that hangs inside a turn goes silent and is replaced. A full disk ends no process:
the beat is then written over the one before.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Beat:
    """The last word of a process: state is `up`, `waiting` (lacks something; `detail` says what) or `stopping`."""

    process: str
    pid: int
    state: str
    at_ms: int
    started_ms: int
    detail: str = ""
    facts: dict[str, Any] | None = None


class Heartbeat:
    """Writes the beats of one process into `folder`, at most once per `every_ms` unless something changed."""

    def __init__(self, folder: Path, process: str, *, every_ms: int = 1000) -> None:
        self._path = folder / f"{process}.beat"
        self._process = process
        self._every_ms = every_ms
        self._last: Beat | None = None
        self._started_ms = 0

    def beat(self, now_ms: int, *, state: str = "up", detail: str = "", facts: dict[str, Any] | None = None) -> None:
        """Work was done at `now_ms`."""
        self._started_ms = self._started_ms or now_ms
        last = self._last
        if last and last.state == state and last.detail == detail and 0 <= now_ms - last.at_ms < self._every_ms:
            return
        self._last = Beat(self._process, os.getpid(), state, now_ms, self._started_ms, detail, facts)
        self._write(self._last)

    def _write(self, beat: Beat) -> None:
        body = {name: getattr(beat, name) for name in Beat.__slots__}
        content = json.dumps(body).encode()
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_bytes(content)
            draft.replace(self._path)
        except OSError:
            self._write_over(content)

    def _write_over(self, content: bytes) -> None:
        """In the old beat's place, which takes no room; a reader may meet it half written and then sees none."""
        with suppress(OSError), self._path.open("r+b") as file:
            room = len(file.read())
            file.seek(0)
            file.write(content.ljust(room))

    def fail(self, detail: str) -> None:
        """No work was done: the last beat's time stays, so that silence is still noticed, and its state tells why."""
        if self._last is not None and self._last.state != "failing":
            self._last = replace(self._last, state="failing", detail=detail)
            self._write(self._last)


def read_beats(folder: Path) -> dict[str, Beat]:
    """The newest beat of every process that ever beat in `folder`; unreadable files are left out."""
    beats: dict[str, Beat] = {}
    for path in sorted(folder.glob("*.beat")):
        try:
            beat = Beat(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        beats[beat.process] = beat
    return beats
