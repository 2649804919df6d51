"""Calls to an exchange for one order, each with its outcome written down: sent, cancelled, asked about, settled.

No answer is an answer of its own: a sending without one makes the order UNKNOWN, a cancel without one leaves it as it
is. What an exchange says that can't be true (more filled than ordered) is written as an alarm and changes nothing, so
that one wrong report never stands in the way of an account's other orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tinydb import where

from database import DuplicateKey, Store, Transaction
from modules.domain.errors import Conflict, InvalidInput, OutcomeUnknown, Rejected, Unavailable
from modules.domain.events import Event, EventKind
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import plain
from modules.domain.orders import Order, OrderState, OrderType
from modules.domain.people import Account
from modules.domain.plans import Plan
from modules.domain.ports import Clock, Exchange, Instruments, OrderReport, QuoteBoard
from modules.domain.positions import Position, PositionStatus
from modules.journal import append
from modules.records import from_document, to_document
from modules.runtime.logs import log
from modules.trading import closing_again, settlement
from modules.trading.early_fills import entries_to_ask
from modules.trading.patience import Patience
from modules.trading.risk import HardLimits
from modules.trading.safety_state import refusal_for

#: No answer: it may have happened (OutcomeUnknown) or has not (Unavailable). Both are asked about.
SILENCE = (OutcomeUnknown, Unavailable)
_IN_DOUBT = [OrderState.SUBMITTED.value, OrderState.UNKNOWN.value]


@dataclass(frozen=True, slots=True)
class DeskParts:
    """What a desk is made of."""

    store: Store
    exchanges: Mapping[str, Exchange]
    instruments: Instruments
    board: QuoteBoard
    clock: Clock
    hard: HardLimits
    kill_file: Path
    fresh_seconds: float


class OrderCalls:
    """The desk's line to the exchanges. Calls for one account must not overlap."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._store = parts.store
        self._clock = parts.clock
        self._patience = Patience()
        self._log = log("desk")

    def exchange(self, account: Account) -> Exchange:
        """The account's exchange. Raises Unavailable when it is not connected here."""
        found = self._parts.exchanges.get(account.exchange)
        if found is None:
            raise Unavailable(f"{account.exchange} is not connected", code="exchange_not_connected")
        return found

    async def send(self, account: Account, order: Order) -> None:
        """Sends an order that was written down as SUBMITTED, and settles what the exchange says."""
        try:
            report = await self.exchange(account).submit(account, order)
        except Rejected as no:
            report = OrderReport(order.id, OrderState.REJECTED, self._clock.now(), reason=no.message)
        except SILENCE as silence:
            self._mark_unknown(order, silence.message)
            return
        await self.take(account, report)

    async def cancel(self, account: Account, order: Order) -> bool:
        """Cancels what is left of an order; returns whether its end is known now."""
        try:
            report: OrderReport | None = await self.exchange(account).cancel(account, order)
        except Rejected:
            return await self._look_up(account, order)
        except SILENCE as silence:
            self._log.warning("cancel not confirmed, will be tried again", order_id=order.id, reason=silence.message)
            return False
        if report is not None:
            await self.take(account, report)
        return self._has_ended(order)

    async def ask(self, account: Account, order: Order) -> bool:
        """Brings an order to what its exchange says of it; one that the exchange does not have has ended there.

        Returns whether there was an answer.
        """
        try:
            report = await self.exchange(account).fetch_order(account, order)
        except SILENCE as silence:
            self._log.warning("still no answer", order_id=order.id, reason=silence.message)
            return False
        await self.take(account, report or self._gone(order, "the exchange does not have it"))
        return True

    async def ask_about_doubtful(self, account: Account, *, at_once: bool = False) -> list[Order]:
        """Asks, by id, about every order whose outcome isn't known and that is due; returns those that were settled.

        One that the exchange proves never to have had is sent again under the same id while it is still wanted.
        """
        settled = []
        for order in self._doubtful(account):
            if not at_once and not self._patience.is_due(order.id, self._clock.now()):
                continue
            if await self._resolve(account, order):
                settled.append(order)
        return settled

    def has_doubt(self, account_id: str) -> bool:
        """Whether an order of the account has an outcome that isn't known."""
        return self._store["orders"].contains((where("account_id") == account_id) & where("state").one_of(_IN_DOUBT))

    async def take(self, account: Account, report: OrderReport) -> tuple[str, ...]:
        """Settles a report; one of a close that is ahead of its entries' news comes after asking about them."""
        for entry in self._ahead_of(report):
            await self.ask(account, entry)
        return self.settle(report)

    def _ahead_of(self, report: OrderReport) -> tuple[Order, ...]:
        document = self._store["orders"].get(key=report.client_order_id) if report.fills else None
        if document is None or not document["reduce_only"]:
            return ()
        order = from_document(Order, document)
        mine = where("plan_id") == order.plan_id
        held = self._store["positions"].get(mine)
        position = from_document(Position, held) if held else None
        orders = [from_document(Order, each) for each in self._store["orders"].search(mine)]
        return entries_to_ask(report, order, position, orders)

    def settle(self, report: OrderReport) -> tuple[str, ...]:
        """Writes what the exchange said of one order, in one transaction; returns the plans it concerns.

        It need not wait for the disk: after a power cut the exchange is asked again, and still knows.
        """
        now = self._clock.now()
        try:
            with self._store.transaction() as tx:
                concerned = settlement.apply_report(tx, report, now)
                closing_again.ask_again(self._store, tx, report, now)
                return concerned
        except (Conflict, InvalidInput, DuplicateKey) as wrong:
            self._alarm(report, str(wrong), now)
            return ()

    def _doubtful(self, account: Account) -> list[Order]:
        mine = where("account_id") == account.id
        found = self._store["orders"].search(mine & where("state").one_of(_IN_DOUBT), order_by="created_at")
        return [from_document(Order, each) for each in found]

    async def _resolve(self, account: Account, order: Order) -> bool:
        try:
            report = await self.exchange(account).fetch_order(account, order)
        except SILENCE as silence:
            self._log.warning("still no answer", order_id=order.id, reason=silence.message)
            self._patience.failed(order.id, self._clock.now())
            return False
        ended = report or self._unwanted(account, order)
        if ended is not None:
            await self.take(account, ended)
        else:
            await self.send(account, order)
        if self._has_ended_doubt(order):
            self._patience.done(order.id)
            return True
        self._patience.failed(order.id, self._clock.now())
        return False

    def _unwanted(self, account: Account, order: Order) -> OrderReport | None:
        """Why an order that never arrived is not sent any more, as the end of it; None while it is wanted."""
        now = self._clock.now()
        if order.expires_at is not None and order.expires_at <= now:
            return OrderReport(order.id, OrderState.EXPIRED, now, reason="expired before it was sent")
        held = refusal_for(self._store, order, account, self._parts.kill_file, now)
        if held is not None:
            return self._gone(order, held.sentence)
        age = (now - order.created_at).total_seconds()
        if not order.reduce_only and order.type is OrderType.MARKET and not 0 <= age <= self._parts.fresh_seconds:
            return self._gone(order, "it could not be sent in time")
        return None if self._serves(order) else self._gone(order, "it was no longer wanted when it could be sent")

    def _serves(self, order: Order) -> bool:
        """Whether the order's trade still wants it: something to reduce, or a trade that is not over."""
        plan = self._store["plans"].get(key=order.plan_id)
        document = self._store["positions"].get(where("plan_id") == order.plan_id)
        position = from_document(Position, document) if document else None
        if order.reduce_only:
            return position is not None and position.status is PositionStatus.OPEN
        return plan is not None and not settlement.entry_is_over(from_document(Plan, plan), position)

    async def _look_up(self, account: Account, order: Order) -> bool:
        return await self.ask(account, order) and self._has_ended(order)

    def _gone(self, order: Order, reason: str) -> OrderReport:
        return OrderReport(order.id, OrderState.CANCELLED, self._clock.now(), filled=order.filled, reason=reason)

    def _has_ended(self, order: Order) -> bool:
        return not self._state(order).working

    def _has_ended_doubt(self, order: Order) -> bool:
        return self._state(order).value not in _IN_DOUBT

    def _state(self, order: Order) -> OrderState:
        document = self._store["orders"].get(key=order.id)
        return OrderState(document["state"]) if document else OrderState.CANCELLED

    def _mark_unknown(self, order: Order, why: str) -> None:
        with self._store.transaction() as tx:
            now = self._clock.now()
            current = from_document(Order, tx["orders"].get(key=order.id) or to_document(order))
            if current.state is not OrderState.SUBMITTED:
                return
            tx["orders"].update(_state_fields(current.moved_to(OrderState.UNKNOWN, now, why)), key=order.id)
            append(tx, order_event(EventKind.ORDER_UNKNOWN, order, now, {"reason": why, **_named(order)}))
        self._patience.failed(order.id, now)
        self._log.warning("no answer from the exchange", order_id=order.id, reason=why)

    def _alarm(self, report: OrderReport, why: str, now: datetime) -> None:
        self._log.error("report refused", order_id=report.client_order_id, reason=why)
        sentence = f"What the exchange says of order {report.client_order_id} can't be true and was not booked: {why}"
        key = f"report:{report.client_order_id}:{report.state.value}:{plain(report.filled)}"
        with self._store.transaction() as tx:
            append(tx, Event(EventKind.ALARM, now, {"area": "settlement", "sentence": sentence}, key=key))


def record_submitted(tx: Transaction, order: Order, now: datetime) -> Order:
    """Writes an order down as SUBMITTED, before it is sent."""
    submitted = order.moved_to(OrderState.SUBMITTED, now)
    tx["orders"].insert(to_document(submitted))
    body = {
        "role": order.role.value,
        "type": order.type.value,
        "quantity": plain(order.quantity),
        "symbol": order.symbol,
    }
    append(tx, order_event(EventKind.ORDER_SUBMITTED, order, now, body))
    return submitted


def fresh_quote(board: QuoteBoard, symbol: str, now: datetime, fresh_seconds: float) -> Quote | None:
    """The newest quote of a symbol, None where it is older than `fresh_seconds`."""
    quote = board.latest(symbol)
    stale = quote is None or quote.age_seconds(ms_from_utc(now)) > fresh_seconds
    return None if stale else quote


def order_event(kind: EventKind, order: Order, now: datetime, body: dict[str, Any]) -> Event:
    """An event about an order, unique per kind."""
    return Event(
        kind,
        now,
        body,
        key=f"{kind.value}:{order.id}",
        account_id=order.account_id,
        signal_id=order.signal_id,
        plan_id=order.plan_id,
        order_id=order.id,
    )


def _named(order: Order) -> dict[str, Any]:
    """What a person knows an order by."""
    price = order.price or order.trigger_price
    return {"symbol": order.symbol, "role": order.role.value, "price": plain(price) if price is not None else None}


def _state_fields(order: Order) -> dict[str, Any]:
    document = to_document(order)
    return {name: document[name] for name in ("state", "reason", "updated_at")}
