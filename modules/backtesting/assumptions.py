"""What a backtest assumes: money, costs, margin and how entries are sent. Every field is printed with the result."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Final

from modules.trading.fill_model import Slippage

#: Funding of perpetual contracts is due every eight hours, at 00, 08 and 16 o'clock UTC.
FUNDING_MS: Final = 8 * 3_600_000


class EntryOrder(StrEnum):
    """How an entry that names a price is sent: a limit order (better or equal) or a stop order (breakout)."""

    LIMIT = "limit"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Assumptions of a run; the defaults are those every result is compared by.

    `capital` is in quote currency, fees are fractions of the value, `slippage_size` is what `fill_model.Slippage` says.
    `funding_rate` is a constant paid by longs every eight hours; a series given to the run goes before it.
    `maintenance_margin` is the rate at which a leveraged or short position is liquidated. `entry_bars` is how many bars a
    priced entry waits (0: until another signal replaces it). With `reverse`, an entry against the position on the
    bar of its exit signal is taken at the same open. Without `tick_size` and `lot_size` prices and quantities are not
    rounded. `max_positions` counts over all symbols of a portfolio; None is no limit.
    """

    capital: float = 10_000.0
    taker_fee: float = 0.001
    maker_fee: float = 0.001
    slippage: Slippage = Slippage.NONE
    slippage_size: float = 0.0
    spread_bps: float = 0.0
    funding_rate: float = 0.0
    maintenance_margin: float = 0.005
    entry_order: EntryOrder = EntryOrder.LIMIT
    entry_bars: int = 1
    reverse: bool = False
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    min_notional: float = 0.0
    max_positions: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError naming the field."""
        _require("capital", self.capital, isfinite(self.capital) and self.capital > 0, "above zero")
        for name in ("taker_fee", "maker_fee"):
            fee = getattr(self, name)
            _require(name, fee, -1 < fee < 1, "a fraction between -1 and 1")
        for name in ("slippage_size", "spread_bps", "min_notional"):
            size = getattr(self, name)
            _require(name, size, isfinite(size) and size >= 0, "zero or more")
        _require("funding_rate", self.funding_rate, isfinite(self.funding_rate), "a number")
        _require("maintenance_margin", self.maintenance_margin, 0 <= self.maintenance_margin < 1, "from 0 to below 1")
        _require("entry_bars", self.entry_bars, self.entry_bars >= 0, "zero or more")
        places = self.max_positions
        _require("max_positions", places, places is None or places >= 1, "at least one, or None")
        for name in ("tick_size", "lot_size"):
            step = getattr(self, name)
            _require(name, step, step is None or (step.is_finite() and step > 0), "above zero, or None")


def _require(name: str, value: object, right: bool, rule: str) -> None:
    if not right:
        raise ValueError(f"{name}: must be {rule}, got {value}")
