"""From a channel's post through the bot into a group and back: order, replies, and no echo of our own messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from modules.connections.telegram_bot_api import BotSender, Button, Delivered, Outgoing
from modules.connections.telegram_limits import Limits, Rate
from modules.connections.telegram_reader import ChannelReader, Pace, ReaderHooks, UserAccount
from modules.connections.telegram_updates import BotReceiver, ChatInput
from modules.domain.errors import OutcomeUnknown, Unavailable
from modules.domain.signals import SourceMessage
from modules.runtime.clock import SystemClock
from tests.fakes.bot_api import TOKEN, BotApi, eventually
from tests.fakes.data_centre import Channel, DataCentre

UNLIMITED = Limits(Rate(1000, 0.001), Rate(1000, 0.001), Rate(1000, 0.001))
PACE = Pace(first_pause=0.02, longest_pause=0.1, connect_timeout=5)


class Forwarder:
    """Takes posts into a list with unique ids and sends each once into the group, replies under their originals."""

    def __init__(self, sender: BotSender, group: Channel) -> None:
        self.sender = sender
        self.group = group
        self.taken: dict[str, SourceMessage] = {}
        self.sent: dict[str, int] = {}
        self.state: dict[str, Any] = {}
        self.told: list[str] = []

    def save(self, state: dict[str, Any]) -> None:
        self.state = json.loads(json.dumps(state))

    async def take(self, post: SourceMessage) -> None:
        self.told.append(post.id)
        if post.id in self.taken:
            return
        self.taken[post.id] = post
        reply_to = self.sent.get(post.reply_to or "")
        outcome = await self.sender.send(Outgoing(self.group.marked_id, post.text, reply_to=reply_to, html=False))
        assert isinstance(outcome, Delivered)
        self.sent[post.message_id] = outcome.message_id

    def is_own(self, chat: int, number: int, _sender: int | None) -> bool:
        return chat == self.group.marked_id and number in self.sent.values()

    def reader(self, centre: DataCentre, *channels: str) -> ChannelReader:
        hooks = ReaderHooks(lambda: self.state, self.save, self.take, is_own=self.is_own)
        account = UserAccount(1, "hash", centre.session)
        return ChannelReader(account, channels, hooks, clock=SystemClock(), pace=PACE)


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as server:
        yield server


@pytest_asyncio.fixture
async def centre() -> AsyncIterator[DataCentre]:
    async with DataCentre() as server:
        yield server


@pytest_asyncio.fixture
async def forwarder(api: BotApi, centre: DataCentre) -> AsyncIterator[Forwarder]:
    sender = BotSender(TOKEN, SystemClock(), base_url=api.base_url, limits=UNLIMITED)
    await sender.start()
    yield Forwarder(sender, centre.add_channel("VIP", "vip", megagroup=True))
    await sender.close()


async def _ready(reader: ChannelReader, channels: int) -> asyncio.Task[None]:
    task = asyncio.create_task(reader.run())
    await eventually(lambda: sum(1 for c in reader.status().channels.values() if c.last_read_at) == channels)
    return task


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_signals_and_their_updates_reach_the_group_as_a_thread_without_an_echo(
    api: BotApi, centre: DataCentre, forwarder: Forwarder
) -> None:
    calls = centre.add_channel("Calls", "calls")
    running = await _ready(forwarder.reader(centre, "calls", "vip"), 2)
    signal = centre.post(calls, "BTCUSDT LONG 100 SL 95 TP 110")
    centre.post(calls, "TP1 reached", reply_to=signal)
    await eventually(lambda: len(forwarder.sent) == 2)
    group = forwarder.group.marked_id
    original, update = api.messages(group)
    assert update["reply_to_message"]["message_id"] == original["message_id"]
    # The account sits in the group too and sees what the bot has sent there.
    for message in (original, update):
        assert centre.post(forwarder.group, message["text"]) == message["message_id"]
    centre.post(calls, "next")
    await eventually(lambda: len(forwarder.sent) == 3)
    assert [message["text"] for message in api.messages(group)][2:] == ["next"]
    assert not [post for post in forwarder.told if post.startswith(f"telegram:{group}/")]
    await _end(running)


async def test_a_crash_between_taking_and_noting_repeats_the_same_id(
    api: BotApi, centre: DataCentre, forwarder: Forwarder
) -> None:
    calls = centre.add_channel("Calls", "calls")
    running = await _ready(forwarder.reader(centre, "calls"), 1)
    before = forwarder.state
    centre.post(calls, "one")
    await eventually(lambda: len(forwarder.sent) == 1)
    await _end(running)
    forwarder.state = before
    running = await _ready(forwarder.reader(centre, "calls"), 1)
    await eventually(lambda: len(forwarder.told) == 2)
    assert forwarder.told[0] == forwarder.told[1]
    assert len(api.messages(forwarder.group.marked_id)) == 1
    await _end(running)


async def test_a_refused_sending_keeps_the_post_until_it_is_out(
    api: BotApi, centre: DataCentre, forwarder: Forwarder
) -> None:
    calls = centre.add_channel("Calls", "calls")
    taken = forwarder.take

    async def take(post: SourceMessage) -> None:
        try:
            await taken(post)
        except Unavailable:
            del forwarder.taken[post.id]
            raise

    forwarder.take = take  # type: ignore[method-assign]
    running = await _ready(forwarder.reader(centre, "calls"), 1)
    api.fail("sendMessage", status=500)
    centre.post(calls, "one")
    await eventually(lambda: len(forwarder.sent) == 1)
    assert len(api.called("sendMessage")) == 2
    await _end(running)


async def test_a_press_is_answered_and_its_message_changed(api: BotApi, forwarder: Forwarder) -> None:
    pressed: asyncio.Queue[ChatInput] = asyncio.Queue()
    receiver = BotReceiver(TOKEN, api.base_url, pressed.put, clock=SystemClock(), long_poll_seconds=1)
    await receiver.start()
    sender = forwarder.sender
    outcome = await sender.send(Outgoing(501, "Close BTCUSDT?", buttons=((Button("Yes", data="close:7:yes"),),)))
    assert isinstance(outcome, Delivered)
    api.press("close:7:yes", api.messages(501)[0])
    said = await asyncio.wait_for(pressed.get(), 5)
    assert said.callback_id is not None
    assert await sender.answer_callback(said.callback_id, "closing")
    await sender.send(Outgoing(said.chat_id, "BTCUSDT closed", edit_message=said.message_id))
    assert api.messages(501)[0]["text"] == "BTCUSDT closed"
    await receiver.stop()


async def test_a_lost_answer_is_told_so_that_nothing_is_sent_twice_blindly(api: BotApi, forwarder: Forwarder) -> None:
    api.fail("sendMessage", hang_up="after")
    with pytest.raises(OutcomeUnknown):
        await forwarder.sender.send(Outgoing(501, "once"))
    assert [message["text"] for message in api.messages(501)] == ["once"]
