"""The strategies that come with the house, each a document in the language with parameters, ranges and an explanation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from modules.domain.errors import InvalidInput, NotFound
from modules.strategies.checking import Complaints, number
from modules.strategies.documents import read_strategy
from modules.strategies.language import Strategy
from modules.strategies.tuning import with_values

_NAMES: Final = (
    "rsi_mean_reversion",
    "macd_trend",
    "ma_cross",
    "bollinger_breakout",
    "smc",
    "choch_breakout",
    "strat_212",
)
_OWN_FIELDS: Final = ("symbols", "timeframe", "position_size", "leverage", "name", "description")
"""Fields of the document that may be given beside the parameters."""


@dataclass(frozen=True, slots=True)
class BuiltinParameter:
    """One choice of a built-in strategy; `sets` are the places of the document that hold it."""

    name: str
    default: float
    low: float
    high: float
    whole: bool
    explains: str
    sets: tuple[str, ...]

    def set_to(self, value: object, wrong: Complaints) -> dict[str, Any]:
        """The value at each place that holds it; None there with a complaint."""
        checked = number(value, self.name, wrong, low=self.low, high=self.high, whole=self.whole)
        return dict.fromkeys(self.sets, int(checked) if checked is not None and self.whole else checked)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in strategy: its document with the defaults, its parameters and what it does, in words.

    `rising` holds pairs of parameters of which the first must be below the second.
    """

    name: str
    title: str
    explanation: str
    parameters: tuple[BuiltinParameter, ...]
    document: Mapping[str, Any]
    rising: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form of the API."""
        return {
            "name": self.name,
            "title": self.title,
            "explanation": self.explanation,
            "parameters": [
                {"name": p.name, "default": p.default, "low": p.low, "high": p.high, "whole": p.whole, "explains": p.explains}
                for p in self.parameters
            ],
            "document": dict(self.document),
        }  # fmt: skip


def builtin_names() -> tuple[str, ...]:
    """The built-in strategies by name."""
    return _NAMES


@cache
def describe(name: str) -> Builtin:
    """What is known of a built-in strategy. Raises NotFound for an unknown name."""
    if name not in _NAMES:
        raise NotFound(f"there is no built-in strategy {name!r}; there are {', '.join(_NAMES)}")
    body = json.loads(resources.files(__package__).joinpath(f"{name}.json").read_text("utf-8"))
    found = tuple(BuiltinParameter(**{**each, "sets": tuple(each["sets"])}) for each in body["parameters"])
    rising = tuple((lower, upper) for lower, upper in body.get("rising", []))
    return Builtin(body["name"], body["title"], body["explanation"], found, MappingProxyType(body["document"]), rising)


def builtin(name: str, parameters: Mapping[str, Any] | None = None) -> Strategy:
    """A built-in strategy, with some of its parameters or of the fields `symbols`, `timeframe`, `position_size`, … changed.

    Raises NotFound for an unknown name, InvalidInput for an unknown parameter or one out of its range.
    """
    return read_strategy(builtin_document(name, parameters))


def builtin_document(name: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The document behind `builtin`, for whoever wants to go on from it."""
    found, given, wrong = describe(name), dict(parameters or {}), Complaints()
    known = {each.name: each for each in found.parameters}
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key in _OWN_FIELDS:
            values[key] = value
        elif key in known:
            values |= known[key].set_to(value, wrong)
        else:
            wrong.add(key, f"is no parameter of {name}; there are {', '.join((*known, *_OWN_FIELDS))}")
    if not wrong.fields:
        _check_rising(found, given, wrong)
    if wrong.fields:
        listed = "; ".join(f"{place}: {words}" for place, words in wrong.fields.items())
        raise InvalidInput(f"{name} can't be made: {listed}", fields=wrong.fields)
    return with_values(found.document, values)


def _check_rising(found: Builtin, given: Mapping[str, Any], wrong: Complaints) -> None:
    values = {each.name: each.default for each in found.parameters} | dict(given)
    for lower, upper in found.rising:
        if values[lower] >= values[upper]:
            wrong.add(lower, f"must be below {upper}, {values[lower]} is not below {values[upper]}")
            return
