"""A chat is linked to a user of the dashboard, with the real bot door against a Bot API on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from modules.accounts.desk import open_accounts
from modules.accounts.office import Caller
from modules.accounts.people import add_user
from modules.connections import telegram_bot_api
from modules.connections.telegram_limits import Limits, Rate
from modules.domain.people import Principal, Role
from tests.fakes.bot_api import BotApi
from tests.fakes.bot_api_methods import BOT_USER
from tests.fakes.data_centre import DataCentre
from tests.flows.telegram_house import ADA_ID, House
from tests.flows.test_telegram_flow_commands import answer, open_trade


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


def ada(house: House) -> Principal:
    """Ada as she signs in to the dashboard."""
    with house.store.transaction() as tx:
        user = add_user(
            tx,
            house.settings,
            house.now(),
            email="ada@example.com",
            password_hash="x",
            name="Ada",
            role=Role.SUBSCRIBER,
        )
    return Principal(str(user["id"]), Role.SUBSCRIBER, "access_token")


async def test_the_link_from_the_dashboard_makes_the_chat_hers(house: House) -> None:
    who = ada(house)
    desk = open_accounts(house.store, house.core.clock, house.settings)
    await answer(house, "/help", person=7)  # the bot is connected, and its name known
    made = desk.linking.begin(who)
    assert made.url.startswith(f"https://t.me/{BOT_USER['username']}?start=")
    told = await answer(house, f"/start {made.code}")
    assert "linked" in told["text"]
    assert not house.store["users"].contains(key=f"tg-{ADA_ID}")  # no second self
    await answer(house, "/autotrade on")
    (account,) = [row for row in house.store["accounts"].all() if row["user_id"] == who.user_id]
    assert account["settings"]["autotrade"] is True

    again = await answer(house, f"/start {made.code}", person=8)  # a code is good once
    assert "not good any more" in again["text"]
    assert (house.store["users"].get(key=who.user_id) or {})["telegram_id"] == ADA_ID

    desk.linking.end(who, Caller())
    stranger = await answer(house, "/autotrade on")
    assert "on" in stranger["text"]
    assert house.store["users"].contains(key=f"tg-{ADA_ID}")  # taken in anew, as anybody is


async def test_who_traded_in_the_chat_before_goes_on_with_the_same_trade(house: House) -> None:
    await open_trade(house)
    who = ada(house)
    made = open_accounts(house.store, house.core.clock, house.settings).linking.begin(who)
    await answer(house, f"/link {made.code}")
    (position,) = house.positions(account_id=f"paper-tg-{ADA_ID}", status="open")
    owners = {row["id"]: row["user_id"] for row in house.store["accounts"].all()}
    assert owners[position["account_id"]] == who.user_id
    listed = await answer(house, "/positions")
    assert "BTCUSDT" in listed["text"]
