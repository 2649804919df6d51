"""A search divided over processes of this machine says what one process says."""

from __future__ import annotations

import pytest

from modules.backtesting.robustness.search import Objective, search
from modules.backtesting.robustness.space import grid
from modules.backtesting.robustness.subject import Cancelled
from tests.load.backtest_peers import generated
from tests.unit.test_backtest_search import SPACE, SUBJECT


@pytest.mark.processes
def test_processes_find_what_threads_find_and_end_when_cancelled():
    candles = generated(1_200, 3_600_000, seed=12)
    sets = grid(SPACE) * 6
    asked = Objective(min_trades=2)
    assert search(SUBJECT, candles, sets, asked, processes=2) == search(SUBJECT, candles, sets, asked)

    def stop(share: float) -> None:
        if share:
            raise Cancelled

    with pytest.raises(Cancelled):
        search(SUBJECT, candles, sets, asked, processes=2, progress=stop)
