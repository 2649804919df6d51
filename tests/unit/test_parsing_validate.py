"""What makes an entry implausible."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from modules.domain.parses import Kind, Parse
from modules.domain.sides import Side
from modules.signals.parsing import validate

D = Decimal
GOOD = Parse(
    Kind.ENTRY,
    symbol="BTCUSDT",
    side=Side.LONG,
    order="limit",
    entries=(D(64000),),
    targets=(D(65000), D(66000)),
    stop_loss=D(63000),
    leverage=D(10),
)
SHORT = replace(GOOD, side=Side.SHORT, targets=(D(63500), D(63000)), stop_loss=D(65000))


@pytest.mark.parametrize(
    "parse",
    [
        GOOD,
        SHORT,
        replace(GOOD, stop_loss=None),
        replace(GOOD, entries=()),
        replace(GOOD, leverage=D(200)),
        replace(GOOD, targets=(D(66000), D(65000))),
    ],
)
def test_sound_entries_pass(parse: Parse) -> None:
    assert validate(parse, market_price=D(64100), listed=lambda symbol: symbol == "BTCUSDT") is None


@pytest.mark.parametrize(
    ("parse", "reason"),
    [
        (replace(GOOD, symbol=None), "no_symbol"),
        (replace(GOOD, symbol="TARGETSUSDT"), "unknown_symbol"),
        (replace(GOOD, side=None), "no_side"),
        (replace(GOOD, entries=(), targets=(), stop_loss=None), "no_prices"),
        (replace(GOOD, stop_loss=D(64500)), "stop_side"),
        (replace(GOOD, stop_loss=D(64000)), "stop_side"),
        (replace(SHORT, stop_loss=D(63900)), "stop_side"),
        (replace(GOOD, entries=(), stop_loss=D(70000)), "stop_side"),
        (replace(GOOD, targets=(D(65000), D(63900))), "target_side"),
        (replace(SHORT, targets=(D(64100),)), "target_side"),
        (replace(GOOD, targets=(D(65000), D(67000), D(66000), D(69000), D(68000))), "target_order"),
        (replace(GOOD, targets=(D(650000),)), "prices_apart"),
        (replace(GOOD, leverage=D(2000)), "leverage"),
        (replace(GOOD, entries=(D(6400),), targets=(D(6500),), stop_loss=D(6300)), "entry_far"),
    ],
)
def test_contradictions_are_refused_with_a_reason(parse: Parse, reason: str) -> None:
    refused = validate(parse, market_price=D(64100), listed=lambda symbol: symbol == "BTCUSDT")
    assert refused is not None
    assert refused.reason == reason
    assert refused.sentence.endswith(".")


def test_what_is_not_known_is_not_checked() -> None:
    assert validate(replace(GOOD, symbol="NEWUSDT", entries=(D(6400),), targets=(), stop_loss=None)) is None


def test_the_ceiling_on_leverage_can_be_set() -> None:
    refused = validate(GOOD, max_leverage=D(5))
    assert refused is not None and refused.reason == "leverage"
