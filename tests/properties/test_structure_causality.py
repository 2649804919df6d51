"""Structure never rewrites a bar, live equals history bit for bit, and live memory stays bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analysis.candles import Candles
from modules.analysis.structure import Settings, StructureState, analyse
from modules.analysis.structure.layout import LIVE_TABLE
from tests.properties.causality import MINUTE, recorded, rewritten_rows, tick_candles

CHOICES = [
    Settings(swing_length=1, atr_period=2, flow_window=3, equal_tolerance_atr=0.5),
    Settings(swing_length=3, atr_period=5, flow_window=6, break_on="wick", order_block_break="body"),
    Settings(swing_length=5, atr_period=5, flow_window=5, fvg_min_atr=0.2, across_gaps=True, volume_z=1.0),
]
chosen = st.sampled_from(CHOICES)


def rewritten_objects(candles: Candles, choice: Settings, starts: list[int]) -> int:
    """Objects of a prefix that differ from what the whole says it knew then, in number or in any field."""
    whole = analyse(candles, choice)
    rewritten = 0
    for start in starts:
        now, then = analyse(candles[:start], choice).table, whole.as_of(start - 1).table
        rewritten += abs(len(now) - len(then))
        shared = min(len(now), len(then))
        rewritten += rewritten_table(now[:shared], then[:shared])
    return rewritten


def rewritten_table(one: np.ndarray, other: np.ndarray) -> int:
    differs = np.zeros(len(one), dtype=bool)
    for name in one.dtype.names or ():
        same = one[name] == other[name]
        if one[name].dtype.kind == "f":
            same |= np.isnan(one[name]) & np.isnan(other[name])
        differs |= ~same
    return int(differs.sum())


@settings(deadline=None, max_examples=60)
@given(tick_candles(least=2), chosen, st.data())
def test_no_bar_and_no_object_is_rewritten(candles, choice, data):
    starts = data.draw(st.lists(st.integers(1, len(candles)), min_size=1, max_size=6))
    assert rewritten_rows(lambda part: analyse(part, choice).bars, candles, starts) == 0
    assert rewritten_objects(candles, choice, starts) == 0


@pytest.mark.parametrize("name", ["BTCUSDT-1h", "ETHUSDT-15m", "SOLUSDT-1d", "BTCUSDT-1m-2024-08"])
def test_no_recorded_bar_is_rewritten(name):
    candles = recorded(name, 1500)
    for choice in (Settings(), CHOICES[0]):
        starts = list(range(20, len(candles), 29))
        assert rewritten_rows(lambda part, choice=choice: analyse(part, choice).bars, candles, starts) == 0
        assert rewritten_objects(candles, choice, starts) == 0


@settings(deadline=None, max_examples=40)
@given(tick_candles(), chosen, st.integers(0, 160))
def test_live_equals_history(candles, choice, split):
    history = analyse(candles, choice)
    split = min(split, len(candles))
    live = StructureState.after(candles[:split], choice)
    for index in range(split, len(candles)):
        reading = live.update(candles[index])
        assert repr(reading) == repr(history.at(index))
        known = history.as_of(index)
        assert live.standing() == known.standing()
        changes = [o for o in known.objects() if index in marks(o)]
        assert live.changed() == changes
    assert len(live) == len(candles)


def marks(found) -> set[int | None]:
    return {
        found.confirmed_index,
        found.touched_index,
        found.mitigated_index,
        found.superseded_index,
        found.invalidated_index,
    }


@pytest.mark.parametrize("warm", [0, 7000])
def test_live_memory_is_bounded_and_forgets_only_what_is_over(warm):
    candles = random_walk(12_000)
    choice = Settings(swing_length=2, across_gaps=True)
    history = analyse(candles, choice)
    assert len(history.table) > 4 * LIVE_TABLE
    live = StructureState.after(candles[:warm], choice)
    for index in range(warm, len(candles)):
        reading = live.update(candles[index])
        if index % 997 == 0:
            assert repr(reading) == repr(history.at(index))
            assert live.standing() == history.as_of(index).standing()
    assert live.standing() == history.standing()
    assert len(live._memory.objects) == LIVE_TABLE
    assert len(live._runs) < len(candles.gaps()) / 2


def random_walk(count: int) -> Candles:
    """A long walk with holes, fixed by its seed."""
    generator = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.004, count)))
    opened = np.concatenate([[100.0], close[:-1]])
    spread = np.abs(generator.normal(0, 0.002, (2, count)))
    stamps = np.cumsum(np.where(generator.random(count) < 0.01, 3, 1)) * MINUTE
    return Candles.checked(
        timestamp=stamps.astype(np.int64),
        open=opened,
        high=np.maximum(opened, close) * (1 + spread[0]),
        low=np.minimum(opened, close) * (1 - spread[1]),
        close=close,
        volume=generator.lognormal(3, 1, count),
        timeframe_ms=MINUTE,
    )


def test_as_of_hides_later_objects_and_later_fates():
    candles = random_walk(600)
    whole = analyse(candles, Settings(swing_length=3))
    for index in range(0, 600, 37):
        for found in whole.as_of(index).objects():
            assert found.formed_index <= found.confirmed_index <= index
            assert max(mark for mark in marks(found) if mark is not None) <= index
            assert found.stands == (found.cause is None)


def test_what_ended_stays_ended_and_in_order():
    for found in analyse(random_walk(3000), Settings(swing_length=3)).objects():
        assert found.low <= found.price <= found.high
        later = [found.touched_index, found.mitigated_index, found.invalidated_index]
        stamps = [mark for mark in later if mark is not None]
        if found.cause not in ("retired", "superseded"):
            assert stamps == sorted(stamps)
        assert all(mark > found.confirmed_index for mark in stamps) or found.cause in ("retired", "superseded")


def test_the_table_of_objects_grows_as_far_as_needed():
    """One object a bar is assumed; a series with more makes the table grow on the way."""
    candles = random_walk(5000)
    choice = Settings(swing_length=1, volume_z=0.0, displacement_body_atr=0.0, displacement_body_share=0.0)
    whole = analyse(candles, choice)
    assert len(whole.table) > len(candles) + 400
    assert rewritten_objects(candles, choice, [1, 40, 2500, 4999]) == 0
    assert list(whole.table["id"]) == list(range(len(whole.table)))
