"""Many parameter sets over the same candles: figures only, on all cores, in memory for the candles and the figures.

Sets run side by side in threads, outside the interpreter's lock. Each worker has one equity column and one list of
trades, which its next set overwrites; fills are not kept. Decisions that differ between sets are asked for one set at a
time by each worker and dropped after use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

import numpy as np

from modules.analysis.candles import Candles, Floats
from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.loop import play
from modules.backtesting.metrics import SUMMARY, bars_a_year, summarise
from modules.backtesting.terms import FundingRates, feed_of, terms_of
from modules.strategies.decisions import Decisions, TradeRules
from modules.trading import exit_program as codes

#: What one worker writes to: holding, program, bar and events (one record's worth each), trades, fills, equity.
Desk = tuple[words.Records, words.Records, words.Records, words.Records, words.Records, words.Records, Floats]


@kernel(borrows=True)
def play_sets(
    feed: words.Feed, terms: words.Records, accounts: words.Records, desk: Desk, year: float, told: words.Records
) -> None:
    """Play every set of `terms` with a blank record of `accounts` each, and leave its figures in `told`."""
    holdings, rows, bars, out, trades, fills, equity = desk
    holding = holdings[0]
    for number in range(terms.shape[0]):
        term, account = terms[number], accounts[number]
        account["cash"] = term["capital"]
        holding["direction"] = 0
        holding["wanted"] = 0
        holding["leaving"] = 0
        play(words.Book(term, account, holding, rows[0], bars[0], out, trades, fills), feed, equity, True)
        summarise(equity, trades, account, (term["capital"], year), told[number])


class _Desks:
    """One desk per worker, made when it first asks for one."""

    def __init__(self, bars: int) -> None:
        self._bars = bars
        self._free: list[Desk] = []

    def take(self, trades: int) -> Desk:
        """A desk with room for so many trades."""
        try:
            holdings, rows, bars, out, told, fills, equity = self._free.pop()
        except IndexError:
            holdings, rows, bars = np.zeros(1, words.HOLDING), np.zeros(1, codes.PROGRAM), np.zeros(1, words.BAR)
            out, told, fills = codes.event_buffer(), np.empty(0, words.TRADE), np.empty(0, words.FILL)
            equity = np.empty(self._bars)
        if len(told) < trades:
            told = np.empty(trades, words.TRADE)
        return holdings, rows, bars, out, told, fills, equity

    def give_back(self, desk: Desk) -> None:
        self._free.append(desk)


def sweep(
    candles: Candles,
    decisions: Decisions | Callable[[int], Decisions],
    rules: Sequence[TradeRules],
    assumptions: Assumptions | Sequence[Assumptions] | None = None,
    *,
    funding: FundingRates | None = None,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> words.Records:
    """Figures of every set: one `SUMMARY` record per entry of `rules`, in their order.

    `decisions` are shared by all sets, or a function from a set's number to its decisions; it is called from several
    threads. `assumptions` are shared, or one per set. `on_progress` hears how many sets are done. The figures are those of
    `metrics.summary` on the same run, whatever the number of workers. Raises ValueError as `engine.run` does.
    """
    shared = assumptions if isinstance(assumptions, Assumptions) else Assumptions()
    assumed = list(assumptions) if isinstance(assumptions, Sequence) else [shared] * len(rules)
    if len(assumed) != len(rules):
        raise ValueError(f"assumptions: {len(assumed)} for {len(rules)} sets of rules")
    told = np.zeros(len(rules), SUMMARY)
    desks, year = _Desks(len(candles)), bars_a_year(candles.timeframe_ms)

    def play_range(start: int, end: int) -> int:
        """Plays the sets from `start` to `end`, which share their decisions; how many that were."""
        chosen = decisions(start) if callable(decisions) else decisions
        feed = feed_of(candles, chosen, assumed[start], funding)
        columns = feed.targets.shape[1]
        terms = np.array([terms_of(rules[at], assumed[at], columns) for at in range(start, end)])
        desk = desks.take(int(np.count_nonzero(feed.entry)))
        play_sets(feed, terms, np.zeros(end - start, words.ACCOUNT), desk, year, told[start:end])
        desks.give_back(desk)
        return end - start

    _in_threads(play_range, _ranges(assumed, longest=1 if callable(decisions) else 16), workers, on_progress)
    return told


def _ranges(assumed: Sequence[Assumptions], longest: int) -> list[tuple[int, int]]:
    """Neighbouring sets that can be played over one feed: those with the same constant funding rate."""
    ranges: list[tuple[int, int]] = []
    for at, each in enumerate(assumed):
        start = ranges[-1][0] if ranges else at
        if ranges and at - start < longest and assumed[start].funding_rate == each.funding_rate:
            ranges[-1] = (start, at + 1)
        else:
            ranges.append((at, at + 1))
    return ranges


def _in_threads(
    work: Callable[[int, int], int],
    ranges: Sequence[tuple[int, int]],
    workers: int | None,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Run all ranges, at most two waiting per worker; the first error ends the sweep."""
    threads = min(workers or os.cpu_count() or 1, max(len(ranges), 1))
    left, done, running = iter(ranges), 0, set[Future[int]]()
    with ThreadPoolExecutor(threads) as pool:
        running |= {pool.submit(work, *each) for each in islice(left, 2 * threads)}
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            done += sum(each.result() for each in finished)
            running |= {pool.submit(work, *each) for each in islice(left, len(finished))}
            if on_progress is not None:
                on_progress(done)
