"""Which parameters a search may set, and to what: ranges and choices, their grid, and samples of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import exp, isfinite, log
from typing import Any, Final

import numpy as np

from modules.domain.errors import InvalidInput

MOST_SETS: Final = 100_000
MOST_PARAMETERS: Final = 20
_SLACK: Final = 1e-9
_FIELDS: Final = frozenset({"low", "high", "step", "log"})


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included: every `step`, or any where that is None. `whole` ones are integers."""

    low: float
    high: float
    step: float | None = None
    whole: bool = False
    log: bool = False

    def values(self) -> list[float]:
        """Every value of a stepped range. Raises ValueError for one without steps."""
        if self.step is None:
            raise ValueError("a range without a step has no grid")
        count = int((self.high - self.low) / self.step + _SLACK) + 1
        return [self._exact(self.low + number * self.step) for number in range(count)]

    def at(self, share: float) -> float:
        """The value at a share from 0 to below 1 of the range, every value equally likely."""
        if self.step is not None:
            values = self.values()
            return values[int(share * len(values))]
        if self.log:
            return exp(log(self.low) + share * (log(self.high) - log(self.low)))
        return self.low + share * (self.high - self.low)

    def _exact(self, value: float) -> float:
        return round(value) if self.whole else float(f"{value:.12g}")


@dataclass(frozen=True, slots=True)
class Choices:
    """Some values, in the order given."""

    options: tuple[Any, ...]

    def values(self) -> list[Any]:
        return list(self.options)

    def at(self, share: float) -> Any:
        """The value at a share from 0 to below 1."""
        return self.options[int(share * len(self.options))]


Space = Mapping[str, Range | Choices]


def read_space(document: Mapping[str, Any]) -> dict[str, Range | Choices]:
    """A space as JSON: a list of values, or `{"low", "high", "step"?, "log"?}`, by the name of the parameter.

    A range whose numbers are all integers is one of whole numbers, with a step of 1 unless it names another. Raises
    InvalidInput whose `fields` name every wrong parameter.
    """
    wrong: dict[str, str] = {}
    space: dict[str, Range | Choices] = {}
    for name, given in document.items():
        try:
            space[str(name)] = _read(given)
        except ValueError as problem:
            wrong[str(name)] = str(problem)
    if not document:
        wrong["space"] = "must name at least one parameter"
    if len(document) > MOST_PARAMETERS:
        wrong["space"] = f"must not name more than {MOST_PARAMETERS} parameters"
    if wrong:
        raise InvalidInput(
            "the search space is not right: " + "; ".join(f"{k}: {v}" for k, v in wrong.items()), fields=wrong
        )
    return space


def _read(given: object) -> Range | Choices:
    if isinstance(given, Sequence) and not isinstance(given, str):
        if not given or not all(isinstance(each, str | int | float | bool) for each in given):
            raise ValueError("must be a list of numbers, words or truth values")
        return Choices(tuple(given))
    if not isinstance(given, Mapping) or not {"low", "high"} <= set(given) <= _FIELDS:
        raise ValueError('must be a list of values or {"low", "high", "step", "log"}')
    low, high, step = given["low"], given["high"], given.get("step")
    numbers = [each for each in (low, high, step) if each is not None]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) and isfinite(each) for each in numbers):
        raise ValueError("low, high and step must be numbers")
    whole = all(isinstance(each, int) for each in numbers)
    return _checked(low, high, 1 if whole and step is None else step, whole, log_scale=given.get("log") is True)


def _checked(low: float, high: float, step: float | None, whole: bool, *, log_scale: bool) -> Range:
    if not low <= high:
        raise ValueError("low must not be above high")
    if step is not None and not step > 0:
        raise ValueError("step must be above zero")
    if step is not None and (high - low) / step > MOST_SETS:
        raise ValueError(f"has more than {MOST_SETS:,} steps")
    if log_scale and (low <= 0 or (step is not None and not whole)):
        raise ValueError("a logarithmic range starts above zero and has no step")
    return Range(low, high, step, whole, log_scale)


def grid(space: Space, most: int = MOST_SETS) -> list[dict[str, Any]]:
    """Every combination, the last parameter running fastest. Raises InvalidInput for too many, or a range without a step."""
    columns = []
    for name, each in space.items():
        if isinstance(each, Range) and each.step is None:
            raise InvalidInput(f"{name}: a grid needs a step", fields={name: "needs a step"})
        columns.append(each.values())
    count = 1
    for column in columns:
        count *= len(column)
    if count > most:
        raise InvalidInput(
            f"the grid has {count:,} sets, more than {most:,}", fields={"space": f"at most {most:,} sets"}
        )
    return [dict(zip(space, values, strict=True)) for values in product(*columns)]


def sample(space: Space, count: int, seed: int = 1) -> list[dict[str, Any]]:
    """So many different sets at random, or all there are if those are fewer; the seed decides which."""
    draws = np.random.Generator(np.random.PCG64(seed))
    found: dict[str, dict[str, Any]] = {}
    for _ in range(20 * count):
        if len(found) == count:
            break
        shares = draws.random(len(space)).tolist()
        chosen = {name: each.at(share) for (name, each), share in zip(space.items(), shares, strict=True)}
        found.setdefault(repr(chosen), chosen)
    return list(found.values())
