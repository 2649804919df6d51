"""What the rooms need from outside, as protocols; `modules/connections` implements them, `modules/wiring` picks.

Whoever calls an exchange must be ready for three answers that are not a report: `Rejected` (final), `Unavailable`
(certainly did not happen) and `OutcomeUnknown` (ask again by client order id).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from modules.domain.instruments import Instrument
from modules.domain.market import Quote
from modules.domain.money import ZERO
from modules.domain.orders import Fill, Order, OrderState
from modules.domain.people import Account, Balance
from modules.domain.sides import Side


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What an exchange says of one order. `fills` may repeat what was told before: fill ids tell."""

    client_order_id: str
    state: OrderState
    at: datetime
    exchange_order_id: str | None = None
    filled: Decimal = ZERO
    fills: tuple[Fill, ...] = field(default=())
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position as the exchange has it: netted per symbol and side."""

    symbol: str
    side: Side
    quantity: Decimal
    average_price: Decimal


class Exchange(Protocol):
    """A place to trade. All calls are bounded in time; submitting the same client order id twice gives one order."""

    name: str

    async def submit(self, account: Account, order: Order) -> OrderReport: ...

    async def cancel(self, account: Account, order: Order) -> OrderReport: ...

    async def fetch_order(self, account: Account, order: Order) -> OrderReport | None: ...

    async def open_orders(self, account: Account) -> Sequence[OrderReport]: ...

    async def positions(self, account: Account) -> Sequence[VenuePosition]: ...

    async def balance(self, account: Account) -> Balance: ...

    def subscribe(self, listener: Callable[[str, OrderReport], None]) -> None:
        """`listener(account_id, report)` is called for every change the exchange tells of by itself."""


class Instruments(Protocol):
    """Which symbols are listed and by which rules they trade."""

    def find(self, symbol: str, *, reference_price: Decimal | None = None) -> Instrument | None:
        """The rules of `symbol`, or None where it is not listed; `reference_price` helps to assume sensible steps."""


class PriceSource(Protocol):
    """A stream of quotes for the symbols asked for. `name` is what health reports (live, simulated, replay, follow)."""

    name: str

    def want(self, symbols: Collection[str]) -> None:
        """From now on deliver these symbols (and drop others); returns at once."""

    def quotes(self) -> AsyncIterator[Quote]: ...

    async def close(self) -> None: ...


class QuoteBoard(Protocol):
    """The newest quote of each symbol, as this process knows it."""

    def latest(self, symbol: str) -> Quote | None: ...
