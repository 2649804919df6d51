"""Is it luck: Monte Carlo, overfitting, comparison of two versions, against published figures and slow references."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from modules.backtesting.assumptions import Assumptions
from modules.backtesting.engine import run
from modules.backtesting.robustness import monte_carlo
from modules.backtesting.robustness.compare import compare, compare_returns
from modules.backtesting.robustness.monte_carlo import Method, Simulation, simulate, simulate_trades, trade_fractions
from modules.backtesting.robustness.overfitting import (
    Moments,
    backtest_overfitting,
    deflated_of,
    deflated_sharpe,
    expected_best,
    moments_of,
    probabilistic_sharpe,
)
from modules.backtesting.robustness.subject import Cancelled
from modules.backtesting.statistics import metrics_of
from modules.strategies.decisions import SizeMode
from tests.load.backtest_peers import RULES, cross, generated

HOUR = 3_600_000


@pytest.fixture(scope="module")
def result():
    candles = generated(4_000, HOUR, seed=4)
    return run(candles, cross(candles), RULES)


def test_the_trades_as_they_were_end_where_the_run_ended(result):
    told = simulate(result, Simulation(Method.AS_IT_WAS, runs=3))
    assert told.paths["final"].tolist() == pytest.approx([result.final_equity / 10_000] * 3, rel=1e-9)
    document = told.document()
    json.dumps(document, allow_nan=False)
    assert document["total_return"]["p50"] == pytest.approx(metrics_of(result)["total_return"], rel=1e-9)
    assert document["trades"] == len(result.trades) and document["deeper_than_actual"] == 0.0


def test_another_order_leaves_the_end_and_changes_the_falls(result):
    told = simulate(result, Simulation(Method.SHUFFLE, runs=500, seed=7))
    assert np.allclose(told.paths["final"], result.final_equity / 10_000, rtol=1e-9)
    falls = told.paths["max_drawdown"]
    assert len(np.unique(falls)) > 100 and np.all(falls < 0)


def test_trades_of_a_fixed_amount_add_up():
    candles = generated(4_000, HOUR, seed=4)
    fixed = run(candles, cross(candles), replace(RULES, size_mode=SizeMode.QUOTE, size_value=500.0))
    told = simulate(fixed, Simulation(Method.SHUFFLE, runs=50))
    assert np.allclose(told.paths["final"], fixed.final_equity / 10_000, rtol=1e-9)
    assert told.document()["compound"] is False and told.actual["final"] == pytest.approx(fixed.final_equity / 10_000)
    forced = simulate(fixed, Simulation(Method.AS_IT_WAS, runs=1, compound=True))
    assert forced.actual["final"] == pytest.approx(fixed.final_equity / 10_000, rel=1e-3)
    broke = simulate_trades(np.array([-1.0, 0.5]), np.ones(2), Simulation(Method.AS_IT_WAS, runs=1, compound=False))
    assert broke.paths["final"].tolist() == [0.0]


def test_every_order_of_three_trades_is_equally_likely():
    gains = np.array([0.1, -0.2, 0.3])
    told = simulate_trades(gains, np.ones(3), Simulation(Method.SHUFFLE, runs=60_000, seed=3))
    falls = {}
    for order in itertools.permutations(gains):
        curve = np.cumprod(1 + np.array(order))
        depth = min((curve / np.maximum(np.maximum.accumulate(curve), 1.0) - 1).min(), 0.0)
        falls[round(depth, 9)] = falls.get(round(depth, 9), 0) + 1 / 6
    seen, counts = np.unique(told.paths["max_drawdown"].round(9), return_counts=True)
    assert seen.tolist() == sorted(falls)
    assert counts / 60_000 == pytest.approx([falls[depth] for depth in seen.tolist()], abs=0.01)
    assert set(np.unique(told.fan[:, 1].round(9)).tolist()) == {0.8, 1.1, 1.3}


def test_blocks_are_drawn_around_the_end():
    gains = np.arange(1, 8) / 100.0
    told = simulate_trades(gains, np.ones(7), Simulation(Method.BOOTSTRAP, runs=200, seed=1, block=7))
    assert np.allclose(told.paths["final"], np.prod(1 + gains)), "one block of all is the whole, wherever it begins"
    single = simulate_trades(gains, np.ones(7), Simulation(Method.BOOTSTRAP, runs=40_000, seed=1, block=1))
    # independent draws: the mean of the product is the product of the means
    assert single.paths["final"].mean() == pytest.approx((1 + gains.mean()) ** 7, rel=2e-3)


def test_noise_costs_what_it_says():
    gains, values = np.full(50, 0.01), np.full(50, 0.5)
    told = simulate_trades(gains, values, Simulation(Method.AS_IT_WAS, runs=4_000, slippage_bps=20.0))
    # two sides of the mean of a half-normal, sqrt(2/pi) of its deviation, on half of the account
    cost = 2 * math.sqrt(2 / math.pi) * 0.002 * 0.5
    assert np.log(told.paths["final"]).mean() == pytest.approx(50 * math.log(1.01 - cost), rel=2e-3)
    missed = simulate_trades(gains, values, Simulation(Method.AS_IT_WAS, runs=4_000, skip=0.3))
    assert np.log(missed.paths["final"]).mean() == pytest.approx(35 * math.log(1.01), rel=1e-2)


def test_ruin_is_counted_at_any_time_and_an_empty_account_stays_empty():
    told = simulate_trades(np.array([-0.6, 2.0]), np.ones(2), Simulation(Method.SHUFFLE, runs=20_000, ruin=0.5))
    assert told.document()["ruin_probability"] == pytest.approx(0.5, abs=0.02)
    broke = simulate_trades(np.array([-1.5, 9.0]), np.ones(2), Simulation(Method.AS_IT_WAS, runs=1))
    assert broke.paths[["final", "max_drawdown"]].tolist() == [(0.0, -1.0)]


def test_the_seed_decides_and_nothing_else(result, monkeypatch):
    asked = Simulation(Method.BOOTSTRAP, runs=300, seed=5, slippage_bps=5.0, skip=0.1)
    first, again = simulate(result, asked), simulate(result, asked)
    assert first.paths.tobytes() == again.paths.tobytes() and np.array_equal(first.fan, again.fan)
    other = simulate(result, Simulation(Method.BOOTSTRAP, runs=300, seed=6, slippage_bps=5.0, skip=0.1))
    assert other.paths.tobytes() != first.paths.tobytes()
    for name in ("_simulate", "_draw_blocks", "_worsen", "_walk_path"):
        monkeypatch.setattr(monte_carlo, name, getattr(monte_carlo, name).py_func)
    assert simulate(result, asked).paths.tobytes() == first.paths.tobytes()


def test_what_cannot_be_simulated_is_named(result):
    for wrong in ({"runs": 0}, {"block": 0}, {"skip": 1.0}, {"ruin": -0.1}, {"slippage_bps": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Simulation(**wrong)
    candles = generated(60, HOUR)
    with pytest.raises(ValueError, match="without trades"):
        simulate(run(candles, cross(candles), RULES))
    gains, values = trade_fractions(result)
    assert np.prod(1 + gains) == pytest.approx(result.final_equity / 10_000) and np.all(values < 1.01)


def test_a_simulation_is_cancelled_from_its_progress(result):
    def stop(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        simulate(result, progress=stop)
    heard: list[float] = []
    simulate_trades(np.full(1_000, 0.001), np.ones(1_000), Simulation(runs=3_000), heard.append)
    assert heard == sorted(heard) and heard[-1] == 1.0 and len(heard) > 2


def test_the_published_example_of_the_deflated_sharpe_ratio():
    """Bailey and López de Prado 2014: 5 years of daily returns, annualised Sharpe 2.5, variance of trials 1/2, skewness -3, kurtosis 10.

    With 100 trials the hurdle is 0.1132 a day and the probability 0.9004; with 46 trials it is 0.9505.
    """
    moments = Moments(1_250, 2.5 / math.sqrt(250), -3.0, 10.0)
    assert expected_best(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(moments, 100, 0.5 / 250).probability == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(moments, 46, 0.5 / 250).probability == pytest.approx(0.9505, abs=5e-5)


def test_one_trial_is_the_probabilistic_sharpe_ratio():
    """Normal returns of Sharpe 0.1 over 101 observations: z = 0.1 x 10 / sqrt(1 + 0.5 x 0.01) = 0.99751."""
    moments = Moments(101, 0.1, 0.0, 3.0)
    z = 0.1 * 10 / math.sqrt(1.005)
    assert probabilistic_sharpe(moments) == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))), rel=1e-12)
    assert deflated_sharpe(moments, 1, 0.3).probability == probabilistic_sharpe(moments)


def test_moments_are_those_of_scipy():
    from scipy import stats

    returns = np.random.default_rng(3).standard_t(5, 800) / 100 + 0.001
    told = moments_of(returns)
    assert told.skewness == pytest.approx(stats.skew(returns), rel=1e-9)
    assert told.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-9)
    assert told.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    for wrong in (np.zeros(2), np.full(9, 0.01)):
        with pytest.raises(ValueError, match="returns"):
            moments_of(wrong)


def overfitting_by_hand(returns, blocks):
    """The paper's steps, one combination after the other."""
    parts = np.array_split(returns, blocks)
    logits = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        first = np.concatenate([parts[n] for n in chosen])
        second = np.concatenate([parts[n] for n in range(blocks) if n not in chosen])
        inside, outside = (part.mean(axis=0) / part.std(axis=0, ddof=1) for part in (first, second))
        rank = 1 + np.sum(outside < outside[inside.argmax()])
        share = rank / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
    return np.mean(np.array(logits) <= 0)


def test_overfitting_is_counted_as_the_paper_says():
    returns = np.random.default_rng(1).normal(0, 0.01, (240, 9))
    told = backtest_overfitting(returns, blocks=8)
    assert told.combinations == 70
    assert told.probability == pytest.approx(overfitting_by_hand(returns, 8), abs=1e-12)
    assert (told.strategies, told.observations) == (9, 240)


def test_noise_is_overfitted_and_skill_is_not():
    draws = np.random.default_rng(11)
    noise = draws.normal(0, 0.01, (1_600, 40))
    assert (
        0.3 < np.mean([backtest_overfitting(draws.normal(0, 0.01, (640, 20)), 10).probability for _ in range(12)]) < 0.7
    )
    skilled = noise.copy()
    skilled[:, 7] += 0.004
    assert backtest_overfitting(skilled).probability < 0.01
    assert deflated_of(skilled).probability > 0.99 and deflated_of(noise).probability < 0.95
    # One that was best by a single stretch is not better elsewhere.
    lucky = noise[:, :16].copy()
    for column in range(16):
        lucky[column * 100 : column * 100 + 100, column] += 0.05
    assert backtest_overfitting(lucky).probability > 0.9


@pytest.mark.parametrize(("shape", "blocks"), [((100, 1), 10), ((100, 3), 7), ((15, 3), 10), ((100, 3), 26)])
def test_what_cannot_be_cross_validated(shape, blocks):
    with pytest.raises(ValueError, match=r"returns|blocks"):
        backtest_overfitting(np.ones(shape), blocks)


def test_two_versions_that_share_their_luck_are_told_apart():
    draws = np.random.default_rng(5)
    market = draws.normal(0.0005, 0.03, 700)
    better = compare_returns(market, market + draws.normal(0.0015, 0.002, 700), 365.0, seed=2)
    assert better.better == "B" and better.sharpe.p_value < 0.01
    assert better.annual_return.low < better.annual_return.difference < better.annual_return.high
    assert better.annual_return.difference == pytest.approx(0.0015 * 365, rel=0.2)
    same = compare_returns(market, market + draws.normal(0, 0.002, 700), 365.0, seed=2)
    assert same.better is None and same.annual_return.low < 0 < same.annual_return.high
    assert compare_returns(market, market, 365.0).sharpe.p_value == 1.0
    again = compare_returns(market, market + 0.001, 365.0, seed=4).document()
    assert again == compare_returns(market, market + 0.001, 365.0, seed=4).document()
    json.dumps(again, allow_nan=False)


def test_chance_alone_is_certain_about_one_time_in_twenty():
    draws = np.random.default_rng(6)
    certain = 0
    for seed in range(120):
        one, two = draws.normal(0, 0.01, (2, 200))
        certain += compare_returns(one, two, 365.0, seed=seed, draws=300).sharpe.certain
    assert 1 <= certain <= 16


def test_runs_are_compared_by_days_and_only_over_the_same_candles(result):
    candles = generated(4_000, HOUR, seed=4)
    dearer = run(candles, cross(candles), RULES, Assumptions(taker_fee=0.004, maker_fee=0.004))
    told = compare(result, dearer, draws=500)
    assert told.days == 167 and told.annual_return.difference < 0
    elsewhere = generated(4_000, HOUR, seed=5)
    with pytest.raises(ValueError, match="different candles"):
        compare(result, run(elsewhere, cross(elsewhere), RULES))
    with pytest.raises(ValueError, match="days"):
        compare(run(candles[:200], cross(candles[:200]), RULES), run(candles[:200], cross(candles[:200]), RULES))
