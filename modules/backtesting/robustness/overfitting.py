"""How much of a search's best result is selection: deflated Sharpe ratio and probability of backtest overfitting.

Sharpe ratios here are per observation (not annualised); kurtosis is the plain one (3 for a normal distribution).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, islice
from math import comb, e, log, sqrt
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Candles, Floats
from modules.backtesting.robustness.subject import Parameters, Progress, Subject, unheard
from modules.backtesting.statistics_equity import last_of_days, returns_of

EULER: Final = 0.5772156649015329
BLOCKS: Final = 16
_NORMAL: Final = NormalDist()
#: Values held at once while combinations are tried.
_AT_ONCE: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Moments:
    """Of a series of returns: their number, Sharpe ratio per observation, skewness and kurtosis."""

    count: int
    sharpe: float
    skewness: float
    kurtosis: float


def moments_of(returns: Floats) -> Moments:
    """Moments of returns. Raises ValueError for less than three, or returns that never change."""
    if len(returns) < 3:
        raise ValueError(f"returns: at least three are needed, got {len(returns)}")
    centred = returns - returns.mean()
    variance = float(np.mean(centred**2))
    if not variance > 0.0:
        raise ValueError("returns: they never change")
    spread = float(np.std(returns, ddof=1))
    skewness, kurtosis = float(np.mean(centred**3)) / variance**1.5, float(np.mean(centred**4)) / variance**2
    return Moments(len(returns), float(returns.mean()) / spread, skewness, kurtosis)


def probabilistic_sharpe(moments: Moments, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `benchmark` (Bailey and López de Prado 2012)."""
    sharpe = moments.sharpe
    shape = 1.0 - moments.skewness * sharpe + (moments.kurtosis - 1.0) / 4.0 * sharpe * sharpe
    return _NORMAL.cdf((sharpe - benchmark) * sqrt(moments.count - 1) / sqrt(max(shape, 1e-12)))


def expected_best(trials: int, variance: float) -> float:
    """The Sharpe ratio the best of so many trials without skill is expected to show, given the variance between trials.

    Bailey and López de Prado, The Deflated Sharpe Ratio, 2014, equation 1. 0 for a single trial.
    """
    if trials < 2:
        return 0.0
    first, second = _NORMAL.inv_cdf(1.0 - 1.0 / trials), _NORMAL.inv_cdf(1.0 - 1.0 / (trials * e))
    return sqrt(max(variance, 0.0)) * ((1.0 - EULER) * first + EULER * second)


@dataclass(frozen=True, slots=True)
class Deflated:
    """The deflated Sharpe ratio: the probability that the best of `trials` has skill, and what it is made of."""

    probability: float
    sharpe: float
    expected_best: float
    trials: int
    observations: int
    skewness: float
    kurtosis: float

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def deflated_sharpe(moments: Moments, trials: int, variance: float) -> Deflated:
    """Deflated Sharpe ratio of the best of `trials` whose Sharpe ratios (per observation) vary by `variance`."""
    hurdle = expected_best(trials, variance)
    probability = probabilistic_sharpe(moments, hurdle)
    return Deflated(probability, moments.sharpe, hurdle, trials, moments.count, moments.skewness, moments.kurtosis)


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation.

    `probability` is how often the best of one half of the time is below the median in the other half, `loss` how often it
    loses there; `slope` is by how much one more of in-sample Sharpe ratio changed it out of sample.
    """

    probability: float
    loss: float
    slope: float | None
    combinations: int
    blocks: int
    strategies: int
    observations: int

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def backtest_overfitting(returns: Floats, blocks: int = BLOCKS, progress: Progress = unheard) -> Overfitting:
    """Probability of backtest overfitting of the strategies in the columns of `returns` (rows are times).

    Bailey, Borwein, López de Prado and Zhu, The Probability of Backtest Overfitting, 2015: all ways to take half of the
    blocks as in-sample. Rows at the beginning that don't fill a block are left out. Raises ValueError for less than two
    strategies, an odd number of blocks, or blocks of less than two rows.
    """
    rows, strategies = returns.shape
    size = rows // blocks
    if strategies < 2:
        raise ValueError(f"returns: at least two strategies are needed, got {strategies}")
    if blocks < 2 or blocks % 2 or blocks > 24:
        raise ValueError(f"blocks: must be even, from 2 to 24, got {blocks}")
    if size < 2:
        raise ValueError(f"returns: {rows} rows are too few for {blocks} blocks")
    parts = returns[rows - size * blocks :].reshape(blocks, size, strategies)
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    logits, inside, outside, total = list[float](), list[float](), list[float](), comb(blocks, blocks // 2)
    for chosen in _halves(blocks, max(_AT_ONCE // strategies, 1)):
        progress(len(logits) / total)
        first, second = _sharpes(chosen, sums, squares, size), _sharpes(1.0 - chosen, sums, squares, size)
        best = first.argmax(axis=1)
        of_best = second[np.arange(len(best)), best]
        # the mean of the ranks it could have among equals
        below = (second < of_best[:, None]).sum(axis=1) + (second == of_best[:, None]).sum(axis=1) / 2.0 + 0.5
        logits += [log(w / (1.0 - w)) for w in (below / (strategies + 1)).tolist()]
        inside += first[np.arange(len(best)), best].tolist()
        outside += of_best.tolist()
    progress(1.0)
    return Overfitting(
        probability=float(np.mean(np.array(logits) <= 0.0)),
        loss=float(np.mean(np.array(outside) < 0.0)),
        slope=_slope(np.array(inside), np.array(outside)),
        combinations=total,
        blocks=blocks,
        strategies=strategies,
        observations=size * blocks,
    )


def _halves(blocks: int, at_once: int) -> Iterator[Floats]:
    """All ways to choose half of the blocks, as rows of zeros and ones."""
    ways = combinations(range(blocks), blocks // 2)
    while part := list(islice(ways, at_once)):
        chosen = np.zeros((len(part), blocks))
        np.put_along_axis(chosen, np.array(part), 1.0, axis=1)
        yield chosen


def _sharpes(chosen: Floats, sums: Floats, squares: Floats, size: int) -> Floats:
    """Sharpe ratio of every strategy over the chosen blocks, one row per way of choosing; 0 where nothing moves."""
    count = size * chosen.sum(axis=1, keepdims=True)
    total = chosen @ sums
    variance = np.maximum(chosen @ squares - total * total / count, 0.0) / (count - 1.0)
    spread = np.sqrt(variance)
    sharpes: Floats = np.divide(total / count, spread, out=np.zeros_like(total), where=spread > 1e-15)
    return sharpes


def _slope(inside: Floats, outside: Floats) -> float | None:
    """Least squares of the one on the other."""
    centred = inside - inside.mean()
    square = float(centred @ centred)
    return float(centred @ (outside - outside.mean())) / square if square > 1e-18 else None


def daily_matrix(
    subject: Subject, candles: Candles, sets: Sequence[Parameters], progress: Progress = unheard
) -> Floats:
    """Returns of every UTC day (of every bar where those are longer): one row a day, one column per set of parameters."""
    days, columns = last_of_days(candles.timestamp), []
    for number, parameters in enumerate(sets):
        progress(number / len(sets))
        equity = subject.play(candles, parameters).equity
        columns.append(returns_of(equity[days], subject.assumptions.capital))
    progress(1.0)
    return np.stack(columns, axis=1) if columns else np.empty((len(days), 0))


def deflated_of(returns: Floats) -> Deflated:
    """Deflated Sharpe ratio of the best column of a matrix of returns, all columns being trials. Raises as `moments_of`."""
    spread = np.std(returns, axis=0, ddof=1)
    sharpes = np.divide(returns.mean(axis=0), spread, out=np.zeros(returns.shape[1]), where=spread > 0.0)
    best = returns[:, int(sharpes.argmax())]
    variance = float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else 0.0
    return deflated_sharpe(moments_of(best), len(sharpes), variance)
