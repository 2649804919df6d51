"""Bodies and queries of the analysis paths."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from api.bodies.trading import Strict
from modules.domain.market import TIMEFRAMES_MS

MOST_SYMBOLS = 100


def _known_timeframe(value: str) -> str:
    if value not in TIMEFRAMES_MS:
        raise ValueError(f"must be one of {', '.join(TIMEFRAMES_MS)}")
    return value


def _plain_symbol(value: object) -> object:
    return value.replace("/", "").strip().upper() if isinstance(value, str) else value


def _zoned(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise ValueError("needs a time zone, for example 2026-01-31T12:00:00Z")
    return None if value is None else value.astimezone(UTC)


Symbol = Annotated[
    str, BeforeValidator(_plain_symbol), StringConstraints(min_length=2, max_length=40, pattern=r"^[A-Z0-9._-]+$")
]
Timeframe = Annotated[str, AfterValidator(_known_timeframe)]
Moment = Annotated[datetime | None, AfterValidator(_zoned)]
WeightValues = dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]


class SymbolPath(Strict):
    """One symbol."""

    symbol: Symbol = Field(description="As in BTCUSDT.")


class AnalysisQuery(Strict):
    """Which candles, and as of when."""

    timeframe: Timeframe = "1h"
    at: Moment = Field(default=None, description="As of this time: ISO-8601 with zone; now without it.")


class ScoreBody(Strict):
    """A symbol to score; weights other than the deployment's count for this answer only."""

    symbol: Symbol = Field(examples=["BTCUSDT"])
    timeframe: Timeframe = Field(default="1h", examples=["1h"])
    weights: WeightValues | None = Field(default=None, examples=[{"smc": 0.5, "price_action": 0.5}])
    at: Moment = None


class ScanRules(Strict):
    """What an opportunity must have."""

    min_score: float = Field(default=0.6, ge=0, le=1)
    min_confidence: float = Field(default=0.3, ge=0, le=1)
    max_risk_level: Literal["LOW", "MEDIUM", "HIGH"] = "HIGH"
    min_volume_usd: float = Field(default=0, ge=0, allow_inf_nan=False)


class ScanBody(Strict):
    """Symbols and timeframes to scan; all stored symbols without a list."""

    symbols: list[Symbol] | None = Field(
        default=None, min_length=1, max_length=MOST_SYMBOLS, examples=[["BTCUSDT", "ETHUSDT"]]
    )
    timeframes: list[Timeframe] = Field(default=["15m", "1h", "4h", "1d"], min_length=1, max_length=8)
    rules: ScanRules = Field(default_factory=ScanRules)
    at: Moment = None


class WeightsBody(Strict):
    """New weights; a detector that is not named gets none."""

    weights: WeightValues = Field(min_length=1, examples=[{"smc": 0.2, "price_action": 0.15, "harmonic": 0.15}])


class WinProbabilityBody(Strict):
    """Whose past trades to look at."""

    symbol: Symbol = Field(examples=["BTCUSDT"])
    side: Annotated[Literal["LONG", "SHORT"], BeforeValidator(_plain_symbol)] = Field(examples=["LONG"])
