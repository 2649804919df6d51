"""Reconciliation: what the exchange has against what the books say. The exchange is right.

Pure comparison; the executor acts on it. Run at start and every few minutes, so that whatever a kill, a lost answer or a
hand at the exchange left behind is adopted, cancelled or told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from modules.domain.money import ZERO, plain
from modules.domain.orders import Order
from modules.domain.ports import OrderReport, VenuePosition
from modules.domain.positions import Position
from modules.domain.sides import Side

OUR_PREFIX = "vz"


@dataclass(frozen=True, slots=True)
class Findings:
    """`ask`: our working orders the exchange does not list; `update`: orders both have; `orphans`: orders at the
    exchange that carry our mark but that nobody here knows; `foreign`: orders placed by hand; `drift`: sentences about
    quantities that differ."""

    ask: tuple[Order, ...]
    update: tuple[OrderReport, ...]
    orphans: tuple[str, ...]
    foreign: tuple[str, ...]
    drift: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not (self.ask or self.orphans or self.foreign or self.drift)


def compare(
    working: Sequence[Order],
    at_venue: Sequence[OrderReport],
    held: Iterable[Position],
    venue_held: Iterable[VenuePosition],
) -> Findings:
    """What differs between our working orders and positions and the exchange's."""
    listed = {report.client_order_id: report for report in at_venue}
    known = {order.id for order in working}
    strangers = [name for name in listed if name not in known]
    return Findings(
        ask=tuple(order for order in working if order.id not in listed),
        update=tuple(listed[order.id] for order in working if order.id in listed),
        orphans=tuple(name for name in strangers if name.startswith(OUR_PREFIX)),
        foreign=tuple(name for name in strangers if not name.startswith(OUR_PREFIX)),
        drift=tuple(_drift(held, venue_held)),
    )


def missing(held: Iterable[Position], venue_held: Iterable[VenuePosition]) -> dict[tuple[str, Side], Decimal]:
    """By symbol and side, how much less the exchange holds than the books say."""
    ours, theirs = _quantities(held, venue_held)
    less = {key: quantity - theirs.get(key, ZERO) for key, quantity in ours.items()}
    return {key: quantity for key, quantity in less.items() if quantity > ZERO}


def _drift(held: Iterable[Position], venue_held: Iterable[VenuePosition]) -> Iterable[str]:
    ours, theirs = _quantities(held, venue_held)
    for key in sorted(ours.keys() | theirs.keys()):
        mine, there = ours.get(key, ZERO), theirs.get(key, ZERO)
        if mine != there:
            yield f"{key[1].value} {key[0]}: {plain(mine)} here, {plain(there)} at the exchange."


def _quantities(
    held: Iterable[Position], venue_held: Iterable[VenuePosition]
) -> tuple[dict[tuple[str, Side], Decimal], dict[tuple[str, Side], Decimal]]:
    ours: dict[tuple[str, Side], Decimal] = {}
    for position in held:
        key = (position.symbol, position.side)
        ours[key] = ours.get(key, ZERO) + position.quantity
    return ours, {(each.symbol, each.side): each.quantity for each in venue_held}
