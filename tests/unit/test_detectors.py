"""Each detector on a market drawn to say one thing, and on its mirror image, which must say the opposite."""

from __future__ import annotations

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.analysis.detectors import (
    DETECTORS,
    NAMES,
    Context,
    Detection,
    ExchangeFlow,
    Headline,
    LargePrint,
    detect_all,
)
from modules.analysis.detectors.elliott import breaks_rule
from tests.fakes.drawn_candles import HOUR_MS, START_MS, closing, drawn

BY_NAME = {each.name: each for each in DETECTORS}
#: X 100, A 140: a Gartley turns back to 61.8 % (B), 38.2-88.6 % of AB (C) and 78.6 % of XA (D).
GARTLEY = [120, 100, 140, 140 - 0.618 * 40, 130, 140 - 0.786 * 40]
IMPULSE = [108, 100, 110, 104, 124, 114.5, 129]


def detect(name: str, candles: Candles, context: Context | None = None) -> Detection:
    return BY_NAME[name].detect(candles, context or Context())


def mirrored(prices: list[float]) -> list[float]:
    return [240 - price for price in prices]


def test_there_are_nine_and_they_answer_in_order() -> None:
    candles = drawn(GARTLEY)
    told = detect_all(candles)
    assert tuple(each.detector for each in told) == NAMES == tuple(BY_NAME)
    assert {each.at for each in told} == {candles.closed_at(len(candles) - 1)}
    assert all(each.reason for each in told)
    assert [each.detector for each in told if not each.has_opinion][-3:] == ["sentiment", "news", "whales"]


@pytest.mark.parametrize(("prices", "side"), [(GARTLEY, 1), (mirrored(GARTLEY), -1)])
def test_a_gartley_is_named_with_its_zone_targets_and_void(prices: list[float], side: int) -> None:
    found = detect("harmonic", drawn([*prices, prices[-1] + side * 6]))
    assert found.direction * side > 0
    assert found.confidence > 0.3
    assert ("bullish" if side > 0 else "bearish") in found.reason
    assert "Gartley" in found.reason
    drawn_kinds = {each.kind for each in found.evidence}
    assert {"harmonic_pattern", "reversal_zone", "target", "invalidation"} <= drawn_kinds
    (pattern,) = [each for each in found.evidence if each.kind == "harmonic_pattern"]
    assert len(pattern.points) == 5
    np.testing.assert_allclose([price for _, price in pattern.points], prices[1:], atol=0.8)
    (zone,) = [each for each in found.evidence if each.kind == "reversal_zone"]
    assert zone.low is not None
    assert zone.high is not None
    assert zone.low <= prices[-1] + 0.5
    assert zone.high >= prices[-1] - 0.5


def test_no_pattern_where_the_ratios_are_wrong() -> None:
    wrong = [120, 100, 140, 112, 139, 127]  # B gives back 70 %, C 96 %, D 32 %
    assert not detect("harmonic", drawn([*wrong, 132])).has_opinion


@pytest.mark.parametrize(
    ("prices", "rule"),
    [
        ((100, 110, 104), 0),
        ((100, 110, 99), 1),  # wave 2 below the start of wave 1
        ((100, 110, 104, 124, 114), 0),
        ((100, 110, 104, 124, 109), 3),  # wave 4 into wave 1
        ((100, 110, 104, 112, 111, 125), 2),  # wave 3 the shortest
        ((100, 110, 104, 124, 114, 130), 0),
    ],
)
def test_the_three_hard_rules(prices: tuple[float, ...], rule: int) -> None:
    assert breaks_rule(prices, 1) == rule
    assert breaks_rule(tuple(200 - price for price in prices), -1) == rule


@pytest.mark.parametrize(("prices", "side"), [(IMPULSE, 1), (mirrored(IMPULSE), -1)])
def test_a_complete_impulse_expects_its_correction(prices: list[float], side: int) -> None:
    found = detect("elliott", drawn([*prices, prices[-1] - side * 4]))
    assert found.direction * side < 0
    assert "wave 5 is complete" in found.reason
    (path,) = [each for each in found.evidence if each.kind == "elliott_waves" and each.label.startswith("count")]
    assert len(path.points) == 6
    assert any(each.kind == "invalidation" for each in found.evidence)


@pytest.mark.parametrize("side", [1, -1])
def test_a_pull_back_to_the_golden_ratio_speaks_for_the_leg(side: int) -> None:
    prices = [100 + side * move for move in (10, 0, 40, 40 - 0.618 * 40)]
    found = detect("fibonacci", drawn(prices, 20))
    assert found.direction * side > 0
    levels = {each.label for each in found.evidence}
    assert any("0.618" in label for label in levels)


@pytest.mark.parametrize("side", [1, -1])
def test_an_engulfing_bar_at_a_low_is_price_action(side: int) -> None:
    closes = list(drawn([130, 110, 122, 111], 16).close)
    closes = [240 - price for price in closes] if side < 0 else closes
    engulfing = closing([*closes, closes[-1] - side * 1.0, closes[-1] + side * 3.5])
    found = detect("price_action", engulfing)
    assert found.direction * side > 0
    assert found.evidence
    assert any("engulf" in each.kind for each in found.evidence)


@pytest.mark.parametrize("side", [1, -1])
def test_the_stop_lies_behind_a_trend(side: int) -> None:
    trend = detect("sar", drawn([120 - side * 5, 120 - side * 10, 120 + side * 60], 40))
    chop = detect("sar", closing(120 + np.tile([0.0, 1.0, 0.0, -1.0], 20)))
    assert trend.direction * side > 0.5
    assert trend.confidence > 2 * chop.confidence
    assert f"SAR {'below' if side > 0 else 'above'}" in {each.label for each in trend.evidence}


@pytest.mark.parametrize("side", [1, -1])
def test_smart_money_follows_the_breaks_of_structure(side: int) -> None:
    steps = [0, 10, 4, 18, 12, 28, 22, 38, 33, 48]
    found = detect("smc", drawn([120 + side * step for step in steps], 10))
    assert found.direction * side > 0
    assert found.evidence


@pytest.mark.parametrize(("value", "side"), [(5, 1), (20, 1), (44, 1), (50, 0), (55, 0), (56, -1), (80, -1), (97, -1)])
def test_the_crowd_is_read_the_other_way(value: int, side: int) -> None:
    candles = drawn([100, 110], 20)
    found = detect("sentiment", candles, Context(fear_greed=(candles.closed_at(len(candles) - 1) - HOUR_MS, value)))
    assert np.sign(found.direction) == side
    assert found.has_opinion == (side != 0)


@pytest.mark.parametrize("known_ms", [START_MS - 20 * HOUR_MS, START_MS + 900 * HOUR_MS])
def test_an_old_index_and_one_not_yet_known_are_no_opinion(known_ms: int) -> None:
    found = detect("sentiment", drawn([100, 110], 20), Context(fear_greed=(known_ms, 5)))
    assert (found.direction, found.confidence) == (0, 0)


def test_headlines_lean_by_their_tone_and_their_subject() -> None:
    candles = drawn([100, 110], 20)
    last = candles.closed_at(len(candles) - 1)

    def told(*titles: str) -> Detection:
        lines = tuple(Headline(last - 1000 * n, title, "wire") for n, title in enumerate(titles))
        return detect("news", candles, Context(headlines=lines))

    bad = told("Bitcoin crashes after exchange hack", "Bitcoin plunges as ETF outflows grow", "Bitcoin slumps on ban")
    good = told("Bitcoin surges to record high", "Bitcoin rallies on ETF approval", "Bitcoin jumps after rate cut")
    others = told("Dogecoin surges to record high", "Solana rallies on ETF approval", "Cardano jumps after upgrade")
    assert bad.direction < 0 < good.direction
    assert others.confidence < good.confidence
    assert not told("Bitcoin crashes after exchange hack").has_opinion
    assert not told("What is a blockchain", "A guide to wallets", "Events this week").has_opinion


def test_big_buyers_lean_up_and_flows_on_to_exchanges_down() -> None:
    candles = drawn([100, 110], 20)
    last = candles.closed_at(len(candles) - 1)
    bought = tuple(LargePrint(last - n * 60_000, "buy", 2e6) for n in range(8))
    sold = tuple(LargePrint(last - n * 60_000, "sell", 2e6) for n in range(8))
    onto = (ExchangeFlow(last - HOUR_MS, 2e8, 1e7),)
    assert detect("whales", candles, Context(prints=bought)).direction > 0.9
    assert detect("whales", candles, Context(prints=sold)).direction < -0.9
    assert detect("whales", candles, Context(exchange_flow_usd=onto)).direction < 0
    mixed = detect("whales", candles, Context(prints=bought, exchange_flow_usd=onto))
    assert 0 < mixed.direction < 0.95
    assert "against it" in mixed.reason
    assert not detect("whales", candles, Context(prints=bought[:2])).has_opinion
    late = tuple(LargePrint(last + 1 + n, "buy", 2e6) for n in range(8))
    assert not detect("whales", candles, Context(prints=late)).has_opinion
