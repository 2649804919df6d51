"""From words to records: rules and assumptions as the kernel's `TERMS`, columns as its `Feed`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Candles, Floats, Integers
from modules.backtesting import words
from modules.backtesting.assumptions import FUNDING_MS, Assumptions, EntryOrder
from modules.strategies.decisions import Decisions, TradeRules
from modules.trading import exit_program as codes
from modules.trading import fill_model

_SIZES = {
    "quote": words.BY_QUOTE,
    "equity_percent": words.BY_EQUITY,
    "risk_percent": words.BY_RISK,
    "atr_risk": words.BY_ATR,
}
_TARGETS = {"pct": words.TARGET_FRACTION, "atr": words.TARGET_ATR, "r": words.TARGET_R}
_SLIPPAGE = {
    "none": fill_model.SLIP_NONE,
    "bps": fill_model.SLIP_BPS,
    "volume_share": fill_model.SLIP_VOLUME,
    "atr_share": fill_model.SLIP_ATR,
}
_SHARES_SLACK = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class FundingRates:
    """Funding rates of a perpetual contract: due times (ms UTC, rising) and rates as fractions, paid by longs."""

    times: Integers
    rates: Floats

    def __post_init__(self) -> None:
        """Raises ValueError for columns of different length, times that don't rise, or a rate that is no number."""
        if len(self.times) != len(self.rates):
            raise ValueError(f"rates: has {len(self.rates)} rows where times has {len(self.times)}")
        if np.any(np.diff(self.times) <= 0):
            raise ValueError("times: must rise")
        if not np.all(np.isfinite(self.rates)):
            raise ValueError(f"rates: row {int(np.flatnonzero(~np.isfinite(self.rates))[0])} is not a number")


def terms_of(rules: TradeRules, assumptions: Assumptions, own_targets: int = 0) -> np.void:
    """One `TERMS` record. `own_targets` is how many target columns the decisions have.

    Raises ValueError naming the rule that can't be carried out.
    """
    _check_rules(rules)
    margin = assumptions.maintenance_margin
    _require("maintenance_margin", margin, margin < 1 / rules.leverage, f"below 1/leverage ({1 / rules.leverage:g})")
    terms: np.void = np.zeros(1, words.TERMS)[0]
    _set_costs(terms, assumptions)
    _set_size(terms, rules)
    _set_exits(terms, rules)
    _set_targets(terms, rules, own_targets)
    for index, (drop, factor) in enumerate(rules.dca):
        terms["rung_drop"][index] = drop / 100.0
        terms["rung_factor"][index] = factor
    terms["rungs"] = len(rules.dca)
    return terms


def feed_of(
    candles: Candles,
    decisions: Decisions,
    assumptions: Assumptions,
    funding: FundingRates | None = None,
    lower: Candles | None = None,
) -> words.Feed:
    """The columns of one symbol. Raises ValueError naming the column of a decision that doesn't fit the candles."""
    count = len(candles)
    entry = _column("entry", decisions.entry, np.int8, count)
    if np.any((entry < -1) | (entry > 1)):
        raise ValueError(f"entry: row {int(np.flatnonzero((entry < -1) | (entry > 1))[0])} is not -1, 0 or 1")
    targets = _targets(decisions.targets, count)
    start, parts = _parts_of(candles, lower)
    prices = [_fixed(column, np.float64) for column in (candles.open, candles.high, candles.low, candles.close)]
    inner = [_fixed(part, np.float64) for part in parts]
    return words.Feed(
        time=_fixed(candles.timestamp, np.int64),
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=_fixed(candles.volume, np.float64),
        entry=entry,
        exit_long=_column("exit_long", decisions.exit_long, np.bool_, count),
        exit_short=_column("exit_short", decisions.exit_short, np.bool_, count),
        stop=_optional("stop", decisions.stop, count),
        targets=_fixed(targets, np.float64),
        atr=_optional("atr", decisions.atr, count),
        entry_price=_optional("entry_price", decisions.entry_price, count),
        funding=_fixed(funding_by_bar(candles.timestamp, assumptions.funding_rate, funding), np.float64),
        lower_start=_fixed(start, np.int64),
        lower_open=inner[0],
        lower_high=inner[1],
        lower_low=inner[2],
        lower_close=inner[3],
    )


def funding_by_bar(times: Integers, constant: float, series: FundingRates | None) -> Floats:
    """The sum of the rates due after the open of the bar before, up to and including each bar's open; empty for none."""
    if not len(times) or (series is None and constant == 0.0):
        return np.empty(0)
    if series is None:
        due = np.arange(-(-int(times[0]) // FUNDING_MS) * FUNDING_MS, int(times[-1]) + 1, FUNDING_MS)
        rates = np.full(len(due), constant)
    else:
        due, rates = series.times, series.rates
    place = np.searchsorted(times, due, side="left")
    inside = (place > 0) & (place < len(times))
    return np.bincount(place[inside], weights=rates[inside], minlength=len(times)).astype(np.float64)


def _parts_of(candles: Candles, lower: Candles | None) -> tuple[Integers, tuple[Floats, ...]]:
    """Where each bar's lower candles lie. A bar counts as covered only when they are complete and add up to it."""
    if lower is None or not len(candles) or not len(lower):
        return np.empty(0, np.int64), (np.empty(0),) * 4
    ratio, rest = divmod(candles.timeframe_ms, lower.timeframe_ms)
    if rest or ratio < 2:
        raise ValueError(f"lower: {lower.timeframe_ms} ms does not divide the bars of {candles.timeframe_ms} ms")
    first = np.searchsorted(lower.timestamp, candles.timestamp, side="left")
    after = np.searchsorted(lower.timestamp, candles.timestamp + candles.timeframe_ms, side="left")
    covered = np.flatnonzero(after - first == ratio)
    rows = (first[covered][:, None] + np.arange(ratio)).astype(np.int64)
    same = (
        (lower.open[rows[:, 0]] == candles.open[covered])
        & (lower.high[rows].max(axis=1, initial=0.0) == candles.high[covered])
        & (lower.low[rows].min(axis=1, initial=np.inf) == candles.low[covered])
        & (lower.close[rows[:, -1]] == candles.close[covered])
    )
    covered, rows = covered[same], rows[same].ravel()
    sizes = np.zeros(len(candles), np.int64)
    sizes[covered] = ratio
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    return start, (lower.open[rows], lower.high[rows], lower.low[rows], lower.close[rows])


def _fixed(array: npt.ArrayLike, dtype: Any) -> npt.NDArray[Any]:
    """Contiguous and read-only, so that the kernel is compiled for one kind of column only."""
    view = np.ascontiguousarray(array, dtype).view()
    view.setflags(write=False)
    return view


def _column(name: str, values: npt.ArrayLike, dtype: Any, count: int) -> npt.NDArray[Any]:
    column = _fixed(values, dtype)
    if column.shape != (count,):
        raise ValueError(f"{name}: must have {count} rows, has the shape {column.shape}")
    return column


def _optional(name: str, values: npt.ArrayLike | None, count: int) -> npt.NDArray[Any]:
    return _fixed(np.empty(0), np.float64) if values is None else _column(name, values, np.float64, count)


def _targets(prices: Floats | None, count: int) -> Floats:
    if prices is None:
        return np.empty((0, 0))
    targets = np.asarray(prices, np.float64)
    if targets.ndim != 2 or len(targets) != count:
        raise ValueError(f"targets: must have {count} rows of prices, has the shape {targets.shape}")
    if targets.shape[1] > words.MAX_LEVELS:
        raise ValueError(f"targets: at most {words.MAX_LEVELS} columns, got {targets.shape[1]}")
    return targets


def _check_rules(rules: TradeRules) -> None:
    if str(rules.size_mode) not in _SIZES:
        raise ValueError(f"size_mode: unknown: {rules.size_mode}")
    _require("size_value", rules.size_value, rules.size_value > 0, "above zero")
    _require("leverage", rules.leverage, rules.leverage >= 1, "at least 1")
    for name in ("stop_pct", "trail_pct"):
        value = getattr(rules, name)
        _require(name, value, value is None or 0 < value < 100, "above 0 and below 100")
    for name in ("stop_atr", "take_profit_pct", "trail_atr", "time_exit_bars", "break_even_after"):
        value = getattr(rules, name)
        _require(name, value, value is None or value > 0, "above zero")
    _require("trail_activate_pct", rules.trail_activate_pct, (rules.trail_activate_pct or 0) >= 0, "zero or more")
    _require("trail", rules.trail_atr, rules.trail_pct is None or rules.trail_atr is None, "percent or ATR, not both")
    levels = len(rules.targets) + (rules.take_profit_pct is not None)
    _require("targets", levels, levels <= words.MAX_LEVELS, f"at most {words.MAX_LEVELS}")
    right = all(str(t.kind) in _TARGETS and t.value > 0 and t.share >= 0 for t in rules.targets)
    right = right and sum(t.share for t in rules.targets) <= 1 + _SHARES_SLACK
    _require("targets", rules.targets, right, "of a known kind, above zero, with shares of at most one together")
    _require("dca", len(rules.dca), len(rules.dca) <= words.MAX_RUNGS, f"at most {words.MAX_RUNGS} rungs")
    right = all(0 < drop < 100 and factor > 0 for drop, factor in rules.dca)
    _require("dca", rules.dca, right, "drops between 0 and 100 % and factors above zero")


def _require(name: str, value: object, right: bool, rule: str) -> None:
    if not right or (isinstance(value, float) and not isfinite(value)):
        raise ValueError(f"{name}: must be {rule}, got {value}")


def _ratio(step: Decimal | None) -> tuple[float, float]:
    if step is None:
        return 0.0, 0.0
    numerator, denominator = step.as_integer_ratio()
    return float(numerator), float(denominator)


def _set_costs(terms: np.void, assumptions: Assumptions) -> None:
    terms["capital"] = assumptions.capital
    terms["taker_fee"] = assumptions.taker_fee
    terms["maker_fee"] = assumptions.maker_fee
    terms["slip_kind"] = _SLIPPAGE[str(assumptions.slippage)]
    terms["slip_size"] = assumptions.slippage_size
    terms["half_spread"] = assumptions.spread_bps / 10_000.0 / 2.0
    terms["maintenance"] = assumptions.maintenance_margin
    terms["entry_kind"] = words.STOP_ENTRY if assumptions.entry_order is EntryOrder.STOP else words.LIMIT_ENTRY
    terms["entry_bars"] = assumptions.entry_bars
    terms["reverse"] = int(assumptions.reverse)
    terms["tick_numerator"], terms["tick_denominator"] = _ratio(assumptions.tick_size)
    terms["lot_numerator"], terms["lot_denominator"] = _ratio(assumptions.lot_size)
    terms["min_notional"] = assumptions.min_notional
    terms["max_positions"] = assumptions.max_positions or 0


def _set_size(terms: np.void, rules: TradeRules) -> None:
    mode = _SIZES[str(rules.size_mode)]
    terms["size_mode"] = mode
    terms["size_value"] = rules.size_value if mode == words.BY_QUOTE else rules.size_value / 100.0
    terms["leverage"] = rules.leverage


def _set_exits(terms: np.void, rules: TradeRules) -> None:
    terms["stop_fraction"] = (rules.stop_pct or 0.0) / 100.0
    terms["stop_atr"] = rules.stop_atr or 0.0
    if rules.trail_pct is not None:
        terms["trail_kind"], terms["trail_distance"] = codes.TRAIL_PERCENT, rules.trail_pct / 100.0
    elif rules.trail_atr is not None:
        terms["trail_kind"], terms["trail_distance"] = codes.TRAIL_ATR, rules.trail_atr
    terms["trail_activation"] = (rules.trail_activate_pct or 0.0) / 100.0
    terms["break_even_after"] = rules.break_even_after or 0
    terms["time_exit_bars"] = rules.time_exit_bars or 0


def _set_targets(terms: np.void, rules: TradeRules, own_targets: int) -> None:
    """The ladder of the rules, with the take profit as its last level for all that the others leave."""
    left = 1.0
    for index, target in enumerate(rules.targets):
        kind = _TARGETS[str(target.kind)]
        terms["target_kind"][index] = kind
        terms["target_value"][index] = target.value / 100.0 if kind == words.TARGET_FRACTION else target.value
        terms["target_share"][index] = target.share
        left -= target.share
    levels = len(rules.targets)
    if rules.take_profit_pct is not None and left > codes.EPSILON:
        terms["target_kind"][levels] = words.TARGET_FRACTION
        terms["target_value"][levels] = rules.take_profit_pct / 100.0
        terms["target_share"][levels] = left
        levels += 1
    terms["levels"] = levels
    terms["equal_shares"] = int(own_targets > len(rules.targets))
