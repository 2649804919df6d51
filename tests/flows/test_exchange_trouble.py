"""An exchange that loses answers, times out, rejects, fills late, reports twice and forgets: the books still come right."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from modules.domain.errors import OutcomeUnknown, Rejected, Trouble, Unavailable
from modules.domain.orders import Fill, Order, OrderRole, OrderState
from modules.domain.people import Account
from modules.domain.ports import OrderReport, VenuePosition
from modules.domain.positions import PositionStatus
from modules.domain.sides import Side
from modules.records import from_document
from modules.trading.safety import Scope, kill
from modules.trading.safety_state import change
from tests.flows.test_trading_entries import TWO_LEGS, assert_books_agree, working
from tests.flows.troubled_exchange import TroubledExchange
from tests.flows.world import ENTRY, World

SILENT = OutcomeUnknown("no answer within 10 s")
DOWN = Unavailable("503")


def wait(world: World, seconds: float = 40, *, price: str = "60000") -> None:
    """Time passes with prices coming in, and everything takes its turns."""
    world.clock.advance(seconds)
    world.price("BTCUSDT", price)
    world.settle()


def orders(world: World, role: OrderRole | None = None) -> list[Order]:
    found = [from_document(Order, each) for each in world.store["orders"].all()]
    return [each for each in found if role is None or each.role is role]


def resting_stops(world: World) -> list[dict[str, Any]]:
    found = world.store["paper_orders"].all()
    return [each for each in found if each["type"] == "stop_market" and each["state"] == "open"]


@pytest.mark.parametrize("after", [False, True], ids=["before it took", "after it took"])
@pytest.mark.parametrize("error", [SILENT, DOWN], ids=["silent", "down"])
def test_an_entry_without_an_answer_is_asked_about_and_becomes_one_position(
    world: World, exchange: TroubledExchange, error: Trouble, *, after: bool
) -> None:
    exchange.break_down("submit", error, after=after)
    world.say(ENTRY)
    world.settle()
    assert orders(world)[0].state is OrderState.UNKNOWN
    wait(world, 2)
    assert world.position().quantity == orders(world, OrderRole.ENTRY)[0].quantity
    assert len({each.id for each in exchange.submitted if each.role is OrderRole.ENTRY}) == 1
    assert len([each for each in world.store["paper_orders"].all() if not each["reduce_only"]]) == 1
    assert_books_agree(world)


def test_a_stop_without_an_answer_does_not_stay_away_for_long(world: World, exchange: TroubledExchange) -> None:
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    exchange.break_down("submit", SILENT)
    world.price("BTCUSDT", "60000")
    assert resting_stops(world) == []
    wait(world, 2)
    assert len(resting_stops(world)) == 1
    world.price("BTCUSDT", "59000")
    assert world.position().close_reason == "stop_loss"
    assert_books_agree(world)


def test_silence_is_met_with_patience_not_with_a_flood(world: World, exchange: TroubledExchange) -> None:
    exchange.break_down("submit", SILENT)
    exchange.break_down("fetch", SILENT, times=100)
    world.say(ENTRY)
    for _ in range(120):
        world.clock.advance(1)
        world.settle()
    asked = 100 - len(exchange.before["fetch"])
    assert 3 <= asked <= 10
    exchange.before["fetch"].clear()
    wait(world)
    assert world.position().status is PositionStatus.OPEN


def test_a_cancel_without_an_answer_is_repeated_until_the_entry_is_gone(
    world: World, exchange: TroubledExchange
) -> None:
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    exchange.break_down("cancel", SILENT, times=6)
    world.say("Signal cancelled", "2", reply_to="1")
    world.settle()
    assert len(working(world)) == 1
    for _ in range(5):
        wait(world, price="60100")
    assert working(world) == []
    assert world.store["plans"].all()[0]["status"] == "done"
    wait(world, price="60000")
    assert world.positions() == []


def test_an_entry_called_off_while_in_doubt_is_not_sent_again(world: World, exchange: TroubledExchange) -> None:
    world.price("BTCUSDT", "60100")
    exchange.break_down("submit", SILENT)
    world.say(ENTRY)
    world.settle()
    world.say("Signal cancelled", "2", reply_to="1")
    world.settle()
    wait(world)
    assert len(exchange.submitted) == 1
    assert working(world) == []
    assert world.store["plans"].all()[0]["status"] == "done"


def test_an_entry_in_doubt_is_not_sent_again_while_trading_is_stopped(world: World, exchange: TroubledExchange) -> None:
    exchange.break_down("submit", SILENT)
    world.say(ENTRY)
    world.settle()
    change(world.store, Scope.GLOBAL, "", lambda state: kill(state, "test", world.clock.now()), world.clock.now())
    wait(world, 2)
    assert len(exchange.submitted) == 1
    assert world.positions() == []
    assert orders(world)[0].state is OrderState.CANCELLED


def test_a_market_entry_is_not_sent_long_after_its_moment(world: World, exchange: TroubledExchange) -> None:
    exchange.break_down("submit", SILENT)
    exchange.break_down("fetch", SILENT, times=6)
    world.say(ENTRY.replace("Entry: 60000", "Entry: market"))
    world.settle()
    for _ in range(10):
        wait(world)
    assert len(exchange.submitted) == 1
    assert orders(world)[0].state is OrderState.CANCELLED
    assert world.store["plans"].all()[0]["status"] == "done"


def test_closing_does_not_wait_for_a_balance(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    exchange.break_down("balance", DOWN, times=50)
    world.say("#ETH/USDT LONG\nEntry: 3000\nStop Loss: 2900\nTargets: 3100", "2")
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)


def test_an_exchange_that_lists_nothing_still_closes(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    exchange.break_down("open_orders", DOWN, times=5)
    world.say("Close this trade now", "3", reply_to="1")
    world.settle(reconcile=True)
    assert world.position().status is PositionStatus.CLOSED
    for _ in range(8):
        wait(world)
    assert exchange.before["open_orders"] == []


def test_a_close_without_an_answer_closes_once(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    exchange.break_down("submit", SILENT, after=True)
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    wait(world, 2)
    assert world.position().status is PositionStatus.CLOSED
    assert len(orders(world, OrderRole.CLOSE)) == 1
    assert_books_agree(world)


def test_a_rejected_stop_raises_an_alarm_and_the_position_can_be_closed(
    world: World, exchange: TroubledExchange
) -> None:
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    exchange.break_down("submit", Rejected("stop orders are not supported"))
    world.price("BTCUSDT", "60000")
    world.settle(reconcile=True)
    assert [each["area"] for each in world.events("Alarm")] == ["protection"]
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED


def with_refused(world: World, exchange: TroubledExchange, skipped: int) -> None:
    """A trade entered, with one protective order refused: the stop, or after `skipped` others a target."""
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    exchange.before["submit"] = [*[None] * skipped, Rejected("not now")]
    world.price("BTCUSDT", "60000")
    world.settle(reconcile=True)
    assert [each.state for each in orders(world)].count(OrderState.REJECTED) == 1


def test_a_stop_the_exchange_refused_is_closed_by_price(world: World, exchange: TroubledExchange) -> None:
    with_refused(world, exchange, 0)
    world.price("BTCUSDT", "58990")
    world.settle()
    assert world.position().quantity == 0
    assert_books_agree(world)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_target_the_exchange_refused_is_closed_by_price(
    world: World, exchange: TroubledExchange, number: int
) -> None:
    with_refused(world, exchange, number)
    wanted = [(each.number, each.quantity) for each in orders(world) if each.role is OrderRole.TARGET]
    for price in ("61010", "62010", "63010")[:number]:
        world.price("BTCUSDT", price)
        world.settle(reconcile=True)
    filled = {each.number: each.filled for each in orders(world) if each.role is OrderRole.TARGET and each.filled}
    assert filled == dict(wanted[:number])
    assert [level.hit_at is not None for level in world.position().targets] == [n < number for n in range(3)]
    assert [event["number"] for event in world.events("TargetHit")] == list(range(1, number + 1))
    assert world.position().close_reason == ("targets" if number == 3 else None)
    assert_books_agree(world)


def test_orders_the_exchange_lost_are_placed_again(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    before = {each["id"] for each in world.store["paper_orders"].all() if each["state"] == "open"}
    for each in before:
        world.store["paper_orders"].remove(key=each)
    world.stage.paper.recover()
    world.settle(reconcile=True)
    after = {each["id"] for each in world.store["paper_orders"].all() if each["state"] == "open"}
    assert len(after) == len(before)
    assert not after & before
    world.price("BTCUSDT", "59000")
    assert world.position().close_reason == "stop_loss"
    assert_books_agree(world)


def test_an_entry_the_exchange_lost_ends_its_plan(world: World, exchange: TroubledExchange) -> None:
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    world.store["paper_orders"].remove(key=orders(world)[0].id)
    world.stage.paper.recover()
    world.settle(reconcile=True)
    assert working(world) == []
    assert world.store["plans"].all()[0]["status"] == "done"


def test_reports_twice_and_in_any_order_change_nothing(world: World, exchange: TroubledExchange) -> None:
    world.price("BTCUSDT", "60100")
    world.say(TWO_LEGS)
    world.settle()
    world.price("BTCUSDT", "60000", "59500", "61000")
    account = from_document(Account, world.store["accounts"].all()[0])
    reports = [asyncio.run(world.stage.paper.fetch_order(account, each)) for each in orders(world)]
    position, wallet, seq = world.position(), world.wallet(), len(world.store["fills"].all())
    for report in [*reports, *reversed(reports)]:
        assert report is not None
        for state in (report.state, OrderState.OPEN, OrderState.PARTIALLY_FILLED):
            world.stage.desk._calls.settle(replace(report, state=state))
    assert (world.position(), world.wallet(), len(world.store["fills"].all())) == (position, wallet, seq)
    assert world.events("Alarm") == []


def test_told_of_a_fill_without_its_trades_the_order_waits_for_them(world: World, exchange: TroubledExchange) -> None:
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    entry = orders(world)[0]
    for state in (OrderState.FILLED, OrderState.CANCELLED):
        world.stage.desk._calls.settle(OrderReport(entry.id, state, world.clock.now(), filled=entry.quantity))
        assert orders(world)[0].state is OrderState.OPEN
    assert world.positions() == []


def test_a_fill_after_its_cancel_was_confirmed_is_closed_again(world: World, exchange: TroubledExchange) -> None:
    world.price("BTCUSDT", "60100")
    world.say(TWO_LEGS)
    world.settle()
    world.price("BTCUSDT", "60000")
    second = orders(world, OrderRole.ENTRY)[1]
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED
    late = Fill(
        "late-1", second.id, "a1", "BTCUSDT", second.action, Decimal(59_500), second.quantity, Decimal(), world.clock.now()
    )  # fmt: skip
    world.store["paper_orders"].update({"filled": str(second.quantity)}, key=second.id)
    hold_at_the_exchange(world, second.quantity)
    world.stage.desk._calls.settle(
        OrderReport(second.id, OrderState.FILLED, world.clock.now(), filled=second.quantity, fills=(late,))
    )
    world.settle()
    closed = world.position()
    assert closed.status is PositionStatus.CLOSED
    assert closed.quantity == 0
    assert closed.close_reason == "closed by source"
    assert working(world) == []
    assert [each["area"] for each in world.events("Alarm")] == ["settlement"]
    assert world.store["plans"].all()[0]["status"] == "done"


def hold_at_the_exchange(world: World, quantity: Decimal) -> None:
    document = world.store["paper_positions"].all()[0]
    world.store["paper_positions"].update({"quantity": str(quantity)}, key=document["id"])
    world.stage.paper.recover()


def test_more_filled_than_ordered_is_an_alarm_and_blocks_nobody(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    entry = orders(world)[0]
    too_much = Fill(
        "x", entry.id, "a1", "BTCUSDT", entry.action, Decimal(60_000), entry.quantity, Decimal(), world.clock.now()
    )
    twice = OrderReport(entry.id, OrderState.FILLED, world.clock.now(), filled=entry.quantity * 2, fills=(too_much,))
    world.stage._reported("a1", twice)
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED
    assert [each["area"] for each in world.events("Alarm")] == ["settlement"]


def closed_by_hand(world: World, *parts: str, name: str = "web-1") -> OrderReport:
    fills = tuple(
        Fill(f"{name}-{number}", name, "a1", "BTCUSDT", Side.LONG.closing, Decimal(60_500), Decimal(part), Decimal(1), world.clock.now())
        for number, part in enumerate(parts)
    )  # fmt: skip
    total = sum((each.quantity for each in fills), Decimal())
    return OrderReport(name, OrderState.FILLED, world.clock.now(), filled=total, fills=fills)


def test_a_close_by_hand_in_several_trades_told_twice_is_booked_once(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    whole = world.position().quantity
    report = closed_by_hand(world, "0.01", "0.02", str(whole - Decimal("0.03")))
    hold_at_the_exchange(world, Decimal())
    for _ in range(3):
        world.stage._reported("a1", report)
        world.settle()
    closed = world.position()
    assert closed.status is PositionStatus.CLOSED
    assert closed.close_reason == "closed at the exchange"
    assert closed.fees == Decimal(3) + orders(world, OrderRole.ENTRY)[0].fees
    assert working(world) == []
    assert world.events("Alarm") == []


def test_half_closed_by_hand_told_twice_leaves_the_other_half(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    whole = world.position().quantity
    report = closed_by_hand(world, "0.01", "0.02")
    hold_at_the_exchange(world, whole - Decimal("0.03"))
    for _ in range(2):
        world.stage._reported("a1", report)
        world.settle()
    assert world.position().quantity == whole - Decimal("0.03")
    assert [Decimal(each["quantity"]) for each in resting_stops(world)] == [whole - Decimal("0.03")]


def test_a_close_by_hand_that_was_never_told_is_found(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    hold_at_the_exchange(world, Decimal())
    world.settle(reconcile=True)
    assert world.position().status is PositionStatus.OPEN  # a fill may still be on its way
    assert world.events("Reconciled")[0]["drift"]
    wait(world, 300)
    world.settle(reconcile=True)
    closed = world.position()
    assert closed.status is PositionStatus.CLOSED
    assert closed.close_reason == "closed at the exchange"
    assert working(world) == []


def test_a_position_that_nobody_knows_is_told_and_left_alone(world: World, exchange: TroubledExchange) -> None:
    exchange.strangers = [VenuePosition("ETHUSDT", Side.SHORT, Decimal(3), Decimal(3000))]
    for _ in range(3):
        world.settle(reconcile=True)
    (told,) = world.events("Reconciled")
    assert "3 at the exchange" in told["drift"][0]
    assert exchange.submitted == []


def test_a_request_that_can_not_be_carried_out_stops_no_other(world: World, exchange: TroubledExchange) -> None:
    world.say(ENTRY)
    world.settle()
    request = {**world.store["order_requests"].all()[0], "id": "bad", "plan_id": "nowhere", "status": "pending"}
    world.store["order_requests"].insert({**request, "created_at": 0})
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED
    bad = world.store["order_requests"].get(key="bad")
    assert bad is not None
    assert bad["status"] == "refused"


def test_an_account_at_an_exchange_that_is_not_connected_stops_no_other(world: World) -> None:
    world.account("a2")
    world.store["accounts"].update({"exchange": "nowhere"}, key="a2")
    world.say(ENTRY)
    world.settle()
    assert world.position("a1").status is PositionStatus.OPEN
    assert [each["rule"] for each in world.events("TradeRefused")] == ["exchange_not_connected"]
