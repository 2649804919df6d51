"""Carrying out what the kill switch orders: a flatten until nothing is held, the end of a pause, a trip of the breaker.

Reading and changing the switch itself is `safety_records`; its names are kept here too.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tinydb import where

from database import Store, Transaction
from modules.domain.market import ms_from_utc
from modules.domain.orders import OrderRole, OrderState, RequestKind, RequestStatus
from modules.domain.people import Account
from modules.domain.plans import Plan, PlanStatus
from modules.domain.positions import Position, PositionStatus
from modules.records import from_document
from modules.trading import safety
from modules.trading.breaker import BreakerRules
from modules.trading.breaker_state import BreakerWatch
from modules.trading.requests import ask
from modules.trading.safety import Effective, SafetyState, Scope, Stage
from modules.trading.safety_records import (
    change,
    effective_for,
    read_kill_file,
    refusal_for,
    since_ms,
    state_of,
    states_for,
)

__all__ = [
    "SafetyKeeper",
    "change",
    "effective_for",
    "read_kill_file",
    "refusal_for",
    "since_ms",
    "state_of",
    "states_for",
]

#: A close that came to nothing while everything is to be closed is asked for again after this.
CLOSE_AGAIN_MS = 5_000
_WORKING = [state.value for state in OrderState if state.working]


class SafetyKeeper:
    """Carries out what the switch orders: ends pauses, closes everything on FLATTEN, locks when flat.

    A close that was refused, or rejected by the exchange, is asked for again after a while, until nothing is held.
    """

    def __init__(self, store: Store, kill_file: Path, breaker: BreakerRules | None = None) -> None:
        self._breaker = BreakerWatch(store, breaker or BreakerRules())
        self._store = store
        self._kill_file = kill_file

    def turn(self, now: datetime) -> int:
        """One look at what closed and at every stop that holds; returns how many requests were made."""
        self._breaker.turn(now)
        stopped = [
            from_document(SafetyState, each) for each in self._store["safety"].search(where("stage") != "active")
        ]
        file_stage = safety.kill_file_stage(read_kill_file(self._kill_file))
        if not stopped and file_stage is Stage.ACTIVE:
            return 0
        made = 0
        for document in self._store["accounts"].all():
            made += self._flatten(from_document(Account, document), now)
        for state in stopped:
            self._settle(state, now)
        return made

    def _flatten(self, account: Account, now: datetime) -> int:
        holds = effective_for(self._store, account, self._kill_file, now)
        if holds.stage is not Stage.FLATTEN:
            return 0
        plans, positions = self._open(account)
        if not plans and not positions:
            return 0
        with self._store.transaction() as tx:
            occasion = self._occasion(holds)
            requests = list(safety.flatten_requests(holds, (), plans, order_id=occasion, now=now))
            for position in positions:
                name = _next_attempt(tx, position, occasion, now)
                if name is not None:
                    requests += safety.flatten_requests(holds, (position,), (), order_id=name, now=now)
            return ask(self._store, tx, requests)

    def _open(self, account: Account) -> tuple[list[Plan], list[Position]]:
        mine = where("account_id") == account.id
        plans = self._store["plans"].search(mine & (where("status") == PlanStatus.OPEN.value))
        positions = self._store["positions"].search(mine & (where("status") == PositionStatus.OPEN.value))
        return [from_document(Plan, each) for each in plans], [from_document(Position, each) for each in positions]

    def _occasion(self, holds: Effective) -> str:
        """One name per flatten, so that asking twice asks once: when the state was set, or the file was written."""
        document = self._store["safety"].get(key=holds.source)
        if document is not None:
            return f"flatten:{holds.source}:{document['since']}"
        return f"flatten:file:{int(self._kill_file.stat().st_mtime)}" if self._kill_file.exists() else "flatten:file"

    def _settle(self, state: SafetyState, now: datetime) -> None:
        accounts = [from_document(Account, each) for each in self._store["accounts"].all()]
        mine = [each for each in accounts if _concerns(state, each)]
        opened = [self._open(each) for each in mine]
        positions = sum(len(held) for _, held in opened)
        entries = sum(len(plans) for plans, _ in opened)

        def step(current: SafetyState) -> SafetyState:
            return safety.settled(current, now, open_positions=positions, working_entries=entries)

        if step(state) != state:
            change(self._store, state.scope, state.scope_id, step, now)


def _next_attempt(tx: Transaction, position: Position, occasion: str, now: datetime) -> str | None:
    """The name of the next try to close a position, None while one is under way or the last one is too recent."""
    mine = where("plan_id") == position.plan_id
    closes = [each for each in tx["order_requests"].search(mine) if each["kind"] == RequestKind.CLOSE.value]
    tries = [each for each in closes if str(each["id"]).startswith(f"{occasion}:")]
    working = mine & (where("role") == OrderRole.CLOSE.value) & where("state").one_of(_WORKING)
    pending = any(each["status"] == RequestStatus.PENDING.value for each in closes)
    if pending or tx["orders"].contains(working):
        return None
    newest = max((int(each["created_at"]) for each in tries), default=None)
    if newest is not None and 0 <= ms_from_utc(now) - newest < CLOSE_AGAIN_MS:
        return None
    return f"{occasion}:{len(tries)}" if tries else occasion


def _concerns(state: SafetyState, account: Account) -> bool:
    match state.scope:
        case Scope.GLOBAL:
            return True
        case Scope.USER:
            return account.user_id == state.scope_id
        case _:
            return account.id == state.scope_id
