"""Many sets of parameters played over the same candles, for their quick figures: in threads, or in local processes.

A set the strategy or the rules refuse isn't an error of a search: it is told with the reason, and without figures.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import isfinite
from multiprocessing import get_context
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Candles
from modules.backtesting.metrics import SUMMARY
from modules.backtesting.robustness.subject import Parameters, Subject
from modules.backtesting.statistics import Figure
from modules.backtesting.sweep import sweep
from modules.backtesting.terms import terms_of
from modules.domain.errors import InvalidInput
from modules.strategies.decisions import TradeRules

Figures = dict[str, Figure]
#: The figures of a set: those of a sweep, and CAGR over depth.
FIGURES: Final = (*(SUMMARY.names or ()), "calmar")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one set: its figures, or why it was refused (then every figure is None)."""

    figures: Figures
    refused: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON, for a checkpoint."""
        return {"figures": self.figures, "refused": self.refused}


def outcomes_of(subject: Subject, candles: Candles, sets: Sequence[Parameters], workers: int | None) -> list[Outcome]:
    """What came of every set; figures that aren't defined are None."""
    rules = [_rules_or_reason(subject, each) for each in sets]
    played = [(each, rule) for each, rule in zip(sets, rules, strict=True) if isinstance(rule, TradeRules)]
    told = iter(
        sweep(
            candles,
            lambda n: subject.decide(candles, played[n][0]),
            [rule for _, rule in played],
            subject.assumptions,
            workers=workers,
        )
        if played
        else ()
    )
    return [
        Outcome(_figures(next(told))) if isinstance(rule, TradeRules) else Outcome(dict.fromkeys(FIGURES), rule)
        for rule in rules
    ]


def _rules_or_reason(subject: Subject, parameters: Parameters) -> TradeRules | str:
    """The rules of a set, or why there can't be any: the document or the engine refuses it."""
    try:
        rules = subject.rules_for(parameters)
        terms_of(rules, subject.assumptions)
    except (InvalidInput, ValueError) as problem:
        return str(problem)
    return rules


def _figures(row: np.void) -> Figures:
    values: Figures = {}
    for name, value in zip(row.dtype.names or (), row.item(), strict=True):
        values[name] = value if isinstance(value, int) or isfinite(value) else None
    growth, depth = values["cagr"], values["max_drawdown"]
    values["calmar"] = growth / -depth if growth is not None and depth is not None and depth < 0 else None
    return values


Batches = Sequence[Sequence[Parameters]]


def in_threads(
    subject: Subject, candles: Candles, batches: Batches, workers: int | None
) -> Generator[list[Outcome], None, None]:
    """Batch after batch, each on so many threads (None: all cores)."""
    for batch in batches:
        yield outcomes_of(subject, candles, batch, workers)


_HELD: dict[str, tuple[Subject, Candles]] = {}


def _hold(subject: Subject, candles: Candles) -> None:
    """What a worker process is given once."""
    _HELD["work"] = (subject, candles)


def _play_held(batch: Sequence[Parameters]) -> list[Outcome]:
    subject, candles = _HELD["work"]
    return outcomes_of(subject, candles, batch, workers=1)


def in_processes(
    subject: Subject, candles: Candles, batches: Batches, processes: int | None
) -> Generator[list[Outcome], None, None]:
    """Batches on so many fresh processes, told in their order. Closing the iterator ends the processes."""
    with ProcessPoolExecutor(processes, get_context("spawn"), _hold, (subject, candles)) as pool:
        try:
            yield from pool.map(_play_held, batches)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
