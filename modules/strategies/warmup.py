"""How many closed bars a strategy needs before the one it decides on."""

from __future__ import annotations

from typing import Final

from modules.strategies.catalogue import KINDS, Family, Number
from modules.strategies.language import Applied, Arithmetic, Formula, Numeral, Rolling, Series, Strategy, series_of

LEAST: Final = 300
MOST: Final = 5_000
STRUCTURE_BARS: Final = 1_500
"""Zones and swings may stand for long: structure is read over at least this many bars."""

_SETTLED: Final = 10
"""Averages that never forget weigh what is older than ten periods with less than one part in a million."""

_STRUCTURE: Final = (Family.EVENT, Family.STATE, Family.ZONE)


def bars_needed(strategy: Strategy, timeframe: str) -> int:
    """Bars of a timeframe to give `decide`, so that its last decision is the one of a much longer history.

    Between 300 and 5000; an average whose tenfold period is longer than that is not fully settled.
    """
    own = timeframe == strategy.timeframe
    periods = [float(strategy.atr_period)] if own else []
    formulas = {each.name: each.formula for each in strategy.indicators}
    needed = LEAST
    for series in series_of(strategy):
        if series.timeframe not in ((None, timeframe) if own else (timeframe,)):
            continue
        kind = KINDS[series.type]
        if kind.family in _STRUCTURE:
            needed = max(needed, STRUCTURE_BARS)
        if kind.family is Family.CUSTOM:
            needed = max(needed, _formula_bars(formulas[str(series.setting("name"))]) + series.shift)
        periods += [float(value) + series.shift for value in _whole_settings(series)]
    return int(min(MOST, max([needed, *(LEAST + _SETTLED * period for period in periods)])))


def _whole_settings(series: Series) -> list[float]:
    whole = {each.name for each in KINDS[series.type].settings if isinstance(each, Number) and each.whole}
    return [float(value) for name, value in series.settings if name in whole]


def _formula_bars(formula: Formula) -> int:
    """Bars behind a formula: windows within windows add up."""
    match formula:
        case Series():
            return LEAST + int(_SETTLED * max(_whole_settings(formula), default=0.0)) + formula.shift
        case Rolling():
            own = _SETTLED if formula.function == "ema" else 1
            return own * formula.period + _formula_bars(formula.of)
        case Arithmetic():
            return max(_formula_bars(formula.left), _formula_bars(formula.right))
        case Applied():
            return _formula_bars(formula.of)
        case Numeral():
            return 0
