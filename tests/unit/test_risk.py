"""Each limit: silent at its edge, refusing with figure, limit and a sentence beyond it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from modules.domain.errors import Refused
from modules.domain.market import Quote
from modules.domain.orders import Order, OrderRole, OrderType
from modules.domain.plans import ExitRules, Limits, Plan, PlannedEntry
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Action, Side
from modules.trading import risk
from modules.trading.breaker import BreakerRules, BreakerView, ClosedTrade, circuit_breaker
from modules.trading.risk import HardLimits, RiskView

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
D = Decimal
VIEW = RiskView(equity=D(10_000), day_start_equity=D(10_000))
HARD = HardLimits()
QUOTE = Quote.at_price("paper", "BTCUSDT", 0, D(100))


@pytest.mark.parametrize(
    "rule, within, beyond, limits",
    [
        ("max_open_positions", {"open_trades": 2}, {"open_trades": 3}, {"max_open_positions": 3}),
        ("max_trades_per_day", {"trades_today": 4}, {"trades_today": 5}, {"max_trades_per_day": 5}),
        ("max_losses_in_row", {"losses_in_row": 1}, {"losses_in_row": 2}, {"max_losses_in_row": 2}),
        ("max_daily_loss", {"equity": D("9500.01")}, {"equity": D(9500)}, {"max_daily_loss_percent": D(5)}),
        ("max_daily_loss", {"realised_today": D(-499)}, {"realised_today": D(-500)}, {"max_daily_loss_percent": D(5)}),
        (
            "cooldown",
            {"last_trade_at": NOW - timedelta(seconds=300)},
            {"last_trade_at": NOW - timedelta(seconds=299)},
            {"cooldown_seconds": 300},
        ),
    ],
)
def test_a_limit_is_silent_within_and_refuses_beyond(
    rule: str, within: dict[str, object], beyond: dict[str, object], limits: dict[str, object]
) -> None:
    chosen = Limits(**limits)
    assert risk.check_trade(replace(VIEW, **within), chosen, HARD, now=NOW) is None
    refused = risk.check_trade(replace(VIEW, **beyond), chosen, HARD, now=NOW)
    assert refused is not None and refused.rule == rule
    assert refused.figure is not None and refused.figure in refused.sentence
    assert refused.limit is not None and refused.limit in refused.sentence


def test_limits_that_are_off_never_refuse() -> None:
    bad_day = replace(VIEW, open_trades=900, trades_today=900, losses_in_row=90, equity=D(6000))
    assert risk.check_trade(bad_day, Limits(*([None] * 7)), HARD, now=NOW) is None
    assert risk.rooms("BTCUSDT", VIEW, Limits(*([None] * 7)), HARD)[0].rule == "hard_max_position_value"


def test_the_operators_daily_loss_holds_whatever_the_account_allows() -> None:
    lost = replace(VIEW, equity=D(5000))
    refused = risk.check_trade(lost, Limits(max_daily_loss_percent=None), HARD, now=NOW)
    assert refused is not None and (refused.rule, refused.figure) == ("hard_max_daily_loss", "5000")


def test_a_users_fresh_baseline_does_not_lift_the_operators_maximum() -> None:
    resumed = RiskView(equity=D(5000), day_start_equity=D(5000), hard_start_equity=D(10_000))
    assert risk.check_daily_loss(resumed, Limits(), NOW) is None
    assert risk.check_hard_daily_loss(resumed, HARD) is not None


def test_rooms_count_what_is_held_and_waiting() -> None:
    view = replace(VIEW, held={"BTCUSDT": D(3000), "ETHUSDT": D(1000)}, waiting={"BTCUSDT": D(500)})
    limits = Limits(max_position_value=D(2000), max_symbol_exposure_percent=D(40), max_total_exposure_percent=D(100))
    left = {room.rule: room.left for room in risk.rooms("BTCUSDT", view, limits, HARD)}
    assert left == {
        "hard_max_position_value": D(96_500),
        "max_position_value": D(2000),
        "max_symbol_exposure": D(500),
        "max_total_exposure": D(5500),
    }


def test_a_room_refuses_what_does_not_fit_and_says_both_figures() -> None:
    room = risk.Room("max_symbol_exposure", "exposure to BTCUSDT", D(4000), D(3500), "Close some.")
    assert room.refuse(D(500)) is None
    assert room.refuse(D(501)) == Refused(
        "max_symbol_exposure",
        "Not opened: exposure to BTCUSDT would be 4001, the limit is 4000. Close some.",
        "4001",
        "4000",
    )


def test_exposures_count_an_entered_part_once() -> None:
    plan = Plan(
        id="p", account_id="a", signal_id="s", source="x", exchange="paper", symbol="BTCUSDT", side=Side.LONG,
        entries=(PlannedEntry(1, OrderType.LIMIT, D(2), D(100)), PlannedEntry(2, OrderType.LIMIT, D(1), D(90))),
        targets=(), stop_loss=None, leverage=D(1), exits=ExitRules(), risk_amount=None, reference_price=D(100),
        created_at=NOW, expires_at=NOW,
    )  # fmt: skip
    held = Position(
        "pos", "a", "p", "s", "paper", "BTCUSDT", Side.LONG, D(1), NOW,
        quantity=D(1), initial_quantity=D(2), average_price=D(100),
    )  # fmt: skip
    closed = replace(held, id="old", plan_id="q", status=PositionStatus.CLOSED, quantity=D(0))
    assert risk.exposures([held, closed], [plan], {"BTCUSDT": D(110)}) == ({"BTCUSDT": D(110)}, {"BTCUSDT": D(100)})
    assert risk.exposures([held], [], {}) == ({"BTCUSDT": D(100)}, {})


def order(**changes: object) -> Order:
    made = Order(
        id="o", account_id="a", exchange="paper", symbol="BTCUSDT", position_side=Side.LONG, action=Action.BUY,
        role=OrderRole.ENTRY, type=OrderType.LIMIT, quantity=D(10), plan_id="p", created_at=NOW, request_id="r",
        price=D(100), leverage=D(5),
    )  # fmt: skip
    return replace(made, **changes)


def test_an_order_within_every_maximum_is_sent() -> None:
    assert risk.check_order(order(), QUOTE, VIEW, HARD) is None


@pytest.mark.parametrize(
    "rule, hard, view",
    [
        ("hard_max_order_value", HardLimits(max_order_value=D(999)), VIEW),
        ("hard_max_position_value", HardLimits(max_position_value=D(1999)), replace(VIEW, held={"BTCUSDT": D(1000)})),
        ("hard_max_leverage", HardLimits(max_leverage=D(4)), VIEW),
        ("hard_max_orders_per_minute", HardLimits(max_orders_per_minute=3), replace(VIEW, orders_last_minute=3)),
        ("hard_max_daily_loss", HardLimits(max_daily_loss=D(100)), replace(VIEW, equity=D(9900))),
    ],
)
def test_each_hard_maximum_stops_an_opening_order_and_no_reducing_one(
    rule: str, hard: HardLimits, view: RiskView
) -> None:
    refused = risk.check_order(order(), QUOTE, view, hard)
    assert refused is not None and refused.rule == rule
    for role in (OrderRole.CLOSE, OrderRole.STOP, OrderRole.TARGET):
        assert risk.check_order(order(role=role, action=Action.SELL), QUOTE, view, hard) is None
    assert risk.check_order(order(role=OrderRole.COPY, reduce_only=True), QUOTE, view, hard) is None


def test_what_waits_is_not_counted_against_the_order_that_waits() -> None:
    view = replace(VIEW, waiting={"BTCUSDT": D(1000)})
    assert risk.check_order(order(), QUOTE, view, HardLimits(max_position_value=D(1000))) is None


def test_a_market_order_is_valued_at_the_ask() -> None:
    market = order(type=OrderType.MARKET, price=None)
    assert risk.check_order(market, QUOTE, VIEW, HardLimits(max_order_value=D(1000))) is None
    assert risk.check_order(market, QUOTE, VIEW, HardLimits(max_order_value=D(999))) is not None


def test_without_a_price_only_reducing_orders_go_out() -> None:
    refused = risk.check_order(order(), None, VIEW, HARD)
    assert refused is not None and refused.rule == "no_fresh_price"
    assert risk.check_order(order(role=OrderRole.CLOSE), None, VIEW, HARD) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"price": D(2001)},
        {"price": D("4.99")},
        {"price": D(151)},
        {"role": OrderRole.TARGET, "action": Action.SELL, "price": D(49)},
        {"role": OrderRole.STOP, "type": OrderType.STOP_MARKET, "price": None, "trigger_price": D(1)},
    ],
)
def test_an_absurd_price_stops_any_order(changes: dict[str, object]) -> None:
    refused = risk.check_order(order(**changes), QUOTE, VIEW, HARD)
    assert refused is not None and refused.rule == "absurd_price"


def test_a_far_target_and_a_deep_limit_are_not_absurd() -> None:
    assert risk.check_order(order(role=OrderRole.TARGET, action=Action.SELL, price=D(1900)), QUOTE, VIEW, HARD) is None
    assert risk.check_order(order(price=D(10)), QUOTE, VIEW, HARD) is None


def losing(minutes: list[int], pnl: int = -10) -> tuple[ClosedTrade, ...]:
    return tuple(ClosedTrade(NOW - timedelta(minutes=m), D(pnl)) for m in minutes)


def breaker(trades: tuple[ClosedTrade, ...], **changes: object) -> BreakerView:
    return replace(BreakerView(D(1000), D(1000), trades, NOW - timedelta(days=9)), **changes)


@pytest.mark.parametrize(
    "view, rule",
    [
        (breaker(losing([1, 2, 3, 4, 5])), "breaker_losses"),
        (breaker(losing([1, 2, 3], -40)), "breaker_loss"),
        (breaker((), equity=D(750)), "breaker_drawdown"),
    ],
)
def test_the_breaker_trips_and_says_why_and_until_when(view: BreakerView, rule: str) -> None:
    trip = circuit_breaker(view, BreakerRules(), NOW)
    assert trip is not None and trip.rule == rule
    assert trip.until == NOW + timedelta(hours=1)
    assert trip.figure in trip.reason and trip.limit in trip.reason


quiet: list[Callable[[], BreakerView]] = [
    lambda: breaker(losing([1, 2, 3, 4])),
    lambda: breaker(losing([1, 2, 3, 4, 61])),
    lambda: breaker(losing([1, 2, 3, 4, 5]), since=NOW - timedelta(minutes=5)),
    lambda: breaker(losing([1, 2], -40) + losing([3], 20)),
    lambda: breaker((), equity=D(751)),
]


@pytest.mark.parametrize("view", quiet)
def test_the_breaker_stays_closed_below_its_limits(view: Callable[[], BreakerView]) -> None:
    assert circuit_breaker(view(), BreakerRules(), NOW) is None


def test_a_small_win_between_losses_does_not_reset_the_count() -> None:
    trades = losing([1, 2, 4, 5, 6]) + losing([3], 1)
    trip = circuit_breaker(breaker(trades), BreakerRules(), NOW)
    assert trip is not None and trip.rule == "breaker_losses"


def test_breaker_rules_that_are_off_never_trip() -> None:
    rules = BreakerRules(max_losses=None, max_loss_percent=None, max_drawdown_percent=None)
    assert circuit_breaker(breaker(losing([1] * 20, -40), equity=D(100)), rules, NOW) is None
