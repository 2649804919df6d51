"""The strategies that come with the house decide what their explanations say, checked bar by bar with plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.analysis.structure import Settings, analyse
from modules.backtesting import engine
from modules.candles import resample
from modules.domain.market import TIMEFRAMES_MS
from modules.strategies.builtin import builtin, builtin_names
from modules.strategies.decide import decide
from modules.strategies.decisions import Decisions
from modules.strategies.language import Strategy, needed_timeframes
from tests.properties.causality import recorded
from tests.properties.test_strategies_causality import higher_of, random_candles


def decided(name: str, candles: Candles, **parameters: Any) -> Decisions:
    strategy = builtin(name, parameters)
    return decide(strategy, candles, higher_of(candles, needed_timeframes(strategy)))


def mean(values: np.ndarray, row: int, bars: int) -> float:
    return float(values[row - bars + 1 : row + 1].mean())


def test_moving_average_cross() -> None:
    candles = random_candles(31, 500, "4h")
    decisions = decided("ma_cross", candles, fast=5, slow=12)
    close = candles.close
    for row in range(12, 500):
        before = mean(close, row - 1, 5) - mean(close, row - 1, 12)
        now = mean(close, row, 5) - mean(close, row, 12)
        if min(abs(before), abs(now)) < 1e-9:
            continue
        expected = 1 if before < 0 < now else -1 if before > 0 > now else 0
        assert decisions.entry[row] == expected
        assert decisions.exit_long[row] == (expected == -1)
        assert decisions.exit_short[row] == (expected == 1)
    assert np.count_nonzero(decisions.entry) > 10


def test_bollinger_breakout_needs_volume() -> None:
    candles = random_candles(32, 2_000, "1h")
    decisions = decided("bollinger_breakout", candles)
    close, found = candles.close, 0
    for row in range(21, 2_000):
        upper = [mean(close, at, 20) + 2 * close[at - 19 : at + 1].std() for at in (row - 1, row)]
        crossed = close[row] > upper[1] and close[row - 1] <= upper[0]
        loud = candles.volume[row] > 1.5 * mean(candles.volume, row, 20)
        if abs(close[row] - upper[1]) > 1e-9:
            assert (decisions.entry[row] == 1) == (crossed and loud)
            found += crossed and loud
    assert found > 3


def test_strat_212_is_the_break_of_an_inside_bar_and_its_stop_the_other_side() -> None:
    candles = random_candles(33, 800, "4h")
    decisions = decided("strat_212", candles)
    assert decisions.stop is not None
    high, low = candles.high, candles.low
    together = np.diff(candles.timestamp) == candles.timeframe_ms

    def kind(row: int) -> int:
        above, below = high[row] > high[row - 1], low[row] < low[row - 1]
        return 3 if above and below else 2 if above else -2 if below else 1

    found = 0
    for row in range(3, 800):
        if not together[row - 3 : row].all():
            continue
        pattern = abs(kind(row - 2)) == 2 and kind(row - 1) == 1 and abs(kind(row)) == 2
        side = 1 if kind(row) == 2 else -1
        stop = low[row - 1] if side > 0 else high[row - 1]
        fits = (candles.close[row] - stop) * side > 0
        assert decisions.entry[row] == (side if pattern and fits else 0)
        if decisions.entry[row]:
            found += 1
            assert decisions.stop[row] == stop
    assert found > 20


def test_choch_breakout_takes_the_first_breakout_after_the_confirmation_only() -> None:
    candles = random_candles(34, 6_000)
    strategy = builtin("choch_breakout", {"breakout_bars": 8, "volume_factor": 0.5})
    decisions = decide(strategy, candles, higher_of(candles, needed_timeframes(strategy)))
    hourly = resample(candles, TIMEFRAMES_MS["1h"]).candles
    choch = analyse(hourly, Settings(swing_length=5)).bars["choch"]
    known = {side: hourly.timestamp[choch == side] + hourly.timeframe_ms for side in (1, -1)}
    entries = np.flatnonzero(decisions.entry)
    assert len(entries) > 5
    taken = set()
    for row in entries:
        side = int(decisions.entry[row])
        moment = int(candles.timestamp[row]) + candles.timeframe_ms
        confirmed = known[side][known[side] <= moment][-1]
        assert moment - confirmed <= 48 * hourly.timeframe_ms
        assert (side, int(confirmed)) not in taken  # one entry for each confirmation
        taken.add((side, int(confirmed)))
        earlier = candles.high[row - 8 : row].max() if side > 0 else candles.low[row - 8 : row].min()
        assert (candles.close[row] - earlier) * side > 0


def test_smart_money_concepts_wants_a_zone_a_sweep_and_a_break() -> None:
    candles = random_candles(35, 3_000, "1h")
    decisions = decided("smc", candles)
    structure = analyse(candles, Settings(swing_length=10))
    entries = np.flatnonzero(decisions.entry)
    assert len(entries) > 5
    for row in entries:
        side, bars = int(decisions.entry[row]), structure.bars
        standing = structure.as_of(int(row)).standing("order_block", "fvg")
        touched = [
            z for z in standing if z.direction == side and candles.low[row] <= z.high and candles.high[row] >= z.low
        ]
        assert touched
        assert bars["trend"][row] == side
        assert (bars["sweep_low" if side > 0 else "sweep_high"][max(0, row - 19) : row + 1] > 0).any()
        recent = slice(max(0, row - 39), row + 1)
        assert (bars["bos"][recent] == side).any() or (bars["choch"][recent] == side).any()
        assert (candles.close[row] - candles.open[row]) * side > 0


def on_real_candles(name: str) -> tuple[Strategy, Candles, dict[str, Candles]]:
    strategy = builtin(name)
    source = recorded("BTCUSDT-15m", 20_000)
    wanted = needed_timeframes(strategy)
    found = {each: source if each == "15m" else resample(source, TIMEFRAMES_MS[each]).candles for each in wanted}
    return strategy, found.pop(strategy.timeframe), found


@pytest.mark.shared
@pytest.mark.parametrize("name", builtin_names())
def test_each_trades_on_real_candles(name: str) -> None:
    strategy, candles, higher = on_real_candles(name)
    result = engine.run(candles, decide(strategy, candles, higher), strategy.rules)
    assert len(result.trades) >= 3
    assert set(result.trades["side"]) == {1, -1}
    assert (result.trades["initial_stop"] > 0).all()
