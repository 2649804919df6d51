"""From a signal to each account's plan, and from a source's update to requests on the plans it concerns.

Reading the journal only queues; planning needs a price and the account's money, and is tried until there is a price or
patience ends. Every refusal is stored with figure, limit and sentence. Claims of a channel (target hit, stop hit) move
nothing: prices decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Collection, Entry, Store, StoreError, Transaction
from modules.domain.errors import OutcomeUnknown, Refused, Unavailable
from modules.domain.events import Event, EventKind
from modules.domain.market import ms_from_utc
from modules.domain.money import ONE, ZERO, plain
from modules.domain.orders import OrderRequest, OrderRole, RequestKind, RequestStatus
from modules.domain.people import Account, Balance
from modules.domain.plans import Plan, PlanStatus, plan_id
from modules.domain.ports import Exchange, Instruments, QuoteBoard
from modules.domain.signals import Signal, SignalStatus
from modules.journal import JournalConsumer, append
from modules.records import from_document, to_document
from modules.runtime.logs import log
from modules.trading import manual, planning
from modules.trading.manual import OpenWish
from modules.trading.planning import PlanningInput
from modules.trading.requests import ask
from modules.trading.risk import HardLimits
from modules.trading.risk_state import open_plans, open_positions, risk_view
from modules.trading.signal_terms import SignalTerms, settings_under

#: How long a signal waits for a first price before it is refused.
PATIENCE_MS = 120_000
HALF = Decimal("0.5")
_TRIES = 3


@dataclass(frozen=True, slots=True)
class PlannerParts:
    """What a planner is made of."""

    store: Store
    exchanges: Mapping[str, Exchange]
    instruments: Instruments
    board: QuoteBoard
    hard: HardLimits
    fresh_seconds: float


class Planner:
    """The executor's planner."""

    def __init__(self, parts: PlannerParts) -> None:
        self._parts = parts
        self._store = parts.store
        self._log = log("planner")
        self._waiting: dict[str, Decimal] = {}
        self._failed: dict[str, int] = {}
        kinds = (EventKind.SIGNAL_RECEIVED, EventKind.UPDATE_RECEIVED, EventKind.SIGNAL_CLOSED)
        self._consumer = JournalConsumer(parts.store, "planner", self._handle, kinds)

    def read(self, now: datetime) -> int:
        """Queues what the journal brought; returns how many events were read."""
        return self._consumer.turn(now)

    def waits_for(self, symbol: str) -> bool:
        """Whether a plan waits for a price of `symbol`."""
        return symbol in self._waiting

    def references(self) -> dict[str, Decimal]:
        """The symbols that plans wait for, each with a price the signal named (where a simulated market may begin)."""
        return dict(self._waiting)

    def accounts_with_requests(self) -> set[str]:
        """Accounts whose requests wait to be carried out."""
        pending = self._store["order_requests"].search(where("status") == RequestStatus.PENDING.value)
        return {str(each["account_id"]) for each in pending}

    async def plan_due(self, now: datetime) -> int:
        """Plans what is queued; returns how many were decided."""
        decided = 0
        waiting: dict[str, Decimal] = {}
        for item in self._store["planning_queue"].search(where("created_at") >= 0, order_by="created_at"):
            if await self._plan_or_bury(item, now):
                decided += 1
            else:
                waiting[item["symbol"]] = Decimal(item["reference"])
        self._waiting = waiting
        return decided

    async def _plan_or_bury(self, item: dict[str, Any], now: datetime) -> bool:
        """One item that can't be planned keeps nobody else waiting: after some tries it is refused, and operators are told."""
        name = str(item["id"])
        try:
            decided = await self._plan(item, now)
        except StoreError:
            raise  # not the item's fault
        except Exception as error:  # noqa: BLE001 - each account's plan stands by itself
            tries = self._failed[name] = self._failed.get(name, 0) + 1
            self._log.error("planning failed", item=name, tries=tries, error=repr(error), exc_info=error)
            if tries < _TRIES:
                return False
            decided = self._decide(
                item, Refused("not_plannable", "This trade could not be planned; the operator is told."), now
            )
            sentence = f"The trade {name} could not be planned: {type(error).__name__}. It was refused; see the log."
            with self._store.transaction() as tx:
                append(
                    tx, Event(EventKind.ALARM, now, {"area": "planner", "sentence": sentence}, key=f"unplanned:{name}")
                )
        if decided:
            self._failed.pop(name, None)
        return decided

    # ---- signals --------------------------------------------------------------------------------------------------

    def _handle(self, entry: Entry, tx: Transaction, now: datetime) -> None:
        document = tx["signals"].get(key=entry.body["signal_id"])
        if document is None:
            return
        signal = from_document(Signal, document)
        if entry.kind == EventKind.SIGNAL_RECEIVED.value:
            self._queue(tx, signal, now)
        elif entry.kind == EventKind.SIGNAL_CLOSED.value:
            self._call_off(tx, signal, entry, now)
        else:
            self._update(tx, signal, entry, now)

    def _call_off(self, tx: Transaction, signal: Signal, entry: Entry, now: datetime) -> None:
        """A signal that ended before its entry (a target came first, its time passed): entries that wait are taken back."""
        if signal.status not in (SignalStatus.CANCELLED, SignalStatus.EXPIRED):
            return
        plans = tx["plans"].search((where("signal_id") == signal.id) & (where("status") == PlanStatus.OPEN.value))
        for document in plans:
            reason = f"signal {signal.status.value}: {(signal.reason or '').replace('_', ' ')}"
            ask(self._store, tx, [_wish(from_document(Plan, document), entry, now, RequestKind.CANCEL_ENTRIES, reason)])

    def _queue(self, tx: Transaction, signal: Signal, now: datetime) -> None:
        terms = _terms_of(tx["signal_terms"], signal.id)
        for document in tx["accounts"].all():
            account = from_document(Account, document)
            settings = account.settings if terms is None else settings_under(terms, account.settings)
            if not (account.enabled and settings.follows(signal.source)):
                continue
            if signal.owner is not None and account.user_id != signal.owner:
                continue
            if terms is not None and terms.account_id != account.id:
                continue
            name = plan_id(signal.id, account.id)
            item = {
                "id": name,
                "signal_id": signal.id,
                "account_id": account.id,
                "symbol": signal.symbol,
                "reference": plain(signal.reference_price or ONE),
                "created_at": ms_from_utc(now),
            }
            if not tx["plans"].contains(key=name):
                tx["planning_queue"].upsert(item)

    async def _plan(self, item: dict[str, Any], now: datetime) -> bool:
        """Whether the item was decided; False leaves it queued."""
        found = self._read(item)
        if found is None:  # removed meanwhile: nothing to plan
            self._store["planning_queue"].remove(key=item["id"])
            return True
        signal, account, quantity = found
        exchange = self._parts.exchanges.get(account.exchange)
        if exchange is None:
            return self._decide(
                item, Refused("exchange_not_connected", f"{account.exchange} is not connected here."), now
            )
        try:
            balance = await exchange.balance(account)
        except (Unavailable, OutcomeUnknown) as silence:
            self._log.warning("no balance, will be tried again", account_id=account.id, reason=silence.message)
            return False
        given = replace(self._given(signal, account, balance, now), quantity=quantity)
        decision = planning.plan(given)
        impatient = ms_from_utc(now) - int(item["created_at"]) < PATIENCE_MS
        priceless = isinstance(decision, Refused) and decision.rule == "no_fresh_price"
        if priceless and impatient and not signal.status.ended:
            return False
        return self._decide(item, decision, now, given)

    def _given(self, signal: Signal, account: Account, balance: Balance, now: datetime) -> PlanningInput:
        standing = open_positions(self._store, account.id), open_plans(self._store, account.id)
        return PlanningInput(
            signal=signal,
            account=account,
            settings=account.settings,
            instrument=self._parts.instruments.find(signal.symbol, reference_price=signal.reference_price),
            quote=self._parts.board.latest(signal.symbol),
            available=balance.available,
            view=risk_view(self._store, account, balance.equity, self._parts.board, now, standing),
            hard=self._parts.hard,
            now=now,
            open_positions=standing[0],
            open_plans=standing[1],
            fresh_seconds=self._parts.fresh_seconds,
        )

    def _decide(
        self, item: dict[str, Any], decision: Plan | Refused, now: datetime, given: PlanningInput | None = None
    ) -> bool:
        """Stores the decision and takes the item off the queue; always True."""
        with self._store.transaction() as tx:
            if not tx["planning_queue"].contains(key=item["id"]):
                return True
            tx["planning_queue"].remove(key=item["id"])
            if isinstance(decision, Refused):
                self._refuse(tx, item, decision, now)
            elif given is not None:
                self._commit(tx, decision, given, now)
        return True

    def _read(self, item: dict[str, Any]) -> tuple[Signal, Account, Decimal | None] | None:
        """The call, the account as it trades that call, and the quantity where a person named one."""
        document = self._store["accounts"].get(key=item["account_id"])
        if document is None:
            return None
        account = from_document(Account, document)
        if item.get("wish") is not None:
            wish = from_document(OpenWish, item["wish"])
            settings = manual.settings_for(account.settings, wish)
            return manual.call_of(wish, account), replace(account, settings=settings), wish.quantity
        signal = self._store["signals"].get(key=item["signal_id"])
        terms = _terms_of(self._store["signal_terms"], item["signal_id"])
        if terms is not None:
            account = replace(account, settings=settings_under(terms, account.settings))
        return None if signal is None else (from_document(Signal, signal), account, None)

    def _commit(self, tx: Transaction, made: Plan, given: PlanningInput, now: datetime) -> None:
        if tx["plans"].contains(key=made.id):
            return
        tx["plans"].insert(to_document(made))
        ask(self._store, tx, (*planning.closing_requests(made, given), *planning.entry_requests(made, now)))
        body = {
            "symbol": made.symbol,
            "side": made.side.value,
            "quantity": plain(sum((entry.quantity for entry in made.entries), ZERO)),
            "entries": [plain(entry.price) if entry.price is not None else "market" for entry in made.entries],
            "stop": plain(made.stop_loss) if made.stop_loss is not None else None,
            "targets": [plain(target.price) for target in made.targets],
            "leverage": plain(made.leverage),
            "risk_amount": plain(round(made.risk_amount, 4)) if made.risk_amount is not None else None,
            "notes": list(made.notes),
        }
        about = {"account_id": made.account_id, "signal_id": made.signal_id, "plan_id": made.id}
        append(tx, Event(EventKind.PLAN_MADE, now, body, key=f"plan:{made.id}", **about))

    def _refuse(self, tx: Transaction, item: dict[str, Any], refused: Refused, now: datetime) -> None:
        body = {
            "symbol": item["symbol"],
            "rule": refused.rule,
            "sentence": refused.sentence,
            "figure": refused.figure,
            "limit": refused.limit,
            "stage": "plan",
        }
        about = {"account_id": item["account_id"], "signal_id": item["signal_id"]}
        tx["refusals"].upsert({"id": f"plan:{item['id']}", "at": ms_from_utc(now), **about, **body})
        append(tx, Event(EventKind.TRADE_REFUSED, now, body, key=f"refused:{item['id']}", **about))

    # ---- updates --------------------------------------------------------------------------------------------------

    def _update(self, tx: Transaction, signal: Signal, entry: Entry, now: datetime) -> None:
        what = entry.body["update"]
        if what in ("cancel", "close"):
            tx["planning_queue"].remove(where("signal_id") == signal.id)
        plans = tx["plans"].search((where("signal_id") == signal.id) & (where("status") == PlanStatus.OPEN.value))
        for document in plans:
            ask(self._store, tx, _requests_for(from_document(Plan, document), entry, now))


def _terms_of(collection: Collection, signal_id: str) -> SignalTerms | None:
    """The terms that came with a signal, where it brought any."""
    document = collection.get(key=signal_id)
    return None if document is None else from_document(SignalTerms, document)


def _requests_for(plan: Plan, entry: Entry, now: datetime) -> list[OrderRequest]:
    """What the source's update asks of one plan."""

    match entry.body["update"]:
        case "cancel" | "close" as what:
            reason = "cancelled by source" if what == "cancel" else "closed by source"
            return [
                _wish(plan, entry, now, RequestKind.CANCEL_ENTRIES, reason),
                _wish(plan, entry, now, RequestKind.CLOSE, reason, share=ONE),
            ]
        case "partial_close":
            share = Decimal(entry.body["share"]) if entry.body.get("share") else HALF
            return [_wish(plan, entry, now, RequestKind.CLOSE, "partly closed by source", share=share)]
        case "move_stop":
            price = Decimal(entry.body["price"]) if entry.body.get("price") else None
            return [_wish(plan, entry, now, RequestKind.MOVE_STOP, "source", price=price)]
    return []


def _wish(plan: Plan, entry: Entry, now: datetime, kind: RequestKind, reason: str, **fields: Any) -> OrderRequest:
    """A request on a plan that an event asks for; its id is the event's, so reading it twice asks once."""
    return OrderRequest(
        id=f"{plan.id}:event:{entry.seq}:{kind.value}",
        account_id=plan.account_id,
        plan_id=plan.id,
        symbol=plan.symbol,
        kind=kind,
        created_at=now,
        reason=reason,
        role=OrderRole.CLOSE,
        signal_id=plan.signal_id,
        **fields,
    )
