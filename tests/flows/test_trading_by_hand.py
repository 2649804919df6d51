"""Trades that a person opens and changes by hand pass the same planner, limits, kill switch and desk as signals do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from modules.domain.errors import InvalidInput
from modules.domain.orders import Order, OrderRequest, OrderRole, WantedTarget
from modules.domain.people import Account
from modules.domain.plans import Sizing, Trailing, TrailKind
from modules.domain.positions import PositionStatus
from modules.domain.sides import Side
from modules.records import from_document
from modules.trading import advanced_book, manual, manual_waiting, safety
from modules.trading.manual import OpenWish
from modules.trading.orders_by_hand import ask_open, outcome_of_open, outcome_of_request
from modules.trading.requests import ask
from modules.trading.safety import Scope
from modules.trading.safety_state import change
from tests.flows.world import World

D = Decimal


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.price("BTCUSDT", "60000")
    yield made
    made.close()


def wish(world: World, account: Account, key: str = "k1", **fields: Any) -> OpenWish:
    given: dict[str, Any] = {"stop_loss": D(59000), "targets": (D(61000), D(62000)), **fields}
    return OpenWish(
        key=key,
        user_id=account.user_id,
        account_id=account.id,
        symbol="BTCUSDT",
        side=Side.LONG,
        asked_at=world.clock.now(),
        **given,
    )


def open_it(world: World, account: Account, **fields: Any) -> OpenWish:
    made = wish(world, account, **fields)
    with world.store.transaction() as tx:
        ask_open(world.store, tx, made, account)
    world.settle()
    return made


def send(world: World, request: OrderRequest) -> OrderRequest:
    with world.store.transaction() as tx:
        ask(world.store, tx, [request])
    world.settle()
    return request


def targets_resting(world: World, account: Account) -> dict[Decimal | None, Decimal]:
    orders = [from_document(Order, each) for each in world.store["orders"].all()]
    return {
        each.price: each.remaining
        for each in orders
        if each.role is OrderRole.TARGET and each.state.working and each.account_id == account.id
    }


def test_a_market_order_of_a_named_quantity_opens_with_its_stop_and_targets(world: World) -> None:
    account = world.account(autotrade=False, sources=())
    made = open_it(world, account, quantity=D("0.01"))
    assert outcome_of_open(world.store, made.plan_id).status == "done"
    position = world.position()
    assert (position.quantity, position.stop_loss, position.plan_id) == (D("0.01"), D(59000), made.plan_id)
    assert targets_resting(world, account) == {D(61000): D("0.005"), D(62000): D("0.005")}
    assert not world.store["signals"].all()


def test_asking_twice_under_one_key_opens_once(world: World) -> None:
    account = world.account()
    made = open_it(world, account, quantity=D("0.01"))
    with world.store.transaction() as tx:
        assert not ask_open(world.store, tx, made, account)
    open_it(world, account, quantity=D("0.01"))
    assert len(world.positions()) == 1
    open_it(world, account, key="another", quantity=D("0.01"))
    assert len(world.positions()) == 2


def test_size_by_risk_is_the_loss_at_the_stop(world: World) -> None:
    account = world.account()
    open_it(world, account, sizing=Sizing.RISK_PERCENT, size=D(2))
    position = world.position()
    lost = position.quantity * 1000
    assert D(185) < lost <= D(200)  # two percent of ten thousand, fees included


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"stop_loss": D(60500)}, "beyond_stop"),
        ({"targets": (D(59500),), "stop_loss": D(59000)}, "target_passed"),
        ({"stop_loss": None}, "no_stop"),
        ({"quantity": D("0.0000001")}, "below_min_quantity"),
    ],
)
def test_a_rule_that_says_no_says_why(world: World, fields: dict[str, Any], rule: str) -> None:
    account = world.account()
    made = open_it(world, account, **fields)
    outcome = outcome_of_open(world.store, made.plan_id)
    assert outcome.status == "refused"
    assert outcome.refusal is not None
    assert outcome.refusal.rule == rule
    assert outcome.refusal.sentence
    assert not world.positions()


def test_a_stopped_account_opens_nothing(world: World) -> None:
    account = world.account()
    now = world.clock.now()
    change(world.store, Scope.USER, account.user_id, lambda state: safety.kill(state, "test", now), now)
    made = open_it(world, account, quantity=D("0.01"))
    outcome = outcome_of_open(world.store, made.plan_id)
    assert outcome.refusal is not None
    assert outcome.refusal.rule == "safety_reducing"
    assert not world.positions()


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": D(1), "sizing": Sizing.FIXED, "size": D(1)},
        {"sizing": Sizing.RISK_PERCENT},
        {"size": D(5)},
        {"sizing": Sizing.RISK_PERCENT, "size": D(101)},
        {"quantity": D(0)},
        {"stop_loss": D(-1)},
        {"leverage": D(0)},
        {"targets": (D(0),)},
        {"target_shares": (D(1),)},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_at_once(world: World, fields: dict[str, Any]) -> None:
    account = world.account()
    with pytest.raises(InvalidInput) as caught:
        wish(world, account, **fields)
    assert caught.value.fields


def test_targets_are_replaced_and_those_hit_stay(world: World) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"), targets=(D(61000), D(62000)))
    world.price("BTCUSDT", "61100")
    assert world.position().quantity == D("0.01")
    wanted = [WantedTarget(D(63000), D("0.25")), WantedTarget(D(61500), D("0.75"))]
    send(world, manual.setting_targets(world.position(), "t1", world.clock.now(), targets=wanted))
    assert targets_resting(world, account) == {D(61500): D("0.007"), D(63000): D("0.003")}
    world.price("BTCUSDT", "61600", "63100")
    position = world.position()
    assert (position.status, position.close_reason) == (PositionStatus.CLOSED, "targets")
    assert [each.price for each in position.targets] == [D(61000), D(61500), D(63000)]


def test_a_position_without_targets_waits_for_its_stop(world: World) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"))
    send(world, manual.setting_targets(world.position(), "t1", world.clock.now(), targets=[]))
    assert targets_resting(world, account) == {}
    world.price("BTCUSDT", "64000")
    assert world.position().status is PositionStatus.OPEN


@pytest.mark.parametrize(
    ("price", "rule"), [(D(58000), "target_wrong_side"), (D(60900), "target_passed"), (D(61000), "target_passed")]
)
def test_a_target_on_the_wrong_side_is_refused(world: World, price: Decimal, rule: str) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"))
    world.price("BTCUSDT", "61100")
    request = manual.setting_targets(world.position(), "t1", world.clock.now(), targets=[WantedTarget(price, D(1))])
    send(world, request)
    outcome = outcome_of_request(world.store, request.id)
    assert outcome.refusal is not None
    assert outcome.refusal.rule in (rule, "target_wrong_side")
    assert [each.price for each in world.position().targets] == [D(61000), D(62000)]


def test_the_stop_moves_where_the_person_says_even_further_away(world: World) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"))
    send(world, manual.moving_stop(world.position(), "s1", world.clock.now(), price=D(58500)))
    assert world.position().stop_loss == D(58500)
    send(world, manual.moving_stop(world.position(), "s2", world.clock.now(), price=None))
    assert world.position().stop_loss == round(world.position().average_price, 1)


def test_a_part_is_closed_and_then_the_rest(world: World) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"))
    send(world, manual.closing(world.position(), "c1", world.clock.now(), share=D("0.5")))
    assert world.position().quantity == D("0.01")
    send(world, manual.closing(world.position(), "c1", world.clock.now(), share=D("0.5")))  # the same key again
    assert world.position().quantity == D("0.01")
    send(world, manual.closing(world.position(), "c2", world.clock.now()))
    assert world.position().status is PositionStatus.CLOSED
    assert world.position().close_reason == "user"


def test_a_waiting_entry_is_taken_back(world: World) -> None:
    account = world.account()
    made = open_it(world, account, quantity=D("0.02"), price=D(59500))
    (order,) = [from_document(Order, each) for each in world.store["orders"].all()]
    send(world, manual.cancelling(order, "x1", world.clock.now()))
    assert world.store["orders"].all()[0]["state"] == "cancelled"
    assert world.store["plans"].get(key=made.plan_id)["status"] == "done"  # type: ignore[index]


def test_a_protective_order_is_not_taken_back(world: World) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"))
    orders = [from_document(Order, each) for each in world.store["orders"].all()]
    for order in orders:
        if order.role in (OrderRole.STOP, OrderRole.TARGET):
            with pytest.raises(InvalidInput):
                manual.cancelling(order, "x1", world.clock.now())


def test_a_trail_by_hand_follows_and_only_tightens(world: World) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"), targets=())
    rule = manual_waiting.trailing_rule(
        world.position(), percent=D(2), amount=None, activation_price=None, price=D(60000)
    )
    assert rule == Trailing(TrailKind.PERCENT, D(2))
    trail = manual_waiting.trailing_stop(world.position(), "t", world.clock.now(), trailing=rule, price=D(60000))
    advanced_book.place(world.store, trail)
    world.settle()
    world.price("BTCUSDT", "60100")  # two percent below is 58,898: looser than the stop that stands
    assert world.position().stop_loss == D(59000)
    world.price("BTCUSDT", "63000")
    assert world.position().stop_loss == D("61740")
    world.price("BTCUSDT", "61700")
    assert world.position().status is PositionStatus.CLOSED
    assert world.store["advanced_orders"].all()[0]["status"] == "cancelled"


def test_an_activation_is_counted_from_the_price(world: World) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"))
    position = world.position()
    rule = manual_waiting.trailing_rule(
        position, percent=None, amount=D(500), activation_price=D(61200), price=D(60000)
    )
    assert (rule.kind, rule.distance, rule.activation_percent) == (TrailKind.AMOUNT, D(500), D(2))
    with pytest.raises(InvalidInput):
        manual_waiting.trailing_rule(position, percent=None, amount=D(500), activation_price=D(59000), price=D(60000))
    with pytest.raises(InvalidInput):
        manual_waiting.trailing_rule(position, percent=D(1), amount=D(500), activation_price=None, price=D(60000))


def test_one_side_of_an_oco_ends_the_other(world: World) -> None:
    account = world.account()
    open_it(world, account, quantity=D("0.02"), targets=())
    now = world.clock.now()
    pair = manual_waiting.oco_pair(
        world.position(), "o", now, take_profit=D(61000), stop_loss=D(59500), quantity=D("0.01")
    )
    assert advanced_book.place(world.store, pair)
    assert not advanced_book.place(world.store, pair)
    world.settle()
    world.price("BTCUSDT", "60100", "61050", "59400")
    assert world.position().quantity == D("0.01")
    for fields in ({"take_profit": D(59900)}, {"stop_loss": D(61500)}, {"quantity": D(1)}):
        given: dict[str, Any] = {"take_profit": D(61000), "stop_loss": D(59500), **fields}
        with pytest.raises(InvalidInput):
            manual_waiting.oco_pair(world.position(), "o", now, **given)


def test_the_settings_of_a_wish_touch_nothing_else(world: World) -> None:
    account = world.account(autotrade=False)
    made = wish(world, account, target_shares=(D("0.3"), D("0.7")))
    changed = manual.settings_for(account.settings, made)
    assert changed.target_shares == (D("0.3"), D("0.7"))
    kept = replace(
        changed, autotrade=False, sources=account.settings.sources, target_shares=account.settings.target_shares
    )
    assert kept == account.settings
