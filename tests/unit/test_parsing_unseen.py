"""Rules of the domain on layouts of several kinds, coins and languages: what is read whole, and what is better refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from modules.domain.parses import Kind, Parse
from modules.signals.parsing import parse
from modules.signals.parsing.symbols import bounds_of


def _read(text: str) -> tuple[str, str, str, str, str]:
    """The fields that a trade needs, as text."""
    got: Parse = parse(text)
    assert got.kind is Kind.ENTRY, got.reason
    return (
        str(got.symbol),
        str(got.side),
        " ".join(map(str, got.entries)),
        " ".join(map(str, got.targets)),
        str(got.stop_loss),
    )


COUNTED_LABELS = [
    ("LONG #ARB/USDT from $0.82 stop loss $0.79\n1 TARGET: $0.83\n2 TARGET: $0.84\n3 TARGET: $0.85", "0.83 0.84 0.85"),
    ("XRP/USDT LONG\nEntry 0.98\n1 TP 1.05\n2 TP 1.2\n3 TP 2.4\nSL 0.93", "1.05 1.2 2.4"),
    ("NEAR шорт 5.2\n1 цель 5.05\n2 цель 4.9\n3 цель 4.5\nстоп 5.4", "5.05 4.9 4.5"),
    ("LINK/USDT long\n14 entry\n15 tp 1\n16 tp 2\n13 sl", "15 16"),
    ("#XMR short\nEntry 158.9\nTake profit\n1️⃣ 156.5\n2️⃣ 154.9\n🏁 151.7\n🛑 166.2", "156.5 154.9 151.7"),
    ("#XMR short\nEntry 158.9\n🥇 156.5\n🥈 154.9\n🚀 151.7\nStop 166.2", "156.5 154.9 151.7"),
]


@pytest.mark.parametrize(("text", "targets"), COUNTED_LABELS)
def test_counters_beside_labels_and_pictures_are_no_prices(text: str, targets: str) -> None:
    assert _read(text)[3] == targets


@pytest.mark.parametrize("written", ["🛑 166.2", "📈 166.2"])
def test_picture_at_the_wrong_end_of_a_list_is_no_target(written: str) -> None:
    got = parse(f"#XMR short\nEntry 158.9\nTake profit\n1️⃣ 156.5\n2️⃣ 154.9\n{written}")
    assert got.kind is not Kind.ENTRY or (got.targets, got.stop_loss) == (
        (Decimal("156.5"), Decimal("154.9")),
        Decimal("166.2"),
    )


@pytest.mark.parametrize(
    ("text", "entries", "targets"),
    [
        ("🔥 BUY #CELO/USDT\nPrice: 0.64\nSell:\n0.66 ➜ 2.0%\n0.67 ➜ 4.5%\nStop: 0.61", "0.64", "0.66 0.67"),
        ("🔴 SELL #ADA/USDT\nPrice: 0.48\nBuy:\n0.46 - 4%\n0.44 - 8%\nStop: 0.50", "0.48", "0.46 0.44"),
        ("Kauf: BTC/USDT\nKurs 98000\nVerkauf: 99000, 101000\nStop 96000", "98000", "99000 101000"),
        ("COMPRA SOL/USDT\nPrecio: 150\nVenta: 160, 170\nStop: 140", "150", "160 170"),
    ],
)
def test_other_side_names_the_prices_to_leave_at(text: str, entries: str, targets: str) -> None:
    assert _read(text)[2:4] == (entries, targets)


def test_other_side_on_the_losing_side_is_no_target() -> None:
    assert parse("BUY #CELO/USDT\nPrice: 0.6480\nSell: 0.6150").kind is not Kind.ENTRY


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("ADA/USDT short, 3 limits\nLimit A 0.463 (40 %)\nLimit B 0.471\nTP 0.45\nStop 0.488", "0.463 0.471"),
        ("LINK long 4 лимитки: 14.2 14.0 13.8 13.6\nцели 15 / 16\nстоп 13", "14.2 14.0 13.8 13.6"),
        ("SOL long, 2 entradas 150 y 145, objetivos 160, 170, stop 138", "150 145"),
        ("DOT buy 6 orders placed from 5.9, tp 6.5 sl 5.5", "5.9"),
    ],
)
def test_number_of_orders_is_no_price(text: str, entries: str) -> None:
    assert _read(text)[2] == entries


@pytest.mark.parametrize("span", ["30-60 days", "2-3 weeks", "12-24h", "5-10 дней"])
def test_span_of_time_is_no_price(span: str) -> None:
    got = _read(f"#GMX/USDT\nBuying range: $26.4 - $27.9\nTargets (mid term {span}):\n$31.5\n$36\nSL $23.8")
    assert got[2:] == ("26.4 27.9", "31.5 36", "23.8")


@pytest.mark.parametrize("word", ["y", "o", "e", "a"])
def test_currency_behind_a_price_tags_no_word(word: str) -> None:
    got = _read(f"Vendo YFI a mercado (corto)\nToma de ganancias 8120$ {word} 7850$\nStop 8640$")
    assert got == ("YFIUSDT", "SHORT", "", "8120 7850", "8640")


@pytest.mark.parametrize(
    ("symbol", "written", "value"),
    [
        ("ALICE/USDT", "1,245", "1.245"),
        ("SOL/USDT", "145,200", "145.200"),
        ("AAVE/USDT", "245,120", "245.120"),
        ("BTC/USDT", "64,200", "64200"),
        ("ETH/USDT", "3,478", "3478"),
        ("YFI/USDT", "7,850", "7850"),
        ("BNB/USDT", "1,245", "1245"),
        ("ALICE/IRT", "1,245", "1245"),
        ("XAUUSD", "3,245", "3245"),
    ],
)
def test_comma_is_read_by_what_the_coin_can_cost(symbol: str, written: str, value: str) -> None:
    assert _read(f"{symbol} LONG\nEntry: {written}\nTP: {written[:-3]}990")[2] == value


def test_bounds_know_what_is_dear() -> None:
    assert bounds_of("BTCUSDT") == (Decimal(1000), Decimal(1_000_000))
    assert bounds_of("ARBUSDT") == (None, Decimal(1000))
    assert bounds_of("USDJPY") == (None, None)
    assert bounds_of("XAUUSDT")[1] is None
