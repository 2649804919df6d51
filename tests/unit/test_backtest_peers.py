"""The same strategy on the same candles gives the same trades and the same money as two well-known backtesters.

Where the peers assume something else is stated: backtesting.py trades whole units (so the lot is one and the capital huge),
vectorbt does not look at a stop on the bar of entry and lets a stop go before an exit signal on the bar it would be
carried out at the open of; the histories are checked to hold no such bar.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.engine import run
from modules.backtesting.result import ExitReason, Result
from tests.load import backtest_peers as peers

HOUR = 3_600_000
CAPITAL = 1e15
SAME = 1e-9


def history(name: str) -> Candles:
    if name == "generated":
        return peers.generated(6_000, HOUR, seed=7, spread=0.006)
    if not peers.RECORDED.exists():
        pytest.skip("the recorded candles are not there")
    return peers.recorded("BTCUSDT-1h.parquet", HOUR, "BTCUSDT", slice(42_000, 51_000))


def ours(candles: Candles, lot: Decimal | None) -> Result:
    return run(candles, peers.cross(candles), peers.RULES, Assumptions(capital=CAPITAL, lot_size=lot))


def agree(result: Result, found: peers.Found) -> None:
    assert len(result.trades) > 30
    assert np.array_equal(result.trades["entry_bar"], found.entry_bar)
    assert np.array_equal(result.trades["exit_bar"], found.exit_bar)
    assert np.allclose(result.trades["entry_price"], found.entry_price, rtol=SAME, atol=0)
    assert np.allclose(result.trades["exit_price"], found.exit_price, rtol=SAME, atol=0)
    assert math.isclose(result.final_equity, found.final_equity, rel_tol=SAME)


@pytest.mark.parametrize("name", ["generated", "recorded"])
def test_backtesting_py_agrees(name):
    candles = history(name)
    result = ours(candles, Decimal(1))
    assert {ExitReason.STOP_LOSS, ExitReason.TARGETS, ExitReason.SIGNAL} <= set(result.exit_reasons())
    agree(result, peers.by_backtesting_py(candles, peers.cross(candles), CAPITAL))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["generated", "recorded"])
def test_vectorbt_agrees(name):
    candles = history(name)
    result, decisions = ours(candles, None), peers.cross(candles)
    for trade, why in zip(result.trades, result.exit_reasons(), strict=True):
        at = int(trade["exit_bar"])
        if why is ExitReason.SIGNAL:
            assert candles.low[at] > trade["entry_price"] * 0.95 and candles.high[at] < trade["entry_price"] * 1.1
        else:
            assert at > trade["entry_bar"]
    agree(result, peers.by_vectorbt(candles, decisions, CAPITAL))


@pytest.mark.parametrize("name", ["generated", "recorded"])
def test_a_loop_written_for_this_strategy_alone_agrees(name):
    candles = history(name)
    result, decisions = ours(candles, None), peers.cross(candles)
    equity, rows = np.empty(len(candles)), np.empty((len(result.trades), 5))
    prices = (candles.open, candles.high, candles.low, candles.close)
    count, final, *_ = peers.bare_loop(prices, decisions.entry, decisions.exit_long, (CAPITAL, peers.FEE), equity, rows)
    assert count == len(result.trades)
    agree(result, peers.Found(*rows.T[:4], final))
    assert np.allclose(equity, result.equity, rtol=1e-12, atol=0)
