"""One strategy over one symbol's closed candles: the same costs, margin and exits as paper trading, compiled.

Decisions are made at the close of a bar and carried out from the next open on; `bar` states the order of events inside a
bar. The levels of an open position are followed by the exit kernel that follows live positions.
"""

from __future__ import annotations

import numpy as np

from modules.analysis.candles import Candles, Floats
from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.loop import play
from modules.backtesting.result import Records, Result, result_of
from modules.backtesting.terms import FundingRates, feed_of, terms_of
from modules.strategies.decisions import Decisions, TradeRules
from modules.trading import exit_program as codes

#: Rows of fills to begin with, where the rules could need more; a run that does is repeated with enough.
_MOST_ROOM = 1 << 16


@kernel(borrows=True)
def play_one(
    feed: words.Feed,
    terms: words.Records,
    state: tuple[words.Records, words.Records, words.Records, words.Records, words.Records],
    trades: words.Records,
    fills: words.Records,
    equity: Floats,
    quiet: bool,
) -> None:
    """Play one symbol. `terms` and the arrays of `state` (account, holding, program, bar, events) hold one record each."""
    accounts, holdings, rows, bars, out = state
    accounts[0]["cash"] = terms[0]["capital"]
    book = words.Book(terms[0], accounts[0], holdings[0], rows[0], bars[0], out, trades, fills)
    play(book, feed, equity, quiet)


def run(
    candles: Candles,
    decisions: Decisions,
    rules: TradeRules,
    assumptions: Assumptions | None = None,
    *,
    funding: FundingRates | None = None,
    lower: Candles | None = None,
    quiet: bool = True,
) -> Result:
    """Replay `decisions` over `candles`.

    `funding` goes before the assumed constant rate. `lower` are candles of a lower timeframe of the same symbol: bars they cover
    completely are decided by them. `quiet=False` plays every bar in full, for comparison; the answer is the same.
    Raises ValueError naming what doesn't fit: a column, a rule, an assumption.
    """
    assumed = assumptions or Assumptions()
    feed = feed_of(candles, decisions, assumed, funding, lower)
    terms = np.array([terms_of(rules, assumed, feed.targets.shape[1])])
    equity = np.empty(len(candles))
    trades = np.empty(int(np.count_nonzero(feed.entry)), words.TRADE)
    levels = max(int(terms[0]["levels"]), feed.targets.shape[1])
    room = min(_MOST_ROOM, len(trades) * (2 + levels + len(rules.dca)))
    while True:
        fills = np.empty(room, words.FILL)
        state = blank_state()
        play_one(feed, terms, state, trades, fills, equity, quiet)
        account = state[0][0]
        if account["fills"] <= room:
            break
        room = int(account["fills"])
    told = Records(account, trades, fills, magnified(feed))
    return result_of((candles,), candles.timestamp, equity, told, rules, assumed)


def blank_state() -> tuple[words.Records, words.Records, words.Records, words.Records, words.Records]:
    """Fresh account, holding, exit program, bar and event buffer of one symbol."""
    return (
        np.zeros(1, words.ACCOUNT),
        np.zeros(1, words.HOLDING),
        np.zeros(1, codes.PROGRAM),
        np.zeros(1, words.BAR),
        codes.event_buffer(),
    )


def magnified(feed: words.Feed) -> int:
    """How many bars are decided by candles of a lower timeframe."""
    return int(np.count_nonzero(np.diff(feed.lower_start)))
