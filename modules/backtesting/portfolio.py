"""Several symbols over one capital: the same bar as a single run, in the order of time, then of the symbols as given.

At each time all symbols that have a bar there go through one step before any goes through the next: positions whose exit
was signalled are closed and funding is paid; market entries are filled; each bar is played; each is marked and decided
on. Money freed inside a bar is therefore never spent at its open. A symbol's last bar closes its position, and entries
are refused with `no_place` while `max_positions` are held, or `no_money` when nothing is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Candles, Floats, Integers
from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.bar import decide, enter_at_open, leave_at_open, profit_of, read_bar, through_bar
from modules.backtesting.leaving import close_all
from modules.backtesting.result import Records, Result, result_of
from modules.backtesting.terms import FundingRates, feed_of, terms_of
from modules.strategies.decisions import Decisions, TradeRules
from modules.trading import exit_program as codes

_FIRST_ROOM = 1 << 16

# The steps of one moment, in their order.
_OPEN: Final = 0
_ENTER: Final = 1
_INSIDE: Final = 2
_CLOSE: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One symbol of a portfolio: candles, decisions, and what is peculiar to it.

    `assumptions` replace the portfolio's for this symbol's costs, ticks and lots; capital and places are the portfolio's.
    """

    candles: Candles
    decisions: Decisions
    funding: FundingRates | None = None
    lower: Candles | None = None
    assumptions: Assumptions | None = None


#: Per symbol: terms, holdings, programs, bars; then the event buffer, the trades and the fills of all.
Desks = tuple[words.Records, words.Records, words.Records, words.Records, words.Records, words.Records, words.Records]


@kernel(borrows=True)
def _open_profit(holdings: words.Records) -> float:
    profit = 0.0
    for symbol in range(holdings.shape[0]):
        if holdings[symbol]["direction"] != 0:
            profit += profit_of(holdings[symbol], holdings[symbol]["mark"])
    return profit


@kernel(borrows=True)
def _step(step: int, account: np.void, columns: words.Feed, desks: Desks, at: Integers, starts: Integers) -> None:
    """One step of every symbol that has a bar now: those with a row in `at` (the others have -1)."""
    terms, holdings, rows, bars, out, trades, fills = desks
    for symbol in range(at.shape[0]):
        place = at[symbol]
        if place < 0:
            continue
        book = words.Book(terms[symbol], account, holdings[symbol], rows[symbol], bars[symbol], out, trades, fills)
        if step == _OPEN:
            read_bar(book.bar, columns, place, place - starts[symbol])
            leave_at_open(book)
        elif step == _ENTER:
            enter_at_open(book)
        elif step == _INSIDE:
            through_bar(book, columns, place)
        elif place + 1 < starts[symbol + 1]:
            decide(book, columns, place)
        elif book.holding["direction"] != 0:
            close_all(book, columns.close[place], words.END, words.BY_END)


@kernel
def play_together(
    feed: words.Feed, starts: Integers, times: Integers, accounts: words.Records, desks: Desks, equity: Floats
) -> None:
    """Play all symbols; rows `starts[s]` to `starts[s + 1]` of the columns are symbol `s`. `times` are all their open times."""
    account, columns, count = accounts[0], feed, starts.shape[0] - 1
    following, at = starts[:-1].copy(), np.empty(count, np.int64)
    for moment in range(times.shape[0]):
        held, trades = account["held"] > 0, account["trades"]
        for symbol in range(count):
            place = following[symbol]
            at[symbol] = -1
            if place < starts[symbol + 1] and columns.time[place] == times[moment]:
                at[symbol] = place
                following[symbol] += 1
        for step in range(_CLOSE + 1):
            if step == _ENTER:
                account["open_profit"] = _open_profit(desks[1])
            _step(step, account, columns, desks, at, starts)
        if held or account["trades"] > trades:
            account["bars_held"] += 1
        equity[moment] = account["cash"] + _open_profit(desks[1])


def run(
    markets: Sequence[Market],
    rules: TradeRules,
    assumptions: Assumptions | None = None,
) -> Result:
    """Replay all markets over one capital; the result's times are all times at which any of them has a bar.

    Raises ValueError as `engine.run` does, and for no market, a name that comes twice, or timeframes that differ.
    """
    _check(markets)
    assumed = assumptions or Assumptions()
    each = [market.assumptions or assumed for market in markets]
    feeds = [feed_of(m.candles, m.decisions, a, m.funding, m.lower) for m, a in zip(markets, each, strict=True)]
    terms = np.array([terms_of(rules, a, f.targets.shape[1]) for f, a in zip(feeds, each, strict=True)])
    terms["max_positions"] = assumed.max_positions or 0
    feed, starts = _joined(feeds)
    times = np.unique(feed.time)
    equity = np.empty(len(times))
    trades = np.empty(int(np.count_nonzero(feed.entry)), words.TRADE)
    room = _FIRST_ROOM
    while True:
        fills = np.empty(room, words.FILL)
        accounts = np.zeros(1, words.ACCOUNT)
        accounts["cash"] = assumed.capital
        play_together(feed, starts, times, accounts, _desks(terms, trades, fills), equity)
        if accounts[0]["fills"] <= room:
            break
        room = int(accounts[0]["fills"])
    magnified = int(np.count_nonzero(np.diff(feed.lower_start)))
    told = Records(accounts[0], trades, fills, magnified)
    return result_of(tuple(market.candles for market in markets), times, equity, told, rules, assumed)


def _desks(terms: words.Records, trades: words.Records, fills: words.Records) -> Desks:
    count = len(terms)
    holdings = np.zeros(count, words.HOLDING)
    holdings["symbol"] = np.arange(count)
    return (
        terms,
        holdings,
        np.zeros(count, codes.PROGRAM),
        np.zeros(count, words.BAR),
        codes.event_buffer(),
        trades,
        fills,
    )


def _check(markets: Sequence[Market]) -> None:
    if not markets:
        raise ValueError("markets: at least one is needed")
    names = [market.candles.symbol or "" for market in markets]
    for name in names:
        if len(names) > 1 and names.count(name) > 1:
            raise ValueError(f"markets: {name or 'a market without a name'} comes more than once")
    frames = sorted({market.candles.timeframe_ms for market in markets})
    if len(frames) > 1:
        raise ValueError(f"markets: timeframes differ: {frames} ms")


def _joined(feeds: Sequence[words.Feed]) -> tuple[words.Feed, Integers]:
    """All symbols' columns one after the other, and where each begins. An optional column one has is filled for all."""
    sizes = [len(feed.time) for feed in feeds]
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    joined: dict[str, Any] = {}
    for name in words.Feed._fields:
        columns = [getattr(feed, name) for feed in feeds]
        if name == "lower_start":
            joined[name] = _joined_starts(feeds, sizes)
        elif name == "targets":
            joined[name] = _joined_targets(columns, sizes)
        elif name.startswith("lower_") or all(len(column) == size for column, size in zip(columns, sizes, strict=True)):
            joined[name] = np.concatenate(columns)
        elif any(len(column) for column in columns):
            missing = 0.0 if name == "funding" else np.nan
            filled = [c if len(c) == n else np.full(n, missing) for c, n in zip(columns, sizes, strict=True)]
            joined[name] = np.concatenate(filled)
        else:
            joined[name] = np.empty(0)
        joined[name].setflags(write=False)
    return words.Feed(**joined), starts


def _joined_targets(columns: Sequence[Floats], sizes: Sequence[int]) -> Floats:
    width = max(column.shape[1] for column in columns)
    if not width:
        return np.empty((0, 0))
    filled = [np.full((size, width), np.nan) for size in sizes]
    for part, column in zip(filled, columns, strict=True):
        part[: len(column), : column.shape[1]] = column
    return np.concatenate(filled)


def _joined_starts(feeds: Sequence[words.Feed], sizes: Sequence[int]) -> Integers:
    """Where each bar's lower candles lie in the joined columns; empty when no symbol has any."""
    if not any(len(feed.lower_start) for feed in feeds):
        return np.empty(0, np.int64)
    counts = [
        np.diff(feed.lower_start) if len(feed.lower_start) else np.zeros(size, np.int64)
        for feed, size in zip(feeds, sizes, strict=True)
    ]
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate(counts)))).astype(np.int64)
