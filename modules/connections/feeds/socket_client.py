"""One WebSocket to a public stream that never gives up: reconnects, notices silence, paces what it sends.

Frames are handed over as they are cut from the TCP stream, without a queue or a coroutine in between: whole text frames
go straight to the listener, everything else (handshake, control frames, fragments, closing) is left to `websockets`.
The listener must be quick and must not raise.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import CONNECTING, OPEN, Event

_log = structlog.get_logger(__name__)
_LARGEST_MESSAGE = 1 << 22
_WHOLE_TEXT = 0x81
_HEADERS_END = b"\r\n\r\n"

FrameListener = Callable[[bytes], None]


class DirectConnection(ClientConnection):
    """A client connection that gives every message to `listener` at once in place of queueing it for `recv`."""

    listener: FrameListener

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rest = b""
        self._headers_seen = False
        self._parts: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Cut frames. What is left of an unfinished one waits for the next bytes."""
        buffer = self._rest + data if self._rest else data
        self._rest = b""
        if not self._headers_seen and self.protocol.state is CONNECTING:
            end = buffer.find(_HEADERS_END)
            if end < 0:
                self._rest = buffer
                return
            self._headers_seen = True
            end += len(_HEADERS_END)
            super().data_received(buffer[:end])
            buffer = buffer[end:]
        if self.protocol.state is OPEN:
            buffer = self._cut(buffer)
        if self.protocol.state is OPEN:
            self._rest = buffer
        elif buffer:
            super().data_received(buffer)

    def _cut(self, buffer: bytes) -> bytes:
        """Hand over every whole frame at the head of `buffer` (RFC 6455, 5.2; servers do not mask); give back the rest."""
        at, size, listener = 0, len(buffer), self.listener
        while size - at >= 2:
            length, head = buffer[at + 1], at + 2
            if length > 125:
                wide = {126: 2, 127: 8}.get(length)
                if wide is None:  # masked: the library knows how to refuse it
                    self._leave_to_library(buffer[at:])
                    return b""
                if size - head < wide:
                    break
                length = int.from_bytes(buffer[head : head + wide], "big")
                head += wide
                if length > _LARGEST_MESSAGE:
                    self._leave_to_library(buffer[at:])
                    return b""
            end = head + length
            if end > size:
                break
            if buffer[at] == _WHOLE_TEXT:
                listener(buffer[head:end])
            else:
                super().data_received(buffer[at:end])
                if self.protocol.state is not OPEN:
                    return buffer[end:]
            at = end
        return buffer[at:] if at else buffer

    def _leave_to_library(self, buffer: bytes) -> None:
        super().data_received(buffer)

    def process_event(self, event: Event) -> None:
        """Messages in fragments or in binary frames; the rest as the library does it."""
        if self.response is None or not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        self._parts.append(bytes(event.data))
        if event.fin:
            message, self._parts = b"".join(self._parts), []
            self.listener(message)


@dataclass(frozen=True, slots=True)
class SocketRules:
    """How one exchange wants its sockets treated; all times in seconds.

    `silence` is how long a socket with subscriptions may say nothing before it is taken for dead; `renew_after` closes
    a connection before the exchange does; `heartbeat` is sent every `heartbeat_every`; at most one frame is sent each
    `send_every`. Waits between attempts double from `first_wait` to `longest_wait`, half of each at random.
    """

    open_timeout: float = 10.0
    silence: float = 60.0
    renew_after: float = 23.5 * 3600
    heartbeat: str | None = None
    heartbeat_every: float = 20.0
    send_every: float = 0.25
    first_wait: float = 0.5
    longest_wait: float = 60.0
    ping_every: float = 20.0


def reconnect_wait(failures: int, rules: SocketRules, draw: Callable[[], float]) -> float:
    """Seconds before the next attempt after `failures` in a row; `draw` gives numbers in [0, 1)."""
    whole = min(rules.longest_wait, rules.first_wait * 2.0 ** min(failures - 1, 20))
    return whole * (0.5 + draw() / 2)


class StreamSocket:
    """One connection with its subscriptions.

    `greeting` gives the frames to send on each new connection; `on_up` is called once they are sent, `on_down` when
    the connection is gone. `run` ends only by cancellation.
    """

    def __init__(
        self,
        url: str,
        listener: FrameListener,
        *,
        rules: SocketRules,
        greeting: Callable[[], list[str]],
        on_up: Callable[[], object],
        on_down: Callable[[], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.url = url
        self.connections = 0
        self.failures = 0
        self._listener = listener
        self._rules = rules
        self._greeting = greeting
        self._on_up = on_up
        self._on_down = on_down
        self._draw = draw
        self._connection: DirectConnection | None = None
        self._outgoing: deque[str] = deque()
        self._to_send = asyncio.Event()
        self._heard = 0
        self._down_since: float | None = None

    @property
    def connected(self) -> bool:
        """Is the connection open, whether or not it has said anything yet?"""
        return self._connection is not None

    def down_seconds(self) -> float:
        """For how long there has been no connection; 0 while there is one."""
        if self._down_since is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._down_since

    def send(self, frames: list[str]) -> None:
        """Send soon, in order and paced. Without a connection nothing is kept: the next greeting says it all."""
        if self._connection is not None:
            self._outgoing.extend(frames)
            self._to_send.set()

    async def run(self) -> None:
        """Connect and listen for ever."""
        self._down_since = asyncio.get_running_loop().time()
        while True:
            heard = self._heard
            reason = await self._once()
            renewed = reason == "renewed"
            self.failures = 0 if renewed or self._heard != heard else self.failures + 1
            wait = 0.0 if renewed else reconnect_wait(max(self.failures, 1), self._rules, self._draw)
            _log.info("stream_reconnects", url=self.url, reason=reason, failures=self.failures, wait=round(wait, 2))
            await asyncio.sleep(wait)

    async def _once(self) -> str:
        """One connection from opening to its end; the reason it ended."""
        try:
            async with connect(
                self.url,
                create_connection=cast("type[ClientConnection]", self._made),  # a factory, as its documentation allows
                compression=None,
                max_size=_LARGEST_MESSAGE,
                open_timeout=self._rules.open_timeout,
                ping_interval=self._rules.ping_every,
                ping_timeout=self._rules.ping_every,
                close_timeout=1.0,
                proxy=None if is_loopback(self.url) else True,
            ) as connection:
                assert isinstance(connection, DirectConnection)
                return await self._serve(connection)
        except (OSError, WebSocketException, TimeoutError, ssl.SSLError) as error:
            return f"{type(error).__name__}: {error}"[:160]

    def _made(self, *args: Any, **kwargs: Any) -> DirectConnection:
        connection = DirectConnection(*args, **kwargs)
        connection.listener = self._hear
        return connection

    def _hear(self, message: bytes) -> None:
        self._heard += 1
        self._listener(message)

    async def _serve(self, connection: DirectConnection) -> str:
        self._connection = connection
        self._down_since = None
        self.connections += 1
        self._outgoing = deque(self._greeting())
        self._to_send.set()
        tasks = [
            asyncio.create_task(work)
            for work in (self._watch(), self._send_paced(connection), self._gone(connection), self._beat())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            self._connection = None
            self._down_since = asyncio.get_running_loop().time()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._on_down()

    async def _gone(self, connection: DirectConnection) -> str:
        await connection.wait_closed()
        return f"closed by the other side ({connection.close_code})"

    async def _watch(self) -> str:
        """Ends when the socket has been silent for too long or is due for renewal."""
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + self._rules.renew_after
        while True:
            heard = self._heard
            await asyncio.sleep(min(self._rules.silence, max(renew_at - loop.time(), 0.0)))
            if loop.time() >= renew_at:
                return "renewed"
            if heard == self._heard:
                return f"silent for {self._rules.silence:g} s"

    async def _beat(self) -> str:
        while self._rules.heartbeat is not None:
            await asyncio.sleep(self._rules.heartbeat_every)
            self.send([self._rules.heartbeat])
        await asyncio.get_running_loop().create_future()
        raise AssertionError("a future nobody sets")

    async def _send_paced(self, connection: DirectConnection) -> str:
        """The greeting, then `on_up`, then whatever comes."""
        greeted = False
        while True:
            while self._outgoing:
                await connection.send(self._outgoing.popleft())
                await asyncio.sleep(self._rules.send_every)
            if not greeted:
                greeted = True
                self._on_up()
            self._to_send.clear()
            await self._to_send.wait()


async def answers(url: str, timeout: float) -> bool:  # noqa: ASYNC109 - the caller's budget
    """Does a WebSocket server complete a handshake at `url` within `timeout` seconds?"""
    try:
        async with asyncio.timeout(timeout):
            connection = await connect(url, compression=None, open_timeout=timeout, close_timeout=0.2,
                                       proxy=None if is_loopback(url) else True)  # fmt: skip
            await connection.close()
            return True
    except (OSError, WebSocketException, TimeoutError, ssl.SSLError):
        return False


def is_loopback(url: str) -> bool:
    """Is this address on this machine, where no proxy belongs in between?"""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
