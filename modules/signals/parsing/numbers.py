"""Read the numbers of a message: decimal or thousands, list or one number, k for thousands.

"27,400" alone is open. The other numbers of the same message settle it: where one of them shows a comma as decimal sign, all
commas are, and likewise for points.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from modules.signals.parsing.tokens import N, T, Token, is_price

_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:[.,']\d{3})+")
_PAIRS = re.compile(r"[1-9]\d{0,2},\d{3}(?:,[1-9]\d{0,2},\d{3}){1,9}")
_GROUPED = re.compile(r"\d{1,3},\d{3}")
_SPACED = re.compile(r"\d \d{3}")
_WHOLE_DIGITS = 3
_LARGE = Decimal(10) ** 12
_SMALL = Decimal(10) ** -18


@dataclass(frozen=True, slots=True)
class Separators:
    """What a comma and a point before exactly three digits mean in this message, and whether ".182" is below one.

    Above the `ceiling` a comma that parts no decimals parts two prices.
    """

    comma_decimal: bool = False
    point_thousands: bool = False
    point_leads: bool = True
    ceiling: Decimal | None = None


def join_spaced(tokens: list[Token], text: str) -> list[Token]:
    """Join thousands written with a space ("64 000"), where the two parts cannot be two prices beside each other."""
    if _SPACED.search(text) is None:
        return tokens
    if _in_thousands(tokens):
        return _joined(tokens, 1, single=True)
    sure = _joined(tokens, 4)
    return tokens if len(sure) == len(tokens) else _joined(tokens, 1)


def _in_thousands(tokens: list[Token]) -> bool:
    """Whether every price is one digit, a space and three digits ("2 450 ... 2 600 ... 2 380"), and the digits count no list."""
    leading: list[int] = []
    for before, token in pairwise(
        [Token(T.LINE, "", 0, 0), *(t for t in tokens if t.measure is N.PRICE or t.type is not T.NUMBER)]
    ):
        if not is_price(token) or (len(token.text) == 1 and token.text.isdigit()):
            continue
        if (
            not is_price(before)
            or len(before.text) > 1
            or token.start != before.end + 1
            or len(_whole(token)) != _WHOLE_DIGITS
        ):
            return False
        leading.append(int(before.text))
    return len(leading) > 1 and leading != list(range(1, len(leading) + 1))


def _whole(token: Token) -> str:
    """The digits before the decimal sign."""
    return token.text.partition(",")[0].partition(".")[0]


def _joined(tokens: list[Token], least_ratio: int, *, single: bool = False) -> list[Token]:
    result: list[Token] = []
    for token in tokens:
        before = result[-1] if result else None
        if before is not None and _continues(before, token, result, least_ratio, single=single):
            joined = Token(T.NUMBER, before.text + token.text, before.start, token.end)
            joined.measure, joined.glued = token.measure, before.glued
            result[-1] = joined
        else:
            result.append(token)
    return result


def _continues(before: Token, token: Token, result: list[Token], least_ratio: int, *, single: bool) -> bool:
    if token.type is not T.NUMBER or before.type is not T.NUMBER or token.start != before.end + 1:
        return False
    whole = _whole(token)
    if (
        len(whole) != _WHOLE_DIGITS
        or not whole.isdigit()
        or not before.text.isdigit()
        or len(before.text) > 3
        or before.text[0] == "0"
        or before.measure is not N.PRICE
    ):
        return False
    if whole[0] == "0" or single:
        return True
    labelled = len(result) > 1 and result[-2].type is T.WORD
    if len(before.text) == 1 and (labelled or before.glued):
        return False
    return len(before.text) < 3 and int(whole) > least_ratio * int(before.text)


def settle_separators(tokens: list[Token], floor: Decimal | None = None, ceiling: Decimal | None = None) -> Separators:
    """Decide from the numbers that can be read in one way only. `floor` is a price the symbol has been above for years,
    `ceiling` one it will not pass."""
    comma_decimal = comma_thousands = point_decimal = point_thousands = 0
    leading = False
    for token in tokens:
        if token.type is not T.NUMBER or token.measure is not N.PRICE:
            continue
        text = token.text
        commas, points = text.count(","), text.count(".")
        if not commas and not points:
            continue
        leading = leading or text[0] == "."
        if commas and points:
            last_is_point = text.rfind(".") > text.rfind(",")
            comma_thousands += last_is_point
            point_decimal += last_is_point
            comma_decimal += not last_is_point
            point_thousands += not last_is_point
        elif commas == 1 and not _THOUSANDS.fullmatch(text):
            comma_decimal += 1
        elif points == 1 and not _THOUSANDS.fullmatch(text):
            point_decimal += 1
        elif points > 1 and _THOUSANDS.fullmatch(text):
            point_thousands += 1
    if floor is not None and not point_thousands + point_decimal:
        point_thousands = _below(tokens, floor)
    if ceiling is not None and not comma_decimal + comma_thousands + point_decimal:
        comma_decimal = 0 if _plain_hundreds(tokens) else _above(tokens, ceiling)
    leads = not (leading and any(_is_large(token) for token in tokens))
    return Separators(comma_decimal > comma_thousands + point_decimal, point_thousands > point_decimal, leads, ceiling)


def _is_large(token: Token) -> bool:
    """Whether a price of three digits or more before its point stands here: beside it ".4147" is a slip for 4147."""
    if not is_price(token):
        return False
    whole = token.text.partition(".")[0]
    return whole.isdigit() and len(whole) >= _WHOLE_DIGITS


def _below(tokens: list[Token], floor: Decimal) -> int:
    """How many numbers such as 64.250 would be far below the symbol's floor if the point were decimal."""
    texts = [token.text for token in tokens if token.type is T.NUMBER and token.measure is N.PRICE]
    return sum(
        _THOUSANDS.fullmatch(text) is not None and text.count(".") == 1 and Decimal(text) < floor for text in texts
    )


def _plain_hundreds(tokens: list[Token]) -> bool:
    """Whether a price of three digits stands without separators: beside it "150,155" is a list."""
    return any(is_price(token) and len(token.text) == _WHOLE_DIGITS and token.text.isdigit() for token in tokens)


def _above(tokens: list[Token], ceiling: Decimal) -> int:
    """How many numbers such as 1,245 would be above the symbol's ceiling if the comma parted thousands."""
    texts = [token.text for token in tokens if token.type is T.NUMBER and token.measure is N.PRICE]
    return sum(
        text.count(",") == 1 and _THOUSANDS.fullmatch(text) is not None and Decimal(text.replace(",", "")) > ceiling
        for text in texts
    )


def read_numbers(tokens: list[Token], separators: Separators) -> list[Token]:
    """Give every number its value; split lists without spaces ("0.21,0.22"). Returns the tokens, lists taken apart."""
    result: list[Token] = []
    for token in tokens:
        if token.type is not T.NUMBER:
            result.append(token)
            continue
        parts = _listed(token.text, separators) if token.measure is N.PRICE else None
        if parts is None:
            token.value = value_of(token.text, separators)
            if token.value is None and token.measure is N.PRICE:
                token.measure = N.OTHER
            result.append(token)
        else:
            result.extend(_take_apart(token, parts, separators))
    return result


def _listed(text: str, separators: Separators) -> list[str] | None:
    """The members of a list written without spaces, or None where `text` is one number."""
    if "," not in text:
        return None
    if _PAIRS.fullmatch(text) and not _THOUSANDS.fullmatch(text):
        return _GROUPED.findall(text)
    parts = text.split(",")
    if "." in text and all("." in part for part in parts):
        return parts
    if "." not in text and _THOUSANDS.fullmatch(text) and not separators.comma_decimal and _passes(text, separators):
        return parts
    if "." in text or _THOUSANDS.fullmatch(text):
        return None
    lengths = {len(part) for part in parts}
    if len(parts) > 2 or (lengths == {4} or lengths == {5}):
        return parts
    return None


def _passes(text: str, separators: Separators) -> bool:
    """Whether two groups of three digits ("150,155") make a number above the ceiling, and two prices below it."""
    whole = [int(part) for part in text.split(",")]
    most = separators.ceiling
    pair = len(whole) > 1 and all(len(part) == _WHOLE_DIGITS and part[0] != "0" for part in text.split(","))
    return most is not None and pair and int("".join(text.split(","))) > most >= max(whole)


def _take_apart(token: Token, parts: list[str], separators: Separators) -> list[Token]:
    pieces: list[Token] = []
    at = token.start
    for n, part in enumerate(parts):
        piece = Token(T.NUMBER, part, at, at + len(part))
        piece.measure = N.PRICE
        piece.value = value_of(part, separators)
        piece.glued = token.glued if n == 0 else True
        if n:
            comma = Token(T.SIGN, ",", at - 1, at)
            comma.glued = True
            pieces.append(comma)
        pieces.append(piece)
        at += len(part) + 1
    return pieces


def value_of(text: str, separators: Separators) -> Decimal | None:
    """The number in `text`, None where it is none (a version, an overlong chain of digits)."""
    factor = Decimal(1)
    if text[0] == "." and text[1] != "0" and not separators.point_leads:
        text = text[1:]
    if text[-1] in "kKкК":
        text, factor = text[:-1], Decimal(1000)
    plain = _plain(text.replace("'", ""), separators, in_thousands=factor > 1)
    if plain is None:
        return None
    try:
        value = Decimal(plain) * factor
    except InvalidOperation:
        return None
    if value and not _SMALL <= value <= _LARGE:
        return None
    return value


def _plain(text: str, separators: Separators, *, in_thousands: bool) -> str | None:
    """`text` with one point as decimal sign and nothing else between the digits."""
    commas, points = text.count(","), text.count(".")
    if not commas and not points:
        return text
    if commas and points:
        return _mixed(text)
    sign, decimal = (",", separators.comma_decimal) if commas else (".", not separators.point_thousands)
    grouped = _THOUSANDS.fullmatch(text) is not None and not in_thousands
    if commas + points > 1:
        return text.replace(sign, "") if grouped else None
    return text.replace(sign, "" if grouped and not decimal else ".")


def _mixed(text: str) -> str | None:
    """A number with commas and points: the last of them is the decimal sign, and stands once."""
    decimal, group = (".", ",") if text.rfind(".") > text.rfind(",") else (",", ".")
    return None if text.count(decimal) > 1 else text.replace(group, "").replace(decimal, ".")
