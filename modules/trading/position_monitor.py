"""Follows open positions quote by quote: what the exit kernel decides becomes a durable request to the executor.

Two processes run one each: `targets` for plain ladders, `orders` for trailing stops, time exits and stops that move with
price. A position belongs to exactly one of them. The monitor changes no order and no position; it keeps only its rows
(extremes, awake trails), which it stores and can always make anew from the plan and the position. A row steps once for a
quote: what it decided while the store could not be written is kept, and asked for before anything else is stored.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Entry, Store, StoreError, Transaction
from modules.domain.errors import Conflict, InvalidInput
from modules.domain.events import EventKind
from modules.domain.instruments import Instrument
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import ONE, plain
from modules.domain.orders import Order, OrderRequest, OrderRole, RequestKind
from modules.domain.plans import ExitRules, Plan
from modules.domain.ports import Instruments
from modules.domain.positions import Position, PositionStatus
from modules.journal import JournalConsumer
from modules.records import from_document
from modules.runtime.logs import log
from modules.trading.exit_book import ExitBook, ExitEvent, ExitKind
from modules.trading.requests import ask
from modules.trading.targets import FirstBar, program_from, rebase, retarget, targets_differ
from modules.trading.watched_levels import Level, next_try, refused_levels

TARGETS, ORDERS = "targets", "orders"
_FLUSH_MS = 1000
_TRUSTED_HANDS = ("user", "source")


def monitor_of(rules: ExitRules) -> str:
    """Which monitor follows a position with these rules."""
    by_price = rules.trailing is not None or rules.break_even_at_r is not None or rules.time_exit_seconds is not None
    return ORDERS if by_price else TARGETS


class PositionMonitor:
    """One monitor's positions. `sync` reads what happened, `on_quote` reads prices; both append requests."""

    def __init__(self, store: Store, name: str, instruments: Instruments) -> None:
        self._store = store
        self._name = name
        self._instruments = instruments
        self.book = ExitBook()
        self._plans: dict[str, Plan] = {}
        self._touched: dict[str, Decimal | None] = {}
        self._undone: list[ExitEvent] = []
        self._watched: dict[str, set[Level]] = {}
        self._flushed_ms = 0
        self._seen_ms: dict[str, int] = {}
        self._log = log(f"monitor.{name}")
        kinds = (
            EventKind.POSITION_OPENED,
            EventKind.ORDER_FILLED,
            EventKind.ORDER_ENDED,
            EventKind.REQUEST_REFUSED,
            EventKind.STOP_MOVED,
            EventKind.TARGETS_CHANGED,
            EventKind.POSITION_CLOSED,
        )
        self._consumer = JournalConsumer(store, f"monitor.{name}", self._note, kinds)

    def recover(self, now: datetime) -> None:
        """Takes up every open position that is this monitor's, where it was left."""
        for document in self._store["positions"].search(where("status") == PositionStatus.OPEN.value):
            try:
                self._take_up(from_document(Position, document), now, FirstBar.ANY_BAR)
            except (InvalidInput, Conflict) as wrong:  # the others are taken up all the same
                self._log.error("position can't be followed", position_id=document["id"], reason=wrong.message)

    def symbols(self) -> tuple[str, ...]:
        """Symbols whose prices are needed."""
        return self.book.symbols()

    def sync(self, now: datetime) -> int:
        """Learns of fills, closes and moved stops; returns how many events it read."""
        self._act([], now)
        handled = self._consumer.turn(now)
        for position_id, stop in list(self._touched.items()):
            try:
                self._look_at(position_id, stop, now)
            except (InvalidInput, Conflict) as wrong:
                self._log.error("position can't be followed", position_id=position_id, reason=wrong.message)
            del self._touched[position_id]  # not before: the store may fail, and the journal tells it only once
        for position_id, levels in self._watched.items():
            self._arm(position_id, levels, now)
        return handled

    def _look_at(self, position_id: str, stop: Decimal | None, now: datetime) -> None:
        document = self._store["positions"].get(key=position_id)
        if document is not None:
            self._refresh(from_document(Position, document), stop, now)

    def on_quote(self, quote: Quote, now: datetime) -> int:
        """Steps every position on the quote's symbol; returns how many requests were made."""
        try:
            events = self.book.on_quote(quote.symbol, quote)
        except InvalidInput as wrong:
            self._log.error("quote refused", symbol=quote.symbol, reason=wrong.message)
            return 0
        self._seen_ms[quote.symbol] = quote.time_ms
        return self._act(events, now)

    def flush(self, now: datetime, *, at_once: bool = False) -> bool:
        """Stores the rows that changed, at most once a second; whether everything is stored."""
        self._act([], now)
        dirty = self.book.dirty()
        if not dirty:
            return True
        now_ms = ms_from_utc(now)
        if not at_once and 0 <= now_ms - self._flushed_ms < _FLUSH_MS:
            return False
        self._flushed_ms = now_ms
        with self._store.transaction() as tx:
            for position_id in dirty:
                tx["exit_rows"].upsert(self._row(position_id))
        self.book.flushed()
        return True

    def _row(self, position_id: str) -> dict[str, Any]:
        """What is stored of a followed position: its row, and the time of the last quote it has seen."""
        seen_ms = self._seen_ms.get(self.book.symbol(position_id), 0)
        return {"id": position_id, "monitor": self._name, "seen_ms": seen_ms, "row": self.book.snapshot(position_id)}

    def _note(self, entry: Entry, _tx: Transaction, _now: datetime) -> None:
        plan_id = entry.body.get("plan_id")
        if plan_id is None:
            return
        moved = entry.kind == EventKind.STOP_MOVED.value and entry.body.get("reason") in _TRUSTED_HANDS
        position_id = f"pos-{plan_id}"
        known = self._touched.get(position_id)
        self._touched[position_id] = Decimal(entry.body["price"]) if moved else known

    def _take_up(self, position: Position, now: datetime, first_bar: FirstBar) -> None:
        plan = from_document(Plan, self._store["plans"].get(key=position.plan_id) or {})
        if monitor_of(plan.exits) != self._name or position.id in self.book:
            return
        self._plans[position.id] = plan
        instrument = self._instrument(plan)
        saved = self._store["exit_rows"].get(key=position.id)
        self._watched[position.id] = refused_levels(self._orders(plan))
        if saved is not None:
            # A quote that is told again after a kill must not be stepped twice.
            opened_ms = max(int(saved["row"]["opened_ms"]), int(saved.get("seen_ms", 0)) + 1)
            self.book.restore(position.id, position.symbol, {**saved["row"], "opened_ms": opened_ms}, instrument)
            self._refresh(position, position.stop_loss, now)
            return
        program = program_from(plan, position, instrument, first_bar=first_bar)
        self.book.add(position.id, position.symbol, program, instrument)

    def _refresh(self, position: Position, stop: Decimal | None, now: datetime) -> None:
        """Brings a row to what its position is now; what follows from that (a stop to move) is asked for."""
        if position.status is PositionStatus.CLOSED:
            self._drop(position.id)
            return
        if position.id not in self.book:
            self._take_up(position, now, FirstBar.CLOSE_ONLY)
            return
        self._watched[position.id] = refused_levels(self._orders(self._plans[position.id]))
        events = self._sync_fills(position)
        if stop is not None:
            self.book.move_stop(position.id, stop)
        self._act(events, now)

    def _sync_fills(self, position: Position) -> list[ExitEvent]:
        events: list[ExitEvent] = []
        for index, level in enumerate(position.targets):
            row = self.book.program(position.id)
            if level.hit_at is not None and not row["hit"][index] and not row["closed"]:
                share = Decimal(repr(min(float(row["share"][index]), float(row["remaining"]))))
                at = ms_from_utc(level.hit_at)
                events += self.book.apply_fill(position.id, OrderRole.TARGET, share, at, index + 1)
        self._sync_ladder(position)
        row = self.book.program(position.id)
        rebase(row, position, self._instrument(self._plans[position.id]))
        self.book.update(position.id, row)
        return events

    def _sync_ladder(self, position: Position) -> None:
        """Takes over targets that were changed by hand."""
        row, instrument = self.book.program(position.id), self._instrument(self._plans[position.id])
        if position.targets and not row["closed"] and targets_differ(row, position, instrument):
            retarget(row, position, instrument)
            self.book.update(position.id, row)

    def _drop(self, position_id: str) -> None:
        self.book.remove(position_id)
        self._plans.pop(position_id, None)
        self._watched.pop(position_id, None)
        self._store["exit_rows"].remove(key=position_id)

    def _act(self, events: list[ExitEvent], now: datetime) -> int:
        """Asks for what these events want, and for what could not be asked before; returns how many requests were made."""
        due = [*self._undone, *events]
        try:
            made = self._ask([event for event in due if event.position_id in self._plans], now)
        except StoreError:
            self._undone = due
            raise
        self._undone = []
        return made

    def _ask(self, events: list[ExitEvent], now: datetime) -> int:
        requests = [request for event in events if (request := self._request(event, now)) is not None]
        if not requests:
            return 0
        with self._store.transaction() as tx:
            made = ask(self._store, tx, requests)
            for each in {event.position_id for event in events}:
                # The row and the request it caused are stored together: a kill in between can't lose the move.
                if each in self.book:
                    tx["exit_rows"].upsert(self._row(each))
        return made

    def _request(self, event: ExitEvent, now: datetime) -> OrderRequest | None:
        plan = self._plans[event.position_id]
        reason = event.reason.value if event.reason else event.kind.value
        common: dict[str, Any] = {
            "account_id": plan.account_id,
            "plan_id": plan.id,
            "symbol": plan.symbol,
            "created_at": now,
            "reason": reason,
            "signal_id": plan.signal_id,
        }
        match event.kind:
            case ExitKind.STOP_MOVED if event.price is not None:
                name = f"{plan.id}:stop:{plain(event.price)}"
                return OrderRequest(id=name, kind=RequestKind.MOVE_STOP, price=event.price, **common)
            case ExitKind.TIME_EXIT:
                return OrderRequest(
                    id=f"{plan.id}:time", kind=RequestKind.CLOSE, share=ONE, role=OrderRole.CLOSE, **common
                )
            case ExitKind.STOP | ExitKind.TARGET:
                return self._close_here(event, plan, now, common)
        return None

    def _close_here(self, event: ExitEvent, plan: Plan, now: datetime, common: dict[str, Any]) -> OrderRequest | None:
        """A touched level is closed from here where the exchange refused its order, or nothing rests there at all."""
        level = self._level(event)
        orders = self._orders(plan)
        rests = self.book.program(event.position_id)["resting"] and level not in refused_levels(orders)
        name = None if rests else next_try(plan.id, level, self._requests(plan), orders, now)
        if name is None:
            return None
        role, number = level
        share = ONE if role is OrderRole.STOP else None
        return OrderRequest(id=name, kind=RequestKind.CLOSE, role=role, number=number, share=share, **common)

    def _level(self, event: ExitEvent) -> Level:
        """The stop, or the target by the number its orders have (a ladder changed by hand may begin with another)."""
        if event.kind is ExitKind.STOP:
            return OrderRole.STOP, 0
        document = self._store["positions"].get(key=event.position_id)
        targets = from_document(Position, document).targets if document is not None else ()
        return OrderRole.TARGET, targets[event.level - 1].number if event.level <= len(targets) else event.level

    def _arm(self, position_id: str, levels: set[Level], now: datetime) -> None:
        """A level watched here that was touched in vain counts as untouched, so that the next price beyond it tries again."""
        document = self._store["positions"].get(key=position_id) if levels else None
        if document is None or position_id not in self.book:
            return
        plan, row = self._plans[position_id], self.book.program(position_id)
        numbers = [each.number for each in from_document(Position, document).targets]
        orders, requests = self._orders(plan), self._requests(plan)
        for role, number in levels:
            free = next_try(plan.id, (role, number), requests, orders, now) is not None
            if free and role is OrderRole.STOP:
                row["stop_touched"] = 0
            elif free and number in numbers and not row["hit"][numbers.index(number)]:
                row["touched"][numbers.index(number)] = 0
        self.book.update(position_id, row)

    def _orders(self, plan: Plan) -> list[Order]:
        return [from_document(Order, each) for each in self._store["orders"].search(where("plan_id") == plan.id)]

    def _requests(self, plan: Plan) -> list[OrderRequest]:
        found = self._store["order_requests"].search(where("plan_id") == plan.id)
        return [from_document(OrderRequest, each) for each in found]

    def _instrument(self, plan: Plan) -> Instrument | None:
        return self._instruments.find(plan.symbol, reference_price=plan.reference_price)
