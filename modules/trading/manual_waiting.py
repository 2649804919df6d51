"""Orders that a person has wait for a price: a trailing stop on a position, and a pair of which one cancels the other.

Pure, as `manual` is.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from modules.domain.errors import InvalidInput
from modules.domain.money import HUNDRED, ONE, ZERO, plain
from modules.domain.plans import Trailing, TrailKind
from modules.domain.positions import Position
from modules.trading.advanced_orders import OcoLeg, OcoPair, TrailingOrder


def trailing_stop(
    position: Position,
    key: str,
    now: datetime,
    *,
    trailing: Trailing,
    price: Decimal,
    tick_size: Decimal | None = None,
) -> TrailingOrder:
    """A stop that follows from `price` on; each move goes to the exchange, and only ever tightens."""
    return TrailingOrder(
        id=f"{position.plan_id}:user:{key}:trailing",
        account_id=position.account_id,
        plan_id=position.plan_id,
        symbol=position.symbol,
        created_at=now,
        action=position.side.closing,
        trailing=trailing,
        reference_price=price,
        resting=True,
        tick_size=tick_size,
    )


def trailing_rule(
    position: Position,
    *,
    percent: Decimal | None,
    amount: Decimal | None,
    activation_price: Decimal | None,
    price: Decimal,
) -> Trailing:
    """The rule in the kernel's words; it wakes at `activation_price`, counted from `price`.

    Raises InvalidInput unless exactly one distance is given, or for an activation on the losing side.
    """
    if (percent is None) == (amount is None):
        raise InvalidInput("Name trail_percent or trail_amount.", fields={"trail_percent": "one of the two"})
    kind, distance = (TrailKind.PERCENT, percent) if percent is not None else (TrailKind.AMOUNT, amount)
    activation = None
    if activation_price is not None:
        activation = (activation_price / price - ONE) * HUNDRED * position.side.sign
        if activation < ZERO:
            raise InvalidInput(
                f"The trail would wake at {plain(activation_price)}, which the price of {plain(price)} has passed.",
                fields={"activation_price": "on the winning side of the price"},
            )
    return Trailing(kind, distance or ZERO, ZERO, activation)


def oco_pair(
    position: Position,
    key: str,
    now: datetime,
    *,
    take_profit: Decimal,
    stop_loss: Decimal,
    quantity: Decimal | None = None,
) -> OcoPair:
    """One closes at `take_profit`, the other at `stop_loss`; whichever comes first ends the other.

    Raises InvalidInput for levels on the wrong side of the average entry or more than is held.
    """
    sign, wrong = position.side.sign, {}
    if (take_profit - position.average_price) * sign <= ZERO:
        wrong["take_profit_price"] = f"must be beyond the entry {plain(round(position.average_price, 8))}"
    if (stop_loss - take_profit) * sign >= ZERO or stop_loss <= ZERO:
        wrong["stop_loss_price"] = "must be on the other side"
    if quantity is not None and not ZERO < quantity <= position.quantity:
        wrong["quantity"] = f"must be above zero and at most {plain(position.quantity)}"
    if wrong:
        raise InvalidInput("; ".join(f"{name} {why}" for name, why in wrong.items()), fields=wrong)
    size, action = quantity or position.quantity, position.side.closing
    return OcoPair(
        id=f"{position.plan_id}:user:{key}:oco",
        account_id=position.account_id,
        plan_id=position.plan_id,
        symbol=position.symbol,
        created_at=now,
        first=OcoLeg(action, size, price=take_profit),
        second=OcoLeg(action, size, trigger_price=stop_loss),
    )
