"""The assumptions of a backtest as people write them: fees as fractions, slippage as a fraction or by its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final

from modules.backtesting.assumptions import Assumptions, EntryOrder
from modules.strategies.checking import Complaints
from modules.trading.fill_model import Slippage

#: Short names that stand for fields of `Assumptions`.
_SHORT: Final[Mapping[str, tuple[str, ...]]] = {"fee": ("taker_fee", "maker_fee")}
_TEXT_SLIPPAGE: Final = re.compile(r"(?:(?P<kind>volume|atr):)?(?P<size>\d+(?:\.\d+)?)(?P<bps>\s*bps)?\Z")
_SIZED_SLIPPAGE: Final[Mapping[str, Slippage]] = {
    "volume": Slippage.VOLUME_SHARE,
    "atr": Slippage.ATR_SHARE,
    "bps": Slippage.BPS,
}
_WHOLE: Final = frozenset({"entry_bars", "max_positions"})
_STEPS: Final = frozenset({"tick_size", "lot_size"})
_KNOWN: Final = tuple(each.name for each in fields(Assumptions))


def read_assumptions(found: Mapping[str, Any], wrong: Complaints, place: str = "assumptions") -> Assumptions | None:
    """The assumptions said in `found`, defaults where nothing is said; None with complaints where something is wrong.

    `fee` sets both fees. `slippage` is a fraction of the price (0.0005), `"5 bps"`, `"volume:0.1"`, `"atr:0.05"`, or one of the
    kinds of `Slippage` with `slippage_size`.
    """
    values: dict[str, Any] = {}
    for name, given in found.items():
        where = f"{place}.{name}" if place else name
        if given is None:
            continue
        if name == "slippage":
            values.update(_slippage(given, where, wrong))
        elif name in _SHORT:
            number = _number(given, where, wrong)
            values.update({field: number for field in _SHORT[name] if field not in found})
        elif name in _KNOWN:
            values[name] = _value(name, given, where, wrong)
        else:
            wrong.add(where, f"is not known here; there are {', '.join((*_SHORT, *_KNOWN))}")
    if wrong.fields:
        return None
    try:
        return Assumptions(**values)
    except ValueError as problem:
        name, _, words = str(problem).partition(": ")
        wrong.add(f"{place}.{name}" if place else name, words)
        return None


def write_assumptions(assumed: Assumptions) -> dict[str, Any]:
    """Every field as JSON; reading it gives the same assumptions."""
    told: dict[str, Any] = {}
    for each in fields(assumed):
        value = getattr(assumed, each.name)
        told[each.name] = str(value) if isinstance(value, Decimal | Slippage | EntryOrder) else value
    return told


def _value(name: str, given: object, where: str, wrong: Complaints) -> Any:
    if name == "reverse":
        if not isinstance(given, bool):
            wrong.add(where, "must be true or false", given)
        return given
    if name == "entry_order":
        kinds = [each.value for each in EntryOrder]
        if given not in kinds:
            wrong.add(where, f"must be one of {', '.join(kinds)}", given)
            return EntryOrder.LIMIT
        return EntryOrder(str(given))
    if name in _STEPS:
        return _step(given, where, wrong)
    number = _number(given, where, wrong)
    if name in _WHOLE:
        if number != int(number):
            wrong.add(where, "must be a whole number", given)
        return int(number)
    return number


def _number(given: object, where: str, wrong: Complaints) -> float:
    if isinstance(given, str):
        try:
            number = float(given)
        except ValueError:
            wrong.add(where, "must be a number", given)
            return 0.0
    elif isinstance(given, int | float) and not isinstance(given, bool):
        number = float(given)
    else:
        wrong.add(where, "must be a number", given)
        return 0.0
    if not isfinite(number):
        wrong.add(where, "must be a finite number", given)
        return 0.0
    return number


def _step(given: object, where: str, wrong: Complaints) -> Decimal | None:
    try:
        return Decimal(str(given))
    except InvalidOperation:
        wrong.add(where, "must be a number", given)
        return None


def _slippage(given: object, where: str, wrong: Complaints) -> dict[str, Any]:
    """`slippage`, and `slippage_size` where the value says it."""
    said = _slippage_in_words(given, where, wrong) if isinstance(given, str) else None
    return _slippage_as_fraction(given, where, wrong) if said is None else said


def _slippage_in_words(text: str, where: str, wrong: Complaints) -> dict[str, Any] | None:
    """The name of a kind, or a size with its kind or unit; None for a plain number."""
    if text in tuple(Slippage):
        return {"slippage": Slippage(text)}
    said = _TEXT_SLIPPAGE.fullmatch(text.strip())
    if said is None:
        wrong.add(where, 'must be a fraction like 0.0005, "5 bps", "volume:0.1" or "atr:0.05"', text)
        return {}
    if said["kind"] and said["bps"]:
        wrong.add(where, "is a kind or basis points, not both", text)
    unit = said["kind"] or said["bps"]
    return {"slippage": _SIZED_SLIPPAGE[unit.strip()], "slippage_size": float(said["size"])} if unit else None


def _slippage_as_fraction(given: object, where: str, wrong: Complaints) -> dict[str, Any]:
    share = _number(given, where, wrong)
    if not 0.0 <= share < 1.0:
        wrong.add(where, "must be a fraction from 0 to below 1", given)
    if share == 0.0:
        return {"slippage": Slippage.NONE, "slippage_size": 0.0}
    return {"slippage": Slippage.BPS, "slippage_size": share * 10_000.0}
