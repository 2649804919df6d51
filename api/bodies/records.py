"""Bodies and queries of the recorded trading: sessions, signals, trades; and of automatic trading's controls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from api.bodies.orders import Identifier
from api.bodies.trading import ListQuery, Strict


class SessionBody(Strict):
    """A session to begin."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = Field(
        default="session", examples=["October, smaller size"]
    )
    account_id: Identifier | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value


class TradeQuery(ListQuery):
    """Trades by status."""

    status: Literal["open", "closed", "all"] = "closed"


class AutoTradeBody(Strict):
    """Why; and for a pause for how long, for a kill how far."""

    duration_minutes: Annotated[int, Field(ge=1, le=43_200)] = Field(default=60, description="Of a pause.")
    flatten: bool = Field(default=False, description="Whether a kill closes everything too.")
    reason: str = Field(default="", max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value
