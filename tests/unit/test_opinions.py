"""Opinions are read as they were said, counted only once known and while fresh, and kept once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc
from modules.opinions import ExchangeFlow, FearGreed, Headline, LargePrint, OpinionBook, known_by
from modules.opinions.feeds import parse_fear_greed, parse_feed
from modules.opinions.files import load_opinions
from modules.opinions.prints import PrintAccumulator
from modules.records import open_records
from tests.fakes.opinion_feeds import atom, rss

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"
HOUR = 3_600_000
NOW = ms_from_utc(datetime(2025, 3, 1, 12, tzinfo=UTC))


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip("recorded opinions are not beside the project")
    return path


@pytest.fixture
def book(tmp_path: Path):
    with open_records(f"sqlite:///{tmp_path / 'store.db'}", tmp_path) as store:
        yield OpinionBook(store)


@pytest.mark.parametrize(
    ("name", "count", "kind"),
    [
        ("sentiment/fear-greed-daily.csv", 2931, FearGreed),
        ("news/crypto-headlines-2023-12.csv", 386, Headline),
        ("news/crypto-headlines-2021-10_2022-07.csv", 7493, Headline),
        ("news/crypto-headlines-2024-spring.csv", 834, Headline),
        ("whales/whale-alert-hourly-2024-11_2025-10.csv", 2251, ExchangeFlow),
    ],
)
def test_recorded_files_are_read_whole(name: str, count: int, kind: type) -> None:
    found = load_opinions(shared(name))
    assert len(found) == count
    assert all(isinstance(each, kind) and each.source for each in found)


def test_recorded_values_are_those_of_the_file() -> None:
    first = load_opinions(shared("sentiment/fear-greed-daily.csv"))[0]
    assert isinstance(first, FearGreed)
    assert (first.value, first.classification) == (30, "Fear")
    assert first.at_ms == ms_from_utc(datetime(2018, 2, 1, tzinfo=UTC))
    flow = load_opinions(shared("whales/whale-alert-hourly-2024-11_2025-10.csv"))[0]
    assert isinstance(flow, ExchangeFlow)
    assert (flow.asset, flow.net_to_exchange_usd) == ("ETH", 151536946 - 62267017)
    assert flow.known_ms == flow.at_ms + HOUR


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("date,value\n2024-01-01,101\n", "line 2"),
        ("date,value\n2024-01-01,x\n", "line 2"),
        ("date,value\nyesterday,5\n", "line 2"),
        ("published_at,title\n2024-01-01T00:00:00Z,\n", "line 2"),
        ("hour_utc,asset,exchange_to_wallet_usd,wallet_to_exchange_usd\n2024-01-01,BTC,-1,0\n", "line 2"),
        ("a,b\n1,2\n", "needs the columns"),
        ("", "needs the columns"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "opinions.csv"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=complaint):
        load_opinions(path)


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.csv"):
        load_opinions(tmp_path / "nowhere.csv")


def test_the_index_api_is_read_oldest_first() -> None:
    content = b'{"data": [{"value": "60", "timestamp": "1551243600"}, {"value": "40", "timestamp": "1551157200"}]}'
    found = parse_fear_greed(content, "api")
    assert [(each.at_ms, each.value) for each in found] == [(1551157200000, 40), (1551243600000, 60)]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"data": null}', b'{"data": [{"value": "x", "timestamp": "1"}]}'])
def test_another_answer_of_the_index_api_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_fear_greed(content, "api")


@pytest.mark.parametrize("write", [rss, atom])
def test_feeds_are_read_with_their_times(write) -> None:
    titles = [(NOW - HOUR, "Bitcoin & ether <b>rise</b>"), (NOW - 2 * HOUR, "Exchange hacked")]
    feed = parse_feed(write(titles).encode(), "paper", NOW)
    assert [(each.at_ms, each.title) for each in feed.headlines] == [
        (NOW - 2 * HOUR, "Exchange hacked"),
        (NOW - HOUR, "Bitcoin & ether rise"),
    ]
    assert all(each.url.startswith("https://example.org/") and each.source == "paper" for each in feed.headlines)
    assert all(each.known_ms == NOW for each in feed.headlines), "nothing is known before it was received"


def test_entries_without_words_or_time_are_counted_and_the_future_is_now() -> None:
    items = (
        "<item><title>late</title><pubDate>Sat, 01 Mar 2025 18:00:00 GMT</pubDate></item>"
        "<item><title> </title><pubDate>Sat, 01 Mar 2025 11:00:00 GMT</pubDate></item>"
        "<item><title>undated</title></item><item><title>odd</title><pubDate>soon</pubDate></item>"
    )
    feed = parse_feed(f"<rss><channel>{items}</channel></rss>".encode(), "paper", NOW)
    assert [(each.title, each.at_ms) for each in feed.headlines] == [("late", NOW)]
    assert feed.left_out == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<rss><channel>",
        b"<html></html>",
        b'<!DOCTYPE r [<!ENTITY a "b">]><rss><channel/></rss>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE r [<!ENTITY a "b">]><rss/>'.encode("utf-16"),
        b"<rss>" + b" " * 5_000_001 + b"</rss>",
    ],
)
def test_what_is_no_feed_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_feed(content, "paper", NOW)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    try:
        parse_feed(b"<rss><channel><item><title>" + content, "paper", NOW)
    except InvalidInput:
        return
    pytest.fail("an unfinished document was read")


def test_only_what_is_known_and_fresh_counts() -> None:
    flow = ExchangeFlow(NOW - HOUR // 2, "BTC", 5e6, 1e6, "w")
    opinions = [
        FearGreed(NOW - 12 * HOUR, 20, "a"),
        FearGreed(NOW + 12 * HOUR, 90, "a"),
        Headline(NOW - 25 * HOUR, "old", "a"),
        Headline(NOW - 2 * HOUR, "fetched late", "a", received_ms=NOW + 1),
        flow,
    ]
    known = known_by(opinions, NOW)
    assert known.fear_greed is not None
    assert known.fear_greed.value == 20
    assert known.headlines == ()
    assert known.freshness["headline"].state == "stale"
    assert known.freshness["headline"].age_seconds == 25 * 3600
    assert known.flows == (), "an hour's sum is not known before the hour is over"
    assert known.freshness["large_print"].state == "none"
    assert known_by(opinions, NOW + HOUR).flows == (flow,)


@given(st.integers(-200, 200), st.lists(st.integers(-100, 100), max_size=20))
def test_later_opinions_never_change_what_was_known(hours: int, ages: list[int]) -> None:
    at = NOW + hours * HOUR
    opinions = [Headline(NOW + age * HOUR, f"words {n}", "a") for n, age in enumerate(ages)]
    told_by_then = [each for each in opinions if each.known_ms <= at]
    assert known_by(opinions, at) == known_by(told_by_then, at)


def test_the_book_keeps_each_once_and_gives_it_back(book: OpinionBook) -> None:
    opinions = [
        FearGreed(NOW - HOUR, 70, "a"),
        Headline(NOW - HOUR, "Bitcoin rises", "a", "https://x", received_ms=NOW - HOUR),
        LargePrint(NOW - 60_000, "BTCUSDT", True, 1e6, 60_000.0, 12, "binance"),
        LargePrint(NOW - 60_000, "ETHUSDT", False, 1e6, 3_000.0, 12, "binance"),
        ExchangeFlow(NOW - 2 * HOUR, "BTC", 5e6, 1e6, "w"),
        ExchangeFlow(NOW - 2 * HOUR, "ETH", 5e6, 1e6, "w"),
    ]
    assert book.add(opinions) == 6
    assert book.add([*opinions, Headline(NOW, "bitcoin  RISES", "a")]) == 0
    known = book.as_of(NOW, symbol="BTCUSDT")
    assert known == known_by([opinions[0], opinions[1], opinions[2], opinions[4]], NOW)
    assert len(book.as_of(NOW).prints) == 2
    assert book.as_of(NOW - 3 * HOUR).freshness["fear_greed"].state == "none"
    later = book.as_of(NOW + 48 * HOUR)
    assert later.fear_greed is None
    assert later.freshness["fear_greed"].state == "stale"
    assert book.forget_before(NOW) == 6
    assert book.as_of(NOW).freshness["headline"].state == "none"


def test_a_large_order_is_one_print_however_many_trades_fill_it() -> None:
    tape = PrintAccumulator("binance", threshold_usd=100_000, within_ms=200)
    assert [tape.add("BTCUSDT", 1000 + n, 50_000.0, 1.0, buy=True) for n in range(3)] == [None] * 3
    found = tape.add("BTCUSDT", 1100, 50_010.0, 0.1, buy=False)
    assert found == LargePrint(1200, "BTCUSDT", True, 150_000.0, 50_000.0, 3, "binance")
    assert tape.flush(1200) == []
    assert tape.add("BTCUSDT", 5000, 50_000.0, 3.0, buy=False) is None, "what came before was small"
    assert tape.flush(5200) == []
    assert [each.usd for each in tape.flush(5201)] == [150_000.0]
    assert tape.flush(99_999) == []


def test_the_threshold_is_met_not_passed_and_bad_trades_are_refused() -> None:
    tape = PrintAccumulator("binance", threshold_usd=100.0, within_ms=0)
    tape.add("A", 1, 100.0, 1.0, buy=True)
    assert len(tape.flush(2)) == 1
    for price, quantity in ((0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)):
        with pytest.raises(InvalidInput):
            tape.add("A", 3, price, quantity, buy=True)
    with pytest.raises(InvalidInput):
        PrintAccumulator("binance", threshold_usd=0)


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.sampled_from([1.0, 5.0, 40.0])), max_size=40))
def test_no_traded_dollar_is_counted_twice_or_lost(trades: list[tuple[int, bool, float]]) -> None:
    tape = PrintAccumulator("binance", threshold_usd=0.5, within_ms=20)
    now, found = 0, []
    for step, buy, usd in trades:
        now += step
        if (ended := tape.add("A", now, 1.0, usd, buy=buy)) is not None:
            found.append(ended)
    found += tape.flush(now + 21)
    for side in (True, False):
        assert sum(each.usd for each in found if each.buy == side) == sum(usd for _, buy, usd in trades if buy == side)
