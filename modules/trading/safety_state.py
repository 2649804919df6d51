"""The kill switch in the store: reading what holds, changing it with a record of who and why, and carrying out a flatten.

The kill file works when nothing else does; it is read before every send. Reading it fails closed: a file that is there
but can't be read stops new trades.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tinydb import where

from database import Store, Transaction
from modules.domain.errors import Refused
from modules.domain.events import Event, EventKind
from modules.domain.market import ms_from_utc
from modules.domain.orders import Order, OrderRequest
from modules.domain.people import Account
from modules.domain.plans import Plan, PlanStatus
from modules.domain.positions import Position, PositionStatus
from modules.journal import append
from modules.records import from_document, to_document
from modules.trading import safety
from modules.trading.requests import ask
from modules.trading.safety import Effective, SafetyState, Scope, Stage


def read_kill_file(path: Path) -> str | None:
    """Content of the kill file; None where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200]
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def state_of(reader: Store | Transaction, scope: Scope, scope_id: str = "") -> SafetyState:
    """The stored state of one scope; ACTIVE where none was ever set."""
    blank = SafetyState(scope, scope_id)
    document = reader["safety"].get(key=blank.id)
    return from_document(SafetyState, document) if document else blank


def states_for(reader: Store | Transaction, account: Account) -> tuple[SafetyState, ...]:
    """Every state that concerns an account: the deployment's, its user's, its own."""
    return (
        state_of(reader, Scope.GLOBAL),
        state_of(reader, Scope.USER, account.user_id),
        state_of(reader, Scope.ACCOUNT, account.id),
    )


def refusal_for(
    reader: Store | Transaction, wish: Order | OrderRequest, account: Account, kill_file: Path, now: datetime
) -> Refused | None:
    """Why safety forbids this order now, or None."""
    return safety.allows(wish, states_for(reader, account), kill_file=read_kill_file(kill_file), now=now)


def change(
    store: Store, scope: Scope, scope_id: str, step: Callable[[SafetyState], SafetyState], now: datetime
) -> SafetyState:
    """Applies `step` (a verb of `safety`) to a scope's state; an actual change is stored and told."""
    with store.transaction(durable=True) as tx:
        before = state_of(tx, scope, scope_id)
        after = step(before)
        if after == before:
            return before
        tx["safety"].upsert({"id": after.id, **to_document(after)})
        body = {
            "scope": scope.value,
            "scope_id": scope_id,
            "stage": after.stage.value,
            "was": before.stage.value,
            "by": after.by,
            "reason": after.reason,
        }
        append(tx, Event(EventKind.SAFETY_CHANGED, now, body))
    return after


def effective_for(reader: Store | Transaction, account: Account, kill_file: Path, now: datetime) -> Effective:
    """What holds for an account now, and where it comes from."""
    return safety.effective(states_for(reader, account), read_kill_file(kill_file), now)


class SafetyKeeper:
    """Carries out what the switch orders: ends pauses, closes everything on FLATTEN, locks when flat."""

    def __init__(self, store: Store, kill_file: Path) -> None:
        self._store = store
        self._kill_file = kill_file

    def turn(self, now: datetime) -> int:
        """One look at every stop that holds; returns how many requests were made."""
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
            requests = safety.flatten_requests(holds, positions, plans, order_id=self._occasion(holds), now=now)
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


def _concerns(state: SafetyState, account: Account) -> bool:
    match state.scope:
        case Scope.GLOBAL:
            return True
        case Scope.USER:
            return account.user_id == state.scope_id
        case _:
            return account.id == state.scope_id


def since_ms(state: SafetyState) -> int | None:
    """When the state was last changed, in milliseconds."""
    return ms_from_utc(state.since) if state.since else None
