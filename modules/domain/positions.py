"""A position: built only from fills, never from wishes.

`apply` is pure: it returns the position after a fill. A position belongs to one plan of one account, so two signals on
one symbol never mix and closing one can't close the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from modules.domain.errors import Conflict
from modules.domain.money import HUNDRED, ZERO
from modules.domain.orders import Fill
from modules.domain.sides import Side


class PositionStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TargetLevel:
    """A rung of the ladder: its price, its share of the original size, and when it was filled."""

    number: int
    price: Decimal
    share: Decimal
    hit_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """What one plan holds. `quantity` is what is left; `bought` counts all that ever entered."""

    id: str
    account_id: str
    plan_id: str
    signal_id: str | None
    exchange: str
    symbol: str
    side: Side
    leverage: Decimal
    opened_at: datetime
    status: PositionStatus = PositionStatus.OPEN
    quantity: Decimal = ZERO
    initial_quantity: Decimal = ZERO
    average_price: Decimal = ZERO
    exit_price: Decimal | None = None
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    stop_loss: Decimal | None = None
    initial_stop: Decimal | None = None
    targets: tuple[TargetLevel, ...] = ()
    best_price: Decimal | None = None
    worst_price: Decimal | None = None
    closed_at: datetime | None = None
    close_reason: str | None = None
    protection_revision: int = 0
    fill_ids: tuple[str, ...] = ()

    def apply(self, fill: Fill) -> Position:
        """This position after `fill`; the same fill twice changes nothing.

        A fill in the opening direction adds at a new average price, and opens a position again that was closed; one in
        the closing direction realises PnL.
        Raises Conflict when it would close more than there is: positions never flip through zero.
        """
        if fill.id in self.fill_ids:
            return self
        if fill.action is self.side.opening:
            return self._added(fill)
        if fill.quantity > self.quantity:
            raise Conflict(f"position {self.id}: fill of {fill.quantity} closes more than the {self.quantity} held")
        return self._reduced(fill)

    def _added(self, fill: Fill) -> Position:
        quantity = self.quantity + fill.quantity
        cost = self.average_price * self.quantity + fill.price * fill.quantity
        return replace(
            self,
            quantity=quantity,
            initial_quantity=self.initial_quantity + fill.quantity,
            average_price=cost / quantity,
            fees=self.fees + fill.fee,
            status=PositionStatus.OPEN,
            closed_at=None,
            close_reason=None,
            fill_ids=(*self.fill_ids, fill.id),
        )

    def _reduced(self, fill: Fill) -> Position:
        gained = (fill.price - self.average_price) * fill.quantity * self.side.sign
        quantity = self.quantity - fill.quantity
        closed_before = self.initial_quantity - self.quantity
        exits = (self.exit_price or ZERO) * closed_before + fill.price * fill.quantity
        done = quantity == ZERO
        return replace(
            self,
            quantity=quantity,
            realised_pnl=self.realised_pnl + gained,
            fees=self.fees + fill.fee,
            exit_price=exits / (closed_before + fill.quantity),
            status=PositionStatus.CLOSED if done else PositionStatus.OPEN,
            closed_at=fill.at if done else None,
            fill_ids=(*self.fill_ids, fill.id),
        )

    def unrealised_pnl(self, price: Decimal) -> Decimal:
        """Quote currency gained or lost on what is left, at `price`, before fees."""
        return (price - self.average_price) * self.quantity * self.side.sign

    @property
    def net_pnl(self) -> Decimal:
        """Realised, after fees and funding."""
        return self.realised_pnl - self.fees - self.funding

    @property
    def risk(self) -> Decimal | None:
        """Quote currency between the average entry and the first stop, for the whole original size."""
        if self.initial_stop is None:
            return None
        distance = (self.average_price - self.initial_stop) * self.side.sign
        return distance * self.initial_quantity if distance > ZERO else None

    @property
    def r_multiple(self) -> Decimal | None:
        """Net result in units of the first risk; None where there was no stop."""
        return self.net_pnl / self.risk if self.risk else None

    def return_percent(self, price: Decimal) -> Decimal:
        """Move from the average entry to `price`, in percent, in the trade's favour; without leverage."""
        if not self.average_price:
            return ZERO
        return (price / self.average_price - 1) * HUNDRED * self.side.sign
