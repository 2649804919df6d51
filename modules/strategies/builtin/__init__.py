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
    found, wrong = describe(name), Complaints()
    known = {each.name: each for each in found.parameters}
    values: dict[str, Any] = {}
    for key, value in (parameters or {}).items():
        if key in _OWN_FIELDS:
            values[key] = value
            continue
        if key not in known:
            wrong.add(key, f"is no parameter of {name}; there are {', '.join((*known, *_OWN_FIELDS))}")
            continue
        one = known[key]
        checked = number(value, key, wrong, low=one.low, high=one.high, whole=one.whole)
        values.update(dict.fromkeys(one.sets, int(checked) if checked is not None and one.whole else checked))
    for lower, upper in found.rising:
        low, high = ((parameters or {}).get(each, known[each].default) for each in (lower, upper))
        if not wrong.fields and low >= high:
            wrong.add(lower, f"must be below {upper}, {low} is not below {high}")
    if wrong.fields:
        listed = "; ".join(f"{place}: {words}" for place, words in wrong.fields.items())
        raise InvalidInput(f"{name} can't be made: {listed}", fields=wrong.fields)
    return with_values(found.document, values)
