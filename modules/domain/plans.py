"""What one account does about a signal: its settings, and the plan they make of it.

A plan is fixed once made; what happens to it afterwards is orders, fills and a position. Shares are fractions of the
original size and sum to one; percentages are in percent (1 = 1 %).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from modules.domain.errors import InvalidInput
from modules.domain.money import HUNDRED, ONE, ZERO
from modules.domain.orders import OrderType
from modules.domain.sides import Side


class Sizing(StrEnum):
    """How large a trade is: by the loss at the stop, by a part of the equity, or a fixed amount of quote currency."""

    RISK_PERCENT = "risk_percent"
    EQUITY_PERCENT = "equity_percent"
    FIXED = "fixed"


class TrailKind(StrEnum):
    """Distance of a trailing stop: percent of the best price, multiples of the ATR, or a price amount."""

    PERCENT = "percent"
    ATR = "atr"
    AMOUNT = "amount"


class OppositeRule(StrEnum):
    """What a new signal against an open trade on the same symbol does."""

    CLOSE_OLDER = "close_older"
    SKIP = "skip"
    HEDGE = "hedge"


@dataclass(frozen=True, slots=True)
class Trailing:
    """A stop that follows the best price at `distance`, moving in steps of at least `step_percent` of the price.

    It wakes once the price has moved `activation_percent` in the trade's favour (None = at once).
    """

    kind: TrailKind
    distance: Decimal
    step_percent: Decimal = ZERO
    activation_percent: Decimal | None = None

    def __post_init__(self) -> None:
        if self.distance <= ZERO or self.step_percent < ZERO:
            raise InvalidInput("a trailing stop needs a distance above zero and a step of zero or more")


@dataclass(frozen=True, slots=True)
class ExitRules:
    """How the stop moves and when a trade ends without a target or stop.

    After target `break_even_after` (or at `break_even_at_r` times the first risk) the stop goes to the entry plus
    `break_even_offset_percent` in the trade's favour. `follow_targets` = k moves the stop, after target n, to target
    n-k (k = 1: the previous target; below the first it is the entry). The tightest stop wins; a stop never loosens.
    """

    break_even_after: int | None = 1
    break_even_at_r: Decimal | None = None
    break_even_offset_percent: Decimal = ZERO
    follow_targets: int | None = None
    trailing: Trailing | None = None
    time_exit_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class DcaLevel:
    """One rung of a DCA ladder: `deviation_percent` from the previous rung, `multiplier` of the first entry's size."""

    deviation_percent: Decimal
    multiplier: Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """What one account may not exceed; None = no limit of its own (the deployment's hard maximums still hold)."""

    max_open_positions: int | None = 20
    max_position_value: Decimal | None = None
    max_total_exposure_percent: Decimal | None = Decimal(500)
    max_symbol_exposure_percent: Decimal | None = Decimal(200)
    max_daily_loss_percent: Decimal | None = Decimal(10)
    max_trades_per_day: int | None = 100
    max_losses_in_row: int | None = None
    cooldown_seconds: int = 0


@dataclass(frozen=True, slots=True)
class TradeSettings:
    """One account's way of trading signals. The defaults are those of a new paper account."""

    autotrade: bool = True
    sources: tuple[str, ...] = ("*",)
    muted_sources: tuple[str, ...] = ()
    sizing: Sizing = Sizing.RISK_PERCENT
    size: Decimal = ONE
    leverage_cap: Decimal = Decimal(25)
    default_leverage: Decimal = Decimal(5)
    entry_shares: tuple[Decimal, ...] = ()
    target_shares: tuple[Decimal, ...] = ()
    exits: ExitRules = field(default_factory=ExitRules)
    dca: tuple[DcaLevel, ...] = ()
    limits: Limits = field(default_factory=Limits)
    require_stop: bool = True
    default_stop_percent: Decimal | None = None
    entry_window_seconds: int = 86_400
    max_slippage_percent: Decimal = ONE
    allow_symbols: tuple[str, ...] = ()
    deny_symbols: tuple[str, ...] = ()
    opposite: OppositeRule = OppositeRule.CLOSE_OLDER
    cancel_entries_after_target: bool = True

    def __post_init__(self) -> None:
        wrong: dict[str, str] = {}
        if self.size <= ZERO:
            wrong["size"] = "must be above zero"
        if self.sizing is not Sizing.FIXED and self.size > HUNDRED:
            wrong["size"] = "a percentage can't exceed 100"
        if self.leverage_cap < ONE or self.default_leverage < ONE:
            wrong["leverage_cap"] = "leverage starts at 1"
        for name in ("entry_shares", "target_shares"):
            if any(share < ZERO for share in getattr(self, name)):
                wrong[name] = "a share can't be negative"
        if self.entry_window_seconds <= 0:
            wrong["entry_window_seconds"] = "must be above zero"
        if wrong:
            raise InvalidInput("; ".join(f"{k}: {v}" for k, v in wrong.items()), fields=wrong)

    def follows(self, source: str) -> bool:
        """Whether this account trades that source's signals."""
        wanted = "*" in self.sources or source in self.sources
        return self.autotrade and wanted and source not in self.muted_sources


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """One entry order to place. `price` is None for a market order."""

    number: int
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    number: int
    price: Decimal
    share: Decimal


class PlanStatus(StrEnum):
    """A plan is OPEN while it may still trade; DONE when its position closed or its entries ended unfilled."""

    OPEN = "open"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Plan:
    """One account's trade of one signal. `risk_amount` is what the stop costs if every entry fills."""

    id: str
    account_id: str
    signal_id: str
    source: str
    exchange: str
    symbol: str
    side: Side
    entries: tuple[PlannedEntry, ...]
    targets: tuple[PlannedTarget, ...]
    stop_loss: Decimal | None
    leverage: Decimal
    exits: ExitRules
    risk_amount: Decimal | None
    reference_price: Decimal
    created_at: datetime
    expires_at: datetime
    dca: tuple[DcaLevel, ...] = ()
    cancel_entries_after_target: bool = True
    status: PlanStatus = PlanStatus.OPEN
    outcome: str | None = None
    notes: tuple[str, ...] = ()


def plan_id(signal_id: str, account_id: str) -> str:
    """The id of that account's plan for that signal."""
    return f"{signal_id}:{account_id}"
