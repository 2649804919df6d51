"""A channel's post is read, traded, posted with a picture and followed by replies, whatever Telegram does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bots.telegram_bot import Broadcast
from modules.connections import telegram_bot_api
from modules.connections.telegram_limits import Limits, Rate
from modules.domain.signals import SourceMessage
from modules.notices.local_channel import messages_after
from modules.notices.outbox import say
from tests.fakes.bot_api import BotApi
from tests.fakes.data_centre import DataCentre
from tests.flows.telegram_house import TRIAL, House

ENTRY = "#BTC/USDT LONG\nEntry: 100\nStop Loss: 98\nTargets: 101 - 102\nLeverage: 5x"
STEPS = ["LONG", "entered at 100", "target 1 of 2", "target 2 of 2", "closed at 102"]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApi]:
    free = Limits(Rate(1000, 0.001), Rate(1000, 0.001), Rate(1000, 0.001))
    monkeypatch.setattr(telegram_bot_api, "Limits", lambda: free)
    with BotApi() as server:
        yield server


@pytest_asyncio.fixture
async def house(api: BotApi, tmp_path: Path) -> AsyncIterator[House]:
    async with DataCentre() as centre:
        made = House(tmp_path, api, centre)
        yield made
        made.close()


async def trade(house: House) -> None:
    """The channel's signal, traded to its last target."""
    await house.price("BTCUSDT", "100")
    house.centre.post(house.calls, ENTRY)
    await house.until(house.signals)
    await house.settle()
    await house.price("BTCUSDT", "101", "102")


def follows(texts: list[str], steps: list[str]) -> bool:
    return len(texts) == len(steps) and all(step in text for step, text in zip(steps, texts, strict=True))


def as_replies(house: House, chat: int) -> bool:
    first, *replies = house.api.messages(chat)
    return {each["reply_to_message"]["message_id"] for each in replies} == {first["message_id"]}


async def test_a_post_becomes_a_trade_and_a_thread_with_a_picture_in_every_group(house: House) -> None:
    async with house.open():
        await trade(house)
        for chat in (house.vip, TRIAL):
            await house.until(lambda chat=chat: follows(house.shown(chat), STEPS))
            assert as_replies(house, chat)
        pictures = house.api.accepted("sendPhoto")
        assert {call.chat_id for call in pictures} == {house.vip, TRIAL}
        assert all(call.files["photo"].startswith(b"\x89PNG") for call in pictures)
        await house.until(lambda: {row["status"] for row in house.store["deliveries"].all()} == {"sent"})
    (position,) = house.positions()
    assert (position["status"], position["close_reason"]) == ("closed", "targets")


async def test_a_chat_told_to_wait_keeps_its_order_and_delays_no_other(house: House) -> None:
    house.api.limited(house.vip, 2, times=1)
    async with house.open():
        await trade(house)
        await house.until(lambda: follows(house.shown(TRIAL), STEPS))
        assert not follows(house.shown(house.vip), STEPS)
        await house.until(lambda: follows(house.shown(house.vip), STEPS))
        assert as_replies(house, house.vip)
    calls = [call for call in house.api.calls if call.chat_id == house.vip]
    assert calls[0].status == 429
    assert calls[1].at - calls[0].at >= 2  # no try in between
    assert [call.status for call in calls[1:]] == [200] * 5


async def test_who_has_blocked_the_bot_is_marked_and_asked_no_more(house: House) -> None:
    blocked, other = 601, 602
    chats = [
        {"id": f"telegram:{n}", "kind": "vip", "user_id": None, "muted": [], "muted_until": None} for n in (601, 602)
    ]
    house.store["chats"].insert_multiple([{**chat, "blocked": False} for chat in chats])
    fault = house.api.blocked_by(blocked)
    async with house.open():
        await trade(house)
        await house.until(lambda: follows(house.shown(other), STEPS))
        await house.until(lambda: (house.store["chats"].get(key=f"telegram:{blocked}") or {})["blocked"])
        assert len([call for call in house.api.calls if call.chat_id == blocked]) == 1
        fault.times = 0
        house.api.say("/help", blocked, blocked)  # the person let the bot in again
        await house.until(lambda: house.shown(blocked)[1:])
        assert not (house.store["chats"].get(key=f"telegram:{blocked}") or {})["blocked"]


async def test_an_answer_lost_after_sending_repeats_at_most_that_one_notice(house: House) -> None:
    house.api.fail("sendMessage", TRIAL, hang_up="after")
    async with house.open():
        await trade(house)
        await house.until(lambda: "closed at 102" in "".join(house.shown(TRIAL)), 15)
        await house.until(lambda: follows(house.shown(house.vip), STEPS))
    texts = house.shown(TRIAL)
    assert follows(texts, [STEPS[0], STEPS[1], *STEPS[1:]])
    assert texts[1] == texts[2]


async def test_a_gateway_error_is_tried_again_and_a_wrong_text_is_not(house: House) -> None:
    house.api.fail("sendPhoto", TRIAL, status=502, description="Bad Gateway")
    house.api.fail("sendMessage", house.vip, status=400, description="Bad Request: message text is empty")
    async with house.open():
        await trade(house)
        await house.until(lambda: follows(house.shown(TRIAL), STEPS), 15)
        await house.until(lambda: follows(house.shown(house.vip), [STEPS[0], *STEPS[2:]]))
    lost = [row for row in house.store["deliveries"].all() if row["status"] == "undeliverable"]
    assert [row["chat"] for row in lost] == [f"telegram:{house.vip}"]
    assert not (house.store["chats"].get(key=f"telegram:{house.vip}") or {})["blocked"]


async def test_a_row_that_cannot_be_handled_is_given_up_and_the_next_ones_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.telegram_side._TRIES", 2)
    now = house.now()
    with house.store.transaction() as tx:
        say(tx, f"telegram:{TRIAL}", "", "empty", now)
        say(tx, f"telegram:{TRIAL}", "after it", "next", now + timedelta(milliseconds=1))
    async with house.open(reading=False):
        await house.until(lambda: house.shown(TRIAL) == ["after it"])
    row = house.store["deliveries"].get(key=f"said:empty:telegram:{TRIAL}") or {}
    assert row["status"] == "undeliverable"
    assert "a text or a picture" in row["trouble"]


async def test_a_flood_wait_of_the_reader_delays_but_loses_nothing(house: House) -> None:
    house.centre.flood("GetHistory", 1, times=2)
    house.centre.post(house.calls, "Good morning everybody, today we stay patient")
    async with house.open():
        house.centre.post(house.calls, ENTRY)
        await house.until(house.signals)
    assert len(house.signals()) == 1


async def test_what_was_missed_is_caught_up_in_order_and_late_entries_are_not_traded(house: House) -> None:
    async with house.open(sending=False):
        house.centre.post(house.calls, "hello")
        await house.until(house.messages)
    await house.price("BTCUSDT", "100")
    hour_ago = house.now() - timedelta(hours=1)
    house.centre.post(house.calls, ENTRY.replace("BTC", "ETH"), at=hour_ago)
    house.centre.post(house.calls, "one more thing", at=hour_ago + timedelta(minutes=1))
    house.centre.post(house.calls, ENTRY)
    async with house.open(sending=False):
        await house.until(lambda: len(house.messages()) == 4)
    late, fresh = sorted(house.signals(), key=lambda each: each["said_at"])
    assert (late["symbol"], late["status"], late["late"]) == ("ETHUSDT", "expired", True)
    assert (fresh["symbol"], fresh["status"]) == ("BTCUSDT", "waiting")
    await house.settle()
    assert [row["symbol"] for row in house.positions()] == ["BTCUSDT"]
    numbers = [each["message_id"] for each in house.store["messages"].search(order_by="received_at")]
    assert numbers == ["1", "2", "3", "4"]


async def test_an_edit_and_a_reply_reach_the_signal_they_mean(house: House) -> None:
    await house.price("BTCUSDT", "100")
    async with house.open(sending=False):
        number = house.centre.post(house.calls, ENTRY)
        await house.until(house.signals)
        await house.settle()
        house.centre.edit(house.calls, number, ENTRY.replace("98", "99"))
        await house.until(lambda: len(house.messages()) == 2)
        await house.settle()
        assert house.positions()[0]["stop_loss"] == "99"
        house.centre.post(house.calls, "Close this trade now", reply_to=number)
        await house.until(lambda: len(house.messages()) == 3)
        await house.settle()
    (position,) = house.positions()
    assert (position["status"], position["close_reason"]) == ("closed", "closed by source")


async def test_our_own_posts_are_not_taken_in_again_by_number_or_by_their_words(house: House) -> None:
    async with house.open():
        await trade(house)
        await house.until(lambda: follows(house.shown(house.vip), STEPS))
        before = len(house.messages())
        for text in house.shown(house.vip):  # the account sits in our own group and sees what the bot posts there
            house.centre.post(house.group, _as_read(text))
        for text in house.shown(house.vip):  # somebody copies our posts, without markup, into a channel we read
            house.centre.post(house.calls, _as_read(text))
        house.centre.post(house.calls, ENTRY.replace("BTC", "SOL"))
        await house.until(lambda: any(each["symbol"] == "SOLUSDT" for each in house.signals()))
    ours = [each for each in house.store["messages"].all() if each["source"] == f"telegram:{house.vip}"]
    assert ours == []
    copied = house.store["messages"].search(order_by="received_at")[before:-1]
    assert [each["reason"] for each in copied] == ["This repeats our own words."] * len(STEPS)
    assert [each["symbol"] for each in house.store["signals"].all()] == ["BTCUSDT", "SOLUSDT"]


def _as_read(text: str) -> str:
    return text.replace("<b>", "").replace("</b>", "")


async def test_a_telegram_that_does_not_answer_does_not_hold_up_the_local_chat(house: House) -> None:
    house.api.fail("getMe", delay=8, times=1)
    broadcast = Broadcast(house.core, house.rooms(), house.prices)  # type: ignore[arg-type]
    await house.price("BTCUSDT", "100")
    house.stage.take(SourceMessage("test", "1", ENTRY, house.now(), house.now()))
    await house.settle()
    async with asyncio.timeout(5):
        while not messages_after(house.store, "local:vip", 0):
            await broadcast.turn(house.now())
            await asyncio.sleep(0.01)
    assert "connecting" in broadcast.status()[1]
    await broadcast.stop()


async def test_the_menu_shows_no_operator_commands(house: House) -> None:
    async with house.open(reading=False):
        await house.until(lambda: house.api.commands)
    names = {each["command"] for each in house.api.commands}
    assert {"start", "help", "close", "kill"} <= names
    assert names.isdisjoint({"broadcast", "killall", "resumeall", "pause", "sources", "health"})


async def test_rows_of_a_flooded_chat_stay_due_in_the_order_of_their_events(house: House) -> None:
    now = house.now()
    with house.store.transaction() as tx:
        for number in range(20):
            say(tx, f"telegram:{TRIAL}", f"line {number}", f"{number:02}", now)
    house.api.limited(TRIAL, 1, times=2)
    async with house.open(reading=False):
        await house.until(lambda: len(house.shown(TRIAL)) == 20, 15)
    assert house.shown(TRIAL) == [f"line {number}" for number in range(20)]
