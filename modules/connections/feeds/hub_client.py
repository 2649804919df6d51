"""The listening side of the quote hub."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import structlog

from modules.connections.feeds.conflation import join_quotes
from modules.connections.feeds.hub_frames import LONGEST_FRAME, FeedStatus, decode_quote, decode_status
from modules.domain.errors import InvalidInput
from modules.domain.market import Quote
from modules.domain.ports import Clock

_SILENT_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class QuoteClient:
    """Listens to a hub, for ever: a `QuoteBoard`, and a stream of quotes for one consumer.

    A consumer slower than the market gets merged quotes. Without a consumer only the board is kept. With a `name` of its own
    a client that was killed and came back gets what it missed meanwhile, and again what it had not acknowledged: those
    quotes say from when their range is (`since_ms`). It speaks first when it knows its symbols.
    """

    def __init__(
        self, path: Path, clock: Clock, *, name: str | None = None, first_wait: float = 0.05, longest_wait: float = 1.0
    ) -> None:
        self._path = path
        self._clock = clock
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._name = name or uuid.uuid4().hex
        self._named = name is not None
        self._asked = not self._named
        self._wanted: frozenset[str] = frozenset()
        self._references: dict[str, Decimal] = {}
        self._board: dict[str, Quote] = {}
        self._pending: dict[str, list[Quote]] = {}
        # A named client has a consumer from the start: what the hub kept for it must not pass unseen.
        self._consumed = self._named
        self._heard_batch = 0
        self._taken_batch = 0
        self._acknowledged = 0
        self._news = asyncio.Event()
        self._introduced = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._heard_at: float | None = None
        self._closed = False
        self.status: FeedStatus | None = None
        self.connections = 0

    @property
    def connected(self) -> bool:
        """Is there a hub on the other side at this moment?"""
        return self._writer is not None

    def message_age(self) -> float | None:
        """Seconds since the hub last said anything (it does so every second); None before the first time."""
        return None if self._heard_at is None else self._clock.monotonic() - self._heard_at

    def feed(self) -> dict[str, Any] | None:
        """What health says of prices: the source's name; None while the hub is silent."""
        age = self.message_age()
        if self.status is None or age is None or age > _SILENT_SECONDS or not self.connected:
            return None
        return {"source": self.status.source, "stale": False}

    async def introduced(self) -> None:
        """Waits until the hub has said what its prices are, once."""
        await self._introduced.wait()

    def latest(self, symbol: str) -> Quote | None:
        """The newest quote of a symbol that this process has seen; its `received_ms` tells how old it is."""
        return self._board.get(symbol)

    def want(self, symbols: Collection[str], references: Mapping[str, Decimal] | None = None) -> None:
        """From now on these symbols. `references` are prices for a market that has none of its own (simulated)."""
        wanted = frozenset(symbols)
        if self._asked and wanted == self._wanted and not references:
            return
        self._asked = True
        self._wanted = wanted
        self._references.update(references or {})
        for symbol in self._board.keys() - wanted:
            del self._board[symbol]
            self._pending.pop(symbol, None)
        self._say()

    async def start(self) -> None:
        """Begin to connect, in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self.run())

    async def close(self) -> None:
        """Hang up and end `quotes`."""
        self._closed = True
        self._news.set()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def quotes(self, *, acknowledge: bool = True) -> AsyncIterator[Quote]:
        """Quotes as they come, merged by symbol while the consumer is busy; until `close`.

        Asking for the next one says that the last is dealt with; without `acknowledge` only `acknowledge()` says so.
        """
        self._consumed = True
        while not self._closed:
            pending, self._pending = self._pending, {}
            batch = self._heard_batch
            for quotes in pending.values():
                for quote in quotes:
                    yield quote
            self._taken_batch = batch
            if acknowledge:
                self.acknowledge()
            if not self._pending and batch == self._heard_batch:
                self._news.clear()
                await self._news.wait()

    def acknowledge(self) -> None:
        """What `quotes` gave so far is dealt with for good: the hub need not tell it again after a kill."""
        if self._named and self._writer is not None and self._taken_batch > self._acknowledged:
            self._acknowledged = self._taken_batch
            self._writer.write(orjson.dumps({"heard": self._taken_batch}) + b"\n")

    async def run(self) -> None:
        """Connect, listen, and when the connection ends begin again; until cancelled."""
        wait = self._first_wait
        while True:
            before = self._heard_at
            try:
                await self._listen()
            except OSError as error:
                _log.debug("hub_unreachable", path=str(self._path), reason=str(error))
            finally:
                self._writer = None
            wait = self._first_wait if self._heard_at != before else min(wait * 2, self._longest_wait)
            await asyncio.sleep(wait * (0.5 + random.random() / 2))  # noqa: S311 - spreads reconnects

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._path), limit=LONGEST_FRAME)
        self._writer = writer
        self.connections += 1
        try:
            self._say()
            while line := await reader.readline():
                self._hear(line)
        except ValueError as error:  # a line beyond the limit
            _log.warning("hub_not_understood", reason=str(error))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _say(self) -> None:
        if not self._asked:
            return  # a named client that just started must not give up what the hub kept for it
        if self._writer is not None:
            prices = {symbol: str(price) for symbol, price in self._references.items() if symbol in self._wanted}
            said: dict[str, Any] = {"client": self._name, "want": sorted(self._wanted), "prices": prices}
            if self._named:
                said["heard"] = self._heard_batch
            self._writer.write(orjson.dumps(said) + b"\n")

    def _hear(self, line: bytes) -> None:
        self._heard_at = self._clock.monotonic()
        try:
            said = orjson.loads(line)
            if isinstance(said, list):
                self._take(decode_quote(said))
            elif "batch" in said:
                self._heard_batch = int(said["batch"])
                self._news.set()
            else:
                self.status = decode_status(said)
                self._introduced.set()
        except (ValueError, InvalidInput) as error:
            _log.warning("hub_not_understood", reason=str(error)[:120])

    def _take(self, quote: Quote) -> None:
        if quote.symbol not in self._wanted:
            return
        self._board[quote.symbol] = quote
        if self._consumed:
            queue = self._pending.setdefault(quote.symbol, [])
            # A range that is told late stays apart from what is new: each counts for what was there when it began.
            if queue and queue[-1].since_ms is None and quote.since_ms is None:
                queue[-1] = join_quotes(queue[-1], quote)
            else:
                queue.append(quote)
            self._news.set()
