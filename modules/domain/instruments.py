"""An instrument: what is traded where, and the only place that rounds prices and quantities.

Source of the rules: exchanges publish tick size, lot size, smallest quantity and smallest notional per market and
reject whatever does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from modules.domain.errors import InvalidInput, Refused
from modules.domain.money import ONE, ZERO, plain
from modules.domain.sides import Action


class MarketKind(StrEnum):
    SPOT = "spot"
    PERPETUAL = "perpetual"


@dataclass(frozen=True, slots=True)
class Instrument:
    """Trading rules of one symbol on one exchange. Fees are fractions (0.0005 = 5 bps) of the notional."""

    exchange: str
    symbol: str
    base: str
    quote: str
    kind: MarketKind
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    max_leverage: Decimal = ONE
    maker_fee: Decimal = Decimal("0.0002")
    taker_fee: Decimal = Decimal("0.0005")
    maintenance_margin: Decimal = Decimal("0.005")

    def __post_init__(self) -> None:
        for name in ("tick_size", "lot_size", "max_leverage"):
            if not getattr(self, name) > ZERO:
                raise InvalidInput(f"{self.symbol}: {name} must be above zero", fields={name: "must be above zero"})
        if self.min_quantity < ZERO or self.min_notional < ZERO:
            raise InvalidInput(f"{self.symbol}: minimums can't be negative")

    def round_price(self, price: Decimal) -> Decimal:
        """To the nearest tick, half to even; never to zero."""
        return max(self._to_step(price, self.tick_size, ROUND_HALF_EVEN), self.tick_size)

    def round_price_against(self, price: Decimal, action: Action) -> Decimal:
        """To the tick that is worse for `action`: up for a buy, down for a sell."""
        rounding = ROUND_CEILING if action is Action.BUY else ROUND_FLOOR
        return max(self._to_step(price, self.tick_size, rounding), self.tick_size)

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Down to the lot size: what is traded never exceeds what was asked."""
        return self._to_step(quantity, self.lot_size, ROUND_DOWN)

    def split_quantity(self, total: Decimal, shares: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        """`total` by `shares` (weights, any sum), each a whole number of lots; the rest goes to the last non-empty part.

        The parts sum to `total` rounded down to the lot, and no part is negative.
        """
        weight = sum(shares, ZERO)
        if weight <= ZERO:
            raise InvalidInput("shares must sum to more than zero")
        whole = self.round_quantity(total)
        parts = [self.round_quantity(whole * share / weight) for share in shares]
        last = max(index for index, share in enumerate(shares) if share > ZERO)
        parts[last] += whole - sum(parts, ZERO)
        return tuple(parts)

    def refuse(self, quantity: Decimal, price: Decimal) -> Refused | None:
        """Why an opening order of this size at this price would be turned away, or None."""
        if quantity < self.min_quantity or quantity <= ZERO:
            return Refused(
                "below_min_quantity",
                f"{plain(quantity)} {self.base} is below the smallest order of {plain(self.min_quantity)}.",
                plain(quantity),
                plain(self.min_quantity),
            )
        notional = quantity * price
        if notional < self.min_notional:
            return Refused(
                "below_min_notional",
                f"An order of {plain(notional)} {self.quote} is below the smallest of {plain(self.min_notional)}.",
                plain(notional),
                plain(self.min_notional),
            )
        return None

    @staticmethod
    def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
        return (value / step).to_integral_value(rounding) * step
