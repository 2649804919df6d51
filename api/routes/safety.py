"""The kill switch over HTTP: what holds, stopping, pausing, resuming; one's own trading, or for staff everybody's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.safety import BreakerBody, KillBody, PauseBody, ResumeBody
from api.gate import current, needs, origin
from api.platform.idempotency import answered_once
from api.platform.strict_json import takes_raw_body
from api.rooms import Rooms, answer
from api.scope import own_accounts
from modules.accounts.permissions import Verb, may, require
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.money import plain
from modules.domain.people import Account
from modules.trading import safety
from modules.trading.breaker import BreakerRules
from modules.trading.safety import Effective, SafetyState, Scope, Stage
from modules.trading.safety_records import change, effective_for, read_kill_file, state_of

Answer = tuple[Any, int]
Step = Callable[[SafetyState], SafetyState]
_BREAKER = "circuit breaker"


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("safety", __name__, url_prefix="/api/safety", abp_tags=[Tag(name="safety")])
    _looking(blueprint, rooms)
    _stopping(blueprint, rooms)
    _going_on(blueprint, rooms)
    return blueprint


def _looking(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/status", summary="What the kill switch says of one's own trading; staff sees every stop")
    @needs(Verb.READ_SAFETY)
    def safety_status() -> Answer:
        return answer(_status(rooms))

    @blueprint.get("/circuit-breaker", summary="The circuit breaker's rules, and which of one's accounts it paused")
    @needs(Verb.READ_SAFETY)
    def breaker_status() -> Answer:
        rules = BreakerRules()
        accounts = []
        for account in own_accounts(rooms):
            state = state_of(rooms.store, Scope.ACCOUNT, account.id)
            tripped = _tripped(state, rooms.clock.now())
            accounts.append({"account_id": account.id, "tripped": tripped, **_row(state)})
        shown = {
            "window_seconds": rules.window_seconds,
            "max_losses": rules.max_losses,
            "max_loss_percent": plain(rules.max_loss_percent) if rules.max_loss_percent is not None else None,
            "max_drawdown_percent": plain(rules.max_drawdown_percent) if rules.max_drawdown_percent else None,
            "pause_seconds": rules.pause_seconds,
        }
        return answer({"rules": shown, "accounts": accounts})


def _stopping(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.post("/killswitch", summary="Stop new entries, or close everything too")
    @needs(Verb.STOP_OWN)
    @takes_raw_body
    def killswitch(body: KillBody) -> Answer:
        stage = Stage.FLATTEN if body.flatten else Stage.REDUCING
        now, by = rooms.clock.now(), current().user_id
        state = _set(rooms, body.scope, lambda held: safety.kill(held, by, now, stage=stage, reason=body.reason))
        return answer({**_row(state), **_status(rooms)})

    @blueprint.post("/pause", summary="No new entries for a while; open trades go on")
    @answered_once
    @needs(Verb.STOP_OWN)
    def pause(body: PauseBody) -> Answer:
        now, by, duration = rooms.clock.now(), current().user_id, timedelta(minutes=body.duration_minutes)
        state = _set(rooms, body.scope, lambda held: safety.pause(held, by, now, duration=duration, reason=body.reason))
        return answer({**_row(state), **_status(rooms)})


def _going_on(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.post("/resume", summary="Trade on, from a fresh baseline of the day")
    @answered_once
    @needs(Verb.STOP_OWN)
    def resume(body: ResumeBody) -> Answer:
        now, by = rooms.clock.now(), current().user_id

        def step(held: SafetyState) -> SafetyState:
            return safety.resume(held, by, now, reason=body.reason)

        state = _set(rooms, body.scope, step)
        if state.scope is Scope.USER:
            _reset_breaker(rooms, own_accounts(rooms), step)
        elif body.scope is None and state_of(rooms.store, Scope.USER, by).stage is not Stage.ACTIVE:
            _set(rooms, "own", step)  # whoever says no more than "resume" means whatever stops them
        return answer({**_row(state), **_status(rooms)})

    @blueprint.post("/circuit-breaker", summary="Let one's accounts that the circuit breaker paused trade again")
    @answered_once
    @needs(Verb.STOP_OWN)
    def reset_breaker(body: BreakerBody) -> Answer:
        now, by = rooms.clock.now(), current().user_id
        count = _reset_breaker(
            rooms, own_accounts(rooms), lambda held: safety.resume(held, by, now, reason=body.reason or "breaker reset")
        )
        return answer({"reset": count, **_status(rooms)})


def _set(rooms: Rooms, wanted: str | None, step: Step) -> SafetyState:
    """Applies a step to the scope that is meant. Raises NotAllowed where somebody means everybody and is not staff."""
    who = current()
    everybody = wanted == "global" or (wanted is None and may(who, Verb.STOP_ALL))
    if everybody:
        require(who, Verb.STOP_ALL)
    scope, name = (Scope.GLOBAL, "") if everybody else (Scope.USER, who.user_id)
    state = change(rooms.store, scope, name, step, rooms.clock.now(), who=who, origin=origin())
    rooms.store.doorbell.ring()
    return state


def _reset_breaker(rooms: Rooms, accounts: list[Account], step: Step) -> int:
    """Ends the breaker's pauses of these accounts; how many there were."""
    now, count = rooms.clock.now(), 0
    for account in accounts:
        if _tripped(state_of(rooms.store, Scope.ACCOUNT, account.id), now):
            change(rooms.store, Scope.ACCOUNT, account.id, step, now, who=current(), origin=origin())
            count += 1
    return count


def _tripped(state: SafetyState, now: datetime) -> bool:
    over = state.until is not None and now >= state.until
    return state.stage is Stage.PAUSED and state.by == _BREAKER and not over


def _status(rooms: Rooms) -> dict[str, Any]:
    now, who = rooms.clock.now(), current()
    kill_file = read_kill_file(rooms.kill_file)
    mine = [effective_for(rooms.store, account, rooms.kill_file, now) for account in own_accounts(rooms)]
    own = _strictest(mine) or safety.effective([state_of(rooms.store, Scope.GLOBAL)], kill_file, now)
    if may(who, Verb.STOP_ALL):
        states = [_stored(rooms, each) for each in rooms.store["safety"].all()]
    else:
        names = [(Scope.GLOBAL, ""), (Scope.USER, who.user_id)]
        names += [(Scope.ACCOUNT, account.id) for account in own_accounts(rooms)]
        found = [state_of(rooms.store, scope, name) for scope, name in names]
        states = [_row(each) for each in found if each.since is not None]
    return {
        "trading": "active" if own.stage is Stage.ACTIVE else own.stage.value,
        "sentence": "" if own.stage is Stage.ACTIVE else safety.sentence(own),
        "source": own.source,
        "states": states,
        "kill_file": kill_file is not None,
    }


def _strictest(found: list[Effective]) -> Effective | None:
    stages = list(Stage)
    return max(found, key=lambda each: stages.index(each.stage), default=None)


def _stored(rooms: Rooms, document: dict[str, Any]) -> dict[str, Any]:
    return _row(state_of(rooms.store, Scope(document["scope"]), document["scope_id"]))


def _row(state: SafetyState) -> dict[str, Any]:
    def moment(at: datetime | None) -> str | None:
        return iso_from_ms(ms_from_utc(at)) if at is not None else None

    return {
        "id": state.id,
        "scope": state.scope.value,
        "scope_id": state.scope_id,
        "stage": state.stage.value,
        "by": state.by,
        "reason": state.reason,
        "since": moment(state.since),
        "until": moment(state.until),
        "baseline_at": moment(state.baseline_at),
    }
