"""How lists are laid out, names and slips of labels, and what is told of a message as a whole."""

from __future__ import annotations

import pytest

from modules.domain.parses import Kind
from modules.domain.sides import Side
from modules.signals.parsing import parse
from modules.signals.parsing.spelling import mended

DENIALS = (
    "This is not a signal|Dies ist kein Signal|Beispielrechnung|Rechenbeispiel|Это не сигнал|Esto no es una señal"
    "|Isto não é um sinal|Ce n'est pas un signal|Questo non è un segnale|Bu bir sinyal değildir|Ini bukan sinyal"
    "|To nie jest sygnał|Đây không phải tín hiệu|Dit is geen signaal|هذه ليست توصية|این سیگنال نیست|这不是信号"
    "|これはシグナルではありません|이것은 신호가 아닙니다|यह सिग्नल नहीं है|Ye signal nahi hai|Це не сигнал|Toto není signál"
    "|Det är inte en signal|Αυτό δεν είναι σήμα|זה לא איתות|Rekenvoorbeeld|Contoh perhitungan"
)
CALL = "Buy gold 2600, SL 2590, TP 2630"


def prices(text: str) -> tuple[list[str], list[str], str | None]:
    """Entries, targets and stop as written."""
    got = parse(text)
    stop = None if got.stop_loss is None else str(got.stop_loss)
    return [str(price) for price in got.entries], [str(price) for price in got.targets], stop


@pytest.mark.parametrize("sign", ["- ", "-", " - ", ". ", ") ", ": ", " ", "/ ", "= ", " > "])
def test_counters_in_front_of_small_prices_are_no_prices(sign: str) -> None:
    listed = "\n".join(f"{n}{sign}{price}" for n, price in enumerate(("1.365", "1.410", "1.490"), start=1))
    text = f"#FTM/USDT\nLong\nEntry: 1.320\nTargets:\n{listed}\nSL: 1.220"
    assert prices(text) == (["1.320"], ["1.365", "1.410", "1.490"], "1.220")


def test_a_span_that_opens_with_one_is_no_counter_unless_two_follows() -> None:
    assert prices("#OP/USDT\nLong\nEntry:\n0.95 - 1\nTargets:\n1.2\n1.3\nSL: 0.9")[1] == ["1.2", "1.3"]
    assert prices("#OP/USDT Long\nEntry: 0.95\nAlvo 1 1,05\nAlvo 2 1,15\nSL: 0.9")[1] == ["1.05", "1.15"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("XAUUSD buy\n2922\n2917 sl\n2926\n2930\n2940 tp", (["2922"], ["2926", "2930", "2940"], "2917")),
        ("XAUUSD buy\n2922\n2926\n2940 tp\n2917 sl", (["2922"], ["2926", "2940"], "2917")),
        ("Sell gold 2922, 2930 sl, 2915 tp1, 2909 tp2", (["2922"], ["2915", "2909"], "2930")),
        ("BUY GOLD\n2922 TP\n2930\n2940\nSL 2910", (["2922"], ["2930", "2940"], "2910")),
    ],
)
def test_labels_behind_their_prices(text: str, expected: tuple[list[str], list[str], str | None]) -> None:
    assert prices(text) == expected


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("CABLE SELL NOW\nSL 1.2575\nTP 1.2490", "GBPUSD"),
        ("EURO BUY 1.0850 SL 1.0800 TP 1.0900", "EURUSD"),
        ("ZŁOTO sprzedaż 2655\nSL 2668\nTP1 2640", "XAUUSD"),
        ("Шорт по тону 5.62\nцели 5.50 5.35\nстоп 5.81", "TONUSDT"),
        ("Покупаем эфир 3200, стоп 3100, цель 3400", "ETHUSDT"),
        ("تم تحقيق الهدف الثاني للذهب", "XAUUSD"),
        ("Фиксирую 30% по ARKM", "ARKMUSDT"),
        ("做多BTC/USDT 64000 止损 63000 止盈 66000", "BTCUSDT"),
    ],
)
def test_names_of_what_is_traded(text: str, symbol: str) -> None:
    assert parse(text).symbol == symbol


@pytest.mark.parametrize(
    "text",
    [
        "AGORA COMPRA\nSL 1.25\nTP 1.29",
        "ЖBTC/USDT.\nTP1 hit",
        "+300 Euro\nTP2 hit",
        "TP2 HIT ON ZETA",
        "SL hit on FRIDAY",
    ],
)
def test_part_of_a_word_and_words_of_the_trade_are_no_symbols(text: str) -> None:
    assert parse(text).symbol is None


@pytest.mark.parametrize(
    "denial",
    DENIALS.split("|"),
)
def test_a_denial_is_believed_wherever_it_stands(denial: str) -> None:
    for text in (f"{denial}: {CALL}", f"{denial}.\n{CALL}", f"{CALL}. {denial}!"):
        assert parse(text).kind is Kind.NONE, text


@pytest.mark.parametrize(
    "disclaimer",
    [
        "Not financial advice",
        "We are not a signal service",
        "Keine Anlageberatung",
        "Não é recomendação de investimento",
    ],
)
def test_a_disclaimer_denies_nothing(disclaimer: str) -> None:
    for text in (f"{disclaimer}.\n{CALL}", f"{CALL}. {disclaimer}"):
        assert parse(text).kind is Kind.ENTRY, text


@pytest.mark.parametrize(
    "text",
    [
        "Yesterday's gold trade\nEntry 2718\nTP1 2712 ✅\nTP2 2706 ✅\n+120 pips",
        "Last week's calls: BTC TP1 ✅ ETH TP2 ✅",
        "I longed SOL at 150 and got stopped at 146 twice this week",
        "Ich wurde bei SOL zweimal ausgestoppt",
    ],
)
def test_recaps_and_stories_are_no_news(text: str) -> None:
    assert parse(text).kind is Kind.NONE


def test_news_of_an_older_trade_stays_news() -> None:
    assert parse("Yesterday's SOL long just hit TP2 ✅✅").update == "target_hit"
    assert parse("Gold TP1 ✅ TP2 ✅ running").update_level == 2
    assert parse("Stopped out ❌ sorry guys").update == "stop_hit"
    assert parse("Stopped out? lol").kind is Kind.NONE


@pytest.mark.parametrize(
    "text", ["Set breakeven now", "Move to entry", "Put it at breakeven", "Stopu girişe çekin", "SOL: set BE"]
)
def test_words_of_moving_lead_to_the_entry(text: str) -> None:
    assert parse(text).update == "move_stop"


def test_an_entry_that_is_set_is_a_call() -> None:
    got = parse("Long SOL set entry 150 stop 145 tp 160")
    assert (got.kind, got.side) == (Kind.ENTRY, Side.LONG)


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("stoplos", "stoploss"),
        ("proffit", "profit"),
        ("targ", None),
        ("tarrget", "target"),
        ("traget", "target"),
        ("levrage", "leverage"),
        ("profile", None),
        ("profil", None),
        ("entrado", None),
        ("beverage", None),
        ("profi", None),
        ("seel", None),
    ],
)
def test_one_stroke_is_mended_in_long_labels(word: str, label: str | None) -> None:
    assert mended(word) == label


@pytest.mark.parametrize("text", ["SOL long 98\nsl 94\nzarobek 103", "SOL long 98\nsl 94\nzarobek 107\nzarobek 103"])
def test_a_call_whose_targets_cannot_be_read_is_refused(text: str) -> None:
    assert parse(text).kind is Kind.NONE
