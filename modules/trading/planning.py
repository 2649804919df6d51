"""From a signal to one account's plan: what to buy or sell, where, how much, and where it ends, or which rule said no.

Pure: the account's settings and standing, the instrument and a quote come in, a `Plan` or a `Refused` goes out. It
never asks a clock, a store or an exchange, and never raises on values that their own types accepted.

How settings are read:
- One budget per trade. `risk_percent`: the loss at the stop, over all entries and with taker fees both ways, is `size`
  percent of equity. `equity_percent`: `size` percent of equity is put in as margin. `fixed`: `size` of quote currency is
  put in as margin. In the last two the position's value is margin times leverage.
- Leverage is the signal's (else the default), lowered to the account's cap, the instrument's and the operator's
  maximum, and until liquidation lies beyond the stop. With risk sizing that changes the margin, not the risk.
- A market signal, or one without prices, is one market order; a range is two limit orders at its ends; several prices
  are that many limit orders. Entries, DCA rungs after them, share the one budget, nearest to the market first.
- Shares: `shares_for` in sizing says what happens when there are more or fewer than entries or targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from modules.domain.errors import Refused
from modules.domain.instruments import Instrument, MarketKind
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import ONE, ZERO, plain
from modules.domain.orders import OrderRequest, OrderRole, OrderType, RequestKind
from modules.domain.people import Account
from modules.domain.plans import OppositeRule, Plan, PlannedEntry, PlanStatus, TradeSettings, plan_id
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Side
from modules.domain.signals import Signal
from modules.trading import risk
from modules.trading.framing import Call, Frame, frame_of
from modules.trading.sizing import Budget, Sized, ladder, most_leverage, safe_leverage, size

#: A quote received longer ago than this is no price to trade at.
FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PlanningInput:
    """All a plan is made from. `view` and `open_*` are this account's; `available` is its free margin.

    `instrument` is None where the symbol isn't listed, `quote` None where there is no price. `quantity` is what somebody
    named by hand instead of the settings' size.
    """

    signal: Signal
    account: Account
    settings: TradeSettings
    instrument: Instrument | None
    quote: Quote | None
    available: Decimal
    view: risk.RiskView
    hard: risk.HardLimits
    now: datetime
    open_positions: tuple[Position, ...] = ()
    open_plans: tuple[Plan, ...] = ()
    fresh_seconds: float = FRESH_SECONDS
    quantity: Decimal | None = None


def plan(given: PlanningInput) -> Plan | Refused:
    """The account's trade of the signal, or the first rule that forbids it."""
    settings, instrument = given.settings, given.instrument
    refused = _unwanted(given) or _unlisted(given) or _clash(given)
    refused = refused or risk.check_trade(given.view, settings.limits, given.hard, now=given.now) or _unpriced(given)
    if refused is not None:
        return refused
    if instrument is None or given.quote is None:  # both were refused above
        return Refused("not_listed", f"{given.signal.symbol} can't be traded here.")
    frame = frame_of(Call(given.signal, given.settings, instrument, given.quote))
    if isinstance(frame, Refused):
        return frame
    chosen = _leverage(given, instrument, frame)
    if isinstance(chosen, Refused):
        return chosen
    leverage, leverage_notes = chosen
    sized = size(frame.legs, _budget(given, frame, leverage), instrument)
    if isinstance(sized, Refused):
        return sized
    frame = replace(frame, notes=(*frame.notes, *leverage_notes, *sized.notes))
    return _assemble(given, instrument, frame, sized=sized, leverage=leverage)


def _assemble(given: PlanningInput, instrument: Instrument, frame: Frame, *, sized: Sized, leverage: Decimal) -> Plan:
    signal, settings = given.signal, given.settings
    targets, target_notes = ladder(frame.targets, settings.target_shares, sized.total, instrument)
    entries = tuple(
        PlannedEntry(number, leg.type, part, None if leg.type is OrderType.MARKET else leg.price)
        for number, (leg, part) in enumerate(zip(sized.legs, sized.quantities, strict=True), start=1)
    )
    window = given.now + timedelta(seconds=settings.entry_window_seconds)
    return Plan(
        id=plan_id(signal.id, given.account.id),
        account_id=given.account.id,
        signal_id=signal.id,
        source=signal.source,
        exchange=given.account.exchange,
        symbol=signal.symbol,
        side=signal.side,
        entries=entries,
        targets=targets,
        stop_loss=frame.stop,
        leverage=leverage,
        exits=settings.exits,
        risk_amount=None if frame.stop is None else sized.loss_at(frame.stop, instrument.taker_fee),
        reference_price=sized.legs[0].price,
        created_at=given.now,
        expires_at=min(signal.expires_at, window),
        cancel_entries_after_target=settings.cancel_entries_after_target,
        notes=(*frame.notes, *target_notes, *_opposite_notes(given)),
    )


def entry_requests(made: Plan, now: datetime) -> tuple[OrderRequest, ...]:
    """The wishes that place the plan's entries; their ids are the plan's, so making them twice makes them once."""
    return tuple(
        OrderRequest(
            id=f"{made.id}:entry:{entry.number}",
            account_id=made.account_id,
            plan_id=made.id,
            symbol=made.symbol,
            kind=RequestKind.PLACE,
            created_at=now,
            reason=f"signal {made.signal_id}",
            role=OrderRole.ENTRY,
            action=made.side.opening,
            type=entry.type,
            number=entry.number,
            quantity=entry.quantity,
            price=entry.price,
            expires_at=made.expires_at,
            signal_id=made.signal_id,
        )
        for entry in made.entries
    )


def closing_requests(made: Plan, given: PlanningInput) -> tuple[OrderRequest, ...]:
    """The wishes that end older trades against the new plan, where the settings say `close_older`.

    Entries that still wait are cancelled before what is held is closed, so that they can't fill in between.
    """
    if given.settings.opposite is not OppositeRule.CLOSE_OLDER:
        return ()
    holding = {position.plan_id for position in given.open_positions if position.status is PositionStatus.OPEN}
    kinds = (RequestKind.CANCEL_ENTRIES, RequestKind.CLOSE)
    return tuple(
        OrderRequest(
            id=f"{made.id}:{kind}:{older}",
            account_id=made.account_id,
            plan_id=older,
            symbol=made.symbol,
            kind=kind,
            created_at=given.now,
            reason=f"opposite signal {made.signal_id}",
            role=OrderRole.CLOSE,
            action=made.side.opening,
            share=ONE if kind is RequestKind.CLOSE else None,
            signal_id=made.signal_id,
        )
        for older in _opposite_plans(given)
        for kind in kinds
        if kind is RequestKind.CANCEL_ENTRIES or older in holding
    )


def _unwanted(given: PlanningInput) -> Refused | None:
    """What needs no price: is this signal, now, one that this account trades?"""
    signal, settings = given.signal, given.settings
    if not given.account.enabled:
        return Refused("account_disabled", f"Account {given.account.id} is switched off.")
    if not settings.autotrade:
        return Refused("autotrade_off", "Automatic trading is off for this account. Switch it on with /autotrade on.")
    if not settings.follows(signal.source):
        return Refused("source_not_followed", f"This account doesn't follow {signal.source}.")
    if signal.status.ended:
        return Refused("signal_ended", f"The signal is {signal.status}: {signal.reason or 'it is over'}.")
    if signal.late:
        return Refused("signal_late", f"The signal for {signal.symbol} arrived too late to trade.")
    if given.now >= signal.expires_at:
        return Refused("signal_expired", f"The signal for {signal.symbol} has expired.")
    if signal.hits and settings.cancel_entries_after_target:
        return Refused("target_passed", f"{signal.symbol} already reached target {signal.hits[-1].number}.")
    return None


def _unlisted(given: PlanningInput) -> Refused | None:
    symbol, instrument, settings = given.signal.symbol, given.instrument, given.settings
    if instrument is None:
        return Refused("not_listed", f"{symbol} isn't listed at {given.account.exchange}.")
    names = {symbol.upper(), instrument.symbol.upper(), instrument.base.upper()}
    if names & {name.upper() for name in settings.deny_symbols}:
        return Refused("symbol_denied", f"{symbol} is on your deny list.")
    if settings.allow_symbols and not names & {name.upper() for name in settings.allow_symbols}:
        return Refused("symbol_not_allowed", f"{symbol} isn't on your allow list.")
    if instrument.kind is MarketKind.SPOT and given.signal.side is Side.SHORT:
        return Refused("spot_short", f"{symbol} is a spot market: it can't be sold short.")
    return None


def _opposite_plans(given: PlanningInput) -> tuple[str, ...]:
    """Ids of the account's open trades on this symbol in the other direction, sorted."""
    signal = given.signal
    found = {p.id for p in given.open_plans if p.status is PlanStatus.OPEN and (p.symbol, p.side) == _against(signal)}
    held = {
        p.plan_id
        for p in given.open_positions
        if p.status is PositionStatus.OPEN and (p.symbol, p.side) == _against(signal)
    }
    return tuple(sorted(found | held))


def _against(signal: Signal) -> tuple[str, Side]:
    return signal.symbol, signal.side.opposite


def _clash(given: PlanningInput) -> Refused | None:
    signal = given.signal
    own = plan_id(signal.id, given.account.id)
    if any(made.id == own for made in given.open_plans):
        return Refused("already_planned", f"This account already trades the signal for {signal.symbol}.")
    if given.settings.opposite is OppositeRule.SKIP and _opposite_plans(given):
        return Refused("opposite_trade", f"A {signal.side.opposite} trade on {signal.symbol} is open; opposite=skip.")
    return None


def _opposite_notes(given: PlanningInput) -> tuple[str, ...]:
    if given.settings.opposite is not OppositeRule.CLOSE_OLDER or not _opposite_plans(given):
        return ()
    return (f"The older {given.signal.side.opposite} trade on {given.signal.symbol} is closed first.",)


def _unpriced(given: PlanningInput) -> Refused | None:
    quote, symbol = given.quote, given.signal.symbol
    if quote is None:
        return Refused("no_fresh_price", f"There is no price of {symbol} yet.")
    age = quote.age_seconds(ms_from_utc(given.now))
    if age > given.fresh_seconds:
        limit = f"{given.fresh_seconds:g}"
        return Refused("no_fresh_price", f"The newest price of {symbol} is {age:.0f} s old.", f"{age:.0f}", limit)
    if quote.simulated and given.account.exchange != "paper":
        return Refused("simulated_price", f"The price of {symbol} is simulated; a live account doesn't trade on it.")
    if given.view.equity <= ZERO:
        return Refused("no_equity", "The account has no equity left.", plain(given.view.equity), "0")
    return None


def _leverage(given: PlanningInput, instrument: Instrument, frame: Frame) -> tuple[Decimal, tuple[str, ...]] | Refused:
    settings, said = given.settings, given.signal.leverage
    wanted = said if said is not None and said >= ONE else settings.default_leverage
    limits = [
        (settings.leverage_cap, "your leverage_cap"),
        (instrument.max_leverage, f"the most {given.signal.symbol} allows"),
        (given.hard.max_leverage, "the operator's maximum"),
    ]
    if frame.stop is not None and instrument.kind is not MarketKind.SPOT:
        safe = safe_leverage(frame.legs[0].price, frame.stop, instrument)
        if safe < ONE:
            return Refused(
                "stop_beyond_liquidation",
                f"The stop {plain(frame.stop)} lies beyond the liquidation price even without leverage.",
                plain(frame.stop),
            )
        limits.append((safe, "so that the stop comes before liquidation"))
    leverage, why = most_leverage(wanted, limits, instrument)
    return leverage, (f"Leverage {plain(leverage)} instead of {plain(wanted)}: {why}.",) if why else ()


def _budget(given: PlanningInput, frame: Frame, leverage: Decimal) -> Budget:
    settings = given.settings
    return Budget(
        sizing=settings.sizing,
        size=settings.size,
        equity=given.view.equity,
        available=given.available,
        leverage=leverage,
        stop=frame.stop,
        rooms=risk.rooms(given.signal.symbol, given.view, settings.limits, given.hard),
        max_order_value=given.hard.max_order_value,
        quantity=given.quantity,
    )
