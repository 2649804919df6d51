"""The figures of a run: by hand, against well-known libraries, and where they are not defined."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.backtesting import statistics_equity
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.engine import run
from modules.backtesting.metrics import bars_a_year, summary
from modules.backtesting.statistics import MEANINGS, curve_figures, daily_returns, metrics_of
from modules.backtesting.statistics_equity import BLOCK, last_of_days, returns_of, sums_of, value_at_risk
from modules.strategies.decisions import Decisions, SizeMode, TradeRules
from tests.load import backtest_peers as peers
from tests.load.backtest_peers import RULES, cross, generated

HOUR = 3_600_000
SAME = 1e-9


def walk(count: int, seed: int = 1, drift: float = 0.0) -> np.ndarray:
    """A curve that rests now and then."""
    draws = np.random.default_rng(seed)
    steps = draws.normal(drift, 0.01, count) * (draws.random(count) > 0.3)
    return 10_000.0 * np.exp(np.cumsum(steps))


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 258, 513, 5_000])
@pytest.mark.parametrize("drift", [-0.002, 0.0, 0.004])
def test_figures_of_a_curve_are_those_of_empyrical(count, drift):
    import empyrical

    equity, year = walk(count, seed=count, drift=drift), bars_a_year(HOUR)
    told, returns = curve_figures(equity, 10_000.0, year), returns_of(equity, 10_000.0)
    expected = {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.annual_return(returns, annualization=year),
        "volatility": empyrical.annual_volatility(returns, annualization=year),
        "downside_volatility": empyrical.downside_risk(returns, annualization=year),
        "sharpe": empyrical.sharpe_ratio(returns, annualization=year),
        "sortino": empyrical.sortino_ratio(returns, annualization=year),
        "calmar": empyrical.calmar_ratio(returns, annualization=year),
        "omega": empyrical.omega_ratio(returns),
        "max_drawdown": empyrical.max_drawdown(returns),
    }
    for name, value in expected.items():
        mine = getattr(told, name)
        if not math.isfinite(value):
            assert math.isnan(mine), name
        else:
            assert math.isclose(mine, value, rel_tol=SAME, abs_tol=1e-12), name


@pytest.mark.parametrize("count", [2, 3, 19, 20, 21, 400])
def test_value_at_risk_is_that_of_empyrical(count):
    import empyrical

    returns = np.random.default_rng(count).normal(0, 0.02, count)
    told = value_at_risk(returns)
    assert told[0] == pytest.approx(empyrical.value_at_risk(returns), rel=SAME)
    assert told[1] == pytest.approx(empyrical.conditional_value_at_risk(returns), rel=SAME)


def plain_depths(equity, capital):
    """Peaks and falls by the words: (depth at each bar, length of the deepest fall, longest time below a peak)."""
    peak, at_peak, falls, depths, low = capital, -1, [], [], None
    for at, now in enumerate(equity):
        if now >= peak:
            if low is not None:
                falls.append((low / peak - 1, at - at_peak))
                low = None
            peak, at_peak = now, at
        else:
            low = now if low is None else min(low, now)
        depths.append(now / peak - 1)
    if low is not None:
        falls.append((low / peak - 1, len(equity) - 1 - at_peak))
    deepest = min(falls, default=(0.0, 0))
    return np.array(depths), deepest, max((length for _, length in falls), default=0)


@pytest.mark.parametrize(("count", "drift"), [(7, 0.0), (256, 0.0), (1_500, 0.003), (1_500, 0.0), (1_500, -0.003)])
def test_falls_are_those_of_a_loop_written_by_the_words(count, drift):
    equity = walk(count, seed=3, drift=drift)
    depths, (deepest, length), longest = plain_depths(equity, 10_000.0)
    told = curve_figures(equity, 10_000.0, 8_760)
    assert told.max_drawdown == pytest.approx(deepest, rel=1e-12)
    assert (told.max_drawdown_bars, told.longest_drawdown_bars) == (length, longest)
    assert told.ulcer_index == pytest.approx(math.sqrt(np.mean(depths**2)), rel=1e-11)
    peaks = np.maximum.accumulate(np.concatenate(([10_000.0], equity)))[1:]
    assert told.max_drawdown_value == pytest.approx((peaks - equity).max(), rel=1e-12)


def test_compiled_and_plain_walk_agree_to_the_last_bit(monkeypatch):
    equity = walk(3 * BLOCK + 5, seed=8)
    compiled = sums_of(equity, 10_000.0).item()
    for name in ("_highest", "_add_returns", "_end_fall", "_gather_low", "_walk_peaks", "_add_depths", "_first_bar"):
        monkeypatch.setattr(statistics_equity, name, getattr(statistics_equity, name).py_func)
    monkeypatch.setattr(statistics_equity, "walk_equity", statistics_equity.walk_equity.py_func)
    assert sums_of(equity, 10_000.0).item() == compiled


def test_an_account_that_is_emptied_has_no_further_returns():
    told = curve_figures(np.array([5_000.0, 0.0, 0.0]), 10_000.0, 365.0)
    assert (told.total_return, told.cagr, told.max_drawdown) == (-1.0, -1.0, -1.0)
    assert told.annual_return == pytest.approx(-1.5 / 3 * 365)


def flat_candles(prices) -> Candles:
    columns = [np.array(prices, float)] * 4
    stamps = np.arange(len(prices), dtype=np.int64) * 12 * HOUR
    return Candles.checked(stamps, *columns, np.ones(len(prices)), timeframe_ms=12 * HOUR, symbol="HAND")


def test_a_run_worked_out_by_hand():
    """Three longs of 1,000 without costs, two bars a day: +100 (R 2), -50 (R -1), +20 (R 0.4).

    Equity 10,000 | 10,000 10,100 | 10,100 10,100 10,050 | 10,050 10,050 10,070: total +70.
    """
    bars = flat_candles([100, 100, 110, 110, 100, 95, 100, 100, 102])
    entry, leave = np.zeros(9, np.int8), np.zeros(9, bool)
    entry[[0, 3, 6]], leave[[1, 4, 7]] = 1, True
    rules = TradeRules(size_mode=SizeMode.QUOTE, size_value=1_000.0, stop_pct=5.0)
    told = metrics_of(run(bars, Decisions(entry, leave, leave), rules, Assumptions(taker_fee=0.0, maker_fee=0.0)))
    assert list(told) == list(MEANINGS)
    expected = {
        "final_equity": 10_070.0, "net_profit": 70.0, "total_return": 0.007, "trades": 3, "long_trades": 3,
        "short_trades": 0, "win_rate": 2 / 3, "profit_factor": 2.4, "expectancy": 70 / 3, "average_win": 60.0,
        "average_loss": -50.0, "payoff": 1.2, "kelly": 2 / 3 - (1 / 3) / 1.2, "best_trade": 100.0,
        "worst_trade": -50.0, "average_r": 1.4 / 3, "total_r": 1.4, "r_trades": 3, "consecutive_wins": 1,
        "consecutive_losses": 1, "max_drawdown": -50 / 10_100, "max_drawdown_value": 50.0, "max_drawdown_bars": 4,
        "max_drawdown_days": 2.0, "recovery_factor": 1.4, "average_bars": 2.0, "longest_bars": 2, "shortest_bars": 2,
        "average_bars_won": 2.0, "average_bars_lost": 2.0, "average_holding_hours": 12.0, "worst_mae": -0.05,
        "best_mfe": 0.1, "exposure": 6 / 9, "turnover": 3_000 + 1_100 + 950 + 1_020, "fees": 0.0, "funding": 0.0,
        "average_trade_return": 0.07 / 3, "best_trade_return": 0.1, "worst_trade_return": -0.05,
        "omega": (0.01 + 20 / 10_050) / (50 / 10_100), "cagr": 1.007 ** (365 / 4.5) - 1,
    }  # fmt: skip
    for name, value in expected.items():
        assert told[name] == pytest.approx(value, rel=1e-12), name


def test_figures_of_a_run_are_those_of_backtesting_py_where_both_mean_the_same():
    """It annualises by whole days and 365 too, but by daily returns: those figures are another question."""
    import warnings

    import backtesting
    import pandas

    candles = generated(4_000, HOUR, seed=7, spread=0.006)
    decisions, capital = cross(candles), 1e15
    result = run(candles, decisions, RULES, Assumptions(capital=capital, lot_size=peers.WHOLE))

    class Cross(backtesting.Strategy):
        def init(self):
            pass

        def next(self):
            at = len(self.data) - 1
            if self.position:
                if decisions.exit_long[at]:
                    self.position.close()
            elif decisions.entry[at]:
                opened = candles.open[at + 1]
                self.buy(sl=opened * (1 - peers.STOP), tp=opened * (1 + peers.TAKE))

    frame = pandas.DataFrame(
        {name.capitalize(): np.array(getattr(candles, name)) for name in peers.NAMES[1:]},
        index=pandas.to_datetime(candles.timestamp, unit="ms"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = backtesting.Backtest(frame, Cross, cash=capital, commission=peers.FEE, finalize_trades=True).run()
    told = metrics_of(result)
    assert told["trades"] == stats["# Trades"] > 30
    for name, theirs, scale in (
        ("total_return", "Return [%]", 100),
        ("win_rate", "Win Rate [%]", 100),
        ("final_equity", "Equity Final [$]", 1),
        ("max_drawdown", "Max. Drawdown [%]", 100),
        ("fees", "Commissions [$]", 1),
    ):
        assert told[name] * scale == pytest.approx(stats[theirs], rel=SAME), name
    assert told["system_quality"] == pytest.approx(stats["SQN"], rel=1e-8)
    assert told["kelly"] == pytest.approx(stats["Kelly Criterion"], rel=SAME)
    # Its profit factor is of the trades' returns, ours of their money.
    returns = result.trades["return"]
    assert returns[returns > 0].sum() / -returns[returns < 0].sum() == pytest.approx(stats["Profit Factor"], rel=SAME)


@pytest.mark.filterwarnings("ignore")
def test_figures_of_a_run_are_those_of_vectorbt_where_both_mean_the_same():
    candles = generated(4_000, HOUR, seed=7, spread=0.006)
    decisions = cross(candles)
    result = run(candles, decisions, RULES, Assumptions(capital=1e12))
    made = peers.vectorbt_portfolio(candles, decisions.entry > 0, decisions.exit_long, 1e12)
    told, year = metrics_of(result), f"{365 * 24}h"
    trades = made.trades
    expected = {
        "total_return": made.total_return(),
        "sharpe": made.sharpe_ratio(year_freq=year),
        "sortino": made.sortino_ratio(year_freq=year),
        "omega": made.omega_ratio(year_freq=year),
        "calmar": made.calmar_ratio(year_freq=year),
        "max_drawdown": made.max_drawdown(),
        "win_rate": trades.win_rate(),
        "profit_factor": trades.profit_factor(),
        "expectancy": trades.expectancy(),
        "average_win": trades.winning.pnl.mean(),
        "average_loss": trades.losing.pnl.mean(),
        "consecutive_wins": trades.winning_streak.max(),
        "consecutive_losses": trades.losing_streak.max(),
    }
    assert told["trades"] == trades.count() > 30
    for name, value in expected.items():
        assert told[name] == pytest.approx(value, rel=SAME), name
    assert (
        told["longest_drawdown_bars"] == made.drawdowns.records["end_idx"].sub(made.drawdowns.records["peak_idx"]).max()
    )


def test_what_is_not_defined_is_none_and_the_rest_is_json():
    nothing = Decisions(np.zeros(300, np.int8), np.zeros(300, bool), np.zeros(300, bool))
    told = metrics_of(run(generated(300, HOUR), nothing, RULES))
    json.dumps(told, allow_nan=False)
    assert {name for name, value in told.items() if value is None} == {
        "sharpe", "sortino", "calmar", "omega", "recovery_factor", "win_rate", "profit_factor", "expectancy",
        "average_win", "average_loss", "best_trade", "worst_trade", "average_trade_return", "best_trade_return",
        "worst_trade_return", "payoff", "kelly", "system_quality", "average_r", "total_r", "average_bars",
        "average_bars_won", "average_bars_lost", "longest_bars", "shortest_bars", "average_holding_hours",
        "average_mae", "worst_mae", "average_mfe", "best_mfe",
    }  # fmt: skip
    assert (told["trades"], told["volatility"], told["exposure"], told["max_drawdown"]) == (0, 0.0, 0.0, 0.0)
    empty = Decisions(np.zeros(0, np.int8), np.zeros(0, bool), np.zeros(0, bool))
    told = metrics_of(run(generated(5, HOUR)[:0], empty, RULES))
    json.dumps(told, allow_nan=False)
    assert told["final_equity"] == 10_000.0 and told["cagr"] is None and told["volatility"] is None


def test_returns_that_never_change_have_no_sharpe_ratio():
    told = curve_figures(10_000.0 * 1.01 ** np.arange(1, 600), 10_000.0, 365.0)
    assert told.volatility == 0.0 and math.isnan(told.sharpe) and math.isnan(told.sortino)
    assert told.annual_return == pytest.approx(3.65)


def test_a_minute_of_gain_is_no_growth_of_a_year():
    told = curve_figures(np.array([20_000.0]), 10_000.0, bars_a_year(60_000))
    assert math.isnan(told.cagr) and told.total_return == 1.0


def test_days_are_those_of_utc_whatever_the_bars():
    assert last_of_days(np.array([23, 24, 25, 47, 48, 120]) * HOUR).tolist() == [0, 3, 4, 5]
    assert last_of_days(np.array([0, 7, 14]) * 24 * HOUR).tolist() == [0, 1, 2]
    candles = generated(100, HOUR)
    result = run(candles, cross(candles, 3, 8), RULES)
    days = daily_returns(result)
    assert len(days) == 5 and np.prod(1 + days) == pytest.approx(result.final_equity / 10_000.0)


def test_the_quick_figures_of_a_sweep_are_the_same_figures():
    candles = generated(4_000, HOUR, seed=9)
    result = run(candles, cross(candles), RULES)
    quick, told = summary(result), metrics_of(result)
    for name in quick:
        assert told[name] == pytest.approx(quick[name], rel=SAME), name
