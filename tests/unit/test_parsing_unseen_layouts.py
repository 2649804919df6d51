"""More rules on layouts not seen before: news told beside plans, blocks of prices, lists, and calls that are read by half."""

from __future__ import annotations

from decimal import Decimal

import pytest

from modules.domain.parses import Kind, Parse
from modules.signals.parsing import parse


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


@pytest.mark.parametrize(
    ("text", "update", "level"),
    [
        ("#FTM | TP1 ✔️ TP2 ✔️ TP3 ⏳", "target_hit", 2),
        ("#FTM targets 1 ✅ 2 ✅ 3 4", "target_hit", 2),
        ("FTM: raising SL to 0.182 to lock profits", "move_stop", None),
        ("FTM SL up to 0.182 now, to secure profit", "move_stop", None),
        ("FTM secure profits here and set SL BE", "partial_close", None),
        ("FTM保本出局", "close", None),
        ("Stop loss 😔 #FTM", "stop_hit", None),
    ],
)
def test_news_is_the_one_that_was_told(text: str, update: str, level: int | None) -> None:
    got = parse(text)
    assert (got.symbol, got.update, got.update_level) == ("FTMUSDT", update, level)


@pytest.mark.parametrize(
    ("text", "entries", "targets"),
    [
        ("WIF long\n\n2.41\n2.35\n\n2.48\n2.56\n\nSL 2.24", "2.41 2.35", "2.48 2.56"),
        ("#WIF SHORT\n2.41\n2.45\n\n2.30\n2.20\n\nстоп 2.55", "2.41 2.45", "2.30 2.20"),
        ("$WIF kaufen\n2.41\n\n2.48\n2.56\n\nStopp 2.24", "2.41", "2.48 2.56"),
    ],
)
def test_blocks_of_prices_are_entries_and_targets(text: str, entries: str, targets: str) -> None:
    assert _read(text)[2:4] == (entries, targets)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Asset ▸ STX\nLong\nBuy-in ▸ 1.72\nExits ▸ 1.80\nProtection ▸ 1.58", ("STXUSDT", "1.72", "1.80", "1.58")),
        ("IMX/USDT Long\nRange: 1.52 → 1.48\nGoals: 1.58\nSafety: 1.41", ("IMXUSDT", "1.52 1.48", "1.58", "1.41")),
        ("$LDO bids 1.82, 1.78. TPs 1.92. Invalid sub 1.70.", ("LDOUSDT", "1.82 1.78", "1.92", "1.70")),
        ("Name: Chainlink\nBuy: 14.2\nTake: 15\nStop: 13.4", ("LINKUSDT", "14.2", "15", "13.4")),
        ("ETHBTC long 0.045, sl 0.043, tp 0.05", ("ETHBTC", "0.045", "0.05", "0.043")),
    ],
)
def test_long_calls_in_more_words(text: str, fields: tuple[str, str, str, str]) -> None:
    symbol, _, entries, targets, stop = _read(text)
    assert (symbol, entries, targets, stop) == fields


@pytest.mark.parametrize("text", ["SOL idea invalid below 140", "LDO: invalidated at 1.70", "ETH long void under 2380"])
def test_level_of_invalidation_cancels_nothing(text: str) -> None:
    assert parse(text).update is None


def test_planned_distances_were_not_reached() -> None:
    got = parse("Long BTC @ market (61,200). TP1: +2%, TP2: +4%, SL: -1.5%")
    assert got.update is None
    assert parse("BTC TP1 +2% ✅").update == "target_hit"


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("BUY SOL-USDT-SWAP, price=145.2, sl=141, tp=[150,155]", "150 155"),
        ("SOL long 145 tp 150,155 sl 141", "150 155"),
        ("SOL long 145,200 tp 150,155 sl 141,300", "150.155"),
        ("BTC long 61,200 tp 62,500,63,000 sl 60,500", "62500 63000"),
    ],
)
def test_comma_between_two_prices_lists_them(text: str, targets: str) -> None:
    assert _read(text)[3] == targets


@pytest.mark.parametrize(
    "text",
    [
        "Good time to buy ADA 0.45? Target 0.5, stop 0.43",
        "ADA long entry 0.45? stop 0.43 target 0.5",
        "Лонг ADA от 0.45? стоп 0.43 цель 0.5",
    ],
)
def test_entry_that_is_asked_about_is_no_trade(text: str) -> None:
    assert parse(text).kind is not Kind.ENTRY


def test_planned_way_out_closes_nothing() -> None:
    assert parse("The setup: FIL short. In at 5.62, out at 5.30. Wrong above 5.80.").update is None
    assert parse("FIL: we are out at 5.30").update == "close"
    assert parse("Long BTC from 61200, out @ 61500 +0.5%").kind is not Kind.ENTRY


@pytest.mark.parametrize(
    "text",
    [
        "BTC 4h close above 62k = long to 65k. Below 60k = short to 57k.",
        "SOL liquidation heatmap: longs at 140, shorts at 155, max pain 148",
        "BTC лонг от 60000, шорт от 65000, стоп 58000",
        "Tomorrow I will post a long on SOL: entry 145, tp 155, sl 140",
        "Завтра дам лонг SOL: вход 145, тейк 155, стоп 140",
        "Ex: BUY EURUSD 1.0850 SL 1.0820 TP 1.0910 (this is how our signals look)",
        "Simulated: SHORT SOL 150 SL 154 TP 142",
        "BTC/USDT buy wall at 60,000, sell wall at 63,000, stop hunt likely 59,500",
        "Grid bot: BTC lower 58000 upper 65000, 50 grids, take profit 66000 stop 57000",
        "ما رأيكم شراء BTC 61200 هدف 63000 وقف 60000 ؟",
        "Long BTC 61200, target 63000, stop 60000?",
        "Entry price 61200, exit price 62500, profit 1300. Long BTC.",
        "BTC long update: entry 61200, SL moved to 61200, TP 63000",
        "Price action on SOL is bullish. Entry could be 145, targets would be 155 and 160, stop 140. Not advice.",
        "TP1 62500 TP2 63000 SL 60500 for BTC long that's running",
    ],
)
def test_talk_with_a_full_set_of_prices_is_no_trade(text: str) -> None:
    assert parse(text).kind is not Kind.ENTRY


def test_price_behind_a_target_is_not_its_level() -> None:
    assert parse("Congrats! LINK TP1 15 hit, TP2 16 next").update_level == 1


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("APT SHORT\nentry 9.1\ntp 8.7 (1), 8.2 (2)\nsl 9.9", "8.7 8.2"),
        ("#STRK long\nTargets:\n(1) 1.28 (2) 1.36 (3) 1.50\nentry 1.20 stop 1.05", "1.28 1.36 1.50"),
        ("ATOM LONG\nEntry 8\nTP\n1 - 9\n2 - 10\n3 - 11\nSL 7", "9 10 11"),
        ("Лонг DOT 6.1, тейки 7.2 (1) и 8.4 (2), стоп 5.3", "7.2 8.4"),
    ],
)
def test_places_of_a_list_are_no_prices(text: str, targets: str) -> None:
    assert _read(text)[3] == targets


@pytest.mark.parametrize(
    "text",
    [
        "ARB long: step 1 0.85, step 2 0.82; TP 0.9; SL 0.78",
        "5 targets for LINK long: entry 14, 14.5/15/15.5/16/17, stop 13",
    ],
)
def test_call_read_by_half_is_no_trade(text: str) -> None:
    assert parse(text).kind is not Kind.ENTRY


@pytest.mark.parametrize("glued", ["TP11.2k", "TP1150k", "TP161.5k", "TP1'150", "TP11.2e0", "TP1,5", "TP1."])
def test_any_number_glued_to_its_label_is_borne(glued: str) -> None:
    got = parse(f"XRP long 1.1 {glued} sl 1")
    assert got.kind in (Kind.ENTRY, Kind.NONE)
    assert got.stop_loss in (None, Decimal(1))


def test_counter_glued_to_its_price_is_taken_off() -> None:
    assert _read("XRP long 1.1 tp 1.2 TP21,3100 sl 1")[3] == "1.2 1.3100"
