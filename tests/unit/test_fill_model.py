"""Fills by hand: book side, slippage, limits, stops, partial fills, bands, fees, liquidation."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.domain.instruments import Instrument, MarketKind
from modules.domain.market import Quote
from modules.domain.sides import Action, Side
from modules.trading import fill_model
from modules.trading.fill_model import (
    Execution,
    FillModel,
    Market,
    Slippage,
    StopOutcome,
    bankruptcy_price,
    funding_paid,
    limit_fill,
    liquidation_price,
    market_fill,
    outside_band,
    simulated_rejection,
    stop_fill,
    tick_ratio,
    worse_price,
)

D = Decimal
BUY, SELL = Action.BUY, Action.SELL
BTC = Instrument("x", "BTCUSDT", "BTC", "USDT", MarketKind.PERPETUAL, D("0.1"), D("0.001"), D("0.001"), D(5), D(100))


def quote(
    open_: str, high: str, low: str, last: str, *, book: tuple[str, str] | None = None, volume: str = "0"
) -> Quote:
    bid, ask = book or (last, last)
    return Quote("x", "BTCUSDT", 7, 7, D(last), D(open_), D(high), D(low), D(bid), D(ask), D(volume))


def at(price: str, **book: object) -> Quote:
    return quote(price, price, price, price, **book)


def market(where: Quote, atr: str | None = None, **assumptions: object) -> Market:
    return Market(BTC, where, FillModel(**assumptions), D(atr) if atr else None)


def price_of(execution: Execution | None) -> Decimal | None:
    return execution.price if execution is not None else None


class TestMarketOrders:
    def test_a_buy_takes_the_ask_and_pays_the_taker_fee(self):
        filled = market_fill(BUY, D("0.0105"), market(at("100", book=("99.9", "100.1"))))
        assert filled == Execution(D("100.1"), D("0.010"), D("0.010") * D("100.1") * D("0.0005"), maker=False)

    def test_a_sell_takes_the_bid(self):
        assert price_of(market_fill(SELL, D(1), market(at("100", book=("99.9", "100.1"))))) == D("99.9")

    def test_without_a_book_the_last_price_and_the_assumed_spread(self):
        assert price_of(market_fill(BUY, D(1), market(at("100")))) == D(100)
        assert price_of(market_fill(BUY, D(1), market(at("100"), spread_bps=D(20)))) == D("100.1")
        assert price_of(market_fill(SELL, D(1), market(at("100"), spread_bps=D(20)))) == D("99.9")

    @pytest.mark.parametrize(("action", "price"), [(BUY, "100.1"), (SELL, "99.9")])
    def test_slippage_rounds_to_the_worse_tick(self, action, price):
        slipped = market_fill(action, D(1), market(at("100"), slippage=Slippage.BPS, slippage_size=D(5)))
        assert price_of(slipped) == D(price)

    def test_a_price_already_on_a_tick_is_not_pushed_on(self):
        # 270 + 50 bps is 271.35 exactly, though a little more in binary
        fine = replace(BTC, tick_size=D("0.01"))
        model = FillModel(slippage=Slippage.BPS, slippage_size=D(50))
        assert price_of(market_fill(BUY, D(1), Market(fine, at("270"), model))) == D("271.35")

    def test_slippage_grows_with_the_square_of_the_volume_share(self):
        assumptions = {"slippage": Slippage.VOLUME_SHARE, "slippage_size": D("0.1")}
        half = market(at("1000", volume="2"), **assumptions)
        assert price_of(market_fill(BUY, D(1), half)) == D(1025)
        tenth = market(at("1000", volume="10"), **assumptions)
        assert price_of(market_fill(BUY, D(1), tenth)) == D(1001)
        unknown = market(at("1000"), **assumptions)
        assert price_of(market_fill(BUY, D(1), unknown)) == D(1000)

    def test_slippage_by_atr(self):
        assumptions = {"slippage": Slippage.ATR_SHARE, "slippage_size": D("0.25")}
        assert price_of(market_fill(SELL, D(1), market(at("1000"), atr="8", **assumptions))) == D(998)
        assert price_of(market_fill(SELL, D(1), market(at("1000"), **assumptions))) == D(1000)

    def test_the_volume_limits_one_fill(self):
        thin = market(at("100", volume="2"), volume_limit=D("0.1"))
        assert market_fill(BUY, D(1), thin).quantity == D("0.2")
        assert market_fill(BUY, D("0.1"), thin).quantity == D("0.1")
        assert market_fill(BUY, D(1), market(at("100", volume="0.001"), volume_limit=D("0.1"))) is None
        assert market_fill(BUY, D(1), market(at("100"), volume_limit=D("0.1"))).quantity == D(1)

    def test_a_bound_is_never_passed(self):
        slipping = market(at("100"), slippage=Slippage.BPS, slippage_size=D(100))
        assert price_of(market_fill(BUY, D(1), slipping)) == D(101)
        assert price_of(market_fill(BUY, D(1), slipping, worst=D("100.5"))) == D("100.5")
        assert market_fill(BUY, D(1), slipping, worst=D("99.9")) is None
        assert market_fill(SELL, D(1), slipping, worst=D("100.1")) is None

    def test_fees_of_the_model_go_first(self):
        free = market(at("100"), taker_fee=D(0), maker_fee=D("-0.0001"))
        assert market_fill(BUY, D(1), free).fee == 0
        assert limit_fill(BUY, D(100), D(1), free).fee == D("-0.01")


class TestLimitOrders:
    def test_crossing_on_arrival_takes_the_book(self):
        crossed = market(at("100", book=("99.9", "100.1")))
        filled = limit_fill(BUY, D("100.5"), D(1), crossed, arriving=True)
        assert (filled.price, filled.maker) == (D("100.1"), False)
        assert limit_fill(BUY, D("100.0"), D(1), crossed, arriving=True) is None
        assert limit_fill(SELL, D("99.9"), D(1), crossed, arriving=True).price == D("99.9")

    @pytest.mark.parametrize(
        ("action", "limit", "price"),
        [
            (BUY, "99.0", "99.0"),  # traded down to it
            (BUY, "98.0", "98.0"),  # exactly the low
            (BUY, "97.9", None),
            (BUY, "100.5", "100.0"),  # opened below it: better
            (SELL, "101.0", "101.0"),
            (SELL, "102.1", None),
            (SELL, "99.5", "100.0"),  # opened above it: better
        ],
    )
    def test_resting_in_a_quote_from_98_to_102(self, action, limit, price):
        filled = limit_fill(action, D(limit), D(1), market(quote("100", "102", "98", "101")))
        assert price_of(filled) == (D(price) if price else None)
        assert filled is None or filled.maker
        assert filled is None or filled.fee == filled.price * D("0.0002")

    def test_last_in_the_queue_needs_a_trade_beyond(self):
        ranged = market(quote("100", "102", "98", "101"), needs_through=True)
        assert limit_fill(BUY, D(98), D(1), ranged) is None
        assert price_of(limit_fill(BUY, D("98.1"), D(1), ranged)) == D("98.1")
        assert limit_fill(SELL, D(102), D(1), ranged) is None
        assert price_of(limit_fill(SELL, D("101.9"), D(1), ranged)) == D("101.9")

    def test_the_rest_keeps_working(self):
        thin = market(quote("100", "102", "98", "101", volume="4"), volume_limit=D("0.25"))
        assert limit_fill(BUY, D(99), D(3), thin).quantity == D(1)
        nothing = market(quote("100", "102", "98", "101", volume="0.001"), volume_limit=D("0.25"))
        assert limit_fill(BUY, D(99), D(3), nothing) is None


class TestStopOrders:
    @pytest.mark.parametrize(
        ("action", "trigger", "price"),
        [
            (SELL, "99.0", "99.0"),
            (SELL, "97.9", None),
            (SELL, "100.5", "100.0"),  # opened beyond: worse
            (BUY, "101.0", "101.0"),
            (BUY, "102.1", None),
            (BUY, "99.5", "100.0"),
        ],
    )
    def test_in_a_quote_from_98_to_102(self, action, trigger, price):
        outcome = stop_fill(action, D(trigger), D(1), market(quote("100", "102", "98", "101")))
        assert outcome.triggered is (price is not None)
        assert price_of(outcome.execution) == (D(price) if price else None)
        assert outcome.execution is None or not outcome.execution.maker

    def test_spread_and_slippage_come_on_top(self):
        spread = market(
            quote("100", "102", "98", "101", book=("100.9", "101.1")), slippage=Slippage.BPS, slippage_size=D(10)
        )
        # 99 less half of 0.2, less 10 bps of it, down to a tick
        assert price_of(stop_fill(SELL, D(99), D(1), spread).execution) == D("98.8")
        assert price_of(stop_fill(BUY, D(101), D(1), spread).execution) == D("101.3")

    def test_a_stop_limit_is_bounded_by_its_limit(self):
        slipping = market(quote("100", "102", "98", "101"), slippage=Slippage.BPS, slippage_size=D(100))
        assert price_of(stop_fill(SELL, D(99), D(1), slipping, limit=D("98.5")).execution) == D("98.5")

    def test_a_stop_limit_that_was_jumped_over_rests(self):
        jumped = market(quote("90", "91", "89", "90"))
        assert stop_fill(SELL, D(99), D(1), jumped, limit=D(98)) == StopOutcome(True)

    def test_a_triggered_stop_without_volume_waits(self):
        thin = market(quote("100", "102", "98", "101", volume="0.001"), volume_limit=D("0.1"))
        assert stop_fill(SELL, D(99), D(1), thin) == StopOutcome(True)


class TestRefusals:
    def test_a_limit_too_far_from_the_market(self):
        assert outside_band(D(120), market(at("100"))) is None
        refused = outside_band(D("120.1"), market(at("100")))
        assert (refused.rule, refused.figure, refused.limit) == ("price_outside_band", "20.1", "20")
        assert outside_band(D("79.9"), market(at("100"))) is not None
        assert outside_band(D(94), market(at("100"), price_band=D("0.05"))) is not None

    def test_rejections_depend_on_the_order_alone(self):
        model = FillModel(rejection_rate=D("0.25"), seed=3)
        ids = [f"order-{number}" for number in range(2000)]
        first = [simulated_rejection(order_id, model) for order_id in ids]
        assert first == [simulated_rejection(order_id, model) for order_id in ids]
        assert 400 < sum(refused is not None for refused in first) < 600
        other = [simulated_rejection(order_id, replace(model, seed=4)) for order_id in ids]
        assert other != first

    def test_no_rejection_unless_asked_for(self):
        assert simulated_rejection("order", FillModel()) is None
        assert simulated_rejection("order", FillModel(rejection_rate=D(1))).rule == "simulated_rejection"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("slippage_size", D(-1)),
            ("spread_bps", D(-1)),
            ("volume_limit", D(0)),
            ("volume_limit", D(2)),
            ("price_band", D(0)),
            ("rejection_rate", D(2)),
        ],
    )
    def test_impossible_assumptions(self, name, value):
        with pytest.raises(InvalidInput) as caught:
            FillModel(**{name: value})
        assert list(caught.value.fields) == [name]


class TestMargin:
    @pytest.mark.parametrize(
        ("side", "entry", "leverage", "price"),
        [(Side.LONG, "20000", "50", "19700"), (Side.SHORT, "8000", "40", "8160"), (Side.LONG, "100", "1", "0.5")],
    )
    def test_the_exchange_s_examples(self, side, entry, leverage, price):
        assert liquidation_price(side, D(entry), D(leverage), D("0.005")) == D(price)

    def test_bankruptcy_lies_beyond_liquidation(self):
        assert bankruptcy_price(Side.LONG, D(20000), D(50)) == D(19600)
        assert bankruptcy_price(Side.SHORT, D(20000), D(50)) == D(20400)

    @pytest.mark.parametrize(
        ("entry", "leverage", "rate"), [("0", "10", "0.005"), ("100", "0.5", "0.005"), ("100", "200", "0.005")]
    )
    def test_impossible_positions(self, entry, leverage, rate):
        with pytest.raises(InvalidInput):
            liquidation_price(Side.LONG, D(entry), D(leverage), D(rate))

    def test_longs_pay_a_positive_funding_rate(self):
        assert funding_paid(Side.LONG, D(2), D(100), D("0.0001"), BTC) == D("0.02")
        assert funding_paid(Side.SHORT, D(2), D(100), D("0.0001"), BTC) == D("-0.02")
        assert funding_paid(Side.LONG, D(2), D(100), D("0.0001"), replace(BTC, kind=MarketKind.SPOT)) == 0


ticks = st.sampled_from(["0.1", "0.01", "0.5", "0.00000001", "0.025", "10"]).map(Decimal)


@given(ticks, st.integers(1, 10_000_000), st.integers(0, 1000), st.sampled_from([BUY, SELL]))
@settings(deadline=None)
def test_a_worse_price_is_the_instrument_s_rounding_against_the_order(tick, count, bps, action):
    instrument = replace(BTC, tick_size=tick)
    price = tick * count
    exact = price * (1 + action.sign * D(bps) / 10_000)
    amount = fill_model.slippage_amount(fill_model.SLIP_BPS, float(bps), float(price), 0.0, 0.0)
    slipped = worse_price(action.sign, float(price), amount, *tick_ratio(instrument))
    assert slipped == float(instrument.round_price_against(exact, action))


@given(st.floats(), st.floats(), st.sampled_from([1, -1]))
@settings(deadline=None)
def test_slippage_is_the_same_uncompiled_and_never_nonsense(size, price, action):
    for kind in (fill_model.SLIP_NONE, fill_model.SLIP_BPS, fill_model.SLIP_VOLUME, fill_model.SLIP_ATR):
        with np.errstate(all="ignore"):
            amount = fill_model.slippage_amount(kind, size, price, 0.5, 2.0)
            assert amount == fill_model.slippage_amount.py_func(kind, size, price, 0.5, 2.0)
        assert 0.0 <= amount < np.inf
