"""Brings an account's books to what its exchange has: asks, settles, cancels what nobody wants, tells what it can't explain.

What was closed at the exchange by hand is booked as closed here, but only after two comparisons in a row found it
missing: a fill that is on its way must not be taken for a stranger's. Its price is then the newest one known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from decimal import Decimal

from tinydb import where

from modules.domain.errors import OutcomeUnknown, Unavailable
from modules.domain.events import Event, EventKind
from modules.domain.money import ZERO
from modules.domain.orders import Fill, Order, OrderState
from modules.domain.people import Account
from modules.domain.ports import OrderReport
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Side
from modules.journal import append
from modules.records import from_document
from modules.runtime.logs import log
from modules.trading.order_calls import DeskParts, OrderCalls
from modules.trading.reconcile import Findings, compare, missing

_LISTED = [OrderState.OPEN.value, OrderState.PARTIALLY_FILLED.value]
Converge = Callable[[Account, str], Awaitable[None]]
Missing = dict[tuple[str, Side], Decimal]


class Reconciler:
    """The comparison of one executor's accounts with their exchanges."""

    def __init__(self, parts: DeskParts, calls: OrderCalls, converge: Converge) -> None:
        self._parts = parts
        self._store = parts.store
        self._clock = parts.clock
        self._calls = calls
        self._converge = converge
        self._missing: dict[str, Missing] = {}
        self._log = log("desk")

    async def reconcile(self, account: Account) -> Findings:
        """Compares and repairs. Raises OutcomeUnknown or Unavailable when the exchange does not answer."""
        for order in await self._calls.ask_about_doubtful(account, at_once=True):
            await self._converge(account, order.plan_id)
        exchange = self._calls.exchange(account)
        try:
            listed, held = await exchange.open_orders(account), await exchange.positions(account)
        except (OutcomeUnknown, Unavailable) as silence:
            self._log.warning("could not reconcile", account_id=account.id, reason=silence.message)
            raise
        mine = where("account_id") == account.id
        working = self._store["orders"].search(mine & where("state").one_of(_LISTED))
        findings = compare([from_document(Order, each) for each in working], listed, self._held(account), held)
        await self._repair(account, findings)
        self._adopt_missing(account, missing(self._held(account), held))
        for plan in self._store["plans"].search(mine & (where("status") == "open")):
            await self._converge(account, plan["id"])
        return findings

    def _held(self, account: Account) -> list[Position]:
        mine = where("account_id") == account.id
        found = self._store["positions"].search(mine & (where("status") == PositionStatus.OPEN.value))
        return [from_document(Position, each) for each in found]

    async def _repair(self, account: Account, findings: Findings) -> None:
        for report in findings.update:
            await self._calls.take(account, report)
        for order in findings.ask:
            await self._calls.ask(account, order)
        for name in findings.orphans:
            known = self._store["orders"].get(key=name)
            if known is not None:
                await self._calls.cancel(account, from_document(Order, known))
        if findings.drift or findings.orphans or findings.foreign:
            self._tell(account, findings)

    def _adopt_missing(self, account: Account, gone: Missing) -> None:
        """Books as closed what was missing at the exchange this time and the time before."""
        before = self._missing.get(account.id, {})
        self._missing[account.id] = gone
        for key, quantity in gone.items():
            sure = min(quantity, before.get(key, ZERO))
            quote = self._parts.board.latest(key[0])
            if sure > ZERO and quote is not None:
                self._calls.settle(self._closed_elsewhere(account, key, sure, quote.last))
                self._missing[account.id] = {}

    def _closed_elsewhere(
        self, account: Account, key: tuple[str, Side], quantity: Decimal, price: Decimal
    ) -> OrderReport:
        now = self._clock.now()
        held = [each for each in self._held(account) if (each.symbol, each.side) == key]
        told = sorted(fill for each in held for fill in each.fill_ids)
        digest = hashlib.sha256(f"{account.id}|{key}|{told}|{quantity}".encode()).hexdigest()[:16]
        name = f"elsewhere-{digest}"
        trade = Fill(name, name, account.id, key[0], key[1].closing, price, quantity, ZERO, now)
        return OrderReport(name, OrderState.FILLED, now, filled=quantity, fills=(trade,))

    def _tell(self, account: Account, findings: Findings) -> None:
        now = self._clock.now()
        body = {"drift": list(findings.drift), "orphans": list(findings.orphans), "foreign": list(findings.foreign)}
        digest = hashlib.sha256(repr(body).encode()).hexdigest()[:16]
        key = f"reconciled:{account.id}:{now.date().isoformat()}:{digest}"
        with self._store.transaction() as tx:
            append(tx, Event(EventKind.RECONCILED, now, body, key=key, account_id=account.id))
