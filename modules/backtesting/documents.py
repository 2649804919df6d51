"""A result as JSON and CSV: what is stored, sent and read by other programs.

Times are ms UTC, returns fractions, money in quote currency. An equity point's time is the open time of its bar, its value
that at the bar's close. Histories of a million bars are thinned for reading; the figures are always those of all bars.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Floats, Integers
from modules.backtesting.benchmark import benchmark_document
from modules.backtesting.breakdown import breakdown
from modules.backtesting.result import Result
from modules.backtesting.statistics import Figure, metrics_of
from modules.backtesting.warnings import Checks, warnings_of
from modules.domain.market import TIMEFRAMES_MS

MOST_POINTS: Final = 4_000
#: Points kept of each stretch: its first, lowest, highest and last.
_OF_STRETCH: Final = 4
_UNITS: Final = (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000))

#: The order of events every run follows, printed with its assumptions.
ORDER_OF_EVENTS: Final = (
    "Signals are decided at the close of a bar and carried out at the next open.",
    "Inside a bar the stop goes before the targets; a gap through a level fills at the open.",
    "A stop or target that triggers on the bar of entry fills at its own price.",
    "One position per symbol: a signal while it is open is ignored.",
    "What is open at the end is closed at the last close and marked so.",
)


def result_document(
    result: Result,
    strategy: Mapping[str, Any] | str,
    *,
    checks: Checks | None = None,
    most_points: int = MOST_POINTS,
    tables: bool = False,
) -> dict[str, Any]:
    """The JSON of a result. `strategy` is its document or its name; `tables` adds `breakdown`.

    Without `checks` absurdly good figures come with a warning. The equity of more than `most_points` bars is thinned, and
    `equity_points` says how. Every figure that isn't defined is null.
    """
    metrics: dict[str, Figure] = metrics_of(result)
    chosen = thinned(result.equity, most_points)
    told: dict[str, Any] = {
        "strategy": dict(strategy) if isinstance(strategy, Mapping) else strategy,
        "data": _data(result),
        "assumptions": assumptions_document(result),
        "metrics": metrics,
        "trades": result.trade_documents(),
        "equity": points(result.times[chosen], result.equity[chosen]),
        "equity_points": {"kept": len(chosen), "of": len(result.equity), "rule": _rule(chosen, result)},
        "benchmark": benchmark_document(result),
        "warnings": [each.document() for each in warnings_of(result, metrics, checks)],
        "refused": dict(result.refused),
        "magnified_bars": result.magnified_bars,
        "engine_version": result.engine_version,
    }
    if checks is not None:
        told["checks"] = {"passed": checks.passed, **asdict(checks)}
    if tables:
        told["breakdown"] = breakdown(result)
    return told


def timeframe_name(length_ms: int) -> str:
    """The usual name of a timeframe, such as `15m`; milliseconds where it is no whole minute."""
    for name, known_ms in TIMEFRAMES_MS.items():
        if known_ms == length_ms:
            return name
    return next((f"{length_ms // size}{unit}" for unit, size in _UNITS if length_ms % size == 0), f"{length_ms}ms")


def _data(result: Result) -> dict[str, Any]:
    """Which candles: `from` and `to` are the open times of the first and the last bar."""
    told: dict[str, Any] = {
        "symbol": ",".join(result.symbols),
        "timeframe": timeframe_name(result.timeframe_ms),
        "from": int(result.times[0]) if len(result.times) else None,
        "to": int(result.times[-1]) if len(result.times) else None,
        "rows": sum(len(candles) for candles in result.markets),
        "hash": result.data_hash,
    }
    if len(result.symbols) > 1:
        told["symbols"] = list(result.symbols)
    return told


def assumptions_document(result: Result) -> dict[str, Any]:
    """Every assumption and rule of a run, and the order of events in a bar."""
    assumed = {each.name: _plain(getattr(result.assumptions, each.name)) for each in fields(result.assumptions)}
    rules = {each.name: _plain(getattr(result.rules, each.name)) for each in fields(result.rules)}
    return {**assumed, "rules": rules, "order_of_events": list(ORDER_OF_EVENTS)}


def _plain(value: Any) -> Any:
    """A value of a dataclass as JSON; exact decimals stay text."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return value


def thinned(values: Floats, most: int = MOST_POINTS) -> Integers:
    """Places of the values to keep, at most about `most`: all of a short curve, else first, lowest, highest and last of equal stretches.

    No peak and no low of the curve is lost.
    """
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), max(most // _OF_STRETCH, 1) + 1).astype(np.int64)
    kept = []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = values[start:end]
        kept += [start, start + int(part.argmin()), start + int(part.argmax()), end - 1]
    return np.unique(np.array(kept, np.int64))


def _rule(chosen: Integers, result: Result) -> str:
    if len(chosen) == len(result.equity):
        return "every bar"
    return "first, lowest, highest and last bar of equal stretches"


def points(times: Integers, values: Floats) -> list[list[float]]:
    """[[time, value], ...] with whole milliseconds."""
    return [[int(time), float(value)] for time, value in zip(times.tolist(), values.tolist(), strict=True)]


def trades_csv(result: Result) -> str:
    """All trades, one row each, with the columns of the JSON; empty where there is no value."""
    documents = result.trade_documents()
    names = list(documents[0]) if documents else ["symbol", "entry_time", "exit_time", "side", "pnl"]
    return _csv(names, ([each[name] for name in names] for each in documents))


def equity_csv(result: Result) -> str:
    """Every bar of the equity, never thinned: `time,equity,drawdown`."""
    peak = (
        np.maximum(np.maximum.accumulate(result.equity), result.assumptions.capital)
        if len(result.equity)
        else result.equity
    )
    rows = zip(result.times.tolist(), result.equity.tolist(), (result.equity / peak - 1.0).tolist(), strict=True)
    return _csv(["time", "equity", "drawdown"], rows)


def _csv(names: list[str], rows: Iterable[Iterable[object]]) -> str:
    """Text of a table. Floats are written so that reading them back gives the same."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return buffer.getvalue()
