"""What somebody with bad intent sends at the port itself: split and smuggled requests, drips, floods; each must get nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.stream.listener import Connection, Limits
from tests.contracts.stream_house import House
from tests.contracts.test_stream_http import Raw

_HOST = b"Host: x\r\n"
_POST = b"POST /api/echo HTTP/1.1\r\n" + _HOST
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_SECOND = b"GET /api/fresh HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, limits=Limits(connections=8, head_bytes=4096, fresh_seconds=60.0)) as made:
        yield made


@pytest.fixture
async def raw(house: House) -> AsyncIterator[Raw]:
    made = await dial(house)
    yield made
    made.writer.close()


async def dial(house: House) -> Raw:
    return Raw(*await asyncio.open_connection("127.0.0.1", house.listener.port))


def its_end(house: House, raw: Raw) -> Connection:
    """The server's end of a connection."""
    ours = raw.writer.get_extra_info("sockname")[1]
    (found,) = [each for each in house.listener.connections if each._client[1] == ours]
    return found


async def until_there(house: House, count: int) -> None:
    async with asyncio.timeout(20):
        while len(house.listener.connections) < count:
            await asyncio.sleep(0)


# ---- where one request ends and the next begins ----------------------------------------------------------------------


SMUGGLED = {
    "length and chunks": _POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _SECOND,
    "chunks and length": _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + _SECOND,
    "two lengths": _POST + b"Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}" + _SECOND,
    "the same length twice": _POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + _SECOND,
    "a list of lengths": _POST + b"Content-Length: 2, 2\r\n\r\n{}" + _SECOND,
    "a signed length": _POST + b"Content-Length: +2\r\n\r\n{}" + _SECOND,
    "a negative length": _POST + b"Content-Length: -1\r\n\r\n{}" + _SECOND,
    "a length without end": _POST + b"Content-Length: " + b"9" * 2000 + b"\r\n\r\n{}" + _SECOND,
    "a blank before the colon": _POST + b"Content-Length : 2\r\n\r\n{}" + _SECOND,
    "an unknown coding": _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + _SECOND,
    "chunked not last": _POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + _SECOND,
    "a folded header": b"GET /api/fresh HTTP/1.1\r\nHost: x\r\nX-A: b\r\n Transfer-Encoding: chunked\r\n\r\n" + _SECOND,
    "bare line feeds": b"GET /api/fresh HTTP/1.1\nHost: x\n\n" + _SECOND,
    "a bare return": b"GET /api/fresh HTTP/1.1\r\nHost: x\r\nX-A: a\rContent-Length: 9\r\n\r\n" + _SECOND,
    "nothing in a header": b"GET /api/fresh HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n" + _SECOND,
    "a chunk of negative size": _CHUNKED + b"-1\r\n\r\n" + _SECOND,
    "a chunk beyond all numbers": _CHUNKED + b"F" * 17 + b"\r\n\r\n" + _SECOND,
    "a chunk longer than it says": _CHUNKED + b"1\r\nabc\r\n0\r\n\r\n" + _SECOND,
    "no host": b"GET /api/fresh HTTP/1.1\r\n\r\n" + _SECOND,
    "two hosts": b"GET /api/fresh HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + _SECOND,
    "no version": b"GET /api/fresh\r\n\r\n" + _SECOND,
    "a version of the future": b"GET /api/fresh HTTP/9.9\r\nHost: x\r\n\r\n" + _SECOND,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SECOND,
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
}


@pytest.mark.parametrize("said", SMUGGLED)
async def test_a_request_of_two_readings_is_none(house: House, raw: Raw, said: str) -> None:
    """One no, nothing behind it: what follows is never taken for a request."""
    await raw.send(SMUGGLED[said])
    status, headers, body = await raw.answer()
    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["success"] is False
    assert await raw.ended()
    assert house.asked == 0


async def test_a_no_never_passes_for_the_answer_of_what_was_asked_before(raw: Raw) -> None:
    """The order of answers is all that tells a proxy which is whose."""
    await raw.send(b"GET /api/long HTTP/1.1\r\nHost: x\r\n\r\n" + b"\x00garbage\r\n\r\n")
    status, _, body = await raw.answer()
    assert (status, len(body)) == (200, 800_000)
    assert (await raw.answer())[0] == 400
    assert await raw.ended()


async def test_no_word_is_said_amid_another_answer(raw: Raw) -> None:
    """Neither the go-ahead for a second request nor the time-out of one belongs into the first's answer."""
    second = b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}"
    await raw.send(b"GET /api/long HTTP/1.1\r\nHost: x\r\n\r\n" + second)
    status, _, body = await raw.answer()
    assert (status, len(body)) == (200, 800_000)
    assert (await raw.json())["size"] == 2


async def test_a_request_too_slow_behind_another_is_refused_in_its_turn(house: House, raw: Raw) -> None:
    await raw.send(
        b"GET /api/long HTTP/1.1\r\nHost: x\r\n\r\nPOST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    )
    await raw.reader.readexactly(1)
    its_end(house, raw).tick(asyncio.get_running_loop().time() + 31)
    async with asyncio.timeout(20):
        rest = await raw.reader.read()
    assert rest.index(b"0099999\n") < rest.index(b"HTTP/1.1 408") == rest.rindex(b"HTTP/1.1 ")


async def test_what_follows_a_goodbye_is_not_read(house: House, raw: Raw) -> None:
    await raw.send(b"GET /api/long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + _SECOND)
    assert (await raw.answer())[0] == 200
    assert await raw.ended()
    assert house.asked == 0


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
async def test_a_body_behind_an_upgrade_is_no_second_request(house: House, raw: Raw, upgrade: str) -> None:
    head = f"POST /api/echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
    await raw.send(head.encode() + f"Content-Length: {len(_SECOND)}\r\n\r\n".encode() + _SECOND)
    assert (await raw.answer())[1]["connection"] == "close"
    assert await raw.ended()
    assert house.asked == 0


async def test_trailers_are_no_headers(raw: Raw) -> None:
    """A proxy sets who asks from where before the body; behind it anybody writes anything."""
    trailers = b"X-Kind: forged\r\nX-Forwarded-For: 10.0.0.1\r\nAuthorization: Bearer token-zoe\r\n"
    await raw.send(_CHUNKED + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n")
    assert (await raw.json())["kind"] is None
    await raw.send(
        b"POST /api/ws/ticket HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + b"\r\n"
    )
    assert (await raw.answer())[0] == 401


async def test_an_underscore_is_no_dash(raw: Raw) -> None:
    await raw.send(_POST + b"X_Kind: forged\r\nContent-Length: 0\r\n\r\n")
    assert (await raw.json())["kind"] is None


async def test_another_host_in_the_request_line_leads_nowhere(raw: Raw) -> None:
    await raw.send(b"POST http://inside.example/api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert (await raw.json())["path"] == "/api/echo"
    await raw.send(b"CONNECT inside.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await raw.answer())[0] == 404


# ---- taking up room ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drip", [b"0\r\nX-Long: ", b"2;extension="], ids=["a trailer", "a chunk's extension"])
async def test_nothing_without_end_behind_a_head(raw: Raw, drip: bytes) -> None:
    await raw.send(_CHUNKED + drip)
    for _ in range(64):
        await raw.send(b"a" * 1024)
    status, _, body = await raw.answer()
    assert (status, json.loads(body)["error"]["code"]) == (431, "trailer_too_large")
    assert await raw.ended()


async def test_a_body_in_the_smallest_pieces_is_still_a_body(raw: Raw) -> None:
    """Each byte comes with five of framing; only framing without a byte is refused."""
    await raw.send(_CHUNKED)
    for _ in range(40):
        await raw.send(b"1\r\na\r\n" * 200)
    await raw.send(b"0\r\n\r\n")
    assert (await raw.json())["size"] == 8000


@pytest.mark.parametrize(
    "said",
    [b"", b"\r\n", b"GET /api/fresh HTTP/1.1\r\nX-A:", _POST + b"Content-Length: 100\r\n\r\n{"],
    ids=["nothing", "an empty line", "a head", "a body"],
)
async def test_whoever_asks_for_nothing_makes_room(house: House, said: bytes) -> None:
    """All places are held by connections that drip: whoever has a request is served all the same."""
    dripping = [await dial(house) for _ in range(8)]
    for each in dripping:
        await each.send(said or b"")
    await until_there(house, 8)
    for _ in range(3):
        late = await dial(house)
        await late.send(_POST + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
        assert (await late.json())["size"] == 2
        late.writer.close()
    for each in dripping:
        each.writer.close()


async def test_listeners_keep_their_place_in_a_flood(house: House) -> None:
    ann = await house.client("ann")
    flood = [await dial(house) for _ in range(20)]
    await ann.silent()
    for each in flood:
        each.writer.close()


async def test_who_finds_no_place_holds_nothing(house: House) -> None:
    """Places all taken by listeners: the next is told so and let go, whether they leave by themselves or not."""
    for _ in range(8):
        await house.client()
    late = await dial(house)
    assert (await late.answer())[0] == 503
    assert await late.ended()
    assert len(house.listener.connections) == 8
    with pytest.raises(ConnectionError):  # their side was not only told goodbye, it was closed
        for _ in range(1_000):
            await late.send(b"GET / HTTP/1.1\r\n")
            await asyncio.sleep(0)


async def test_an_empty_line_now_and_then_keeps_no_connection(house: House, raw: Raw) -> None:
    await until_there(house, 1)
    connection = its_end(house, raw)
    before = connection._deadline
    await raw.send(b"\r\n\r\n")
    other = await dial(house)
    await other.send(_POST + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    await other.answer()
    other.writer.close()
    assert connection._deadline == before


async def test_empty_pieces_of_a_message_take_no_memory(house: House) -> None:
    """A fragment without a byte counts for no limit; thousands of them must leave nothing behind."""
    ann = await house.client("ann")
    (connection,) = [each for each in house.listener.connections if each._socket is not None]
    first, empty, last = _frame(0x01, b'{"action":'), _frame(0x00, b""), _frame(0x80, b'"ping"}')
    ann.connection.transport.write(first + empty * 5_000)
    async with asyncio.timeout(20):
        await (await ann.connection.ping())
    assert connection._socket is not None
    assert len(connection._socket._parts) == 1
    ann.connection.transport.write(last)
    await ann.hear("pong")


def _frame(first: int, payload: bytes) -> bytes:
    """A client's frame, masked with nothing."""
    return bytes((first, 0x80 | len(payload))) + bytes(4) + payload


async def test_an_answer_for_one_origin_is_not_given_to_another(house: House, raw: Raw) -> None:
    """What is kept for a moment was said to nobody in particular."""
    for _ in range(2):
        await raw.send(b"GET /api/fresh HTTP/1.1\r\nHost: x\r\nOrigin: https://one.example\r\n\r\n")
        await raw.answer()
    assert house.asked == 2
    await raw.send(_SECOND + _SECOND)
    assert [(await raw.json())["asked"], (await raw.json())["asked"]] == [3, 3]
