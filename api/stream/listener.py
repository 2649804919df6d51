"""One port for everything: HTTP requests go to the WSGI threads, `/api/ws` becomes a WebSocket.

Limits hold before anything is believed: so many connections, so long for a head, a body or a pause, so many bytes.
"""

from __future__ import annotations

import asyncio
import heapq
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qs

import httptools
from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake

from api.stream.fresh import FreshAnswers
from api.stream.session import Session, Wire
from api.stream.websocket import WebSocket
from api.stream.wsgi import Request, WsgiApp, WsgiRunner, refusal

_LINGER_SECONDS = 2.0
_NEVER = float("inf")
_PLACES_AT_ONCE = 64
#: With more written and not taken, a client is slow.
_HIGH_WATER = 64 * 1024
WS_PATHS = (b"/api/ws", b"/ws")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one client may ask of this process; times in seconds, sizes in bytes."""

    connections: int = 4_000
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 30.0
    reader_seconds: float = 30.0
    head_bytes: int = 32 * 1024
    body_bytes: int = 1_000_000
    pipelined: int = 16
    fresh_seconds: float = 0.2


class Listener:
    """The open port. `fresh` are public paths whose answer may be `fresh_seconds` old: it is given without asking again."""

    def __init__(
        self,
        app: WsgiApp,
        begin: Callable[[Wire], Session],
        *,
        limits: Limits | None = None,
        fresh: frozenset[bytes] = frozenset(),
    ) -> None:
        self.limits = limits or Limits()
        self.begin = begin
        self.fresh = FreshAnswers(fresh, self.limits.fresh_seconds)
        self.connections: set[Connection] = set()
        self.runner: WsgiRunner
        self._app = app
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._emptied: asyncio.Event | None = None
        self.port = 0

    async def open(self, host: str, port: int, *, threads: int = 8) -> None:
        """Begins to listen. Raises OSError when the address is taken."""
        self.loop = asyncio.get_running_loop()
        self._server = await self.loop.create_server(lambda: Connection(self), host, port, backlog=2048)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.runner = WsgiRunner(self._app, (host, self.port), threads=threads)
        self._ticking = asyncio.create_task(self._tick())

    async def close(self, patience_seconds: float = 3.0) -> None:
        """Takes nobody in, says goodbye to the sockets, lets requests under way end, and closes what is left."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.connections):
            connection.leave()
        if self.connections:
            self._emptied = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_seconds):
                    await self._emptied.wait()
        for connection in list(self.connections):
            connection.abort()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        self.runner.close()
        await asyncio.sleep(0)

    def has_room(self) -> bool:
        """Whether one more may come in. Where all places are taken, those leave that have asked for nothing for longest."""
        if len(self.connections) < self.limits.connections:
            return True
        idle = [each for each in self.connections if each.is_idle]
        leaving = heapq.nsmallest(_PLACES_AT_ONCE, idle, key=lambda each: each.since)
        for each in leaving:
            self.connections.discard(each)
            each.abort()
        return bool(leaving)

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        if not self.connections and self._emptied is not None:
            self._emptied.set()

    async def _tick(self) -> None:
        """Deadlines are looked at once a second, a slice of the connections at a time."""
        while True:
            await asyncio.sleep(1.0)
            now = self.loop.time()
            for number, connection in enumerate(list(self.connections)):
                connection.tick(now)
                if number % 256 == 255:
                    await asyncio.sleep(0)


class Connection(asyncio.Protocol):
    """One client's connection: a request at a time, in order; or a WebSocket from its handshake on."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._limits = listener.limits
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser: httptools.HttpRequestParser | None = None
        self._socket: WebSocket | None = None
        self._client = ("", 0)
        self._waiting: deque[Request] = deque()
        self._running: Request | None = None
        self._closing = False
        self._leaving = False
        self._ended = False
        self._deaf = False
        self._refusal: tuple[int, str] | None = None
        self._deadline, self._taken_until = 0.0, _NEVER
        self.since = listener.loop.time()
        self._new_request()

    # ---- the transport's calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected: it is let in, or told that there is no room."""
        self._transport, listener = cast("asyncio.Transport", transport), self._listener
        if not listener.has_room():
            self._transport.write(refusal(503, "too_many_connections"))
            transport.close()  # at once: nobody looks after those who were not let in
            return
        listener.connections.add(self)
        if peer := transport.get_extra_info("peername"):
            self._client = (str(peer[0]), int(peer[1]))
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpRequestParser(self)
        self._deadline = listener.loop.time() + self._limits.head_seconds

    def data_received(self, data: bytes) -> None:
        """Bytes of the client, up to where it has to wait for an answer."""
        if self._socket is not None:
            self._socket.received(data, self._listener.loop.time())
            return
        if self._parser is None or self._closing or self._deaf:
            return
        self._begun = False
        body_before = self._bytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400, "malformed")
        if not self._headed and not self._begun:
            self._count(len(data))  # more of a head that already has had a whole read
        elif self._headed and not self._begun and self._bytes == body_before:
            self._bare += len(data)  # frames of chunks, and trailers: the parser keeps an unfinished one
            if self._bare > self._limits.head_bytes and not self._handed:
                self._refuse(431, "trailer_too_large")

    def eof_received(self) -> bool:
        """A client that has said all it will say may still wait for its answers."""
        self._ended = True
        return (self._running is not None or bool(self._waiting)) and self._socket is None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """The client is gone: whoever works for it is told."""
        self._listener.left(self)
        if self._socket is not None:
            self._socket.lost()
        for request in (*self._waiting, *([self._running] if self._running else [])):
            request.gone = True
            request.more()
        self._waiting.clear()

    def pause_writing(self) -> None:
        if self._socket is not None:
            self._socket.blocked()

    def resume_writing(self) -> None:
        if self._socket is not None:
            self._socket.released()
        elif self._running is not None:
            self._running.more()

    # ---- the parser's calls -------------------------------------------------------------------------------------

    def _new_request(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._bytes = self._bare = 0
        self._headed = False
        self._begun = True
        self._handed = False

    def on_message_begin(self) -> None:
        self._new_request()
        self._deadline = self._listener.loop.time() + self._limits.head_seconds

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headed:
            return  # behind the body nothing is believed: proxies check and set what comes before it
        self._headers.append((name, value))
        self._count(len(name) + len(value) + 4)

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limits.head_bytes and self._socket is None:
            self._refuse(431, "head_too_large")

    def on_headers_complete(self) -> None:
        """The head is here: refuses what has two readings, and looks at how long the body may be."""
        self._headed = True
        self._bytes = 0
        self._deadline = self._listener.loop.time() + self._limits.body_seconds
        names = [name.lower() for name, _ in self._headers]
        version = self._parser.get_http_version() if self._parser is not None else ""
        if names.count(b"host") not in ((1,) if version == "1.1" else (0, 1)) or version not in ("1.0", "1.1"):
            self._refuse(400, "malformed")  # whose request it is must be clear, to a proxy as to us
            return
        busy = self._running is not None or bool(self._waiting) or self._deaf or self._closing
        for low, (_, value) in zip(names, self._headers, strict=True):
            if low == b"expect" and value.lower() == b"100-continue" and not busy:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            elif low == b"content-length" and value.isdigit() and int(value) > self._limits.body_bytes:
                self._hand_over(keep=False)  # the application says 413 in its own words; the body is never read

    def on_body(self, body: bytes) -> None:
        """A piece of the body, counted."""
        if self._handed:
            return
        self._bytes += len(body)
        self._body.append(body)
        if self._bytes > self._limits.body_bytes:
            self._hand_over(keep=False)

    def on_message_complete(self) -> None:
        if self._parser is not None and not self._handed and not self._parser.should_upgrade():
            self._hand_over(keep=self._parser.should_keep_alive())

    # ---- HTTP ---------------------------------------------------------------------------------------------------

    def _hand_over(self, *, keep: bool) -> None:
        if self._closing or self._deaf or self._parser is None:
            return
        self._handed, self._deaf = True, not keep
        self._deadline = _NEVER
        path, _, query = self._url.partition(b"?")
        if not path.startswith(b"/") and b"://" in path:
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        method = self._parser.get_method().decode("latin-1")
        version = self._parser.get_http_version()
        request = Request(self, method, path, query, self._headers, b"".join(self._body), keep, version, self._client)
        if self._running is None:
            self._run(request)
        else:
            self._waiting.append(request)
            if len(self._waiting) >= self._limits.pipelined:
                self._transport.pause_reading()

    def _run(self, request: Request) -> None:
        self._running = request
        if (answer := self._listener.fresh.find(request, self._listener.loop.time())) is not None:
            self.answered(request, answer, last=True, keep=True)
        else:
            self._listener.runner.submit(request)

    def _ask_for_more(self, request: Request) -> None:
        """The next piece may come, unless what is written already waits for the client (`resume_writing` asks then)."""
        if self._transport.get_write_buffer_size() <= _HIGH_WATER:
            request.more()

    def answered(self, request: Request, piece: bytes, *, last: bool, keep: bool) -> None:
        """A piece of an answer is ready."""
        if request.gone or self._transport.is_closing():
            return
        if piece:
            self._transport.write(piece)
        if not last:
            # What was written goes out at the end of this turn: only then it shows whether the client takes it.
            self._taken_until = self._listener.loop.time() + self._limits.reader_seconds
            self._listener.loop.call_soon(self._ask_for_more, request)
            return
        self._running, self.since = None, self._listener.loop.time()
        if keep and piece.startswith(b"HTTP/1.1 "):
            self._listener.fresh.keep(request, piece, self._listener.loop.time())
        if self._leaving:
            self._transport.close()
        elif not keep or self._closing:
            self._linger()
        elif self._waiting:
            self._transport.resume_reading()
            self._listener.loop.call_soon(self._next)
        elif self._refusal is not None:
            self._say_no(*self._refusal)
        elif self._ended:
            self._transport.close()
        else:
            self._deadline = self._listener.loop.time() + self._limits.idle_seconds

    def _next(self) -> None:
        if self._running is None and self._waiting:
            self._run(self._waiting.popleft())

    def _refuse(self, status: int, code: str) -> None:
        """Nothing more is read. What was asked before is answered first: a no must never pass for its answer."""
        if self._closing or self._deaf:
            return
        self._deaf = True
        if self._running is None and not self._waiting:
            self._say_no(status, code)
        else:
            self._refusal, self._deadline = (status, code), _NEVER

    def _say_no(self, status: int, code: str) -> None:
        self._transport.write(refusal(status, code))
        self._linger()

    def _linger(self) -> None:
        """Ends our side; what the client still sends is read for a moment and thrown away, lest it miss the answer."""
        self._closing = True
        self._deadline = self._listener.loop.time() + _LINGER_SECONDS
        if self._running is None and self._transport.can_write_eof():
            self._transport.write_eof()

    # ---- WebSocket ----------------------------------------------------------------------------------------------

    def _upgrade(self, rest: bytes) -> None:
        path, _, query = self._url.partition(b"?")
        if path.rstrip(b"/") not in WS_PATHS or self._running is not None or self._closing or self._deaf:
            self._hand_over(keep=False)
            return
        headers = Headers()
        for name, value in self._headers:
            headers[name.decode("latin-1")] = value.decode("latin-1")
        tickets = parse_qs(query.decode("latin-1")).get("ticket")
        self._parser, self._deadline = None, _NEVER
        self._socket = WebSocket(self._transport, self._listener.loop.time())
        handshake = Handshake(self._url.decode("latin-1"), headers)
        self._socket.open(handshake, tickets[0] if tickets else None, self._listener.begin, rest)

    # ---- its end ------------------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Nothing is asked: whoever leaves here misses nothing but a place."""
        return self._socket is None and self._running is None and not self._waiting

    def tick(self, now: float) -> None:
        """Looks at the deadlines."""
        if self._socket is not None:
            self._socket.tick(now)
        elif now > self._taken_until and self._running is not None and self._running.go_on is not None:
            self._transport.abort()  # a client that takes nothing of its long answer
        elif now > self._deadline and not self._transport.is_closing():
            if self._closing:
                self._transport.abort()
            elif self._headed or self._url:
                self._refuse(408, "too_slow")
            else:
                self._transport.close()

    def leave(self) -> None:
        """The process stops: no further request on this connection."""
        self._closing = self._leaving = True
        if self._socket is not None:
            self._socket.end()
        elif self._running is None:
            self._transport.close()

    def abort(self) -> None:
        """At once."""
        self._transport.abort()
