"""Ways into a trade: legs, waiting, cancelled and expired entries, missing and stale prices, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from modules.connections.paper_exchange import PaperExchange
from modules.domain.market import Quote, ms_from_utc
from modules.domain.orders import Order
from modules.domain.people import Account
from modules.domain.plans import DcaLevel, Sizing
from modules.domain.positions import PositionStatus
from modules.domain.signals import SignalStatus
from modules.records import from_document
from modules.trading.fill_model import FillModel
from tests.fakes.board import Listed
from tests.flows.world import ENTRY, World

TWO_LEGS = "#BTC/USDT LONG\nEntry: 60000 - 59500\nStop Loss: 59000\nTargets: 61000 - 62000\nLeverage: 10x"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.account()
    yield made
    made.close()


def plans(world: World) -> list[dict[str, object]]:
    return world.store["plans"].all()


def working(world: World) -> list[str]:
    states = ("open", "submitted", "unknown", "partially_filled")
    return [each["id"] for each in world.store["orders"].all() if each["state"] in states]


def at_the_exchange(world: World) -> list[str]:
    return [each["id"] for each in world.store["paper_orders"].all() if each["state"] in ("open", "partially_filled")]


def assert_books_agree(world: World, *accounts: str) -> None:
    """Working orders and holdings are the same here and at the exchange, and money adds up."""
    assert sorted(working(world)) == sorted(at_the_exchange(world))
    for account in accounts or ("a1",):
        ours: dict[tuple[str, str], Decimal] = {}
        for position in world.positions(account):
            key = (position.symbol, position.side.value)
            ours[key] = ours.get(key, Decimal()) + position.quantity
        theirs = {
            (each["symbol"], each["side"]): Decimal(each["quantity"])
            for each in world.store["paper_positions"].all()
            if each["account_id"] == account
        }
        for key in ours.keys() | theirs.keys():
            assert ours.get(key, 0) == theirs.get(key, 0), key
        assert world.wallet(account) == 10_000 + sum(each.net_pnl for each in world.positions(account))


def test_two_legs_of_which_one_fills_protect_what_was_filled(world: World) -> None:
    world.price("BTCUSDT", "60100")
    world.say(TWO_LEGS)
    world.settle()
    world.price("BTCUSDT", "60000")
    one = world.position()
    resting = [each for each in world.store["paper_orders"].all() if each["state"] == "open" and each["reduce_only"]]
    stops = [each for each in resting if each["type"] == "stop_market"]
    assert [Decimal(each["quantity"]) for each in stops] == [one.quantity]
    assert sum(Decimal(each["quantity"]) for each in resting if each["type"] == "limit") == one.quantity
    world.price("BTCUSDT", "61000")  # a target before the second leg: the leg is taken back
    assert not [each for each in world.store["orders"].all() if each["role"] == "entry" and each["state"] == "open"]
    world.price("BTCUSDT", "59500", "60000")
    assert world.position().initial_quantity == one.initial_quantity
    assert_books_agree(world)


def test_two_legs_that_both_fill_share_one_risk(world: World) -> None:
    world.price("BTCUSDT", "60100")
    world.say(TWO_LEGS)
    world.settle()
    world.price("BTCUSDT", "60000", "59500", "59000")
    closed = world.position()
    assert closed.close_reason == "stop_loss"
    assert -Decimal(101) < closed.net_pnl < -Decimal(80)
    assert_books_agree(world)


def test_a_gap_through_the_second_entry_and_the_stop_leaves_nothing_open(world: World) -> None:
    world.price("BTCUSDT", "60100")
    world.say(TWO_LEGS)
    world.settle()
    world.price("BTCUSDT", "60000")
    world.price("BTCUSDT", "60000/60000/58800/58800")
    world.settle(reconcile=True)
    closed = world.position()
    assert closed.status is PositionStatus.CLOSED
    assert closed.quantity == 0
    assert working(world) == []
    assert_books_agree(world)


def test_dca_rungs_fill_into_one_position_with_one_stop(world: World) -> None:
    levels = (DcaLevel(Decimal("0.5"), Decimal(1)), DcaLevel(Decimal("0.5"), Decimal(2)))
    world.account(dca=levels)
    world.price("BTCUSDT", "60000")
    world.say(ENTRY)
    world.settle()
    first = world.position().quantity
    world.price("BTCUSDT", "59700")
    assert world.position().quantity == first * 2
    assert world.position().average_price == Decimal(59_850)
    world.price("BTCUSDT", "59000")
    assert world.position().status is PositionStatus.CLOSED
    assert world.position().net_pnl > -Decimal(101)
    assert_books_agree(world)


def test_a_target_before_the_entry_ends_the_trade_and_its_plan(world: World) -> None:
    world.price("BTCUSDT", "60100")
    taken = world.say(ENTRY)
    world.settle()
    world.price("BTCUSDT", "61000")
    assert world.signal(taken.signal_id).status is SignalStatus.CANCELLED
    assert working(world) == []
    assert [each["status"] for each in plans(world)] == ["done"]
    world.price("BTCUSDT", "60000")
    assert world.positions() == []


def test_an_entry_not_reached_in_time_ends_its_plan(world: World) -> None:
    world.price("BTCUSDT", "60100")
    taken = world.say(ENTRY)
    world.settle()
    world.clock.advance(86_400)
    world.price("BTCUSDT", "60100")
    world.settle()
    assert world.signal(taken.signal_id).status is SignalStatus.EXPIRED
    assert working(world) == []
    assert [each["status"] for each in plans(world)] == ["done"]
    world.price("BTCUSDT", "60000")
    assert world.positions() == []


def test_a_source_cancels_an_entry_that_waits(world: World) -> None:
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    world.say("Signal cancelled", "2", reply_to="1")
    world.settle()
    assert working(world) == []
    assert [each["status"] for each in plans(world)] == ["done"]
    world.price("BTCUSDT", "60000")
    assert world.positions() == []
    assert len(world.events("PlanEnded")) == 1


def test_a_signal_without_a_price_waits_for_one(world: World) -> None:
    taken = world.say(ENTRY)
    world.settle()
    assert world.store["planning_queue"].all()
    assert world.stage.planner.waits_for("BTCUSDT")
    world.clock.advance(60)
    world.price("BTCUSDT", "60000")
    assert world.position().signal_id == taken.signal_id


def test_patience_for_a_first_price_ends_with_a_reason(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    world.clock.advance(121)
    world.settle()
    (refused,) = world.events("TradeRefused")
    assert refused["rule"] == "no_fresh_price"
    world.price("BTCUSDT", "60000")
    assert world.positions() == []
    assert not world.stage.planner.waits_for("BTCUSDT")


def test_a_stale_price_opens_nothing_and_a_fresh_one_does(world: World) -> None:
    world.price("BTCUSDT", "60000")
    world.clock.advance(31)
    world.say(ENTRY)
    world.settle()
    assert world.positions() == []
    world.price("BTCUSDT", "60000")
    assert world.position().status is PositionStatus.OPEN


def test_an_unlisted_symbol_is_an_invalid_signal(tmp_path: Path) -> None:
    world = World(tmp_path, listed=Listed("FOOUSDT"))
    world.account()
    taken = world.say("#FOO/USDT LONG\nEntry: 10\nStop Loss: 9\nTargets: 11 - 12")
    world.settle()
    assert not taken.accepted
    assert world.store["plans"].all() == []
    assert world.signal(taken.signal_id).status is SignalStatus.INVALID
    world.close()


def test_too_little_money_is_refused_with_figures(world: World) -> None:
    world.account(sizing=Sizing.FIXED, size=Decimal("0.5"), leverage_cap=Decimal(1))
    world.price("BTCUSDT", "60000")
    world.say(ENTRY)
    world.settle()
    (refused,) = world.events("TradeRefused")
    assert refused["rule"].startswith(("below_min", "min_"))
    assert world.store["orders"].all() == []


def test_an_entry_the_exchange_rejects_ends_the_plan_and_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, model=FillModel(rejection_rate=Decimal(1)))
    world.account()
    world.price("BTCUSDT", "60000")
    world.say(ENTRY)
    world.settle()
    assert [each["status"] for each in plans(world)] == ["done"]
    assert [each["state"] for each in world.events("OrderEnded")] == ["rejected"]
    assert world.positions() == []
    assert_books_agree(world)
    world.close()


def test_a_partly_filled_entry_is_protected_as_it_grows(tmp_path: Path) -> None:
    world = World(tmp_path, model=FillModel(volume_limit=Decimal("0.5")))
    world.account()
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    fill_some(world, "0.05")
    first = world.position().quantity
    assert first == Decimal("0.025")
    assert stop_quantities(world) == [first]
    fill_some(world, "0.06")
    assert world.position().quantity == Decimal("0.055")
    assert stop_quantities(world) == [Decimal("0.055")]
    world.price("BTCUSDT", "61000")
    assert [each["state"] for each in world.store["orders"].all() if each["role"] == "entry"] == ["cancelled"]
    world.price("BTCUSDT", "60000")
    assert world.position().status is PositionStatus.CLOSED
    assert world.position().close_reason == "break_even"
    assert working(world) == []
    assert_books_agree(world)
    world.close()


def fill_some(world: World, volume: str) -> None:
    """A quote at 60,000 in which only `volume` was traded."""
    now_ms = ms_from_utc(world.clock.advance(1))
    world.stage.quote(replace(Quote.at_price("test", "BTCUSDT", now_ms, Decimal(60_000)), volume=Decimal(volume)))


def stop_quantities(world: World) -> list[Decimal]:
    found = [each for each in world.store["paper_orders"].all() if each["type"] == "stop_market"]
    return [Decimal(each["quantity"]) for each in found if each["state"] == "open"]


def test_the_same_order_twice_is_one_at_the_paper_exchange(world: World) -> None:
    world.price("BTCUSDT", "60100")
    world.say(ENTRY)
    world.settle()
    order = from_document(Order, world.store["orders"].all()[0])
    account = from_document(Account, world.store["accounts"].all()[0])
    paper: PaperExchange = world.stage.paper
    for _ in range(3):
        asyncio.run(paper.submit(account, order))
    assert len(world.store["paper_orders"].all()) == 1
