"""What a stored history is called, and which names are refused.

The parts of a name become folders, so nothing that could leave the store's own folder gets through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from modules.domain.errors import InvalidInput
from modules.domain.market import TIMEFRAMES_MS

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
MONDAY_MS = 4 * DAY_MS
"""1970-01-05, the first Monday: weekly candles open on Mondays."""

_EXCHANGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_.-]{0,39}")
_TIMEFRAME = re.compile(r"(?P<count>[1-9]\d{0,3})(?P<unit>[mhdw])")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": WEEK_MS}


class BadCandles(InvalidInput, ValueError):
    """Candles, a candle file or a name that can't be used; the message says what and where."""

    code = "bad_candles"


def timeframe_ms(name: str) -> int:
    """Length of a timeframe such as `15m`, `4h`, `1d`, `1w` in ms. Raises BadCandles for any other text."""
    found = _TIMEFRAME.fullmatch(name)
    if found is None:
        raise BadCandles(f"{name!r} is not a timeframe; write a number and m, h, d or w, like 15m or 4h")
    return int(found["count"]) * _UNIT_MS[found["unit"]]


def timeframe_name(length_ms: int) -> str:
    """The shortest name of a length in ms, such as `15m`. Raises BadCandles for one that is no whole minute."""
    for name, known_ms in TIMEFRAMES_MS.items():
        if known_ms == length_ms:
            return name
    for unit in ("w", "d", "h", "m"):
        if length_ms > 0 and length_ms % _UNIT_MS[unit] == 0:
            return f"{length_ms // _UNIT_MS[unit]}{unit}"
    raise BadCandles(f"{length_ms} ms is not a timeframe of whole minutes")


def grid_phase_ms(length_ms: int) -> int:
    """Where the grid of a timeframe starts, in ms after 1970-01-01: weeks on a Monday, all others at midnight."""
    return MONDAY_MS if length_ms % WEEK_MS == 0 else 0


@dataclass(frozen=True, slots=True, order=True)
class SeriesName:
    """Which history: exchange (lower case), symbol (upper case, without slashes) and timeframe.

    Raises BadCandles for a part that is not such a name.
    """

    exchange: str
    symbol: str
    timeframe: str

    def __post_init__(self) -> None:
        if not _EXCHANGE.fullmatch(self.exchange):
            raise BadCandles(f"{self.exchange!r} is not an exchange's name: lower-case letters, digits, - and _")
        if not _SYMBOL.fullmatch(self.symbol) or ".." in self.symbol:
            raise BadCandles(f"{self.symbol!r} is not a symbol: upper-case letters and digits, like BTCUSDT")
        timeframe_name(timeframe_ms(self.timeframe))

    @property
    def timeframe_ms(self) -> int:
        return timeframe_ms(self.timeframe)

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol} {self.timeframe}"
