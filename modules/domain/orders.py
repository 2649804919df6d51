"""Wishes to trade, orders and fills, and the table of what an order may become.

An `OrderRequest` is a durable wish; only the executor turns it into an `Order`. An order is written down as SUBMITTED
before the exchange is called; no answer makes it UNKNOWN, a state of its own: it is asked about by its client order
id and never resent blindly.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from modules.domain.errors import Conflict, InvalidInput
from modules.domain.money import ZERO
from modules.domain.sides import Action, Side


class OrderRole(StrEnum):
    """What the order is for."""

    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"
    CLOSE = "close"
    REBALANCE = "rebalance"
    COPY = "copy"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP_MARKET = "stop_market"
    STOP_LIMIT = "stop_limit"


class OrderState(StrEnum):
    NEW = "new"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """Nothing more can happen to it."""
        return self in _FINAL

    @property
    def working(self) -> bool:
        """It may be, or certainly is, alive at the exchange."""
        return not self.final and self is not OrderState.NEW


_FINAL = {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED}
_LIVE = {OrderState.OPEN, OrderState.PARTIALLY_FILLED, *_FINAL}

#: From each state, the states it may move to. Staying where it is is always allowed.
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.NEW: frozenset({OrderState.SUBMITTED, OrderState.REJECTED, OrderState.CANCELLED}),
    OrderState.SUBMITTED: frozenset({OrderState.UNKNOWN, *_LIVE}),
    OrderState.UNKNOWN: frozenset(_LIVE | {OrderState.NEW}),  # back to NEW once the exchange proved it never had it
    OrderState.OPEN: frozenset({OrderState.PARTIALLY_FILLED, *_FINAL}),
    OrderState.PARTIALLY_FILLED: frozenset(_FINAL - {OrderState.REJECTED}),
    OrderState.FILLED: frozenset(),
    # A fill can race a cancel: the exchange's last word wins.
    OrderState.CANCELLED: frozenset({OrderState.FILLED}),
    OrderState.REJECTED: frozenset(),
    OrderState.EXPIRED: frozenset({OrderState.FILLED}),
}


class RequestKind(StrEnum):
    """What a request asks the executor to do."""

    PLACE = "place"
    CANCEL_ENTRIES = "cancel_entries"
    CANCEL_ORDER = "cancel_order"
    MOVE_STOP = "move_stop"
    SET_TARGETS = "set_targets"
    CLOSE = "close"


class RequestStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class WantedTarget:
    """A target that somebody asks for: its price and the part of what is left that it closes."""

    price: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A wish to trade. `id` is derived from what it is for, so making the same wish twice makes one.

    PLACE uses `action, role, type, quantity, price, trigger_price`; CLOSE uses `quantity` or `share` (of what is left,
    1 = all), or with the role TARGET its `number` (what that target still has to close); MOVE_STOP uses `price` (None = to
    the entry price); SET_TARGETS replaces the targets not hit yet by `targets`; CANCEL_ORDER names in `cancels` the request
    whose order is no longer wanted. `plan_id` binds every kind to one trade of one account.
    """

    id: str
    account_id: str
    plan_id: str
    symbol: str
    kind: RequestKind
    created_at: datetime
    reason: str
    role: OrderRole = OrderRole.ENTRY
    action: Action | None = None
    type: OrderType = OrderType.MARKET
    number: int = 0
    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    share: Decimal | None = None
    cancels: str | None = None
    expires_at: datetime | None = None
    status: RequestStatus = RequestStatus.PENDING
    outcome: str | None = None
    signal_id: str | None = None
    targets: tuple[WantedTarget, ...] = ()


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `id` is unique at its exchange; `fee` is in quote currency, positive = paid."""

    id: str
    client_order_id: str
    account_id: str
    symbol: str
    action: Action
    price: Decimal
    quantity: Decimal
    fee: Decimal
    at: datetime
    maker: bool = False

    def __post_init__(self) -> None:
        if not (self.price > ZERO and self.quantity > ZERO):
            raise InvalidInput(f"fill {self.id}: price and quantity must be above zero")


@dataclass(frozen=True, slots=True)
class Order:
    """An order at an exchange. `id` is its client order id."""

    id: str
    account_id: str
    exchange: str
    symbol: str
    position_side: Side
    action: Action
    role: OrderRole
    type: OrderType
    quantity: Decimal
    plan_id: str
    created_at: datetime
    request_id: str
    number: int = 0
    revision: int = 0
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    reduce_only: bool = False
    leverage: Decimal = Decimal(1)
    expires_at: datetime | None = None
    signal_id: str | None = None
    state: OrderState = OrderState.NEW
    filled: Decimal = ZERO
    average_price: Decimal | None = None
    fees: Decimal = ZERO
    exchange_order_id: str | None = None
    reason: str | None = None
    updated_at: datetime | None = None
    fill_ids: tuple[str, ...] = field(default=())

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    def moved_to(self, state: OrderState, now: datetime, reason: str | None = None) -> Order:
        """This order in `state`. Raises Conflict for a move the table does not know."""
        if state is not self.state and state not in TRANSITIONS[self.state]:
            raise Conflict(f"order {self.id} can't go from {self.state} to {state}")
        return replace(self, state=state, updated_at=now, reason=reason if reason is not None else self.reason)

    def with_fill(self, fill: Fill) -> Order:
        """This order after one more execution; the same fill twice changes nothing.

        Raises Conflict when it would be filled beyond its quantity.
        """
        if fill.id in self.fill_ids:
            return self
        filled = self.filled + fill.quantity
        if filled > self.quantity:
            raise Conflict(f"order {self.id}: filled {filled} of {self.quantity}")
        paid = (self.average_price or ZERO) * self.filled + fill.price * fill.quantity
        state = OrderState.FILLED if filled == self.quantity else OrderState.PARTIALLY_FILLED
        if self.state.final and state is not OrderState.FILLED:
            state = self.state  # a late partial fill of a cancelled order does not bring it back
        return replace(
            self,
            state=state,
            filled=filled,
            average_price=paid / filled,
            fees=self.fees + fill.fee,
            fill_ids=(*self.fill_ids, fill.id),
            updated_at=fill.at,
        )


def client_order_id(plan_id: str, role: OrderRole, number: int, revision: int) -> str:
    """The id an order carries to the exchange, derived from what it is for.

    28 characters of [a-z0-9], within what Binance (36), Bybit (36) and Phemex (40) accept.
    """
    digest = hashlib.sha256(f"{plan_id}|{role}|{number}|{revision}".encode()).digest()
    return "vz" + base64.b32encode(digest[:16]).decode().lower().rstrip("=")
