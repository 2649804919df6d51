"""Orders over HTTP: the list, one, taking one back; trailing stops and pairs of which one cancels the other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.asking import ask_for, outcome_row
from api.bodies.orders import OcoBody, OrderPath, PlanPath, PlanQuery, TrailingStopBody
from api.bodies.trading import ListQuery, OrderQuery, TradingQuery
from api.gate import current, needs, origin
from api.platform.idempotency import answered_once, request_key
from api.rooms import Rooms, answer
from api.scope import accounts_in_question, own_account, own_accounts
from modules.accounts.audit import record
from modules.accounts.permissions import Verb, may
from modules.domain.errors import Conflict, NotFound, Unavailable
from modules.domain.positions import Position, PositionStatus
from modules.rows import order_row
from modules.trade_views import (
    order_of,
    plan_of,
    plan_row,
    plans_page,
    position_of,
    waiting_orders,
    waiting_page,
    waiting_row,
)
from modules.trading import advanced_book, manual
from modules.trading.manual_waiting import oco_pair, trailing_rule, trailing_stop
from modules.trading.orders_by_hand import outcome_of_open
from modules.trading.waiting_orders import AdvancedOrder

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("orders", __name__, url_prefix="/api", abp_tags=[Tag(name="orders")])
    _plans(blueprint, rooms)
    _plain_orders(blueprint, rooms)
    _advanced(blueprint, rooms)
    _calling_off(blueprint, rooms)
    return blueprint


def _plans(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/plans", summary="What one's accounts set out to do about signals and wishes, newest first")
    @needs(Verb.READ_TRADES)
    def plans(query: PlanQuery) -> Answer:
        whose = accounts_in_question(rooms, query.user, query.all)
        rows, following = plans_page(rooms.store, whose, query.status, query.cursor, query.limit)
        return answer({"plans": rows, "next_cursor": following})

    @blueprint.get("/plans/<plan_id>", summary="One plan: waiting, done with its orders sent, or refused by which rule")
    @needs(Verb.READ_TRADES)
    def plan(path: PlanPath) -> Answer:
        everybody = may(current(), Verb.READ_ALL_TRADES)
        found = plan_of(rooms.store, path.plan_id, None if everybody else _mine(rooms))
        outcome = outcome_row(outcome_of_open(rooms.store, path.plan_id))
        return answer({"plan_id": path.plan_id, **outcome, "plan": plan_row(found) if found is not None else None})


def _plain_orders(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/orders", summary="Orders, newest first")
    @needs(Verb.READ_TRADES)
    def orders(query: OrderQuery) -> Answer:
        page = rooms.views.orders(
            query.status,
            accounts=accounts_asked_for(rooms, query),
            symbol=query.symbol,
            cursor=query.cursor,
            limit=query.limit,
        )
        return answer({"orders": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/orders/<order_id>", summary="One order")
    @needs(Verb.READ_TRADES)
    def order(path: OrderPath) -> Answer:
        everybody = may(current(), Verb.READ_ALL_TRADES)
        return answer({"order": order_row(order_of(rooms.store, path.order_id, None if everybody else _mine(rooms)))})

    @blueprint.delete("/orders/<order_id>", summary="Take back an order that waits to enter")
    @answered_once
    @needs(Verb.TRADE)
    def cancel_order(path: OrderPath) -> Answer:
        found = order_of(rooms.store, path.order_id, _mine(rooms))
        if found.state.final:
            raise Conflict(f"This order is {found.state.value} already.", code="order_ended")
        request = manual.cancelling(found, request_key(), rooms.clock.now())
        after = {"symbol": found.symbol, "role": found.role}
        (row,) = ask_for(rooms, [request], "order.cancel", f"order:{found.id}", after)
        return answer({"order_id": found.id, **row}, 202)


def _advanced(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/orders/advanced", summary="Trailing stops and pairs, newest first")
    @needs(Verb.READ_TRADES)
    def advanced(query: ListQuery) -> Answer:
        rows, following = waiting_page(rooms.store, _mine(rooms), query.cursor, query.limit)
        return answer({"orders": rows, "next_cursor": following})

    @blueprint.post("/orders/trailing-stop", summary="Let a position's stop follow the price")
    @answered_once
    @needs(Verb.TRADE)
    def trail(body: TrailingStopBody) -> Answer:
        order = follow_with_trail(
            rooms,
            open_position_of(rooms, body.position_id),
            percent=body.trail_percent,
            amount=body.trail_amount,
            activation_price=body.activation_price,
        )
        return answer({"order": order}, 201)

    @blueprint.post("/orders/oco", summary="A target and a stop; the first that is reached ends the other")
    @answered_once
    @needs(Verb.TRADE)
    def oco(body: OcoBody) -> Answer:
        pair = oco_pair(
            open_position_of(rooms, body.position_id),
            request_key(),
            rooms.clock.now(),
            take_profit=body.take_profit_price,
            stop_loss=body.stop_loss_price,
            quantity=body.quantity,
        )
        return answer({"order": _begin(rooms, pair, "order.oco")}, 201)


def _calling_off(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.delete("/orders/oco/<order_id>", summary="Call off a pair")
    @needs(Verb.TRADE)
    def cancel_oco(path: OrderPath) -> Answer:
        return _call_off(rooms, path.order_id)

    @blueprint.delete("/orders/trailing-stop/<order_id>", summary="End a trailing stop; the stop stays where it is")
    @needs(Verb.TRADE)
    def cancel_trailing_stop(path: OrderPath) -> Answer:
        return _call_off(rooms, path.order_id)


def accounts_asked_for(rooms: Rooms, query: TradingQuery) -> list[str] | None:
    """Ids of the accounts a list shows; None is everybody's. Raises NotFound for an account that is not one's own."""
    whose = accounts_in_question(rooms, query.user, query.all)
    return whose if query.account_id is None else [own_account(rooms, query.account_id).id]


def open_position_of(rooms: Rooms, position_id: str) -> Position:
    """One's own open position. Raises NotFound, or Conflict for one that was closed."""
    found = position_of(rooms.store, position_id, _mine(rooms))
    if found.status is PositionStatus.CLOSED:
        raise Conflict(f"This position was closed: {found.close_reason or 'closed'}.", code="position_closed")
    return found


def follow_with_trail(
    rooms: Rooms,
    position: Position,
    *,
    percent: Decimal | None,
    amount: Decimal | None,
    activation_price: Decimal | None,
) -> dict[str, Any]:
    """Begins a trailing stop from the price as it is now; one that followed before ends. Raises Unavailable without a price."""
    quote = rooms.prices.latest(position.symbol)
    if quote is None:
        raise Unavailable(f"There is no price of {position.symbol} right now.", retry_after_seconds=2)
    rule = trailing_rule(position, percent=percent, amount=amount, activation_price=activation_price, price=quote.last)
    order = trailing_stop(position, request_key(), rooms.clock.now(), trailing=rule, price=quote.last)
    for older in waiting_orders(rooms.store, [position.account_id], position.plan_id):
        if (older["kind"], older["status"]) == ("trailing", "waiting") and older["id"] != order.id:
            advanced_book.cancel(rooms.store, older["id"], "replaced by a newer trail", rooms.clock.now())
    return _begin(rooms, order, "order.trailing_stop")


def _begin(rooms: Rooms, order: AdvancedOrder, action: str) -> dict[str, Any]:
    """Stores the order with its audit row, once; as clients see it."""
    with rooms.store.transaction(durable=True) as tx:
        if advanced_book.place_in(rooms.store, tx, order):
            row, now = waiting_row(tx["advanced_orders"].get(key=order.id) or {}), rooms.clock.now()
            record(tx, current(), action, f"order:{order.id}", now=now, origin=origin(), after=row)
    return waiting_row(rooms.store["advanced_orders"].get(key=order.id) or {})


def _call_off(rooms: Rooms, order_id: str) -> Answer:
    now = rooms.clock.now()
    document = rooms.store["advanced_orders"].get(key=order_id)
    if document is None or document["account_id"] not in _mine(rooms):
        raise NotFound("You have no such order.")
    if not advanced_book.cancel(rooms.store, order_id, "called off by user", now):
        raise Conflict(f"This order is {document['status']} already.", code="order_ended")
    with rooms.store.transaction() as tx:
        record(tx, current(), "order.call_off", f"order:{order_id}", now=now, origin=origin())
    return answer({"order": waiting_row(rooms.store["advanced_orders"].get(key=order_id) or {})})


def _mine(rooms: Rooms) -> list[str]:
    return [each.id for each in own_accounts(rooms)]
