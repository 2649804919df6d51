"""Live sources over loopback: what they say is kept once, and one that fails is a row with its error."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tinydb import where

from modules.connections.opinion_sources import Addresses, OpinionSources
from modules.domain.market import ms_from_utc
from modules.opinions import OpinionBook
from modules.records import open_records
from services.opinion_keeper import OpinionKeeper
from tests.fakes.opinion_feeds import OpinionFeeds, serving

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
MS = ms_from_utc(NOW)


@pytest.fixture
def book(tmp_path: Path):
    with open_records(f"sqlite:///{tmp_path / 'store.db'}", tmp_path) as store:
        yield OpinionBook(store)


def feeds() -> OpinionFeeds:
    return OpinionFeeds(
        index=[(MS // 1000 - 86_400, 30), (MS // 1000 - 3600, 44)],
        titles={"one": [(MS - 60_000, "Bitcoin rallies")], "two": [(MS - 120_000, "Ether falls")]},
        atom={"two"},
    )


async def test_everything_is_asked_and_kept_once(book: OpinionBook) -> None:
    async with serving(feeds()) as served, OpinionSources(served.addresses) as sources:
        first = await sources.refresh(book, NOW)
        again = await sources.refresh(book, NOW)
    assert [(each.source, each.told, each.added, each.error) for each in first] == [
        ("fear_greed", 2, 2, None),
        ("one", 1, 1, None),
        ("two", 1, 1, None),
    ]
    assert [each.added for each in again] == [0, 0, 0]
    known = book.as_of(MS)
    assert known.fear_greed is not None
    assert known.fear_greed.value == 44
    assert {each.title for each in known.headlines} == {"Bitcoin rallies", "Ether falls"}


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (503, "503"),
        (404, "404"),
        (429, "429"),
        (b"<html>", "not well-formed"),
        ("hang", "TimeoutError"),
        (b"", "well-formed"),
    ],
)
async def test_a_failing_source_is_a_row_and_the_others_go_on(
    book: OpinionBook, broken: int | str | bytes, says: str
) -> None:
    served = feeds()
    served.broken["one"] = broken
    async with serving(served), OpinionSources(served.addresses, timeout_seconds=0.5) as sources:
        rows = {each.source: each for each in await sources.refresh(book, NOW)}
    assert says in (rows["one"].error or "")
    assert rows["one"].added == 0
    assert (rows["two"].added, rows["fear_greed"].added) == (1, 2)


async def test_nobody_there_and_no_address_are_rows_too(book: OpinionBook) -> None:
    addresses = Addresses("http://127.0.0.1:1", {"odd": "gopher://nowhere"})
    async with OpinionSources(addresses, timeout_seconds=2) as sources:
        rows = await sources.refresh(book, NOW)
    assert all(each.error for each in rows)


async def test_an_endless_answer_is_cut_off(book: OpinionBook) -> None:
    served = feeds()
    served.broken["one"] = b"x" * 6_000_000
    async with serving(served), OpinionSources(served.addresses) as sources:
        rows = {each.source: each for each in await sources.refresh(book, NOW)}
    assert "larger" in (rows["one"].error or "")


async def test_the_keeper_asks_every_quarter_of_an_hour_and_forgets_the_old(tmp_path: Path) -> None:
    with open_records(f"sqlite:///{tmp_path / 'store.db'}", tmp_path) as store:
        book = OpinionBook(store)
        async with serving(feeds()) as served:
            keeper = OpinionKeeper(store, served.addresses)
            keeper.turn(NOW)
            async with asyncio.timeout(5):
                while book.as_of(MS).fear_greed is None or len(book.as_of(MS).headlines) < 2:
                    await asyncio.sleep(0.005)
            served.titles["one"].append((MS, "Bitcoin soars"))
            keeper.turn(NOW + timedelta(minutes=14))
            await keeper.ask(NOW + timedelta(minutes=15))
            assert {each.title for each in book.as_of(MS + 900_000).headlines} >= {"Bitcoin soars", "Ether falls"}
            await keeper.ask(NOW + timedelta(days=400))
            await keeper.stop()
        assert store["opinions"].count(where("known_at") < MS) == 0


async def test_sources_that_do_not_answer_end_nothing(tmp_path: Path) -> None:
    with open_records(f"sqlite:///{tmp_path / 'store.db'}", tmp_path) as store:
        keeper = OpinionKeeper(store, Addresses("http://127.0.0.1:1", {}))
        await keeper.ask(NOW)
        await keeper.ask(NOW)
        assert OpinionBook(store).as_of(MS).fear_greed is None
