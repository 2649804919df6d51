"""The circuit breaker at work: after every close it looks at the account, and a trip becomes a pause with its reason.

Equity here is what the account began with and what its closed trades made of it; its highest value is kept as the mark
from which a drawdown is counted, and set anew whenever the account was stopped or resumed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from tinydb import where

from database import Entry, Store, Transaction
from modules.domain.events import EventKind
from modules.domain.market import ms_from_utc
from modules.domain.money import plain
from modules.domain.people import Account
from modules.domain.positions import Position
from modules.journal import JournalConsumer
from modules.records import from_document
from modules.trading import safety
from modules.trading.breaker import BreakerRules, BreakerView, ClosedTrade, circuit_breaker
from modules.trading.safety import Scope, Stage
from modules.trading.safety_records import change, state_of, states_for


class BreakerWatch:
    """Reads closed positions from the journal, each once."""

    def __init__(self, store: Store, rules: BreakerRules) -> None:
        self._store = store
        self._rules = rules
        self._consumer = JournalConsumer(store, "safety.breaker", self._closed, (EventKind.POSITION_CLOSED,))

    def turn(self, now: datetime) -> int:
        """Looks at every account that closed a trade; returns how many closes were read."""
        return self._consumer.turn(now)

    def _closed(self, entry: Entry, tx: Transaction, now: datetime) -> None:
        document = tx["accounts"].get(key=entry.body["account_id"])
        if document is None:
            return
        account = from_document(Account, document)
        since = safety.breaker_since(states_for(tx, account))
        equity, peak = _marked(tx, account, Decimal(entry.body["pnl"]), since)
        view = BreakerView(equity, peak, self._recent(tx, account, now), since)
        trip = circuit_breaker(view, self._rules, now)
        if trip is None or state_of(tx, Scope.ACCOUNT, account.id).stage is not Stage.ACTIVE:
            return
        length = trip.until - now
        change(
            self._store,
            Scope.ACCOUNT,
            account.id,
            lambda state: safety.pause(state, "circuit breaker", now, duration=length, reason=trip.reason),
            now,
        )

    def _recent(self, tx: Transaction, account: Account, now: datetime) -> tuple[ClosedTrade, ...]:
        start = ms_from_utc(now - timedelta(seconds=self._rules.window_seconds))
        found = tx["positions"].search((where("account_id") == account.id) & (where("closed_at") >= start))
        done = (from_document(Position, each) for each in found)
        return tuple(ClosedTrade(each.closed_at, each.net_pnl) for each in done if each.closed_at is not None)


def _marked(tx: Transaction, account: Account, pnl: Decimal, since: datetime) -> tuple[Decimal, Decimal]:
    """Equity after a close, and its highest value since the last stop or resume; both are stored."""
    mark = tx["equity_marks"].get(key=account.id)
    before = Decimal(mark["equity"]) if mark else account.starting_balance
    since_ms = int(since.timestamp() * 1000)
    kept = mark is not None and mark["since"] == since_ms
    peak = max(Decimal(mark["peak"]) if mark and kept else before, before + pnl)
    document = {"id": account.id, "equity": plain(before + pnl), "peak": plain(peak), "since": since_ms}
    tx["equity_marks"].upsert(document)
    return before + pnl, peak
