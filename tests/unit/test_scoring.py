"""Both scores, confluence and the choice of the day, worked out by hand on opinions given."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from modules.analysis.confluence import Reason, confluence
from modules.analysis.detectors import NAMES, Context, Detection, detect_all
from modules.analysis.detectors.records import no_opinion
from modules.analysis.fixed_formula import WEIGHTS, fixed_score, session_of, volatility
from modules.analysis.indicators import NotEnoughData
from modules.analysis.quality import Candidate, Filters, choose, complaints_of, efficiency, levels_of
from modules.analysis.scoring import DEFAULT_WEIGHTS, dynamic_score, normalised_weights, risk_level
from modules.analysis.structure import analyse
from tests.fakes.drawn_candles import HOUR_MS, closing, drawn

CANDLES = drawn([100, 110, 104, 118, 112, 120], 20)
AT = CANDLES.closed_at(len(CANDLES) - 1)
DAY_MS = 24 * HOUR_MS


def opinions(**told: tuple[float, float]) -> tuple[Detection, ...]:
    return tuple(
        Detection(name, *told[name], f"{name} says so", (), AT) if name in told else no_opinion(name, "none", AT)
        for name in NAMES
    )


# ---- the dynamic score


def test_weights_are_always_normalised() -> None:
    assert sum(DEFAULT_WEIGHTS.values()) == pytest.approx(1.05)
    assert sum(normalised_weights().values()) == pytest.approx(1)
    assert normalised_weights({"smc": 3, "sar": 1})["smc"] == 0.75
    assert normalised_weights({"smc": 1e308, "sar": 1e308})["sar"] == 0.5
    for wrong in ({"smx": 1}, {"smc": -1}, {"smc": float("nan")}, {"smc": 0}, {}, {"smc": True}):
        with pytest.raises(ValueError, match="weights"):
            normalised_weights(wrong)


def test_two_voices_by_hand() -> None:
    """smc (0.20) says +1 at 0.5, sar (0.10) -0.5 at 0.4; of 0.30 they hold two thirds and one third."""
    score = dynamic_score(opinions(smc=(1.0, 0.5), sar=(-0.5, 0.4)), CANDLES)
    force = 2 / 3 * 0.5 + 1 / 3 * 0.4
    assert score.direction == pytest.approx((2 / 3 * 0.5 * 1.0 - 1 / 3 * 0.4 * 0.5) / force)
    assert score.score == pytest.approx(0.5 + 0.5 * score.direction)
    assert score.consensus == pytest.approx(2 / 3)
    mean = 2 / 3 * 1 - 1 / 3 * 0.5
    assert score.disagreement == pytest.approx(sqrt(2 / 3 * (1 - mean) ** 2 + 1 / 3 * (-0.5 - mean) ** 2))
    parts = {part.detector: part for part in score.parts}
    assert parts["smc"].weight == pytest.approx(2 / 3)
    assert parts["news"].weight == 0
    assert sum(part.contribution for part in score.parts) == pytest.approx(score.direction)


def test_nobody_has_an_opinion_and_all_have_the_same() -> None:
    silent = dynamic_score(opinions(), CANDLES)
    assert (silent.score, silent.direction, silent.confidence, silent.advice) == (0.5, 0.0, 0.0, "HOLD")
    everybody = dynamic_score(opinions(**dict.fromkeys(NAMES, (0.9, 0.8))), CANDLES)
    assert everybody.direction == pytest.approx(0.9)
    assert (everybody.consensus, everybody.advice) == (pytest.approx(1), "STRONG_BUY")
    assert everybody.disagreement == pytest.approx(0, abs=1e-9)
    against = dynamic_score(opinions(**dict.fromkeys(NAMES, (-0.9, 0.8))), CANDLES)
    assert against.advice == "STRONG_SELL"


def test_an_added_voice_on_the_same_side_makes_surer_and_one_against_less_sure() -> None:
    one = dynamic_score(opinions(smc=(0.8, 0.5)), CANDLES)
    two = dynamic_score(opinions(smc=(0.8, 0.5), elliott=(0.8, 0.5)), CANDLES)
    torn = dynamic_score(opinions(smc=(0.8, 0.5), elliott=(-0.8, 0.5)), CANDLES)
    assert torn.confidence < one.confidence < two.confidence


@pytest.mark.parametrize(
    ("atr_percent", "disagreement", "level"),
    [
        (None, 0, "HIGH"),
        (0.1, 0, "LOW"),
        (1.0, 0, "MEDIUM"),
        (2.0, 0, "HIGH"),
        (0.1, 0.6, "MEDIUM"),
        (0.1, 0.9, "HIGH"),
    ],
)
def test_risk_is_the_worse_of_range_and_disagreement(
    atr_percent: float | None, disagreement: float, level: str
) -> None:
    assert risk_level(atr_percent, HOUR_MS, disagreement) == level


def test_opinions_of_another_moment_or_told_twice_are_refused() -> None:
    told = opinions(smc=(1.0, 0.5))
    with pytest.raises(ValueError, match="speaks of"):
        dynamic_score((replace(told[0], at=AT + 1),), CANDLES)
    with pytest.raises(ValueError, match="twice"):
        dynamic_score((told[0], told[0]), CANDLES)


# ---- the fixed formula


def test_the_documented_weights() -> None:
    assert dict(WEIGHTS) == {"rsi_macd": 0.40, "smc": 0.25, "pattern": 0.20, "sentiment": 0.10, "ml": 0.05}


def test_the_formula_is_the_mean_of_the_parts_that_have_an_opinion() -> None:
    formula = fixed_score(CANDLES, opinions(smc=(0.6, 0.5), price_action=(-0.2, 0.4)))
    parts = {part.name: part for part in formula.parts}
    assert formula.left_out == ("sentiment", "ml")
    assert "no model" in parts["ml"].reason
    assert parts["smc"].value == pytest.approx(0.8)
    assert parts["pattern"].value == pytest.approx(0.4)
    known = 0.40 + 0.25 + 0.20
    lean = parts["rsi_macd"].value
    assert lean is not None
    assert formula.value == pytest.approx((0.40 * lean + 0.25 * 0.8 + 0.20 * 0.4) / known)
    with_model = fixed_score(CANDLES, opinions(smc=(0.6, 0.5)), ml=1.0)
    assert {part.name: part.value for part in with_model.parts}["ml"] == 1
    with pytest.raises(ValueError, match="ml"):
        fixed_score(CANDLES, opinions(), ml=1.5)


def test_volatility_and_sessions() -> None:
    closes = 100 * np.exp(np.cumsum(np.tile([0.01, -0.01], 20)))
    returns = np.diff(np.log(closes[-21:]))
    assert volatility(closing(closes)) == pytest.approx(np.std(returns, ddof=1) * sqrt(365 * 24))
    assert volatility(closing(closes[:20])) is None
    assert len({session_of(hour * HOUR_MS) for hour in range(24)}) >= 3


# ---- confluence


def test_market_wide_reasons_count_once_and_families_once_a_timeframe() -> None:
    fear = Reason(None, "crowd", 1, "extreme fear")
    found = confluence({
        "1h": [Reason("1h", "turns", 1, "Gartley"), fear, Reason("1h", "trend", -1, "SAR above")],
        "4h": [Reason("4h", "turns", 1, "wave 2"), fear],
    })  # fmt: skip
    assert (found.side, found.agreeing, found.opposing) == (1, 3, 1)
    assert len(found.reasons) == 4
    assert confluence({}).side == 0
    assert confluence({"1h": [Reason("1h", "a", 1, ""), Reason("1h", "b", -1, "")]}).side == 0


# ---- quality and the best five


def candidate(symbol: str = "BTCUSDT", **changed: object) -> Candidate:
    given: dict[str, object] = {
        "symbol": symbol, "timeframe": "1h", "side": 1, "entry": 100.0, "stop": 98.0, "target": 106.0,
        "confidence": 0.6, "atr": 1.0, "at": AT, "agreement": 0.8, "efficiency": 0.5, "effort": 1.2, "higher": 0.5,
    }  # fmt: skip
    return Candidate(**{**given, **changed})  # type: ignore[arg-type]


def test_quality_and_the_combined_figure_by_hand() -> None:
    one = candidate()
    assert one.risk_reward == 3
    assert one.quality == pytest.approx(0.35 * 0.8 + 0.25 * 1 + 0.15 * 0.6 + 0.25 * 0.75)
    assert one.combined == pytest.approx((0.6 * one.quality * 1) ** (1 / 3))
    for wrong in ({"stop": 101.0}, {"target": 99.0}, {"side": 2}, {"side": -1}):
        with pytest.raises(ValueError, match=r"levels|side"):
            candidate(**wrong)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"confidence": 0.1}, "confidence"),
        ({"target": 102.0}, "risk-reward"),
        ({"effort": 0.2}, "volume"),
        ({"efficiency": 0.05}, "choppy"),
        ({"higher": -0.2}, "higher timeframe"),
    ],
)
def test_each_filter_says_why(changed: dict[str, float], words: str) -> None:
    (complaint,) = complaints_of(candidate(**changed), Filters())
    assert words in complaint
    (judged,) = choose([candidate(**changed)])
    assert (judged.kept, judged.rank, judged.reasons) == (False, None, (complaint,))


def test_the_best_five_of_a_day_one_of_each_cluster_in_any_order() -> None:
    many = [candidate(f"S{n}USDT", confidence=0.3 + 0.05 * n) for n in range(8)]
    near = candidate("S7USDT", timeframe="15m", entry=100.4, confidence=0.5)
    far = candidate("S7USDT", entry=110.0, stop=108.0, target=116.0, confidence=0.4)
    other_day = candidate("S0USDT", at=AT + DAY_MS, confidence=0.3)
    given = [*many, near, far, other_day]
    judged = choose(given)
    kept = [(each.rank, each.candidate.symbol) for each in judged if each.kept]
    assert kept == [(1, "S7USDT"), (2, "S6USDT"), (3, "S5USDT"), (4, "S4USDT"), (5, "S3USDT"), (1, "S0USDT")]
    reasons = {id(each.candidate): each.reasons[0] for each in judged}
    assert "near-duplicate" in reasons[id(near)]
    assert "better signals that day" in reasons[id(far)]
    again = choose(list(reversed(given)))
    assert [(each.rank, each.candidate) for each in again] == [(each.rank, each.candidate) for each in judged]


def test_levels_lie_beyond_the_nearest_swing_and_at_standing_liquidity() -> None:
    structure = analyse(CANDLES)
    levels = levels_of(CANDLES, structure, 1)
    atr = float(structure.bars["atr"][-1])
    assert levels.entry == CANDLES.close[-1]
    assert 0.75 * atr - 1e-9 <= levels.entry - levels.stop <= 4 * atr + 1e-9
    assert levels.target - levels.entry >= levels.entry - levels.stop
    short = levels_of(CANDLES, structure, -1)
    assert short.target < short.entry < short.stop
    with pytest.raises(ValueError, match="side"):
        levels_of(CANDLES, structure, 0)
    with pytest.raises(NotEnoughData):
        levels_of(CANDLES[:5], analyse(CANDLES[:5]), 1)


def test_efficiency_tells_a_line_from_chop() -> None:
    assert efficiency(closing(np.arange(100.0, 130.0))) == pytest.approx(1)
    assert efficiency(closing(np.tile([100.0, 101.0], 20))) == pytest.approx(0)
    with pytest.raises(NotEnoughData):
        efficiency(closing(np.arange(100.0, 120.0)))


def test_real_opinions_make_a_score_that_can_be_written_down() -> None:
    told = detect_all(CANDLES, Context())
    row = dynamic_score(told, CANDLES).as_json()
    assert {"score", "direction", "side", "consensus", "disagreement", "confidence", "risk_level", "advice"} <= set(row)
    assert len(row["parts"]) == 9
