"""What a strategy wants at the close of every bar: its conditions over whole columns at once.

A condition is true, false, or not known where one of its numbers is not known yet; `not` of what isn't known isn't known
either, and only what is true makes an entry or an exit. Decisions for bar t never change when later bars arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from modules.analysis.candles import Candles, Floats
from modules.strategies import windows
from modules.strategies.catalogue import KINDS, Family
from modules.strategies.decisions import Decisions
from modules.strategies.language import (
    Condition,
    Conduct,
    First,
    Group,
    Joined,
    Level,
    Operator,
    Rule,
    Series,
    Strategy,
    conditions_of,
)
from modules.strategies.measures import Market
from modules.strategies.windows import Marks

_CODES: Final = {
    Operator.BELOW: windows.BELOW,
    Operator.AT_MOST: windows.AT_MOST,
    Operator.ABOVE: windows.ABOVE,
    Operator.AT_LEAST: windows.AT_LEAST,
    Operator.EQUAL: windows.EQUAL,
}


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Per bar: `yes` it holds, `no` it does not; neither where it is not known."""

    yes: Marks
    no: Marks


def decide(
    strategy: Strategy,
    candles: Candles,
    higher: Mapping[str, Candles] | None = None,
    *,
    only: Marks | None = None,
) -> Decisions:
    """Entries, exits and levels of `strategy` on `candles` of its timeframe.

    `higher` holds candles by timeframe for those that `needed_timeframes` names besides its own. With `only`, nobody looks at
    the other rows: costly series are left out there, and what they say there counts for nothing. Raises InvalidInput where
    candles are missing.
    """
    market = Market(candles, higher, strategy.indicators)
    count = len(candles)
    atr = market.own.column(atr_series(strategy))
    entry = np.zeros(count, np.int8)
    exits = {1: np.zeros(count, np.bool_), -1: np.zeros(count, np.bool_)}
    stop = np.full(count, np.nan) if any(c.stop_at for _, c in strategy.conducts()) else None
    width = len(strategy.main.targets_at)
    targets = np.full((count, width), np.nan) if width else None
    both = np.zeros(count, np.bool_)
    for direction, conduct in strategy.conducts():
        wanted = truth_of(conduct.entry, market, only).yes
        if conduct.exit is not None:
            exits[direction] = truth_of(conduct.exit, market, only).yes
        wanted = _write_levels(wanted, direction, conduct, market, atr, stop, targets, _has_other_stop(strategy))
        both |= wanted & (entry != 0)
        entry[wanted] = direction
    entry[both] = 0
    return Decisions(entry, exits[1], exits[-1], stop=stop, targets=targets, atr=atr)


def atr_series(strategy: Strategy) -> Series:
    """The average true range that stops, targets and sizes of the strategy are measured in."""
    return Series("atr", (("period", float(strategy.atr_period)),), "atr")


def _has_other_stop(strategy: Strategy) -> bool:
    return strategy.rules.stop_pct is not None or strategy.rules.stop_atr is not None


def _write_levels(
    wanted: Marks,
    direction: int,
    conduct: Conduct,
    market: Market,
    atr: Floats,
    stop: Floats | None,
    targets: Floats | None,
    has_other_stop: bool,
) -> Marks:
    """Write stop and targets at structure where an entry is wanted; the entries that are left.

    An entry whose level is not known, or lies on the wrong side of the close, is not made; where the rules have another
    stop, that one counts instead.
    """
    close = market.candles.close
    if conduct.stop_at is not None and stop is not None:
        price = level_prices(conduct.stop_at, -direction, market, atr)
        with np.errstate(invalid="ignore"):
            right = (close - price) * direction > 0.0
        if not has_other_stop:
            wanted = wanted & right
        stop[wanted & right] = price[wanted & right]
    for index, level in enumerate(conduct.targets_at):
        price = level_prices(level, direction, market, atr)
        with np.errstate(invalid="ignore"):
            wanted = wanted & ((price - close) * direction > 0.0)
        if targets is not None:
            targets[wanted, index] = price[wanted]
    return wanted


def level_prices(level: Level, away: int, market: Market, atr: Floats) -> Floats:
    """A level's price per bar; offsets move it up for `away` 1 and down for -1. Not above zero is not known."""
    price = market.values(level.series)
    if level.offset_pct:
        price = price * (1.0 + away * level.offset_pct / 100.0)
    if level.offset_atr:
        price = price + away * level.offset_atr * atr
    with np.errstate(invalid="ignore"):
        return np.where(price > 0.0, price, np.nan)


# ---- truth of rules ---------------------------------------------------------------------------------------------------


def truth_of(rule: Rule, market: Market, needed: Marks | None = None) -> Truth:
    """Where a rule holds. Outside the rows `needed` the answer may be "not known" (costly series are left out there)."""
    if isinstance(rule, Condition):
        return _compare(rule, market, needed)
    if isinstance(rule, First):
        return _first(rule, market)
    if rule.joined is Joined.NOT:
        inner = truth_of(rule.members[0], market, needed)
        return Truth(inner.no, inner.yes)
    return _join(rule, market, needed)


def _join(group: Group, market: Market, needed: Marks | None) -> Truth:
    """`all` and `any` are mirror images: what decides one member decides the group, the rest must all be known."""
    wants_all = group.joined is Joined.ALL
    decided: Marks | None = None
    rest: Marks | None = None
    for member in sorted(group.members, key=is_costly):
        open_ = needed
        if is_costly(member) and decided is not None:
            open_ = ~decided if needed is None else needed & ~decided
        truth = truth_of(member, market, open_)
        deciding, other = (truth.no, truth.yes) if wants_all else (truth.yes, truth.no)
        decided = deciding if decided is None else decided | deciding
        rest = other if rest is None else rest & other
    if decided is None or rest is None:
        raise AssertionError("a group has members")
    return Truth(rest, decided) if wants_all else Truth(decided, rest)


def _first(rule: First, market: Market) -> Truth:
    """Counts how often the rule held since the latest beginning; before the first beginning it never holds."""
    held, after = truth_of(rule.rule, market), truth_of(rule.after, market).yes
    begins = after.copy()
    begins[1:] &= ~after[:-1]
    if not len(after):
        return held
    start = np.maximum.accumulate(np.where(begins, np.arange(len(after)), -1))
    times = np.cumsum(held.yes)
    before = np.where(start > 0, times[np.maximum(start, 1) - 1], 0)
    yes = held.yes & (start >= 0) & (times - before == 1)
    return Truth(yes, held.no | (held.yes & ~yes))


def is_costly(rule: Rule) -> bool:
    """Whether a rule asks a detector, which looks at every bar by itself."""
    for condition in conditions_of(rule):
        for side in (condition.left, condition.right):
            if isinstance(side, Series) and KINDS[side.type].family is Family.DETECTOR:
                return True
    return False


def _compare(condition: Condition, market: Market, needed: Marks | None) -> Truth:
    operator = condition.operator
    rows = needed
    if needed is not None and operator.crosses:
        rows = needed.copy()
        rows[:-1] |= needed[1:]
    left = market.values(condition.left, rows)
    right = market.values(condition.right, rows) if isinstance(condition.right, Series) else condition.right
    return compared(operator, left, right)


def compared(operator: Operator, left: Floats, right: Floats | float) -> Truth:
    """Two columns, or a column and a number, compared row by row."""
    left = np.ascontiguousarray(left, np.float64)
    other = np.full(1, right) if isinstance(right, float) else np.ascontiguousarray(right, np.float64)
    yes, no = np.empty(len(left), np.bool_), np.empty(len(left), np.bool_)
    if operator.crosses:
        windows.cross(1.0 if operator is Operator.CROSSES_ABOVE else -1.0, left, other, yes, no)
    else:
        windows.compare(_CODES[operator], left, other, yes, no)
    return Truth(yes, no)
