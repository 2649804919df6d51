"""What a strategy says of a bar never changes when later bars arrive: every type of series, every built-in strategy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analysis.candles import Candles
from modules.candles import resample
from modules.domain.market import TIMEFRAMES_MS
from modules.strategies.builtin import builtin, builtin_names
from modules.strategies.catalogue import KINDS, Choice, Family
from modules.strategies.checking import Complaints
from modules.strategies.conditions import Reading, read_series
from modules.strategies.decide import decide
from modules.strategies.documents import read_strategy
from modules.strategies.formulas import read_indicator
from modules.strategies.language import Series, Strategy, needed_timeframes
from modules.strategies.measures import Market
from tests.properties.causality import rewritten_rows

MINE = read_indicator(
    {"name": "mine", "formula": "stdev(close / shift(close, 1), 10) * larger(rsi(5), ema(volume, 7))"}
)
STARTS = (1, 60, 133, 134, 250, 399)


def random_candles(seed: int, rows: int = 400, timeframe: str = "15m") -> Candles:
    """A walk with jumps and a hole, so that there are gaps, sweeps, breaks and missing higher bars."""
    draw = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(draw.standard_t(3, rows) * 0.004))
    opened = np.concatenate([close[:1], close[:-1]]) * (1 + draw.normal(0, 0.0004, rows))
    high = np.maximum(opened, close) * (1 + draw.random(rows) * 0.003)
    low = np.minimum(opened, close) * (1 - draw.random(rows) * 0.003)
    length = TIMEFRAMES_MS[timeframe]
    places = np.arange(rows) + np.where(np.arange(rows) > rows // 3, 5, 0)
    stamps = 1_700_006_400_000 + places * length
    volume = draw.random(rows) ** 4 * 100
    return Candles.checked(stamps, opened, high, low, close, volume, timeframe_ms=length)


def higher_of(candles: Candles, names: frozenset[str]) -> dict[str, Candles]:
    """The higher timeframes as far as these candles reach."""
    return {
        name: resample(candles, TIMEFRAMES_MS[name]).candles
        for name in names
        if TIMEFRAMES_MS[name] != candles.timeframe_ms
    }


def every_series() -> list[Series]:
    """One series of each type and output."""
    made = []
    for kind in KINDS.values():
        if kind.family is Family.CUSTOM:
            made.append(Series("custom", (("name", "mine"),)))
            continue
        for output in kind.outputs or ("",):
            body: dict[str, object] = {"type": kind.name} | ({"output": output} if output else {})
            if kind.family is Family.DETECTOR:
                body["bars"] = 100
            for setting in kind.settings:
                if isinstance(setting, Choice) and setting.default is None:
                    body[setting.name] = "engulfing"
            wrong = Complaints()
            series = read_series(body, "", Reading(wrong, "15m"))
            assert series is not None, wrong.fields
            made.append(series)
    return made


@pytest.mark.parametrize("series", every_series(), ids=lambda s: f"{s.type}-{s.output}")
def test_no_series_is_rewritten(series: Series) -> None:
    candles = random_candles(7)
    lazy = KINDS[series.type].family is Family.DETECTOR
    needed = None if not lazy else np.arange(len(candles)) % 37 == 2

    def column(part: Candles) -> np.ndarray:
        return Market(part, {}, (MINE,)).values(series, None if needed is None else needed[: len(part)])

    assert rewritten_rows(column, candles, STARTS) == 0
    if series.type != "nadaraya_watson":  # it looks back on 997 bars
        assert np.isfinite(column(candles)).any()


@pytest.mark.parametrize("type_", ["rsi", "price", "choch", "order_block", "time", "engulfing", "mine"])
def test_a_higher_timeframe_is_seen_once_it_has_closed(type_: str) -> None:
    settings_: dict[str, object] = {"type": type_}
    if type_ == "mine":
        series: Series | None = Series("custom", (("name", "mine"),), timeframe="1h")
    else:
        if type_ == "engulfing":
            settings_ = {"type": "pattern", "name": type_}
        series = read_series({**settings_, "timeframe": "1h"}, "", Reading(Complaints(), "15m"))
    assert series is not None

    def column(part: Candles) -> np.ndarray:
        return Market(part, higher_of(part, frozenset({"1h"})), (MINE,)).values(series)

    assert rewritten_rows(column, random_candles(3), range(130, 150)) == 0


def test_the_last_closed_higher_bar_counts_and_no_older_one() -> None:
    candles = random_candles(5, 60)
    higher = resample(candles, TIMEFRAMES_MS["1h"]).candles
    column = Market(candles, {"1h": higher}, ()).values(Series("price", (("field", "close"),), timeframe="1h"))
    for row in range(len(candles)):
        closed = int(candles.timestamp[row]) + candles.timeframe_ms
        at = np.flatnonzero(higher.timestamp + higher.timeframe_ms == closed - closed % higher.timeframe_ms)
        if len(at):
            assert column[row] == higher.close[at[0]]
        else:
            assert np.isnan(column[row])
    assert np.isnan(column[:3]).all()


@pytest.mark.parametrize("name", builtin_names())
def test_no_built_in_changes_its_mind(name: str) -> None:
    strategy = builtin(name)
    candles = random_candles(11, 700, strategy.timeframe)

    def decisions(part: Candles) -> object:
        return decide(strategy, part, higher_of(part, needed_timeframes(strategy)))

    assert rewritten_rows(decisions, candles, (1, 150, 333, 500, 699)) == 0


@st.composite
def documents(draw: st.DrawFn) -> Strategy:
    """A strategy whose entry compares any two series."""
    pool = [
        {"type": "price", "field": "low"}, {"type": "sma", "period": 9}, {"type": "ema", "period": 7, "timeframe": "1h"},
        {"type": "donchian", "output": "upper", "period": 12, "shift": 1}, {"type": "swing_high", "swing_length": 3},
        {"type": "fvg", "output": "bullish_low"}, {"type": "bollinger", "output": "lower"}, {"type": "custom", "name": "mine"},
    ]  # fmt: skip
    operators = st.sampled_from(["<", "<=", ">", ">=", "==", "crosses_above", "crosses_below"])
    one, other = (dict(draw(st.sampled_from(pool))) for _ in range(2))
    leaf = {**one, "operator": draw(operators), "other": other}
    second = {"type": "rsi", "operator": draw(operators), "value": draw(st.integers(20, 80))}
    shapes = [{"all": [leaf, second]}, {"any": [leaf, {"not": second}]}, {"first": leaf, "after": second}]
    levels = {"stop_loss_at": {"type": "swing_low", "swing_length": 3, "offset_atr": 0.5}}
    extra = levels if draw(st.booleans()) else {}
    document = {"name": "drawn", "timeframe": "15m", "entry": draw(st.sampled_from(shapes)), "exit": second, **extra}
    return read_strategy(document, {"mine": MINE})


@given(documents(), st.integers(0, 50), st.lists(st.integers(1, 199), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_no_strategy_changes_its_mind(strategy: Strategy, seed: int, starts: list[int]) -> None:
    def decisions(part: Candles) -> object:
        return decide(strategy, part, higher_of(part, needed_timeframes(strategy)))

    assert rewritten_rows(decisions, random_candles(seed, 200), starts) == 0
