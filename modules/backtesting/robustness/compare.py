"""Two versions on the same data: is one better, or was it luck?

The days of both are drawn again together, in blocks, so that what they share cancels out (paired circular block bootstrap,
Politis and Romano 1992). The interval is that of the drawn differences, the p-value asks how often chance alone makes
one as large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Floats
from modules.backtesting.metrics import YEAR_MS
from modules.backtesting.result import Result
from modules.backtesting.robustness.subject import Progress, unheard
from modules.backtesting.statistics_equity import DAY_MS, last_of_days, returns_of

DRAWS: Final = 2_000
FEWEST_DAYS: Final = 10
_TURN: Final = 200
_CERTAIN: Final = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """B less A of one figure: as it was, the 95 % interval, and the two-sided p-value of no difference."""

    first: float
    second: float
    low: float
    high: float
    p_value: float

    @property
    def difference(self) -> float:
        return self.second - self.first

    @property
    def certain(self) -> bool:
        """Whether chance explains it less than one time in twenty."""
        return self.p_value < _CERTAIN

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "a": self.first,
            "b": self.second,
            "difference": self.difference,
            "interval": [self.low, self.high],
            "p_value": self.p_value,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Version B against version A over the same days: annualised mean return and annualised Sharpe ratio."""

    annual_return: Difference
    sharpe: Difference
    days: int
    block: int
    draws: int
    seed: int

    @property
    def better(self) -> str | None:
        """`A` or `B` by the Sharpe ratio where that is no luck, else None."""
        if not self.sharpe.certain:
            return None
        return "B" if self.sharpe.difference > 0 else "A"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "annual_return": self.annual_return.document(),
            "sharpe": self.sharpe.document(),
            "better": self.better,
            "days": self.days,
            "block": self.block,
            "draws": self.draws,
            "seed": self.seed,
        }


def compare(
    first: Result, second: Result, *, seed: int = 1, draws: int = DRAWS, progress: Progress = unheard
) -> Comparison:
    """Compare two runs over the same candles. Raises ValueError where the data differ or cover less than ten days."""
    if first.data_hash != second.data_hash:
        raise ValueError("data: the two runs are of different candles")
    days = last_of_days(first.times)
    if len(days) < FEWEST_DAYS:
        raise ValueError(f"data: {len(days)} days are too few to compare, at least {FEWEST_DAYS} are needed")
    one, two = (returns_of(each.equity[days], each.assumptions.capital) for each in (first, second))
    return compare_returns(
        one, two, YEAR_MS / max(first.timeframe_ms, DAY_MS), seed=seed, draws=draws, progress=progress
    )


def compare_returns(
    one: Floats, two: Floats, year: float, *, seed: int = 1, draws: int = DRAWS, progress: Progress = unheard
) -> Comparison:
    """Compare paired returns; `year` is how many of them a year has. The same seed gives the same answer."""
    count = len(one)
    block = max(round(count ** (1 / 3)), 1)
    generator = np.random.Generator(np.random.PCG64(seed))
    means, sharpes = np.empty(draws), np.empty(draws)
    for start in range(0, draws, _TURN):
        progress(start / draws)
        end = min(start + _TURN, draws)
        starts = generator.integers(0, count, (end - start, -(-count // block)))
        rows = ((starts[:, :, None] + np.arange(block)) % count).reshape(end - start, -1)[:, :count]
        means[start:end] = _mean(two[rows]) - _mean(one[rows])
        sharpes[start:end] = _sharpe(two[rows]) - _sharpe(one[rows])
    progress(1.0)
    return Comparison(
        annual_return=_difference(_mean, (one, two), means, year),
        sharpe=_difference(_sharpe, (one, two), sharpes, sqrt(year)),
        days=count,
        block=block,
        draws=draws,
        seed=seed,
    )


def _mean(returns: Floats) -> Floats:
    return np.asarray(returns.mean(axis=-1))


def _sharpe(returns: Floats) -> Floats:
    """Per observation; 0 for returns that never change."""
    spread = np.asarray(returns.std(axis=-1, ddof=1))
    mean = np.asarray(returns.mean(axis=-1))
    sharpes: Floats = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 1e-15)
    return sharpes


def _difference(
    figure: Callable[[Floats], Floats], pair: tuple[Floats, Floats], drawn: Floats, scale: float
) -> Difference:
    first, second = float(figure(pair[0])), float(figure(pair[1]))
    seen = second - first
    low, high = np.percentile(drawn, (2.5, 97.5))
    # Drawn differences scatter around the one that was seen; without a difference they would scatter around zero.
    by_chance = int(np.count_nonzero(np.abs(drawn - seen) >= abs(seen)))
    p_value = 1.0 if seen == 0.0 else (by_chance + 1) / (len(drawn) + 1)
    return Difference(first * scale, second * scale, float(low) * scale, float(high) * scale, p_value)
