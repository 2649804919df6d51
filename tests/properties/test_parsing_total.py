"""For every text there is a parse, its spans are true, and a signal is read the same however it is dressed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.domain.parses import Kind
from modules.domain.sides import Side
from modules.signals.parsing import parse, validate

WORDS = st.sampled_from(
    [
        "#BTC/USDT",
        "LONG",
        "short",
        "Entry",
        "TP1",
        "Target 2",
        "hit",
        "SL",
        "stop",
        "64000",
        "0.0₅12",
        "27,400",
        "5x-10x",
        "✅",
        "❌",
        "➊",
        "1️⃣",
        "closed",
        "cancel",
        "вход",
        "стоп",
        "目标",
        "ورود",
        "25%",
        "\n",
        " - ",
        ":",
        "@",
        "12:30",
        "half",
        "now",
        "move",
        "be",
        "ago",
        "3 days",
        "64 000",
        "15",
        "72k",
        ") ) ) )",
        "out",
        "cut",
        "bail",
        "0.82",
        "0.79",
        "+2%",
        "-60",
        "153.5,10x",
        "BTC롱",
    ]
)


@given(st.text(max_size=2_000))
@settings(max_examples=300)
def test_any_text_has_a_parse_with_true_spans(text: str) -> None:
    got = parse(text)
    assert all(text[span.start : span.end] == span.text for span in got.spans)
    assert 0 <= got.confidence <= 1
    assert got.reason
    got.as_json()


@given(st.lists(WORDS, max_size=60).map(" ".join))
@settings(max_examples=400)
def test_words_of_the_trade_in_any_order_have_a_parse(text: str) -> None:
    got = parse(text)
    assert all(text[span.start : span.end] == span.text for span in got.spans)
    if got.kind is Kind.ENTRY:
        assert got.symbol and got.side
        validate(got)
    else:
        assert not got.entries and not got.targets
        assert got.side is None or got.kind is Kind.UPDATE


@given(st.text(min_size=1, max_size=12), st.sampled_from([1_000, 100_000]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_repeated_patterns_have_a_parse(piece: str, length: int) -> None:
    parse((piece * (length // len(piece) + 1))[:length])


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1.",
        "1,",
        "TP 1: 2 ",
        "$A ",
        "BTC/USDT ",
        "0.0₅1",
        "1️⃣",
        "64 000 ",
        "目标",
        "1 day ",
        "entry to ",
        '{"a":',
        "e-1",
        "١",
    ],
)
def test_long_rows_of_one_pattern_have_a_parse(piece: str) -> None:
    parse((piece * 100_000)[:100_000])


LABELS = st.sampled_from(
    [
        ("Entry", "Targets", "Stop Loss", "LONG", "SHORT"),
        ("Вход", "Цели", "Стоп", "ЛОНГ", "ШОРТ"),
        ("Giriş", "Hedefler", "Zarar durdur", "Long", "Short"),
        ("Entrada", "Objetivos", "Stop", "Compra", "Venta"),
        ("نقطه ورود", "تارگت ها", "حد ضرر", "لانگ", "شورت"),
        ("Einstieg", "Ziele", "Stopp", "Kaufen", "Verkaufen"),
        ("入场", "目标", "止损", "做多", "做空"),
        ("Entry zone", "Take-Profit", "SL", "Buy", "Sell"),
    ]
)


@given(
    labels=LABELS,
    coin=st.sampled_from(["BTC", "RENDER", "H", "1000PEPE", "TOKEN"]),
    long=st.booleans(),
    price=st.decimals(min_value="0.001", max_value="90000", places=5),
    steps=st.integers(1, 6),
    joint=st.sampled_from([" - ", ", ", " / ", " | ", "\n"]),
    colon=st.sampled_from([": ", " = ", " ", " ➝ ", " - "]),
    leverage=st.integers(2, 125),
)
@settings(max_examples=300)
def test_a_written_signal_is_read_back(
    labels: tuple[str, ...], coin: str, long: bool, price: Decimal, steps: int, joint: str, colon: str, leverage: int
) -> None:
    entry, target, stop, buy, sell = labels
    sign = 1 if long else -1
    quantum = Decimal("0.000001")
    targets = [(price * (1 + sign * Decimal(k) / 50)).quantize(quantum) for k in range(1, steps + 1)]
    loss = (price * (1 - sign * Decimal("0.03"))).quantize(quantum)
    text = f"#{coin}/USDT {buy if long else sell} {leverage}x\n{entry}{colon}{price}\n{target}{colon}{joint.join(map(str, targets))}\n{stop}{colon}{loss}"
    got = parse(text)
    assert (got.kind, got.symbol, got.side) == (Kind.ENTRY, f"{coin}USDT", Side.LONG if long else Side.SHORT)
    assert got.entries == (price,)
    assert got.targets == tuple(dict.fromkeys(targets))
    assert got.stop_loss == loss
    assert got.leverage == leverage
    assert validate(got) is None
