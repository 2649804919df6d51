"""Which parameters a search varies and how, and strategies with other values of them.

A parameter is a built-in strategy's by its name, or a number of the document by its place (`entry.all[0].period`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from modules.backtesting.robustness.search import FIGURES, Objective
from modules.backtesting.robustness.space import MOST_SETS, Choices, Range, grid, read_space, sample
from modules.domain.errors import InvalidInput
from modules.strategies.builtin import describe
from modules.strategies.checking import Complaints, number, one_of, only
from modules.strategies.documents import long_form, read_strategy
from modules.strategies.language import CustomIndicator, Strategy
from modules.strategies.tuning import parameters, with_values

_FIELDS: Final = ("space", "method", "trials", "objective", "min_trades", "seed")
_DEFAULT_TRIALS: Final = 100
_BUILTIN: Final = ("builtin:", "default:")
_STEPS_OF_RANGE: Final = 8


class SearchMethod(StrEnum):
    """How sets are chosen: all of a grid, at random, or where earlier ones did well (Parzen estimator)."""

    GRID = "grid"
    RANDOM = "random"
    TREE = "tpe"


@dataclass(frozen=True, slots=True)
class ParameterSearch:
    """A search for parameters. `trials` bounds random and model-led searches; a grid has what it has."""

    space: Mapping[str, Range | Choices]
    said: Mapping[str, Any] = field(compare=False)
    method: SearchMethod = SearchMethod.RANDOM
    trials: int = _DEFAULT_TRIALS
    objective: Objective = field(default_factory=Objective)
    seed: int = 1

    @property
    def size(self) -> int:
        """How many sets will be tried."""
        return len(self.sets()) if self.method is SearchMethod.GRID else self.trials

    def sets(self) -> list[dict[str, Any]]:
        """The sets of a grid, or sets at random. Raises InvalidInput for a grid that is too large."""
        return grid(self.space) if self.method is SearchMethod.GRID else sample(self.space, self.trials, self.seed)

    def as_json(self) -> dict[str, Any]:
        """As `read_search` reads it."""
        return {
            "space": dict(self.said),
            "method": self.method.value,
            "trials": self.trials,
            "objective": self.objective.figure,
            "min_trades": self.objective.min_trades,
            "seed": self.seed,
        }


def read_search(found: Mapping[str, Any], strategy: Strategy, source: str) -> ParameterSearch:
    """A search out of a document; without a space a built-in strategy's own ranges are searched.

    Raises InvalidInput with every mistake by its place.
    """
    wrong = Complaints()
    only(found, _FIELDS, "search", wrong)
    said = found.get("space")
    if said is None:
        said = _own_ranges(source, strategy)
    if not isinstance(said, Mapping):
        raise InvalidInput("the search space must be an object", fields={"search.space": "must be an object"})
    space = read_space(said)
    default = SearchMethod.GRID if all(isinstance(each, Choices) for each in space.values()) else SearchMethod.RANDOM
    method = one_of(found.get("method", default.value), "search.method", tuple(SearchMethod), wrong)
    trials = number(found.get("trials", _DEFAULT_TRIALS), "search.trials", wrong, low=1, high=MOST_SETS, whole=True)
    figure = one_of(found.get("objective", "sharpe"), "search.objective", FIGURES, wrong)
    least = number(found.get("min_trades", 10), "search.min_trades", wrong, low=0, high=1_000_000, whole=True)
    seed = number(found.get("seed", 1), "search.seed", wrong, low=0, high=2**31, whole=True)
    wrong.raise_if_any("the search")
    objective = Objective(str(figure), int(least or 0))
    wanted = ParameterSearch(space, dict(said), SearchMethod(str(method)), int(trials or 1), objective, int(seed or 0))
    for chosen in wanted.sets()[:1]:
        varied(strategy, source, chosen)
    return wanted


def varied(
    strategy: Strategy, source: str, values: Mapping[str, Any], indicators: Mapping[str, CustomIndicator] | None = None
) -> Strategy:
    """The strategy with other values. Raises InvalidInput for a parameter it does not have, or a value it can't have."""
    if not values:
        return strategy
    written = dict(strategy.document) or long_form(strategy)
    values = _by_place(values, source)
    try:
        return read_strategy(with_values(written, values), indicators)
    except InvalidInput:
        pass  # places of the long form are tried next; its complaint is the one to show
    try:
        return read_strategy(with_values(long_form(strategy), values), indicators)
    except InvalidInput as problem:
        places = ", ".join(each.place for each in parameters(strategy)[:12])
        raise InvalidInput(
            f"{problem.message}. Numbers of this strategy that can be varied: {places or 'none'}", fields=problem.fields
        ) from problem


def _by_place(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A built-in strategy's parameters as the places of its document that hold them. Raises InvalidInput out of its range."""
    name = _builtin_name(source)
    known = {} if name is None else {each.name: each for each in describe(name).parameters}
    places: dict[str, Any] = {}
    wrong = Complaints()
    for key, value in values.items():
        if key not in known:
            places[key] = value
            continue
        one = known[key]
        checked = number(value, key, wrong, low=one.low, high=one.high, whole=one.whole)
        places |= dict.fromkeys(one.sets, int(checked) if checked is not None and one.whole else checked)
    wrong.raise_if_any("the parameters")
    return places


def _builtin_name(source: str) -> str | None:
    return next((source.removeprefix(each) for each in _BUILTIN if source.startswith(each)), None)


def _own_ranges(source: str, strategy: Strategy) -> dict[str, Any]:
    """The ranges a built-in strategy states for its parameters, in eight steps where they are whole numbers."""
    name = _builtin_name(source)
    if name is None:
        places = ", ".join(each.place for each in parameters(strategy)[:12])
        raise InvalidInput(
            f"say which numbers to vary and between which values; this strategy has {places or 'none'}",
            fields={"search.space": "is needed"},
        )
    found: dict[str, Any] = {}
    for each in describe(name).parameters:
        if each.whole:
            low, high = int(each.low), int(each.high)
            found[each.name] = {"low": low, "high": high, "step": max((high - low) // _STEPS_OF_RANGE, 1)}
        else:
            found[each.name] = {"low": each.low, "high": each.high}
    return found
