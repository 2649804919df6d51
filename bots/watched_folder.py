"""The watched folder: a file dropped into it is a message. Taken files move to `done`, wrong ones to `refused` with why.

`NAME.txt` is a text of the source `folder`; `NAME.json` has the fields of the HTTP inbox. A file is read once it has
rested for a moment, so that half-written ones are not taken.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modules.domain.errors import InvalidInput
from modules.domain.market import utc_from_ms
from modules.domain.signals import SourceMessage
from modules.runtime.logs import log
from modules.signals.intake import Intake

_REST_SECONDS = 0.2
_LARGEST = 200_000


class WatchedFolder:
    """One folder. `turn` takes what lies there."""

    def __init__(self, folder: Path, intake: Intake) -> None:
        self._folder = folder
        self._intake = intake
        self._log = log("folder")

    def turn(self, now: datetime) -> int:
        """Takes every rested file, oldest first; returns how many."""
        if not self._folder.is_dir():
            return 0
        written: list[tuple[float, Path]] = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # it may be gone since it was listed
                # What a link points to was not put here: it might be any file of this machine.
                if path.suffix in (".txt", ".json") and path.is_file() and not path.is_symlink():
                    written.append((path.stat().st_mtime, path))
        rested = sorted((at, path) for at, path in written if now.timestamp() - at >= _REST_SECONDS)
        for _, path in rested:
            self._take(path, now)
        return len(rested)

    def _take(self, path: Path, now: datetime) -> None:
        try:
            message = read_message(path, now)
            if self._intake.next_edit(message.source, message.message_id, message.text):
                raise InvalidInput("another text was taken under this name before; give the file a new name")
            taken = self._intake.take(message)
        except InvalidInput as wrong:
            self._log.warning("file refused", file=path.name, reason=wrong.message)
            self._move(path, "refused").with_suffix(".why").write_text(wrong.message, encoding="utf-8")
            return
        self._log.info(
            "file taken", file=path.name, kind=taken.kind.value, accepted=taken.accepted, reason=taken.reason
        )
        self._move(path, "done")

    def _move(self, path: Path, place: str) -> Path:
        folder = self._folder / place
        folder.mkdir(exist_ok=True)
        return path.replace(folder / path.name)


def read_message(path: Path, now: datetime) -> SourceMessage:
    """The message in a file. Raises InvalidInput that says what is wrong with it."""
    if path.stat().st_size > _LARGEST:
        raise InvalidInput(f"{path.name} is larger than {_LARGEST} bytes")
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not UTF-8: {error}") from error
    except OSError as error:
        raise InvalidInput(f"{path.name} can't be read: {error.strerror}") from error
    if path.suffix == ".txt":
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return SourceMessage("folder", path.stem, content, min(written, now), now)
    try:
        fields = json.loads(content)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{path.name} is not JSON: {error}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
        raise InvalidInput(f'{path.name} needs an object with "text"', fields={"text": "required"})
    reply_to = fields.get("reply_to")
    return SourceMessage(
        source=str(fields.get("source") or "folder"),
        message_id=str(fields.get("message_id") or path.stem),
        text=fields["text"],
        at=_moment(fields.get("at"), now),
        received_at=now,
        reply_to=str(reply_to) if reply_to is not None else None,
    )


def _moment(value: Any, now: datetime) -> datetime:
    if value is None:
        return now
    try:
        if isinstance(value, int | float):
            return utc_from_ms(int(value))
        moment = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(f"at: {value!r} is no time", fields={"at": "ISO-8601 with zone, or milliseconds"}) from error
    if moment.tzinfo is None:
        raise InvalidInput("at: needs a time zone", fields={"at": "no zone"})
    return moment.astimezone(UTC)
