"""What an order may become, what fills make of it, and positions that are built of nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from modules.domain.errors import Conflict, InvalidInput
from modules.domain.orders import (
    TRANSITIONS,
    Fill,
    Order,
    OrderRole,
    OrderState,
    OrderType,
    client_order_id,
)
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Action, Side
from modules.rows import position_row
from modules.trading.patience import Patience

NOW = datetime(2025, 10, 15, 12, tzinfo=UTC)
D = Decimal
ORDER = Order(
    "o1", "a1", "paper", "BTCUSDT", Side.LONG, Action.BUY, OrderRole.ENTRY, OrderType.LIMIT, D(2), "p1", NOW, "r1"
)
LONG = Position("pos", "a1", "p1", None, "paper", "BTCUSDT", Side.LONG, D(5), NOW, initial_stop=D(90))
SHORT = replace(LONG, side=Side.SHORT, initial_stop=D(110))


def fill(name: str, quantity: object, price: object = 100, action: Action = Action.BUY, fee: object = 0) -> Fill:
    return Fill(name, "o1", "a1", "BTCUSDT", action, D(str(price)), D(str(quantity)), D(str(fee)), NOW)


@pytest.mark.parametrize("before", OrderState)
@pytest.mark.parametrize("after", OrderState)
def test_an_order_moves_only_as_the_table_says(before: OrderState, after: OrderState) -> None:
    order = replace(ORDER, state=before)
    if after is before or after in TRANSITIONS[before]:
        assert order.moved_to(after, NOW).state is after
    else:
        with pytest.raises(Conflict):
            order.moved_to(after, NOW)


def test_every_state_is_in_the_table_and_ends_stay_ends() -> None:
    assert set(TRANSITIONS) == set(OrderState)
    for state in OrderState:
        if state.final:
            assert TRANSITIONS[state] <= {OrderState.FILLED}
            assert not state.working
    assert TRANSITIONS[OrderState.FILLED] == frozenset()


def test_a_reason_stays_until_another_is_given() -> None:
    order = ORDER.moved_to(OrderState.SUBMITTED, NOW, "first").moved_to(OrderState.OPEN, NOW)
    assert order.reason == "first"
    assert order.moved_to(OrderState.CANCELLED, NOW, "second").reason == "second"


def test_fills_make_the_average_and_the_state() -> None:
    order = replace(ORDER, state=OrderState.OPEN)
    half = order.with_fill(fill("f1", 1, 100, fee="0.1"))
    assert (half.state, half.remaining, half.average_price) == (OrderState.PARTIALLY_FILLED, D(1), D(100))
    whole = half.with_fill(fill("f2", 1, 110, fee="0.2"))
    assert (whole.state, whole.remaining, whole.average_price, whole.fees) == (
        OrderState.FILLED,
        D(0),
        D(105),
        D("0.3"),
    )
    assert whole.with_fill(fill("f1", 1)) == whole


def test_a_fill_beyond_the_order_is_a_conflict() -> None:
    with pytest.raises(Conflict):
        ORDER.with_fill(fill("f1", "2.000001"))


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.EXPIRED])
def test_a_late_part_does_not_bring_an_ended_order_back(state: OrderState) -> None:
    ended = replace(ORDER, state=state)
    assert ended.with_fill(fill("f1", 1)).state is state
    assert ended.with_fill(fill("f1", 2)).state is OrderState.FILLED


@pytest.mark.parametrize(("price", "quantity"), [(0, 1), (-1, 1), (1, 0), (1, -1), ("NaN", 1), (1, "NaN")])
def test_an_impossible_fill_is_refused(price: object, quantity: object) -> None:
    with pytest.raises((InvalidInput, ArithmeticError)):
        fill("f", quantity, price)


def test_ids_are_made_of_what_an_order_is_for() -> None:
    first = client_order_id("p1", OrderRole.STOP, 0, 0)
    assert first == client_order_id("p1", OrderRole.STOP, 0, 0)
    others = {
        client_order_id("p2", OrderRole.STOP, 0, 0), client_order_id("p1", OrderRole.TARGET, 0, 0),
        client_order_id("p1", OrderRole.STOP, 1, 0), client_order_id("p1", OrderRole.STOP, 0, 1),
        client_order_id("p", OrderRole.STOP, 10, 0),
    }  # fmt: skip
    assert len(others | {first}) == 6
    assert len(first) == 28
    assert first.isalnum()
    assert first == first.lower()


@pytest.mark.parametrize(("start", "sign"), [(LONG, 1), (SHORT, -1)])
def test_a_position_is_the_sum_of_its_fills(start: Position, sign: int) -> None:
    opening, closing = start.side.opening, start.side.closing
    held = start.apply(fill("f1", 1, 100, opening, "0.1")).apply(fill("f2", 3, 104, opening, "0.3"))
    assert (held.quantity, held.initial_quantity, held.average_price) == (D(4), D(4), D(103))
    assert held.unrealised_pnl(D(105)) == 8 * sign
    part = held.apply(fill("f3", 1, 107, closing))
    assert (part.quantity, part.realised_pnl, part.exit_price, part.status) == (
        D(3),
        D(4) * sign,
        D(107),
        PositionStatus.OPEN,
    )
    done = part.apply(fill("f4", 3, 103, closing, "0.6"))
    assert (done.status, done.closed_at, done.exit_price) == (PositionStatus.CLOSED, NOW, D(104))
    assert done.net_pnl == 4 * sign - 1
    for name in ("f1", "f2", "f3", "f4"):
        assert done.apply(fill(name, 1, 1, closing)) == done


def test_a_position_never_flips() -> None:
    held = LONG.apply(fill("f1", 1))
    with pytest.raises(Conflict):
        held.apply(fill("f2", 2, 100, Action.SELL))
    with pytest.raises(Conflict):
        LONG.apply(fill("f2", 1, 100, Action.SELL))


def test_an_entry_after_the_close_opens_the_position_again() -> None:
    closed = LONG.apply(fill("f1", 1)).apply(fill("f2", 1, 110, Action.SELL))
    again = replace(closed, close_reason="targets").apply(fill("f3", 2, 120))
    assert (again.status, again.quantity, again.average_price) == (PositionStatus.OPEN, D(2), D(120))
    assert (again.closed_at, again.close_reason) == (None, None)
    ended = again.apply(fill("f4", 2, 119, Action.SELL))
    assert ended.realised_pnl == 8
    assert ended.exit_price == D(116)


def test_risk_and_r() -> None:
    held = LONG.apply(fill("f1", 2, 100))
    assert held.risk == 20
    assert held.apply(fill("f2", 2, 110, Action.SELL)).r_multiple == 1
    assert replace(held, initial_stop=None).risk is None
    assert replace(held, initial_stop=D(100)).r_multiple is None
    assert LONG.return_percent(D(5)) == 0


def test_patience_doubles_ends_and_survives_a_clock_set_back() -> None:
    patience, now = Patience(), NOW
    assert patience.is_due("x", now)
    waited = []
    for _ in range(8):
        patience.failed("x", now)
        start = now
        while not patience.is_due("x", now):
            now += timedelta(seconds=1)
        waited.append((now - start).total_seconds())
    assert waited == [1, 2, 4, 8, 16, 30, 30, 30]
    patience.failed("x", now)
    assert patience.is_due("y", now)
    assert patience.is_due("x", now - timedelta(days=1))
    patience.done("x")
    assert patience.is_due("x", now)


def test_an_average_price_of_a_tiny_coin_keeps_its_digits() -> None:
    assert position_row(replace(LONG, average_price=D("0.0000000119")), {})["average_price"] == "0.0000000119"
    assert position_row(replace(LONG, average_price=D(1) / 3), {})["average_price"] == "0.33333333"
