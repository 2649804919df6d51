"""A strategy out of its document, and back. The short forms and the long form mean the same.

Short forms: `{"conditions": [...], "action"}`, where all must hold, and `{"entry_conditions": {"rsi": {...}}, "exit_conditions":
{...}}`, where the name is the series' type. `Strategy.document` keeps what was written; `long_form` writes it out in full.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from modules.domain.market import TIMEFRAMES_MS
from modules.strategies.checking import Complaints, items, mapping, number, one_of, only, refuse, text, within
from modules.strategies.conditions import (
    Reading,
    plain_number,
    read_members,
    read_rule,
    read_series,
    write_rule,
    write_series,
)
from modules.strategies.formulas import read_indicator_into, write_indicator
from modules.strategies.language import (
    Action,
    Conduct,
    CustomIndicator,
    Document,
    Group,
    Joined,
    Level,
    Rule,
    Strategy,
)
from modules.strategies.trade_rules import RULE_FIELDS, read_rules, write_rules

LONGEST_DOCUMENT: Final = 64_000
MOST_SYMBOLS: Final = 50
MOST_INDICATORS: Final = 16
DEFAULT_TIMEFRAME: Final = "1h"
_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9_.-]{1,39}")
_FIELDS: Final = (
    "name", "description", "symbols", "timeframe", "action", "entry", "exit", "conditions", "entry_conditions",
    "exit_conditions", "opposite", "stop_loss_at", "atr_period", "indicators", *RULE_FIELDS,
)  # fmt: skip
_OPPOSITE_FIELDS: Final = ("entry", "exit", "stop_loss_at", "targets_at")
_ENTRIES: Final = ("entry", "conditions", "entry_conditions")
_EXITS: Final = ("exit", "exit_conditions")
_LEVEL_FIELDS: Final = ("offset_pct", "offset_atr")


def read_strategy(document: Mapping[str, Any], indicators: Mapping[str, CustomIndicator] | None = None) -> Strategy:
    """The strategy a document says. `indicators` are those it may name besides the ones it carries itself.

    Raises InvalidInput whose `fields` name every wrong place and what was expected there.
    """
    wrong = Complaints()
    kept = _plain_copy(document)
    own = _read_indicators(kept.get("indicators", []), wrong)
    timeframe = one_of(kept.get("timeframe", DEFAULT_TIMEFRAME), "timeframe", tuple(TIMEFRAMES_MS), wrong)
    reading = Reading(wrong, timeframe or "", {**(indicators or {}), **own})
    only(kept, _FIELDS, "", wrong)
    strategy = _read_body(kept, reading)
    wrong.raise_if_any("the strategy")
    if strategy is None:
        raise AssertionError("a strategy without a complaint is whole")
    return strategy


def _plain_copy(document: object) -> dict[str, Any]:
    """A copy that nobody else holds. Raises InvalidInput for what is no JSON object or too large."""
    if not isinstance(document, Mapping):
        refuse("the strategy", {"document": "must be an object"})
    try:
        size = len(json.dumps(document, default=dict, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        refuse("the strategy", {"document": "must be plain JSON"})
    if size > LONGEST_DOCUMENT:
        refuse("the strategy", {"document": f"may have at most {LONGEST_DOCUMENT} characters, has {size}"})
    return copy.deepcopy(dict(document))


def _read_body(body: Mapping[str, Any], reading: Reading) -> Strategy | None:
    wrong = reading.wrong
    name = text(body.get("name"), "name", wrong, longest=80)
    description = text(body.get("description", ""), "description", wrong, longest=2_000, empty=True)
    action = one_of(body.get("action", Action.BUY.value), "action", tuple(Action), wrong)
    symbols = _read_symbols(body.get("symbols", []), wrong)
    atr_period = number(body.get("atr_period", 14), "atr_period", wrong, low=1, high=5_000, whole=True)
    entry, exit_ = _read_entry(body, reading), _read_exit(body, reading)
    stop_at = _read_level(body["stop_loss_at"], "stop_loss_at", reading) if "stop_loss_at" in body else None
    rules, levels = read_rules(body, reading, stop_at is not None)
    targets_at = tuple(_read_level(found, place, reading) for place, found in levels)
    opposite = _read_opposite(body["opposite"], reading) if "opposite" in body else None
    _check_sides(body, opposite, len(targets_at), wrong)
    if wrong.fields or not (name and action and atr_period and rules is not None and entry is not None):
        return None
    return Strategy(
        name=name,
        symbols=symbols,
        timeframe=reading.timeframe,
        action=Action(action),
        main=Conduct(entry, exit_, stop_at, tuple(level for level in targets_at if level is not None)),
        rules=rules,
        opposite=opposite,
        atr_period=int(atr_period),
        description=description or "",
        indicators=tuple(reading.used[key] for key in sorted(reading.used)),
        document=MappingProxyType(dict(body)),
    )


def _read_symbols(found: object, wrong: Complaints) -> tuple[str, ...]:
    read: list[str] = []
    for index, each in enumerate(items(found, "symbols", MOST_SYMBOLS, wrong)):
        symbol = each.upper().replace("/", "") if isinstance(each, str) else ""
        if not _SYMBOL.fullmatch(symbol) or ".." in symbol:
            wrong.add(f"symbols[{index}]", "must be a symbol like BTCUSDT", each)
        elif symbol in read:
            wrong.add(f"symbols[{index}]", "is named twice", each)
        read.append(symbol)
    return tuple(read)


def _read_indicators(found: object, wrong: Complaints) -> dict[str, CustomIndicator]:
    read: dict[str, CustomIndicator] = {}
    for index, each in enumerate(items(found, "indicators", MOST_INDICATORS, wrong)):
        indicator = read_indicator_into(each, f"indicators[{index}]", wrong)
        if indicator is not None and indicator.name in read:
            wrong.add(f"indicators[{index}].name", "is used twice", indicator.name)
        if indicator is not None:
            read[indicator.name] = indicator
    return read


def _read_entry(body: Mapping[str, Any], reading: Reading) -> Rule | None:
    given = [name for name in _ENTRIES if name in body]
    if len(given) != 1:
        reading.wrong.add("entry", f"a strategy has exactly one of {', '.join(_ENTRIES)}")
        return None
    return _read_either(body[given[0]], given[0], reading)


def _read_exit(body: Mapping[str, Any], reading: Reading) -> Rule | None:
    given = [name for name in _EXITS if name in body]
    if len(given) > 1:
        reading.wrong.add("exit_conditions", "a strategy has exit or exit_conditions, not both")
    if not given or body[given[0]] in ({}, []):
        return None
    return _read_either(body[given[0]], given[0], reading)


def _read_either(found: object, place: str, reading: Reading) -> Rule | None:
    """A rule in its long form, a list of conditions, or conditions by the type of their series."""
    if place in ("entry", "exit"):
        return read_rule(found, place, reading)
    if isinstance(found, list | tuple):
        return read_members(found, Joined.ALL, place, reading, place=place)
    named = mapping(found, place, reading.wrong)
    if named is None:
        return None
    members = [_read_typed(each, type_, where, reading) for where, type_, each in _conditions_of(named, place)]
    whole = [each for each in members if each is not None]
    if not members:
        reading.wrong.add(place, "must have at least one condition")
    return Group(Joined.ALL, tuple(whole), place) if members and len(whole) == len(members) else None


def _conditions_of(named: Mapping[str, Any], place: str) -> Iterator[tuple[str, str, object]]:
    """The place, the type and the body of each condition; a type with a list stands for several."""
    for type_, body in named.items():
        inner = within(place, type_)
        if isinstance(body, list | tuple):
            yield from ((f"{inner}[{index}]", type_, each) for index, each in enumerate(body))
        else:
            yield inner, type_, body


def _read_typed(found: object, type_: str, place: str, reading: Reading) -> Rule | None:
    condition = mapping(found, place, reading.wrong)
    if condition is None:
        return None
    if "type" in condition:
        reading.wrong.add(within(place, "type"), "is already said by the name above it")
        return None
    return read_rule({"type": type_, **condition}, place, reading, 2)


def _read_level(found: object, place: str, reading: Reading) -> Level | None:
    body = mapping(found, place, reading.wrong)
    if body is None:
        return None
    series = read_series(body, place, reading, _LEVEL_FIELDS)
    pct, atr = (
        number(body.get(name, 0), within(place, name), reading.wrong, low=-50, high=50) for name in _LEVEL_FIELDS
    )
    return None if series is None or pct is None or atr is None else Level(series, pct, atr)


def _read_opposite(found: object, reading: Reading) -> Conduct | None:
    body = mapping(found, "opposite", reading.wrong)
    if body is None:
        return None
    only(body, _OPPOSITE_FIELDS, "opposite", reading.wrong)
    if "entry" not in body:
        reading.wrong.add("opposite.entry", "is needed")
        return None
    entry = read_rule(body["entry"], "opposite.entry", reading)
    exit_ = read_rule(body["exit"], "opposite.exit", reading) if "exit" in body else None
    place = "opposite.stop_loss_at"
    stop_at = _read_level(body["stop_loss_at"], place, reading) if "stop_loss_at" in body else None
    found_targets = items(body.get("targets_at", []), "opposite.targets_at", 16, reading.wrong)
    targets = [_read_level(each, f"opposite.targets_at[{n}]", reading) for n, each in enumerate(found_targets)]
    return (
        None if entry is None else Conduct(entry, exit_, stop_at, tuple(each for each in targets if each is not None))
    )


def _check_sides(body: Mapping[str, Any], opposite: Conduct | None, targets_at: int, wrong: Complaints) -> None:
    """Levels at structure have to be said for each side that is traded."""
    if opposite is None:
        return
    if ("stop_loss_at" in body) != (opposite.stop_at is not None):
        wrong.add("opposite.stop_loss_at", "must be given on both sides or on none")
    if targets_at != len(opposite.targets_at):
        wrong.add("opposite.targets_at", f"must have as many levels as the targets ({targets_at})")


# ---- back into a document ---------------------------------------------------------------------------------------------


def long_form(strategy: Strategy) -> dict[str, Any]:
    """The whole strategy written out; reading it gives an equal strategy, and writing that the same document."""
    body: dict[str, Any] = {"name": strategy.name}
    if strategy.description:
        body["description"] = strategy.description
    body |= {"symbols": list(strategy.symbols), "timeframe": strategy.timeframe, "action": strategy.action.value}
    body |= _write_conduct(strategy.main)
    body |= write_rules(strategy.rules, [_write_level(level) for level in strategy.main.targets_at])
    if strategy.opposite is not None:
        body["opposite"] = _write_conduct(strategy.opposite)
        if strategy.opposite.targets_at:
            body["opposite"]["targets_at"] = [_write_level(level) for level in strategy.opposite.targets_at]
    body["atr_period"] = strategy.atr_period
    if strategy.indicators:
        body["indicators"] = [write_indicator(each) for each in strategy.indicators]
    return body


def _write_conduct(conduct: Conduct) -> dict[str, Any]:
    body: dict[str, Any] = {"entry": write_rule(conduct.entry)}
    if conduct.exit is not None:
        body["exit"] = write_rule(conduct.exit)
    if conduct.stop_at is not None:
        body["stop_loss_at"] = _write_level(conduct.stop_at)
    return body


def _write_level(level: Level) -> dict[str, Any]:
    offsets = {"offset_pct": level.offset_pct, "offset_atr": level.offset_atr}
    return write_series(level.series) | {name: plain_number(value) for name, value in offsets.items() if value}


def write_strategy(strategy: Strategy) -> dict[str, Any]:
    """The document as it was written; the long form for a strategy made without one."""
    return copy.deepcopy(dict(strategy.document)) if strategy.document else long_form(strategy)


def version_of(strategy: Strategy) -> str:
    """A hash of what the strategy means: the same for every way to write it, another after any change of meaning."""
    written = json.dumps(long_form(strategy), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()[:16]


__all__ = ["Document", "long_form", "read_strategy", "version_of", "write_strategy"]
