"""The processes of the stream's benchmark: two servers that tell the same messages, the listeners, and HTTP load.

Started as `python -m tests.load.stream_load KIND ...`; servers print their port, the others one JSON line of what they saw.
Times in messages are nanoseconds of the clock that all processes of one machine share.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

MESSAGES_PER_SECOND = 10


def tiny_app() -> Any:
    """The Flask application that every HTTP server serves here: one small JSON answer."""
    from flask import Flask, jsonify

    app = Flask("tiny")

    @app.get("/api/tiny")
    @app.get("/api/health")
    def tiny() -> Any:
        return jsonify(success=True, symbol="BTCUSDT", price="60123.4", volume="12.5")

    return app


def _said() -> dict[str, Any]:
    return {
        "t": time.monotonic_ns(), "symbol": "BTCUSDT", "price": "60123.4", "high": "60130.0", "low": "60120.1",
        "bid": "60123.3", "ask": "60123.5", "volume": "1.234", "trades": 17,
    }  # fmt: skip


async def ours(flood: int = 0) -> None:
    """The stream as the API process serves it, with a message ten times a second.

    With `flood` a second topic tells so many messages of 10 kB beside each: what fills a listener that reads nothing.
    """
    from api.stream.listener import Listener
    from api.stream.stream import Stream, StreamParts
    from modules.domain.people import Principal, Role
    from modules.records import open_records
    from modules.runtime.clock import SystemClock

    class NoPrices:
        connected = True

        def latest(self, _symbol: str) -> None:
            return None

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_records(f"sqlite:///{folder / 'store.db'}", folder)
        clock = SystemClock()

        def authenticate(token: str) -> Principal:
            return Principal(token, Role.ANALYST, "test")

        stream = Stream(StreamParts(store, clock, NoPrices(), folder, authenticate))
        listener = Listener(tiny_app().wsgi_app, stream.begin, fresh=frozenset({b"/api/health"}))
        await listener.open("127.0.0.1", 0)
        stream.start(lambda: None)
        print(listener.port, flush=True)
        while True:
            await asyncio.sleep(1 / MESSAGES_PER_SECOND)
            stream.hub.publish("scanner", "scan", _said())
            for _ in range(flood):
                stream.hub.publish("system:processes", "system", {"text": "x" * 10_000})


async def plain() -> None:
    """What one writes first: Starlette under uvicorn, and a loop that awaits `send_text` for each client."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    clients: set[WebSocket] = set()

    async def visit(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        await websocket.receive_text()
        clients.add(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            clients.discard(websocket)

    async def tell() -> None:
        seq = 0
        while True:
            await asyncio.sleep(1 / MESSAGES_PER_SECOND)
            seq += 1
            text = json.dumps(
                {"type": "scan", "topic": "scanner", "seq": seq, "time": "2026-01-01T00:00:00.000Z", "data": _said()}
            )
            for client in list(clients):
                await client.send_text(text)

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    app = Starlette(routes=[WebSocketRoute("/api/ws", visit)])
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="websockets-sansio", ws_per_message_deflate=False
        )
    )
    print(listening.getsockname()[1], flush=True)
    await asyncio.gather(server.serve(sockets=[listening]), tell())


class _Listener(asyncio.Protocol):
    """One client: says its two words, then notes how old each message is."""

    def __init__(self, seen: Seen, topics: list[str]) -> None:
        self._seen = seen
        self._topics = topics
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        head = f"GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        self._transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if not self._open:
            self._open = True
            for said in ({"action": "auth", "token": "u"}, {"action": "subscribe", "topics": self._topics}):
                self._transport.write(masked(json.dumps(said).encode()))
            self._seen.connected += 1
        at = 0
        while (at := data.find(b'"t":', at)) >= 0:
            at += 4
            if self._seen.counting:
                self._seen.ages.append(now - int(data[at : at + 24].split(b",", 1)[0]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen.lost += 1


class Seen:
    """What all clients together saw."""

    def __init__(self) -> None:
        self.connected = 0
        self.lost = 0
        self.counting = False
        self.ages: list[int] = []


def masked(payload: bytes) -> bytes:
    """A client's text frame; a mask of zeros is a mask."""
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


async def listen(port: int, clients: int, seconds: float, stalled: int, attentive: int) -> None:
    """So many clients for so long; `stalled` more are told a flood and read nothing, `attentive` more read theirs."""
    loop, seen = asyncio.get_running_loop(), Seen()
    deaf = [await _deaf(port) for _ in range(stalled)]
    for _ in range(attentive):
        await loop.create_connection(lambda: _Listener(Seen(), ["system:processes"]), "127.0.0.1", port)
    for _ in range(clients):
        await loop.create_connection(lambda: _Listener(seen, ["scanner"]), "127.0.0.1", port)
    deadline = loop.time() + 20
    while seen.connected < clients and loop.time() < deadline:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)
    print("counting", flush=True)
    seen.counting = True
    await asyncio.sleep(seconds)
    seen.counting = False
    print("counted", flush=True)
    for each in deaf:
        each.close()
    ages = sorted(seen.ages)
    if not ages or seen.connected < clients:
        print(json.dumps({"messages": 0, "p50": 0.0, "p99": 0.0, "lost": seen.lost}))
        return
    p50, p99 = ages[len(ages) // 2] / 1e6, ages[int(len(ages) * 0.99)] / 1e6
    print(json.dumps({"messages": len(ages), "p50": p50, "p99": p99, "lost": seen.lost}), flush=True)
    os._exit(0)  # a thousand orderly goodbyes would only cost time


async def _deaf(port: int) -> socket.socket:
    """A client that subscribes and then never reads."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", port))
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    head = f"GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    said = ({"action": "auth", "token": "u"}, {"action": "subscribe", "topics": ["system:processes"]})
    await loop.sock_sendall(deaf, head.encode() + b"".join(masked(json.dumps(each).encode()) for each in said))
    return deaf


async def ask(port: int, path: str, connections: int, seconds: float) -> None:
    """HTTP load without wrk: so many connections, each asking again as soon as it is answered."""
    loop, times = asyncio.get_running_loop(), list[float]()
    asked = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    class Asker(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = cast("asyncio.Transport", transport)
            self._ask()

        def _ask(self) -> None:
            self._began = time.perf_counter()
            self._transport.write(asked)

        def data_received(self, data: bytes) -> None:
            if data.endswith((b"}\n", b"}")):
                times.append(time.perf_counter() - self._began)
                self._ask()

    for _ in range(connections):
        await loop.create_connection(Asker, "127.0.0.1", port)
    await asyncio.sleep(seconds)
    times.sort()
    print(
        json.dumps(
            {
                "rate": len(times) / seconds,
                "p50": times[len(times) // 2] * 1e3,
                "p99": times[int(len(times) * 0.99)] * 1e3,
            }
        ),
        flush=True,
    )
    os._exit(0)


def main(arguments: list[str]) -> None:
    """One of the processes."""
    import uvloop

    match arguments:
        case ["ours"]:
            uvloop.run(ours())
        case ["flood"]:
            uvloop.run(ours(flood=5))
        case ["plain"]:
            uvloop.run(plain())
        case ["listen", port, clients, seconds, stalled, attentive]:
            uvloop.run(listen(int(port), int(clients), float(seconds), int(stalled), int(attentive)))
        case ["ask", port, path, connections, seconds]:
            uvloop.run(ask(int(port), path, int(connections), float(seconds)))
        case _:
            raise SystemExit(f"what is {arguments}?")


if __name__ == "__main__":
    main(sys.argv[1:])
