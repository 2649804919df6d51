"""The compiled backtester against the slow one: every fill, every trade, every mark."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import HealthCheck, given, note, settings

from modules.backtesting.assumptions import FUNDING_MS
from modules.backtesting.engine import run
from modules.backtesting.result import Result
from tests.properties.backtest_cases import BAR, HOUR, Case, cases
from tests.properties.backtest_oracle import Notebook, Told

CLOSE = 1e-12
CALM = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def funding_of(case: Case) -> list[float]:
    """Every funding time counted one by one."""
    rates, times = [0.0], case.candles.timestamp.tolist()
    for before, now in itertools.pairwise(times):
        due = sum(1 for moment in range(0, now + 1, FUNDING_MS) if moment > before)
        rates.append(due * case.assumed.funding_rate)
    return rates


def inner_of(case: Case) -> dict[int, list[tuple[float, float, float, float]]]:
    found: dict[int, list[tuple[float, float, float, float]]] = {}
    if case.lower is None:
        return found
    by_time = {
        bar.timestamp: (bar.open, bar.high, bar.low, bar.close)
        for bar in map(case.lower.__getitem__, range(len(case.lower)))
    }
    for row, start in enumerate(case.candles.timestamp.tolist()):
        moments = range(start, start + BAR, HOUR)
        if all(moment in by_time for moment in moments):
            found[row] = [by_time[moment] for moment in moments]
    return found


def told_by_oracle(case: Case) -> Told:
    funding = funding_of(case) if case.assumed.funding_rate else None
    return Notebook(case.candles, case.decisions, case.rules, case.assumed, funding, inner_of(case)).replay()


def same(a: float, b: float, scale: float = 1.0) -> bool:
    return math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE * scale)


def described(case: Case) -> str:
    """A failing case in a form that can be read."""
    bars = [(bar.open, bar.high, bar.low, bar.close) for bar in map(case.candles.__getitem__, range(len(case.candles)))]
    return f"{bars}\n{case.decisions}\n{case.rules}\n{case.assumed}"


def agree(result: Result, told: Told) -> None:
    fills = [
        (int(f["trade"]), int(f["bar"]), int(f["action"]), int(f["kind"]), int(f["level"]), bool(f["maker"]))
        for f in result.fills
    ]
    assert fills == [(f[0], f[1], f[2], f[3], f[4], f[8]) for f in told.fills]
    for mine, other in zip(result.fills, told.fills, strict=True):
        assert same(mine["price"], other[5]) and same(mine["quantity"], other[6]) and same(mine["fee"], other[7])
    assert len(result.trades) == len(told.trades)
    for mine, other, why in zip(result.trades, told.trades, result.exit_reasons(), strict=True):
        entry = other.opened_value / other.bought
        pnl = other.profit - other.fees - other.funding
        assert (mine["side"], mine["signal_bar"], mine["entry_bar"], mine["exit_bar"]) == (
            other.sign, other.signal_bar, other.entry_bar, other.exit_bar,
        )  # fmt: skip
        assert (why.value, mine["entries"], mine["targets_hit"]) == (other.reason, other.entries, other.reached)
        assert same(mine["entry_price"], entry) and same(mine["exit_price"], other.closed_value / other.bought)
        assert same(mine["quantity"], other.bought) and same(mine["pnl"], pnl, 1e5)
        assert same(mine["funding"], other.funding, 1e3) and same(mine["fees"], other.fees)
        assert same(mine["mae"], (other.worst - entry) * other.sign / entry)
        assert same(mine["mfe"], (other.best - entry) * other.sign / entry)
        risk = (entry - other.first_stop) * other.sign * other.bought if other.first_stop else 0.0
        assert same(mine["r_multiple"], pnl / risk, 1e3) if risk > 0 else np.isnan(mine["r_multiple"])
    assert np.allclose(result.equity, told.equity, rtol=CLOSE, atol=1e-7)
    assert result.refused == told.refused
    assert result.bars_held == told.bars_held


@given(cases())
@CALM
def test_engine_and_oracle_agree(case):
    note(described(case))
    agree(run(case.candles, case.decisions, case.rules, case.assumed), told_by_oracle(case))


@given(cases(12, magnified=True))
@CALM
def test_engine_and_oracle_agree_where_a_lower_timeframe_decides(case):
    note(described(case))
    result = run(case.candles, case.decisions, case.rules, case.assumed, lower=case.lower)
    assert result.magnified_bars == len(inner_of(case))
    agree(result, told_by_oracle(case))


@given(cases())
@CALM
def test_walking_through_quiet_bars_changes_nothing(case):
    quick = run(case.candles, case.decisions, case.rules, case.assumed)
    full = run(case.candles, case.decisions, case.rules, case.assumed, quiet=False)
    assert quick.fills.tobytes() == full.fills.tobytes()
    assert quick.trades.tobytes() == full.trades.tobytes()
    assert np.array_equal(quick.equity, full.equity)
    assert (quick.bars_held, quick.refused) == (full.bars_held, full.refused)


@given(cases())
@CALM
def test_money_adds_up(case):
    result = run(case.candles, case.decisions, case.rules, case.assumed)
    earned = float(np.sum(result.trades["pnl"]))
    assert math.isclose(result.final_equity, case.assumed.capital + earned, rel_tol=1e-11, abs_tol=1e-6)
    assert math.isclose(result.fees, float(np.sum(result.fills["fee"])), rel_tol=1e-11, abs_tol=1e-9)
    assert math.isclose(result.fees, float(np.sum(result.trades["fees"])), rel_tol=1e-11, abs_tol=1e-9)
    for number, trade in enumerate(result.trades):
        fills = result.fills[result.fills["trade"] == number]
        assert math.isclose(float(np.sum(fills["action"] * fills["quantity"])), 0.0, abs_tol=1e-9 * trade["quantity"])
        assert trade["mae"] <= 0.0 <= trade["mfe"] or case.assumed.slippage_size or case.assumed.spread_bps


@given(cases())
@CALM
def test_what_happened_does_not_depend_on_what_comes_later(case):
    """A history cut short gives the same fills up to its last bar, where it closes what is open."""
    whole = run(case.candles, case.decisions, case.rules, case.assumed)
    for end in range(1, len(case.candles)):
        d = case.decisions
        cut = type(d)(*(None if column is None else column[:end] for column in (
            d.entry, d.exit_long, d.exit_short, d.stop, d.targets, d.atr, d.entry_price,
        )))  # fmt: skip
        part = run(case.candles[:end], cut, case.rules, case.assumed)
        before = part.fills[part.fills["kind"] != 7]
        assert before.tobytes() == whole.fills[whole.fills["bar"] < end][: len(before)].tobytes()
        assert np.array_equal(part.equity[:-1], whole.equity[: end - 1])
