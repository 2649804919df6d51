"""What people write, made into a test: conditions as text, assumptions, spans, parameters, and every mistake by its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.backtest_jobs.assumed import read_assumptions, write_assumptions
from modules.backtest_jobs.condition_text import read_conditions
from modules.backtest_jobs.descriptions import read_description
from modules.backtest_jobs.histories import Needs, from_store
from modules.backtest_jobs.parameter_search import read_search, varied
from modules.backtest_jobs.wishes import description_of, span_of
from modules.backtesting.assumptions import Assumptions
from modules.candles import SeriesName
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.market import ms_from_utc
from modules.strategies.builtin import builtin, builtin_document
from modules.strategies.checking import Complaints
from modules.strategies.documents import read_strategy
from modules.trading.fill_model import Slippage
from tests.contracts.backtest_objects import RULES, wave
from tests.unit.backtest_house import WISH, House

CASES = [
    ("rsi<30", [{"type": "rsi", "operator": "<", "value": 30}]),
    ("RSI(7) <= 30.5", [{"type": "rsi", "period": 7, "operator": "<=", "value": 30.5}]),
    (
        "sma20 crosses_above sma50",
        [{"type": "sma", "period": 20, "operator": "crosses_above", "other": {"type": "sma", "period": 50}}],
    ),
    (
        "price>ema200@4h and macd crosses under macd.signal",
        [
            {"type": "price", "operator": ">", "other": {"type": "ema", "period": 200, "timeframe": "4h"}},
            {"type": "macd", "operator": "crosses_below", "other": {"type": "macd", "output": "signal"}},
        ],
    ),
    ("trend = bullish", [{"type": "trend", "operator": "==", "value": "bullish"}]),
]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("text", "conditions"), CASES)
def test_a_text_means_the_conditions_it_says(text: str, conditions: list[dict[str, Any]]) -> None:
    rule = read_conditions(text)
    assert rule == {"all": conditions}
    assert read_strategy({"name": "x", "entry": rule}).main.entry is not None


def test_or_joins_by_any_and_both_together_are_refused() -> None:
    assert set(read_conditions("rsi<30 or close<bb20.lower")) == {"any"}
    with pytest.raises(InvalidInput, match="or all of them by"):
        read_conditions("rsi<30 and adx>20 or atr>1")


@pytest.mark.parametrize("text", ["", "rsi", "1<2", "rsi<", "<30", "rsi<30 and", "x" * 600, "__import__('os')<3"])
def test_what_is_no_condition_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"rsi|Write"):
        read_conditions(text)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rule = read_conditions(text)
    except InvalidInput:
        return
    assert set(rule) <= {"all", "any"}


@pytest.mark.parametrize(
    ("said", "kind", "size"),
    [
        (0.0005, Slippage.BPS, 5.0),
        ("5 bps", Slippage.BPS, 5.0),
        ("volume:0.1", Slippage.VOLUME_SHARE, 0.1),
        ("atr:0.05", Slippage.ATR_SHARE, 0.05),
        ("0.001", Slippage.BPS, 10.0),
        (0, Slippage.NONE, 0.0),
    ],
)
def test_slippage_is_a_fraction_or_says_its_kind(said: object, kind: Slippage, size: float) -> None:
    assumed = read_assumptions({"slippage": said}, Complaints())
    assert assumed is not None
    assert (assumed.slippage, assumed.slippage_size) == (kind, pytest.approx(size))


def test_a_fee_is_both_fees_unless_one_is_named() -> None:
    assumed = read_assumptions({"fee": 0.002, "maker_fee": 0.0}, Complaints())
    assert assumed is not None
    assert (assumed.taker_fee, assumed.maker_fee) == (0.002, 0.0)


def test_written_assumptions_are_read_back() -> None:
    said = {
        "fee": 0.0004,
        "slippage": "atr:0.1",
        "capital": 500,
        "tick_size": "0.01",
        "max_positions": 3,
        "reverse": True,
    }
    assumed = read_assumptions(said, Complaints())
    assert assumed is not None
    assert read_assumptions(write_assumptions(assumed), Complaints()) == assumed
    assert read_assumptions(write_assumptions(Assumptions()), Complaints()) == Assumptions()


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"fee": "much"}, "assumptions.fee"),
        ({"fee": 3}, "assumptions.taker_fee"),
        ({"capital": 0}, "assumptions.capital"),
        ({"slippage": "a bit"}, "assumptions.slippage"),
        ({"slippage": 2}, "assumptions.slippage"),
        ({"weather": 1}, "assumptions.weather"),
        ({"entry_bars": 1.5}, "assumptions.entry_bars"),
    ],
)
def test_a_wrong_assumption_is_named(said: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_description({"document": RULES, "symbols": ["BTCUSDT"], "assumptions": said})
    assert list(refused.value.fields) == [place]


def test_a_description_is_read_back_as_it_was_written() -> None:
    described = read_description(
        {
            "kind": "walk_forward", "document": RULES, "symbols": ["btc/usdt"], "timeframe": "4h", "from": 1, "to": 2,
            "lower": "1h", "exchange": "Binance", "assumptions": {"fee": 0.002},
            "search": {"space": {"stop_loss_pct": [1, 2]}}, "walk": {"train_bars": 100, "test_bars": 50},
        }
    )  # fmt: skip
    assert described.symbols == ("BTCUSDT",)
    assert read_description(described.as_json()) == described


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": "magic"}, "kind"),
        ({"symbols": []}, "symbol"),
        ({"symbols": ["../x"]}, "symbols[0]"),
        ({"symbols": ["BTCUSDT", "BTCUSDT"]}, "symbols[1]"),
        ({"timeframe": "7x"}, "timeframe"),
        ({"from": 5, "to": 4}, "to"),
        ({"lower": "1d"}, "lower"),
        ({"luck": {"runs": 0}}, "luck.runs"),
        ({"luck": {"method": "prayer"}}, "luck.method"),
        ({"kind": "compare"}, "other"),
        ({"kind": "walk_forward"}, "walk"),
        ({"weather": 1}, "weather"),
    ],
)
def test_a_mistake_is_named_by_its_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_description({"document": RULES, "symbols": ["BTCUSDT"], "timeframe": "1h", **change})
    assert place in refused.value.fields


def test_days_end_when_the_wish_was_made_and_the_same_wish_has_the_same_span(house: House) -> None:
    start, end = span_of({"days": 30}, house.now)
    assert end == ms_from_utc(house.now)
    assert end - start == 30 * 86_400_000
    with pytest.raises(InvalidInput):
        span_of({"days": 30, "from": 1}, house.now)
    with pytest.raises(InvalidInput):
        span_of({"from": end + 1}, house.now)
    with pytest.raises(InvalidInput):
        span_of({"from": 10, "to": 5}, house.now)


def test_a_wish_without_a_strategy_gets_the_houses_own_and_says_so(house: House) -> None:
    described = description_of({"symbols": ["BTCUSDT"]}, "ann", house.now, house.store)
    assert described.source == "default:ma_cross"
    assert (
        description_of({**WISH, "strategy": "macd_trend"}, "ann", house.now, house.store).source == "builtin:macd_trend"
    )


def test_a_strategy_of_somebody_else_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        description_of({**WISH, "strategy": "str-0123"}, "ann", house.now, house.store)
    with pytest.raises(InvalidInput, match="built-in"):
        description_of({**WISH, "strategy": "astrology"}, "ann", house.now, house.store)


def test_a_test_of_too_many_bars_is_refused(house: House) -> None:
    with pytest.raises(InvalidInput, match="shorter span") as refused:
        description_of({**WISH, "timeframe": "1m", "days": 3_000}, "ann", house.now, house.store)
    assert refused.value.code == "too_large"


def test_a_builtins_own_ranges_are_searched_where_no_space_is_given() -> None:
    strategy = builtin("ma_cross")
    wanted = read_search({"trials": 5, "seed": 3}, strategy, "builtin:ma_cross")
    assert set(wanted.space) == {"fast", "slow", "stop_pct"}
    sets = wanted.sets()
    assert len(sets) == 5
    assert sets == read_search({"trials": 5, "seed": 3}, strategy, "builtin:ma_cross").sets()


def test_varying_a_builtin_keeps_what_else_was_said_of_it() -> None:
    strategy = read_strategy(builtin_document("ma_cross", {"stop_pct": 3, "symbols": ["ETHUSDT"]}))
    other = varied(strategy, "builtin:ma_cross", {"fast": 7})
    assert other.rules.stop_pct == 3
    assert other.symbols == ("ETHUSDT",)
    assert read_strategy(builtin_document("ma_cross", {"fast": 7, "stop_pct": 3, "symbols": ["ETHUSDT"]})) == other
    with pytest.raises(InvalidInput, match="fast"):
        varied(strategy, "builtin:ma_cross", {"fast": -1})


def test_numbers_of_a_document_are_varied_by_their_place_in_either_form() -> None:
    strategy = read_strategy(RULES)
    short = varied(strategy, "document", {"entry_conditions.rsi.value": 25})
    assert varied(strategy, "document", {"entry.all[0].value": 25}) == short
    with pytest.raises(InvalidInput, match=r"entry\.all\[0\]\.value"):
        varied(strategy, "document", {"nothing.at.all": 25})
    with pytest.raises(InvalidInput, match="which numbers to vary"):
        read_search({}, strategy, "document")


def test_whoever_names_the_simulated_market_is_not_given_a_real_ones_candles(house: House) -> None:
    house.candles.upsert(SeriesName("simulated", "BTCUSDT", "1h"), wave(200, symbol="BTCUSDT", start_ms=house.start_ms))
    needs = Needs(
        ("BTCUSDT", "ETHUSDT"), "1h", (read_strategy(RULES),), None, None, exchange="simulated", simulated=True
    )
    with pytest.raises(NotFound, match="ETHUSDT"):
        from_store(needs, house.candles)
    (market,) = from_store(replace(needs, symbols=("BTCUSDT",)), house.candles).markets
    assert (market.exchange, len(market.counted)) == ("simulated", 200)
