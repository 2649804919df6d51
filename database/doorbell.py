"""The doorbell wakes sleeping processes after a commit, so that nobody has to poll fast.

Each listener has a datagram socket in one directory; a ring is a byte to every socket there. It carries no news: whoever wakes
reads the journal. So a ring that is lost (listener just starting, queue full) costs the listener's own time-out, never a fact.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import select
import socket
import tempfile
import time
from pathlib import Path
from types import TracebackType

from database.errors import InvalidQuery, StoreFull

_LONGEST_DIRECTORY = 70  # the kernel takes addresses of up to 107 bytes
_SETTLED_NS = 100_000_000  # a directory changed longer ago than this shows any later change by its time stamp
_NAME = re.compile(r"[A-Za-z0-9_-]{1,24}\Z")


class Doorbell:
    """All listeners of one store, found in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory if len(os.fsencode(directory)) <= _LONGEST_DIRECTORY else _substitute(directory)
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sender.setblocking(False)
        self._known: tuple[int, list[str]] = (-1, [])

    @property
    def was_used(self) -> bool:
        """Whether anybody ever listened here; nobody does before the store is made."""
        return self.directory.exists()

    def ring(self) -> None:
        """Wake every listener; never waits and never fails. Sockets of listeners that died are cleared away."""
        for name in self._listeners():
            try:
                self._sender.sendto(b"\x01", str(self.directory / name))
            except BlockingIOError:
                continue  # its queue is full of rings it has not heard yet
            except ConnectionRefusedError:
                (self.directory / name).unlink(missing_ok=True)
            except OSError:
                continue  # gone meanwhile

    def listen(self, name: str) -> Bell:
        """A new listener; several may have the same name."""
        if not _NAME.match(name):
            raise InvalidQuery(f"{name!r} is no listener name: letters, digits, - and _")
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Bell(self.directory, f"{name}.{secrets.token_hex(4)}")
        except OSError as error:
            raise StoreFull(f"{self.directory}: cannot make a doorbell ({error.strerror or error})") from error

    def close(self) -> None:
        """Stop ringing; listeners are closed by those who listen."""
        self._sender.close()

    def _listeners(self) -> list[str]:
        """The sockets in the directory, listed anew only when it has changed (or changed too recently to be sure)."""
        try:
            changed = self.directory.stat().st_mtime_ns
            if self._known[0] != changed:
                names = [entry.name for entry in os.scandir(self.directory)]
                if time.time_ns() - changed < _SETTLED_NS:
                    return names
                self._known = (changed, names)
        except OSError:
            return []
        return self._known[1]


class Bell:
    """One listener. Rings that came while nobody waited are not lost: the next wait returns at once."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(str(self._path))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor that becomes readable on a ring, for selectors."""
        return self._socket.fileno()

    def wait(self, timeout_seconds: float) -> bool:
        """Block until a ring or the time-out; whether it rang. Several rings before it count as one."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.poll(max(0.0, timeout_seconds) * 1000)
        return self._drain()

    async def wait_async(self, timeout_seconds: float) -> bool:
        """The same without blocking the event loop; one waiter at a time."""
        if self._drain():
            return True
        loop = asyncio.get_running_loop()
        rung: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._socket, _resolve, rung)
        try:
            async with asyncio.timeout(max(0.0, timeout_seconds)):
                await rung
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._socket)
        return self._drain()

    def close(self) -> None:
        """Stop listening."""
        self._path.unlink(missing_ok=True)
        self._socket.close()

    def __enter__(self) -> Bell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drain(self) -> bool:
        rang = False
        while True:
            try:
                self._socket.recv(16)
            except BlockingIOError:
                return rang
            rang = True


def _resolve(rung: asyncio.Future[None]) -> None:
    if not rung.done():
        rung.set_result(None)


def _substitute(directory: Path) -> Path:
    """A short directory that every process derives alike from one that is too long for a socket's address."""
    digest = hashlib.sha256(os.fsencode(directory.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"bells-{digest}"
