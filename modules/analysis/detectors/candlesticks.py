"""TA-Lib's candlestick patterns on the last bars, read alike for both sides of the market.

TA-Lib defines some patterns for one side only, or the two sides a little differently. Each function is therefore run on
the bars and on their mirror image (prices with the sign changed; the functions only compare and subtract), and a hit in
the mirror is the same pattern of the other side, under the name that side has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import talib

from modules.analysis.candles import Candles

WINDOW = 40
"""Bars given to TA-Lib: more than any pattern looks back, and always the same, so that rounding is."""

# function: (name of the bullish form, name of the bearish form, weight by the number of candles that agree)
_ONE, _TWO, _THREE = 0.35, 0.6, 0.8
PATTERNS: dict[str, tuple[str, str, float]] = {
    "CDL2CROWS": ("two soldiers gapping", "two crows", _THREE),
    "CDL3BLACKCROWS": ("three white soldiers", "three black crows", _THREE),
    "CDL3INSIDE": ("three inside up", "three inside down", _THREE),
    "CDL3LINESTRIKE": ("three-line strike", "three-line strike", _THREE),
    "CDL3OUTSIDE": ("three outside up", "three outside down", _THREE),
    "CDL3STARSINSOUTH": ("three stars in the south", "three stars in the north", _THREE),
    "CDL3WHITESOLDIERS": ("three white soldiers", "three black crows", _THREE),
    "CDLABANDONEDBABY": ("abandoned baby", "abandoned baby", _THREE),
    "CDLADVANCEBLOCK": ("descent block", "advance block", _THREE),
    "CDLBELTHOLD": ("belt hold", "belt hold", _ONE),
    "CDLBREAKAWAY": ("breakaway", "breakaway", _THREE),
    "CDLCLOSINGMARUBOZU": ("closing marubozu", "closing marubozu", _ONE),
    "CDLCONCEALBABYSWALL": ("concealing baby swallow", "concealing baby swallow", _THREE),
    "CDLCOUNTERATTACK": ("counterattack", "counterattack", _TWO),
    "CDLDARKCLOUDCOVER": ("piercing line", "dark cloud cover", _TWO),
    "CDLENGULFING": ("engulfing", "engulfing", _TWO),
    "CDLEVENINGDOJISTAR": ("morning doji star", "evening doji star", _THREE),
    "CDLEVENINGSTAR": ("morning star", "evening star", _THREE),
    "CDLGAPSIDESIDEWHITE": ("side-by-side white lines", "side-by-side black lines", _THREE),
    "CDLHAMMER": ("hammer", "shooting star", _ONE),
    "CDLHANGINGMAN": ("inverted hammer", "hanging man", _ONE),
    "CDLHARAMI": ("harami", "harami", _TWO),
    "CDLHARAMICROSS": ("harami cross", "harami cross", _TWO),
    "CDLHIKKAKEMOD": ("modified hikkake", "modified hikkake", _THREE),
    "CDLHOMINGPIGEON": ("homing pigeon", "descending hawk", _TWO),
    "CDLIDENTICAL3CROWS": ("identical three soldiers", "identical three crows", _THREE),
    "CDLINNECK": ("in-neck", "in-neck", _TWO),
    "CDLINVERTEDHAMMER": ("inverted hammer", "hanging man", _ONE),
    "CDLKICKING": ("kicking", "kicking", _TWO),
    "CDLKICKINGBYLENGTH": ("kicking by length", "kicking by length", _TWO),
    "CDLLADDERBOTTOM": ("ladder bottom", "ladder top", _THREE),
    "CDLMARUBOZU": ("marubozu", "marubozu", _ONE),
    "CDLMATCHINGLOW": ("matching low", "matching high", _TWO),
    "CDLMATHOLD": ("mat hold", "mat hold", _THREE),
    "CDLMORNINGDOJISTAR": ("morning doji star", "evening doji star", _THREE),
    "CDLMORNINGSTAR": ("morning star", "evening star", _THREE),
    "CDLONNECK": ("on-neck", "on-neck", _TWO),
    "CDLPIERCING": ("piercing line", "dark cloud cover", _TWO),
    "CDLRISEFALL3METHODS": ("rising three methods", "falling three methods", _THREE),
    "CDLSEPARATINGLINES": ("separating lines", "separating lines", _TWO),
    "CDLSHOOTINGSTAR": ("hammer", "shooting star", _ONE),
    "CDLSTALLEDPATTERN": ("stalled decline", "stalled advance", _THREE),
    "CDLSTICKSANDWICH": ("stick sandwich", "stick sandwich", _THREE),
    "CDLTASUKIGAP": ("Tasuki gap", "Tasuki gap", _THREE),
    "CDLTHRUSTING": ("thrusting", "thrusting", _TWO),
    "CDLTRISTAR": ("tristar", "tristar", _THREE),
    "CDLUNIQUE3RIVER": ("unique three river bottom", "unique three mountain top", _THREE),
    "CDLUPSIDEGAP2CROWS": ("downside gap two soldiers", "upside gap two crows", _THREE),
    "CDLXSIDEGAP3METHODS": ("gap three methods", "gap three methods", _THREE),
}
"""Those that have a side. Doji, spinning tops and other bars that only tell of indecision have none; TA-Lib's plain hikkake
is left out because its value on a bar is a confirmation of an earlier one that the modified form tells better."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A pattern that ended on a bar: its name, side (1 bullish, -1 bearish), weight, and the bar's index."""

    name: str
    side: int
    weight: float
    index: int


def candlesticks(candles: Candles, bars: int) -> list[Hit]:
    """The patterns that ended on the last `bars` bars, newest first; needs at least `WINDOW` candles.

    Raises ValueError for fewer.
    """
    if len(candles) < WINDOW + bars:
        raise ValueError(f"candles: needs {WINDOW + bars} rows, has {len(candles)}")
    found: dict[tuple[str, int, int], float] = {}
    for back in range(bars):
        end = len(candles) - back
        columns = [
            np.ascontiguousarray(column[end - WINDOW : end])
            for column in (candles.open, candles.high, candles.low, candles.close)
        ]
        mirror = [-columns[0], -columns[2], -columns[1], -columns[3]]
        for function, (bullish, bearish, weight) in PATTERNS.items():
            for side in (_side(function, columns), -_side(function, mirror)):
                if side:
                    name = bullish if side > 0 else bearish
                    key = (name, side, end - 1)
                    found[key] = max(weight, found.get(key, 0.0))
    return [Hit(name, side, weight, index) for (name, side, index), weight in found.items()]


def _side(function: str, columns: list[npt.NDArray[Any]]) -> int:
    run: Any = getattr(talib, function)
    return int(np.sign(run(*columns)[-1]))
