"""What indicators take, what they refuse and how they say so; and that the registry tells the truth about them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.analysis.indicators import INDICATORS, SOURCES, NotEnoughData, compute, indicator_spec
from modules.analysis.indicators.averages import ema, sma
from modules.analysis.indicators.bands import atr, nadaraya_watson
from modules.analysis.indicators.levels import liquidity_swings, pivot_points, swing_levels, swing_tops
from modules.analysis.indicators.momentum import macd, rsi
from modules.analysis.indicators.rolling import rolling_sum
from modules.analysis.indicators.trend import supertrend
from modules.analysis.indicators.volume import vwap_session
from tests.fakes.candle_rest import MINUTE_MS, START_MS, walk

CANDLES = walk(700, 6)
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "analysis" / "indicators.md"


def columns_of(name: str) -> dict[str, Any]:
    return {column: getattr(CANDLES, column).copy() for column in INDICATORS[name].inputs}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", INDICATORS)
def test_a_value_that_is_no_number_is_refused_by_name_and_row(name: str, bad: float) -> None:
    spec = INDICATORS[name]
    for column in spec.inputs:
        if column == "timestamp":
            continue
        given = columns_of(name)
        given[column][123] = bad
        with pytest.raises(ValueError, match=f"^{column}: row 123 is not a finite number") as refusal:
            spec.function(**given)
        assert not isinstance(refusal.value, NotEnoughData)


@pytest.mark.parametrize("name", INDICATORS)
def test_columns_of_different_length_are_refused(name: str) -> None:
    given = columns_of(name)
    if len(given) == 1:
        return
    column = INDICATORS[name].inputs[-1]
    given[column] = given[column][:-1]
    with pytest.raises(ValueError, match=f"{column}: has 699 rows"):
        INDICATORS[name].function(**given)


@pytest.mark.parametrize("name", [name for name, spec in INDICATORS.items() if {"high", "low"} <= set(spec.inputs)])
def test_a_high_below_the_low_is_refused(name: str) -> None:
    given = columns_of(name)
    given["high"][77] = given["low"][77] / 2
    with pytest.raises(ValueError, match="high: row 77 lies below the low"):
        INDICATORS[name].function(**given)


@pytest.mark.parametrize("name", [name for name, spec in INDICATORS.items() if "volume" in spec.inputs])
def test_a_negative_volume_is_refused(name: str) -> None:
    given = columns_of(name)
    given["volume"][5] = -1.0
    with pytest.raises(ValueError, match="volume: row 5 is negative"):
        INDICATORS[name].function(**given)


@pytest.mark.parametrize("name", [name for name, spec in INDICATORS.items() if "timestamp" in spec.inputs])
def test_times_that_do_not_rise_are_refused(name: str) -> None:
    given = columns_of(name)
    given["timestamp"][9] = given["timestamp"][8]
    with pytest.raises(ValueError, match="timestamp: row 9 does not come after the row before it"):
        INDICATORS[name].function(**given)
    given["timestamp"] = given["timestamp"].astype(float)
    with pytest.raises(ValueError, match="timestamp: row 0 must be whole milliseconds"):
        INDICATORS[name].function(**given)


def test_the_checks_look_into_candles_made_without_them() -> None:
    spoiled = CANDLES.close.copy()
    spoiled[3] = np.nan
    candles = Candles(
        CANDLES.timestamp, CANDLES.open, CANDLES.high, CANDLES.low, spoiled, CANDLES.volume, CANDLES.timeframe_ms
    )
    with pytest.raises(ValueError, match="close: row 3"):
        compute("rsi", candles)


def test_lists_integers_and_strided_views_are_taken() -> None:
    whole = np.arange(1, 61, dtype=np.int64)
    expected = sma(whole.astype(float), 5)
    np.testing.assert_array_equal(sma(whole.tolist(), 5), expected)  # type: ignore[arg-type]
    np.testing.assert_array_equal(sma(whole, 5), expected)  # type: ignore[arg-type]
    np.testing.assert_array_equal(sma(np.repeat(whole, 2)[::2].astype(float), 5), expected)
    np.testing.assert_array_equal(sma(close=whole.astype(float), period=5), expected)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sma(np.ones((3, 3)), 2), "close: must be one-dimensional, got 2 dimensions"),
        (lambda: sma(np.array(["a", "b"]), 2), "close: row 0 must be a number"),
        (sma, "sma: the column close is missing"),
        (lambda: sma(CANDLES.close, 5, 6), "sma: takes 2 arguments, got 3"),
        (lambda: sma(CANDLES.close, 5, period=6), "sma: period is given twice"),
        (lambda: sma(CANDLES.close, window=6), "sma: no setting named 'window'; it has period"),
        (lambda: sma(CANDLES.close, 1), "sma: period must be between 2 and 5000, got 1"),
        (lambda: sma(CANDLES.close, 2.5), "sma: period must be a whole number, got 2.5"),
        (lambda: sma(CANDLES.close, True), "sma: period must be a whole number, got True"),
        (lambda: sma(CANDLES.close, "5"), "sma: period must be a whole number, got '5'"),
        (lambda: sma(CANDLES.close, float("nan")), "sma: period must be a whole number, got nan"),
        (lambda: sma(CANDLES.close, float("inf")), "sma: period must be a whole number, got inf"),
        (lambda: compute("supertrend", CANDLES, multiplier=float("nan")), "multiplier must be between"),
        (lambda: macd(CANDLES.close, 26, 12), "macd: fast must be below slow"),
        (lambda: compute("sar", CANDLES, acceleration=0.5), "acceleration must not exceed maximum"),
        (lambda: compute("stochastic_rsi", CANDLES, oversold=90), "oversold must be below overbought"),
        (lambda: compute("rsi_divergence", CANDLES, nearest=90), "nearest must not exceed farthest"),
        (lambda: compute("obv", CANDLES, period=3), "obv: no setting named 'period'; it has none"),
        (lambda: compute("smaa", CANDLES), "no indicator named 'smaa'"),
        (lambda: indicator_spec(""), "no indicator named ''"),
        (lambda: compute("atr", CANDLES, source="volume"), "only an indicator of the close takes a source"),
        (lambda: compute("sma", CANDLES, source="bid"), "no source named 'bid'"),
    ],
)
def test_wrong_calls_are_refused_in_one_clear_sentence(call: Any, said: str) -> None:
    with pytest.raises(ValueError) as refusal:
        call()
    assert said in str(refusal.value)


@pytest.mark.parametrize("name", INDICATORS)
def test_every_setting_is_held_to_its_limits(name: str) -> None:
    spec = INDICATORS[name]
    for parameter in spec.parameters:
        assert parameter.low <= parameter.default <= parameter.high
        for outside in (parameter.low - 1, parameter.high + 1):
            with pytest.raises(ValueError, match=f"{name}: {parameter.name} must be between"):
                spec.settings(**{parameter.name: outside})


def test_a_whole_number_may_come_as_a_float() -> None:
    for five in (5.0, np.int64(5), np.float32(5)):
        np.testing.assert_array_equal(sma(CANDLES.close, five), sma(CANDLES.close, 5))  # type: ignore[arg-type]


def test_not_enough_data_says_how_much_is_needed() -> None:
    with pytest.raises(NotEnoughData) as short:
        rsi(CANDLES.close[:14], 14)
    assert (short.value.needed, short.value.have) == (15, 14)
    assert str(short.value) == "rsi: not enough data: needs 15 bars, has 14"
    assert np.isfinite(rsi(CANDLES.close[:15], 14)[-1])
    copy = pickle.loads(pickle.dumps(short.value))
    assert (type(copy), copy.needed, str(copy)) == (NotEnoughData, 15, str(short.value))
    with pytest.raises(NotEnoughData):
        rsi([], 14)  # type: ignore[arg-type]
    with pytest.raises(NotEnoughData):
        swing_levels(CANDLES[:10], 5)


def test_sessions_ask_for_the_bars_they_lack() -> None:
    noon = walk(200, start_ms=START_MS + 12 * 3_600_000)
    with pytest.raises(NotEnoughData) as short:
        compute("vwap_session", noon[:20])
    needed = short.value.needed
    assert needed == 49
    assert np.isfinite(compute("vwap_session", noon[:needed])["vwap"][-1])
    with pytest.raises(NotEnoughData) as short:
        compute("pivot_points", noon[:100])
    assert short.value.needed == 48 + 96 + 1
    assert np.isfinite(compute("pivot_points", noon[: short.value.needed])["pivot"][-1])
    with pytest.raises(NotEnoughData):
        compute("pivot_points", noon[:48])
    one = slice(0, 1)
    with pytest.raises(NotEnoughData):
        vwap_session(noon.timestamp[one], noon.high[one], noon.low[one], noon.close[one], noon.volume[one])


def test_pivot_points_pass_over_days_without_a_trade() -> None:
    day = 96
    keep = np.r_[0:day, 3 * day : 4 * day]
    candles = walk(4 * day)
    holed = Candles.checked(
        *(getattr(candles, name)[keep] for name in ("timestamp", "open", "high", "low", "close", "volume")),
        timeframe_ms=candles.timeframe_ms,
    )
    first = candles[:day]
    pivot = (first.high.max() + first.low.min() + first.close[-1]) / 3
    np.testing.assert_allclose(compute("pivot_points", holed)["pivot"][day:], pivot)


def test_a_daily_history_has_the_pivots_of_the_day_before() -> None:
    days = walk(30, timeframe_ms=24 * 60 * MINUTE_MS)
    result = pivot_points(days.timestamp, days.high, days.low, days.close)
    np.testing.assert_allclose(result.pivot[1:], ((days.high + days.low + days.close) / 3)[:-1])


@pytest.mark.parametrize("name", INDICATORS)
def test_the_registry_describes_what_is_computed(name: str) -> None:
    spec = INDICATORS[name]
    result = compute(name, CANDLES)
    assert spec.name == name
    assert tuple(result) == spec.outputs
    assert spec.summary.endswith(".")
    assert len(spec.summary) < 140
    assert all(len(values) == len(CANDLES) and values.dtype == np.float64 for values in result.values())
    direct = spec.function(*(getattr(CANDLES, column) for column in spec.inputs))
    first = direct[0] if isinstance(direct, tuple) else direct
    np.testing.assert_array_equal(first, result[spec.outputs[0]])


def test_the_registry_is_sorted_and_can_not_be_changed() -> None:
    assert list(INDICATORS) == sorted(INDICATORS)
    with pytest.raises(TypeError):
        INDICATORS["sma"] = INDICATORS["ema"]  # type: ignore[index]


def test_what_is_asked_of_us_is_there() -> None:
    asked = {
        "sma", "ema", "rsi", "macd", "bollinger", "atr", "adx", "stochastic", "stochastic_rsi", "obv", "mfi", "cci",
        "sar", "vwap_session", "vwap_rolling", "keltner", "donchian", "supertrend", "ichimoku", "nadaraya_watson",
        "pivot_points", "rsi_divergence", "liquidity_swings", "volume_zscore",
    }  # fmt: skip
    assert asked <= set(INDICATORS)


@pytest.mark.parametrize("source", SOURCES)
def test_an_indicator_of_the_close_reads_other_series_too(source: str) -> None:
    series = SOURCES[source](CANDLES)
    np.testing.assert_array_equal(compute("ema", CANDLES, source=source, period=9)["ema"], ema(series, 9))


def test_the_document_lists_every_indicator_with_its_settings() -> None:
    text = DOCUMENT.read_text()
    for name, spec in INDICATORS.items():
        settings = ", ".join(f"{one.name} {one.default:g}" for one in spec.parameters) or "none"
        row = f"| `{name}` | {', '.join(spec.inputs)} | {settings} | {', '.join(spec.outputs)} |"
        assert row in text, f"docs/analysis/indicators.md lacks the row\n{row}"


def test_compiled_and_plain_loops_agree_to_the_last_bit() -> None:
    values, rows = CANDLES.close, 7
    np.testing.assert_array_equal(rolling_sum(values, rows), rolling_sum.py_func(values, rows))
    np.testing.assert_array_equal(swing_tops(values, rows), swing_tops.py_func(values, rows))


def test_settings_by_position_and_by_name_are_one() -> None:
    by_place = supertrend(CANDLES.high, CANDLES.low, CANDLES.close, 7, 2.0)
    by_name = supertrend(CANDLES.high, CANDLES.low, CANDLES.close, multiplier=2.0, period=7)
    np.testing.assert_array_equal(by_place.line, by_name.line)
    assert nadaraya_watson.spec.lookback(nadaraya_watson.spec.settings()) == 71 + 498
    assert atr.__name__ == "atr"
    assert liquidity_swings.__doc__ is not None
