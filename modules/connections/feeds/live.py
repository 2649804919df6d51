"""A live `PriceSource` over an exchange's public streams; what differs between exchanges is in `binance` and `bybit`.

Wanted symbols are spread over as many sockets as the exchange's limits ask for. When a connection comes (back), the
trades it missed are fetched; while one cannot be had, they are polled for. Nothing here ever gives up.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from modules.connections.feeds.conflation import CandleListener, Conflator
from modules.connections.feeds.rest_gap import GapFiller, MarketHistory, Track
from modules.connections.feeds.socket_client import FrameListener, SocketRules, StreamSocket, answers
from modules.domain.market import Candle, Quote
from modules.domain.money import from_float
from modules.domain.ports import Clock

_log = structlog.get_logger(__name__)
_LIVE_SYMBOL = re.compile(r"[A-Z0-9]{3,24}")
_REPORTED_FRAMES = 20


@dataclass(frozen=True, slots=True)
class Route:
    """One address of an exchange and how much fits on a connection to it."""

    url: str
    streams_per_socket: int
    streams_per_frame: int
    carries_trades: bool = True


@dataclass(frozen=True, slots=True)
class LiveRules:
    """Times, in seconds, of everything that is not a socket's own.

    `ack_timeout` is how long a subscription may take to be confirmed before the back-fill goes ahead; a socket that is
    down for `poll_after` is replaced by REST, `poll_each` for each symbol. Gaps are looked for every `look_every`.
    """

    ack_timeout: float = 3.0
    look_every: float = 2.0
    poll_after: float = 8.0
    poll_each: float = 0.5


class Line:
    """One socket and what it carries."""

    def __init__(self, route: str) -> None:
        self.route = route
        self.streams: dict[str, str] = {}
        self.socket: StreamSocket | None = None
        self.task: asyncio.Task[None] | None = None
        self.acknowledged = asyncio.Event()

    @property
    def symbols(self) -> set[str]:
        return set(self.streams.values())


TradeListener = Callable[[str, int, float, float, bool], None]


class LiveSource(ABC):
    """Quotes of one exchange. `on_candle` is told every closed one-minute candle that is certainly complete.

    `on_trade`, where it is set before listening begins, is told of every trade of the stream: symbol, time in ms, price,
    base quantity, and whether the taker bought. Trades out of line (the first of
    a symbol, and what only a gap's filling brought) are not told.
    """

    name = "live"

    def __init__(
        self,
        exchange: str,
        clock: Clock,
        routes: Mapping[str, Route],
        history: MarketHistory,
        *,
        interval_ms: int = 100,
        socket_rules: SocketRules | None = None,
        rules: LiveRules | None = None,
        on_candle: CandleListener | None = None,
    ) -> None:
        self.exchange = exchange
        self.malformed = 0
        self.on_trade: TradeListener | None = None
        self._routes = dict(routes)
        self._history = history
        self._socket_rules = socket_rules or SocketRules()
        self._rules = rules or LiveRules()
        self._on_candle = on_candle
        self._conflator = Conflator(
            exchange,
            clock,
            interval_ms=interval_ms,
            on_candle=on_candle,
            on_incomplete=self._fetch_minute if on_candle else None,
        )
        self._filler = GapFiller(history, self._conflator.now_ms)
        self._wanted: frozenset[str] = frozenset()
        self._tracks: dict[str, Track] = {}
        self._lines: list[Line] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False

    @property
    def connected(self) -> bool:
        """Are all sockets that are needed open?"""
        return bool(self._lines) and all(line.socket is not None and line.socket.connected for line in self._lines)

    @property
    def reconnects(self) -> int:
        """How often connections were made after each socket's first."""
        return sum(max(line.socket.connections - 1, 0) for line in self._lines if line.socket)

    @property
    def unknown(self) -> frozenset[str]:
        """Wanted symbols that this exchange does not list (or that cannot be symbols)."""
        return frozenset(
            symbol for symbol in self._wanted if symbol in self._filler.unlisted or not _LIVE_SYMBOL.fullmatch(symbol)
        )

    async def available(self, timeout_seconds: float) -> bool:
        """Does the exchange's stream address answer within this time?"""
        route = next(iter(self._routes.values()))
        return await answers(route.url, timeout_seconds)

    def want(self, symbols: Collection[str]) -> None:
        """From now on deliver these symbols; subscriptions change at once on open sockets."""
        wanted = frozenset(symbols)
        fresh, dropped = wanted - self._wanted, self._wanted - wanted
        self._wanted = wanted
        for symbol in dropped:
            self._tracks.pop(symbol, None)
            self._conflator.drop(symbol)
            self._filler.unlisted.discard(symbol)
        accepted = [symbol for symbol in sorted(fresh) if _LIVE_SYMBOL.fullmatch(symbol)]
        for symbol in accepted:
            self._tracks[symbol] = self._track(symbol)
        self._unsubscribe(dropped)
        self._subscribe(accepted)

    async def quotes(self) -> AsyncIterator[Quote]:
        """Quotes until closed. The sockets run while this does."""
        self._running = True
        for line in self._lines:
            self._open(line)
        self._spawn(self._look_after())
        try:
            async for quote in self._conflator.quotes():
                yield quote
        finally:
            await self._stop()

    async def close(self) -> None:
        """End `quotes`, close every socket."""
        self._conflator.close()
        await self._stop()

    @abstractmethod
    def _track(self, symbol: str) -> Track:
        """What is kept of one symbol."""

    @abstractmethod
    def _streams(self, symbol: str) -> Mapping[str, str]:
        """Stream name → route of everything followed for a symbol."""

    @abstractmethod
    def _frames(self, streams: list[str], *, subscribe: bool) -> list[str]:
        """The frames that subscribe to (or from) these streams; at most one frame's worth."""

    @abstractmethod
    def _listener(self, line: Line) -> FrameListener:
        """What takes the frames of a line's socket."""

    def _not_understood(self, message: bytes, reason: str) -> None:
        """Count a frame that made no sense; the first ones are logged."""
        self.malformed += 1
        if self.malformed <= _REPORTED_FRAMES:
            _log.warning("stream_frame_skipped", exchange=self.exchange, reason=reason, frame=message[:120])

    def _subscribe(self, symbols: list[str]) -> None:
        added: dict[Line, list[str]] = {}
        for symbol in symbols:
            for stream, route in self._streams(symbol).items():
                line = self._line_with_room(route)
                line.streams[stream] = symbol
                added.setdefault(line, []).append(stream)
        for line, streams in added.items():
            if line.socket is not None and line.socket.connected:
                line.socket.send(self._in_frames(line.route, streams, subscribe=True))
                self._spawn(self._fill({line.streams[stream] for stream in streams if stream in line.streams}))
            elif self._running:
                self._open(line)

    def _unsubscribe(self, symbols: frozenset[str]) -> None:
        for line in list(self._lines):
            streams = [stream for stream, symbol in line.streams.items() if symbol in symbols]
            for stream in streams:
                del line.streams[stream]
            if not line.streams:
                self._lines.remove(line)
                if line.task is not None:
                    line.task.cancel()
            elif streams and line.socket is not None:
                line.socket.send(self._in_frames(line.route, streams, subscribe=False))

    def _line_with_room(self, route: str) -> Line:
        most = self._routes[route].streams_per_socket
        for line in self._lines:
            if line.route == route and len(line.streams) < most:
                return line
        line = Line(route)
        self._lines.append(line)
        return line

    def _in_frames(self, route: str, streams: list[str], *, subscribe: bool) -> list[str]:
        size = self._routes[route].streams_per_frame
        return [
            frame
            for at in range(0, len(streams), size)
            for frame in self._frames(streams[at : at + size], subscribe=subscribe)
        ]

    def _open(self, line: Line) -> None:
        if line.task is not None:
            return
        line.socket = StreamSocket(
            self._routes[line.route].url,
            self._listener(line),
            rules=self._socket_rules,
            greeting=lambda: self._in_frames(line.route, list(line.streams), subscribe=True),
            on_up=lambda: self._spawn(self._came_up(line)),
            on_down=lambda: self._went_down(line),
        )
        line.task = self._spawn(line.socket.run())

    async def _came_up(self, line: Line) -> None:
        """Once the subscription is confirmed nothing new is missed: then fetch what was."""
        try:
            async with asyncio.timeout(self._rules.ack_timeout):
                await line.acknowledged.wait()
        except TimeoutError:
            _log.info("subscription_not_confirmed", exchange=self.exchange, url=self._routes[line.route].url)
        if self._routes[line.route].carries_trades:
            await self._fill(line.symbols, now=True)

    def _went_down(self, line: Line) -> None:
        line.acknowledged.clear()
        for symbol in line.symbols:
            if (track := self._tracks.get(symbol)) is not None:
                track.tape.forget_book()
                track.interrupted |= self._routes[line.route].carries_trades
                if self._routes[line.route].carries_trades and not track.gap_from_ms:
                    track.gap_from_ms = track.tape.newest_ms
                    track.tape.waits = track.gap_from_ms > 0

    async def _fill(self, symbols: Collection[str], *, now: bool = False) -> None:
        tracks = [track for symbol in symbols if (track := self._tracks.get(symbol)) is not None]
        await asyncio.gather(*(self._filler.fill(track, now=now) for track in tracks))

    async def _look_after(self) -> None:
        """Gaps in mid-stream, fills that failed, and symbols whose socket cannot be had (one request each, in turn)."""
        loop, poll_at = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(self._rules.look_every)
            lines = [line for line in self._lines if line.socket and self._routes[line.route].carries_trades]
            due = {symbol for line in lines if line.socket and line.socket.connected for symbol in line.symbols}
            due = {symbol for symbol in due if (track := self._tracks.get(symbol)) and self._lacks(track)}
            if loop.time() >= poll_at:
                down = {
                    symbol
                    for line in lines
                    if line.socket and line.socket.down_seconds() > self._rules.poll_after
                    for symbol in line.symbols
                }
                poll_at = loop.time() + len(down) * self._rules.poll_each
                due |= down
            await self._fill(due - self._filler.unlisted)

    @staticmethod
    def _lacks(track: Track) -> bool:
        return not track.filling and bool(track.gap_from_ms or not track.tape.newest_ms)

    def _fetch_minute(self, symbol: str, open_ms: int) -> None:
        self._spawn(self._tell_minute(symbol, open_ms))

    async def _tell_minute(self, symbol: str, open_ms: int) -> None:
        """A minute we saw only part of: the exchange's own candle stands in for ours."""
        minute = await self._filler.minute(symbol, open_ms)
        if minute is not None and self._on_candle is not None and symbol in self._tracks:
            prices = (from_float(price) for price in (minute.open, minute.high, minute.low, minute.close))
            opened, high, low, close = prices
            self._on_candle(Candle(symbol, "1m", open_ms, opened, high, low, close, minute.volume))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("feed_task_failed", exchange=self.exchange, exc_info=error)

    async def _stop(self) -> None:
        self._running = False
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in self._lines:
            line.task = line.socket = None
        await self._history.close()
