"""A heading row of labels over a row of values is read column by column: "Entry | SL" over "1.08 | 1.07" becomes lines.

Columns are parted by bars, tabs or at least two spaces.
"""

from __future__ import annotations

import re
from itertools import pairwise

_ROW = re.compile(r"[^\n|]*(?:\|[^\n|]*){3,20}")
_CELL = re.compile(r"[^|\s](?:[^|\n]*[^|\s])?")
_SPACED_ROW = re.compile(r"[ \t]*\S+(?: \S+)*(?:(?:\t+| {2,})\S+(?: \S+)*){3,20}[ \t]*")
_SPACED_CELL = re.compile(r"\S+(?: \S+)*")
_RULE = re.compile(r"[\s|:=-]*")
_NUMBER = re.compile(r"[$€]?\d[\d.,]*")
_FEWEST_PRICES = 2

Cell = tuple[int, int]


def by_columns(text: str) -> tuple[str, list[int]] | None:
    """The text with each value behind its heading, and where each character stood; None where there is no such table."""
    rows = [(m.start(), m.end()) for m in re.finditer(r"[^\n]+", text) if not _RULE.fullmatch(m.group())]
    for (start, end), (after, last) in pairwise(rows):
        heads, values = _cells(text, start, end), _cells(text, after, last)
        if heads and len(heads) == len(values) and _is_heading(text, heads, values):
            return _rearranged(text, start, last, list(zip(heads, values, strict=True)))
    return None


def _cells(text: str, start: int, end: int) -> list[Cell]:
    for row, cell in ((_ROW, _CELL), (_SPACED_ROW, _SPACED_CELL)):
        if row.fullmatch(text, start, end) is not None:
            return [match.span() for match in cell.finditer(text, start, end)]
    return []


def _is_heading(text: str, heads: list[Cell], values: list[Cell]) -> bool:
    """Whether the upper row holds no price and the lower at least two."""
    prices = [sum(_NUMBER.fullmatch(text[a:b]) is not None for a, b in row) for row in (heads, values)]
    return not prices[0] and prices[1] >= _FEWEST_PRICES


def _rearranged(text: str, start: int, end: int, columns: list[tuple[Cell, Cell]]) -> tuple[str, list[int]]:
    pieces = [text[:start]]
    origins = list(range(start))
    for head, value in columns:
        for (a, b), joint in ((head, " "), (value, "\n")):
            pieces += [text[a:b], joint]
            origins += [*range(a, b), b - 1]
    pieces.append(text[end:])
    origins.extend(range(end, len(text)))
    return "".join(pieces), origins
