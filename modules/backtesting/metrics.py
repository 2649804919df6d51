"""The figures a search needs of every run, computed where the run is: one record per run, nothing else kept.

Returns are per bar, annualised for a market that trades 365 days a year. Volatility is the sample's (n - 1), downside
deviation counts all bars, drawdown is negative, as in the usual libraries. A figure that is not defined (no trade, no
loss, no movement) is NaN, or infinite where only the divisor is missing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from modules.analysis.candles import Floats
from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.backtesting.result import Result

YEAR_MS: Final = 365 * 86_400_000

SUMMARY = np.dtype(
    [
        ("final_equity", "f8"),
        ("total_return", "f8"),
        ("cagr", "f8"),
        ("sharpe", "f8"),
        ("sortino", "f8"),
        ("max_drawdown", "f8"),
        ("profit_factor", "f8"),
        ("win_rate", "f8"),
        ("trades", "i8"),
        ("expectancy", "f8"),  # mean profit of a trade, quote currency
        ("exposure", "f8"),  # share of the bars in which a position was held
        ("fees", "f8"),
        ("funding", "f8"),
        ("turnover", "f8"),
    ]
)


@kernel(borrows=True)
def _from_equity(equity: Floats, capital: float, bars_a_year: float, told: np.void) -> None:
    count = equity.shape[0]
    total, squares, below, before, peak, deepest, floor = 0.0, 0.0, 0.0, capital, capital, 0.0, capital
    for at in range(count):
        now = equity[at]
        if now == before:
            continue
        change = now / before - 1.0 if before > 0.0 else 0.0
        total += change
        down = min(change, 0.0)
        squares += change * change
        below += down * down
        peak = max(peak, now)
        if now <= floor or now == peak:  # spares a division where the depth can't be a new one
            deepest = min(deepest, now / peak - 1.0)
            floor = peak * (1.0 + deepest) * (1.0 + 1e-12)
        before = now
    final = before
    mean = total / count if count > 0 else 0.0
    spread = np.sqrt(max(squares - count * mean * mean, 0.0) / (count - 1)) if count > 1 else 0.0
    downside = np.sqrt(below / count) if count > 0 else 0.0
    told["final_equity"] = final
    told["total_return"] = final / capital - 1.0
    told["max_drawdown"] = deepest
    told["sharpe"] = mean / spread * np.sqrt(bars_a_year) if spread > 0.0 else np.nan
    told["sortino"] = mean / downside * np.sqrt(bars_a_year) if downside > 0.0 else np.nan
    years = count / bars_a_year
    told["cagr"] = np.nan
    if years > 0.0:
        told["cagr"] = (final / capital) ** (1.0 / years) - 1.0 if final > 0.0 else -1.0


@kernel(borrows=True)
def _from_trades(trades: words.Records, count: int, told: np.void) -> None:
    won, lost, wins = 0.0, 0.0, 0
    for number in range(count):
        pnl = trades[number]["pnl"]
        if pnl > 0.0:
            won += pnl
            wins += 1
        else:
            lost -= pnl
    told["trades"] = count
    told["win_rate"] = wins / count if count > 0 else np.nan
    told["expectancy"] = (won - lost) / count if count > 0 else np.nan
    told["profit_factor"] = np.nan
    if lost > 0.0:
        told["profit_factor"] = won / lost
    elif won > 0.0:
        told["profit_factor"] = np.inf


@kernel(borrows=True)
def summarise(
    equity: Floats, trades: words.Records, account: np.void, money: tuple[float, float], told: np.void
) -> None:
    """Fill a `SUMMARY` record from a finished run; `money` is (capital, bars a year)."""
    capital, bars_a_year = money
    _from_equity(equity, capital, bars_a_year, told)
    _from_trades(trades, account["trades"], told)
    told["exposure"] = account["bars_held"] / equity.shape[0] if equity.shape[0] > 0 else np.nan
    told["fees"] = account["fees"]
    told["funding"] = account["funding"]
    told["turnover"] = account["turnover"]


@kernel(borrows=True)
def _summarise_one(
    equity: Floats, trades: words.Records, accounts: words.Records, money: tuple[float, float], told: words.Records
) -> None:
    summarise(equity, trades, accounts[0], money, told[0])


def bars_a_year(timeframe_ms: int) -> float:
    """How many bars of a timeframe a year has."""
    return YEAR_MS / timeframe_ms


def summary(result: Result) -> dict[str, float]:
    """The quick figures of a finished run, by the names of `SUMMARY`."""
    account = np.zeros(1, words.ACCOUNT)
    account["trades"], account["bars_held"] = len(result.trades), result.bars_held
    account["fees"], account["funding"], account["turnover"] = result.fees, result.funding, result.turnover
    told = np.zeros(1, SUMMARY)
    money = (result.assumptions.capital, bars_a_year(result.timeframe_ms))
    _summarise_one(result.equity, result.trades, account, money, told)
    return {name: told[name][0].item() for name in SUMMARY.names or ()}
