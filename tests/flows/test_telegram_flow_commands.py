"""Commands in Telegram: private chats control, groups don't, money moves only after the person asked has pressed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from modules.connections import telegram_bot_api
from modules.connections.telegram_limits import Limits, Rate
from modules.domain.signals import SourceMessage
from tests.fakes.bot_api import BotApi
from tests.fakes.data_centre import DataCentre
from tests.flows.telegram_house import ADA_ID, OPERATOR_ID, TRIAL, House

ENTRY = "#BTC/USDT LONG\nEntry: 100\nStop Loss: 98\nTargets: 101 - 102\nLeverage: 5x"
MALLORY_ID = 666


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
        async with made.open(reading=False):
            yield made
        made.close()


async def answer(house: House, text: str, person: int = ADA_ID) -> dict[str, Any]:
    """What the bot answers to a private message."""
    said = house.api.say(text, person, person)
    return await reply_to(house, said["message_id"], person)


async def reply_to(house: House, number: int, person: int) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        return [m for m in house.api.messages(person) if m.get("reply_to_message", {}).get("message_id") == number]

    await house.until(found)
    return found()[0]


async def press(house: House, message: dict[str, Any], label: str, wanted: str, person: int = ADA_ID) -> dict[str, Any]:
    """The answer to a press of the button with that label: the next message with the `wanted` words."""
    rows = message["reply_markup"]["inline_keyboard"]
    (data,) = [each["callback_data"] for row in rows for each in row if each["text"] == label]
    before = len(house.api.messages(person))

    def found() -> list[dict[str, Any]]:
        return [m for m in house.api.messages(person)[before:] if wanted in m.get("text", "")]

    house.api.press(data, message, person)
    await house.until(found)
    assert house.api.called("answerCallbackQuery")
    return found()[0]


async def open_trade(house: House) -> None:
    """A signal that Ada trades."""
    await answer(house, "/start")
    await answer(house, "/autotrade on")
    await house.price("BTCUSDT", "100")
    house.stage.take(SourceMessage("test", "1", ENTRY, house.now(), house.now()))
    await house.settle()
    await house.until(lambda: house.positions(account_id=f"paper-tg-{ADA_ID}", status="open"))


async def test_start_enrols_with_a_paper_account_that_waits_to_be_told(house: House) -> None:
    first = await answer(house, "/start")
    assert first["text"].startswith("Welcome.")
    assert (await answer(house, "/start"))["text"].startswith("Welcome back.")
    account = house.store["accounts"].get(key=f"paper-tg-{ADA_ID}") or {}
    assert (account["exchange"], account["starting_balance"]) == ("paper", "10000")
    assert account["settings"]["autotrade"] is False
    await press(house, first, "Autotrade on", "Autotrade is on.")
    assert "10,000.00 USDT" in (await answer(house, "/balance"))["text"]


async def test_who_begins_with_something_else_is_taken_in_too(house: House) -> None:
    assert "Nothing is open" in (await answer(house, "/positions"))["text"]
    assert (await answer(house, "/start"))["text"].startswith("Welcome back.")


async def test_a_position_is_shown_and_closed_only_after_the_press(house: House) -> None:
    await open_trade(house)
    shown = await answer(house, "/positions")
    assert "BTCUSDT" in shown["text"]
    question = await press(house, shown, "Close BTCUSDT LONG", "at the market?")
    await house.settle()
    assert house.positions(account_id=f"paper-tg-{ADA_ID}")[0]["status"] == "open"
    await press(house, question, "Yes, do it", "Closing BTCUSDT LONG")
    await house.settle()
    (mine,) = house.positions(account_id=f"paper-tg-{ADA_ID}")
    assert (mine["status"], mine["close_reason"]) == ("closed", "user")
    assert house.positions(account_id="paper-operator")[0]["status"] == "open"
    await house.until(lambda: any("closed at 100" in text for text in house.shown(ADA_ID)))
    await press(house, question, "Yes, do it", "no longer open")


async def test_no_means_no(house: House) -> None:
    await open_trade(house)
    question = await answer(house, "/close BTCUSDT 50")
    assert question["text"].startswith("Close 50 % of BTCUSDT LONG")
    await press(house, question, "No", "Nothing was done")
    await house.settle()
    assert house.positions(account_id=f"paper-tg-{ADA_ID}")[0]["status"] == "open"


async def test_every_step_of_ones_own_trade_is_told_as_a_reply(house: House) -> None:
    await open_trade(house)
    await house.price("BTCUSDT", "101", "102")
    await house.until(lambda: any("closed at 102" in text for text in house.shown(ADA_ID)))
    notices = [m for m in house.api.messages(ADA_ID) if any(mark in m.get("text", "") for mark in "📝✅🎯💰")]
    first, *rest = notices
    assert first["text"].startswith("📝 BTCUSDT LONG")
    assert len(rest) == 4
    assert {m["reply_to_message"]["message_id"] for m in rest} == {first["message_id"]}


async def test_kill_stops_ones_own_entries_only(house: House) -> None:
    await answer(house, "/start")
    await answer(house, "/autotrade on")
    assert "Your trading is stopped" in (await answer(house, "/kill"))["text"]
    await house.price("BTCUSDT", "100")
    house.stage.take(SourceMessage("test", "1", ENTRY, house.now(), house.now()))
    await house.settle()
    assert [row["account_id"] for row in house.positions()] == ["paper-operator"]
    assert "Your trading is active" in (await answer(house, "/resume"))["text"]


async def test_a_group_controls_nothing(house: House) -> None:
    await open_trade(house)
    for text in ("/kill", "/killall", "/close BTCUSDT", "/broadcast hello", "/start", "/kill@broadcast_test_bot"):
        for person in (ADA_ID, OPERATOR_ID, MALLORY_ID):
            house.api.say(text, TRIAL, person)
    await house.until(lambda: house.api.pending == [])
    assert (await answer(house, "/status"))["text"]  # all before it has been handled
    assert not [call for call in house.api.calls if call.chat_id == TRIAL and "🛑" in str(call.params.get("text"))]
    assert house.store["safety"].all() == []
    assert house.store["confirmations"].all() == []
    assert not house.store["users"].contains(key=f"tg-{MALLORY_ID}")
    assert house.positions(account_id=f"paper-tg-{ADA_ID}")[0]["status"] == "open"


async def test_a_press_of_somebody_else_in_a_group_does_nothing(house: House) -> None:
    await open_trade(house)
    question = await answer(house, "/close BTCUSDT")
    (data,) = [
        each["callback_data"]
        for row in question["reply_markup"]["inline_keyboard"]
        for each in row
        if each["text"] == "Yes, do it"
    ]
    in_group = house.api.say("look", TRIAL, ADA_ID)
    house.api.press(data, in_group, MALLORY_ID)
    elsewhere = house.api.say("look", MALLORY_ID, MALLORY_ID)
    house.api.press(data, elsewhere, MALLORY_ID)
    await house.until(lambda: any("no longer open" in text for text in house.shown(MALLORY_ID)))
    await press(house, question, "Yes, do it", "Closing BTCUSDT")


async def test_an_operator_broadcasts_with_line_breaks_after_a_confirmation(house: House) -> None:
    question = await answer(house, "/broadcast Maintenance at 18:00 <UTC>\n\nTrades go on.", OPERATOR_ID)
    assert "Maintenance at 18:00 &lt;UTC&gt;\n\nTrades go on." in question["text"]
    assert house.shown(TRIAL) == []
    await press(house, question, "Yes, do it", "Queued for 4 chats", OPERATOR_ID)
    for chat in (house.vip, TRIAL):
        await house.until(lambda chat=chat: house.shown(chat))
        assert house.shown(chat) == ["Maintenance at 18:00 &lt;UTC&gt;\n\nTrades go on."]


async def test_a_subscriber_does_not_even_learn_of_operator_commands(house: House) -> None:
    for text in ("/broadcast hello", "/killall", "/health", "/sources"):
        assert "There is no command" in (await answer(house, text))["text"]
    told = (await answer(house, "/help"))["text"]
    assert "/close" in told
    assert "/broadcast" not in told
    assert "/broadcast" in (await answer(house, "/help", OPERATOR_ID))["text"]


async def test_words_that_are_no_command_get_a_hint(house: House) -> None:
    assert "Did you mean /positions?" in (await answer(house, "/positons"))["text"]
    assert "/help" in (await answer(house, "hello there"))["text"]


async def test_an_update_told_twice_is_harmless(house: House) -> None:
    await open_trade(house)
    question = await answer(house, "/close BTCUSDT")
    rows = question["reply_markup"]["inline_keyboard"]
    (data,) = [each["callback_data"] for row in rows for each in row if each["text"] == "Yes, do it"]
    for _ in range(2):
        house.api.press(data, question, ADA_ID)
    await house.until(lambda: any("no longer open" in text for text in house.shown(ADA_ID)))
    await house.settle()
    requests = [r for r in house.store["order_requests"].all() if ":user:" in r["id"]]
    assert len(requests) == 1
