"""Numbers that grow by one, coming back after a broken connection and after a restart, and listeners that are too slow."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from api.stream import session
from api.stream.listener import Limits
from modules.domain.events import EventKind
from tests.contracts.stream_house import Client, House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


async def _hear(client: Client, count: int, topic: str) -> list[tuple[int, Any]]:
    heard = [await client.hear() for _ in range(count)]
    assert {each["topic"] for each in heard} == {topic}
    return [(each["seq"], each["data"].get("number")) for each in heard]


async def test_what_was_missed_is_told_again(house: House) -> None:
    for number in range(1, 6):
        house.fact(EventKind.TARGET_HIT, "ann", number=number)
    ann = await house.client("ann")
    answer = await ann.ask("resumed", action="resume", topic="positions", after=2)
    assert answer["data"]["missed"] == 3
    assert await _hear(ann, 3, "positions") == [(3, 3), (4, 4), (5, 5)]
    house.fact(EventKind.TARGET_HIT, "ann", number=6)
    assert await _hear(ann, 1, "positions") == [(6, 6)]


async def test_nothing_missed_is_nothing_told(house: House) -> None:
    house.fact(EventKind.TARGET_HIT, "ann", number=1)
    ann = await house.client("ann")
    assert (await ann.ask("resumed", action="resume", topic="positions", after=1))["data"]["missed"] == 0
    await ann.silent()


async def test_a_restart_keeps_the_numbers_of_every_journal_topic(house: House) -> None:
    ann = await house.client("ann")
    await ann.subscribe("positions", "signals")
    house.fact(EventKind.TARGET_HIT, "bob", number=0)
    house.fact(EventKind.TARGET_HIT, "ann", number=1)
    house.fact(EventKind.SIGNAL_ENTERED, number=1)
    assert [(await ann.hear())["seq"] for _ in range(2)] == [1, 1]
    house.write(EventKind.TARGET_HIT, "ann", number=2)  # while the process dies
    house.write(EventKind.TARGET_HIT, "bob", number=2)
    await house.restart()
    house.fact(EventKind.TARGET_HIT, "ann", number=3)
    ann = await house.client("ann")
    await ann.ask("resumed", action="resume", topic="positions", after=1)
    assert await _hear(ann, 2, "positions") == [(2, 2), (3, 3)]
    await ann.ask("resumed", action="resume", topic="signals", after=0)
    assert await _hear(ann, 1, "signals") == [(1, 1)]


async def test_numbers_outlive_what_is_remembered(tmp_path: Path) -> None:
    """Long after the first facts were forgotten, and over several restarts, the nth message is still the nth."""
    async with House(tmp_path, retained=10) as house:
        written = 0
        for life in range(4):
            for _ in range(25 + life):
                written += 1
                house.fact(EventKind.TARGET_HIT, "ann" if written % 2 else "bob", number=written)
            await house.restart()
            ann = await house.client("ann")
            seq = (await ann.subscribe("positions"))["seq"]["positions"]
            assert seq == (written + 1) // 2
            await ann.ask("resumed", action="resume", topic="positions", after=seq - 3)
            assert [each[0] for each in await _hear(ann, 3, "positions")] == [seq - 2, seq - 1, seq]
            await ann.ask("reset", action="resume", topic="positions", after=1)
        state = house.store["stream_state"].get(key="journal") or {}
        assert written - 40 < state["seq"] <= written - 10
        assert house.store.journal.cursor("stream") == state["seq"]  # nobody trims what is not counted yet
        house.store.journal.trim(10_000)
        await house.restart()
        ann = await house.client("ann")
        assert (await ann.subscribe("positions"))["seq"]["positions"] == (written + 1) // 2


async def test_a_store_that_is_older_than_the_number_means_a_reset(house: House) -> None:
    ann = await house.client("ann")
    reset = await ann.ask("reset", action="resume", topic="positions", after=12)
    assert (reset["topic"], reset["seq"], reset["data"]) == ("positions", 0, {"after": 12})
    house.fact(EventKind.TARGET_HIT, "ann", number=1)
    assert await _hear(ann, 1, "positions") == [(1, 1)]


async def test_a_number_from_before_the_restart_is_recognised_where_no_journal_keeps_it(house: House) -> None:
    ann = await house.client("ann")
    await ann.subscribe("jobs:1", "scanner")
    house.stream.publish("jobs:1", "job", {"number": 1}, "ann")
    old = (await ann.hear("job"))["seq"]
    await house.restart()
    for number in range(3):
        house.stream.hub.publish("jobs:1", "job", {"number": number}, "ann")
    ann = await house.client("ann")
    reset = await ann.ask("reset", action="resume", topic="jobs:1", after=old)
    assert reset["seq"] > old + 3
    house.stream.publish("jobs:1", "job", {"number": 9}, "ann")
    assert await _hear(ann, 1, "jobs:1") == [(reset["seq"] + 1, 9)]


async def test_a_price_is_not_replayed_but_told_anew(house: House) -> None:
    first = await house.client()
    await first.subscribe("price:BTCUSDT")
    house.price("BTCUSDT", "5")
    seq = (await first.hear("price"))["seq"]
    second = await house.client()
    await second.ask("reset", action="resume", topic="price:BTCUSDT", after=seq - 1)
    assert (await second.hear("price"))["data"]["price"] == "5"


async def test_another_users_missed_messages_are_not_told(house: House) -> None:
    for number in range(3):
        house.fact(EventKind.TARGET_HIT, "ann", number=number)
    bob = await house.client("bob")
    await bob.ask("resumed", action="resume", topic="positions", after=0)
    await bob.silent()


# ---- slow listeners -----------------------------------------------------------------------------------------------------


class Slow:
    """A client with a small window that reads only when told."""

    def __init__(self, house: House) -> None:
        self._port = house.listener.port

    async def open(self, *said: dict[str, Any]) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        head = (
            "GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        frames = b"".join(_masked(json.dumps(each).encode()) for each in said)
        await loop.sock_sendall(self._socket, head.encode() + frames)
        await self.read_until(b'"subscribed"')

    async def read_until(self, end: bytes) -> bytes:
        """Reads what there is up to these bytes, or to the end of the connection."""
        got = b""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            while end not in got:
                piece = await loop.sock_recv(self._socket, 1 << 20)
                if not piece:
                    break
                got += piece
        return got

    async def closed(self) -> None:
        """The server is gone."""
        with suppress(ConnectionResetError):
            await self.read_until(b"nothing that is ever said")
        self._socket.close()

    def close(self) -> None:
        self._socket.close()


def _masked(payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload))) + b"\0\0\0\0" + payload


async def _stalled_session(house: House) -> session.Session:
    (found,) = [each for each in house.stream.hub.sessions if each._blocked]
    return found


async def _fill(house: House, topic: str, kind: str, user: str | None) -> None:
    """Tells until the one slow connection takes no more."""
    text = "x" * 50_000
    for _ in range(2_000):
        house.stream.hub.publish(topic, kind, {"text": text}, user)
        await asyncio.sleep(0)
        if any(each._blocked for each in house.stream.hub.sessions):
            return
    raise AssertionError("the connection never blocked")


async def test_a_slow_listener_of_an_ordered_topic_is_closed_and_delays_nobody(house: House) -> None:
    slow, quick = Slow(house), await house.client("bob")
    await quick.subscribe("jobs:2")
    await slow.open({"action": "auth", "token": "token-ann"}, {"action": "subscribe", "topics": ["jobs:1"]})
    await _fill(house, "jobs:1", "job", "ann")
    stalled = await _stalled_session(house)
    for number in range(session.MOST_WAITING + 1):
        house.stream.hub.publish("jobs:1", "job", {"number": number}, "ann")
        assert stalled._waiting_bytes <= session.MOST_WAITING_BYTES
    house.stream.hub.publish("jobs:2", "job", {}, "bob")
    await quick.hear("job")
    assert stalled not in house.stream.hub.sessions
    tail = await slow.read_until(b"come back and resume")
    slow.close()
    assert (1013).to_bytes(2, "big") + b"reading too slowly; come back and resume" in tail


async def test_a_slow_listener_of_prices_hears_them_joined(house: House) -> None:
    slow = Slow(house)
    said = ({"action": "auth", "token": "token-ann"}, {"action": "subscribe", "topics": ["jobs:1", "price:BTCUSDT"]})
    await slow.open(*said)
    await _fill(house, "jobs:1", "job", "ann")
    stalled = await _stalled_session(house)
    first = house.stream.hub.channel("price:BTCUSDT", "price:BTCUSDT").seq
    for number in range(5_000):
        house.price("BTCUSDT", "100", high="150" if number == 9 else None, low="50" if number == 11 else None)
        if number % 500 == 0:
            await asyncio.sleep(0)
    assert len(stalled._joined) == 1
    assert stalled._waiting == []
    house.stream.hub.publish("jobs:1", "job", {"end": True}, "ann")
    tail = await slow.read_until(b'"merged"')
    slow.close()
    (price,) = [piece for piece in tail.split(b'{"type":') if piece.startswith(b'"price"')]
    heard = json.loads(b'{"type":' + price[: price.rindex(b"}") + 1])
    assert heard["merged"] == 5_000
    assert heard["seq"] == first + 5_000
    assert (heard["data"]["high"], heard["data"]["low"], heard["data"]["volume"]) == ("150", "50", "5000")


# ---- frames -------------------------------------------------------------------------------------------------------------


async def test_a_message_beyond_64_kb_closes(house: House) -> None:
    client = await house.client()
    await client.connection.send('{"action":"ping","pad":"' + "x" * 65_536 + '"}')
    assert await client.closed() == 1009


async def test_a_long_message_in_pieces_is_bounded_too(house: House) -> None:
    client = await house.client()
    await client.connection.send(["x" * 30_000] * 3)
    assert await client.closed() == 1009


async def test_pieces_make_one_message(house: House) -> None:
    client = await house.client()
    await client.connection.send(['{"action":', '"ping"', "}"])
    await client.hear("pong")


async def test_bytes_are_no_message(house: House) -> None:
    client = await house.client()
    await client.connection.send(b'{"action":"ping"}')
    assert await client.closed() == 1003


async def test_bad_utf8_closes(house: House) -> None:
    client = await house.client()
    await client.connection.send(b'{"action":"\xff\xfe"}', text=True)
    assert await client.closed() == 1007


async def test_a_ping_frame_is_answered(house: House) -> None:
    client = await house.client()
    async with asyncio.timeout(20):
        await (await client.connection.ping())


async def test_a_stop_says_goodbye(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        client = await house.client("ann")
        await house.listener.close()
        assert await client.closed() == 1001


async def test_more_connections_than_allowed_are_refused(tmp_path: Path) -> None:
    from websockets.exceptions import InvalidStatus

    async with House(tmp_path, limits=Limits(connections=1)) as house:
        client = await house.client()
        with pytest.raises(InvalidStatus) as refused:
            await house.client()
        assert refused.value.response.status_code == 503
        await client.silent()


async def test_a_client_that_answers_no_ping_is_dropped_and_one_that_does_stays(house: House) -> None:
    dead = Slow(house)
    await dead.open({"action": "subscribe", "symbol": "BTCUSDT"})
    (connection,) = house.listener.connections
    living = await house.client()
    now = asyncio.get_running_loop().time()
    for each in list(house.listener.connections):
        each.tick(now + 21)
    await dead.read_until(b"\x89\x00")
    async with asyncio.timeout(20):
        await (await living.connection.ping())
    connection.tick(now + 41)
    await dead.closed()
    await living.silent()
    assert connection not in house.listener.connections
