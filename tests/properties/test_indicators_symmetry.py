"""What must hold whatever the market: the unit of price is arbitrary, up and down are alike, stillness says nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modules.analysis.candles import Candles, Floats
from modules.analysis.indicators import INDICATORS, NotEnoughData, compute
from tests.fakes.candle_rest import flat, walk
from tests.properties.test_indicators_causality import SHORT

# outputs in units of price, or of price times volume where so said; all others have no unit of price
IN_PRICE = {
    "atr", "bollinger.upper", "bollinger.middle", "bollinger.lower", "dema", "donchian", "ema", "heikin_ashi", "hull",
    "ichimoku", "kama", "keltner", "linear_regression", "liquidity_swings.high_level", "liquidity_swings.high_zone",
    "liquidity_swings.low_level", "liquidity_swings.low_zone", "macd", "momentum", "nadaraya_watson", "pivot_points",
    "sar.sar", "sma", "standard_deviation", "supertrend.line", "tema", "vwap_rolling", "vwap_session", "vwma", "wma",
}  # fmt: skip
IN_VOLUME = {
    "accumulation_distribution", "chaikin_oscillator", "liquidity_swings.high_volume", "liquidity_swings.low_volume",
    "obv",
}  # fmt: skip


def belongs(name: str, output: str, group: set[str]) -> bool:
    return name in group or f"{name}.{output}" in group


def scaled(candles: Candles, price: float, volume: float) -> Candles:
    prices = (column * price for column in (candles.open, candles.high, candles.low, candles.close))
    return Candles.checked(
        candles.timestamp, *prices, candles.volume * volume, timeframe_ms=candles.timeframe_ms, symbol=candles.symbol
    )


def mirrored(candles: Candles, top: float) -> Candles:
    """Every price turned round `top`: rises become falls."""
    return Candles.checked(
        candles.timestamp,
        top - candles.open,
        top - candles.low,
        top - candles.high,
        top - candles.close,
        candles.volume,
        timeframe_ms=candles.timeframe_ms,
    )


@pytest.mark.parametrize("name", INDICATORS)
@given(seed=st.integers(0, 2**32), price=st.sampled_from([2.0**-20, 2.0**12]), volume=st.sampled_from([0.25, 1024.0]))
@settings(max_examples=15, deadline=None)
def test_another_unit_of_price_or_volume_changes_nothing_else(
    name: str, seed: int, price: float, volume: float
) -> None:
    """Powers of two, so that the numbers themselves stay exact."""
    candles = walk(300, seed, resting=0.1)
    params = SHORT.get(name, {})
    before = compute(name, candles, **params)
    after = compute(name, scaled(candles, price, volume), **params)
    for output, values in before.items():
        unit = price if belongs(name, output, IN_PRICE) else volume if belongs(name, output, IN_VOLUME) else 1.0
        smallest = 1.0 if unit == 1.0 else 1e-12
        reach = np.nanmax(np.abs(values), initial=smallest)
        np.testing.assert_allclose(after[output] / unit, values, rtol=1e-8, atol=1e-8 * reach, err_msg=output)


TOP = 4096.0
Turn = Callable[[Floats], Floats]


def minus(values: Floats) -> Floats:
    return -values


def from_hundred(values: Floats) -> Floats:
    return 100.0 - values


def round_top(values: Floats) -> Floats:
    return TOP - values


def same(values: Floats) -> Floats:
    return values


# what the mirrored market must show: output -> (output of the plain market, how it is turned)
MIRROR: dict[str, dict[str, tuple[str, Turn]]] = {
    "sma": {"sma": ("sma", round_top)},
    "ema": {"ema": ("ema", round_top)},
    "hull": {"hull": ("hull", round_top)},
    "rsi": {"rsi": ("rsi", from_hundred)},
    "macd": {name: (name, minus) for name in ("macd", "signal", "histogram")},
    "stochastic": {"k": ("k", from_hundred), "d": ("d", from_hundred)},
    "stochastic_rsi": {"k": ("k", from_hundred), "zone": ("zone", minus)},
    "cci": {"cci": ("cci", minus)},
    "williams_r": {"williams_r": ("williams_r", lambda values: -100.0 - values)},
    "momentum": {"momentum": ("momentum", minus)},
    "atr": {"atr": ("atr", same)},
    "adx": {"adx": ("adx", same), "plus_di": ("minus_di", same), "minus_di": ("plus_di", same)},
    "supertrend": {"line": ("line", round_top), "direction": ("direction", minus)},
    "donchian": {"upper": ("lower", round_top), "lower": ("upper", round_top), "middle": ("middle", round_top)},
    "keltner": {"upper": ("lower", round_top), "lower": ("upper", round_top)},
    "bollinger": {"upper": ("lower", round_top), "percent_b": ("percent_b", lambda values: 1.0 - values)},
    "nadaraya_watson": {"upper": ("lower", round_top), "middle": ("middle", round_top)},
    "squeeze": {"on": ("on", same), "bars": ("bars", same)},
    "ichimoku": {"span_a": ("span_a", round_top), "span_b": ("span_b", round_top), "lag": ("lag", minus)},
    "linear_regression": {"slope": ("slope", minus)},
    "heikin_ashi": {"open": ("open", round_top), "high": ("low", round_top)},
    "obv": {"obv": ("obv", lambda values: 2.0 * values[0] - values)},
    "chaikin_money_flow": {"chaikin_money_flow": ("chaikin_money_flow", minus)},
    "vwap_rolling": {"vwap_rolling": ("vwap_rolling", round_top)},
    "vwap_session": {"vwap": ("vwap", round_top), "upper": ("lower", round_top)},
    "volume_zscore": {"volume_zscore": ("volume_zscore", same)},
    "pivot_points": {"pivot": ("pivot", round_top), "r1": ("s1", round_top), "s2": ("r2", round_top), "r3": ("s3", round_top)},
    "liquidity_swings": {
        "high_level": ("low_level", round_top),
        "low_zone": ("high_zone", round_top),
        "high_touches": ("low_touches", same),
        "low_volume": ("high_volume", same),
        "high_swept": ("low_swept", same),
    },
    "rsi_divergence": {
        "regular_bullish": ("regular_bearish", same),
        "hidden_bearish": ("hidden_bullish", same),
        "low_turn": ("high_turn", same),
        "high_turn_before": ("low_turn_before", same),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MIRROR)
@given(seed=st.integers(0, 2**32), resting=st.sampled_from([0.0, 0.2]))
@settings(max_examples=20, deadline=None)
def test_up_and_down_are_alike(name: str, seed: int, resting: float) -> None:
    # prices on a grid of 1/64, so that turning them round loses nothing
    candles = walk(300, seed, price=2048.0, tick=1 / 64, resting=resting)
    first = 10  # supertrend starts on the side of the middle of its first bar, and up where it is the middle itself
    assume(name != "supertrend" or 2.0 * candles.close[first] != candles.high[first] + candles.low[first])
    params = SHORT.get(name, {})
    plain = compute(name, candles, **params)
    turned = compute(name, mirrored(candles, TOP), **params)
    for output, (counterpart, turn) in MIRROR[name].items():
        np.testing.assert_allclose(turned[output], turn(plain[counterpart]), rtol=1e-7, atol=1e-6, err_msg=output)


NEUTRAL = {
    "rsi": 50.0, "mfi": 50.0, "cci": 0.0, "williams_r": -50.0, "adx": 0.0, "stochastic": 50.0, "macd": 0.0, "roc": 0.0,
    "momentum": 0.0, "trix": 0.0, "ppo": 0.0, "obv": 0.0, "chaikin_money_flow": 0.0, "volume_zscore": 0.0, "atr": 0.0,
    "sma": 0.1, "ema": 0.1, "supertrend.line": 0.1, "sar.sar": 0.1, "bollinger.percent_b": 0.5, "bollinger.width": 0.0,
    "stochastic_rsi.k": 50.0, "stochastic_rsi.zone": 0.0, "stochastic_rsi.cross": 0.0, "rsi_divergence.rsi": 50.0,
    "rsi_divergence.regular_bullish": 0.0, "rsi_divergence.hidden_bearish": 0.0, "liquidity_swings.high_swept": 0.0,
    "pivot_points": 0.1, "keltner": 0.1, "donchian": 0.1, "nadaraya_watson": 0.1, "heikin_ashi": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("name", INDICATORS)
def test_a_market_that_never_moves_is_neutral(name: str) -> None:
    candles = flat(300)
    params = SHORT.get(name, {})
    lookback = max(INDICATORS[name].lookback(INDICATORS[name].settings(**params)), 50)
    for output, values in compute(name, candles, **params).items():
        expected = NEUTRAL.get(f"{name}.{output}", NEUTRAL.get(name))
        if expected is not None:
            np.testing.assert_allclose(values[lookback:], expected, atol=1e-12, err_msg=output)
        assert not np.isinf(values).any()


@pytest.mark.parametrize(
    "name", ["stochastic", "stochastic_rsi", "cci", "mfi", "williams_r", "bollinger", "volume_zscore"]
)
def test_a_market_that_stops_moving_becomes_neutral(name: str) -> None:
    """The rounding left in the averages of an earlier move must not be read as a signal."""
    moving = walk(200, 11, price=0.0123)
    rows = 400
    level = np.full(rows, moving.close[-1])
    stamps = moving.timestamp[-1] + (1 + np.arange(rows)) * moving.timeframe_ms
    candles = Candles.checked(
        np.concatenate([moving.timestamp, stamps]),
        *(np.concatenate([getattr(moving, column), level]) for column in ("open", "high", "low", "close")),
        np.concatenate([moving.volume, np.zeros(rows)]),
        timeframe_ms=moving.timeframe_ms,
    )
    for output, values in compute(name, candles).items():
        expected = NEUTRAL.get(f"{name}.{output}", NEUTRAL.get(name))
        if expected is not None:
            np.testing.assert_allclose(values[-300:], expected, atol=1e-9, err_msg=output)


@pytest.mark.parametrize("name", INDICATORS)
@given(seed=st.integers(0, 2**32), rows=st.integers(0, 60))
@settings(max_examples=10, deadline=None)
def test_short_histories_are_refused_and_inputs_never_touched(name: str, seed: int, rows: int) -> None:
    candles = walk(60, seed)[:rows]
    before = [getattr(candles, column).copy() for column in ("open", "high", "low", "close", "volume")]
    spec = INDICATORS[name]
    try:
        result = compute(name, candles)
    except NotEnoughData as short:
        assert short.have == rows
        assert short.needed > rows
    else:
        assert rows > spec.lookback(spec.settings())
        assert tuple(result) == spec.outputs
        assert all(values.dtype == np.float64 and len(values) == rows for values in result.values())
    for old, column in zip(before, ("open", "high", "low", "close", "volume"), strict=True):
        np.testing.assert_array_equal(old, getattr(candles, column))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_oscillators_stay_on_their_scale(seed: int) -> None:
    candles = walk(300, seed, resting=0.2, missing=0.05)
    slack = 1e-9
    for name, low, high in (
        ("rsi", 0, 100), ("mfi", 0, 100), ("stochastic", 0, 100), ("williams_r", -100, 0), ("adx", 0, 100),
        ("chaikin_money_flow", -1, 1),
    ):  # fmt: skip
        for values in compute(name, candles).values():
            assert np.nanmin(values) >= low - slack
            assert np.nanmax(values) <= high + slack
    band = compute("donchian", candles)
    known = ~np.isnan(band["upper"])
    assert (band["upper"][known] >= candles.high[known]).all()
    assert (band["lower"][known] <= candles.low[known]).all()
