"""Buy and hold: what the same money would have done in the same market, and how the run moved with it.

The capital is divided equally between the symbols; each is bought at the open of its first bar and sold at the close of its
last, at the assumed taker fee. Between its own bars a symbol keeps the value it was last seen at.
"""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np

from modules.analysis.candles import Floats
from modules.backtesting.metrics import bars_a_year
from modules.backtesting.result import Result
from modules.backtesting.statistics import Figure, curve_figures
from modules.backtesting.statistics_equity import returns_of

BUY_AND_HOLD = "buy_and_hold"
_SHOWN = (
    "total_return",
    "annual_return",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "max_drawdown_bars",
)


def hold_equity(result: Result) -> Floats:
    """The value of the held account at every time of the run; ends with everything sold."""
    assumed = result.assumptions
    share, fee = assumed.capital / len(result.markets), assumed.taker_fee
    total = np.zeros(len(result.times))
    for candles in result.markets:
        if not len(candles):
            total += share
            continue
        quantity = share / (candles.open[0] * (1.0 + fee))
        value = quantity * candles.close
        value[-1] *= 1.0 - fee
        place = np.searchsorted(candles.timestamp, result.times, side="right") - 1
        total += np.where(place >= 0, value[np.maximum(place, 0)], share)
    return total


def alpha_beta(returns: Floats, market: Floats, year: float) -> tuple[float, float]:
    """(Alpha, beta) of returns against the market's, bar by bar; NaN where the market doesn't move.

    Beta is the covariance over the market's variance; alpha is the mean return beta does not explain, compounded over a year
    (Jensen 1968, without a risk-free rate).
    """
    if len(returns) < 2:
        return np.nan, np.nan
    spread = market - market.mean()
    variance = float(spread @ spread)
    if not variance > 0.0:
        return np.nan, np.nan
    beta = float((returns - returns.mean()) @ spread) / variance
    unexplained = float(np.mean(returns - beta * market))
    return _compound(unexplained, year), beta


def _compound(rate: float, periods: float) -> float:
    try:
        return float((1.0 + rate) ** periods) - 1.0 if rate > -1.0 else -1.0
    except OverflowError:
        return np.nan


def benchmark_document(result: Result) -> dict[str, object]:
    """Figures of buy and hold, and the run's alpha, beta, correlation, tracking error and information ratio against it."""
    capital, year = result.assumptions.capital, bars_a_year(result.timeframe_ms)
    held = hold_equity(result)
    figures = curve_figures(held, capital, year)
    returns, market = returns_of(result.equity, capital), returns_of(held, capital)
    alpha, beta = alpha_beta(returns, market, year)
    ahead = returns - market
    error = float(np.std(ahead, ddof=1)) if len(ahead) > 1 else np.nan
    information = float(np.mean(ahead)) / error * sqrt(year) if error > 0.0 else np.nan
    told: dict[str, object] = {"name": BUY_AND_HOLD, "final_equity": figures.final}
    told |= {name: _defined(getattr(figures, name)) for name in _SHOWN}
    told["excess_return"] = _defined(result.final_equity / capital - 1.0 - figures.total_return)
    told |= {"alpha": _defined(alpha), "beta": _defined(beta)}
    told["correlation"] = _defined(_correlation(returns, market))
    told |= {"tracking_error": _defined(error * sqrt(year)), "information_ratio": _defined(information)}
    return told


def _correlation(one: Floats, two: Floats) -> float:
    if len(one) < 2:
        return np.nan
    first, second = one - one.mean(), two - two.mean()
    size = sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / size if size > 0.0 else np.nan


def _defined(value: float) -> Figure:
    if isinstance(value, int):
        return value
    return float(value) if isfinite(value) else None
