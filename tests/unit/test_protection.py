"""Protective orders: what should rest for a position, and the rounds that bring it about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from modules.domain.instruments import Instrument, MarketKind
from modules.domain.money import ZERO
from modules.domain.orders import Order, OrderRole, OrderState, OrderType, client_order_id
from modules.domain.plans import ExitRules, Plan
from modules.domain.positions import Position, PositionStatus, TargetLevel
from modules.domain.sides import Action, Side
from modules.trading.protection import Changes, converge, desired, order_of, protect, target_fills

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
D = Decimal

INSTRUMENT = Instrument(
    exchange="paper", symbol="BTCUSDT", base="BTC", quote="USDT", kind=MarketKind.PERPETUAL,
    tick_size=D("0.5"), lot_size=D(1), min_quantity=D(1), min_notional=ZERO,
)  # fmt: skip
PLAN = Plan(
    id="p", account_id="a", signal_id="s", source="x", exchange="paper", symbol="BTCUSDT", side=Side.LONG,
    entries=(), targets=(), stop_loss=D(90), leverage=D(5), exits=ExitRules(), risk_amount=None,
    reference_price=D(100), created_at=NOW, expires_at=NOW,
)  # fmt: skip
LEVELS = (
    TargetLevel(1, D(110), D("0.3")),
    TargetLevel(2, D(120), D("0.3")),
    TargetLevel(3, D(130), D("0.4")),
)
POSITION = Position(
    "pos", "a", "p", "s", "paper", "BTCUSDT", Side.LONG, D(5), NOW,
    quantity=D(10), initial_quantity=D(10), average_price=D(100), stop_loss=D(90), targets=LEVELS,
)  # fmt: skip


def shape(position: Position, filled: dict[int, Decimal] | None = None) -> list[tuple[int, Decimal]]:
    return [(each.number, each.quantity) for each in desired(position, PLAN, INSTRUMENT, filled=filled)]


def opened(changes: Changes, state: OrderState = OrderState.OPEN) -> list[Order]:
    return [replace(order_of(each, POSITION, NOW), state=state) for each in changes.to_place]


def after(orders: list[Order], changes: Changes) -> list[Order]:
    """The orders once every change was carried out."""
    cancelled = {order.id for order in changes.to_cancel}
    kept = [replace(o, state=OrderState.CANCELLED) if o.id in cancelled else o for o in orders]
    return kept + opened(changes)


def test_a_fresh_position_wants_one_stop_and_its_ladder() -> None:
    stop, first, *_ = desired(POSITION, PLAN, INSTRUMENT)
    assert (stop.role, stop.type, stop.action, stop.quantity, stop.trigger_price, stop.price) == (
        OrderRole.STOP, OrderType.STOP_MARKET, Action.SELL, D(10), D(90), None,
    )  # fmt: skip
    assert (first.role, first.type, first.action, first.price, first.trigger_price) == (
        OrderRole.TARGET, OrderType.LIMIT, Action.SELL, D(110), None,
    )  # fmt: skip
    assert shape(POSITION) == [(0, D(10)), (1, D(3)), (2, D(3)), (3, D(4))]


def test_a_short_is_closed_by_buying_and_prices_lie_on_ticks() -> None:
    short = replace(POSITION, side=Side.SHORT, stop_loss=D("110.3"), targets=(TargetLevel(1, D("89.8"), D(1)),))
    stop, target = desired(short, PLAN, INSTRUMENT)
    assert (stop.action, stop.trigger_price) == (Action.BUY, D("110.5"))
    assert (target.action, target.price, target.quantity) == (Action.BUY, D("90.0"), D(10))


def test_hit_targets_keep_the_others_share_of_the_original() -> None:
    levels = (replace(LEVELS[0], hit_at=NOW), *LEVELS[1:])
    assert shape(replace(POSITION, quantity=D(7), targets=levels), {1: D(3)}) == [(0, D(7)), (2, D(3)), (3, D(4))]


def test_a_partly_filled_target_wants_only_its_rest() -> None:
    partly = replace(POSITION, quantity=D(8))
    assert shape(partly, {1: D(2)}) == [(0, D(8)), (1, D(1)), (2, D(3)), (3, D(4))]


def test_a_close_by_hand_scales_the_ladder_to_what_is_left() -> None:
    assert shape(replace(POSITION, quantity=D(5))) == [(0, D(5)), (1, D(1)), (2, D(1)), (3, D(3))]


def test_a_late_entry_after_a_target_is_spread_over_the_rest() -> None:
    levels = (replace(LEVELS[0], hit_at=NOW), *LEVELS[1:])
    grown = replace(POSITION, quantity=D(17), initial_quantity=D(20), targets=levels)
    found = shape(grown, {1: D(3)})
    assert found[0] == (0, D(17))
    assert sum(quantity for _, quantity in found[1:]) == D(17)


def test_dust_joins_the_next_target_and_the_last() -> None:
    assert shape(replace(POSITION, quantity=D(2), initial_quantity=D(2))) == [(0, D(2)), (2, D(1)), (3, D(1))]
    assert shape(replace(POSITION, quantity=D(1), initial_quantity=D(1))) == [(0, D(1)), (3, D(1))]


def test_too_little_for_any_target_still_has_its_stop() -> None:
    coarse = replace(INSTRUMENT, min_quantity=D(3))
    found = desired(replace(POSITION, quantity=D(2)), PLAN, coarse)
    assert [each.role for each in found] == [OrderRole.STOP]


def test_no_stop_no_targets_no_position() -> None:
    assert [number for number, _ in shape(replace(POSITION, stop_loss=None))] == [1, 2, 3]
    assert shape(replace(POSITION, targets=())) == [(0, D(10))]
    assert shape(replace(POSITION, targets=tuple(replace(level, hit_at=NOW) for level in LEVELS))) == [(0, D(10))]
    assert shape(replace(POSITION, status=PositionStatus.CLOSED, quantity=ZERO)) == []


def test_first_everything_is_placed_then_nothing_is_left_to_do() -> None:
    first = protect(POSITION, PLAN, INSTRUMENT, orders=[])
    assert [each.id for each in first.to_place] == [
        client_order_id("p", role, number, 0)
        for role, number in [(OrderRole.STOP, 0), *((OrderRole.TARGET, n) for n in (1, 2, 3))]
    ]
    assert first.stops == first.to_place[:1]
    orders = opened(first)
    assert all(order.reduce_only and order.leverage == D(5) and order.account_id == "a" for order in orders)
    assert not protect(POSITION, PLAN, INSTRUMENT, orders=orders)


@pytest.mark.parametrize("state", [OrderState.NEW, OrderState.SUBMITTED, OrderState.UNKNOWN])
def test_a_level_whose_fate_is_unknown_is_left_alone(state: OrderState) -> None:
    orders = opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))
    unsure = [replace(orders[0], state=state), *orders[1:]]
    moved = replace(POSITION, stop_loss=D(100))
    assert not protect(moved, PLAN, INSTRUMENT, orders=unsure)
    assert not protect(replace(POSITION, status=PositionStatus.CLOSED), PLAN, INSTRUMENT, orders=unsure[:1])


def test_a_moved_stop_is_placed_before_the_old_one_goes() -> None:
    orders = opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))
    moved = replace(POSITION, stop_loss=D(100))
    first = protect(moved, PLAN, INSTRUMENT, orders=orders)
    assert first.to_cancel == ()
    assert [(each.revision, each.wanted.trigger_price) for each in first.to_place] == [(1, D(100))]
    assert first.to_place[0].id == client_order_id("p", OrderRole.STOP, 0, 1)
    orders = after(orders, first)
    second = protect(moved, PLAN, INSTRUMENT, orders=orders)
    assert ([order.trigger_price for order in second.to_cancel], second.to_place) == ([D(90)], ())
    assert not protect(moved, PLAN, INSTRUMENT, orders=after(orders, second))


def test_a_rejected_new_stop_leaves_the_old_one_and_is_told_not_repeated() -> None:
    orders = opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))
    moved = replace(POSITION, stop_loss=D(100))
    orders += opened(protect(moved, PLAN, INSTRUMENT, orders=orders), OrderState.REJECTED)
    changes = protect(moved, PLAN, INSTRUMENT, orders=orders)
    assert not changes
    assert [each.trigger_price for each in changes.refused] == [D(100)]
    further = protect(replace(moved, stop_loss=D(101)), PLAN, INSTRUMENT, orders=orders)
    assert [each.revision for each in further.to_place] == [2]


def test_a_target_is_cancelled_before_it_is_placed_anew() -> None:
    orders = opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))
    half = replace(POSITION, quantity=D(5))
    first = protect(half, PLAN, INSTRUMENT, orders=orders)
    assert {order.number for order in first.to_cancel} == {1, 2, 3}
    assert [each.wanted.role for each in first.to_place] == [OrderRole.STOP]
    orders = after(orders, first)
    second = protect(half, PLAN, INSTRUMENT, orders=orders)
    assert [order.role for order in second.to_cancel] == [OrderRole.STOP]
    assert [(each.wanted.number, each.wanted.quantity, each.revision) for each in second.to_place] == [
        (1, D(1), 1), (2, D(1), 1), (3, D(3), 1),
    ]  # fmt: skip
    assert not protect(half, PLAN, INSTRUMENT, orders=after(orders, second))


def test_a_partly_filled_target_order_is_left_resting() -> None:
    orders = opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))
    partly = [replace(o, filled=D(1), state=OrderState.PARTIALLY_FILLED) if o.number == 1 else o for o in orders]
    changes = protect(replace(POSITION, quantity=D(9)), PLAN, INSTRUMENT, orders=partly)
    assert changes.to_cancel == ()
    assert [each.wanted.role for each in changes.to_place] == [OrderRole.STOP]


def test_fills_of_earlier_revisions_count() -> None:
    orders = opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))
    first = replace(orders[1], filled=D(1), state=OrderState.CANCELLED)
    second = replace(orders[1], id="y", revision=1, filled=D(1), state=OrderState.PARTIALLY_FILLED)
    assert target_fills([*orders[:1], first, second]) == {1: D(2)}


def test_an_order_ended_by_hand_is_placed_again_under_a_new_id() -> None:
    orders = opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))
    gone = [replace(orders[0], state=OrderState.CANCELLED), *orders[1:]]
    again = protect(POSITION, PLAN, INSTRUMENT, orders=gone)
    assert [(each.wanted.role, each.revision) for each in again.to_place] == [(OrderRole.STOP, 1)]


def test_a_closed_position_takes_its_orders_away() -> None:
    orders = opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))
    closed = replace(POSITION, status=PositionStatus.CLOSED, quantity=ZERO)
    changes = protect(closed, PLAN, INSTRUMENT, orders=orders)
    assert len(changes.to_cancel) == 4
    assert changes.to_place == ()


def test_two_working_orders_of_one_level_become_one() -> None:
    stop = opened(converge(desired(POSITION, PLAN, INSTRUMENT)[:1], []))[0]
    twin = replace(stop, id="twin", revision=1)
    changes = converge(desired(POSITION, PLAN, INSTRUMENT)[:1], [stop, twin])
    assert changes.to_cancel == (stop,)
    assert changes.to_place == ()


def test_entries_are_none_of_its_business() -> None:
    entry = replace(opened(protect(POSITION, PLAN, INSTRUMENT, orders=[]))[0], role=OrderRole.ENTRY, reduce_only=False)
    assert converge([], [entry]) == Changes()


def test_with_working_orders_only_the_floor_keeps_ids_unique() -> None:
    changes = converge(desired(POSITION, PLAN, INSTRUMENT)[:1], [], revision_floor=4)
    assert [each.revision for each in changes.to_place] == [4]


def test_targets_filled_in_turn_leave_the_rest_of_the_ladder_untouched() -> None:
    levels = tuple(TargetLevel(number, D(100 + number), D(number) / 7) for number in (1, 2, 4))
    position = replace(POSITION, quantity=D(7), initial_quantity=D(7), targets=levels, stop_loss=None)
    orders = opened(protect(position, PLAN, INSTRUMENT, orders=[]))
    assert [order.quantity for order in orders] == [D(1), D(2), D(4)]
    for hits, left in ((1, D(6)), (2, D(4))):
        orders = [
            replace(o, state=OrderState.FILLED, filled=o.quantity) if i < hits else o for i, o in enumerate(orders)
        ]
        done = tuple(replace(level, hit_at=NOW) if i < hits else level for i, level in enumerate(levels))
        assert not protect(replace(position, quantity=left, targets=done), PLAN, INSTRUMENT, orders=orders)
