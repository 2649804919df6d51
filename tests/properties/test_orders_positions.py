"""Whatever fills and reports arrive, in whatever order and how often: nothing negative, nothing twice, money conserved."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tinydb import where

from database import Store
from modules.domain.errors import Conflict
from modules.domain.orders import TRANSITIONS, Fill, Order, OrderRole, OrderState, OrderType
from modules.domain.plans import ExitRules, Plan, PlannedEntry, PlannedTarget
from modules.domain.ports import OrderReport
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Action, Side
from modules.records import from_document, open_records, to_document
from modules.trading.settlement import apply_report

NOW = datetime(2025, 10, 15, 12, tzinfo=UTC)
D = Decimal
QUANTITIES = st.integers(1, 50).map(lambda lots: D(lots) / 100)
PRICES = st.integers(1, 10**7).map(lambda ticks: D(ticks) / 100)
FILLS = st.lists(st.tuples(st.sampled_from(Action), QUANTITIES, PRICES, st.integers(0, 100)), max_size=25)


@given(st.lists(st.sampled_from(OrderState), max_size=12))
def test_no_sequence_of_moves_leaves_the_table(moves: list[OrderState]) -> None:
    order = Order("o", "a", "paper", "B", Side.LONG, Action.BUY, OrderRole.ENTRY, OrderType.LIMIT, D(1), "p", NOW, "r")
    for state in moves:
        allowed = state is order.state or state in TRANSITIONS[order.state]
        try:
            order = order.moved_to(state, NOW)
        except Conflict:
            assert not allowed
        else:
            assert allowed


@given(st.sampled_from(Side), FILLS)
def test_positions_are_never_negative_and_pnl_is_the_cash_that_moved(
    side: Side, parts: list[tuple[Action, Decimal, Decimal, int]]
) -> None:
    position = Position("x", "a", "p", None, "paper", "B", side, D(1), NOW)
    cash, taken = D(0), set[str]()
    for number, (action, quantity, price, fee) in enumerate(parts):
        each = Fill(f"f{number % 20}", "o", "a", "B", action, price, quantity, D(fee) / 1000, NOW)
        before = position
        try:
            position = position.apply(each)
        except Conflict:
            assert action is side.closing
            assert quantity > before.quantity
            continue
        if each.id in taken:
            assert position == before
            continue
        taken.add(each.id)
        cash -= action.sign * quantity * price + each.fee
        assert position.quantity >= 0
        assert position.initial_quantity >= position.quantity
        assert (position.quantity == 0) == (position.status is PositionStatus.CLOSED)
        worth = position.quantity * position.average_price * side.sign
        assert abs(position.net_pnl - (cash + worth)) < D("1e-12")


ENTRY = Order(
    "entry", "a1", "paper", "B", Side.LONG, Action.BUY, OrderRole.ENTRY, OrderType.LIMIT, D(10), "p1", NOW, "r1",
    state=OrderState.SUBMITTED,
)  # fmt: skip
EXIT = replace(
    ENTRY,
    id="exit",
    action=Action.SELL,
    role=OrderRole.TARGET,
    number=1,
    quantity=D(6),
    reduce_only=True,
    request_id="r2",
)
PLAN = Plan(
    "p1", "a1", "s1", "test", "paper", "B", Side.LONG, (PlannedEntry(1, OrderType.LIMIT, D(10), D(100)),),
    (PlannedTarget(1, D(110), D(1)),), D(90), D(5), ExitRules(), None, D(100), NOW, NOW,
)  # fmt: skip


@contextmanager
def books() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_records(f"sqlite:///{folder}/x.db", Path(folder))
        store["plans"].insert(to_document(PLAN))
        for order in (ENTRY, EXIT):
            store["orders"].insert(to_document(order))
        try:
            yield store
        finally:
            store.close()


def story(order: Order, price: int, parts: int) -> list[OrderReport]:
    """What a correct exchange says of an order, one report per fill, each with all fills so far."""
    reports = [OrderReport(order.id, OrderState.OPEN, NOW)]
    fills: tuple[Fill, ...] = ()
    for number in range(parts):
        quantity = order.quantity / parts
        fills += (Fill(f"{order.id}-{number}", order.id, "a1", "B", order.action, D(price), quantity, D("0.1"), NOW),)
        state = OrderState.FILLED if number == parts - 1 else OrderState.PARTIALLY_FILLED
        reports.append(OrderReport(order.id, state, NOW, filled=quantity * (number + 1), fills=fills))
    return reports


def settle(store: Store, reports: list[OrderReport]) -> dict[str, Any]:
    for report in reports:
        with store.transaction() as tx:
            apply_report(tx, report, NOW)
    found = store["positions"].search(where("plan_id") == "p1")
    position = from_document(Position, found[0]) if found else None
    orders = {each["id"]: (each["state"], each["filled"]) for each in store["orders"].all()}
    return {
        "orders": orders,
        "fills": sorted(each["id"] for each in store["fills"].all()),
        "position": position and (position.quantity, position.net_pnl, sorted(position.fill_ids)),
        "events": sorted(each.kind for each in store.journal.read(0, 1000)),
    }


@given(st.data(), st.sampled_from([1, 2, 5]), st.sampled_from([1, 2, 3]))
@settings(max_examples=40, deadline=None)
def test_settling_is_idempotent_under_repeats_and_any_order(data: st.DataObject, entries: int, exits: int) -> None:
    entering, leaving = story(ENTRY, 100, entries), story(EXIT, 110, exits)
    shuffled = [data.draw(st.permutations(part * 2)) for part in (entering, leaving)]
    with books() as store:
        wanted = settle(store, [*entering, *leaving])
        assert settle(store, [*entering, *leaving, *reversed(leaving)]) == wanted
    with books() as store:
        got = settle(store, [*shuffled[0], *shuffled[1]])
        got["events"] = [each for each in got["events"] if not each.startswith("OrderOpened")]
        wanted["events"] = [each for each in wanted["events"] if not each.startswith("OrderOpened")]
        assert got == wanted
        assert got["position"] is not None
        assert got["position"][0] == D(4)
