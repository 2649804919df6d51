"""The executor: the one writer of orders, fills and positions. Plans signals for accounts and works their requests.

Start and recovery are one path: take the lease, read the books, reconcile every account, then turn after turn. Prices
reach it through the quote hub; a paper account is filled by the same quotes that everybody sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tinydb import where

from database import Store
from modules.domain.market import Quote, ms_from_utc
from modules.domain.ports import Exchange, OrderReport
from modules.leaseholder import LeaseHolder
from modules.runtime.logs import log
from modules.runtime.process import run
from modules.trading.desk import Desk, DeskParts
from modules.trading.equity_marks import EquityMarks
from modules.trading.lanes import Lane
from modules.trading.planner import Planner, PlannerParts
from modules.trading.safety_state import SafetyKeeper
from modules.trading.warm import warm_kernels
from modules.wiring import hard_limits, paper_exchange, serve

RECONCILE_EVERY_MS = 300_000
WantPrices = Callable[[Collection[str], Mapping[str, Decimal]], None]


@dataclass(frozen=True, slots=True)
class Venue:
    """What the executor drives of an exchange that lives in this process: prices in, expiry, its books at the start."""

    on_quote: Callable[[Quote], int]
    expire: Callable[[datetime], int]
    recover: Callable[[], None]
    symbols: Callable[[], set[str]]


@dataclass(frozen=True, slots=True)
class ExecutorParts:
    """What an executor is made of. `lease` says whether this process is the owner; `want` asks for prices."""

    store: Store
    planner: Planner
    desk: Desk
    keeper: SafetyKeeper
    venue: Venue
    marks: EquityMarks | None = None
    want: WantPrices = lambda _symbols, _references: None
    lease: Callable[[datetime], bool] = lambda _now: True


class Executor:
    """The process's worker."""

    name = "executor"

    def __init__(self, parts: ExecutorParts) -> None:
        self.wake = asyncio.Event()
        self._parts = parts
        self._store = parts.store
        self._lanes: dict[str, Lane] = {}
        self._reconciled_ms = 0
        self._owner = False
        self._traded: set[str] = set()
        self._traded_as_of = -1
        self._log = log("executor")

    async def start(self) -> None:
        """Loads the kernels; the first turn that holds the lease reads the books and reconciles every account."""
        warm_kernels()

    def quote(self, quote: Quote) -> None:
        """A new price: resting paper orders may fill, waiting plans may be priced."""
        if self._owner and (self._parts.venue.on_quote(quote) or self._parts.planner.waits_for(quote.symbol)):
            self.wake.set()

    def report(self, account_id: str, report: OrderReport) -> None:
        """The exchange told of a change by itself."""
        self._lane(account_id).report(report)
        self.wake.set()

    async def turn(self, now: datetime) -> bool:
        """Plans what can be planned and sets every account's lane to work; lanes go on beside the next turn."""
        if not self._holds_lease(now):
            return False
        more = self._parts.planner.read(now) > 0
        self._parts.keeper.turn(now)
        self._parts.venue.expire(now)
        await self._parts.planner.plan_due(now)
        if self._parts.marks is not None:
            await self._parts.marks.turn(now)
        due = self._reconcile_due(now)
        for account_id in self._busy_accounts(everybody=due):
            self._lane(account_id).kick(reconcile=due)
        self._parts.want(*self._prices_needed())
        return more

    async def settle_down(self) -> None:
        """Waits until every lane is idle. For tests and an orderly end."""
        await asyncio.gather(*(lane.idle() for lane in self._lanes.values()))

    def failures(self) -> list[Exception]:
        """What went wrong last in each lane that failed."""
        return [lane.failure for lane in self._lanes.values() if lane.failure is not None]

    async def stop(self) -> None:
        """Lets the lanes finish the call they are in, at most for two seconds; the next start finds the rest."""
        try:
            await asyncio.wait_for(self.settle_down(), 2)
        except TimeoutError:
            await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))

    def status(self) -> tuple[str, str]:
        """State and detail for the heartbeat."""
        return ("up", "") if self._owner else ("waiting", "another executor holds the lease")

    def _holds_lease(self, now: datetime) -> bool:
        holds = self._parts.lease(now)
        if holds and not self._owner:
            self._parts.venue.recover()
            self._reconciled_ms = 0
        if self._owner and not holds:
            # Another process may trade already: what this one still has in hand must not go out.
            raise SystemExit("the executor's lease was lost")
        self._owner = holds
        return holds

    def _reconcile_due(self, now: datetime) -> bool:
        now_ms = ms_from_utc(now)
        if 0 <= now_ms - self._reconciled_ms < RECONCILE_EVERY_MS:
            return False
        self._reconciled_ms = now_ms
        return True

    def _busy_accounts(self, *, everybody: bool) -> list[str]:
        if everybody:
            return [str(each["id"]) for each in self._store["accounts"].all()]
        waiting = self._parts.planner.accounts_with_requests()
        unfinished = {account_id for account_id, lane in self._lanes.items() if lane.unfinished}
        return sorted(waiting | unfinished)

    def _prices_needed(self) -> tuple[set[str], dict[str, Decimal]]:
        """Symbols of plans that wait or trade, and of what rests or is held at the paper exchange."""
        references = self._parts.planner.references()
        seq = self._store.journal.last_seq()
        if seq != self._traded_as_of:
            self._traded_as_of = seq
            self._traded = {str(each["symbol"]) for each in self._store["plans"].search(where("status") == "open")}
        return self._parts.venue.symbols() | self._traded | references.keys(), references

    def _lane(self, account_id: str) -> Lane:
        if account_id not in self._lanes:
            self._lanes[account_id] = Lane(self._store, self._parts.desk, account_id)
        return self._lanes[account_id]


async def main(stopping: asyncio.Event) -> None:
    """The life of this process: wait for the lease, then be the one owner of orders."""
    async with serve("executor") as place:
        core = place.core
        prices = place.quote_client()
        paper = paper_exchange(core, prices)
        exchanges: dict[str, Exchange] = {"paper": paper}
        hard = hard_limits(core.settings)
        fresh = core.settings.stale_after_seconds
        lease = LeaseHolder(core.store, "executor")
        desk_parts = DeskParts(
            store=core.store,
            exchanges=exchanges,
            instruments=core.instruments,
            board=prices,
            clock=core.clock,
            hard=hard,
            kill_file=core.settings.kill_file,
            fresh_seconds=fresh,
        )
        parts = ExecutorParts(
            store=core.store,
            planner=Planner(PlannerParts(core.store, exchanges, core.instruments, prices, hard, fresh)),
            desk=Desk(desk_parts),
            keeper=SafetyKeeper(core.store, core.settings.kill_file),
            venue=Venue(paper.on_quote, paper.expire, paper.recover, paper.symbols),
            marks=EquityMarks(core.store, exchanges),
            want=prices.want,
            lease=lease.hold,
        )
        worker = Executor(parts)
        paper.subscribe(worker.report)
        try:
            await place.live(worker, stopping, quotes=worker.quote, prices=prices)
        finally:
            lease.release()


if __name__ == "__main__":
    run(main)
