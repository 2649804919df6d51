"""All nine detectors and both scores on any market: causal, blind to the unit of price, even-handed, and in bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analysis.candles import Candles
from modules.analysis.confluence import confluence, reasons_of
from modules.analysis.detectors import DETECTORS, Context, Detection, detect_all
from modules.analysis.detectors.harmonic import harmonics_of
from modules.analysis.fixed_formula import fixed_score
from modules.analysis.scoring import dynamic_score
from modules.analysis.structure import analyse
from tests.fakes.drawn_candles import closing
from tests.load.certify import walk
from tests.properties.causality import recorded
from tests.properties.test_structure_symmetry import mirrored, rescaled

seeds = st.integers(0, 2**16)
lengths = st.integers(60, 260)


def told(candles: Candles) -> tuple[Detection, ...]:
    return detect_all(candles)


def on_a_grid(candles: Candles) -> Candles:
    """The same with prices in 1/256, so that mirroring them is exact: a stop that lies at a low still does."""
    columns = [np.round(getattr(candles, name) * 256) / 256 for name in ("open", "high", "low", "close")]
    return Candles.checked(candles.timestamp, *columns, candles.volume, timeframe_ms=candles.timeframe_ms)


@settings(deadline=None, max_examples=25)
@given(seeds, lengths, st.integers(1, 40))
def test_later_bars_change_no_opinion_and_no_score(seed: int, length: int, later: int) -> None:
    whole = walk(seed, length + later, wild=seed % 2 == 0)
    known = whole[:length]
    shared = Context(structure=analyse(whole).as_of(length - 1))
    for detector in DETECTORS:
        assert detector.detect(known, shared) == detector.detect(known, Context()), detector.name
    one, other = detect_all(known, shared), detect_all(known)
    assert dynamic_score(one, known) == dynamic_score(other, known)
    assert fixed_score(known, one, shared) == fixed_score(known, other)


@settings(deadline=None, max_examples=25)
@given(seeds, lengths, st.sampled_from([0.25, 8.0, 1024.0]))
def test_the_unit_of_price_scales_levels_and_leaves_directions(seed: int, length: int, factor: float) -> None:
    candles = walk(seed, length)
    other = rescaled(candles, factor)
    for one, scaled in zip(told(candles), told(other), strict=True):
        assert scaled.direction == pytest.approx(one.direction, abs=1e-9), one.detector
        assert scaled.confidence == pytest.approx(one.confidence, abs=1e-9), one.detector
        assert [each.kind for each in scaled.evidence] == [each.kind for each in one.evidence]
        for level, moved in zip(one.evidence, scaled.evidence, strict=True):
            for name in ("price", "low", "high"):
                was, now = getattr(level, name), getattr(moved, name)
                assert (was is None) == (now is None)
                assert was is None or now == pytest.approx(was * factor, rel=1e-9)
    before, after = dynamic_score(told(candles), candles), dynamic_score(told(other), other)
    assert after.direction == pytest.approx(before.direction, abs=1e-9)
    assert (after.advice, after.risk_level) == (before.advice, before.risk_level)
    formula, scaled = fixed_score(candles, told(candles)), fixed_score(other, told(other))
    assert scaled.value == pytest.approx(formula.value, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(140, 260))
def test_the_mirrored_market_gets_the_mirrored_opinion(seed: int, length: int) -> None:
    # Where no bar says otherwise, a parabolic stop begins below the price; by 140 bars both markets have forgotten that.
    candles = on_a_grid(walk(seed, length))
    around = 2 * float(candles.high.max() + candles.low.min())
    other = mirrored(candles, around)
    # Percentages of the price differ in the mirror: only the detectors' own reading is compared, not the level of risk.
    for one, image in zip(told(candles), told(other), strict=True):
        assert image.direction == pytest.approx(-one.direction, abs=1e-6), one.detector
        assert image.confidence == pytest.approx(one.confidence, abs=1e-6), one.detector
    before, after = dynamic_score(told(candles), candles), dynamic_score(told(other), other)
    assert after.direction == pytest.approx(-before.direction, abs=1e-6)
    formula, image = fixed_score(candles, told(candles)), fixed_score(other, told(other))
    assert image.value == pytest.approx(1 - formula.value, abs=1e-6)
    reasons = confluence({"1h": reasons_of("1h", analyse(candles), told(candles))})
    images = confluence({"1h": reasons_of("1h", analyse(other), told(other))})
    assert (images.agreeing, images.opposing, images.side) == (reasons.agreeing, reasons.opposing, -reasons.side)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 300), st.sampled_from(["walk", "holes", "flat", "saw", "jump"]))
def test_anything_finite_is_answered_in_bounds_and_left_as_it_was(seed: int, length: int, kind: str) -> None:
    candles = {
        "walk": lambda: walk(seed, length),
        "holes": lambda: walk(seed, length, wild=True),
        "flat": lambda: closing(np.full(length, 100.0), spread=0.0),
        "saw": lambda: closing(100 + np.arange(length) % 2 * 1.0),
        "jump": lambda: closing(np.where(np.arange(length) < length // 2, 1.0, 1e6), spread=0.5),
    }[kind]()
    before = [getattr(candles, name).copy() for name in ("open", "high", "low", "close", "volume")]
    opinions = told(candles)
    score, formula = dynamic_score(opinions, candles), fixed_score(candles, opinions)
    assert 0.5 <= score.score <= 1
    assert 0 <= score.confidence <= 1
    assert 0 <= score.consensus <= 1
    assert -1 <= score.direction <= 1
    assert 0 <= formula.value <= 1
    assert sum(part.weight for part in score.parts) == pytest.approx(1 if any(p.weight for p in score.parts) else 0)
    for kept, name in zip(before, ("open", "high", "low", "close", "volume"), strict=True):
        np.testing.assert_array_equal(getattr(candles, name), kept)
    if kind == "flat":
        assert not any(each.has_opinion for each in opinions)
        assert (score.direction, score.confidence, score.advice) == (0, 0, "HOLD")


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("row", [0, 57, 119])
def test_nan_is_refused_by_name_and_row(column: str, row: int) -> None:
    candles = walk(5, 120)
    values = getattr(candles, column).copy()
    values[row] = np.nan
    broken = replace(candles, **{column: values})
    for detector in DETECTORS:
        with pytest.raises(ValueError, match=f"{column}: row {row}"):
            detector.detect(broken, Context())
    with pytest.raises(ValueError, match="there is no bar"):
        detect_all(candles[:0])


def test_another_history_is_no_context() -> None:
    candles = walk(5, 200)
    with pytest.raises(ValueError, match="not that of these candles"):
        detect_all(candles[:150], Context(structure=analyse(candles)))
    with pytest.raises(ValueError, match="asked_at"):
        detect_all(candles, Context(asked_at=0))


def test_recorded_markets_get_opinions_on_both_sides() -> None:
    candles = recorded("BTCUSDT-1h", 3000)
    seen: dict[str, set[int]] = {}
    for end in range(400, len(candles), 40):
        for each in detect_all(candles[end - 400 : end]):
            if each.has_opinion:
                seen.setdefault(each.detector, set()).add(1 if each.direction > 0 else -1)
    for name in ("elliott", "smc", "fibonacci", "price_action", "sar"):
        assert seen[name] == {1, -1}, name
    # Strict ratios make harmonic patterns rare: about one complete in a thousand bars.
    complete = [each for each in harmonics_of(recorded("BTCUSDT-1h", 6000)) if each.complete]
    assert {each.side for each in complete} == {1, -1}
