"""The form of a strategy: whatever document it is given means the same when it comes out; mistakes are shown at their place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from modules.domain.errors import InvalidInput
from modules.strategies.builtin import builtin_document, builtin_names
from modules.strategies.documents import long_form, read_strategy, version_of
from modules.strategies.reference import language
from tests.browser.browsing import CHROMIUM
from tests.browser.modules import Ask, asking

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]
THROUGH = "return new m.Editor(a.language, a.document, null).read();"
OTHERS: tuple[dict[str, Any], ...] = (
    {
        "name": "all kinds of parts",
        "description": "a\nb",
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "timeframe": "15m",
        "action": "SELL",
        "entry": {"not": {"any": [{"type": "time", "field": "weekday", "operator": "==", "value": "sunday"}]}},
        "stop_loss_atr": 1.5,
        "trailing": {"pct": 1.5, "activate_pct": 3},
        "targets": [{"r": 1, "share": 0.25}, {"pct": 4, "share": 0.5}, {"atr": 3, "share": 0.25}],
        "break_even_after": 1,
        "time_exit_bars": 10,
        "dca": [{"drop_pct": 2, "factor": 1.5}],
        "leverage": 3,
        "position_size": {"mode": "atr_risk", "value": 0.5},
    },
    {
        "name": "views of series",
        "entry": {
            "all": [
                {
                    "type": "price",
                    "operator": "crosses_above",
                    "other": {"type": "ema", "period": 50, "timeframe": "4h"},
                },
                {
                    "type": "volume",
                    "operator": ">",
                    "other": {"type": "sma", "source": "volume", "times": 1.5, "shift": 2},
                },
                {"type": "pattern", "name": "engulfing", "operator": "==", "value": "bullish"},
                {"type": "bollinger", "output": "percent_b", "deviations": 2.5, "operator": "<=", "value": -0.1},
                {"type": "stochastic", "output": "k", "operator": "<", "value": 20},
            ]
        },
        "exit": {
            "any": [
                {"type": "rsi", "operator": ">", "value": 70},
                {"type": "trend", "operator": "==", "value": "bearish"},
            ]
        },
        "trailing": {"atr": 2},
        "position_size": 1000,
    },
)


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with asking() as run:
        yield run


def through(ask: Ask, document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ask("views/strategy_editor.js", THROUGH, {"language": language(), "document": document})
    return found


@pytest.mark.parametrize("name", builtin_names())
def test_a_built_in_strategy_goes_through_the_form_and_means_the_same(ask: Ask, name: str) -> None:
    document = builtin_document(name)
    assert version_of(read_strategy(through(ask, document))) == version_of(read_strategy(document))


@pytest.mark.parametrize("document", OTHERS, ids=lambda each: each["name"])
def test_every_part_of_the_language_goes_through_the_form(ask: Ask, document: dict[str, Any]) -> None:
    strategy = read_strategy(document)
    assert version_of(read_strategy(through(ask, document))) == version_of(strategy)
    assert version_of(read_strategy(through(ask, long_form(strategy)))) == version_of(strategy)


def test_targets_can_be_written_as_people_write_them(ask: Ask) -> None:
    script = """const editor = new m.Editor(a.language, a.document, null);
    document.body.append(editor.element); // a label knows its control only within the page
    const labels = [...editor.element.querySelectorAll("label")];
    labels.find((each) => each.textContent === "Targets").control.value = "2R 50%, 5% 30%; 3ATR 20%";
    return editor.read().targets;"""
    document = {"name": "x", "entry": {"type": "rsi", "operator": "<", "value": 30}, "stop_loss_pct": 2}
    found = ask("views/strategy_editor.js", script, {"language": language(), "document": document})
    assert found == [{"r": 2, "share": 0.5}, {"pct": 5, "share": 0.3}, {"atr": 3, "share": 0.2}]


def test_mistakes_are_shown_at_the_part_that_is_wrong(ask: Ask) -> None:
    document = {
        "name": "x",
        "entry": {"all": [{"type": "rsi", "operator": "<", "value": 30}, {"any": [{"type": "rsi", "operator": "<", "value": 1e30}]}]},
        "stop_loss_pct": 500,
    }  # fmt: skip
    with pytest.raises(InvalidInput) as wrong:
        read_strategy(document)
    assert set(wrong.value.fields) == {"entry.all[1].any[0].value", "stop_loss_pct"}
    script = """const rules = await import("/assets/js/strategy_rules.js");
    const editor = new m.Editor(a.language, a.document, null);
    editor.read();
    const rest = rules.showMistakes(a.fields, editor.places);
    return [rest, [...editor.element.querySelectorAll(".rule.wrong-part, .field.wrong-part")].map((each) => each.textContent), editor.element.querySelectorAll(".rule").length];"""
    rest, shown, rules = ask(
        "views/strategy_editor.js",
        script,
        {"language": language(), "document": document, "fields": wrong.value.fields},
    )
    assert (rest, rules) == ([], 2)
    assert len(shown) == 2
    assert any("Stop distance" in each for each in shown)
