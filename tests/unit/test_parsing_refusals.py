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
