"""Settings by name and text: what people type is understood, and what is wrong comes back with an example."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.domain.plans import DcaLevel, OppositeRule, Sizing, TradeSettings, Trailing, TrailKind
from modules.trading.settings_edit import EDITABLE, describe, edit

D = Decimal
NEW = TradeSettings()


def test_what_the_manual_shows() -> None:
    made = edit(
        NEW,
        {
            "size": "2",
            "sizing": "risk_percent",
            "leverage_cap": "10",
            "target_shares": "50,30,20",
            "break_even_after": "1",
            "trailing": "percent:2:step=0.5:activate=3",
        },
    )
    assert (made.size, made.sizing, made.leverage_cap) == (D(2), Sizing.RISK_PERCENT, D(10))
    assert made.target_shares == (D("0.5"), D("0.3"), D("0.2"))
    assert made.exits.break_even_after == 1
    assert made.exits.trailing == Trailing(TrailKind.PERCENT, D(2), D("0.5"), D(3))


@pytest.mark.parametrize(
    "name, text, attribute, value",
    [
        ("autotrade", "Off", "autotrade", False),
        ("require-stop", "no", "require_stop", False),
        ("size", "2%", "size", D(2)),
        ("leverage", "7", "leverage_cap", D(7)),
        ("entry_window", "4h", "entry_window_seconds", 14_400),
        ("sources", "alpha, beta", "sources", ("alpha", "beta")),
        ("sources", "all", "sources", ("*",)),
        ("allow", "btc/usdt #eth", "allow_symbols", ("BTCUSDT", "ETH")),
        ("deny_symbols", "off", "deny_symbols", ()),
        ("target_shares", "even", "target_shares", ()),
        ("opposite", "close older", "opposite", OppositeRule.CLOSE_OLDER),
        ("dca", "1.5x1,2x1.2", "dca", (DcaLevel(D("1.5"), D(1)), DcaLevel(D(2), D("1.2")))),
        ("default_stop_percent", "off", "default_stop_percent", None),
        ("slippage", "0.5", "max_slippage_percent", D("0.5")),
    ],
)
def test_words_people_type(name: str, text: str, attribute: str, value: object) -> None:
    assert getattr(edit(NEW, {name: text}), attribute) == value


def test_limits_and_exits_keep_what_is_not_changed() -> None:
    made = edit(edit(NEW, {"max_open_positions": "off", "cooldown": "5m"}), {"max_trades_per_day": "3"})
    assert (made.limits.max_open_positions, made.limits.cooldown_seconds, made.limits.max_trades_per_day) == (
        None,
        300,
        3,
    )


def test_a_pause_of_nothing_is_off() -> None:
    assert edit(edit(NEW, {"cooldown": "5m"}), {"cooldown": "off"}) == NEW
    assert ("cooldown", "off") in [(name, value) for name, value, _ in describe(NEW)]


def test_risk_sets_the_sizing_too() -> None:
    fixed = edit(NEW, {"sizing": "fixed", "size": "500"})
    made = edit(fixed, {"risk": "1.5"})
    assert (made.sizing, made.size) == (Sizing.RISK_PERCENT, D("1.5"))


@pytest.mark.parametrize(
    "name, text",
    [
        ("size", "0"),
        ("size", "much"),
        ("size", "1e999"),
        ("size", "NaN"),
        ("leverage_cap", "0.5"),
        ("leverage_cap", "1000"),
        ("target_shares", "50,30"),
        ("target_shares", "150,-50"),
        ("break_even_after", "1.5"),
        ("trailing", "percent"),
        ("trailing", "moon:2"),
        ("trailing", "percent:2:stop=1"),
        ("trailing", "percent:0"),
        ("entry_window", "0"),
        ("entry_window", "soon"),
        ("entry_window", "٣m"),
        ("dca", "1.5"),
        ("dca", "x"),
        ("autotrade", "maybe"),
        ("opposite", "fight"),
        ("allow_symbols", "BTC;DROP"),
    ],
)
def test_what_is_wrong_names_the_field_and_an_example(name: str, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        edit(NEW, {name: text})
    assert f"Example: {name}={EDITABLE[name].example}" in caught.value.fields[name]
    assert name in caught.value.message


def test_all_that_is_wrong_comes_at_once_and_nothing_is_changed() -> None:
    with pytest.raises(InvalidInput) as caught:
        edit(NEW, {"size": "0", "levrage_cap": "3", "xyz": "1", "cooldown": "5m"})
    assert set(caught.value.fields) == {"size", "levrage_cap", "xyz"}
    assert "did you mean leverage_cap?" in caught.value.fields["levrage_cap"]


def test_a_percentage_above_a_hundred_is_refused_with_an_example() -> None:
    with pytest.raises(InvalidInput) as caught:
        edit(NEW, {"size": "500"})
    assert "Example: size=1" in caught.value.fields["size"]


def test_every_example_is_accepted() -> None:
    for name, field in EDITABLE.items():
        edit(NEW, {name: field.example})
        assert field.meaning and field.range and field.type


def test_every_setting_can_be_edited() -> None:
    """A field added to the settings must be added to the table (or named here)."""
    for part, holder in (("", NEW), ("exits", NEW.exits), ("limits", NEW.limits)):
        known = {field.attribute for field in EDITABLE.values() if field.part == part}
        assert set(holder.__dataclass_fields__) - {"exits", "limits"} == known


@given(st.lists(st.sampled_from(sorted(EDITABLE)), unique=True))
def test_what_is_described_reads_back(names: list[str]) -> None:
    made = edit(NEW, {name: EDITABLE[name].example for name in names})
    again = edit(NEW, {name: value for name, value, _ in describe(made)})
    assert again == made


@given(st.sampled_from(sorted(EDITABLE)), st.text(max_size=40))
def test_any_text_is_read_or_refused(name: str, text: str) -> None:
    try:
        made = edit(NEW, {name: text})
    except InvalidInput as problem:
        assert problem.fields
    else:
        assert isinstance(made, TradeSettings)
