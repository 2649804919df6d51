"""The desk: turns durable requests into orders at an exchange, and reports back into orders, fills and positions.

The only code that changes orders, fills and positions. An order is committed as SUBMITTED before the exchange is called
and settled after; no answer makes it UNKNOWN, and it is asked about by its client order id. Killed at any instruction,
it loses no order, sends none twice, and holds no position that fills don't explain. A request that the exchange gives no
answer to stays pending and is tried again, without holding up the others.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tinydb import where

from database import Store, Transaction
from modules.domain.errors import Refused, Rejected, Trouble
from modules.domain.events import Event, EventKind
from modules.domain.instruments import Instrument
from modules.domain.money import ONE, plain
from modules.domain.orders import Order, OrderRequest, OrderRole, RequestKind, RequestStatus
from modules.domain.people import Account
from modules.domain.plans import Plan
from modules.domain.ports import Clock, OrderReport
from modules.domain.positions import Position
from modules.journal import append
from modules.records import changes, from_document
from modules.runtime.logs import log
from modules.trading import closing_again, protection, retarget, settlement
from modules.trading.order_calls import SILENCE, DeskParts, OrderCalls, fresh_quote, record_submitted
from modules.trading.patience import Patience
from modules.trading.protection import DesiredOrder, Placement
from modules.trading.reconcile import Findings
from modules.trading.reconciler import Reconciler
from modules.trading.requests import ask
from modules.trading.risk import RiskView, absurd_price, check_order
from modules.trading.risk_state import risk_view
from modules.trading.safety_state import refusal_for
from modules.trading.tickets import ticket

__all__ = ["Desk", "DeskParts"]


class Desk:
    """One executor's hands. Calls for one account must not overlap: the executor keeps one lane per account."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._store = parts.store
        self._clock = parts.clock
        self._calls = OrderCalls(parts)
        self._reconciler = Reconciler(parts, self._calls, self.converge)
        self._patience = Patience()
        self._unsettled: dict[str, set[str]] = {}
        self._log = log("desk")

    @property
    def clock(self) -> Clock:
        """The desk's time."""
        return self._clock

    # ---- requests -------------------------------------------------------------------------------------------------

    async def handle_pending(self, account: Account) -> int:
        """Carries out the account's pending requests, oldest first; returns how many were finished."""
        pending = self._store["order_requests"].search(
            (where("account_id") == account.id) & (where("status") == RequestStatus.PENDING.value),
            order_by="created_at",
        )
        return sum([await self._attempt(account, from_document(OrderRequest, each)) for each in pending])

    async def _attempt(self, account: Account, request: OrderRequest) -> bool:
        """Whether the request is finished: done or refused. One without an answer is tried again later."""
        now, hopeless = self._clock.now(), closing_again.given_up(request)
        if not (self._patience.is_due(request.id, now) and closing_again.is_due(request, now)):
            return False
        try:
            finished = self._give_up(request, hopeless) if hopeless else await self._handle(account, request)
        except SILENCE as silence:
            self._log.warning("request waits", request_id=request.id, reason=silence.message)
            finished = False
        except Trouble as wrong:
            self._log.error("request can't be carried out", request_id=request.id, reason=wrong.message)
            finished = self._give_up(request, Refused(wrong.code, wrong.message))
        if finished:
            self._patience.done(request.id)
        else:
            self._patience.failed(request.id, self._clock.now())
        return finished

    async def _handle(self, account: Account, request: OrderRequest) -> bool:
        match request.kind:
            case RequestKind.PLACE:
                order = self._admit(account, request, await self._risk_view(account))
                if order is not None:
                    await self._calls.send(account, order)
                    await self.converge(account, request.plan_id)
            case RequestKind.CANCEL_ENTRIES:
                return await self._cancel_entries(account, request.plan_id) and self._done(request, "cancelled")
            case RequestKind.CANCEL_ORDER:
                return await self._cancel_order(account, request) and self._done(request, "cancelled")
            case RequestKind.MOVE_STOP:
                self._move_stop(request)
                await self.converge(account, request.plan_id)
            case RequestKind.SET_TARGETS:
                self._set_targets(request)
                await self.converge(account, request.plan_id)
            case RequestKind.CLOSE:
                await self._close(account, request)
        return True

    async def _risk_view(self, account: Account) -> RiskView:
        balance = await self._calls.exchange(account).balance(account)
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
            orders = _orders(tx, plan.id)
            order = ticket(request, account, plan, position=position, instrument=instrument, orders=orders, now=now)
            refused = order if isinstance(order, Refused) else self._objection(tx, order, account, request, view)
            if refused is not None or isinstance(order, Refused):
                if refused is not None:
                    self._refuse(tx, request, refused, now)
                return None
            self._finish(tx, request, RequestStatus.DONE, order.id)
            if tx["orders"].contains(key=order.id):
                return None
            return record_submitted(tx, order, now)

    def _objection(
        self, tx: Transaction, order: Order, account: Account, request: OrderRequest, view: RiskView | None
    ) -> Refused | None:
        """The last look before an order is sent: its time, the kill switch, and for an opening order every limit."""
        now = self._clock.now()
        if request.expires_at is not None and now >= request.expires_at:
            return Refused("expired", "Its time to enter had passed before it was sent.")
        held = refusal_for(tx, order, account, self._parts.kill_file, now)
        quote = fresh_quote(self._parts.board, order.symbol, now, self._parts.fresh_seconds)
        if held is not None or view is None:
            return held or absurd_price(order, quote)
        return check_order(order, quote, view, self._parts.hard)

    def _give_up(self, request: OrderRequest, refused: Refused) -> bool:
        with self._store.transaction() as tx:
            if _still_pending(tx, request):
                self._refuse(tx, request, refused, self._clock.now())
        return True

    def _refuse(self, tx: Transaction, request: OrderRequest, refused: Refused, now: datetime) -> None:
        self._finish(tx, request, RequestStatus.REFUSED, refused.rule)
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

    def _done(self, request: OrderRequest, outcome: str) -> bool:
        """Finishes a request, and its plan where nothing of it can trade any more."""
        with self._store.transaction() as tx:
            self._finish(tx, request, RequestStatus.DONE)
            settlement.finish_plan_if_idle(tx, request.plan_id, self._clock.now(), outcome)
        return True

    @staticmethod
    def _finish(tx: Transaction, request: OrderRequest, status: RequestStatus, outcome: str | None = None) -> None:
        tx["order_requests"].update({"status": status.value, "outcome": outcome}, key=request.id)

    # ---- the exchange ---------------------------------------------------------------------------------------------

    async def take(self, account: Account, report: OrderReport) -> tuple[str, ...]:
        """Writes what the exchange said of one order; returns the plans it concerns."""
        return await self._calls.take(account, report)

    async def ask_about_doubtful(self, account: Account) -> int:
        """Asks about every order whose outcome isn't known, as soon as each is due; returns how many were settled."""
        settled = await self._calls.ask_about_doubtful(account)
        for order in settled:
            await self.converge(account, order.plan_id)
        return len(settled)

    async def reconcile(self, account: Account) -> Findings:
        """Compares the account with its exchange and repairs what differs. Raises what the exchange's silence raises."""
        return await self._reconciler.reconcile(account)

    def is_unsettled(self, account_id: str) -> bool:
        """Whether something of the account waits for an answer of the exchange."""
        return bool(self._unsettled.get(account_id)) or self._calls.has_doubt(account_id)

    async def revisit(self, account: Account) -> None:
        """Tries again what got no answer, each when it is due: doubtful orders, then cancels."""
        await self.ask_about_doubtful(account)
        for plan_id in sorted(self._unsettled.get(account.id, ())):
            if self._patience.is_due(plan_id, self._clock.now()):
                await self.converge(account, plan_id)

    # ---- plans ----------------------------------------------------------------------------------------------------

    async def converge(self, account: Account, plan_id: str) -> None:
        """Makes the working orders of a plan what its position needs: protection placed, moved, or taken away.

        New stops go out before old ones are cancelled, targets after: never naked, never more than is held.
        """
        confirmed = True
        for _ in range(4):  # a fill while converging changes what is needed; more rounds would be a quarrel
            steps = self._protection_steps(account, plan_id)
            if not steps:
                break
            for cancels, order in steps:
                if not cancels:
                    await self._calls.send(account, order)
                elif not await self._calls.cancel(account, order):
                    confirmed = False
            if not confirmed:
                break
        self._note(account.id, plan_id, settled=confirmed)

    def _note(self, account_id: str, plan_id: str, *, settled: bool) -> None:
        """Remembers a plan with a cancel that was not confirmed; after a restart reconciliation finds it."""
        waiting = self._unsettled.setdefault(account_id, set())
        if settled:
            waiting.discard(plan_id)
            self._patience.done(plan_id)
        else:
            waiting.add(plan_id)
            self._patience.failed(plan_id, self._clock.now())

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
            placed = [(each, record_submitted(tx, protection.order_of(each, position, now), now)) for each in allowed]
            return [
                *((False, order) for each, order in placed if each in wanted.stops),
                *((True, order) for order in (*wanted.to_cancel, *stale)),
                *((False, order) for each, order in placed if each not in wanted.stops),
            ]

    def _may_place(self, tx: Transaction, placement: Placement, position: Position, account: Account) -> bool:
        now = self._clock.now()
        order = protection.order_of(placement, position, now)
        return refusal_for(tx, order, account, self._parts.kill_file, now) is None

    async def _cancel_entries(self, account: Account, plan_id: str) -> bool:
        """Takes back the plan's entries, also those not sent yet; returns whether none can fill any more."""
        with self._store.transaction() as tx:
            mine = (where("plan_id") == plan_id) & (where("status") == RequestStatus.PENDING.value)
            for document in tx["order_requests"].search(mine):
                request = from_document(OrderRequest, document)
                if request.kind is RequestKind.PLACE and request.role is OrderRole.ENTRY:
                    self._refuse(tx, request, Refused("withdrawn", "The entry was called off."), self._clock.now())
        entries = [each for each in _orders(self._store, plan_id) if each.role is OrderRole.ENTRY]
        return all([await self._calls.cancel(account, each) for each in entries if each.state.working])

    async def _cancel_order(self, account: Account, request: OrderRequest) -> bool:
        orders = [each for each in _orders(self._store, request.plan_id) if each.request_id == request.cancels]
        return all([await self._calls.cancel(account, each) for each in orders if each.state.working])

    def _move_stop(self, request: OrderRequest) -> None:
        with self._store.transaction() as tx:
            if not _still_pending(tx, request):
                return
            now = self._clock.now()
            plan = _plan(tx, request.plan_id)
            position = _position(tx, request.plan_id)
            moved = settlement.moved_stop(plan, position, request, self._instrument(plan))
            if isinstance(moved, Refused):
                self._refuse(tx, request, moved, now)
                return
            self._finish(tx, request, RequestStatus.DONE)
            if position is None:
                tx["plans"].update({"stop_loss": plain(moved)}, key=plan.id)
                return
            tx["positions"].update({"stop_loss": plain(moved)}, key=position.id)
            body = {"price": plain(moved), "reason": request.reason}
            append(tx, settlement.position_event(EventKind.STOP_MOVED, position, now, body, request.id))

    def _set_targets(self, request: OrderRequest) -> None:
        with self._store.transaction() as tx:
            if not _still_pending(tx, request):
                return
            now, position = self._clock.now(), _position(tx, request.plan_id)
            instrument = self._instrument(_plan(tx, request.plan_id))
            levels = retarget.levels_by_hand(position, request.targets, instrument, _orders(tx, request.plan_id))
            if isinstance(levels, Refused) or position is None:
                if isinstance(levels, Refused):
                    self._refuse(tx, request, levels, now)
                return
            self._finish(tx, request, RequestStatus.DONE)
            after = replace(position, targets=levels)
            tx["positions"].update(changes(position, after), key=position.id)
            body = {"targets": [plain(each.price) for each in levels if each.hit_at is None], "reason": request.reason}
            append(tx, settlement.position_event(EventKind.TARGETS_CHANGED, position, now, body, request.id))

    async def _close(self, account: Account, request: OrderRequest) -> None:
        a_part = request.quantity is not None or request.role is OrderRole.TARGET
        everything = request.share == ONE or (request.share is None and not a_part)
        if everything and not await self._cancel_entries(account, request.plan_id):
            self._cancel_entries_later(request)
        order = self._admit(account, request, None)
        if order is not None:
            await self._calls.send(account, order)
        await self.converge(account, request.plan_id)

    def _cancel_entries_later(self, request: OrderRequest) -> None:
        """The entries' end is not confirmed: closing does not wait for it, the cancelling is asked for anew."""
        again = OrderRequest(
            id=f"{request.id}:entries",
            account_id=request.account_id,
            plan_id=request.plan_id,
            symbol=request.symbol,
            kind=RequestKind.CANCEL_ENTRIES,
            created_at=self._clock.now(),
            reason=request.reason,
            signal_id=request.signal_id,
        )
        with self._store.transaction() as tx:
            ask(self._store, tx, [again])

    def _instrument(self, plan: Plan) -> Instrument:
        instrument = self._parts.instruments.find(plan.symbol, reference_price=plan.reference_price)
        if instrument is None:
            raise Rejected(f"{plan.symbol} is no longer listed")
        return instrument


def _still_pending(tx: Transaction, request: OrderRequest) -> bool:
    document = tx["order_requests"].get(key=request.id)
    return document is not None and document["status"] == RequestStatus.PENDING.value


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


def _tell_unprotected(tx: Transaction, position: Position, level: DesiredOrder, now: datetime) -> None:
    """The exchange turned a protective order away and would again: a person must know. The monitor closes there instead."""
    what = "stop" if level.role is OrderRole.STOP else f"target {level.number}"
    sentence = (
        f"The exchange refuses the {what} of {position.symbol}: it is watched here, and closed at the market there."
    )
    key = f"unprotected:{position.id}:{level.role}:{level.number}:{level.price or level.trigger_price}"
    body = {"area": "protection", "sentence": sentence, "position_id": position.id}
    append(tx, Event(EventKind.ALARM, now, body, key=key, account_id=position.account_id, plan_id=position.plan_id))
