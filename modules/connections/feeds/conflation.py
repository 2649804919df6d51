"""Trades in, quotes and one-minute candles out, with nothing of the trades' range or volume lost on the way.

Each symbol has a `SymbolTape`; the `Conflator` turns what has gathered there into a `Quote` every interval, or at once
where the symbol was idle, and into candles when a minute has ended by exchange time. No network; the clock is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal

from modules.connections.feeds.tape import SymbolTape
from modules.domain.market import Candle, Quote, ms_from_utc
from modules.domain.money import ZERO
from modules.domain.ports import Clock

CandleListener = Callable[[Candle], None]
#: (symbol, open time in ms) of a minute of which trades are known to be missing.
IncompleteListener = Callable[[str, int], None]


def join_quotes(first: Quote, second: Quote) -> Quote:
    """One quote that stands for everything both stand for; `second` is the newer one."""
    known = first.since_ms is not None or second.since_ms is not None
    return Quote(
        exchange=second.exchange,
        symbol=second.symbol,
        time_ms=max(first.time_ms, second.time_ms),
        received_ms=second.received_ms,
        last=second.last,
        open=first.open,
        high=max(first.high, second.high),
        low=min(first.low, second.low),
        bid=second.bid,
        ask=second.ask,
        volume=first.volume + second.volume,
        trades=first.trades + second.trades,
        simulated=second.simulated,
        since_ms=(first.received_ms if first.since_ms is None else first.since_ms) if known else None,
        stood=first.stood,
    )


def told_late(quote: Quote, stood: Decimal | None) -> Quote:
    """The same quote for somebody it reaches late: from when its range is, by our clock, and what stood before it."""
    since_ms = quote.received_ms if quote.since_ms is None else quote.since_ms
    return replace(quote, since_ms=since_ms, stood=stood if quote.stood is None else quote.stood)


def snapshot(quote: Quote) -> Quote:
    """The same market without the past: what a late subscriber may know, standing for no trade.

    A range from before somebody began to listen would touch stops that were not there yet.
    """
    return Quote(
        quote.exchange,
        quote.symbol,
        quote.time_ms,
        quote.received_ms,
        quote.last,
        quote.last,
        quote.last,
        quote.last,
        quote.bid,
        quote.ask,
        ZERO,
        0,
        quote.simulated,
    )


class Conflator:
    """Tapes of many symbols, and the stream of quotes they give.

    A symbol that was idle gets its quote at once; a busy one every `interval_ms`. `candle_grace_ms` is how long (by
    exchange time, or by the clock when the market is still) a minute stays open for late trades.
    """

    def __init__(
        self,
        exchange: str,
        clock: Clock,
        *,
        interval_ms: int = 100,
        book_interval_ms: int = 250,
        candle_grace_ms: int = 2_000,
        simulated: bool = False,
        on_candle: CandleListener | None = None,
        on_incomplete: IncompleteListener | None = None,
    ) -> None:
        self.exchange = exchange
        self.simulated = simulated
        self.book_interval = max(book_interval_ms, interval_ms) / 1000
        self.closes: dict[str, Decimal] = {}
        self._clock = clock
        self._interval = interval_ms / 1000
        self._grace_ms = candle_grace_ms
        self._on_candle = on_candle
        self._on_incomplete = on_incomplete
        self._tapes: dict[str, SymbolTape] = {}
        self._newest: dict[str, tuple[int, float]] = {}
        self._dirty: list[SymbolTape] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._candles_checked = 0.0

    @property
    def tapes(self) -> dict[str, SymbolTape]:
        return self._tapes

    def now_ms(self) -> int:
        return ms_from_utc(self._clock.now())

    def tape(self, symbol: str) -> SymbolTape:
        """The tape of a symbol, begun on first use."""
        if (tape := self._tapes.get(symbol)) is None:
            tape = self._tapes[symbol] = SymbolTape(symbol, self)
        return tape

    def drop(self, symbol: str) -> None:
        """Forget a symbol nobody wants any more."""
        if (tape := self._tapes.pop(symbol, None)) is not None and tape in self._dirty:
            self._dirty.remove(tape)
        self.closes.pop(symbol, None)
        self._newest.pop(symbol, None)

    def changed(self, tape: SymbolTape, delay: float) -> None:
        """A tape has news; its quote is due one interval after the last, or after `delay` where that is later."""
        if delay:
            tape.due = max(tape.due, self._clock.monotonic() + delay)
        self._dirty.append(tape)
        self._wake.set()

    def incomplete(self, symbol: str, open_ms: int) -> None:
        """A minute ended of which trades are missing."""
        self.closes.pop(symbol, None)
        if self._on_incomplete is not None:
            self._on_incomplete(symbol, open_ms)

    def drain(self, *, everything: bool = False) -> list[Quote]:
        """The quotes that are due now (with `everything`, all that have news)."""
        now, now_ms = self._clock.monotonic(), self.now_ms()
        waiting: list[SymbolTape] = []
        quotes: list[Quote] = []
        for tape in self._dirty:
            if tape.due > now and not everything:
                waiting.append(tape)
                continue
            tape.due = now + self._interval
            if (quote := tape.take(now_ms)) is not None:
                quotes.append(quote)
        self._dirty = waiting
        return quotes

    def close_candles(self) -> None:
        """Hand over every candle whose minute has certainly ended.

        Exchange time is the newest trade's, or what it must be by now if nothing was traded since: our own clock may be
        wrong and the trades may be recorded ones.
        """
        now = self._clock.monotonic()
        for tape in list(self._tapes.values()):
            newest, noticed = self._newest.get(tape.symbol, (0, now))
            if tape.newest_ms != newest:
                newest, noticed = self._newest[tape.symbol] = (tape.newest_ms, now)
            still_for_ms = round((now - noticed) * 1000)
            for candle in tape.close_minutes(newest + max(-self._grace_ms, still_for_ms - 3 * self._grace_ms)):
                if self._on_candle is not None:
                    self._on_candle(candle)

    def due(self) -> list[Quote]:
        """`drain`, and at most once an interval a look at the candles."""
        quotes = self.drain()
        if (now := self._clock.monotonic()) >= self._candles_checked + self._interval:
            self._candles_checked = now
            self.close_candles()
        return quotes

    async def quotes(self) -> AsyncIterator[Quote]:
        """Quotes as they fall due, until `close`; what is pending then is still delivered."""
        while not self._closed:
            for quote in self.due():
                yield quote
            await self._pause()
        for quote in self.drain(everything=True):
            yield quote
        self.close_candles()

    def close(self) -> None:
        """End `quotes`."""
        self._closed = True
        self._wake.set()

    async def _pause(self) -> None:
        """Until the next quote is due, some symbol has news, or a second has passed (candles end in silence too)."""
        delay = min((tape.due for tape in self._dirty), default=None)
        wait = 1.0 if delay is None else delay - self._clock.monotonic()
        if wait <= 0:
            await asyncio.sleep(0)
            return
        self._wake.clear()
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return
