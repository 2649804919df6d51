"""The kill switch: a pure state machine that says which orders may still be sent.

Scopes are the whole deployment, a user, an account (a strategy in the same way); the strictest stage among those that
concern an account, and of the kill file, holds. A stop is never softened by another stop, only by `resume`. Closing a
position is allowed in every stage. On resume the day's baseline is set anew, so that a limit that was hit does not stop
trading again at once.

    ACTIVE     everything is allowed
    PAUSED     nothing that adds risk until a time, then ACTIVE by itself
    REDUCING   nothing that adds risk until resumed
    FLATTEN    everything is being closed; then LOCKED
    LOCKED     only closing and stops until resumed
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from modules.domain.errors import Conflict, InvalidInput, Refused
from modules.domain.money import ONE
from modules.domain.orders import Order, OrderRequest, OrderRole, RequestKind
from modules.domain.plans import Plan, PlanStatus
from modules.domain.positions import Position, PositionStatus

#: Longest timed pause; whoever wants longer stops and resumes.
MAX_PAUSE = timedelta(days=30)

#: Name of the kill file inside the data directory.
KILL_FILE = "KILL"


class Scope(StrEnum):
    GLOBAL = "global"
    USER = "user"
    ACCOUNT = "account"
    STRATEGY = "strategy"


class Stage(StrEnum):
    """In order of strictness."""

    ACTIVE = "active"
    PAUSED = "paused"
    REDUCING = "reducing"
    FLATTEN = "flatten"
    LOCKED = "locked"


class Verb(StrEnum):
    """What may happen to a state. EXPIRE (the pause ended) and FLAT (all is closed) come from the executor."""

    PAUSE = "pause"
    KILL = "kill"
    FLATTEN = "flatten"
    LOCK = "lock"
    EXPIRE = "expire"
    FLAT = "flat"
    RESUME = "resume"


#: What each verb makes of each stage; a verb that is missing is a Conflict. A stop that is milder than what holds
#: changes nothing, so stopping never fails and never softens.
TRANSITIONS: dict[Stage, dict[Verb, Stage]] = {
    Stage.ACTIVE: {
        Verb.PAUSE: Stage.PAUSED,
        Verb.KILL: Stage.REDUCING,
        Verb.FLATTEN: Stage.FLATTEN,
        Verb.LOCK: Stage.LOCKED,
        Verb.RESUME: Stage.ACTIVE,
    },
    Stage.PAUSED: {
        Verb.PAUSE: Stage.PAUSED,
        Verb.KILL: Stage.REDUCING,
        Verb.FLATTEN: Stage.FLATTEN,
        Verb.LOCK: Stage.LOCKED,
        Verb.EXPIRE: Stage.ACTIVE,
        Verb.RESUME: Stage.ACTIVE,
    },
    Stage.REDUCING: {
        Verb.PAUSE: Stage.REDUCING,
        Verb.KILL: Stage.REDUCING,
        Verb.FLATTEN: Stage.FLATTEN,
        Verb.LOCK: Stage.LOCKED,
        Verb.RESUME: Stage.ACTIVE,
    },
    # Resuming needs LOCKED first: half of the positions closed and new ones opening is what nobody means.
    Stage.FLATTEN: {
        Verb.PAUSE: Stage.FLATTEN,
        Verb.KILL: Stage.FLATTEN,
        Verb.FLATTEN: Stage.FLATTEN,
        Verb.LOCK: Stage.LOCKED,
        Verb.FLAT: Stage.LOCKED,
    },
    Stage.LOCKED: {
        Verb.PAUSE: Stage.LOCKED,
        Verb.KILL: Stage.LOCKED,
        Verb.FLATTEN: Stage.FLATTEN,
        Verb.LOCK: Stage.LOCKED,
        Verb.RESUME: Stage.ACTIVE,
    },
}

_STRICTNESS = {stage: rank for rank, stage in enumerate(Stage)}


@dataclass(frozen=True, slots=True)
class SafetyState:
    """One scope's stage, and who set it, when and why. `scope_id` is the user's or account's id, empty for global.

    `until` is the end of a pause. `baseline_at` is when the day's loss and losses in a row were last set to nothing.
    """

    scope: Scope
    scope_id: str = ""
    stage: Stage = Stage.ACTIVE
    since: datetime | None = None
    by: str = ""
    reason: str = ""
    until: datetime | None = None
    baseline_at: datetime | None = None

    @property
    def id(self) -> str:
        """Unique per scope: `global`, `user:u1`, `account:a1`."""
        return f"{self.scope}:{self.scope_id}" if self.scope_id else str(self.scope)


@dataclass(frozen=True, slots=True)
class Command:
    """Who did what, when and why."""

    verb: Verb
    by: str
    at: datetime
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Effective:
    """What holds for one account: the strictest stage, and where it comes from (`source` is a state's id or the file)."""

    stage: Stage
    source: str = ""
    by: str = ""
    reason: str = ""
    until: datetime | None = None


def kill(state: SafetyState, by: str, now: datetime, *, stage: Stage = Stage.REDUCING, reason: str = "") -> SafetyState:
    """Stop: REDUCING (no new risk), FLATTEN (close everything) or LOCKED. Never fails, never softens."""
    verbs = {Stage.REDUCING: Verb.KILL, Stage.FLATTEN: Verb.FLATTEN, Stage.LOCKED: Verb.LOCK}
    if stage not in verbs:
        raise InvalidInput(f"a kill can't lead to {stage}", fields={"stage": "reducing, flatten or locked"})
    return changed(state, Command(verbs[stage], by, now, reason))


def pause(state: SafetyState, by: str, now: datetime, *, duration: timedelta, reason: str = "") -> SafetyState:
    """No new risk for `duration`; a second pause can lengthen the first, not shorten it.

    Raises InvalidInput for a duration of nothing or of more than 30 days.
    """
    if not timedelta() < duration <= MAX_PAUSE:
        raise InvalidInput("a pause lasts between a second and 30 days", fields={"duration": "e.g. 30m, 2h, 1d"})
    return changed(state, Command(Verb.PAUSE, by, now, reason, now + duration))


def resume(state: SafetyState, by: str, now: datetime, *, reason: str = "") -> SafetyState:
    """Trade again, from a fresh baseline (also where nothing was stopped: that frees a daily limit that was hit).

    Raises Conflict while everything is still being closed.
    """
    return changed(state, Command(Verb.RESUME, by, now, reason))


def settled(state: SafetyState, now: datetime, *, open_positions: int, working_entries: int = 0) -> SafetyState:
    """What time and the executor's progress make of a state: a pause that ended, a flatten with nothing left to close."""
    if state.stage is Stage.PAUSED and state.until is not None and now >= state.until:
        return changed(state, Command(Verb.EXPIRE, "clock", now, "the pause ended"))
    if state.stage is Stage.FLATTEN and open_positions == 0 and working_entries == 0:
        return changed(state, Command(Verb.FLAT, state.by, now, state.reason))
    return state


def changed(state: SafetyState, command: Command) -> SafetyState:
    """The state after a command; the same state where the command is milder than what holds.

    Raises Conflict for a verb that the stage does not know.
    """
    stage = TRANSITIONS[state.stage].get(command.verb)
    if stage is None:
        raise Conflict(f"{state.id} is at {state.stage}: {command.verb} is not possible yet; lock first, then resume")
    longer = stage is Stage.PAUSED and _later(command.until, state.until)
    if stage is state.stage and command.verb is not Verb.RESUME and not longer:
        return state
    return replace(
        state,
        stage=stage,
        since=command.at,
        by=command.by,
        reason=command.reason,
        until=command.until if stage is Stage.PAUSED else None,
        baseline_at=command.at if command.verb is Verb.RESUME else state.baseline_at,
    )


def _later(left: datetime | None, right: datetime | None) -> bool:
    return left is not None and (right is None or left > right)


def kill_file_stage(content: str | None) -> Stage:
    """What the kill file asks for: None (no file) nothing, `flatten` or `lock` that, anything else (also empty) REDUCING.

    A person in a hurry who touched the file or misspelled a word has stopped new trades.
    """
    if content is None:
        return Stage.ACTIVE
    word = content.strip().lower()
    if word.startswith("flatten"):
        return Stage.FLATTEN
    return Stage.LOCKED if word.startswith("lock") else Stage.REDUCING


def effective(states: Iterable[SafetyState], kill_file: str | None, now: datetime) -> Effective:
    """The strictest of the given scopes' stages and the kill file's. A pause that has ended counts as ACTIVE."""
    found = Effective(kill_file_stage(kill_file), f"file {KILL_FILE}" if kill_file is not None else "")
    for state in states:
        over = state.stage is Stage.PAUSED and state.until is not None and now >= state.until
        if not over and _STRICTNESS[state.stage] > _STRICTNESS[found.stage]:
            found = Effective(state.stage, state.id, state.by, state.reason, state.until)
    return found


def baseline_at(states: Iterable[SafetyState], now: datetime) -> datetime:
    """From when today's loss, trades and losses in a row count: midnight UTC, or the latest resume since.

    For the operator's maximums only the global state counts: no user lifts those by resuming.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return max([midnight, *(state.baseline_at for state in states if state.baseline_at is not None)])


def breaker_since(states: Iterable[SafetyState]) -> datetime:
    """From when the circuit breaker counts: the last change of any scope, so that it never trips twice for one cause."""
    moments = [moment for state in states for moment in (state.since, state.baseline_at) if moment is not None]
    return max(moments, default=datetime.min.replace(tzinfo=UTC))


def allows(
    wish: Order | OrderRequest, states: Iterable[SafetyState], *, kill_file: str | None, now: datetime
) -> Refused | None:
    """Why this order or request may not go out now, or None. `states` are all that concern its account.

    `kill_file` is the kill file's content, None where there is no such file.
    """
    holds = effective(states, kill_file, now)
    if holds.stage is Stage.ACTIVE or closes(wish):
        return None
    if _lowers_risk(wish) and holds.stage in (Stage.PAUSED, Stage.REDUCING):
        return None
    return Refused(f"safety_{holds.stage}", sentence(holds), str(holds.stage))


def closes(wish: Order | OrderRequest) -> bool:
    """Whether it ends exposure or keeps a stop in place: cancelling entries, closing, a stop order."""
    if isinstance(wish, OrderRequest) and wish.kind is not RequestKind.PLACE:
        return wish.kind in (RequestKind.CANCEL_ENTRIES, RequestKind.CLOSE)
    return wish.role in (OrderRole.CLOSE, OrderRole.STOP)


def _lowers_risk(wish: Order | OrderRequest) -> bool:
    """Whether it can only lower what is held. Exit rules never loosen a stop, so moving one counts."""
    if isinstance(wish, Order):
        return wish.reduce_only or wish.role is OrderRole.TARGET
    return wish.kind is RequestKind.MOVE_STOP or wish.role is OrderRole.TARGET


def sentence(holds: Effective) -> str:
    """What a stop means, for people."""
    who = f" by {holds.by}" if holds.by else ""
    why = f" ({holds.reason})" if holds.reason else ""
    where = f" [{holds.source}]"
    match holds.stage:
        case Stage.PAUSED:
            until = f" until {holds.until:%Y-%m-%d %H:%M} UTC" if holds.until else ""
            return (
                f"Paused{who}{until}{why}{where}: no new entries. Open positions keep their stops and targets, and "
                "closing works. /resume to trade on."
            )
        case Stage.FLATTEN:
            return (
                f"Everything is being closed, ordered{who}{why}{where}: no entries, targets or stop moves. Closing works "
                "and stops stay."
            )
        case Stage.LOCKED:
            return (
                f"Trading is locked{who}{why}{where}: no entries, targets or stop moves. Closing works and stops stay. "
                "/resume to trade on."
            )
        case _:
            return (
                f"Trading is stopped{who}{why}{where}: no new entries. Open positions keep their stops and targets, and "
                "closing works. /resume to trade on."
            )


def flatten_requests(
    holds: Effective, positions: Iterable[Position], plans: Iterable[Plan], *, order_id: str, now: datetime
) -> tuple[OrderRequest, ...]:
    """The wishes that close everything: waiting entries are cancelled first, then every open position is closed.

    `order_id` names the occasion, one per flatten, so that asking twice asks once.
    """
    cancels = [
        _flattening(f"{order_id}:cancel:{plan.id}", plan, RequestKind.CANCEL_ENTRIES, holds=holds, now=now)
        for plan in plans
        if plan.status is PlanStatus.OPEN
    ]
    closings = [
        _flattening(f"{order_id}:close:{position.plan_id}", position, RequestKind.CLOSE, holds=holds, now=now)
        for position in positions
        if position.status is PositionStatus.OPEN
    ]
    return (*cancels, *closings)


def _flattening(
    request_id: str, subject: Plan | Position, kind: RequestKind, *, holds: Effective, now: datetime
) -> OrderRequest:
    return OrderRequest(
        id=request_id,
        account_id=subject.account_id,
        plan_id=subject.id if isinstance(subject, Plan) else subject.plan_id,
        symbol=subject.symbol,
        kind=kind,
        created_at=now,
        reason=f"flatten: {holds.reason or holds.source}",
        role=OrderRole.CLOSE,
        action=subject.side.closing,
        share=ONE if kind is RequestKind.CLOSE else None,
        signal_id=subject.signal_id,
    )
