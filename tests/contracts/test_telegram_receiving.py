"""The receiving side of the bot, by polling and by webhook, against a Bot API server on loopback."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from modules.connections.telegram_requests import RequestSettings
from modules.connections.telegram_updates import BotReceiver, ChatInput, Membership, TokenInUse, WebhookSettings
from modules.domain.errors import InvalidInput, Misconfigured, Unavailable
from modules.runtime.clock import SystemClock
from tests.fakes.bot_api import TOKEN, BotApi, eventually

SECRET = "s3cret-for_webhooks"


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as server:
        yield server


class Inbox:
    """Collects what is handed over; can be told to fail."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.failures = 0
        self.tries: list[int] = []

    async def __call__(self, said: ChatInput | Membership) -> None:
        self.tries.append(said.update_id)
        if self.failures:
            self.failures -= 1
            raise Unavailable("the store is busy")
        self.queue.put_nowait(said)

    async def next(self) -> Any:
        return await asyncio.wait_for(self.queue.get(), 5)


def receiver(api: BotApi, inbox: Inbox, webhook: WebhookSettings | None = None, **more: Any) -> BotReceiver:
    quick = RequestSettings(connect_seconds=1, read_seconds=1)
    more = {"on_membership": inbox, "requests": quick, "long_poll_seconds": 2, **more}
    return BotReceiver(TOKEN, api.base_url, inbox, webhook, clock=SystemClock(), **more)


async def test_what_waited_and_what_is_new_arrive_in_order(api: BotApi) -> None:
    inbox = Inbox()
    api.say("/start", chat_id=501)
    bot = receiver(api, inbox)
    await bot.start()
    first = await inbox.next()
    assert (first.chat_id, first.user_id, first.username, first.text) == (501, 501, "ada", "/start")
    assert (first.chat_type, first.is_channel_post, first.edited) == ("private", False, False)
    assert first.date.tzinfo is not None
    api.say(
        "second", chat_id=501, reply_to_message={"message_id": 1, "date": 0, "chat": {"id": 501, "type": "private"}}
    )
    second = await inbox.next()
    assert (second.text, second.reply_to_message_id) == ("second", 1)
    await bot.stop()
    assert api.pending == [], "what was taken is confirmed"


async def test_presses_group_messages_posts_and_edits_arrive(api: BotApi) -> None:
    inbox = Inbox()
    bot = receiver(api, inbox)
    await bot.start()
    in_group = api.say("long BTC?", chat_id=-100500, user_id=7, message_thread_id=3, is_topic_message=True)
    got = await inbox.next()
    assert (got.chat_id, got.user_id, got.chat_type, got.topic, got.chat_title) == (
        -100500,
        7,
        "supergroup",
        3,
        "Traders",
    )
    number = api.press("close:7", in_group, user_id=7)
    got = await inbox.next()
    assert (got.callback_data, got.callback_id, got.message_id) == ("close:7", number, in_group["message_id"])
    post = api.channel_post("BTCUSDT LONG")
    got = await inbox.next()
    assert (got.is_channel_post, got.user_id, got.chat_id, got.text) == (True, None, -1001, "BTCUSDT LONG")
    api.edit_post(post, "BTCUSDT LONG now")
    got = await inbox.next()
    assert (got.edited, got.is_channel_post, got.message_id, got.text) == (
        True,
        True,
        post["message_id"],
        "BTCUSDT LONG now",
    )
    assert got.edited_at is not None
    await bot.stop()


async def test_comings_and_goings_are_told(api: BotApi) -> None:
    inbox = Inbox()
    bot = receiver(api, inbox)
    await bot.start()
    ada = {"id": 501, "is_bot": False, "first_name": "Ada", "username": "ada"}
    robot = {"id": 110201543, "is_bot": True, "first_name": "B"}
    group = {"id": -100500, "type": "supergroup", "title": "VIP"}
    link = {
        "invite_link": "https://t.me/+one",
        "creator": robot,
        "creates_join_request": False,
        "is_primary": False,
        "is_revoked": False,
    }
    change = {"chat": group, "from": ada, "date": 1, "invite_link": link}
    members = {status: {"status": status, "user": ada} for status in ("left", "member")}
    api.inject({"chat_member": {**change, "old_chat_member": members["left"], "new_chat_member": members["member"]}})
    got = await inbox.next()
    assert (got.event, got.user_id, got.invite_link, got.about_bot) == ("joined", 501, "https://t.me/+one", False)
    api.inject({"chat_join_request": {"chat": group, "from": ada, "user_chat_id": 501, "date": 1}})
    assert (await inbox.next()).event == "asked"
    private = {"chat": {"id": 501, "type": "private"}, "from": ada, "date": 1}
    blocked = {"status": "kicked", "user": robot, "until_date": 0}
    here = {"status": "member", "user": robot}
    api.inject({"my_chat_member": {**private, "old_chat_member": here, "new_chat_member": blocked}})
    got = await inbox.next()
    assert (got.event, got.about_bot, got.chat_type, got.user_id) == ("left", True, "private", 501)
    await bot.stop()


async def test_a_failing_callback_gets_the_update_again_and_nothing_overtakes_it(api: BotApi) -> None:
    inbox = Inbox()
    inbox.failures = 2
    api.say("one")
    api.say("two")
    bot = receiver(api, inbox)
    await bot.start()
    assert [(await inbox.next()).text, (await inbox.next()).text] == ["one", "two"]
    assert inbox.tries == [inbox.tries[0]] * 3 + [inbox.tries[0] + 1]
    assert bot.held_up_seconds == 0.0
    await bot.stop()


async def test_what_was_not_taken_stays_at_telegram_for_the_next_start(api: BotApi) -> None:
    inbox = Inbox()
    inbox.failures = 10**6
    api.say("important")
    bot = receiver(api, inbox)
    await bot.start()
    await eventually(lambda: len(inbox.tries) >= 2)
    assert bot.held_up_seconds > 0
    await bot.stop()
    assert len(api.pending) == 1
    healthy = Inbox()
    again = receiver(api, healthy)
    await again.start()
    assert (await healthy.next()).text == "important"
    await again.stop()


async def test_stopping_is_quick_and_leaves_no_poll_behind(api: BotApi) -> None:
    bot = receiver(api, Inbox(), long_poll_seconds=30)
    await bot.start()
    await eventually(lambda: len(api.called("getUpdates")) >= 1)
    begun = time.monotonic()
    await bot.stop()
    assert time.monotonic() - begun < 5
    await bot.stop()


async def test_the_age_of_the_last_poll_shows_a_silent_connection(api: BotApi) -> None:
    bot = receiver(api, Inbox(), long_poll_seconds=0.05)
    assert bot.last_poll_age_seconds is None
    await bot.start()
    await eventually(lambda: bot.last_poll_age_seconds is not None)
    fault = api.fail("getUpdates", hang_up="before", times=None)
    await eventually(lambda: (bot.last_poll_age_seconds or 0) > 0.4)
    fault.times = 0
    await eventually(lambda: (bot.last_poll_age_seconds or 9) < 0.2)
    await bot.stop()


async def test_polling_goes_on_after_errors_of_every_kind(api: BotApi) -> None:
    inbox = Inbox()
    api.fail("getUpdates", status=502, raw="<html>")
    api.fail("getUpdates", hang_up="before")
    bot = receiver(api, inbox)
    await bot.start()
    api.say("still here")
    assert (await inbox.next()).text == "still here"
    await bot.stop()


async def test_a_second_consumer_of_the_token_is_noticed(api: BotApi) -> None:
    older, newer = receiver(api, Inbox(), long_poll_seconds=20), receiver(api, Inbox(), long_poll_seconds=20)
    running = asyncio.create_task(older.run())
    await eventually(lambda: len(api.called("getUpdates")) >= 1)
    await newer.start()
    with pytest.raises(TokenInUse):
        await asyncio.wait_for(running, 5)
    await newer.stop()


async def test_a_token_revoked_while_running_stops_the_process(api: BotApi) -> None:
    bot = receiver(api, Inbox(), long_poll_seconds=0.05)
    running = asyncio.create_task(bot.run())
    await eventually(lambda: len(api.called("getUpdates")) >= 1)
    api.token = "110201543:another"
    with pytest.raises(Misconfigured, match="TELEGRAM_BOT_TOKEN"):
        await asyncio.wait_for(running, 5)


async def test_starting_without_telegram_is_unavailable_and_can_be_repeated(api: BotApi) -> None:
    bot = receiver(api, Inbox())
    fault = api.fail("getMe", hang_up="before")
    with pytest.raises(Unavailable):
        await bot.start()
    assert fault.times == 0
    await bot.start()
    await bot.stop()


async def test_cancelling_ends_it_cleanly(api: BotApi) -> None:
    running = asyncio.create_task(receiver(api, Inbox()).run())
    await eventually(lambda: len(api.called("getUpdates")) >= 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not [task for task in asyncio.all_tasks() if "Updater" in task.get_name()]


# ---- webhook


@pytest.fixture
def hook() -> WebhookSettings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return WebhookSettings(f"http://127.0.0.1:{port}/telegram", SECRET, port=port)


UPDATE = {
    "update_id": 77,
    "message": {
        "message_id": 1,
        "date": 1,
        "text": "forged?",
        "chat": {"id": 5, "type": "private"},
        "from": {"id": 5, "is_bot": False, "first_name": "M"},
    },
}


async def _post(hook: WebhookSettings, secret: str | None) -> int:
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret is not None else {}
    async with httpx.AsyncClient() as client:
        return (await client.post(hook.url, json=UPDATE, headers=headers)).status_code


async def test_a_webhook_takes_only_what_shows_its_secret(api: BotApi, hook: WebhookSettings) -> None:
    inbox = Inbox()
    bot = receiver(api, inbox, hook)
    await bot.start()
    assert await _post(hook, None) == 403
    assert await _post(hook, "wrong") == 403
    assert inbox.tries == []
    assert await _post(hook, SECRET) == 200
    assert (await inbox.next()).text == "forged?"
    await bot.stop()


async def test_telegram_posts_what_waited_and_what_is_new(api: BotApi, hook: WebhookSettings) -> None:
    inbox = Inbox()
    api.say("waited")
    bot = receiver(api, inbox, hook)
    await bot.start()
    api.say("new")
    assert [(await inbox.next()).text, (await inbox.next()).text] == ["waited", "new"]
    health = await bot.check_webhook()
    assert health.in_place
    assert (bot.last_poll_age_seconds or 0) < 5
    await bot.stop()
    assert api.webhook.url == hook.url, "updates wait at Telegram for the next start"


async def test_a_failing_callback_makes_telegram_post_again(api: BotApi, hook: WebhookSettings) -> None:
    inbox = Inbox()
    inbox.failures = 1
    bot = receiver(api, inbox, hook)
    await bot.start()
    api.say("keep me")
    assert (await inbox.next()).text == "keep me"
    await eventually(lambda: api.webhook.replies == [500, 200])
    await bot.stop()


async def test_polling_takes_over_from_a_webhook(api: BotApi, hook: WebhookSettings) -> None:
    inbox = Inbox()
    first = receiver(api, Inbox(), hook)
    await first.start()
    await first.stop()
    api.say("after")
    second = receiver(api, inbox)
    await second.start()
    assert (await inbox.next()).text == "after"
    await second.stop()


async def test_a_taken_port_is_told_as_such(api: BotApi, hook: WebhookSettings) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", hook.port))
        taken.listen()
        with pytest.raises(Misconfigured, match="listen"):
            await receiver(api, Inbox(), hook).start()


def test_a_secret_telegram_would_refuse_is_refused_here() -> None:
    with pytest.raises(InvalidInput):
        WebhookSettings("https://example.org/t", "has space")


async def test_neither_token_nor_secret_are_in_the_log(
    api: BotApi, hook: WebhookSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inbox = Inbox()
    bot = receiver(api, inbox, hook)
    await bot.start()
    api.say("hello")
    await inbox.next()
    await _post(hook, "wrong")
    await bot.stop()
    polling = receiver(api, inbox)
    await polling.start()
    api.fail("getUpdates", hang_up="before")
    api.say("again")
    await inbox.next()
    await polling.stop()
    assert "setWebhook" in caplog.text
    assert SECRET not in caplog.text
    assert TOKEN.partition(":")[2] not in caplog.text
