"""What must never become a trade: denied sides, words that only look like coins, entries whose stop was not understood."""

from __future__ import annotations

from decimal import Decimal

import pytest

from modules.domain.parses import Kind
from modules.signals.parsing import parse

DENIALS = ("not {}", "I'm not {}", "don't {}", "never {}", "не {}", "nicht {}", "no {}", "jangan {}", "nie {}")


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize(("side", "stop", "target"), [("long", 96_000, 102_000), ("short", 99_500, 94_000)])
def test_denied_side_is_no_trade(denial: str, side: str, stop: int, target: int) -> None:
    prices = f"entry 98000, stop {stop}, target {target}"
    assert parse(f"BTCUSDT {side}, {prices}").kind is Kind.ENTRY
    assert parse(f"BTCUSDT: {denial.format(side)} here, {prices}").kind is not Kind.ENTRY


def test_denial_of_the_other_side_leaves_the_call() -> None:
    got = parse("ETHUSDT long 2600, not short! stop 2500, target 2800")
    assert (got.kind, got.side, got.stop_loss) == (Kind.ENTRY, "LONG", Decimal(2500))


@pytest.mark.parametrize("word", ["me", "not", "Me", "NOT", "one", "near"])
def test_words_of_speech_are_no_coins(word: str) -> None:
    assert parse(f"{word} long 0.55 stop 0.50 target 0.60").symbol is None


@pytest.mark.parametrize("written", ["NOT/USDT", "#NOT", "$ME", "MEUSDT", "ONE"])
def test_marked_tickers_stay_coins(written: str) -> None:
    got = parse(f"{written} long entry 0.55 stop 0.50 target 0.60")
    assert got.kind is Kind.ENTRY
    assert got.symbol == written.strip("#$").replace("/", "").removesuffix("USDT") + "USDT"


@pytest.mark.parametrize("word", ["blorp", "", "quux at", "x y"])
def test_no_trade_where_a_losing_price_is_unexplained(word: str) -> None:
    assert parse(f"BTCUSDT long\nentry 98000\ntargets 100000, 102000\n{word} 96000").kind is not Kind.ENTRY
    assert parse(f"BTCUSDT short\nentry 98000\ntargets 96000, 94000\n{word} 99500").kind is not Kind.ENTRY


@pytest.mark.parametrize("word", ["risk", "risk line", "cut at", "out if", "liquidate if", "max loss at", "loss"])
def test_words_of_losing_name_the_stop(word: str) -> None:
    got = parse(f"BTCUSDT long\nentry 98000\ntargets 100000, 102000\n{word} 96000")
    assert (got.kind, got.stop_loss) == (Kind.ENTRY, Decimal(96_000))
    assert got.targets == (Decimal(100_000), Decimal(102_000))


def test_support_below_the_entry_is_no_stop() -> None:
    got = parse("BTCUSDT long\nentry 98000\ntarget 102000\nsupport 96000")
    assert (got.kind, got.stop_loss) == (Kind.ENTRY, None)


@pytest.mark.parametrize(
    "text",
    [
        "Position size in 30 seconds: account 1,000 USDT. If your entry on ETH is 3,000 and the stop 2,940, the distance is 2%.",
        "How to size: your entry on SOL is 150, your stop 147, so you lose 2 % of the position.",
        "Wenn dein Einstieg bei BTC 60000 ist und der Stop 59400, verlierst du 1 %.",
        "🔁 ARBITRAGE FOUND\nCoin: ZRO/USDT\nBuy: Gate 3.412\nSell: MEXC 3.498\nSpread: 2.52%",
        "Арбитраж ATOM/USDT\nКупить: Bybit 4.10\nПродать: OKX 4.21",
    ],
)
def test_a_lesson_in_sizing_and_a_spread_between_exchanges_are_no_calls(text: str) -> None:
    assert parse(text).kind is Kind.NONE


def test_a_call_that_also_speaks_of_size_stays_one() -> None:
    assert parse("LINK/USDT TP1 hit. Position sizing pays off").update == "target_hit"
    assert parse("ETH long 3000, sl 2940, tp 3100 3200. Position sizing: 1 % risk").kind is Kind.ENTRY
