"""Which price source a start uses: what the setting names, and for `auto` the live feed if it answers, else a simulation.

The choice is made once per start and said aloud; live and simulated prices are never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.connections.feeds.binance import BinanceSource
from modules.connections.feeds.bybit import BybitSource
from modules.connections.feeds.conflation import CandleListener
from modules.connections.feeds.follow import FollowSource
from modules.connections.feeds.live import LiveSource
from modules.connections.feeds.replay import ReplaySource
from modules.connections.feeds.simulated import SimulatedMarket
from modules.domain.market import Quote
from modules.domain.ports import Clock, PriceSource

ANSWER_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class PriceWish:
    """The settings that decide about prices, and who is told of closed candles."""

    prices: str
    exchange: str
    urls: Mapping[str, Any]
    speed: float
    run_dir: Path
    on_candle: CandleListener | None = None
    on_simulated: Callable[[Quote], None] | None = None


async def choose_source(wish: PriceWish, clock: Clock) -> tuple[PriceSource, str]:
    """The source for the `PRICES` setting, and a sentence that says what it is."""
    kind, _, path = wish.prices.partition(":")
    match kind:
        case "follow":
            bookmark = wish.run_dir / "follow.bookmark"
            source = FollowSource(Path(path), clock, resume_path=bookmark, on_candle=wish.on_candle)
            return source, f"prices follow the file {path}"
        case "replay":
            return ReplaySource(
                Path(path), clock, speed=wish.speed
            ), f"prices are replayed from {path} at speed {wish.speed:g}"
        case "simulated":
            return _simulated(wish, clock), "prices are SIMULATED: no market made them"
    live = live_source(wish, clock)
    if kind == "live" or await live.available(ANSWER_SECONDS):
        return live, f"live prices from {wish.exchange}"
    await live.close()
    sentence = f"{wish.exchange} did not answer within {ANSWER_SECONDS:g} s: prices are SIMULATED, no market made them"
    return _simulated(wish, clock), sentence


def _simulated(wish: PriceWish, clock: Clock) -> SimulatedMarket:
    memory = wish.run_dir / "simulated_prices.json"
    return SimulatedMarket(clock, speed=wish.speed or 1.0, on_quote=wish.on_simulated, memory=memory)


def live_source(wish: PriceWish, clock: Clock) -> LiveSource:
    """The public streams of one exchange."""
    kind = BinanceSource if wish.exchange.startswith("binance") else BybitSource
    return kind(wish.exchange, clock, urls=wish.urls, on_candle=wish.on_candle)
