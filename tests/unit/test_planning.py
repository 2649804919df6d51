"""What a plan is made of, rule by rule, and which rule says no."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from modules.domain.errors import Refused
from modules.domain.instruments import Instrument, MarketKind
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import ONE
from modules.domain.orders import OrderRole, OrderType, RequestKind
from modules.domain.people import Account
from modules.domain.plans import DcaLevel, Limits, OppositeRule, Plan, Sizing, TradeSettings
from modules.domain.positions import Position
from modules.domain.sides import Action, Side
from modules.domain.signals import Signal, SignalHit, SignalStatus
from modules.trading.planning import PlanningInput, closing_requests, entry_requests, plan
from modules.trading.risk import HardLimits, RiskView

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
D = Decimal

BTC = Instrument(
    exchange="paper",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    kind=MarketKind.PERPETUAL,
    tick_size=D("0.1"),
    lot_size=D("0.001"),
    min_quantity=D("0.001"),
    min_notional=D(5),
    max_leverage=D(125),
    taker_fee=D("0.0005"),
)


def signal(**changes: object) -> Signal:
    said = Signal(
        id="sig-1",
        source="alpha",
        message_id="7",
        symbol="BTCUSDT",
        side=Side.LONG,
        order="limit",
        entries=(D(60_000),),
        entry_range=False,
        targets=(D(61_000), D(62_000), D(63_000)),
        stop_loss=D(58_000),
        leverage=D(10),
        text="",
        said_at=NOW,
        received_at=NOW,
        expires_at=NOW + timedelta(hours=24),
        confidence=1.0,
    )
    return replace(said, **changes)


def quote(price: str = "60000", **changes: object) -> Quote:
    return replace(Quote.at_price("paper", "BTCUSDT", ms_from_utc(NOW), D(price)), **changes)


def situation(said: Signal | None = None, chosen: TradeSettings | None = None, **changes: object) -> PlanningInput:
    chosen = chosen or TradeSettings()
    made = PlanningInput(
        signal=said or signal(),
        account=Account("acc", "user", "paper", "USDT", D(10_000), NOW, chosen),
        settings=chosen,
        instrument=BTC,
        quote=quote(),
        available=D(10_000),
        view=RiskView(equity=D(10_000), day_start_equity=D(10_000)),
        hard=HardLimits(),
        now=NOW,
    )
    return replace(made, **changes)


def planned(given: PlanningInput) -> Plan:
    found = plan(given)
    assert isinstance(found, Plan), found
    return found


def rule(given: PlanningInput) -> str:
    found = plan(given)
    assert isinstance(found, Refused), found
    assert found.sentence.endswith(".")
    return found.rule


def test_one_percent_risk_includes_the_stop_distance_and_both_fees() -> None:
    made = planned(situation())
    # 100 USDT / (2000 + 0.0005 * (60000 + 58000)) = 0.04856… rounded down to the lot
    assert [(e.number, e.type, e.quantity, e.price) for e in made.entries] == [
        (1, OrderType.LIMIT, D("0.048"), D(60_000))
    ]
    assert made.risk_amount == D("0.048") * (D(2000) + D("0.0005") * D(118_000))
    assert made.stop_loss == D(58_000)
    assert made.leverage == D(10)
    assert made.reference_price == D(60_000)
    assert made.id == "sig-1:acc"


def test_a_range_is_two_legs_nearest_to_the_market_first_sharing_one_risk() -> None:
    given = situation(signal(entries=(D(59_000), D(60_000)), entry_range=True), TradeSettings(size=D(2)))
    made = planned(given)
    assert [e.price for e in made.entries] == [D(60_000), D(59_000)]
    assert made.risk_amount is not None
    assert D(190) < made.risk_amount <= D(200)


def test_entry_shares_belong_to_the_legs_in_the_order_they_are_reached() -> None:
    chosen = TradeSettings(size=D(5), entry_shares=(D("0.7"), D("0.3")))
    said = signal(side=Side.SHORT, entries=(D(60_900), D(60_100)), stop_loss=D(62_000), targets=(D(58_000),))
    made = planned(situation(said, chosen))
    first, second = made.entries
    assert first.price == D(60_100)
    assert first.quantity / (first.quantity + second.quantity) == pytest.approx(D("0.7"), abs=D("0.005"))


def test_one_share_for_two_entries_uses_only_the_first() -> None:
    chosen = TradeSettings(entry_shares=(ONE,))
    made = planned(situation(signal(entries=(D(60_000), D(59_000))), chosen))
    assert [e.price for e in made.entries] == [D(60_000)]


@pytest.mark.parametrize("order, entries", [("market", (D(60_000),)), ("limit", ()), ("market", ())])
def test_a_market_signal_or_one_without_prices_is_one_market_leg(order: str, entries: tuple[Decimal, ...]) -> None:
    made = planned(situation(signal(order=order, entries=entries), quote=quote("60100")))
    assert [(e.type, e.price) for e in made.entries] == [(OrderType.MARKET, None)]
    assert made.reference_price == D(60_100)


def test_market_orders_are_reckoned_at_the_side_of_the_book_they_pay() -> None:
    book = quote("60000", bid=D(59_990), ask=D(60_010))
    assert planned(situation(signal(order="market"), quote=book)).reference_price == D(60_010)
    short = signal(order="market", side=Side.SHORT, stop_loss=D(62_000), targets=(D(58_000),))
    assert planned(situation(short, quote=book)).reference_price == D(59_990)


def test_capping_leverage_keeps_the_risk() -> None:
    free = planned(situation())
    capped = planned(situation(None, TradeSettings(leverage_cap=D(3))))
    assert capped.leverage == D(3)
    assert capped.entries == free.entries
    assert capped.risk_amount == free.risk_amount
    assert any("your leverage_cap" in note for note in capped.notes)


def test_leverage_is_lowered_until_liquidation_lies_beyond_the_stop() -> None:
    chosen = TradeSettings(leverage_cap=D(100))
    made = planned(situation(signal(leverage=D(50), stop_loss=D(54_000), targets=(D(70_000),)), chosen))
    liquidation = D(60_000) * (1 - 1 / made.leverage + BTC.maintenance_margin)
    assert made.leverage == D(8)
    assert liquidation < D(54_000)


def test_a_stop_beyond_any_liquidation_is_refused() -> None:
    said = signal(side=Side.SHORT, stop_loss=D(125_000), targets=(D(50_000),))
    assert rule(situation(said)) == "stop_beyond_liquidation"


def test_spot_has_no_leverage_and_no_shorts() -> None:
    spot = replace(BTC, kind=MarketKind.SPOT)
    assert planned(situation(instrument=spot)).leverage == ONE
    short = signal(side=Side.SHORT, stop_loss=D(62_000), targets=(D(58_000),))
    assert rule(situation(short, instrument=spot)) == "spot_short"


def test_too_little_margin_shrinks_the_trade_with_a_note() -> None:
    made = planned(situation(available=D(100)))  # at 10x the wanted 2,880 USDT needs 288
    assert made.entries[0].quantity == D("0.016")
    assert any("margin is free" in note for note in made.notes)


def test_hardly_any_margin_is_refused_with_both_figures() -> None:
    found = plan(situation(available=D(10)))
    assert isinstance(found, Refused)
    assert (found.rule, found.limit) == ("not_enough_margin", "10")


def test_equity_percent_and_fixed_are_margin_times_leverage() -> None:
    percent = planned(situation(None, TradeSettings(sizing=Sizing.EQUITY_PERCENT, size=D(3))))
    fixed = planned(situation(None, TradeSettings(sizing=Sizing.FIXED, size=D(300))))
    assert percent.entries[0].quantity == fixed.entries[0].quantity == D("0.05")  # 300 * 10 / 60000


def test_without_a_stop_the_risk_can_not_be_sized() -> None:
    said = signal(stop_loss=None)
    assert rule(situation(said)) == "no_stop"
    assert rule(situation(said, TradeSettings(require_stop=False))) == "no_stop"
    open_ended = planned(situation(said, TradeSettings(require_stop=False, sizing=Sizing.FIXED, size=D(100))))
    assert open_ended.stop_loss is None
    assert open_ended.risk_amount is None
    assert planned(situation(said, TradeSettings(default_stop_percent=D(5)))).stop_loss == D(57_000)


def test_targets_too_small_to_be_orders_are_joined() -> None:
    # 0.002 BTC can be two orders of a lot each: three targets become fewer, their shares still whole
    made = planned(situation(signal(stop_loss=D(50_000)), TradeSettings(size=D("0.3"))))
    assert made.entries[0].quantity == D("0.002")
    assert sum(t.share for t in made.targets) == ONE
    assert [t.number for t in made.targets] == [2, 3]
    assert any("3 targets became 2" in note for note in made.notes)


def test_weights_for_more_targets_than_there_are_go_to_the_last() -> None:
    chosen = TradeSettings(size=D(5), target_shares=(D("0.4"), D("0.3"), D("0.2"), D("0.1")))
    assert [t.share for t in planned(situation(signal(targets=(D(61_000), D(62_000))), chosen)).targets] == [
        D("0.4"),
        D("0.6"),
    ]


def test_targets_beyond_the_weights_are_not_used() -> None:
    made = planned(situation(None, TradeSettings(size=D(5), target_shares=(D("0.5"), D("0.5")))))
    assert [(t.number, t.share) for t in made.targets] == [(1, D("0.5")), (2, D("0.5"))]
    assert any("no share" in note for note in made.notes)


def test_entries_too_small_to_be_orders_are_joined() -> None:
    said = signal(entries=(D(60_000), D(59_500), D(59_000), D(58_500)), stop_loss=D(50_000))
    made = planned(situation(said, TradeSettings(size=D("0.2"))))
    assert [(e.price, e.quantity) for e in made.entries] == [(D(60_000), D("0.001")), (D(59_000), D("0.001"))]
    assert made.risk_amount is not None and made.risk_amount <= D(20)
    assert any("4 entries became" in note for note in made.notes)


def test_a_trade_below_the_smallest_order_says_what_would_be_enough() -> None:
    found = plan(situation(None, TradeSettings(size=D("0.01"))))
    assert isinstance(found, Refused)
    assert found.rule == "below_min_quantity"
    assert "60 USDT" in found.sentence


def test_dca_rungs_are_further_legs_within_the_same_risk() -> None:
    ladder = (DcaLevel(D(1), ONE), DcaLevel(D(1), D(2)), DcaLevel(D(5), D(2)))
    made = planned(situation(None, TradeSettings(size=D(2), dca=ladder)))
    assert [e.price for e in made.entries] == [D(60_000), D(59_400), D(58_806)]
    first, second, third = (e.quantity for e in made.entries)
    assert second == first
    assert third == pytest.approx(first * 2, abs=D("0.005"))
    assert made.risk_amount is not None and D(195) < made.risk_amount <= D(200)
    assert made.dca == ()
    assert any("1 DCA rungs lie at or beyond the stop" in note for note in made.notes)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"status": SignalStatus.CANCELLED}, "signal_ended"),
        ({"late": True}, "signal_late"),
        ({"expires_at": NOW}, "signal_expired"),
        ({"source": "beta"}, "source_not_followed"),
        ({"stop_loss": D(60_500)}, "stop_wrong_side"),
        ({"targets": (D(59_000),)}, "target_wrong_side"),
        ({"targets": (D(60_000_000),)}, "absurd_price"),
        ({"stop_loss": D(100)}, "absurd_price"),
        ({"entries": (D(95_000),), "targets": (D(99_000),)}, "absurd_price"),
        ({"hits": (SignalHit(1, D(61_000), NOW),)}, "target_passed"),
    ],
)
def test_signals_that_are_no_trade(changes: dict[str, object], expected: str) -> None:
    assert rule(situation(signal(**changes), TradeSettings(sources=("alpha",)))) == expected


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"autotrade": False}, "autotrade_off"),
        ({"deny_symbols": ("btc",)}, "symbol_denied"),
        ({"allow_symbols": ("ETHUSDT",)}, "symbol_not_allowed"),
        ({"limits": Limits(max_position_value=D(50))}, "max_position_value"),
    ],
)
def test_settings_that_forbid_a_trade(changes: dict[str, object], expected: str) -> None:
    assert rule(situation(None, TradeSettings(**changes))) == expected


def test_a_disabled_account_trades_nothing() -> None:
    given = situation()
    assert rule(replace(given, account=replace(given.account, enabled=False))) == "account_disabled"


def test_no_fresh_price_no_entry() -> None:
    assert rule(situation(quote=None)) == "no_fresh_price"
    assert rule(situation(now=NOW + timedelta(seconds=31))) == "no_fresh_price"
    assert isinstance(plan(situation(now=NOW + timedelta(seconds=30))), Plan)


def test_an_unlisted_symbol_is_refused() -> None:
    assert rule(situation(instrument=None)) == "not_listed"


def test_a_live_account_never_trades_on_simulated_prices() -> None:
    given = situation(quote=quote(simulated=True))
    assert isinstance(plan(given), Plan)
    assert rule(replace(given, account=replace(given.account, exchange="binance"))) == "simulated_price"


def test_a_market_beyond_the_stop_is_refused_for_limit_orders_too() -> None:
    assert rule(situation(quote=quote("57900"))) == "beyond_stop"
    assert rule(situation(signal(order="market"), quote=quote("58000"))) == "beyond_stop"


def test_a_market_order_past_its_first_target_is_refused_while_a_limit_waits() -> None:
    chosen = TradeSettings(max_slippage_percent=D(10))
    assert rule(situation(signal(order="market"), chosen, quote=quote("61000"))) == "target_passed"
    made = planned(situation(None, chosen, quote=quote("61500")))
    assert any("already beyond the first target" in note for note in made.notes)


def test_slippage_is_measured_from_the_entry_against_the_trade() -> None:
    found = plan(situation(signal(order="market"), quote=quote("60700")))
    assert isinstance(found, Refused)
    assert (found.rule, found.figure, found.limit) == ("max_slippage", "1.17", "1")
    assert isinstance(plan(situation(signal(order="market"), quote=quote("59000"))), Plan)


def test_the_same_signal_is_planned_once() -> None:
    made = planned(situation())
    assert rule(situation(open_plans=(made,))) == "already_planned"


def opposite_trade() -> tuple[Plan, Position]:
    older = signal(id="sig-0", side=Side.SHORT, stop_loss=D(62_000), targets=(D(58_000),))
    made = planned(situation(older))
    held = Position("pos", "acc", made.id, "sig-0", "paper", "BTCUSDT", Side.SHORT, D(10), NOW, quantity=D("0.01"))
    return made, held


def test_an_opposite_trade_is_skipped_closed_or_left_by_setting() -> None:
    older, held = opposite_trade()
    given = situation(open_plans=(older,), open_positions=(held,))
    made = planned(given)
    wishes = closing_requests(made, given)
    assert [(w.kind, w.plan_id, w.share) for w in wishes] == [
        (RequestKind.CANCEL_ENTRIES, older.id, None),
        (RequestKind.CLOSE, older.id, ONE),
    ]
    assert len({w.id for w in wishes}) == 2
    assert closing_requests(made, replace(given, open_positions=())) == wishes[:1]
    hedge = replace(given, settings=TradeSettings(opposite=OppositeRule.HEDGE))
    assert closing_requests(planned(hedge), hedge) == ()
    assert rule(replace(given, settings=TradeSettings(opposite=OppositeRule.SKIP))) == "opposite_trade"


def test_trades_of_other_symbols_or_the_same_side_are_left_alone() -> None:
    older, held = opposite_trade()
    elsewhere, same = replace(older, symbol="ETHUSDT"), replace(older, id="x", side=Side.LONG)
    given = situation(open_plans=(elsewhere, same), open_positions=(replace(held, symbol="ETHUSDT"),))
    assert closing_requests(planned(given), given) == ()


def test_a_large_trade_is_cut_to_the_operators_maximum() -> None:
    hard = HardLimits(max_order_value=D(1000), max_leverage=D(5))
    made = planned(situation(hard=hard))
    assert made.entries[0].quantity == D("0.016")
    assert made.leverage == D(5)
    assert any("one order may be worth 1000 at most" in note for note in made.notes)


def test_requests_carry_all_that_the_executor_needs() -> None:
    given = situation(signal(entries=(D(60_000), D(59_000))), TradeSettings(entry_window_seconds=3600))
    made = planned(given)
    first, second = entry_requests(made, NOW)
    assert (first.id, second.id) == ("sig-1:acc:entry:1", "sig-1:acc:entry:2")
    assert (first.kind, first.role, first.action, first.type) == (
        RequestKind.PLACE,
        OrderRole.ENTRY,
        Action.BUY,
        OrderType.LIMIT,
    )
    assert first.expires_at == made.expires_at == NOW + timedelta(hours=1)
    assert first.quantity == made.entries[0].quantity
    assert first.signal_id == "sig-1"
