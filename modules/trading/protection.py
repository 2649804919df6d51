"""Which orders should protect a position, and the fewest changes that make those at the exchange so.

`desired` is what should rest: one stop for all that is left, and one reduce-only limit per target not yet filled.
`converge` compares that with the orders there are; running it again after its changes took effect changes nothing.
A level whose order's fate is unknown is left alone until it is known.

Replacing a stop takes two rounds: the new one is placed, and only when it works at the exchange is the old one cancelled,
so a position is never naked; both are reduce-only, so both triggering can't flip it. Replacing a target also takes two:
it is cancelled, and placed anew from what is then known to be left, so targets never add up to more than is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal

from modules.domain.instruments import Instrument
from modules.domain.money import ZERO
from modules.domain.orders import Order, OrderRole, OrderState, OrderType, client_order_id
from modules.domain.plans import Plan, PlannedTarget
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Action
from modules.trading.sizing import join_small

_ROLES = (OrderRole.STOP, OrderRole.TARGET)
_UNSETTLED = (OrderState.NEW, OrderState.SUBMITTED, OrderState.UNKNOWN)

#: A third of three lots must be one lot, not 0.99…: fewer digits than the shares were computed with.
_SHARES = Context(prec=18)


@dataclass(frozen=True, slots=True)
class DesiredOrder:
    """A protective order that should rest: always reduce-only. `number` is the target's, 0 for the stop.

    `quantity` is what is still to be filled. A stop has `trigger_price` and no `price`, a target the other way round.
    """

    plan_id: str
    role: OrderRole
    number: int
    type: OrderType
    action: Action
    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None

    def is_met_by(self, order: Order) -> bool:
        """Whether this working order is exactly what is wanted."""
        return (order.type, order.remaining, order.price, order.trigger_price) == (
            self.type,
            self.quantity,
            self.price,
            self.trigger_price,
        )


@dataclass(frozen=True, slots=True)
class Placement:
    """An order to place; `id` is its client order id."""

    id: str
    wanted: DesiredOrder
    revision: int


@dataclass(frozen=True, slots=True)
class Changes:
    """One round: place the stops, cancel, place the rest; then look again, until there is nothing to do.

    `refused` are levels whose like the exchange already rejected: they are not sent again, whoever runs this raises an
    alarm.
    """

    to_cancel: tuple[Order, ...] = ()
    to_place: tuple[Placement, ...] = ()
    refused: tuple[DesiredOrder, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.to_cancel or self.to_place)

    @property
    def stops(self) -> tuple[Placement, ...]:
        """Placements that come before the cancels."""
        return tuple(placement for placement in self.to_place if placement.wanted.role is OrderRole.STOP)


def protect(position: Position, plan: Plan, instrument: Instrument, *, orders: Iterable[Order]) -> Changes:
    """The changes that protect a position as it now is. `orders` are all the plan's orders, ended ones too."""
    known = tuple(orders)
    wanted = desired(position, plan, instrument, filled=target_fills(known))
    return converge(wanted, known, revision_floor=position.protection_revision)


def target_fills(orders: Iterable[Order]) -> dict[int, Decimal]:
    """What was filled so far of each target, over all its revisions."""
    filled: dict[int, Decimal] = {}
    for order in orders:
        if order.role is OrderRole.TARGET:
            filled[order.number] = filled.get(order.number, ZERO) + order.filled
    return filled


def desired(
    position: Position, plan: Plan, instrument: Instrument, *, filled: Mapping[int, Decimal] | None = None
) -> tuple[DesiredOrder, ...]:
    """The stop, then the targets from the nearest, that should protect what is left of a position.

    Each unhit target has its share of all that ever entered, less what it already `filled`. Where these don't add up to
    what is left (a close by hand, a late entry), they are scaled to it; those too small to be an order join the next.
    A closed position wants none; one without a stop wants targets only.
    """
    if position.status is PositionStatus.CLOSED or position.quantity <= ZERO:
        return ()
    stops: tuple[DesiredOrder, ...] = ()
    closing = position.side.closing
    if position.stop_loss is not None:
        trigger = instrument.round_price(position.stop_loss)
        stop = DesiredOrder(
            plan.id, OrderRole.STOP, 0, OrderType.STOP_MARKET, closing, position.quantity, None, trigger
        )
        stops = (stop,)
    targets = tuple(
        DesiredOrder(plan.id, OrderRole.TARGET, number, OrderType.LIMIT, closing, quantity, price)
        for number, price, quantity in _target_quantities(position, instrument, filled or {})
    )
    return stops + targets


def _target_quantities(
    position: Position, instrument: Instrument, filled: Mapping[int, Decimal]
) -> list[tuple[int, Decimal, Decimal]]:
    """(number, price, quantity) of each target that should rest; their sum never exceeds what is left."""
    left = instrument.round_quantity(position.quantity)
    if not position.targets or left < instrument.min_quantity or left <= ZERO:
        return []
    weights = tuple(level.share for level in position.targets)
    if sum(weights, ZERO) <= ZERO:
        return []
    lots = instrument.split_quantity(position.initial_quantity, weights)
    open_levels = _open_levels(position, instrument, lots, filled)
    dust = any(lot <= ZERO < weight for lot, weight in zip(lots, weights, strict=True))
    if dust or sum((level.share for level in open_levels), ZERO) != left:
        exact = tuple(_SHARES.divide(position.initial_quantity * each, sum(weights, ZERO)) for each in weights)
        open_levels = _open_levels(position, instrument, exact, filled)
    levels = join_small(open_levels, left, instrument)
    if not levels:
        return []
    quantities = tuple(level.share for level in levels)
    if sum(quantities, ZERO) != left or any(each != instrument.round_quantity(each) for each in quantities):
        quantities = instrument.split_quantity(left, quantities)
    pairs = zip(levels, quantities, strict=True)
    return [(level.number, level.price, quantity) for level, quantity in pairs if quantity > ZERO]


def _open_levels(
    position: Position, instrument: Instrument, parts: tuple[Decimal, ...], filled: Mapping[int, Decimal]
) -> tuple[PlannedTarget, ...]:
    """The targets not yet hit, each with what of its part of the original size is still to be filled as its share."""
    rests = (
        (level, part - filled.get(level.number, ZERO)) for level, part in zip(position.targets, parts, strict=True)
    )
    return tuple(
        PlannedTarget(level.number, instrument.round_price(level.price), rest)
        for level, rest in rests
        if level.hit_at is None and rest > ZERO
    )


def converge(wanted: Iterable[DesiredOrder], orders: Iterable[Order], *, revision_floor: int = 0) -> Changes:
    """The fewest changes, of one round, from the orders there are towards those wanted.

    `orders` may be all of the plan's (ended ones make sure that no id is used twice) or only the working ones, in which
    case `revision_floor` must be above every revision already used.
    """
    by_level: dict[tuple[OrderRole, int], list[Order]] = {}
    for order in sorted(orders, key=lambda found: (found.revision, found.id)):
        if order.role in _ROLES:
            by_level.setdefault((order.role, order.number), []).append(order)
    levels = {(order.role, order.number): order for order in wanted}
    unwanted = [key for key in by_level if key not in levels]
    cancel: list[Order] = []
    place: list[Placement] = []
    refused: list[DesiredOrder] = []
    for key in [*levels, *sorted(unwanted)]:
        level = _converge_level(levels.get(key), by_level.get(key, []), revision_floor)
        cancel += level.to_cancel
        place += level.to_place
        refused += level.refused
    return Changes(tuple(cancel), tuple(place), tuple(refused))


def _converge_level(wanted: DesiredOrder | None, orders: list[Order], revision_floor: int) -> Changes:
    """`converge` for the orders of one stop or target, oldest revision first."""
    if any(order.state in _UNSETTLED for order in orders):
        return Changes()
    working = [order for order in orders if order.state.working]
    if wanted is None:
        return Changes(to_cancel=tuple(working))
    met = [order for order in working if wanted.is_met_by(order)]
    if met:
        return Changes(to_cancel=tuple(order for order in working if order is not met[-1]))
    is_stop = wanted.role is OrderRole.STOP
    if orders and orders[-1].state is OrderState.REJECTED and wanted.is_met_by(orders[-1]):
        return Changes(to_cancel=() if is_stop else tuple(working), refused=(wanted,))
    if working and not is_stop:
        return Changes(to_cancel=tuple(working))
    revision = max(revision_floor, *(order.revision + 1 for order in orders)) if orders else revision_floor
    order_id = client_order_id(wanted.plan_id, wanted.role, wanted.number, revision)
    return Changes(to_place=(Placement(order_id, wanted, revision),))


def order_of(placement: Placement, position: Position, now: datetime) -> Order:
    """The order a placement asks for, not yet sent."""
    wanted = placement.wanted
    return Order(
        id=placement.id,
        account_id=position.account_id,
        exchange=position.exchange,
        symbol=position.symbol,
        position_side=position.side,
        action=wanted.action,
        role=wanted.role,
        type=wanted.type,
        quantity=wanted.quantity,
        plan_id=wanted.plan_id,
        created_at=now,
        request_id=placement.id,
        number=wanted.number,
        revision=placement.revision,
        price=wanted.price,
        trigger_price=wanted.trigger_price,
        reduce_only=True,
        leverage=position.leverage,
        signal_id=position.signal_id,
    )
