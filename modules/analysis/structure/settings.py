"""What a reader of market structure may choose. Every figure is in bars, in ATR, or a share of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LONGEST_WINDOW = 10_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How structure is read.

    `swing_length`: bars that must follow a swing before it counts (and one fewer before it).
    `break_on`: a level is broken by a close beyond it, or already by a wick.
    `order_block_break`: an order block fails when a wick, or only when a body, passes its far side.
    `fvg_min_atr`: smallest fair value gap, in ATR.
    `displacement_body_atr`, `displacement_body_share`: a displacement candle's body in ATR of the bar before, and its
    smallest share of the candle's range.
    `equal_tolerance_atr`: how far apart, in ATR, swings may lie to count as equal (a liquidity pool).
    `equilibrium_band`: half-width of the equilibrium, as a share of the dealing range.
    `flow_window`: bars behind the volume statistics and the money flow.
    `volume_z`: volume z-score from which a bar is unusual.
    `absorption_result_atr`, `impulse_result_atr`: an unusual volume that moved the close by at most the first was
    absorbed; by at least the second it drove the price.
    `across_gaps`: whether patterns of consecutive bars may span missing bars.
    """

    swing_length: int = 10
    break_on: Literal["close", "wick"] = "close"
    order_block_break: Literal["wick", "body"] = "wick"
    atr_period: int = 14
    fvg_min_atr: float = 0.0
    displacement_body_atr: float = 1.5
    displacement_body_share: float = 0.6
    equal_tolerance_atr: float = 0.1
    equilibrium_band: float = 0.025
    flow_window: int = 20
    volume_z: float = 2.0
    absorption_result_atr: float = 0.5
    impulse_result_atr: float = 1.0
    across_gaps: bool = False

    def __post_init__(self) -> None:
        for name, least in (("swing_length", 1), ("atr_period", 1), ("flow_window", 2)):
            value = getattr(self, name)
            if not least <= value <= LONGEST_WINDOW:
                raise ValueError(f"{name}: must lie in [{least}, {LONGEST_WINDOW}], got {value}")
        for name in (
            "fvg_min_atr",
            "displacement_body_atr",
            "equal_tolerance_atr",
            "volume_z",
            "absorption_result_atr",
            "impulse_result_atr",
        ):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name}: must be a finite number of at least 0, got {value}")
        for name, most in (("displacement_body_share", 1.0), ("equilibrium_band", 0.5)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"{name}: must lie in [0, {most}], got {value}")
        if self.break_on not in ("close", "wick"):
            raise ValueError(f"break_on: must be close or wick, got {self.break_on}")
        if self.order_block_break not in ("wick", "body"):
            raise ValueError(f"order_block_break: must be wick or body, got {self.order_block_break}")
