"""The loop over one symbol's bars: stretches in which nothing can happen are walked through, the rest is played.

A stretch with a position is quiet while no bar touches the stop, a target, a rung or the liquidation price, makes a
new extreme a trailing stop would follow, or carries a signal: the exit kernel would say nothing there. `quiet=False`
plays every bar, and properties compare the two.
"""

from __future__ import annotations

import numpy as np

from modules.analysis.candles import Floats
from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.backtesting.bar import decide, enter_at_open, leave_at_open, profit_of, read_bar, through_bar
from modules.backtesting.leaving import close_all
from modules.trading import exit_program as codes


@kernel(inline=True, borrows=True)
def _bounds(book: words.Book) -> tuple[float, float]:
    """(below, above): a bar whose low is above the first and whose high is below the second changes nothing."""
    holding, row = book.holding, book.row
    if row["trail_kind"] == codes.TRAIL_ATR:
        return np.inf, 0.0  # moves with the average true range, so every bar counts
    direction = holding["direction"]
    against, ahead = -np.inf, np.inf
    if row["stop"] > 0.0:
        against = row["stop"] * direction
    if holding["liquidation"] > 0.0:
        against = max(against, holding["liquidation"] * direction)
    if holding["rung_price"] > 0.0:
        against = max(against, holding["rung_price"] * direction)
    for index in range(row["levels"]):
        if row["touched"][index] == 0:
            ahead = min(ahead, row["target"][index] * direction)
    if row["trail_kind"] != codes.TRAIL_NONE:
        ahead = min(ahead, np.nextafter(row["best"] * direction, np.inf))
    if direction > 0:
        return against, ahead
    return -ahead, -against


@kernel(inline=True, borrows=True)
def _quiet_stretch(book: words.Book, feed: words.Feed, equity: Floats, start: int, end: int) -> int:
    """Mark the bars from `start` in which the position just lies there; returns the first that must be played.

    A bar with an exit signal is marked too, and ends the stretch: it is the last one before the bar that is returned.
    """
    account, holding, row = book.account, book.holding, book.row
    below, above = _bounds(book)
    low, high, close, funding = feed.low, feed.high, feed.close, feed.funding
    leave = feed.exit_long if holding["direction"] > 0 else feed.exit_short
    size, average, cash = holding["direction"] * holding["quantity"], holding["average"], account["cash"]
    if row["time_exit_ms"] > 0:
        end = min(end, row["time_exit_ms"] - 1)
    lowest, highest, at, funded = np.inf, -np.inf, start, funding.shape[0] > 0
    while at < end:
        if not (low[at] > below and high[at] < above) or (funded and funding[at] != 0.0):
            break
        lowest, highest = min(lowest, low[at]), max(highest, high[at])
        equity[at] = cash + size * (close[at] - average)
        at += 1
        if leave[at - 1]:
            break
    if at > start:
        long = holding["direction"] > 0
        row["best"] = max(row["best"], highest) if long else min(row["best"], lowest)
        row["worst"] = min(row["worst"], lowest) if long else max(row["worst"], highest)
        account["bars_held"] += at - start
        holding["mark"] = close[at - 1]
    return at


@kernel(inline=True, borrows=True)
def _idle_stretch(feed: words.Feed, equity: Floats, start: int, end: int, cash: float) -> int:
    """Mark the bars from `start` on up to the first with an entry signal; returns the bar after it, or `end`."""
    entry, at = feed.entry, start
    while at < end:
        equity[at] = cash
        at += 1
        if entry[at - 1] != 0:
            break
    return at


@kernel(inline=True, borrows=True)
def _play_bar(book: words.Book, feed: words.Feed, at: int) -> None:
    """One bar by the order of `bar`, without its decisions."""
    account, holding = book.account, book.holding
    before = holding["direction"] != 0
    number = account["trades"]
    read_bar(book.bar, feed, at, at)
    leave_at_open(book)
    account["open_profit"] = 0.0
    enter_at_open(book)
    through_bar(book, feed, at)
    if before or account["trades"] > number:
        account["bars_held"] += 1


@kernel(inline=True, borrows=True)
def _stretch(book: words.Book, feed: words.Feed, equity: Floats, start: int, end: int) -> int:
    """Walk through bars from `start` in which nothing happens but decisions; returns the first that must be played."""
    holding, at = book.holding, start
    if holding["direction"] != 0:
        if holding["leaving"] == 0:
            at = _quiet_stretch(book, feed, equity, start, end)
    elif holding["wanted"] == 0:
        at = _idle_stretch(feed, equity, start, end, book.account["cash"])
    if at > start:
        book.bar["index"] = at - 1
        decide(book, feed, at - 1)
    return at


@kernel(borrows=True)
def play(book: words.Book, feed: words.Feed, equity: Floats, quiet: bool) -> None:
    """Play all bars; what is open at the end is closed at the last close. `equity` gets one value per bar."""
    account, holding, last = book.account, book.holding, feed.open.shape[0] - 1
    at = 0
    while at <= last:
        if quiet:
            at = _stretch(book, feed, equity, at, last)
        _play_bar(book, feed, at)
        if at == last and holding["direction"] != 0:
            close_all(book, feed.close[at], words.END, words.BY_END)
        equity[at] = account["cash"] + profit_of(holding, feed.close[at])
        if at < last:
            decide(book, feed, at)
        at += 1
