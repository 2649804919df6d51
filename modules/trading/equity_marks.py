"""What every account was worth over time: one mark each five minutes, thinned to one an hour after a month.

A mark is what the exchange says of the account; one that does not answer has a gap there, never a made-up figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tinydb import where

from database import Store
from modules.domain.errors import OutcomeUnknown, Unavailable
from modules.domain.market import ms_from_utc
from modules.domain.money import plain
from modules.domain.people import Account
from modules.domain.ports import Exchange
from modules.records import from_document
from modules.runtime.logs import log

EVERY_MS = 300_000
_HOUR_MS = 3_600_000
_FINE_FOR = timedelta(days=30)


class EquityMarks:
    """The executor's keeper of marks."""

    def __init__(self, store: Store, exchanges: Mapping[str, Exchange]) -> None:
        self._store = store
        self._exchanges = exchanges
        self._marked_ms = -1
        self._log = log("equity")

    async def turn(self, now: datetime) -> int:
        """Marks every account once in each five minutes (counted from midnight UTC); returns how many were marked."""
        slot = ms_from_utc(now) // EVERY_MS * EVERY_MS
        if slot == self._marked_ms:
            return 0
        self._marked_ms = slot
        marks = [
            mark
            for document in self._store["accounts"].all()
            if (mark := await self._mark(from_document(Account, document), slot)) is not None
        ]
        with self._store.transaction() as tx:
            for mark in marks:
                tx["equity_history"].upsert(mark)
            if slot % _HOUR_MS == 0:
                old = ms_from_utc(now - _FINE_FOR)
                tx["equity_history"].remove((where("fine") == True) & (where("at") < old))  # noqa: E712 - a query
        return len(marks)

    async def _mark(self, account: Account, slot: int) -> dict[str, object] | None:
        exchange = self._exchanges.get(account.exchange)
        if exchange is None or not account.enabled:
            return None
        try:
            money = await exchange.balance(account)
        except (Unavailable, OutcomeUnknown) as silence:
            self._log.warning("no balance to mark", account_id=account.id, reason=silence.message)
            return None
        return {
            "id": f"{account.id}:{slot}",
            "account_id": account.id,
            "at": slot,
            "equity": plain(round(money.equity, 8)),
            "wallet": plain(round(money.wallet, 8)),
            "fine": slot % _HOUR_MS != 0,
        }
