"""Figures of any run at all: what a slow reading of its trades and equity says, and always JSON."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
from hypothesis import given, settings

from modules.backtesting.documents import equity_csv, result_document, trades_csv
from modules.backtesting.engine import run
from modules.backtesting.metrics import bars_a_year
from modules.backtesting.statistics import metrics_of
from modules.notices.backtests.page import page
from tests.properties.backtest_cases import Case, cases


def plain(result) -> dict[str, float | None]:
    """Some of the figures, one after the other, by their meaning."""
    capital = result.assumptions.capital
    trades = [{name: trade[name].item() for name in trade.dtype.names} for trade in result.trades]
    won, lost = [t["pnl"] for t in trades if t["pnl"] > 0], [t["pnl"] for t in trades if t["pnl"] <= 0]
    multiples = [t["r_multiple"] for t in trades if not math.isnan(t["r_multiple"])]
    runs = {True: [0], False: [0]}
    for before, after in zip([None, *trades], trades, strict=False):
        win = after["pnl"] > 0
        same = before is not None and (before["pnl"] > 0) == win
        runs[win].append(runs[win][-1] + 1 if same else 1)
    curve, returns, depths, peak = [capital, *result.equity.tolist()], [], [], capital
    for before, now in itertools.pairwise(curve):
        returns.append(now / before - 1 if before > 0 else 0.0)
        peak = max(peak, now)
        depths.append(now / peak - 1)
    count = len(returns)
    mean = math.fsum(returns) / count
    spread = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (count - 1)) if count > 1 else 0.0
    return {
        "trades": len(trades),
        "win_rate": len(won) / len(trades) if trades else None,
        "profit_factor": sum(won) / -sum(lost) if sum(lost) < 0 else None,
        "expectancy": (sum(won) + sum(lost)) / len(trades) if trades else None,
        "average_win": sum(won) / len(won) if won else None,
        "average_loss": sum(lost) / len(lost) if lost else None,
        "average_r": sum(multiples) / len(multiples) if multiples else None,
        "consecutive_wins": max(runs[True]),
        "consecutive_losses": max(runs[False]),
        "longest_bars": max((t["exit_bar"] - t["entry_bar"] + 1 for t in trades), default=None),
        "worst_mae": min((t["mae"] for t in trades), default=None),
        "max_drawdown": min(depths),
        "ulcer_index": math.sqrt(sum(d * d for d in depths) / count),
        "annual_return": mean * bars_a_year(result.timeframe_ms),
        "volatility": spread * math.sqrt(bars_a_year(result.timeframe_ms)) if count > 1 else None,
        "total_return": result.equity[-1] / capital - 1,
    }


@settings(max_examples=150, deadline=None)
@given(cases())
def test_figures_are_those_of_a_slow_reading(case: Case):
    result = run(case.candles, case.decisions, case.rules, case.assumed)
    told = metrics_of(result)
    for name, value in plain(result).items():
        if value is None:
            assert told[name] is None, name
        else:
            assert told[name] is not None and math.isclose(told[name], value, rel_tol=1e-8, abs_tol=1e-9), name


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_run_can_be_told(case: Case):
    result = run(case.candles, case.decisions, case.rules, case.assumed)
    document = result_document(result, "any", tables=True, most_points=8)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert len(document["equity"]) <= max(8, 4)
    assert trades_csv(result).count("\n") == len(result.trades) + 1
    assert equity_csv(result).count("\n") == len(result.equity) + 1
    html = page(document, result.markets)
    assert html.startswith("<!doctype html>") and len(document["warnings"]) > 0
    for table in ("by_side", "by_hour", "by_exit_reason"):
        assert np.isclose(
            sum(group["net_profit"] for group in document["breakdown"][table]), result.trades["pnl"].sum()
        )
