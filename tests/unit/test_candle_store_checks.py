"""Findings in a history, and higher timeframes out of lower ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.candles import BadCandles, Problem, load_file, resample, verify_columns
from modules.candles.files import COLUMNS, Columns
from tests.fakes.candle_rest import MINUTE_MS, START_MS, walk

QUARTER_MS = 15 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SHARED = Path(__file__).resolve().parents[2] / "../shared/data/ohlcv"


def columns(rows: int = 100) -> Columns:
    candles = walk(rows)
    return Columns(**{name: getattr(candles, name).copy() for name in COLUMNS})


def problems(table: Columns, timeframe_ms: int = QUARTER_MS) -> list[tuple[Problem, int, int]]:
    return [(one.problem, one.row, one.bars) for one in verify_columns(table, timeframe_ms)]


def test_a_good_history_has_no_findings() -> None:
    assert problems(columns()) == []
    assert problems(columns(1)) == []
    nothing = walk(1)[:0]
    assert verify_columns(nothing, QUARTER_MS) == []


def test_each_problem_is_found_where_it_is() -> None:
    table = columns()
    table.close[7] = np.nan
    table.open[11:14] = 0.0
    table.volume[20] = -1.0
    table.high[30], table.low[30] = table.low[30], table.high[30]
    table.close[40] = table.high[40] * 1.001
    table.volume[50:55] = 0.0
    table.timestamp[60] += 1
    table.timestamp[70] = table.timestamp[69]
    table.timestamp[80], table.timestamp[81] = table.timestamp[81], table.timestamp[80]
    found = problems(table)
    for expected in [
        (Problem.NOT_A_NUMBER, 7, 1),
        (Problem.NOT_POSITIVE, 11, 3),
        (Problem.NOT_POSITIVE, 20, 1),
        (Problem.HIGH_BELOW_LOW, 30, 1),
        (Problem.OUTSIDE_RANGE, 40, 1),
        (Problem.ZERO_VOLUME, 50, 5),
        (Problem.MISALIGNED, 60, 1),
        (Problem.DUPLICATE, 70, 1),
        (Problem.UNSORTED, 81, 1),
    ]:
        assert expected in found


def test_a_gap_is_told_with_its_first_missing_bar() -> None:
    whole = columns()
    keep = np.r_[0:40, 45:100]
    table = Columns(**{name: getattr(whole, name)[keep] for name in COLUMNS})
    (gap,) = verify_columns(table, QUARTER_MS)
    assert (gap.problem, gap.timestamp, gap.row, gap.bars) == (Problem.GAP, START_MS + 40 * QUARTER_MS, 40, 5)
    assert gap.detail == "5 missing bars"
    assert not gap.problem.is_error


@pytest.mark.parametrize(("column", "factor"), [("close", 3.0), ("high", 2.0), ("low", 0.4)])
def test_a_print_far_off_the_market_is_a_jump(column: str, factor: float) -> None:
    table = columns()
    values = getattr(table, column)
    values[60] *= factor
    table.high[60] = max(table.high[60], table.close[60])
    found = verify_columns(table, QUARTER_MS)
    assert {one.problem for one in found} == {Problem.JUMP}
    assert 60 in {one.row for one in found}


def test_a_jump_over_a_gap_is_not_held_against_the_market() -> None:
    table = columns()
    for name in ("open", "high", "low", "close"):
        getattr(table, name)[50:] *= 1.8
    table.timestamp[50:] += 40 * QUARTER_MS
    assert problems(table) == [(Problem.GAP, 50, 40)]


def test_long_bars_may_start_on_any_day_but_all_on_the_same() -> None:
    table = columns(10)
    table.timestamp[:] = START_MS + np.arange(10) * 7 * DAY_MS
    assert problems(table, 7 * DAY_MS) == []
    table.timestamp[4] += DAY_MS
    assert (Problem.MISALIGNED, 4, 1) in problems(table, 7 * DAY_MS)


def test_joined_bars_equal_a_written_out_loop() -> None:
    candles = walk(400, 2, missing=0.03)
    result = resample(candles, HOUR_MS, keep_partial=True)
    by_hour: dict[int, list[int]] = {}
    for row, stamp in enumerate(candles.timestamp.tolist()):
        by_hour.setdefault(stamp - stamp % HOUR_MS, []).append(row)
    assert result.candles.timestamp.tolist() == list(by_hour)
    for place, rows in enumerate(by_hour.values()):
        bar = result.candles[place]
        assert (bar.open, bar.close) == (candles.open[rows[0]], candles.close[rows[-1]])
        assert (bar.high, bar.low) == (max(candles.high[rows]), min(candles.low[rows]))
        assert bar.volume == pytest.approx(sum(candles.volume[rows]))
        assert result.present[place] == len(rows)
    assert result.expected == 4
    whole = [stamp for stamp, rows in by_hour.items() if len(rows) == 4]
    assert resample(candles, HOUR_MS).candles.timestamp.tolist() == whole
    assert result.candles.timestamp[result.complete].tolist() == whole


def test_a_bar_that_is_not_over_is_left_out_or_marked() -> None:
    candles = walk(10)
    assert len(resample(candles, HOUR_MS).candles) == 2
    partial = resample(candles, HOUR_MS, keep_partial=True)
    assert partial.present.tolist() == [4, 4, 2]
    assert partial.closed.tolist() == [True, True, False]
    assert len(resample(candles, HOUR_MS, least_share=0.5).candles) == 2, "half of an open bar is still an open bar"


def test_a_share_of_missing_source_bars_can_be_accepted() -> None:
    candles = walk(12)
    holed = type(candles).checked(
        *(np.delete(getattr(candles, name), 5) for name in COLUMNS), timeframe_ms=QUARTER_MS, symbol="BTCUSDT"
    )
    assert resample(holed, HOUR_MS).candles.timestamp.tolist() == [START_MS, START_MS + 2 * HOUR_MS]
    accepted = resample(holed, HOUR_MS, least_share=0.75)
    assert accepted.present.tolist() == [4, 3, 4]
    assert accepted.complete.tolist() == [True, False, True]


def test_weeks_begin_on_monday() -> None:
    candles = walk(30, timeframe_ms=DAY_MS)
    weeks = resample(candles, 7 * DAY_MS).candles
    assert weeks.timestamp.tolist() == [1_700_438_400_000 + week * 7 * DAY_MS for week in range(len(weeks))]
    assert len(weeks) == 3


def test_timeframes_that_do_not_fit_are_refused() -> None:
    candles = walk(10)
    for wrong in (0, -HOUR_MS, 10 * MINUTE_MS, 20 * MINUTE_MS):
        with pytest.raises(BadCandles, match="multiple"):
            resample(candles, wrong)
    with pytest.raises(BadCandles, match="least_share"):
        resample(candles, HOUR_MS, least_share=0.0)
    with pytest.raises(BadCandles, match="grid"):
        resample(walk(10, start_ms=START_MS + 60_000), HOUR_MS)
    assert len(resample(candles[:0], HOUR_MS).candles) == 0
    assert resample(candles, QUARTER_MS).candles.equals(candles)


@given(seed=st.integers(0, 2**32), rows=st.integers(0, 200), missing=st.sampled_from([0.0, 0.1]))
@settings(max_examples=60, deadline=None)
def test_later_candles_never_change_a_joined_bar(seed: int, rows: int, missing: float) -> None:
    candles = walk(200, seed, missing=missing)
    whole, early = (resample(part, HOUR_MS).candles for part in (candles, candles[:rows]))
    assert early.equals(whole[: len(early)])


@pytest.mark.shared
def test_recorded_minutes_join_to_the_recorded_hours() -> None:
    if not (SHARED / "BTCUSDT-1m.parquet").exists():
        pytest.skip("the recorded candles are not beside the project")
    joined = resample(load_file(SHARED / "BTCUSDT-1m.parquet"), HOUR_MS).candles
    hours = load_file(SHARED / "BTCUSDT-1h.parquet")
    rows = np.searchsorted(hours.timestamp, joined.timestamp)
    np.testing.assert_array_equal(hours.timestamp[rows], joined.timestamp)
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(hours, name)[rows], getattr(joined, name))
    np.testing.assert_allclose(hours.volume[rows], joined.volume, rtol=1e-9)
