"""Where a run's result comes from: by month, symbol, side, weekday, hour and reason of exit. Made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Integers
from modules.backtesting import words
from modules.backtesting.result import Result, reason_of
from modules.backtesting.statistics_equity import DAY_MS, returns_of

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: 1970-01-01 was a Thursday.
_FIRST_WEEKDAY: Final = 3
_HOUR_MS: Final = 3_600_000


def breakdown(result: Result) -> dict[str, list[dict[str, object]]]:
    """Every table: `monthly` and `yearly` returns, and the trades `by_symbol`, `by_side`, `by_weekday`, `by_hour`, `by_exit_reason`.

    Weekday and hour are those of the entry, UTC. Groups without a trade are left out.
    """
    trades = result.trades
    entered = trades["entry_time"]
    weekday = (entered // DAY_MS + _FIRST_WEEKDAY) % 7
    hour = entered // _HOUR_MS % 24
    reasons = {int(code): reason_of(int(code)).value for code in np.unique(trades["reason"])}
    return {
        "monthly": monthly(result),
        "yearly": yearly(result),
        "by_symbol": _groups(trades, trades["symbol"], "symbol", result.symbols),
        "by_side": _groups(trades, -trades["side"], "side", {-1: "long", 1: "short"}),
        "by_weekday": _groups(trades, weekday, "weekday", WEEKDAYS),
        "by_hour": _groups(trades, hour, "hour", range(24)),
        "by_exit_reason": _groups(trades, trades["reason"], "exit_reason", reasons),
    }


def monthly(result: Result) -> list[dict[str, object]]:
    """Return of every UTC month that has bars: `{"year", "month", "return"}`."""
    months, returns = _periods(result, "M")
    return [
        {"year": int(month) // 12 + 1970, "month": int(month) % 12 + 1, "return": float(change)}
        for month, change in zip(months, returns, strict=True)
    ]


def yearly(result: Result) -> list[dict[str, object]]:
    """Return of every UTC year that has bars: `{"year", "return"}`."""
    years, returns = _periods(result, "Y")
    return [{"year": int(year) + 1970, "return": float(r)} for year, r in zip(years, returns, strict=True)]


def _periods(result: Result, unit: str) -> tuple[Integers, Any]:
    """Numbers of the calendar periods since 1970, and the account's return in each."""
    numbers = result.times.astype("datetime64[ms]").astype(f"datetime64[{unit}]").astype(np.int64)
    if not len(numbers):
        return numbers, np.empty(0)
    last = np.append(np.flatnonzero(np.diff(numbers)), len(numbers) - 1)
    return numbers[last], returns_of(result.equity[last], result.assumptions.capital)


def _groups(
    trades: words.Records, keys: Integers, name: str, labels: Sequence[object] | Any
) -> list[dict[str, object]]:
    return [{name: labels[int(key)], **_of_group(trades[keys == key])} for key in np.unique(keys)]


def _of_group(trades: words.Records) -> dict[str, object]:
    """What one group of at least one trade earned."""
    pnl, multiples = trades["pnl"], trades["r_multiple"]
    won, lost = float(pnl[pnl > 0].sum()), float(-pnl[pnl <= 0].sum())
    multiples = multiples[~np.isnan(multiples)]
    return {
        "trades": len(trades),
        "net_profit": float(pnl.sum()),
        "win_rate": float(np.mean(pnl > 0)),
        "profit_factor": won / lost if lost > 0 else None,
        "expectancy": float(pnl.mean()),
        "average_return": float(trades["return"].mean()),
        "average_r": float(multiples.mean()) if len(multiples) else None,
        "fees": float(trades["fees"].sum()),
    }
