"""One WebSocket connection: frames in, frames out, pings, and its end. What is said belongs to `session`.

Incoming frames are read by the `websockets` library's protocol without I/O; outgoing messages come framed already and are
written as they are.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.server import ServerProtocol

from api.stream.protocol import MAX_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.stream.session import Session, Wire

#: A connection that is silent this long is asked whether it lives; asked twice in vain it is dropped.
PING_SECONDS = 20.0
_CLOSING_SECONDS = 5.0
_HIGH_WATER = 64 * 1024
_LOW_WATER = 16 * 1024
_UNSUPPORTED, _NOT_UTF8 = 1003, 1007


class WebSocket:
    """A session's wire over a transport that was an HTTP connection until now."""

    def __init__(self, transport: asyncio.Transport, now: float) -> None:
        self._transport = transport
        self._protocol = Protocol(SERVER, state=OPEN, max_size=MAX_MESSAGE)
        self._session: Session | None = None
        self._parts: list[bytes] = []
        self._text = True
        self._heard = now
        self._pinged = now
        self._close_by: float | None = None
        self.write: Callable[[bytes], None] = transport.write

    def open(self, handshake: Handshake, ticket: str | None, begin: Callable[[Wire], Session], rest: bytes) -> bool:
        """Answers the handshake; with a right one the session begins. Whether it was right."""
        answer = ServerProtocol().accept(handshake)
        self._transport.write(answer.serialize())
        if answer.status_code != 101:
            self._transport.close()
            return False
        self._transport.set_write_buffer_limits(high=_HIGH_WATER, low=_LOW_WATER)
        self._session = begin(self)
        self._session.welcome(ticket)
        if rest:
            self.received(rest, self._heard)
        return True

    def received(self, data: bytes, now: float) -> None:
        """Bytes of the client."""
        self._heard = now
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        if frame.data:  # empty pieces count for nothing, so that no number of them fills the memory
            self._parts.append(bytes(frame.data))
        if not frame.fin or self._session is None or self._protocol.state is not OPEN:
            return
        raw, self._parts = b"".join(self._parts), []
        try:
            raw.decode()
        except UnicodeDecodeError:
            self._session.end(_NOT_UTF8, "not UTF-8")
            return
        if self._text:
            self._session.received(raw)
        else:
            self._session.end(_UNSUPPORTED, "messages are text")

    def close(self, code: int, reason: str) -> None:
        """Says goodbye behind what is written already; the client has a few seconds to read it."""
        with suppress(InvalidState):  # the client was first
            self._protocol.send_close(code, reason)
        self._flush()

    def tick(self, now: float) -> None:
        """Once a second or so: asks a silent client whether it lives, drops a dead one."""
        if self._close_by is not None:
            if now > self._close_by:
                self._transport.abort()
        elif now - self._heard > 2 * PING_SECONDS:
            self._transport.abort()
        elif now - max(self._heard, self._pinged) > PING_SECONDS and self._protocol.state is OPEN:
            self._pinged = now
            self._protocol.send_ping(b"")
            self._flush()

    def blocked(self) -> None:
        """The transport's buffer is full."""
        if self._session is not None:
            self._session.blocked()

    def released(self) -> None:
        """It has room again."""
        if self._session is not None:
            self._session.released()

    def lost(self) -> None:
        """The connection is gone."""
        if self._session is not None:
            self._session.gone()

    def end(self) -> None:
        """The process stops."""
        if self._session is not None:
            self._session.end(1001, "the server stops; come back and resume")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        if self._protocol.state is not OPEN and self._close_by is None and self._session is not None:
            self._close_by = asyncio.get_running_loop().time() + _CLOSING_SECONDS
            self._session.gone()
