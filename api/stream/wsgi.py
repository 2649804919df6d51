"""Flask in the process of the event loop: requests go to a few threads, answers come back in batches.

A thread takes what waits without asking the loop, and the loop is woken once for all answers that are ready: on a busy
server the hand-over costs a fraction of a request. A long answer is passed on piece by piece, no faster than it is read;
between two pieces it is put aside, so that a slow reader holds no thread.
"""

from __future__ import annotations

import asyncio
import io
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from modules.runtime.logs import log

#: A status line and its headers, as WSGI gives them.
Started = tuple[str, list[tuple[str, str]]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
#: What is sent: bytes, whether they end the answer, whether the connection lives on.
Part = tuple[bytes, bool, bool]
_PIECE = 64 * 1024
_LOOK_AGAIN_SECONDS = 0.002
_STATUS_LINE = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
_BROKEN = (
    b'HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: 108\r\nconnection: close\r\n\r\n'
    b'{"success": false, "error": {"code": "internal", "message": "Something went wrong here; it is in the log."}}'
)  # fmt: skip


def refusal(status: int, code: str) -> bytes:
    """A whole answer to what does not reach the application; the connection ends with it."""
    body = f'{{"success":false,"error":{{"code":"{code}","message":"The request was not taken."}}}}'.encode()
    head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return _STATUS_LINE[status] + head.encode() + body


class Reply(Protocol):
    """Where an answer goes; called in the event loop."""

    def answered(self, request: Request, piece: bytes, *, last: bool, keep: bool) -> None: ...


@dataclass(slots=True, eq=False)
class Request:
    """One HTTP request. `keep`: the connection may live on. Between the pieces of a long answer `rest` is what comes yet,
    and `go_on` has it continued; only the event loop touches `go_on`.
    """

    reply: Reply
    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    keep: bool
    version: str
    client: tuple[str, int]
    gone: bool = False
    rest: Generator[Part, None, None] | None = None
    go_on: Callable[[Request], None] | None = None

    def more(self) -> None:
        """The client takes more of a long answer, or never will."""
        go_on, self.go_on = self.go_on, None
        if go_on is not None:
            go_on(self)


class WsgiRunner:
    """Threads that answer requests by a WSGI application."""

    def __init__(self, app: WsgiApp, server: tuple[str, int], *, threads: int = 8) -> None:
        self._app = app
        self._base: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Request] = deque()
        self._calls: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._calling = False
        self._watching = False
        self._ready: deque[tuple[Request, Part]] = deque()
        self._called = False
        self._threads = [threading.Thread(target=self._work, name=f"wsgi-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, request: Request) -> None:
        """Has the request answered."""
        self._waiting.append(request)
        if not self._calling:
            self._calling = True
            self._loop.call_soon(self._call_first)

    def _call_first(self) -> None:
        """One thread for all that came at once: several would only take the interpreter from each other."""
        self._calling = False
        if self._calls.empty():  # else whoever hears that call finds these too
            self._calls.put(True)
        if not self._watching:
            self._watching = True
            self._loop.call_later(_LOOK_AGAIN_SECONDS, self._call_more)

    def _call_more(self) -> None:
        """What still waits, waits behind something slow: one more thread, and a look again."""
        self._watching = bool(self._waiting)
        if self._waiting:
            if self._calls.empty():  # else all threads are at work, and whoever is done hears it
                self._calls.put(True)
            self._loop.call_later(_LOOK_AGAIN_SECONDS, self._call_more)

    def close(self) -> None:
        """The threads end once what waits is answered; nobody waits for them."""
        for _ in self._threads:
            self._calls.put(False)

    # ---- in the threads -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        going = True
        while going:
            going = self._calls.get()
            while True:
                try:
                    request = self._waiting.popleft()
                except IndexError:  # another thread was quicker, or all is answered
                    break
                self._take(request)

    def _take(self, request: Request) -> None:
        """Answers, or goes on with an answer, up to where it has to wait for the client."""
        rest = request.rest
        answer = self._answer(request) if rest is None else rest
        try:
            if request.gone:
                answer.close()
                return
            part = next(answer)
        except Exception as error:  # noqa: BLE001 - the edge of the process: one request must not end a thread
            log("api").error("request broke", path=request.path.decode("latin-1"), error=repr(error), exc_info=error)
            part = (_BROKEN if rest is None else b"", True, False)  # amid an answer no other may begin
        request.rest = None if part[1] else answer  # kept, the two would hold each other until garbage is collected
        self._send(request, part)

    def _answer(self, request: Request) -> Generator[Part, None, None]:
        """The answer in parts, each made when the one before was taken."""
        started: list[Started] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:  # noqa: ARG001 - WSGI's signature
            started[:] = [(status, headers)]

        pieces = self._app(self._environ(request), start_response)
        try:
            last = yield from self._pass_on(request, pieces, started)
        finally:
            _close(request, pieces)
        yield last

    def _pass_on(
        self, request: Request, pieces: Iterable[bytes], started: list[Started]
    ) -> Generator[Part, None, Part]:
        """All at once where the answer is short; else the head with the first piece, and then piece by piece."""
        gathered: list[bytes] = []
        size, writer = 0, None
        for piece in pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= _PIECE:
                writer = writer or _Head(request, started[0], None)
                yield writer.take_head() + writer.wrap(b"".join(gathered)), False, True
                gathered, size = [], 0
        rest = b"".join(gathered)
        if writer is None:
            whole = _Head(request, started[0], len(rest))
            return whole.head + (b"" if whole.bodyless else rest), True, whole.keep
        return writer.wrap(rest) + writer.end, True, writer.keep

    def _environ(self, request: Request) -> dict[str, Any]:
        environ = self._base.copy()
        environ["REQUEST_METHOD"] = request.method
        environ["PATH_INFO"] = unquote_to_bytes(request.path).decode("latin-1")
        environ["QUERY_STRING"] = request.query.decode("latin-1")
        environ["SERVER_PROTOCOL"] = f"HTTP/{request.version}"
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = request.client[0], str(request.client[1])
        environ["wsgi.input"] = io.BytesIO(request.body)
        for name, value in request.headers:
            key = _key_of(name)
            if key is not None:
                text = value.decode("latin-1")
                environ[key] = f"{environ[key]},{text}" if key in environ else text
        if request.body and "CONTENT_LENGTH" not in environ:
            environ["CONTENT_LENGTH"] = str(len(request.body))
        return environ

    def _send(self, request: Request, part: Part) -> None:
        self._ready.append((request, part))
        if not self._called:
            self._called = True
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:  # the loop has ended: nobody is left to answer
                return

    # ---- in the loop --------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        self._called = False
        try:
            while self._ready:
                request, (piece, last, keep) = self._ready.popleft()
                request.go_on = None if last else self.submit
                request.reply.answered(request, piece, last=last, keep=keep)
                if request.gone:
                    request.more()  # a thread ends it
        finally:
            if self._ready:  # one connection broke: the others still get theirs
                self._loop.call_soon(self._collect)


def _close(request: Request, pieces: Iterable[bytes]) -> None:
    """Lets the application clear up. What fails there is no reason to take back an answer."""
    close = getattr(pieces, "close", None)
    try:
        if close is not None:
            close()
    except Exception as error:  # noqa: BLE001 - the edge of the process
        log("api").error("clearing up broke", path=request.path.decode("latin-1"), error=repr(error), exc_info=error)


@lru_cache(maxsize=256)
def _key_of(name: bytes) -> str | None:
    """What WSGI calls a header; None for one that is not passed on."""
    key = name.decode("latin-1").upper().replace("-", "_")
    if b"_" in name or key in ("TRANSFER_ENCODING", "UPGRADE"):
        return None  # an underscore would pass for a dash; the body was put together already; nothing is upgraded
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else "HTTP_" + key


class _Head:
    """An answer's first lines, and how its body is delimited. `length` is the body's, where it is all there."""

    def __init__(self, request: Request, started: Started, length: int | None) -> None:
        status, headers = started
        code = int(status[:3])
        self.bodyless = request.method == "HEAD" or code in (204, 304) or code < 200
        self.keep = request.keep
        lines, known = [_STATUS_LINE.get(code) or f"HTTP/1.1 {status}\r\n".encode("latin-1")], False
        for name, value in headers:
            low = name.lower()
            if low in ("connection", "keep-alive", "transfer-encoding"):
                continue
            known = known or low == "content-length"
            lines.append(f"{name}: {value}\r\n".encode("latin-1"))
        self._chunked = False
        if not known and not self.bodyless:
            if length is not None:
                lines.append(b"content-length: %d\r\n" % length)
            elif request.version == "1.1":
                self._chunked = True
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keep = False
        if not self.keep:
            lines.append(b"connection: close\r\n")
        elif request.version == "1.0":
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        self.head = b"".join(lines)
        self.end = b"0\r\n\r\n" if self._chunked else b""

    def take_head(self) -> bytes:
        """The head, once."""
        head, self.head = self.head, b""
        return head

    def wrap(self, piece: bytes) -> bytes:
        """A piece of the body as it is sent."""
        if self.bodyless or not piece:
            return b""
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece
