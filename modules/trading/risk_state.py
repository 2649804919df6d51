"""An account's standing for the risk checks, read from the books: today's losses and trades, what is held and waiting."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tinydb import where

from database import Store, Transaction
from modules.domain.market import ms_from_utc
from modules.domain.money import ZERO, plain
from modules.domain.orders import OrderRole, OrderState, RequestStatus
from modules.domain.people import Account
from modules.domain.plans import Plan, PlanStatus
from modules.domain.ports import QuoteBoard
from modules.domain.positions import Position, PositionStatus
from modules.records import from_document
from modules.trading.risk import RiskView, exposures
from modules.trading.safety import Scope, baseline_at
from modules.trading.safety_state import state_of, states_for

_WORKING = [state.value for state in OrderState if state.working]


def open_positions(reader: Store | Transaction, account_id: str) -> tuple[Position, ...]:
    """What the account holds."""
    found = reader["positions"].search(
        (where("account_id") == account_id) & (where("status") == PositionStatus.OPEN.value)
    )
    return tuple(from_document(Position, each) for each in found)


def open_plans(reader: Store | Transaction, account_id: str) -> tuple[Plan, ...]:
    """The account's trades that may still do something."""
    found = reader["plans"].search((where("account_id") == account_id) & (where("status") == PlanStatus.OPEN.value))
    return tuple(from_document(Plan, each) for each in found)


def risk_view(
    store: Store,
    account: Account,
    equity: Decimal,
    board: QuoteBoard,
    now: datetime,
    standing: tuple[tuple[Position, ...], tuple[Plan, ...]] | None = None,
) -> RiskView:
    """Everything the limits look at. The day's first look keeps the equity then as the day's baseline.

    `standing` are the account's open positions and plans where the caller has read them.
    """
    since = ms_from_utc(baseline_at(states_for(store, account), now))
    hard_since = ms_from_utc(baseline_at([state_of(store, Scope.GLOBAL)], now))
    mine = where("account_id") == account.id
    closed = store["positions"].search(mine & (where("closed_at") >= since), order_by="closed_at")
    done = [from_document(Position, each) for each in closed]
    positions, plans = standing or (open_positions(store, account.id), open_plans(store, account.id))
    prices = {each.symbol: quote.last for each in positions if (quote := board.latest(each.symbol)) is not None}
    held, waiting = exposures(positions, _waiting(store, account.id, plans), prices)
    newest = store["plans"].search(mine, order_by="created_at", descending=True, limit=1)
    return RiskView(
        equity=equity,
        day_start_equity=_baseline(store, account, equity, since),
        realised_today=sum((each.net_pnl for each in done), ZERO),
        trades_today=store["plans"].count(mine & (where("created_at") >= since)),
        losses_in_row=_losses_in_row(done),
        last_trade_at=from_document(Plan, newest[0]).created_at if newest else None,
        open_trades=len(plans),
        held=held,
        waiting=waiting,
        hard_start_equity=_baseline(store, account, equity, hard_since),
        orders_last_minute=orders_since(store, account.id, ms_from_utc(now) - 60_000),
    )


def orders_since(reader: Store | Transaction, account_id: str, since_ms: int) -> int:
    """How many orders the account sent since then."""
    return reader["orders"].count((where("account_id") == account_id) & (where("created_at") >= since_ms))


def _baseline(store: Store, account: Account, equity: Decimal, since_ms: int) -> Decimal:
    name = f"{account.id}:{since_ms}"
    known = store["day_baselines"].get(key=name)
    if known is None:
        with store.transaction() as tx:
            known = tx["day_baselines"].get(key=name)
            if known is None:
                known = {"id": name, "account_id": account.id, "day": since_ms, "equity": plain(equity)}
                tx["day_baselines"].insert(known)
    return Decimal(known["equity"])


def _waiting(store: Store, account_id: str, plans: tuple[Plan, ...]) -> list[Plan]:
    """Plans with an entry that may still fill. One look at the account's orders, however many plans there are."""
    mine = where("account_id") == account_id
    working = mine & where("state").one_of(_WORKING) & (where("role") == OrderRole.ENTRY.value)
    pending = mine & (where("status") == RequestStatus.PENDING.value)
    found = [*store["orders"].search(working), *store["order_requests"].search(pending)]
    waiting = {each["plan_id"] for each in found}
    return [plan for plan in plans if plan.id in waiting]


def _losses_in_row(done: list[Position]) -> int:
    count = 0
    for position in reversed(done):
        if position.net_pnl >= ZERO:
            break
        count += 1
    return count
