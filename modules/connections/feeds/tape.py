"""The trades of one symbol, gathered as cheaply as Python allows: floats for prices, quantities kept as text.

Trades are gathered in a chunk that never spans two minutes. Folding a chunk adds it to the pending quote and to the
candle of its minute, so the work per trade is a handful of comparisons and nothing of range or volume is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Protocol

from modules.domain.market import Candle, Quote
from modules.domain.money import ZERO

MINUTE_MS = 60_000
_FOLD_EVERY = 4096
_INFINITY = float("inf")
#: (exchange time, trade number): orders trades of one symbol.
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class KnownMinute:
    """A one-minute candle as an exchange recorded it; `open_ms` is its open time."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: Decimal


class TapeOwner(Protocol):
    """Whom a tape tells that it has news, and what it must know to make a quote."""

    exchange: str
    simulated: bool
    book_interval: float
    #: Close of the newest whole candle of each symbol, for minutes in which nobody traded.
    closes: dict[str, Decimal]

    def changed(self, tape: SymbolTape, delay: float) -> None: ...

    def incomplete(self, symbol: str, open_ms: int) -> None: ...


class _Minute:
    """A one-minute candle in the making."""

    __slots__ = ("close", "first", "high", "last", "low", "open", "trades", "volume", "whole")

    def __init__(self, price: float, place: _Place, whole: bool) -> None:
        self.open = self.high = self.low = self.close = price
        self.first = self.last = place
        self.volume = ZERO
        self.trades = 0
        self.whole = whole


class SymbolTape:
    """The trades of one symbol since the last quote, its best book prices, and its candles in the making."""

    __slots__ = (
        "_c_close", "_c_count", "_c_first", "_c_high", "_c_low", "_c_number", "_c_open", "_c_time", "_dirty", "_high",
        "_low", "_minute_end", "_minute_start", "_open", "_owner", "_sizes", "_trades", "_volume", "ask", "bid",
        "closed_until", "due", "held", "ignored", "last", "late", "minutes", "symbol", "time_ms", "waits",
        "whole_from",
    )  # fmt: skip

    def __init__(self, symbol: str, owner: TapeOwner) -> None:
        self.symbol = symbol
        self._owner = owner
        self._dirty = False
        self.due = 0.0
        self.last = self.bid = self.ask = 0.0
        self.time_ms = 0
        # the chunk: trades of one minute that are not folded yet
        self._c_count = self._c_time = self._c_first = self._c_number = 0
        self._c_open = self._c_high = self._c_low = self._c_close = 0.0
        self._sizes: list[str] = []
        # the pending quote
        self._trades = 0
        self._open = self._high = self._low = 0.0
        self._volume = ZERO
        # candles
        self._minute_start = self._minute_end = 0
        self.minutes: dict[int, _Minute] = {}
        self.whole_from = -1
        self.closed_until = 0
        #: While above zero a back-fill is under way and no candle is closed.
        self.held = 0
        #: Trades are missing and were not asked for yet: no candle is closed before that.
        self.waits = False
        #: Trades that came too late for their candle, and ones with an impossible price.
        self.late = self.ignored = 0

    def trade(self, price: float, quantity: str, time_ms: int, number: int = 0, count: int = 1) -> None:
        """One trade (or one aggregate of `count`) in order: price, base quantity as text, exchange time, trade number."""
        if not 0.0 < price < _INFINITY:
            self.ignored += 1
            return
        if not self._minute_start <= time_ms < self._minute_end:
            if time_ms < self._minute_start:
                self.earlier_trade(price, quantity, time_ms, number, count)
                return
            self._turn_minute(time_ms)
        if self._c_count:
            if price > self._c_high:
                self._c_high = price
            elif price < self._c_low:
                self._c_low = price
            self._c_count += count
        else:
            self._c_open = self._c_high = self._c_low = price
            self._c_count = count
            self._c_first = time_ms
            self._c_number = number
            self._c_time = time_ms
            if not self._dirty:
                self.touch()
        if time_ms >= self._c_time:
            self._c_time = time_ms
            self._c_close = self.last = price
        self._sizes.append(quantity)
        if len(self._sizes) >= _FOLD_EVERY:
            self._fold(number)

    def earlier_trade(self, price: float, quantity: str, time_ms: int, number: int = 0, count: int = 1) -> None:
        """A trade older than one already taken: it counts in range and volume, never as the last price."""
        if not 0.0 < price < _INFINITY:
            self.ignored += 1
            return
        self._fold(self._c_number)
        volume = _total([quantity])
        if self.time_ms == 0:
            self.last, self.time_ms = price, time_ms
        self._into_quote(price, price, price, volume, count)
        self._into_minute((price, price, price, price), (time_ms, number), (time_ms, number), volume, count)
        self.touch()

    def book(self, bid: float, ask: float) -> None:
        """Best bid and ask; a crossed or impossible book is left out."""
        if 0.0 < bid <= ask < _INFINITY:
            if bid != self.bid or ask != self.ask:
                self.bid, self.ask = bid, ask
                if not self._dirty and self.last:
                    self.touch(self._owner.book_interval)
        else:
            self.ignored += 1

    @property
    def newest_ms(self) -> int:
        """Exchange time of the newest trade; 0 before the first."""
        return max(self.time_ms, self._c_time)

    def rewind(self) -> None:
        """Time begins anew (another recording of the same symbol): candles in the making are given up."""
        self._fold(self._c_number)
        self.minutes.clear()
        self.time_ms = self._c_time = self._minute_start = self._minute_end = self.closed_until = 0
        self.whole_from = -1
        self._owner.closes.pop(self.symbol, None)

    def forget_book(self) -> None:
        """The book is no longer followed (connection lost): bid and ask are the last price until told otherwise."""
        self.bid = self.ask = 0.0

    def seed(self, price: float, time_ms: int) -> None:
        """A price known from before listening began: it stands for no trade."""
        if self.last == 0.0 and 0.0 < price < _INFINITY:
            self.last, self.time_ms = price, time_ms
            self.touch()

    def adopt(self, candle: KnownMinute, gap_from_ms: int, closed: bool) -> None:
        """What a recorded candle tells of trades that were missed since `gap_from_ms`, and only that.

        A minute that began inside the gap was never told of, so its whole range is news. Of the minute in which the gap
        began only what goes beyond our own range is, and only if we saw that minute from its start. The volume is what
        exceeds ours, once the minute is `closed`.
        """
        self._fold(self._c_number)
        ours = self.minutes.get(candle.open_ms)
        if candle.open_ms <= gap_from_ms and (ours is None or not ours.whole):
            return
        more = max(candle.volume - (ours.volume if ours else ZERO), ZERO) if closed else ZERO
        high, low = candle.high, candle.low
        if ours is not None and candle.open_ms <= gap_from_ms:
            high = high if high > ours.high else 0.0
            low = low if low < ours.low else 0.0
            if not high and not low and not more:
                return
            high, low = high or low or self.last, low or high or self.last
        if 0.0 < low <= high:
            self._into_quote(high, high, low, more, 0)
            self.touch()

    def broken(self, from_ms: int, until_ms: int) -> None:
        """Trades between these times are missing for good: the minutes they touch are not whole."""
        self._fold(self._c_number)
        for start in range(from_ms - from_ms % MINUTE_MS, until_ms + 1, MINUTE_MS):
            if (minute := self.minutes.get(start)) is not None:
                minute.whole = False
        self.whole_from = max(self.whole_from, until_ms - until_ms % MINUTE_MS + MINUTE_MS)

    def touch(self, delay: float = 0.0) -> None:
        """There is news: a quote is due when the interval since the last one has passed."""
        if not self._dirty:
            self._dirty = True
            self._owner.changed(self, delay)

    def take(self, now_ms: int) -> Quote | None:
        """The quote that stands for everything since the one before; None while no price is known."""
        self._dirty = False
        if self._c_count:
            self._fold(self._c_number)
        if self.last == 0.0:
            return None
        last = Decimal(repr(self.last))
        bid = Decimal(repr(self.bid)) if self.bid else last
        ask = Decimal(repr(self.ask)) if self.ask else last
        opened = high = low = last
        if self._open:
            opened, high, low = Decimal(repr(self._open)), Decimal(repr(self._high)), Decimal(repr(self._low))
            if not low <= last <= high:  # only earlier trades came in: the last price is part of the range they widen
                high, low = max(high, last), min(low, last)
        volume, trades = self._volume, self._trades
        self._open, self._volume, self._trades = 0.0, ZERO, 0
        owner = self._owner
        return Quote(
            owner.exchange, self.symbol, self.time_ms, now_ms, last, opened, high, low, bid, ask, volume, trades,
            owner.simulated,
        )  # fmt: skip

    def _turn_minute(self, time_ms: int) -> None:
        if self._c_count:
            self._fold(self._c_number)
        start = time_ms - time_ms % MINUTE_MS
        if self.whole_from < 0:  # listening began somewhere inside this minute
            self.whole_from = start + MINUTE_MS
        self._minute_start, self._minute_end = start, start + MINUTE_MS

    def _fold(self, number: int) -> None:
        if not self._c_count:
            return
        volume = _total(self._sizes)
        self._sizes.clear()
        count, self._c_count = self._c_count, 0
        high, low = self._c_high, self._c_low
        self.time_ms = max(self.time_ms, self._c_time)
        self._into_quote(self._c_open, high, low, volume, count)
        prices = (self._c_open, high, low, self._c_close)
        self._into_minute(prices, (self._c_first, self._c_number), (self._c_time, number + count), volume, count)

    def _into_quote(self, opened: float, high: float, low: float, volume: Decimal, count: int) -> None:
        if self._open:
            self._high, self._low = max(self._high, high), min(self._low, low)
        else:
            self._open, self._high, self._low = opened, high, low
        self._volume += volume
        self._trades += count

    def _into_minute(
        self, prices: tuple[float, float, float, float], first: _Place, last: _Place, volume: Decimal, count: int
    ) -> None:
        start = first[0] - first[0] % MINUTE_MS
        if start < self.closed_until:
            self.late += count
            return
        opened, high, low, close = prices
        minute = self.minutes.get(start)
        if minute is None:
            minute = self.minutes[start] = _Minute(opened, first, 0 <= self.whole_from <= start)
            minute.close, minute.last = close, last
        if first < minute.first:
            minute.first, minute.open = first, opened
        if last >= minute.last:
            minute.last, minute.close = last, close
        minute.high, minute.low = max(minute.high, high), min(minute.low, low)
        minute.volume += volume
        minute.trades += count

    def close_minutes(self, closed_by_ms: int) -> list[Candle]:
        """The candles of the minutes that ended by this exchange time, oldest first; flat ones where nobody traded."""
        if self.held or self.waits or min(self.minutes, default=closed_by_ms) + MINUTE_MS > closed_by_ms:
            return []
        self._fold(self._c_number)
        candles: list[Candle] = []
        for start in sorted(self.minutes):
            if start + MINUTE_MS > closed_by_ms:
                break
            minute = self.minutes.pop(start)
            if self.closed_until and minute.whole:
                candles += self._flat_until(start, minute)
            self.closed_until = start + MINUTE_MS
            if minute.whole:
                candles.append(_candle(self.symbol, start, minute))
                self._owner.closes[self.symbol] = candles[-1].close
            else:
                self._owner.incomplete(self.symbol, start)
        return candles

    def _flat_until(self, start: int, following: _Minute) -> list[Candle]:
        """Minutes without a trade before `start`; their price is the last one before them, so it must be known."""
        if (previous := self._owner.closes.get(self.symbol)) is None or self.closed_until < self.whole_from:
            return []
        price = previous
        return [
            Candle(self.symbol, "1m", at, price, price, price, price, ZERO)
            for at in range(self.closed_until, start, MINUTE_MS)
            if following.whole
        ]


def _total(sizes: list[str]) -> Decimal:
    """Exact sum of the quantities; one that is no finite number of zero or more counts as zero."""
    try:
        total = sum(map(Decimal, sizes), ZERO)
    except (InvalidOperation, TypeError, ValueError):
        total = Decimal("NaN")
    if total.is_finite() and total >= ZERO:
        return total
    return sum((size for text in sizes if (size := _size(text)) is not None), ZERO)


def _size(text: str) -> Decimal | None:
    try:
        size = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return size if size.is_finite() and size >= ZERO else None


def _candle(symbol: str, start: int, minute: _Minute) -> Candle:
    prices = (Decimal(repr(price)) for price in (minute.open, minute.high, minute.low, minute.close))
    opened, high, low, close = prices
    return Candle(symbol, "1m", start, opened, high, low, close, minute.volume)
