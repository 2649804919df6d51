"""The order of a page of documents, and how to continue after the last document of the page before.

A page continues by comparing with the values of the last document, not by counting, so it costs the same at any depth and does
not skip or repeat when documents are added meanwhile.
"""

from __future__ import annotations

from typing import Any

from database.queries import EVERYTHING, Condition


class Order:
    """By a dotted field (missing and null first) and then by insertion; without a field by insertion alone."""

    def __init__(self, value: str | None, *, descending: bool) -> None:
        """`value` is the SQL expression of the field; None orders by insertion alone."""
        self._descending = descending
        self._word = "DESC" if descending else "ASC"
        self._by_value = value is not None
        self.value = value or "NULL"

    @property
    def sql(self) -> str:
        """The ORDER BY clause."""
        first = f"{self.value} {self._word}," if self._by_value else ""
        return f" ORDER BY {first}row {self._word}"

    def parts(self, after: tuple[Any, int] | None) -> list[Condition]:
        """Conditions whose results, one after the other, are all that follows the position (its value and row).

        Null sorts before every value and compares with none, hence two parts where the order crosses from one to the other.
        """
        if after is None:
            return [EVERYTHING]
        value, row = after
        sign = "<" if self._descending else ">"
        if not self._by_value:
            return [Condition(f"row{sign}?", (row,), True)]
        within_nulls = Condition(f"{self.value} IS NULL AND row{sign}?", (row,), True)
        beyond = Condition(f"{self.value}{sign}=? AND ({self.value}{sign}? OR row{sign}?)", (value, value, row), True)
        if self._descending:
            return [within_nulls] if value is None else [beyond, Condition(f"{self.value} IS NULL", (), True)]
        return [within_nulls, Condition(f"{self.value} IS NOT NULL", (), True)] if value is None else [beyond]
