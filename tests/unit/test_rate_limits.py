"""Token buckets: a minute's worth at once, then as they fill; each asker for itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.platform.rate_limits import Limits, Rates, TokenBuckets
from modules.domain.people import Principal, Role

ANN = Principal("ann", Role.SUBSCRIBER, "access_token")


def test_a_burst_of_a_minutes_worth_and_then_one_by_one() -> None:
    buckets = TokenBuckets(60)
    assert [buckets.take("a", 0.0).remaining for _ in range(60)] == list(range(59, -1, -1))
    refused = buckets.take("a", 0.0)
    assert (refused.allowed, refused.retry_seconds, refused.reset_seconds) == (False, 1, 60)
    assert not buckets.take("a", 0.5).allowed
    assert buckets.take("a", 1.0).allowed
    assert not buckets.take("a", 1.0).allowed
    assert buckets.take("b", 1.0).allowed


def test_a_refused_request_costs_nothing_and_a_clock_that_jumps_back_gives_nothing() -> None:
    buckets = TokenBuckets(1)
    assert buckets.take("a", 100.0).allowed
    for _ in range(10):
        assert buckets.take("a", 50.0).retry_seconds == 60
    assert buckets.take("a", 160.0).allowed


def test_the_longest_silent_are_forgotten_first() -> None:
    buckets = TokenBuckets(1, most=2)
    for name in ("a", "b", "c"):
        buckets.take(name, 0.0)
    assert buckets.take("a", 0.0).allowed
    assert not buckets.take("c", 0.0).allowed


@given(
    per_minute=st.integers(1, 600),
    steps=st.lists(st.floats(0, 30, allow_nan=False), max_size=200),
)
def test_never_more_than_a_burst_and_what_time_brought(per_minute: int, steps: list[float]) -> None:
    buckets, now, allowed = TokenBuckets(per_minute), 0.0, 0
    for step in steps:
        now += step
        allowed += buckets.take("a", now).allowed
    assert allowed <= per_minute + now * per_minute / 60 + 1e-6


def test_a_key_that_runs_wild_leaves_its_owner_half() -> None:
    limits = Limits(Rates(user=6, address=5, sign_in=1))
    key = Principal("ann", Role.SUBSCRIBER, "api_key")

    def allowed(who: Principal, name: str = "") -> bool:
        found = limits.for_principal(who, 0.0, name)
        assert found is not None
        return found.allowed

    assert [allowed(key, "vzk_k_one") for _ in range(5)] == [True, True, True, False, False]
    assert [allowed(key, "vzk_k_two") for _ in range(2)] == [True, True]
    assert [allowed(ANN) for _ in range(2)] == [True, False]
    assert not allowed(key, "vzk_k_two")


def test_whoever_sits_at_the_machine_has_no_limit() -> None:
    assert Limits(Rates(1, 1, 1)).for_principal(Principal("o", Role.OWNER, "operator_token"), 0.0) is None


def test_sign_in_is_tighter_and_a_whole_network_is_one() -> None:
    limits = Limits(Rates(user=9, address=3, sign_in=1))
    assert limits.for_address("2001:db8:1:2::1", "/api/auth/login", 0.0).allowed
    assert not limits.for_address("2001:db8:1:2::ffff", "/api/auth/login", 0.0).allowed
    assert limits.for_address("2001:db8:1:3::1", "/api/auth/login", 0.0).allowed
    assert limits.for_address("2001:db8:1:2::1", "/api/signals", 0.0).allowed
