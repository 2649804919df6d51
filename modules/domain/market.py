"""What a market says: trades, quotes (conflated ticks), candles and timeframes.

A quote stands for every trade since the one before it, so it carries their high, low and volume: a stop that was
touched between two quotes is never missed. A value that can't be true (negative, crossed, high below low) is refused
where it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import overload

from modules.domain.errors import InvalidInput
from modules.domain.money import ZERO

TIMEFRAMES_MS: dict[str, int] = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
    "3d": 259_200_000,
    "1w": 604_800_000,
}


def utc_from_ms(milliseconds: int) -> datetime:
    """Aware UTC time of a millisecond stamp."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def iso_from_utc(moment: datetime, *, timespec: str = "auto") -> str:
    """ISO-8601 UTC of an aware time, as answers carry it: `2026-01-31T12:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


@overload
def iso_from_ms(milliseconds: int) -> str: ...
@overload
def iso_from_ms(milliseconds: int | None) -> str | None: ...
def iso_from_ms(milliseconds: int | None) -> str | None:
    """ISO-8601 UTC of a millisecond stamp, as answers carry it; None of None."""
    return None if milliseconds is None else iso_from_utc(utc_from_ms(milliseconds))


def ms_from_utc(moment: datetime) -> int:
    """Millisecond stamp of an aware time. Raises InvalidInput for a naive one."""
    if moment.tzinfo is None:
        raise InvalidInput("a time without a zone")
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Quote:
    """The market of one symbol at `time_ms`, and the range traded since the previous quote of that symbol.

    `last` is the newest trade price, `open` the first of the range, `high`/`low` its extremes, `volume` its base
    volume, `trades` how many it stands for. `bid`/`ask` are the best book prices where the source knows them, else
    `last`. `received_ms` is our clock on arrival. `simulated` marks prices that no market made.
    `since_ms` is where the range begins, for sources that know (a candle's open time) and for what is told late, by our
    clock; `stood` is then the price that stood until the range began.
    """

    exchange: str
    symbol: str
    time_ms: int
    received_ms: int
    last: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    bid: Decimal
    ask: Decimal
    volume: Decimal = ZERO
    trades: int = 1
    simulated: bool = False
    since_ms: int | None = None
    stood: Decimal | None = None

    def __post_init__(self) -> None:
        if not ZERO < self.low <= self.high:
            raise InvalidInput(f"{self.symbol}: a quote with low {self.low} and high {self.high}")
        if not (self.low <= self.last <= self.high and self.low <= self.open <= self.high):
            raise InvalidInput(f"{self.symbol}: last {self.last} or open {self.open} outside the quote's range")
        if not ZERO < self.bid <= self.ask:
            raise InvalidInput(f"{self.symbol}: a crossed book, {self.bid} above {self.ask}")

    @classmethod
    def at_price(cls, exchange: str, symbol: str, time_ms: int, price: Decimal) -> Quote:
        """A quote that stands for one trade at one price."""
        return cls(exchange, symbol, time_ms, time_ms, price, price, price, price, price, price)

    def seen_from(self, start_ms: int) -> Quote:
        """What this quote tells somebody who began to look at `start_ms`: nothing but its last price, where its range
        began before that."""
        if self.since_ms is None or self.since_ms >= start_ms:
            return self
        return replace(self, open=self.last, high=self.last, low=self.last, since_ms=start_ms, stood=None)

    def age_seconds(self, now_ms: int) -> float:
        """Seconds since it was received."""
        return (now_ms - self.received_ms) / 1000


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed candle; `open_ms` is its open time."""

    symbol: str
    timeframe: str
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def __post_init__(self) -> None:
        if not (ZERO < self.low <= min(self.open, self.close) and max(self.open, self.close) <= self.high):
            raise InvalidInput(f"{self.symbol} {self.timeframe} {self.open_ms}: an impossible candle")
