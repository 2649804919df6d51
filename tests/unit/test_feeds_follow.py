"""A followed file may be missing, cut off, replaced, half-written or full of nonsense."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from modules.connections.feeds.follow import FollowSource, TailedFile
from modules.connections.feeds.ticks import read_tick
from modules.domain.errors import InvalidInput
from modules.domain.market import Quote
from modules.runtime.clock import SystemClock

T0 = 1_790_000_000_000


def line(price: object, *, at: int = T0, symbol: str = "BTCUSDT", quantity: object = "1", **more: object) -> bytes:
    fields = {"time": at, "exchange": "binance", "symbol": symbol, "price": price, "quantity": quantity, **more}
    return orjson.dumps(fields) + b"\n"


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"".join(lines))


class Follower:
    """A source with its quotes gathered in the background."""

    def __init__(self, source: FollowSource) -> None:
        self.source = source
        self.seen: list[Quote] = []
        self._news = asyncio.Event()

    async def gather(self) -> None:
        async for quote in self.source.quotes():
            self.seen.append(quote)
            self._news.set()

    async def until(self, wanted: object, symbol: str = "BTCUSDT") -> Quote:
        """The first quote of `symbol` whose last price is `wanted`."""
        async with asyncio.timeout(5):
            while True:
                for quote in self.seen:
                    if quote.symbol == symbol and quote.last == Decimal(str(wanted)):
                        return quote
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def following(path: Path, *symbols: str, **options: object) -> AsyncIterator[Follower]:
    source = FollowSource(path, SystemClock(), poll_seconds=0.002, **options)  # type: ignore[arg-type]
    source.want(symbols or ["BTCUSDT"])
    follower = Follower(source)
    task = asyncio.create_task(follower.gather())
    try:
        yield follower
    finally:
        await source.close()
        await task


async def test_prices_already_there_are_known_but_stand_for_no_trade(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"), line("90", at=T0 + 1), line("95", at=T0 + 2))
    async with following(file) as follower:
        quote = await follower.until(95)
        assert (quote.high, quote.low, quote.trades, quote.volume) == (95, 95, 0, 0)
        append(file, line("97", at=T0 + 3, quantity="0.5"))
        quote = await follower.until(97)
        assert (quote.high, quote.low, quote.trades, quote.volume) == (97, 97, 1, Decimal("0.5"))
        assert quote.exchange == "binance"
        assert quote.time_ms == T0 + 3
        assert quote.received_ms > T0 - 10**12


async def test_the_range_of_trades_written_together_is_kept(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"))
    async with following(file) as follower:
        await follower.until(100)
        append(file, *(line(price, at=T0 + 10) for price in ("101", "80", "130", "100.5")))
        await follower.until("100.5")
        later = follower.seen[1:]
        assert max(quote.high for quote in later) == 130
        assert min(quote.low for quote in later) == 80
        assert sum(quote.volume for quote in later) == 4


async def test_a_file_that_comes_later_is_delivered_in_full(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    async with following(file) as follower:
        await asyncio.sleep(0)
        append(file, line("100"), line("70"), line("90"))
        await follower.until(90)
        assert min(quote.low for quote in follower.seen) == 70


async def test_half_a_line_waits_for_its_other_half(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"))
    async with following(file) as follower:
        await follower.until(100)
        whole = line("101", at=T0 + 5)
        append(file, whole[:20])
        append(tmp_path / "other", b"")
        for _ in range(5):
            await asyncio.sleep(0.002)
        append(file, whole[20:])
        await follower.until(101)
        assert follower.source.malformed == 0


async def test_lines_that_are_no_trades_are_counted_and_stop_nothing(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"))
    async with following(file) as follower:
        await follower.until(100)
        bad = [
            b"nonsense\n", b"[]\n", b"\n", b'{"price": "1"}\n', line("-5"), line("nan"), line("1e999"), line(True),
            line("5", quantity="-1"), line("5", at=17), line("5", symbol="!"), b"\xff\xfe\n", b"\x00" * 300 + b"\n",
        ]  # fmt: skip
        append(file, *bad, line("102", at=T0 + 9))
        await follower.until(102)
        assert follower.source.malformed == len(bad) - 1  # an empty line is no fault
        assert {quote.last for quote in follower.seen} == {100, 102}


async def test_a_truncated_file_goes_on_from_its_start(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"), line("101"))
    async with following(file) as follower:
        await follower.until(101)
        file.write_bytes(b"")
        file.write_bytes(line("55", at=T0 + 20))
        await follower.until(55)


async def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"))
    async with following(file) as follower:
        await follower.until(100)
        append(file, line("60", at=T0 + 30))
        file.rename(tmp_path / "ticks.1")
        append(file, line("110", at=T0 + 40))
        await follower.until(110)
        assert min(quote.low for quote in follower.seen) == 60


async def test_a_removed_file_may_come_back(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"))
    async with following(file) as follower:
        await follower.until(100)
        file.unlink()
        await asyncio.sleep(0.01)
        append(file, line("99", at=T0 + 50))
        await follower.until(99)


async def test_times_that_go_back_do_not_hide_the_newest_line(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"))
    async with following(file) as follower:
        await follower.until(100)
        append(file, line("101", at=T0 + 10_000))
        await follower.until(101)
        append(file, line("102", at=T0 + 5_000))
        await follower.until(102)
        append(file, line("103", at=T0 - 86_400_000))
        quote = await follower.until(103)
        assert quote.time_ms == T0 - 86_400_000


async def test_only_wanted_symbols_are_delivered_and_new_ones_begin_with_their_price(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"), line("5", symbol="ETHUSDT"))
    async with following(file) as follower:
        await follower.until(100)
        assert {quote.symbol for quote in follower.seen} == {"BTCUSDT"}
        follower.source.want(["BTCUSDT", "ETHUSDT", "XYZUSDT"])
        assert (await follower.until(5, "ETHUSDT")).trades == 0
        assert follower.source.unknown == {"XYZUSDT"}
        assert follower.source.lists("ETHUSDT")
        assert not follower.source.lists("XYZUSDT")


async def test_what_was_appended_while_away_is_delivered_in_full(tmp_path: Path):
    file, kept = tmp_path / "ticks.jsonl", tmp_path / "state" / "follow.json"
    append(file, line("100"), line("50"), line("100.5"))
    async with following(file, resume_path=kept) as follower:
        await follower.until("100.5")
        append(file, line("101", at=T0 + 60))
        await follower.until(101)
    append(file, line("77", at=T0 + 70), line("102", at=T0 + 80))
    async with following(file, resume_path=kept) as follower:
        await follower.until(102)
        assert min(quote.low for quote in follower.seen) == 77
        assert sum(quote.trades for quote in follower.seen) == 2


async def test_what_was_appended_while_away_waits_for_its_symbol_to_be_wanted(tmp_path: Path):
    file, kept = tmp_path / "ticks.jsonl", tmp_path / "follow.json"
    append(file, line("100"))
    async with following(file, resume_path=kept) as follower:
        await follower.until(100)
    append(file, line("77", at=T0 + 70), line("102", at=T0 + 80), line("9", symbol="ETHUSDT"))
    async with following(file, "ETHUSDT", resume_path=kept) as follower:
        await follower.until(9, "ETHUSDT")
        follower.source.want(["ETHUSDT", "BTCUSDT"])
        quote = await follower.until(102)
        assert quote.low == 77


async def test_a_file_replaced_while_away_is_new(tmp_path: Path):
    file, kept = tmp_path / "ticks.jsonl", tmp_path / "follow.json"
    append(file, line("100"), line("101"))
    async with following(file, resume_path=kept) as follower:
        await follower.until(101)
    file.write_bytes(line("10", at=T0 + 100) + line("12", at=T0 + 101))
    async with following(file, resume_path=kept) as follower:
        await follower.until(12)
        assert min(quote.low for quote in follower.seen) == 10


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"path": 3, "offset": "x"}'])
async def test_a_spoilt_bookmark_is_as_none(tmp_path: Path, content: bytes):
    file, kept = tmp_path / "ticks.jsonl", tmp_path / "follow.json"
    kept.write_bytes(content)
    append(file, line("100"), line("101"))
    async with following(file, resume_path=kept) as follower:
        assert (await follower.until(101)).trades == 0


async def test_from_append_to_quote_takes_less_than_fifty_milliseconds(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    append(file, line("100"))
    source = FollowSource(file, SystemClock())  # as configured by default
    source.want(["BTCUSDT"])
    follower = Follower(source)
    task = asyncio.create_task(follower.gather())
    await follower.until(100)
    loop, delays = asyncio.get_running_loop(), []
    for step in range(1, 16):
        began = loop.time()
        append(file, line(str(100 + step), at=T0 + step))
        await follower.until(100 + step)
        delays.append(loop.time() - began)
    await source.close()
    await task
    assert sorted(delays)[len(delays) // 2] < 0.05


def test_a_line_without_end_is_given_up(tmp_path: Path):
    file = tmp_path / "ticks.jsonl"
    file.write_bytes(b"x" * 100_000)
    tail = TailedFile(file)
    assert tail.lines() == [b"x" * 100_000]
    append(file, b"y\n")
    assert tail.lines() == [b"y"]
    tail.close()


def test_a_pipe_or_folder_in_its_place_is_not_read(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    assert TailedFile(tmp_path / "folder").lines() == []
    assert os.listdir(tmp_path / "folder") == []


def test_a_tick_may_lack_exchange_and_quantity():
    tick = read_tick(b'{"time": 1790000000000, "symbol": "btc/usdt", "price": 5}')
    assert (tick.symbol, tick.exchange, tick.price, tick.quantity) == ("BTCUSDT", "recorded", 5.0, "0")
    with pytest.raises(InvalidInput, match="price"):
        read_tick(b'{"time": 1790000000000, "symbol": "BTCUSDT"}')
