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


@pytest.mark.parametrize(
    "text",
    [
        "Alright guys shorting $DYDX at market right here, price 2.2. SL goes at 2.3 and I'll be taking off at 2.1, 2.0 and the rest around 1.9",
        "💰 DYDXUSDT\n↘️ Sell side\n🚪 2.2\n🎯 2.1 ~ 2.0 ~ 1.9\n🧯 2.3",
        "$DYDX / Tether\nShort @ 2.2\nOut @ 2.1 & 2.0 & 1.9\nDead @ 2.3",
        "DYDX short\nIn: 2.2\nOut: 2.1 2.0 1.9\nDead: 2.3",
        "RE-ENTRY on #DYDX\nSame idea as yesterday, better price\nShort from 2.2\nTargets: 2.1, 2.0, 1.9\nStop: 2.3",
        "#DYDX шорт, идея та же что и вчера\nвход 2.2\nцели: 2.1, затем 2.0, потом 1.9\nстоп 2.3",
        "Gaes sell DYDX sekarang 2.2, SL 2.3, TP 2.1 terus 2.0 lalu 1.9",
        "Galera, vendi DYDX agora em 2,2, stop em 2,3, realizo em 2,1 e 2,0 e 1,9",
        "DYDX现价2.2做空，止损2.3，目标2.1、2.0，然后1.9",
    ],
)
def test_same_call_in_many_words(text: str) -> None:
    assert _read(text) == ("DYDXUSDT", "SHORT", "2.2", "2.1 2.0 1.9", "2.3")


def test_span_of_entries_may_be_drawn() -> None:
    got = _read("💰 FETUSDT\nBuy side\n🚪 1.29 ~ 1.26\n🎯 1.31 ~ 1.34\n🧯 1.22")
    assert got == ("FETUSDT", "LONG", "1.29 1.26", "1.31 1.34", "1.22")


@pytest.mark.parametrize("last", ["1.30", "1.50"])
def test_picture_below_the_targets_is_no_target_of_theirs(last: str) -> None:
    got = parse(f"💰 FETUSDT\nBuy side\n🚪 1.29 ~ 1.26\n🎯 1.31 ~ 1.34\n🧯 {last}")
    assert got.stop_loss is None
    assert Decimal(last) not in (*got.entries, *got.targets)


@pytest.mark.parametrize(
    ("text", "update", "level"),
    [
        ("#ARB/USDT 2 TARGET ✅ 🔥\n\n+16.2% with 10x\nMove the stop to the entry point", "target_hit", 2),
        ("#ARB 3 цель взята", "target_hit", 3),
        ("#ARB ka doosra target hit ho gaya ✅", "target_hit", 2),
        ("#ARB\n🎯 Target 2: 8.774 ✅ reached", "target_hit", 2),
        ("ARB/USDT got cut at 3,4 ❌\nstop loss, -15% on x8", "stop_hit", None),
        ("ARB bateu no stop, segue o jogo", "stop_hit", None),
        ("ARB被止损，等下一单", "stop_hit", None),
        ("Stop for $ARB goes to 1.872 now (our entry), nothing to lose anymore", "move_stop", None),
        ("ARB\nПереставьте стоп на 1.018", "move_stop", None),
        ("ARB: suban el stop a 1.018", "move_stop", None),
    ],
)
def test_news_in_many_words(text: str, update: str, level: int | None) -> None:
    got = parse(text)
    assert (got.kind, got.symbol, got.update, got.update_level) == (Kind.UPDATE, "ARBUSDT", update, level)


def test_missed_target_is_no_news() -> None:
    assert parse("BTC missed our second target by 15 dollars, so close! We keep holding.").kind is Kind.NONE


PUT_OFF = [
    "not yet",
    "not now",
    "still not yet",
    "noch nicht",
    "пока не",
    "todavía no",
    "ainda não",
    "pas encore",
    "belum",
]


@pytest.mark.parametrize("denial", PUT_OFF)
def test_side_put_off_is_no_trade(denial: str) -> None:
    assert parse(f"Short ENA {denial}").kind is Kind.NONE
    assert parse(f"Short ENA {denial}, 0.55 stop 0.6 target 0.5").kind is not Kind.ENTRY
    assert parse("Short ENA now, 0.55 stop 0.6 target 0.5").kind is Kind.ENTRY


@pytest.mark.parametrize("word", ["ACHTUNG", "BROTHER", "VAMOS", "OK", "SAFE", "HOJE", "DIKKAT", "UWAGA", "WOW"])
def test_words_in_capitals_are_no_coins(word: str) -> None:
    assert parse(f"{word} long 0.55 stop 0.50 target 0.60").symbol is None
    assert parse(f"#{word} long 0.55 stop 0.50 target 0.60").symbol == f"{word}USDT"


def test_unknown_ticker_beside_a_side_is_a_coin() -> None:
    assert parse("VVV long 0.55 stop 0.50 target 0.60").symbol == "VVVUSDT"


@pytest.mark.parametrize("shares", ["(50/50)", "(60-40)", "[30/70]", "(25/25/50)"])
def test_shares_in_brackets_are_no_prices(shares: str) -> None:
    got = _read(f"#SOL | Long\nВход: 52.4–51.5 {shares}\nТейк 54.3 {shares}\nСтоп 49.7")
    assert got[2:] == ("52.4 51.5", "54.3", "49.7")


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("Buy 0.5 BTC at 61200, stop 60000, take profit 63500", "61200"),
        ("Sell 1000 DOGE @ 0.1205, tp 0.1180, sl 0.1230", "0.1205"),
        ("Kaufe 12 SOL bei 148.5, Stop 140, Ziel 160", "148.5"),
        ("Купить 300 ADA по 0.452, стоп 0.438, цель 0.47", "0.452"),
    ],
)
def test_amount_before_the_coin_is_no_price(text: str, entry: str) -> None:
    assert _read(text)[2] == entry


@pytest.mark.parametrize("written", ["(SL 23)", "(stop: 23)", "(TP 26) (SL 23)", "[SL 23]"])
def test_price_that_closes_a_bracket_counts_nothing(written: str) -> None:
    assert _read(f"Long INJ 24.5 → 26 → 28 {written}")[4] == "23"


@pytest.mark.parametrize(
    "text",
    [
        "NIFTY 22500 CE buy above 120 target 140/160 sl 105",
        "BANKNIFTY 48000 PE buy 210, tgt 260, sl 180",
        "SPX 5200 puts long entry 12.5 stop 8 target 20",
    ],
)
def test_options_are_not_traded_as_their_symbol(text: str) -> None:
    assert parse(text).kind is Kind.NONE


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("MATIC still in play, TP1 done, TP2 in sight (0.698)", 1),
        ("TP1 hit, TP2 hit, TP3 next $MATIC", 2),
        ("MATIC: hit TP1 and TP2", 2),
    ],
)
def test_level_is_the_highest_that_was_reached(text: str, level: int) -> None:
    got = parse(text)
    assert (got.update, got.update_level) == ("target_hit", level)


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("Acheter ETH vers 2 450 $, objectif 2 600 $, stop 2 380 $.", ("2450", "2600", "2380")),
        ("ETH long entry 2 950.5, tp 3 100, 3 250, sl 2 800", ("2950.5", "3100 3250", "2800")),
        ("SOL long 150 TP 1 160 TP 2 170 SL 140", ("150", "160 170", "140")),
        ("BNB long entry 640, TP 1 660 TP 2 680, SL 600", ("640", "660 680", "600")),
    ],
)
def test_one_digit_and_three_are_thousands_where_all_are(text: str, prices: tuple[str, str, str]) -> None:
    assert _read(text)[2:] == prices


@pytest.mark.parametrize(
    "text",
    [
        "Today's plan: long ETH 2420, sl 2380, tp 2500. Short ETH 2520 sl 2550 tp 2450.",
        "BTC\nLONG 61000 stop 60000 target 63000\nSHORT 64000 stop 65000 target 62000",
        "Лонг SOL 140 стоп 135 тейк 150, шорт 155 стоп 160 тейк 145",
    ],
)
def test_call_for_either_side_is_no_trade(text: str) -> None:
    assert parse(text).kind is Kind.NONE


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("move sl on btc to 61k", "BTCUSDT"),
        ("take 30% here on sol", "SOLUSDT"),
        ("cancel the limit on ARKM", "ARKMUSDT"),
        ("move the stop on me to entry", None),
    ],
)
def test_news_names_its_coin_in_any_case(text: str, symbol: str | None) -> None:
    assert (parse(text).kind, parse(text).symbol) == (Kind.UPDATE, symbol)


@pytest.mark.parametrize(
    "text",
    [
        "Guys remember: entry 61200, stop 60000, target 63000 was our BTC long from Monday. Perfect!",
        "I will long BTC only if 60,000 holds; target 63,000, stop 59,500",
        "Захожу в BTC лонг только если удержим 60000, цель 63000, стоп 59500",
        "Trade result: SOL short 150 tp 144 ✅ sl 154",
        "Weekly levels BTC: long above 62000, short below 60000, stop 500 pts",
        "EURUSD BUY 1.0850 SL 1.08 TP 1.09\nGBPUSD BUY 1.2650 SL 1.26 TP 1.27",
        "SOL long 145 sl 140 tp 150\nINJ long 24 sl 23 tp 26",
    ],
)
def test_memories_conditions_and_several_calls_are_no_trade(text: str) -> None:
    assert parse(text).kind is not Kind.ENTRY


@pytest.mark.parametrize("address", ["Guys,", "Друзья,", "Hey team,", "Pessoal,", "Leute:"])
def test_call_may_be_addressed_to_its_readers(address: str) -> None:
    assert _read(f"{address} BTC long entry 61200, stop 60000, target 63000")[2:] == ("61200", "63000", "60000")


@pytest.mark.parametrize("word", ["cut", "dead", "cut at", "bail at", "out below"])
def test_word_of_leaving_beside_a_price_is_the_stop(word: str) -> None:
    assert _read(f"Scalp idea SOL: buy 145.2 sell 146.8 {word} 144.4")[2:] == ("145.2", "146.8", "144.4")
