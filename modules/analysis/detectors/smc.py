"""Smart Money Concepts: trend by breaks of structure, the dealing range, standing zones, sweeps, and volume.

Reads the shared structure only; every object it names was confirmed by the last bar's close.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import Reason, View, price_text, side_word, view_of, weigh
from modules.analysis.detectors.records import Context, Detection, Evidence
from modules.analysis.structure import BarReading, StructureObject
from modules.analysis.structure.layout import (
    BOS,
    BREAKER_BLOCK,
    CHOCH,
    DEALING_RANGE,
    FVG,
    ORDER_BLOCK,
    POOL,
    SWEEP,
    Records,
)
from modules.analysis.structure.records import read_objects

RECENT_BARS = 20
"""After so many bars a break counts half as much beyond the trend it set."""

SWEEP_BARS = 8
NEAR_ATR = 1.0
EVENT_BARS = 5
_WEIGHTS = {"trend": 0.30, "zones": 0.25, "range": 0.15, "sweep": 0.15, "flow": 0.10, "strat": 0.05}


class SmartMoneyDetector:
    """Order blocks, gaps, liquidity and structure as one opinion."""

    name: ClassVar[str] = "smc"
    lookback: ClassVar[int] = 40

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`."""
        view = view_of(self.name, self.lookback, candles, context)
        if isinstance(view, Detection):
            return view
        bar = view.structure.at(view.last)
        reasons: list[Reason] = []
        evidence: list[Evidence] = []
        _read_trend(view, bar, reasons, evidence)
        _read_zones(view, reasons, evidence)
        _read_range(view, bar, reasons, evidence)
        _read_sweep(view, reasons, evidence)
        _read_flow(view, bar, reasons)
        _draw_pools(view, evidence)
        return weigh(self.name, reasons, 1.0, tuple(evidence), view.at, "no structure has been confirmed yet")


def _rows(view: View, *kinds: int) -> Records:
    table = view.structure.table
    return table[np.isin(table["kind"], kinds)]


def _objects(view: View, rows: Records) -> list[StructureObject]:
    return read_objects(rows, view.stamp)


def evidence_of(found: StructureObject, label: str) -> Evidence:
    """A structure object as evidence."""
    return Evidence(found.kind, found.price, found.low, found.high, found.formed_at, found.confirmed_at, label)


def _read_trend(view: View, bar: BarReading, reasons: list[Reason], evidence: list[Evidence]) -> None:
    breaks = _rows(view, BOS, CHOCH)
    if not len(breaks) or bar.trend == 0:
        return
    latest = _objects(view, breaks[-1:])[0]
    age = view.last - latest.confirmed_index
    freshness = 0.5 ** (age / RECENT_BARS)
    word = "CHoCH" if latest.kind == "choch" else "BOS"
    words = f"{side_word(bar.trend)} structure since the {word} at {price_text(latest.price)}, {age} bars ago"
    reasons.append(Reason(_WEIGHTS["trend"], bar.trend * (0.5 + 0.5 * freshness), words))
    label = f"{side_word(bar.trend)} {word}"
    evidence.append(Evidence(latest.kind, latest.price, None, None, latest.formed_at, latest.confirmed_at, label))


def _read_zones(view: View, reasons: list[Reason], evidence: list[Evidence]) -> None:
    zones = _rows(view, ORDER_BLOCK, BREAKER_BLOCK, FVG)
    zones = zones[zones["ended"] < 0]
    away = np.maximum(np.maximum(zones["low"] - view.close, view.close - zones["high"]), 0.0) / view.atr
    best: dict[int, tuple[float, StructureObject]] = {}
    for side in (1, -1):
        mine = np.flatnonzero(zones["direction"] == side)
        nearest = mine[np.argsort(away[mine], kind="stable")][:3]
        for found, distance in zip(_objects(view, zones[nearest]), away[nearest], strict=True):
            evidence.append(evidence_of(found, f"{side_word(side)} {found.kind.replace('_', ' ')}"))
            value = _zone_value(found, float(distance))
            if value > best.get(side, (0.0, found))[0]:
                best[side] = (value, found)
    pull = best[1][0] if 1 in best else 0.0
    push = best[-1][0] if -1 in best else 0.0
    if pull == push:
        return
    side = 1 if pull > push else -1
    found = best[side][1]
    words = f"{side_word(side)} {found.kind.replace('_', ' ')} at {price_text(found.low)} to {price_text(found.high)}"
    reasons.append(Reason(_WEIGHTS["zones"], pull - push, words))


def _zone_value(found: StructureObject, distance: float) -> float:
    """How much a standing zone speaks: near, unmitigated and validated ones most."""
    if distance >= NEAR_ATR:
        return 0.0
    value = 1.0 - 0.5 * distance / NEAR_ATR
    if found.mitigated_index is not None:
        value *= 0.6
    if found.kind == "fvg" or (found.kind == "order_block" and found.label != "validated"):
        value *= 0.75
    return value


def _read_range(view: View, bar: BarReading, reasons: list[Reason], evidence: list[Evidence]) -> None:
    if not np.isfinite(bar.range_position):
        return
    position = min(1.0, max(0.0, bar.range_position))
    names = {1: "premium", -1: "discount", 0: "equilibrium"}
    share = f"{100 * bar.range_position:.0f}% of the dealing range"
    if bar.zone != 0 and 0 <= bar.range_position <= 1:
        reasons.append(Reason(_WEIGHTS["range"], 1 - 2 * position, f"price at {names[bar.zone]}, {share}"))
    ranges = _rows(view, DEALING_RANGE)
    standing = _objects(view, ranges[ranges["ended"] < 0][-1:])
    evidence.extend(evidence_of(found, f"dealing range, price in {names[bar.zone]}") for found in standing)


def _read_sweep(view: View, reasons: list[Reason], evidence: list[Evidence]) -> None:
    sweeps = _rows(view, SWEEP)
    sweeps = sweeps[sweeps["confirmed"] > view.last - SWEEP_BARS]
    lean, words = 0.0, ""
    for found in _objects(view, sweeps):
        side = found.direction
        lean += side * (1 - (view.last - found.confirmed_index) / SWEEP_BARS)
        taken = "lows" if side > 0 else "highs"
        words = f"liquidity of {taken} swept at {price_text(found.price)}"
        evidence.append(evidence_of(found, f"sweep of {taken}"))
    reasons.append(Reason(_WEIGHTS["sweep"], max(-1.0, min(1.0, lean)), words))


def _read_flow(view: View, bar: BarReading, reasons: list[Reason]) -> None:
    recent = view.structure.bars[-EVENT_BARS:]
    events = 0.5 * _sum(recent["impulse"]) + 0.5 * _sum(recent["absorption"]) + 0.4 * _sum(recent["divergence"])
    flow = bar.money_flow if np.isfinite(bar.money_flow) else 0.0
    lean = max(-1.0, min(1.0, flow + events))
    reasons.append(Reason(_WEIGHTS["flow"], lean, f"money flow {flow:+.2f} over the volume window"))
    turn = bar.strat_reversal or bar.strat_continuation
    words = "STRAT reversal" if bar.strat_reversal else "STRAT continuation"
    reasons.append(Reason(_WEIGHTS["strat"], float(turn), f"{side_word(turn)} {words}"))


def _sum(values: npt.NDArray[Any]) -> float:
    return float(np.sum(values))


def _draw_pools(view: View, evidence: list[Evidence]) -> None:
    pools = _rows(view, POOL)
    pools = pools[pools["ended"] < 0]
    for side in (1, -1):
        mine = pools[pools["direction"] == side]
        nearest = mine[np.argsort(np.abs(mine["price"] - view.close), kind="stable")][:1]
        label = "buy-side liquidity" if side > 0 else "sell-side liquidity"
        evidence.extend(evidence_of(found, label) for found in _objects(view, nearest))
