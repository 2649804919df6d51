"""The whole way of a signal in one thread: intake, planner, desk, paper exchange, monitors and tracker over one store.

The processes' own rooms, called turn by turn until nothing changes; only the clock and the prices come from outside. A
rehearsal of a channel's past and the flow tests run on it, so what they show is what the processes do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tinydb import where

from database import Store
from modules.connections.paper_exchange import PaperExchange
from modules.domain.market import Quote, ms_from_utc
from modules.domain.ports import Clock, Instruments, OrderReport
from modules.domain.signals import SourceMessage
from modules.signals.intake import Intake, Taken
from modules.signals.tracker import SignalTracker
from modules.trading.advanced_book import AdvancedBook
from modules.trading.desk import Desk, DeskParts
from modules.trading.fill_model import FillModel
from modules.trading.lanes import Lane
from modules.trading.planner import Planner, PlannerParts
from modules.trading.position_monitor import ORDERS, TARGETS, PositionMonitor
from modules.trading.risk import HardLimits
from modules.trading.safety_state import SafetyKeeper

_MOST_ROUNDS = 200


class Board:
    """The newest quote of each symbol."""

    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}

    def latest(self, symbol: str) -> Quote | None:
        """The newest quote of `symbol` put here."""
        return self.quotes.get(symbol)


@dataclass(frozen=True, slots=True)
class StageParts:
    """What a stage is made of. `kill_file` need not exist."""

    store: Store
    clock: Clock
    instruments: Instruments
    kill_file: Path
    model: FillModel = field(default_factory=FillModel)
    hard: HardLimits = field(default_factory=HardLimits)
    late_after: timedelta = timedelta(minutes=15)
    fresh_seconds: float = 30.0


class Stage:
    """Everything wired; made anew over the same store it is a restart."""

    def __init__(self, parts: StageParts) -> None:
        self.parts = parts
        self.store = parts.store
        self.clock = parts.clock
        self.board = Board()
        self.paper = PaperExchange(
            parts.store,
            board=self.board,
            instruments=parts.instruments,
            clock=parts.clock,
            model=parts.model,
            fresh_seconds=parts.fresh_seconds,
        )
        exchanges = {"paper": self.paper}
        planner = PlannerParts(parts.store, exchanges, parts.instruments, self.board, parts.hard, parts.fresh_seconds)
        self.planner = Planner(planner)
        self.desk = Desk(
            DeskParts(
                store=parts.store,
                exchanges=exchanges,
                instruments=parts.instruments,
                board=self.board,
                clock=parts.clock,
                hard=parts.hard,
                kill_file=parts.kill_file,
                fresh_seconds=parts.fresh_seconds,
            )
        )
        self.keeper = SafetyKeeper(parts.store, parts.kill_file)
        self.tracker = SignalTracker(parts.store, self.board, fresh_seconds=parts.fresh_seconds)
        self.monitors = [PositionMonitor(parts.store, name, parts.instruments) for name in (TARGETS, ORDERS)]
        self.waiting = AdvancedBook(parts.store)
        self.intake = Intake(parts.store, late_after=parts.late_after, listed=self._is_listed)
        self._lanes: dict[str, Lane] = {}
        self._recover()

    def take(self, message: SourceMessage) -> Taken:
        """A message arrives; nothing else happens until `settle`."""
        return self.intake.take(message)

    def quote(self, quote: Quote) -> None:
        """A price arrives: resting orders, then what follows from their fills, then the monitors, in that order."""
        now = self.clock.now()
        self.board.quotes[quote.symbol] = quote
        if self.paper.on_quote(quote):
            self.settle()
        made = sum(monitor.on_quote(quote, now) for monitor in self.monitors)
        made += self.waiting.on_quote(quote, now) + self.tracker.on_quote(quote, now)
        if made or self.planner.waits_for(quote.symbol):
            self.settle()

    def settle(self, *, reconcile: bool = False) -> None:
        """Turns of everything until the journal and the requests stand still."""
        asyncio.run(self._settle(reconcile=reconcile))

    async def _settle(self, *, reconcile: bool) -> None:
        for _ in range(_MOST_ROUNDS):
            before = self._mark()
            await self._round(self.clock.now(), reconcile=reconcile)
            reconcile = False
            if self._mark() == before:
                return
        raise RuntimeError("the stage never came to rest")

    async def _round(self, now: datetime, *, reconcile: bool) -> None:
        self.planner.read(now)
        self.keeper.turn(now)
        self.paper.expire(now)
        await self.planner.plan_due(now)
        busy = self.planner.accounts_with_requests() | {name for name, lane in self._lanes.items() if lane.unfinished}
        for account_id in sorted(self._accounts() if reconcile else busy):
            lane = self._lane(account_id)
            lane.kick(reconcile=reconcile)
            await lane.idle()
            if lane.failure is not None:
                raise lane.failure
        self.tracker.sync(now)
        self.tracker.expire(now)
        self.waiting.sync(now)
        for monitor in self.monitors:
            monitor.sync(now)
            monitor.flush(now)

    def _recover(self) -> None:
        now = self.clock.now()
        self.paper.recover()
        self.paper.subscribe(self._reported)
        self.tracker.recover(now)
        self.waiting.refresh()
        for monitor in self.monitors:
            monitor.recover(now)

    def _reported(self, account_id: str, report: OrderReport) -> None:
        self._lane(account_id).report(report)

    def _accounts(self) -> list[str]:
        return [str(each["id"]) for each in self.store["accounts"].all()]

    def _lane(self, account_id: str) -> Lane:
        if account_id not in self._lanes:
            self._lanes[account_id] = Lane(self.store, self.desk, account_id)
        return self._lanes[account_id]

    def _is_listed(self, symbol: str) -> bool:
        return self.parts.instruments.find(symbol) is not None

    def _mark(self) -> tuple[int, int, int]:
        pending = self.store["order_requests"].count(where("status") == "pending")
        return self.store.journal.last_seq(), pending, ms_from_utc(self.clock.now())
