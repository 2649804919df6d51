"""Closed minutes reach the candle store, quotes grow into minutes, and a bad name harms nobody else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from modules.candles.names import SeriesName
from modules.candles.store import CandleStore
from modules.domain.market import Candle, Quote
from services.candle_keeper import CandleKeeper

MINUTE = 60_000
START = 1_760_000_040_000 - 1_760_000_040_000 % MINUTE


def quote(at_ms: int, price: str) -> Quote:
    return Quote.at_price("sim", "BTCUSDT", at_ms, Decimal(price))


async def test_quotes_grow_into_minutes(tmp_path: Path) -> None:
    keeper = CandleKeeper(tmp_path, "simulated")
    for offset, price in ((0, "100"), (10_000, "104"), (20_000, "98"), (59_000, "101"), (MINUTE, "102")):
        keeper.grow(quote(START + offset, price))
    assert await keeper.write() == 1
    kept = CandleStore(tmp_path).read(SeriesName("simulated", "BTCUSDT", "1m"))
    assert (kept.open[0], kept.high[0], kept.low[0], kept.close[0]) == (100, 104, 98, 101)
    assert len(kept) == 1


async def test_the_same_candle_twice_is_kept_once(tmp_path: Path) -> None:
    keeper = CandleKeeper(tmp_path, "binance")
    one = Candle("BTCUSDT", "1m", START, Decimal(1), Decimal(3), Decimal(1), Decimal(2), Decimal(5))
    keeper.take(one)
    keeper.take(one)
    await keeper.write()
    assert await keeper.write() == 0
    assert len(CandleStore(tmp_path).read(SeriesName("binance", "BTCUSDT", "1m"))) == 1


async def test_a_symbol_that_can_be_no_file_is_left_out(tmp_path: Path) -> None:
    keeper = CandleKeeper(tmp_path, "binance")
    for symbol in ("../../etc", "ETHUSDT"):
        keeper.take(Candle(symbol, "1m", START, Decimal(1), Decimal(1), Decimal(1), Decimal(1), Decimal(0)))
    assert await keeper.write() == 1
    assert [name.symbol for name in CandleStore(tmp_path).names()] == ["ETHUSDT"]
