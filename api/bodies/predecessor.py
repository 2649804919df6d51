"""Queries of the small reading paths that earlier clients call."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.bodies.analysis import AnalysisQuery
from api.bodies.orders import AccountQuery
from api.bodies.trading import ListQuery, Strict

_DAYS = Field(default=30, ge=1, le=366, description="So many days back from now.")


class DaysQuery(Strict):
    """A number of days up to now."""

    days: int = _DAYS


class OwnDaysQuery(AccountQuery):
    """A number of days up to now, of one account."""

    days: int = _DAYS


class AccountDaysQuery(ListQuery):
    """A number of days up to now, account by account."""

    days: int = _DAYS


class ClosedTradeQuery(ListQuery):
    """Trades by status."""

    status: Literal["open", "closed", "all"] = "closed"


class PredictQuery(AnalysisQuery):
    """How far to look ahead."""

    hours: int = Field(default=24, ge=1, le=168, description="24 is the horizon whose errors are measured.")
