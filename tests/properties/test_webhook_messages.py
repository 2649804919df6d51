"""Whatever is posted to a webhook is read as it was meant or refused; a call keeps every number on its way through the parser."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.domain.parses import Kind
from modules.domain.sides import Side
from modules.signals.parsing import parse
from modules.signals.webhook_messages import read_posted

SYMBOLS = st.sampled_from(["BTCUSDT", "ETHUSDT", "1000PEPEUSDT", "SOLUSDC", "TONUSDT"])
MIDDLES = st.decimals(Decimal("0.01"), Decimal(90_000), places=4).filter(lambda price: price > Decimal("0.02"))


@given(st.binary(max_size=300))
def test_no_bytes_are_more_than_refused(body: bytes) -> None:
    try:
        posted = read_posted(body)
    except InvalidInput:
        return
    assert posted.text.strip()


@given(st.dictionaries(
    st.sampled_from(["ticker", "action", "price", "stop", "targets", "symbol", "side", "entry", "stop_loss", "id", "text", "leverage"]),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), lambda each: st.lists(each, max_size=3), max_leaves=4),
))  # fmt: skip
def test_no_fields_are_more_than_refused(said: dict[str, Any]) -> None:
    try:
        read_posted(json.dumps(said).encode())
    except InvalidInput as refused:
        assert refused.fields


@given(SYMBOLS, st.booleans(), MIDDLES, st.integers(1, 4), st.booleans(), st.booleans())
def test_a_call_keeps_its_numbers(
    symbol: str, long: bool, price: Decimal, count: int, market: bool, as_text: bool
) -> None:
    step = (price / 50).quantize(Decimal("0.0001")) * (1 if long else -1)
    if step == 0:
        return
    targets = [price + step * number for number in range(1, count + 1)]
    if targets[-1] <= 0:
        return

    def number(value: Decimal) -> str | float:
        return str(value) if as_text else float(value)

    said: dict[str, Any] = {"stop": number(price - step), "targets": [number(each) for each in targets]}
    if market:
        said = {**said, "ticker": f"BYBIT:{symbol}.P", "action": "buy" if long else "SELL", "price": number(price)}
    else:
        said |= {"symbol": symbol.lower(), "side": "Long" if long else "short", "entry": number(price)}
        said["stop_loss"] = said.pop("stop")
    read = parse(read_posted(json.dumps(said).encode()).text)
    assert (read.kind, read.symbol, read.side) == (Kind.ENTRY, symbol, Side.LONG if long else Side.SHORT)
    assert (read.order, read.entries, read.entry_range) == ("market" if market else "limit", (price,), False)
    assert (read.stop_loss, list(read.targets)) == (price - step, targets)


@pytest.mark.parametrize(
    ("body", "update", "side"),
    [
        ({"ticker": "BTCUSDT", "action": "close"}, "close", None),
        ({"ticker": "BTCUSDT", "action": "exit"}, "close", None),
        ({"ticker": "BTCUSDT", "action": "close_short"}, "close", Side.SHORT),
        ({"symbol": "BTCUSDT", "side": "close_long"}, "close", Side.LONG),
        ({"symbol": "BTCUSDT", "side": "cancel"}, "cancel", None),
    ],
)
def test_an_ending_is_an_update(body: dict[str, Any], update: str, side: Side | None) -> None:
    read = parse(read_posted(json.dumps(body).encode()).text)
    assert (read.kind, read.symbol, read.update, read.side) == (Kind.UPDATE, "BTCUSDT", update, side)


def test_an_id_of_the_sender_is_taken_over() -> None:
    assert read_posted(b'{"text": "x", "id": 17}').given_id == "17"
    assert read_posted(b'{"text": "x", "alert_id": "a"}').given_id == "a"
    assert read_posted(b'{"text": "x"}').given_id is None
    assert read_posted(b"plain").given_id is None
