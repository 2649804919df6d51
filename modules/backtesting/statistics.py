"""The figures of a finished run: the complete list of what a result calls its metrics.

`metrics_of` answers all of them at once, by one walk over the equity and one over the trades. Money is in quote currency,
returns and depths are fractions, losses are negative. Returns are per bar and annualised by the timeframe for a market
that trades 365 days a year, without a risk-free rate; value at risk is that of a UTC day. A figure that is not defined
(no trade, no loss, no movement) is None, never infinite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Final

import numpy as np

from modules.analysis.candles import Floats
from modules.backtesting.metrics import bars_a_year
from modules.backtesting.result import Result
from modules.backtesting.statistics_equity import DAY_MS, last_of_days, returns_of, sums_of, value_at_risk
from modules.backtesting.statistics_trades import tally_of

Figure = float | int | None
_ROUNDING: Final = 1e-12

#: Every figure and what it means, in the order they are shown.
MEANINGS: Final[Mapping[str, str]] = {
    "final_equity": "Account value after the last bar.",
    "net_profit": "Final equity less the capital.",
    "total_return": "Net profit as a fraction of the capital.",
    "annual_return": "Mean return of a bar times the bars of a year (simple).",
    "cagr": "Compound annual growth rate: the yearly growth that gives the total return.",
    "volatility": "Standard deviation of the bars' returns (n - 1), annualised.",
    "downside_volatility": "Root mean square of the negative returns over all bars, annualised.",
    "sharpe": "Mean return over volatility, annualised.",
    "sortino": "Mean return over downside volatility, annualised.",
    "calmar": "CAGR over the depth of the deepest drawdown.",
    "omega": "Sum of the gains of all bars over the sum of their losses.",
    "max_drawdown": "Deepest fall below a peak, as a fraction of the peak.",
    "max_drawdown_value": "Largest fall below a peak in quote currency.",
    "max_drawdown_bars": "Bars from the peak of the deepest fall to its recovery, or to the end.",
    "max_drawdown_days": "The same in days.",
    "longest_drawdown_bars": "Longest time below a peak, in bars.",
    "recovery_factor": "Net profit over the largest fall in quote currency.",
    "ulcer_index": "Root mean square of the depth below the peak over all bars.",
    "value_at_risk": "Return of a day that one day in twenty falls below.",
    "conditional_value_at_risk": "Mean return of the worst twentieth of the days.",
    "exposure": "Share of the bars in which a position was held.",
    "trades": "Closed trades.",
    "long_trades": "Trades that bought first.",
    "short_trades": "Trades that sold first.",
    "win_rate": "Share of the trades whose profit after all costs is above zero.",
    "profit_factor": "Sum of the profits over the sum of the losses.",
    "expectancy": "Mean profit of a trade.",
    "average_win": "Mean profit of the winning trades.",
    "average_loss": "Mean loss of the others (negative).",
    "best_trade": "Largest profit of one trade.",
    "worst_trade": "Largest loss of one trade.",
    "average_trade_return": "Mean return of a trade on its value at entry.",
    "best_trade_return": "Best return of one trade.",
    "worst_trade_return": "Worst return of one trade.",
    "payoff": "Average win over the average loss.",
    "kelly": "Fraction of the capital the Kelly criterion would risk: win rate - loss rate / payoff.",
    "system_quality": "Root of the number of trades times mean over standard deviation of their profits (SQN).",
    "average_r": "Mean result of a trade in multiples of what its first stop risked.",
    "total_r": "Sum of those multiples.",
    "r_trades": "Trades that had a stop, and so a multiple.",
    "consecutive_wins": "Longest run of winning trades.",
    "consecutive_losses": "Longest run of the others.",
    "average_bars": "Mean number of bars a trade lasted, both ends included.",
    "average_bars_won": "The same of the winning trades.",
    "average_bars_lost": "The same of the others.",
    "longest_bars": "Bars of the longest trade.",
    "shortest_bars": "Bars of the shortest trade.",
    "average_holding_hours": "Mean time between the bars of entry and exit.",
    "average_mae": "Mean of how far trades ran against their entry (maximum adverse excursion).",
    "worst_mae": "The worst of them.",
    "average_mfe": "Mean of how far trades ran in favour (maximum favourable excursion).",
    "best_mfe": "The best of them.",
    "turnover": "Value of all fills.",
    "turnover_ratio": "Turnover over the capital.",
    "fees": "Fees paid.",
    "funding": "Funding paid; negative is received.",
}


@dataclass(frozen=True, slots=True)
class CurveFigures:
    """Figures that any equity curve has, an account's as well as a benchmark's; NaN where they are not defined."""

    final: float
    total_return: float
    annual_return: float
    cagr: float
    volatility: float
    downside_volatility: float
    sharpe: float
    sortino: float
    calmar: float
    omega: float
    max_drawdown: float
    max_drawdown_value: float
    max_drawdown_bars: int
    longest_drawdown_bars: int
    ulcer_index: float


def curve_figures(equity: Floats, capital: float, year: float) -> CurveFigures:
    """Figures of a curve that began at `capital`; `year` is how many bars a year has."""
    sums, count = sums_of(equity, capital), len(equity)
    total, squares = float(sums["total"]), float(sums["squares"])
    mean = total / count if count else np.nan
    spread = _deviation(squares, mean, count)
    downside = sqrt(float(sums["below"]) / count) if count else np.nan
    final, depth, lost = float(sums["last"]), float(sums["max_drawdown"]), float(sums["lost"])
    cagr = _growth(final / capital, count / year)
    return CurveFigures(
        final=final,
        total_return=final / capital - 1.0,
        annual_return=mean * year,
        cagr=cagr,
        volatility=spread * sqrt(year),
        downside_volatility=downside * sqrt(year),
        sharpe=_over(mean * sqrt(year), spread),
        sortino=_over(mean * sqrt(year), downside),
        calmar=_over(cagr, -depth),
        omega=_over(total - lost, -lost),
        max_drawdown=depth,
        max_drawdown_value=float(sums["max_drawdown_value"]),
        max_drawdown_bars=int(sums["drawdown_to"] - sums["drawdown_from"]),
        longest_drawdown_bars=int(sums["longest"]),
        ulcer_index=sqrt(float(sums["deeper"]) / count) if count else np.nan,
    )


def metrics_of(result: Result) -> dict[str, Figure]:
    """All figures of `MEANINGS`, in that order; what is not defined is None."""
    capital = result.assumptions.capital
    curve = curve_figures(result.equity, capital, bars_a_year(result.timeframe_ms))
    told = _from_curve(curve, capital, result.timeframe_ms) | _from_days(result) | _from_trades(result)
    told["exposure"] = _over(result.bars_held, len(result.equity))
    told |= {"turnover": result.turnover, "turnover_ratio": result.turnover / capital}
    told |= {"fees": result.fees, "funding": result.funding}
    return {name: _defined(told[name]) for name in MEANINGS}


def _from_curve(curve: CurveFigures, capital: float, timeframe_ms: int) -> dict[str, float]:
    profit = curve.final - capital
    return {
        "final_equity": curve.final,
        "net_profit": profit,
        "total_return": curve.total_return,
        "annual_return": curve.annual_return,
        "cagr": curve.cagr,
        "volatility": curve.volatility,
        "downside_volatility": curve.downside_volatility,
        "sharpe": curve.sharpe,
        "sortino": curve.sortino,
        "calmar": curve.calmar,
        "omega": curve.omega,
        "max_drawdown": curve.max_drawdown,
        "max_drawdown_value": curve.max_drawdown_value,
        "max_drawdown_bars": curve.max_drawdown_bars,
        "max_drawdown_days": curve.max_drawdown_bars * timeframe_ms / DAY_MS,
        "longest_drawdown_bars": curve.longest_drawdown_bars,
        "recovery_factor": _over(profit, curve.max_drawdown_value),
        "ulcer_index": curve.ulcer_index,
    }


def daily_returns(result: Result) -> Floats:
    """The account's return of every UTC day that has bars (of every bar, where bars are longer than a day)."""
    return returns_of(result.equity[last_of_days(result.times)], result.assumptions.capital)


def _from_days(result: Result) -> dict[str, float]:
    at_risk, beyond = value_at_risk(daily_returns(result))
    return {"value_at_risk": at_risk, "conditional_value_at_risk": beyond}


def _from_trades(result: Result) -> dict[str, float]:
    tally = tally_of(result.trades)
    # Python's own numbers: arithmetic on numpy's scalars costs ten times as much.
    counted: dict[str, float] = dict(zip(tally.dtype.names or (), tally.item(), strict=True))
    count, wins, won, lost = counted["trades"], counted["wins"], counted["won"], counted["lost"]
    losses = count - wins
    mean = _over(won - lost, count)
    average_win, average_loss = _over(won, wins), _over(-lost, losses)
    payoff, rate = _over(average_win, -average_loss), _over(wins, count)
    spread = _deviation(counted["squares"], mean, count)
    none = np.nan if not count else 0.0
    return {
        "trades": count,
        "long_trades": counted["longs"],
        "short_trades": count - counted["longs"],
        "win_rate": rate,
        "profit_factor": _over(won, lost),
        "expectancy": mean,
        "average_win": average_win,
        "average_loss": average_loss,
        "best_trade": counted["best"] + none,
        "worst_trade": counted["worst"] + none,
        "average_trade_return": _over(counted["returns"], count),
        "best_trade_return": counted["best_return"] + none,
        "worst_trade_return": counted["worst_return"] + none,
        "payoff": payoff,
        "kelly": rate - _over(1.0 - rate, payoff),
        "system_quality": _over(sqrt(count) * mean, spread),
        "average_r": _over(counted["r_sum"], counted["with_stop"]),
        "total_r": counted["r_sum"] if counted["with_stop"] else np.nan,
        "r_trades": counted["with_stop"],
        "consecutive_wins": counted["winning_run"],
        "consecutive_losses": counted["losing_run"],
    } | _from_courses(counted)


def _from_courses(counted: Mapping[str, float]) -> dict[str, float]:
    """Holding times and excursions."""
    count, wins = counted["trades"], counted["wins"]
    none = np.nan if not count else 0
    return {
        "average_bars": _over(counted["bars"], count),
        "average_bars_won": _over(counted["winning_bars"], wins),
        "average_bars_lost": _over(counted["bars"] - counted["winning_bars"], count - wins),
        "longest_bars": counted["longest"] + none,
        "shortest_bars": counted["shortest"] + none,
        "average_holding_hours": _over(counted["held_ms"] / 3_600_000, count),
        "average_mae": _over(counted["mae"], count),
        "worst_mae": counted["worst_mae"] + none,
        "average_mfe": _over(counted["mfe"], count),
        "best_mfe": counted["best_mfe"] + none,
    }


def _growth(factor: float, years: float) -> float:
    """Yearly growth that gives `factor` in so many years; -1 where nothing is left."""
    if not years > 0.0:
        return np.nan
    if not factor > 0.0:
        return -1.0
    try:
        return float(factor ** (1.0 / years)) - 1.0
    except OverflowError:
        return np.nan  # minutes of a gain raised to a whole year are no figure


def _deviation(squares: float, mean: float, count: float) -> float:
    """Sample deviation from a sum of squares; 0 where rounding is all that is left of it."""
    if not count > 1:
        return np.nan
    rest = squares - count * mean * mean
    return sqrt(rest / (count - 1)) if rest > squares * _ROUNDING else 0.0


def _over(value: float, divisor: float) -> float:
    """A ratio; NaN where the divisor is zero, below, or not defined."""
    return value / divisor if divisor > 0.0 else np.nan


def _defined(value: float) -> Figure:
    """None for what is not defined, whole numbers as they are."""
    if isinstance(value, int):
        return value
    return float(value) if isfinite(value) else None
