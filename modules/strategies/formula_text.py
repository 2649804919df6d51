"""Formulas as a short text, read by recursive descent into the same tree as formulas in JSON. Nothing is run as code.

Text: numbers, `+ - * /`, parentheses, the prices `open high low close hl2 hlc3 ohlc4`, `volume`, any series of the catalogue
with its settings (`rsi(14)`, `macd(12, 26, 9).signal`), `mean sum highest lowest stdev ema shift` of the last bars
(`mean(volume, 20)`), `abs sqrt log`, and `larger smaller` of two operands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from modules.analysis.indicators.registry import SOURCES
from modules.strategies import catalogue
from modules.strategies.checking import Complaints
from modules.strategies.language import Applied, Arithmetic, Formula, Numeral, Rolling, Series

LONGEST_TEXT: Final = 500
DEEPEST: Final = 20
_ROLLING: Final[Mapping[str, str]] = {
    "mean": "mean",
    "sma": "mean",
    "sum": "sum",
    "highest": "max",
    "max": "max",
    "lowest": "min",
    "min": "min",
    "stdev": "stdev",
    "ema": "ema",
    "shift": "shift",
}
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>[-+*/(),.=]))"
)

ReadLeaf = Callable[[Mapping[str, Any], str, Complaints], Series | None]


class _Unreadable(Exception):
    """The text can't be read from `at` on."""

    def __init__(self, expected: str, at: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.at = at


def setting_names(type_: object) -> tuple[str, ...]:
    """The settings of a type of series, in the order in which a text gives them."""
    kind = catalogue.KINDS.get(type_) if isinstance(type_, str) else None
    return () if kind is None else tuple(setting.name for setting in kind.settings)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def read_text(found: str, place: str, wrong: Complaints, read_leaf: ReadLeaf) -> Formula | None:
    """A formula, or None with a complaint that says at which character it can't be read on."""
    if len(found) > LONGEST_TEXT or not found.strip():
        wrong.add(place, f"must be a formula of 1 to {LONGEST_TEXT} characters")
        return None
    try:
        reader = _TextReader(_tokens(found), place, wrong, read_leaf)
        return reader.whole()
    except _Unreadable as error:
        wrong.add(place, f"at character {error.at + 1}: {error.expected}")
        return None


def _tokens(found: str) -> list[_Token]:
    tokens, at, end = [], 0, len(found.rstrip())
    while at < end:
        match = _TOKEN.match(found, at)
        if match is None or match.lastgroup is None:
            raise _Unreadable("a number, a name or one of + - * / ( ) is expected", at)
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return [*tokens, _Token("end", "", end)]


class _TextReader:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, tokens: list[_Token], place: str, wrong: Complaints, read_leaf: ReadLeaf) -> None:
        self._tokens, self._next, self._depth = tokens, 0, 0
        self._place, self._wrong, self._read_leaf = place, wrong, read_leaf

    def whole(self) -> Formula | None:
        """The formula, which must end where the text does."""
        formula = self._sum()
        if self._here.kind != "end":
            raise _Unreadable(
                f"the formula should end or go on with an operator, not {self._here.text!r}", self._here.at
            )
        return formula

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, text: str) -> bool:
        if self._here.kind == "sign" and self._here.text == text:
            self._next += 1
            return True
        return False

    def _must(self, text: str) -> None:
        if not self._take(text):
            raise _Unreadable(f"{text!r} is expected", self._here.at)

    def _sum(self) -> Formula:
        return self._chain(self._product, ("+", "-"))

    def _product(self) -> Formula:
        return self._chain(self._signed, ("*", "/"))

    def _chain(self, part: Callable[[], Formula], signs: tuple[str, ...]) -> Formula:
        self._depth += 1
        if self._depth > 4 * DEEPEST:
            raise _Unreadable(f"a formula may nest at most {DEEPEST} deep", self._here.at)
        left = part()
        while self._here.kind == "sign" and self._here.text in signs:
            sign = self._here.text
            self._next += 1
            left = Arithmetic(sign, left, part())
        self._depth -= 1
        return left

    def _signed(self) -> Formula:
        if not self._take("-"):
            return self._part()
        self._depth += 1
        if self._depth > 4 * DEEPEST:
            raise _Unreadable(f"a formula may nest at most {DEEPEST} deep", self._here.at)
        inner = self._signed()
        self._depth -= 1
        return Numeral(-inner.value) if isinstance(inner, Numeral) else Applied("negative", inner)

    def _part(self) -> Formula:
        token = self._here
        self._next += token.kind != "end"
        if token.kind == "number":
            return Numeral(float(token.text))
        if token.kind == "name":
            return self._named(token)
        if token.text == "(":
            inner = self._sum()
            self._must(")")
            return inner
        raise _Unreadable("a number, a name or '(' is expected", token.at)

    def _named(self, token: _Token) -> Formula:
        if not self._take("("):
            if token.text in SOURCES or token.text in catalogue.KINDS:
                return self._series(token, [], {})
            raise _Unreadable(f"there is no series named {token.text!r}", token.at)
        operands: list[Formula] = []
        named: dict[str, Formula] = {}
        while not self._take(")"):
            if operands or named:
                self._must(",")
            self._operand(operands, named)
        return self._called(token, operands, named)

    def _operand(self, operands: list[Formula], named: dict[str, Formula]) -> None:
        here, after = self._here, self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        if here.kind == "name" and after.kind == "sign" and after.text == "=":
            self._next += 2
            named[here.text] = self._sum()
        elif named:
            raise _Unreadable("settings with names come last", here.at)
        else:
            operands.append(self._sum())

    def _called(self, token: _Token, operands: list[Formula], named: dict[str, Formula]) -> Formula:
        name = token.text
        if name in ("larger", "smaller") and len(operands) == 2 and not named:
            return Arithmetic(name, operands[0], operands[1])
        if name in ("abs", "sqrt", "log") and len(operands) == 1 and not named:
            return Applied(name, operands[0])
        if name in _ROLLING and len(operands) == 2 and not named:
            bars = operands[1]
            whole = isinstance(bars, Numeral) and bars.value.is_integer() and 1 <= bars.value <= catalogue.MOST_BARS
            if not isinstance(bars, Numeral) or not whole:
                raise _Unreadable(f"{name} takes a series and a whole number of bars", token.at)
            return Rolling(_ROLLING[name], operands[0], int(bars.value))
        if name in catalogue.KINDS:
            return self._series(token, operands, named)
        raise _Unreadable(f"{name!r} is no function, or takes other operands", token.at)

    def _series(self, token: _Token, operands: list[Formula], named: dict[str, Formula]) -> Formula:
        """A series of the catalogue with settings in their order or by name, and `.output` behind it."""
        body: dict[str, Any] = {"type": token.text}
        if token.text in SOURCES and token.text != "volume":
            body = {"type": "price", "field": token.text}
        names = setting_names(body["type"])
        if len(operands) > len(names):
            raise _Unreadable(f"{token.text} takes {len(names)} settings", token.at)
        for name, operand in (*zip(names, operands, strict=False), *named.items()):
            if not isinstance(operand, Numeral) or name in body:
                raise _Unreadable(f"{name} of {token.text} must be one number", token.at)
            body[name] = operand.value
        if self._take("."):
            body["output"] = self._here.text
            self._next += self._here.kind != "end"
        before = len(self._wrong.fields)
        series = self._read_leaf(body, self._place, self._wrong)
        if series is None:
            said = list(self._wrong.fields.items())[before:]
            words = "; ".join(words for _, words in said)
            for place, _ in said:
                del self._wrong.fields[place]
            raise _Unreadable(f"{token.text}: {words}", token.at)
        return series
