"""How often trades like this one have been won: from closed trades of the same symbol and side, with an honest interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Any, Literal

Recommendation = Literal["TAKE", "AVOID", "NEUTRAL"]

LEAST_TRADES = 5
Z = 1.959963984540054
"""95% of a normal distribution lie within so many standard deviations."""


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """A trade that is over: `side` LONG or SHORT, `pnl` what it made after fees."""

    symbol: str
    side: str
    pnl: Decimal


class TooFewTrades(ValueError):
    """Fewer closed trades of the symbol and side than needed."""

    def __init__(self, symbol: str, side: str, needed: int, have: int) -> None:
        super().__init__(f"{symbol} {side}: needs {needed} closed trades, has {have}")
        self.needed = needed
        self.have = have


@dataclass(frozen=True, slots=True)
class WinProbability:
    """`win_rate` with its 95% Wilson interval (`low`, `high`), and whether that beats what the pay-off asks for.

    `risk_reward` is the mean win by the mean loss and `break_even` the win rate at which trades of that pay-off come out even;
    both None when nothing was lost yet, or won yet.
    """

    symbol: str
    side: str
    trades: int
    wins: int
    win_rate: float
    low: float
    high: float
    average_win: Decimal | None
    average_loss: Decimal | None
    risk_reward: float | None
    break_even: float | None
    recommendation: Recommendation

    def as_json(self) -> dict[str, Any]:
        """The form of the API; money as text."""
        return {
            "symbol": self.symbol,
            "side": self.side,
            "total_trades": self.trades,
            "wins": self.wins,
            "win_probability": self.win_rate,
            "interval": {"low": self.low, "high": self.high, "level": 0.95},
            "average_win": None if self.average_win is None else str(self.average_win),
            "average_loss": None if self.average_loss is None else str(self.average_loss),
            "risk_reward_ratio": self.risk_reward,
            "break_even_rate": self.break_even,
            "recommendation": self.recommendation,
        }


def wilson(wins: int, trades: int) -> tuple[float, float]:
    """The 95% score interval of a share (E. B. Wilson, 1927). Raises ValueError unless 0 <= wins <= trades and trades > 0."""
    if not 0 <= wins <= trades or trades == 0:
        raise ValueError(f"wins: {wins} of {trades} is no share")
    rate, square = wins / trades, Z * Z
    middle = (rate + square / (2 * trades)) / (1 + square / trades)
    half = Z / (1 + square / trades) * sqrt(rate * (1 - rate) / trades + square / (4 * trades**2))
    return (middle - half if wins else 0.0), (middle + half if wins < trades else 1.0)


def win_probability(trades: Iterable[ClosedTrade], symbol: str, side: str) -> WinProbability:
    """The record of one symbol and side. A trade that came out even is not a win. Raises TooFewTrades for fewer than five.

    TAKE when even the low end of the interval beats the break-even rate, AVOID when even the high end does not; where
    there is no pay-off to tell it by, the break-even rate is taken to be one half.
    """
    results = [each.pnl for each in trades if each.symbol == symbol and each.side == side]
    if len(results) < LEAST_TRADES:
        raise TooFewTrades(symbol, side, LEAST_TRADES, len(results))
    won, lost = [pnl for pnl in results if pnl > 0], [-pnl for pnl in results if pnl < 0]
    low, high = wilson(len(won), len(results))
    average_win, average_loss = _mean(won), _mean(lost)
    pay_off = float(average_win / average_loss) if average_win and average_loss else None
    break_even = None if pay_off is None else 1 / (1 + pay_off)
    return WinProbability(
        symbol=symbol,
        side=side,
        trades=len(results),
        wins=len(won),
        win_rate=len(won) / len(results),
        low=low,
        high=high,
        average_win=average_win,
        average_loss=average_loss,
        risk_reward=pay_off,
        break_even=break_even,
        recommendation=_recommendation(low, high, 0.5 if break_even is None else break_even),
    )


def _mean(amounts: Sequence[Decimal]) -> Decimal | None:
    return sum(amounts, Decimal(0)) / len(amounts) if amounts else None


def _recommendation(low: float, high: float, break_even: float) -> Recommendation:
    if low > break_even:
        return "TAKE"
    return "AVOID" if high < break_even else "NEUTRAL"
