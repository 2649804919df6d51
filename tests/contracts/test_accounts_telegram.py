"""Telegram and accounts: a chat linked by a code, and signing in by what Telegram signed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modules.accounts.linking import bind, remember_bot_name
from modules.accounts.telegram_login import INIT_DATA_LIFETIME
from modules.domain.errors import Conflict, InvalidInput, TooMany
from tests.contracts.accounts_house import BOT_TOKEN, House
from tests.unit.test_telegram_login import USER, init_data, widget

ANNS = int(USER["id"])  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("accounts"))
    yield made
    made.close()


@pytest.fixture
def house(shared: House) -> House:
    return shared.begin_anew()


@pytest.fixture
def ann(house: House) -> str:
    """Ann's access token."""
    house.register()
    return str(house.signed_in()["access_token"])


def link(house: House, token: str, telegram_id: int = ANNS) -> str:
    """Links, as the chat does it; the user's id."""
    code = house.call("POST", "/api/telegram/link", token)[1]["code"]
    return say(house, code, telegram_id)


def say(house: House, code: str, telegram_id: int = ANNS) -> str:
    return bind(house.store, code, telegram_id, f"telegram:{telegram_id}", "ann", house.clock.now())


def fresh(house: House, **more: Any) -> str:
    return init_data(bot=BOT_TOKEN, at=house.clock.now(), **more)


class TestLinking:
    def test_a_code_binds_the_chat_to_the_user(self, house: House, ann: str) -> None:
        status, made = house.call("POST", "/api/telegram/link", ann)
        assert status == 201
        assert made["url"] == f"https://t.me/verzek_bot?start={made['code']}"
        assert len(made["code"]) <= 64  # what Telegram takes behind start=
        user_id = say(house, made["code"])
        assert house.call("GET", "/api/users/me", ann)[1]["user"]["telegram_linked"] is True
        assert (house.store["chats"].get(key=f"telegram:{ANNS}") or {})["user_id"] == user_id
        assert house.letters()[-1] == "telegram_linked"
        assert len(house.audited("telegram.linked")) == 1

    def test_a_code_is_good_once(self, house: House, ann: str) -> None:
        code = house.call("POST", "/api/telegram/link", ann)[1]["code"]
        say(house, code)
        for telegram_id in (ANNS, 77):
            with pytest.raises(InvalidInput):
                say(house, code, telegram_id)

    def test_a_code_ends_after_ten_minutes(self, house: House, ann: str) -> None:
        code = house.call("POST", "/api/telegram/link", ann)[1]["code"]
        house.clock.advance(600)
        with pytest.raises(InvalidInput):
            say(house, code)

    def test_a_new_code_ends_the_old_one(self, house: House, ann: str) -> None:
        old = house.call("POST", "/api/telegram/link", ann)[1]["code"]
        new = house.call("POST", "/api/telegram/link", ann)[1]["code"]
        with pytest.raises(InvalidInput):
            say(house, old)
        say(house, new)

    def test_other_codes_link_nothing(self, house: House, ann: str) -> None:
        house.call("POST", "/api/auth/forgot-password", json={"email": "ann@example.com"})
        for code in (house.mailed("reset"), "x", ""):
            with pytest.raises(InvalidInput):
                say(house, code)
        assert house.call("GET", "/api/users/me", ann)[1]["user"]["telegram_linked"] is False

    def test_who_tries_codes_is_stopped(self, house: House, ann: str) -> None:
        for _ in range(20):
            with pytest.raises(InvalidInput):
                say(house, "guess")
        code = house.call("POST", "/api/telegram/link", ann)[1]["code"]
        with pytest.raises(TooMany):
            say(house, code)
        say(house, code, 78)  # another person is not

    def test_one_telegram_account_belongs_to_one_user(self, house: House, ann: str) -> None:
        link(house, ann)
        house.register("bob@example.com")
        bob = house.signed_in("bob@example.com")["access_token"]
        with pytest.raises(Conflict):
            link(house, bob)
        assert house.code("POST", "/api/telegram/link", ann) == (409, "linked_already")

    def test_taking_the_link_away(self, house: House, ann: str) -> None:
        assert house.call("DELETE", "/api/telegram/link", ann)[0] == 404
        link(house, ann)
        assert house.call("DELETE", "/api/telegram/link", ann)[0] == 200
        assert house.store["chats"].get(key=f"telegram:{ANNS}") is None
        assert house.call("GET", "/api/auth/me", headers={"Authorization": f"tma {fresh(house)}"})[0] == 401
        link(house, ann)  # and again

    def test_who_began_in_the_chat_keeps_their_trades(self, house: House, ann: str) -> None:
        chat_user = f"tg-{ANNS}"
        house.store["users"].insert({"id": chat_user, "email": None, "role": "subscriber", "created_at": 0})
        house.store["accounts"].insert({"id": f"paper-{chat_user}", "user_id": chat_user})
        user_id = link(house, ann)
        owners = {row["id"]: row["user_id"] for row in house.store["accounts"].all()}
        assert owners[f"paper-{chat_user}"] == user_id
        assert house.store["users"].get(key=chat_user) is None

    def test_linking_lets_nobody_trade_who_was_stopped(self, house: House, ann: str) -> None:
        chat_user = f"tg-{ANNS}"
        house.store["users"].insert({"id": chat_user, "email": None, "role": "subscriber", "created_at": 0})
        house.store["safety"].insert({"id": f"user:{chat_user}", "stage": "reducing"})
        with pytest.raises(Conflict, match="/resume"):
            link(house, ann)

    def test_the_bots_name_is_learned_where_it_is_not_set(self, tmp_path: Path) -> None:
        house = House(tmp_path, telegram_bot_name="")
        house.register()
        token = house.signed_in()["access_token"]
        assert house.call("POST", "/api/telegram/link", token)[1]["url"] is None
        remember_bot_name(house.store, "learned_bot", house.clock.now())
        assert house.call("POST", "/api/telegram/link", token)[1]["url"].startswith("https://t.me/learned_bot?start=")
        house.close()


class TestSigningIn:
    def test_init_data_is_a_way_in_of_its_own(self, house: House, ann: str) -> None:
        link(house, ann)
        headers = {"Authorization": f"tma {fresh(house)}"}
        assert house.call("GET", "/api/auth/me", headers=headers)[1]["via"] == "telegram"
        assert house.call("GET", "/api/positions", headers=headers)[0] == 200
        assert house.code("POST", "/api/keys", headers=headers, json={"name": "k"}) == (403, "sign_in_needed")
        house.clock.advance(INIT_DATA_LIFETIME.total_seconds() + 1)
        assert house.call("GET", "/api/auth/me", headers=headers)[0] == 401

    @pytest.mark.parametrize("kind", ["init_data", "widget"])
    def test_a_session_from_what_telegram_signed(self, house: House, ann: str, kind: str) -> None:
        link(house, ann)
        signed = fresh(house) if kind == "init_data" else widget(bot=BOT_TOKEN, at=house.clock.now())
        status, grant = house.call("POST", "/api/auth/telegram", json={kind: signed})
        assert status == 200, grant
        assert house.call("GET", "/api/auth/me", grant["access_token"])[1]["user"]["email"] == "ann@example.com"
        assert house.call("POST", "/api/auth/refresh", json={"refresh_token": grant["refresh_token"]})[0] == 200

    def test_who_is_not_linked_does_not_come_in(self, house: House) -> None:
        assert house.code("POST", "/api/auth/telegram", json={"init_data": fresh(house)}) == (401, "not_linked")
        assert house.call("GET", "/api/auth/me", headers={"Authorization": f"tma {fresh(house)}"})[0] == 401

    def test_old_and_foreign_data_do_not_come_in(self, house: House, ann: str) -> None:
        link(house, ann)
        old = init_data(bot=BOT_TOKEN, at=house.clock.now() - INIT_DATA_LIFETIME - timedelta(seconds=1))
        foreign = init_data(bot="1:other", at=house.clock.now())
        for data in (old, foreign, "x", "user=%7B%7D"):
            assert house.code("POST", "/api/auth/telegram", json={"init_data": data}) == (401, "bad_signature")
            assert house.call("GET", "/api/auth/me", headers={"Authorization": f"tma {data}"})[0] == 401
        for body in ({}, {"init_data": fresh(house), "widget": widget()}, {"widget": {"id": {}}}):
            assert house.call("POST", "/api/auth/telegram", json=body)[0] == 422

    def test_a_second_factor_is_asked_for_here_too(self, house: House, ann: str) -> None:
        link(house, ann)
        secret = house.with_totp(ann)
        assert house.call("GET", "/api/auth/me", headers={"Authorization": f"tma {fresh(house)}"})[0] == 401
        body = {"init_data": fresh(house)}
        assert house.code("POST", "/api/auth/telegram", json=body) == (401, "totp_required")
        house.clock.advance(60)
        body = {"init_data": fresh(house), "totp": house.totp(secret)}
        assert house.call("POST", "/api/auth/telegram", json=body)[0] == 200

    def test_who_was_disabled_does_not_come_in(self, house: House, ann: str) -> None:
        user_id = link(house, ann)
        house.store["users"].update({"enabled": False}, key=user_id)
        assert house.call("POST", "/api/auth/telegram", json={"init_data": fresh(house)})[0] == 401
        assert house.call("GET", "/api/auth/me", headers={"Authorization": f"tma {fresh(house)}"})[0] == 401

    def test_without_a_bot_nobody_signs(self, tmp_path: Path) -> None:
        house = House(tmp_path, telegram_bot_token="")
        signed_with_nothing = init_data(bot="", at=house.clock.now())
        assert house.code("POST", "/api/auth/telegram", json={"init_data": signed_with_nothing}) == (
            401,
            "bad_signature",
        )
        house.close()
