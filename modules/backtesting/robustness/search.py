"""Search for parameters: every set of a grid, sets at random, or where a model expects more (`tree_search`).

Each set is one backtest, of which the quick figures are kept. A search tells how far it is, can be stopped and gone on with,
and its best set is never told alone: its neighbours, and what luck would have found, belong to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Candles
from modules.backtesting.robustness.checkpoint import Checkpoint
from modules.backtesting.robustness.evaluation import FIGURES as FIGURES
from modules.backtesting.robustness.evaluation import in_processes, in_threads
from modules.backtesting.robustness.overfitting import backtest_overfitting, daily_matrix, deflated_sharpe, moments_of
from modules.backtesting.robustness.subject import Parameters, Progress, Subject, unheard
from modules.backtesting.statistics import Figure

#: Sets between two looks at the checkpoint.
_BATCH: Final = 16
_MOST_JUDGED: Final = 200


@dataclass(frozen=True, slots=True)
class Objective:
    """What makes a set good: a figure of `evaluation.FIGURES` with at least so many trades.

    More is better, but for what is paid or bound (fees, funding, turnover, exposure); a drawdown is negative already.
    """

    figure: str = "sharpe"
    min_trades: int = 10

    def __post_init__(self) -> None:
        """Raises ValueError for a figure that isn't known."""
        if self.figure not in FIGURES:
            raise ValueError(f"figure: must be one of {', '.join(FIGURES)}, got {self.figure}")

    def score(self, figures: Mapping[str, Figure]) -> float | None:
        """How good, more is better; None for a set with too few trades or without the figure."""
        value, trades = figures[self.figure], figures["trades"]
        if value is None or trades is None or trades < self.min_trades:
            return None
        return -value if self.figure in ("fees", "funding", "turnover", "exposure") else float(value)


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters and what it did, or why the strategy can't have it (`refused`)."""

    number: int
    parameters: dict[str, Any]
    figures: dict[str, Figure]
    score: float | None
    refused: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"number": self.number, "parameters": self.parameters, "figures": self.figures, "score": self.score}


@dataclass(frozen=True, slots=True)
class Search:
    """A finished search, its trials in the order they were made."""

    objective: Objective
    trials: tuple[Trial, ...]

    @property
    def ranked(self) -> list[Trial]:
        """Trials with a score, the best first; of equals the earlier one."""
        scored = [(trial.score, trial) for trial in self.trials if trial.score is not None]
        return [trial for _, trial in sorted(scored, key=lambda pair: (-pair[0], pair[1].number))]

    @property
    def best(self) -> Trial | None:
        return next(iter(self.ranked), None)

    def document(self, shown: int = 100) -> dict[str, Any]:
        """As JSON, with the best so many trials."""
        best = self.best
        return {
            "objective": self.objective.figure,
            "min_trades": self.objective.min_trades,
            "trials": len(self.trials),
            "scored": len(self.ranked),
            "refused": [{"parameters": t.parameters, "reason": t.refused} for t in self.trials if t.refused][:shown],
            "best": best.document() if best else None,
            "stability": stability(self),
            "ranking": [trial.document() for trial in self.ranked[:shown]],
        }


def search(
    subject: Subject,
    candles: Candles,
    sets: Sequence[Parameters],
    objective: Objective | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    processes: int = 0,
    workers: int | None = None,
    progress: Progress = unheard,
) -> Search:
    """Try all `sets`, in threads of this process, or in so many local `processes` (the subject must then be importable).

    What the checkpoint holds isn't tried again. The outcome doesn't depend on how the work was divided.
    """
    asked = objective or Objective()
    known: dict[str, Any] = dict(checkpoint.done) if checkpoint else {}
    keys = [_key(each) for each in sets]
    left = [number for number, key in enumerate(keys) if key not in known]
    batches = [left[start : start + _BATCH] for start in range(0, len(left), _BATCH)]
    done = len(sets) - len(left)
    progress(done / len(sets) if sets else 1.0)
    played = in_processes if processes else in_threads
    chosen = [[sets[n] for n in batch] for batch in batches]
    with closing(played(subject, candles, chosen, processes or workers)) as told:
        for batch, outcomes in zip(batches, told, strict=True):
            finished = {keys[number]: each.document() for number, each in zip(batch, outcomes, strict=True)}
            known.update(finished)
            if checkpoint:
                checkpoint.keep(finished)
            done += len(batch)
            progress(done / len(sets))
    return Search(asked, tuple(_trial(n, each, known[keys[n]], asked) for n, each in enumerate(sets)))


def _key(parameters: Parameters) -> str:
    return json.dumps(dict(parameters), sort_keys=True, default=repr)


def _trial(number: int, parameters: Parameters, kept: Mapping[str, Any], objective: Objective) -> Trial:
    figures: dict[str, Figure] = kept["figures"]
    return Trial(number, dict(parameters), figures, objective.score(figures), kept["refused"])


def stability(found: Search) -> float | None:
    """How much of the best score its nearest neighbours keep: 1 on a plateau, 0 on a needle; None without neighbours.

    The median score of twice as many neighbours as there are parameters, over the best score; distances are counted in
    ranks of the values tried. A neighbour without a score counts as nothing.
    """
    best, trials = found.best, found.trials
    if best is None or best.score is None or best.score <= 0 or len(trials) < 3:
        return None
    others = [trial for trial in trials if trial.parameters != best.parameters]
    if not others:
        return None
    places = {name: _ranks([trial.parameters[name] for trial in trials]) for name in best.parameters}

    def distance(trial: Trial) -> float:
        return sum((places[n][trial.parameters[n]] - places[n][best.parameters[n]]) ** 2 for n in places)

    near = sorted(others, key=lambda trial: (distance(trial), trial.number))[: 2 * len(places)]
    kept = float(np.median([max(trial.score or 0.0, 0.0) for trial in near]))
    return min(kept / best.score, 1.0)


def _ranks(values: Sequence[Any]) -> dict[Any, float]:
    ordered: Callable[[Any], Any] = lambda value: (isinstance(value, str), value)  # noqa: E731
    distinct = sorted(set(values), key=ordered)
    return {value: place / max(len(distinct) - 1, 1) for place, value in enumerate(distinct)}


def heat_map(found: Search, across: str, down: str) -> dict[str, Any]:
    """Mean score for every pair of values of two parameters; None where no set with a score has them."""
    columns, rows = (list(_ranks([trial.parameters[name] for trial in found.trials])) for name in (across, down))
    cells: dict[tuple[Any, Any], list[float]] = {}
    for trial in found.trials:
        if trial.score is not None:
            cells.setdefault((trial.parameters[across], trial.parameters[down]), []).append(trial.score)
    scores = [[float(np.mean(cells[x, y])) if (x, y) in cells else None for x in columns] for y in rows]
    return {"across": across, "down": down, "across_values": columns, "down_values": rows, "scores": scores}


def luck(
    subject: Subject,
    candles: Candles,
    found: Search,
    *,
    most: int = _MOST_JUDGED,
    seed: int = 1,
    progress: Progress = unheard,
) -> dict[str, Any]:
    """What selection made of the best: `{"deflated_sharpe", "overfitting"}`, either None where the data don't suffice.

    Returns of days are looked at. Of more than `most` trials the best and others at random are played again; the number of
    trials that counts against the best is always that of all.
    """
    ranked = found.ranked
    if not ranked:
        return {"deflated_sharpe": None, "overfitting": None}
    others = [trial for trial in found.trials if trial is not ranked[0] and trial.refused is None]
    tried = len(others) + 1
    if len(others) >= most:
        draws = np.random.Generator(np.random.PCG64(seed))
        others = [others[n] for n in sorted(draws.choice(len(others), most - 1, replace=False).tolist())]
    sets = [trial.parameters for trial in (ranked[0], *others)]
    returns = daily_matrix(subject, candles, sets, lambda share: progress(share * 0.8))
    spread = np.std(returns, axis=0, ddof=1) if len(returns) > 1 else np.zeros(returns.shape[1])
    sharpes = np.divide(returns.mean(axis=0), spread, out=np.zeros(len(sets)), where=spread > 0.0)
    variance = float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else 0.0
    deflated = overfitting = None
    if len(returns) > 2 and spread[0] > 0.0:
        deflated = deflated_sharpe(moments_of(returns[:, 0]), tried, variance).document()
    blocks = min(16, len(returns) // 4 * 2)
    if len(sets) > 1 and blocks >= 4:
        overfitting = backtest_overfitting(returns, blocks, lambda share: progress(0.8 + share * 0.2)).document()
    progress(1.0)
    return {"deflated_sharpe": deflated, "overfitting": overfitting}
