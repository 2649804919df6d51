"""Read-only answers about one trade, one order, the orders that wait, and an account's money over time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Store
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.money import plain
from modules.domain.orders import Fill, Order
from modules.domain.plans import Plan
from modules.domain.positions import Position
from modules.records import from_document
from modules.rows import order_row, position_row
from modules.trading.manual import is_by_hand

_FIRST_DAY = datetime.fromisoformat("2009-01-03T00:00:00+00:00")
_DAYS = {"day": 0, "week": 6, "month": 29, "year": 364}


def period_start(period: str, now: datetime) -> datetime:
    """When a period of whole days ending today began; `all` is before anything was traded."""
    if period == "all":
        return _FIRST_DAY
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=_DAYS[period])


def position_of(store: Store, position_id: str, accounts: Collection[str] | None) -> Position:
    """A position of these accounts (None: of anybody's). Raises NotFound also for somebody else's."""
    document = store["positions"].get(key=position_id)
    if document is None or (accounts is not None and document["account_id"] not in accounts):
        raise NotFound("You have no such position.")
    return from_document(Position, document)


def order_of(store: Store, order_id: str, accounts: Collection[str] | None) -> Order:
    """An order of these accounts. Raises NotFound also for somebody else's."""
    document = store["orders"].get(key=order_id)
    if document is None or (accounts is not None and document["account_id"] not in accounts):
        raise NotFound("You have no such order.")
    return from_document(Order, document)


def whole_position(store: Store, position: Position, prices: Mapping[str, Decimal]) -> dict[str, Any]:
    """A position with the plan it came from, its orders and its fills."""
    plan = store["plans"].get(key=position.plan_id)
    orders = store["orders"].search(where("plan_id") == position.plan_id, order_by="created_at")
    return {
        **position_row(position, prices),
        "plan": plan_row(from_document(Plan, plan)) if plan else None,
        "orders": [order_row(from_document(Order, each)) for each in orders],
        "fills": fills_of(store, position.plan_id),
        "waiting_orders": [
            waiting_row(each) for each in waiting_orders(store, [position.account_id], position.plan_id)
        ],
    }


def fills_of(store: Store, plan_id: str) -> list[dict[str, Any]]:
    """Every execution of a plan's orders, oldest first."""
    orders = {each["id"] for each in store["orders"].search(where("plan_id") == plan_id)}
    found = store["fills"].search(where("client_order_id").one_of(sorted(orders)), order_by="at") if orders else []
    return [fill_row(from_document(Fill, each)) for each in found]


def fill_row(fill: Fill) -> dict[str, Any]:
    """An execution as every door shows it."""
    return {
        "id": fill.id,
        "order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "action": fill.action.value,
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "fee": plain(round(fill.fee, 8)),
        "maker": fill.maker,
        "at": iso_from_ms(ms_from_utc(fill.at)),
    }


def plans_page(
    store: Store, accounts: Collection[str] | None, status: str, cursor: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Plans of these accounts (None: everybody's), newest first, and the cursor of what follows."""
    if cursor is not None and not store["plans"].contains(key=cursor):
        raise InvalidInput("the cursor is not one that this list gave", fields={"cursor": "unknown"})
    wanted = where("created_at") >= 0
    if accounts is not None:
        wanted = wanted & where("account_id").one_of(sorted(accounts))
    if status != "all":
        wanted = wanted & (where("status") == status)
    found = store["plans"].search(wanted, order_by="created_at", descending=True, after=cursor, limit=limit + 1)
    rows = [plan_row(from_document(Plan, each)) for each in found[:limit]]
    return rows, rows[-1]["id"] if len(found) > limit else None


def plan_of(store: Store, plan_id: str, accounts: Collection[str] | None) -> Plan | None:
    """A plan of these accounts; None while it waits to be made or was refused. Raises NotFound for any other."""
    for collection, key in (("plans", plan_id), ("planning_queue", plan_id), ("refusals", f"plan:{plan_id}")):
        document = store[collection].get(key=key)
        if document is not None and (accounts is None or document["account_id"] in accounts):
            return from_document(Plan, document) if collection == "plans" else None
    raise NotFound("You have no such plan.")


def plan_row(plan: Plan) -> dict[str, Any]:
    """A plan as every door shows it."""
    return {
        "id": plan.id,
        "account_id": plan.account_id,
        "signal_id": None if is_by_hand(plan.signal_id) else plan.signal_id,
        "source": plan.source,
        "symbol": plan.symbol,
        "side": plan.side.value,
        "status": plan.status.value,
        "outcome": plan.outcome,
        "entries": [
            {
                "number": each.number,
                "type": each.type.value,
                "quantity": plain(each.quantity),
                "price": plain(each.price) if each.price is not None else None,
            }
            for each in plan.entries
        ],
        "targets": [{"price": plain(each.price), "share": plain(each.share)} for each in plan.targets],
        "stop_loss": plain(plan.stop_loss) if plan.stop_loss is not None else None,
        "leverage": plain(plan.leverage),
        "risk_amount": plain(round(plan.risk_amount, 8)) if plan.risk_amount is not None else None,
        "notes": list(plan.notes),
        "created_at": iso_from_ms(ms_from_utc(plan.created_at)),
        "expires_at": iso_from_ms(ms_from_utc(plan.expires_at)),
    }


def waiting_orders(store: Store, accounts: Collection[str], plan_id: str | None = None) -> list[dict[str, Any]]:
    """Trailing stops and OCO pairs of these accounts as they are kept, newest first; those that ended too."""
    wanted = where("account_id").one_of(sorted(accounts))
    if plan_id is not None:
        wanted = wanted & (where("plan_id") == plan_id)
    return store["advanced_orders"].search(wanted, order_by="created_at", descending=True, limit=500)


def waiting_page(
    store: Store, accounts: Collection[str], cursor: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the orders that wait or waited for a price, newest first, and the cursor of what follows."""
    kept = store["advanced_orders"]
    if cursor is not None and not kept.contains(key=cursor):
        raise InvalidInput("the cursor is not one that this list gave", fields={"cursor": "unknown"})
    mine = where("account_id").one_of(sorted(accounts))
    found = kept.search(mine, order_by="created_at", descending=True, after=cursor, limit=limit + 1)
    rows = [waiting_row(each) for each in found[:limit]]
    return rows, rows[-1]["id"] if len(found) > limit else None


def waiting_row(kept: Mapping[str, Any]) -> dict[str, Any]:
    """An order that waits for a price, as every door shows it, read from its document."""
    row: dict[str, Any] = {
        "id": kept["id"],
        "kind": kept["kind"],
        "account_id": kept["account_id"],
        "position_id": f"pos-{kept['plan_id']}",
        "symbol": kept["symbol"],
        "status": kept["status"],
        "outcome": kept["outcome"],
        "created_at": iso_from_ms(kept["created_at"]),
    }
    if kept["kind"] == "oco":
        row["take_profit_price"] = kept["first"]["price"]
        row["stop_loss_price"] = kept["second"]["trigger_price"]
        row["quantity"] = kept["first"]["quantity"]
    elif kept["kind"] == "trailing":
        row["trail"] = {"kind": kept["trailing"]["kind"], "distance": kept["trailing"]["distance"]}
        row["stop_loss"] = kept["stop"]
        row["active"] = kept["active"]
    return row


def equity_series(store: Store, account_id: str, since: datetime, limit: int) -> list[dict[str, Any]]:
    """What the account was worth over time, oldest first; more than `limit` marks are thinned out evenly."""
    marks = store["equity_history"].search(
        (where("account_id") == account_id) & (where("at") >= ms_from_utc(since)), order_by="at"
    )
    if len(marks) > limit:
        step = (len(marks) - 1) / max(limit - 1, 1)
        marks = [marks[round(index * step)] for index in range(limit)]
    return [{"time": iso_from_ms(each["at"]), "equity": each["equity"], "wallet": each["wallet"]} for each in marks]
