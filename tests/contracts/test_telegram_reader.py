"""The channel reader, over the real Telethon client against a data centre on loopback."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from modules.connections.telegram_reader import ChannelReader, Pace, ReaderHooks, UserAccount
from modules.domain.errors import Misconfigured, Unavailable
from modules.domain.signals import SourceMessage
from modules.runtime.clock import SystemClock
from tests.fakes.bot_api import eventually
from tests.fakes.data_centre import SOMEBODY, Channel, DataCentre

QUICK = Pace(ping=60, look=60, look_not_joined=0.05, first_pause=0.02, longest_pause=0.2, connect_timeout=5)
READ_ONLY = {
    *("GetConfig", "GetUsers", "GetState", "GetDifference", "GetChannelDifference", "GetHistory", "GetDialogs"),
    *("ResolveUsername", "CheckChatInvite", "Ping", "GetChannels"),
}


class Desk:
    """Runs readers one after another over one state, and collects what they hand over."""

    def __init__(self, centre: DataCentre) -> None:
        self.centre = centre
        self.state = "{}"
        self.posts: asyncio.Queue[SourceMessage] = asyncio.Queue()
        self.deleted: asyncio.Queue[tuple[int, tuple[int, ...]]] = asyncio.Queue()
        self.own: set[tuple[int, int]] = set()
        self.failures = 0
        self.saved: list[str] = []
        self._running: list[asyncio.Task[None]] = []

    async def take(self, post: SourceMessage) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the store is busy")
        self.posts.put_nowait(post)

    async def forget(self, chat: int, numbers: tuple[int, ...]) -> None:
        self.deleted.put_nowait((chat, numbers))

    def save(self, state: dict[str, Any]) -> None:
        self.state = json.dumps(state)

    def reader(self, *channels: str | int, pace: Pace = QUICK, session: str | None = None) -> ChannelReader:
        hooks = ReaderHooks(
            load_state=lambda: json.loads(self.state),
            save_state=self.save,
            on_message=self.take,
            on_deleted=self.forget,
            is_own=lambda chat, number, _sender: (chat, number) in self.own,
        )
        account = UserAccount(1, "hash", session or self.centre.session)
        return ChannelReader(account, channels, hooks, clock=SystemClock(), pace=pace)

    async def start(self, *channels: str | int, pace: Pace = QUICK) -> ChannelReader:
        """A reader that has had its first look at every channel it found."""
        reader = self.reader(*channels, pace=pace)
        self._running.append(asyncio.create_task(reader.run()))
        await eventually(lambda: _settled(reader))
        return reader

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    async def next(self) -> SourceMessage:
        return await asyncio.wait_for(self.posts.get(), 5)

    async def texts(self, count: int) -> list[str]:
        return [(await self.next()).text for _ in range(count)]


def _settled(reader: ChannelReader) -> bool:
    status = reader.status()
    return status.connected and bool(status.channels) and all(c.last_read_at for c in status.channels.values())


@pytest_asyncio.fixture
async def centre() -> AsyncIterator[DataCentre]:
    async with DataCentre() as server:
        yield server
        assert set(server.requests) <= READ_ONLY, "a reader only ever reads"


@pytest_asyncio.fixture
async def desk(centre: DataCentre) -> AsyncIterator[Desk]:
    desk = Desk(centre)
    yield desk
    await desk.stop()


@pytest.fixture
def calls(centre: DataCentre) -> Channel:
    channel = centre.add_channel("Daily Calls", "daily_calls")
    centre.post(channel, "an old post", at=datetime.now(UTC) - timedelta(days=1))
    return channel


async def test_a_new_post_is_handed_over_as_it_was_said(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    reader = await desk.start("@Daily_Calls")
    number = centre.post(calls, "#BTC/USDT LONG", reply_to=1)
    post = await desk.next()
    assert (post.source, post.message_id, post.text) == (f"telegram:{calls.marked_id}", str(number), "#BTC/USDT LONG")
    assert (post.reply_to, post.edited, post.backlog) == ("1", 0, False)
    assert post.at == calls.messages[number].date
    assert post.received_at.tzinfo is not None
    status = reader.status()
    assert status.last_message_at[calls.marked_id] == post.at
    assert (status.last_update_age_seconds or 9) < 5
    assert status.channels[calls.marked_id].title == "Daily Calls"
    assert desk.posts.empty(), "what stood there before the first start is history"


async def test_posts_made_while_away_come_in_order_marked_as_backlog(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    await desk.start("daily_calls")
    centre.post(calls, "seen")
    assert await desk.texts(1) == ["seen"]
    await desk.stop()
    for number in range(130):
        centre.post(calls, f"missed {number}")
    await desk.start("daily_calls")
    missed = [await desk.next() for _ in range(130)]
    assert [post.text for post in missed] == [f"missed {number}" for number in range(130)]
    assert all(post.backlog for post in missed)
    centre.post(calls, "live")
    assert not (await desk.next()).backlog
    assert desk.posts.empty()


async def test_a_dropped_connection_is_made_again_and_nothing_is_missed_or_doubled(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    reader = await desk.start("daily_calls")
    centre.post(calls, "before")
    assert await desk.texts(1) == ["before"]
    for turn in range(3):
        centre.drop()
        centre.post(calls, f"meanwhile {turn}")
        await eventually(lambda turn=turn: reader.status().connections == turn + 2)
        centre.push_again(calls, calls.last_id)
        assert await desk.texts(1) == [f"meanwhile {turn}"]
    centre.post(calls, "after")
    assert await desk.texts(1) == ["after"]
    assert desk.posts.empty()


async def test_it_keeps_trying_while_nobody_answers(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    reader = await desk.start("daily_calls")
    centre.refusing = True
    centre.drop()
    seen = centre.connections
    await eventually(lambda: centre.connections >= seen + 3)
    assert not reader.status().connected
    centre.post(calls, "at last")
    centre.refusing = False
    assert await desk.texts(1) == ["at last"]


async def test_a_post_that_was_never_pushed_is_read_before_the_next_one(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    await desk.start("daily_calls")
    centre.post(calls, "one")
    centre.post(calls, "two, silently", pushed=False)
    centre.skip(calls)
    centre.pin(calls)
    centre.post(calls, "three")
    assert await desk.texts(3) == ["one", "two, silently", "three"]


async def test_looking_now_and_then_finds_what_was_never_pushed(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    reader = await desk.start("daily_calls", pace=replace(QUICK, look=0.05))
    centre.silent = True
    centre.post(calls, "fresh")
    post = await desk.next()
    assert (post.text, post.backlog) == ("fresh", False)
    centre.post(calls, "stale", at=datetime.now(UTC) - timedelta(minutes=10))
    assert (await desk.next()).backlog
    read_at = reader.status().channels[calls.marked_id].last_read_at
    await eventually(lambda: reader.status().channels[calls.marked_id].last_read_at != read_at)


async def test_edits_are_counted_and_the_same_text_is_no_edit(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    await desk.start("daily_calls")
    number = centre.post(calls, "entry 100")
    centre.edit(calls, number, "entry 101")
    centre.edit(calls, number, "entry 101")
    centre.edit(calls, number, "entry 102")
    versions = [await desk.next() for _ in range(3)]
    assert [(post.edited, post.text) for post in versions] == [(0, "entry 100"), (1, "entry 101"), (2, "entry 102")]
    assert {post.message_id for post in versions} == {str(number)}
    assert desk.posts.empty()


async def test_edits_and_deletions_made_while_away_are_found(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    await desk.start("daily_calls")
    first, second, third = (centre.post(calls, text) for text in ("one", "two", "three"))
    await desk.texts(3)
    await desk.stop()
    centre.edit(calls, first, "one, corrected")
    centre.delete(calls, second)
    await desk.start("daily_calls")
    edited = await desk.next()
    assert (edited.message_id, edited.edited, edited.text) == (str(first), 1, "one, corrected")
    assert await asyncio.wait_for(desk.deleted.get(), 5) == (calls.marked_id, (second,))
    assert third in calls.messages
    assert desk.posts.empty()


async def test_deletions_are_told_with_their_numbers(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    await desk.start("daily_calls")
    one, two = centre.post(calls, "one"), centre.post(calls, "two")
    await desk.texts(2)
    centre.delete(calls, one, two)
    assert await asyncio.wait_for(desk.deleted.get(), 5) == (calls.marked_id, (one, two))


async def test_own_messages_and_service_messages_are_not_taken(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    await desk.start("daily_calls")
    centre.post(calls, "sent by this account", out=True)
    desk.own.add((calls.marked_id, calls.last_id + 1))
    number = centre.post(calls, "our own broadcast")
    centre.edit(calls, number, "our own broadcast, edited")
    centre.pin(calls)
    centre.post(calls, "somebody else's")
    assert await desk.texts(1) == ["somebody else's"]
    assert desk.posts.empty()


async def test_other_channels_are_not_read(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    other = centre.add_channel("Private talk", "private_talk")
    await desk.start("daily_calls")
    centre.post(other, "not for us")
    centre.post(calls, "for us")
    assert await desk.texts(1) == ["for us"]


async def test_groups_are_read_with_their_writers(centre: DataCentre, desk: Desk) -> None:
    group = centre.add_channel("Traders", "traders", megagroup=True)
    await desk.start("traders")
    centre.post(group, "long ETH", sender=SOMEBODY)
    assert await desk.texts(1) == ["long ETH"]


async def test_a_failing_callback_gets_the_post_again_and_the_mark_waits_for_it(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    reader = await desk.start("daily_calls")
    before = desk.state
    desk.failures = 1
    centre.post(calls, "important")
    await eventually(lambda: reader.status().channels[calls.marked_id].failing_since is not None)
    assert desk.state == before, "nothing is noted as read before it was taken"
    assert await desk.texts(1) == ["important"]
    await eventually(lambda: reader.status().channels[calls.marked_id].failing_since is None)
    assert json.loads(desk.state)["memories"][str(calls.marked_id)]["last_id"] == calls.last_id


async def test_a_post_not_taken_before_the_end_comes_again_after_the_restart(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    await desk.start("daily_calls")
    desk.failures = 10**6
    centre.post(calls, "important")
    await eventually(lambda: desk.failures < 10**6)
    await desk.stop()
    desk.failures = 0
    await desk.start("daily_calls")
    post = await desk.next()
    assert (post.text, post.backlog) == ("important", True)


# ---- channels: names, numbers, limits


async def test_a_name_is_looked_up_once_and_kept(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    await desk.start("https://t.me/daily_calls")
    await desk.stop()
    calls.username = "renamed"
    await desk.start("@daily_calls")
    assert centre.requests.count("ResolveUsername") == 1


@pytest.mark.parametrize(
    "written", [lambda c: c.marked_id, lambda c: c.id, lambda c: f"t.me/c/{c.id}/7", lambda c: -c.id]
)
async def test_a_number_is_understood_with_and_without_its_prefix(
    centre: DataCentre, desk: Desk, calls: Channel, written: Callable[[Channel], str | int]
) -> None:
    await desk.start(written(calls))
    centre.post(calls, "found")
    assert await desk.texts(1) == ["found"]
    assert "ResolveUsername" not in centre.requests


async def test_one_channel_that_does_not_exist_does_not_stop_the_others(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    reader = await desk.start("daily_calls", "no_such_channel")
    await eventually(lambda: reader.status().problems)
    assert "no @no_such_channel" in reader.status().problems["no_such_channel"]
    centre.post(calls, "still read")
    assert await desk.texts(1) == ["still read"]


async def test_a_channel_that_appears_later_is_found_later(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    reader = await desk.start("daily_calls", "later", pace=replace(QUICK, search_again=0.05))
    later = centre.add_channel("Later", "later")
    await eventually(lambda: later.marked_id in reader.status().channels and _settled(reader))
    centre.post(later, "hello")
    assert await desk.texts(1) == ["hello"]


async def test_no_channel_at_all_stops_with_what_is_wrong(centre: DataCentre, desk: Desk) -> None:
    with pytest.raises(Misconfigured, match="there is no @nobody on Telegram"):
        await asyncio.wait_for(desk.reader("nobody").run(), 5)


async def test_an_address_that_is_no_longer_valid_is_looked_up_again(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    await desk.start("daily_calls")
    await desk.stop()
    calls.access_hash += 1
    centre.post(calls, "after the change")
    await desk.start("daily_calls")
    assert await desk.texts(1) == ["after the change"]
    assert centre.requests.count("ResolveUsername") == 2


async def test_a_channel_that_shut_us_out_is_told_and_read_again_later(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    reader = await desk.start("daily_calls", pace=replace(QUICK, look=0.05))
    centre.fail("GetHistory", 400, "CHANNEL_PRIVATE")
    await eventually(lambda: reader.status().channels[calls.marked_id].problem)
    await eventually(lambda: reader.status().channels[calls.marked_id].problem is None)


async def test_a_wait_asked_for_is_kept_and_shown_while_live_posts_go_on(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    await desk.start("daily_calls")
    await desk.stop()
    centre.post(calls, "missed")
    centre.flood("GetHistory", 1)
    reader = desk.reader("daily_calls")
    desk._running.append(asyncio.create_task(reader.run()))
    await eventually(lambda: reader.status().flood_wait_until)
    asked = len([name for name in centre.requests if name == "GetHistory"])
    centre.post(calls, "live")
    assert (await desk.next()).text == "live", "a fresh post does not wait for the missed ones"
    post = await desk.next()
    assert (post.text, post.backlog) == ("missed", True)
    assert centre.requests.count("GetHistory") >= asked + 1
    assert reader.status().flood_wait_until is None
    await eventually(lambda: json.loads(desk.state)["memories"][str(calls.marked_id)]["last_id"] == calls.last_id)
    assert desk.posts.empty()


async def test_a_wait_asked_for_names_is_kept(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    centre.flood("ResolveUsername", 1)
    reader = desk.reader("daily_calls")
    desk._running.append(asyncio.create_task(reader.run()))
    await eventually(lambda: reader.status().flood_wait_until)
    assert centre.requests.count("ResolveUsername") == 1
    await eventually(lambda: _settled(reader))
    assert centre.requests.count("ResolveUsername") == 2


# ---- the session


@pytest.mark.parametrize(
    ("code", "name", "advice"),
    [
        (406, "AUTH_KEY_DUPLICATED", "stop the other program"),
        (401, "AUTH_KEY_UNREGISTERED", "logged out"),
        (401, "SESSION_REVOKED", "logged out"),
        (401, "USER_DEACTIVATED_BAN", "banned"),
        (400, "API_ID_INVALID", "my.telegram.org"),
    ],
)
async def test_what_only_the_operator_can_repair_stops_with_advice(
    centre: DataCentre, desk: Desk, calls: Channel, code: int, name: str, advice: str
) -> None:
    centre.fail("*", code, name, times=-1)
    with pytest.raises(Misconfigured, match=advice):
        await asyncio.wait_for(desk.reader("daily_calls").run(), 5)


async def test_a_key_used_twice_while_running_stops_it(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    reader = desk.reader("daily_calls")
    running = asyncio.create_task(reader.run())
    await eventually(lambda: _settled(reader))
    centre.fail("*", 406, "AUTH_KEY_DUPLICATED", times=-1)
    centre.drop()
    with pytest.raises(Misconfigured, match="two places"):
        await asyncio.wait_for(running, 5)


async def test_a_forgotten_key_stops_it(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    centre.forgotten = True
    with pytest.raises(Misconfigured, match="does not know"):
        await asyncio.wait_for(desk.reader("daily_calls").run(), 5)


@pytest.mark.parametrize("session", ["", "1short", "garbage!"])
def test_a_broken_session_string_is_refused_at_once(session: str) -> None:
    hooks = ReaderHooks(dict, lambda _state: None, Desk.take)  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="TELEGRAM_SESSION"):
        ChannelReader(UserAccount(1, "h", session), ["x"], hooks, clock=SystemClock())


async def test_a_dead_connection_is_noticed_by_its_silence(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    reader = await desk.start("daily_calls", pace=replace(QUICK, ping=0.05, connect_timeout=0.3))
    await eventually(lambda: (reader.status().last_ping_age_seconds or 9) < 0.05)
    centre.hang("GetState")
    await eventually(lambda: reader.status().connections == 2)
    centre.post(calls, "flowing again")
    assert await desk.texts(1) == ["flowing again"]


async def test_server_errors_end_in_another_try(centre: DataCentre, desk: Desk, calls: Channel) -> None:
    centre.fail("GetHistory", 400, "SOMETHING_NEW")
    reader = await desk.start("daily_calls")
    assert reader.status().connections == 2


async def test_cancelling_ends_it_at_once_and_leaves_nothing_running(
    centre: DataCentre, desk: Desk, calls: Channel
) -> None:
    before = len(asyncio.all_tasks())
    await desk.start("daily_calls")
    await desk.stop()
    await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_neither_the_key_nor_the_session_are_in_the_log(
    centre: DataCentre, desk: Desk, calls: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await desk.start("daily_calls")
    centre.post(calls, "hello")
    await desk.texts(1)
    centre.drop()
    centre.post(calls, "again")
    await desk.texts(1)
    assert centre.session not in caplog.text
    assert centre.session[20:60] not in caplog.text
