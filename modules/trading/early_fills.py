"""Fills that are told before the entries they close: which entries to ask the exchange about first. Pure.

News of several orders can arrive in any order, and some of it never does. A close of more than the books hold is no
mistake while an entry of the same trade may have filled unnoticed.
"""

from __future__ import annotations

from collections.abc import Sequence

from modules.domain.money import ZERO
from modules.domain.orders import Order, OrderRole
from modules.domain.ports import OrderReport
from modules.domain.positions import Position


def entries_to_ask(
    report: OrderReport, order: Order, position: Position | None, orders: Sequence[Order]
) -> tuple[Order, ...]:
    """Working entries of the plan, where the report on its order closes more than is held; `orders` are the plan's."""
    fresh = sum((fill.quantity for fill in report.fills if fill.id not in order.fill_ids), ZERO)
    held = position.quantity if position is not None else ZERO
    if order.action is order.position_side.opening or fresh <= held:
        return ()
    return tuple(each for each in orders if each.role is OrderRole.ENTRY and each.state.working)
