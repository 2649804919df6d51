"""A channel's message becomes a paper trade that is followed to its close."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from modules.domain.positions import PositionStatus
from modules.domain.signals import SignalStatus
from tests.flows.world import ENTRY, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.account()
    yield made
    made.close()


def test_a_signal_is_traded_target_by_target_to_its_close(world: World) -> None:
    world.price("BTCUSDT", "60100")
    taken = world.say(ENTRY)
    assert taken.accepted, taken.reason
    world.settle()
    assert world.positions() == []  # the limit rests below the market
    world.price("BTCUSDT", "60000")
    opened = world.position()
    assert opened.status is PositionStatus.OPEN
    assert opened.average_price == Decimal(60_000)
    assert opened.quantity * Decimal(1000) <= Decimal(100)  # one percent of 10,000 at the stop
    world.price("BTCUSDT", "61000")
    assert world.position().targets[0].hit_at is not None
    assert world.position().stop_loss == Decimal(60_000)  # break-even after the first target
    world.price("BTCUSDT", "62000", "63000")
    closed = world.position()
    assert closed.status is PositionStatus.CLOSED
    assert closed.close_reason == "targets"
    assert closed.quantity == 0
    assert world.wallet() == Decimal(10_000) + closed.net_pnl
    signal = world.signal(taken.signal_id)
    assert signal.status is SignalStatus.CLOSED
    assert [hit.number for hit in signal.hits] == [1, 2, 3]
    assert not [e for e in world.events() if e["kind"] == "Alarm"]
    working = [
        o for o in world.store["orders"].all() if o["state"] in ("open", "submitted", "unknown", "partially_filled")
    ]
    assert working == []


def test_a_stop_closes_the_whole_position_for_the_planned_loss(world: World) -> None:
    world.price("BTCUSDT", "60000")
    world.say(ENTRY)
    world.settle()
    assert world.position().status is PositionStatus.OPEN
    world.price("BTCUSDT", "59000")
    closed = world.position()
    assert closed.close_reason == "stop_loss"
    assert -Decimal(101) < closed.net_pnl < -Decimal(90)


def test_the_same_message_a_hundred_times_is_one_trade(world: World) -> None:
    world.price("BTCUSDT", "60000")
    answers = [world.say(ENTRY) for _ in range(100)]
    world.settle()
    assert [answer.duplicate for answer in answers] == [False] + [True] * 99
    assert {answer.signal_id for answer in answers} == {answers[0].signal_id}
    assert len(world.positions()) == 1
    assert len(world.store["orders"].all()) == 5  # entry, stop, three targets


def test_a_source_closes_its_signal_by_reply(world: World) -> None:
    world.price("BTCUSDT", "60000")
    world.say(ENTRY)
    world.settle()
    world.price("BTCUSDT", "60500")
    taken = world.say("Close this trade now", "2", reply_to="1")
    assert taken.accepted, taken.reason
    world.settle()
    assert world.position().close_reason == "closed by source"
    assert world.position().exit_price == Decimal(60_500)


def test_cancelled_for_the_opposite_direction_means_the_older_signal(world: World) -> None:
    world.price("BTCUSDT", "60000")
    first = world.say(ENTRY)
    world.settle()
    world.clock.advance(600)
    world.price("BTCUSDT", "60200")
    second = world.say("#BTC/USDT SHORT\nEntry: 60200\nStop Loss: 61200\nTargets: 59200 - 58200", "2")
    world.settle()
    world.clock.advance(3)
    world.say("#BTC/USDT Signal Cancelled, closed due to opposite direction signal", "3")
    world.settle()
    assert world.signal(first.signal_id).status is SignalStatus.CLOSED
    assert world.signal(second.signal_id).status is SignalStatus.ACTIVE
    older, newer = world.positions()
    assert older.status is PositionStatus.CLOSED
    assert newer.status is PositionStatus.OPEN
