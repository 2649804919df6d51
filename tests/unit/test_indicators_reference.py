"""Each indicator against TA-Lib, or against its definition written out slowly here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pytest
import talib

from modules.analysis.candles import Candles, Floats
from modules.analysis.indicators import INDICATORS, compute
from modules.analysis.indicators.levels import SwingLevel, swing_levels
from modules.analysis.indicators.rolling import rolling_sum, still
from tests.fakes.candle_rest import MINUTE_MS, START_MS, walk

NAN = float("nan")
HISTORIES = {
    "walk": walk(500, 1),
    "gaps": walk(500, 2, missing=0.1),
    "pauses": walk(500, 3, resting=0.25),
    "small": walk(500, 4, price=3e-6),
}


@pytest.fixture(params=HISTORIES)
def candles(request: pytest.FixtureRequest) -> Candles:
    return HISTORIES[request.param]


def same(got: Floats, expected: object, **tolerance: float) -> None:
    """Equal to 1e-9 of the size of the numbers, NaN where NaN is expected."""
    expected = np.asarray(expected, dtype=np.float64)
    size = float(np.nanmax(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(got, expected, rtol=tolerance.get("rtol", 1e-9), atol=1e-9 * size)


# settings unlike the defaults and unlike each other, so that a pair in the wrong order shows
TA_LIB: Mapping[str, tuple[dict[str, float], Callable[[Candles], dict[str, Floats]]]] = {
    "sma": ({"period": 9}, lambda c: {"sma": talib.SMA(c.close, 9)}),
    "ema": ({"period": 9}, lambda c: {"ema": talib.EMA(c.close, 9)}),
    "wma": ({"period": 9}, lambda c: {"wma": talib.WMA(c.close, 9)}),
    "dema": ({"period": 9}, lambda c: {"dema": talib.DEMA(c.close, 9)}),
    "tema": ({"period": 9}, lambda c: {"tema": talib.TEMA(c.close, 9)}),
    "kama": ({"period": 9}, lambda c: {"kama": talib.KAMA(c.close, 9)}),
    "rsi": ({"period": 9}, lambda c: {"rsi": talib.RSI(c.close, 9)}),
    "macd": (
        {"fast": 5, "slow": 13, "signal": 4},
        lambda c: dict(zip(("macd", "signal", "histogram"), talib.MACD(c.close, 5, 13, 4), strict=True)),
    ),
    "ppo": ({"fast": 5, "slow": 13}, lambda c: {"ppo": talib.PPO(c.close, 5, 13, 1)}),
    "roc": ({"period": 7}, lambda c: {"roc": talib.ROC(c.close, 7)}),
    "momentum": ({"period": 7}, lambda c: {"momentum": talib.MOM(c.close, 7)}),
    "trix": ({"period": 7}, lambda c: {"trix": talib.TRIX(c.close, 7)}),
    "adx": (
        {"period": 9},
        lambda c: {
            "adx": talib.ADX(c.high, c.low, c.close, 9),
            "plus_di": talib.PLUS_DI(c.high, c.low, c.close, 9),
            "minus_di": talib.MINUS_DI(c.high, c.low, c.close, 9),
        },
    ),
    "aroon": (
        {"period": 9},
        lambda c: {
            "down": talib.AROON(c.high, c.low, 9)[0],
            "up": talib.AROON(c.high, c.low, 9)[1],
            "oscillator": talib.AROONOSC(c.high, c.low, 9),
        },
    ),
    "sar": ({"acceleration": 0.03, "maximum": 0.25}, lambda c: {"sar": talib.SAR(c.high, c.low, 0.03, 0.25)}),
    "linear_regression": (
        {"period": 9},
        lambda c: {"value": talib.LINEARREG(c.close, 9), "slope": talib.LINEARREG_SLOPE(c.close, 9)},
    ),
    "atr": ({"period": 9}, lambda c: {"atr": talib.ATR(c.high, c.low, c.close, 9)}),
    "natr": ({"period": 9}, lambda c: {"natr": talib.NATR(c.high, c.low, c.close, 9)}),
    "standard_deviation": ({"period": 9}, lambda c: {"standard_deviation": talib.STDDEV(c.close, 9, 1.0)}),
    "bollinger": (
        {"period": 9, "deviations": 1.7},
        lambda c: dict(zip(("upper", "middle", "lower"), talib.BBANDS(c.close, 9, 1.7, 1.7), strict=True)),
    ),
    "donchian": ({"period": 9}, lambda c: {"upper": talib.MAX(c.high, 9), "lower": talib.MIN(c.low, 9)}),
    "obv": ({}, lambda c: {"obv": talib.OBV(c.close, c.volume)}),
    "accumulation_distribution": (
        {},
        lambda c: {"accumulation_distribution": talib.AD(c.high, c.low, c.close, c.volume)},
    ),
    "chaikin_oscillator": (
        {"fast": 4, "slow": 9},
        lambda c: {"chaikin_oscillator": talib.ADOSC(c.high, c.low, c.close, c.volume, 4, 9)},
    ),
}

# where TA-Lib answers 0 for nought by nought these differ from it on purpose: compared on a market that always moves
TA_LIB_MOVING: Mapping[str, tuple[dict[str, float], Callable[[Candles], dict[str, Floats]]]] = {
    "cci": ({"period": 9}, lambda c: {"cci": talib.CCI(c.high, c.low, c.close, 9)}),
    "mfi": ({"period": 9}, lambda c: {"mfi": talib.MFI(c.high, c.low, c.close, c.volume, 9)}),
    "williams_r": ({"period": 9}, lambda c: {"williams_r": talib.WILLR(c.high, c.low, c.close, 9)}),
    "stochastic": (
        {"period": 9, "smooth_k": 4, "smooth_d": 3},
        lambda c: {"d": talib.STOCH(c.high, c.low, c.close, 9, 4, 0, 3, 0)[1]},
    ),
    "stochastic_rsi": (
        {"rsi_period": 9, "period": 11, "smooth_k": 1, "smooth_d": 3},
        lambda c: {"d": _stochastic_of_rsi(c)},
    ),
}


def _stochastic_of_rsi(candles: Candles) -> Floats:
    strength = talib.RSI(candles.close, 9)
    return talib.STOCHF(strength, strength, strength, 11, 3, 0)[1]


@pytest.mark.parametrize("name", TA_LIB)
def test_it_is_talibs(name: str, candles: Candles) -> None:
    params, peer = TA_LIB[name]
    result = compute(name, candles, **params)
    for output, expected in peer(candles).items():
        same(result[output], expected)


@pytest.mark.parametrize("name", TA_LIB_MOVING)
def test_it_is_talibs_while_the_market_moves(name: str) -> None:
    params, peer = TA_LIB_MOVING[name]
    result = compute(name, HISTORIES["walk"], **params)
    for output, expected in peer(HISTORIES["walk"]).items():
        same(result[output], expected)


def typical(candles: Candles) -> Floats:
    return (candles.high + candles.low + candles.close) / 3.0


def test_rsi_by_wilders_own_averages() -> None:
    closes = HISTORIES["walk"].close.tolist()
    period = 14
    steps = [after - before for before, after in pairwise(closes)]
    gain = sum(max(step, 0.0) for step in steps[:period]) / period
    loss = sum(max(-step, 0.0) for step in steps[:period]) / period
    expected = [NAN] * period + [100 * gain / (gain + loss)]
    for step in steps[period:]:
        gain = (gain * (period - 1) + max(step, 0.0)) / period
        loss = (loss * (period - 1) + max(-step, 0.0)) / period
        expected.append(100 * gain / (gain + loss))
    same(compute("rsi", HISTORIES["walk"])["rsi"], expected)


@pytest.mark.parametrize("period", [2, 3, 7, 20, 500])
def test_rolling_sums_hold_only_their_own_rows(period: int) -> None:
    values = walk(500, 8).volume.copy()
    values[100] = 1e18  # a running sum would keep its rounding for ever
    expected = [math.fsum(values[row - period + 1 : row + 1]) if row >= period - 1 else NAN for row in range(500)]
    np.testing.assert_allclose(rolling_sum(values, period), expected, rtol=1e-12)


def test_still_marks_full_windows_of_one_number() -> None:
    values = np.array([NAN, 1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0])
    assert still(values, 3).tolist() == [False, False, False, True, False, False, False, False, True]
    assert still(values, 2).tolist() == [False, False, True, True, False, True, False, True, True]


def test_volume_weighted_averages(candles: Candles) -> None:
    period = 7
    plain = {"vwap_rolling": typical(candles), "vwma": candles.close}
    for name, price in plain.items():
        expected = []
        for row in range(len(candles)):
            rows = slice(row - period + 1, row + 1)
            traded = math.fsum(candles.volume[rows]) if row >= period - 1 else 0.0
            expected.append(math.fsum(price[rows] * candles.volume[rows]) / traded if traded else NAN)
        same(compute(name, candles, period=period)[name], expected)


@pytest.mark.parametrize(("hours", "offset"), [(24, 0), (8, 3)])
def test_session_vwap_is_the_weighted_mean_since_the_session_began(candles: Candles, hours: int, offset: int) -> None:
    price, volume = typical(candles), candles.volume
    length, shift = hours * 3_600_000, offset * 3_600_000
    sessions = [(stamp - shift) // length for stamp in candles.timestamp.tolist()]
    whole_from_start = (int(candles.timestamp[0]) - shift) % length == 0
    means, spreads = [], []
    for row, session in enumerate(sessions):
        rows = [earlier for earlier in range(row + 1) if sessions[earlier] == session]
        traded = math.fsum(volume[rows])
        if traded == 0.0 or (session == sessions[0] and not whole_from_start):
            means.append(NAN)
            spreads.append(NAN)
            continue
        mean = math.fsum(price[rows] * volume[rows]) / traded
        means.append(mean)
        spreads.append(math.sqrt(math.fsum(volume[rows] * (price[rows] - mean) ** 2) / traded))
    result = compute("vwap_session", candles, session_hours=hours, offset_hours=offset, deviations=2.0)
    same(result["vwap"], means)
    same(result["upper"], np.array(means) + 2.0 * np.array(spreads), rtol=1e-7)
    same(result["lower"], np.array(means) - 2.0 * np.array(spreads), rtol=1e-7)
    assert np.isfinite(result["vwap"]).sum() > 200


def test_money_flow_and_volume_score(candles: Candles) -> None:
    period = 9
    flows, scores = [NAN] * (period - 1), [NAN] * (period - 1)
    for row in range(period - 1, len(candles)):
        window = candles[row - period + 1 : row + 1]
        height = window.high - window.low
        place = [
            ((c - low) - (h - c)) / d if d > 0 else 0.0
            for h, low, c, d in zip(window.high, window.low, window.close, height, strict=True)
        ]
        traded = math.fsum(window.volume)
        flows.append(math.fsum(place * window.volume) / traded if traded else 0.0)
        deviation = float(np.std(window.volume))
        scores.append((window.volume[-1] - np.mean(window.volume)) / deviation if deviation else 0.0)
    same(compute("chaikin_money_flow", candles, period=period)["chaikin_money_flow"], flows)
    same(compute("volume_zscore", candles, period=period)["volume_zscore"], scores, rtol=1e-6)


def test_keltner_donchian_and_hull(candles: Candles) -> None:
    middle, reach = talib.EMA(candles.close, 9), talib.ATR(candles.high, candles.low, candles.close, 5)
    keltner = compute("keltner", candles, period=9, atr_period=5, multiplier=1.5)
    same(keltner["upper"], middle + 1.5 * reach)
    same(keltner["lower"], middle - 1.5 * reach)
    rows = range(8, len(candles))
    highest = [NAN] * 8 + [max(candles.high[row - 8 : row + 1]) for row in rows]
    lowest = [NAN] * 8 + [min(candles.low[row - 8 : row + 1]) for row in rows]
    donchian = compute("donchian", candles, period=9)
    same(donchian["middle"], (np.array(highest) + np.array(lowest)) / 2)
    leading = 2 * talib.WMA(candles.close, 4) - talib.WMA(candles.close, 9)
    same(compute("hull", candles, period=9)["hull"], talib.WMA(leading, 3))


def test_bollinger_place_and_width() -> None:
    candles = HISTORIES["walk"]
    bands = compute("bollinger", candles, period=9)
    spread = bands["upper"] - bands["lower"]
    same(bands["percent_b"], (candles.close - bands["lower"]) / spread)
    same(bands["width"], spread / bands["middle"])


def test_supertrend_by_its_rules(candles: Candles) -> None:
    period, multiplier = 5, 2.0
    atr = talib.ATR(candles.high, candles.low, candles.close, period)
    line, direction = [NAN] * period, [NAN] * period
    upper = lower = side = 0.0
    for row in range(period, len(candles)):
        bar, before = candles[row], candles[row - 1]
        middle = (bar.high + bar.low) / 2
        above, below = middle + multiplier * atr[row], middle - multiplier * atr[row]
        if row == period:
            upper, lower, side = above, below, 1.0 if bar.close >= middle else -1.0
        else:
            upper = min(above, upper) if before.close <= upper else above
            lower = max(below, lower) if before.close >= lower else below
            if (side > 0 and bar.close < lower) or (side < 0 and bar.close > upper):
                side = -side
        line.append(lower if side > 0 else upper)
        direction.append(side)
    result = compute("supertrend", candles, period=period, multiplier=multiplier)
    same(result["line"], line)
    same(result["direction"], direction)
    assert {-1.0, 1.0} <= set(direction[period:])


def test_sar_says_on_which_side_its_stop_is() -> None:
    candles = HISTORIES["walk"]
    result = compute("sar", candles)
    below = result["sar"] <= candles.low
    above = result["sar"] >= candles.high
    assert (result["direction"][below] == 1.0).all()
    assert (result["direction"][above] == -1.0).all()
    assert below.any()
    assert above.any()


def test_ichimoku_shows_what_was_known(candles: Candles) -> None:
    conversion, base, span, displacement = 3, 7, 12, 5

    def middle(row: int, period: int) -> float:
        if row < period - 1:
            return NAN
        rows = slice(row - period + 1, row + 1)
        return float((max(candles.high[rows]) + min(candles.low[rows])) / 2)

    rows = range(len(candles))
    a_ahead = [(middle(row, conversion) + middle(row, base)) / 2 for row in rows]
    b_ahead = [middle(row, span) for row in rows]
    back = displacement - 1
    result = compute("ichimoku", candles, conversion=conversion, base=base, span=span, displacement=displacement)
    same(result["conversion"], [middle(row, conversion) for row in rows])
    same(result["base"], [middle(row, base) for row in rows])
    same(result["span_a_ahead"], a_ahead)
    same(result["span_b_ahead"], b_ahead)
    same(result["span_a"], [NAN] * back + a_ahead[:-back])
    same(result["span_b"], [NAN] * back + b_ahead[:-back])
    same(result["lag"], [NAN] * back + (candles.close[back:] - candles.close[:-back]).tolist())


def test_nadaraya_watson_is_a_weighted_mean_of_the_past(candles: Candles) -> None:
    bandwidth, window, error_period, multiplier = 2.0, 30, 12, 1.5
    weights = [math.exp(-(age**2) / (2 * bandwidth**2)) for age in range(window)]
    first = 17  # nine bandwidths: older weights are below the rounding of the sum
    middle = [NAN] * first
    for row in range(first, len(candles)):
        ages = range(min(window, row + 1))
        total = math.fsum(weights[age] for age in ages)
        middle.append(math.fsum(weights[age] * candles.close[row - age] for age in ages) / total)
    errors = np.abs(candles.close - np.array(middle))
    reach = [NAN] * len(candles)
    for row in range(first + error_period - 1, len(candles)):
        reach[row] = multiplier * math.fsum(errors[row - error_period + 1 : row + 1]) / error_period
    result = compute(
        "nadaraya_watson", candles, bandwidth=bandwidth, window=window, error_period=error_period, multiplier=multiplier
    )
    same(result["middle"], middle)
    same(result["upper"], np.array(middle) + np.array(reach))
    same(result["lower"], np.array(middle) - np.array(reach))


def test_a_narrow_window_is_kept_as_asked() -> None:
    candles = HISTORIES["walk"]
    result = compute("nadaraya_watson", candles, bandwidth=50.0, window=3, error_period=2)
    weights = np.exp(-0.5 * (np.arange(3) / 50.0) ** 2)
    same(result["middle"][2:], np.convolve(candles.close, weights / weights.sum())[2:-2])


def test_squeeze_and_heikin_ashi(candles: Candles) -> None:
    period = 9
    upper, _, lower = talib.BBANDS(candles.close, period, 2.0, 2.0)
    middle = talib.EMA(candles.close, period)
    reach = 1.5 * talib.ATR(candles.high, candles.low, candles.close, period)
    on = (upper < middle + reach) & (lower > middle - reach)
    result = compute("squeeze", candles, period=period)
    same(result["on"], [NAN] * period + on[period:].astype(float).tolist())
    counted, bars = 0, []
    for flag in on:
        counted = counted + 1 if flag else 0
        bars.append(float(counted))
    same(result["bars"], [NAN] * period + bars[period:])
    opens = [(candles.open[0] + candles.close[0]) / 2]
    mean = (candles.open + candles.high + candles.low + candles.close) / 4
    for row in range(1, len(candles)):
        opens.append((opens[-1] + mean[row - 1]) / 2)
    averaged = compute("heikin_ashi", candles)
    same(averaged["open"], opens)
    same(averaged["close"], mean)
    same(averaged["high"], np.maximum.reduce([candles.high, np.array(opens), mean]))
    same(averaged["low"], np.minimum.reduce([candles.low, np.array(opens), mean]))


@pytest.mark.parametrize(("hours", "offset"), [(24, 0), (8, 3)])
def test_pivot_points_of_the_session_before(candles: Candles, hours: int, offset: int) -> None:
    length, shift = hours * 3_600_000, offset * 3_600_000
    sessions = [(stamp - shift) // length for stamp in candles.timestamp.tolist()]
    whole_from_start = (int(candles.timestamp[0]) - shift) % length == 0
    known = sorted(set(sessions))[0 if whole_from_start else 1 :]
    expected = {output: [NAN] * len(candles) for output in INDICATORS["pivot_points"].outputs}
    for row, session in enumerate(sessions):
        earlier = [one for one in known if one < session]
        if not earlier:
            continue
        rows = [place for place, one in enumerate(sessions) if one == earlier[-1]]
        high, low, close = max(candles.high[rows]), min(candles.low[rows]), candles.close[rows[-1]]
        pivot = (high + low + close) / 3
        levels = {
            "pivot": pivot,
            "r1": 2 * pivot - low,
            "r2": pivot + (high - low),
            "r3": high + 2 * (pivot - low),
            "s1": 2 * pivot - high,
            "s2": pivot - (high - low),
            "s3": low - 2 * (high - pivot),
        }
        for output, value in levels.items():
            expected[output][row] = float(value)
    result = compute("pivot_points", candles, session_hours=hours, offset_hours=offset)
    for output, values in expected.items():
        same(result[output], values)
    assert np.isfinite(result["pivot"]).sum() > 200


def tops(values: Floats, left: int, right: int, first: int = 0) -> list[int]:
    """Rows above the `left` before and not below the `right` after, by the definition."""
    return [
        row
        for row in range(first + left, len(values) - right)
        if all(values[row] > values[row - left : row]) and all(values[row] >= values[row + 1 : row + 1 + right])
    ]


def test_rsi_divergences_by_their_definition() -> None:
    candles = HISTORIES["walk"]
    period, left, right, nearest, farthest = 5, 3, 2, 3, 25
    strength = talib.RSI(candles.close, period)
    result = compute(
        "rsi_divergence", candles, period=period, left=left, right=right, nearest=nearest, farthest=farthest
    )
    same(result["rsi"], strength)
    seen = 0
    cases = (
        (strength, candles.high, "regular_bearish", "hidden_bearish", "high_turn"),
        (-strength, -candles.low, "regular_bullish", "hidden_bullish", "low_turn"),
    )
    for oscillator, price, regular, hidden, turn in cases:
        expected = {regular: {}, hidden: {}}  # type: dict[str, dict[int, tuple[int, int]]]
        rows = tops(oscillator, left, right, period)
        for before, top in pairwise(rows):
            if not nearest <= top - before <= farthest:
                continue
            if price[top] > price[before] and oscillator[top] < oscillator[before]:
                expected[regular][top + right] = (before, top)
            elif price[top] < price[before] and oscillator[top] > oscillator[before]:
                expected[hidden][top + right] = (before, top)
        for output, flags in expected.items():
            assert np.flatnonzero(result[output] == 1.0).tolist() == sorted(flags)
            for row, (before, top) in flags.items():
                assert (result[f"{turn}_before"][row], result[turn][row]) == (before, top)
                seen += 1
        flagged = sum(len(flags) for flags in expected.values())
        assert np.isfinite(result[turn]).sum() == flagged
    assert seen > 10


def slow_levels(candles: Candles, length: int) -> list[SwingLevel]:
    found = []
    for is_high in (True, False):
        edge = candles.high if is_high else -candles.low
        for top in tops(edge, length, length):
            swept = [row for row in range(top + length, len(candles)) if edge[row] > edge[top]]
            bar = candles[top]
            body = max(bar.open, bar.close) if is_high else min(bar.open, bar.close)
            price = bar.high if is_high else bar.low
            found.append(SwingLevel(is_high, price, body, top, top + length, swept[0] if swept else None))
    return sorted(found, key=lambda one: (one.confirmed_at, not one.is_high))


@pytest.mark.parametrize("length", [1, 3, 8])
def test_swing_levels_by_their_definition(candles: Candles, length: int) -> None:
    assert swing_levels(candles, length) == slow_levels(candles, length)


def test_swing_levels_are_told_only_once_known() -> None:
    candles, length = HISTORIES["walk"], 4
    whole = swing_levels(candles, length)
    for rows in range(40, 500, 23):
        known = [one for one in whole if one.confirmed_at < rows]
        expected = [
            SwingLevel(
                one.is_high,
                one.price,
                one.zone,
                one.index,
                one.confirmed_at,
                one.swept_at if one.swept_at is not None and one.swept_at < rows else None,
            )
            for one in known
        ]
        assert swing_levels(candles[:rows], length) == expected


def test_liquidity_swings_follow_the_standing_levels(candles: Candles) -> None:
    length = 4
    result = compute("liquidity_swings", candles, length=length)
    levels = slow_levels(candles, length)
    for row in range(2 * length, len(candles)):
        for side, is_high, sign in (("high", True, 1.0), ("low", False, -1.0)):
            standing = [
                one
                for one in levels
                if one.is_high == is_high and one.confirmed_at <= row and (one.swept_at is None or one.swept_at > row)
            ]
            swept = [one for one in levels if one.is_high == is_high and one.swept_at == row]
            assert result[f"{side}_swept"][row] == len(swept)
            if not standing:
                assert math.isnan(result[f"{side}_level"][row])
                continue
            nearest = min(standing, key=lambda one: (sign * one.price, -one.index))
            assert result[f"{side}_level"][row] == nearest.price
            assert result[f"{side}_zone"][row] == nearest.zone


def test_touches_of_a_level_are_counted_until_it_is_swept() -> None:
    highs = [10, 11, 12, 15, 12, 11, 13.9, 14.6, 14.0, 14.8, 15, 15.1, 12]
    rows = len(highs)
    high = np.array(highs, dtype=float)
    body = high - 1.0  # the swing's body ends at 14: its wick reaches from 14 to 15
    low = body - 1.0
    volume = np.arange(rows, dtype=float)
    candles = Candles.checked(
        START_MS + np.arange(rows) * MINUTE_MS, body, high, low, body, volume, timeframe_ms=MINUTE_MS
    )
    result = compute("liquidity_swings", candles, length=2)
    np.testing.assert_array_equal(result["high_level"][5:11], 15.0)
    np.testing.assert_array_equal(result["high_zone"][5:11], 14.0)
    assert result["high_touches"][5:11].tolist() == [0, 0, 1, 1, 2, 3]
    assert result["high_volume"][5:11].tolist() == [0, 0, 7, 7, 16, 26]
    assert result["high_swept"][4:].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0], "an equal high takes nothing"


def test_stochastic_rsi_zones_and_crosses(candles: Candles) -> None:
    result = compute("stochastic_rsi", candles, overbought=70, oversold=30)
    k, d = result["k"], result["d"]
    first = int(np.argmax(np.isfinite(d)))
    for row in range(first, len(candles)):
        assert result["zone"][row] == (1.0 if k[row] > 70 else -1.0 if k[row] < 30 else 0.0)
        crossed = 0.0
        if row > first and k[row] > d[row] and k[row - 1] <= d[row - 1]:
            crossed = 1.0
        if row > first and k[row] < d[row] and k[row - 1] >= d[row - 1]:
            crossed = -1.0
        assert result["cross"][row] == crossed
    assert np.isnan(result["zone"][:first]).all()
