"""What a user wants to hear over which channel, and when it is quiet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.domain.errors import InvalidInput
from modules.domain.events import Event, EventKind
from modules.journal import append
from modules.notices import preferences
from modules.notices.outbox import Outbox, due_deliveries
from modules.notices.preferences import Channel, Notice, Preferences, QuietHours
from tests.flows.world import World

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(time(22), time(7), BERLIN)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2025-07-01T21:59", None), ("2025-07-01T22:00", "2025-07-02T07:00"), ("2025-07-02T03:00", "2025-07-02T07:00"),
        ("2025-07-02T06:59", "2025-07-02T07:00"), ("2025-07-02T07:00", None),
        ("2025-03-29T23:00", "2025-03-30T07:00"), ("2025-10-25T23:00", "2025-10-26T07:00"),  # nights of 8 and 10 hours
    ],
)  # fmt: skip
def test_a_night_ends_in_the_morning_by_the_clock_on_the_wall(now: str, until: str | None) -> None:
    assert NIGHT.until(_at(now)) == (None if until is None else _at(until))


def test_a_quiet_noon_ends_the_same_day() -> None:
    noon = QuietHours(time(12), time(14, 30), BERLIN)
    assert noon.until(_at("2025-07-01T12:00")) == _at("2025-07-01T14:30")
    assert noon.until(_at("2025-07-01T14:30")) is None
    assert noon.until(_at("2025-07-01T11:59")) is None


@given(st.times(), st.times(), st.integers(1_577_836_800, 1_893_456_000))
def test_a_quiet_time_ends_within_a_day_and_is_over_then(begin: time, end: time, moment: int) -> None:
    begin, end = begin.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    if begin == end:
        return
    quiet, now = QuietHours(begin, end, ZoneInfo("Asia/Tokyo")), datetime.fromtimestamp(moment, UTC)
    until = quiet.until(now)
    if until is not None:
        assert now < until <= now + timedelta(days=1)
        assert quiet.until(until) is None


def test_alarms_pass_and_everything_is_wanted_by_default() -> None:
    plain = Preferences(quiet=NIGHT)
    night = _at("2025-07-02T03:00")
    assert plain.quiet_until(Notice.ALARM, night) is None
    assert plain.quiet_until(Notice.TARGET, night) == _at("2025-07-02T07:00")
    for notice in Notice:
        assert plain.wants(notice, Channel.TELEGRAM)
        assert plain.wants(notice, Channel.PUSH)
    assert not plain.wants(Notice.TARGET, Channel.MAIL)
    assert plain.wants(Notice.ALARM, Channel.MAIL)


def test_every_fact_told_to_a_person_is_some_kind_of_notice() -> None:
    from modules.notices import outbox

    told = {*outbox.ACCOUNT_KINDS, *outbox._SIGNAL_KINDS, *outbox._OPERATOR_KINDS}
    assert told <= set(preferences.NOTICE_OF)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.account("a1")
    blank: dict[str, object] = {"muted": [], "muted_until": None, "blocked": False}
    made.store["chats"].insert({"id": "telegram:1", "kind": "user", "user_id": "user-a1", **blank})
    yield made
    made.close()


def _keep(world: World, channels: dict[str, list[str]], quiet: dict[str, str] | None = None) -> None:
    with world.store.transaction() as tx:
        preferences.keep(tx, "user-a1", channels, quiet)


def _fact(world: World, kind: EventKind, key: str, **body: object) -> None:
    about = {"symbol": "BTCUSDT", "price": "60000", "reason": "manual", "role": "entry", **body}
    with world.store.transaction() as tx:
        append(tx, Event(kind, world.clock.now(), about, key=key, account_id="a1"))
    Outbox(world.store).turn(world.clock.now())


def test_what_is_kept_is_what_is_read(world: World) -> None:
    _keep(world, {"target": ["push", "push"], "refusal": []}, {"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"})
    read = preferences.preferences_of(world.store, "user-a1")
    assert read.channels[Notice.TARGET] == {Channel.PUSH}
    assert read.channels[Notice.REFUSAL] == set()
    assert read.channels[Notice.ENTRY] == preferences.DEFAULT_CHANNELS[Notice.ENTRY]
    assert read.quiet == NIGHT
    assert preferences.as_json(read)["quiet"] == {"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"}
    _keep(world, {})
    assert preferences.preferences_of(world.store, "user-a1") == Preferences()


@pytest.mark.parametrize(
    ("channels", "quiet", "field"),
    [
        ({"nothing": []}, None, "channels.nothing"), ({"target": ["pigeon"]}, None, "channels.target"),
        ({}, {"from": "25:00", "to": "07:00", "zone": "UTC"}, "quiet.from"),
        ({}, {"from": "22:00", "to": "7", "zone": "UTC"}, "quiet.to"),
        ({}, {"from": "22:00", "to": "22:00", "zone": "UTC"}, "quiet.to"),
        ({}, {"from": "22:00", "to": "07:00", "zone": "Mars/Base"}, "quiet.zone"),
        ({}, {"from": "22:00", "to": "07:00", "zone": "../../etc/passwd"}, "quiet.zone"),
        ({}, {"from": "22:00", "to": "07:00", "zone": ""}, "quiet.zone"),
    ],
)  # fmt: skip
def test_a_wrong_choice_says_where(
    world: World, channels: dict[str, list[str]], quiet: dict[str, str] | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        _keep(world, channels, quiet)
    assert field in refused.value.fields
    assert world.store[preferences.SETTINGS].all() == []


def test_a_kind_that_is_off_is_not_written_to_the_chat(world: World) -> None:
    _keep(world, {"stop": ["push"]})
    _fact(world, EventKind.STOP_MOVED, "1")
    _fact(world, EventKind.ORDER_UNKNOWN, "2")
    assert [row["kind"] for row in world.store["deliveries"].all()] == ["OrderUnknown"]


def test_the_night_holds_notices_back_in_order_and_lets_alarms_pass(world: World) -> None:
    world.clock.set(_at("2025-07-02T03:00"))
    _keep(world, {}, {"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"})
    _fact(world, EventKind.STOP_MOVED, "1")
    world.clock.advance(60)
    _fact(world, EventKind.ORDER_UNKNOWN, "2")
    (alarm,) = due_deliveries(world.store, "telegram:", world.clock.now())
    assert alarm["kind"] == "OrderUnknown"
    world.store["deliveries"].update({"status": "sent"}, key=alarm["id"])
    assert due_deliveries(world.store, "telegram:", _at("2025-07-02T06:59")) == []
    (held,) = due_deliveries(world.store, "telegram:", _at("2025-07-02T07:00"))
    assert held["kind"] == "StopMoved"
