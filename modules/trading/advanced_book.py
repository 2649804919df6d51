"""Waiting orders (OCO, conditional, DCA, stand-alone trailing) in the store: stepped by quotes, deciding by requests.

The new state and the requests that follow from it are one transaction, so a kill in between repeats or loses nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tinydb import where

from database import Entry, Store, Transaction
from modules.domain.events import EventKind
from modules.domain.market import Quote
from modules.domain.orders import OrderRequest, RequestKind
from modules.journal import JournalConsumer
from modules.records import from_document, to_document
from modules.trading.advanced_orders import KINDS, OcoPair
from modules.trading.requests import ask
from modules.trading.waiting_orders import AdvancedOrder, AdvancedStatus, Decision, DecisionKind, call_off, step

_REQUEST_KINDS = {
    DecisionKind.PLACE: RequestKind.PLACE,
    DecisionKind.CANCEL: RequestKind.CANCEL_ORDER,
    DecisionKind.CLOSE: RequestKind.CLOSE,
    DecisionKind.MOVE_STOP: RequestKind.MOVE_STOP,
}


class AdvancedBook:
    """All waiting orders of every account. `refresh` learns of new ones, `on_quote` of prices."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, dict[str, AdvancedOrder]] = {}
        kinds = (EventKind.ORDER_FILLED, EventKind.POSITION_CLOSED)
        self._consumer = JournalConsumer(store, "advanced.fills", self._note, kinds)

    def refresh(self) -> None:
        """Reads which orders wait now."""
        waiting: dict[str, dict[str, AdvancedOrder]] = {}
        for document in self._store["advanced_orders"].search(where("status") == AdvancedStatus.WAITING.value):
            order = read_order(document)
            waiting.setdefault(order.symbol, {})[order.id] = order
        self._waiting = waiting

    def sync(self, now: datetime) -> int:
        """Learns of fills of resting legs (one cancels the other) and of new orders; returns how many events it read."""
        handled = self._consumer.turn(now)
        self.refresh()
        return handled

    def _note(self, entry: Entry, tx: Transaction, now: datetime) -> None:
        if entry.kind == EventKind.ORDER_FILLED.value:
            self._on_fill(entry, tx, now)
        else:
            self._end_with_position(entry, tx, now)

    def _end_with_position(self, entry: Entry, tx: Transaction, now: datetime) -> None:
        """What still waits for the sake of a trade ends with it."""
        mine = (where("plan_id") == entry.body.get("plan_id")) & (where("status") == AdvancedStatus.WAITING.value)
        for document in tx["advanced_orders"].search(mine):
            after, decisions = call_off(read_order(document), "position closed")
            self._save(tx, after, decisions, now)

    def _on_fill(self, entry: Entry, tx: Transaction, now: datetime) -> None:
        order = tx["orders"].get(key=entry.body["order_id"])
        pair_id, _, number = (order["request_id"] if order else "").rpartition(":leg:")
        document = tx["advanced_orders"].get(key=pair_id) if pair_id else None
        pair = read_order(document) if document is not None else None
        if not isinstance(pair, OcoPair):
            return
        after, decisions = pair.leg_filled(int(number))
        if after != pair:
            self._save(tx, after, decisions, now)

    def symbols(self) -> set[str]:
        """Symbols whose prices are needed."""
        return {symbol for symbol, orders in self._waiting.items() if orders}

    def on_quote(self, quote: Quote, now: datetime) -> int:
        """Steps the orders on the quote's symbol; returns how many requests were made."""
        made = 0
        for order in list(self._waiting.get(quote.symbol, {}).values()):
            after, decisions = step(order, quote, now)
            if after == order:
                continue
            with self._store.transaction() as tx:
                current = tx["advanced_orders"].get(key=order.id)
                if current is None or current["status"] != AdvancedStatus.WAITING.value:
                    self._waiting[quote.symbol].pop(order.id, None)
                    continue
                made += self._save(tx, after, decisions, now)
            self._keep(after)
        return made

    def _save(self, tx: Transaction, after: AdvancedOrder, decisions: tuple[Decision, ...], now: datetime) -> int:
        tx["advanced_orders"].update(_document(after), key=after.id)
        return ask(self._store, tx, [_request(each, after, now) for each in decisions])

    def _keep(self, order: AdvancedOrder) -> None:
        if order.status is AdvancedStatus.WAITING:
            self._waiting.setdefault(order.symbol, {})[order.id] = order
        else:
            self._waiting.get(order.symbol, {}).pop(order.id, None)


def place(store: Store, order: AdvancedOrder) -> bool:
    """Begins to follow an order; False when it was placed before."""
    with store.transaction() as tx:
        return place_in(store, tx, order)


def place_in(store: Store, tx: Transaction, order: AdvancedOrder) -> bool:
    """The same within a transaction."""
    if tx["advanced_orders"].contains(key=order.id):
        return False
    tx["advanced_orders"].insert(_document(order))
    tx.after_commit(store.doorbell.ring)
    return True


def cancel(store: Store, order_id: str, reason: str, now: datetime) -> bool:
    """Calls a waiting order off, with whatever of it rests at the exchange; False when it had ended."""
    with store.transaction() as tx:
        document = tx["advanced_orders"].get(key=order_id)
        if document is None or document["status"] != AdvancedStatus.WAITING.value:
            return False
        after, decisions = call_off(read_order(document), reason)
        tx["advanced_orders"].update(_document(after), key=order_id)
        ask(store, tx, [_request(each, after, now) for each in decisions])
    return True


def read_order(document: dict[str, Any]) -> AdvancedOrder:
    """The waiting order in a document."""
    return from_document(KINDS[document["kind"]], document)


def _document(order: AdvancedOrder) -> dict[str, Any]:
    return {**to_document(order), "kind": order.kind}


def _request(decision: Decision, order: AdvancedOrder, now: datetime) -> OrderRequest:
    return OrderRequest(
        id=decision.id,
        account_id=order.account_id,
        plan_id=order.plan_id,
        symbol=decision.symbol,
        kind=_REQUEST_KINDS[decision.kind],
        created_at=now,
        reason=decision.reason,
        role=decision.role,
        action=decision.action,
        type=decision.type,
        number=decision.number,
        quantity=decision.quantity,
        price=decision.price,
        trigger_price=decision.trigger_price,
        share=decision.share,
        cancels=decision.cancels,
        expires_at=order.expires_at,
    )
