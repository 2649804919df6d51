"""Long answers on the event loop that the process runs on: it gathers writes, so a piece counts as unsent until its turn ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import uvloop

from api.stream.listener import Listener

PIECE = b"x" * 8192


def long_answer(_environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/javascript"), ("Content-Length", str(len(PIECE) * 400))])

    def pieces() -> Iterator[bytes]:
        for _ in range(400):
            yield PIECE

    return pieces()


def test_a_long_answer_comes_whole() -> None:
    async def ask() -> bytes:
        listener = Listener(long_answer, cast("Any", None))
        await listener.open("127.0.0.1", 0, threads=1)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=4096)
            writer.write(b"GET /file.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(-1), 20)
            writer.close()
            await writer.wait_closed()
        finally:
            await listener.close()
        return answer

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer = runner.run(ask())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == PIECE * 400
