"""Conflation loses no range and no volume, and its candles are those of the trades."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.connections.feeds.conflation import Conflator, join_quotes, snapshot
from modules.domain.market import Candle, Quote

START = 1_723_161_600_000  # a whole minute


class HandClock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(START / 1000 + self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


def conflator(clock: HandClock | None = None, **options: object) -> tuple[Conflator, list[Candle]]:
    candles: list[Candle] = []
    return Conflator("binance", clock or HandClock(), on_candle=candles.append, **options), candles  # type: ignore[arg-type]


def test_a_quote_stands_for_every_trade_since_the_last():
    clock = HandClock()
    made, _ = conflator(clock)
    tape = made.tape("BTCUSDT")
    for at, (price, size) in enumerate([(100.5, "0.1"), (103.25, "0.2"), (99.75, "0.3"), (101.0, "0.4")]):
        tape.trade(price, size, START + at)
    [quote] = made.drain()
    assert (quote.open, quote.high, quote.low, quote.last) == (
        Decimal("100.5"),
        Decimal("103.25"),
        Decimal("99.75"),
        Decimal("101.0"),
    )
    assert (quote.volume, quote.trades, quote.time_ms) == (Decimal("1.0"), 4, START + 3)
    assert quote.bid == quote.ask == quote.last
    assert made.drain() == []
    clock.seconds = 0.2
    tape.trade(102.0, "1", START + 50)
    [second] = made.drain()
    assert (second.open, second.high, second.low, second.volume, second.trades) == (102, 102, 102, 1, 1)


def test_an_idle_symbol_is_quoted_at_once_and_a_busy_one_once_an_interval():
    clock = HandClock()
    made, _ = conflator(clock, interval_ms=100)
    busy, idle = made.tape("BTCUSDT"), made.tape("ETHUSDT")
    busy.trade(1.0, "1", START)
    assert [quote.symbol for quote in made.drain()] == ["BTCUSDT"]
    clock.seconds = 0.05
    busy.trade(2.0, "1", START + 50)
    idle.trade(3.0, "1", START + 50)
    assert [quote.symbol for quote in made.drain()] == ["ETHUSDT"]
    clock.seconds = 0.1
    assert [(quote.symbol, quote.last) for quote in made.drain()] == [("BTCUSDT", 2)]


def test_book_changes_alone_are_quoted_more_seldom_and_stand_for_no_trade():
    clock = HandClock()
    made, _ = conflator(clock, interval_ms=100, book_interval_ms=250)
    tape = made.tape("BTCUSDT")
    tape.book(99.0, 101.0)
    assert made.drain() == []  # no price is known yet
    tape.trade(100.0, "1", START)
    [quote] = made.drain()
    assert (quote.bid, quote.ask) == (99, 101)
    tape.book(99.5, 100.5)
    clock.seconds = 0.2
    assert made.drain() == []
    clock.seconds = 0.25
    [moved] = made.drain()
    assert (moved.bid, moved.ask, moved.last, moved.trades, moved.volume) == (
        Decimal("99.5"),
        Decimal("100.5"),
        100,
        0,
        0,
    )


@pytest.mark.parametrize(("bid", "ask"), [(101.0, 100.0), (0.0, 1.0), (float("nan"), 1.0), (1.0, float("inf"))])
def test_an_impossible_book_is_left_out(bid: float, ask: float):
    made, _ = conflator()
    tape = made.tape("BTCUSDT")
    tape.trade(100.0, "1", START)
    tape.book(bid, ask)
    [quote] = made.drain()
    assert quote.bid == quote.ask == 100
    assert tape.ignored == 1


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_price_is_left_out(price: float):
    made, _ = conflator()
    made.tape("BTCUSDT").trade(price, "1", START)
    assert made.drain() == []
    assert made.tape("BTCUSDT").ignored == 1


def test_quantities_that_are_no_numbers_count_as_nothing():
    made, _ = conflator()
    tape = made.tape("BTCUSDT")
    for size in ("1.5", "nonsense", "-3", "NaN", "0.25"):
        tape.trade(100.0, size, START)
    [quote] = made.drain()
    assert quote.volume == Decimal("1.75")


def test_minutes_become_candles_and_the_first_partial_one_does_not():
    made, candles = conflator()
    tape = made.tape("BTCUSDT")
    for second, price in [(30, 10.0), (61, 11.0), (90, 14.0), (110, 9.0), (119, 12.0), (125, 13.0)]:
        tape.trade(price, "0.5", START + second * 1000)
    made.close_candles()
    assert [candle.open_ms for candle in candles] == [START + 60_000]
    assert (candles[0].open, candles[0].high, candles[0].low, candles[0].close) == (11, 14, 9, 12)
    assert candles[0].volume == 2


def test_a_late_trade_joins_its_candle_while_that_is_open_and_never_becomes_the_last_price():
    made, candles = conflator()
    tape = made.tape("BTCUSDT")
    for second, price in [(0, 10.0), (60, 11.0), (119, 12.0), (120, 20.0)]:
        tape.trade(price, "1", START + second * 1000)
    tape.trade(5.0, "1", START + 119_500)
    [quote] = made.drain()
    assert (quote.last, quote.low) == (20, 5)
    tape.trade(20.0, "1", START + 123_000)
    made.close_candles()
    assert (candles[0].low, candles[0].close, candles[0].volume) == (5, 5, 3)
    tape.trade(1.0, "1", START + 119_900)
    assert tape.late == 1
    assert len(candles) == 1


def test_a_minute_with_missing_trades_gives_no_candle_but_is_named():
    named: list[tuple[str, int]] = []
    candles: list[Candle] = []
    made = Conflator("binance", HandClock(), on_candle=candles.append, on_incomplete=lambda *at: named.append(at))
    tape = made.tape("BTCUSDT")
    for second in (0, 60, 120):
        tape.trade(10.0, "1", START + second * 1000)
    tape.broken(START + 121_000, START + 130_000)
    for second in (130, 180, 240, 300):
        tape.trade(10.0, "1", START + second * 1000)
    made.close_candles()
    assert named == [("BTCUSDT", START), ("BTCUSDT", START + 120_000)]
    assert [candle.open_ms for candle in candles] == [START + 60_000, START + 180_000]


def test_minutes_without_a_trade_become_flat_candles():
    made, candles = conflator()
    tape = made.tape("BTCUSDT")
    for second, price in [(0, 10.0), (60, 11.0), (120, 12.0)]:
        tape.trade(price, "1", START + second * 1000)
    tape.trade(12.0, "1", START + 125_000)
    made.close_candles()
    tape.trade(15.0, "1", START + 300_000)
    tape.trade(15.0, "1", START + 370_000)
    made.close_candles()
    assert [(candle.open_ms - START, candle.close, candle.volume) for candle in candles[:4]] == [
        (60_000, 11, 1),
        (120_000, 12, 2),
        (180_000, 12, 0),
        (240_000, 12, 0),
    ]


def test_no_candle_is_closed_while_trades_are_fetched():
    made, candles = conflator()
    tape = made.tape("BTCUSDT")
    for second in (0, 60, 120, 180):
        tape.trade(10.0, "1", START + second * 1000)
    tape.held = 1
    made.close_candles()
    assert candles == []
    tape.held = 0
    made.close_candles()
    assert len(candles) == 1


sizes = st.decimals(min_value=Decimal("0.00000001"), max_value=Decimal(10) ** 9, places=8)
prices = st.decimals(min_value=Decimal("0.00001"), max_value=Decimal(200_000), places=5)


@given(
    st.lists(st.tuples(prices, sizes, st.integers(0, 400_000)), min_size=1, max_size=60),
    st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_whatever_the_order_range_volume_and_count_are_those_of_the_trades(trades, cuts):
    made, _ = conflator()
    tape = made.tape("X")
    quotes: list[Quote] = []
    for (price, size, offset), cut in zip(trades, cuts, strict=False):
        tape.trade(float(price), str(size), START + offset)
        if cut:
            quotes += made.drain(everything=True)
    quotes += made.drain(everything=True)
    joined = quotes[0]
    for quote in quotes[1:]:
        joined = join_quotes(joined, quote)
    assert joined.high == max(price for price, _, _ in trades)
    assert joined.low == min(price for price, _, _ in trades)
    assert joined.volume == sum(size for _, size, _ in trades)
    assert joined.trades == len(trades)


@given(st.lists(st.tuples(prices, sizes), min_size=1, max_size=40))
def test_candles_hold_exactly_what_was_traded(trades):
    made, candles = conflator()
    tape = made.tape("X")
    tape.trade(1.0, "1", START)
    for at, (price, size) in enumerate(trades):
        tape.trade(float(price), str(size), START + 60_000 + at * 1000)
    tape.trade(1.0, "1", START + 180_000)
    made.close_candles()
    candle = candles[0]
    assert (candle.open, candle.close) == (trades[0][0], trades[-1][0])
    assert (candle.high, candle.low) == (max(p for p, _ in trades), min(p for p, _ in trades))
    assert candle.volume == sum(size for _, size in trades)


def test_a_snapshot_tells_the_price_and_nothing_of_the_past():
    quote = Quote("x", "Y", 1, 2, Decimal(5), Decimal(4), Decimal(9), Decimal(1), Decimal(4), Decimal(6), Decimal(7), 3)
    shown = snapshot(quote)
    assert (shown.open, shown.high, shown.low, shown.last) == (5, 5, 5, 5)
    assert (shown.bid, shown.ask, shown.volume, shown.trades) == (4, 6, 0, 0)


def test_a_rewound_tape_starts_its_candles_anew_and_keeps_the_pending_range():
    made, candles = conflator()
    tape = made.tape("BTCUSDT")
    tape.trade(10.0, "1", START)
    tape.trade(20.0, "1", START + 60_000)
    tape.rewind()
    tape.trade(5.0, "1", START - 3_600_000)
    [quote] = made.drain()
    assert (quote.high, quote.low, quote.last, quote.volume) == (20, 5, 5, 3)
    made.close_candles()
    assert candles == []


def test_a_minute_ends_in_silence_too_whatever_our_clock_says():
    clock = HandClock()
    made, candles = conflator(clock)
    tape = made.tape("BTCUSDT")
    long_ago = START - 86_400_000
    for second in (0, 60, 110):
        tape.trade(10.0, "1", long_ago + second * 1000)
    made.close_candles()
    assert candles == []
    clock.seconds = 15.0
    made.close_candles()
    assert candles == []
    clock.seconds = 16.0
    made.close_candles()
    assert [candle.open_ms for candle in candles] == [long_ago + 60_000]
