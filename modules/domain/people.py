"""Who asks and who trades: roles, the person behind a request, and trading accounts. Sign-in belongs to `accounts`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from modules.domain.plans import TradeSettings


class Role(StrEnum):
    """What somebody is here; `modules.accounts.permissions` says what each may."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    ANALYST = "analyst"
    SUBSCRIBER = "subscriber"
    READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, proven. `via` is how (`operator_token`, `access_token`, `api_key`, `telegram`, `chat`, `cli`).

    `scopes` are the verbs an API key was limited to; None means all that the role may. `session_id` names the sign-in.
    """

    user_id: str
    role: Role
    via: str
    scopes: frozenset[str] | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A trading account at one exchange. `exchange` is `paper` or the name of a live one."""

    id: str
    user_id: str
    exchange: str
    currency: str
    starting_balance: Decimal
    created_at: datetime
    settings: TradeSettings = field(default_factory=TradeSettings)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Balance:
    """Money of an account at its exchange, in quote currency: `equity` includes unrealised PnL."""

    wallet: Decimal
    equity: Decimal
    available: Decimal
    margin: Decimal
