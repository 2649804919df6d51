"""News of one's account: a new sign-in, a changed password, a new key, told in one's chats and on one's devices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from modules.accounts.people import principal
from modules.notices.account_news import NEWS, AccountNews
from modules.notices.personal import NEWS_FOR
from modules.notices.push import DeviceKind, PushBook, Registration
from modules.notices.webhook_book import Asked
from tests.contracts.accounts_house import House

MODULES = Path(__file__).resolve().parents[2] / "modules"


class Reader:
    """Ann with a chat and a device, and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.user_id = self.house.register()
        self.news = AccountNews(self.house.store)
        blank: dict[str, object] = {"muted": [], "muted_until": None, "blocked": False}
        self.house.store["chats"].insert({"id": "telegram:1", "kind": "user", "user_id": self.user_id, **blank})
        user = self.house.store["users"].get(key=self.user_id)
        assert user is not None
        book = PushBook(self.house.store, lambda _given: None)
        asked = Asked(principal(user, "access_token"), self.house.clock.now())
        book.register(asked, Registration(DeviceKind.FCM, "token"))

    async def read(self) -> list[str]:
        while await self.news.turn(self.house.clock.now()):
            pass
        return [row["text"] for row in self.house.store["deliveries"].search(order_by="created_at")]

    def sign_in(self, agent: str) -> str:
        body = {"email": "ann@example.com", "password": "four red boats at sea"}
        answer = self.house.send("POST", "/api/auth/login", json=body, headers={"User-Agent": agent})
        self.house.clock.advance(1)
        return str(answer.get_json()["access_token"])


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    made.house.close()


async def test_a_sign_in_from_elsewhere_is_told_once_and_a_usual_one_is_not(reader: Reader) -> None:
    assert await reader.read() == []  # what was before it began is no news
    reader.sign_in("phone")
    reader.sign_in("phone")
    assert await reader.read() == []  # the first of all, and one as before
    reader.sign_in("<b>laptop</b>")
    (told,) = await reader.read()
    assert told.startswith("New sign-in from 127.0.0.1 with &lt;b&gt;laptop&lt;/b&gt;.")
    assert await reader.read() == [told]
    (push,) = reader.house.store["push_deliveries"].all()
    assert "<b>laptop</b>" in json.loads(push["payload"])["body"]
    assert [each["letter"] for each in reader.house.mails() if each["letter"] == "notice"] == []  # it has its own mail


async def test_keys_and_passwords_are_told(reader: Reader) -> None:
    await reader.read()
    token = reader.sign_in("phone")
    assert reader.house.call("POST", "/api/keys", token, json={"name": "bot"})[0] == 201
    change = {"current_password": "four red boats at sea", "new_password": "five green boats at sea"}
    assert reader.house.call("POST", "/api/auth/password", token, json=change)[0] == 200
    told = await reader.read()
    assert [each.partition(" from")[0] for each in told] == ["An API key was made", "Your password was changed"]


async def test_old_news_is_none(reader: Reader) -> None:
    await reader.read()
    reader.sign_in("phone")
    reader.sign_in("laptop")
    reader.house.clock.advance((NEWS_FOR + timedelta(seconds=1)).total_seconds())
    assert await reader.read() == []


def test_every_action_told_is_one_that_is_written() -> None:
    written = "\n".join(
        path.read_text(encoding="utf-8") for path in MODULES.rglob("*.py") if path.name != "account_news.py"
    )
    for action in NEWS:
        assert re.search(rf'"{re.escape(action)}"', written), action
