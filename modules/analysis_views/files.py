"""Candle files that people hand in, cut to the moment asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis_views.scores import Scored, detection_rows, score_candles, score_lines
from modules.candles import BadCandles, load_file, parse_file_name, timeframe_name
from modules.candles.files import read_columns
from modules.domain.market import utc_from_ms
from modules.opinions import Opinion, known_by, opinions_on


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


def analysis_of(candles: Candles, opinions: Sequence[Opinion] = ()) -> dict[str, Any]:
    """The detections and the score at the close of the last candle; `at` is its open time (ms UTC).

    Of the opinions those count that were known at that close.
    """
    scored = _scored(candles, opinions)
    return {
        **_place(candles),
        "detections": detection_rows(scored),
        "score": scored.score_row(),
    }


def analysis_lines(candles: Candles, opinions: Sequence[Opinion] = ()) -> list[str]:
    """The same for people."""
    place = _place(candles)
    head = f"{place['symbol']} {place['timeframe']} at the candle of {utc_from_ms(place['at']):%Y-%m-%d %H:%M} UTC"
    return [f"{head}, price {candles.close[-1]:.8g}", *score_lines(_scored(candles, opinions))]


def _scored(candles: Candles, opinions: Sequence[Opinion]) -> Scored:
    return score_candles(candles, known_by(opinions_on(opinions, candles.symbol), candles.closed_at(len(candles) - 1)))


def _place(candles: Candles) -> dict[str, Any]:
    timeframe = timeframe_name(candles.timeframe_ms)
    return {"symbol": candles.symbol, "timeframe": timeframe, "at": int(candles.timestamp[-1])}
