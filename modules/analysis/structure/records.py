"""Typed answers read off the structure tables: objects with their history, and the facts of one bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from modules.analysis.structure import layout
from modules.analysis.structure.layout import Records

_KINDS = {
    layout.BOS: "bos",
    layout.CHOCH: "choch",
    layout.ORDER_BLOCK: "order_block",
    layout.BREAKER_BLOCK: "breaker_block",
    layout.FVG: "fvg",
    layout.POOL: "liquidity_pool",
    layout.SWEEP: "liquidity_sweep",
    layout.DISPLACEMENT: "displacement",
    layout.DEALING_RANGE: "dealing_range",
    layout.STRAT_REVERSAL: "strat_reversal",
    layout.STRAT_CONTINUATION: "strat_continuation",
    layout.ABSORPTION: "absorption",
    layout.IMPULSE: "volume_impulse",
    layout.FLOW_DIVERGENCE: "money_flow_divergence",
}
_CAUSES = {
    layout.FILLED: "filled",
    layout.BROKEN: "broken",
    layout.SWEPT: "swept",
    layout.SUPERSEDED: "superseded",
    layout.RETIRED: "retired",
}
_SWING_LABELS = {(1, 1): "HH", (1, -1): "LH", (-1, 1): "LL", (-1, -1): "HL"}

KINDS = ("swing_high", "swing_low", *_KINDS.values())


@dataclass(frozen=True, slots=True)
class StructureObject:
    """One thing the market did or left behind.

    `*_at` are ms UTC stamps of bars (their open times, as in the candles): where it lies (`formed_at`), the bar whose
    close made it known (`confirmed_at`), and the bar that ended it (`invalidated_at`, None while it stands). `touched_at`
    is the first return of price to it, `mitigated_at` the first to reach its middle, `superseded_at` the bar on which a
    farther one of its kind took its place. Indices count bars from the first candle read.

    `direction` is 1 for highs and bullish things, -1 for lows and bearish ones. `strength` is in ATR except for volume
    events (z-score) and divergences (difference of money flow); None while there is no ATR. `label` is HH, LH, LL or HL
    for swings and "validated" for order blocks with an imbalance behind them. `count` is the number of swings in a pool
    or taken by a sweep. `related` is the id of the object it came from.
    """

    id: int
    kind: str
    direction: int
    low: float
    high: float
    price: float
    strength: float | None
    label: str | None
    count: int
    related: int | None
    cause: str | None
    formed_index: int
    confirmed_index: int
    touched_index: int | None
    mitigated_index: int | None
    superseded_index: int | None
    invalidated_index: int | None
    formed_at: int
    confirmed_at: int
    touched_at: int | None
    mitigated_at: int | None
    superseded_at: int | None
    invalidated_at: int | None

    @property
    def stands(self) -> bool:
        """Whether it is still in force."""
        return self.invalidated_index is None

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and of stored signals."""
        return {
            "kind": self.kind,
            "direction": self.direction,
            "low": self.low,
            "high": self.high,
            "price": self.price,
            "formed_at": self.formed_at,
            "confirmed_at": self.confirmed_at,
            "invalidated_at": self.invalidated_at,
        }


def read_objects(rows: Records, stamp: Callable[[int], int]) -> list[StructureObject]:
    """The rows of an object table as typed objects; `stamp` gives the open time (ms UTC) of a bar's index."""
    return [_read_object(row, stamp) for row in rows]


def _read_object(row: Any, stamp: Callable[[int], int]) -> StructureObject:
    kind, direction, label = int(row["kind"]), int(row["direction"]), int(row["label"])
    marks = {name: _known(row[name]) for name in ("touched", "mitigated", "superseded", "ended")}
    stamps = {name: None if index is None else stamp(index) for name, index in marks.items()}
    strength = float(row["strength"])
    return StructureObject(
        id=int(row["id"]),
        kind=kind_name(kind, direction),
        direction=direction,
        low=float(row["low"]),
        high=float(row["high"]),
        price=float(row["price"]),
        strength=None if np.isnan(strength) else strength,
        label=_label(kind, direction, label),
        count=int(row["count"]),
        related=_known(row["related"]),
        cause=_CAUSES.get(int(row["cause"])),
        formed_index=int(row["formed"]),
        confirmed_index=int(row["confirmed"]),
        touched_index=marks["touched"],
        mitigated_index=marks["mitigated"],
        superseded_index=marks["superseded"],
        invalidated_index=marks["ended"],
        formed_at=stamp(int(row["formed"])),
        confirmed_at=stamp(int(row["confirmed"])),
        touched_at=stamps["touched"],
        mitigated_at=stamps["mitigated"],
        superseded_at=stamps["superseded"],
        invalidated_at=stamps["ended"],
    )


def kind_name(kind: int, direction: int) -> str:
    """The name of a kind; swings are named by their side."""
    if kind == layout.SWING:
        return "swing_high" if direction > 0 else "swing_low"
    return _KINDS[kind]


def kind_rows(table: Records, kinds: tuple[str, ...]) -> Records:
    """The rows of a table whose kind is one of those named; raises ValueError for a name that is no kind."""
    for name in kinds:
        if name not in KINDS:
            raise ValueError(f"kind: {name} is none of {', '.join(KINDS)}")
    numbers = [number for number, name in _KINDS.items() if name in kinds]
    keep = np.isin(table["kind"], numbers)
    for name, direction in (("swing_high", 1), ("swing_low", -1)):
        if name in kinds:
            keep |= (table["kind"] == layout.SWING) & (table["direction"] == direction)
    return table[keep]


def _known(index: Any) -> int | None:
    return None if index < 0 else int(index)


def _label(kind: int, direction: int, label: int) -> str | None:
    if kind == layout.SWING:
        return _SWING_LABELS.get((direction, label))
    if kind == layout.ORDER_BLOCK and label == 1:
        return "validated"
    return None


@dataclass(frozen=True, slots=True)
class BarReading:
    """What is known at the close of one bar. Fields that are not known yet are NaN (prices, ratios) or -1 (indices).

    Directions are 1, -1 or 0 for nothing. `swing_high`, `swing_low` (with their bars' indices): the latest confirmed
    swings, which bound the dealing range. `trend`: the direction of the latest break. `bos`, `choch`, `order_block`,
    `fvg`, `displacement`, `strat_reversal`, `strat_continuation`, `absorption`, `impulse`, `divergence`: what this bar
    confirmed. `break_level`: the level it broke. `high_label` (1 HH, -1 LH), `low_label` (1 LL, -1 HL): swings
    it confirmed; `swings_confirmed`: 1 a high, 2 a low, 3 both. `sweep_high`, `sweep_low`, `pool_high`, `pool_low`: 1 when it swept or completed one.
    `range_position`: the close within the dealing range, 0 its low and 1 its high; `zone`: 1 premium, -1 discount, 0
    equilibrium or no range. `retracement`, `deepest_retracement`: the pullback from the latest swing as a share of the
    range. `strat`: 1, 2 (2u), -2 (2d) or 3; 0 without a neighbour. `volume_z`, `effort` (volume by its mean), `result`
    (move of the close in ATR), `money_flow` (-1 to 1).
    """

    atr: float
    swing_high: float
    swing_low: float
    break_level: float
    range_position: float
    retracement: float
    deepest_retracement: float
    volume_z: float
    effort: float
    result: float
    money_flow: float
    swing_high_index: int
    swing_low_index: int
    trend: int
    high_label: int
    low_label: int
    bos: int
    choch: int
    order_block: int
    fvg: int
    displacement: int
    sweep_high: int
    sweep_low: int
    pool_high: int
    pool_low: int
    zone: int
    strat: int
    strat_reversal: int
    strat_continuation: int
    absorption: int
    impulse: int
    divergence: int
    swings_confirmed: int


_READING_FIELDS = tuple(field.name for field in fields(BarReading))


def read_bar(row: Any) -> BarReading:
    """One row of the per-bar table as a typed reading."""
    values = dict(zip(layout.BAR.names or (), row.item(), strict=True))
    return BarReading(*(values[name] for name in _READING_FIELDS))
