"""Every kind of structure object on a small drawn example, and the per-bar measures against a plain calculation."""

from __future__ import annotations

import numpy as np
import pytest
import talib

from modules.analysis.candles import Candles
from modules.analysis.structure import KINDS, Settings, Structure, analyse
from tests.properties.test_structure_causality import random_walk

HOUR = 3_600_000
SMALL = Settings(swing_length=2, atr_period=2, flow_window=3, equal_tolerance_atr=0.1)


def drawn(*bars: tuple[float, float, float, float], volumes: list[float] | None = None) -> Candles:
    """Candles from (open, high, low, close)."""
    opened, high, low, close = np.array(bars, float).T
    stamps = np.arange(1, len(bars) + 1, dtype=np.int64) * HOUR
    return Candles.checked(stamps, opened, high, low, close, volumes or [1.0] * len(bars), timeframe_ms=HOUR)


def zigzag(*closes: float) -> Candles:
    """Candles whose bodies join the given closes, with wicks of a quarter."""
    bars = []
    before = 2 * closes[0] - closes[1]
    for close in closes:
        bars.append((before, max(before, close) + 0.25, min(before, close) - 0.25, close))
        before = close
    return drawn(*bars)


# A low at bar 2, a high at 5, a higher low at 8, and a break of the high at bar 11.
RISE = (12, 11, 10, 12, 14, 16, 14, 13, 12, 14, 15, 18, 19)


def test_swings_are_known_when_their_window_is_complete():
    structure = analyse(zigzag(*RISE), SMALL)
    swings = structure.objects("swing_high", "swing_low")
    # The peak of 16 and the trough of 12 are shared by two bars; the first of equals counts.
    assert [(o.kind, o.formed_index, o.confirmed_index, o.price) for o in swings] == [
        ("swing_low", 2, 4, 9.75),
        ("swing_high", 5, 7, 16.25),
        ("swing_low", 8, 10, 11.75),
    ]
    assert [o.label for o in swings] == [None, None, "HL"]
    assert np.isnan(structure.bars["swing_high"][6])
    assert structure.bars["swing_high"][7] == 16.25
    assert structure.bars["swings_confirmed"].tolist() == [0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 2, 0, 0]


def test_a_higher_high_without_a_low_between_supersedes_the_first():
    structure = analyse(zigzag(10, 11, 14, 13.5, 13, 13.5, 15, 16, 18, 16, 15, 12, 11), Settings(swing_length=2))
    highs = structure.objects("swing_high")
    assert [(o.formed_index, o.superseded_index) for o in highs] == [(2, None), (8, None)]
    lows = structure.objects("swing_low")
    assert [o.formed_index for o in lows] == [4]
    slow = analyse(zigzag(10, 10.5, 11, 14, 13.5, 13.7, 13.9, 16, 18, 17, 16, 15), Settings(swing_length=3))
    assert [(o.formed_index, o.superseded_index, o.invalidated_index) for o in slow.objects("swing_high")] == [
        (3, 11, 7),
        (8, None, None),
    ]


def test_the_first_break_is_a_bos_and_the_first_against_it_a_choch():
    structure = analyse(zigzag(*RISE, 16, 13, 11, 10, 9, 12, 20, 21), SMALL)
    breaks = structure.objects("bos", "choch")
    assert [(o.kind, o.direction, o.price, o.formed_index, o.confirmed_index) for o in breaks][:2] == [
        ("bos", 1, 16.25, 5, 11),
        ("choch", -1, 11.75, 8, 15),
    ]
    first = breaks[0]
    assert (first.low, first.high) == (11.75, 16.25)
    assert first.invalidated_index == 15  # the first close below the low from which the leg set out
    assert structure.bars["trend"][[10, 11, 14, 15]].tolist() == [0, 1, 1, -1]


def test_a_wick_breaks_only_when_asked_to():
    bars = zigzag(*RISE[:11])
    spike = (15, 17, 14.5, 15.2)
    joined = drawn(*zip(bars.open, bars.high, bars.low, bars.close, strict=True), spike)
    assert analyse(joined, SMALL).objects("bos", "choch") == []
    wick = analyse(joined, Settings(swing_length=2, break_on="wick")).objects("bos")
    assert [(o.price, o.confirmed_index) for o in wick] == [(16.25, 11)]


def test_an_order_block_is_the_lowest_candle_before_the_break_and_fails_into_a_breaker():
    structure = analyse(zigzag(*RISE, 16, 12.1, 11, 10, 12.0, 13, 14), SMALL)
    block = structure.objects("order_block")[0]
    assert (block.direction, block.formed_index, block.confirmed_index) == (1, 9, 11)
    assert (block.low, block.high) == (11.75, 14.25)
    assert block.label == "validated"
    assert (block.touched_index, block.mitigated_index, block.invalidated_index, block.cause) == (14, 14, 15, "broken")
    breaker = structure.objects("breaker_block")[0]
    assert (breaker.direction, breaker.low, breaker.high) == (-1, 11.75, 14.25)
    assert (breaker.formed_index, breaker.confirmed_index, breaker.related) == (9, 15, block.id)
    assert (breaker.touched_index, breaker.mitigated_index, breaker.invalidated_index) == (17, 18, None)


def test_an_order_block_can_ask_for_a_body():
    bars = zigzag(*RISE, 16, 13)
    wick = (13, 13.2, 11.0, 12.8)
    joined = drawn(*zip(bars.open, bars.high, bars.low, bars.close, strict=True), wick)
    assert not analyse(joined, SMALL).objects("order_block")[0].stands
    assert analyse(joined, Settings(swing_length=2, order_block_break="body")).objects("order_block")[0].stands


GAP = ((10, 10.5, 9.5, 10.2), (10.2, 13, 10, 12.8), (12.8, 14, 11.5, 13.5))


@pytest.mark.parametrize(
    ("low", "touched", "mitigated", "cause"),
    [(12.0, None, None, None), (11.5, 3, None, None), (11.0, 3, 3, None), (10.5, 3, 3, "filled")],
)
def test_a_fair_value_gap_is_touched_mitigated_and_filled(low, touched, mitigated, cause):
    structure = analyse(drawn(*GAP, (13.5, 14, low, 13)), SMALL)
    (gap,) = structure.objects("fvg")
    assert (gap.direction, gap.low, gap.high, gap.price) == (1, 10.5, 11.5, 11.0)
    assert (gap.formed_index, gap.confirmed_index) == (1, 2)
    assert (gap.touched_index, gap.mitigated_index, gap.cause) == (touched, mitigated, cause)
    atr = ((13 - 10) + (14 - 11.5)) / 2
    assert gap.strength == pytest.approx(1 / atr)


def test_small_fair_value_gaps_can_be_left_out():
    candles = drawn(*GAP)
    assert analyse(candles, Settings(atr_period=2, fvg_min_atr=0.36)).objects("fvg")
    assert not analyse(candles, Settings(atr_period=2, fvg_min_atr=0.37)).objects("fvg")
    assert not analyse(candles, Settings(atr_period=14, fvg_min_atr=0.1)).objects("fvg")  # no ATR yet: not known


TOPS = (10, 11, 15, 12, 11, 12, 15.02, 12, 11, 12)


def test_equal_highs_make_a_pool_and_a_wick_through_it_sweeps_it():
    bars = zigzag(*TOPS)
    joined = list(zip(bars.open, bars.high, bars.low, bars.close, strict=True))
    swept = analyse(drawn(*joined, (12, 15.6, 11.8, 14.0), (14.0, 14.2, 13.0, 13.5)), SMALL)
    pool = next(o for o in swept.objects("liquidity_pool") if o.direction > 0)
    assert (pool.direction, pool.count, pool.formed_index, pool.confirmed_index) == (1, 2, 2, 8)
    assert (pool.low, pool.high) == (15.25, 15.27)
    assert pool.price == pytest.approx(15.26)
    assert (pool.invalidated_index, pool.cause) == (10, "swept")
    first, sweep = swept.objects("liquidity_sweep")
    assert (first.price, first.high, first.confirmed_index) == (15.25, 15.27, 6)  # by the second top, barely
    assert (sweep.direction, sweep.price, sweep.high) == (-1, 15.27, 15.6)
    assert (sweep.count, sweep.related, sweep.stands) == (1, pool.id, True)
    assert swept.bars["sweep_high"][10] == 1
    broken = analyse(drawn(*joined, (12, 16, 11.8, 15.9)), SMALL)
    assert broken.objects("liquidity_pool")[0].cause == "broken"
    assert len(broken.objects("liquidity_sweep")) == 1


def test_a_third_equal_high_makes_a_larger_pool_in_place_of_the_first():
    structure = analyse(zigzag(*TOPS, 15.01, 12, 11), SMALL)
    first, second = (o for o in structure.objects("liquidity_pool") if o.direction > 0)
    assert (first.count, first.cause, first.superseded_index) == (2, "superseded", 12)
    assert (second.count, second.related, second.formed_index, second.confirmed_index) == (3, first.id, 2, 12)
    assert second.price == pytest.approx((15.25 + 15.27 + 15.26) / 3)
    assert second.stands


def test_a_sweep_is_over_with_a_close_beyond_its_wick():
    bars = zigzag(*TOPS)
    joined = list(zip(bars.open, bars.high, bars.low, bars.close, strict=True))
    structure = analyse(drawn(*joined, (12, 15.6, 11.8, 14.0), (14, 15.7, 13.5, 15.6), (15.6, 16, 15, 15.7)), SMALL)
    sweep = structure.objects("liquidity_sweep")[1]
    assert (sweep.touched_index, sweep.invalidated_index, sweep.cause) == (11, 12, "broken")


def test_a_displacement_candle_is_large_against_the_range_before_it():
    quiet = [(10, 10.5, 9.5, 10)] * 4
    structure = analyse(drawn(*quiet, (10, 12.2, 9.9, 12), (12, 12.1, 9.0, 9.5)), SMALL)
    first, second = structure.objects("displacement")
    assert (first.direction, first.low, first.high, first.price, first.strength) == (1, 10, 12, 11, 2.0)
    assert (first.invalidated_index, first.cause) == (5, "broken")  # a close below its open
    assert second.direction == -1
    wicked = analyse(drawn(*quiet, (10, 14, 9, 12)), SMALL)
    assert wicked.objects("displacement") == []


def test_the_dealing_range_lies_between_the_latest_swings():
    structure = analyse(zigzag(*RISE), SMALL)
    ranges = structure.objects("dealing_range")
    assert [(o.low, o.high, o.price, o.direction, o.confirmed_index, o.invalidated_index) for o in ranges] == [
        (9.75, 16.25, 13.0, 1, 7, 10),
        (11.75, 16.25, 14.0, -1, 10, None),
    ]
    bars = structure.bars
    assert np.isnan(bars["range_position"][6])
    assert bars["range_position"][7] == 0.5
    assert bars["zone"][[7, 8, 11]].tolist() == [0, -1, 1]
    assert bars["retracement"][8] == pytest.approx((16.25 - 11.75) / 6.5)
    assert bars["deepest_retracement"][9] == pytest.approx((16.25 - 11.75) / 6.5)


@pytest.mark.parametrize(
    ("last", "kind", "direction"),
    [
        ((10.5, 12.2, 10.3, 12), "strat_continuation", 1),
        ((10.5, 10.9, 9.5, 9.6), "strat_reversal", -1),
        ((10.5, 12.2, 9.5, 10), None, 0),
        ((10.5, 10.9, 10.3, 10.6), None, 0),
    ],
)
def test_strat_two_one_two(last, kind, direction):
    structure = analyse(drawn((9, 10, 8, 9.5), (9.5, 11.5, 9.2, 11), (10.5, 11, 10.2, 10.6), last), SMALL)
    found = structure.objects("strat_reversal", "strat_continuation")
    assert [(o.kind, o.direction) for o in found] == ([(kind, direction)] if kind else [])
    for pattern in found:
        assert (pattern.low, pattern.high) == (10.2, 11)
        assert pattern.price == (11 if direction > 0 else 10.2)
        assert (pattern.formed_index, pattern.confirmed_index) == (2, 3)


def test_an_unusual_volume_is_absorbed_or_drives_the_price():
    quiet = [(10, 10.5, 9.5, 10), (10, 10.5, 9.5, 10.1), (10.1, 10.5, 9.5, 10)]
    absorbed = analyse(drawn(*quiet, (10, 10.2, 8, 10.1), volumes=[10, 11, 9, 40]), SMALL)
    (found,) = absorbed.objects("absorption")
    assert (found.direction, found.low, found.high, found.price) == (1, 8, 10.2, 10.1)
    assert found.strength == pytest.approx((40 - 10) / np.std([10, 11, 9]))
    driven = analyse(drawn(*quiet, (10, 10.2, 8, 8.1), volumes=[10, 11, 9, 40]), SMALL)
    assert [o.direction for o in driven.objects("volume_impulse")] == [-1]
    usual = analyse(drawn(*quiet, (10, 10.2, 8, 8.1), volumes=[10, 11, 9, 11]), SMALL)
    assert usual.objects("volume_impulse", "absorption") == []


def test_a_higher_high_on_weaker_money_flow_diverges():
    candles = zigzag(10, 11, 12, 15, 13, 12, 11.5, 13, 15.6, 13, 12, 11)
    volumes = [1, 5, 9, 30, 1, 1, 1, 9, 1, 1, 1, 1]
    weaker = Candles.checked(
        candles.timestamp, candles.open, candles.high, candles.low, candles.close, volumes, timeframe_ms=HOUR
    )
    structure = analyse(weaker, SMALL)
    (found,) = structure.objects("money_flow_divergence")
    flow = structure.bars["money_flow"]
    assert (found.direction, found.formed_index, found.confirmed_index) == (-1, 8, 10)
    assert (found.low, found.high, found.price) == (15.25, 15.85, 15.85)
    assert flow[8] < flow[3]
    assert found.strength == pytest.approx(flow[3] - flow[8])
    stronger = Candles.checked(
        candles.timestamp, candles.open, candles.high, candles.low, candles.close, volumes[::-1], timeframe_ms=HOUR
    )
    assert analyse(stronger, SMALL).objects("money_flow_divergence") == []


def test_per_bar_measures_equal_a_plain_calculation():
    candles = random_walk(900)
    choice = Settings(across_gaps=True)
    bars = analyse(candles, choice).bars
    np.testing.assert_allclose(bars["atr"], talib.ATR(candles.high, candles.low, candles.close, 14), rtol=1e-9)
    spread = candles.high - candles.low
    pressure = ((candles.close - candles.low) - (candles.high - candles.close)) / spread * candles.volume
    for index in range(20, 900, 7):
        before = candles.volume[index - 20 : index]
        assert bars["volume_z"][index] == pytest.approx((candles.volume[index] - before.mean()) / before.std())
        assert bars["effort"][index] == pytest.approx(candles.volume[index] / before.mean())
        window = slice(index - 19, index + 1)
        assert bars["money_flow"][index] == pytest.approx(pressure[window].sum() / candles.volume[window].sum())
        moved = abs(candles.close[index] - candles.close[index - 1])
        assert bars["result"][index] == pytest.approx(moved / bars["atr"][index - 1])
    assert np.isnan(bars["volume_z"][:20]).all()
    assert np.isnan(bars["money_flow"][:19]).all()
    above, below = candles.high[1:] > candles.high[:-1], candles.low[1:] < candles.low[:-1]
    strat = np.select([above & below, above, below], [3, 2, -2], 1)
    np.testing.assert_array_equal(bars["strat"][1:], strat)


def test_every_kind_occurs_and_is_written_as_json():
    structure = analyse(random_walk(4000), Settings(swing_length=3))
    found = structure.objects()
    assert {o.kind for o in found} == set(KINDS)
    for o in found:
        written = o.as_json()
        assert list(written) == [
            "kind", "direction", "low", "high", "price", "formed_at", "confirmed_at", "invalidated_at",
        ]  # fmt: skip
        assert written["formed_at"] == structure.timestamp[o.formed_index]
        assert written["confirmed_at"] == structure.timestamp[o.confirmed_index]
        assert written["direction"] in (1, -1)
    assert any(o.as_json()["invalidated_at"] is None for o in found)


def test_views_select_by_kind_and_refuse_unknown_names():
    structure: Structure = analyse(random_walk(500), Settings(swing_length=3))
    assert {o.kind for o in structure.objects("fvg", "swing_low")} == {"fvg", "swing_low"}
    assert structure.standing() == [o for o in structure.objects() if o.stands]
    with pytest.raises(ValueError, match="kind: hope is none of"):
        structure.objects("hope")
    for index in (-1, 500):
        with pytest.raises(IndexError):
            structure.as_of(index)
    with pytest.raises(IndexError):
        structure.at(500)
    with pytest.raises(ValueError, match="read-only"):
        structure.bars["trend"][0] = 1
