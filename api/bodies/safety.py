"""Bodies of the kill switch: whose trading, how far, for how long, and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from api.bodies.trading import Strict

#: Whose trading: one's own, or everybody's (staff). Without it staff means everybody's.
ScopeWord = Literal["own", "global"]


class _Said(Strict):
    reason: str = Field(default="", max_length=200, examples=["news"])
    scope: ScopeWord | None = Field(default=None, description="`own`, or for staff `global` (their default).")

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value


class KillBody(_Said):
    """How far to stop: new entries only, or close everything too. Without a body, or with one that can't be read: new
    entries only, since whoever asks to stop is stopped."""

    flatten: bool = False


class PauseBody(_Said):
    """No new entries for a while."""

    duration_minutes: Annotated[int, Field(ge=1, le=43_200)] = Field(examples=[30])


class ResumeBody(_Said):
    """Why trading goes on."""


class BreakerBody(Strict):
    """`reset` lets the accounts that the circuit breaker paused trade again."""

    action: Literal["reset"] = "reset"
    reason: str = Field(default="", max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value
