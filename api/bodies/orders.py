"""Bodies and queries of trading by hand: opening, changing and closing, orders, limits, settings, money over time."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from api.bodies.trading import OwnedQuery, SideWord, Since, Strict, Symbol
from modules.domain.errors import InvalidInput
from modules.domain.money import decimal_from
from modules.trading.exit_program import MAX_TARGETS

#: No order of anybody is so large, and the product of two such numbers is still exact. Longer text is no number of a market.
_MOST = Decimal(10) ** 11
_LONGEST_NUMBER = 40


def _exact(value: object) -> object:
    """A number as written: text, or a JSON number by its shortest spelling."""
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        raise ValueError(f"has more than {_LONGEST_NUMBER} characters")
    try:
        number = decimal_from(value)
    except InvalidInput as wrong:
        raise ValueError(wrong.message) from wrong
    if number > _MOST:
        raise ValueError("is out of any sensible range")
    return number


Positive = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0)]
Percent = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, le=100)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Target(Strict):
    """A price at which a part is closed. Without shares the parts are even."""

    price: Positive = Field(examples=["61000"])
    share: Percent | None = Field(default=None, description="Percent of what is left.", examples=["50"])


class OpenBody(Strict):
    """A trade to open. Its size: one of `quantity`, `amount`, `risk_percent`, `equity_percent`, or the settings' size."""

    symbol: Symbol = Field(examples=["BTCUSDT"])
    side: SideWord = Field(examples=["LONG"])
    type: Literal["market", "limit"] = "market"
    price: Positive | None = Field(default=None, description="The limit; a limit order needs one.")
    quantity: Positive | None = Field(default=None, description="Of the base currency.", examples=["0.01"])
    amount: Positive | None = Field(default=None, description="Quote currency put in as margin.")
    risk_percent: Percent | None = Field(default=None, description="Percent of equity lost at the stop.")
    equity_percent: Percent | None = Field(default=None, description="Percent of equity put in as margin.")
    stop_loss: Positive | None = Field(default=None, examples=["59000"])
    targets: list[Target] = Field(default_factory=list, max_length=MAX_TARGETS)
    leverage: Annotated[Decimal, BeforeValidator(_exact), Field(ge=1, le=200)] | None = None
    account_id: Identifier | None = Field(default=None, description="One of one's own; the first without it.")

    @model_validator(mode="after")
    def _together(self) -> OpenBody:
        if (self.type == "limit") != (self.price is not None):
            raise ValueError("a limit order needs a price, a market order has none")
        sizes = (self.quantity, self.amount, self.risk_percent, self.equity_percent)
        if sum(each is not None for each in sizes) > 1:
            raise ValueError("name one size: quantity, amount, risk_percent or equity_percent")
        if len({each.share is None for each in self.targets}) > 1:
            raise ValueError("name a share for every target or for none")
        return self


class TrailBody(Strict):
    """A trailing stop: its distance in percent of the best price, or as an amount."""

    percent: Percent | None = Field(default=None, examples=["1.5"])
    amount: Positive | None = None
    activation_price: Positive | None = None

    @model_validator(mode="after")
    def _one_distance(self) -> TrailBody:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("name percent or amount")
        return self


class ChangeBody(Strict):
    """What to change of a position. `break_even` puts the stop at the average entry."""

    stop_loss: Positive | None = Field(default=None, examples=["59500"])
    break_even: Literal[True] | None = None
    targets: list[Target] | None = Field(default=None, max_length=MAX_TARGETS)
    trailing: TrailBody | None = None

    @model_validator(mode="after")
    def _something(self) -> ChangeBody:
        if not self.model_fields_set - {"model_config"} or all(
            each is None for each in (self.stop_loss, self.break_even, self.targets, self.trailing)
        ):
            raise ValueError("name what to change: stop_loss, break_even, targets or trailing")
        if self.stop_loss is not None and self.break_even:
            raise ValueError("name a stop_loss or break_even, not both")
        return self


class CloseBody(Strict):
    """How much of what is left to close."""

    percent: Percent = Field(default=Decimal(100), examples=["50"])

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value


class BulkCloseBody(Strict):
    """Positions to close."""

    position_ids: list[Identifier] = Field(min_length=1, max_length=100)


class ReasonBody(Strict):
    """Why."""

    reason: str = Field(default="", max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value


class LimitsBody(Strict):
    """An account's own limits; null lifts one (the deployment's maximums still hold)."""

    max_positions: Annotated[int, Field(ge=1, le=1000)] | None = None
    max_exposure: Positive | None = Field(default=None, description="Value of all positions, percent of equity.")
    max_position_size: Positive | None = Field(default=None, description="Value of one position, quote currency.")


class TrailingStopBody(Strict):
    """A trailing stop on a position: one of percent and amount."""

    position_id: Identifier
    trail_percent: Percent | None = Field(default=None, examples=["2"])
    trail_amount: Positive | None = None
    activation_price: Positive | None = None


class OcoBody(Strict):
    """A target and a stop, of which the first that is reached ends the other."""

    position_id: Identifier
    take_profit_price: Positive = Field(examples=["62000"])
    stop_loss_price: Positive = Field(examples=["59000"])
    quantity: Positive | None = Field(default=None, description="All that is held without it.")


SettingValue = bool | int | float | Annotated[str, StringConstraints(max_length=4000)] | None


class SettingsBody(Strict):
    """Settings by name, in the words that reading them gives; null switches one off."""

    settings: dict[Annotated[str, StringConstraints(max_length=60)], SettingValue] = Field(
        min_length=1, max_length=60, examples=[{"size": "1.5", "leverage_cap": 10, "autotrade": True}]
    )
    account_id: Identifier | None = None


class AccountQuery(Strict):
    """Which of one's accounts; the first without it."""

    account_id: Identifier | None = None


class PnlQuery(AccountQuery):
    """A period, counted in days that begin at midnight UTC."""

    period: Literal["day", "week", "month", "year", "all"] = "day"


class EquityQuery(AccountQuery):
    """A stretch of the equity's history."""

    since: Since = Field(default=None, description="ISO-8601 with zone; the last 30 days without it.")
    limit: int = Field(default=1000, ge=1, le=5000, description="More points than this are thinned out evenly.")


class PlanQuery(OwnedQuery):
    """Plans by status: open while they may still trade."""

    status: Literal["open", "done", "all"] = "all"


class PlanPath(Strict):
    """One plan."""

    plan_id: str = Field(max_length=200)


class PositionPath(Strict):
    """One position."""

    position_id: str = Field(max_length=200)


class OrderPath(Strict):
    """One order."""

    order_id: str = Field(max_length=200)


class UserPath(Strict):
    """Oneself."""

    user_id: str = Field(max_length=100)
