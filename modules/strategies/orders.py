"""From a decision to what is asked for: prices of stop and targets, and the terms a trade follows.

Levels that a backtest measures from the fill are measured here from the close of the bar of the signal, the newest price
there is before the fill. A trail in average true ranges keeps the distance it has at the signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from modules.analysis.candles import Candles
from modules.domain.instruments import Instrument
from modules.domain.market import TIMEFRAMES_MS
from modules.domain.money import ZERO, from_float
from modules.domain.plans import DcaLevel, ExitRules, Sizing, Trailing, TrailKind
from modules.domain.sides import Side
from modules.strategies.decisions import Decisions, SizeMode, Target, TargetKind, TradeRules
from modules.strategies.language import Strategy
from modules.trading.signal_terms import SignalTerms

_SLACK = 1e-9
_SIZINGS = {
    SizeMode.QUOTE: Sizing.FIXED,
    SizeMode.EQUITY_PERCENT: Sizing.EQUITY_PERCENT,
    SizeMode.RISK_PERCENT: Sizing.RISK_PERCENT,
}


@dataclass(frozen=True, slots=True)
class EntryCall:
    """An entry wanted at the close of a bar. `targets` run in the trade's direction."""

    side: Side
    price: Decimal
    stop: Decimal | None
    targets: tuple[Decimal, ...]
    target_shares: tuple[Decimal, ...]
    sizing: Sizing
    size: Decimal
    leverage: Decimal
    exits: ExitRules
    dca: tuple[DcaLevel, ...]

    def terms(self, signal_id: str, account_id: str) -> SignalTerms:
        """The terms of the signal that this call becomes."""
        return SignalTerms(signal_id, account_id, self.sizing, self.size, self.exits, self.target_shares, self.dca)


def untradable(strategy: Strategy) -> dict[str, str]:
    """What of a strategy can be tested but not traded, by its place in the document; empty for nothing."""
    rules = strategy.rules
    shares = sum(target.share for target in rules.targets)
    if rules.targets and rules.take_profit_pct is None and shares < 1.0 - _SLACK:
        rest = (
            f"targets close {shares:.0%} of a position; to be traded they need shares of 1 together, or a take profit"
        )
        return {"targets": rest}
    return {}


def entry_call(
    strategy: Strategy, decisions: Decisions, candles: Candles, row: int, instrument: Instrument | None = None
) -> EntryCall | None:
    """What the decision at `row` asks for; None for no entry, or one whose levels can't be told (no ATR yet).

    With an instrument the stop lies on its tick before multiples of the risk are measured by it.
    """
    direction = int(decisions.entry[row])
    if direction == 0:
        return None
    atr = float(decisions.atr[row]) if decisions.atr is not None else 0.0
    moment = _Moment(strategy.rules, direction, float(candles.close[row]), atr)
    stop = _on_tick(_stop(moment, decisions, row), instrument)
    levels = sorted(_levels(moment, decisions, row, stop), key=lambda each: each[0] * direction)
    return _call(strategy, moment, stop, levels) if moment.holds(stop, levels) else None


@dataclass(frozen=True, slots=True)
class _Moment:
    """Where an entry is decided: `direction` is 1 for long and -1 for short, `atr` 0 where none is known."""

    rules: TradeRules
    direction: int
    price: float
    atr: float

    @property
    def atr_known(self) -> bool:
        """Whether the average true range can measure anything."""
        return 0.0 < self.atr < float("inf")

    def away(self, percent: float) -> float:
        """The price that lies so many percent towards the gain; towards the loss for a negative one."""
        return self.price * (1.0 + self.direction * percent / 100.0)

    def holds(self, stop: float | None, levels: Sequence[tuple[float, float]]) -> bool:
        """Whether the stop lies on the losing side of the price and every target on the winning one."""
        if stop is not None and not (0.0 < stop < float("inf") and (self.price - stop) * self.direction > 0.0):
            return False
        return all(
            isfinite(level) and level > 0.0 and (level - self.price) * self.direction > 0.0 for level, _ in levels
        )


def _call(
    strategy: Strategy, moment: _Moment, stop: float | None, levels: Sequence[tuple[float, float]]
) -> EntryCall | None:
    """The call with its size and exits; None where they need an ATR that is not known."""
    rules = strategy.rules
    trail, size = _trailing(moment), _size(moment)
    if size is None or (rules.trail_atr and trail is None):
        return None
    seconds = None if rules.time_exit_bars is None else rules.time_exit_bars * _bar_seconds(strategy)
    return EntryCall(
        side=Side.LONG if moment.direction > 0 else Side.SHORT,
        price=from_float(moment.price),
        stop=None if stop is None else from_float(stop),
        targets=tuple(from_float(level) for level, _ in levels),
        target_shares=tuple(from_float(share) for _, share in levels),
        sizing=_SIZINGS.get(rules.size_mode, Sizing.EQUITY_PERCENT),
        size=from_float(size),
        leverage=from_float(rules.leverage),
        exits=ExitRules(break_even_after=rules.break_even_after, trailing=trail, time_exit_seconds=seconds),
        dca=tuple(DcaLevel(from_float(drop), from_float(factor)) for drop, factor in rules.dca),
    )


def _bar_seconds(strategy: Strategy) -> int:
    return TIMEFRAMES_MS[strategy.timeframe] // 1000


def _stop(moment: _Moment, decisions: Decisions, row: int) -> float | None:
    rules = moment.rules
    own = float(decisions.stop[row]) if decisions.stop is not None else float("nan")
    if own > 0.0:
        return own
    if rules.stop_pct is not None:
        return moment.away(-rules.stop_pct)
    if rules.stop_atr is not None:
        return moment.price - moment.direction * rules.stop_atr * moment.atr
    return None


def _on_tick(stop: float | None, instrument: Instrument | None) -> float | None:
    """The stop as the instrument can have it; as it is without an instrument, or where it is no price."""
    if stop is None or instrument is None or not 0.0 < stop < float("inf"):
        return stop
    return float(instrument.round_price(from_float(stop)))


def _levels(moment: _Moment, decisions: Decisions, row: int, stop: float | None) -> list[tuple[float, float]]:
    """Prices and shares of the targets; the take profit closes what the others leave."""
    rules = moment.rules
    if decisions.targets is not None:
        own = [float(each) for each in decisions.targets[row]]
        return list(zip(own, (target.share for target in rules.targets), strict=True))
    levels = [(_target(target, moment, stop), target.share) for target in rules.targets]
    left = 1.0 - sum(share for _, share in levels)
    if rules.take_profit_pct is not None and left > _SLACK:
        levels.append((moment.away(rules.take_profit_pct), left))
    return levels


def _target(target: Target, moment: _Moment, stop: float | None) -> float:
    match target.kind:
        case TargetKind.PCT:
            return moment.away(target.value)
        case TargetKind.ATR:
            return moment.price + moment.direction * target.value * moment.atr
        case TargetKind.R:
            return float("nan") if stop is None else moment.price + target.value * (moment.price - stop)


def _trailing(moment: _Moment) -> Trailing | None:
    rules = moment.rules
    activation = None if rules.trail_activate_pct is None else from_float(rules.trail_activate_pct)
    if rules.trail_pct is not None:
        return Trailing(TrailKind.PERCENT, from_float(rules.trail_pct), ZERO, activation)
    if rules.trail_atr is not None and moment.atr_known:
        return Trailing(TrailKind.AMOUNT, from_float(rules.trail_atr * moment.atr), ZERO, activation)
    return None


def _size(moment: _Moment) -> float | None:
    """The size in the account's words, rungs of the ladder included; None where the ATR it needs is not known."""
    rules = moment.rules
    if rules.size_mode is SizeMode.RISK_PERCENT:
        return rules.size_value
    if rules.size_mode is SizeMode.ATR_RISK:
        if not moment.atr_known:
            return None
        return min(100.0, rules.size_value * moment.price / ((rules.stop_atr or 1.0) * moment.atr) / rules.leverage)
    reached, whole = 1.0, 1.0
    for drop, factor in rules.dca:
        reached *= 1.0 - drop / 100.0
        whole += factor * reached
    return rules.size_value * whole
