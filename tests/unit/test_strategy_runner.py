"""The runner in the trader's process: candles out of the store, one bar a turn, and no strategy that stops another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.candles import CandleStore, SeriesName
from modules.domain.errors import NotFound
from modules.domain.market import utc_from_ms
from modules.domain.people import Principal, Role
from modules.strategies.documents import read_strategy
from modules.strategies.language import Strategy
from modules.strategies.warmup import LEAST, MOST, STRUCTURE_BARS, bars_needed
from modules.strategy_book.book import StrategyBook, Who
from modules.strategy_book.markets import MarketReader, market_of
from services.strategy_runner import StrategyRunner
from tests.fakes.board import Listed
from tests.flows.world import World

ANN = Principal("user-a1", Role.SUBSCRIBER, "access_token")
HOUR, MINUTE = 3_600_000, 60_000
START = 1_760_000_400_000
ALWAYS = {"type": "price", "operator": ">", "value": 0}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.account("a1")
    yield made
    made.close()


def keep(folder: Path, symbol: str, bars: int, *, exchange: str = "binance", length: int = HOUR) -> None:
    """Rising bars from `START` on."""
    close = 100 + np.arange(bars) * 0.1
    candles = Candles.checked(
        START + length * np.arange(bars),
        close,
        close + 0.2,
        close - 0.2,
        close,
        np.full(bars, 3.0),
        timeframe_ms=length,
    )
    name = SeriesName(exchange, symbol, {HOUR: "1h", MINUTE: "1m"}[length])
    CandleStore(folder / "candles").upsert(name, candles)


def switch_on(world: World, **fields: Any) -> str:
    document = {"name": "one", "symbols": ["BTCUSDT"], "timeframe": "1h", "entry": ALWAYS, "stop_loss_pct": 5, **fields}
    who = Who(ANN, world.clock.now())
    book = StrategyBook(world.store)
    return book.toggle(who, book.create(who, document).id).id


async def test_it_trades_on_stored_candles_and_a_failing_strategy_stops_nobody(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.set(utc_from_ms(START + 90 * HOUR))
    runner = StrategyRunner(world.store, tmp_path / "candles", Listed())
    assert await runner.turn(world.clock.now()) is False
    bad, good = switch_on(world, name="bad"), switch_on(world, name="good")
    keep(tmp_path, "BTCUSDT", 91)
    world.clock.set(utc_from_ms(START + 91 * HOUR + 500))
    from modules.strategy_book import running

    plain = running.decide

    def decide(strategy: Strategy, *rest: Any, **named: Any) -> Any:
        if strategy.name == "bad":
            raise ZeroDivisionError("as bad as can be")
        return plain(strategy, *rest, **named)

    monkeypatch.setattr(running, "decide", decide)
    assert await runner.turn(world.clock.now()) is True
    assert await runner.turn(world.clock.now()) is False
    assert await runner.turn(world.clock.now()) is False
    states = {each["strategy_id"]: each["state"] for each in world.store["strategy_runs"].all()}
    assert states == {bad: "failed", good: "running"}
    assert [each["source"] for each in world.store["signals"].all()] == [f"strategy:{good}"]


def test_the_exchange_whose_candles_reach_furthest_counts(tmp_path: Path) -> None:
    keep(tmp_path, "BTCUSDT", 400)
    keep(tmp_path, "BTCUSDT", 402 * 60, exchange="simulated", length=MINUTE)
    strategy = read_strategy({"name": "x", "entry": ALWAYS, "exit": {**ALWAYS, "timeframe": "4h"}})
    at_ms = START + 402 * HOUR
    market = market_of(CandleStore(tmp_path / "candles"), strategy, "BTCUSDT", at_ms)
    assert (market.exchange, market.closed_ms) == ("simulated", at_ms)
    assert set(market.higher) == {"4h"}
    earlier = market_of(CandleStore(tmp_path / "candles"), strategy, "BTCUSDT", START + 300 * HOUR)
    assert earlier.closed_ms == START + 300 * HOUR


def test_candles_that_are_too_old_are_not_called_missing(tmp_path: Path) -> None:
    strategy, store = read_strategy({"name": "x", "entry": ALWAYS}), CandleStore(tmp_path / "candles")
    years_later = START + 20_000 * HOUR
    with pytest.raises(NotFound, match="no candles of BTCUSDT that make 1h bars are stored here"):
        market_of(store, strategy, "BTCUSDT", years_later)
    keep(tmp_path, "BTCUSDT", 400)
    with pytest.raises(NotFound, match="no 1h candle of BTCUSDT that is stored here closed recently"):
        market_of(store, strategy, "BTCUSDT", years_later)
    keep(tmp_path, "BTCUSDT", 400, exchange="bybit")
    with pytest.raises(NotFound, match="no stored candles of BTCUSDT make 1h bars that closed lately"):
        market_of(store, strategy, "BTCUSDT", years_later)


def test_strategies_that_need_the_same_candles_share_them(tmp_path: Path) -> None:
    keep(tmp_path, "BTCUSDT", 400)
    reader = MarketReader(CandleStore(tmp_path / "candles"))
    one, same = (read_strategy({"name": name, "entry": ALWAYS}) for name in ("one", "same"))
    other = read_strategy({"name": "other", "entry": {"type": "ema", "period": 300, "operator": ">", "value": 0}})
    at_ms = START + 400 * HOUR
    first = reader.read(one, "BTCUSDT", at_ms)
    assert reader.read(same, "BTCUSDT", at_ms) is first
    assert reader.read(other, "BTCUSDT", at_ms) is not first
    early = reader.read(one, "BTCUSDT", at_ms + HOUR)  # its newest bar has not come in
    assert early.closed_ms == at_ms
    keep(tmp_path, "BTCUSDT", 401)
    assert reader.read(one, "BTCUSDT", at_ms + HOUR).closed_ms == at_ms + HOUR


def test_how_many_bars_are_read() -> None:
    def needed(entry: dict[str, Any], timeframe: str = "1h") -> int:
        return bars_needed(read_strategy({"name": "x", "entry": {**entry, "operator": ">", "value": 0}}), timeframe)

    assert needed({"type": "price"}) == LEAST + 140  # the ATR of the rules
    assert needed({"type": "ema", "period": 100, "shift": 7}) == LEAST + 10 * 107
    assert needed({"type": "ema", "period": 5000}) == MOST
    assert needed({"type": "order_block"}) == STRUCTURE_BARS
    assert needed({"type": "ema", "period": 100, "timeframe": "4h"}) == LEAST + 140
    assert needed({"type": "ema", "period": 100, "timeframe": "4h"}, "4h") == LEAST + 1000
    custom = {"name": "mine", "formula": "ema(highest(close, 50), 30)"}
    strategy = read_strategy(
        {"name": "x", "indicators": [custom], "entry": {"type": "custom", "name": "mine", "operator": ">", "value": 0}}
    )
    assert bars_needed(strategy, "1h") == 650
