"""Planning holds its promises for any prices, ticks, lots and settings: never raises, never risks more than allowed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from modules.domain.errors import Refused
from modules.domain.instruments import Instrument, MarketKind
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import HUNDRED, ONE, ZERO
from modules.domain.orders import OrderType
from modules.domain.people import Account
from modules.domain.plans import DcaLevel, Limits, Plan, Sizing, TradeSettings
from modules.domain.sides import Side
from modules.domain.signals import Signal
from modules.trading.planning import PlanningInput, entry_requests, plan
from modules.trading.risk import HardLimits, RiskView
from modules.trading.sizing import safe_leverage, shares_for

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
TINY = Decimal("1e-18")  # relative: what 28 digits leave of exactness


def numbers(low: str, high: str, places: int = 8) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=places, allow_nan=False, allow_infinity=False)


@st.composite
def instruments(draw: st.DrawFn, price: Decimal) -> Instrument:
    """Rules in proportion to the price as a rule, now and then absurdly coarse or fine."""
    exponent = price.adjusted()
    tick = Decimal(draw(st.sampled_from([1, 5]))).scaleb(exponent - draw(st.integers(1, 7)))
    lot = Decimal(draw(st.sampled_from([1, 1, 7]))).scaleb(draw(st.integers(-6, 1)) - exponent)
    return Instrument(
        exchange="paper",
        symbol="AAAUSDT",
        base="AAA",
        quote="USDT",
        kind=draw(st.sampled_from([MarketKind.PERPETUAL] * 4 + [MarketKind.SPOT])),
        tick_size=tick,
        lot_size=lot,
        min_quantity=lot * draw(st.integers(0, 20)),
        min_notional=draw(numbers("0", "20", 2)),
        max_leverage=draw(st.sampled_from([Decimal(20), Decimal(125), ONE])),
        taker_fee=draw(numbers("0", "0.01", 4)),
        maintenance_margin=draw(numbers("0", "0.05", 4)),
    )


@st.composite
def signals(draw: st.DrawFn, price: Decimal) -> Signal:
    """Around a market price: entries just on the losing side of it, as a rule, targets and stop on their sides."""
    side = draw(st.sampled_from(Side))
    wild = draw(st.integers(0, 9)) == 0

    def near(low: str, high: str) -> Decimal:
        spread = numbers("-0.3", "0.3", 5) if wild else numbers(low, high, 5)
        return price * (ONE + draw(spread) * side.sign)

    entries = tuple(near("-0.03", "0.002") for _ in range(draw(st.integers(0, 4))))
    targets = tuple(near("0.005", "0.6") for _ in range(draw(st.integers(0, 6))))
    no_stop = draw(st.integers(0, 9)) == 0
    return Signal(
        id="sig-1",
        source="channel",
        message_id="1",
        symbol="AAAUSDT",
        side=side,
        order=draw(st.sampled_from(["market", "limit"])),
        entries=entries,
        entry_range=len(entries) == 2,
        targets=targets,
        stop_loss=None if no_stop else near("-0.4", "-0.031"),
        leverage=draw(st.none() | numbers("0", "150", 1)),
        text="",
        said_at=NOW,
        received_at=NOW,
        expires_at=NOW + timedelta(hours=24),
        confidence=1.0,
    )


@st.composite
def trade_settings(draw: st.DrawFn) -> TradeSettings:
    return TradeSettings(
        sizing=draw(st.sampled_from(Sizing)),
        size=draw(numbers("0.5", "5", 2) | numbers("0.01", "100", 2)),
        leverage_cap=draw(numbers("1", "125", 1)),
        default_leverage=draw(numbers("1", "50", 1)),
        entry_shares=tuple(draw(st.lists(numbers("0", "100", 2), max_size=4))),
        target_shares=tuple(draw(st.lists(numbers("0", "100", 2), max_size=6))),
        dca=tuple(draw(st.lists(st.builds(DcaLevel, numbers("0", "120", 2), numbers("0", "5", 2)), max_size=3))),
        require_stop=draw(st.booleans()),
        default_stop_percent=draw(st.none() | numbers("0.1", "150", 1)),
        max_slippage_percent=draw(numbers("0", "5", 1)),
        limits=Limits(max_position_value=draw(st.none() | numbers("1", "100000", 2))),
    )


@st.composite
def situations(draw: st.DrawFn) -> PlanningInput:
    """A signal, an account and a market with a price from 1e-8 to 1e6; sensible as a rule, with anything a bit off."""
    price = draw(numbers("1", "9.99", 3)).scaleb(draw(st.integers(-8, 5)))
    chosen = draw(trade_settings())
    equity = draw(numbers("100", "100000", 2) | numbers("-10", "1000000", 2))
    return PlanningInput(
        signal=draw(signals(price)),
        account=Account("acc", "user", "paper", "USDT", Decimal(10_000), NOW, chosen),
        settings=chosen,
        instrument=draw(instruments(price)),
        quote=Quote.at_price("paper", "AAAUSDT", ms_from_utc(NOW), price),
        available=max(equity * draw(numbers("0", "1", 2)), ZERO),
        view=RiskView(equity=equity, day_start_equity=equity, held={"AAAUSDT": draw(numbers("0", "100", 2))}),
        hard=HardLimits(max_order_value=draw(numbers("1000", "50000", 2) | numbers("1", "1000", 2))),
        now=NOW,
    )


def made(situation: PlanningInput) -> Plan | None:
    found = plan(situation)
    if isinstance(found, Refused):
        assert found.rule and found.sentence.endswith((".", "…")), found
        return None
    return found


def price_of(trade: Plan, number: int) -> Decimal:
    return trade.entries[number].price or trade.reference_price


@settings(max_examples=400, deadline=None)
@given(situations())
def test_a_plan_never_risks_more_than_its_budget(situation: PlanningInput) -> None:
    trade = made(situation)
    if trade is None or trade.stop_loss is None or situation.instrument is None:
        return
    fee = situation.instrument.taker_fee
    loss = sum(
        (
            e.quantity * (abs(price_of(trade, i) - trade.stop_loss) + fee * (price_of(trade, i) + trade.stop_loss))
            for i, e in enumerate(trade.entries)
        ),
        ZERO,
    )
    assert trade.risk_amount is not None
    assert abs(trade.risk_amount - loss) <= loss * TINY
    if situation.settings.sizing is Sizing.RISK_PERCENT:
        budget = situation.view.equity * situation.settings.size / HUNDRED
        assert loss <= budget * (ONE + TINY)


@settings(max_examples=400, deadline=None)
@given(situations())
def test_a_plan_is_made_of_orders_the_exchange_takes_within_every_maximum(situation: PlanningInput) -> None:
    trade = made(situation)
    if trade is None or situation.instrument is None:
        return
    instrument, hard = situation.instrument, situation.hard
    value = ZERO
    for index, entry in enumerate(trade.entries):
        price = price_of(trade, index)
        assert entry.number == index + 1
        assert instrument.refuse(entry.quantity, price) is None
        assert entry.quantity % instrument.lot_size == ZERO
        assert entry.quantity * price <= hard.max_order_value
        assert (entry.type is OrderType.MARKET) == (entry.price is None)
        if entry.price is not None:
            assert entry.price % instrument.tick_size == ZERO
        value += entry.quantity * price
    held = situation.view.exposure(trade.symbol)
    assert held + value <= hard.max_position_value * (ONE + TINY)
    limit = situation.settings.limits.max_position_value
    assert limit is None or value <= limit * (ONE + TINY)
    most = min(situation.settings.leverage_cap, instrument.max_leverage, hard.max_leverage)
    assert ONE <= trade.leverage <= most
    assert value / trade.leverage + value * instrument.taker_fee <= situation.available


@settings(max_examples=400, deadline=None)
@given(situations())
def test_a_plan_points_the_right_way_and_its_shares_are_whole(situation: PlanningInput) -> None:
    trade = made(situation)
    if trade is None or situation.instrument is None:
        return
    instrument, sign = situation.instrument, trade.side.sign
    prices = [price_of(trade, i) for i in range(len(trade.entries))]
    assert prices == sorted(prices, reverse=trade.side is Side.LONG)
    if trade.stop_loss is not None:
        assert all((price - trade.stop_loss) * sign > ZERO for price in prices)
        if instrument.kind is MarketKind.PERPETUAL:
            assert trade.leverage <= safe_leverage(prices[0], trade.stop_loss, instrument)
    if trade.targets:
        assert sum((t.share for t in trade.targets), ZERO) == ONE
        assert all((t.price - prices[0]) * sign > ZERO for t in trade.targets)
        total = sum((e.quantity for e in trade.entries), ZERO)
        parts = instrument.split_quantity(total, tuple(t.share for t in trade.targets))
        assert sum(parts, ZERO) == total
        small = [p for p, t in zip(parts, trade.targets, strict=True) if instrument.refuse(p, t.price)]
        assert not small or len(trade.targets) == 1
        assert [t.number for t in trade.targets] == sorted({t.number for t in trade.targets})
    assert bool(trade.targets) == bool(situation.signal.targets)
    requests = entry_requests(trade, situation.now)
    assert [r.id for r in requests] == [f"{trade.id}:entry:{e.number}" for e in trade.entries]


@settings(max_examples=300, deadline=None)
@given(situations(), numbers("1", "125", 0))
def test_capping_leverage_changes_the_margin_and_not_the_risk(situation: PlanningInput, cap: Decimal) -> None:
    chosen = replace(situation.settings, sizing=Sizing.RISK_PERCENT, limits=Limits(None, None, None, None))
    rich = replace(situation, settings=chosen, available=Decimal("1e15"))
    before, after = made(rich), made(replace(rich, settings=replace(chosen, leverage_cap=cap)))
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert after.entries == before.entries
        assert after.risk_amount == before.risk_amount
        assert after.leverage <= cap


@given(st.integers(1, 12), st.lists(numbers("0", "100", 3), max_size=12))
def test_shares_sum_to_one_and_are_never_negative(count: int, weights: list[Decimal]) -> None:
    shares = shares_for(count, weights)
    assert len(shares) == count
    assert sum(shares, ZERO) == ONE
    assert min(shares) >= ZERO
