"""What clients send: strict bodies and queries. An unknown field or a wrong type is an error with its name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

Identifier = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_EARLIEST = datetime(2009, 1, 3, tzinfo=UTC)


def zoned(value: datetime | None) -> datetime | None:
    """The moment in UTC. Raises ValueError where it names no zone."""
    if value is not None and value.tzinfo is None:
        raise ValueError("needs a time zone, for example 2026-01-31T12:00:00Z")
    return None if value is None else value.astimezone(UTC)


def plain_symbol(value: object) -> object:
    """BTC/USDT, btc-usdt and BTCUSDT are one symbol; what is no text stays as it is."""
    return value.replace("/", "").replace("-", "").strip().upper() if isinstance(value, str) else value


def side_word(value: object) -> object:
    """LONG or SHORT however written; buying is long, selling short."""
    words = {"BUY": "LONG", "SELL": "SHORT"}
    return words.get(value.strip().upper(), value.strip().upper()) if isinstance(value, str) else value


Symbol = Annotated[
    str, BeforeValidator(plain_symbol), StringConstraints(min_length=4, max_length=30, pattern=r"^[A-Z0-9]+$")
]
SideWord = Annotated[Literal["LONG", "SHORT"], BeforeValidator(side_word)]
Since = Annotated[datetime | None, AfterValidator(zoned)]


class Strict(BaseModel):
    """No field beyond those named."""

    model_config = ConfigDict(extra="forbid")


class InboxMessage(Strict):
    """One message of a source."""

    source: Identifier = Field(examples=["my-channel"])
    message_id: Identifier = Field(examples=["1042"])
    text: str = Field(min_length=1, max_length=100_000, examples=["#BTC/USDT LONG Entry 60000 SL 59000 TP 61000 62000"])
    reply_to: Identifier | None = Field(default=None, description="Id of the message this one answers.")
    edited: bool = Field(default=False, description="Whether the text replaces what was posted under this id before.")
    at: datetime | None = Field(default=None, description="When it was said: ISO-8601 with zone, or milliseconds UTC.")

    @field_validator("message_id", "reply_to", mode="before")
    @classmethod
    def _number_or_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("at")
    @classmethod
    def _with_zone(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("needs a time zone, for example 2026-01-31T12:00:00Z")
        if value < _EARLIEST:
            raise ValueError("is before anything was ever traded")
        return value


class ForwardedMessage(Strict):
    """One message as older forwarders hand it in: without a number."""

    source: Identifier = Field(examples=["my-channel"])
    text: str = Field(min_length=1, max_length=100_000, examples=["#BTC/USDT LONG Entry 60000 SL 59000 TP 61000 62000"])
    source_type: str = Field(default="", max_length=50, description="Not used; older forwarders send it.")


class ListQuery(Strict):
    """A page of a list."""

    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=200)


class OwnedQuery(ListQuery):
    """A page of one's own things; staff may ask for another user's or for everybody's."""

    user: str | None = Field(default=None, max_length=100, description="Staff only: whose.")
    all: bool = Field(default=False, description="Staff only: everybody's.")


class TradingQuery(OwnedQuery):
    """A page of what happened on accounts, of one symbol or one account where named."""

    symbol: Symbol | None = Field(default=None, description="Only of this symbol, as in BTCUSDT.")
    account_id: Identifier | None = Field(default=None, description="Only of this one of one's own accounts.")


class PositionQuery(TradingQuery):
    """Positions by status."""

    status: Literal["open", "closed", "all"] = "open"


class OrderQuery(TradingQuery):
    """Orders by state; `open` is every one that works."""

    status: Literal[
        "all", "open", "new", "submitted", "unknown", "partially_filled", "filled", "cancelled", "rejected", "expired"
    ] = "all"


class SignalQuery(ListQuery):
    """Signals by status and source; `open` is waiting and active."""

    status: Literal["all", "open", "waiting", "active", "closed", "cancelled", "expired", "invalid"] = "all"
    source: str | None = Field(default=None, max_length=200)


class SignalListQuery(SignalQuery):
    """Signals by what they say and when they came, too."""

    symbol: Symbol | None = Field(default=None, description="Only of this symbol, as in BTCUSDT.")
    side: SideWord | None = Field(default=None, description="LONG or SHORT.")
    since: Since = Field(default=None, description="Received then or later: ISO-8601 with zone.")


class EventQuery(Strict):
    """Events after a number."""

    after: int = Field(default=0, ge=0, lt=2**63)
    limit: int = Field(default=100, ge=1, le=500)
    kind: str | None = Field(default=None, max_length=50)


class SignalPath(Strict):
    """One signal."""

    signal_id: str = Field(max_length=100)
