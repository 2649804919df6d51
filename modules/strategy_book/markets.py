"""The candles a strategy decides on, out of the candle store: its own timeframe and the higher ones of one exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modules.analysis.candles import Candles
from modules.analysis_views import read_history
from modules.candles import CandleStore
from modules.domain.errors import NotFound
from modules.strategies.language import Strategy, needed_timeframes
from modules.strategies.warmup import bars_needed


@dataclass(frozen=True, slots=True, eq=False)
class MarketNow:
    """Closed candles of one symbol at one exchange; `higher` by timeframe."""

    exchange: str
    candles: Candles
    higher: Mapping[str, Candles]

    @property
    def closed_ms(self) -> int:
        """When the newest bar closed (ms UTC)."""
        return self.candles.closed_at(len(self.candles) - 1)


def market_of(store: CandleStore, strategy: Strategy, symbol: str, at_ms: int) -> MarketNow:
    """What was known of `symbol` at `at_ms`, from the exchange whose candles reach furthest.

    Raises NotFound where nothing is stored that could answer.
    """
    exchanges = sorted({name.exchange for name in store.names() if name.symbol == symbol})
    found = []
    for exchange in exchanges:
        try:
            found.append(_at_exchange(store, strategy, symbol, at_ms, exchange))
        except NotFound:
            continue
    if not found:
        raise NotFound(f"no candles of {symbol} that make {strategy.timeframe} bars are stored here")
    return max(found, key=lambda each: (each.closed_ms, len(each.candles)))


def _at_exchange(store: CandleStore, strategy: Strategy, symbol: str, at_ms: int, exchange: str) -> MarketNow:
    def candles(timeframe: str) -> Candles:
        bars = bars_needed(strategy, timeframe)
        return read_history(store, symbol, timeframe, at_ms, bars=bars, exchange=exchange).candles

    higher = {each: candles(each) for each in sorted(needed_timeframes(strategy) - {strategy.timeframe})}
    return MarketNow(exchange, candles(strategy.timeframe), higher)
