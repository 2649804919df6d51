"""Market structure as one answer: trend, dealing range, blocks, gaps, liquidity, breaks and flow, as of the last bar."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from modules.analysis.candles import Candles
from modules.domain.market import iso_from_ms

if TYPE_CHECKING:
    from modules.analysis.structure import Structure, StructureObject

NEWEST = 10
"""Of what happened (breaks, sweeps, displacements) so many of the newest are told."""

_STRAT = {1: "1", 2: "2u", -2: "2d", 3: "3", 0: None}
_WAYS = {1: "bullish", -1: "bearish", 0: "none"}
_ZONES = {1: "premium", -1: "discount", 0: "equilibrium"}


def structure_answer(candles: Candles, structure: Structure) -> dict[str, Any]:
    """The answer for a history with at least one candle. Standing things are told nearest to the price first."""
    price, bar = float(candles.close[-1]), structure.at(len(structure) - 1)

    def standing(*kinds: str) -> list[dict[str, Any]]:
        found = structure.standing(*kinds)
        return [object_row(each) for each in sorted(found, key=lambda one: _distance(one, price))]

    def newest(*kinds: str) -> list[dict[str, Any]]:
        return [object_row(each) for each in structure.objects(*kinds)[-NEWEST:]]

    pools = standing("liquidity_pool")
    return {
        "price": price,
        "trend": _WAYS[bar.trend],
        "dealing_range": _range(bar.swing_low, bar.swing_high, bar.range_position, bar.zone),
        "order_blocks": standing("order_block"),
        "breaker_blocks": standing("breaker_block"),
        "fair_value_gaps": standing("fvg"),
        "liquidity": {
            "above": [row for row in pools if row["price"] > price],
            "below": [row for row in pools if row["price"] <= price],
        },
        "breaks": newest("bos", "choch"),
        "sweeps": newest("liquidity_sweep"),
        "displacements": newest("displacement"),
        "swings": newest("swing_high", "swing_low"),
        "strat": _STRAT[bar.strat],
        "institutional_flow": {
            "volume_z": _number(bar.volume_z),
            "effort": _number(bar.effort),
            "result_atr": _number(bar.result),
            "money_flow": _number(bar.money_flow),
            "events": newest("absorption", "volume_impulse", "money_flow_divergence"),
        },
        "atr": _number(bar.atr),
    }


def object_row(found: StructureObject) -> dict[str, Any]:
    """One object for people and programs: times as ISO-8601 UTC."""
    return {
        "kind": found.kind,
        "label": found.label,
        "direction": _WAYS[found.direction],
        "low": found.low,
        "high": found.high,
        "price": found.price,
        "strength": found.strength,
        "count": found.count,
        "formed_at": iso_from_ms(found.formed_at),
        "confirmed_at": iso_from_ms(found.confirmed_at),
        "mitigated_at": iso_from_ms(found.mitigated_at),
        "invalidated_at": iso_from_ms(found.invalidated_at),
    }


def _range(low: float, high: float, position: float, zone: int) -> dict[str, Any] | None:
    if not (isfinite(low) and isfinite(high) and high > low):
        return None
    return {
        "low": low,
        "high": high,
        "equilibrium": (low + high) / 2,
        "position": _number(position),
        "zone": _ZONES[zone],
    }


def _distance(found: StructureObject, price: float) -> float:
    return max(found.low - price, price - found.high, 0.0)


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None
