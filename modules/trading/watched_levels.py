"""Levels that the exchange refused to hold: which they are, and the next try to close at one by price. Pure.

A touched level is closed by a request; while that is under way no other is made, and one that was refused or came to
nothing is made anew after a while, for as long as the price lies beyond the level.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from modules.domain.orders import Order, OrderRequest, OrderRole, OrderState, OrderType, RequestKind, RequestStatus

#: How often a target is tried; a stop is tried until the position is closed.
MOST_TRIES = 6
_LONGEST_SECONDS = 30

Level = tuple[OrderRole, int]


def refused_levels(orders: Iterable[Order]) -> set[Level]:
    """Stops (number 0) and targets whose newest resting order the exchange turned away."""
    newest: dict[Level, Order] = {}
    for order in sorted(orders, key=lambda each: each.revision):
        if order.role in (OrderRole.STOP, OrderRole.TARGET) and order.type is not OrderType.MARKET:
            newest[order.role, order.number] = order
    return {level for level, order in newest.items() if order.state is OrderState.REJECTED}


def next_try(
    plan_id: str, level: Level, requests: Sequence[OrderRequest], orders: Sequence[Order], now: datetime
) -> str | None:
    """The id of the next request to close at a level; None while one is under way, too soon, or after the last.

    `requests` and `orders` are the plan's.
    """
    role, number = level
    first = f"{plan_id}:stop-out" if role is OrderRole.STOP else f"{plan_id}:target:{number}"
    mine = [each for each in requests if each.kind is RequestKind.CLOSE and (each.role, each.number) == level]
    sent = {each.id for each in mine}
    pending = any(each.status is RequestStatus.PENDING for each in mine)
    if pending or any(each.state.working for each in orders if each.request_id in sent):
        return None
    tries = [each for each in mine if each.id.removeprefix(first).removeprefix(":").isdecimal() or each.id == first]
    if not tries:
        return first
    waited = (now - max(each.created_at for each in mine)).total_seconds()
    if 0 <= waited < min(2 ** len(tries), _LONGEST_SECONDS):
        return None
    return f"{first}:{len(tries)}" if role is OrderRole.STOP or len(tries) < MOST_TRIES else None
