"""A stage for tests: scripted time, prices as text, and easy ways to look at what happened."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tinydb import where

from database import Store
from modules.domain.market import Quote, ms_from_utc
from modules.domain.people import Account
from modules.domain.plans import TradeSettings
from modules.domain.positions import Position
from modules.domain.signals import Signal, SourceMessage
from modules.records import from_document, open_records, to_document
from modules.rehearsal.stage import Stage, StageParts
from modules.signals.intake import Taken
from tests.fakes.board import Listed
from tests.fakes.clock import ScriptedClock

ENTRY = "#BTC/USDT LONG\nEntry: 60000\nStop Loss: 59000\nTargets: 61000 - 62000 - 63000\nLeverage: 10x"


class World:
    """A stage over the store in `folder`; made anew over the same folder it is a restart."""

    def __init__(
        self, folder: Path, clock: ScriptedClock | None = None, *, listed: Listed | None = None, **parts: Any
    ) -> None:
        self.clock = clock or ScriptedClock()
        self.store: Store = open_records(f"sqlite:///{folder / 'world.db'}", folder)
        kill_file = folder / "KILL"
        self.stage = Stage(StageParts(self.store, self.clock, listed or Listed(), kill_file, **parts))

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
        return self.stage.take(message)

    def price(self, symbol: str, *prices: str) -> None:
        """One quote per price; all processes see it, then everything settles. `a/b/c/d` is open/high/low/last."""
        for text in prices:
            parts = [Decimal(each) for each in text.split("/")]
            opened, high, low, last = parts if len(parts) == 4 else parts * 4
            now_ms = ms_from_utc(self.clock.advance(1))
            quote = Quote("test", symbol, now_ms, now_ms, last, opened, high, low, last, last)
            self.stage.quote(quote)

    def settle(self, **options: Any) -> None:
        """Turns of everything until nothing changes."""
        self.stage.settle(**options)

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
