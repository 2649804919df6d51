"""Figures of a list of trades, by one walk over their records."""

from __future__ import annotations

from typing import Final

import numpy as np

from modules.analysis.compiled import kernel
from modules.backtesting import words

#: Sums over the trades in the order they began. A trade is won when its profit after fees and funding is above zero.
TALLY = np.dtype(
    [
        ("trades", "i8"),
        ("wins", "i8"),
        ("won", "f8"),  # sum of the profits
        ("lost", "f8"),  # sum of the losses, >= 0
        ("squares", "f8"),  # of profit and loss
        ("best", "f8"),
        ("worst", "f8"),
        ("returns", "f8"),  # sum of the returns on the value at entry
        ("best_return", "f8"),
        ("worst_return", "f8"),
        ("winning_run", "i8"),
        ("losing_run", "i8"),
        ("with_stop", "i8"),  # trades that have an R multiple
        ("r_sum", "f8"),
        ("r_squares", "f8"),
        ("bars", "i8"),
        ("winning_bars", "i8"),
        ("longest", "i8"),
        ("shortest", "i8"),
        ("held_ms", "i8"),
        ("mae", "f8"),
        ("mfe", "f8"),
        ("worst_mae", "f8"),
        ("best_mfe", "f8"),
        ("longs", "i8"),
    ]
)
_NEVER: Final = 1 << 62


@kernel(inline=True, borrows=True)
def _add_money(trade: np.void, tally: np.void) -> bool:
    """Profit, return and R multiple of one trade; whether it was won."""
    pnl, change, multiple = trade["pnl"], trade["return"], trade["r_multiple"]
    won = pnl > 0.0
    if won:
        tally["wins"] += 1
        tally["won"] += pnl
    else:
        tally["lost"] -= pnl
    tally["squares"] += pnl * pnl
    tally["best"] = max(tally["best"], pnl)
    tally["worst"] = min(tally["worst"], pnl)
    tally["returns"] += change
    tally["best_return"] = max(tally["best_return"], change)
    tally["worst_return"] = min(tally["worst_return"], change)
    if not np.isnan(multiple):
        tally["with_stop"] += 1
        tally["r_sum"] += multiple
        tally["r_squares"] += multiple * multiple
    return bool(won)


@kernel(inline=True, borrows=True)
def _add_course(trade: np.void, won: bool, tally: np.void) -> None:
    """How long one trade lasted and how far it ran."""
    bars = trade["exit_bar"] - trade["entry_bar"] + 1
    tally["bars"] += bars
    if won:
        tally["winning_bars"] += bars
    tally["longest"] = max(tally["longest"], bars)
    tally["shortest"] = min(tally["shortest"], bars)
    tally["held_ms"] += trade["exit_time"] - trade["entry_time"]
    mae, mfe = trade["mae"], trade["mfe"]
    tally["mae"] += mae
    tally["mfe"] += mfe
    tally["worst_mae"] = min(tally["worst_mae"], mae)
    tally["best_mfe"] = max(tally["best_mfe"], mfe)
    if trade["side"] > 0:
        tally["longs"] += 1


@kernel(borrows=True)
def _walk_trades(trades: words.Records, told: words.Records) -> None:
    tally, winning, losing = told[0], 0, 0
    for number in range(trades.shape[0]):
        won = _add_money(trades[number], tally)
        _add_course(trades[number], won, tally)
        winning = winning + 1 if won else 0
        losing = 0 if won else losing + 1
        tally["winning_run"] = max(tally["winning_run"], winning)
        tally["losing_run"] = max(tally["losing_run"], losing)


def tally_of(trades: words.Records) -> np.void:
    """The `TALLY` of trades; extremes of none are 0."""
    told = np.zeros(1, TALLY)
    told["trades"] = len(trades)
    if len(trades):
        for name in ("best", "best_return"):
            told[name] = -np.inf
        for name in ("worst", "worst_return"):
            told[name] = np.inf
        told["shortest"] = _NEVER
        _walk_trades(trades, told)
    tally: np.void = told[0]
    return tally
