"""Candle files that people hand in, cut to the moment asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis_views.structure import structure_answer
from modules.candles import BadCandles, load_file, parse_file_name, timeframe_name
from modules.candles.files import read_columns
from modules.domain.market import utc_from_ms

NEAREST_SHOWN = 3
"""Of each kind of structure so many are told to people."""


def candles_of_file(
    path: Path, *, symbol: str | None = None, timeframe: str | None = None, at_ms: int | None = None
) -> Candles:
    """The file's candles up to and including the one that opened at `at_ms` (or last before it).

    Symbol and timeframe are those given, else those of the file's name; a name that does not say is the symbol itself, and
    its timeframe the shortest step between two rows. Raises BadCandles for a file that is no history or has no candle by
    then.
    """
    if parse_file_name(path) is None:
        symbol = symbol or path.name.split(".")[0].upper()
        timeframe = timeframe or _step(path)
    candles = load_file(path, symbol=symbol, timeframe=timeframe)
    if at_ms is not None:
        candles = candles[: int(np.searchsorted(candles.timestamp, at_ms, side="right"))]
    if not len(candles):
        raise BadCandles(f"{path.name}: has no candle{' by that time' if at_ms is not None else ''}")
    return candles


def _step(path: Path) -> str:
    steps = np.diff(np.unique(read_columns(path).timestamp))
    if not len(steps):
        raise BadCandles(f"{path.name}: one candle does not tell its timeframe; say it")
    return timeframe_name(int(steps.min()))


def objects_of(candles: Candles) -> list[dict[str, Any]]:
    """Every structure object of a history in the order in which they became known; times are bars' open times, ms UTC."""
    from modules.analysis.structure import analyse

    return [each.as_json() for each in analyse(candles).objects()]


def object_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The same for people, one line each."""
    ways = {1: "up", -1: "down", 0: ""}
    return [
        f"{utc_from_ms(row['confirmed_at']):%Y-%m-%d %H:%M}  {row['kind']:<22} {ways[row['direction']]:<5}"
        f"{row['low']:.8g} – {row['high']:.8g}"
        + ("" if row["invalidated_at"] is None else f"  over {utc_from_ms(row['invalidated_at']):%Y-%m-%d %H:%M}")
        for row in rows
    ]


def analysis_of(candles: Candles) -> dict[str, Any]:
    """What is known at the close of the last candle; `at` is its open time (ms UTC)."""
    from modules.analysis.structure import analyse

    return {
        "symbol": candles.symbol,
        "timeframe": timeframe_name(candles.timeframe_ms),
        "at": int(candles.timestamp[-1]),
        "structure": structure_answer(candles, analyse(candles)),
    }


def analysis_lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    structure = found["structure"]
    lines = [
        f"{found['symbol']} {found['timeframe']} at the candle of {utc_from_ms(found['at']):%Y-%m-%d %H:%M} UTC",
        f"price {structure['price']:.8g}, trend {structure['trend']}",
    ]
    if (reach := structure["dealing_range"]) is not None:
        lines.append(f"dealing range {reach['low']:.8g} – {reach['high']:.8g}, price in {reach['zone']}")
    for key in ("order_blocks", "breaker_blocks", "fair_value_gaps"):
        rows = structure[key][:NEAREST_SHOWN]
        lines += [
            f"  {row['kind']:<14} {row['direction']:<8} {row['low']:.8g} – {row['high']:.8g} since {row['confirmed_at']}"
            for row in rows
        ]
    for row in structure["breaks"][-NEAREST_SHOWN:]:
        lines.append(f"  {row['kind']:<14} {row['direction']:<8} of {row['price']:.8g} at {row['confirmed_at']}")
    return lines
