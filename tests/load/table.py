"""One row of a benchmark table, and the printed table.

A benchmark returns rows; it never fails a build by itself. `bar` is the promise in words, `passed` whether this run met it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure: where, what, how much, in which unit, and the promise it is held to."""

    area: str
    measure: str
    value: float
    unit: str
    bar: str = ""
    passed: bool | None = None


def render(rows: list[Row]) -> str:
    """The rows as a Markdown table, so that a document can quote it unchanged."""
    lines = ["| area | measure | value | unit | bar | met |", "|---|---|---:|---|---|---|"]
    for row in rows:
        met = {True: "yes", False: "NO", None: ""}[row.passed]
        lines.append(f"| {row.area} | {row.measure} | {_figure(row.value)} | {row.unit} | {row.bar} | {met} |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3g}"
