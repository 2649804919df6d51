"""Closes that the exchange refuses or loses, and levels it would not hold: tried again until the position is closed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from modules.domain.errors import OutcomeUnknown, Rejected
from modules.domain.orders import OrderRequest, OrderRole, WantedTarget
from modules.domain.plans import ExitRules
from modules.domain.ports import OrderReport
from modules.domain.positions import PositionStatus
from modules.trading import manual
from modules.trading.closing_again import MOST_TRIES
from modules.trading.requests import ask
from tests.fakes.board import Listed
from tests.flows.test_exchange_trouble import orders, wait, with_refused
from tests.flows.test_trading_entries import TWO_LEGS, assert_books_agree, working
from tests.flows.troubled_exchange import TroubledExchange
from tests.flows.world import ENTRY, World

NO = Rejected("the exchange does not take it")
SILENT = OutcomeUnknown("no answer within 10 s")


def wish(world: World, request: OrderRequest) -> None:
    with world.store.transaction() as tx:
        ask(world.store, tx, [request])
    world.settle()


def test_a_close_that_was_refused_is_sent_again(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    exchange.break_down("submit", NO, times=2)
    world.say("Close this trade now", "2", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.OPEN
    wait(world, 2)
    wait(world, 3)
    closed = world.position()
    assert (closed.status, closed.close_reason) == (PositionStatus.CLOSED, "closed by source")
    assert [each.state.value for each in orders(world, OrderRole.CLOSE)] == ["rejected", "rejected", "filled"]
    assert working(world) == []
    assert_books_agree(world)


def test_a_close_in_doubt_that_is_refused_in_the_end_is_sent_again(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    exchange.break_down("submit", SILENT)
    exchange.break_down("submit", NO)
    world.say("Close this trade now", "2", reply_to="1")
    world.settle()
    wait(world, 2)
    wait(world, 2)
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)


def test_a_half_that_was_refused_closes_a_half(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    whole = world.position().quantity
    exchange.break_down("submit", NO)
    wish(world, manual.closing(world.position(), "k", world.clock.now(), share=Decimal("0.5")))
    wait(world, 2)
    (_, second) = orders(world, OrderRole.CLOSE)
    assert world.position().quantity == whole - second.filled
    assert world.position().quantity < whole


def test_a_close_is_given_up_after_some_tries_and_people_are_told(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    exchange.break_down("submit", NO, times=MOST_TRIES)
    world.say("Close this trade now", "2", reply_to="1")
    for _ in range(MOST_TRIES + 3):
        wait(world)
    assert len(orders(world, OrderRole.CLOSE)) == MOST_TRIES
    (alarm,) = world.events("Alarm")
    assert "still open" in alarm["sentence"]
    refused = [each for each in world.store["refusals"].all() if each["rule"] == "not_closed"]
    assert len(refused) == 1
    assert [each for each in world.store["order_requests"].all() if each["status"] == "pending"] == []
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED


def test_a_refused_stop_whose_close_is_refused_too_is_closed_in_the_end(
    world: World, exchange: TroubledExchange
) -> None:
    with_refused(world, exchange, 0)
    exchange.break_down("submit", NO, times=MOST_TRIES + 2)
    world.price("BTCUSDT", "58990")
    for _ in range(MOST_TRIES + 6):
        wait(world, price="58990")
    assert exchange.before["submit"] == []
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)


def test_a_stop_passed_while_its_order_was_in_doubt_and_then_refused(world: World, exchange: TroubledExchange) -> None:
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    exchange.before["submit"] = [SILENT, None, None, None, NO]
    world.price("BTCUSDT", "60000")
    world.price("BTCUSDT", "58990", "58980")
    for _ in range(3):
        wait(world, 3, price="58980")
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)


def test_a_refused_target_whose_close_is_refused_is_tried_again_beyond_it(
    world: World, exchange: TroubledExchange
) -> None:
    with_refused(world, exchange, 1)
    exchange.break_down("submit", NO, times=2)
    world.price("BTCUSDT", "61010")
    world.settle()
    for _ in range(3):
        wait(world, price="61020")
    first, second, third = world.position().targets
    assert (first.hit_at is not None, second.hit_at, third.hit_at) == (True, None, None)
    assert [event["number"] for event in world.events("TargetHit")] == [1]
    assert_books_agree(world)


def test_targets_changed_after_one_was_hit_keep_a_position_followed_over_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, listed=Listed(lot="0.03"))
    world.account(exits=ExitRules(break_even_after=None))
    world.price("BTCUSDT", "60000")
    world.say(ENTRY.replace("61000 - 62000 - 63000", "61000 - 62000"))
    world.settle()
    odd = world.position().quantity
    world.price("BTCUSDT", "61000")
    assert world.position().quantity * 2 > odd  # whole lots: less than the half was closed
    wanted = [WantedTarget(Decimal(63_000), Decimal(1))]
    wish(world, manual.setting_targets(world.position(), "k", world.clock.now(), targets=wanted))
    assert sum(each.share for each in world.position().targets) <= 1
    world.close()
    again = World(tmp_path, world.clock, listed=Listed(lot="0.03"))
    again.settle(reconcile=True)
    assert any(again.position().id in monitor.book for monitor in again.stage.monitors)
    again.price("BTCUSDT", "64000")
    assert again.position().status is PositionStatus.CLOSED
    again.close()


def test_a_stop_told_before_the_entry_it_closes_books_both(world: World, exchange: TroubledExchange) -> None:
    held: list[tuple[str, OrderReport]] = []
    world.price("BTCUSDT", "60100")
    world.say(TWO_LEGS)
    world.settle()
    world.price("BTCUSDT", "60000")
    one = world.position().quantity
    world.stage.paper._listeners[:] = [lambda account_id, report: held.append((account_id, report))]
    world.price("BTCUSDT", "59500")  # the second leg, not told yet
    exchange.break_down("submit", SILENT)
    wish(world, manual.closing(world.position(), "k", world.clock.now(), share=Decimal("0.5")))
    world.price("BTCUSDT", "58990")
    wait(world, 3, price="58990")
    for account_id, report in reversed(held):
        world.stage._reported(account_id, report)
    world.settle(reconcile=True)
    closed = world.position()
    assert closed.initial_quantity > one
    assert (closed.status, closed.close_reason) == (PositionStatus.CLOSED, "stop_loss")
    assert [each for each in world.events("Alarm") if "beyond what" in each["sentence"]] == []
    assert_books_agree(world)
