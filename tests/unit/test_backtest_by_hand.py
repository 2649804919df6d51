"""Runs small enough to be worked out by hand; the working is in the comments."""

from __future__ import annotations

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.backtesting.assumptions import Assumptions, EntryOrder
from modules.backtesting.engine import run
from modules.backtesting.terms import FundingRates
from modules.strategies.decisions import Decisions, SizeMode, Target, TargetKind, TradeRules
from modules.trading.fill_model import Slippage

HOUR = 3_600_000


def candles(*bars, timeframe_ms=HOUR) -> Candles:
    columns = np.array(bars, float).T
    stamps = np.arange(len(bars), dtype=np.int64) * timeframe_ms
    return Candles.checked(stamps, *columns, np.full(len(bars), 10.0), timeframe_ms=timeframe_ms, symbol="HAND")


def decisions(count, entry=None, leave=(), **columns) -> Decisions:
    """`entry` is {bar: +1 or -1}, `leave` the bars with an exit signal for both sides."""
    signals, flags = np.zeros(count, np.int8), np.zeros(count, bool)
    for bar, side in ({0: 1} if entry is None else entry).items():
        signals[bar] = side
    flags[list(leave)] = True
    return Decisions(signals, flags, flags, **columns)


def close_to(value) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-12)


def test_two_targets_then_break_even_with_fees_on_every_fill():
    """Long 10 at 100, half at 104, the rest stopped at the entry.

    Entry   bar 1 open 100: quote 1,000 buys 10; fee 1,000 x 0.1 % = 1.
    Target  bar 2 touches 104 (4 %): 5 sold, 520, maker fee 520 x 0.02 % = 0.104; profit 5 x 4 = 20.
            Break-even after target 1: the stop goes from 95 to 100, in force from bar 3.
    Stop    bar 3 falls through 100: 5 sold at 100, 500, fee 0.5; profit 0.
    P/L     20 + 0 - 1 - 0.104 - 0.5 = 18.396; R: risk 10 x (100 - 95) = 50 -> 0.36792.
    Equity  bar 0: 10,000; bar 1: 10,000 - 1 + 10 x (102 - 100) = 10,019;
            bar 2: 10,000 - 1 + 20 - 0.104 + 5 x (103 - 100) = 10,033.896; bar 3: 10,018.396.
    """
    bars = candles((99, 100, 98, 99.5), (100, 103, 99, 102), (102, 105, 101, 103), (103, 103, 98, 99))
    rules = TradeRules(
        size_mode=SizeMode.QUOTE, size_value=1_000.0, stop_pct=5.0, take_profit_pct=10.0,
        targets=(Target(TargetKind.PCT, 4.0, 0.5),), break_even_after=1,
    )  # fmt: skip
    result = run(bars, decisions(4), rules, Assumptions(maker_fee=0.0002))
    assert result.fills[["bar", "price", "quantity"]].tolist() == [(1, 100, 10), (2, 104, 5), (3, 100, 5)]
    assert result.fills["fee"].tolist() == close_to([1.0, 0.104, 0.5])
    (trade,) = result.trade_documents()
    assert trade["pnl"] == close_to(18.396) and trade["r_multiple"] == close_to(0.36792)
    assert trade["return"] == close_to(0.018396) and trade["exit_price"] == close_to(102.0)
    assert (trade["exit_reason"], trade["targets_hit"]) == ("break_even", 1)
    assert (trade["mfe"], trade["mae"]) == (close_to(0.05), close_to(-0.01))
    assert (trade["entry_time"], trade["exit_time"]) == (HOUR, 3 * HOUR)
    assert result.equity.tolist() == close_to([10_000, 10_019, 10_033.896, 10_018.396])


def test_a_leveraged_short_in_three_parts_with_funding():
    """Short 50 at 200 (margin 2,000 at 5x), thirds at 1 R and 2 R of a 10-point stop, the rest closed by signal.

    Entry    bar 1 open 200: 2,000 x 5 / 200 = 50 sold; fee 10,000 x 0.1 % = 10. Stop 210, targets 190 and 180.
    Targets  bar 2 (low 179) reaches both: 15 at 190 (profit 150, fee 2.85), 15 at 180 (profit 300, fee 2.70).
    Funding  eight-hour bars: due at the open of bar 3 at 0.01 %, short 20 at 182 receives 0.364; the positions of
             bars 1 and 2 received 50 x 195 x 0.01 % = 0.975 at the open of bar 2, nothing on the bar of entry.
    Signal   at the close of bar 2: bought back at the open of bar 3, 20 at 182: profit 360, fee 3.64. Funding of that
             moment is paid before.
    P/L      150 + 300 + 360 - (10 + 2.85 + 2.70 + 3.64) + (0.975 + 0.364) = 792.149.
    """
    bars = candles(
        (201, 202, 199, 200), (200, 205, 194, 195), (195, 196, 179, 181), (182, 184, 181, 183), timeframe_ms=8 * HOUR
    )
    rules = TradeRules(
        size_mode=SizeMode.QUOTE, size_value=2_000.0, stop_pct=5.0, leverage=5.0,
        targets=(Target(TargetKind.R, 1.0, 0.3), Target(TargetKind.R, 2.0, 0.3)),
    )  # fmt: skip
    result = run(bars, decisions(4, {0: -1}, leave=[2]), rules, Assumptions(funding_rate=0.0001))
    assert result.fills["quantity"].tolist() == close_to([50, 15, 15, 20])
    assert result.fills["price"].tolist() == close_to([200, 190, 180, 182])
    assert result.fills["fee"].tolist() == close_to([10, 2.85, 2.70, 3.64])
    (trade,) = result.trade_documents()
    assert trade["funding"] == close_to(-(0.975 + 0.364))
    assert trade["pnl"] == close_to(792.149)
    assert trade["r_multiple"] == close_to(792.149 / 500)
    assert trade["exit_reason"] == "signal"
    assert result.final_equity == close_to(10_792.149)


def test_liquidation_takes_the_margin_and_nothing_more():
    """Long at 100 with 10x and 0.5 % maintenance is taken over at 90.5; the margin of 1,000 is lost, and the entry fee of 10."""
    bars = candles((100, 100, 100, 100), (100, 101, 99, 100), (95, 96, 90.4, 96), (96, 96, 96, 96))
    rules = TradeRules(size_mode=SizeMode.QUOTE, size_value=1_000.0, leverage=10.0)
    result = run(bars, decisions(4), rules)
    (trade,) = result.trade_documents()
    assert (trade["exit_reason"], trade["exit_price"], trade["exit_time"]) == ("liquidation", 90.0, 2 * HOUR)
    assert trade["pnl"] == close_to(-1_010)


def test_a_stop_nearer_than_liquidation_goes_first_unless_the_bar_opens_beyond_both():
    rules = TradeRules(size_mode=SizeMode.QUOTE, size_value=1_000.0, leverage=10.0, stop_pct=5.0)
    start = [(100, 100, 100, 100), (100, 101, 99, 100)]
    through = run(candles(*start, (96, 96, 80, 85), (85, 85, 85, 85)), decisions(4), rules)
    assert through.trade_documents()[0]["exit_reason"] == "stop_loss"
    assert through.trades["exit_price"][0] == 95.0
    gap = run(candles(*start, (89, 89, 80, 85), (85, 85, 85, 85)), decisions(4), rules)
    assert gap.trade_documents()[0]["exit_reason"] == "liquidation"


def test_stop_and_target_in_one_bar_is_the_stop_unless_lower_candles_tell_otherwise():
    bars = candles((100, 100, 100, 100), (100, 111, 94, 100), (100, 100, 100, 100))
    rules = TradeRules(size_value=50.0, stop_pct=5.0, take_profit_pct=10.0)
    assert run(bars, decisions(3), rules).trades["exit_price"].tolist() == [95.0]
    half = HOUR // 2
    lower = candles(
        (100, 100, 100, 100), (100, 100, 100, 100), (100, 111, 99, 100), (100, 101, 94, 100), timeframe_ms=half
    )
    magnified = run(bars, decisions(3), rules, lower=lower)
    assert magnified.trades["exit_price"].tolist() == [close_to(110.0)]
    assert magnified.magnified_bars == 2


def test_an_open_position_is_closed_at_the_last_close_and_marked():
    bars = candles((100, 100, 100, 100), (100, 104, 99, 103), (103, 106, 102, 105))
    result = run(bars, decisions(3), TradeRules(size_value=100.0))
    (trade,) = result.trade_documents()
    assert (trade["exit_reason"], trade["exit_price"]) == ("end", 105.0)
    # all of 10,000 buys 10,000 / 100.1; sold at 105 less 0.1 %
    assert result.final_equity == close_to(10_000 / 100.1 * 105 * 0.999)


def test_a_limit_entry_waits_and_a_stop_entry_breaks_out():
    bars = candles((100, 101, 99, 100), (100, 101, 98.5, 99), (99, 103, 97, 102), (102, 102, 102, 102))
    limit = decisions(4, entry_price=np.full(4, 98.0))
    assert run(bars, limit, TradeRules()).refused == {"not_reached": 1}
    waiting = run(bars, limit, TradeRules(), Assumptions(entry_bars=2))
    assert waiting.trades[["entry_bar", "entry_price"]].tolist() == [(2, 98.0)]
    assert waiting.fills["maker"].tolist() == [1, 0]
    breakout = Assumptions(entry_order=EntryOrder.STOP, entry_bars=0)
    higher = run(bars, decisions(4, entry_price=np.full(4, 102.5)), TradeRules(), breakout)
    assert higher.trades[["entry_bar", "entry_price"]].tolist() == [(2, 102.5)]


def test_an_entry_beyond_its_own_stop_is_refused_and_counted():
    bars = candles((100, 101, 99, 100), (94, 96, 93, 95), (95, 95, 95, 95))
    result = run(bars, decisions(3, stop=np.full(3, 95.0)), TradeRules())
    assert (len(result.trades), result.refused) == (0, {"wrong_side": 1})


def test_rungs_lower_the_average_and_leave_the_levels():
    """100 at 100, 100 more at 95, 200 at 90.25: 400 at (10,000 + 9,500 + 18,050) / 400 = 93.875; the target stays at 110."""
    bars = candles((100, 100, 100, 100), (100, 100, 94, 96), (96, 96, 90, 92), (92, 111, 92, 110), (110, 110, 110, 110))
    rules = TradeRules(
        size_mode=SizeMode.QUOTE, size_value=10_000.0, take_profit_pct=10.0, dca=((5.0, 1.0), (5.0, 2.0))
    )
    result = run(bars, decisions(5), rules, Assumptions(capital=100_000.0, taker_fee=0.0, maker_fee=0.0))
    (trade,) = result.trade_documents()
    assert (trade["quantity"], trade["entry_price"]) == (close_to(400.0), close_to(93.875))
    assert trade["pnl"] == close_to(400 * (110 - 93.875))


def test_spread_and_slippage_move_every_taking_fill_against_the_order():
    """10 bps of spread and 10 bps of slippage: 100 -> 100.05 -> 100.15005 to buy, 110 -> 109.945 -> 109.835055 to sell."""
    bars = candles((100, 100, 100, 100), (100, 110, 100, 110), (110, 110, 110, 110))
    assumed = Assumptions(slippage=Slippage.BPS, slippage_size=10.0, spread_bps=10.0)
    result = run(bars, decisions(3, leave=[1]), TradeRules(size_value=50.0), assumed)
    assert result.fills["price"].tolist() == close_to([100.15005, 109.835055])


def test_a_series_of_funding_rates_goes_before_the_constant():
    bars = candles(*[(100, 100, 100, 100)] * 4)
    rates = FundingRates(np.array([HOUR, 2 * HOUR, 2 * HOUR + 1]), np.array([0.5, 0.01, 0.02]))
    result = run(
        bars, decisions(4), TradeRules(size_mode=SizeMode.QUOTE, size_value=1_000.0),
        Assumptions(taker_fee=0.0, funding_rate=9.0), funding=rates,
    )  # fmt: skip
    # Entered at bar 1: the rate due at that very moment is not paid, the next two are, at 10 coins of 100.
    assert result.funding == close_to(1_000 * 0.03)


def test_reversal_only_when_asked_for():
    bars = candles(*[(100, 101, 99, 100)] * 5)
    both = decisions(5, {0: 1, 2: -1}, leave=[2])
    assert run(bars, both, TradeRules()).trades["side"].tolist() == [1]
    turned = run(bars, both, TradeRules(), Assumptions(reverse=True))
    assert turned.trades[["side", "entry_bar", "exit_bar"]].tolist() == [(1, 1, 3), (-1, 3, 4)]


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        (TradeRules(stop_pct=100.0), "stop_pct"),
        (TradeRules(leverage=0.5), "leverage"),
        (TradeRules(size_value=0.0), "size_value"),
        (TradeRules(targets=(Target(TargetKind.PCT, 1.0, 0.7), Target(TargetKind.PCT, 2.0, 0.7))), "targets"),
        (TradeRules(trail_pct=1.0, trail_atr=1.0), "trail"),
        (TradeRules(dca=((0.0, 1.0),)), "dca"),
        (TradeRules(leverage=250.0), "maintenance_margin"),
    ],
)
def test_rules_that_cannot_be_carried_out_are_named(rules, word):
    with pytest.raises(ValueError, match=word):
        run(candles(*[(1, 1, 1, 1)] * 3), decisions(3), rules)


def test_decisions_that_do_not_fit_are_named():
    bars = candles(*[(1, 1, 1, 1)] * 3)
    with pytest.raises(ValueError, match="entry: must have 3 rows"):
        run(bars, decisions(2), TradeRules())
    with pytest.raises(ValueError, match="entry: row 1"):
        run(bars, decisions(3, {1: 2}), TradeRules())
    with pytest.raises(ValueError, match="capital"):
        Assumptions(capital=0.0)


def test_no_candles_is_no_trade():
    empty = Candles.checked([0], [1.0], [1.0], [1.0], [1.0], [1.0], timeframe_ms=HOUR)[:0]
    result = run(empty, decisions(0, {}), TradeRules())
    assert (len(result.trades), len(result.equity), result.final_equity) == (0, 0, 10_000.0)
