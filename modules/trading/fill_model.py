"""What an order would have got: the one fill model of the paper exchange and the backtester.

It decides price, quantity and fee of an execution from the order and one quote (or one candle as a quote); it keeps no
orders and reads no clock. Triggers are the exit kernel's own. Prices move against the order and land on a whole tick,
quantities are whole lots, fees are in quote currency. The same order and quote always give the same answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

import numpy as np

from modules.analysis.compiled import kernel
from modules.domain.errors import InvalidInput, Refused
from modules.domain.instruments import Instrument, MarketKind
from modules.domain.market import Quote
from modules.domain.money import HUNDRED, ONE, ZERO, from_float, plain
from modules.domain.sides import Action, Side
from modules.trading import exits

BASIS_POINT: Final = Decimal("0.0001")

SLIP_NONE: Final = 0
SLIP_BPS: Final = 1
SLIP_VOLUME: Final = 2
SLIP_ATR: Final = 3


class Slippage(StrEnum):
    """How far an order that takes liquidity moves the price against itself.

    NONE: not at all. BPS: `size` basis points of the price. VOLUME_SHARE: price x `size` x (the order's share of the
    traded volume) squared, nothing where the volume is unknown; the quadratic impact of Zipline's VolumeShareSlippage,
    whose usual size is 0.1. ATR_SHARE: `size` times the average true range.
    """

    NONE = "none"
    BPS = "bps"
    VOLUME_SHARE = "volume_share"
    ATR_SHARE = "atr_share"


_SLIP_CODES = {
    Slippage.NONE: SLIP_NONE,
    Slippage.BPS: SLIP_BPS,
    Slippage.VOLUME_SHARE: SLIP_VOLUME,
    Slippage.ATR_SHARE: SLIP_ATR,
}


@dataclass(frozen=True, slots=True)
class FillModel:
    """Assumptions about fills. The defaults are the plainest: no slippage, whole fills, the instrument's fees.

    `spread_bps` is the spread assumed where the book is not known (bid equals ask). `volume_limit` is the largest share
    of a quote's volume one fill may take; what is left keeps working, and an unknown volume (0) limits nothing.
    `price_band` is how far, as a fraction, a limit may lie from the last price. `needs_through` fills a resting limit
    only when the market traded beyond it, as if last in the queue. `rejection_rate` refuses that fraction of orders.
    """

    slippage: Slippage = Slippage.NONE
    slippage_size: Decimal = ZERO
    spread_bps: Decimal = ZERO
    volume_limit: Decimal | None = None
    price_band: Decimal = Decimal("0.20")
    needs_through: bool = False
    rejection_rate: Decimal = ZERO
    seed: int = 0
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None

    def __post_init__(self) -> None:
        wrong: dict[str, str] = {}
        for name in ("slippage_size", "spread_bps"):
            if getattr(self, name) < ZERO:
                wrong[name] = "must be zero or more"
        if self.volume_limit is not None and not ZERO < self.volume_limit <= ONE:
            wrong["volume_limit"] = "must be above 0 and at most 1"
        if self.price_band <= ZERO:
            wrong["price_band"] = "must be above zero"
        if not ZERO <= self.rejection_rate <= ONE:
            wrong["rejection_rate"] = "must be between 0 and 1"
        if wrong:
            raise InvalidInput("; ".join(f"{name}: {why}" for name, why in wrong.items()), fields=wrong)


@dataclass(frozen=True, slots=True)
class Execution:
    """What was filled: price on a tick, quantity in lots, fee in quote currency, and whether it made liquidity."""

    price: Decimal
    quantity: Decimal
    fee: Decimal
    maker: bool


@dataclass(frozen=True, slots=True)
class StopOutcome:
    """Whether a stop order was triggered, and what of it was filled at once (None: nothing yet)."""

    triggered: bool
    execution: Execution | None = None


@dataclass(frozen=True, slots=True)
class Market:
    """Where an order meets the market: the instrument's rules, one quote of it, and the assumptions.

    `atr` is the average true range for slippage by ATR, as a price amount.
    """

    instrument: Instrument
    quote: Quote
    model: FillModel = FillModel()
    atr: Decimal | None = None


@kernel
def slippage_amount(kind: int, size: float, price: float, volume_share: float, atr: float) -> float:
    """Price distance by which an order slips; 0 where what the model needs is not known (not above zero)."""
    amount = 0.0
    if kind == SLIP_BPS:
        amount = price * size / 10_000.0
    elif kind == SLIP_VOLUME and volume_share > 0.0:
        amount = price * size * volume_share * volume_share
    elif kind == SLIP_ATR and atr > 0.0:
        amount = atr * size
    return amount if 0.0 < amount < np.inf else 0.0


@kernel
def worse_price(action: int, price: float, amount: float, tick_numerator: float, tick_denominator: float) -> float:
    """`price` moved by `amount` against the order (+1 buy, -1 sell), on the tick that is worse for it.

    The tick is `tick_numerator / tick_denominator`, whole numbers; a denominator of 0 rounds nothing. Never below one tick.
    """
    moved = price + action * amount
    if not tick_denominator > 0.0:
        return moved if moved > 0.0 else price
    ticks = moved * tick_denominator / tick_numerator
    # A price that is on a tick but for the last bits of the float must not be pushed to the next one.
    dust = 1e-6 + abs(ticks) * 1e-15
    ticks = np.ceil(ticks - dust) if action > 0 else np.floor(ticks + dust)
    return float(max(ticks, 1.0) * tick_numerator / tick_denominator)


def market_fill(action: Action, quantity: Decimal, market: Market, worst: Decimal | None = None) -> Execution | None:
    """A market order against this quote: the other side of the book, worsened by slippage, taker fee.

    `worst` bounds the price as an immediate-or-cancel limit does: None is returned when even the book is beyond it, or when
    the volume leaves not one lot.
    """
    book = _book_price(action, market)
    if worst is not None and (book - worst) * action.sign > ZERO:
        return None
    return _taken(action, quantity, book, market, worst)


def limit_fill(
    action: Action, price: Decimal, quantity: Decimal, market: Market, *, arriving: bool = False
) -> Execution | None:
    """A limit order against this quote; None while it rests.

    On arrival it is filled only if the book crosses it: taker, at the book price with slippage, never beyond the limit.
    Resting it is filled as maker when the range reaches it: at the limit, or at the open of a quote that opened beyond.
    """
    if arriving:
        return market_fill(action, quantity, market, worst=price)
    quote = market.quote
    if market.model.needs_through and not _traded_through(action, price, quote):
        return None
    opened, high, low = float(quote.open), float(quote.high), float(quote.low)
    filled = exits.target_fill(-action.sign, float(price), opened, high, low)
    if not filled > 0.0:
        return None
    part = available(quantity, market)
    if part <= ZERO:
        return None
    at = from_float(filled)
    return Execution(at, part, fee_of(at * part, market.instrument, market.model, maker=True), maker=True)


def stop_fill(
    action: Action, trigger: Decimal, quantity: Decimal, market: Market, limit: Decimal | None = None
) -> StopOutcome:
    """A stop order against this quote: triggered by the range, then a market order (or a limit order with `limit`).

    It starts from the trigger price, or from the open of a quote that opened beyond, and pays half the spread and
    slippage on top. A stop-limit that the market jumped over is triggered and rests.
    """
    quote = market.quote
    opened, high, low = float(quote.open), float(quote.high), float(quote.low)
    touched = exits.stop_fill(-action.sign, float(trigger), opened, high, low)
    if not touched > 0.0:
        return StopOutcome(False)
    base = from_float(touched) + action.sign * _half_spread(from_float(touched), market)
    if limit is not None and (base - limit) * action.sign > ZERO:
        return StopOutcome(True)
    return StopOutcome(True, _taken(action, quantity, base, market, limit))


def available(quantity: Decimal, market: Market) -> Decimal:
    """The part of `quantity` this quote's volume can fill, in whole lots."""
    limit, volume = market.model.volume_limit, market.quote.volume
    if limit is None or volume <= ZERO:
        return market.instrument.round_quantity(quantity)
    return market.instrument.round_quantity(min(quantity, volume * limit))


def fee_of(notional: Decimal, instrument: Instrument, model: FillModel, *, maker: bool) -> Decimal:
    """Fee in quote currency; positive = paid. The model's rates go before the instrument's."""
    if maker:
        return notional * (instrument.maker_fee if model.maker_fee is None else model.maker_fee)
    return notional * (instrument.taker_fee if model.taker_fee is None else model.taker_fee)


def outside_band(price: Decimal, market: Market) -> Refused | None:
    """Why a limit price so far from the last price would be turned away, or None."""
    distance = abs(price / market.quote.last - ONE)
    if distance <= market.model.price_band:
        return None
    limit = market.model.price_band * HUNDRED
    return Refused(
        "price_outside_band",
        f"The price {plain(price)} is {distance * HUNDRED:.1f} % away from the market; at most {plain(limit)} % is accepted.",
        f"{distance * HUNDRED:.1f}",
        plain(limit),
    )


def simulated_rejection(order_id: str, model: FillModel) -> Refused | None:
    """Whether this order is one of the refused ones; depends on the order's id and the model's seed alone."""
    if model.rejection_rate <= ZERO:
        return None
    digest = hashlib.sha256(f"{model.seed}|{order_id}".encode()).digest()
    draw = Decimal(int.from_bytes(digest[:8], "big")) / Decimal(2**64)
    if draw >= model.rejection_rate:
        return None
    return Refused("simulated_rejection", "The simulated exchange turned this order away.", order_id)


def liquidation_price(side: Side, entry: Decimal, leverage: Decimal, maintenance_margin: Decimal) -> Decimal:
    """Price at which an isolated-margin position of a linear contract is taken over, without added margin.

    Long: entry x (1 - 1/leverage + maintenance rate); short: entry x (1 + 1/leverage - maintenance rate). Source: Bybit help
    centre, "Liquidation Price (USDT Contract)", isolated margin mode; its example: long 20,000, 50x, 0.5 % gives 19,700.
    Raises InvalidInput for a leverage below 1, or one whose margin does not exceed the maintenance margin.
    """
    if entry <= ZERO or leverage < ONE or not ZERO <= maintenance_margin < ONE / leverage:
        raise InvalidInput(f"no liquidation price for entry {entry}, leverage {leverage}, rate {maintenance_margin}")
    return entry * (ONE - side.sign * (ONE / leverage - maintenance_margin))


def bankruptcy_price(side: Side, entry: Decimal, leverage: Decimal) -> Decimal:
    """Price at which the isolated margin is used up; liquidation settles here, so the loss is the margin."""
    if entry <= ZERO or leverage < ONE:
        raise InvalidInput(f"no bankruptcy price for entry {entry} and leverage {leverage}")
    return entry * (ONE - side.sign / leverage)


def funding_paid(side: Side, quantity: Decimal, mark_price: Decimal, rate: Decimal, instrument: Instrument) -> Decimal:
    """Quote currency a perpetual position pays at a funding time; negative = received. Longs pay a positive rate."""
    if instrument.kind is not MarketKind.PERPETUAL:
        return ZERO
    return side.sign * quantity * mark_price * rate


def tick_ratio(instrument: Instrument) -> tuple[float, float]:
    """The tick size as numerator and denominator, for `worse_price` and exit programs."""
    numerator, denominator = instrument.tick_size.as_integer_ratio()
    return float(numerator), float(denominator)


def _half_spread(price: Decimal, market: Market) -> Decimal:
    quote = market.quote
    if quote.ask > quote.bid:
        return (quote.ask - quote.bid) / 2
    return price * market.model.spread_bps * BASIS_POINT / 2


def _book_price(action: Action, market: Market) -> Decimal:
    quote = market.quote
    if quote.ask > quote.bid:
        return quote.ask if action is Action.BUY else quote.bid
    return quote.last + action.sign * _half_spread(quote.last, market)


def _traded_through(action: Action, price: Decimal, quote: Quote) -> bool:
    return quote.low < price if action is Action.BUY else quote.high > price


def _taken(
    action: Action, quantity: Decimal, price: Decimal, market: Market, worst: Decimal | None
) -> Execution | None:
    part = available(quantity, market)
    if part <= ZERO:
        return None
    model, volume = market.model, market.quote.volume
    share = float(part / volume) if volume > ZERO else 0.0
    kind, size = _SLIP_CODES[model.slippage], float(model.slippage_size)
    amount = slippage_amount(kind, size, float(price), share, float(market.atr or ZERO))
    at = from_float(worse_price(action.sign, float(price), amount, *tick_ratio(market.instrument)))
    if worst is not None and (at - worst) * action.sign > ZERO:
        at = worst
    return Execution(at, part, fee_of(at * part, market.instrument, model, maker=False), maker=False)
