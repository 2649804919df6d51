"""Signals of one user's own source: planned for that user alone, told to that user alone, apart from everybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.notices.outbox import Outbox
from modules.views import Views
from tests.flows.world import ENTRY, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    for name in ("a1", "b1"):
        made.account(name)
        blank: dict[str, object] = {"muted": [], "muted_until": None, "blocked": False}
        made.store["chats"].insert({"id": f"local:{name}", "kind": "user", "user_id": f"user-{name}", **blank})
    made.store["chats"].insert({"id": "local:vip", "kind": "vip", "user_id": None, **blank})
    made.price("BTCUSDT", "60000")
    yield made
    made.close()


def _read(world: World) -> dict[str, set[str]]:
    outbox = Outbox(world.store)
    while outbox.turn(world.clock.now()):
        pass
    read: dict[str, set[str]] = {}
    for row in world.store["deliveries"].all():
        read.setdefault(row["chat"], set()).add(row["kind"])
    return read


def test_only_the_owner_trades_and_reads_it(world: World) -> None:
    world.say(ENTRY, source="webhook:tv", owner="user-a1")
    world.settle()
    world.price("BTCUSDT", "61000", "62000", "63000")
    assert len(world.positions("a1")) == 1
    assert world.positions("b1") == []
    read = _read(world)
    assert set(read) == {"local:a1"}
    assert {"SignalReceived", "SignalEntered", "SignalTargetHit", "SignalClosed", "PositionClosed"} <= read["local:a1"]
    private = [each for each in world.events() if each["kind"].startswith("Signal")]
    assert private
    assert {each.get("owner") for each in private} == {"user-a1"}


def test_a_refusal_of_it_reaches_the_owner_and_no_operator(world: World) -> None:
    blank: dict[str, object] = {"muted": [], "muted_until": None, "blocked": False}
    world.store["chats"].insert({"id": "local:operator", "kind": "operator", "user_id": "boss", **blank})
    world.say("#ETH/USDT LONG\nEntry: 100\nStop Loss: 120\nTargets: 110", source="webhook:tv", owner="user-b1")
    world.settle()
    assert _read(world) == {"local:b1": {"SignalRefused"}}


def test_the_same_call_in_a_private_source_does_not_silence_the_public_one(world: World) -> None:
    mine = world.say(ENTRY, source="webhook:tv", owner="user-a1")
    theirs = world.say(ENTRY, source="webhook:tv", message_id="2", owner="user-b1")
    public = world.say(ENTRY, source="channel", message_id="3")
    again = world.say(ENTRY, source="channel", message_id="4")
    assert (mine.accepted, theirs.accepted, public.accepted, again.accepted) == (True, True, True, False)


@pytest.mark.parametrize("reply_to", [None, "1"])
def test_an_update_reaches_no_signal_of_another_owner_under_the_same_name(world: World, reply_to: str | None) -> None:
    world.say(ENTRY, source="webhook:tv", owner="user-a1")
    world.settle()
    foreign = world.say("BTCUSDT close now", "9", source="webhook:tv", owner="user-b1", reply_to=reply_to)
    assert not foreign.accepted
    own = world.say("BTCUSDT close now", "10", source="webhook:tv", owner="user-a1", reply_to=reply_to)
    assert own.accepted
    world.settle()
    assert world.position("a1").status.value == "closed"


def test_only_the_owner_finds_it_in_lists(world: World, tmp_path: Path) -> None:
    mine = world.say(ENTRY, source="webhook:tv", owner="user-a1")
    public = world.say(ENTRY.replace("60000", "60100"), source="channel", message_id="2")
    world.store["signals"].update(lambda document: document.pop("owner"), key=str(public.signal_id))  # as kept before
    views = Views(world.store, tmp_path / "run")
    assert {row["id"] for row in views.signals(viewer="user-a1").rows} == {mine.signal_id, public.signal_id}
    for other in ("user-b1", None):
        assert {row["id"] for row in views.signals(viewer=other).rows} == {public.signal_id}
        assert views.signal(str(mine.signal_id), viewer=other) is None
        assert [row["source"] for row in views.sources(viewer=other)] == ["channel"]
    assert views.signal(str(mine.signal_id), viewer="user-a1") is not None
    assert [row["source"] for row in views.sources(viewer="user-a1")] == ["channel", "webhook:tv"]
