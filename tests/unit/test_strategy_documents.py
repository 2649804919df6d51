"""Documents of strategies: both short forms, the long form, and every mistake with its place."""

from __future__ import annotations

from typing import Any

import pytest

from modules.domain.errors import InvalidInput, NotFound
from modules.strategies.builtin import builtin, builtin_names, describe
from modules.strategies.conditions import DEEPEST, MOST_CONDITIONS
from modules.strategies.decisions import SizeMode, Target, TargetKind
from modules.strategies.documents import long_form, read_strategy, version_of, write_strategy
from modules.strategies.language import Action, needed_timeframes
from modules.strategies.tuning import parameters, with_values

CONDITIONS_FORM: dict[str, Any] = {
    "name": "RSI + MA Cross Strategy",
    "conditions": [
        {"type": "rsi", "operator": "<", "value": 30},
        {"type": "price", "operator": ">", "ma_period": 20},
    ],
    "action": "BUY",
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "position_size": 1000,
    "stop_loss_pct": 5,
    "take_profit_pct": 10,
}
NAMED_FORM: dict[str, Any] = {
    "name": "RSI Strategy Backtest",
    "entry_conditions": {"rsi": {"operator": "<", "value": 30}},
    "exit_conditions": {"rsi": {"operator": ">", "value": 70}},
    "position_size": 1000,
    "stop_loss_pct": 5,
    "take_profit_pct": 10,
}
LONG_FORM: dict[str, Any] = {
    "name": "SMA cross with RSI",
    "symbols": ["BTCUSDT"],
    "timeframe": "1h",
    "action": "BUY",
    "entry": {
        "all": [
            {"type": "sma", "period": 20, "operator": "crosses_above", "other": {"type": "sma", "period": 50}},
            {"type": "rsi", "period": 14, "operator": "<", "value": 70},
            {"type": "price", "operator": ">", "other": {"type": "ema", "period": 200, "timeframe": "4h"}},
        ]
    },
    "exit": {
        "any": [{"type": "sma", "period": 20, "operator": "crosses_below", "other": {"type": "sma", "period": 50}}]
    },
    "position_size": {"mode": "equity_percent", "value": 100},
    "stop_loss_pct": 5,
    "take_profit_pct": 10,
    "targets": [{"pct": 4, "share": 0.5}],
    "trailing": {"pct": 3, "activate_pct": 5},
}


def complaints(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        read_strategy(document)
    return refused.value.fields


def a_strategy(**fields: Any) -> dict[str, Any]:
    return {"name": "one", "entry": {"type": "rsi", "operator": "<", "value": 30}, **fields}


@pytest.mark.parametrize("document", [CONDITIONS_FORM, NAMED_FORM, LONG_FORM])
def test_every_form_is_written_back_as_it_was_and_means_its_long_form(document: dict[str, Any]) -> None:
    strategy = read_strategy(document)
    assert write_strategy(strategy) == document
    again = read_strategy(long_form(strategy))
    assert again == strategy
    assert long_form(again) == long_form(strategy)
    assert version_of(again) == version_of(strategy)


def test_the_list_of_conditions_means_that_all_must_hold() -> None:
    spelt_out = {
        "name": "RSI + MA Cross Strategy",
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "entry": {
            "all": [
                {"type": "rsi", "period": 14, "operator": "<", "value": 30},
                {"type": "price", "field": "close", "operator": ">", "other": {"type": "sma", "period": 20}},
            ]
        },
        "position_size": {"mode": "quote", "value": 1000},
        "stop_loss_pct": 5,
        "take_profit_pct": 10,
    }
    assert read_strategy(spelt_out) == read_strategy(CONDITIONS_FORM)


def test_conditions_by_the_name_of_their_series() -> None:
    spelt_out = {
        "name": "RSI Strategy Backtest",
        "entry": {"all": [{"type": "rsi", "operator": "<", "value": 30}]},
        "exit": {"all": [{"type": "rsi", "operator": ">", "value": 70}]},
        "position_size": {"mode": "fixed", "value": 1000},
        "stop_loss_pct": 5,
        "take_profit_pct": 10,
    }
    strategy = read_strategy(NAMED_FORM)
    assert strategy == read_strategy(spelt_out)
    assert (strategy.symbols, strategy.timeframe, strategy.action) == ((), "1h", Action.BUY)


def test_the_rules_of_the_long_form() -> None:
    rules = read_strategy(LONG_FORM).rules
    assert (rules.size_mode, rules.size_value) == (SizeMode.EQUITY_PERCENT, 100)
    assert (rules.stop_pct, rules.take_profit_pct, rules.trail_pct, rules.trail_activate_pct) == (5, 10, 3, 5)
    assert rules.targets == (Target(TargetKind.PCT, 4, 0.5),)
    assert needed_timeframes(read_strategy(LONG_FORM)) == {"1h", "4h"}


def test_all_mistakes_are_told_at_once_and_by_their_places() -> None:
    told = complaints(
        {
            "name": "",
            "timeframe": "7h",
            "symbols": ["BTCUSDT", "../x"],
            "action": "HOLD",
            "surprise": 1,
            "entry": {
                "all": [
                    {"type": "rsi", "operator": "=>", "value": 30},
                    {"type": "rsi", "period": 1, "operator": "<", "value": "low"},
                    {"type": "sma", "operator": "<", "value": 3, "other": {"type": "price"}},
                    {"any": [{"type": "bollinger", "operator": "<", "value": 3}]},
                ]
            },
            "position_size": -5,
            "stop_loss_pct": 100,
            "targets": [{"pct": 1, "share": 0.7}, {"r": 2, "share": 0.7}],
        }
    )
    assert set(told) == {
        "name", "timeframe", "symbols[1]", "action", "surprise", "entry.all[0].operator", "entry.all[1].period",
        "entry.all[2].value", "entry.all[3].any[0].output", "position_size", "stop_loss_pct", "targets[1].r",
        "targets",
    }  # fmt: skip
    assert told["entry.all[0].operator"] == ("must be one of <, <=, >, >=, ==, crosses_above, crosses_below, got '=>'")
    assert told["entry.all[1].period"] == "must be a whole number from 2 to 5000, got 1"


def test_a_word_is_a_value_only_where_the_series_has_it() -> None:
    told = complaints(a_strategy(entry={"type": "bos", "operator": "==", "value": "upwards"}))
    assert told == {"entry.value": "must be a number or one of bullish, bearish, none, got 'upwards'"}
    by_word = read_strategy(a_strategy(entry={"type": "bos", "operator": "==", "value": "bearish"}))
    assert by_word == read_strategy(a_strategy(entry={"type": "bos", "operator": "==", "value": -1}))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": "structure", "kind": "choch"}, {"type": "choch"}),
        ({"type": "ma", "ma_type": "ema", "period": 9}, {"type": "ema", "period": 9}),
        ({"type": "bollinger", "band": "upper", "std_dev": 3}, {"type": "bollinger", "output": "upper", "deviations": 3}),
        ({"type": "macd", "fast_period": 5}, {"type": "macd", "fast": 5, "slow": 26, "signal": 9, "output": "macd"}),
        ({"type": "pattern", "name": "CDLENGULFING"}, {"type": "pattern", "name": "engulfing"}),
        ({"type": "pattern", "name": "three_white_soldiers"}, {"type": "pattern", "name": "3whitesoldiers"}),
        ({"type": "rsi", "timeframe": "1h"}, {"type": "rsi"}),
    ],
)  # fmt: skip
def test_other_spellings(written: dict[str, Any], meant: dict[str, Any]) -> None:
    one, other = (read_strategy(a_strategy(entry={**s, "operator": ">", "value": 1})) for s in (written, meant))
    assert one == other


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"position_size": {"mode": "risk_percent", "value": 1}}, "position_size.mode"),
        ({"stop_loss_pct": 1, "stop_loss_atr": 1}, "stop_loss_atr"),
        ({"trailing": {"pct": 1, "atr": 2}}, "trailing"),
        ({"break_even_after": 2, "take_profit_pct": 3}, "break_even_after"),
        ({"targets": [{"at": {"type": "swing_high"}}, {"pct": 3}]}, "targets"),
        ({"targets": [{"at": {"type": "swing_high"}}], "take_profit_pct": 3}, "take_profit_pct"),
        ({"opposite": {"exit": {"type": "rsi", "operator": "<", "value": 3}}}, "opposite.entry"),
        ({"stop_loss_at": {"type": "swing_low"}, "opposite": {"entry": a_strategy()["entry"]}}, "opposite.stop_loss_at"),
        ({"timeframe": "4h", "entry": {"type": "rsi", "timeframe": "1h", "operator": "<", "value": 3}}, "entry.timeframe"),
        ({"entry": {"all": []}}, "entry.all"),
        ({"entry": {"all": [a_strategy()["entry"]], "any": []}}, "entry"),
        ({"entry": {"type": "custom", "name": "mine", "operator": "<", "value": 3}}, "entry.name"),
        ({"entry": {"type": "rsi", "operator": "<", "value": True}}, "entry.value"),
        ({"entry": {"type": "rsi", "operator": "<", "ma_period": 20}}, "entry.ma_period"),
        ({"conditions": []}, "entry"),
        ({"dca": [{"drop_pct": 0}]}, "dca[0].drop_pct"),
        ({"leverage": 0}, "leverage"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_by_name(fields: dict[str, Any], place: str) -> None:
    assert place in complaints(a_strategy(**fields))


def test_depth_and_size_are_limited() -> None:
    rule: dict[str, Any] = a_strategy()["entry"]
    for _ in range(DEEPEST + 1):
        rule = {"not": rule}
    assert any("deep" in words for words in complaints(a_strategy(entry=rule)).values())
    many = {"all": [{"any": [a_strategy()["entry"]] * 40}, {"any": [a_strategy()["entry"]] * 40}]}
    assert any(str(MOST_CONDITIONS) in words for words in complaints(a_strategy(entry=many)).values())
    assert "document" in complaints(a_strategy(description="x" * 70_000))
    assert "document" in complaints(a_strategy(name=object()))


def test_a_document_is_kept_apart_from_the_callers() -> None:
    document = a_strategy(symbols=["BTCUSDT"])
    strategy = read_strategy(document)
    document["symbols"].append("ETHUSDT")
    assert write_strategy(strategy)["symbols"] == ["BTCUSDT"]


@pytest.mark.parametrize("name", builtin_names())
def test_built_ins_read_change_and_explain_themselves(name: str) -> None:
    described, strategy = describe(name), builtin(name)
    assert described.explanation
    assert described.parameters
    assert strategy.timeframe in needed_timeframes(strategy)
    for one in described.parameters:
        assert one.low <= one.default <= one.high
        assert builtin(name, {one.name: one.default}) == strategy
        assert builtin(name, {one.name: one.default + (1 if one.whole else 0.25)}) != strategy
    assert builtin(name, {"symbols": ["SOLUSDT"]}).symbols == ("SOLUSDT",)


def test_a_built_in_refuses_what_it_does_not_have() -> None:
    with pytest.raises(InvalidInput) as refused:
        builtin("ma_cross", {"fast": 1, "speed": 3})
    assert set(refused.value.fields) == {"fast", "speed"}
    with pytest.raises(NotFound):
        builtin("martingale")


def test_numbers_that_a_search_may_change() -> None:
    strategy = read_strategy(LONG_FORM)
    places = {one.place: one for one in parameters(strategy)}
    assert (places["entry.all[0].period"].value, places["entry.all[0].other.period"].value) == (20, 50)
    assert (places["entry.all[0].period"].low, places["entry.all[0].period"].whole) == (2, True)
    assert {"stop_loss_pct", "trailing.activate_pct", "entry.all[1].value"} <= set(places)
    changed = read_strategy(with_values(long_form(strategy), {"entry.all[0].period": 30, "stop_loss_pct": 2}))
    assert changed.rules.stop_pct == 2
    assert dict(parameters_of(changed))["entry.all[0].period"] == 30
    assert with_values(CONDITIONS_FORM, {"conditions[0].period": 7})["conditions"][0]["period"] == 7
    with pytest.raises(InvalidInput) as refused:
        with_values(CONDITIONS_FORM, {"conditions[9].period": 7, "a..b": 1})
    assert set(refused.value.fields) == {"conditions[9].period", "a..b"}


def parameters_of(strategy: Any) -> list[tuple[str, float]]:
    return [(one.place, one.value) for one in parameters(strategy)]
