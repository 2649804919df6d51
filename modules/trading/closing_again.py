"""A close that came to nothing is asked for again: an order that was refused or that vanished must not leave its position open.

Each try is a request of its own, later than the one before, so that what waits is kept over a restart and no order id is
used twice. After the last one the request is refused and an alarm tells that the position is still open. What a person
took back is not tried again, nor is a target (its price decides anew) or a limit order.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tinydb import where

from database import Store, Transaction
from modules.domain.errors import Refused
from modules.domain.events import Event, EventKind
from modules.domain.money import ONE
from modules.domain.orders import Order, OrderRequest, OrderRole, OrderType, RequestKind
from modules.domain.ports import OrderReport
from modules.domain.positions import PositionStatus
from modules.journal import append
from modules.records import from_document
from modules.trading.requests import ask

#: How often a close is sent before it is given up.
MOST_TRIES = 8
_LONGEST_SECONDS = 30
_MARK = ":again:"


def ask_again(store: Store, tx: Transaction, report: OrderReport, now: datetime) -> None:
    """After a report was written: asks for what its closing order left open, once per order."""
    document = tx["orders"].get(key=report.client_order_id) if report.state.final else None
    if document is None:
        return
    order = from_document(Order, document)
    request = tx["order_requests"].get(key=order.request_id)
    if request is None or not _came_to_nothing(tx, order, from_document(OrderRequest, request)):
        return
    again = _next(from_document(OrderRequest, request), order, now)
    if ask(store, tx, [again]) and tries_before(again) >= MOST_TRIES:
        _alarm(tx, again, order, now)


def tries_before(request: OrderRequest) -> int:
    """How many orders were sent for it before."""
    _, mark, count = request.id.rpartition(_MARK)
    return int(count) if mark else 0


def is_due(request: OrderRequest, now: datetime) -> bool:
    """Whether a try may be made: each waits twice as long as the one before, at most half a minute."""
    tries = tries_before(request)
    waited = (now - request.created_at).total_seconds()
    return tries == 0 or not 0 <= waited < min(2 ** (tries - 1), _LONGEST_SECONDS)


def given_up(request: OrderRequest) -> Refused | None:
    """The refusal of a close that was tried often enough."""
    tries = tries_before(request)
    if tries < MOST_TRIES:
        return None
    sentence = f"The exchange did not close {request.symbol} in {tries} tries. Close it there by hand, or ask again."
    return Refused("not_closed", sentence, str(tries), str(MOST_TRIES))


def _came_to_nothing(tx: Transaction, order: Order, request: OrderRequest) -> bool:
    if not order.state.final or order.remaining <= 0 or order.type is not OrderType.MARKET:
        return False
    if request.kind is not RequestKind.CLOSE or request.role is OrderRole.TARGET:
        return False
    position = tx["positions"].get(where("plan_id") == order.plan_id)
    if position is None or position["status"] != PositionStatus.OPEN.value:
        return False
    return not tx["order_requests"].contains((where("plan_id") == order.plan_id) & (where("cancels") == request.id))


def _next(request: OrderRequest, order: Order, now: datetime) -> OrderRequest:
    first, mark, _ = request.id.rpartition(_MARK)
    everything = request.share == ONE or (request.share is None and request.quantity is None)
    size: dict[str, Any] = {"share": ONE} if everything else {"quantity": order.remaining}
    return OrderRequest(
        id=f"{first if mark else request.id}{_MARK}{tries_before(request) + 1}",
        account_id=request.account_id,
        plan_id=request.plan_id,
        symbol=request.symbol,
        kind=RequestKind.CLOSE,
        created_at=now,
        reason=request.reason,
        role=request.role,
        action=request.action,
        signal_id=request.signal_id,
        **size,
    )


def _alarm(tx: Transaction, request: OrderRequest, order: Order, now: datetime) -> None:
    why = f" It says: {order.reason}." if order.reason else ""
    sentence = f"{request.symbol} is still open: the exchange did not close it in {MOST_TRIES} tries.{why}"
    body = {"area": "protection", "sentence": sentence, "position_id": f"pos-{request.plan_id}"}
    about = {"account_id": request.account_id, "plan_id": request.plan_id}
    append(tx, Event(EventKind.ALARM, now, body, key=f"not-closed:{request.id}", **about))
