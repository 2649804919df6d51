"""The sending side of the bot, over the real python-telegram-bot against a Bot API server on loopback."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from modules.connections.telegram_bot_api import BotSender, Button, Delivered, Outgoing, Undeliverable
from modules.connections.telegram_limits import Limits, Rate
from modules.connections.telegram_requests import RequestSettings
from modules.domain.errors import InvalidInput, Misconfigured, OutcomeUnknown, Unavailable
from modules.runtime.clock import SystemClock
from tests.fakes.bot_api import TOKEN, BotApi

UNLIMITED = Limits(Rate(1000, 0.001), Rate(1000, 0.001), Rate(1000, 0.001))
PATIENT = RequestSettings(connect_seconds=2, read_seconds=5, pool_seconds=2)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
GROUP = -1001234


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as server:
        yield server


@pytest_asyncio.fixture
async def sender(api: BotApi) -> AsyncIterator[BotSender]:
    sender = BotSender(TOKEN, SystemClock(), base_url=api.base_url, limits=UNLIMITED, requests=PATIENT)
    await sender.start()
    yield sender
    await sender.close()


def delivered(outcome: object) -> Delivered:
    assert isinstance(outcome, Delivered), outcome
    return outcome


async def test_says_who_it_is(sender: BotSender) -> None:
    me = await sender.me()
    assert (me.username, me.reads_groups) == ("broadcast_test_bot", True)


async def test_a_message_arrives_with_its_form_buttons_topic_and_silence(api: BotApi, sender: BotSender) -> None:
    buttons = ((Button("Close", data="close:7"), Button("Open", url="https://example.org/")),)
    outcome = await sender.send(Outgoing(GROUP, "<b>BTCUSDT</b> long", buttons=buttons, silent=True, topic=9))
    message = api.messages(GROUP)[0]
    assert delivered(outcome).message_id == message["message_id"]
    assert message["text"] == "<b>BTCUSDT</b> long"
    assert message["message_thread_id"] == "9"
    assert message["reply_markup"]["inline_keyboard"] == [
        [{"text": "Close", "callback_data": "close:7"}, {"text": "Open", "url": "https://example.org/"}]
    ]
    params = api.called("sendMessage")[0].params
    assert params["disable_notification"] == "true"
    assert params["link_preview_options"] == {"is_disabled": True}


async def test_plain_text_is_not_read_as_markup(api: BotApi, sender: BotSender) -> None:
    delivered(await sender.send(Outgoing(5, "a < b & c", html=False)))
    assert api.messages(5)[0]["text"] == "a < b & c"
    assert "parse_mode" not in api.called("sendMessage")[0].params


async def test_an_update_replies_to_its_signal_and_is_sent_even_if_that_was_deleted(
    api: BotApi, sender: BotSender
) -> None:
    first = delivered(await sender.send(Outgoing(GROUP, "signal")))
    delivered(await sender.send(Outgoing(GROUP, "target 1", reply_to=first.message_id)))
    delivered(await sender.send(Outgoing(GROUP, "target 2", reply_to=999)))
    replies = [message.get("reply_to_message", {}).get("message_id") for message in api.messages(GROUP)]
    assert replies == [None, first.message_id, None]


async def test_a_picture_carries_a_short_text_as_its_caption(api: BotApi, sender: BotSender) -> None:
    outcome = delivered(await sender.send(Outgoing(5, "<b>chart</b>", picture=PNG)))
    assert api.messages(5)[0]["caption"] == "<b>chart</b>"
    assert list(api.called("sendPhoto")[0].files.values()) == [PNG]
    assert outcome.rest is None


async def test_a_long_text_follows_its_picture_as_a_reply_with_the_buttons(api: BotApi, sender: BotSender) -> None:
    rows = ((Button("Open", data="open"),),)
    outcome = delivered(await sender.send(Outgoing(5, "<i>" + "word " * 300 + "</i>", picture=PNG, buttons=rows)))
    picture, text = api.messages(5)
    assert "caption" not in picture
    assert outcome.message_id == picture["message_id"] == text["reply_to_message"]["message_id"]
    assert "reply_markup" in text
    assert "reply_markup" not in picture


async def test_a_text_beyond_the_limit_is_split_with_its_markup_whole(api: BotApi, sender: BotSender) -> None:
    lines = "\n".join(f"line {number} & more".replace("&", "&amp;") for number in range(600))
    outcome = delivered(await sender.send(Outgoing(5, f"<b>{lines}</b>")))
    messages = api.messages(5)
    assert len(messages) == 3
    assert all(message["text"].startswith("<b>") and message["text"].endswith("</b>") for message in messages)
    assert [m.get("reply_to_message", {}).get("message_id") for m in messages] == [
        None,
        outcome.message_id,
        outcome.message_id,
    ]
    words = " ".join(message["text"].removeprefix("<b>").removesuffix("</b>") for message in messages).split()
    assert words == lines.split()


@pytest.mark.parametrize(
    ("status", "description", "reason"),
    [
        (403, "Forbidden: bot was blocked by the user", "blocked"),
        (403, "Forbidden: user is deactivated", "blocked"),
        (403, "Forbidden: bot was kicked from the supergroup chat", "forbidden"),
        (400, "Bad Request: chat not found", "chat_not_found"),
        (400, "Bad Request: not enough rights to send text messages to the chat", "forbidden"),
        (400, "Bad Request: can't parse entities: unsupported start tag", "bad_request"),
    ],
)
async def test_a_final_no_is_a_value(
    api: BotApi, sender: BotSender, status: int, description: str, reason: str
) -> None:
    api.fail("sendMessage", status=status, description=description)
    outcome = await sender.send(Outgoing(5, "hello"))
    assert isinstance(outcome, Undeliverable)
    assert outcome.reason == reason
    assert outcome.detail.lower() in description.lower()


async def test_a_wait_asked_for_one_chat_holds_up_that_chat_only(api: BotApi, sender: BotSender) -> None:
    api.limited(GROUP, 60)
    with pytest.raises(Unavailable) as first:
        await sender.send(Outgoing(GROUP, "one"))
    assert first.value.retry_after_seconds == 60
    with pytest.raises(Unavailable) as again:
        await sender.send(Outgoing(GROUP, "one"))
    assert 50 < (again.value.retry_after_seconds or 0) <= 60
    assert len(api.called("sendMessage")) == 1, "the paused chat is not asked again before its time"
    delivered(await sender.send(Outgoing(5, "another chat")))


async def test_three_chats_told_to_wait_at_once_pause_the_whole_bot(api: BotApi, sender: BotSender) -> None:
    api.limited(None, 30, times=3)
    for chat in (1, 2, 3):
        with pytest.raises(Unavailable):
            await sender.send(Outgoing(chat, "x"))
    with pytest.raises(Unavailable) as other:
        await sender.send(Outgoing(4, "x"))
    assert 20 < (other.value.retry_after_seconds or 0) <= 30
    assert len(api.called("sendMessage")) == 3


async def test_a_server_error_means_later(api: BotApi, sender: BotSender) -> None:
    api.fail("sendMessage", status=500)
    with pytest.raises(Unavailable):
        await sender.send(Outgoing(5, "x"))
    delivered(await sender.send(Outgoing(5, "x")))


async def test_a_gateway_in_between_leaves_the_outcome_open(api: BotApi, sender: BotSender) -> None:
    api.fail("sendMessage", status=502, raw="<html>Bad Gateway</html>", description="Bad Gateway")
    with pytest.raises(OutcomeUnknown):
        await sender.send(Outgoing(5, "x"))


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
async def test_a_broken_connection_leaves_the_outcome_open(
    api: BotApi, sender: BotSender, when: str, arrived: int
) -> None:
    api.fail("sendMessage", hang_up=when)
    with pytest.raises(OutcomeUnknown):
        await sender.send(Outgoing(5, "x"))
    assert len(api.messages(5)) == arrived


async def test_a_slow_answer_is_given_up_with_its_outcome_open(api: BotApi) -> None:
    sender = BotSender(
        TOKEN, SystemClock(), base_url=api.base_url, limits=UNLIMITED, requests=RequestSettings(read_seconds=0.2)
    )
    await sender.start()
    api.fail("sendMessage", delay=1.0)
    with pytest.raises(OutcomeUnknown):
        await sender.send(Outgoing(5, "x"))
    await sender.close()


async def test_nobody_there_means_later_and_nothing_happened() -> None:
    with BotApi() as api:
        address = api.base_url
    sender = BotSender(TOKEN, SystemClock(), base_url=address, limits=UNLIMITED, requests=PATIENT)
    with pytest.raises(Unavailable):
        await sender.start()
    await sender.close()


async def test_a_refused_token_stops_the_process(api: BotApi) -> None:
    sender = BotSender("1:wrong", SystemClock(), base_url=api.base_url)
    with pytest.raises(Misconfigured, match="TELEGRAM_BOT_TOKEN"):
        await sender.start()
    await sender.close()


def test_something_that_is_no_token_is_refused_before_it_is_sent() -> None:
    with pytest.raises(Misconfigured):
        BotSender("not a token", SystemClock())


async def test_a_message_moves_with_its_group_to_the_new_chat(api: BotApi, sender: BotSender) -> None:
    api.fail("sendMessage", -77, status=400, description="Bad Request: group chat was upgraded", migrate_to=-10077)
    assert delivered(await sender.send(Outgoing(-77, "one"))).moved_to == -10077
    assert delivered(await sender.send(Outgoing(-77, "two"))).moved_to == -10077
    assert [message["text"] for message in api.messages(-10077)] == ["one", "two"]


async def test_the_rest_of_a_long_text_comes_back_instead_of_the_first_part_twice(
    api: BotApi, sender: BotSender
) -> None:
    text = "word " * 1500
    fault = api.fail("sendMessage", status=500, times=None)
    fault.times = 0
    original = api._on_sendmessage

    def break_after_first(call: object) -> object:
        fault.times = None
        return original(call)  # type: ignore[arg-type]

    api._on_sendmessage = break_after_first  # type: ignore[method-assign,assignment]
    outcome = delivered(await sender.send(Outgoing(5, text)))
    assert outcome.rest is not None
    assert outcome.rest.reply_to == outcome.message_id
    fault.times = 0
    delivered(await sender.send(outcome.rest))
    assert " ".join(message["text"] for message in api.messages(5)).split() == text.split()


async def test_edits_change_the_message_and_repeating_one_is_no_error(api: BotApi, sender: BotSender) -> None:
    sent = delivered(await sender.send(Outgoing(5, "BUYING…")))
    edit = Outgoing(5, "BOUGHT", edit_message=sent.message_id)
    assert delivered(await sender.send(edit)).message_id == sent.message_id
    assert delivered(await sender.send(edit)).message_id == sent.message_id
    assert [message["text"] for message in api.messages(5)] == ["BOUGHT"]
    gone = await sender.send(Outgoing(5, "late", edit_message=404))
    assert isinstance(gone, Undeliverable)


async def test_an_edit_reaches_a_caption_a_picture_and_the_buttons(api: BotApi, sender: BotSender) -> None:
    sent = delivered(await sender.send(Outgoing(5, "chart", picture=PNG)))
    delivered(await sender.send(Outgoing(5, "chart, target 1", edit_message=sent.message_id)))
    assert api.messages(5)[0]["caption"] == "chart, target 1"
    delivered(await sender.send(Outgoing(5, "new chart", picture=PNG + b"x", edit_message=sent.message_id)))
    assert api.messages(5)[0]["caption"] == "new chart"
    rows = ((Button("Again", data="again"),),)
    delivered(await sender.send(Outgoing(5, "", buttons=rows, edit_message=sent.message_id)))
    assert api.messages(5)[0]["reply_markup"]["inline_keyboard"][0][0]["text"] == "Again"


async def test_a_lost_answer_to_an_edit_is_only_a_reason_to_repeat_it(api: BotApi, sender: BotSender) -> None:
    sent = delivered(await sender.send(Outgoing(5, "one")))
    api.fail("editMessageText", hang_up="after")
    edit = Outgoing(5, "two", edit_message=sent.message_id)
    with pytest.raises(Unavailable):
        await sender.send(edit)
    delivered(await sender.send(edit))


async def test_a_press_is_answered_and_an_old_one_is_told_apart(api: BotApi, sender: BotSender) -> None:
    assert await sender.answer_callback("press-1", "done", alert=True)
    assert api.called("answerCallbackQuery")[0].params["text"] == "done"
    api.fail(
        "answerCallbackQuery", status=400, description="Bad Request: query is too old and response timeout expired"
    )
    assert not await sender.answer_callback("press-2")


async def test_commands_are_listed(api: BotApi, sender: BotSender) -> None:
    await sender.set_commands([("start", "Begin"), ("help", "What I can do")])
    assert [command["command"] for command in api.commands] == ["start", "help"]


async def test_paid_groups_get_single_use_links_and_lose_members(api: BotApi, sender: BotSender) -> None:
    expires = datetime.now(UTC) + timedelta(days=1)
    link = await sender.invite_link(GROUP, "Ada", expires)
    assert link.startswith("https://t.me/+")
    assert api.called("createChatInviteLink")[0].params["member_limit"] == "1"
    await sender.revoke_link(GROUP, link)
    await sender.answer_join_request(GROUP, 501, admit=True)
    assert await sender.is_member(GROUP, 501)
    await sender.remove_member(GROUP, 501)
    assert not await sender.is_member(GROUP, 501)
    api.fail(
        "banChatMember", status=400, description="Bad Request: not enough rights to restrict/unrestrict chat member"
    )
    with pytest.raises(InvalidInput):
        await sender.remove_member(GROUP, 502)


async def test_ninety_messages_keep_the_overall_limit_and_none_is_refused(api: BotApi) -> None:
    limits = Limits(Rate(15, 0.15), Rate(1000, 0.01), Rate(1, 0.05), longest_wait_seconds=30)
    sender = BotSender(TOKEN, SystemClock(), base_url=api.base_url, limits=limits, requests=PATIENT)
    await sender.start()
    outcomes = await asyncio.gather(*(sender.send(Outgoing(chat, "news")) for chat in range(1, 91)))
    await sender.close()
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    times = sorted(call.at for call in api.accepted())
    assert len(times) == 90
    assert times[-1] - times[0] > 5 * 0.15 * 0.9, "90 at 15 per stretch take at least five stretches"


async def test_messages_to_one_chat_keep_their_order(api: BotApi, sender: BotSender) -> None:
    await asyncio.gather(*(sender.send(Outgoing(5, f"n{number}")) for number in range(20)))
    assert [message["text"] for message in api.messages(5)] == [f"n{number}" for number in range(20)]


async def test_a_slow_chat_does_not_hold_up_another(api: BotApi, sender: BotSender) -> None:
    api.fail("sendMessage", 1, delay=0.6)
    begun = time.monotonic()
    slow = asyncio.create_task(sender.send(Outgoing(1, "slow")))
    delivered(await sender.send(Outgoing(2, "quick")))
    assert not slow.done(), f"the quick one took {time.monotonic() - begun:.2f} s"
    delivered(await slow)


async def test_a_name_and_its_number_share_one_limit(api: BotApi) -> None:
    limits = Limits(Rate(1000, 0.01), Rate(1, 60), Rate(1000, 0.01), longest_wait_seconds=0.05)
    sender = BotSender(TOKEN, SystemClock(), base_url=api.base_url, limits=limits)
    await sender.start()
    delivered(await sender.send(Outgoing("@calls", "one")))
    number = api.names["@calls"]
    delivered(await sender.send(Outgoing(number, "two")))
    with pytest.raises(Unavailable):
        await sender.send(Outgoing("@calls", "three"))
    await sender.close()


async def test_the_token_is_in_no_log_line_and_in_no_exception(api: BotApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = TOKEN.partition(":")[2]
    sender = BotSender(
        TOKEN, SystemClock(), base_url=api.base_url, limits=UNLIMITED, requests=RequestSettings(read_seconds=0.5)
    )
    await sender.start()
    delivered(await sender.send(Outgoing(5, "hello")))
    api.fail("sendMessage", hang_up="after")
    seen: list[BaseException] = []
    for fault in (
        {"hang_up": "before"},
        {"status": 500},
        {"delay": 1.0},
        {"status": 401, "description": "Unauthorized"},
    ):
        api.fail("sendMessage", **fault)
        with pytest.raises((OutcomeUnknown, Unavailable, Misconfigured)) as caught:
            await sender.send(Outgoing(5, "hello"))
        error: BaseException | None = caught.value
        while error is not None:
            seen.append(error)
            error = error.__cause__ or error.__context__
    await sender.close()
    assert any("hidden-token" in line for line in caplog.messages), "addresses are logged, without the token"
    assert secret not in caplog.text
    assert not [error for error in seen if secret in f"{error!r} {error.__dict__} {getattr(error, 'request', '')!r}"]
    assert secret not in repr(sender.__dict__)
