"""The kill switch as it is kept: reading what holds, and changing it with a record of who and why.

The kill file works when nothing else does; it is read before every send. Reading it fails closed: a file that is there
but can't be read stops new trades.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from database import Store, Transaction
from modules.accounts.audit import SYSTEM, record
from modules.accounts.permissions import Verb, may
from modules.domain.errors import NotAllowed, Refused
from modules.domain.events import Event, EventKind
from modules.domain.market import ms_from_utc
from modules.domain.orders import Order, OrderRequest
from modules.domain.people import Account, Principal
from modules.journal import append
from modules.records import from_document, to_document
from modules.trading import safety
from modules.trading.safety import Effective, SafetyState, Scope, Stage

#: Who stops an account by itself: nobody has to be asked to go on.
_OWN_STOPS = ("clock", "circuit breaker")
#: Why the trading of a user stops who is switched off; once switched on again, it is theirs to go on.
SWITCHED_OFF = "the user was switched off"


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
    store: Store,
    scope: Scope,
    scope_id: str,
    step: Callable[[SafetyState], SafetyState],
    now: datetime,
    *,
    who: Principal = SYSTEM,
    origin: str = "",
) -> SafetyState:
    """Applies `step` (a verb of `safety`) to a scope's state; an actual change is stored, told and audited.

    `who` asked for it, from the address `origin`; by default the service itself did (the end of a pause, the breaker).
    Raises NotAllowed where a user would trade on whom somebody else stopped.
    """
    with store.transaction(durable=True) as tx:
        before = state_of(tx, scope, scope_id)
        after = step(before)
        if after == before:
            return before
        _may_trade_on(before, after, who)
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
        record(
            tx,
            who,
            f"safety.{after.stage.value}",
            f"safety:{after.id}",
            now=now,
            origin=origin,
            before={"stage": before.stage, "reason": before.reason, "until": before.until},
            after={"stage": after.stage, "reason": after.reason, "until": after.until, "by": after.by},
        )
    return after


def _may_trade_on(before: SafetyState, after: SafetyState, who: Principal) -> None:
    """What a user or the clock stopped, the user may start again; what an operator stopped, only an operator."""
    freed = before.stage is not Stage.ACTIVE and after.stage is Stage.ACTIVE
    own = before.scope is not Scope.GLOBAL and who is not SYSTEM
    free = before.by in (who.user_id, *_OWN_STOPS) or before.reason == SWITCHED_OFF
    if freed and own and not free and not may(who, Verb.STOP_ALL):
        raise NotAllowed("An operator stopped your trading; only an operator can start it again.")


def effective_for(reader: Store | Transaction, account: Account, kill_file: Path, now: datetime) -> Effective:
    """What holds for an account now, and where it comes from."""
    return safety.effective(states_for(reader, account), read_kill_file(kill_file), now)


def since_ms(state: SafetyState) -> int | None:
    """When the state was last changed, in milliseconds."""
    return ms_from_utc(state.since) if state.since else None
