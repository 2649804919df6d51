"""The desk: turns durable requests into orders at an exchange, and reports back into orders, fills and positions.

The only code that changes orders, fills and positions. An order is committed as SUBMITTED before the exchange is called
and settled after; no answer makes it UNKNOWN, and it is asked about by its client order id. Killed at any instruction,
it loses no order, sends none twice, and holds no position that fills don't explain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tinydb import where
from tinydb.queries import QueryInstance

from database import Store, Transaction
from modules.domain.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from modules.domain.events import Event, EventKind
from modules.domain.instruments import Instrument
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import ONE, plain
from modules.domain.orders import (
    Order,
    OrderRequest,
    OrderRole,
    OrderState,
    RequestKind,
    RequestStatus,
)
from modules.domain.people import Account
from modules.domain.plans import Plan
from modules.domain.ports import Clock, Exchange, Instruments, OrderReport, QuoteBoard
from modules.domain.positions import Position, PositionStatus
from modules.journal import append
from modules.records import from_document, to_document
from modules.runtime.logs import log
from modules.trading import protection, settlement
from modules.trading.protection import DesiredOrder, Placement
from modules.trading.reconcile import Findings, compare
from modules.trading.risk import HardLimits, RiskView, check_order
from modules.trading.risk_state import risk_view
from modules.trading.safety_state import refusal_for
from modules.trading.tickets import ticket

_LISTED = [OrderState.OPEN.value, OrderState.PARTIALLY_FILLED.value]
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


class Desk:
    """One executor's hands. Calls for one account must not overlap: the executor keeps one lane per account."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._store = parts.store
        self._clock = parts.clock
        self._log = log("desk")

    # ---- requests -------------------------------------------------------------------------------------------------

    async def handle_pending(self, account: Account) -> int:
        """Carries out the account's pending requests, oldest first; returns how many were handled."""
        pending = self._store["order_requests"].search(
            (where("account_id") == account.id) & (where("status") == RequestStatus.PENDING.value),
            order_by="created_at",
        )
        for document in pending:
            await self._handle(account, from_document(OrderRequest, document))
        return len(pending)

    async def _handle(self, account: Account, request: OrderRequest) -> None:
        match request.kind:
            case RequestKind.PLACE:
                order = self._admit(account, request, await self._risk_view(account))
                if order is not None:
                    await self._send(account, order)
                    await self.converge(account, request.plan_id)
            case RequestKind.CANCEL_ENTRIES:
                await self._cancel_entries(account, request.plan_id)
                self._finish(request, RequestStatus.DONE)
            case RequestKind.CANCEL_ORDER:
                for order in _orders(self._store, request.plan_id):
                    if order.request_id == request.cancels and order.state.working:
                        await self._cancel(account, order)
                self._finish(request, RequestStatus.DONE)
            case RequestKind.MOVE_STOP:
                self._move_stop(request)
                await self.converge(account, request.plan_id)
            case RequestKind.CLOSE:
                await self._close(account, request)

    async def _risk_view(self, account: Account) -> RiskView:
        balance = await self._parts.exchanges[account.exchange].balance(account)
        return risk_view(self._store, account, balance.equity, self._parts.board, self._clock.now())

    def _admit(self, account: Account, request: OrderRequest, view: RiskView | None) -> Order | None:
        """The order of a PLACE or CLOSE request, written down as SUBMITTED; None when refused or made before."""
        with self._store.transaction(durable=True) as tx:
            now = self._clock.now()
            if not _still_pending(tx, request):
                return None
            plan = _plan(tx, request.plan_id)
            position = _position(tx, plan.id)
            instrument = self._instrument(plan)
            order = ticket(request, account, plan, position=position, instrument=instrument, now=now)
            refused = order if isinstance(order, Refused) else self._objection(tx, order, account, request, view)
            if refused is not None or isinstance(order, Refused):
                if refused is not None:
                    self._refuse(tx, request, refused, now)
                return None
            self._finish(request, RequestStatus.DONE, tx=tx, outcome=order.id)
            if tx["orders"].contains(key=order.id):
                return None
            return _record_submitted(tx, order, now)

    def _objection(
        self, tx: Transaction, order: Order, account: Account, request: OrderRequest, view: RiskView | None
    ) -> Refused | None:
        """The last look before an order is sent: its time, the kill switch, and for an opening order every limit."""
        now = self._clock.now()
        if request.expires_at is not None and now >= request.expires_at:
            return Refused("expired", "Its time to enter had passed before it was sent.")
        held = refusal_for(tx, order, account, self._parts.kill_file, now)
        if held is not None or view is None:
            return held
        return check_order(order, self._fresh(order.symbol, now), view, self._parts.hard)

    def _fresh(self, symbol: str, now: datetime) -> Quote | None:
        quote = self._parts.board.latest(symbol)
        stale = quote is None or quote.age_seconds(ms_from_utc(now)) > self._parts.fresh_seconds
        return None if stale else quote

    def _refuse(self, tx: Transaction, request: OrderRequest, refused: Refused, now: datetime) -> None:
        self._finish(request, RequestStatus.REFUSED, tx=tx, outcome=refused.rule)
        body = {
            "request_id": request.id,
            "rule": refused.rule,
            "sentence": refused.sentence,
            "figure": refused.figure,
            "limit": refused.limit,
            "symbol": request.symbol,
            "role": request.role.value,
        }
        record = {"id": f"request:{request.id}", "account_id": request.account_id, "signal_id": request.signal_id}
        tx["refusals"].upsert({**record, "at": int(now.timestamp() * 1000), "stage": "order", **body})
        event = Event(
            EventKind.REQUEST_REFUSED,
            now,
            body,
            key=f"refused:{request.id}",
            account_id=request.account_id,
            signal_id=request.signal_id,
            plan_id=request.plan_id,
        )
        append(tx, event)
        settlement.finish_plan_if_idle(tx, request.plan_id, now, f"refused: {refused.sentence}")

    def _finish(
        self, request: OrderRequest, status: RequestStatus, *, tx: Transaction | None = None, outcome: str | None = None
    ) -> None:
        requests = (tx or self._store)["order_requests"]
        requests.update({"status": status.value, "outcome": outcome}, key=request.id)

    # ---- the exchange ---------------------------------------------------------------------------------------------

    async def _send(self, account: Account, order: Order) -> None:
        exchange = self._parts.exchanges[account.exchange]
        try:
            report = await exchange.submit(account, order)
        except Rejected as no:
            report = OrderReport(order.id, OrderState.REJECTED, self._clock.now(), reason=no.message)
        except (OutcomeUnknown, Unavailable) as silence:
            self._mark_unknown(order, silence.message)
            return
        self.settle(report)

    def _mark_unknown(self, order: Order, why: str) -> None:
        with self._store.transaction() as tx:
            now = self._clock.now()
            current = from_document(Order, tx["orders"].get(key=order.id) or to_document(order))
            if current.state is not OrderState.SUBMITTED:
                return
            tx["orders"].update(_state_fields(current.moved_to(OrderState.UNKNOWN, now, why)), key=order.id)
            append(tx, _order_event(EventKind.ORDER_UNKNOWN, order, now, {"reason": why}))
        self._log.warning("no answer from the exchange", order_id=order.id, reason=why)

    async def ask_about_doubtful(self, account: Account) -> int:
        """Asks the exchange, by id, about every order whose outcome isn't known; returns how many were settled.

        One that the exchange proves never to have had is sent again under the same id while it is still wanted.
        """
        exchange = self._parts.exchanges[account.exchange]
        doubtful = self._store["orders"].search(_of(account, _IN_DOUBT))
        settled = 0
        for document in doubtful:
            order = from_document(Order, document)
            try:
                report = await exchange.fetch_order(account, order)
            except (OutcomeUnknown, Unavailable) as silence:
                self._log.warning("still no answer", order_id=order.id, reason=silence.message)
                continue
            settled += 1
            if report is not None:
                self.settle(report)
            elif order.expires_at is not None and order.expires_at <= self._clock.now():
                self.settle(
                    OrderReport(order.id, OrderState.EXPIRED, self._clock.now(), reason="expired before it was sent")
                )
            else:
                await self._send(account, order)
            await self.converge(account, order.plan_id)
        return settled

    def settle(self, report: OrderReport) -> tuple[str, ...]:
        """Writes what the exchange said of one order, in one transaction; returns the plans it concerns."""
        with self._store.transaction(durable=True) as tx:
            return settlement.apply_report(tx, report, self._clock.now())

    async def reconcile(self, account: Account) -> Findings:
        """Compares the account with its exchange and repairs what differs; drift that it can't explain is told."""
        await self.ask_about_doubtful(account)
        exchange = self._parts.exchanges[account.exchange]
        try:
            listed, held = await exchange.open_orders(account), await exchange.positions(account)
        except (OutcomeUnknown, Unavailable) as silence:
            self._log.warning("could not reconcile", account_id=account.id, reason=silence.message)
            raise
        working = [from_document(Order, each) for each in self._store["orders"].search(_of(account, _LISTED))]
        open_positions = self._store["positions"].search(
            (where("account_id") == account.id) & (where("status") == PositionStatus.OPEN.value)
        )
        positions = [from_document(Position, each) for each in open_positions]
        findings = compare(working, listed, positions, held)
        await self._repair(account, findings)
        for plan in self._store["plans"].search((where("account_id") == account.id) & (where("status") == "open")):
            await self.converge(account, plan["id"])
        return findings

    async def _repair(self, account: Account, findings: Findings) -> None:
        for report in findings.update:
            self.settle(report)
        for order in findings.ask:
            answer = await self._ask(account, order)
            if answer is not None:
                self.settle(answer)
        for name in findings.orphans:
            known = self._store["orders"].get(key=name)
            if known is not None:
                await self._cancel(account, from_document(Order, known))
        if findings.drift or findings.orphans or findings.foreign:
            self._tell_findings(account, findings)

    def _tell_findings(self, account: Account, findings: Findings) -> None:
        now = self._clock.now()
        body = {"drift": list(findings.drift), "orphans": list(findings.orphans), "foreign": list(findings.foreign)}
        digest = hashlib.sha256(repr(body).encode()).hexdigest()[:16]
        day = now.date().isoformat()
        with self._store.transaction() as tx:
            event = Event(
                EventKind.RECONCILED, now, body, key=f"reconciled:{account.id}:{day}:{digest}", account_id=account.id
            )
            append(tx, event)

    async def _cancel(self, account: Account, order: Order) -> None:
        exchange = self._parts.exchanges[account.exchange]
        try:
            self.settle(await exchange.cancel(account, order))
        except Rejected:
            report = await self._ask(account, order)
            if report is not None:
                self.settle(report)
        except (OutcomeUnknown, Unavailable) as silence:
            self._log.warning("cancel not confirmed, will be tried again", order_id=order.id, reason=silence.message)

    async def _ask(self, account: Account, order: Order) -> OrderReport | None:
        try:
            return await self._parts.exchanges[account.exchange].fetch_order(account, order)
        except (OutcomeUnknown, Unavailable):
            return None

    # ---- plans ----------------------------------------------------------------------------------------------------

    async def converge(self, account: Account, plan_id: str) -> None:
        """Makes the working orders of a plan what its position needs: protection placed, moved, or taken away.

        New stops go out before old ones are cancelled, targets after: never naked, never more than is held.
        """
        for _ in range(4):  # a fill while converging changes what is needed; more rounds would be a quarrel
            steps = self._protection_steps(account, plan_id)
            if not steps:
                return
            for cancels, order in steps:
                if cancels:
                    await self._cancel(account, order)
                else:
                    await self._send(account, order)

    def _protection_steps(self, account: Account, plan_id: str) -> list[tuple[bool, Order]]:
        """What to do, in order: (True, cancel this) or (False, send this). New orders are written down as SUBMITTED."""
        with self._store.transaction(durable=True) as tx:
            now = self._clock.now()
            document = tx["plans"].get(key=plan_id)
            if document is None:
                return []
            plan, position = from_document(Plan, document), _position(tx, plan_id)
            orders = _orders(tx, plan_id)
            stale = settlement.entries_to_cancel(plan, position, [order for order in orders if order.state.working])
            if position is None:
                return [(True, order) for order in stale]
            wanted = protection.protect(position, plan, self._instrument(plan), orders=orders)
            for level in wanted.refused:
                _tell_unprotected(tx, position, level, now)
            allowed = [each for each in wanted.to_place if self._may_place(tx, each, position, account)]
            placed = [(each, _record_submitted(tx, protection.order_of(each, position, now), now)) for each in allowed]
            return [
                *((False, order) for each, order in placed if each in wanted.stops),
                *((True, order) for order in (*wanted.to_cancel, *stale)),
                *((False, order) for each, order in placed if each not in wanted.stops),
            ]

    def _may_place(self, tx: Transaction, placement: Placement, position: Position, account: Account) -> bool:
        now = self._clock.now()
        order = protection.order_of(placement, position, now)
        return refusal_for(tx, order, account, self._parts.kill_file, now) is None

    async def _cancel_entries(self, account: Account, plan_id: str) -> None:
        for order in _orders(self._store, plan_id):
            if order.role is OrderRole.ENTRY and order.state.working:
                await self._cancel(account, order)
        with self._store.transaction() as tx:
            settlement.finish_plan_if_idle(tx, plan_id, self._clock.now(), "cancelled")

    def _move_stop(self, request: OrderRequest) -> None:
        with self._store.transaction() as tx:
            if not _still_pending(tx, request):
                return
            now = self._clock.now()
            position = _position(tx, request.plan_id)
            moved = settlement.moved_stop(position, request, self._instrument(_plan(tx, request.plan_id)))
            if isinstance(moved, Refused) or position is None:
                refused = moved if isinstance(moved, Refused) else Refused("nothing_to_protect", "No open position.")
                self._refuse(tx, request, refused, now)
                return
            tx["positions"].update({"stop_loss": plain(moved)}, key=position.id)
            self._finish(request, RequestStatus.DONE, tx=tx)
            append(
                tx,
                settlement.position_event(
                    EventKind.STOP_MOVED, position, now, {"price": plain(moved), "reason": request.reason}, request.id
                ),
            )

    async def _close(self, account: Account, request: OrderRequest) -> None:
        if (request.share is None and request.quantity is None) or request.share == ONE:
            await self._cancel_entries(account, request.plan_id)
        order = self._admit(account, request, None)
        if order is not None:
            await self._send(account, order)
        await self.converge(account, request.plan_id)

    def _instrument(self, plan: Plan) -> Instrument:
        instrument = self._parts.instruments.find(plan.symbol, reference_price=plan.reference_price)
        if instrument is None:
            raise Rejected(f"{plan.symbol} is no longer listed")
        return instrument


def _still_pending(tx: Transaction, request: OrderRequest) -> bool:
    document = tx["order_requests"].get(key=request.id)
    return document is not None and document["status"] == RequestStatus.PENDING.value


def _record_submitted(tx: Transaction, order: Order, now: datetime) -> Order:
    submitted = order.moved_to(OrderState.SUBMITTED, now)
    tx["orders"].insert(to_document(submitted))
    body = {
        "role": order.role.value,
        "type": order.type.value,
        "quantity": plain(order.quantity),
        "symbol": order.symbol,
    }
    append(tx, _order_event(EventKind.ORDER_SUBMITTED, order, now, body))
    return submitted


def _order_event(kind: EventKind, order: Order, now: datetime, body: dict[str, Any]) -> Event:
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


def _state_fields(order: Order) -> dict[str, Any]:
    document = to_document(order)
    return {name: document[name] for name in ("state", "reason", "updated_at")}


def _plan(tx: Transaction, plan_id: str) -> Plan:
    document = tx["plans"].get(key=plan_id)
    if document is None:
        raise Rejected(f"there is no plan {plan_id}")
    return from_document(Plan, document)


def _position(tx: Transaction, plan_id: str) -> Position | None:
    document = tx["positions"].get(where("plan_id") == plan_id)
    return from_document(Position, document) if document else None


def _orders(reader: Transaction | Store, plan_id: str) -> list[Order]:
    return [from_document(Order, each) for each in reader["orders"].search(where("plan_id") == plan_id)]


def _of(account: Account, states: list[str]) -> QueryInstance:
    wanted: QueryInstance = (where("account_id") == account.id) & where("state").one_of(states)
    return wanted


def _tell_unprotected(tx: Transaction, position: Position, level: DesiredOrder, now: datetime) -> None:
    """The exchange turned a protective order away and would again: a person must know."""
    what = "stop" if level.role is OrderRole.STOP else f"target {level.number}"
    sentence = f"The exchange refuses the {what} of {position.symbol}; it is not protected there."
    key = f"unprotected:{position.id}:{level.role}:{level.number}:{level.price or level.trigger_price}"
    body = {"area": "protection", "sentence": sentence, "position_id": position.id}
    append(tx, Event(EventKind.ALARM, now, body, key=key, account_id=position.account_id, plan_id=position.plan_id))
