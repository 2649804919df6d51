"""The numbers of a document that a search may change, and documents with some of them changed.

A place is written as complaints write it: `entry.all[0].period`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from modules.domain.errors import InvalidInput
from modules.strategies.catalogue import KINDS, Number
from modules.strategies.documents import long_form
from modules.strategies.language import Strategy

_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_PLACE: Final = re.compile(r"[^.\[\]]+(?:\[\d+\])*(?:\.[^.\[\]]+(?:\[\d+\])*)*")
_EXIT_RANGES: Final[Mapping[str, tuple[bool, float, float]]] = {
    "stop_loss_pct": (False, 0.01, 99.99),
    "stop_loss_atr": (False, 0.01, 100.0),
    "take_profit_pct": (False, 0.01, 100_000.0),
    "time_exit_bars": (True, 1, 1_000_000),
    "atr_period": (True, 1, 5_000),
    "trailing.pct": (False, 0.01, 99.99),
    "trailing.atr": (False, 0.01, 100.0),
    "trailing.activate_pct": (False, 0.0, 100_000.0),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a strategy: its place in the long form, its value, and what it may be (None: any number)."""

    place: str
    value: float
    whole: bool
    low: float | None
    high: float | None


def parameters(strategy: Strategy) -> tuple[Parameter, ...]:
    """Every number that a search may change, by its place in `long_form(strategy)`."""
    document = long_form(strategy)
    found = list(_in_rules(document))
    for place, (whole, low, high) in _EXIT_RANGES.items():
        value = _look(document, place)
        if value is not None:
            found.append(Parameter(place, float(value), whole, low, high))
    return tuple(found)


def _in_rules(document: Mapping[str, Any]) -> Iterator[Parameter]:
    for place, body in _objects(document, ""):
        kind = KINDS.get(body["type"]) if "type" in body else None
        if kind is None:
            continue
        for setting in kind.settings:
            if isinstance(setting, Number):
                value = float(body[setting.name])
                yield Parameter(f"{place}.{setting.name}", value, setting.whole, setting.low, setting.high)
        if "value" in body:
            yield Parameter(f"{place}.value", float(body["value"]), False, None, None)


def _objects(found: object, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(found, Mapping):
        yield place, found
        for name, inner in found.items():
            yield from _objects(inner, f"{place}.{name}" if place else name)
    elif isinstance(found, list):
        for index, inner in enumerate(found):
            yield from _objects(inner, f"{place}[{index}]")


def _look(document: Mapping[str, Any], place: str) -> Any:
    found: Any = document
    for name in place.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def with_values(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a document with the values at the places named.

    The last step may name a field that is not written out yet (a setting left at its default). Raises InvalidInput for a
    place that isn't there.
    """
    changed = copy.deepcopy(dict(document))
    wrong: dict[str, str] = {}
    for place, value in values.items():
        if not _put(changed, place, value):
            wrong[place] = "there is no such place in the document"
    if wrong:
        raise InvalidInput("; ".join(f"{place}: {words}" for place, words in wrong.items()), fields=wrong)
    return changed


def _put(document: dict[str, Any], place: str, value: object) -> bool:
    if not _PLACE.fullmatch(place):
        return False
    steps = [int(index) if index else name for name, index in _STEP.findall(place)]
    found: Any = document
    for step in steps[:-1]:
        found = _below(found, step)
    last = steps[-1]
    if isinstance(last, int):
        if not isinstance(found, list) or last >= len(found):
            return False
        found[last] = copy.deepcopy(value)
    elif isinstance(found, dict):
        found[last] = copy.deepcopy(value)
    else:
        return False
    return True


def _below(found: object, step: str | int) -> object:
    if isinstance(step, int):
        return found[step] if isinstance(found, list) and step < len(found) else None
    return found.get(step) if isinstance(found, dict) else None
