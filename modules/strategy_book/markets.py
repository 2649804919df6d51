"""The candles a strategy decides on, out of the candle store: its own timeframe and the higher ones of one exchange."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from modules.analysis.candles import Candles
from modules.analysis_views import read_history
from modules.candles import CandleStore
from modules.domain.errors import NotFound
from modules.strategies.language import Strategy, needed_timeframes
from modules.strategies.warmup import bars_needed

_MOST_KEPT: Final = 32


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

    Raises NotFound where nothing is stored that could answer, saying what is missing or too old.
    """
    exchanges = sorted({name.exchange for name in store.names() if name.symbol == symbol})
    found = []
    missing: list[NotFound] = []
    for exchange in exchanges:
        try:
            found.append(_at_exchange(store, strategy, symbol, at_ms, exchange))
        except NotFound as reason:
            missing.append(reason)
    if not found and len(missing) == 1:
        raise missing[0]
    if not found and missing:
        raise NotFound(
            f"no stored candles of {symbol} make {strategy.timeframe} bars that closed lately", code="no_data"
        )
    if not found:
        raise NotFound(f"no candles of {symbol} that make {strategy.timeframe} bars are stored here", code="no_data")
    return max(found, key=lambda each: (each.closed_ms, len(each.candles)))


def _at_exchange(store: CandleStore, strategy: Strategy, symbol: str, at_ms: int, exchange: str) -> MarketNow:
    def candles(timeframe: str) -> Candles:
        bars = bars_needed(strategy, timeframe)
        return read_history(store, symbol, timeframe, at_ms, bars=bars, exchange=exchange).candles

    higher = {each: candles(each) for each in sorted(needed_timeframes(strategy) - {strategy.timeframe})}
    return MarketNow(exchange, candles(strategy.timeframe), higher)


class MarketReader:
    """Reads markets for many strategies: those that need the same candles of a symbol at the same moment share them."""

    def __init__(self, store: CandleStore) -> None:
        self._store = store
        self._kept: OrderedDict[Hashable, MarketNow] = OrderedDict()

    def read(self, strategy: Strategy, symbol: str, at_ms: int) -> MarketNow:
        """As `market_of`. A market whose newest bar has not come in yet is read anew each time."""
        bars = sorted((each, bars_needed(strategy, each)) for each in needed_timeframes(strategy))
        key = (symbol, at_ms, strategy.timeframe, tuple(bars))
        found = self._kept.get(key)
        if found is None:
            found = market_of(self._store, strategy, symbol, at_ms)
            if found.closed_ms == at_ms:
                self._kept[key] = found
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return found
