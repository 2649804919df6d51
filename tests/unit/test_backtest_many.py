"""Portfolios, sweeps and their figures: many runs at once say what single runs say."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.backtesting import portfolio
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.engine import run
from modules.backtesting.metrics import bars_a_year, summary
from modules.backtesting.portfolio import Market
from modules.backtesting.sweep import sweep
from modules.strategies.decisions import Decisions, SizeMode, TradeRules
from tests.load.backtest_peers import RULES, cross, generated

ROOT = Path(__file__).resolve().parents[2]
HOUR = 3_600_000
AGAIN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from room.caller import thrice
print(json.dumps([thrice(2.0), sum(thrice.stats.cache_misses.values())]))
"""


def flat(name: str, prices, entries=(), leave=(), first=0) -> Market:
    """A symbol whose bars have one price each; entries and exits by index."""
    count = len(prices)
    signals, flags = np.zeros(count, np.int8), np.zeros(count, bool)
    signals[list(entries)], flags[list(leave)] = 1, True
    columns = [np.array(prices, float)] * 4
    stamps = (np.arange(count, dtype=np.int64) + first) * HOUR
    candles = Candles.checked(stamps, *columns, np.ones(count), timeframe_ms=HOUR, symbol=name)
    return Market(candles, Decisions(signals, flags, flags))


FREE = Assumptions(capital=1_000.0, taker_fee=0.0, maker_fee=0.0)


def test_a_portfolio_of_one_is_a_single_run():
    candles = generated(3_000, HOUR, seed=3)
    one = portfolio.run([Market(candles, cross(candles))], RULES)
    alone = run(candles, cross(candles), RULES)
    assert len(alone.trades) > 20
    assert one.trades.tobytes() == alone.trades.tobytes() and one.fills.tobytes() == alone.fills.tobytes()
    assert np.array_equal(one.equity, alone.equity) and one.bars_held == alone.bars_held


def test_capital_is_shared_and_the_first_symbol_comes_first():
    rules = TradeRules(size_mode=SizeMode.QUOTE, size_value=600.0)
    result = portfolio.run([flat("A", [10, 10, 12, 12], [0]), flat("B", [20, 20, 30, 30], [0])], rules, FREE)
    # A takes 600 of the 1,000 for 60 coins; B gets the other 400 for 20.
    assert result.trades[["symbol", "quantity"]].tolist() == [(0, 60.0), (1, 20.0)]
    assert result.equity.tolist() == [1_000, 1_000, 1_000 + 120 + 200, 1_320]
    assert result.symbols == ("A", "B")


def test_places_are_limited_and_money_freed_at_an_open_can_be_spent_there():
    rules = TradeRules(size_value=100.0)
    first = flat("A", [10, 10, 10, 10, 10], [0], [2])
    second = flat("B", [20, 20, 20, 20, 20], [1, 2])
    result = portfolio.run([first, second], rules, replace(FREE, max_positions=1))
    assert result.refused == {"no_place": 1}
    assert result.trades[["symbol", "entry_bar", "exit_bar"]].tolist() == [(0, 1, 3), (1, 3, 4)]
    crowded = portfolio.run([first, second], rules, FREE)
    assert crowded.refused == {"no_money": 1}


def test_symbols_that_start_later_and_end_earlier():
    rules = TradeRules(size_mode=SizeMode.QUOTE, size_value=100.0)
    result = portfolio.run([flat("A", [10, 10, 11], [0]), flat("B", [5, 5, 5, 6], [0], first=2)], rules, FREE)
    assert result.times.tolist() == [n * HOUR for n in range(6)]
    assert result.exit_reasons() == ["end", "end"]
    assert result.trades["exit_time"].tolist() == [2 * HOUR, 5 * HOUR]
    assert result.equity.tolist() == [1_000, 1_000, 1_010, 1_010, 1_010, 1_030]


def test_a_portfolio_earns_what_its_trades_earn():
    markets = []
    for seed in range(4):
        candles = generated(1_500, HOUR, seed=seed, symbol=f"S{seed}")
        keep = np.random.default_rng(seed).random(len(candles)) > 0.02
        thinned = Candles.checked(
            *(getattr(candles, name)[keep] for name in ("timestamp", "open", "high", "low", "close", "volume")),
            timeframe_ms=HOUR, symbol=candles.symbol,
        )  # fmt: skip
        markets.append(Market(thinned, cross(thinned)))
    rules = replace(RULES, size_value=20.0)
    result = portfolio.run(markets, rules, Assumptions(max_positions=3))
    assert math.isclose(result.final_equity, 10_000 + result.trades["pnl"].sum(), rel_tol=1e-12)
    held = [
        sum(1 for t in result.trades if t["entry_time"] <= moment <= t["exit_time"]) for moment in result.times.tolist()
    ]
    assert max(held) >= 3 and result.refused.get("no_place", 0) > 0
    assert sum(1 for count in held if count) == result.bars_held


@pytest.mark.parametrize("markets", [[], [flat("A", [1, 1]), flat("A", [1, 1])]])
def test_portfolios_that_cannot_be(markets):
    with pytest.raises(ValueError, match="markets"):
        portfolio.run(markets, RULES)


def test_a_sweep_says_what_single_runs_say_whatever_the_workers():
    candles = generated(2_000, HOUR, seed=5)
    sets = [(fast, slow) for fast in (5, 10, 20) for slow in (30, 50)]
    rules = [replace(RULES, stop_pct=2.0 + n) for n in range(len(sets))]
    heard: list[int] = []
    told = sweep(candles, lambda n: cross(candles, *sets[n]), rules, on_progress=heard.append)
    again = sweep(candles, lambda n: cross(candles, *sets[n]), rules, workers=1)
    assert told.tobytes() == again.tobytes()
    assert heard == sorted(heard) and heard[-1] == len(sets)
    for figures, pair, rule in zip(told, sets, rules, strict=True):
        single = summary(run(candles, cross(candles, *pair), rule))
        assert {name: figures[name] for name in single} == single and single["trades"] > 5
    shared = sweep(candles, cross(candles), rules, [Assumptions(funding_rate=n // 3 / 1e4) for n in range(6)])
    for n, (figures, rule) in enumerate(zip(shared, rules, strict=True)):
        assert (
            figures["final_equity"]
            == run(candles, cross(candles), rule, Assumptions(funding_rate=n // 3 / 1e4)).final_equity
        )


def test_an_error_in_one_set_ends_the_sweep():
    candles = generated(100, HOUR)
    with pytest.raises(ValueError, match="stop_pct"):
        sweep(candles, cross(candles), [RULES, replace(RULES, stop_pct=-1.0)])


def test_the_figures_are_those_of_a_well_known_library():
    import empyrical

    candles = generated(4_000, HOUR, seed=9)
    result = run(candles, cross(candles), RULES)
    told, year = summary(result), bars_a_year(HOUR)
    returns = np.diff(np.concatenate(([10_000.0], result.equity))) / np.concatenate(([10_000.0], result.equity[:-1]))
    pnl = result.trades["pnl"]
    expected = {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.annual_return(returns, annualization=year),
        "sharpe": empyrical.sharpe_ratio(returns, annualization=year),
        "sortino": empyrical.sortino_ratio(returns, annualization=year),
        "max_drawdown": empyrical.max_drawdown(returns),
        "profit_factor": pnl[pnl > 0].sum() / -pnl[pnl < 0].sum(),
        "win_rate": float(np.mean(pnl > 0)),
        "expectancy": float(np.mean(pnl)),
    }
    for name, value in expected.items():
        assert math.isclose(told[name], value, rel_tol=1e-9), name
    assert 0 < told["exposure"] < 1 and told["trades"] == len(pnl)


def test_figures_of_a_run_without_trades():
    candles = generated(200, HOUR)
    nothing = Decisions(np.zeros(200, np.int8), np.zeros(200, bool), np.zeros(200, bool))
    told = summary(run(candles, nothing, RULES))
    assert (told["trades"], told["total_return"], told["max_drawdown"], told["exposure"]) == (0, 0.0, 0.0, 0.0)
    assert all(math.isnan(told[name]) for name in ("sharpe", "sortino", "profit_factor", "win_rate", "expectancy"))


def test_columns_are_given_back_as_they_were():
    """The kernels leave reference counts alone: nothing is kept, nothing is freed, nothing is written to."""
    candles = generated(500, HOUR)
    decisions, before = cross(candles), [candles.close.copy(), candles.open.copy()]
    held = [sys.getrefcount(each) for each in (candles.close, candles.open, decisions.entry, decisions.exit_long)]
    for _ in range(5):
        run(candles, decisions, RULES)
        sweep(candles, decisions, [RULES] * 3, workers=2)
    assert held == [
        sys.getrefcount(each) for each in (candles.close, candles.open, decisions.entry, decisions.exit_long)
    ]
    assert np.array_equal(before[0], candles.close) and np.array_equal(before[1], candles.open)


def test_the_hash_tells_candles_apart():
    candles = generated(50, HOUR)
    close = candles.close.copy()
    close[7] = candles.high[7]
    one, two = (run(each, cross(candles), RULES).data_hash for each in (candles, replace(candles, close=close)))
    assert one != two and one == run(candles, cross(candles), RULES).data_hash


def test_kernels_of_another_folder_are_compiled_again_when_they_change(tmp_path):
    """What is on disk of a kernel is stale once a kernel of another folder that it uses has changed."""
    for room in ("room", "depot"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("")
    head = "from modules.analysis.compiled import kernel\n"
    (tmp_path / "room" / "caller.py").write_text(
        f"{head}from depot import (\n    steps,\n)\n\n\n@kernel\ndef thrice(value):\n    return 3.0 * steps.step(value)\n"
    )
    (tmp_path / "depot" / "size.py").write_text("SIZE = 1.0\n")
    (tmp_path / "depot" / "steps.py").write_text(
        f"{head}from depot.size import SIZE\n\n\n@kernel\ndef step(value):\n    return value + SIZE\n"
    )
    assert in_new_process(tmp_path) == [9.0, 1]
    (tmp_path / "depot" / "size.py").write_text("SIZE = 10.0\n")
    assert in_new_process(tmp_path) == [36.0, 1]


def in_new_process(folder: Path) -> list[float]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", AGAIN, str(folder)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)
