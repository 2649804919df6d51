"""Queries of candles, tickers and sources."""

from __future__ import annotations

from pydantic import Field

from api.bodies.analysis import Moment, Symbol, Timeframe
from api.bodies.trading import Strict


class MarketPath(Strict):
    """One symbol."""

    symbol: Symbol = Field(description="As in BTCUSDT.")


class CandleQuery(Strict):
    """Which candles: the newest `limit` that had closed by `before`."""

    timeframe: Timeframe = "1h"
    limit: int = Field(default=300, ge=1, le=1500)
    before: Moment = Field(default=None, description="ISO-8601 with zone; now without it.")
    exchange: str | None = Field(default=None, max_length=40, description="The one with most candles without it.")


class SourceQuery(Strict):
    """A page of sources by name; `cursor` is the name before it."""

    limit: int = Field(default=500, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=200)


class SourcePath(Strict):
    """One source."""

    name: str = Field(min_length=1, max_length=200)


class EmptyBody(Strict):
    """Nothing to say."""
