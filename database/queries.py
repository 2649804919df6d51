"""TinyDB queries compiled to SQL conditions.

TinyDB describes a query by a nested tuple (its hash): ``('==', ('user', 'id'), 7)``. From that tuple comes an SQL condition
with its values as parameters. The condition never loses a document that the query would accept; when it may let through too
many, `exact` is False and the caller asks the query itself about each document. So what cannot be said in SQL (a function, a
lambda) is still right, only slower.

One difference is kept on purpose: comparing by size with a value of another kind (None, text against a number) raises in
TinyDB; in SQL such a document simply does not match. Only a query that SQL cannot narrow at all still raises.

Not obvious: SQL's JSON functions give true and false as 1 and 0 (as Python compares them), arrays and objects as their text, a
missing field and null both as NULL. `kind` tells these apart, and is asked only where it matters.
"""

# ruff: noqa: S608 - the names in the statements come from checked specifications, the values are parameters

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from database.specs import indexable


class Condition(NamedTuple):
    """An SQL condition, its parameters, and whether it decides alone (`exact`) or only narrows the candidates."""

    sql: str
    parameters: tuple[Any, ...]
    exact: bool


EVERYTHING = Condition("1", (), True)
UNDECIDED = Condition("1", (), False)

_SEQUENCES = "('array','object','text')"  # what TinyDB's any and all iterate over
_INLINE_ITEMS = 16  # longer lists travel as one JSON parameter, so that the statement text stays the same


class Fields:
    """How the fields of one collection (or of one element of a list) are named in SQL."""

    def __init__(
        self,
        key: str | None,
        column: str = "body",
        guard: str = "",
        whole: tuple[str, str] | None = None,
        depth: int = 0,
    ) -> None:
        self._column = column
        self._guard = guard
        self._values: dict[tuple[Any, ...], str | None] = {}
        self._kinds: dict[tuple[Any, ...], str] = {}
        self.depth = depth
        if key is not None:
            self._values[(key,)] = "key"
        if whole is not None:
            self._values[()], self._kinds[()] = whole

    @classmethod
    def of_element(cls, alias: str, depth: int) -> Fields:
        """The element of a list, as `json_each` shows it; only an object has fields of its own."""
        guard = f"{alias}.type='object'"
        return cls(None, f"{alias}.value", guard, (f"{alias}.value", f"{alias}.type"), depth)

    def value(self, path: tuple[Any, ...]) -> str | None:
        """The SQL expression of a field's value, to the letter as in its index; None when SQL cannot name the path."""
        try:
            return self._values[path]
        except KeyError:
            found = self._values[path] = self._expression("json_extract", path) if indexable(path) else None
            return found

    def kind(self, path: tuple[Any, ...]) -> str:
        """The SQL expression of a field's JSON kind; NULL when the field is missing. Only for paths that have a value."""
        try:
            return self._kinds[path]
        except KeyError:
            found = self._kinds[path] = self._expression("json_type", path)
            return found

    def elements(self, path: tuple[Any, ...], alias: str) -> str:
        """The table of a list's elements."""
        column = f"CASE WHEN {self._guard} THEN {self._column} END" if self._guard else self._column
        return f"json_each({column},{json_path(path)}) AS {alias}" if path else f"json_each({self._column}) AS {alias}"

    def _expression(self, function: str, path: tuple[Any, ...]) -> str:
        plain = f"{function}({self._column},{json_path(path)})"
        return f"(CASE WHEN {self._guard} THEN {plain} END)" if self._guard else plain


def json_path(path: tuple[str, ...]) -> str:
    """A path as an SQL literal: ``'$."user"."id"'``."""
    steps = "".join(f'."{step}"' for step in path).replace("'", "''")
    return f"'${steps}'"


def compile_query(query: Any, fields: Fields) -> Condition:
    """The SQL condition of a TinyDB query, a lambda, or None (everything)."""
    if query is None:
        return EVERYTHING
    shape = getattr(query, "_hash", None)
    return _compile(shape, fields) if type(shape) is tuple else UNDECIDED


def _compile(shape: tuple[Any, ...], fields: Fields) -> Condition:
    if not shape:  # TinyDB's noop
        return EVERYTHING
    operator = _OPERATORS.get(shape[0])
    return operator(shape, fields) if operator is not None else UNDECIDED


def _and(shape: tuple[Any, ...], fields: Fields) -> Condition:
    parts = [_compile(part, fields) for part in shape[1]]
    return _joined(parts, " AND ", exact=all(part.exact for part in parts))


def _or(shape: tuple[Any, ...], fields: Fields) -> Condition:
    return _any_of([_compile(part, fields) for part in shape[1]])


def _not(shape: tuple[Any, ...], fields: Fields) -> Condition:
    inner = _compile(shape[1], fields)
    return Condition(f"({inner.sql}) IS NOT TRUE", inner.parameters, True) if inner.exact else UNDECIDED


def _any_of(parts: list[Condition]) -> Condition:
    if UNDECIDED in parts:
        return UNDECIDED
    joined = _joined(parts, " OR ", exact=all(part.exact for part in parts))
    return joined._replace(sql=f"({joined.sql})")


def _joined(parts: list[Condition], word: str, *, exact: bool) -> Condition:
    # TinyDB keeps the parts as a set: sorted, the same question always becomes the same statement.
    parts = sorted((part for part in parts if part != UNDECIDED), key=itemgetter(0))
    if not parts:
        return Condition("1", (), exact)
    if len(parts) == 1:
        return parts[0]._replace(exact=exact)
    return Condition(
        word.join([part.sql for part in parts]), tuple([value for part in parts for value in part.parameters]), exact
    )


def _equal(shape: tuple[Any, ...], fields: Fields) -> Condition:
    _, path, wanted = shape
    value = fields.value(path)
    return UNDECIDED if value is None else _value_equals(value, path, wanted, fields)


def _value_equals(value: str, path: tuple[Any, ...], wanted: Any, fields: Fields) -> Condition:
    if type(wanted) is str or isinstance(wanted, str):
        text = _text(wanted)
        if text is None:
            return UNDECIDED
        if text[:1] in _LIKE_JSON:  # an array or object whose text looks the same must not match
            return Condition(f"({value}=? AND {fields.kind(path)}='text')", (text,), True)
        return Condition(f"{value}=?", (text,), True)
    if isinstance(wanted, int | float):
        return _number_equals(value, wanted)
    if wanted is None:
        return Condition(f"({value} IS NULL AND {fields.kind(path)}='null')", (), True)
    # A frozen query no longer tells a list from a tuple: narrow by kind, let the query decide.
    if isinstance(wanted, tuple):
        return Condition(f"{fields.kind(path)}='array'", (), False)
    if isinstance(wanted, dict):
        return Condition(f"{fields.kind(path)}='object'", (), False)
    return UNDECIDED


_LIKE_JSON = frozenset("[{")


def _number_equals(value: str, wanted: float) -> Condition:
    number = _number(wanted)
    if number is None:
        return UNDECIDED
    if type(number) is int:
        return Condition(f"{value}=?", (number,), True)
    margin = _margin(number)
    return Condition(f"{value} BETWEEN ? AND ?", (number - margin, number + margin), False)


def _not_equal(shape: tuple[Any, ...], fields: Fields) -> Condition:
    _, path, wanted = shape
    value = fields.value(path)
    if value is None:
        return UNDECIDED
    if wanted is None:
        return Condition(f"{value} IS NOT NULL", (), True)
    there = Condition(f"{fields.kind(path)} IS NOT NULL", (), False)
    equal = _value_equals(value, path, wanted, fields)
    if not equal.exact:
        return there
    return Condition(f"({equal.sql}) IS NOT TRUE AND {there.sql}", equal.parameters, True)


def _ordered(shape: tuple[Any, ...], fields: Fields) -> Condition:
    sign, path, limit = shape
    value = fields.value(path)
    if value is None:
        return UNDECIDED
    if isinstance(limit, str):
        text = _text(limit)
        floor = f" AND {value}>=''" if sign in {"<", "<="} else ""  # numbers come before all text
        return (
            UNDECIDED
            if text is None
            else Condition(f"{value}{sign}?{floor} AND {fields.kind(path)}='text'", (text,), True)
        )
    number = _number(limit) if isinstance(limit, int | float) else None
    if number is None:
        return UNDECIDED
    ceiling = f" AND {value}<''" if sign in {">", ">="} else ""
    if type(number) is int:
        return Condition(f"{value}{sign}?{ceiling}", (number,), True)
    margin = _margin(number) if sign in {"<", "<="} else -_margin(number)
    return Condition(f"{value}{sign}?{ceiling}", (number + margin,), False)


def _exists(shape: tuple[Any, ...], fields: Fields) -> Condition:
    path = shape[1]
    return UNDECIDED if fields.value(path) is None else Condition(f"{fields.kind(path)} IS NOT NULL", (), True)


def _one_of(shape: tuple[Any, ...], fields: Fields) -> Condition:
    _, path, items = shape
    value = fields.value(path)
    if value is None or not isinstance(items, tuple | frozenset):
        return UNDECIDED
    return _value_among(value, path, items, fields)


def _value_among(value: str, path: tuple[Any, ...], items: Iterable[Any], fields: Fields) -> Condition:
    plain: list[Any] = []
    parts: list[Condition] = []
    for item in items:
        equal = _value_equals(value, path, item, fields)
        if equal.exact and equal.sql == f"{value}=?":
            plain.append(equal.parameters[0])
        else:
            parts.append(equal)
    if plain and len(plain) <= _INLINE_ITEMS:
        parts.append(Condition(f"{value} IN ({','.join('?' * len(plain))})", tuple(plain), True))
    elif plain:
        parts.append(Condition(f"{value} IN (SELECT value FROM json_each(?))", (orjson.dumps(plain).decode(),), True))
    return _any_of(parts) if parts else Condition("0", (), True)


def _pattern(shape: tuple[Any, ...], fields: Fields) -> Condition:
    """TinyDB leaves the flags out of its hash: only a shape that carries them (see `dialect`) is decided in SQL."""
    operator, path, pattern, *flags = shape
    value = fields.value(path)
    if value is None:
        return UNDECIDED
    is_text = f"{fields.kind(path)}='text'"
    if not flags or not isinstance(pattern, str) or _text(pattern) is None:
        return Condition(is_text, (), False)
    re.compile(pattern, flags[0])
    return Condition(f"({is_text} AND regexp_{operator}(?,?,{value}))", (pattern, int(flags[0])), True)


def _any_element(shape: tuple[Any, ...], fields: Fields) -> Condition:
    _, path, wanted = shape
    if fields.value(path) is None:
        return UNDECIDED
    found = _element_found(path, wanted, fields)
    if found is None:
        return Condition(f"{fields.kind(path)} IN {_SEQUENCES}", (), False)
    # Text and objects are sequences for TinyDB too; they are rare here, so the query itself decides about them.
    kind = fields.kind(path)
    return Condition(f"({kind} IN ('text','object') OR ({kind}='array' AND {found.sql}))", found.parameters, False)


def _element_found(path: tuple[Any, ...], wanted: Any, fields: Fields) -> Condition | None:
    alias = f"e{fields.depth}"
    element = Fields.of_element(alias, fields.depth + 1)
    if callable(wanted):
        inner = compile_query(wanted, element)
    elif isinstance(wanted, tuple | frozenset):
        inner = _value_among(f"{alias}.value", (), wanted, element)
    else:
        return None
    return inner._replace(sql=f"EXISTS(SELECT 1 FROM {fields.elements(path, alias)} WHERE {inner.sql})")


def _all_elements(shape: tuple[Any, ...], fields: Fields) -> Condition:
    _, path, wanted = shape
    if fields.value(path) is None:
        return UNDECIDED
    kind = fields.kind(path)
    if callable(wanted) or not isinstance(wanted, tuple | frozenset) or len(wanted) > _INLINE_ITEMS:
        return Condition(f"{kind} IN {_SEQUENCES}", (), False)
    found = [part for item in wanted if (part := _element_found(path, (item,), fields)) is not None]
    every = _joined([Condition(f"{kind}='array'", (), True), *found], " AND ", exact=False)
    return Condition(f"({kind} IN ('text','object') OR ({every.sql}))", every.parameters, False)


def _text(text: str) -> str | None:
    """Plain text that SQL can carry; None for zero characters and lone surrogates, which no stored document holds."""
    text = str.__str__(text)
    if text.isascii():
        return None if "\0" in text else text
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return None if "\0" in text else text


def _number(number: float) -> int | float | None:
    """An int compares exactly in SQL; a float only within a margin; None cannot be asked in SQL.

    SQLite reads the digits of a fraction with an error of up to one unit in the last place, and keeps integers of 64 bits
    without sign as fractions; both stay inside the margin.
    """
    if isinstance(number, float):
        if not math.isfinite(number):
            return None
        if not number.is_integer() or abs(number) >= 2**63:
            return float(number)
    whole = int(number)
    if -(2**63) <= whole < 2**63:
        return whole
    try:
        return float(whole)
    except OverflowError:
        return None


def _margin(number: float) -> float:
    return abs(number) * 1e-14 + 1e-300


_OPERATORS: dict[Any, Callable[[tuple[Any, ...], Fields], Condition]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "==": _equal,
    "!=": _not_equal,
    "<": _ordered,
    "<=": _ordered,
    ">": _ordered,
    ">=": _ordered,
    "exists": _exists,
    "one_of": _one_of,
    "matches": _pattern,
    "search": _pattern,
    "any": _any_element,
    "all": _all_elements,
}
