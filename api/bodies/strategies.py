"""Bodies of the strategy paths. Documents pass as they are: the language's own reader tells every mistake by its place."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.bodies.accounts import OptionalBody
from api.bodies.analysis import Symbol
from api.bodies.trading import Identifier, ListQuery, Strict

_EXAMPLE: dict[str, JsonValue] = {
    "name": "RSI + MA Cross Strategy",
    "conditions": [
        {"type": "rsi", "operator": "<", "value": 30},
        {"type": "price", "operator": ">", "ma_period": 20},
    ],
    "action": "BUY",
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "position_size": 1000,
    "stop_loss_pct": 5,
    "take_profit_pct": 10,
}


class StrategyDocument(BaseModel):
    """A strategy in any of its forms, or `{"builtin": name, "parameters": {...}, "symbols": [...]}`."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_EXAMPLE]})


class IndicatorDocument(BaseModel):
    """An indicator: a series with its settings, or a formula."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"name": "My RSI", "type": "rsi", "parameters": {"period": 14, "overbought": 70, "oversold": 30}},
                {"name": "Stretch", "formula": "(close - mean(close, 20)) / stdev(close, 20)"},
            ]
        },
    )


class StrategyPath(Strict):
    """One strategy."""

    strategy_id: Identifier


class IndicatorPath(Strict):
    """One indicator."""

    indicator_id: Identifier


class StrategyQuery(ListQuery):
    """A page of one's own."""


class ToggleBody(OptionalBody):
    """On, off, or the other way round without `enabled`; and the account it trades for."""

    enabled: bool | None = None
    account_id: Identifier | None = Field(default=None, description="Your first paper account without it.")


class EvaluateBody(OptionalBody):
    """Which symbol; all of the strategy's without it."""

    symbol: Symbol | None = Field(default=None, examples=["BTCUSDT"])


class ChartQuery(Strict):
    """Of which symbol; the strategy's first without it."""

    symbol: Symbol | None = None
