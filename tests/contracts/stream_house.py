"""A stream on a real port with scripted time, and clients that speak to it by the `websockets` library."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

from flask import Flask, jsonify, request
from flask_openapi3 import OpenAPI
from websockets.asyncio.client import ClientConnection, connect

from api import gate
from api.platform.rate_limits import Limits as Rationed
from api.platform.rate_limits import Rates
from api.stream import Stream
from api.stream.door import routes
from api.stream.listener import Limits, Listener
from api.stream.stream import StreamParts
from modules.domain.events import Event, EventKind
from modules.domain.market import Quote, ms_from_utc
from modules.domain.people import Account, Principal, Role
from modules.domain.positions import Position
from modules.domain.sides import Side
from modules.journal import append
from modules.records import open_records, to_document
from tests.fakes.clock import ScriptedClock

PATIENCE = 20.0
ROLES = {"ann": Role.SUBSCRIBER, "bob": Role.SUBSCRIBER, "zoe": Role.OPERATOR}


def open_position(account_id: str, position_id: str = "p1") -> dict[str, Any]:
    """The document of one BTCUSDT bought at 60,000 and still held."""
    at = ScriptedClock().now()
    amount = Decimal(1)
    position = Position(position_id, account_id, "plan", None, "paper", "BTCUSDT", Side.LONG, Decimal(10), at,
                        quantity=amount, initial_quantity=amount, average_price=Decimal(60_000))  # fmt: skip
    return dict(to_document(position))


class Board:
    """The newest prices as a test sets them."""

    def __init__(self) -> None:
        self.connected = True
        self.quotes: dict[str, Quote] = {}

    def latest(self, symbol: str) -> Quote | None:
        return self.quotes.get(symbol)


class Client:
    """One connection; what it hears is waited for with a deadline."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, **said: Any) -> None:
        await self.connection.send(json.dumps(said))

    async def hear(self, kind: str | None = None) -> dict[str, Any]:
        """The next message; with `kind` it must be of that type."""
        async with asyncio.timeout(PATIENCE):
            said: dict[str, Any] = json.loads(await self.connection.recv())
        assert kind is None or said["type"] == kind, said
        return said

    async def ask(self, kind: str, **said: Any) -> dict[str, Any]:
        """Says something; the answer must be of this type."""
        await self.say(**said)
        return await self.hear(kind)

    async def auth(self, user: str) -> dict[str, Any]:
        return await self.ask("authenticated", action="auth", token=f"token-{user}")

    async def subscribe(self, *topics: str) -> dict[str, Any]:
        answer = await self.ask("subscribed", action="subscribe", topics=list(topics))
        numbers: dict[str, Any] = answer["data"]
        return numbers

    async def silent(self) -> None:
        """Nothing was said before this: the answer to a ping is the next thing heard."""
        await self.ask("pong", action="ping")

    async def closed(self) -> int:
        """The code the server closes with."""
        async with asyncio.timeout(PATIENCE):
            await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code


class House:
    """The stream over the store in `folder`; `restart` is a kill and a new process over the same store."""

    def __init__(
        self, folder: Path, *, price_seconds: float = 0.0, retained: int = 5_000, limits: Limits | None = None
    ) -> None:
        self.folder = folder
        self.clock = ScriptedClock()
        self.board = Board()
        self.signed_out: set[str] = set()
        self.store = open_records(f"sqlite:///{folder / 'house.db'}", folder)
        self._options = (price_seconds, retained)
        self._limits = limits
        self._clients: list[Client] = []
        for name in ROLES:
            account = Account(f"acc-{name}", name, "paper", "USDT", Decimal(10_000), self.clock.now())
            self.store["accounts"].upsert(to_document(account))

    async def __aenter__(self) -> House:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._stop()
        self.store.close()

    async def _start(self) -> None:
        price_seconds, retained = self._options
        parts = StreamParts(
            self.store,
            self.clock,
            self.board,
            self.folder,
            self.authenticate,
            lambda symbol: symbol != "NOSUCHCOIN",
            price_seconds=price_seconds,
            retained=retained,
        )
        self.stream = Stream(parts)
        self.symbols_asked = asyncio.Event()
        self.listener = Listener(
            self._app().wsgi_app, self.stream.begin, limits=self._limits, fresh=frozenset({b"/api/fresh"})
        )
        await self.listener.open("127.0.0.1", 0, threads=2)
        self.stream.start(self.symbols_asked.set)

    async def _stop(self) -> None:
        for client in self._clients:
            await client.connection.close()
        self._clients.clear()
        await self.listener.close(0.2)

    async def restart(self) -> None:
        """Every connection breaks; a new process begins with what the store has."""
        await self._stop()
        self.clock.advance(1)
        await self._start()

    def authenticate(self, token: str) -> Principal | None:
        user = token.removeprefix("token-")
        if user not in ROLES or user in self.signed_out:
            return None
        return Principal(user, ROLES[user], "access_token")

    def _app(self) -> Flask:
        app = OpenAPI(__name__)
        app.config["MAX_CONTENT_LENGTH"] = 1_000_000
        app.register_api(routes(self.stream.tickets))
        self.asked = 0

        @app.get("/api/fresh")
        @gate.needs(None)
        def fresh() -> Any:
            self.asked += 1
            return jsonify(asked=self.asked)

        @app.post("/api/echo")
        @gate.needs(None)
        def echo() -> Any:
            return jsonify(size=len(request.get_data()), path=request.path, query=request.query_string.decode(),
                           kind=request.headers.get("X-Kind"), peer=request.remote_addr)  # fmt: skip

        @app.get("/api/long")
        @gate.needs(None)
        def long() -> Any:
            return app.response_class((b"%07d\n" % number for number in range(100_000)), mimetype="text/plain")

        @app.get("/api/broken")
        @gate.needs(None)
        def broken() -> Any:
            def pieces() -> Any:
                raise RuntimeError("in the middle")
                yield b""

            return app.response_class(pieces())

        gate.install(
            app,
            lambda asked: self.authenticate(asked.headers.get("Authorization", "").removeprefix("Bearer ")),
            Rationed(Rates(10**6, 10**6, 10**6)),
            self.clock,
        )
        return app

    # ---- what happens ---------------------------------------------------------------------------------------------

    async def client(self, user: str | None = None, *, ticket: str | None = None, **options: Any) -> Client:
        """A new connection, signed in as `user`."""
        query = "" if ticket is None else f"?ticket={ticket}"
        connection = await connect(
            f"ws://127.0.0.1:{self.listener.port}/api/ws{query}", **{"compression": None, "proxy": None, **options}
        )
        client = Client(connection)
        self._clients.append(client)
        if user is not None:
            await client.auth(user)
        return client

    def price(
        self, symbol: str, last: str, *, high: str | None = None, low: str | None = None, volume: str = "1"
    ) -> None:
        """A quote reaches the process."""
        now_ms = ms_from_utc(self.clock.now())
        price, top, bottom = Decimal(last), Decimal(high or last), Decimal(low or last)
        quote = Quote("test", symbol, now_ms, now_ms, price, price, top, bottom, price, price, Decimal(volume))
        self.board.quotes[symbol] = quote
        self.stream.quote(quote)

    def write(self, kind: EventKind, user: str | None = None, **body: Any) -> int:
        """A fact is written into the journal; the stream has not read it yet."""
        account = None if user is None else f"acc-{user}"
        with self.store.transaction() as tx:
            return append(tx, Event(kind, self.clock.now(), body, account_id=account))

    def fact(self, kind: EventKind, user: str | None = None, **body: Any) -> int:
        """A fact is written, and the stream's turn comes."""
        number = self.write(kind, user, **body)
        self.turn()
        return number

    def turn(self) -> None:
        """Turns until there is nothing more."""
        while self.stream.turn(self.clock.now()):
            pass
