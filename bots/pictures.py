"""The pictures under signal posts: drawn by the painter, kept in the data directory. No post is held up by its picture.

What stands in the way of one (damaged candles, a full disk) is logged, and the post goes without it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bots.chat import Rooms
from modules.domain.errors import InvalidInput
from modules.domain.signals import Signal
from modules.notices.painter import Painter
from modules.records import from_document
from modules.runtime.logs import log


class Ending(Exception):
    """The process ends: what would need a picture now is left for its next life."""


class Pictures:
    """The pictures of one process, for its threads. Close it at the end."""

    def __init__(self, rooms: Rooms, painter: Painter | None = None) -> None:
        self._rooms = rooms
        self._painter = painter or Painter()
        self._ending = False
        self._log = log("pictures")

    def start(self) -> None:
        """Gets ready to draw."""
        with suppress(OSError):  # else the first picture tries again, and is left out
            self._painter.start()

    def draw(self, signal: Signal) -> bytes | None:
        """A signal's picture as PNG, None where none could be drawn. Raises Ending once `close` was called."""
        try:
            picture = self._painter.draw(signal, self._rooms.candles(signal.symbol))
        except (InvalidInput, OSError) as wrong:
            self._log.error("a post goes without its picture", signal_id=signal.id, reason=repr(wrong))
            picture = None
        if self._ending:
            raise Ending
        return picture

    def keep(self, signal_id: str) -> str | None:
        """The path of a signal's picture, drawn and kept where it is not yet; None where there is none."""
        path = self._rooms.settings.data_dir / "pictures" / f"{signal_id}.png"
        document = self._rooms.store["signals"].get(key=signal_id)
        if document is None:
            return None
        if path.exists():
            return str(path)
        picture = self.draw(from_document(Signal, document))
        return str(path) if picture is not None and self._kept(path, picture) else None

    def _kept(self, path: Path, picture: bytes) -> bool:
        draft = path.with_suffix(".draft")
        try:
            path.parent.mkdir(exist_ok=True)
            draft.write_bytes(picture)
            draft.replace(path)
        except OSError as full:
            self._log.error("a post goes without its picture", path=str(path), reason=repr(full))
            return False
        return True

    def close(self) -> None:
        """Ends the drawing; who waits for a picture hears of the end."""
        self._ending = True
        self._painter.close()
