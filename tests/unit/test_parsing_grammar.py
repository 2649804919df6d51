"""Small rules of the grammar, each on its own."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from modules.domain.parses import Kind
from modules.domain.sides import Side
from modules.signals.dialects import DEFAULT, Dialect, dialect
from modules.signals.parsing import parse
from modules.signals.parsing.normalise import LONGEST, language_of, normalise
from modules.signals.parsing.numbers import Separators, settle_separators, value_of
from modules.signals.parsing.tokens import tokenise


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("𝗕𝗧𝗖 𝑆𝐸𝐿𝐿", "BTC SELL"),
        ("１２３．５", "123.5"),
        ("۶۷٬۵۰۰", "67,500"),
        ("0.0₅1234", "0.000001234"),
        ("6️⃣4️⃣0️⃣0️⃣0️⃣", "64000"),
        ("B\u200bTC", "BTC"),
        ("ВТСUSDT", "BTCUSDT"),
        ("🅻🅾🅽🅶", "LONG"),
        ("4572– 4577", "4572- 4577"),
        ("Giriş Bölgesi", "Giris Bolgesi"),
    ],
)
def test_one_spelling(written: str, plain: str) -> None:
    assert normalise(written).text.strip() == plain


def test_offsets_lead_back_to_the_original() -> None:
    text = "#B\u200bTC/USDT LONG\nEntry 0.0₅1234\nTP 0.0₅1300\nSL 0.0₅1150"
    got = parse(text)
    spans = {span.field: span.text for span in got.spans}
    assert spans["symbol"] == "B\u200bTC/USDT"
    assert spans["entries"] == "0.0₅1234"
    assert all(text[span.start : span.end] == span.text for span in got.spans)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("27,400", "27400"),
        ("2,201.43", "2201.43"),
        ("1.234,56", "1234.56"),
        ("390,50", "390.50"),
        ("16,0000", "16.0000"),
        ("64k", "64000"),
        ("63.5K", "63500.0"),
        ("1'250.5", "1250.5"),
        ("1.1.1", None),
        ("2.6e-06", "0.0000026"),
    ],
)
def test_numbers(written: str, value: str | None) -> None:
    assert value_of(written, Separators()) == (None if value is None else Decimal(value))


def test_other_numbers_settle_the_comma() -> None:
    assert settle_separators(tokenise("2,105 - 2,15")).comma_decimal
    assert not settle_separators(tokenise("27,400 then 0.5")).comma_decimal


@pytest.mark.parametrize("coin", ["RENDER", "TOKEN", "B", "H", "ID", "1INCH", "1000PEPE", "HIGH", "AR", "BTCDOM"])
def test_the_base_is_taken_whole(coin: str) -> None:
    assert parse(f"#{coin}/USDT LONG\nEntry: 1.10\nTarget: 1.20\nSL: 1.00").symbol == f"{coin}USDT"


@pytest.mark.parametrize("word", ["TARGETS", "LEVERAGE", "CROSS", "EXCHANGE", "SIGNAL", "ENTRY"])
def test_words_of_the_trade_are_no_symbols(word: str) -> None:
    assert parse(f"{word} LONG\nEntry: 1.10\nTarget: 1.20\nSL: 1.00").symbol is None


def test_a_short_term_is_no_side() -> None:
    got = parse("#ADA/USDT\nTerm: SHORT TERM\nEntry: 0.40 - 0.41\nTargets: 0.43 - 0.45\nStop: 0.38")
    assert got.side is Side.LONG


def test_prices_stay_as_written_on_the_wrong_side() -> None:
    got = parse("#ADA/USDT LONG\nEntry: 0.40\nTargets: 0.43\nStop: 0.45")
    assert got.kind is Kind.ENTRY
    assert got.side is Side.LONG
    assert got.stop_loss == Decimal("0.45")


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        ("Leverage: Cross (20.00X)", "20", None),
        ("Lev x17", "17", None),
        ("5x-10x", "5", "10"),
        ("LEV: 5X - 10X - 20X", "5", "20"),
        ("25x to 75x Leverage", "25", "75"),
        ("Leverage: 12", "12", None),
        ("Плечо 20х", "20", None),
        ("Leverage×50", "50", None),
        ("Isolated 10X", "10", None),
    ],
)
def test_leverage(written: str, first: str, last: str | None) -> None:
    got = parse(f"#SOL/USDT LONG\n{written}\nEntry: 140\nTargets: 150\nSL: 130")
    assert got.leverage == Decimal(first)
    assert got.leverage_max == (None if last is None else Decimal(last))


@pytest.mark.parametrize(
    "span",
    [
        "4782/4785",
        "4782//4785",
        "4782__4785",
        "4782_4785",
        "@4782~4785",
        "4782 :4785",
        "4782 till 4785",
        "4782– 4785",
        "4782 & 4785",
        "between 4782 and 4785",
    ],
)
def test_spans_of_entry_prices(span: str) -> None:
    got = parse(f"XAUUSD SELL {span}\nSL 4790\nTP 4770")
    assert got.entries == (Decimal(4782), Decimal(4785))
    assert got.entry_range


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        ("8 Hours 22 Minutes Ago", 30_120),
        ("3 Days 2 Hours Ago", 266_400),
        ("6 Minutes Ago", 360),
        ("1 Hours 21 Minutes Ago", 4_860),
    ],
)
def test_age(age: str, seconds: int) -> None:
    assert parse(f"#BTCUSDT - Target 2 reached\nProfit collected 22.5%\nPosted: {age}").age_seconds == seconds


def test_a_reversal_speaks_of_the_older_position() -> None:
    got = parse("#ROSEUSDT - Signal Cancelled ❎\nClosed due to opposite direction signal")
    assert (got.kind, got.update, got.symbol, got.opposite_direction) == (Kind.UPDATE, "cancel", "ROSEUSDT", True)
    assert not parse(
        "#ROSEUSDT - Signal Cancelled ❎\nTarget achieved before entering the entry zone"
    ).opposite_direction


def test_a_profile_settles_what_the_text_leaves_open() -> None:
    text = "SELL 4782/4785\nSL 4790\nTP 4770"
    assert parse(text).kind is Kind.NONE
    assert parse(text, dialect("gold-room")).symbol == "XAUUSD"
    assert parse("BTC long 64000 sl 63000 tp 65000", dialect("dollar-quoted")).symbol == "BTCUSD"
    assert parse("BTC long 64000 sl 63000 tp 65000", dialect("news-only")).kind is Kind.NONE
    assert dialect("never heard of") is DEFAULT


def test_a_profile_adds_words_and_cuts_footers() -> None:
    own = Dialect("own", words=(("target", "moon"), ("stop", "abyss")), drop_after=("disclaimer",))
    got = parse("BTC/USDT long 64000\nmoon 65000\nabyss 63000\nDisclaimer: target 99000", own)
    assert got.targets == (Decimal(65000),)
    assert got.stop_loss == Decimal(63000)


def test_json_has_the_contract_s_keys_and_no_float_noise() -> None:
    shown = parse("#HIGH/USDT SHORT\nEntry 1.113 - 1.131\nTP 1.096305\nSL 1.163085\n10x").as_json()
    assert {
        "kind",
        "symbol",
        "side",
        "order",
        "entries",
        "entry_range",
        "targets",
        "stop_loss",
        "leverage",
        "update",
        "update_level",
        "confidence",
        "reason",
        "spans",
    } <= set(shown)
    assert json.dumps(shown["entries"] + shown["targets"]) == "[1.113, 1.131, 1.096305]"
    assert json.dumps(shown["leverage"]) == "10"


def test_only_so_much_of_a_message_is_read() -> None:
    assert len(normalise("x" * (LONGEST * 3)).text) == LONGEST


def test_language_hint() -> None:
    assert language_of("Вход по рынку") == "ru"
    assert language_of("入场") == "zh"
    assert language_of("Entry") is None


def test_the_same_picture_before_each_price_is_a_label_each_time() -> None:
    got = parse("BUY #PEPE at 0.00000985\n🎯 0.00001010\n🎯 0.00001045\n🎯 0.00001100\n🛑 0.00000940")
    assert got.kind is Kind.ENTRY
    assert got.targets == (Decimal("0.00001010"), Decimal("0.00001045"), Decimal("0.00001100"))
    assert got.stop_loss == Decimal("0.00000940")


@pytest.mark.parametrize(
    "text",
    [
        "Closed trades today:\n#AVAX SHORT entry 28.1 closed 27.2 (+32%)\n#NEAR LONG entry 5.4 closed 5.3 (-18%)",
        (
            "How to read our signals:\nEntry: the price where you buy\nTargets: where to sell\nStop loss: where you exit\n"
            "Example: BTC/USDT LONG Entry 50000 TP 51000 SL 49000"
        ),
    ],
)
def test_lists_of_results_and_lessons_close_nothing(text: str) -> None:
    assert parse(text).kind is Kind.NONE


def test_a_cut_loss_is_a_stop() -> None:
    got = parse("Beli: ADA/USDT\nArea beli: 0.445 - 0.452\nTP: 0.465, 0.480, 0.505\nCL: 0.432")
    assert (got.kind, got.stop_loss) == (Kind.ENTRY, Decimal("0.432"))
