"""Downloading candles from an exchange's own endpoint, on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from modules.candles import CandleStore, SeriesName
from modules.connections.candle_download import (
    Progress,
    Wanted,
    download,
    download_all,
    missing_spans,
    open_exchange,
    redirect,
)
from modules.domain.errors import InvalidInput, Rejected, Unavailable
from tests.fakes.candle_rest import MINUTE_MS, START_MS, CandleRest, serving, walk

NAME = SeriesName("binance", "BTCUSDT", "1m")
ROWS = 250
END_MS = START_MS + ROWS * MINUTE_MS


def history(**changes: Any) -> CandleRest:
    candles = walk(ROWS, 5, timeframe_ms=MINUTE_MS)
    # the server's clock stands in the middle of its last bar, which is therefore shown but not closed
    return CandleRest(candles, now_ms=END_MS - MINUTE_MS // 2, **changes)


@asynccontextmanager
async def client(rest: CandleRest, timeout_seconds: float = 5.0) -> AsyncIterator[Any]:
    async with (
        serving(rest),
        open_exchange("binance", address=rest.address, timeout_seconds=timeout_seconds) as exchange,
    ):
        exchange.enableRateLimit = False  # the loopback server has no limit to keep to
        yield exchange


class Naps:
    """Counts waits and takes none."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def all_of(until_ms: int = END_MS - MINUTE_MS // 2, **changes: Any) -> Wanted:
    return Wanted(NAME, START_MS, until_ms, **changes)


async def test_everything_closed_arrives_and_the_open_bar_does_not(tmp_path: Path) -> None:
    rest, store = history(), CandleStore(tmp_path)
    seen: list[Progress] = []
    async with client(rest) as exchange:
        done = await download(exchange, store, all_of(), report=seen.append, batch_rows=60)
    assert (done.inserted, done.replaced, done.refused) == (ROWS - 1, 0, 0)
    assert store.read(NAME).equals(rest.candles[: ROWS - 1])
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert seen[-1].done == seen[-1].total > 0
    assert done.requests == len(rest.asked) == 5


async def test_a_second_run_asks_only_for_what_came_since(tmp_path: Path) -> None:
    rest, store = history(), CandleStore(tmp_path)
    store.upsert(NAME, rest.candles[:200])
    async with client(rest) as exchange:
        done = await download(exchange, store, all_of())
        assert done.inserted == ROWS - 1 - 200
        assert [int(one["startTime"]) for one in rest.asked] == [START_MS + 200 * MINUTE_MS]
        again = await download(exchange, store, all_of())
    assert (again.inserted, again.requests) == (0, 0)


async def test_what_lies_before_the_store_is_fetched_too(tmp_path: Path) -> None:
    rest, store = history(), CandleStore(tmp_path)
    store.upsert(NAME, rest.candles[100:150])
    async with client(rest) as exchange:
        await download(exchange, store, all_of(), batch_rows=80)
    assert store.read(NAME).equals(rest.candles[: ROWS - 1])


async def test_holes_are_asked_for_again_only_to_repair(tmp_path: Path) -> None:
    rest, store = history(), CandleStore(tmp_path)
    store.upsert(NAME, rest.candles[:50])
    store.upsert(NAME, rest.candles[60:249])
    async with client(rest) as exchange:
        assert (await download(exchange, store, all_of())).inserted == 0
        assert (await download(exchange, store, all_of(repair=True))).inserted == 10
    assert store.gaps(NAME) == []


async def test_a_history_that_begins_later_costs_no_request_a_window(tmp_path: Path) -> None:
    rest, store = history(), CandleStore(tmp_path)
    early = Wanted(NAME, START_MS - 100_000 * MINUTE_MS, END_MS - MINUTE_MS)
    async with client(rest) as exchange:
        done = await download(exchange, store, early, batch_rows=100)
    assert done.inserted == ROWS - 1
    assert done.requests < 8


@pytest.mark.parametrize(("batch_rows", "largest_batch"), [(60, 1000), (150, 1000), (240, 1000), (100, 40), (1000, 7)])
async def test_an_exchange_that_answers_with_the_newest_bars_loses_none(
    tmp_path: Path, batch_rows: int, largest_batch: int
) -> None:
    rest, store = history(newest_only=True, largest_batch=largest_batch), CandleStore(tmp_path)
    async with client(rest) as exchange:
        await download(exchange, store, all_of(), batch_rows=batch_rows)
    assert store.read(NAME).equals(rest.candles[: ROWS - 1])


async def test_trouble_is_waited_out_with_growing_pauses(tmp_path: Path) -> None:
    naps, store = Naps(), CandleStore(tmp_path)
    rest = history(troubles=[503, 429, 503])
    async with client(rest) as exchange:
        done = await download(exchange, store, all_of(), sleep=naps)
    assert done.inserted == ROWS - 1
    assert len(naps.seconds) == 3
    assert 0.5 <= naps.seconds[0] <= 1.5
    assert 2.0 <= naps.seconds[2] <= 6.0


async def test_a_silent_exchange_runs_into_the_time_out(tmp_path: Path) -> None:
    naps, store = Naps(), CandleStore(tmp_path)
    rest = history(troubles=["hang"])
    async with client(rest, timeout_seconds=0.3) as exchange:
        done = await download(exchange, store, all_of(), sleep=naps)
    assert done.inserted == ROWS - 1
    assert len(naps.seconds) == 1


async def test_what_came_before_the_break_stays_and_the_next_run_goes_on(tmp_path: Path) -> None:
    naps, store = Naps(), CandleStore(tmp_path)
    rest = history()
    async with client(rest) as exchange:
        seen: list[Progress] = []

        def spoil_after_two(progress: Progress) -> None:
            seen.append(progress)
            if len(seen) == 2:
                rest.troubles[:] = [503] * 6

        with pytest.raises(Unavailable):
            await download(exchange, store, all_of(), sleep=naps, report=spoil_after_two, batch_rows=50)
        assert len(store.read(NAME)) == 100
        done = await download(exchange, store, all_of(), sleep=naps, batch_rows=50)
    assert done.inserted == ROWS - 1 - 100


async def test_malformed_bars_are_left_out_and_counted(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    low_of_bar_9, high_of_bar_20 = 3, 2
    rest = history(spoiled={START_MS + 9 * MINUTE_MS: low_of_bar_9, START_MS + 20 * MINUTE_MS: high_of_bar_20})
    async with client(rest) as exchange:
        done = await download(exchange, store, all_of())
    assert (done.inserted, done.refused) == (ROWS - 3, 2)
    assert len(store.gaps(NAME)) == 2


async def test_one_failure_does_not_end_a_list(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    wishes = [Wanted(SeriesName("binance", "NOSUCHUSDT", "1m"), START_MS, END_MS), all_of()]
    async with client(history()) as exchange:
        results = [one async for one in download_all(exchange, store, wishes)]
    assert results[0].error == "binance has no spot market NOSUCHUSDT"
    assert (results[1].error, results[1].inserted) == (None, ROWS - 1)


async def test_what_the_exchange_does_not_have_is_said(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    async with client(history()) as exchange:
        with pytest.raises(InvalidInput, match="no 7m candles"):
            await download(exchange, store, Wanted(SeriesName("binance", "BTCUSDT", "7m"), START_MS, END_MS))
    async with client(history(troubles=[400])) as exchange:
        with pytest.raises(Rejected):
            await download(exchange, store, all_of())


async def test_unknown_exchanges_and_addresses_are_refused() -> None:
    with pytest.raises(InvalidInput, match="nosuchplace"):
        async with open_exchange("nosuchplace"):
            pass
    async with open_exchange("bybit", address="http://127.0.0.1:1") as exchange:
        assert set(exchange.urls["api"].values()) == {"http://127.0.0.1:1"}
        with pytest.raises(InvalidInput):
            redirect(exchange, "nowhere")


@pytest.mark.parametrize(
    "wrong",
    [lambda: Wanted(NAME, 5, 5), lambda: Wanted(NAME, -1, 5), lambda: Wanted(NAME, 0, 5, kind="option")],
)
def test_wishes_that_make_no_sense_are_refused(wrong: Callable[[], Wanted]) -> None:
    with pytest.raises(InvalidInput):
        wrong()


def test_spans_stay_within_what_is_wanted(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    candles = walk(100, timeframe_ms=MINUTE_MS)
    at = [START_MS + row * MINUTE_MS for row in range(101)]
    assert missing_spans(store, Wanted(NAME, at[0], at[10])) == [(at[0], at[9] + 1)]
    store.upsert(NAME, candles[20:40])
    store.upsert(NAME, candles[50:60])
    assert missing_spans(store, Wanted(NAME, at[0], at[70])) == [(at[0], at[20]), (at[60], at[69] + 1)]
    assert missing_spans(store, Wanted(NAME, at[25], at[55], repair=True)) == [(at[40], at[50])]
    assert missing_spans(store, Wanted(NAME, at[25], at[30])) == []
