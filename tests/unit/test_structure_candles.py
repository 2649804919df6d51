"""Candles refuse what no market can have, and structure copes with short, flat and holed histories."""

from __future__ import annotations

import numpy as np
import pytest

from modules.analysis.candles import Bar, Candles
from modules.analysis.structure import Settings, StructureState, analyse

MINUTE = 60_000


def columns(count: int = 5) -> dict[str, list[float]]:
    return {
        "timestamp": [MINUTE * (row + 1) for row in range(count)],
        "open": [10.0] * count,
        "high": [12.0] * count,
        "low": [9.0] * count,
        "close": [11.0] * count,
        "volume": [1.0] * count,
    }


@pytest.mark.parametrize(
    ("column", "row", "value", "said"),
    [
        ("open", 2, float("nan"), "open: row 2 is not a finite number"),
        ("volume", 0, float("inf"), "volume: row 0 is not a finite number"),
        ("timestamp", 3, 3 * MINUTE, "timestamp: row 3 repeats"),
        ("timestamp", 3, 2 * MINUTE, "timestamp: row 3 goes back"),
        ("timestamp", 4, 5 * MINUTE + 1, "timestamp: row 4 is off the grid"),
        ("high", 1, 8.0, "high: row 1 lies below the low"),
        ("close", 4, 12.5, "close: row 4 lies outside"),
        ("open", 4, 8.5, "open: row 4 lies outside"),
        ("low", 0, -1.0, "low: row 0 is not a positive price"),
        ("volume", 3, -0.5, "volume: row 3 is negative"),
    ],
)
def test_bad_values_are_refused_by_column_and_row(column, row, value, said):
    bad = columns()
    bad[column][row] = value
    with pytest.raises(ValueError, match=said):
        Candles.checked(**bad, timeframe_ms=MINUTE)


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_columns_of_another_length_are_refused(column):
    bad = columns()
    bad[column].pop()
    with pytest.raises(ValueError, match=f"{column}: has 4 rows where timestamp has 5; row 4"):
        Candles.checked(**bad, timeframe_ms=MINUTE)


def test_other_malformed_input_is_refused():
    with pytest.raises(ValueError, match="timeframe_ms"):
        Candles.checked(**columns(), timeframe_ms=0)
    with pytest.raises(ValueError, match="timestamp: row 0 must be whole milliseconds"):
        Candles.checked(**{**columns(), "timestamp": np.arange(5.0)}, timeframe_ms=1)
    with pytest.raises(ValueError, match="close: must be one-dimensional"):
        Candles.checked(**{**columns(), "close": np.ones((5, 2))}, timeframe_ms=MINUTE)
    with pytest.raises(ValueError, match="timestamp: must be one-dimensional"):
        Candles.checked(**{**columns(), "timestamp": np.ones((5, 2), np.int64)}, timeframe_ms=MINUTE)


def test_candles_are_copied_and_read_only():
    given = {name: np.array(values) for name, values in columns().items()}
    candles = Candles.checked(**given, timeframe_ms=MINUTE, symbol="BTCUSDT")
    given["close"][0] = 99.0
    assert candles.close[0] == 11.0
    with pytest.raises(ValueError, match="read-only"):
        candles.close[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        candles[:2].high[0] = 1.0


def test_cutting_and_looking_up():
    stamps = [MINUTE * row for row in (1, 2, 5, 6, 9)]
    candles = Candles.checked(**{**columns(), "timestamp": stamps}, timeframe_ms=MINUTE, symbol="X")
    assert len(candles) == 5
    assert len(candles[:3]) == 3
    assert candles[1:3].timestamp.tolist() == stamps[1:3]
    assert candles[:2].symbol == "X"
    assert candles[-1] == Bar(9 * MINUTE, 10.0, 12.0, 9.0, 11.0, 1.0)
    assert candles.closed_at(2) == 6 * MINUTE
    assert candles.gaps() == [(2, 2), (4, 2)]
    assert candles[:2].gaps() == []
    assert candles[:0].gaps() == []
    assert [len(candles.closed_by(MINUTE * m)) for m in (1, 2, 3, 6, 7, 10)] == [0, 1, 2, 3, 4, 5]
    assert candles.equals(candles[:])
    assert not candles.equals(candles[:4])
    with pytest.raises(ValueError, match="step"):
        candles[::2]
    with pytest.raises(IndexError):
        candles[5]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_short_history_knows_nothing_and_says_so(count):
    structure = analyse(Candles.checked(**columns(count), timeframe_ms=MINUTE))
    assert len(structure) == count
    assert structure.objects() == []
    for index in range(count):
        reading = structure.at(index)
        assert np.isnan([reading.atr, reading.swing_high, reading.range_position, reading.volume_z]).all()
        assert (reading.trend, reading.zone, reading.swing_high_index) == (0, 0, -1)
        assert reading.strat == (1 if index else 0)


def test_a_flat_series_has_no_structure():
    flat = columns(400)
    for name in ("open", "high", "low", "close"):
        flat[name] = [10.0] * 400
    structure = analyse(Candles.checked(**flat, timeframe_ms=MINUTE), Settings(swing_length=3))
    assert structure.objects() == []
    assert np.isnan(structure.bars["volume_z"]).all()
    assert (structure.bars["strat"][1:] == 1).all()
    assert (structure.bars["atr"][14:] == 0.0).all()


def test_nan_that_slipped_into_unchecked_candles_is_refused():
    good = Candles.checked(**columns(), timeframe_ms=MINUTE)
    bad = Candles(good.timestamp, good.open, good.high, good.low, good.close * np.nan, good.volume, MINUTE)
    for read in (analyse, StructureState.after):
        with pytest.raises(ValueError, match="close: row 0 is not a finite number"):
            read(bad)


def test_patterns_of_consecutive_bars_stop_at_a_hole():
    rising = {
        "timestamp": [MINUTE * row for row in (1, 2, 3, 5, 6, 7)],
        "open": [10.0, 12.0, 15.0, 18.0, 21.0, 24.0],
        "high": [11.0, 14.0, 17.0, 20.0, 23.0, 26.0],
        "low": [9.5, 11.5, 14.5, 17.5, 20.5, 23.5],
        "close": [10.8, 13.8, 16.8, 19.8, 22.8, 25.8],
        "volume": [1.0] * 6,
    }
    candles = Candles.checked(**rising, timeframe_ms=MINUTE)
    assert analyse(candles).bars["fvg"].tolist() == [0, 0, 1, 0, 0, 1]
    assert analyse(candles).bars["strat"].tolist() == [0, 2, 2, 0, 2, 2]
    across = analyse(candles, Settings(across_gaps=True)).bars
    assert across["fvg"].tolist() == [0, 0, 1, 1, 1, 1]
    assert across["strat"].tolist() == [0, 2, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("bar", "said"),
    [
        (Bar(5 * MINUTE, 10, 12, 9, 11, 1), "timestamp: 300000 does not follow"),
        (Bar(6 * MINUTE + 5, 10, 12, 9, 11, 1), "timestamp: 360005 is off the grid"),
        (Bar(6 * MINUTE, 10, 12, 9, float("nan"), 1), "close: is not a finite number"),
        (Bar(6 * MINUTE, 10, 8, 9, 9, 1), "high: lies below the low"),
        (Bar(6 * MINUTE, 10, 12, 9, 13, 1), "close: lies outside"),
        (Bar(6 * MINUTE, 0, 12, 9, 11, 1), "open: 0 is out of range"),
        (Bar(6 * MINUTE, 10, 12, 9, 11, -1), "volume: -1 is out of range"),
    ],
)
def test_a_live_bar_that_cannot_follow_is_refused_and_changes_nothing(bar, said):
    state = StructureState.after(Candles.checked(**columns(), timeframe_ms=MINUTE))
    with pytest.raises(ValueError, match=said):
        state.update(bar)
    assert len(state) == 5
    assert state.update(Bar(6 * MINUTE, 10, 12, 9, 11, 1)).strat == 1
    assert len(state) == 6


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"swing_length": 0}, "swing_length"),
        ({"flow_window": 1}, "flow_window"),
        ({"atr_period": 20_000}, "atr_period"),
        ({"fvg_min_atr": -0.1}, "fvg_min_atr"),
        ({"volume_z": float("nan")}, "volume_z"),
        ({"equilibrium_band": 0.6}, "equilibrium_band"),
        ({"break_on": "hope"}, "break_on"),
        ({"order_block_break": "close"}, "order_block_break"),
    ],
)
def test_settings_that_make_no_sense_are_refused(choice, said):
    with pytest.raises(ValueError, match=said):
        Settings(**choice)


def test_a_live_series_needs_a_timeframe():
    with pytest.raises(ValueError, match="timeframe_ms"):
        StructureState(0)
