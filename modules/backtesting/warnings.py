"""What a reader of a result should know before believing it, each with a stable code and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from modules.backtesting.result import ExitReason, Result
from modules.backtesting.statistics import Figure
from modules.backtesting.statistics_equity import DAY_MS
from modules.trading.fill_model import Slippage

FEW_TRADES: Final = 30
SHORT_DAYS: Final = 90
#: Figures that a strategy without a mistake in it hardly ever has.
ABSURD: Final[Mapping[str, float]] = {"sharpe": 5.0, "profit_factor": 5.0, "win_rate": 0.9}
_ONE_TRADE_SHARE: Final = 0.5
_RUIN: Final = 0.01


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning: `code` is for programs and stays the same, `message` is for people."""

    code: str
    message: str

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class Checks:
    """What the look-ahead and the recursive check found for the strategy of a result: a sentence each, None for nothing."""

    look_ahead: str | None = None
    recursive: str | None = None

    @property
    def passed(self) -> bool:
        return self.look_ahead is None and self.recursive is None


def warnings_of(result: Result, metrics: Mapping[str, Figure], checks: Checks | None = None) -> list[Warned]:
    """All warnings of a result, the gravest first. Without `checks` absurdly good figures raise an alarm."""
    return [
        *_of_checks(checks),
        *_absurd(metrics, checks),
        *_of_data(result),
        *_of_costs(result, metrics),
        *_of_trades(result, metrics),
    ]


def _of_checks(checks: Checks | None) -> list[Warned]:
    if checks is None:
        return []
    found = [("look_ahead", checks.look_ahead), ("recursive", checks.recursive)]
    return [Warned(code, sentence) for code, sentence in found if sentence is not None]


def _absurd(metrics: Mapping[str, Figure], checks: Checks | None) -> list[Warned]:
    if checks is not None and checks.passed:
        return []
    over = []
    for name, most in ABSURD.items():
        value = metrics[name]
        if value is not None and value > most:
            over.append(f"{name.replace('_', ' ')} {value:.3g} (over {most:g})")
    if not over or not metrics["trades"]:
        return []
    told = f"Too good to be believed: {', '.join(over)}."
    return [Warned("too_good", f"{told} Run the look-ahead and the recursive check before trusting it.")]


def _of_data(result: Result) -> list[Warned]:
    found = []
    if not len(result.times):
        return [Warned("no_data", "There are no candles, so nothing was tested.")]
    days = (int(result.times[-1]) - int(result.times[0]) + result.timeframe_ms) / DAY_MS
    if days < SHORT_DAYS:
        found.append(
            Warned(
                "short_history", f"The history covers {days:.1f} days; under {SHORT_DAYS} a market shows one mood only."
            )
        )
    for candles in result.markets:
        holes = candles.gaps()
        if holes:
            missing = sum(count for _, count in holes)
            where = f" of {candles.symbol}" if candles.symbol else ""
            found.append(Warned("gaps", f"{missing:,} bars{where} are missing in {len(holes):,} places."))
    return found


def _of_costs(result: Result, metrics: Mapping[str, Figure]) -> list[Warned]:
    assumed, found = result.assumptions, []
    if assumed.taker_fee == 0.0 and assumed.maker_fee == 0.0:
        found.append(Warned("no_fees", "No fees are assumed; every exchange takes some."))
    if assumed.slippage is Slippage.NONE and assumed.spread_bps == 0.0:
        found.append(
            Warned("no_slippage", "Neither slippage nor spread is assumed: market orders fill at the open exactly.")
        )
    profit = metrics["net_profit"]
    if profit is not None and profit > 0 and result.fees > profit:
        found.append(
            Warned("fees_exceed_profit", f"Fees ({result.fees:,.2f}) are more than what is left ({profit:,.2f}).")
        )
    return found


def _of_trades(result: Result, metrics: Mapping[str, Figure]) -> list[Warned]:
    count, found = len(result.trades), []
    if count < FEW_TRADES:
        found.append(Warned("few_trades", f"{count} trades are too few to tell skill from luck (under {FEW_TRADES})."))
    if result.final_equity < _RUIN * result.assumptions.capital:
        found.append(Warned("ruin", f"The account lost nearly everything: {result.final_equity:,.2f} are left."))
    profit = metrics["net_profit"]
    best = float(np.max(result.trades["pnl"], initial=0.0))
    if count > 1 and profit is not None and profit > 0 and best > _ONE_TRADE_SHARE * profit:
        found.append(Warned("one_trade", f"One trade alone made {best / profit:.0%} of the profit."))
    reasons = result.exit_reasons()
    liquidated = reasons.count(ExitReason.LIQUIDATION)
    if liquidated:
        found.append(Warned("liquidations", f"{liquidated} positions were liquidated."))
    if ExitReason.END in reasons:
        left = reasons.count(ExitReason.END)
        found.append(
            Warned("open_at_end", f"{left} open at the end, closed at the last close: no decision of the strategy.")
        )
    if result.refused:
        told = ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in sorted(result.refused.items()))
        found.append(Warned("refused", f"Entry signals that led to no trade: {told}."))
    return found
