"""Quotes between processes: the price process serves them on a unix socket, any number of clients listen.

Frames are JSON lines. A client says which symbols it wants; the server tells the source the union of all. A client that
reads slowly, or is away for a moment, gets merged quotes: never fewer highs, lows or volume, only fewer messages. A new
client gets the present price of each symbol at once, standing for no trade. Killing either side harms nothing: clients
reconnect for ever and say what they want again. A client with a name of its own acknowledges what it has dealt with; what
it has not when it dies, and what comes until it is back, is told to its successor.

Quotes are not facts: nothing here is durable, and nothing that must not be lost may travel this way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import structlog

from modules.connections.feeds.conflation import join_quotes, snapshot, told_late
from modules.connections.feeds.hub_client import QuoteClient
from modules.connections.feeds.hub_frames import LONGEST_FRAME, FeedStatus, encode_batch, encode_quote, encode_status
from modules.domain.errors import InvalidInput, Misconfigured
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import decimal_from
from modules.domain.ports import Clock, PriceSource

_log = structlog.get_logger(__name__)
#: A unix socket's address must fit its C structure.
_LONGEST_PATH = 100
_MOST_SYMBOLS = 5_000
#: Batches kept apart for a client that acknowledges; the newest are merged beyond it.
_MOST_UNHEARD = 64


__all__ = ["FeedStatus", "HubServer", "QuoteClient"]


class _Listener:
    """What one client wants, what is waiting for it and what it was told but did not acknowledge; outlives its connection
    for a while."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wanted: frozenset[str] = frozenset()
        self.references: dict[str, Decimal] = {}
        self.waiting: dict[str, Quote] = {}
        self.acknowledges = False
        self.connection: _ServerConnection | None = None
        self.left_at = 0.0
        self._batch = 0
        self._unheard: list[_Batch] = []
        self._stood: dict[str, Decimal] = {}

    def put(self, quote: Quote) -> None:
        """Queue a quote, merged with what is waiting of that symbol."""
        if self.connection is None:
            quote = told_late(quote, self._stood.get(quote.symbol))
        _merge(self.waiting, quote)

    def flush(self) -> None:
        """Send what waits, unless the client is slow; then it goes on merging."""
        if self.waiting and self.connection is not None and self.connection.ready:
            waiting, self.waiting = self.waiting, {}
            self._batch += 1
            if self.acknowledges:
                self._keep(waiting)
            self._send(self._batch, waiting.values())

    def leave(self, at: float) -> None:
        """The connection is gone; what waits will be told late."""
        self.connection, self.left_at = None, at
        self.waiting = {symbol: told_late(quote, self._stood.get(symbol)) for symbol, quote in self.waiting.items()}

    def heard(self, batch: int) -> None:
        """The client has dealt with every batch up to this one."""
        self._batch = max(self._batch, batch)
        self._unheard = [each for each in self._unheard if each.number > batch]

    def tell_again(self) -> None:
        """What was sent and not acknowledged, batch by batch, to the client that came back."""
        for batch in self._unheard:
            late = [told_late(quote, batch.stood[symbol]) for symbol, quote in batch.quotes.items()]
            self._send(batch.number, [quote for quote in late if quote.symbol in self.wanted])

    def _send(self, number: int, quotes: Iterable[Quote]) -> None:
        assert self.connection is not None
        frames = [encode_quote(quote) for quote in quotes]
        if self.acknowledges:
            frames.append(encode_batch(number))
        self.connection.send(b"".join(frames))

    def _keep(self, quotes: dict[str, Quote]) -> None:
        stood = {symbol: self._stood.get(symbol) for symbol in quotes}
        self._stood.update((symbol, quote.last) for symbol, quote in quotes.items())
        if len(self._unheard) < _MOST_UNHEARD:
            self._unheard.append(_Batch(self._batch, quotes, stood))
            return
        newest = self._unheard[-1]
        for quote in quotes.values():
            _merge(newest.quotes, quote)
        self._unheard[-1] = _Batch(self._batch, newest.quotes, {**stood, **newest.stood})


@dataclass(frozen=True, slots=True)
class _Batch:
    """Quotes sent together, and the price that stood for each symbol before."""

    number: int
    quotes: dict[str, Quote]
    stood: dict[str, Decimal | None]


def _merge(into: dict[str, Quote], quote: Quote) -> None:
    earlier = into.get(quote.symbol)
    into[quote.symbol] = quote if earlier is None else join_quotes(earlier, quote)


class _ServerConnection(asyncio.Protocol):
    """One client's socket."""

    def __init__(self, server: HubServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.listener: _Listener | None = None
        self.ready = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=self._server.buffer_bytes)
        self._transport = transport
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Whole lines go to the server; one that never ends closes the connection."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LONGEST_FRAME:
            self.close()
            return
        for line in lines:
            self._server.hear(self, line)

    def pause_writing(self) -> None:
        self.ready = False

    def resume_writing(self) -> None:
        self.ready = True
        if self.listener is not None:
            self.listener.flush()
        self._server.room.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._server.gone(self)

    def send(self, frames: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class HubServer:
    """Serves the quotes of one source on a unix socket, and tells the source what is wanted.

    `keep_seconds` is how long a client that went away is still served (merged) and its symbols still wanted.
    """

    def __init__(
        self,
        path: Path,
        source: PriceSource,
        clock: Clock,
        *,
        keep_seconds: float = 30.0,
        status_seconds: float = 1.0,
        buffer_bytes: int = 1 << 17,
    ) -> None:
        self._path = path
        self._source = source
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._status_seconds = status_seconds
        self.buffer_bytes = buffer_bytes
        self.connections: set[_ServerConnection] = set()
        self.room = asyncio.Event()
        self.detail = ""
        self._own: frozenset[str] = frozenset()
        self._listeners: dict[str, _Listener] = {}
        self._latest: dict[str, Quote] = {}
        self._touched: set[_Listener] = set()
        self._told: frozenset[str] = frozenset()
        self._server: asyncio.Server | None = None
        self.published = 0

    def wanted(self) -> frozenset[str]:
        """The union of what all clients (and `want` itself) ask for."""
        return self._own.union(*(listener.wanted for listener in self._listeners.values()))

    def want(self, symbols: Collection[str]) -> None:
        """Symbols the price process itself needs, whoever listens."""
        self._own = frozenset(symbols)
        self._tell_source()

    def latest(self, symbol: str) -> Quote | None:
        """The newest quote published of a symbol."""
        return self._latest.get(symbol)

    def status(self) -> FeedStatus:
        """The present state of the feed."""
        now_ms = ms_from_utc(self._clock.now())
        wanted = self.wanted()
        ages = {symbol: self._latest[symbol].age_seconds(now_ms) for symbol in sorted(wanted & self._latest.keys())}
        simulated = bool(getattr(self._source, "simulated", False)) or self._source.name == "simulated"
        unknown = tuple(sorted(wanted - self._latest.keys()))
        return FeedStatus(self._source.name, simulated, ages, unknown, self.detail, now_ms)

    async def start(self) -> None:
        """Listen. Raises Misconfigured when another server listens there already or the path can't be used."""
        if len(str(self._path)) > _LONGEST_PATH:
            raise Misconfigured([f"the socket path is longer than {_LONGEST_PATH} characters: {self._path}"])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _remove_dead_socket(self._path)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _ServerConnection(self), str(self._path))
        self._path.chmod(stat.S_IRUSR | stat.S_IWUSR)

    async def run(self) -> None:
        """Serve until cancelled or until the source ends."""
        await self.start()
        status = asyncio.create_task(self._tell_status())
        try:
            lossless = bool(getattr(self._source, "lossless", False))
            async for quote in self._source.quotes():
                self.publish(quote)
                if lossless:
                    await self._all_ready()
        finally:
            status.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await status
            await self.close()

    async def close(self) -> None:
        """Stop listening and let every client go."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        for connection in list(self.connections):
            connection.close()
        await asyncio.sleep(0)

    def publish(self, quote: Quote) -> None:
        """Hand a quote to everybody who wants its symbol; sent together at the end of this turn of the loop."""
        self.published += 1
        self._latest[quote.symbol] = quote
        for listener in self._listeners.values():
            if quote.symbol in listener.wanted:
                listener.put(quote)
                if not self._touched:
                    asyncio.get_running_loop().call_soon(self._flush)
                self._touched.add(listener)

    def hear(self, connection: _ServerConnection, line: bytes) -> None:
        """One line of a client: `{"client": id, "want": [symbols], "prices": {symbol: reference}, "heard": batch}`, and
        from one that acknowledges `{"heard": batch}`."""
        try:
            said = orjson.loads(line)
            heard = int(said["heard"]) if "heard" in said else None
            if connection.listener is not None and heard is not None and "want" not in said:
                connection.listener.heard(heard)
                return
            wish = _wish(said)
        except (ValueError, TypeError, KeyError, AttributeError, InvalidInput) as error:
            _log.warning("hub_client_not_understood", reason=str(error)[:120])
            connection.close()
            return
        listener = self._listeners.setdefault(wish.name, _Listener(wish.name))
        fresh = wish.symbols - listener.wanted
        came_back = connection.listener is None
        listener.wanted, listener.references = wish.symbols, wish.prices
        if came_back:
            fresh = wish.symbols
            self._take_up(listener, connection, heard)
        listener.waiting = {symbol: quote for symbol, quote in listener.waiting.items() if symbol in wish.symbols}
        for symbol in fresh:
            # What waits for one that was away goes before the present price, which it contains.
            if symbol not in listener.waiting and (quote := self._latest.get(symbol)) is not None:
                listener.put(snapshot(quote))
        listener.flush()
        self._tell_source()

    def _take_up(self, listener: _Listener, connection: _ServerConnection, heard: int | None) -> None:
        """A client's new connection takes the place of its old one."""
        connection.listener = listener
        if listener.connection is not None:
            listener.connection.close()
        listener.connection = connection
        connection.send(encode_status(self.status()))
        listener.acknowledges = heard is not None
        if heard is not None:
            listener.heard(heard)
            listener.tell_again()

    def gone(self, connection: _ServerConnection) -> None:
        """A client's socket closed; the client may come back."""
        self.connections.discard(connection)
        self.room.set()
        listener = connection.listener
        if listener is not None and listener.connection is connection:
            listener.leave(self._clock.monotonic())

    def forget_absent(self) -> None:
        """Drop the clients that stayed away too long, and what only they wanted."""
        now = self._clock.monotonic()
        for name, listener in list(self._listeners.items()):
            if listener.connection is None and now - listener.left_at >= self._keep_seconds:
                del self._listeners[name]
        self._tell_source()

    def _tell_source(self) -> None:
        wanted = self.wanted()
        # References first: a simulated market of a symbol begins where its first listener says it stands.
        want_at: Callable[[str, Decimal], None] | None = getattr(self._source, "want_at", None)
        for listener in self._listeners.values():
            for symbol, price in listener.references.items():
                if want_at is not None and symbol in wanted and price > 0:
                    want_at(symbol, price)
            listener.references = {}
        if wanted != self._told:
            self._told = wanted
            for symbol in self._latest.keys() - wanted:
                del self._latest[symbol]
            self._source.want(wanted)

    def _flush(self) -> None:
        touched, self._touched = self._touched, set()
        for listener in touched:
            listener.flush()

    async def _tell_status(self) -> None:
        while True:
            await asyncio.sleep(self._status_seconds)
            self.forget_absent()
            frame = encode_status(self.status())
            for connection in self.connections:
                if connection.ready and connection.listener is not None:
                    connection.send(frame)

    async def _all_ready(self) -> None:
        """Until every connected client has room: what is replayed as fast as possible must not be merged."""
        await asyncio.sleep(0)
        while any(not connection.ready for connection in self.connections):
            self.room.clear()
            await self.room.wait()


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a client asks for."""

    name: str
    symbols: frozenset[str]
    prices: dict[str, Decimal]


def _wish(said: dict[str, Any]) -> _Wish:
    symbols = frozenset(str(symbol) for symbol in said["want"])
    if len(symbols) > _MOST_SYMBOLS:
        raise InvalidInput("too many symbols")
    prices = {str(key): decimal_from(value, "price") for key, value in (said.get("prices") or {}).items()}
    return _Wish(str(said["client"]), symbols, prices)


def _remove_dead_socket(path: Path) -> None:
    """Take away what a killed server left. Raises Misconfigured when a living one, or no socket, is there."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise Misconfigured([f"{path} is in the way: it is no socket"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise Misconfigured([f"{path} can't be used: {error}"]) from None
    raise Misconfigured([f"another price process already serves {path}"])
