"""The kill switch, the limits and the circuit breaker, each from its setting to the order that is not sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from modules.domain.errors import Conflict, Rejected
from modules.domain.plans import Limits, OppositeRule, Sizing
from modules.domain.positions import PositionStatus
from modules.trading import safety
from modules.trading.risk import HardLimits
from modules.trading.safety import Scope, Stage
from modules.trading.safety_state import change, state_of
from tests.flows.test_exchange_trouble import wait
from tests.flows.test_trading_entries import TWO_LEGS, assert_books_agree, working
from tests.flows.troubled_exchange import TroubledExchange
from tests.flows.world import ENTRY, World

ETH = "#ETH/USDT LONG\nEntry: 3000\nStop Loss: 2900\nTargets: 3100 - 3200"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.account()
    made.price("BTCUSDT", "60000")
    made.price("ETHUSDT", "3000")
    yield made
    made.close()


def stop(world: World, stage: Stage, scope: Scope = Scope.GLOBAL, scope_id: str = "") -> None:
    now = world.clock.now()
    change(world.store, scope, scope_id, lambda state: safety.kill(state, "test", now, stage=stage), now)
    world.settle()


def resume(world: World, scope: Scope = Scope.GLOBAL, scope_id: str = "") -> None:
    now = world.clock.now()
    change(world.store, scope, scope_id, lambda state: safety.resume(state, "test", now), now)
    world.settle()


def refusals(world: World) -> list[str]:
    return [each["rule"] for each in world.events("TradeRefused", "RequestRefused")]


def lose(world: World, number: int) -> None:
    """One trade that is stopped out, with prices of its own so that it repeats no other."""
    price = 60_000 + number * 10
    world.price("BTCUSDT", str(price))
    world.say(f"#BTC/USDT LONG\nEntry: {price}\nStop Loss: {price - 1000}\nTargets: {price + 1000}", f"loss-{number}")
    world.settle()
    world.price("BTCUSDT", str(price - 1000))


def test_a_stop_blocks_entries_and_leaves_targets_stops_and_closing(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    stop(world, Stage.REDUCING)
    world.say(ETH, "2")
    world.settle()
    assert refusals(world) == ["safety_reducing"]
    world.price("BTCUSDT", "61000")
    assert world.position().targets[0].hit_at is not None
    assert world.position().stop_loss == Decimal(60_000)
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)


def test_flatten_closes_all_takes_entries_back_and_locks(world: World) -> None:
    world.account("a2")
    world.say(ENTRY)
    world.price("ETHUSDT", "3050")
    world.say(ETH, "2")
    world.settle()
    assert len(working(world)) == 10
    stop(world, Stage.FLATTEN)
    for account in ("a1", "a2"):
        assert world.position(account).status is PositionStatus.CLOSED
        assert str(world.position(account).close_reason).startswith("flatten")
    assert working(world) == []
    assert state_of(world.store, Scope.GLOBAL).stage is Stage.LOCKED
    assert_books_agree(world, "a1", "a2")
    world.price("ETHUSDT", "3000")
    assert len(world.positions()) == 1


def test_flatten_with_nothing_but_waiting_entries_locks(world: World) -> None:
    world.price("BTCUSDT", "60100")
    world.say(TWO_LEGS)
    world.settle()
    stop(world, Stage.FLATTEN)
    assert working(world) == []
    assert state_of(world.store, Scope.GLOBAL).stage is Stage.LOCKED


def test_flatten_can_not_be_resumed_halfway(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    now = world.clock.now()
    change(world.store, Scope.GLOBAL, "", lambda state: safety.kill(state, "t", now, stage=Stage.FLATTEN), now)
    with pytest.raises(Conflict):
        resume(world)


def test_flatten_asks_again_until_the_exchange_closes(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    exchange = TroubledExchange(world.stage.paper)
    world.stage.desk._parts.exchanges["paper"] = exchange  # type: ignore[index]
    exchange.break_down("submit", Rejected("try later"), times=3)
    stop(world, Stage.FLATTEN)
    assert world.position().status is PositionStatus.OPEN
    for _ in range(5):
        wait(world, 6)
    assert world.position().status is PositionStatus.CLOSED
    assert len(exchange.submitted) == 4
    assert state_of(world.store, Scope.GLOBAL).stage is Stage.LOCKED
    assert_books_agree(world)


def test_flatten_without_a_price_closes_when_the_price_is_back(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    world.clock.advance(300)
    stop(world, Stage.FLATTEN)
    assert world.position().status is PositionStatus.OPEN
    wait(world)
    wait(world)
    assert world.position().status is PositionStatus.CLOSED
    assert state_of(world.store, Scope.GLOBAL).stage is Stage.LOCKED


def test_the_kill_file_stops_by_being_there(world: World) -> None:
    world.stage.parts.kill_file.touch()
    world.say(ENTRY)
    world.settle()
    assert refusals(world) == ["safety_reducing"]
    world.stage.parts.kill_file.unlink()
    world.say(ETH, "2")
    world.settle()
    assert world.position().symbol == "ETHUSDT"
    world.stage.parts.kill_file.write_text("flatten now!")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED
    world.stage.parts.kill_file.unlink()
    world.stage.parts.kill_file.mkdir()  # can't be read as a file: that stops too
    world.say(ENTRY.replace("63000", "64000"), "3")
    world.settle()
    assert len(world.positions()) == 1


def test_a_stop_for_one_user_or_account_stops_no_other(world: World) -> None:
    world.account("a2")
    world.account("a3")
    stop(world, Stage.REDUCING, Scope.USER, "user-a2")
    stop(world, Stage.REDUCING, Scope.ACCOUNT, "a3")
    world.say(ENTRY)
    world.settle()
    assert [len(world.positions(each)) for each in ("a1", "a2", "a3")] == [1, 0, 0]
    stop(world, Stage.FLATTEN, Scope.USER, "user-a1")
    assert world.position("a1").status is PositionStatus.CLOSED
    assert state_of(world.store, Scope.USER, "user-a1").stage is Stage.LOCKED


def test_a_pause_ends_by_itself(world: World) -> None:
    now = world.clock.now()
    change(world.store, Scope.GLOBAL, "", lambda state: safety.pause(state, "t", now, duration=timedelta(hours=1)), now)
    world.say(ENTRY)
    world.settle()
    assert refusals(world) == ["safety_paused"]
    wait(world, 3601)
    world.say(ENTRY.replace("63000", "64000"), "2")
    world.settle()
    assert world.position().status is PositionStatus.OPEN
    assert state_of(world.store, Scope.GLOBAL).stage is Stage.ACTIVE


@pytest.mark.parametrize(
    ("hard", "rule"),
    [
        ({"max_order_value": Decimal(100)}, "hard_max_order_value"),
        ({"max_position_value": Decimal(100)}, "hard_max_position_value"),
        ({"max_orders_per_minute": 0}, "hard_max_orders_per_minute"),
        ({"max_daily_loss": Decimal(0)}, "hard_max_daily_loss"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_setting_exceeds_the_operators_maximum(tmp_path: Path, hard: dict[str, Any], rule: str) -> None:
    world = World(tmp_path, hard=replace(HardLimits(), **hard))
    world.account(
        limits=Limits(None, None, None, None, None, None), sizing=Sizing.FIXED, size=Decimal(5000), leverage_cap=Decimal(100)
    )  # fmt: skip
    world.price("BTCUSDT", "60000")
    world.say(ENTRY)
    world.settle()
    held = sum((each.quantity * each.average_price for each in world.positions()), Decimal())
    assert rule in refusals(world) or Decimal() < held <= 100
    world.close()


def test_leverage_is_lowered_to_the_operators_maximum(tmp_path: Path) -> None:
    world = World(tmp_path, hard=HardLimits(max_leverage=Decimal(3)))
    world.account(leverage_cap=Decimal(100))
    world.price("BTCUSDT", "60000")
    world.say(ENTRY)
    world.settle()
    assert world.position().leverage == 3
    world.close()


def test_the_daily_loss_stops_new_trades_until_resumed(world: World) -> None:
    world.account(limits=replace(Limits(), max_daily_loss_percent=Decimal("1.5")))
    lose(world, 1)
    lose(world, 2)
    lose(world, 3)
    assert len(world.positions()) == 2
    assert refusals(world) == ["max_daily_loss"]
    resume(world)
    lose(world, 4)
    assert len(world.positions()) == 3


def test_the_daily_loss_begins_anew_at_midnight(world: World) -> None:
    world.account(limits=replace(Limits(), max_daily_loss_percent=Decimal("1.5")))
    lose(world, 1)
    lose(world, 2)
    world.clock.advance(12 * 3600)
    lose(world, 3)
    assert len(world.positions()) == 3


def test_the_operators_daily_loss_is_not_lifted_by_a_users_resume(tmp_path: Path) -> None:
    world = World(tmp_path, hard=HardLimits(max_daily_loss=Decimal(150)))
    world.account()
    lose(world, 1)
    lose(world, 2)
    for scope, name in ((Scope.ACCOUNT, "a1"), (Scope.USER, "user-a1")):
        resume(world, scope, name)
        lose(world, 3 if scope is Scope.ACCOUNT else 4)
    assert len(world.positions()) == 2
    assert refusals(world) == ["hard_max_daily_loss"] * 2
    resume(world)
    lose(world, 5)
    assert len(world.positions()) == 3
    world.close()


def test_too_many_open_trades_are_refused(world: World) -> None:
    world.account(limits=replace(Limits(), max_open_positions=1))
    world.say(ENTRY)
    world.settle()
    world.say(ETH, "2")
    world.settle()
    assert refusals(world) == ["max_open_positions"]
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    world.say(ETH.replace("3200", "3300"), "4")
    world.settle()
    assert len(world.positions()) == 2


def test_two_calls_in_one_turn_keep_the_limit_too(world: World) -> None:
    world.account(limits=replace(Limits(), max_open_positions=1))
    world.say(ENTRY)
    world.say(ETH, "2")
    world.settle()
    assert len(world.positions()) == 1
    assert refusals(world) == ["max_open_positions"]


def test_a_cool_down_and_trades_per_day_hold(world: World) -> None:
    world.account(limits=replace(Limits(), cooldown_seconds=600, max_trades_per_day=2))
    world.say(ENTRY)
    world.settle()
    world.say(ETH, "2")
    world.settle()
    wait(world, 601)
    world.price("ETHUSDT", "3000")
    world.say(ETH.replace("3200", "3300"), "3")
    world.settle()
    wait(world, 601)
    world.price("ETHUSDT", "3000")
    world.say(ETH.replace("3200", "3400"), "4")
    world.settle()
    assert refusals(world) == ["cooldown", "max_trades_per_day"]


def test_losses_in_a_row_stop_and_a_resume_frees(world: World) -> None:
    world.account(limits=replace(Limits(), max_losses_in_row=2))
    for number in range(1, 4):
        lose(world, number)
    assert refusals(world) == ["max_losses_in_row"]
    resume(world, Scope.ACCOUNT, "a1")
    lose(world, 4)
    assert len(world.positions()) == 3


def test_the_circuit_breaker_pauses_the_account_and_only_that(world: World) -> None:
    world.account("a2", sources=("other",))
    for number in range(1, 7):
        lose(world, number)
    assert len(world.positions()) == 5
    paused = state_of(world.store, Scope.ACCOUNT, "a1")
    assert (paused.stage, paused.by) == (Stage.PAUSED, "circuit breaker")
    assert "5 losses" in paused.reason
    assert [each["scope_id"] for each in world.events("SafetyChanged")] == ["a1"]
    assert refusals(world) == ["safety_paused"]
    world.say(ENTRY, "other-1", source="other")
    wait(world, 5)
    assert len(world.positions("a2")) == 1
    wait(world, 3601)
    lose(world, 8)
    assert len(world.positions()) == 6  # counted anew from the pause's end


def test_the_circuit_breaker_trips_on_a_drawdown(world: World) -> None:
    world.account(size=Decimal(8), limits=Limits(None, None, None, None, None, None))
    for number in range(1, 6):
        lose(world, number)
        wait(world, 3601)
    assert any("below the highest equity" in each["reason"] for each in world.events("SafetyChanged"))


def test_opposite_signals_close_skip_or_stand_side_by_side(world: World) -> None:
    for name, rule in (("a2", OppositeRule.SKIP), ("a3", OppositeRule.HEDGE)):
        world.account(name, opposite=rule)
    world.say(ENTRY)
    world.settle()
    world.clock.advance(600)
    world.price("BTCUSDT", "60200")
    world.say("#BTC/USDT SHORT\nEntry: 60200\nStop Loss: 61200\nTargets: 59200 - 58200", "2")
    world.settle()
    status = {each: [position.status.value for position in world.positions(each)] for each in ("a1", "a2", "a3")}
    assert status == {"a1": ["closed", "open"], "a2": ["open"], "a3": ["open", "open"]}
    assert_books_agree(world, "a1", "a2", "a3")


def test_a_price_beyond_sense_closes_nothing(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    position = world.position()
    request = {
        **world.store["order_requests"].all()[0],
        "id": "typo", "kind": "close", "role": "close", "share": None, "quantity": "0.01", "price": "1.5", "status": "pending",
    }  # fmt: skip
    world.store["order_requests"].insert(request)
    world.settle()
    assert refusals(world) == ["absurd_price"]
    assert world.position().quantity == position.quantity
