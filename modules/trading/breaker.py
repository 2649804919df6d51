"""The circuit breaker: too many losses in a window, too much lost in it, or too deep a drawdown calls for a pause.

Pure; whoever asks turns a `Trip` into a pause of the account (`safety.pause`) and tells its owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from modules.domain.money import HUNDRED, ZERO, cents, plain


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """A trade's end, as the circuit breaker counts it; `pnl` is net, in quote currency."""

    at: datetime
    pnl: Decimal


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When the circuit breaker trips; None = that rule is off.

    Losses are counted within the window, not "in a row": a small win between two losses does not reset it.
    """

    window_seconds: int = 3600
    max_losses: int | None = 5
    max_loss_percent: Decimal | None = Decimal(10)
    max_drawdown_percent: Decimal | None = Decimal(25)
    pause_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class BreakerView:
    """What the breaker looks at. `peak_equity` and `trades` count from `since`, the last reset, on."""

    equity: Decimal
    peak_equity: Decimal
    trades: tuple[ClosedTrade, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class Trip:
    """The breaker tripped: trading is to be paused until `until`, for this reason."""

    rule: str
    reason: str
    figure: str
    limit: str
    until: datetime


def circuit_breaker(view: BreakerView, rules: BreakerRules, now: datetime) -> Trip | None:
    """Whether losses in the window, their sum, or the drawdown from the peak call for a pause."""
    start = max(now - timedelta(seconds=rules.window_seconds), view.since)
    recent = [trade.pnl for trade in view.trades if start < trade.at <= now]
    losses = [pnl for pnl in recent if pnl < ZERO]
    lost = max(-sum(recent, ZERO), ZERO)
    minutes = rules.window_seconds // 60
    peak = view.peak_equity
    lost_percent = lost / (view.equity + lost) * HUNDRED if view.equity + lost > ZERO else HUNDRED if lost else ZERO
    fallen = (peak - view.equity) / peak * HUNDRED if peak > ZERO else ZERO
    found = (
        ("breaker_losses", f"losses within {minutes} minutes", Decimal(len(losses)), rules.max_losses),
        ("breaker_loss", f"percent lost within {minutes} minutes", cents(lost_percent), rules.max_loss_percent),
        ("breaker_drawdown", "percent below the highest equity", cents(fallen), rules.max_drawdown_percent),
    )
    for rule, what, figure, limit in found:
        if limit is not None and figure >= limit:
            until = now + timedelta(seconds=rules.pause_seconds)
            reason = (
                f"{plain(figure)} {what}, the limit is {plain(Decimal(limit))}: no new trades for now, closing works"
            )
            return Trip(rule, reason, plain(figure), plain(Decimal(limit)), until)
    return None
