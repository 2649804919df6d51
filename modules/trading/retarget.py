"""A position's targets changed by hand: which ladder it has then, or why it stays. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from modules.domain.errors import Refused
from modules.domain.instruments import Instrument
from modules.domain.money import ONE, ZERO, plain
from modules.domain.orders import Order, WantedTarget
from modules.domain.positions import Position, PositionStatus, TargetLevel
from modules.trading.exit_program import MAX_TARGETS
from modules.trading.protection import target_fills
from modules.trading.sizing import shares_for

_SHARE_STEP = Decimal("1e-12")


def levels_by_hand(
    position: Position | None, wanted: Sequence[WantedTarget], instrument: Instrument, orders: Sequence[Order]
) -> tuple[TargetLevel, ...] | Refused:
    """The whole ladder: targets that were hit stay, the others are replaced by `wanted` (none = no targets).

    Shares of `wanted` are parts of what is left, in proportion; all zero means even. A number that ever had a fill is
    never used again, so that what was filled under it counts once. `orders` are the plan's.
    """
    if position is None or position.status is PositionStatus.CLOSED:
        return Refused("nothing_to_protect", "There is no open position.")
    sign = position.side.sign
    hit = tuple(level for level in position.targets if level.hit_at is not None)
    if len(hit) + len(wanted) > MAX_TARGETS:
        return Refused("too_many_targets", f"A trade can have {MAX_TARGETS} targets.", limit=str(MAX_TARGETS))
    ordered = sorted(wanted, key=lambda each: each.price * sign)
    prices = [instrument.round_price(each.price) for each in ordered]
    refused = _misplaced(position, prices, hit)
    if refused is not None or not ordered:
        return refused or hit
    shares = shares_for(len(ordered), [each.share for each in ordered])
    left = position.quantity / position.initial_quantity
    hit = _within(hit, ONE - left)
    used = [level.number for level in hit] + [
        number for number, filled in target_fills(orders).items() if filled > ZERO
    ]
    first = max(used, default=0) + 1
    fresh = tuple(
        TargetLevel(number, price, min(share * left, ONE))
        for number, (price, share) in enumerate(zip(prices, shares, strict=True), start=first)
        if share > ZERO
    )
    return (*hit, *fresh)


def _within(hit: tuple[TargetLevel, ...], closed: Decimal) -> tuple[TargetLevel, ...]:
    """Targets that were hit, with shares of what was really `closed`: whole lots may have been less than was planned."""
    total = sum((level.share for level in hit), ZERO)
    if total <= closed:
        return hit
    return tuple(
        replace(level, share=(level.share * closed / total).quantize(_SHARE_STEP, ROUND_DOWN)) for level in hit
    )


def _misplaced(position: Position, prices: Sequence[Decimal], hit: Sequence[TargetLevel]) -> Refused | None:
    """Targets lie one behind the other in the trade's direction, beyond those that were hit and beyond the stop."""
    sign = position.side.sign
    if len(set(prices)) < len(prices):
        return Refused("same_target", "Two targets have the same price.")
    for price in prices:
        if price <= ZERO or (position.stop_loss is not None and (price - position.stop_loss) * sign <= ZERO):
            stop = plain(position.stop_loss) if position.stop_loss is not None else "0"
            return Refused(
                "target_wrong_side", f"A target at {plain(price)} is not beyond the stop.", plain(price), stop
            )
        if hit and (price - hit[-1].price) * sign <= ZERO:
            reached = plain(hit[-1].price)
            sentence = f"A target at {plain(price)} is not beyond {reached}, which was already reached."
            return Refused("target_passed", sentence, plain(price), reached)
    return None
