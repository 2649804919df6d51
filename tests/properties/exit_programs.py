"""Exit programs and price paths for the properties, and the exit kernel as plain Python.

Prices are whole eighths around 1,024, percentages whole sixty-fourths: every sum and product of them is exact in a
float, so that mirrored, scaled and conflated runs can be compared without tolerance.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from modules.analysis import compiled
from modules.trading import exit_program as codes
from modules.trading import exits

CENTRE = 1024.0
Bar = tuple[float, float, float, float]
Event = tuple[int, int, int, float, float]


@cache
def plain_exits() -> ModuleType:
    """The kernel's module with nothing compiled: the oracle of its compiled self."""
    spec = importlib.util.spec_from_file_location("plain_exits", exits.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.object(compiled, "kernel", lambda function: function):
        spec.loader.exec_module(module)
    assert not hasattr(module.step, "py_func")
    return module


@dataclass(frozen=True)
class Rules:
    """A program in words that can be mirrored and scaled."""

    direction: int
    entry: float
    stop: float
    targets: tuple[float, ...]
    shares: tuple[float, ...]
    numbers: tuple[tuple[str, float], ...]

    def row(self) -> np.void:
        row = codes.blank()
        row["direction"] = self.direction
        row["entry"] = row["best"] = row["worst"] = self.entry
        row["stop"] = row["initial_stop"] = self.stop
        row["levels"] = len(self.targets)
        row["target"][: len(self.targets)] = self.targets
        row["share"][: len(self.shares)] = self.shares
        for name, value in self.numbers:
            row[name] = value
        return row


def eighths(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(int(low * 8), int(high * 8)).map(lambda n: n / 8)


def sixty_fourths(low: int, high: int) -> st.SearchStrategy[float]:
    return st.integers(low, high).map(lambda n: n / 64)


@st.composite
def rules(draw: st.DrawFn, percentages: bool = True, grid: bool = False) -> Rules:
    """Any sound program; without `percentages` only rules that a reflection leaves alone, on whole numbers if `grid`."""
    unit = (lambda low, high: st.integers(int(low), int(high)).map(float)) if grid else eighths
    direction = draw(st.sampled_from([1, -1]))
    entry = CENTRE
    stop = entry - direction * draw(unit(1, 20)) if draw(st.booleans()) else 0.0
    steps = draw(st.lists(unit(1, 6), max_size=5))
    targets = tuple(entry + direction * sum(steps[: n + 1]) for n in range(len(steps)))
    weights = draw(st.lists(st.integers(0, 4), min_size=len(steps), max_size=len(steps)))
    whole = sum(weights) + draw(st.sampled_from([0, 3]))
    shares = tuple(weight / whole if whole else 0.0 for weight in weights)
    trail = draw(st.sampled_from([codes.TRAIL_NONE, codes.TRAIL_AMOUNT, codes.TRAIL_ATR, codes.TRAIL_PERCENT]))
    if trail == codes.TRAIL_PERCENT and not percentages:
        trail = codes.TRAIL_NONE
    distance = {codes.TRAIL_PERCENT: sixty_fourths(1, 3), codes.TRAIL_AMOUNT: unit(1, 12)}
    numbers: dict[str, float] = {
        "break_even_after": draw(st.integers(0, 3)),
        "break_even_at_r": draw(st.sampled_from([0.0, 0.0, 1.0, 2.0])),
        "follow": draw(st.integers(0, 2)),
        "trail_kind": trail,
        "trail_distance": draw(distance.get(trail, st.sampled_from([1.0, 2.0]))),
        "atr": draw(unit(1, 6)),
        "time_exit_ms": draw(st.sampled_from([0, 0, 9])),
        "entry_bar": draw(st.integers(0, 3)),
    }
    if percentages:
        numbers["break_even_offset"] = draw(sixty_fourths(0, 1)) / 16
        numbers["trail_step"] = draw(sixty_fourths(0, 1)) / 4
        numbers["trail_activation"] = draw(sixty_fourths(0, 1)) / 4
    return Rules(direction, entry, stop, targets, shares, tuple(numbers.items()))


@st.composite
def bars(draw: st.DrawFn, size: int = 14) -> list[Bar]:
    """A path of bars near the centre, with gaps between them."""
    path: list[Bar] = []
    level = CENTRE
    for _ in range(draw(st.integers(1, size))):
        open_ = level + draw(eighths(-4, 4))
        close = open_ + draw(eighths(-6, 6))
        high = max(open_, close) + draw(eighths(0, 4))
        low = min(open_, close) - draw(eighths(0, 4))
        path.append((open_, high, low, close))
        level = close
    return path


def run(kernel: ModuleType, row: np.void, path: list[Bar]) -> list[list[Event]]:
    """Every event of every bar: kind, level, reason, price, share."""
    out = codes.event_buffer()
    told = []
    for number, bar in enumerate(path, start=1):
        count = kernel.step(row, *bar, number, out)
        assert count >= 0
        told.append([event_tuple(event) for event in out[:count]])
    return told


def event_tuple(event: np.void) -> Event:
    return (
        int(event["kind"]),
        int(event["level"]),
        int(event["reason"]),
        float(event["price"]),
        float(event["share"]),
    )
