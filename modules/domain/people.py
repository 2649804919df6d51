"""Who trades: a trading account and its owner. Sign-in and roles belong to `accounts`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from modules.domain.plans import TradeSettings


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
