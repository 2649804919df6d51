"""Messages as channels really send them: repeats, echoes, edits, answers, and updates that name little."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from modules.domain.errors import InvalidInput
from modules.domain.parses import Kind
from modules.domain.positions import PositionStatus
from modules.domain.signals import SignalStatus, content_hash
from tests.flows.world import ENTRY, World

SHORT = "#BTC/USDT SHORT\nEntry: 60200\nStop Loss: 61200\nTargets: 59200 - 58200"


def stop_at_the_exchange(world: World) -> list[Decimal]:
    return [
        Decimal(each["trigger_price"])
        for each in world.store["paper_orders"].all()
        if each["type"] == "stop_market" and each["state"] == "open"
    ]


def test_one_call_through_two_sources_is_one_trade(world: World) -> None:
    first = world.say(ENTRY, source="one")
    world.clock.advance(5)
    second = world.say(ENTRY, "77", source="two")
    world.settle()
    assert not second.accepted
    assert second.signal_id == first.signal_id
    assert len(world.positions()) == 1


def test_a_call_that_comes_back_under_headers_is_one_trade(world: World) -> None:
    world.say(ENTRY)
    text = ENTRY
    for number in range(10):
        text = f"🔔 VIP SIGNAL 🔔\n{text}"
        assert not world.say(text, f"echo-{number}", source="group").accepted
        world.settle()
    assert len(world.positions()) == 1
    assert len(world.store["signals"].all()) == 1


def test_our_own_post_is_never_taken_in_again(world: World) -> None:
    own = "#ETH/USDT LONG\nEntry: 3000\nStop Loss: 2900\nTargets: 3100"
    world.store["posts"].insert(
        {
            "id": "telegram:-100/9",
            "chat": "-100",
            "message_id": "9",
            "signal_id": "s",
            "content_hash": content_hash(own),
        }
    )
    by_id = world.say("#SOL/USDT LONG\nEntry: 150\nStop Loss: 140\nTargets: 160", "9", source="telegram:-100")
    by_words = world.say(own, "10", source="somewhere")
    assert [by_id.kind, by_words.kind] == [Kind.NONE, Kind.NONE]
    assert world.store["signals"].all() == []


def test_two_equal_calls_an_hour_apart_after_the_first_closed_are_two_trades(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    world.price("BTCUSDT", "59000")
    world.clock.advance(3700)
    world.price("BTCUSDT", "60000")
    again = world.say(ENTRY, "2")
    world.settle()
    assert again.accepted
    assert len(world.positions()) == 2


def test_an_edit_of_the_stop_moves_the_stop(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    edit = world.say(ENTRY.replace("59000", "59500"), edited=1)
    world.settle()
    assert edit.accepted
    assert world.position().stop_loss == Decimal(59_500)
    assert stop_at_the_exchange(world) == [Decimal(59_500)]
    assert len(world.positions()) == 1


def test_an_edit_of_the_stop_before_the_entry_counts_at_the_entry(world: World) -> None:
    world.price("BTCUSDT", "60100")
    taken = world.say(ENTRY)
    world.settle()
    world.say(ENTRY.replace("59000", "59500"), edited=1)
    world.settle()
    world.price("BTCUSDT", "60000")
    assert world.position().stop_loss == Decimal(59_500)
    assert stop_at_the_exchange(world) == [Decimal(59_500)]
    world.price("BTCUSDT", "59500")
    assert world.position().close_reason == "stop_loss"
    assert world.signal(taken.signal_id).status is SignalStatus.CLOSED
    assert world.signal(taken.signal_id).exit_price == Decimal(59_500)


def test_an_edit_back_to_the_first_stop_is_followed(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    for number, stop in ((1, "59500"), (2, "59000")):
        world.say(ENTRY.replace("59000", stop), edited=number)
        world.settle()
    assert world.position().stop_loss == Decimal(59_000)


def test_ticking_targets_off_in_the_post_changes_nothing(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    before = world.store["orders"].all()
    for number, text in enumerate((ENTRY.replace("61000", "61000 ✅"), ENTRY.replace("61000 -", "61000 ✅ -")), 1):
        world.say(text, edited=number)
        world.settle()
    assert world.store["orders"].all() == before
    assert len(world.store["signals"].all()) == 1


def test_an_edit_never_widens_the_risk(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    world.say(ENTRY.replace("59000", "50000"), edited=1)
    world.settle()
    assert world.position().stop_loss == Decimal(59_000)
    assert [each["rule"] for each in world.events("RequestRefused")] == ["more_risk"]


def test_an_answer_to_an_update_means_the_same_signal(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    world.say("Target 1 reached ✅", "2", reply_to="1")
    closing = world.say("Close this trade now", "3", reply_to="2")
    world.settle()
    assert closing.accepted
    assert world.position().close_reason == "closed by source"


def test_claims_of_the_channel_move_nothing(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    before = world.store["orders"].all()
    world.say("#BTC/USDT All targets achieved 😎 Profit: 50%", "2", reply_to="1")
    world.say("#BTC/USDT Stoploss hit ⛔", "3", reply_to="1")
    world.settle()
    assert world.position().status is PositionStatus.OPEN
    assert world.store["orders"].all() == before


def test_an_update_by_symbol_finds_the_only_open_signal(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    assert world.say("#BTC/USDT close now", "2").accepted
    world.settle()
    assert world.position().status is PositionStatus.CLOSED


def test_an_update_on_another_symbol_or_source_touches_nothing(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    assert not world.say("#ETH/USDT close now", "2").accepted
    assert not world.say("#BTC/USDT close now", "2", source="stranger").accepted
    world.settle()
    assert world.position().status is PositionStatus.OPEN


def test_an_update_that_names_the_other_side_touches_nothing(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    said = world.say("#BTC/USDT SHORT close now", "2")
    world.settle()
    assert not said.accepted, said.reason
    assert world.position().status is PositionStatus.OPEN


def test_an_update_without_symbol_among_several_signals_touches_nothing(world: World) -> None:
    world.price("ETHUSDT", "3000")
    world.say(ENTRY)
    world.say("#ETH/USDT LONG\nEntry: 3000\nStop Loss: 2900\nTargets: 3100 - 3200", "2")
    world.settle()
    said = world.say("Close this trade now", "3")
    world.settle()
    assert not said.accepted
    assert [each.status for each in world.positions()] == [PositionStatus.OPEN] * 2


def test_cancelled_for_the_opposite_direction_when_only_the_new_one_is_known(world: World) -> None:
    world.price("BTCUSDT", "60200")
    new = world.say(SHORT, "2")
    world.settle()
    world.clock.advance(3)
    said = world.say("#BTC/USDT Signal Cancelled, closed due to opposite direction signal", "3")
    world.settle()
    assert not said.accepted
    assert world.signal(new.signal_id).status is SignalStatus.ACTIVE
    assert world.position().status is PositionStatus.OPEN


def test_a_stated_age_tells_two_signals_apart(world: World) -> None:
    older = world.say(ENTRY)
    world.settle()
    world.clock.advance(8 * 3600)
    world.price("BTCUSDT", "60000")
    newer = world.say(ENTRY.replace("61000", "61100"), "2")
    world.settle()
    world.clock.advance(1200)
    world.price("BTCUSDT", "60100")
    said = world.say("#BTC/USDT close now\nSent 8 hours 20 minutes ago", "3")
    world.settle()
    assert said.signal_id == older.signal_id
    assert world.signal(older.signal_id).status is SignalStatus.CLOSED
    assert world.signal(newer.signal_id).status is SignalStatus.ACTIVE


def test_a_stated_age_that_fits_no_signal_touches_nothing(world: World) -> None:
    world.say(ENTRY)
    world.settle()
    world.clock.advance(600)
    said = world.say("#BTC/USDT close now\nSent 8 hours 20 minutes ago", "2")
    world.settle()
    assert not said.accepted, said.reason
    assert world.position().status is PositionStatus.OPEN


def test_a_late_message_is_shown_but_not_traded(world: World) -> None:
    said_at = world.clock.now() - timedelta(minutes=16)
    taken = world.say(ENTRY, at=said_at)
    world.settle()
    assert not taken.accepted
    assert world.signal(taken.signal_id).status is SignalStatus.EXPIRED
    assert world.store["plans"].all() == []


def test_a_clock_that_runs_ahead_at_the_source_does_not_make_a_message_from_the_future(world: World) -> None:
    taken = world.say(ENTRY, at=world.clock.now() + timedelta(days=30))
    world.settle()
    assert world.signal(taken.signal_id).said_at == world.signal(taken.signal_id).received_at


@pytest.mark.parametrize("text", ["", "   ", "x" * 100_001, "я" * 60_000])
def test_no_text_and_too_much_text_are_refused(world: World, text: str) -> None:
    with pytest.raises(InvalidInput):
        world.say(text)
    assert world.store["messages"].all() == []


@pytest.mark.parametrize(
    "text", ["\ud800 LONG", "\x00\x00", "\u202e#BTC LONG 60000\u202c", "🚀" * 1000, "𝔹𝕋ℂ/𝕌𝕊𝔻𝕋 𝕃𝕆ℕ𝔾"]
)
def test_odd_characters_never_stop_the_way_in(world: World, text: str) -> None:
    world.say(text)
    world.settle()
    assert len(world.store["messages"].all()) == 1


def test_renders_symbol_is_not_cut(world: World) -> None:
    world.price("RENDERUSDT", "5")
    world.say("#RENDER/USDT LONG\nEntry: 5\nStop Loss: 4.8\nTargets: 5.2 - 5.4")
    world.settle()
    assert world.position().symbol == "RENDERUSDT"
    world.say("#RENDER/USDT close now", "2")
    world.settle()
    assert world.position().status is PositionStatus.CLOSED
