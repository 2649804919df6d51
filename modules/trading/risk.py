"""What an account may still risk: its own limits and the deployment's hard maximums.

Every check is a small pure function that answers None or a `Refused` with its rule, the figure, the limit and a
sentence for people. Limits block what would add risk; closing and protecting are never refused here, but for an order
whose price is absurd. Limits on value are `Room`s: the planner makes a trade fit into them, or refuses by their rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from modules.domain.errors import Refused
from modules.domain.market import Quote
from modules.domain.money import HUNDRED, ZERO, cents, plain
from modules.domain.orders import Order, OrderRole, OrderType
from modules.domain.plans import Limits, Plan
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Action

#: A price this many times above or below the market is a slip of the pen, whatever the order is for.
ABSURD_RATIO = Decimal(20)
#: An opening limit order may reach this fraction through the market (a signal's entry that price has left behind).
MAX_THROUGH_MARKET = Decimal("0.5")

_REDUCING_ROLES = frozenset({OrderRole.TARGET, OrderRole.STOP, OrderRole.CLOSE})


@dataclass(frozen=True, slots=True)
class HardLimits:
    """The deployment's maximums for each account, in quote currency; no user setting exceeds them."""

    max_order_value: Decimal = Decimal(50_000)
    max_position_value: Decimal = Decimal(100_000)
    max_leverage: Decimal = Decimal(50)
    max_daily_loss: Decimal = Decimal(5_000)
    max_orders_per_minute: int = 60


@dataclass(frozen=True, slots=True)
class RiskView:
    """One account's standing, as the checks need it; money in quote currency.

    "Today" begins at the day's baseline: midnight UTC, or the last resume after a stop (`safety.baseline_at`), so that
    a limit once hit doesn't hold for ever. `hard_start_equity` is the same for the operator's maximum, which only a
    global resume sets anew (None: as `day_start_equity`). `held` is the value of open positions by symbol, `waiting` that of entries
    that may still fill; `open_trades` counts trades that hold or wait.
    """

    equity: Decimal
    day_start_equity: Decimal
    realised_today: Decimal = ZERO
    trades_today: int = 0
    losses_in_row: int = 0
    last_trade_at: datetime | None = None
    open_trades: int = 0
    held: Mapping[str, Decimal] = field(default_factory=dict)
    waiting: Mapping[str, Decimal] = field(default_factory=dict)
    orders_last_minute: int = 0
    hard_start_equity: Decimal | None = None

    @property
    def hard_loss_today(self) -> Decimal:
        """What counts against the operator's daily maximum."""
        start = self.day_start_equity if self.hard_start_equity is None else self.hard_start_equity
        return max(start - self.equity, self.loss_today)

    @property
    def loss_today(self) -> Decimal:
        """The larger of what equity fell since the baseline and what was realised; zero on a good day."""
        return max(self.day_start_equity - self.equity, -self.realised_today, ZERO)

    def exposure(self, symbol: str | None = None) -> Decimal:
        """Value held and waiting, of one symbol or of all."""
        if symbol is not None:
            return self.held.get(symbol, ZERO) + self.waiting.get(symbol, ZERO)
        return sum(self.held.values(), ZERO) + sum(self.waiting.values(), ZERO)


@dataclass(frozen=True, slots=True)
class Room:
    """How much value a limit still leaves: `limit` less what is `used`. `advice` ends the sentence of a refusal."""

    rule: str
    what: str
    limit: Decimal
    used: Decimal
    advice: str

    @property
    def left(self) -> Decimal:
        return max(self.limit - self.used, ZERO)

    def refuse(self, value: Decimal) -> Refused | None:
        """Why a trade of this value does not fit, or None."""
        return None if value <= self.left else self.refusal(value)

    def refusal(self, value: Decimal) -> Refused:
        """The refusal of a trade of this value."""
        figure, limit = plain(cents(self.used + value)), plain(cents(self.limit))
        sentence = f"Not opened: {self.what} would be {figure}, the limit is {limit}. {self.advice}"
        return Refused(self.rule, sentence, figure, limit)


def exposures(
    positions: Iterable[Position], waiting_plans: Iterable[Plan], prices: Mapping[str, Decimal]
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Value by symbol: held by open positions (at `prices`, else their average), and in entries that may still fill.

    `waiting_plans` are the open plans with an entry that has not ended; what their position already took is not counted
    twice.
    """
    held: dict[str, Decimal] = {}
    waiting: dict[str, Decimal] = {}
    entered: dict[str, Decimal] = {}
    for position in positions:
        entered[position.plan_id] = entered.get(position.plan_id, ZERO) + position.initial_quantity
        if position.status is PositionStatus.OPEN:
            value = position.quantity * prices.get(position.symbol, position.average_price)
            held[position.symbol] = held.get(position.symbol, ZERO) + value
    for plan in waiting_plans:
        planned = sum((entry.quantity for entry in plan.entries), ZERO)
        rest = max(planned - entered.get(plan.id, ZERO), ZERO)
        waiting[plan.symbol] = waiting.get(plan.symbol, ZERO) + rest * plan.reference_price
    return held, waiting


def rooms(symbol: str, view: RiskView, limits: Limits, hard: HardLimits) -> tuple[Room, ...]:
    """Every limit on the value of one more trade in `symbol`."""
    found = [
        Room(
            "hard_max_position_value",
            f"the value held in {symbol}",
            hard.max_position_value,
            view.exposure(symbol),
            "This maximum is set by the operator.",
        )
    ]
    if limits.max_position_value is not None:
        advice = "Lower the size or raise max_position_value."
        found.append(Room("max_position_value", "the position's value", limits.max_position_value, ZERO, advice))
    if limits.max_symbol_exposure_percent is not None:
        limit = view.equity * limits.max_symbol_exposure_percent / HUNDRED
        advice = f"Close some {symbol} or raise max_symbol_exposure_percent."
        found.append(Room("max_symbol_exposure", f"exposure to {symbol}", limit, view.exposure(symbol), advice))
    if limits.max_total_exposure_percent is not None:
        limit = view.equity * limits.max_total_exposure_percent / HUNDRED
        advice = "Close a position or raise max_total_exposure_percent."
        found.append(Room("max_total_exposure", "exposure of all positions", limit, view.exposure(), advice))
    return tuple(found)


def check_open_positions(view: RiskView, limits: Limits, now: datetime) -> Refused | None:  # noqa: ARG001
    """Not more trades at once (open, or waiting for their entry) than `max_open_positions`."""
    most = limits.max_open_positions
    if most is None or view.open_trades < most:
        return None
    return Refused(
        "max_open_positions",
        f"Not opened: {view.open_trades} trades are open or waiting, the limit is {most}. "
        "Close one, cancel an entry or raise max_open_positions.",
        str(view.open_trades),
        str(most),
    )


def check_daily_loss(view: RiskView, limits: Limits, now: datetime) -> Refused | None:  # noqa: ARG001
    """No new trade once the day lost `max_daily_loss_percent` of the equity it began with."""
    most = limits.max_daily_loss_percent
    if most is None or view.day_start_equity <= ZERO:
        return None
    percent = view.loss_today / view.day_start_equity * HUNDRED
    if percent < most:
        return None
    return Refused(
        "max_daily_loss",
        f"Not opened: today's loss is {plain(cents(percent))} %, the limit is {plain(most)} %. New trades start again "
        "tomorrow (UTC) or after /resume; open trades go on and can be closed.",
        plain(cents(percent)),
        plain(most),
    )


def check_trades_per_day(view: RiskView, limits: Limits, now: datetime) -> Refused | None:  # noqa: ARG001
    """Not more new trades in a day than `max_trades_per_day`."""
    most = limits.max_trades_per_day
    if most is None or view.trades_today < most:
        return None
    return Refused(
        "max_trades_per_day",
        f"Not opened: {view.trades_today} trades were made today, the limit is {most}. "
        "Wait until tomorrow (UTC) or raise max_trades_per_day.",
        str(view.trades_today),
        str(most),
    )


def check_losses_in_row(view: RiskView, limits: Limits, now: datetime) -> Refused | None:  # noqa: ARG001
    """No new trade after `max_losses_in_row` losses without a win since the day's baseline."""
    most = limits.max_losses_in_row
    if most is None or view.losses_in_row < most:
        return None
    return Refused(
        "max_losses_in_row",
        f"Not opened: {view.losses_in_row} losses in a row, the limit is {most}. New trades start again tomorrow (UTC) "
        "or after /resume.",
        str(view.losses_in_row),
        str(most),
    )


def check_cooldown(view: RiskView, limits: Limits, now: datetime) -> Refused | None:
    """`cooldown_seconds` must pass between two trades."""
    if not limits.cooldown_seconds or view.last_trade_at is None:
        return None
    passed = int((now - view.last_trade_at).total_seconds())
    if passed >= limits.cooldown_seconds:
        return None
    return Refused(
        "cooldown",
        f"Not opened: the last trade was {passed} s ago, the pause between trades is {limits.cooldown_seconds} s. "
        "Lower cooldown to trade sooner.",
        str(passed),
        str(limits.cooldown_seconds),
    )


CHECKS: tuple[Callable[[RiskView, Limits, datetime], Refused | None], ...] = (
    check_daily_loss,
    check_losses_in_row,
    check_open_positions,
    check_trades_per_day,
    check_cooldown,
)


def check_hard_daily_loss(view: RiskView, hard: HardLimits) -> Refused | None:
    """Nothing that adds risk once the day lost the operator's maximum."""
    if view.hard_loss_today < hard.max_daily_loss:
        return None
    return Refused(
        "hard_max_daily_loss",
        f"Not sent: today's loss is {plain(cents(view.hard_loss_today))}, the operator's maximum is "
        f"{plain(hard.max_daily_loss)}. Only orders that close or protect are sent until tomorrow (UTC).",
        plain(cents(view.hard_loss_today)),
        plain(hard.max_daily_loss),
    )


def check_trade(view: RiskView, limits: Limits, hard: HardLimits, *, now: datetime) -> Refused | None:
    """The first limit, but those on value, that forbids one more trade; None if all allow it."""
    refused = check_hard_daily_loss(view, hard)
    for check in CHECKS:
        refused = refused or check(view, limits, now)
    return refused


def absurd(price: Decimal, market: Decimal) -> bool:
    """Whether a price is so far from the market that it must be a mistake."""
    return not market / ABSURD_RATIO <= price <= market * ABSURD_RATIO


def reduces(order: Order) -> bool:
    """Whether an order can only lower what is held."""
    return order.reduce_only or order.role in _REDUCING_ROLES


def check_order(order: Order, quote: Quote | None, view: RiskView, hard: HardLimits) -> Refused | None:
    """The last look at a single order, right before it is sent.

    An order that reduces passes unless its price is absurd. One that opens needs a price to be valued at, and must
    keep every hard maximum; `view.held` (not `waiting`, where the order itself is counted) is what it adds to.
    """
    absurd = absurd_price(order, quote)
    if absurd is not None or reduces(order):
        return absurd
    if quote is None:
        return Refused("no_fresh_price", f"Not sent: there is no fresh price of {order.symbol}. Closing still works.")
    value = order.quantity * _worst_price(order, quote)
    return (
        _over("hard_max_order_value", "the order's value", value, hard.max_order_value)
        or _over(
            "hard_max_position_value",
            f"the value held in {order.symbol}",
            view.held.get(order.symbol, ZERO) + value,
            hard.max_position_value,
        )
        or _over("hard_max_leverage", "leverage", order.leverage, hard.max_leverage)
        or _over(
            "hard_max_orders_per_minute", "orders in a minute", view.orders_last_minute + 1, hard.max_orders_per_minute
        )
        or check_hard_daily_loss(view, hard)
    )


def _over(rule: str, what: str, figure: Decimal | int, limit: Decimal | int) -> Refused | None:
    if figure <= limit:
        return None
    shown, most = plain(cents(Decimal(figure))), plain(Decimal(limit))
    return Refused(
        rule,
        f"Not sent: {what} would be {shown}, the operator's maximum is {most}. Closing still works.",
        shown,
        most,
    )


def _worst_price(order: Order, quote: Quote) -> Decimal:
    """The dearest price this order can be valued at: its own, or the market's for a market order."""
    return max(order.price or ZERO, order.trigger_price or ZERO) or quote.ask


def absurd_price(order: Order, quote: Quote | None) -> Refused | None:
    """Why an order's price must be a mistake, or None. Without a quote nothing can be said."""
    if quote is None:
        return None
    for price in (order.price, order.trigger_price):
        if price is not None and absurd(price, quote.last):
            return _price_refusal(order, price, quote.last)
    if order.type is not OrderType.LIMIT or order.price is None:
        return None
    if order.action is Action.BUY:
        through = order.price > quote.ask * (1 + MAX_THROUGH_MARKET)
    else:
        through = order.price < quote.bid * (1 - MAX_THROUGH_MARKET)
    return _price_refusal(order, order.price, quote.last) if through else None


def _price_refusal(order: Order, price: Decimal, last: Decimal) -> Refused:
    return Refused(
        "absurd_price",
        f"Not sent: {order.action} {order.symbol} at {plain(price)} while the market is at {plain(last)}. "
        "Check the price; a market order closes at once.",
        plain(price),
        plain(last),
    )
