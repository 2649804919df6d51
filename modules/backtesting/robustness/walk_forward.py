"""Walk-forward: parameters are chosen on one stretch and traded on the next, again and again.

What the strategy would have earned is only ever taken from bars that the choice has not seen (Pardo 1992). Decisions of a
test stretch are made with the stretch before as history; it begins without a position and with the money that is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Candles
from modules.backtesting.metrics import bars_a_year
from modules.backtesting.result import Result
from modules.backtesting.robustness.checkpoint import Checkpoint
from modules.backtesting.robustness.search import Objective, search
from modules.backtesting.robustness.subject import Parameters, Progress, Subject, unheard
from modules.backtesting.statistics import Figure, metrics_of

_SHOWN: Final = ("total_return", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor")


@dataclass(frozen=True, slots=True)
class Walk:
    """Lengths in bars. Rolling: the training stretch moves along; `anchored`: it always begins at the first bar and grows."""

    train_bars: int
    test_bars: int
    anchored: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError naming the field."""
        for name in ("train_bars", "test_bars"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}: must be at least 2, got {getattr(self, name)}")

    def windows(self, count: int) -> list[Window]:
        """The stretches of so many bars; the last test stretch may be shorter. Raises ValueError where not even one fits."""
        found = []
        for split in range(self.train_bars, count - 1, self.test_bars):
            start = 0 if self.anchored else split - self.train_bars
            found.append(Window(start, split, min(split + self.test_bars, count)))
        if not found:
            raise ValueError(f"train_bars: {count} bars hold no training of {self.train_bars} bars and a test after it")
        return found


@dataclass(frozen=True, slots=True)
class Window:
    """One step: bars from `start` to `split` train, those to `end` test (ends excluded)."""

    start: int
    split: int
    end: int


@dataclass(frozen=True, slots=True)
class Step:
    """What one step chose and did. `chosen` is None where no set had a score; the test then was not traded."""

    window: Window
    chosen: dict[str, Any] | None
    inside: Mapping[str, Figure]
    outside: Mapping[str, Figure]

    def document(self, candles: Candles) -> dict[str, Any]:
        """As JSON; times are open times of the first bars, `to` that of the last."""
        times, window = candles.timestamp, self.window
        return {
            "train_from": int(times[window.start]),
            "test_from": int(times[window.split]),
            "test_to": int(times[window.end - 1]),
            "parameters": self.chosen,
            "in_sample": {name: self.inside.get(name) for name in _SHOWN},
            "out_of_sample": {name: self.outside.get(name) for name in _SHOWN},
        }


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """A finished walk: its steps, and all tests joined to one run over bars no choice has seen."""

    walk: Walk
    objective: Objective
    steps: tuple[Step, ...]
    candles: Candles
    joined: Result

    @property
    def efficiency(self) -> float | None:
        """Yearly return of the tests over that of the trainings; None where the trainings lost."""
        year = bars_a_year(self.candles.timeframe_ms)
        inside = [_yearly(s.inside, s.window.split - s.window.start, year) for s in self.steps]
        outside = [_yearly(s.outside, s.window.end - s.window.split, year) for s in self.steps]
        trained = float(np.mean(inside))
        return float(np.mean(outside)) / trained if trained > 0 else None

    @property
    def profitable(self) -> float:
        """Share of the tests that earned something."""
        return float(np.mean([(step.outside.get("total_return") or 0.0) > 0 for step in self.steps]))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "train_bars": self.walk.train_bars,
            "test_bars": self.walk.test_bars,
            "anchored": self.walk.anchored,
            "objective": self.objective.figure,
            "efficiency": self.efficiency,
            "profitable_tests": self.profitable,
            "metrics": metrics_of(self.joined),
            "steps": [step.document(self.candles) for step in self.steps],
        }


def _yearly(figures: Mapping[str, Figure], bars: int, year: float) -> float:
    return (figures.get("total_return") or 0.0) * year / bars


def walk_forward(
    subject: Subject,
    candles: Candles,
    sets: Sequence[Parameters],
    walk: Walk,
    objective: Objective | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    processes: int = 0,
    progress: Progress = unheard,
) -> Walked:
    """Walk over the candles, choosing among `sets` each time. Choices the checkpoint holds are not made again."""
    asked, windows = objective or Objective(), walk.windows(len(candles))
    steps, tests, money = list[Step](), list[Result](), subject.assumptions.capital
    for number, window in enumerate(windows):
        told = _part(progress, number, len(windows))
        chosen, inside = _choose(subject, candles, sets, window, asked, (checkpoint, processes, told))
        test = _test(subject, candles, window, chosen, money)
        tests.append(test)
        money = max(test.final_equity, 0.0)
        outside = metrics_of(test)
        steps.append(Step(window, chosen, inside, outside))
        if money <= 0.0:
            break
    progress(1.0)
    return Walked(walk, asked, tuple(steps), candles, _joined(subject, candles, steps, tests))


def _part(progress: Progress, number: int, count: int) -> Progress:
    return lambda share: progress((number + share) / count)


def _choose(
    subject: Subject,
    candles: Candles,
    sets: Sequence[Parameters],
    window: Window,
    objective: Objective,
    how: tuple[Checkpoint | None, int, Progress],
) -> tuple[dict[str, Any] | None, Mapping[str, Figure]]:
    """The best set of a training stretch and its figures there."""
    checkpoint, processes, progress = how
    key = f"{window.start}-{window.split}"
    if checkpoint and key in checkpoint.done:
        progress(1.0)
        kept = checkpoint.done[key]
        return kept["chosen"], kept["inside"]
    training = candles[window.start : window.split]
    best = search(subject, training, sets, objective, processes=processes, progress=progress).best
    chosen, inside = (best.parameters, best.figures) if best else (None, {})
    if checkpoint:
        checkpoint.keep({key: {"chosen": chosen, "inside": inside}})
    return chosen, inside


def _test(subject: Subject, candles: Candles, window: Window, chosen: Parameters | None, money: float) -> Result:
    """Trade a test stretch with the chosen set, or hold still without one."""
    left = replace(subject, assumptions=replace(subject.assumptions, capital=money))
    seen = candles[window.start : window.end]
    if chosen is None:
        return left.stand_still(seen[window.split - window.start :])
    return left.play_from(seen, window.split - window.start, chosen)


def _joined(subject: Subject, candles: Candles, steps: Sequence[Step], tests: Sequence[Result]) -> Result:
    """All tests as one run; bars and trades are counted from the first test's first bar."""
    first, end = steps[0].window.split, steps[-1].window.end
    trades, fills, before = [], [], 0
    for step, test in zip(steps, tests, strict=True):
        moved, executed, offset = test.trades.copy(), test.fills.copy(), step.window.split - first
        for name in ("signal_bar", "entry_bar", "exit_bar"):
            moved[name] += offset
        executed["bar"] += offset
        executed["trade"] += before
        before += len(moved)
        trades.append(moved)
        fills.append(executed)
    refused: dict[str, int] = {}
    for test in tests:
        for reason, count in test.refused.items():
            refused[reason] = refused.get(reason, 0) + count
    return Result(
        markets=(candles[first:end],),
        times=candles.timestamp[first:end],
        equity=np.concatenate([test.equity for test in tests]),
        trades=np.concatenate(trades),
        fills=np.concatenate(fills),
        rules=tests[-1].rules,
        assumptions=subject.assumptions,
        bars_held=sum(test.bars_held for test in tests),
        fees=sum(test.fees for test in tests),
        funding=sum(test.funding for test in tests),
        turnover=sum(test.turnover for test in tests),
        refused=refused,
    )
