"""The prices of a signal as they would be traded against this market: entries, stop and targets, or why not.

It rounds to ticks, orders and weighs the entry legs (DCA rungs included), finds the stop, and refuses what can't be a
trade: prices that make no sense, a market beyond the stop, past the first target or too far past the entry. It knows
nothing of money.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from modules.domain.errors import Refused
from modules.domain.instruments import Instrument
from modules.domain.market import Quote
from modules.domain.money import HUNDRED, ONE, ZERO, cents, plain
from modules.domain.orders import OrderType
from modules.domain.plans import Sizing, TradeSettings
from modules.domain.sides import Side
from modules.domain.signals import Signal
from modules.trading import risk
from modules.trading.sizing import Leg, shares_for


@dataclass(frozen=True, slots=True)
class Call:
    """A signal, how the account reads signals, and the market it would trade on."""

    signal: Signal
    settings: TradeSettings
    instrument: Instrument
    quote: Quote


@dataclass(frozen=True, slots=True)
class Frame:
    """A signal's prices, rounded and checked. `legs` are in the order they would be reached, weights sum to one."""

    legs: tuple[Leg, ...]
    stop: Decimal | None
    targets: tuple[Decimal, ...]
    notes: tuple[str, ...]


def frame_of(given: Call) -> Frame | Refused:
    """The signal's prices, rounded and ordered, or why they make no trade against this market."""
    signal, settings, instrument, quote = given.signal, given.settings, given.instrument, given.quote
    market = quote.ask if signal.side is Side.LONG else quote.bid
    refused = _absurd(signal, quote) or _slipped(given, market)
    if refused is not None:
        return refused
    legs = _legs(signal, settings, market, instrument)
    rungs = _rungs(legs, given)
    stop = _stop(given, (*legs, *rungs)[-1].price)
    targets = tuple(sorted(signal.targets, reverse=signal.side is Side.SHORT))
    refused = stop if isinstance(stop, Refused) else _stop_wrong(signal, legs, stop, quote)
    refused = refused or _target_wrong(signal, legs, targets, instrument)
    if refused is not None or isinstance(stop, Refused):
        return refused or Refused("no_stop", f"{signal.symbol} has no stop.")
    kept = tuple(rung for rung in rungs if stop is None or (rung.price - stop) * signal.side.sign > ZERO)
    notes = _frame_notes(given, stop, market, dropped=len(rungs) - len(kept))
    return Frame(_weighed((*legs, *kept)), stop, targets, notes)


def _frame_notes(given: Call, stop: Decimal | None, market: Decimal, *, dropped: int) -> tuple[str, ...]:
    signal, notes = given.signal, []
    if stop is None:
        notes.append("No stop: only targets, your own close or liquidation end this trade.")
    elif _said_stop(signal) is None:
        notes.append(f"The signal has no stop; default_stop_percent sets it to {plain(stop)}.")
    if not signal.targets:
        notes.append("The signal has no targets: the stop rules or your own close end this trade.")
    elif any((market - target) * signal.side.sign >= ZERO for target in signal.targets):
        notes.append("The market is already beyond the first target; the entry waits for it to come back.")
    if dropped:
        notes.append(f"{dropped} DCA rungs lie at or beyond the stop and are left out.")
    return tuple(notes)


def _absurd(signal: Signal, quote: Quote) -> Refused | None:
    """A price far from the market is a misread signal or another coin."""
    prices = (*signal.entries, *signal.targets, *(() if signal.stop_loss is None else (signal.stop_loss,)))
    for price in prices:
        if price <= ZERO or risk.absurd(price, quote.last):
            return Refused(
                "absurd_price",
                f"{plain(price)} makes no sense for {signal.symbol}, which trades at {plain(quote.last)}.",
                plain(price),
                plain(quote.last),
            )
    return None


def _is_market(signal: Signal) -> bool:
    return signal.order == "market" or not signal.entries


def _slipped(given: Call, market: Decimal) -> Refused | None:
    """How far the market ran from the entries that were called; only a market order would pay for it."""
    signal, most = given.signal, given.settings.max_slippage_percent
    if not signal.entries:
        return None
    called = max(signal.entries) if signal.side is Side.LONG else min(signal.entries)
    percent = (market - called) / called * HUNDRED * signal.side.sign
    if _is_market(signal) and percent > most:
        shown = plain(cents(percent))
        return Refused(
            "max_slippage",
            f"Not opened: {signal.symbol} is already {shown} % past its entry of {plain(called)}, the limit is "
            f"{plain(most)} % (max_slippage_percent).",
            shown,
            plain(most),
        )
    through = (called - market) / market * signal.side.sign
    if not _is_market(signal) and through > risk.MAX_THROUGH_MARKET:
        return Refused("absurd_price", f"The entry {plain(called)} is far through the market of {plain(market)}.")
    return None


def _legs(signal: Signal, settings: TradeSettings, market: Decimal, instrument: Instrument) -> tuple[Leg, ...]:
    """The entry orders, nearest to the market first; prices that round to one tick are one order."""
    if _is_market(signal):
        return (Leg(OrderType.MARKET, market, ONE),)
    rounded = {instrument.round_price(price) for price in signal.entries}
    prices = sorted(rounded, reverse=signal.side is Side.LONG)
    shares = shares_for(len(prices), settings.entry_shares)
    pairs = zip(prices, shares, strict=True)
    return tuple(Leg(OrderType.LIMIT, price, share) for price, share in pairs if share > ZERO)


def _rungs(legs: tuple[Leg, ...], given: Call) -> tuple[Leg, ...]:
    """The DCA ladder below (for a short: above) the last entry; each rung starts from the one before."""
    price = legs[-1].price
    found: list[Leg] = []
    sign = given.signal.side.sign
    for level in given.settings.dca:
        price *= ONE - level.deviation_percent / HUNDRED * sign
        rounded = given.instrument.round_price(price)
        last = found[-1].price if found else legs[-1].price
        if price <= ZERO or (last - rounded) * sign <= ZERO or level.multiplier <= ZERO:
            continue
        found.append(Leg(OrderType.LIMIT, rounded, legs[0].weight * level.multiplier))
    return tuple(found)


def _weighed(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    shares = shares_for(len(legs), tuple(leg.weight for leg in legs))
    return tuple(replace(leg, weight=share) for leg, share in zip(legs, shares, strict=True))


def _said_stop(signal: Signal) -> Decimal | None:
    return signal.stop_now if signal.stop_now is not None else signal.stop_loss


def _stop(given: Call, farthest: Decimal) -> Decimal | Refused | None:
    """The stop to trade with: the signal's, else the default distance from the farthest entry, else none if allowed."""
    signal, settings = given.signal, given.settings
    instrument, said = given.instrument, _said_stop(signal)
    if said is not None:
        return instrument.round_price(said)
    if settings.default_stop_percent is not None:
        return instrument.round_price(farthest * (ONE - settings.default_stop_percent / HUNDRED * signal.side.sign))
    advice = "Set default_stop_percent to trade such signals"
    if settings.require_stop:
        return Refused("no_stop", f"{signal.symbol} has no stop. {advice}, or require_stop=no.")
    if settings.sizing is Sizing.RISK_PERCENT:
        return Refused("no_stop", f"{signal.symbol} has no stop to size the risk by. {advice}, or another sizing.")
    return None


def _stop_wrong(signal: Signal, legs: tuple[Leg, ...], stop: Decimal | None, quote: Quote) -> Refused | None:
    if stop is None:
        return None
    sign = signal.side.sign
    called = (*signal.entries, *(leg.price for leg in legs if leg.type is OrderType.LIMIT))
    for price in called:
        if (price - stop) * sign <= ZERO:
            return Refused(
                "stop_wrong_side",
                f"A stop at {plain(stop)} is not on the losing side of the entry {plain(price)} of a {signal.side}.",
                plain(stop),
                plain(price),
            )
    now = min(quote.last, quote.bid) if signal.side is Side.LONG else max(quote.last, quote.ask)
    if (now - stop) * sign <= ZERO:
        return Refused(
            "beyond_stop",
            f"{signal.symbol} is at {plain(now)}, already beyond the stop of {plain(stop)}.",
            plain(now),
            plain(stop),
        )
    return None


def _target_wrong(
    signal: Signal, legs: tuple[Leg, ...], targets: tuple[Decimal, ...], instrument: Instrument
) -> Refused | None:
    """The first target must lie on the winning side of every entry; for a market order that entry is the market."""
    if not targets:
        return None
    first, entry = instrument.round_price(targets[0]), legs[0].price
    if (first - entry) * signal.side.sign > ZERO:
        return None
    if legs[0].type is OrderType.MARKET:
        sentence = f"{signal.symbol} is at {plain(entry)}: its first target {plain(first)} has already passed."
        return Refused("target_passed", sentence, plain(entry), plain(first))
    sentence = f"The target {plain(first)} is not on the winning side of the entry {plain(entry)} of a {signal.side}."
    return Refused("target_wrong_side", sentence, plain(first), plain(entry))
