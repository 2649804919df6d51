"""Structure does not depend on the unit of price or volume, treats both sides alike, and compiles to what it says."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analysis.candles import Candles
from modules.analysis.structure import Settings, Structure, StructureState, analyse, layout
from tests.properties.causality import recorded, tick_candles
from tests.properties.test_structure_causality import CHOICES, chosen, random_walk, rewritten_table

PRICE_FIELDS = ("atr", "swing_high", "swing_low", "break_level")
SIDED = ("trend", "bos", "choch", "order_block", "fvg", "displacement", "zone", "strat_reversal", "strat_continuation")
SIDED_FLOW = ("absorption", "impulse", "divergence", "money_flow")
EVEN = ("atr", "volume_z", "effort", "result", "retracement", "deepest_retracement")
SWAPPED = (
    ("high_label", "low_label"),
    ("swing_high_index", "swing_low_index"),
    ("sweep_high", "sweep_low"),
    ("pool_high", "pool_low"),
)


def rescaled(candles: Candles, factor: float) -> Candles:
    return Candles.checked(
        candles.timestamp,
        candles.open * factor,
        candles.high * factor,
        candles.low * factor,
        candles.close * factor,
        candles.volume,
        timeframe_ms=candles.timeframe_ms,
    )


def mirrored(candles: Candles, around: float = 1024.0) -> Candles:
    return Candles.checked(
        candles.timestamp,
        around - candles.open,
        around - candles.low,
        around - candles.high,
        around - candles.close,
        candles.volume,
        timeframe_ms=candles.timeframe_ms,
    )


@settings(deadline=None, max_examples=50)
@given(tick_candles(), chosen, st.sampled_from([0.25, 8.0, 1024.0]))
def test_the_unit_of_price_scales_levels_and_nothing_else(candles, choice, factor):
    one, other = analyse(candles, choice), analyse(rescaled(candles, factor), choice)
    for name in one.bars.dtype.names:
        expected = one.bars[name] * factor if name in PRICE_FIELDS else one.bars[name]
        np.testing.assert_array_equal(other.bars[name], expected, err_msg=name)
    for name in one.table.dtype.names:
        expected = one.table[name] * factor if name in ("low", "high", "price") else one.table[name]
        np.testing.assert_array_equal(other.table[name], expected, err_msg=name)


def test_recorded_candles_in_another_unit_have_the_same_structure():
    candles = recorded("BTCUSDT-1h", 2000)
    one, other = analyse(candles), analyse(rescaled(candles, 1 / 3))
    for name in ("kind", "direction", "formed", "confirmed", "ended", "cause"):
        np.testing.assert_array_equal(one.table[name], other.table[name], err_msg=name)
    np.testing.assert_allclose(other.table["price"] * 3, one.table["price"], rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(tick_candles(), chosen)
def test_the_mirrored_market_has_the_mirrored_structure(candles, choice):
    one, other = analyse(candles, choice).bars, analyse(mirrored(candles), choice).bars
    for name in (*SIDED, *SIDED_FLOW):
        np.testing.assert_allclose(other[name], -one[name], rtol=0, atol=1e-12, err_msg=name)
    for name in EVEN:
        np.testing.assert_allclose(other[name], one[name], rtol=1e-12, atol=1e-12, err_msg=name)
    for high, low in SWAPPED:
        np.testing.assert_array_equal(other[high], one[low], err_msg=high)
        np.testing.assert_array_equal(other[low], one[high], err_msg=low)
    np.testing.assert_array_equal(other["swing_high"], 1024.0 - one["swing_low"])
    np.testing.assert_array_equal(other["strat"], np.where(np.abs(one["strat"]) == 2, -one["strat"], one["strat"]))


@settings(deadline=None, max_examples=60)
@given(tick_candles(), chosen)
def test_the_mirrored_market_has_the_mirrored_objects(candles, choice):
    one, other = analyse(candles, choice), analyse(mirrored(candles), choice)
    assert sorted(outline(one, 1)) == sorted(outline(other, -1))


def outline(structure: Structure, side: int) -> list[tuple]:
    """What an object is and what became of it, seen from one side of the mirror; ids follow the order of reading."""
    table = structure.table
    low, high = (table["low"], table["high"]) if side > 0 else (1024.0 - table["high"], 1024.0 - table["low"])
    names = ("kind", "label", "count", "formed", "confirmed", "touched", "mitigated", "superseded", "ended", "cause")
    return [
        (
            round(low[row], 9),
            round(high[row], 9),
            side * int(table["direction"][row]),
            *(int(table[n][row]) for n in names),
        )
        for row in range(len(table))
    ]


@contextmanager
def uncompiled():
    """Run the structure pass as the plain Python it is written in."""
    package = layout.__name__.rpartition(".")[0]
    kept = []
    for name, module in list(sys.modules.items()):
        if name.startswith(package):
            for attribute, value in list(vars(module).items()):
                if hasattr(value, "py_func"):
                    kept.append((module, attribute, value))
                    setattr(module, attribute, value.py_func)
    try:
        yield len(kept)
    finally:
        for module, attribute, value in kept:
            setattr(module, attribute, value)


def same_structure(one: Structure, other: Structure) -> bool:
    same_size = len(one.table) == len(other.table) and len(one.bars) == len(other.bars)
    return same_size and rewritten_table(one.table, other.table) == 0 and rewritten_table(one.bars, other.bars) == 0


@settings(deadline=None, max_examples=25)
@given(tick_candles(most=120), chosen)
def test_compiled_code_says_what_the_plain_code_says(candles, choice):
    compiled = analyse(candles, choice)
    with uncompiled() as replaced:
        plain = analyse(candles, choice)
    assert replaced > 40
    assert same_structure(compiled, plain)


def test_compiled_code_says_what_the_plain_code_says_of_recorded_candles():
    candles = recorded("ETHUSDT-15m", 700)
    compiled = analyse(candles)
    with uncompiled():
        assert same_structure(compiled, analyse(candles))


def test_forgetting_is_the_same_compiled_or_not():
    candles = random_walk(2500)
    choice = CHOICES[0]
    compiled = StructureState.after(candles, choice).standing()
    with uncompiled():
        plain = StructureState.after(candles, choice).standing()
    assert compiled == plain
    assert compiled


@pytest.mark.parametrize("factor", [1.0, 1e-8, 1e8])
def test_very_small_and_very_large_prices_are_read_alike(factor):
    candles = random_walk(800)
    one, other = analyse(candles), analyse(rescaled(candles, factor))
    assert len(one.table) == len(other.table)
    assert Settings() == one.settings
