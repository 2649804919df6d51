"""What a stream missed, asked for by REST: recent trades first, and where those do not reach back far enough, candles.

Only public market data; every call is bounded in time, few run at once, and an exchange that says "too many" is left
alone for as long as it asks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import httpx
import structlog

from modules.connections.feeds.socket_client import is_loopback
from modules.connections.feeds.tape import MINUTE_MS, KnownMinute, SymbolTape
from modules.domain.errors import NotFound, Unavailable

_log = structlog.get_logger(__name__)
_AT_ONCE = 4
_TOO_MANY = (418, 429, 403)
#: A burst of requests is free, then one a second: Binance counts up to 25 weights of 2,400 a minute for each.
_BURST, _PER_SECOND = 60.0, 1.0


@dataclass(frozen=True, slots=True)
class PastTrade:
    """One trade (or aggregate of `count` trades) as REST tells it: its number or its name, whichever the exchange uses."""

    number: int
    name: str
    price: float
    quantity: str
    time_ms: int
    count: int = 1


class MarketHistory(Protocol):
    """The three questions a back-fill asks. All raise Unavailable, and NotFound for a symbol that is not listed."""

    async def recent_trades(self, symbol: str, from_number: int) -> list[PastTrade]:
        """Oldest first, as far back as the exchange tells, from `from_number` on where trades are numbered (-1: newest)."""

    async def minutes(self, symbol: str, from_ms: int, until_ms: int) -> list[KnownMinute]:
        """One-minute candles that open between the two times, oldest first; the last may still be open."""

    async def close(self) -> None: ...


class PublicRest:
    """GET requests to one exchange's public addresses."""

    def __init__(self, base_url: str, *, timeout_seconds: float = 5.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = timeout_seconds
        self._client: httpx.AsyncClient | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._quiet_until = 0.0
        self._credit, self._credit_at = _BURST, 0.0

    async def get(self, path: str, parameters: Mapping[str, str | int]) -> Any:
        """The decoded JSON answer. Raises NotFound for a symbol that is not listed, Unavailable for anything else."""
        loop = asyncio.get_running_loop()
        if (quiet := self._quiet_until - loop.time()) > 0:
            raise Unavailable("the exchange asked for a pause", retry_after_seconds=quiet)
        async with self._turns:
            await self._pace()
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await self._http().get(path, params=dict(parameters))
            except (httpx.HTTPError, OSError, TimeoutError) as error:
                raise Unavailable(f"{type(error).__name__}: {error}"[:160]) from None
        if answer.status_code in _TOO_MANY:
            pause = float(answer.headers.get("Retry-After", "") or 10.0)
            self._quiet_until = loop.time() + pause
            raise Unavailable("too many requests", retry_after_seconds=pause)
        if answer.status_code in {400, 404}:
            raise NotFound(f"{path}: {answer.text[:120]}")
        if answer.status_code != 200:
            raise Unavailable(f"{path}: status {answer.status_code}")
        try:
            return answer.json()
        except ValueError:
            raise Unavailable(f"{path}: no JSON") from None

    async def _pace(self) -> None:
        now = asyncio.get_running_loop().time()
        self._credit = min(_BURST, self._credit + (now - self._credit_at) * _PER_SECOND)
        self._credit_at = now
        self._credit -= 1.0
        if self._credit < 0:
            await asyncio.sleep(-self._credit / _PER_SECOND)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self.base_url, timeout=self._timeout, trust_env=not is_loopback(self.base_url)
            )
        return self._client


def known_minute(row: list[Any]) -> KnownMinute:
    """A candle from a row `[open time, open, high, low, close, volume, …]`. Raises Unavailable for anything else."""
    try:
        opened, high, low, close = (float(cell) for cell in row[1:5])
        return KnownMinute(int(row[0]), opened, high, low, close, Decimal(str(row[5])))
    except (ValueError, TypeError, IndexError, InvalidOperation):
        raise Unavailable("a candle that can't be read") from None


class Track(Protocol):
    """A symbol as the stream follows it."""

    symbol: str
    tape: SymbolTape
    #: Exchange time of the last trade before the oldest gap that is not filled yet; 0 without a gap.
    gap_from_ms: int
    filling: bool
    #: The connection was lost (again) since the running fill began: what it fetched may not be all.
    interrupted: bool
    tries: int

    def next_number(self) -> int: ...

    def take(self, trade: PastTrade) -> None: ...

    def gaps_left(self, oldest: PastTrade | None) -> bool: ...

    def give_up_gaps(self) -> None: ...


class GapFiller:
    """Fills what a track missed; one fill per symbol at a time. `now_ms` is our clock."""

    _MOST_TRIES = 10

    def __init__(self, history: MarketHistory, now_ms: Callable[[], int], *, first_wait: float = 1.0) -> None:
        self._history = history
        self._first_wait = first_wait
        self._now_ms = now_ms
        self.filled = 0
        self.unlisted: set[str] = set()
        self._retry_at: dict[str, float] = {}

    async def fill(self, track: Track, *, now: bool = False) -> None:
        """Ask for what is missing and put it on the tape. What can't be had is tried again by a later call.

        After a failure calls do nothing for a while that doubles, unless it has to be `now`.
        """
        if track.filling or (not now and asyncio.get_running_loop().time() < self._retry_at.get(track.symbol, 0.0)):
            return
        track.filling, track.interrupted = True, False
        track.tape.held += 1
        try:
            await self._fill(track)
        except NotFound as error:
            self.unlisted.add(track.symbol)
            _log.warning("symbol_not_listed", symbol=track.symbol, reason=error.message)
        except Unavailable as error:
            self._failed(track, error)
        finally:
            track.filling = False
            track.tape.held -= 1

    async def minute(self, symbol: str, open_ms: int) -> KnownMinute | None:
        """The recorded candle of one closed minute, or None where there is none to be had."""
        with contextlib.suppress(Unavailable, NotFound):
            for minute in await self._history.minutes(symbol, open_ms, open_ms + MINUTE_MS - 1):
                if minute.open_ms == open_ms:
                    return minute
        return None

    async def _fill(self, track: Track) -> None:
        if not track.tape.newest_ms:
            newest = await self._history.recent_trades(track.symbol, -1)
            self.unlisted.discard(track.symbol)
            if newest:
                track.tape.seed(newest[-1].price, newest[-1].time_ms)
            return
        past = await self._history.recent_trades(track.symbol, track.next_number())
        for trade in past:
            track.take(trade)
        if track.interrupted:
            return
        if track.gaps_left(past[0] if past else None):
            gap_from = track.gap_from_ms or track.tape.newest_ms
            await self._by_candles(track, gap_from, past[0].time_ms if past else self._now_ms())
        track.give_up_gaps()
        track.gap_from_ms, track.tries, track.tape.waits = 0, 0, False
        self.filled += 1

    async def _by_candles(self, track: Track, from_ms: int, until_ms: int) -> None:
        """The gap is longer than the trades told: its range and volume from candles; its minutes are not whole."""
        minutes = await self._history.minutes(track.symbol, from_ms - from_ms % MINUTE_MS, until_ms)
        for minute in minutes:
            track.tape.adopt(minute, from_ms, closed=minute.open_ms + MINUTE_MS <= until_ms)
        track.tape.broken(from_ms, until_ms)

    def _failed(self, track: Track, error: Unavailable) -> None:
        track.tries += 1
        wait = min(2.0**track.tries, 60.0) * self._first_wait
        self._retry_at[track.symbol] = asyncio.get_running_loop().time() + wait
        _log.warning("gap_not_filled", symbol=track.symbol, reason=error.message, tries=track.tries)
        if track.gap_from_ms:
            track.tape.broken(track.gap_from_ms, track.tape.newest_ms)
            track.tape.waits = False
        if track.tries >= self._MOST_TRIES and track.gap_from_ms:
            track.give_up_gaps()
            track.gap_from_ms, track.tries = 0, 0
