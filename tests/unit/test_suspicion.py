"""Suspicious patterns: each rule speaks at its limit and not before it, once, and those who run the service are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from database import Store
from modules.accounts import alerts
from modules.accounts.audit import record
from modules.accounts.suspicion import BURSTS, Burst, burst, bursts_of, network_of, new_network
from modules.domain.errors import NotFound
from modules.domain.people import Principal, Role
from modules.records import open_records

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOBODY = Principal("nobody", Role.READ_ONLY, "none")
ADA = Principal("u-ada", Role.SUBSCRIBER, "access_token")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_records(f"sqlite:///{tmp_path / 's.db'}", tmp_path) as opened:
        yield opened


def row(seq: int, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    plain = {"who": "u-ada", "origin": "10.0.0.1", "subject": "user:u-ada", "action": "session.failed", "after": None}
    return {"seq": seq, "at": int((NOW.timestamp() + seconds) * 1000), **plain, **fields}


def rows(rule: Burst, count: int, apart: float = 1) -> list[dict[str, Any]]:
    return [row(n + 1, n * apart, action=rule.actions[0]) for n in range(count)]


@pytest.mark.parametrize("rule", BURSTS, ids=lambda rule: rule.rule)
def test_a_burst_is_found_at_its_number_and_not_before(rule: Burst) -> None:
    made = rows(rule, rule.count)
    assert burst(rule, made[-2], made[:-1]) is None
    finding = burst(rule, made[-1], made)
    assert finding is not None
    assert finding.about == made[0][rule.field]
    assert finding.evidence == tuple(range(1, rule.count + 1))
    assert str(rule.count) in finding.sentence


@pytest.mark.parametrize("rule", BURSTS, ids=lambda rule: rule.rule)
def test_the_same_deeds_over_a_longer_time_are_none(rule: Burst) -> None:
    apart = rule.seconds / (rule.count - 1)
    assert burst(rule, rows(rule, rule.count, apart)[-1], rows(rule, rule.count, apart)) is None


@pytest.mark.parametrize("rule", BURSTS, ids=lambda rule: rule.rule)
def test_the_same_deeds_of_several_are_none(rule: Burst) -> None:
    made = rows(rule, rule.count)
    made[0][rule.field] = "another"
    assert burst(rule, made[-1], made) is None


def test_nobody_in_particular_is_no_one() -> None:
    unknown = row(1, subject="user:unknown", origin="", who="nobody")
    assert bursts_of(unknown) == ()
    assert [each.rule for each in bursts_of(row(1))] == ["failed_sign_ins", "guessing_address"]


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.77", "203.0.113.0/24"), ("::ffff:203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2::5", "2001:db8:1::/48"),
     ("", ""), ("localhost", "")],
)  # fmt: skip
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


def sign_in(seq: int, origin: str, agent: str, **after: str) -> dict[str, Any]:
    return row(seq, action="session.opened", origin=origin, after={"agent": agent, **after})


HOME = sign_in(1, "203.0.113.7", "Firefox")


@pytest.mark.parametrize(
    ("origin", "agent", "news"),
    [
        ("203.0.113.99", "Safari", False),  # the same network, a new program
        ("198.51.100.1", "Firefox", False),  # a new network, the same program
        ("198.51.100.1", "Safari", True),
        ("198.51.100.1", "", True),  # a program without a name is not known
        ("2001:db8::1", "curl", True),
    ],
)
def test_a_sign_in_from_where_and_with_what_none_came_before(origin: str, agent: str, news: bool) -> None:
    finding = new_network(sign_in(2, origin, agent), [HOME, sign_in(1, "203.0.113.8", "")])
    assert (finding is not None) is news


def test_the_first_sign_in_of_all_is_no_news_and_a_country_is_only_said_where_known() -> None:
    assert new_network(HOME, []) is None
    finding = new_network(sign_in(2, "198.51.100.1", "Safari", country="NZ"), [HOME])
    assert finding is not None
    assert "NZ" in finding.sentence
    plain = new_network(sign_in(2, "198.51.100.1", "Safari"), [HOME])
    assert plain is not None
    assert "(" not in plain.sentence


def fail(store: Store, count: int, start: float = 0) -> None:
    for number in range(count):
        now = NOW + timedelta(seconds=start + number)
        with store.transaction() as tx:
            record(tx, NOBODY, "session.failed", "user:u-ada", now=now, origin="198.51.100.1")


def test_an_alert_is_raised_once_and_told_to_operators(store: Store) -> None:
    fail(store, 4)
    assert store["audit_alerts"].all() == []
    fail(store, 5, start=10)  # five and more: one alert, nine only for the address
    assert [each["rule"] for each in store["audit_alerts"].all()] == ["failed_sign_ins"]
    fail(store, 1, start=20)
    kept = store["audit_alerts"].all()
    assert [each["rule"] for each in kept] == ["failed_sign_ins", "guessing_address"]
    told = [entry.body["sentence"] for entry in store.journal.read(0, 100) if entry.kind == "Alarm"]
    assert told == [each["sentence"] for each in kept]
    assert "user:u-ada" in told[0]
    fail(store, 5, start=2 * 3600)
    assert [each["rule"] for each in store["audit_alerts"].all()] == [
        "failed_sign_ins",
        "guessing_address",
        "failed_sign_ins",
    ]


def test_sign_ins_are_held_against_those_before_them(store: Store) -> None:
    for origin, agent in (("203.0.113.7", "Firefox"), ("203.0.113.8", "Firefox"), ("198.51.100.1", "curl")):
        with store.transaction() as tx:
            record(tx, ADA, "session.opened", "user:u-ada", now=NOW, origin=origin, after={"agent": agent})
    (alert,) = store["audit_alerts"].all()
    assert (alert["rule"], alert["evidence"]) == ("new_network", [3])


def test_an_alert_is_open_until_somebody_looked(store: Store) -> None:
    fail(store, 5)
    assert alerts.open_count(store) == 1
    (alert,) = store["audit_alerts"].all()
    for who in (ADA, NOBODY):
        with store.transaction() as tx:
            alerts.acknowledge(tx, alert["id"], who, NOW)
    assert alerts.open_count(store) == 0
    assert (store["audit_alerts"].get(key=alert["id"]) or {})["acknowledged_by"] == "u-ada"
    with pytest.raises(NotFound), store.transaction() as tx:
        alerts.acknowledge(tx, "no such", ADA, NOW)


def test_what_is_undone_raises_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction() as tx:
        for _ in range(5):
            record(tx, NOBODY, "session.failed", "user:u-ada", now=NOW, origin="198.51.100.1")
        raise RuntimeError
    assert store["audit_alerts"].all() == []
