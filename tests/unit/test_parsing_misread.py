"""Readings that would trade the wrong price: a point that is no thousands' sign, counters, a changed ticket, prices left over."""

from __future__ import annotations

from decimal import Decimal

import pytest

from modules.domain.parses import Kind
from modules.signals.parsing import parse
from modules.signals.parsing.symbols import bounds_of


def _prices(text: str) -> tuple[str, str, str]:
    """Entries, targets and stop of an entry, as text."""
    got = parse(text)
    assert got.kind is Kind.ENTRY, got.reason
    return " ".join(map(str, got.entries)), " ".join(map(str, got.targets)), str(got.stop_loss)


@pytest.mark.parametrize("symbol", ["ETHFI/USDT", "ETHWUSDT", "$BTCDOM", "#ETC/USDT"])
def test_coin_that_begins_like_a_dear_one_has_its_own_prices(symbol: str) -> None:
    text = f"{symbol} LONG\nEntry: 3.712\nTargets: 3.749, 3.787\nStop: 3.564"
    assert _prices(text) == ("3.712", "3.749 3.787", "3.564")


def test_point_parts_thousands_where_the_coin_is_known_to_be_dear() -> None:
    text = "BTC/USDT LONG\nEntry: 64.250\nTargets: 65.100, 66.300\nStop: 63.100"
    assert _prices(text) == ("64250", "65100 66300", "63100")


def test_floor_belongs_to_exactly_one_coin() -> None:
    assert bounds_of("ETHFIUSDT") == (None, Decimal(1000))
    assert bounds_of("ETHUSD")[0] == Decimal(100)
    assert bounds_of("BTCEUR")[0] == Decimal(1000)
    assert bounds_of("ETHBTC")[0] is None
    assert bounds_of("GER40")[0] == Decimal(2000)


@pytest.mark.parametrize(
    "text",
    [
        "Ticket: 58821407\nSymbol: USDCAD\nModified\nS/L: 1.36950\nT/P: 1.36200",
        "XAUUSD #771\nOrder changed\nSL: 2641.0\nTP: 2655.0",
        "Изменено: GBPUSD\nSL 1.2710\nTP 1.2650",
    ],
)
def test_changed_ticket_moves_the_stop_and_enters_nothing(text: str) -> None:
    got = parse(text)
    assert (got.kind, got.update) == (Kind.UPDATE, "move_stop")


def test_changed_call_that_names_side_and_entry_stays_one() -> None:
    assert parse("Updated setup: BTC/USDT long\nEntry 64250\nSL 63100\nTP 65100").kind is Kind.ENTRY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[숏] WLD/USDT\n▶ 진입: 2.845 ~ 2.880\n▶ 1차 익절: 2.770\n▶ 2차 익절: 2.680\n▶ 손절: 2.965", ("2.845 2.880", "2.770 2.680", "2.965")),
        ("[롱] TRX/USDT\n1차 진입: 0.240\n2차 진입: 0.235\n익절: 0.26\n손절: 0.22", ("0.240 0.235", "0.26", "0.22")),
    ],
)  # fmt: skip
def test_korean_ordinals_are_no_prices(text: str, expected: tuple[str, str, str]) -> None:
    assert _prices(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SOL 现价 141.2 多，补仓 138.5，止损 135.0，目标 144.8 / 148.0 / 153.5，10x", ("141.2 138.5", "144.8 148.0 153.5", "135.0")),
        ("LONG AVAX/USDT entry 31.2 sl 30.1 tp 32.5/33.8,5x", ("31.2", "32.5 33.8", "30.1")),
        ("BTCUSDT.P | LONG | 10x | E 64,180–63,740 | S 62,900 | T 64,950 · 65,800", ("64180 63740", "64950 65800", "62900")),
        ("APTUSDT | SHORT | E 9.10 | T 8.80 ; 8.40 | S 9.55", ("9.10", "8.80 8.40", "9.55")),
    ],
)  # fmt: skip
def test_comma_before_a_multiple_and_bars_part_prices(text: str, expected: tuple[str, str, str]) -> None:
    assert _prices(text) == expected


def test_price_of_the_entry_under_a_label_moves_no_stop() -> None:
    got = parse("Operação: VENDA em BNB\nPreço de entrada: 598,0 a mercado\nStop: 611,5\nAlvos: 589,0 / 580,0")
    assert (got.kind, got.stop_loss) == (Kind.ENTRY, Decimal("611.5"))


def test_conjunction_of_another_language_is_no_metal() -> None:
    assert parse("DOGE ka target ho gaya, profit book karo aur SL cost pe le aao").symbol == "DOGEUSDT"


@pytest.mark.parametrize(
    "text",
    [
        "US30 BUY 38500 TP1 +50 TP2 +100 SL -60",
        "XAUUSD SELL 2650\nTP1 -40\nTP2 -80\nSL +50",
        "DAX long 18400, Ziel +60, Stop -40",
    ],
)
def test_signed_points_are_no_prices(text: str) -> None:
    got = parse(text)
    assert (got.targets, got.stop_loss) == ((), None)


@pytest.mark.parametrize("text", ["US30 BUY 38500 TP - 38550 SL - 38400", "US30 BUY 38500\nTP -38550\nSL -38400"])
def test_dash_before_a_price_is_no_sign(text: str) -> None:
    assert _prices(text) == ("38500", "38550", "38400")


@pytest.mark.parametrize(
    "text",
    [
        "SOL 64 100 and 15 72k",
        "64 000 15 72k",
        "TP1 hit ) ) ) ) ) ) ) ) ) ) target 2",
        "done !,(((((((((( TP 3",
    ],
)
def test_odd_spacing_and_long_rows_of_signs_raise_nothing(text: str) -> None:
    assert parse(text).kind in Kind
