"""What all orders that wait for something share: their life, one step, and what they decide.

A waiting order is a frozen state; `step` takes one quote and returns the next state and what to ask of the executor.
Nothing here places an order: a `Decision` has an id derived from its order, so that deciding twice asks once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from modules.domain.errors import InvalidInput
from modules.domain.market import Quote, ms_from_utc
from modules.domain.orders import OrderRole, OrderType
from modules.domain.sides import Action


class AdvancedStatus(StrEnum):
    """WAITING orders follow quotes; the others have ended."""

    WAITING = "waiting"
    DONE = "done"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class DecisionKind(StrEnum):
    PLACE = "place"
    CANCEL = "cancel"
    CLOSE = "close"
    MOVE_STOP = "move_stop"


@dataclass(frozen=True, slots=True)
class Decision:
    """One request to append. PLACE uses action, type, quantity, prices; CLOSE uses `share` of what is left.

    MOVE_STOP uses `price`; CANCEL names in `cancels` the decision whose order is not wanted any more.
    """

    id: str
    kind: DecisionKind
    symbol: str
    reason: str
    number: int = 0
    role: OrderRole = OrderRole.ENTRY
    action: Action | None = None
    type: OrderType = OrderType.MARKET
    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    share: Decimal | None = None
    cancels: str | None = None


Decisions = tuple[Decision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvancedOrder(ABC):
    """What every waiting order has. Quotes older than `created_at` say nothing about it.

    The range of the first quote may have begun before the order, so only its last price counts (`followed` is False).
    """

    kind: ClassVar[str]

    id: str
    account_id: str
    plan_id: str
    symbol: str
    created_at: datetime
    expires_at: datetime | None = None
    status: AdvancedStatus = AdvancedStatus.WAITING
    outcome: str | None = None
    followed: bool = False

    @abstractmethod
    def on_quote(self, quote: Quote) -> tuple[AdvancedOrder, Decisions]:
        """The next state and what to ask for; called by `step` while the order waits."""

    def on_end(self) -> Decisions:
        """What to ask for when it expires or is called off: nothing, unless orders of it rest at the exchange."""
        return ()


def step(order: AdvancedOrder, quote: Quote, now: datetime) -> tuple[AdvancedOrder, Decisions]:
    """Take one quote. An ended order never decides again. Raises InvalidInput for another symbol's quote."""
    if quote.symbol != order.symbol:
        raise InvalidInput(f"order {order.id} is on {order.symbol}, the quote on {quote.symbol}")
    if order.status is not AdvancedStatus.WAITING:
        return order, ()
    if order.expires_at is not None and now >= order.expires_at:
        return replace(order, status=AdvancedStatus.EXPIRED, outcome="expired"), order.on_end()
    if quote.time_ms < ms_from_utc(order.created_at):
        return order, ()
    if not order.followed:
        order, quote = replace(order, followed=True), _last_only(quote)
    return order.on_quote(quote)


def call_off(order: AdvancedOrder, reason: str) -> tuple[AdvancedOrder, Decisions]:
    """Cancel a waiting order; an ended one stays as it is."""
    if order.status is not AdvancedStatus.WAITING:
        return order, ()
    return replace(order, status=AdvancedStatus.CANCELLED, outcome=reason), order.on_end()


def _last_only(quote: Quote) -> Quote:
    return replace(quote, open=quote.last, high=quote.last, low=quote.last)
