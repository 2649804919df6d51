"""One history out of the candle store for whoever analyses: the symbol, timeframe and moment asked for, nothing later.

A stored history of the timeframe is continued, on the same exchange, by joining the candles of finer ones; so minutes kept
live and hours once imported read as one. Bars count once they are closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modules.analysis.candles import Candles
from modules.candles import BadCandles, CandleStore, SeriesName, resample, timeframe_ms, timeframe_name
from modules.domain.errors import NotFound
from modules.domain.market import utc_from_ms

LEAST_SHARE = 0.9
"""A joined bar needs at least this share of its finer bars: venues leave out minutes without a trade."""

ENOUGH_BARS = 200
"""A shorter history is only taken where no exchange has a longer one."""

MOST_BARS = 1500
"""Bars read for one answer; more change no detector's mind."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Candles of one exchange, closed by the moment asked for."""

    exchange: str
    timeframe: str
    candles: Candles

    @property
    def closed_ms(self) -> int:
        """When the newest bar closed (ms UTC)."""
        return self.candles.closed_at(len(self.candles) - 1)


def read_history(
    store: CandleStore, symbol: str, timeframe: str, at_ms: int, *, bars: int = MOST_BARS, exchange: str | None = None
) -> History:
    """The newest `bars` candles closed at `at_ms`. Of several exchanges, the one that is newest among those with enough.

    Raises BadCandles for something that is no symbol or timeframe, NotFound where nothing is stored that could answer.
    """
    length_ms = timeframe_ms(timeframe)
    wanted = SeriesName(exchange or "any", symbol.upper(), timeframe_name(length_ms))
    usable = [
        name
        for name in store.names()
        if name.symbol == wanted.symbol
        and length_ms % name.timeframe_ms == 0
        and (exchange is None or name.exchange == exchange)
    ]
    if not usable:
        raise NotFound(
            f"no candles of {wanted.symbol} that make {wanted.timeframe} bars are stored here", code="no_data"
        )
    found = [
        History(
            venue, wanted.timeframe, _joined(store, [n for n in usable if n.exchange == venue], length_ms, at_ms, bars)
        )
        for venue in sorted({name.exchange for name in usable})
    ]
    kept = [each for each in found if len(each.candles)]
    if not kept:
        when = f"{utc_from_ms(at_ms):%Y-%m-%d %H:%M}"
        raise NotFound(
            f"no {wanted.timeframe} candle of {wanted.symbol} that is stored here closed recently before {when} UTC;"
            " name another time, or `cli.py candles download` newer ones",
            code="no_data",
        )
    return max(kept, key=lambda one: (min(len(one.candles), ENOUGH_BARS), one.closed_ms))


def stored_symbols(store: CandleStore, timeframe: str) -> list[str]:
    """The symbols whose stored candles can make this timeframe. Raises BadCandles for a text that is none."""
    length_ms = timeframe_ms(timeframe)
    return sorted({name.symbol for name in store.names() if length_ms % name.timeframe_ms == 0})


def _joined(store: CandleStore, names: list[SeriesName], length_ms: int, at_ms: int, bars: int) -> Candles:
    """The coarsest history, continued by finer ones where it ends."""
    start_ms = at_ms - (bars + 1) * length_ms
    parts: list[Candles] = []
    for name in sorted(names, key=lambda one: -one.timeframe_ms):
        since = start_ms if not parts else int(parts[-1].timestamp[-1]) + length_ms
        candles = store.read(name, start_ms=since, end_ms=at_ms).closed_by(at_ms)
        if name.timeframe_ms != length_ms:
            candles = _coarser(candles, length_ms)
        if len(candles):
            parts.append(candles)
    if not parts:
        return store.read(names[0], start_ms=0, end_ms=0)
    return _end_to_end(parts, length_ms)[-bars:]


def _coarser(candles: Candles, length_ms: int) -> Candles:
    return resample(candles, length_ms, least_share=LEAST_SHARE).candles


def _end_to_end(parts: list[Candles], length_ms: int) -> Candles:
    if len(parts) == 1:
        return parts[0]
    columns = {
        column: np.concatenate([getattr(part, column) for part in parts])
        for column in ("timestamp", "open", "high", "low", "close", "volume")
    }
    try:
        return Candles.checked(**columns, timeframe_ms=length_ms, symbol=parts[0].symbol)
    except ValueError as error:  # bars of several days may start elsewhere in the finer history
        raise BadCandles(f"{parts[0].symbol}: stored histories do not join: {error}") from error
