"""Recordings played again: every candle once, in order of time, at the chosen speed."""

from __future__ import annotations

import asyncio
import gzip
from decimal import Decimal
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from modules.connections.feeds.replay import ReplaySource, find_recordings
from modules.domain.errors import InvalidInput, Misconfigured
from modules.domain.market import Quote
from modules.runtime.clock import SystemClock

T0 = 1_723_161_600_000
ROWS = [
    (T0, 10.0, 12.0, 9.0, 11.0, 5.0),
    (T0 + 60_000, 11.0, 15.5, 10.5, 15.0, 7.25),
    (T0 + 120_000, 15.0, 15.0, 15.0, 15.0, 0.0),
]
NAMES = ("timestamp", "open", "high", "low", "close", "volume")


def csv(path: Path, rows: list[tuple[float, ...]] = ROWS) -> Path:
    path.write_text("\n".join([",".join(NAMES), *(",".join(str(cell) for cell in row) for row in rows)]) + "\n")
    return path


def columns(path: Path, rows: list[tuple[float, ...]] = ROWS) -> Path:
    parquet.write_table(pa.table({name: [row[at] for row in rows] for at, name in enumerate(NAMES)}), path)
    return path


async def play(source: ReplaySource, *symbols: str) -> list[Quote]:
    source.want(symbols or ["BTCUSDT"])
    async with asyncio.timeout(10):
        return [quote async for quote in source.quotes()]


@pytest.mark.parametrize("write", [csv, columns])
async def test_a_candle_becomes_a_quote_that_stands_for_its_range(tmp_path: Path, write):
    file = write(tmp_path / ("BTCUSDT-1m" + (".csv" if write is csv else ".parquet")))
    source = ReplaySource(file, SystemClock(), speed=0)
    quotes = await play(source)
    second = quotes[1]
    assert (second.open, second.high, second.low, second.last) == (11, Decimal("15.5"), Decimal("10.5"), 15)
    assert (second.volume, second.time_ms) == (Decimal("7.25"), T0 + 119_999)
    assert second.received_ms > T0
    assert (second.exchange, second.symbol, second.simulated) == ("binance", "BTCUSDT", False)
    assert len(quotes) == 3
    assert quotes[2].trades == 0
    assert source.finished


async def test_files_are_merged_by_time_and_each_symbol_is_played_at_its_finest(tmp_path: Path):
    csv(tmp_path / "BTCUSDT-1m.csv")
    csv(tmp_path / "BTCUSDT-1h.csv", [(T0 - 3_600_000, 1.0, 2.0, 1.0, 2.0, 1.0)])
    csv(tmp_path / "BTCUSDT-BYBIT-1m.csv")
    csv(tmp_path / "BTCUSDT-1m-2024-08.csv", [ROWS[2], (T0 + 180_000, 15.0, 16.0, 15.0, 16.0, 1.0)])
    csv(tmp_path / "ETHUSDT-1m.csv")
    (tmp_path / "README.md").write_text("not a recording")
    quotes = await play(ReplaySource(tmp_path, SystemClock(), speed=0), "BTCUSDT", "ETHUSDT")
    assert [quote.time_ms for quote in quotes] == sorted(quote.time_ms for quote in quotes)
    assert [quote.time_ms - T0 + 1 for quote in quotes if quote.symbol == "BTCUSDT"] == [
        60_000,
        120_000,
        180_000,
        240_000,
    ]
    assert sum(quote.symbol == "ETHUSDT" for quote in quotes) == 3


@pytest.mark.parametrize("packed", [False, True])
async def test_recorded_trades_are_played_one_by_one(tmp_path: Path, packed: bool):
    lines = [
        orjson.dumps(
            {"time": T0 + at, "exchange": "bybit", "symbol": "BTCUSDT", "price": str(100 + at), "quantity": "2"}
        )
        for at in range(5)
    ]
    content = b"\n".join([lines[0], b"nonsense", *lines[1:], b""])
    file = tmp_path / ("ticks.jsonl.gz" if packed else "ticks.jsonl")
    file.write_bytes(gzip.compress(content) if packed else content)
    quotes = await play(ReplaySource(file, SystemClock(), speed=0))
    assert [(quote.last, quote.volume, quote.exchange) for quote in quotes] == [
        (100 + at, 2, "bybit") for at in range(5)
    ]


async def test_speed_sets_the_pace(tmp_path: Path):
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert len(await play(ReplaySource(csv(tmp_path / "BTCUSDT-1m.csv"), SystemClock(), speed=2_000))) == 3
    assert 0.055 <= loop.time() - began < 5


async def test_nothing_is_played_before_somebody_wants_it_and_a_late_symbol_joins_at_the_present(tmp_path: Path):
    csv(tmp_path / "BTCUSDT-1m.csv")
    csv(tmp_path / "ETHUSDT-1m.csv", [(at, *(value * 2 for value in rest)) for at, *rest in ROWS])
    source = ReplaySource(tmp_path, SystemClock(), speed=0)
    stream = source.quotes()
    waiting = asyncio.create_task(anext(stream))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    source.want(["BTCUSDT"])
    assert (await waiting).symbol == "BTCUSDT"
    assert (await anext(stream)).time_ms == T0 + 119_999
    source.want(["BTCUSDT", "ETHUSDT"])
    joined = [quote async for quote in stream]
    assert (joined[0].symbol, joined[0].trades, joined[0].last, joined[0].high) == ("ETHUSDT", 0, 22, 22)
    assert (joined[1].symbol, joined[1].trades, joined[1].time_ms) == ("ETHUSDT", 1, T0 + 119_999)


async def test_part_of_a_recording_can_be_played(tmp_path: Path):
    file = csv(tmp_path / "BTCUSDT-1m.csv")
    source = ReplaySource(file, SystemClock(), speed=0, from_ms=T0 + 60_000, until_ms=T0 + 120_000)
    assert [quote.last for quote in await play(source)] == [15]


async def test_closing_ends_a_sleeping_replay(tmp_path: Path):
    source = ReplaySource(csv(tmp_path / "BTCUSDT-1m.csv"), SystemClock(), speed=1)
    source.want(["BTCUSDT"])
    stream = source.quotes()
    await anext(stream)
    waiting = asyncio.create_task(anext(stream, None))
    await asyncio.sleep(0)
    await source.close()
    assert await asyncio.wait_for(waiting, 2) is None
    assert not source.finished


def test_a_place_without_recordings_is_a_wrong_setting(tmp_path: Path):
    with pytest.raises(Misconfigured, match="there is no"):
        find_recordings(tmp_path / "nowhere")
    with pytest.raises(Misconfigured, match="SYMBOL-TF"):
        find_recordings(tmp_path)


async def test_a_file_without_its_columns_says_which(tmp_path: Path):
    (tmp_path / "BTCUSDT-1m.csv").write_text("timestamp,open\n1,2\n")
    with pytest.raises(InvalidInput, match="high, low, close, volume"):
        await play(ReplaySource(tmp_path, SystemClock(), speed=0))


async def test_an_impossible_candle_is_left_out(tmp_path: Path):
    file = csv(tmp_path / "BTCUSDT-1m.csv", [ROWS[0], (T0 + 60_000, 5.0, 4.0, 6.0, 5.0, 1.0), ROWS[2]])
    assert len(await play(ReplaySource(file, SystemClock(), speed=0))) == 2


def test_unknown_symbols_are_named(tmp_path: Path):
    source = ReplaySource(csv(tmp_path / "BTCUSDT-1m.csv"), SystemClock())
    source.want(["BTCUSDT", "XAUUSD"])
    assert source.unknown == {"XAUUSD"}
    assert source.lists("BTCUSDT")
