"""Reading untrusted values out of a document: each check notes what is wrong and where, and reading goes on.

A complaint says what was expected and what was found; a document is refused once, with all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NoReturn, TypeVar

from modules.domain.errors import InvalidInput

T = TypeVar("T")
_MOST_SHOWN = 60


class Complaints:
    """What is wrong with a document, by place, in the order in which it was found."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}

    def add(self, place: str, expected: str, found: object = None) -> None:
        """Notes one; the first word about a place stands."""
        self.fields.setdefault(place, expected if found is None else f"{expected}, got {shown(found)}")

    def raise_if_any(self, what: str) -> None:
        """Raises InvalidInput with every complaint."""
        if self.fields:
            refuse(what, self.fields)


def refuse(what: str, fields: Mapping[str, str]) -> NoReturn:
    """Raises InvalidInput that names every place."""
    listed = "; ".join(f"{place}: {words}" for place, words in fields.items())
    raise InvalidInput(f"{what} can't be read: {listed}", code="invalid_strategy", fields=fields)


def shown(value: object) -> str:
    """A value as a complaint shows it, shortened."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def within(place: str, name: str) -> str:
    """The place of a field below a place."""
    return f"{place}.{name}" if place else name


def only(found: Mapping[str, Any], allowed: Iterable[str], place: str, wrong: Complaints) -> None:
    """Complains of every field that is not allowed."""
    known = tuple(allowed)
    for name in found:
        if name not in known:
            wrong.add(within(place, str(name)), f"is not known here; there are {', '.join(known)}")


def mapping(found: object, place: str, wrong: Complaints) -> Mapping[str, Any] | None:
    """An object with text keys, or None with a complaint."""
    if isinstance(found, Mapping) and all(isinstance(key, str) for key in found):
        return found
    wrong.add(place, "must be an object", found)
    return None


def items(found: object, place: str, most: int, wrong: Complaints) -> Sequence[Any]:
    """A list of at most `most` things; empty with a complaint."""
    if not isinstance(found, list | tuple):
        wrong.add(place, "must be a list", found)
        return ()
    if len(found) > most:
        wrong.add(place, f"must have at most {most} entries, has {len(found)}")
        return ()
    return found


def number(
    found: object,
    place: str,
    wrong: Complaints,
    *,
    low: float,
    high: float,
    whole: bool = False,
    open_low: bool = False,
) -> float | None:
    """A finite number from `low` (beyond it with `open_low`) to `high`, or None with a complaint."""
    kind = "a whole number" if whole else "a number"
    span = f"above {low:g} and at most {high:g}" if open_low else f"from {low:g} to {high:g}"
    if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found):
        wrong.add(place, f"must be {kind} {span}", found)
        return None
    value = float(found)
    if not low <= value <= high or (open_low and value == low) or (whole and not value.is_integer()):
        wrong.add(place, f"must be {kind} {span}", found)
        return None
    return value


def text(found: object, place: str, wrong: Complaints, *, longest: int, empty: bool = False) -> str | None:
    """A text without control characters, or None with a complaint."""
    if isinstance(found, str) and len(found) <= longest and (empty or found.strip()) and _printable(found):
        return found
    wrong.add(place, f"must be a text of {'0' if empty else '1'} to {longest} characters", found)
    return None


def _printable(found: str) -> bool:
    return all(letter.isprintable() or letter in "\n\t" for letter in found)


def one_of(found: object, place: str, options: Sequence[str], wrong: Complaints) -> str | None:
    """One of some words, or None with a complaint."""
    if isinstance(found, str) and found in options:
        return found
    wrong.add(place, f"must be one of {', '.join(options)}", found)
    return None
