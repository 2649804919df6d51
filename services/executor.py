"""The executor: the one writer of orders, fills and positions. Plans signals for accounts and works their requests.

Start and recovery are one path: take the lease, read the books, reconcile every account, then turn after turn. Prices
reach it through the quote hub; a paper account is filled by the same quotes that everybody sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from database import Store
from modules.domain.market import Quote, ms_from_utc
from modules.domain.ports import OrderReport
from modules.runtime.logs import log
from modules.trading.desk import Desk
from modules.trading.lanes import Lane
from modules.trading.planner import Planner

RECONCILE_EVERY_MS = 300_000
LEASE_MS = 10_000


class Executor:
    """The process's worker. `prices` feeds quotes into the paper exchange and returns how many were new."""

    name = "executor"

    def __init__(
        self,
        store: Store,
        planner: Planner,
        desk: Desk,
        *,
        on_quote: Callable[[Quote], int],
        expire: Callable[[datetime], int],
    ) -> None:
        self.wake = asyncio.Event()
        self._store = store
        self._planner = planner
        self._desk = desk
        self._on_quote = on_quote
        self._expire = expire
        self._lanes: dict[str, Lane] = {}
        self._reconciled_ms = 0
        self._log = log("executor")

    async def start(self) -> None:
        """Nothing to prepare: the first turn reconciles every account."""

    def quote(self, quote: Quote) -> None:
        """A new price: resting paper orders may fill, waiting plans may be priced."""
        if self._on_quote(quote) or self._planner.waits_for(quote.symbol):
            self.wake.set()

    def report(self, account_id: str, report: OrderReport) -> None:
        """The exchange told of a change by itself."""
        self._lane(account_id).report(report)
        self.wake.set()

    async def turn(self, now: datetime) -> bool:
        """Plans what can be planned and sets every account's lane to work; lanes go on beside the next turn."""
        more = self._planner.read(now) > 0
        self._expire(now)
        await self._planner.plan_due(now)
        due = self._reconcile_due(now)
        for account_id in self._busy_accounts(everybody=due):
            self._lane(account_id).kick(reconcile=due)
        return more

    async def settle_down(self) -> None:
        """Waits until every lane is idle; raises what a lane raised. For tests and an orderly end."""
        await asyncio.gather(*(lane.idle() for lane in self._lanes.values()))

    async def stop(self) -> None:
        """Lets the lanes finish the call they are in, at most for two seconds; the next start finds the rest."""
        try:
            await asyncio.wait_for(self.settle_down(), 2)
        except TimeoutError:
            await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))

    def status(self) -> tuple[str, str]:
        """State and detail for the heartbeat."""
        return "up", ""

    def _reconcile_due(self, now: datetime) -> bool:
        now_ms = ms_from_utc(now)
        if 0 <= now_ms - self._reconciled_ms < RECONCILE_EVERY_MS:
            return False
        self._reconciled_ms = now_ms
        return True

    def _busy_accounts(self, *, everybody: bool) -> list[str]:
        if everybody:
            return [str(each["id"]) for each in self._store["accounts"].all()]
        waiting = self._planner.accounts_with_requests()
        reported = {account_id for account_id, lane in self._lanes.items() if lane.has_reports}
        return sorted(waiting | reported)

    def _lane(self, account_id: str) -> Lane:
        if account_id not in self._lanes:
            self._lanes[account_id] = Lane(self._store, self._desk, account_id)
        return self._lanes[account_id]
