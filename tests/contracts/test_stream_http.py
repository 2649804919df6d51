"""HTTP on the stream's port: the same process answers requests, whatever their shape, and lets nobody hold it up."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from api.stream.listener import Connection, Limits, Listener
from tests.contracts.stream_house import House

LIMITS = Limits(head_bytes=4096, fresh_seconds=60.0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, limits=LIMITS) as made:
        yield made


class Raw:
    """A connection that says bytes and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, said: bytes) -> None:
        self.writer.write(said)
        await self.writer.drain()

    async def answer(self, *, bodyless: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, headers with small names, body."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
            status = int(head[0].split()[1])
            if bodyless or status == 100:
                return status, headers, b""
            if headers.get("transfer-encoding") == "chunked":
                return status, headers, await self._chunks()
            if "content-length" in headers:
                return status, headers, await self.reader.readexactly(int(headers["content-length"]))
            return status, headers, await self.reader.read()

    async def _chunks(self) -> bytes:
        whole = b""
        while size := int(await self.reader.readline(), 16):
            whole += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return whole

    async def ended(self) -> bool:
        """Whether the server closes without a further word."""
        async with asyncio.timeout(20):
            return await self.reader.read() == b""

    async def json(self) -> Any:
        status, _, body = await self.answer()
        assert status == 200, body
        return json.loads(body)


@pytest.fixture
async def raw(house: House) -> AsyncIterator[Raw]:
    made = Raw(*await asyncio.open_connection("127.0.0.1", house.listener.port))
    yield made
    made.writer.close()
    await made.writer.wait_closed()


def _post(body: bytes, *headers: str, path: str = "/api/echo") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_request_reaches_flask_as_it_was_sent(raw: Raw) -> None:
    await raw.send(_post(b"abc", "X-Kind: one", "X_Kind: forged", path="/api/echo?a=1&b=%20"))
    said = await raw.json()
    assert said == {"size": 3, "path": "/api/echo", "query": "a=1&b=%20", "kind": "one", "peer": "127.0.0.1"}


async def test_a_connection_is_kept_for_the_next_request(raw: Raw) -> None:
    for size in (0, 1, 70_000):
        await raw.send(_post(b"x" * size))
        assert (await raw.json())["size"] == size


async def test_requests_sent_together_are_answered_in_order(raw: Raw) -> None:
    await raw.send(b"".join(_post(b"x" * size) for size in range(40)))
    assert [(await raw.json())["size"] for _ in range(40)] == list(range(40))


async def test_a_request_in_single_bytes_is_understood(raw: Raw) -> None:
    for byte in _post(b"abc"):
        await raw.send(bytes((byte,)))
    assert (await raw.json())["size"] == 3


async def test_a_chunked_body_is_put_together(raw: Raw) -> None:
    head = b"POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    await raw.send(head + b"3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n")
    assert (await raw.json())["size"] == 8


async def test_a_client_that_asks_before_sending_is_told_to_go_on(raw: Raw) -> None:
    asked = _post(b"abc", "Expect: 100-continue")
    await raw.send(asked[:-3])
    assert (await raw.answer())[0] == 100
    await raw.send(asked[-3:])
    assert (await raw.json())["size"] == 3


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused_and_not_read(raw: Raw, chunked: bool) -> None:
    if chunked:
        await raw.send(b"POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await raw.send(b"%x\r\n" % 1_100_000 + b"x" * 1_100_000)
    else:
        await raw.send(b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n")
    status, headers, _ = await raw.answer()
    assert (status, headers["connection"]) == (413, "close")


@pytest.mark.parametrize(
    ("head", "more"),
    [(b"GET / HTTP/1.1\r\nX: " + b"x" * 10_000 + b"\r\n", b"Y: " + b"y" * 5_000), (b"GET /" + b"x" * 10_000, b"")],
)
async def test_a_head_that_is_too_large_is_refused(house: House, raw: Raw, head: bytes, more: bytes) -> None:
    await raw.send(head)
    await _arrived(house)
    await raw.send(more)
    assert (await raw.answer())[0] == 431
    assert await raw.ended()


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\x00", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])  # fmt: skip
async def test_what_is_no_http_is_refused(raw: Raw, nonsense: bytes) -> None:
    await raw.send(nonsense)
    assert (await raw.answer())[0] == 400
    assert await raw.ended()


async def test_a_long_answer_comes_whole_and_no_faster_than_it_is_read(raw: Raw) -> None:
    await raw.send(b"GET /api/long HTTP/1.1\r\nHost: x\r\n\r\n")
    _, headers, body = await raw.answer()
    assert headers["transfer-encoding"] == "chunked"
    assert body == b"".join(b"%07d\n" % number for number in range(100_000))
    await raw.send(_post(b"abc"))
    assert (await raw.json())["size"] == 3


async def test_the_old_http_ends_with_the_connection(raw: Raw) -> None:
    await raw.send(b"GET /api/long HTTP/1.0\r\n\r\n")
    _, headers, body = await raw.answer()
    assert "transfer-encoding" not in headers
    assert len(body) == 800_000


async def test_a_head_request_has_no_body(raw: Raw) -> None:
    await raw.send(b"HEAD /api/long HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await raw.answer(bodyless=True))[0] == 200
    await raw.send(_post(b"abc"))
    assert (await raw.json())["size"] == 3


async def test_a_reader_that_leaves_frees_the_thread(house: House) -> None:
    for _ in range(4):  # there are two threads
        reader, writer = await asyncio.open_connection("127.0.0.1", house.listener.port, limit=1024)
        writer.write(b"GET /api/long HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
    after = Raw(*await asyncio.open_connection("127.0.0.1", house.listener.port))
    await after.send(_post(b"abc"))
    assert (await after.json())["size"] == 3
    after.writer.close()
    await after.writer.wait_closed()


async def test_an_answer_that_breaks_is_a_500_without_its_trace(raw: Raw) -> None:
    await raw.send(b"GET /api/broken HTTP/1.1\r\nHost: x\r\n\r\n")
    status, _, body = await raw.answer()
    assert status == 500
    assert json.loads(body)["error"]["code"] == "internal"
    assert b"middle" not in body
    assert await raw.ended()


async def test_a_public_answer_is_kept_fresh_for_a_moment(raw: Raw) -> None:
    for _ in range(3):
        await raw.send(b"GET /api/fresh HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await raw.json() == {"asked": 1}
    await raw.send(b"GET /api/fresh?anew HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await raw.json() == {"asked": 2}


async def test_close_is_obeyed(raw: Raw) -> None:
    await raw.send(b"GET /api/fresh HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await raw.answer())[1]["connection"] == "close"
    assert await raw.ended()


@pytest.mark.parametrize(
    "said",
    [b"", b"GET", b"GET / HTTP/1.1\r\nX-Slow: 1", b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"],
)  # fmt: skip
async def test_a_request_that_never_ends_is_given_up(house: House, raw: Raw, said: bytes) -> None:
    if said:
        await raw.send(said)
    await _arrived(house)
    ours = raw.writer.get_extra_info("sockname")[1]
    (connection,) = [each for each in house.listener.connections if each._client[1] == ours]
    connection.tick(asyncio.get_running_loop().time() + 9)
    assert connection in house.listener.connections
    connection.tick(asyncio.get_running_loop().time() + 31)
    async with asyncio.timeout(20):
        rest = await raw.reader.read()
    assert rest.startswith(b"HTTP/1.1 408") or rest == b""


async def _arrived(house: House) -> None:
    """Another connection's request is answered only after what was sent before it was read."""
    other = Raw(*await asyncio.open_connection("127.0.0.1", house.listener.port))
    await other.send(_post(b"abc", "Connection: close"))
    await other.answer()
    assert await other.ended()
    other.writer.close()
    await other.writer.wait_closed()


async def test_an_upgrade_elsewhere_is_an_ordinary_request(raw: Raw) -> None:
    await raw.send(b"GET /api/fresh HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert (await raw.answer())[0] == 200


async def test_a_wrong_handshake_is_refused(raw: Raw) -> None:
    await raw.send(b"GET /api/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert (await raw.answer())[0] == 400
    assert await raw.ended()


async def test_a_stop_finishes_what_is_under_way(house: House, raw: Raw) -> None:
    await raw.send(_post(b"abc"))
    answer = asyncio.create_task(raw.answer())
    (connection,) = house.listener.connections
    while connection._running is None and not answer.done():
        await asyncio.sleep(0)
    await house.listener.close()
    assert (await answer)[0] == 200
    assert await raw.ended()


async def test_a_client_that_only_listens_any_more_hears_its_answers(raw: Raw) -> None:
    await raw.send(_post(b"abc") + _post(b"abcd"))
    raw.writer.write_eof()
    assert [(await raw.json())["size"] for _ in range(2)] == [3, 4]
    assert await raw.ended()


class Gates:
    """An application whose requests to `/wait/...` answer once they are let through; `/long/...` is long, `/cut` breaks off."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.came = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        path = environ["PATH_INFO"]
        start("200 OK", [("Content-Type", "text/plain")])
        return self.pieces(path)

    def pieces(self, path: str) -> Iterator[bytes]:
        try:
            if path.startswith("/wait"):
                self.came.release()
                assert self.let.wait(20)
            if path.startswith(("/long", "/cut")):
                for _ in range(128):
                    yield b"x" * 65_536
            if path.startswith("/cut"):
                raise RuntimeError("broke off")
            yield path.encode()
        finally:
            self.ended.release()


@pytest.fixture
async def gates() -> AsyncIterator[tuple[Gates, Listener]]:
    """Two threads over an application that can be held up."""
    app = Gates()
    listener = Listener(cast("Any", app), cast("Any", None))
    await listener.open("127.0.0.1", 0, threads=2)
    yield app, listener
    app.let.set()
    await listener.close(0.2)


async def _ask(listener: Listener, path: str) -> Raw:
    made = Raw(*await asyncio.open_connection("127.0.0.1", listener.port, limit=1024))
    await made.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return made


async def _happens(what: threading.Semaphore) -> None:
    """Waits in another thread: the loop goes on."""
    assert await asyncio.to_thread(what.acquire, timeout=20)


async def test_a_slow_request_does_not_hold_back_quick_ones(gates: tuple[Gates, Listener]) -> None:
    app, listener = gates
    slow = await _ask(listener, "/wait")
    quick = [await _ask(listener, f"/{number}") for number in range(20)]  # some reach the same thread behind it
    assert [(await each.answer())[2] for each in quick] == [b"/%d" % number for number in range(20)]
    app.let.set()
    assert (await slow.answer())[2] == b"/wait"
    for each in (slow, *quick):
        each.writer.close()


async def test_with_every_thread_held_the_others_are_answered_once_they_are_let_through(
    gates: tuple[Gates, Listener],
) -> None:
    app, listener = gates
    held = [await _ask(listener, f"/wait/{number}") for number in range(2)]
    for _ in held:
        await _happens(app.came)
    paths = [f"/{'wait/' if number % 3 == 0 else ''}later/{number}" for number in range(60)]
    later = [await _ask(listener, path) for path in paths]
    while len(listener.runner._waiting) < len(later):
        await asyncio.sleep(0)
    assert listener.runner._calls.qsize() <= 1  # no call is kept for each of them
    app.let.set()
    assert [(await each.answer())[2].decode() for each in later] == paths
    assert [(await each.answer())[2] for each in held] == [b"/wait/0", b"/wait/1"]
    for each in (*held, *later):
        each.writer.close()


def _full(connection: Connection) -> bool:
    return connection._transport.get_write_buffer_size() > 64 * 1024


async def test_readers_that_take_nothing_hold_no_thread(gates: tuple[Gates, Listener]) -> None:
    """More of them than threads, each amid a long answer: others are served, and their time comes to an end."""
    app, listener = gates
    stalled = [await _ask(listener, f"/long/{number}") for number in range(6)]
    for each in stalled:
        await each.reader.readuntil(b"\r\n\r\n")
    for number in range(6):
        quick = await _ask(listener, f"/{number}")
        assert (await quick.answer())[2] == b"/%d" % number
        await _happens(app.ended)
        quick.writer.close()
    there = [each for each in listener.connections if each._running is not None]
    assert len(there) == 6
    async with asyncio.timeout(20):  # until what lies between is full
        while any(each._running is None or each._running.go_on is None or not _full(each) for each in there):
            await asyncio.sleep(0)
    now = asyncio.get_running_loop().time()
    for connection in there:
        connection.tick(now + 15)
    assert set(there) <= listener.connections
    for connection in there:
        connection.tick(now + 31)
    for each in stalled:
        await _happens(app.ended)  # what the application held for them is let go
        each.writer.close()


async def test_a_long_answer_that_breaks_ends_with_its_connection(gates: tuple[Gates, Listener]) -> None:
    _, listener = gates
    cut = await _ask(listener, "/cut")
    async with asyncio.timeout(20):
        said = await cut.reader.read()
    assert said.count(b"HTTP/1.1") == 1  # no second answer amid the first
    assert not said.endswith(b"0\r\n\r\n")  # nor does it pass for whole
    cut.writer.close()


async def test_a_stop_lets_go_of_whoever_reads_nothing(gates: tuple[Gates, Listener]) -> None:
    app, listener = gates
    stalled = await _ask(listener, "/long")
    await stalled.reader.readuntil(b"\r\n\r\n")
    await listener.close(0.1)
    await _happens(app.ended)
    assert not listener.connections
    stalled.writer.close()


async def test_what_fails_behind_an_answer_does_not_undo_it() -> None:
    class Untidy(list[bytes]):
        def close(self) -> None:
            raise RuntimeError("after all is said")

    def app(_environ: dict[str, Any], start: Callable[..., Any]) -> Untidy:
        start("200 OK", [])
        return Untidy([b"done"])

    listener = Listener(app, cast("Any", None))
    await listener.open("127.0.0.1", 0, threads=1)
    asked = await _ask(listener, "/")
    assert (await asked.answer())[::2] == (200, b"done")
    await asked.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await asked.answer())[::2] == (200, b"done")
    asked.writer.close()
    await listener.close(0.1)
