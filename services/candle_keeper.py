"""Keeps the one-minute candles that the price source closes, for charts and analysis. Written in batches, off the loop.

Candles of a simulated market are kept under its own name, so that they are never taken for an exchange's.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from modules.analysis.candles import Candles
from modules.candles.names import SeriesName
from modules.candles.store import CandleStore
from modules.domain.errors import InvalidInput
from modules.domain.market import TIMEFRAMES_MS, Candle, Quote
from modules.domain.money import ZERO
from modules.runtime.logs import log

_MINUTE = TIMEFRAMES_MS["1m"]


class CandleKeeper:
    """Collects closed candles of one exchange and writes them when asked to."""

    def __init__(self, folder: Path, exchange: str) -> None:
        self._store = CandleStore(folder)
        self.exchange = exchange
        self._waiting: dict[str, list[Candle]] = {}
        self._growing: dict[str, Candle] = {}
        self._log = log("candles")

    def take(self, candle: Candle) -> None:
        """A candle has closed."""
        self._waiting.setdefault(candle.symbol, []).append(candle)

    def grow(self, quote: Quote) -> None:
        """A quote of a source that closes no candles itself: its range goes into the minute it was made in."""
        opened = quote.time_ms - quote.time_ms % _MINUTE
        now = self._growing.get(quote.symbol)
        if now is not None and now.open_ms == opened:
            high, low = max(now.high, quote.high), min(now.low, quote.low)
            self._growing[quote.symbol] = Candle(
                now.symbol, "1m", opened, now.open, high, low, quote.last, now.volume + quote.volume
            )
            return
        if now is not None:
            self.take(now)
        first = Candle(quote.symbol, "1m", opened, quote.open, quote.high, quote.low, quote.last, quote.volume or ZERO)
        self._growing[quote.symbol] = first

    async def write(self) -> int:
        """Writes what waits; returns how many candles. A series that can't be written is logged and left out."""
        waiting, self._waiting = self._waiting, {}
        return await asyncio.to_thread(self._write, waiting) if waiting else 0

    def _write(self, waiting: dict[str, list[Candle]]) -> int:
        written = 0
        for symbol, candles in waiting.items():
            try:
                self._store.upsert(SeriesName(self.exchange, symbol, "1m"), _columns(symbol, candles))
                written += len(candles)
            except (InvalidInput, ValueError, OSError) as error:
                self._log.warning("candles not kept", symbol=symbol, reason=str(error))
        return written


def _columns(symbol: str, candles: list[Candle]) -> Candles:
    newest = {candle.open_ms: candle for candle in candles}
    ordered = [newest[key] for key in sorted(newest)]

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([float(getattr(candle, name)) for candle in ordered])

    stamps = np.array([candle.open_ms for candle in ordered], np.int64)
    prices = [column(name) for name in ("open", "high", "low", "close", "volume")]
    return Candles.checked(stamps, *prices, symbol=symbol, timeframe_ms=_MINUTE)
