"""Values to documents and back: nothing lost, nothing guessed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.domain.orders import Fill, Order, OrderRole, OrderState, OrderType
from modules.domain.people import Account
from modules.domain.plans import DcaLevel, ExitRules, Limits, TradeSettings, Trailing, TrailKind
from modules.domain.positions import Position, TargetLevel
from modules.domain.sides import Action, Side
from modules.records import COLLECTIONS, changes, from_document, open_records, to_document

NOW = datetime(2025, 10, 15, 12, 0, 0, 123_000, tzinfo=UTC)
D = Decimal
SETTINGS = TradeSettings(
    entry_shares=(D("0.6"), D("0.4")),
    exits=ExitRules(None, D("1.5"), trailing=Trailing(TrailKind.ATR, D(2), D("0.1"), D(1)), time_exit_seconds=60),
    dca=(DcaLevel(D(1), D("1.5")),),
    limits=Limits(max_open_positions=None),
)
VALUES: tuple[Any, ...] = (
    Account("a1", "u1", "paper", "USDT", D("10000.00000001"), NOW, SETTINGS, enabled=False),
    Fill("f", "o", "a1", "BTCUSDT", Action.BUY, D("60000.1"), D("0.001"), D("-0.02"), NOW, maker=True),
    Order(
        "o", "a1", "paper", "BTCUSDT", Side.SHORT, Action.SELL, OrderRole.TARGET, OrderType.STOP_LIMIT, D("1E+2"), "p", NOW,
        "r", price=D("0.00000123"), state=OrderState.PARTIALLY_FILLED, fill_ids=("x", "y"),
    ),
    Position(
        "p", "a1", "pl", None, "paper", "BTCUSDT", Side.LONG, D(5), NOW, targets=(TargetLevel(1, D(9), D("0.5"), NOW),)
    ),
)  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_as_it_was_also_through_json(value: Any) -> None:
    document = json.loads(json.dumps(to_document(value)))
    assert from_document(type(value), document) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=12))
def test_decimals_are_exact_text_without_an_exponent(number: Decimal) -> None:
    document = to_document(replace(VALUES[0], starting_balance=number))
    assert "E" not in document["starting_balance"]
    assert from_document(Account, document).starting_balance == number


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_times_are_kept_to_the_millisecond(moment: datetime) -> None:
    document = to_document(replace(VALUES[0], created_at=moment))
    back = from_document(Account, document).created_at
    assert abs((back - moment).total_seconds()) <= 0.0006
    assert to_document(replace(VALUES[0], created_at=back)) == document


def test_changes_are_only_what_differs() -> None:
    before = VALUES[3]
    after = replace(before, quantity=D("0.5"), stop_loss=D(1))
    assert changes(before, after) == {"quantity": "0.5", "stop_loss": "1"}
    assert changes(before, before) == {}


def test_an_older_document_is_filled_from_defaults_and_a_newer_one_read() -> None:
    document = to_document(VALUES[0])
    del document["enabled"]
    del document["settings"]["limits"]
    document["added_later"] = 1
    read = from_document(Account, document)
    assert read.enabled is True
    assert read.settings.limits == Limits()


@pytest.mark.parametrize(
    ("name", "value"),
    [("created_at", "yesterday"), ("starting_balance", "many"), ("starting_balance", None), ("settings", {"sizing": "big"}),
     ("settings", 5)],
)  # fmt: skip
def test_a_document_that_can_not_be_read_says_so(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match="Account"):
        from_document(Account, {**to_document(VALUES[0]), name: value})


def test_a_missing_field_without_a_default_says_so() -> None:
    document = to_document(VALUES[0])
    del document["user_id"]
    with pytest.raises(InvalidInput, match="user_id"):
        from_document(Account, document)


def test_only_optional_unions_can_be_stored() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: int | str

    Odd.__annotations__["value"] = int | str
    with pytest.raises(TypeError, match="None"):
        to_document(Odd(1))


def test_every_collection_opens_and_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        store = open_records(f"sqlite:///{tmp_path / 'x.db'}", tmp_path)
        assert set(store.collections) == {each.name for each in COLLECTIONS}
        store.close()
