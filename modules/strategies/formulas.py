"""Indicators of a user's own: a series of the catalogue under a name, or a formula as a tree of data or as a short text.

A formula is arithmetic over series; nothing in it is ever run as code, and its size is limited.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from modules.strategies import catalogue
from modules.strategies.checking import Complaints, mapping, number, one_of, only, text, within
from modules.strategies.conditions import Reading, plain_number, read_series, write_series
from modules.strategies.formula_text import DEEPEST, read_text, setting_names
from modules.strategies.language import (
    Applied,
    Arithmetic,
    CustomIndicator,
    Formula,
    Numeral,
    Rolling,
    Series,
    series_in,
)

MOST_PARTS: Final = 100
_LONGEST_NAME: Final = 60
_LARGEST: Final = 1e15

SIGNS: Final = ("+", "-", "*", "/", "larger", "smaller")
APPLIED: Final = ("abs", "negative", "sqrt", "log")
ROLLING: Final = ("mean", "sum", "max", "min", "stdev", "ema", "shift")


# ---- indicators -------------------------------------------------------------------------------------------------------


def read_indicator(document: object, place: str = "") -> CustomIndicator:
    """A user's indicator. Raises InvalidInput with every mistake by its place."""
    wrong = Complaints()
    indicator = read_indicator_into(document, place, wrong)
    wrong.raise_if_any("the indicator")
    if indicator is None:
        raise AssertionError("an indicator without a complaint is whole")
    return indicator


def read_indicator_into(document: object, place: str, wrong: Complaints) -> CustomIndicator | None:
    """As `read_indicator`, noting mistakes in `wrong`. `{"type", "parameters"}` or `{"formula", "levels"}`."""
    body = mapping(document, place, wrong)
    if body is None:
        return None
    before = len(wrong.fields)
    name = text(body.get("name"), within(place, "name"), wrong, longest=_LONGEST_NAME)
    if "formula" in body:
        only(body, ("name", "description", "formula", "levels"), place, wrong)
        formula = read_formula(body["formula"], within(place, "formula"), wrong)
        levels = _read_levels(body.get("levels", {}), within(place, "levels"), wrong)
    else:
        formula, levels = _read_preset(body, place, wrong)
    if "description" in body:
        text(body["description"], within(place, "description"), wrong, longest=500, empty=True)
    if len(wrong.fields) > before or name is None or formula is None:
        return None
    return CustomIndicator(name, formula, levels, MappingProxyType(dict(body)))


def _read_preset(
    body: Mapping[str, Any], place: str, wrong: Complaints
) -> tuple[Formula | None, tuple[tuple[str, float], ...]]:
    """A series of the catalogue under a name: its settings in `parameters` or beside the type; the levels among them."""
    inner, where = body.get("parameters", {}), within(place, "parameters")
    parameters = mapping(inner, where, wrong)
    if parameters is None:
        return None, ()
    flat = {key: value for key, value in body.items() if key not in ("name", "description", "parameters", "levels")}
    if doubled := sorted(set(flat) & set(parameters)):
        wrong.add(within(where, doubled[0]), "is given twice")
    merged = {**flat, **parameters}
    own = setting_names(merged.get("type"))
    named: dict[str, Any] = {
        key: merged.pop(key) for key in ("overbought", "oversold") if key in merged and key not in own
    }
    said: dict[str, Any] = {**named, **_as_mapping(body.get("levels", {}))}
    levels = _read_levels(said, within(place, "levels"), wrong)
    return _read_leaf(merged, place if "parameters" not in body else where, wrong), levels


def _as_mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {"": found}


def _read_levels(found: object, place: str, wrong: Complaints) -> tuple[tuple[str, float], ...]:
    levels: Mapping[str, Any] = mapping(found, place, wrong) or {}
    if len(levels) > 10:
        wrong.add(place, "may have at most 10 names")
    for name in levels:
        text(name, place, wrong, longest=_LONGEST_NAME)
    read = {
        name: number(value, within(place, name), wrong, low=-_LARGEST, high=_LARGEST) for name, value in levels.items()
    }
    return tuple((name, value) for name, value in read.items() if value is not None)


def write_indicator(indicator: CustomIndicator) -> dict[str, Any]:
    """The long form: the formula as a tree."""
    body: dict[str, Any] = {"name": indicator.name, "formula": write_formula(indicator.formula)}
    if indicator.levels:
        body["levels"] = {name: plain_number(value) for name, value in indicator.levels}
    return body


# ---- formulas as data -------------------------------------------------------------------------------------------------


def read_formula(found: object, place: str, wrong: Complaints) -> Formula | None:
    """A formula, as a text or as a tree."""
    before = len(wrong.fields)
    formula = (
        read_text(found, place, wrong, _read_leaf) if isinstance(found, str) else _read_tree(found, place, wrong, 1)
    )
    if formula is None or len(wrong.fields) > before:
        return None
    if count_parts(formula) > MOST_PARTS:
        wrong.add(place, f"may have at most {MOST_PARTS} parts")
    if not any(True for _ in series_in(formula)):
        wrong.add(place, "must read at least one series")
    return formula


def count_parts(formula: Formula) -> int:
    """How many numbers, series and operations a formula has."""
    match formula:
        case Arithmetic():
            return 1 + count_parts(formula.left) + count_parts(formula.right)
        case Applied() | Rolling():
            return 1 + count_parts(formula.of)
        case _:
            return 1


def _read_tree(found: object, place: str, wrong: Complaints, depth: int) -> Formula | None:
    if depth > DEEPEST:
        wrong.add(place, f"a formula may nest at most {DEEPEST} deep")
        return None
    if isinstance(found, int | float):
        value = number(found, place, wrong, low=-_LARGEST, high=_LARGEST)
        return None if value is None else Numeral(value)
    body = mapping(found, place, wrong)
    if body is None:
        return None
    if "op" in body:
        return _read_arithmetic(body, place, wrong, depth)
    if "function" in body:
        return _read_function(body, place, wrong, depth)
    return _read_leaf(body, place, wrong)


def _read_arithmetic(body: Mapping[str, Any], place: str, wrong: Complaints, depth: int) -> Formula | None:
    only(body, ("op", "left", "right"), place, wrong)
    sign = one_of(body["op"], within(place, "op"), SIGNS, wrong)
    left = _read_tree(body.get("left"), within(place, "left"), wrong, depth + 1)
    right = _read_tree(body.get("right"), within(place, "right"), wrong, depth + 1)
    return None if sign is None or left is None or right is None else Arithmetic(sign, left, right)


def _read_function(body: Mapping[str, Any], place: str, wrong: Complaints, depth: int) -> Formula | None:
    name = one_of(body["function"], within(place, "function"), (*APPLIED, *ROLLING), wrong)
    of = _read_tree(body.get("of"), within(place, "of"), wrong, depth + 1)
    if name in APPLIED:
        only(body, ("function", "of"), place, wrong)
        return None if of is None else Applied(name, of)
    only(body, ("function", "of", "period"), place, wrong)
    period = number(body.get("period"), within(place, "period"), wrong, low=1, high=catalogue.MOST_BARS, whole=True)
    return None if name is None or of is None or period is None else Rolling(name, of, int(period))


def _read_leaf(body: Mapping[str, Any], place: str, wrong: Complaints) -> Series | None:
    if "timeframe" in body:
        wrong.add(within(place, "timeframe"), "belongs to the condition that uses the indicator")
        return None
    return read_series(body, place, Reading(wrong, ""))


def write_formula(formula: Formula) -> Any:
    """The tree of a formula as JSON."""
    match formula:
        case Numeral():
            return plain_number(formula.value)
        case Series():
            return write_series(formula)
        case Arithmetic():
            return {"op": formula.sign, "left": write_formula(formula.left), "right": write_formula(formula.right)}
        case Applied():
            return {"function": formula.function, "of": write_formula(formula.of)}
        case Rolling():
            return {"function": formula.function, "of": write_formula(formula.of), "period": formula.period}
