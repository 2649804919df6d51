"""Ways out of a trade: gaps, both sides in one quote, moving stops, time, hands, liquidation, and trades side by side."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from modules.connections.instrument_catalogue import assumed_instrument
from modules.domain.instruments import Instrument
from modules.domain.orders import OrderRequest, OrderRole, RequestKind
from modules.domain.plans import DcaLevel, ExitRules, Sizing, Trailing, TrailKind
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Action, Side
from modules.records import to_document
from modules.trading.advanced_book import cancel, place
from modules.trading.advanced_orders import Condition, ConditionalEntry, ConditionKind, DcaLadder, OcoLeg, OcoPair
from tests.fakes.board import Listed
from tests.flows.test_exchange_trouble import wait
from tests.flows.test_trading_entries import assert_books_agree, working
from tests.flows.world import ENTRY, World


def enter(world: World, text: str = ENTRY, message_id: str = "1", **settings: object) -> Position:
    if settings:
        world.account(**settings)
    world.say(text, message_id)
    world.settle()
    return world.positions()[-1]


def ask(world: World, position: Position, name: str, kind: RequestKind, **fields: object) -> None:
    """A person's wish about a position."""
    request = OrderRequest(
        id=name, account_id=position.account_id, plan_id=position.plan_id, symbol=position.symbol, kind=kind,
        created_at=world.clock.now(), reason="user", role=OrderRole.CLOSE, **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    world.store["order_requests"].insert(to_document(request))
    world.settle()


def test_a_gap_through_the_stop_fills_at_the_gap(world: World) -> None:
    enter(world)
    world.price("BTCUSDT", "58000/58500/57900/58200")
    closed = world.position()
    assert (closed.status, closed.exit_price) == (PositionStatus.CLOSED, Decimal(58_000))
    assert working(world) == []
    assert_books_agree(world)


def test_a_gap_through_several_targets_takes_each_at_its_price_or_better(world: World) -> None:
    enter(world)
    world.price("BTCUSDT", "62500/62600/62400/62500")
    held = world.position()
    assert [level.hit_at is not None for level in held.targets] == [True, True, False]
    assert held.exit_price is not None
    assert held.exit_price >= Decimal(61_500)
    assert [each["number"] for each in world.events("TargetHit")] == [1, 2]
    assert_books_agree(world)


def test_stop_and_target_in_one_quote_means_the_stop(world: World) -> None:
    enter(world)
    world.price("BTCUSDT", "60000/63500/58500/60000")
    closed = world.position()
    assert closed.close_reason == "stop_loss"
    assert world.events("TargetHit") == []
    assert world.events("Alarm") == []
    assert_books_agree(world)


def test_a_stop_that_the_source_moved_into_profit_is_called_so(world: World) -> None:
    enter(world)
    world.price("BTCUSDT", "60900")
    world.say("Move stop to 60500", "2", reply_to="1")
    world.settle()
    world.price("BTCUSDT", "60400")
    assert world.position().close_reason == "stop_in_profit"


def test_follow_targets_moves_the_stop_to_the_target_before(world: World) -> None:
    enter(world, exits=ExitRules(follow_targets=1))
    world.price("BTCUSDT", "61000")
    assert world.position().stop_loss == Decimal(60_000)
    world.price("BTCUSDT", "62000")
    assert world.position().stop_loss == Decimal(61_000)
    world.price("BTCUSDT", "61000")
    assert world.position().close_reason == "trailing_stop"
    assert_books_agree(world)


def test_break_even_by_r_with_an_offset(world: World) -> None:
    enter(world, exits=ExitRules(None, Decimal("0.5"), Decimal("0.1")))
    world.price("BTCUSDT", "60400")
    assert world.position().stop_loss == Decimal(59_000)
    world.price("BTCUSDT", "60600")
    assert world.position().stop_loss == Decimal(60_060)
    world.price("BTCUSDT", "60000")
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)


def test_a_trailing_stop_wakes_at_its_activation_and_moves_in_steps(world: World) -> None:
    trailing = Trailing(TrailKind.PERCENT, Decimal(1), Decimal("0.5"), Decimal(1))
    enter(world, exits=ExitRules(break_even_after=None, trailing=trailing))
    world.price("BTCUSDT", "60500")
    assert world.position().stop_loss == Decimal(59_000)
    world.price("BTCUSDT", "60700")
    first = world.position().stop_loss
    assert first == Decimal(60093)
    world.price("BTCUSDT", "60750")
    assert world.position().stop_loss == first  # less than a step
    world.price("BTCUSDT", "60000")
    assert world.position().close_reason in ("break_even", "trailing_stop")
    assert_books_agree(world)


def test_a_time_exit_closes_at_the_first_price_after_its_time(world: World) -> None:
    enter(world, exits=ExitRules(time_exit_seconds=3600))
    wait(world, 3500)
    assert world.position().status is PositionStatus.OPEN
    wait(world, 200, price="60100")
    assert world.position().status is PositionStatus.CLOSED
    assert "time" in str(world.position().close_reason)
    assert_books_agree(world)


def test_clock_jumps_close_nothing_and_lose_nothing(world: World) -> None:
    enter(world)
    for jump in (-7200, 90_000, -90_000, 30):
        world.clock.advance(jump)
        world.settle(reconcile=True)
        world.price("BTCUSDT", "60000")
    assert world.position().status is PositionStatus.OPEN
    assert len(working(world)) == 4
    world.price("BTCUSDT", "59000")
    assert world.position().close_reason == "stop_loss"
    assert_books_agree(world)


def test_half_closed_by_hand_the_targets_share_what_is_left(world: World) -> None:
    held = enter(world)
    ask(world, held, "half", RequestKind.CLOSE, share=Decimal("0.5"))
    left = world.position().quantity
    assert left == held.quantity / 2 or abs(left - held.quantity / 2) <= Decimal("0.001")
    resting = [each for each in world.store["paper_orders"].all() if each["state"] == "open"]
    assert sum(Decimal(each["quantity"]) for each in resting if each["type"] == "limit") == left
    world.price("BTCUSDT", "61000", "62000", "63000")
    assert world.position().close_reason == "targets"
    assert_books_agree(world)


def test_closing_twice_closes_once(world: World) -> None:
    held = enter(world)
    for name in ("one", "two"):
        ask(world, held, name, RequestKind.CLOSE, share=Decimal(1))
    assert world.position().status is PositionStatus.CLOSED
    assert world.store["order_requests"].get(key="two")["status"] == "refused"  # type: ignore[index]
    assert world.events("Alarm") == []
    assert_books_agree(world)


def test_stop_and_close_at_once_close_once(world: World) -> None:
    held = enter(world)
    request = OrderRequest(
        "hand", "a1", held.plan_id, "BTCUSDT", RequestKind.CLOSE, world.clock.now(), "user", OrderRole.CLOSE, share=Decimal(1)
    )  # fmt: skip
    world.store["order_requests"].insert(to_document(request))
    world.price("BTCUSDT", "58900")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED
    assert world.events("Alarm") == []
    assert_books_agree(world)


def test_a_person_may_move_the_stop_either_way_and_the_monitor_keeps_to_it(world: World) -> None:
    held = enter(world)
    ask(world, held, "wider", RequestKind.MOVE_STOP, price=Decimal(58_500))
    assert world.position().stop_loss == Decimal(58_500)
    world.price("BTCUSDT", "58900")
    assert world.position().status is PositionStatus.OPEN
    world.price("BTCUSDT", "58500")
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)


def test_a_liquidation_takes_the_margin_and_no_more(world: World) -> None:
    held = enter(
        world,
        "#BTC/USDT LONG\nEntry: market\nTargets: 70000\nLeverage: 20x",
        require_stop=False, sizing=Sizing.FIXED, size=Decimal(500), target_shares=(),
    )  # fmt: skip
    margin = held.quantity * held.average_price / held.leverage
    world.price("BTCUSDT", "50000")
    closed = world.position()
    assert closed.status is PositionStatus.CLOSED
    assert closed.close_reason == "liquidated"
    assert -closed.realised_pnl == pytest.approx(margin, rel=Decimal("0.001"))
    assert working(world) == []
    assert_books_agree(world)


def second(world: World) -> tuple[Position, Position]:
    """Two longs on one symbol, which the exchange nets into one."""
    enter(world)
    world.clock.advance(60)
    world.price("BTCUSDT", "60000")
    world.say(ENTRY.replace("59000", "58000").replace("61000", "61500"), "2")
    world.settle()
    older, newer = world.positions()
    return older, newer


def test_closing_one_of_two_trades_on_a_symbol_leaves_the_other(world: World) -> None:
    _, newer = second(world)
    world.say("Close this trade now", "3", reply_to="1")
    world.settle()
    after = world.positions()
    assert [each.status for each in after] == [PositionStatus.CLOSED, PositionStatus.OPEN]
    assert after[1] == newer
    assert len(working(world)) == 4
    world.price("BTCUSDT", "58000")
    assert world.positions()[1].close_reason == "stop_loss"
    assert_books_agree(world)


@pytest.mark.parametrize("quote", ["59000", "60000/64000/58900/60000", "58900/61600/58900/61000"])
def test_what_ends_one_of_two_trades_takes_nothing_of_the_other(world: World, quote: str) -> None:
    older, newer = second(world)
    world.price("BTCUSDT", quote)
    first, other = world.positions()
    assert first.status is PositionStatus.CLOSED
    assert first.close_reason == "stop_loss"
    assert other.initial_quantity == newer.quantity
    assert world.events("Alarm") == []
    assert_books_agree(world)
    assert older.id == first.id


def test_a_gap_through_both_stops_closes_both(world: World) -> None:
    second(world)
    world.price("BTCUSDT", "57000")
    assert [each.close_reason for each in world.positions()] == ["stop_loss", "stop_loss"]
    assert working(world) == []
    assert_books_agree(world)


def test_one_signal_on_accounts_with_different_settings(world: World) -> None:
    world.account("a2", size=Decimal(2), exits=ExitRules(follow_targets=1), target_shares=(Decimal(1),))
    world.account("a3", sources=("another",))
    world.account("a4", autotrade=False)
    world.say(ENTRY)
    world.settle()
    one, two = world.position("a1"), world.position("a2")
    assert two.quantity > one.quantity * Decimal("1.9")
    assert world.positions("a3") == world.positions("a4") == []
    world.price("BTCUSDT", "61000")
    assert world.position("a1").status is PositionStatus.OPEN
    assert world.position("a2").close_reason == "targets"
    assert_books_agree(world, "a1", "a2")


def test_a_short_is_the_mirror_of_a_long(world: World) -> None:
    enter(world, "#BTC/USDT SHORT\nEntry: 60000\nStop Loss: 61000\nTargets: 59000 - 58000")
    world.price("BTCUSDT", "59000")
    assert world.position().side is Side.SHORT
    assert world.position().stop_loss == Decimal(60_000)
    world.price("BTCUSDT", "58000")
    closed = world.position()
    assert closed.close_reason == "targets"
    assert closed.net_pnl > 0
    assert_books_agree(world)


def test_an_oco_pair_over_a_trade_takes_one_side(world: World) -> None:
    held = enter(world)
    pair = OcoPair(
        id="oco", account_id="a1", plan_id=held.plan_id, symbol="BTCUSDT", created_at=world.clock.now(), resting=True,
        first=OcoLeg(Action.SELL, held.quantity, price=Decimal(60_800)),
        second=OcoLeg(Action.SELL, held.quantity, trigger_price=Decimal(59_400)),
    )  # fmt: skip
    assert place(world.store, pair)
    assert not place(world.store, pair)
    world.settle()
    world.price("BTCUSDT", "60100")
    assert len(working(world)) == 6
    world.price("BTCUSDT", "59400")
    assert world.position().status is PositionStatus.CLOSED
    assert working(world) == []
    assert world.events("Alarm") == []
    assert_books_agree(world)


def test_an_oco_pair_that_is_called_off_takes_its_orders_back(world: World) -> None:
    held = enter(world)
    pair = OcoPair(
        id="oco", account_id="a1", plan_id=held.plan_id, symbol="BTCUSDT", created_at=world.clock.now(), resting=True,
        first=OcoLeg(Action.SELL, held.quantity, price=Decimal(60_800)),
        second=OcoLeg(Action.SELL, held.quantity, trigger_price=Decimal(59_400)),
    )  # fmt: skip
    place(world.store, pair)
    world.settle()
    world.price("BTCUSDT", "60100")
    assert cancel(world.store, "oco", "by hand", world.clock.now())
    assert not cancel(world.store, "oco", "by hand", world.clock.now())
    world.settle()
    assert len(working(world)) == 4
    assert_books_agree(world)


def test_a_conditional_entry_and_a_ladder_add_to_a_trade(world: World) -> None:
    held = enter(world, size=Decimal("0.5"))
    common = {"account_id": "a1", "plan_id": held.plan_id, "symbol": "BTCUSDT", "created_at": world.clock.now()}
    condition = Condition(ConditionKind.CROSS_ABOVE, Decimal(60_300))
    place(
        world.store,
        ConditionalEntry(id="more", condition=condition, action=Action.BUY, quantity=Decimal("0.01"), **common),  # type: ignore[arg-type]
    )
    place(
        world.store,
        DcaLadder(
            id="dca", side=Side.LONG, levels=(DcaLevel(Decimal(1), Decimal(1)),), first_price=Decimal(60_000),
            first_quantity=Decimal("0.01"), stop_loss=Decimal(59_000), **common,  # type: ignore[arg-type]
        ),
    )  # fmt: skip
    world.settle()
    world.price("BTCUSDT", "60200", "60350", "59400")
    grown = world.position()
    assert grown.quantity == held.quantity + Decimal("0.02")
    stops = [
        each for each in world.store["paper_orders"].all() if each["type"] == "stop_market" and each["state"] == "open"
    ]
    assert [Decimal(each["quantity"]) for each in stops] == [grown.quantity]
    world.price("BTCUSDT", "59000")
    assert world.position().status is PositionStatus.CLOSED
    assert_books_agree(world)


def test_a_restart_in_the_middle_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path / "w") if (tmp_path / "w").mkdir() is None else None
    assert world is not None
    world.account()
    world.price("BTCUSDT", "60000")
    enter(world)
    world.price("BTCUSDT", "61000")
    world.close()
    again = World(tmp_path / "w", world.clock)
    again.settle(reconcile=True)
    again.price("BTCUSDT", "60000")
    assert again.position().close_reason == "break_even"
    assert_books_agree(again)
    again.close()


def test_partial_closing_by_the_source(world: World) -> None:
    held = enter(world)
    said = world.say("#BTC/USDT Close 50% of the position", "2", reply_to="1")
    world.settle()
    assert said.parse["update"] == "partial_close"
    assert abs(world.position().quantity - held.quantity / 2) <= Decimal("0.001")
    assert world.position().status is PositionStatus.OPEN
    assert replace(world.position(), quantity=held.quantity).plan_id == held.plan_id
    assert_books_agree(world)


class AssumedByPrice(Listed):
    """Rules that nobody told, assumed from the price: lots are ten times as large below a power of ten."""

    def find(self, symbol: str, *, reference_price: Decimal | None = None) -> Instrument | None:
        return assumed_instrument(symbol, reference_price)


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("#DEC/USDT LONG\nEntry: market\nStop Loss: 0.98\nTargets: 1.05 - 1.10\nLeverage: 5x", ("1.0123", "0.97")),
        ("#DEC/USDT SHORT\nEntry: market\nStop Loss: 1.10\nTargets: 0.97 - 0.95\nLeverage: 5x", ("1.0123", "0.90")),
    ],
    ids=["stop", "targets"],
)
def test_a_trade_closes_whole_where_the_price_falls_below_a_power_of_ten(
    tmp_path: Path, text: str, prices: tuple[str, str]
) -> None:
    world = World(tmp_path, listed=AssumedByPrice())
    world.account()
    world.price("DECUSDT", prices[0])
    world.say(text)
    world.settle()
    assert world.position().quantity % 1 != 0
    world.price("DECUSDT", prices[1])
    assert (world.position().status, world.position().quantity) == (PositionStatus.CLOSED, 0)
    assert_books_agree(world)
    world.close()
