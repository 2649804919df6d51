"""Series, conditions and groups out of a document and back into their long form.

Reading notes every mistake by its place (`entry.all[2].operator`) and goes on; what it returns is whole only when nothing
was noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from modules.analysis.indicators.registry import INDICATORS
from modules.domain.market import TIMEFRAMES_MS
from modules.strategies import catalogue
from modules.strategies.catalogue import Choice, Family, Kind, Setting
from modules.strategies.checking import Complaints, items, mapping, number, one_of, only, within
from modules.strategies.language import Condition, CustomIndicator, First, Group, Joined, Operator, Rule, Series

MOST_CONDITIONS: Final = 64
DEEPEST: Final = 8
MOST_SHIFT: Final = catalogue.MOST_BARS
_LARGEST: Final = 1e15
_OF_SERIES: Final = ("type", "output", "timeframe", "shift", "times")
_OF_CONDITION: Final = ("operator", "value", "other", "ma_period", "ma_type")
_STRUCTURE: Final = "structure"
_FIRST: Final = "first"
_AVERAGE: Final = ("ma", "moving_average")


@dataclass(slots=True)
class Reading:
    """One document being read: its complaints, the timeframe of the strategy, and the indicators it may name."""

    wrong: Complaints
    timeframe: str
    indicators: Mapping[str, CustomIndicator] = field(default_factory=dict)
    conditions: int = 0
    used: dict[str, CustomIndicator] = field(default_factory=dict)


def read_rule(found: object, place: str, reading: Reading, depth: int = 1) -> Rule | None:
    """A condition, or a group of them under `all`, `any` or `not`."""
    body = mapping(found, place, reading.wrong)
    if body is None:
        return None
    named = [joined for joined in Joined if joined.value in body]
    if not named and _FIRST not in body:
        return read_condition(body, place, reading)
    if depth > DEEPEST:
        reading.wrong.add(place, f"groups may nest at most {DEEPEST} deep")
        return None
    if _FIRST in body:
        return _read_first(body, place, reading, depth)
    if len(named) > 1 or len(body) > 1:
        reading.wrong.add(place, f"a group has one of {', '.join(Joined)} and nothing beside it")
        return None
    return _read_group(body, named[0], place, reading, depth)


def _read_first(body: Mapping[str, Any], place: str, reading: Reading, depth: int) -> First | None:
    only(body, (_FIRST, "after"), place, reading.wrong)
    rule = read_rule(body[_FIRST], within(place, _FIRST), reading, depth + 1)
    after = read_rule(body.get("after"), within(place, "after"), reading, depth + 1)
    return None if rule is None or after is None else First(rule, after, place)


def _read_group(body: Mapping[str, Any], joined: Joined, place: str, reading: Reading, depth: int) -> Rule | None:
    inner = within(place, joined.value)
    if joined is Joined.NOT:
        member = read_rule(body[joined.value], inner, reading, depth + 1)
        return None if member is None else Group(joined, (member,), place)
    return read_members(body[joined.value], joined, inner, reading, depth, place)


def read_members(
    found: object, joined: Joined, inner: str, reading: Reading, depth: int = 1, place: str = ""
) -> Group | None:
    """A list of rules as one group."""
    members = items(found, inner, MOST_CONDITIONS, reading.wrong)
    if not members:
        reading.wrong.add(inner, "must have at least one condition")
    read = [read_rule(each, f"{inner}[{index}]", reading, depth + 1) for index, each in enumerate(members)]
    whole = [each for each in read if each is not None]
    return Group(joined, tuple(whole), place or inner) if len(whole) == len(read) and whole else None


def read_condition(body: Mapping[str, Any], place: str, reading: Reading) -> Condition | None:
    """A series, an operator, and what it is compared with."""
    wrong = reading.wrong
    reading.conditions += 1
    if reading.conditions > MOST_CONDITIONS:
        wrong.add(place, f"a strategy has at most {MOST_CONDITIONS} conditions")
        return None
    left = read_series(body, place, reading, _OF_CONDITION)
    operator = one_of(body.get("operator"), within(place, "operator"), tuple(Operator), wrong)
    right = _read_right(body, place, left, reading)
    if left is None or operator is None or right is None:
        return None
    return Condition(left, Operator(operator), right, place)


def _read_right(body: Mapping[str, Any], place: str, left: Series | None, reading: Reading) -> Series | float | None:
    wrong = reading.wrong
    given = [name for name in ("value", "other", "ma_period") if name in body]
    if len(given) != 1:
        wrong.add(within(place, "value"), "a condition has exactly one of value, other and ma_period")
        return None
    if "ma_type" in body and given[0] != "ma_period" and body.get("type") not in _AVERAGE:
        wrong.add(within(place, "ma_type"), "belongs to ma_period")
    if given[0] == "value":
        return _read_value(body["value"], within(place, "value"), left, reading)
    if given[0] == "ma_period":
        return _read_average(body, place, left, reading)
    other = mapping(body["other"], within(place, "other"), wrong)
    return None if other is None else read_series(other, within(place, "other"), reading)


def _read_value(found: object, place: str, left: Series | None, reading: Reading) -> float | None:
    """A number, or a word the series has for one."""
    if isinstance(found, str):
        words = {} if left is None else words_of(left, reading.indicators)
        if left is not None and found not in words:
            expected = f"must be a number or one of {', '.join(words)}" if words else "must be a number"
            reading.wrong.add(place, expected, found)
        return words.get(found)
    return number(found, place, reading.wrong, low=-_LARGEST, high=_LARGEST)


def words_of(series: Series, indicators: Mapping[str, CustomIndicator]) -> Mapping[str, float]:
    """The words that stand for values of a series."""
    kind = catalogue.KINDS[series.type]
    if kind.family is Family.CUSTOM:
        return dict(indicators[str(series.setting("name"))].levels)
    if kind.family is Family.TIME and series.setting("field") != "weekday":
        return {}
    return kind.words if series.output in (None, "event", kind.default_output) else {}


def _read_average(body: Mapping[str, Any], place: str, left: Series | None, reading: Reading) -> Series | None:
    """`ma_period`: a moving average of the same price or volume."""
    wrong = reading.wrong
    period = number(body["ma_period"], within(place, "ma_period"), wrong, low=2, high=catalogue.MOST_BARS, whole=True)
    type_ = one_of(body.get("ma_type", "sma"), within(place, "ma_type"), catalogue.AVERAGES, wrong)
    if left is None or period is None or type_ is None:
        return None
    if left.type not in ("price", "volume"):
        wrong.add(within(place, "ma_period"), f"goes with price and volume only, not with {left.type}")
        return None
    source = str(left.setting("field")) if left.type == "price" else "volume"
    settings: tuple[tuple[str, float | str], ...] = (("period", period), ("source", source))
    if type_ == "hull" and period < 4:
        wrong.add(within(place, "ma_period"), "must be at least 4 for hull")
        return None
    return Series(type_, settings, type_, left.timeframe, left.shift)


# ---- series -----------------------------------------------------------------------------------------------------------


def read_series(body: Mapping[str, Any], place: str, reading: Reading, beside: tuple[str, ...] = ()) -> Series | None:
    """A series; `beside` are fields of the same object that belong to somebody else."""
    wrong = reading.wrong
    kind, body = _kind_of(body, place, reading)
    if kind is None:
        return None
    if kind.family is Family.CUSTOM:
        return _read_custom(body, place, reading, beside)
    given: dict[str, Any] = {}
    for name, value in body.items():
        if kind.aliases.get(name, name) in given:
            wrong.add(within(place, name), f"says {kind.aliases.get(name, name)} a second time")
        given[kind.aliases.get(name, name)] = value
    names = tuple(setting.name for setting in kind.settings)
    known = (*(n for n in _OF_SERIES if n != "output" or kind.outputs), *names, *beside)
    before = len(wrong.fields)
    only(given, known, place, wrong)
    settings = _read_settings(kind, given, place, wrong)
    output = _read_output(kind, given, place, wrong)
    timeframe, shift, times = _read_view(given, place, reading)
    if len(wrong.fields) > before:
        return None
    return Series(kind.name, settings, output, timeframe, shift, times)


def _kind_of(body: Mapping[str, Any], place: str, reading: Reading) -> tuple[Kind | None, Mapping[str, Any]]:
    """The type, with the two spellings that name it indirectly undone."""
    name, where = body.get("type"), within(place, "type")
    if name == _STRUCTURE:
        kind = one_of(body.get("kind"), within(place, "kind"), catalogue.STRUCTURE_KINDS, reading.wrong)
        name = kind
        body = {key: value for key, value in body.items() if key != "kind"}
        if kind is None:
            return None, body
    elif name in _AVERAGE:
        name = one_of(body.get("ma_type", "sma"), within(place, "ma_type"), catalogue.AVERAGES, reading.wrong)
        body = {key: value for key, value in body.items() if key != "ma_type"}
        if name is None:
            return None, body
    found = catalogue.KINDS.get(name) if isinstance(name, str) else None
    if found is None:
        reading.wrong.add(where, f"must be one of {', '.join((*catalogue.KINDS, _STRUCTURE, 'ma'))}", name)
    return found, body


def _read_settings(
    kind: Kind, given: Mapping[str, Any], place: str, wrong: Complaints
) -> tuple[tuple[str, float | str], ...]:
    read: list[tuple[str, float | str]] = []
    for setting in kind.settings:
        value = _read_setting(kind, setting, given, place, wrong)
        if value is not None:
            read.append((setting.name, value))
    spec = INDICATORS.get(kind.name)
    if spec is not None and len(read) == len(kind.settings) and (complaint := spec.require(dict(read))):
        wrong.add(place, complaint)
    return tuple(read)


def _read_setting(
    kind: Kind, setting: Setting, given: Mapping[str, Any], place: str, wrong: Complaints
) -> float | str | None:
    where = within(place, setting.name)
    if isinstance(setting, Choice):
        found = given.get(setting.name, setting.default)
        if kind.family is Family.PATTERN and isinstance(found, str):
            found = catalogue.pattern_name(found)
        return one_of(found, where, setting.options, wrong)
    found = given.get(setting.name, setting.default)
    return number(found, where, wrong, low=setting.low, high=setting.high, whole=setting.whole)


def _read_output(kind: Kind, given: Mapping[str, Any], place: str, wrong: Complaints) -> str | None:
    if not kind.outputs:
        return kind.default_output
    return one_of(given.get("output", kind.default_output), within(place, "output"), kind.outputs, wrong)


def _read_view(given: Mapping[str, Any], place: str, reading: Reading) -> tuple[str | None, int, float]:
    """Timeframe, shift and factor. The strategy's own timeframe is the same as none."""
    wrong = reading.wrong
    timeframe = given.get("timeframe")
    if timeframe is not None:
        timeframe = one_of(timeframe, within(place, "timeframe"), tuple(TIMEFRAMES_MS), wrong)
        own = TIMEFRAMES_MS.get(reading.timeframe)
        if timeframe is not None and own and TIMEFRAMES_MS[timeframe] % own:
            wrong.add(
                within(place, "timeframe"), f"must be a multiple of the strategy's {reading.timeframe}", timeframe
            )
        timeframe = None if timeframe == reading.timeframe else timeframe
    shift = number(given.get("shift", 0), within(place, "shift"), wrong, low=0, high=MOST_SHIFT, whole=True)
    times = number(given.get("times", 1), within(place, "times"), wrong, low=-_LARGEST, high=_LARGEST)
    return timeframe, int(shift or 0), 1.0 if times is None else times


def _read_custom(body: Mapping[str, Any], place: str, reading: Reading, beside: tuple[str, ...]) -> Series | None:
    wrong, name = reading.wrong, body.get("name")
    only(body, ("name", *(n for n in _OF_SERIES if n != "output"), *beside), place, wrong)
    if not isinstance(name, str) or name not in reading.indicators:
        known = ", ".join(reading.indicators) or "there is none"
        wrong.add(within(place, "name"), f"must name an indicator of one's own ({known})", name)
        return None
    reading.used[name] = reading.indicators[name]
    timeframe, shift, times = _read_view(body, place, reading)
    return Series("custom", (("name", name),), None, timeframe, shift, times)


# ---- back into a document ---------------------------------------------------------------------------------------------


def write_rule(rule: Rule) -> dict[str, Any]:
    """The long form of a rule."""
    if isinstance(rule, Condition):
        return write_condition(rule)
    if isinstance(rule, First):
        return {_FIRST: write_rule(rule.rule), "after": write_rule(rule.after)}
    if rule.joined is Joined.NOT:
        return {"not": write_rule(rule.members[0])}
    return {rule.joined.value: [write_rule(each) for each in rule.members]}


def write_condition(condition: Condition) -> dict[str, Any]:
    """The long form of a condition."""
    right = condition.right
    against = {"other": write_series(right)} if isinstance(right, Series) else {"value": plain_number(right)}
    return {**write_series(condition.left), "operator": condition.operator.value, **against}


def write_series(series: Series) -> dict[str, Any]:
    """The long form of a series: every setting, and the rest where it says something."""
    kind = catalogue.KINDS[series.type]
    body: dict[str, Any] = {"type": series.type}
    body.update((name, value if isinstance(value, str) else plain_number(value)) for name, value in series.settings)
    if kind.outputs:
        body["output"] = series.output
    if series.timeframe is not None:
        body["timeframe"] = series.timeframe
    if series.shift:
        body["shift"] = series.shift
    if series.times != 1.0:
        body["times"] = plain_number(series.times)
    return body


def plain_number(value: float) -> float | int:
    """A whole number without its point."""
    return int(value) if float(value).is_integer() else value
