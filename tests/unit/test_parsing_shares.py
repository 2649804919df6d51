"""The fraction of a position that a partial close names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from modules.signals.parsing import parse

THIRD = Decimal(1) / 3


@pytest.mark.parametrize(
    ("text", "share", "written"),
    [
        ("close 25%", Decimal("0.25"), "25%"),
        ("#SOL take half here, stop to entry", Decimal("0.5"), "take half"),
        ("close 1/3", THIRD, "1/3"),
        ("close a third here", THIRD, "third"),
        ("close 2/3 of the gold buy", Decimal(2) / 3, "2/3"),
        ("book 40 percent", Decimal("0.4"), "40"),
        ("scale out 20 % of the position", Decimal("0.2"), "20 %"),
        ("закрываю 30%", Decimal("0.3"), "30%"),
        ("30% закрываю тут, остальное держим", Decimal("0.3"), "30%"),
        ("Закрыл половину ETH по 3450", Decimal("0.5"), "Закрыл половину"),
        ("Booked half at +25%", Decimal("0.5"), "Booked half"),
        ("Cerramos la mitad del oro", Decimal("0.5"), "la mitad"),
        ("yarısını kapatın", Decimal("0.5"), "yarısını"),
        ("减仓一半", Decimal("0.5"), "一半"),
    ],
)
def test_share_is_read_with_its_place(text: str, share: Decimal, written: str) -> None:
    got = parse(text)
    assert (got.update, got.close_share) == ("partial_close", share)
    (span,) = [span for span in got.spans if span.field == "close_share"]
    assert span.text == written == text[span.start : span.end]


@pytest.mark.parametrize("text", ["take some profit here", "secure partials now", "take partial profits, +30%"])
def test_unsaid_share_is_none(text: str) -> None:
    got = parse(text)
    assert (got.update, got.close_share) == ("partial_close", None)
    assert got.as_json()["close_share"] is None


@pytest.mark.parametrize("text", ["close 100%", "close all of EURUSD", "EURUSD closed with +25% profit"])
def test_whole_position_has_no_share(text: str) -> None:
    got = parse(text)
    assert (got.update, got.close_share) == ("close", None)


def test_share_is_a_number_in_json() -> None:
    assert parse("close 25% of BTC").as_json()["close_share"] == 0.25
