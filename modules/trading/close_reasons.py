"""Why a trade ended, by the order that ended it. Pure."""

from __future__ import annotations

from decimal import Decimal

from modules.domain.money import ZERO
from modules.domain.orders import Order, OrderRole
from modules.domain.plans import Plan
from modules.domain.positions import Position

#: A stop within this distance of the average entry counts as break-even in the reason a person reads.
_BREAK_EVEN = Decimal("0.001")


def close_reason(order: Order, position: Position, plan: Plan) -> str:
    """The reason that a person reads, of the order whose fill closed the position."""
    match order.role:
        case OrderRole.TARGET:
            return "targets"
        case OrderRole.STOP:
            return _stop_reason(order, position, plan)
        case _:
            return order.reason or order.role.value


def _stop_reason(order: Order, position: Position, plan: Plan) -> str:
    trigger = order.trigger_price or position.stop_loss or position.average_price
    if trigger == position.initial_stop:
        return "stop_loss"
    distance = (trigger / position.average_price - 1) * position.side.sign
    if abs(distance) <= _BREAK_EVEN:
        return "break_even"
    if distance < ZERO:
        return "stop_loss"
    follows = plan.exits.trailing is not None or plan.exits.follow_targets is not None
    return "trailing_stop" if follows else "stop_in_profit"  # the latter was moved there by a person or the source
