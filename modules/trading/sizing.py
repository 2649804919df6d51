"""How large a trade is and how it is divided: legs, shares, caps, and the exchange's smallest orders.

One budget is spread over all entry legs. With risk sizing the loss at the stop over all legs, taker fees both ways
included, is the budget; with the other two the money put in (margin) is given, and the position's value is that times
the leverage. Caps (margin at hand, value limits) lower the whole quantity, never one leg alone. Rounding is the
instrument's and always down, so no rounded trade risks more than it was allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from modules.domain.errors import Refused
from modules.domain.instruments import Instrument, MarketKind
from modules.domain.money import HUNDRED, ONE, ZERO, cents, plain
from modules.domain.orders import OrderType
from modules.domain.plans import PlannedTarget, Sizing
from modules.trading.risk import Room

#: What may be used of the free margin: the rest keeps slippage and fees from turning the last leg away.
USABLE_MARGIN = Decimal("0.98")
#: A trade that limits would cut to less than this part of what was wanted is refused instead of made tiny.
SMALLEST_PART = Decimal("0.1")
#: The stop's distance is stretched by this much when leverage is chosen, so that it triggers well before liquidation.
LIQUIDATION_BUFFER = Decimal("1.1")


@dataclass(frozen=True, slots=True)
class Leg:
    """An entry order before it has a size. `price` is the limit, or the fill expected of a market order."""

    type: OrderType
    price: Decimal
    weight: Decimal


@dataclass(frozen=True, slots=True)
class Budget:
    """All that bounds a trade's quantity. `available` is free margin, `rooms` what value limits leave.

    `quantity`, where somebody named one, takes the place of the sizing rule.
    """

    sizing: Sizing
    size: Decimal
    equity: Decimal
    available: Decimal
    leverage: Decimal
    stop: Decimal | None
    rooms: tuple[Room, ...]
    max_order_value: Decimal
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Sized:
    """Legs with their quantities, in the order they would be reached."""

    legs: tuple[Leg, ...]
    quantities: tuple[Decimal, ...]
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        return sum(self.quantities, ZERO)

    def loss_at(self, stop: Decimal, fee: Decimal) -> Decimal:
        """Quote currency lost if every leg fills and the stop does too, `fee` (a fraction) paid both ways."""
        pairs = zip(self.legs, self.quantities, strict=True)
        return sum((part * _loss(leg.price, stop, fee) for leg, part in pairs), ZERO)


@dataclass(frozen=True, slots=True)
class _Cap:
    """The largest total quantity a rule allows; `refusal` is the answer where it leaves too little."""

    quantity: Decimal
    what: str
    refusal: Refused


_SHARE_STEP = Decimal("0.000000000001")


def shares_for(count: int, weights: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """`count` fractions that sum to one, by `weights`; even where there are none.

    More weights than parts: the surplus goes to the last part. Fewer: the parts beyond them get nothing.
    """
    total = sum(weights, ZERO)
    if total <= ZERO:
        weights, total = (ONE,) * count, Decimal(count)
    fitted = [*weights[: count - 1], sum(weights[count - 1 :], ZERO)]
    # Twelve places, so that sums of shares are exact whatever is joined later.
    shares = [(weight / total).quantize(_SHARE_STEP) for weight in fitted] + [ZERO] * (count - len(fitted))
    last = max(index for index, share in enumerate(shares) if share > ZERO)
    shares[last] = max(ONE - sum(shares[:last], ZERO), ZERO)
    return tuple(shares)


def safe_leverage(entry: Decimal, stop: Decimal, instrument: Instrument) -> Decimal:
    """The highest whole leverage whose isolated liquidation price lies beyond the stop; zero where none does.

    Liquidation of an isolated position is where the loss has eaten the margin down to maintenance and the closing fee:
    at a distance of `1/leverage - maintenance - fee` of the entry price.
    """
    distance = abs(entry - stop) / entry
    kept = instrument.maintenance_margin + instrument.taker_fee
    most = (ONE / (distance * LIQUIDATION_BUFFER + kept)) // ONE
    if most >= ONE:
        return most
    return ONE if distance + kept < ONE else ZERO


def size(legs: tuple[Leg, ...], budget: Budget, instrument: Instrument) -> Sized | Refused:
    """Quantities for `legs` within `budget`; legs too small for the exchange are joined to their neighbours.

    `legs` are in the order they would be reached, so a later one loses less at the stop. Refused by the rule that
    leaves too little.
    """
    notes: list[str] = []
    count = len(legs)
    while True:
        wanted = _wanted(legs, budget, instrument)
        cap = min(_caps(legs, wanted, budget, instrument), key=lambda found: found.quantity)
        quantity = min(wanted, cap.quantity)
        if quantity < wanted * SMALLEST_PART:
            return cap.refusal
        parts = _parts(legs, quantity, budget.max_order_value, instrument)
        if all(instrument.refuse(part, leg.price) is None for leg, part in zip(legs, parts, strict=True)):
            break
        if len(legs) == 1:
            return _too_small(parts[0], legs[0].price, instrument, cap if cap.quantity < wanted else None)
        legs = _without_lightest(legs)
    if len(legs) < count:
        notes.append(f"{count} entries became {len(legs)}: smaller ones are below the exchange's minimum.")
    if cap.quantity < wanted:
        kept = cents(cap.quantity / wanted * HUNDRED, 1)
        notes.append(f"Size lowered to {plain(kept)} % of what was wanted: {cap.what}.")
    return Sized(legs, parts, tuple(notes))


def _loss(price: Decimal, stop: Decimal, fee: Decimal) -> Decimal:
    return abs(price - stop) + fee * (price + stop)


def _wanted(legs: tuple[Leg, ...], budget: Budget, instrument: Instrument) -> Decimal:
    """The quantity the sizing rule asks for, before any cap. Risk sizing needs a stop."""
    if budget.quantity is not None:
        return budget.quantity
    if budget.sizing is Sizing.RISK_PERCENT and budget.stop is not None:
        fee, stop = instrument.taker_fee, budget.stop
        per_unit = sum((leg.weight * _loss(leg.price, stop, fee) for leg in legs), ZERO)
        return budget.equity * budget.size / HUNDRED / per_unit
    share = budget.equity * budget.size / HUNDRED
    margin = budget.size if budget.sizing is Sizing.FIXED else share
    return margin * budget.leverage / _value(legs)


def _value(legs: tuple[Leg, ...]) -> Decimal:
    """Quote currency per unit of total quantity."""
    return sum((leg.weight * leg.price for leg in legs), ZERO)


def _caps(legs: tuple[Leg, ...], wanted: Decimal, budget: Budget, instrument: Instrument) -> list[_Cap]:
    value = _value(legs)
    found = [_margin_cap(value, wanted, budget, instrument)]
    for room in budget.rooms:
        what = f"{room.what} may be {plain(cents(room.limit))} at most"
        found.append(_Cap(room.left / value, what, room.refusal(wanted * value)))
    largest = max(leg.weight * leg.price for leg in legs)
    figure, limit = plain(cents(wanted * largest)), plain(budget.max_order_value)
    sentence = f"Not opened: an order would be worth {figure}, the operator's maximum is {limit}. Lower the size."
    refusal = Refused("hard_max_order_value", sentence, figure, limit)
    found.append(_Cap(budget.max_order_value / largest, f"one order may be worth {limit} at most", refusal))
    return found


def _margin_cap(value: Decimal, wanted: Decimal, budget: Budget, instrument: Instrument) -> _Cap:
    usable = max(budget.available, ZERO) * USABLE_MARGIN
    per_unit = value * (ONE / budget.leverage + instrument.taker_fee)
    free, needed = plain(cents(max(budget.available, ZERO))), plain(cents(wanted * per_unit))
    sentence = (
        f"Not opened: the trade needs {needed} {instrument.quote} of margin and fees at leverage "
        f"{plain(budget.leverage)}, {free} is free. Close a position, add funds or lower the size."
    )
    refusal = Refused("not_enough_margin", sentence, needed, free)
    return _Cap(usable / per_unit, f"{free} {instrument.quote} of margin is free", refusal)


def _parts(legs: tuple[Leg, ...], quantity: Decimal, max_value: Decimal, instrument: Instrument) -> tuple[Decimal, ...]:
    parts = instrument.split_quantity(quantity, tuple(leg.weight for leg in legs))
    # The last leg takes the lots that rounding left over: they must not lift it over the largest order.
    return tuple(
        min(part, instrument.round_quantity(max_value / leg.price)) for leg, part in zip(legs, parts, strict=True)
    )


def _without_lightest(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """One leg fewer: the lightest (of equals the farthest) joins the one before it, the first joins the second."""
    index = min(range(len(legs)), key=lambda i: (legs[i].weight, -i))
    neighbour = index - 1 if index else 1
    heavier = replace(legs[neighbour], weight=legs[neighbour].weight + legs[index].weight)
    kept = (*legs[:neighbour], heavier, *legs[neighbour + 1 :])
    return kept[:index] + kept[index + 1 :]


def _too_small(quantity: Decimal, price: Decimal, instrument: Instrument, cap: _Cap | None) -> Refused:
    minimum = instrument.refuse(quantity, price)
    if cap is not None or minimum is None:
        refusal = cap.refusal if cap else Refused("below_min_quantity", "The trade is too small for the exchange.")
        return replace(refusal, sentence=f"{refusal.sentence} What is left is below the exchange's smallest order.")
    smallest = max(instrument.min_quantity * price, instrument.min_notional)
    advice = f"The smallest trade here is worth {plain(cents(smallest))} {instrument.quote}: raise the size."
    return replace(minimum, sentence=f"Not opened: {minimum.sentence} {advice}")


def ladder(
    prices: Sequence[Decimal], weights: Sequence[Decimal], total: Decimal, instrument: Instrument
) -> tuple[tuple[PlannedTarget, ...], tuple[str, ...]]:
    """Targets with their shares of `total`, and notes on what was joined or left out.

    `prices` run in the trade's direction and keep their numbers (1 = the nearest). Those that round to one tick are
    one target. A share too small to be an order joins the next target, at the end the last one placed.
    """
    if not prices:
        return (), ()
    shares = shares_for(len(prices), weights)
    merged: dict[Decimal, PlannedTarget] = {}
    for number, (raw, share) in enumerate(zip(prices, shares, strict=True), start=1):
        price = instrument.round_price(raw)
        before = merged[price].share if price in merged else ZERO
        merged[price] = PlannedTarget(merged[price].number if price in merged else number, price, before + share)
    levels = tuple(level for level in merged.values() if level.share > ZERO)
    placed = join_small(levels, total, instrument)
    notes = []
    if len(levels) < len(merged):
        notes.append(f"{len(merged) - len(levels)} of {len(merged)} targets have no share in target_shares.")
    if len(placed) < len(levels):
        notes.append(f"{len(levels)} targets became {len(placed)}: smaller shares are below the exchange's minimum.")
    return placed, tuple(notes)


def join_small(levels: tuple[PlannedTarget, ...], total: Decimal, instrument: Instrument) -> tuple[PlannedTarget, ...]:
    """`levels` with those too small to be an order of `total` joined to the next, the last rest to the last placed."""
    while len(levels) > 1:
        parts = instrument.split_quantity(total, tuple(level.share for level in levels))
        small = [i for i, level in enumerate(levels) if instrument.refuse(parts[i], level.price) is not None]
        if not small:
            return levels
        index = small[0]
        neighbour = index + 1 if index + 1 < len(levels) else index - 1
        heavier = replace(levels[neighbour], share=levels[neighbour].share + levels[index].share)
        kept = (*levels[:neighbour], heavier, *levels[neighbour + 1 :])
        levels = kept[:index] + kept[index + 1 :]
    return levels


def most_leverage(
    wanted: Decimal, limits: Sequence[tuple[Decimal, str]], instrument: Instrument
) -> tuple[Decimal, str]:
    """The whole leverage to use, and the name of the limit that lowered it (empty where none did). Spot has none."""
    if instrument.kind is MarketKind.SPOT:
        return ONE, ""
    least, name = min(limits, key=lambda limit: limit[0])
    chosen = max(min(wanted, least) // ONE, ONE)
    return chosen, name if least < wanted else ""
