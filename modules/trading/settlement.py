"""Settlement: what an exchange's report means for an order, its position and its plan, written in one transaction.

Repeating a report changes nothing: fills are known by their id, states only move along the order table, events carry
keys. A report about an order that nobody here placed (a liquidation, a trade by hand) is adopted, never ignored.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Transaction
from modules.domain.errors import Refused
from modules.domain.events import Event, EventKind
from modules.domain.instruments import Instrument
from modules.domain.market import ms_from_utc
from modules.domain.money import ONE, ZERO, plain
from modules.domain.orders import (
    TRANSITIONS,
    Fill,
    Order,
    OrderRequest,
    OrderRole,
    OrderState,
    OrderType,
    RequestKind,
    RequestStatus,
)
from modules.domain.plans import Plan, PlanStatus
from modules.domain.ports import OrderReport
from modules.domain.positions import Position, PositionStatus, TargetLevel
from modules.domain.sides import Side
from modules.journal import append
from modules.records import changes, from_document, to_document
from modules.trading.close_reasons import close_reason

_WORKING = [state.value for state in OrderState if state.working]


def apply_report(tx: Transaction, report: OrderReport, now: datetime) -> tuple[str, ...]:
    """Brings an order, its position and its plan to what the exchange reports; returns the plans concerned."""
    document = tx["orders"].get(key=report.client_order_id)
    if document is None:
        return _adopt(tx, report, now)
    before = from_document(Order, document)
    order = before
    for fill in report.fills:
        if fill.id not in order.fill_ids and not tx["fills"].contains(key=fill.id):
            order = order.with_fill(fill)
            _book(tx, order, fill, now)
    order = _advanced(order, report, now)
    if order == before:
        return (order.plan_id,)
    tx["orders"].update(changes(before, order), key=order.id)
    if order.state is not before.state:
        _tell_state(tx, order, now)
    if order.state.final:
        finish_plan_if_idle(tx, order.plan_id, now, order.reason or order.state.value)
    return (order.plan_id,)


def _advanced(order: Order, report: OrderReport, now: datetime) -> Order:
    """`order` in the reported state, where the table allows it and the fills bear it out."""
    order = replace(order, exchange_order_id=report.exchange_order_id or order.exchange_order_id)
    state = report.state
    if order.filled < report.filled:
        return order  # told of fills that were not sent along: it stays as it is until they are fetched
    if state is order.state or state not in TRANSITIONS[order.state]:
        return order
    if state is OrderState.FILLED and order.remaining > ZERO:
        return order
    return order.moved_to(state, now, report.reason)


def _tell_state(tx: Transaction, order: Order, now: datetime) -> None:
    if order.state is OrderState.OPEN:
        append(tx, _order_event(EventKind.ORDER_OPENED, order, now, {}))
    elif order.state in (OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED):
        body = {"state": order.state.value, "reason": order.reason, "role": order.role.value, "symbol": order.symbol}
        append(tx, _order_event(EventKind.ORDER_ENDED, order, now, body))


def _book(tx: Transaction, order: Order, fill: Fill, now: datetime) -> None:
    """One execution into the fills, the position and the journal."""
    tx["fills"].insert({**to_document(fill), "plan_id": order.plan_id})
    body = {
        "fill_id": fill.id,
        "symbol": fill.symbol,
        "role": order.role.value,
        "number": order.number,
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "fee": plain(fill.fee),
        "state": order.state.value,
    }
    append(tx, _order_event(EventKind.ORDER_FILLED, order, now, body, fill.id))
    document = tx["positions"].get(where("plan_id") == order.plan_id)
    if order.action is order.position_side.opening:
        _enter(tx, order, fill, from_document(Position, document) if document else None, now)
    elif document is None:
        _alarm(tx, now, f"Order {order.id} closed a position of plan {order.plan_id} that was never opened.", fill.id)
    else:
        _exit(tx, order, fill, from_document(Position, document), now)


def _enter(tx: Transaction, order: Order, fill: Fill, position: Position | None, now: datetime) -> None:
    if position is not None:
        after = position.apply(fill)
        tx["positions"].update(changes(position, after), key=position.id)
        if position.status is PositionStatus.CLOSED:
            _close_again(tx, order, fill, position, now)
        return
    plan = _plan_of(tx, order)
    opened = Position(
        id=f"pos-{plan.id}",
        account_id=order.account_id,
        plan_id=plan.id,
        signal_id=order.signal_id,
        exchange=order.exchange,
        symbol=order.symbol,
        side=order.position_side,
        leverage=order.leverage,
        opened_at=fill.at,
        stop_loss=plan.stop_loss,
        initial_stop=plan.stop_loss,
        targets=tuple(TargetLevel(target.number, target.price, target.share) for target in plan.targets),
    ).apply(fill)
    tx["positions"].insert(to_document(opened))
    body = {
        "symbol": opened.symbol,
        "side": opened.side.value,
        "quantity": plain(opened.quantity),
        "price": plain(fill.price),
        "stop": plain(plan.stop_loss) if plan.stop_loss is not None else None,
        "targets": [plain(target.price) for target in plan.targets],
        "leverage": plain(opened.leverage),
    }
    append(tx, position_event(EventKind.POSITION_OPENED, opened, now, body, "1"))


def _close_again(tx: Transaction, order: Order, fill: Fill, closed: Position, now: datetime) -> None:
    """An entry that filled after its trade was over: what it brought is closed again, for the trade's own reason."""
    tx["plans"].update({"status": PlanStatus.OPEN.value, "outcome": None}, key=closed.plan_id)
    request = OrderRequest(
        id=f"late:{fill.id}",
        account_id=closed.account_id,
        plan_id=closed.plan_id,
        symbol=closed.symbol,
        kind=RequestKind.CLOSE,
        created_at=now,
        reason=closed.close_reason or "entered too late",
        role=OrderRole.CLOSE,
        share=ONE,
        signal_id=closed.signal_id,
    )
    tx["order_requests"].upsert(to_document(request))
    sentence = f"{plain(fill.quantity)} of {order.symbol} was entered after its trade was over; it is closed again."
    _alarm(tx, now, sentence, fill.id)


def _exit(tx: Transaction, order: Order, fill: Fill, position: Position, now: datetime) -> None:
    if fill.quantity > position.quantity:
        excess = fill.quantity - position.quantity
        _alarm(tx, now, f"{plain(excess)} of {order.symbol} was closed beyond what {position.id} held.", fill.id)
        if position.quantity == ZERO:
            return
        fill = replace(fill, quantity=position.quantity)
    after = position.apply(fill)
    gained = (fill.price - position.average_price) * fill.quantity * position.side.sign
    if order.role is OrderRole.TARGET and order.state is OrderState.FILLED:
        after = _with_hit(after, order.number, fill.at)
        body = {
            "symbol": order.symbol,
            "number": order.number,
            "of": len(after.targets),
            "price": plain(fill.price),
            "quantity": plain(order.quantity),
            "pnl": plain(gained - fill.fee),
            "return_percent": plain(round(after.return_percent(fill.price), 2)),
        }
        append(tx, position_event(EventKind.TARGET_HIT, after, now, body, str(order.number)))
    if after.status is PositionStatus.CLOSED:
        plan = _plan_of(tx, order)
        after = replace(after, close_reason=close_reason(order, after, plan))
        _tell_closed(tx, after, fill, now)
    tx["positions"].update(changes(position, after), key=position.id)


def _plan_of(tx: Transaction, order: Order) -> Plan:
    return from_document(Plan, tx["plans"].get(key=order.plan_id) or {})


def _with_hit(position: Position, number: int, at: datetime) -> Position:
    marked = tuple(replace(t, hit_at=at) if t.number == number and t.hit_at is None else t for t in position.targets)
    return replace(position, targets=marked)


def _tell_closed(tx: Transaction, position: Position, fill: Fill, now: datetime) -> None:
    r_multiple = position.r_multiple
    body = {
        "symbol": position.symbol,
        "side": position.side.value,
        "reason": position.close_reason,
        "price": plain(fill.price),
        "pnl": plain(position.net_pnl),
        "fees": plain(position.fees),
        "return_percent": plain(round(position.return_percent(position.exit_price or fill.price), 2)),
        "r_multiple": plain(round(r_multiple, 3)) if r_multiple is not None else None,
        "held_seconds": int((fill.at - position.opened_at).total_seconds()),
    }
    append(tx, position_event(EventKind.POSITION_CLOSED, position, now, body, str(len(position.fill_ids))))


def finish_plan_if_idle(tx: Transaction, plan_id: str, now: datetime, outcome: str) -> None:
    """Ends the plan when nothing of it can trade any more: no open position, no working order, no pending request."""
    document = tx["plans"].get(key=plan_id)
    if document is None or document["status"] != PlanStatus.OPEN.value:
        return
    position = tx["positions"].get(where("plan_id") == plan_id)
    if position is not None and position["status"] == PositionStatus.OPEN.value:
        return
    if tx["orders"].contains((where("plan_id") == plan_id) & where("state").one_of(_WORKING)):
        return
    waiting = (where("plan_id") == plan_id) & (where("status") == RequestStatus.PENDING.value)
    if tx["order_requests"].contains(waiting):
        return
    result = position["close_reason"] if position is not None else outcome
    tx["plans"].update({"status": PlanStatus.DONE.value, "outcome": result}, key=plan_id)
    if position is None:
        plan = from_document(Plan, document)
        body = {"symbol": plan.symbol, "side": plan.side.value, "outcome": outcome}
        about = {"account_id": plan.account_id, "signal_id": plan.signal_id, "plan_id": plan.id}
        append(tx, Event(EventKind.PLAN_ENDED, now, body, key=f"plan-ended:{plan_id}", **about))


def entries_to_cancel(plan: Plan, position: Position | None, working: list[Order]) -> list[Order]:
    """Entry orders that no longer make sense: the trade is over, or a target was hit and the plan says so."""
    entries = [order for order in working if order.role is OrderRole.ENTRY and order.state is not OrderState.SUBMITTED]
    return entries if entry_is_over(plan, position) else []


def entry_is_over(plan: Plan, position: Position | None) -> bool:
    """Whether nothing more of a trade may be entered."""
    over = plan.status is PlanStatus.DONE or (position is not None and position.status is PositionStatus.CLOSED)
    hit = position is not None and any(target.hit_at for target in position.targets)
    return over or (hit and plan.cancel_entries_after_target)


def moved_stop(
    plan: Plan, position: Position | None, request: OrderRequest, instrument: Instrument
) -> Decimal | Refused:
    """The stop's new price (None in the request = the average entry), or why it stays.

    Before anything is entered it is the plan's stop that moves, and then it has to name a price on the losing side of
    every entry. Only the trader's own hand (`reason` "user") may put it further away than where it first stood.
    """
    if position is None:
        return _moved_plan(plan, request, instrument)
    if position.status is PositionStatus.CLOSED:
        return Refused("nothing_to_protect", "There is no open position.")
    price = instrument.round_price(request.price if request.price is not None else position.average_price)
    return _new_stop(price, position.stop_loss, position.initial_stop, position.side, request)


def _moved_plan(plan: Plan, request: OrderRequest, instrument: Instrument) -> Decimal | Refused:
    if plan.status is PlanStatus.DONE or request.price is None:
        return Refused("nothing_to_protect", "There is no open position.")
    price = instrument.round_price(request.price)
    entries = [entry.price or plan.reference_price for entry in plan.entries]
    if any((entry - price) * plan.side.sign <= ZERO for entry in entries):
        return Refused("stop_beyond_entry", f"A stop at {plain(price)} would end the trade where it begins.")
    return _new_stop(price, plan.stop_loss, plan.stop_loss, plan.side, request)


def _new_stop(
    price: Decimal, stands: Decimal | None, first: Decimal | None, side: Side, request: OrderRequest
) -> Decimal | Refused:
    if stands == price:
        return Refused("unchanged", f"The stop already stands at {plain(price)}.")
    if request.reason == "trailing" and stands is not None and (stands - price) * side.sign > ZERO:
        return Refused("unchanged", f"The stop at {plain(stands)} is tighter than the trail's {plain(price)}.")
    if request.reason != "user" and first is not None and (first - price) * side.sign > ZERO:
        return Refused("more_risk", f"{plain(price)} risks more than the first stop.", plain(price), plain(first))
    return price


def position_event(kind: EventKind, position: Position, now: datetime, body: dict[str, Any], key: str) -> Event:
    """An event about a position; `key` makes it unique among its kind and position."""
    return Event(
        kind,
        now,
        {"position_id": position.id, **body},
        key=f"{kind.value}:{position.id}:{key}",
        account_id=position.account_id,
        signal_id=position.signal_id,
        plan_id=position.plan_id,
    )


def _order_event(kind: EventKind, order: Order, now: datetime, body: dict[str, Any], key: str | None = None) -> Event:
    return Event(
        kind,
        now,
        body,
        key=f"{kind.value}:{key or order.id}",
        account_id=order.account_id,
        signal_id=order.signal_id,
        plan_id=order.plan_id,
        order_id=order.id,
    )


def _adopt(tx: Transaction, report: OrderReport, now: datetime) -> tuple[str, ...]:
    """Fills of an order that was not placed here close the open positions they must have closed, oldest first."""
    plan_ids: list[str] = []
    for fill in report.fills:
        if tx["fills"].contains(key=f"{fill.id}:1"):
            continue
        left = fill.quantity
        for number, position in enumerate(_closed_by(tx, fill), start=1):
            if left <= ZERO:
                break
            plan_ids.append(position.plan_id)
            taken = min(left, position.quantity)
            left -= taken
            part = replace(fill, id=f"{fill.id}:{number}", quantity=taken, fee=fill.fee * taken / fill.quantity)
            _book_adopted(tx, report, part, position, now)
        if left > ZERO:
            sentence = f"A trade of {plain(left)} {fill.symbol} at the exchange belongs to no position here."
            _alarm(tx, now, sentence, fill.id)
    return tuple(plan_ids)


def _closed_by(tx: Transaction, fill: Fill) -> list[Position]:
    """Open positions that this fill can have closed, oldest first."""
    held = tx["positions"].search(
        (where("account_id") == fill.account_id) & (where("status") == PositionStatus.OPEN.value), order_by="opened_at"
    )
    positions = [from_document(Position, each) for each in held]
    return [each for each in positions if each.symbol == fill.symbol and each.side.closing is fill.action]


def _book_adopted(tx: Transaction, report: OrderReport, fill: Fill, position: Position, now: datetime) -> None:
    order = Order(
        id=f"{report.client_order_id}:{fill.id}",
        account_id=position.account_id,
        exchange=position.exchange,
        symbol=position.symbol,
        position_side=position.side,
        action=fill.action,
        role=OrderRole.CLOSE,
        type=OrderType.MARKET,
        quantity=fill.quantity,
        plan_id=position.plan_id,
        created_at=fill.at,
        request_id="adopted",
        reduce_only=True,
        leverage=position.leverage,
        signal_id=position.signal_id,
        state=OrderState.OPEN,
        reason=report.reason or "closed at the exchange",
    )
    filled = order.with_fill(replace(fill, client_order_id=order.id, fee=fill.fee))
    tx["orders"].insert(to_document(filled))
    _book(tx, filled, replace(fill, client_order_id=order.id), now)
    finish_plan_if_idle(tx, position.plan_id, now, filled.reason or "closed at the exchange")


def _alarm(tx: Transaction, now: datetime, sentence: str, key: str) -> None:
    append(
        tx,
        Event(
            EventKind.ALARM,
            now,
            {"area": "settlement", "sentence": sentence, "at": ms_from_utc(now)},
            key=f"settlement:{key}",
        ),
    )
