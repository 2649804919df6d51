"""The whole way of a signal in one thread: real store, intake, planner, desk, paper exchange and monitors, scripted time.

Processes are turns called in order until nothing changes, so a flow is exact and can be cut at every commit.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tinydb import where

from database import Store
from modules.connections.paper_exchange import PaperExchange
from modules.domain.market import Quote, ms_from_utc
from modules.domain.people import Account
from modules.domain.plans import TradeSettings
from modules.domain.positions import Position
from modules.domain.signals import Signal, SourceMessage
from modules.records import from_document, open_records, to_document
from modules.signals.intake import Intake, Taken
from modules.signals.tracker import SignalTracker
from modules.trading.desk import Desk, DeskParts
from modules.trading.fill_model import FillModel
from modules.trading.planner import Planner, PlannerParts
from modules.trading.position_monitor import ORDERS, TARGETS, PositionMonitor
from modules.trading.risk import HardLimits
from modules.trading.safety_state import SafetyKeeper
from services.executor import Executor
from tests.fakes.board import Board, Listed
from tests.fakes.clock import ScriptedClock

ENTRY = "#BTC/USDT LONG\nEntry: 60000\nStop Loss: 59000\nTargets: 61000 - 62000 - 63000\nLeverage: 10x"


class World:
    """Everything wired, over the store in `folder`; making it anew over the same folder is a restart."""

    def __init__(self, folder: Path, clock: ScriptedClock | None = None, *, listed: Listed | None = None) -> None:
        self.folder = folder
        self.clock = clock or ScriptedClock()
        self.board = Board()
        self.instruments = listed or Listed()
        self.store: Store = open_records(f"sqlite:///{folder / 'world.db'}", folder)
        self.model = FillModel()
        self.hard = HardLimits()
        self.paper = PaperExchange(
            self.store,
            board=self.board,
            instruments=self.instruments,
            clock=self.clock,
            model=self.model,
            fresh_seconds=30,
        )
        exchanges = {"paper": self.paper}
        self.planner = Planner(PlannerParts(self.store, exchanges, self.instruments, self.board, self.hard, 30))
        parts = DeskParts(
            store=self.store,
            exchanges=exchanges,
            instruments=self.instruments,
            board=self.board,
            clock=self.clock,
            hard=self.hard,
            kill_file=folder / "KILL",
            fresh_seconds=30,
        )
        self.desk = Desk(parts)
        self.executor = Executor(
            self.store, self.planner, self.desk, on_quote=self.paper.on_quote, expire=self.paper.expire
        )
        self.paper.subscribe(self.executor.report)
        self.tracker = SignalTracker(self.store, self.board)
        self.monitors = [PositionMonitor(self.store, name, self.instruments) for name in (TARGETS, ORDERS)]
        self.keeper = SafetyKeeper(self.store, folder / "KILL")
        self.intake = Intake(self.store, late_after=timedelta(minutes=15), listed=self._listed)
        self.paper.recover()
        self.tracker.recover(self.clock.now())
        for monitor in self.monitors:
            monitor.recover(self.clock.now())

    def _listed(self, symbol: str) -> bool:
        return self.instruments.find(symbol) is not None

    def account(self, name: str = "a1", **settings: Any) -> Account:
        """A paper account of 10,000 USDT that follows every source."""
        account = Account(name, f"user-{name}", "paper", "USDT", Decimal(10_000), self.clock.now())
        account = replace(account, settings=replace(TradeSettings(), **settings))
        self.store["accounts"].upsert(to_document(account))
        return account

    def say(self, text: str, message_id: str = "1", *, source: str = "test", **fields: Any) -> Taken:
        """A message of a channel arrives now."""
        now = self.clock.now()
        message = SourceMessage(source, message_id, text, fields.pop("at", now), now, **fields)
        return self.intake.take(message)

    def price(self, symbol: str, *prices: str) -> None:
        """One quote per price; all processes see it, then everything settles. `a/b/c/d` is open/high/low/last."""
        for text in prices:
            parts = [Decimal(each) for each in text.split("/")]
            opened, high, low, last = parts if len(parts) == 4 else parts * 4
            now_ms = ms_from_utc(self.clock.advance(1))
            quote = Quote("test", symbol, now_ms, now_ms, last, opened, high, low, last, last)
            self.board.put(quote)
            self.executor.quote(quote)
            self.settle()
            for monitor in self.monitors:
                monitor.on_quote(quote, self.clock.now())
            self.tracker.on_quote(quote, self.clock.now())
            self.settle()

    def settle(self) -> None:
        """Turns of every process until the journal and the requests stand still."""
        asyncio.run(self._settle())

    async def _settle(self) -> None:
        for _ in range(50):
            before = self._mark()
            now = self.clock.now()
            self.keeper.turn(now)
            await self.executor.turn(now)
            await self.executor.settle_down()
            for lane in self.executor._lanes.values():
                if lane.failure is not None:
                    raise lane.failure
            self.tracker.sync(now)
            self.tracker.expire(now)
            for monitor in self.monitors:
                monitor.sync(now)
                monitor.flush(now, at_once=True)
            if self._mark() == before:
                return
        raise AssertionError("the world never came to rest")

    def _mark(self) -> tuple[int, int, dict[str, int]]:
        pending = self.store["order_requests"].count(where("status") == "pending")
        return self.store.journal.last_seq(), pending, self.store.journal.cursors()

    # ---- looking --------------------------------------------------------------------------------------------------

    def positions(self, account: str = "a1") -> list[Position]:
        found = self.store["positions"].search(where("account_id") == account, order_by="opened_at")
        return [from_document(Position, each) for each in found]

    def position(self, account: str = "a1") -> Position:
        (only,) = self.positions(account)
        return only

    def signal(self, signal_id: str | None) -> Signal:
        return from_document(Signal, self.store["signals"].get(key=signal_id) or {})

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        return [{"kind": e.kind, **e.body} for e in self.store.journal.read(0, 10_000) if not kinds or e.kind in kinds]

    def wallet(self, account: str = "a1") -> Decimal:
        document = self.store["paper_accounts"].get(key=account)
        return Decimal(document["wallet"]) if document else Decimal(10_000)

    def close(self) -> None:
        self.store.close()
