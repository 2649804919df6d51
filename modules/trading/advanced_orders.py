"""Orders that wait for something: OCO pairs, conditional entries, DCA ladders, stand-alone trailing orders.

`step` (from `waiting_orders`) drives them all. Where a quote allows two readings, the worse one for the trader holds.
Quantities are wishes; the executor rounds them to lots. The compiled exit rules are loaded by the first quote.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from modules.domain.errors import InvalidInput
from modules.domain.market import Quote, utc_from_ms
from modules.domain.money import HUNDRED, ONE, ZERO, from_float
from modules.domain.orders import OrderRole, OrderType
from modules.domain.plans import DcaLevel, Trailing
from modules.domain.sides import Action, Side
from modules.trading import exit_program as codes
from modules.trading.waiting_orders import (
    AdvancedOrder,
    AdvancedStatus,
    Decision,
    DecisionKind,
    Decisions,
    call_off,
    step,
)

__all__ = [
    "KINDS",
    "AdvancedOrder",
    "AdvancedStatus",
    "Condition",
    "ConditionKind",
    "ConditionalEntry",
    "DcaLadder",
    "Decision",
    "DecisionKind",
    "Decisions",
    "OcoLeg",
    "OcoPair",
    "TrailingOrder",
    "call_off",
    "step",
]


@dataclass(frozen=True, slots=True)
class OcoLeg:
    """One side of an OCO pair: a limit order at `price`, or a stop at `trigger_price` (with `price`: a stop-limit)."""

    action: Action
    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None

    def __post_init__(self) -> None:
        given = [price for price in (self.price, self.trigger_price) if price is not None]
        if not given or any(price <= ZERO for price in given) or self.quantity <= ZERO:
            raise InvalidInput("an OCO leg needs a quantity and a price or trigger price above zero")

    @property
    def type(self) -> OrderType:
        """The order type this leg is at the exchange."""
        if self.trigger_price is None:
            return OrderType.LIMIT
        return OrderType.STOP_MARKET if self.price is None else OrderType.STOP_LIMIT

    def reached(self, quote: Quote) -> bool:
        """Whether the quote's range reaches this leg."""
        from modules.trading import exits

        opened, high, low = map(float, (quote.open, quote.high, quote.low))
        if self.trigger_price is not None:
            return exits.stop_fill(-self.action.sign, float(self.trigger_price), opened, high, low) > 0.0
        return exits.target_fill(-self.action.sign, float(self.price or ZERO), opened, high, low) > 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OcoPair(AdvancedOrder):
    """One cancels the other. Resting legs lie at the exchange and `leg_filled` ends the pair; else quotes are watched.

    A watched leg that is reached becomes a market order (a stop-limit: its limit order). When one quote reaches both,
    the stop leg is taken.
    """

    kind: ClassVar[str] = "oco"

    first: OcoLeg
    second: OcoLeg
    resting: bool = False
    placed: bool = False
    role: OrderRole = OrderRole.CLOSE

    def on_quote(self, quote: Quote) -> tuple[AdvancedOrder, Decisions]:
        """Both orders placed at once where they rest; else the first that its price reaches."""
        if self.resting:
            if self.placed:
                return self, ()
            return replace(self, placed=True), (self._rest(1, self.first), self._rest(2, self.second))
        legs = sorted(((1, self.first), (2, self.second)), key=lambda leg: leg[1].trigger_price is None)
        for number, leg in legs:
            if leg.reached(quote):
                done = replace(self, status=AdvancedStatus.DONE, outcome=f"leg {number}")
                return done, (self._take(number, leg),)
        return self, ()

    def on_end(self) -> Decisions:
        return (self._cancel(1), self._cancel(2)) if self.resting and self.placed else ()

    def leg_filled(self, number: int) -> tuple[OcoPair, Decisions]:
        """A resting leg got its first fill: the other is cancelled."""
        if self.status is not AdvancedStatus.WAITING or number not in (1, 2):
            return self, ()
        done = replace(self, status=AdvancedStatus.DONE, outcome=f"leg {number}")
        return done, (self._cancel(3 - number),) if self.placed else ()

    def _rest(self, number: int, leg: OcoLeg) -> Decision:
        return Decision(
            f"{self.id}:leg:{number}",
            DecisionKind.PLACE,
            self.symbol,
            "oco",
            number,
            self.role,
            leg.action,
            leg.type,
            leg.quantity,
            leg.price,
            leg.trigger_price,
        )

    def _take(self, number: int, leg: OcoLeg) -> Decision:
        limited = leg.type is OrderType.STOP_LIMIT
        return replace(
            self._rest(number, leg),
            type=OrderType.LIMIT if limited else OrderType.MARKET,
            price=leg.price if limited else None,
            trigger_price=None,
            reason="oco_reached",
        )

    def _cancel(self, number: int) -> Decision:
        leg = f"{self.id}:leg:{number}"
        return Decision(f"{leg}:cancel", DecisionKind.CANCEL, self.symbol, "oco", number, self.role, cancels=leg)


class ConditionKind(StrEnum):
    """TOUCH: the price was traded or jumped over. CROSS: it was on one side (or at it) and went beyond to the other."""

    TOUCH = "touch"
    CROSS_ABOVE = "cross_above"
    CROSS_BELOW = "cross_below"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something a price does."""

    kind: ConditionKind
    price: Decimal

    def __post_init__(self) -> None:
        if self.price <= ZERO:
            raise InvalidInput("a condition needs a price above zero", fields={"price": "must be above zero"})

    def met(self, quote: Quote, seen: Decimal | None) -> bool:
        """Whether it came true in this quote; `seen` is the last price before it."""
        start = quote.open if seen is None else seen
        match self.kind:
            case ConditionKind.TOUCH:
                return min(start, quote.low) <= self.price <= max(start, quote.high)
            case ConditionKind.CROSS_ABOVE:
                return min(start, quote.open) <= self.price < quote.high or quote.low <= self.price < quote.last
            case ConditionKind.CROSS_BELOW:
                return max(start, quote.open) >= self.price > quote.low or quote.high >= self.price > quote.last


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalEntry(AdvancedOrder):
    """An entry placed once its condition comes true: market, or a limit at `limit_price`.

    `unless` calls it off when it comes true first or in the same quote (say, the stop or a target was touched before entry).
    """

    kind: ClassVar[str] = "conditional"

    condition: Condition
    action: Action
    quantity: Decimal
    limit_price: Decimal | None = None
    unless: tuple[Condition, ...] = ()
    seen: Decimal | None = None

    def on_quote(self, quote: Quote) -> tuple[AdvancedOrder, Decisions]:
        """The entry once the condition is met; called off once an `unless` is."""
        if any(condition.met(quote, self.seen) for condition in self.unless):
            return replace(self, status=AdvancedStatus.CANCELLED, outcome="invalidated", seen=quote.last), ()
        seen = replace(self, seen=quote.last)
        if not self.condition.met(quote, self.seen):
            return seen, ()
        decision = Decision(
            f"{self.id}:entry",
            DecisionKind.PLACE,
            self.symbol,
            self.condition.kind.value,
            1,
            OrderRole.ENTRY,
            self.action,
            OrderType.MARKET if self.limit_price is None else OrderType.LIMIT,
            self.quantity,
            self.limit_price,
        )
        return replace(seen, status=AdvancedStatus.DONE, outcome="triggered"), (decision,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DcaLadder(AdvancedOrder):
    """Adds to a trade as the price goes against it: each rung `deviation_percent` beyond the one before.

    A rung buys `first_quantity` x its multiplier at market. Caps count what the trade already holds (`quantity`, `value`): a
    rung is cut to what they leave, and the ladder ends when nothing is left. With a cool-down at most one rung per
    quote is taken, and after it only the newest price counts. No rung lies at or beyond `stop_loss`.
    """

    kind: ClassVar[str] = "dca"

    side: Side
    levels: tuple[DcaLevel, ...]
    first_price: Decimal
    first_quantity: Decimal
    max_quantity: Decimal | None = None
    max_value: Decimal | None = None
    cooldown_seconds: int = 0
    stop_loss: Decimal | None = None
    quantity: Decimal = ZERO
    value: Decimal = ZERO
    taken: int = 0
    taken_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.first_price <= ZERO or self.first_quantity <= ZERO:
            raise InvalidInput("a DCA ladder needs a first price and quantity above zero")
        if any(not ZERO < level.deviation_percent < HUNDRED or level.multiplier <= ZERO for level in self.levels):
            raise InvalidInput("a DCA level needs a deviation between 0 and 100 % and a multiplier above zero")

    def rungs(self) -> tuple[Decimal, ...]:
        """The price of every rung, unrounded, from the first to the last."""
        price, prices = self.first_price, []
        for level in self.levels:
            price *= ONE - self.side.sign * level.deviation_percent / HUNDRED
            prices.append(price)
        return tuple(prices)

    def on_quote(self, quote: Quote) -> tuple[AdvancedOrder, Decisions]:
        """The next rung once its price is reached and the cool-down over."""
        now = utc_from_ms(quote.time_ms)
        cooled = self.taken_at is None or now >= self.taken_at + timedelta(seconds=self.cooldown_seconds)
        if not cooled:
            return self, ()
        if self.cooldown_seconds and self.taken_at is not None:
            reached = quote.last  # the range may be from before the end of the cool-down
        else:
            reached = quote.low if self.side is Side.LONG else quote.high
        ladder, decisions = self, list[Decision]()
        for price in self.rungs()[self.taken :]:
            if (reached - price) * self.side.sign > ZERO or (decisions and self.cooldown_seconds):
                break
            ladder, decision = ladder.with_rung(price, now)
            decisions += [decision] if decision is not None else []
            if ladder.status is not AdvancedStatus.WAITING:
                break
        if ladder.status is AdvancedStatus.WAITING and ladder.taken == len(ladder.levels):
            ladder = replace(ladder, status=AdvancedStatus.DONE, outcome="all levels taken")
        return ladder, tuple(decisions)

    def with_rung(self, price: Decimal, now: datetime) -> tuple[DcaLadder, Decision | None]:
        """The ladder after its next rung, at `price`, and the order for it; an ended ladder and None when nothing is left."""
        if self.stop_loss is not None and (price - self.stop_loss) * self.side.sign <= ZERO:
            return replace(self, status=AdvancedStatus.DONE, outcome="beyond the stop"), None
        quantity = self.first_quantity * self.levels[self.taken].multiplier
        if self.max_quantity is not None:
            quantity = min(quantity, self.max_quantity - self.quantity)
        if self.max_value is not None:
            quantity = min(quantity, (self.max_value - self.value) / price)
        if quantity <= ZERO:
            return replace(self, status=AdvancedStatus.DONE, outcome="cap reached"), None
        number = self.taken + 1
        held, paid = self.quantity + quantity, self.value + quantity * price
        taken = replace(self, taken=number, taken_at=now, quantity=held, value=paid)
        decision = Decision(
            f"{self.id}:rung:{number}",
            DecisionKind.PLACE,
            self.symbol,
            "dca",
            number,
            OrderRole.ENTRY,
            self.side.opening,
            OrderType.MARKET,
            quantity,
        )
        return taken, decision


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailingOrder(AdvancedOrder):
    """A trailing stop (or, with role ENTRY, a trailing entry) on its own, by the exit kernel's trailing rule.

    A SELL follows the highs down from them, a BUY the lows up. Watched, it places a market order for `quantity`, or closes
    `share` of the trade where no quantity is given. Resting, each move is a MOVE_STOP and the exchange does the rest.
    """

    kind: ClassVar[str] = "trailing"

    action: Action
    trailing: Trailing
    reference_price: Decimal
    quantity: Decimal | None = None
    share: Decimal = ONE
    role: OrderRole = OrderRole.CLOSE
    resting: bool = False
    tick_size: Decimal | None = None
    atr: Decimal | None = None
    best: Decimal | None = None
    stop: Decimal | None = None
    active: bool = False
    revision: int = 0

    def __post_init__(self) -> None:
        if self.reference_price <= ZERO or not ZERO < self.share <= ONE:
            raise InvalidInput("a trailing order needs a reference price above zero and a share between 0 and 1")
        if self.role is OrderRole.ENTRY and (self.quantity is None or self.quantity <= ZERO):
            raise InvalidInput("a trailing entry needs a quantity", fields={"quantity": "required"})

    def on_quote(self, quote: Quote) -> tuple[AdvancedOrder, Decisions]:
        """Follows the price with the exit kernel; its stop becomes the close."""
        from modules.trading import exits

        row, out = self._program(), codes.event_buffer()
        opened, high, low, last = map(float, (quote.open, quote.high, quote.low, quote.last))
        count = exits.step(row, opened, high, low, last, quote.time_ms, out)
        if count < 0:
            raise InvalidInput(f"trailing order {self.id} can't be followed")
        kinds = set(out["kind"][:count].tolist())
        if codes.STOP in kinds and not self.resting:
            return replace(self, status=AdvancedStatus.DONE, outcome="triggered"), (self._trigger(),)
        moved = replace(self, best=from_float(row["best"]), active=bool(row["trail_active"]))
        if codes.STOP_MOVED not in kinds:
            return moved, ()
        stop = from_float(row["stop"])
        revision = self.revision + 1
        return replace(moved, stop=stop, revision=revision), (self._move(stop, revision),) if self.resting else ()

    def _program(self) -> codes.Row:
        from modules.trading.targets import set_trailing

        row = codes.blank()
        row["direction"] = -self.action.sign
        row["entry"] = row["worst"] = float(self.reference_price)
        row["resting"] = int(self.resting)
        row["best"] = float(self.reference_price if self.best is None else self.best)
        row["stop"] = float(self.stop or ZERO)
        row["atr"] = float(self.atr or ZERO)
        set_trailing(row, self.trailing)
        row["trail_active"] = int(self.active)
        if self.tick_size is not None:
            row["tick_numerator"], row["tick_denominator"] = map(float, self.tick_size.as_integer_ratio())
        return row

    def _trigger(self) -> Decision:
        if self.quantity is None:
            return Decision(
                f"{self.id}:close", DecisionKind.CLOSE, self.symbol, "trailing", role=self.role, share=self.share
            )
        return Decision(
            f"{self.id}:order",
            DecisionKind.PLACE,
            self.symbol,
            "trailing",
            1,
            self.role,
            self.action,
            OrderType.MARKET,
            self.quantity,
        )

    def _move(self, stop: Decimal, revision: int) -> Decision:
        name = f"{self.id}:stop:{revision}"
        return Decision(name, DecisionKind.MOVE_STOP, self.symbol, "trailing", revision, self.role, price=stop)


#: The class of each kind, for reading stored orders back.
KINDS: dict[str, type[AdvancedOrder]] = {
    order.kind: order for order in (OcoPair, ConditionalEntry, DcaLadder, TrailingOrder)
}
