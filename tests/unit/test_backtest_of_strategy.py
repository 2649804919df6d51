"""Documents put to the test: searched by the places of their numbers, and checked for knowledge of the future."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from modules.backtesting.engine import run
from modules.backtesting.robustness.lookahead import check, look_ahead
from modules.backtesting.robustness.of_strategy import subject_of
from modules.backtesting.robustness.search import Objective, search
from modules.backtesting.robustness.space import grid, read_space
from modules.candles.resample import resample
from modules.domain.errors import InvalidInput
from modules.domain.market import TIMEFRAMES_MS
from modules.strategies.builtin import builtin, builtin_names
from modules.strategies.decide import decide
from modules.strategies.documents import read_strategy
from modules.strategies.language import needed_timeframes
from tests.load.backtest_peers import generated

HOUR = 3_600_000
DOCUMENT = {
    "name": "cross", "symbols": ["BTCUSDT"], "timeframe": "1h", "action": "BUY", "stop_loss_pct": 5,
    "entry": {"all": [{"type": "sma", "period": 10, "operator": "crosses_above", "other": {"type": "sma", "period": 30}}]},
    "exit": {"all": [{"type": "sma", "period": 10, "operator": "crosses_below", "other": {"type": "sma", "period": 30}}]},
}  # fmt: skip


def test_numbers_of_a_document_are_searched_by_their_places():
    candles, strategy = generated(1_500, HOUR, seed=3), read_strategy(DOCUMENT)
    subject = subject_of(strategy)
    assert pickle.loads(pickle.dumps(subject)).label == subject.label != ""
    plain = run(candles, decide(strategy, candles), strategy.rules)
    assert np.array_equal(subject.play(candles, {}).equity, plain.equity)
    sets = grid(read_space({"entry.all[0].period": [5, 10], "stop_loss_pct": [2.0, 5.0]}))
    found = search(subject, candles, sets, Objective(min_trades=1))
    assert found.trials[3].figures["final_equity"] == plain.final_equity
    assert len({trial.figures["final_equity"] for trial in found.trials}) == 4
    assert subject.rules_for({"stop_loss_pct": 2.0}).stop_pct == 2.0
    with pytest.raises(InvalidInput):
        subject.rules_for({"entry.all[7].period": 3})


@pytest.mark.parametrize("name", builtin_names())
def test_no_strategy_of_the_house_knows_the_future(name):
    strategy = builtin(name, {})
    candles = generated(1_600, TIMEFRAMES_MS[strategy.timeframe], seed=8)
    others = needed_timeframes(strategy) - {strategy.timeframe}
    higher = {frame: resample(candles, TIMEFRAMES_MS[frame]).candles for frame in others}
    subject = subject_of(strategy, higher=higher)
    assert look_ahead(subject.decide, candles, {}, points=12) is None
    assert check(subject.decide, candles, {}).look_ahead is None
