"""Trade numbers, waits between attempts, and where exchanges are said to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.connections.feeds.addresses import Addresses, addresses_of
from modules.connections.feeds.socket_client import SocketRules, is_loopback, reconnect_wait
from modules.connections.feeds.trade_order import Arrival, TradeNames, TradeNumbers
from modules.domain.errors import Misconfigured

USUAL = Addresses("wss://stream.example:9443", "https://api.example")


@given(st.lists(st.integers(0, 60), min_size=1, max_size=120))
def test_every_number_after_the_first_counts_exactly_once(arrivals: list[int]):
    numbers, first = TradeNumbers(), arrivals[0]
    taken = [number for number in arrivals if numbers.place(number) is not Arrival.DUPLICATE]
    assert len(taken) == len(set(taken))
    assert set(taken) == {number for number in arrivals if number >= first}
    never = set(range(first, max(taken) + 1)) - set(taken)
    assert {number for start, end in numbers.missing for number in range(start, end + 1)} == never


def test_late_numbers_are_told_from_new_ones_and_gaps_can_be_given_up():
    numbers = TradeNumbers()
    assert [numbers.place(number) for number in (10, 15, 12, 12, 16)] == [
        Arrival.NEXT, Arrival.NEXT, Arrival.LATE, Arrival.DUPLICATE, Arrival.NEXT,
    ]  # fmt: skip
    assert numbers.missing == [(11, 11), (13, 14)]
    assert numbers.give_up() == 3
    assert numbers.place(13) is Arrival.DUPLICATE
    numbers.restart(1)
    assert numbers.place(2) is Arrival.NEXT


def test_the_list_of_gaps_is_bounded():
    numbers = TradeNumbers()
    for number in range(0, 4_000, 2):
        numbers.place(number)
    assert len(numbers.missing) <= 256
    assert numbers.lost + sum(last - first + 1 for first, last in numbers.missing) == 1_999


def test_names_are_remembered_for_thousands_of_trades_and_not_for_ever():
    names = TradeNames()
    assert names.is_new("a")
    assert not names.is_new("a")
    assert all(names.is_new(f"n{number}") for number in range(4_000))
    assert not names.is_new("a")
    assert all(names.is_new(f"m{number}") for number in range(10_000))
    assert names.is_new("a")


@given(st.integers(1, 10_000), st.floats(0, 0.999))
def test_waits_grow_to_a_minute_and_never_beyond(failures: int, drawn: float):
    rules = SocketRules()
    wait = reconnect_wait(failures, rules, lambda: drawn)
    whole = min(60.0, 0.5 * 2.0 ** min(failures - 1, 20))
    assert whole / 2 <= wait <= whole
    assert reconnect_wait(8, rules, lambda: 0.999) > 55


@pytest.mark.parametrize(
    ("given_urls", "stream", "rest"),
    [
        (None, USUAL.stream, USUAL.rest),
        ({"other": "http://h"}, USUAL.stream, USUAL.rest),
        ({"x": "http://127.0.0.1:5"}, "ws://127.0.0.1:5", "http://127.0.0.1:5"),
        ({"x": "https://h/api/v3"}, "wss://h", "https://h"),
        ({"x": {"ws": "ws://h:1/ws/raw", "rest": "http://h:2"}}, "ws://h:1/ws/raw", "http://h:2"),
        ({"x": {"stream": "wss://h:1"}}, "wss://h:1", "https://h:1"),
        ({"family": "http://f:9"}, "ws://f:9", "http://f:9"),
        ({"family": "http://f:9", "x": "http://h:8"}, "ws://h:8", "http://h:8"),
    ],
)
def test_exchange_urls(given_urls: Mapping[str, Any] | None, stream: str, rest: str):
    found = addresses_of("x", USUAL, given_urls, family="family")
    assert (found.stream, found.rest) == (stream, rest)


def test_a_stream_address_with_a_path_is_used_as_it_is():
    assert Addresses("ws://h", "").stream_url("/stream") == "ws://h/stream"
    assert Addresses("ws://h/own", "").stream_url("/stream") == "ws://h/own"


@pytest.mark.parametrize("wrong", [{"x": 5}, {"x": {"wss": "ws://h"}}, {"x": "ftp://h"}, {"x": "nothing"}])
def test_wrong_addresses_are_a_wrong_setting(wrong: Mapping[str, Any]):
    with pytest.raises(Misconfigured, match="EXCHANGE_URLS"):
        addresses_of("x", USUAL, wrong)


def test_no_proxy_stands_between_us_and_this_machine():
    assert is_loopback("ws://127.0.0.1:5/x")
    assert is_loopback("http://localhost")
    assert not is_loopback("wss://stream.example")
