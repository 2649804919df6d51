"""News of older signals in further words, scripts and ways of counting, and what only looks like news."""

from __future__ import annotations

import pytest

from modules.domain.parses import Kind
from modules.signals.parsing import parse

NEWS = [
    ("FIL-USDT-SWAP  cut triggered 5.480, -14% on margin", "FILUSDT", "stop_hit", None),
    ("손절 처리되었습니다. 다음 자리 기다리겠습니다.", None, "stop_hit", None),
    ("BTCショート、利確①に到達しました。半分決済、残りは建値ストップ。", "BTCUSDT", "target_hit", 1),
    ("ETH롱 손절 완료", "ETHUSDT", "stop_hit", None),
    ("Trade 118 (DOT): Ziel A erreicht, ein Drittel vom Tisch.", "DOTUSDT", "target_hit", 1),
    ("RUNE/USDT   TP-B reached     4.610", "RUNEUSDT", "target_hit", 2),
    ("Всі цілі закриті, вітаю! 🎉", None, "all_targets", None),
    ("$sol both tps done, flat ✌️", "SOLUSDT", "all_targets", None),
    ("TRX me saare target complete 🎯🎯", "TRXUSDT", "all_targets", None),
    ('{"pair":"XLM/USDT","event":"tp_hit","level":2,"price":0.1015}', "XLMUSDT", "target_hit", 2),
    ("⚡ #EOS/USDT\nProfit Point 4 achieved 🏆\nTotal profit: 94%", "EOSUSDT", "target_hit", 4),
    ("Pulled the XBT bid at 58.4k. Structure changed, cancel yours too.", "BTCUSDT", "cancel", None),
    ("Closed my USDCHF short at 0.8846, +25 pips. Don't like how it bounced.", "USDCHF", "close", None),
    ("eth paid twice. second target printed. letting the last bit ride", "ETHUSDT", "target_hit", 2),
]


@pytest.mark.parametrize(("text", "symbol", "what", "level"), NEWS)
def test_news_is_read_with_its_symbol_and_level(text: str, symbol: str | None, what: str, level: int | None) -> None:
    got = parse(text)
    assert (got.kind, got.symbol, got.update, got.update_level) == (Kind.UPDATE, symbol, what, level)


@pytest.mark.parametrize(
    "text",
    [
        "WEEK 31 | closed 14 | won 9 | lost 4 | net +11.6R",
        "October: closed 21, wins 14, losses 7, best SOL +22%",
        "ETH/BTC closed the weekly at 0.0382, lowest since April. Until we reclaim 0.0405 I sit in BTC pairs.",
        "Gold opened with a gap today, let the market settle first. Signal will come in London session",
        "The office is closed on Sunday. No orders before Monday's daily close.",
        "Markets are closed for the holiday, see you on Monday",
        "Cable opened higher and closed the day at 1.2710",
    ],
)
def test_tallies_and_the_hours_of_the_market_are_no_news(text: str) -> None:
    assert parse(text).kind is Kind.NONE


def test_script_that_touches_a_ticker_does_not_hide_it() -> None:
    got = parse("BTCロング\nエントリー 64200\n利確 65000 / 66000\n損切り 63000")
    assert (got.kind, got.symbol, got.side) == (Kind.ENTRY, "BTCUSDT", "LONG")


def test_spans_stay_exact_behind_parted_scripts() -> None:
    text = "BTC롱 진입 64200 손절 63000 익절 65000"
    got = parse(text)
    assert got.kind is Kind.ENTRY
    assert all(text[span.start : span.end] == span.text for span in got.spans)
    assert {"64200", "63000", "65000"} <= {span.text for span in got.spans}


def test_venue_s_own_name_of_the_coin_is_the_coin() -> None:
    got = parse("XBTUSDT: bidding 58.4k, stop 57.3k, scale out 59.6k, 61k and 63.2k. 3x only")
    assert (got.kind, got.symbol, len(got.targets)) == (Kind.ENTRY, "BTCUSDT", 3)


def test_own_words_about_last_week_s_low_are_no_recap() -> None:
    text = (
        "I am looking at $NEAR, we swept the lows of last week.\n\nLong NEAR 5.32 - 5.18\nStop 4.97\nTP1 5.55\nTP2 5.84"
    )
    assert parse(text).kind is Kind.ENTRY
    assert parse("I longed NEAR last week at 5.32, stop 4.97, TP1 5.55 and TP2 5.84").kind is not Kind.ENTRY
