"""Candle histories fetched from exchanges through ccxt, straight into a candle store.

Fetches closed bars only, starts where the store ends, and stores every batch as it comes, so that a broken download goes
on from there. It never fills a hole by itself: what the exchange does not have stays missing and is counted.
ccxt takes seconds to import, so that happens on first use.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from modules.analysis.candles import Candles
from modules.candles import SeriesName, Upsert
from modules.domain.errors import InvalidInput, Rejected, Trouble, Unavailable

TRIES = 6
"""How often one request is tried before the download gives up."""

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
BATCH_ROWS = 1000

MARKET_TYPES: Mapping[str, tuple[str, str]] = {"spot": ("spot", "spot"), "perpetual": ("linear", "swap")}
"""The kinds of market that can be asked for: what ccxt's market loader and its market type call them."""


class CandleSink(Protocol):
    """Where candles go: the candle store, or anything like it."""

    def first_ms(self, name: SeriesName) -> int | None: ...
    def last_ms(self, name: SeriesName) -> int | None: ...
    def gaps(self, name: SeriesName) -> list[tuple[int, int]]: ...
    def upsert(self, name: SeriesName, candles: Candles) -> Upsert: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is: `done` of `total` is in milliseconds of history, `rows` counts candles received."""

    name: SeriesName
    done: int
    total: int
    rows: int


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a download did. `refused` counts malformed bars, which were not stored; `error` says why it broke off."""

    name: SeriesName
    inserted: int = 0
    replaced: int = 0
    refused: int = 0
    requests: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which bars: open time from `since_ms`, and closed by `until_ms` (ms UTC; give the present for "all there are").

    With `repair` the holes of the stored history are asked for again. `kind` is `spot` or `perpetual`.
    """

    name: SeriesName
    since_ms: int
    until_ms: int
    repair: bool = False
    kind: str = "spot"

    def __post_init__(self) -> None:
        if self.since_ms < 0 or self.until_ms <= self.since_ms:
            raise InvalidInput(f"{self.name}: the time to start from must lie before the time to end at")
        if self.kind not in MARKET_TYPES:
            raise InvalidInput(f"{self.name}: {self.kind!r} is not one of {', '.join(MARKET_TYPES)}")


Report = Callable[[Progress], None]
Sleep = Callable[[float], Awaitable[None]]


@asynccontextmanager
async def open_exchange(
    exchange_id: str, *, address: str | None = None, timeout_seconds: float = 15.0, kind: str = "spot"
) -> AsyncIterator[Any]:
    """A ccxt client for public data, closed at the end. It keeps to the exchange's rate limit by itself.

    `address` sends all requests to another server (a test or sandbox one), keeping their paths. Raises InvalidInput for
    an exchange that is not known or publishes no candles.
    """
    package = await asyncio.to_thread(importlib.import_module, "ccxt.async_support")
    if exchange_id not in package.exchanges:
        raise InvalidInput(f"{exchange_id!r} is not an exchange known here")
    loader_type, default_type = MARKET_TYPES[kind]
    exchange = getattr(package, exchange_id)(
        {
            "enableRateLimit": True,
            "timeout": int(timeout_seconds * 1000),
            "options": {
                "defaultType": default_type,
                "fetchCurrencies": False,
                "fetchMargins": False,
                "fetchMarkets": {"types": [loader_type]},
            },
        }
    )
    try:
        if not exchange.has.get("fetchOHLCV"):
            raise InvalidInput(f"{exchange_id} publishes no candles")
        if address is not None:
            redirect(exchange, address)
        yield exchange
    finally:
        await exchange.close()


def redirect(exchange: Any, address: str) -> None:
    """Send all of a ccxt client's requests to `address` (scheme and host), keeping their paths."""
    target = urlsplit(address)
    if not target.scheme or not target.netloc:
        raise InvalidInput(f"{address!r} is not an address like http://127.0.0.1:8080")

    def moved(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {key: moved(value) for key, value in entry.items()}
        if isinstance(entry, str):
            return target.scheme + "://" + target.netloc + urlsplit(entry).path
        return entry

    exchange.urls["api"] = moved(exchange.urls["api"])


async def download(
    exchange: Any,
    sink: CandleSink,
    wanted: Wanted,
    *,
    report: Report = lambda _: None,
    sleep: Sleep = asyncio.sleep,
    batch_rows: int = BATCH_ROWS,
) -> Downloaded:
    """Fetch what the store lacks of the wanted bars, batch by batch, oldest first.

    Raises InvalidInput for a symbol or timeframe the exchange does not have, Rejected if it refuses for good,
    Unavailable if it stays out of reach; what came before is stored.
    """
    name = wanted.name
    if name.timeframe not in (exchange.timeframes or {}):
        raise InvalidInput(f"{exchange.id} has no {name.timeframe} candles")
    market = await _market(exchange, wanted, sleep)
    spans = await asyncio.to_thread(missing_spans, sink, wanted)
    pager = _Pager(exchange, market, name, sleep, min(batch_rows, _largest_batch(exchange, wanted.kind)))
    total = sum(end - start for start, end in spans)
    done = inserted = replaced = refused = received = 0
    for start, end in spans:
        async for rows, reached in pager.batches(start, end):
            candles, bad = _candles(name, rows)
            stored = await asyncio.to_thread(sink.upsert, name, candles)
            inserted, replaced, refused = inserted + stored.inserted, replaced + stored.replaced, refused + bad
            received += len(rows)
            report(Progress(name, done + reached - start, total, received))
        done += end - start
    report(Progress(name, total, total, received))
    return Downloaded(name, inserted, replaced, refused, pager.requests)


async def download_all(
    exchange: Any, sink: CandleSink, wishes: Sequence[Wanted], *, report: Report = lambda _: None
) -> AsyncIterator[Downloaded]:
    """Download one history after the other; one that fails is a result with its error, not the end."""
    for wanted in wishes:
        try:
            yield await download(exchange, sink, wanted, report=report)
        except Trouble as trouble:
            yield Downloaded(wanted.name, error=trouble.message)


def missing_spans(sink: CandleSink, wanted: Wanted) -> list[tuple[int, int]]:
    """Spans of open times to ask for, as (from, to), oldest first: before, after and (to repair) within what is stored."""
    length = wanted.name.timeframe_ms
    end = wanted.until_ms - length + 1  # a bar that opens later is not closed by then
    first, last = sink.first_ms(wanted.name), sink.last_ms(wanted.name)
    if first is None or last is None:
        spans = [(wanted.since_ms, end)]
    else:
        holes = sink.gaps(wanted.name) if wanted.repair else []
        spans = [(wanted.since_ms, first), *holes, (last + length, end)]
    cut = ((max(start, wanted.since_ms), min(stop, end)) for start, stop in spans)
    return [(start, stop) for start, stop in cut if start < stop]


@dataclass(slots=True)
class _Pager:
    """Walks through a span of time; learns on the way how this exchange pages."""

    exchange: Any
    market: str
    name: SeriesName
    sleep: Sleep
    batch_rows: int
    by_window: bool = False
    requests: int = 0

    async def batches(self, start: int, end: int) -> AsyncIterator[tuple[list[list[Any]], int]]:
        """Rows that open within the span, with the open time the walk has reached after each batch.

        Asked for bars from a time on, most exchanges answer with the first ones they have. Some answer with the newest
        ones, which looks like a hole: so a hole at the start is checked by asking for what lies in it, and an exchange
        that has it after all is asked window by window from then on.
        """
        window = self.batch_rows * self.name.timeframe_ms
        cursor = start
        while cursor < end:
            rows = await self._ask(cursor, cursor + window if self.by_window else None)
            while rows and rows[0][0] >= cursor + self.name.timeframe_ms:
                inside = await self._ask(cursor, min(cursor + window, int(rows[0][0])))
                if not inside:
                    break
                rows = inside + rows if self.by_window else inside
                self.by_window = True
            if rows:
                cursor = int(rows[-1][0]) + self.name.timeframe_ms
            elif self.by_window:
                cursor += window
            else:
                return
            kept = [row for row in rows if row[0] < end]
            if kept:
                yield kept, min(cursor, end)

    async def _ask(self, since: int, until: int | None) -> list[list[Any]]:
        """Bars that open in the window, in rising order without repeats."""
        params = {} if until is None else {"until": until - 1}
        self.requests += 1
        answer = await _patiently(
            self.exchange.fetch_ohlcv,
            self.market,
            self.name.timeframe,
            since,
            self.batch_rows,
            params,
            sleep=self.sleep,
        )
        by_time = {row[0]: row for row in answer if row[0] >= since and (until is None or row[0] < until)}
        return [by_time[stamp] for stamp in sorted(by_time)]


def _candles(name: SeriesName, rows: list[list[Any]]) -> tuple[Candles, int]:
    """The well-formed rows as candles, and how many were not."""
    good = [row for row in rows if _well_formed(row)]
    good = [row for row in good if (row[0] - good[0][0]) % name.timeframe_ms == 0]
    columns = [[row[place] for row in good] for place in range(6)]
    candles = Candles.checked(
        np.array(columns[0], dtype=np.int64),
        *(np.array(column, dtype=np.float64) for column in columns[1:]),
        timeframe_ms=name.timeframe_ms,
        symbol=name.symbol,
    )
    return candles, len(rows) - len(good)


def _well_formed(row: list[Any]) -> bool:
    if len(row) < 6 or not all(isinstance(value, int | float) and math.isfinite(value) for value in row[:6]):
        return False
    _, opened, high, low, close, volume = row[:6]
    return bool(0 < low <= min(opened, close) and max(opened, close) <= high and volume >= 0)


async def _market(exchange: Any, wanted: Wanted, sleep: Sleep) -> str:
    """The exchange's own name for a symbol like BTCUSDT."""
    await _patiently(exchange.load_markets, sleep=sleep)
    _, default_type = MARKET_TYPES[wanted.kind]
    symbol = wanted.name.symbol
    for market in exchange.markets.values():
        plain = f"{market['base']}{market['quote']}"
        if market.get("type") == default_type and symbol in (market["id"], plain):
            return str(market["symbol"])
    raise InvalidInput(f"{exchange.id} has no {wanted.kind} market {symbol}")


def _largest_batch(exchange: Any, kind: str) -> int:
    """How many bars the exchange gives in one answer, where ccxt knows it."""
    _, default_type = MARKET_TYPES[kind]
    features = (exchange.features or {}).get(default_type) or {}
    linear = features.get("linear") if "linear" in features else features
    return int(((linear or {}).get("fetchOHLCV") or {}).get("limit") or BATCH_ROWS)


async def _patiently(call: Callable[..., Awaitable[Any]], *args: Any, sleep: Sleep) -> Any:
    """Make a request, again after a growing wait while the exchange is out of reach. Reading may be repeated freely."""
    errors = importlib.import_module("ccxt.base.errors")
    wait = FIRST_WAIT_SECONDS
    for left in range(TRIES - 1, -1, -1):
        try:
            return await call(*args)
        except errors.OperationFailed as error:
            if left == 0:
                raise Unavailable(f"the exchange stays out of reach: {error}") from error
        except errors.BadSymbol as error:
            raise InvalidInput(str(error)) from error
        except errors.BaseError as error:
            raise Rejected(f"the exchange refuses: {error}") from error
        await sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, guards nothing
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
    raise AssertionError("unreachable: the last try returns or raises")
