"""The kill switch over HTTP: its state, stopping, resuming."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.trading import KillBody, ResumeBody
from api.gate import needs
from api.platform.strict_json import takes_raw_body
from api.rooms import Rooms, answer
from modules.accounts.permissions import Verb
from modules.trading import safety
from modules.trading.safety import Scope, Stage
from modules.trading.safety_state import change

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("safety", __name__, url_prefix="/api/safety", abp_tags=[Tag(name="safety")])

    @blueprint.get("/status", summary="What the kill switch says")
    @needs(Verb.READ_SAFETY)
    def safety_status() -> Answer:
        return answer({"states": rooms.store["safety"].all(), "kill_file": rooms.kill_file.exists()})

    @blueprint.post("/killswitch", summary="Stop new entries, or close everything too")
    @needs(Verb.STOP_ALL)
    @takes_raw_body
    def killswitch(body: KillBody) -> Answer:
        now, stage = rooms.clock.now(), Stage.FLATTEN if body.flatten else Stage.REDUCING
        state = change(
            rooms.store,
            Scope.GLOBAL,
            "",
            lambda current: safety.kill(current, "api", now, stage=stage, reason=body.reason),
            now,
        )
        return answer({"stage": state.stage.value, "by": state.by, "reason": state.reason})

    @blueprint.post("/resume", summary="Trade on, from a fresh baseline of the day")
    @needs(Verb.STOP_ALL)
    def resume(body: ResumeBody) -> Answer:
        now = rooms.clock.now()
        state = change(
            rooms.store, Scope.GLOBAL, "", lambda current: safety.resume(current, "api", now, reason=body.reason), now
        )
        return answer({"stage": state.stage.value, "kill_file": rooms.kill_file.exists()})

    return blueprint
