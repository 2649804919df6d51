"""Tickets: the order that a request asks for, built from its plan and what is held. Pure; sends nothing."""

from __future__ import annotations

from datetime import datetime

from modules.domain.errors import Refused
from modules.domain.instruments import Instrument
from modules.domain.money import ONE, ZERO
from modules.domain.orders import Order, OrderRequest, OrderRole, OrderType, RequestKind, client_order_id
from modules.domain.people import Account
from modules.domain.plans import Plan
from modules.domain.positions import Position


def ticket(
    request: OrderRequest,
    account: Account,
    plan: Plan,
    *,
    position: Position | None,
    instrument: Instrument,
    now: datetime,
) -> Order | Refused:
    """The order of a PLACE or CLOSE request, or why there is none."""
    if request.kind is RequestKind.CLOSE:
        return _closing(request, account, plan, position=position, instrument=instrument, now=now)
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


def _closing(
    request: OrderRequest,
    account: Account,
    plan: Plan,
    *,
    position: Position | None,
    instrument: Instrument,
    now: datetime,
) -> Order | Refused:
    if position is None or position.quantity <= ZERO:
        return Refused("nothing_to_close", "There is nothing left to close.")
    quantity = position.quantity
    if request.quantity is not None:
        quantity = min(quantity, instrument.round_quantity(request.quantity))
    elif request.share is not None and request.share < ONE:
        quantity = instrument.round_quantity(position.quantity * request.share)
    if quantity <= ZERO:
        return Refused("below_min_quantity", "That share is less than the smallest lot.")
    return Order(
        id=client_order_id(request.id, OrderRole.CLOSE, 0, 0),
        account_id=account.id,
        exchange=account.exchange,
        symbol=plan.symbol,
        position_side=plan.side,
        action=plan.side.closing,
        role=OrderRole.CLOSE,
        type=OrderType.LIMIT if request.price is not None else OrderType.MARKET,
        quantity=quantity,
        plan_id=plan.id,
        created_at=now,
        request_id=request.id,
        price=request.price,
        reduce_only=True,
        leverage=plan.leverage,
        signal_id=plan.signal_id,
        reason=request.reason,
    )
