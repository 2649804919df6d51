"""Tickets: the order that a request asks for, built from its plan and what is held. Pure; sends nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from modules.domain.errors import Refused
from modules.domain.instruments import Instrument
from modules.domain.money import ONE, ZERO
from modules.domain.orders import Order, OrderRequest, OrderRole, OrderType, RequestKind, client_order_id
from modules.domain.people import Account
from modules.domain.plans import Plan
from modules.domain.positions import Position
from modules.trading import protection


def ticket(
    request: OrderRequest,
    account: Account,
    plan: Plan,
    *,
    position: Position | None,
    instrument: Instrument,
    orders: Iterable[Order],
    now: datetime,
) -> Order | Refused:
    """The order of a PLACE or CLOSE request, or why there is none. `orders` are all the plan's orders so far."""
    if request.kind is RequestKind.CLOSE:
        quantity = _to_close(request, plan, position, instrument, orders)
        return quantity if isinstance(quantity, Refused) else _closing(request, account, plan, quantity, now)
    if request.quantity is None or request.action is None:
        return Refused("incomplete", "The request names no quantity or no direction.")
    return Order(
        id=client_order_id(request.id, request.role, request.number, 0),
        account_id=account.id,
        exchange=account.exchange,
        symbol=request.symbol,
        position_side=plan.side,
        action=request.action,
        role=request.role,
        type=request.type,
        quantity=request.quantity,
        plan_id=plan.id,
        created_at=now,
        request_id=request.id,
        number=request.number,
        price=request.price,
        trigger_price=request.trigger_price,
        reduce_only=request.action is plan.side.closing,
        leverage=plan.leverage,
        expires_at=request.expires_at,
        signal_id=plan.signal_id,
    )


def _to_close(
    request: OrderRequest, plan: Plan, position: Position | None, instrument: Instrument, orders: Iterable[Order]
) -> Decimal | Refused:
    """How much a CLOSE request closes: what is left, a part of it, or what one target still has to close."""
    if position is None or position.quantity <= ZERO:
        return Refused("nothing_to_close", "There is nothing left to close.")
    if request.role is OrderRole.TARGET:
        return _left_of_target(request.number, plan, position, instrument, orders)
    quantity = position.quantity
    if request.quantity is not None:
        quantity = min(quantity, instrument.round_quantity(request.quantity))
    elif request.share is not None and request.share < ONE:
        quantity = instrument.round_quantity(position.quantity * request.share)
    return quantity if quantity > ZERO else Refused("below_min_quantity", "That share is less than the smallest lot.")


def _left_of_target(
    number: int, plan: Plan, position: Position, instrument: Instrument, orders: Iterable[Order]
) -> Decimal | Refused:
    filled = protection.target_fills(orders)
    for wanted in protection.desired(position, plan, instrument, filled=filled):
        if wanted.role is OrderRole.TARGET and wanted.number == number:
            return wanted.quantity
    return Refused("nothing_to_close", f"Target {number} has nothing left to close.")


def _closing(request: OrderRequest, account: Account, plan: Plan, quantity: Decimal, now: datetime) -> Order:
    """A closing order. One for a target counts as that target's fill."""
    role, number = (OrderRole.TARGET, request.number) if request.role is OrderRole.TARGET else (OrderRole.CLOSE, 0)
    return Order(
        id=client_order_id(request.id, role, number, 0),
        account_id=account.id,
        exchange=account.exchange,
        symbol=plan.symbol,
        position_side=plan.side,
        action=plan.side.closing,
        role=role,
        type=OrderType.LIMIT if request.price is not None else OrderType.MARKET,
        quantity=quantity,
        plan_id=plan.id,
        created_at=now,
        request_id=request.id,
        number=number,
        price=request.price,
        reduce_only=True,
        leverage=plan.leverage,
        signal_id=plan.signal_id,
        reason=request.reason,
    )
