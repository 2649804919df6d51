"""What strategies decide: levels at structure, both sides, zones, events, the clock, and what an evaluation shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.analysis.structure import analyse
from modules.domain.errors import InvalidInput
from modules.strategies.checking import Complaints
from modules.strategies.conditions import Reading, read_series
from modules.strategies.decide import decide
from modules.strategies.decisions import Decisions, SizeMode
from modules.strategies.documents import read_strategy
from modules.strategies.evaluate import evaluate
from modules.strategies.language import Series
from modules.strategies.measures import MOST_OPINIONS, Market
from modules.strategies.orders import EntryCall, entry_call
from modules.strategies.windows import lasting
from tests.fakes.drawn_candles import closing, drawn
from tests.properties.test_strategies_causality import random_candles

ALWAYS = {"type": "price", "operator": ">", "value": 0}


def decided(candles: Candles, **fields: Any) -> Decisions:
    return decide(read_strategy({"name": "x", "entry": ALWAYS, **fields}), candles)


def series(body: dict[str, Any]) -> Series:
    found = read_series(body, "", Reading(Complaints(), "1h"))
    assert found is not None
    return found


def column(body: dict[str, Any], candles: Candles) -> np.ndarray:
    return Market(candles, {}, ()).values(series(body))


def test_a_stop_at_structure_lies_beyond_it_and_entries_without_one_are_not_made() -> None:
    candles = closing([10, 11, 12, 11, 10, 9, 8, 9, 10, 11], spread=0.5)
    lowest = {"type": "donchian", "output": "lower", "period": 3, "shift": 1, "offset_pct": 1}
    decisions = decided(candles, stop_loss_at=lowest)
    assert decisions.stop is not None
    for row in range(3, 10):
        price = candles.low[row - 3 : row].min() * 0.99
        assert (decisions.entry[row] == 1) == (price < candles.close[row])
        assert np.isnan(decisions.stop[row]) or decisions.stop[row] == pytest.approx(price)
    assert not decisions.entry[:3].any()
    assert 0 < np.count_nonzero(decisions.entry[3:]) < 7
    with_other = decided(candles, stop_loss_at=lowest, stop_loss_pct=2)
    assert with_other.entry.tolist() == [1] * 10
    assert np.array_equal(np.isnan(with_other.stop), np.isnan(decisions.stop))


def test_targets_at_structure_must_lie_ahead() -> None:
    candles = closing([10, 11, 12, 11, 10, 9, 8, 9, 10, 11], spread=0.5)
    high = {"type": "donchian", "output": "upper", "period": 4, "shift": 1}
    decisions = decided(candles, targets=[{"at": high, "share": 1}])
    assert decisions.targets is not None
    ahead = decisions.entry == 1
    assert ahead.any()
    assert (decisions.targets[ahead, 0] > candles.close[ahead]).all()
    assert np.isnan(decisions.targets[~ahead]).all()


def test_both_sides_at_once_are_none() -> None:
    candles = closing([10, 11, 12, 11, 10, 9])
    up = {"type": "price", "operator": ">", "other": {"type": "price", "field": "open"}}
    decisions = decided(candles, entry=up, opposite={"entry": {"type": "price", "operator": ">", "value": 11.5}})
    assert decisions.entry.tolist() == [0, 1, 0, 0, 0, 0]
    sold = decided(candles, action="SELL", entry=up, exit=ALWAYS)
    assert sold.entry.tolist() == [0, -1, -1, 0, 0, 0]
    assert sold.exit_short.all()
    assert not sold.exit_long.any()


@pytest.mark.parametrize("kind", ["fvg", "order_block", "breaker_block"])
@pytest.mark.parametrize("side", ["bullish", "bearish"])
def test_zone_series_tell_of_the_latest_zone_that_stands(kind: str, side: str) -> None:
    candles = random_candles(21, 300)
    low, high, inside = (
        column({"type": kind, "output": f"{side}_{part}"}, candles) for part in ("low", "high", "inside")
    )
    structure = analyse(candles)
    direction = 1 if side == "bullish" else -1
    seen = 0
    for row in range(0, 300, 7):
        standing = [each for each in structure.as_of(row).standing(kind) if each.direction == direction]
        if not standing:
            assert np.isnan(low[row])
            assert inside[row] == 0
            continue
        seen += 1
        newest = standing[-1]
        assert (low[row], high[row]) == (newest.low, newest.high)
        assert inside[row] == (candles.low[row] <= newest.high and candles.high[row] >= newest.low)
    assert seen > 1


def test_an_event_lasts_as_many_bars_as_said_and_the_latest_counts() -> None:
    events = np.array([0, 1, 0, 0, -1, 1, 0, 0, 0], np.int8)
    assert lasting(events, 1).tolist() == events.tolist()
    assert lasting(events, 3).tolist() == [0, 1, 1, 1, -1, 1, 1, 1, 0]
    candles = random_candles(21, 300)
    once, kept = (column({"type": "bos", "within": within}, candles) for within in (1, 5))
    assert once.any()
    for row in range(300):
        latest = [each for each in once[max(0, row - 4) : row + 1] if each]
        assert kept[row] == (latest[-1] if latest else 0)


def test_patterns_have_a_side() -> None:
    fall, rise = [20.0, 19, 18, 17, 16, 15, 14], [14.0, 15, 16, 17, 18, 19, 20]
    bullish = np.array([*[20.0] * 20, *fall, 15.6])
    candles = closing(bullish, spread=0.05)
    opened = candles.open.copy()
    opened[-1] = 13.8
    low = np.minimum(candles.low, opened)
    shaped = Candles(candles.timestamp, opened, candles.high, low, candles.close, candles.volume, 3_600_000)
    assert column({"type": "pattern", "name": "engulfing"}, shaped)[-1] == 1
    assert column({"type": "pattern", "name": "engulfing", "within": 3}, shaped)[-1] == 1
    assert not column({"type": "pattern", "name": "engulfing"}, closing([14.0] * 20 + rise))[-1]


def test_the_clock_is_that_of_the_close() -> None:
    candles = closing(np.full(24 * 40, 10.0))
    fields = {
        name: column({"type": "time", "field": name}, candles) for name in ("hour", "minute", "weekday", "day", "month")
    }
    for row in range(0, len(candles), 5):
        moment = datetime.fromtimestamp((int(candles.timestamp[row]) + 3_600_000) / 1000, UTC)
        told = tuple(int(fields[name][row]) for name in fields)
        assert told == (moment.hour, moment.minute, moment.weekday(), moment.day, moment.month)
    monday = {"type": "time", "field": "weekday", "operator": "==", "value": "monday"}
    assert decided(candles, entry=monday).entry.sum() == int((fields["weekday"] == 0).sum())


def test_a_detector_is_asked_only_where_it_can_matter_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    candles = random_candles(3, 400)
    asked: list[int] = []
    from modules.strategies import measures

    plain = measures._opinion

    def counted(name: str, part: Candles) -> tuple[float, float]:
        asked.append(len(part))
        return plain(name, part)

    monkeypatch.setattr(measures, "_opinion", counted)
    rare = {"type": "rsi", "operator": "crosses_above", "value": 70}
    opinion = {"type": "detector", "name": "sar", "bars": 100, "operator": ">", "value": 0}
    both = decided(candles, entry={"all": [opinion, rare]}, timeframe="15m")
    crossings = int(decided(candles, entry=rare, timeframe="15m").entry.sum())
    assert 0 < len(asked) <= crossings
    assert set(asked) == {100}
    assert both.entry.sum() <= crossings
    asked.clear()
    alone = read_strategy({"name": "x", "timeframe": "15m", "entry": opinion})
    said = evaluate(alone, candles)
    assert len(asked) <= 2
    assert said.sides[0].enters == bool(decide(alone, candles).entry[-1])
    long = random_candles(3, MOST_OPINIONS + 1)
    with pytest.raises(InvalidInput, match="at most 20000"):
        decided(long, entry=opinion, timeframe="15m")


def test_a_missing_timeframe_is_named() -> None:
    candles = random_candles(3, 50)
    entry = {"type": "rsi", "timeframe": "1h", "operator": ">", "value": 0}
    with pytest.raises(InvalidInput, match="needs candles of 1h"):
        decided(candles, entry=entry, timeframe="15m")
    with pytest.raises(InvalidInput, match="900000 ms"):
        decide(read_strategy({"name": "x", "timeframe": "15m", "entry": entry}), candles, {"1h": candles})


def test_no_candles_are_no_decisions_and_no_evaluation() -> None:
    empty = random_candles(3, 50)[:0]
    for name in ("rsi", "price", "bos", "fvg", "time", "swing_high"):
        decisions = decided(empty, entry={"type": name, "operator": ">", "value": 0})
        assert len(decisions.entry) == 0
    with pytest.raises(InvalidInput, match="no candles"):
        evaluate(read_strategy({"name": "x", "entry": ALWAYS}), empty)


def test_an_evaluation_shows_the_numbers_behind_each_condition() -> None:
    candles = drawn([100, 120, 90, 110], 30)
    document = {
        "name": "x",
        "entry": {"all": [
            {"type": "rsi", "operator": "<", "value": 101},
            {"not": {"type": "price", "operator": ">", "other": {"type": "ema", "period": 20, "times": 1.1}}},
            {"type": "sma", "period": 5000, "operator": ">", "value": 1},
        ]},
        "exit": {"type": "price", "operator": ">", "ma_period": 10},
        "stop_loss_at": {"type": "swing_low", "swing_length": 4},
    }  # fmt: skip
    said = evaluate(read_strategy(document), candles)
    first, second, third = said.sides[0].entry
    assert (first.words, first.holds, first.right, first.place) == ("rsi(14) < 101", True, 101.0, "entry.all[0]")
    assert (second.words, second.holds) == ("price(close) > 1.1 × ema(20)", False)
    assert (third.left, third.holds) == (None, None)
    assert (said.signal, said.price, said.sides[0].leaves) == ("NONE", 110.0, True)
    assert said.sides[0].stop == pytest.approx(column({"type": "swing_low", "swing_length": 4}, candles)[-1])
    assert said.at == candles.closed_at(len(candles) - 1)


def called(price: float = 200.0, atr: float = 4.0, **fields: Any) -> EntryCall | None:
    """The call of a strategy that buys at a close of `price`."""
    strategy = read_strategy({"name": "x", "entry": ALWAYS, **fields})
    candles = closing([price] * 30, spread=atr / 2)
    decisions = decide(strategy, candles)
    return entry_call(strategy, decisions, candles, len(candles) - 1)


def test_what_an_entry_asks_for() -> None:
    call = called(stop_loss_pct=5, targets=[{"pct": 4, "share": 0.5}, {"r": 3, "share": 0.2}], take_profit_pct=50)
    assert call is not None
    assert [float(each) for each in (call.price, call.stop, *call.targets)] == pytest.approx([200, 190, 208, 230, 300])
    assert [float(each) for each in call.target_shares] == pytest.approx([0.5, 0.2, 0.3])
    short = called(action="SELL", stop_loss_atr=2, targets=[{"atr": 1}], trailing={"atr": 1.5})
    assert short is not None
    assert [float(each) for each in (short.stop, *short.targets)] == pytest.approx([208, 196])
    assert short.exits.trailing is not None
    assert float(short.exits.trailing.distance) == pytest.approx(6)


@pytest.mark.parametrize(
    ("size", "sizing", "value"),
    [
        (1000, "fixed", 1000),
        ({"mode": "equity_percent", "value": 40}, "equity_percent", 40),
        ({"mode": "risk_percent", "value": 2}, "risk_percent", 2),
        ({"mode": "atr_risk", "value": 1}, "equity_percent", 50),  # 1 % of the equity is lost over 4 of 200
    ],
)
def test_sizes_in_the_accounts_words(size: Any, sizing: str, value: float) -> None:
    call = called(stop_loss_pct=5, position_size=size)
    assert call is not None
    assert (call.sizing.value, float(call.size)) == (sizing, pytest.approx(value))


def test_a_ladder_of_entries_needs_money_for_all_of_its_rungs() -> None:
    ladder = [{"drop_pct": 10, "factor": 1}, {"drop_pct": 10, "factor": 2}]
    call = called(position_size=100, dca=ladder)
    assert call is not None
    assert float(call.size) == pytest.approx(100 * (1 + 0.9 + 2 * 0.81))
    assert read_strategy({"name": "x", "entry": ALWAYS, "dca": ladder}).rules.size_mode is SizeMode.EQUITY_PERCENT


def test_a_call_whose_levels_are_not_known_is_none() -> None:
    strategy = read_strategy({"name": "x", "entry": ALWAYS, "stop_loss_atr": 2})
    candles = closing([200.0] * 5)
    assert entry_call(strategy, decide(strategy, candles), candles, 4) is None
