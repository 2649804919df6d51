"""The language: nothing is lost on the way through, nothing breaks the reader, and conditions mean what plain Python says."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.strategies.catalogue import KINDS, Choice, Family, Kind
from modules.strategies.decide import truth_of
from modules.strategies.documents import long_form, read_strategy, version_of, write_strategy
from modules.strategies.formulas import read_indicator, write_indicator
from modules.strategies.language import Condition, First, Group, Joined, Operator, Rule, Series
from modules.strategies.measures import Frame, Market
from tests.properties.test_strategies_causality import random_candles

PLAIN = [kind for kind in KINDS.values() if kind.family is not Family.CUSTOM]
OPERATORS = st.sampled_from([operator.value for operator in Operator])


@st.composite
def series(draw: st.DrawFn) -> dict[str, Any]:
    """Any series with some of its settings said."""
    kind: Kind = draw(st.sampled_from(PLAIN))
    body: dict[str, Any] = {"type": kind.name}
    for setting in kind.settings:
        if isinstance(setting, Choice):
            if setting.default is None or draw(st.booleans()):
                body[setting.name] = draw(st.sampled_from(setting.options))
        elif draw(st.integers(0, 3)) == 0 and kind.name not in (
            "macd",
            "ppo",
            "chaikin_oscillator",
            "sar",
            "rsi_divergence",
        ):
            span = st.integers(math.ceil(max(setting.low, 4)), int(min(setting.high, 200)))
            body[setting.name] = draw(span) if setting.high >= 4 else setting.default
    if kind.name in ("nadaraya_watson", "stochastic_rsi"):
        body = {"type": kind.name}  # their settings depend on one another
    if kind.outputs and (kind.default_output is None or draw(st.booleans())):
        body["output"] = draw(st.sampled_from(kind.outputs))
    if draw(st.integers(0, 3)) == 0:
        body["timeframe"] = draw(st.sampled_from(["1h", "4h", "1d"]))
    if draw(st.integers(0, 3)) == 0:
        body["shift"] = draw(st.integers(0, 50))
    if draw(st.integers(0, 4)) == 0:
        body["times"] = draw(st.floats(0.1, 10, allow_nan=False))
    return body


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """A series against a number or another."""
    body = {**draw(series()), "operator": draw(OPERATORS)}
    if draw(st.booleans()):
        return {**body, "value": draw(st.floats(-1e6, 1e6) | st.integers(-100, 100))}
    return {**body, "other": draw(series())}


RULES = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"all": each}),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"any": each}),
        inner.map(lambda each: {"not": each}),
        st.tuples(inner, inner).map(lambda pair: {"first": pair[0], "after": pair[1]}),
    ),
    max_leaves=6,
)
SIZES = st.one_of(
    st.floats(1, 1e6).map(lambda value: value),
    st.tuples(st.sampled_from(["quote", "percent", "atr_risk"]), st.floats(0.1, 100)).map(
        lambda pair: {"mode": pair[0], "value": pair[1]}
    ),
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A strategy with whatever belongs to one."""
    body: dict[str, Any] = {
        "name": draw(st.text("abc XYZé", min_size=1, max_size=12).filter(str.strip)),
        "timeframe": draw(st.sampled_from(["1m", "15m", "1h"])),
        "entry": draw(RULES),
    }
    parts: dict[str, st.SearchStrategy[Any]] = {
        "symbols": st.lists(st.sampled_from(["BTCUSDT", "ETHUSDT", "SOLUSDT"]), unique=True),
        "action": st.sampled_from(["BUY", "SELL"]),
        "exit": RULES,
        "position_size": SIZES,
        "stop_loss_pct": st.floats(0.1, 50),
        "take_profit_pct": st.floats(0.1, 500),
        "targets": st.lists(
            st.tuples(st.sampled_from(["pct", "atr"]), st.floats(0.1, 50)).map(
                lambda pair: {pair[0]: pair[1], "share": 0.2}
            ),
            max_size=4,
        ),
        "trailing": st.floats(0.1, 9).map(lambda pct: {"pct": pct, "activate_pct": 1}),
        "time_exit_bars": st.integers(1, 500),
        "dca": st.lists(st.floats(0.5, 5).map(lambda drop: {"drop_pct": drop, "factor": 1.5}), max_size=3),
        "leverage": st.integers(1, 20),
        "opposite": RULES.map(lambda rule: {"entry": rule}),
    }
    for name, values in parts.items():
        if draw(st.integers(0, 2)) == 0:
            body[name] = draw(values)
    return body


@given(documents())
@settings(max_examples=80, deadline=None)
def test_reading_and_writing_back_loses_nothing(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    strategy = read_strategy(document)
    assert document == before == write_strategy(strategy)
    whole = json.loads(json.dumps(long_form(strategy)))
    again = read_strategy(whole)
    assert again == strategy
    assert long_form(again) == whole
    assert version_of(again) == version_of(strategy)


def places(found: object) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    own: list[tuple[Any, Any]] = []
    if isinstance(found, dict):
        own = [(found, key) for key in found]
    elif isinstance(found, list):
        own = [(found, index) for index in range(len(found))]
    return own + [inner for container, key in own for inner in places(container[key])]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.just({}),
    st.just([]),
    st.just({"type": "rsi"}),
)


@given(documents(), st.data())
@settings(max_examples=120, deadline=None)
def test_whatever_is_sent_is_read_or_refused_by_place(document: dict[str, Any], data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(document)))
        container[key] = data.draw(JUNK)
    try:
        strategy = read_strategy(document)
    except InvalidInput as refused:
        assert refused.fields
        assert all(words for words in refused.fields.values())
    else:
        assert read_strategy(long_form(strategy)) == strategy


@given(st.text("closeopnrsi(14)+-*/., =meanstdv0123456789", max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_reader_of_formulas(text: str) -> None:
    try:
        indicator = read_indicator({"name": "x", "formula": text})
    except InvalidInput as refused:
        assert set(refused.fields) == {"formula"}
    else:
        assert read_indicator(write_indicator(indicator)).formula == indicator.formula


# ---- what conditions mean ---------------------------------------------------------------------------------------------

LEAVES = st.tuples(
    st.sampled_from(["rsi", "sma", "detector"]), OPERATORS, st.sampled_from(["rsi", "sma", "detector", 0.0, 1.0])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("not"), inner),
        st.tuples(st.just("first"), inner, inner),
    ),
    max_leaves=6,
)
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
}


class Columns(Market):
    """Series that are given instead of computed. A detector knows only the rows it is asked for."""

    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        self._given = columns

    def values(self, series: Series, needed: np.ndarray | None = None) -> np.ndarray:
        values = self._given[series.type]
        return values if needed is None or series.type != "detector" else np.where(needed, values, np.nan)


def rule_of(tree: Any) -> Rule:
    match tree:
        case ("all" | "any" as joined, list() as members):
            return Group(Joined(joined), tuple(rule_of(each) for each in members))
        case ("not", inner):
            return Group(Joined.NOT, (rule_of(inner),))
        case ("first", rule, after):
            return First(rule_of(rule), rule_of(after))
        case (left, operator, right):
            return Condition(Series(left), Operator(operator), Series(right) if isinstance(right, str) else right)
    raise AssertionError(tree)


def holds(tree: Any, columns: dict[str, list[float]], row: int) -> bool | None:
    """Plain Python: whether a rule holds on a bar; None where that is not known."""
    match tree:
        case ("all" | "any" as joined, list() as members):
            found = [holds(each, columns, row) for each in members]
            decisive = joined == "any"
            return decisive if decisive in found else None if None in found else not decisive
        case ("not", inner):
            inside = holds(inner, columns, row)
            return None if inside is None else not inside
        case ("first", rule, after):
            now = holds(rule, columns, row)
            if not now:
                return now
            begun = [
                at for at in range(row + 1) if holds(after, columns, at) and not (at and holds(after, columns, at - 1))
            ]
            return bool(begun) and not any(holds(rule, columns, at) for at in range(begun[-1], row))
    left, operator, right = tree

    def pair(at: int) -> tuple[float, float]:
        return columns[left][at], columns[right][at] if isinstance(right, str) else right

    if operator in COMPARE:
        a, b = pair(row)
        return None if math.isnan(a) or math.isnan(b) else COMPARE[operator](a, b)
    if row == 0 or any(math.isnan(each) for at in (row - 1, row) for each in pair(at)):
        return None
    (a, b), (c, d) = pair(row - 1), pair(row)
    return (a <= b and c > d) if operator == "crosses_above" else (a >= b and c < d)


COLUMN = st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0, math.nan]), min_size=12, max_size=12)


@given(TREES, COLUMN, COLUMN, COLUMN)
@settings(max_examples=300, deadline=None)
def test_rules_mean_what_plain_python_says(
    tree: Any, first: list[float], second: list[float], costly: list[float]
) -> None:
    columns = {"rsi": first, "sma": second, "detector": costly}
    market = Columns({name: np.array(values) for name, values in columns.items()})
    truth = truth_of(rule_of(tree), market)
    expected = [holds(tree, columns, row) for row in range(12)]
    assert truth.yes.tolist() == [each is True for each in expected]
    assert truth.no.tolist() == [each is False for each in expected]


# ---- what formulas mean -----------------------------------------------------------------------------------------------


def test_formulas_mean_what_plain_python_says() -> None:
    candles = random_candles(4, 60)
    close, volume = candles.close.tolist(), candles.volume.tolist()

    def window(values: list[float], row: int, bars: int) -> list[float]:
        return values[row - bars + 1 : row + 1]

    def deviation(values: list[float]) -> float:
        mean = math.fsum(values) / len(values)
        return math.sqrt(math.fsum((each - mean) ** 2 for each in values) / len(values))

    wanted: dict[str, tuple[int, Callable[[int], float]]] = {
        "close + 2 * volume - -3": (0, lambda row: close[row] + 2 * volume[row] + 3),
        "(close - mean(close, 5)) / stdev(close, 5)": (
            4,
            lambda row: (close[row] - sum(window(close, row, 5)) / 5) / deviation(window(close, row, 5)),
        ),
        "highest(high, 4) - lowest(low, 4)": (
            3,
            lambda row: max(window(candles.high.tolist(), row, 4)) - min(window(candles.low.tolist(), row, 4)),
        ),
        "shift(close, 3) / 2": (3, lambda row: close[row - 3] / 2),
        "sum(volume, 6)": (5, lambda row: sum(window(volume, row, 6))),
        "larger(close, shift(close, 1)) - smaller(close, shift(close, 1))": (
            1,
            lambda row: abs(close[row] - close[row - 1]),
        ),
        "sqrt(abs(-volume)) + log(close)": (0, lambda row: math.sqrt(volume[row]) + math.log(close[row])),
        "mean(mean(close, 2), 3)": (
            3,
            lambda row: (close[row - 3] / 2 + close[row - 2] + close[row - 1] + close[row] / 2) / 3,
        ),
    }
    frame = Frame(candles, {})
    for text, (known_from, plain) in wanted.items():
        values = frame.formula(read_indicator({"name": "x", "formula": text}).formula)
        assert np.isnan(values[:known_from]).all(), text
        for row in range(known_from, len(candles)):
            assert math.isclose(values[row], plain(row), rel_tol=1e-9, abs_tol=1e-9), (text, row)


def test_what_can_not_be_computed_is_not_known() -> None:
    candles = random_candles(4, 40)
    frame = Frame(candles, {})
    for text in ("close / (close - close)", "sqrt(0 - close)", "log(volume - volume)"):
        assert np.isnan(frame.formula(read_indicator({"name": "x", "formula": text}).formula)).all()
    gaps = frame.formula(read_indicator({"name": "x", "formula": "mean(1 / larger(close - open, 0), 3)"}).formula)
    rising = candles.close > candles.open
    known = np.array([row >= 2 and rising[row - 2 : row + 1].all() for row in range(len(candles))])
    assert (np.isfinite(gaps) == known).all()
    average = frame.formula(read_indicator({"name": "x", "formula": "ema(close, 3)"}).formula)
    assert math.isclose(average[2], candles.close[:3].mean())
    assert math.isclose(average[3], average[2] + 0.5 * (candles.close[3] - average[2]))
