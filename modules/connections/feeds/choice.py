"""Which price source a start uses: what the setting names, and for `auto` the live feed if it answers, else a simulation.

The choice is made once per start and said aloud; live and simulated prices are never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modules.connections.feeds.binance import BinanceSource
from modules.connections.feeds.bybit import BybitSource
from modules.connections.feeds.follow import FollowSource
from modules.connections.feeds.live import LiveSource
from modules.connections.feeds.replay import ReplaySource
from modules.connections.feeds.simulated import SimulatedMarket
from modules.domain.ports import Clock, PriceSource

ANSWER_SECONDS = 4.0


async def choose_source(
    prices: str, clock: Clock, *, exchange: str, urls: Mapping[str, Any], speed: float, run_dir: Path
) -> tuple[PriceSource, str]:
    """The source for the `PRICES` setting, and a sentence that says what it is."""
    kind, _, path = prices.partition(":")
    match kind:
        case "follow":
            bookmark = run_dir / "follow.bookmark"
            return FollowSource(Path(path), clock, resume_path=bookmark), f"prices follow the file {path}"
        case "replay":
            return ReplaySource(Path(path), clock, speed=speed), f"prices are replayed from {path} at speed {speed:g}"
        case "simulated":
            return SimulatedMarket(clock, speed=speed or 1.0), "prices are SIMULATED: no market made them"
    live = live_source(exchange, clock, urls)
    if kind == "live" or await live.available(ANSWER_SECONDS):
        return live, f"live prices from {exchange}"
    await live.close()
    sentence = f"{exchange} did not answer within {ANSWER_SECONDS:g} s: prices are SIMULATED, no market made them"
    return SimulatedMarket(clock, speed=speed or 1.0), sentence


def live_source(exchange: str, clock: Clock, urls: Mapping[str, Any]) -> LiveSource:
    """The public streams of one exchange."""
    if exchange.startswith("binance"):
        return BinanceSource(exchange, clock, urls=urls)
    return BybitSource(exchange, clock, urls=urls)
