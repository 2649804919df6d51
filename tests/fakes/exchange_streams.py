"""A loopback exchange: speaks Binance spot, Binance USD-M and Bybit v5 public streams, and the REST that goes with them.

It keeps every trade that happened, whether or not anybody was listening, and answers REST from that. It can be told to
fall silent, drop connections, refuse them, break REST, or send nonsense.
"""

from __future__ import annotations

import asyncio
import gzip
import http
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

MINUTE_MS = 60_000
_BYBIT_SPOT_RECENT = 60


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    """The messages of a capture file, in the order received."""
    with gzip.open(path) as file:
        for line in file:
            yield orjson.loads(line)["msg"]


@dataclass(slots=True)
class Happened:
    """One trade as the exchange knows it."""

    number: int
    name: str
    price: str
    quantity: str
    time_ms: int


@dataclass(eq=False)
class Visitor:
    """One WebSocket connection and what it subscribed to."""

    connection: ServerConnection
    path: str
    streams: set[str] = field(default_factory=set)
    frames: list[dict[str, Any]] = field(default_factory=list)


class ExchangeStreams:
    """The server. `url` is its address for `EXCHANGE_URLS`; use it as an async context manager."""

    def __init__(self) -> None:
        self.visitors: list[Visitor] = []
        self.connections = 0
        self.history: dict[str, list[Happened]] = defaultdict(list)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.muted = False
        self.refusing = False
        self.acknowledging = True
        self.rest_status: int | None = None
        self.unlisted: set[str] = set()
        self.changed = asyncio.Event()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> ExchangeStreams:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        self._server = await serve(
            self._serve, "127.0.0.1", port, process_request=self._rest, compression=None, ping_interval=None
        )

    async def stop(self) -> None:
        """Stop listening and drop everybody."""
        if self._server is not None:
            self.drop()
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def drop(self) -> None:
        """Cut every connection without a word, as a failing network does."""
        for visitor in list(self.visitors):
            visitor.connection.transport.abort()

    async def send(self, stream: str, data: dict[str, Any]) -> None:
        """Send one message to whoever subscribed to its stream (Binance name, or Bybit topic)."""
        if stream.startswith(("publicTrade.", "orderbook.")):
            frame = orjson.dumps({"topic": stream, "type": "snapshot", "ts": data.get("ts", 0), "data": data["data"]})
        else:
            frame = orjson.dumps({"stream": stream, "data": data})
        await self.send_frame(stream, frame)

    async def send_frame(self, stream: str, frame: bytes | str) -> None:
        """Send one frame as it is."""
        if self.muted:
            return
        text = frame.decode() if isinstance(frame, bytes) else frame
        for visitor in list(self.visitors):
            if stream in visitor.streams:
                try:
                    await visitor.connection.send(text)
                except ConnectionClosed:
                    continue

    async def replay(self, messages: Iterable[dict[str, Any]]) -> int:
        """Play captured messages; trades are kept as history. Returns how many were sent."""
        sent = 0
        for message in messages:
            stream = message.get("stream") or message.get("topic")
            if stream is None:
                continue
            self.note(message)
            await self.send_frame(stream, orjson.dumps(message))
            sent += 1
            if sent % 100 == 0:
                await asyncio.sleep(0)
        return sent

    def note(self, message: dict[str, Any]) -> None:
        """Keep the trades of a message in the history."""
        data = message.get("data")
        if str(message.get("topic", "")).startswith("publicTrade.") and isinstance(data, list):
            for trade in data:
                happened = Happened(0, trade["i"], trade["p"], trade["v"], trade["T"])
                self.history[trade["s"]].append(happened)
        elif isinstance(data, dict) and data.get("e") in {"trade", "aggTrade"}:
            number = data["t"] if data["e"] == "trade" else data["a"]
            self.history[data["s"]].append(Happened(number, "", data["p"], data["q"], data["T"]))

    async def until(self, condition: Any, timeout: float = 5.0) -> None:
        """Wait until something about the connections or subscriptions is so."""
        async with asyncio.timeout(timeout):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def subscribed(self) -> set[str]:
        """Streams that somebody is subscribed to."""
        return set().union(*(visitor.streams for visitor in self.visitors))

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        visitor = Visitor(connection, connection.request.path)
        self.visitors.append(visitor)
        self.connections += 1
        self.changed.set()
        try:
            async for message in connection:
                said = orjson.loads(message)
                visitor.frames.append(said)
                for answer in self._hear(visitor, said):
                    await connection.send(orjson.dumps(answer).decode())
                self.changed.set()
        except ConnectionClosed:
            pass
        finally:
            self.visitors.remove(visitor)
            self.changed.set()

    def _hear(self, visitor: Visitor, said: dict[str, Any]) -> list[dict[str, Any]]:
        if said.get("op") == "ping":
            return [{"success": True, "ret_msg": "pong", "op": "ping"}]
        if "op" in said:
            return self._hear_bybit(visitor, said)
        streams = set(said.get("params", []))
        if said["method"] == "SUBSCRIBE":
            visitor.streams |= streams
        else:
            visitor.streams -= streams
        return [{"result": None, "id": said["id"]}] if self.acknowledging else []

    def _hear_bybit(self, visitor: Visitor, said: dict[str, Any]) -> list[dict[str, Any]]:
        topics = set(said["args"])
        if bad := [topic for topic in said["args"] if topic.rpartition(".")[2] in self.unlisted]:
            reason = f"error:handler not found,topic:{bad[0]}"
            return [{"success": False, "ret_msg": reason, "req_id": said["req_id"], "op": said["op"]}]
        visitor.streams = visitor.streams | topics if said["op"] == "subscribe" else visitor.streams - topics
        answer = {"success": True, "ret_msg": "", "req_id": said["req_id"], "op": said["op"], "conn_id": "x"}
        return [answer] if self.acknowledging else []

    def _rest(self, connection: ServerConnection, request: Request) -> Response | None:
        if "upgrade" in request.headers.get("Connection", "").lower():
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "") if self.refusing else None
        parts = urlsplit(request.path)
        asked = dict(parse_qsl(parts.query))
        self.requests.append((parts.path, asked))
        self.changed.set()
        if self.rest_status is not None:
            return self._answer(self.rest_status, {"msg": "no"})
        if asked.get("symbol") in self.unlisted and not parts.path.startswith("/v5/"):
            return self._answer(400, {"code": -1121, "msg": "Invalid symbol."})
        return self._answer(200, self._content(parts.path, asked))

    def _content(self, path: str, asked: dict[str, str]) -> Any:
        trades = sorted(self.history[asked.get("symbol", "")], key=lambda trade: (trade.time_ms, trade.number))
        limit = int(asked.get("limit", "500"))
        if path.endswith("/aggTrades"):
            chosen = [trade for trade in trades if trade.number >= int(asked.get("fromId", "0"))]
            chosen = chosen[:limit] if "fromId" in asked else chosen[-limit:]
            return [
                {"a": t.number, "p": t.price, "q": t.quantity, "T": t.time_ms, "f": t.number, "l": t.number, "m": False}
                for t in chosen
            ]
        if path.endswith("/trades"):
            return [{"id": t.number, "price": t.price, "qty": t.quantity, "time": t.time_ms} for t in trades[-limit:]]
        if path.endswith("/klines"):
            return self._candles(trades, int(asked["startTime"]), int(asked["endTime"]))
        if asked.get("symbol") in self.unlisted:
            return {"retCode": 10001, "retMsg": "symbol invalid", "result": {}}
        if path == "/v5/market/recent-trade":
            most = min(limit, _BYBIT_SPOT_RECENT) if asked["category"] == "spot" else limit
            rows: list[Any] = [
                {
                    "execId": t.name,
                    "symbol": asked["symbol"],
                    "price": t.price,
                    "size": t.quantity,
                    "time": str(t.time_ms),
                }
                for t in reversed(trades[-most:])
            ]
        elif path == "/v5/market/kline":
            rows = [
                [str(cell) for cell in row]
                for row in reversed(self._candles(trades, int(asked["start"]), int(asked["end"])))
            ]
        else:
            return {}
        return {"retCode": 0, "retMsg": "OK", "result": {"list": rows}}

    @staticmethod
    def _candles(trades: list[Happened], start: int, end: int) -> list[list[Any]]:
        minutes: dict[int, list[Happened]] = defaultdict(list)
        for trade in trades:
            minutes[trade.time_ms - trade.time_ms % MINUTE_MS].append(trade)
        rows = []
        for opened in sorted(minutes):
            if start <= opened <= end:
                inside = minutes[opened]
                prices = sorted(inside, key=lambda trade: Decimal(trade.price))
                volume = sum((Decimal(trade.quantity) for trade in inside), Decimal(0))
                rows.append([opened, inside[0].price, prices[-1].price, prices[0].price, inside[-1].price, str(volume)])
        return rows

    @staticmethod
    def _answer(status: int, content: Any) -> Response:
        body = orjson.dumps(content)
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
        return Response(status, http.HTTPStatus(status).phrase, headers, body)
