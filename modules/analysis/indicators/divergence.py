"""RSI divergence: the price makes a new extreme and its strength does not, or the other way round.

A turn of the RSI is known only `right` bars after it; the flags stand on the bar where it became known, never on the
turn itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modules.analysis.candles import Floats
from modules.analysis.compiled import kernel
from modules.analysis.indicators.declaration import PERIOD, Between, indicator
from modules.analysis.indicators.momentum import relative_strength

SIDE = Between(1, 500)
NOISE = 1e-9
"""RSI values closer than this are equal: the rest is the rounding of its averages."""


class RsiDivergence(NamedTuple):
    rsi: Floats
    regular_bullish: Floats
    hidden_bullish: Floats
    regular_bearish: Floats
    hidden_bearish: Floats
    low_turn: Floats
    low_turn_before: Floats
    high_turn: Floats
    high_turn_before: Floats


@indicator(
    lookback=lambda s: int(s["period"] + s["left"] + s["right"]),
    sparse=True,
    require=lambda s: None if s["nearest"] <= s["farthest"] else "nearest must not exceed farthest",
    period=PERIOD,
    left=SIDE,
    right=SIDE,
    nearest=Between(1, 5000),
    farthest=Between(1, 5000),
)
def rsi_divergence(
    high: Floats,
    low: Floats,
    close: Floats,
    period: int = 14,
    left: int = 5,
    right: int = 5,
    nearest: int = 5,
    farthest: int = 60,
) -> RsiDivergence:
    """Regular and hidden divergences between price and RSI at two successive turns of the RSI.

    A low turn is an RSI below the `left` before it and not above the `right` after it. Compared with the turn before it,
    if that lies `nearest` to `farthest` bars back: a lower low of the price with a higher RSI is regular bullish
    (reversal), a higher low with a lower RSI hidden bullish (continuation); bearish likewise at high turns. A flag is 1
    on the row where the later turn is confirmed, `right` bars after it, else 0. `low_turn` and `low_turn_before`
    (`high_turn`, `high_turn_before`) are the row numbers of the two turns on a row with a flag, else NaN.
    """
    strength = relative_strength(close, period)
    lows = _at_turns(-strength, -low, period, left, right, nearest, farthest)
    highs = _at_turns(strength, high, period, left, right, nearest, farthest)
    return RsiDivergence(strength, lows[0], lows[1], highs[0], highs[1], lows[2], lows[3], highs[2], highs[3])


@kernel
def _at_turns(
    strength: Floats, price: Floats, first: int, left: int, right: int, nearest: int, farthest: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Regular and hidden flags, and the two turns, at the tops of `strength`; for bottoms both columns are negated."""
    rows = len(strength)
    start = first + left + right
    regular = np.full(rows, np.nan)
    hidden = np.full(rows, np.nan)
    turn = np.full(rows, np.nan)
    turn_before = np.full(rows, np.nan)
    regular[start:] = 0.0
    hidden[start:] = 0.0
    before = -1
    for row in range(start, rows):
        top = row - right
        if not _is_top(strength, top, left, right):
            continue
        if before >= 0 and nearest <= top - before <= farthest:
            weaker = strength[top] < strength[before] - NOISE
            stronger = strength[top] > strength[before] + NOISE
            if price[top] > price[before] and weaker:
                regular[row] = 1.0
            elif price[top] < price[before] and stronger:
                hidden[row] = 1.0
            if regular[row] + hidden[row] > 0.0:
                turn[row] = top
                turn_before[row] = before
        before = top
    return regular, hidden, turn, turn_before


@kernel
def _is_top(values: Floats, top: int, left: int, right: int) -> bool:
    found = True
    for back in range(1, left + 1):
        if values[top - back] >= values[top] - NOISE:
            found = False
            break
    if found:
        for ahead in range(1, right + 1):
            if values[top + ahead] > values[top] + NOISE:
                found = False
                break
    return found
