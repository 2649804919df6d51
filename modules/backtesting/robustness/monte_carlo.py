"""Monte Carlo: the same trades in other orders, drawn again, skipped and worse filled, thousands of times.

Every trade counts by what it made of the account it met: its profit over the equity before it, compounded. Trades of a
fixed amount count by their profit over the capital instead, and add up. Reordering leaves the end where it was and shows
which falls the same trades could have brought; drawing blocks with repetition shows the ends, too, and keeps runs of
similar trades together (Künsch 1989). Noise may be added to both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Floats, Integers
from modules.analysis.compiled import kernel
from modules.backtesting.result import Result
from modules.backtesting.robustness.subject import Progress, unheard
from modules.strategies.decisions import SizeMode

PERCENTILES: Final = (1, 5, 25, 50, 75, 95, 99)
#: Draws made at once; also what one turn between two calls of the progress callback is.
_DRAWS: Final = 1 << 20
_CHECKPOINTS: Final = 50
MOST_RUNS: Final = 1_000_000

PATH = np.dtype([("final", "f8"), ("max_drawdown", "f8"), ("lowest", "f8"), ("losing_run", "i8")])
Paths = npt.NDArray[np.void]


class Method(StrEnum):
    """Where the trades of a path come from: every one once in another order, blocks drawn with repetition, or as they were."""

    SHUFFLE = "shuffle"
    BOOTSTRAP = "bootstrap"
    AS_IT_WAS = "as_it_was"


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to simulate.

    `block` is the length of a drawn block (None: the cube root of the number of trades). `slippage_bps` is the standard
    deviation of a further slippage, always against the trade, on entry and on exit. `skip` is the chance that a trade is
    missed. Ruin is the account falling to `ruin` of the capital at any time. `compound` None is decided by how the run sized its
    trades: fixed amounts add up, everything else compounds.
    """

    method: Method = Method.SHUFFLE
    runs: int = 1_000
    seed: int = 1
    block: int | None = None
    slippage_bps: float = 0.0
    skip: float = 0.0
    ruin: float = 0.5
    compound: bool | None = None

    def __post_init__(self) -> None:
        """Raises ValueError naming the field."""
        if not 1 <= self.runs <= MOST_RUNS:
            raise ValueError(f"runs: must be from 1 to {MOST_RUNS:,}, got {self.runs}")
        if self.block is not None and self.block < 1:
            raise ValueError(f"block: must be at least 1, got {self.block}")
        if not 0.0 <= self.slippage_bps <= 10_000.0:
            raise ValueError(f"slippage_bps: must be from 0 to 10,000, got {self.slippage_bps}")
        for name in ("skip", "ruin"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name}: must be from 0 to below 1, got {value}")


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """All paths: the record of each, and its value at some of its trades, as multiples of the capital.

    `fan` has one row per path, one column per number in `steps` (trades behind it). `actual` is the path that happened.
    """

    asked: Simulation
    paths: Paths
    fan: Floats
    steps: Integers
    actual: np.void

    def share(self, column: str, at_most: float) -> float:
        """Share of the paths whose `column` is at most so much."""
        return float(np.mean(self.paths[column] <= at_most))

    def document(self) -> dict[str, Any]:
        """As JSON: percentiles, chances, and the fan of the 5th to the 95th percentile."""
        rungs = (5, 25, 50, 75, 95)
        bands = np.percentile(self.fan, rungs, axis=0).T.tolist()
        return {
            "method": self.asked.method.value,
            "runs": self.asked.runs,
            "seed": self.asked.seed,
            "trades": int(self.steps[-1]),
            "compound": self.asked.compound is not False,
            "total_return": _percentiles(self.paths["final"] - 1.0),
            "max_drawdown": _percentiles(self.paths["max_drawdown"]),
            "consecutive_losses": _percentiles(self.paths["losing_run"]),
            "loss_probability": float(np.mean(self.paths["final"] < 1.0)),
            "ruin_level": self.asked.ruin,
            "ruin_probability": self.share("lowest", self.asked.ruin),
            "actual": {
                "total_return": float(self.actual["final"]) - 1.0,
                "max_drawdown": float(self.actual["max_drawdown"]),
            },
            "deeper_than_actual": float(np.mean(self.paths["max_drawdown"] < self.actual["max_drawdown"])),
            "fan": {
                "percentiles": list(rungs),
                "bands": [[int(step), *band] for step, band in zip(self.steps.tolist(), bands, strict=True)],
            },
        }


def _percentiles(values: npt.NDArray[Any]) -> dict[str, float]:
    found = np.percentile(values, PERCENTILES)
    return {f"p{rung}": float(value) for rung, value in zip(PERCENTILES, found, strict=True)}


def trade_fractions(result: Result, *, compound: bool = True) -> tuple[Floats, Floats]:
    """(Profit, value at entry) of every trade as fractions of the equity at the close before its entry, or of the capital.

    Raises ValueError for a run without trades, or one that traded with nothing left.
    """
    trades = result.trades
    if not len(trades):
        raise ValueError("trades: a run without trades can't be simulated")
    place = np.searchsorted(result.times, trades["entry_time"], side="left")
    before = np.where(place > 0, result.equity[np.maximum(place - 1, 0)], result.assumptions.capital)
    if not compound:
        before = np.full(len(trades), result.assumptions.capital)
    if not np.all(before > 0.0):
        raise ValueError("trades: one began when nothing was left of the account")
    return trades["pnl"] / before, trades["entry_price"] * trades["quantity"] / before


@kernel(borrows=True)
def _reorder(draws: Floats, order: Integers) -> None:
    """Fisher and Yates: every order is equally likely."""
    for at in range(order.shape[0]):
        order[at] = at
    for at in range(order.shape[0] - 1, 0, -1):
        other = int(draws[at] * (at + 1))
        order[at], order[other] = order[other], order[at]


@kernel(borrows=True)
def _draw_blocks(draws: Floats, block: int, order: Integers) -> None:
    """Blocks from random places, around the end to the beginning."""
    count, place = order.shape[0], 0
    for at in range(count):
        if at % block == 0:
            place = int(draws[at] * count)
        order[at] = place
        place = place + 1 if place + 1 < count else 0


@kernel(borrows=True)
def _walk_path(
    gains: Floats, order: Integers, path: np.void, fan: Floats, steps: Integers, compound: bool
) -> None:  # fmt: skip
    """Compound or add up one path; an account that is empty stays empty."""
    value, peak, lowest, deepest, run, longest, mark = 1.0, 1.0, 1.0, 0.0, 0, 0, 0
    for at in range(order.shape[0]):
        if mark < steps.shape[0] and steps[mark] == at:
            fan[mark] = value
            mark += 1
        gain = gains[order[at]]
        if value > 0.0:
            value = max(value * (1.0 + gain) if compound else value + gain, 0.0)
        peak = max(peak, value)
        lowest = min(lowest, value)
        deepest = min(deepest, value / peak - 1.0)
        run = run + 1 if gain < 0.0 else 0
        longest = max(longest, run)
    fan[steps.shape[0] - 1] = value
    path["final"], path["lowest"] = value, lowest
    path["max_drawdown"], path["losing_run"] = deepest, longest


@kernel(borrows=True)
def _worsen(gains: Floats, values: Floats, noise: tuple[Floats, Floats], skip: float, room: Floats) -> None:
    """The gains of one path after further costs, and nothing where a trade is missed."""
    costs, chances = noise
    for at in range(gains.shape[0]):
        room[at] = gains[at]
        if costs.shape[0] > 0:
            room[at] -= values[at] * costs[at]
        if chances.shape[0] > 0 and chances[at] < skip:
            room[at] = 0.0


@kernel(borrows=True)
def _simulate(
    trades: tuple[Floats, Floats],
    draws: tuple[Floats, Floats, Floats],
    block: int,
    skip: float,
    desk: tuple[Integers, Floats, Integers, bool],
    paths: Paths,
    fan: Floats,
) -> None:
    """All paths of a turn. Empty draws: no such noise; `block` 0: every trade once, below: in the order they were."""
    gains, values = trades
    order, room, steps, compound = desk
    for number in range(paths.shape[0]):
        if block > 0:
            _draw_blocks(draws[0][number], block, order)
        elif block == 0:
            _reorder(draws[0][number], order)
        _worsen(gains, values, (draws[1][number], draws[2][number]), skip, room)
        _walk_path(room, order, paths[number], fan[number], steps, compound)


def simulate(result: Result, asked: Simulation | None = None, progress: Progress = unheard) -> Simulated:
    """Simulate the trades of a run. Raises ValueError where there are none."""
    wanted = asked or Simulation()
    if wanted.compound is None:
        wanted = replace(wanted, compound=result.rules.size_mode is not SizeMode.QUOTE)
    gains, values = trade_fractions(result, compound=wanted.compound is True)
    return simulate_trades(gains, values, wanted, progress)


def simulate_trades(gains: Floats, values: Floats, asked: Simulation, progress: Progress = unheard) -> Simulated:
    """Simulate trades by what each made of the account (`gains`) and how much of it it was worth (`values`).

    The same seed gives the same paths, whatever the machine.
    """
    count = len(gains)
    steps = np.unique(np.linspace(0, count, min(count, _CHECKPOINTS) + 1).astype(np.int64))
    paths, fan = np.zeros(asked.runs, PATH), np.empty((asked.runs, len(steps)))
    compound = asked.compound is not False
    desk = (np.arange(count), np.empty(count), steps, compound)
    block = {Method.SHUFFLE: 0, Method.AS_IT_WAS: -1}.get(asked.method, asked.block or max(round(count ** (1 / 3)), 1))
    generator, turn = np.random.Generator(np.random.PCG64(asked.seed)), max(_DRAWS // count, 1)
    columns = (np.ascontiguousarray(gains, np.float64), np.ascontiguousarray(values, np.float64))
    for start in range(0, asked.runs, turn):
        progress(start / asked.runs)
        end = min(start + turn, asked.runs)
        draws = _draws(generator, (end - start, count), asked)
        _simulate(columns, draws, block, asked.skip, desk, paths[start:end], fan[start:end])
    progress(1.0)
    actual = np.zeros(1, PATH)
    _walk_path(columns[0], np.arange(count), actual[0], np.empty(len(steps)), steps, compound)
    return Simulated(asked, paths, fan, steps, actual[0])


def _draws(generator: np.random.Generator, shape: tuple[int, int], asked: Simulation) -> tuple[Floats, Floats, Floats]:
    """Random numbers of a turn: for the order, for the slippage of entry and exit together, for missed trades."""
    none = np.empty((shape[0], 0))
    order = generator.random(shape) if asked.method is not Method.AS_IT_WAS else none
    slippage = none
    if asked.slippage_bps > 0.0:
        sides = np.abs(generator.standard_normal(shape)) + np.abs(generator.standard_normal(shape))
        slippage = sides * (asked.slippage_bps / 10_000.0)
    return order, slippage, generator.random(shape) if asked.skip > 0.0 else none
