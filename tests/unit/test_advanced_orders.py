"""OCO pairs, conditional entries, DCA ladders and trailing orders, quote by quote."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.domain.market import Quote, ms_from_utc
from modules.domain.orders import OrderRole, OrderType
from modules.domain.plans import DcaLevel, Trailing, TrailKind
from modules.domain.sides import Action, Side
from modules.trading.advanced_orders import (
    KINDS,
    AdvancedOrder,
    AdvancedStatus,
    Condition,
    ConditionalEntry,
    ConditionKind,
    DcaLadder,
    DecisionKind,
    OcoLeg,
    OcoPair,
    TrailingOrder,
    call_off,
    step,
)

D = Decimal
BUY, SELL = Action.BUY, Action.SELL
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WAITING, DONE = AdvancedStatus.WAITING, AdvancedStatus.DONE
WHOSE = {"id": "o1", "account_id": "a", "plan_id": "p", "symbol": "BTCUSDT", "created_at": NOON, "followed": True}


def quote(
    last: str, high: str | None = None, low: str | None = None, *, open_: str | None = None, after: int = 0
) -> Quote:
    price, time_ms = D(last), ms_from_utc(NOON) + 1000 * after
    opened = D(open_ or last)
    highest, lowest = D(high or max(price, opened)), D(low or min(price, opened))
    return Quote("x", "BTCUSDT", time_ms, time_ms, price, opened, highest, lowest, price, price)


def play(order: AdvancedOrder, *quotes: Quote):
    """The order after these quotes and everything it decided."""
    decided = []
    for each in quotes:
        order, decisions = step(order, each, NOON + timedelta(milliseconds=each.time_ms - ms_from_utc(NOON)))
        decided += decisions
    return order, decided


class TestLife:
    entry = ConditionalEntry(
        **WHOSE, condition=Condition(ConditionKind.TOUCH, D(100)), action=BUY, quantity=D(1),
    )  # fmt: skip

    def test_an_ended_order_never_decides_again(self):
        done, decided = play(self.entry, quote("100"), quote("100"), quote("99", "101", "99"))
        assert done.status is DONE
        assert len(decided) == 1

    def test_deciding_twice_gives_the_same_id(self):
        _, (first,) = play(self.entry, quote("100"))
        _, (again,) = play(self.entry, quote("101", "101", "99"))
        assert first.id == again.id == "o1:entry"

    def test_it_expires(self):
        waiting = replace(self.entry, expires_at=NOON + timedelta(seconds=10))
        assert play(waiting, quote("101", after=9))[0].status is WAITING
        expired, decided = play(waiting, quote("100", after=10))
        assert (expired.status, decided) == (AdvancedStatus.EXPIRED, [])

    def test_it_is_called_off(self):
        off, decisions = call_off(self.entry, "by the user")
        assert (off.status, off.outcome, decisions) == (AdvancedStatus.CANCELLED, "by the user", ())
        assert play(off, quote("100"))[1] == []
        done, _ = play(self.entry, quote("100"))
        assert call_off(done, "too late") == (done, ())

    def test_quotes_from_before_it_say_nothing(self):
        assert play(self.entry, quote("100", after=-1)) == (self.entry, [])

    def test_the_first_quote_counts_by_its_last_price(self):
        fresh = replace(self.entry, followed=False)
        followed, decided = play(fresh, quote("101", "101", "99"))
        assert (followed.followed, decided) == (True, [])
        assert len(play(followed, quote("101", "101", "99"))[1]) == 1

    def test_another_symbol_is_a_mistake(self):
        with pytest.raises(InvalidInput):
            step(self.entry, replace(quote("100"), symbol="ETHUSDT"), NOON)

    def test_every_kind_has_a_name(self):
        assert set(KINDS) == {"oco", "conditional", "dca", "trailing"}


class TestOco:
    pair = OcoPair(
        **WHOSE,
        first=OcoLeg(SELL, D(1), price=D(110)),
        second=OcoLeg(SELL, D(1), trigger_price=D(95)),
    )

    @pytest.mark.parametrize(
        ("seen", "leg"),
        [
            (quote("110"), 1),
            (quote("105", "110", "104"), 1),
            (quote("95"), 2),
            (quote("80"), 2),
            (quote("100", "111", "94"), 2),  # both: the stop
        ],
    )
    def test_the_leg_that_is_reached_goes_to_market(self, seen, leg):
        done, (decision,) = play(self.pair, seen)
        assert (done.status, done.outcome) == (DONE, f"leg {leg}")
        assert (decision.id, decision.kind, decision.type) == (f"o1:leg:{leg}", DecisionKind.PLACE, OrderType.MARKET)
        assert (decision.action, decision.quantity, decision.role) == (SELL, D(1), OrderRole.CLOSE)

    def test_neither_is_reached(self):
        assert play(self.pair, quote("100", "109.9", "95.1")) == (self.pair, [])

    def test_a_breakout_pair_of_entries(self):
        pair = OcoPair(
            **WHOSE,
            first=OcoLeg(BUY, D(1), trigger_price=D(105)),
            second=OcoLeg(SELL, D(1), trigger_price=D(95), price=D("94.5")),
            role=OrderRole.ENTRY,
        )
        _, (bought,) = play(pair, quote("105"))
        assert (bought.action, bought.type, bought.role) == (BUY, OrderType.MARKET, OrderRole.ENTRY)
        _, (sold,) = play(pair, quote("94"))
        assert (sold.action, sold.type, sold.price) == (SELL, OrderType.LIMIT, D("94.5"))

    def test_resting_legs_are_placed_once_and_one_cancels_the_other(self):
        placed, decided = play(replace(self.pair, resting=True), quote("100"), quote("110"))
        assert [(each.id, each.type) for each in decided] == [
            ("o1:leg:1", OrderType.LIMIT),
            ("o1:leg:2", OrderType.STOP_MARKET),
        ]
        assert (decided[0].price, decided[1].trigger_price) == (D(110), D(95))
        done, (cancel,) = placed.leg_filled(1)
        assert done.status is DONE
        assert (cancel.kind, cancel.cancels) == (DecisionKind.CANCEL, "o1:leg:2")
        assert done.leg_filled(2) == (done, ())

    def test_calling_it_off_takes_the_legs_down(self):
        placed, _ = play(replace(self.pair, resting=True), quote("100"))
        _, cancels = call_off(placed, "by the user")
        assert [each.cancels for each in cancels] == ["o1:leg:1", "o1:leg:2"]
        assert call_off(replace(self.pair, resting=True), "by the user")[1] == ()

    @pytest.mark.parametrize("wrong", [{}, {"price": D(0)}, {"trigger_price": D(-1)}])
    def test_an_impossible_leg(self, wrong):
        with pytest.raises(InvalidInput):
            OcoLeg(SELL, D(1), **wrong)


class TestConditions:
    @pytest.mark.parametrize(
        ("kind", "seen", "what", "met"),
        [
            (ConditionKind.TOUCH, None, quote("101", "102", "100"), True),
            (ConditionKind.TOUCH, None, quote("101", "102", "100.1"), False),
            (ConditionKind.TOUCH, D(99), quote("101", "102", "100.5"), True),  # jumped over
            (ConditionKind.TOUCH, D(103), quote("101", "102", "100.5"), False),
            (ConditionKind.CROSS_ABOVE, None, quote("101"), False),  # already above: no crossing
            (ConditionKind.CROSS_ABOVE, D(99), quote("101"), True),
            (ConditionKind.CROSS_ABOVE, D(100), quote("100.1"), True),
            (ConditionKind.CROSS_ABOVE, D(99), quote("100"), False),  # at it is not above it
            (ConditionKind.CROSS_ABOVE, D(99), quote("99", "100.1", "99"), True),
            (ConditionKind.CROSS_ABOVE, D(101), quote("101", "101", "99"), True),  # dipped and came back
            (ConditionKind.CROSS_ABOVE, D(101), quote("99", "101", "99", open_="101"), False),
            (ConditionKind.CROSS_BELOW, D(101), quote("99"), True),
            (ConditionKind.CROSS_BELOW, D(99), quote("99"), False),
            (ConditionKind.CROSS_BELOW, D(101), quote("100"), False),
            (ConditionKind.CROSS_BELOW, D(99), quote("99", "101", "99"), True),
        ],
    )
    def test_a_price_of_100(self, kind, seen, what, met):
        assert Condition(kind, D(100)).met(what, seen) is met

    def test_a_crossing_over_several_quotes(self):
        entry = ConditionalEntry(
            **WHOSE,
            condition=Condition(ConditionKind.CROSS_ABOVE, D(100)),
            action=BUY,
            quantity=D(2),
            limit_price=D(101),
        )
        waiting, decided = play(entry, quote("101"), quote("102"), quote("99"))
        assert (waiting.status, decided) == (WAITING, [])
        done, (decision,) = play(waiting, quote("100.5"))
        assert (done.status, decision.reason) == (DONE, "cross_above")
        assert (decision.type, decision.price, decision.quantity) == (OrderType.LIMIT, D(101), D(2))

    def test_invalidation_comes_first(self):
        entry = ConditionalEntry(
            **WHOSE,
            condition=Condition(ConditionKind.TOUCH, D(100)),
            action=BUY,
            quantity=D(1),
            unless=(Condition(ConditionKind.TOUCH, D(95)),),
        )
        ended, decided = play(entry, quote("100", "101", "94"))
        assert (ended.status, ended.outcome, decided) == (AdvancedStatus.CANCELLED, "invalidated", [])

    def test_a_condition_needs_a_price(self):
        with pytest.raises(InvalidInput):
            Condition(ConditionKind.TOUCH, D(0))


class TestDca:
    levels = (DcaLevel(D(2), D(1)), DcaLevel(D(5), D(2)), DcaLevel(D(10), D(4)))

    def ladder(self, **changes: object) -> DcaLadder:
        words = {**WHOSE, "side": Side.LONG, "levels": self.levels, "first_price": D(100), "first_quantity": D(1)}
        return DcaLadder(**{**words, **changes})

    def test_each_rung_lies_below_the_one_before(self):
        assert self.ladder().rungs() == (D("98.00"), D("93.1000"), D("83.790000"))
        assert self.ladder(side=Side.SHORT).rungs() == (D("102.00"), D("107.1000"), D("117.810000"))

    def test_rungs_one_by_one(self):
        ladder, decided = play(self.ladder(), quote("99"), quote("98"), quote("97"), quote("93.1"), quote("80"))
        assert [(each.id, each.quantity) for each in decided] == [
            ("o1:rung:1", D(1)), ("o1:rung:2", D(2)), ("o1:rung:3", D(4)),
        ]  # fmt: skip
        assert all((each.action, each.role, each.type) == (BUY, OrderRole.ENTRY, OrderType.MARKET) for each in decided)
        assert (ladder.status, ladder.outcome, ladder.quantity) == (DONE, "all levels taken", D(7))

    def test_a_fall_through_several_takes_them_all(self):
        assert [each.number for each in play(self.ladder(), quote("99", "99", "90"))[1]] == [1, 2]

    def test_a_short_sells_into_a_rise(self):
        _, decided = play(self.ladder(side=Side.SHORT), quote("103", "108", "103"))
        assert [(each.number, each.action) for each in decided] == [(1, SELL), (2, SELL)]

    def test_a_cap_on_quantity_cuts_the_last_and_ends_it(self):
        ladder, decided = play(self.ladder(max_quantity=D(4), quantity=D(2)), quote("80"))
        assert [each.quantity for each in decided] == [D(1), D(1)]
        assert (ladder.status, ladder.outcome) == (DONE, "cap reached")

    def test_a_cap_on_value(self):
        ladder, decided = play(self.ladder(max_value=D(198), value=D(100)), quote("80"))
        assert [each.quantity for each in decided] == [D(1)]
        assert (ladder.outcome, ladder.value) == ("cap reached", D(198))

    def test_a_cooldown_takes_one_at_a_time_by_the_newest_price(self):
        ladder, decided = play(self.ladder(cooldown_seconds=60), quote("90"), quote("90", after=59))
        assert [each.number for each in decided] == [1]
        ladder, decided = play(ladder, quote("95", "95", "90", after=60))
        assert decided == []
        _, decided = play(ladder, quote("90", after=61), quote("80", after=62))
        assert [each.number for each in decided] == [2]

    def test_no_rung_at_or_beyond_the_stop(self):
        ladder, decided = play(self.ladder(stop_loss=D("93.1")), quote("80"))
        assert [each.number for each in decided] == [1]
        assert (ladder.status, ladder.outcome) == (DONE, "beyond the stop")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"first_price": D(0)},
            {"first_quantity": D(0)},
            {"levels": (DcaLevel(D(100), D(1)),)},
            {"levels": (DcaLevel(D(0), D(1)),)},
            {"levels": (DcaLevel(D(1), D(0)),)},
        ],
    )
    def test_impossible_ladders(self, wrong):
        with pytest.raises(InvalidInput):
            self.ladder(**wrong)

    @given(st.lists(st.integers(40, 160), max_size=30), st.integers(1, 12), st.integers(0, 100), st.sampled_from(Side))
    @settings(deadline=None)
    def test_caps_hold_and_no_rung_is_taken_twice(self, prices, cap, cooldown, side):
        ladder = self.ladder(side=side, max_quantity=D(cap), max_value=D(500), cooldown_seconds=cooldown)
        ladder, decided = play(ladder, *(quote(str(price), after=30 * n) for n, price in enumerate(prices)))
        assert sum(each.quantity for each in decided) == ladder.quantity <= cap
        assert ladder.value <= 500
        assert [each.number for each in decided] == list(range(1, len(decided) + 1))


class TestTrailing:
    def order(self, **changes: object) -> TrailingOrder:
        words = {
            **WHOSE, "action": SELL, "trailing": Trailing(TrailKind.AMOUNT, D(3)), "reference_price": D(100),
        }  # fmt: skip
        return TrailingOrder(**{**words, **changes})

    def test_a_trailing_stop_closes_its_share(self):
        order, decided = play(self.order(share=D("0.5")), quote("101"), quote("105"), quote("102.1"))
        assert (order.stop, order.best, order.active, decided) == (D(102), D(105), True, [])
        done, (decision,) = play(order, quote("102"))
        assert done.status is DONE
        assert (decision.id, decision.kind, decision.share) == ("o1:close", DecisionKind.CLOSE, D("0.5"))

    def test_a_trailing_entry_buys_the_turn(self):
        order = self.order(
            action=BUY, role=OrderRole.ENTRY, quantity=D(2), trailing=Trailing(TrailKind.PERCENT, D(2), D(0), D(5))
        )
        order, decided = play(order, quote("97"), quote("99"))
        assert (order.stop, order.active, decided) == (None, False, [])
        order, decided = play(order, quote("95"), quote("90"), quote("91.7"))
        assert (order.stop, decided) == (D("91.8"), [])
        _, (decision,) = play(order, quote("91.8"))
        assert (decision.kind, decision.action, decision.quantity) == (DecisionKind.PLACE, BUY, D(2))
        assert decision.role is OrderRole.ENTRY

    def test_resting_at_the_exchange_it_only_moves(self):
        order, decided = play(self.order(resting=True), quote("101"), quote("104"), quote("104"), quote("90"))
        assert [(each.id, each.kind, each.price) for each in decided] == [
            ("o1:stop:1", DecisionKind.MOVE_STOP, D(98)),
            ("o1:stop:2", DecisionKind.MOVE_STOP, D(101)),
        ]
        assert order.status is WAITING

    def test_an_atr_trail_waits_for_its_atr(self):
        order = self.order(trailing=Trailing(TrailKind.ATR, D(2)))
        order, _ = play(order, quote("104"))
        assert order.stop is None
        order, _ = play(replace(order, atr=D("1.5")), quote("104"))
        assert order.stop == D(101)

    def test_the_stop_lies_on_a_tick(self):
        order = self.order(trailing=Trailing(TrailKind.PERCENT, D("0.77")), tick_size=D("0.1"))
        order, _ = play(order, quote("123.7"))
        assert order.stop == D("122.7")

    @pytest.mark.parametrize(
        "wrong",
        [{"reference_price": D(0)}, {"share": D(0)}, {"share": D(2)}, {"role": OrderRole.ENTRY}],
    )
    def test_impossible_orders(self, wrong):
        with pytest.raises(InvalidInput):
            self.order(**wrong)

    @given(st.lists(st.integers(800, 1200), min_size=1, max_size=40), st.integers(1, 80))
    @settings(deadline=None)
    def test_it_triggers_where_a_running_extreme_says(self, prices, distance):
        order = self.order(reference_price=D(1000), trailing=Trailing(TrailKind.AMOUNT, D(distance)))
        done, decided = play(order, *(quote(str(price)) for price in prices))
        best, stop, expected = 1000, None, False
        for price in prices:
            if stop is not None and price <= stop:
                expected = True
                break
            best = max(best, price)
            stop = best - distance
        assert (done.status is DONE) is expected
        assert len(decided) == int(expected)
