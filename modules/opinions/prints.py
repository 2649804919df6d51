"""Large prints out of a trade stream: what one side took within a short stretch, once it exceeds a threshold in USD.

A large order reaches the tape as many trades of one side within milliseconds; single trades would hide it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from modules.domain.errors import InvalidInput
from modules.opinions.records import LargePrint


@dataclass(slots=True)
class _Burst:
    """Trades of one side since `start_ms`."""

    start_ms: int
    buy: bool
    usd: float = 0.0
    quantity: float = 0.0
    trades: int = 0


@dataclass(slots=True)
class PrintAccumulator:
    """Joins successive trades of one symbol and side that begin within `within_ms` of the first, and keeps the large ones.

    `threshold_usd` is the smallest sum that counts. A print is told when its burst ends: by a trade of the other side, a
    later trade, or `flush`. Memory is one burst per symbol.
    """

    source: str
    threshold_usd: float = 500_000.0
    within_ms: int = 250
    _open: dict[str, _Burst] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.threshold_usd <= 0 or self.within_ms < 0:
            raise InvalidInput("the threshold is above zero and the stretch at least zero ms")

    def add(self, symbol: str, time_ms: int, price: float, quantity: float, *, buy: bool) -> LargePrint | None:
        """Takes one trade (`buy`: the taker bought; quantity in base coin); the print that it ended, if that was large.

        Trades come in the order of their times; one that is late counts at the time of the burst it arrives in.
        Raises InvalidInput for a price or quantity that is not above zero.
        """
        if not (price > 0 and quantity > 0):
            raise InvalidInput(f"{symbol}: a trade of {quantity} at {price}")
        burst = self._open.get(symbol)
        ended = None
        if burst is None or burst.buy != buy or time_ms - burst.start_ms > self.within_ms:
            ended = self._ended(symbol)
            burst = self._open[symbol] = _Burst(time_ms, buy)
        burst.usd += price * quantity
        burst.quantity += quantity
        burst.trades += 1
        return ended

    def flush(self, now_ms: int) -> list[LargePrint]:
        """The large prints whose stretch is over at `now_ms`."""
        over = [symbol for symbol, burst in self._open.items() if now_ms - burst.start_ms > self.within_ms]
        return [found for symbol in over if (found := self._ended(symbol)) is not None]

    def _ended(self, symbol: str) -> LargePrint | None:
        burst = self._open.pop(symbol, None)
        if burst is None or burst.usd < self.threshold_usd:
            return None
        # known when its stretch is over, not when it began
        return LargePrint(
            at_ms=burst.start_ms + self.within_ms,
            symbol=symbol,
            buy=burst.buy,
            usd=burst.usd,
            price=burst.usd / burst.quantity,
            trades=burst.trades,
            source=self.source,
        )
