"""Prices that are equal but for the rounding of running sums are equal to a strategy."""

from __future__ import annotations

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.domain.errors import InvalidInput
from modules.strategies.builtin import builtin
from modules.strategies.decide import decide
from modules.strategies.documents import read_strategy

HOUR = 3_600_000


def settled(level: float) -> Candles:
    """Prices that move for 100 bars and are flat for 100 more."""
    close = np.concatenate([level * (1 + 0.01 * np.sin(np.arange(100))), np.full(100, level)])
    stamps = np.arange(200, dtype=np.int64) * HOUR
    return Candles.checked(stamps, close, close, close, close, np.ones(200), timeframe_ms=HOUR)


@pytest.mark.parametrize("level", [0.1, 0.3, 1.7, 64000.3, 1e-7 / 3])
@pytest.mark.parametrize(("operator", "wanted"), [(">", False), ("<", False), ("==", True), (">=", True), ("<=", True)])
def test_a_flat_price_is_its_own_average(level: float, operator: str, wanted: bool) -> None:
    condition = {"type": "price", "operator": operator, "other": {"type": "sma", "period": 20}}
    strategy = read_strategy({"name": "tie", "entry": {"all": [condition]}})
    entries = decide(strategy, settled(level)).entry[130:] != 0
    assert entries.all() if wanted else not entries.any()


@pytest.mark.parametrize("parameters", [{"fast": 50, "slow": 20}, {"slow": 20}, {"fast": 30, "slow": 30}])
def test_a_fast_average_is_the_faster_one(parameters: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="must be below slow"):
        builtin("ma_cross", parameters)
