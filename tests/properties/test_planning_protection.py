"""Convergence ends, whatever the position and the orders: never naked on the way, never more than is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from modules.domain.instruments import Instrument, MarketKind
from modules.domain.money import ZERO
from modules.domain.orders import Order, OrderRole, OrderState
from modules.domain.plans import ExitRules, Plan
from modules.domain.positions import Position, TargetLevel
from modules.domain.sides import Side
from modules.trading.protection import Changes, desired, order_of, protect, target_fills

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
D = Decimal
PLAN = Plan(
    id="p", account_id="a", signal_id="s", source="x", exchange="paper", symbol="AAAUSDT", side=Side.LONG,
    entries=(), targets=(), stop_loss=None, leverage=D(5), exits=ExitRules(), risk_amount=None,
    reference_price=D(100), created_at=NOW, expires_at=NOW,
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> tuple[Instrument, Position, Position]:
    """An instrument, a position, and the same position after something happened to it."""
    lot = draw(st.sampled_from([D("0.001"), D(1), D("0.7")]))
    instrument = Instrument(
        exchange="paper", symbol="AAAUSDT", base="AAA", quote="USDT", kind=MarketKind.PERPETUAL,
        tick_size=draw(st.sampled_from([D("0.01"), D(1)])), lot_size=lot,
        min_quantity=lot * draw(st.integers(0, 5)), min_notional=draw(st.sampled_from([ZERO, D(5)])),
    )  # fmt: skip
    side = draw(st.sampled_from(Side))
    weights = draw(st.lists(st.integers(1, 9), max_size=5))
    total = sum(weights)
    levels = tuple(
        TargetLevel(number, D(100) + side.sign * 5 * number, D(weight) / total)
        for number, weight in enumerate(weights, start=1)
    )
    entered = draw(st.integers(1, 400))
    position = Position(
        "pos", "a", "p", "s", "paper", "AAAUSDT", side, D(5), NOW,
        quantity=lot * entered, initial_quantity=lot * entered, average_price=D(100),
        stop_loss=draw(st.none() | st.just(D(100) - side.sign * 10)), targets=levels,
    )  # fmt: skip
    more = draw(st.integers(0, 100))
    left = draw(st.integers(0, entered + more))
    hits = draw(st.integers(0, len(levels)))
    changed = replace(
        position,
        initial_quantity=lot * (entered + more),
        quantity=lot * left,
        stop_loss=draw(st.none() | st.just(D(100) + side.sign)),
        targets=tuple(replace(level, hit_at=NOW) if level.number <= hits else level for level in levels),
    )
    return instrument, position, changed


def carried_out(orders: list[Order], changes: Changes, position: Position) -> list[Order]:
    """The orders after a round, checked on the way: a stop that rests is not cancelled unless another rests or none is due."""
    cancelled = {order.id for order in changes.to_cancel}
    kept = [replace(o, state=OrderState.CANCELLED) if o.id in cancelled else o for o in orders]
    placed = [replace(order_of(each, position, NOW), state=OrderState.OPEN) for each in changes.to_place]
    had_stop = any(o.role is OrderRole.STOP and o.state.working for o in orders)
    if had_stop and position.stop_loss is not None and position.quantity > ZERO:
        assert any(o.role is OrderRole.STOP and o.state.working for o in kept)
    assert not {o.id for o in placed} & {o.id for o in orders}
    return kept + placed


@settings(max_examples=300, deadline=None)
@given(cases(), st.data())
def test_convergence_ends_at_what_is_desired_and_stays_there(
    case: tuple[Instrument, Position, Position], data: st.DataObject
) -> None:
    instrument, before, position = case
    orders = carried_out([], protect(before, PLAN, instrument, orders=[]), before)
    orders = [
        replace(o, filled=o.quantity if data.draw(st.booleans()) else ZERO, state=data.draw(st.sampled_from(states)))
        if o.role is OrderRole.TARGET
        else o
        for o in orders
    ]
    orders = [replace(o, state=OrderState.FILLED) if o.filled == o.quantity else o for o in orders]
    for _ in range(2):
        orders = carried_out(orders, protect(position, PLAN, instrument, orders=orders), position)
    assert not protect(position, PLAN, instrument, orders=orders)
    wanted = desired(position, PLAN, instrument, filled=target_fills(orders))
    working = [o for o in orders if o.state.working]
    assert len(working) == len(wanted)
    assert all(any(each.is_met_by(o) and each.number == o.number for o in working) for each in wanted)


states = [OrderState.OPEN, OrderState.CANCELLED, OrderState.EXPIRED]


@settings(max_examples=300, deadline=None)
@given(cases(), st.dictionaries(st.integers(1, 5), st.integers(0, 200), max_size=3))
def test_protection_never_exceeds_what_is_held(
    case: tuple[Instrument, Position, Position], fills: dict[int, int]
) -> None:
    instrument, _, position = case
    filled = {number: instrument.lot_size * lots for number, lots in fills.items()}
    wanted = desired(position, PLAN, instrument, filled=filled)
    stops = [each for each in wanted if each.role is OrderRole.STOP]
    targets = [each for each in wanted if each.role is OrderRole.TARGET]
    assert [each.quantity for each in stops] == [position.quantity] * (
        position.stop_loss is not None and position.quantity > ZERO
    )
    assert sum((each.quantity for each in targets), ZERO) in (ZERO, position.quantity)
    assert all(each.quantity % instrument.lot_size == ZERO and each.quantity > ZERO for each in targets)
    small = [each for each in targets if instrument.refuse(each.quantity, each.price or ZERO)]
    assert not small or len(targets) == 1
    assert len({each.number for each in targets}) == len(targets)
