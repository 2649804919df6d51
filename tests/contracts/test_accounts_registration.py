"""Registering, proving an address, new passwords: and that none of it tells a stranger whether an address is known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.accounts.mails import MailCourier
from modules.connections.mail import FileSender
from tests.contracts.accounts_house import ANN, PASSWORD, House

NEW = "a new one, quite long"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("accounts"))
    yield made
    made.close()


@pytest.fixture
def house(shared: House) -> House:
    return shared.begin_anew()


def shape(house: House) -> dict[str, int]:
    """How many rows each collection has."""
    return {name: house.store[name].count() for name in house.store.collections}


def grown(house: House, path: str, email: str) -> tuple[dict[str, int], int, dict[str, Any]]:
    """What a request about an address writes, and answers."""
    before = shape(house)
    fields = {"password": PASSWORD, "name": "x"} if path.endswith("register") else {}
    status, body = house.call("POST", path, json={"email": email, **fields})
    after = shape(house)
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}, status, body


def test_a_new_user_has_a_paper_account_that_trades_nothing(house: House) -> None:
    user_id = house.register()
    (account,) = [row for row in house.store["accounts"].all() if row["user_id"] == user_id]
    assert account["exchange"] == "paper"
    assert account["settings"]["autotrade"] is False
    assert account["enabled"] is True
    assert house.letters()[-1] == "welcome"
    assert [row["subject"] for row in house.audited("user.registered")] == [f"user:{user_id}"]


def test_no_account_comes_into_being_before_its_address_is_proven(house: House) -> None:
    before = house.store["users"].count(), house.store["accounts"].count()
    house.call("POST", "/api/auth/register", json={"email": ANN, "password": PASSWORD})
    assert (house.store["users"].count(), house.store["accounts"].count()) == before


@pytest.mark.parametrize("path", ["/api/auth/register", "/api/auth/forgot-password", "/api/auth/resend-verification"])
def test_a_known_and_an_unknown_address_get_the_same(house: House, path: str) -> None:
    house.register()
    for email in (ANN, "nobody@example.com"):
        grown(house, path, email)  # both were asked about before
    known, unknown = grown(house, path, ANN), grown(house, path, "nobody@example.com")
    assert known == unknown
    assert known[1] == 202
    assert known[0].get("mails") == 1


def test_only_the_owner_of_a_known_address_learns_of_it(house: House, tmp_path: Path) -> None:
    house.register()
    for path in ("/api/auth/register", "/api/auth/forgot-password"):
        for email in (ANN, "nobody@example.com"):
            grown(house, path, email)
    courier = MailCourier(house.store, FileSender(tmp_path / "mail", "Bot <b@example.org>"), "http://here")
    asyncio.run(courier.turn(house.clock.now()))
    asyncio.run(courier.turn(house.clock.now()))
    letters = {}
    for path_ in (tmp_path / "mail").glob("*.eml"):
        text = path_.read_text()
        to = text.partition("To: ")[2].partition("\n")[0]
        letters.setdefault(to, set()).add(text.partition("Subject: VerzekAutoTrader: ")[2].partition("\n")[0])
    assert letters[ANN] >= {"You have an account already", "Set a new password"}
    assert letters["nobody@example.com"] == {"Confirm your address"}


def test_the_password_of_a_known_address_stays(house: House) -> None:
    house.register()
    house.call("POST", "/api/auth/register", json={"email": ANN, "password": "another long one"})
    code = house.mailed("verify")
    assert house.code("POST", "/api/auth/verify-email", json={"token": code}) == (409, "known_already")
    house.signed_in()
    assert house.log_in(password="another long one")[0] == 401


def test_opening_the_link_twice_is_no_mistake(house: House) -> None:
    house.call("POST", "/api/auth/register", json={"email": ANN, "password": PASSWORD})
    code = house.mailed("verify")
    for method in ("GET", "POST", "GET"):
        status, body = house.call(method, f"/api/auth/verify-email/{code}")
        assert (status, body["email"]) == (200, ANN)
    assert len([row for row in house.store["users"].all() if row.get("email") == ANN]) == 1


def test_where_two_registered_one_address_its_owner_sets_another_password(house: House) -> None:
    for password in (PASSWORD, "another long one"):
        house.call("POST", "/api/auth/register", json={"email": ANN, "password": password})
    one, two = [each["fields"]["code"] for each in house.mails(ANN)]
    assert house.call("POST", "/api/auth/verify-email", json={"token": two})[0] == 200
    assert house.code("POST", "/api/auth/verify-email", json={"token": one})[0] in (409, 422)
    for password in (PASSWORD, "another long one"):
        assert house.call("POST", "/api/auth/login", json={"email": ANN, "password": password})[0] == 401
    path = f"/api/auth/reset-password/{house.mailed('reset')}"
    assert house.call("POST", path, json={"password": NEW})[0] == 200
    house.signed_in(password=NEW)


def test_a_code_ends_and_a_new_one_can_be_asked_for(house: House) -> None:
    house.call("POST", "/api/auth/register", json={"email": ANN, "password": PASSWORD})
    old = house.mailed("verify")
    house.clock.advance(86_400)
    house.call("POST", "/api/auth/resend-verification", json={"email": ANN})
    new = house.mailed("verify")
    house.clock.advance(86_400)
    assert house.code("POST", "/api/auth/verify-email", json={"token": old}) == (422, "bad_code")
    assert house.call("POST", "/api/auth/verify-email", json={"token": new})[0] == 200
    house.signed_in()


@pytest.mark.parametrize("token", ["x", "vzk_c_" + "A" * 32, "é", "\x00", "a" * 200])
def test_a_made_up_code_is_no_good(house: House, token: str) -> None:
    assert house.call("POST", "/api/auth/verify-email", json={"token": token})[0] == 422
    assert house.call("POST", f"/api/auth/reset-password/{'x' + token[:20].strip()}", json={"password": NEW})[0] in (
        404,
        422,
    )


def test_a_code_is_good_for_one_purpose_only(house: House) -> None:
    house.register()
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    reset = house.mailed("reset")
    assert house.call("POST", "/api/auth/verify-email", json={"token": reset})[0] == 422
    assert house.call("POST", f"/api/auth/reset-password/{reset}", json={"password": NEW})[0] == 200


def test_nobody_is_buried_under_mails(house: House) -> None:
    house.register()
    for _ in range(20):
        for path in ("/api/auth/forgot-password", "/api/auth/resend-verification"):
            assert house.call("POST", path, json={"email": ANN})[0] == 202
        house.call("POST", "/api/auth/register", json={"email": ANN, "password": PASSWORD})
    assert house.letters().count("reset") == 3
    assert len(house.letters()) <= 3 + 4 + 2
    house.clock.advance(3600)
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    assert house.letters().count("reset") == 4


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": "no address"}, "email"), ({"email": "a@b@c"}, "email"), ({"email": "a\n@example.com"}, "email"),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "email"), ({"email": "@example.com"}, "email"),
        ({"email": "a@-example.com"}, "email"), ({"email": "a" * 65 + "@example.com"}, "email"),
        ({"email": 5}, "email"), ({"password": "short"}, "password"), ({"password": "password123"}, "password"),
        ({"password": "aaaaaaaaaaaa"}, "password"), ({"password": ANN}, "password"), ({"password": "x" * 257}, "password"),
        ({"password": "x" * 2000}, "password"), ({"password": None}, "password"), ({"name": "x" * 101}, "name"),
        ({"role": "owner"}, "role"), ({"id": "operator"}, "id"),
    ],
)  # fmt: skip
def test_wrong_values_are_named(house: House, fields: dict[str, Any], field: str) -> None:
    body = {"email": ANN, "password": PASSWORD, "name": "Ann", **fields}
    status, answer = house.call("POST", "/api/auth/register", json=body)
    assert status == 422
    assert field in answer["error"]["fields"]
    assert house.mails() == []


def test_a_closed_registration_is_said(tmp_path: Path) -> None:
    house = House(tmp_path, registration="closed")
    assert house.code("POST", "/api/auth/register", json={"email": ANN, "password": PASSWORD}) == (
        403,
        "registration_closed",
    )
    house.close()


def test_a_forgotten_password_is_set_anew_and_ends_every_sign_in(house: House) -> None:
    house.register()
    old = house.signed_in()
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    one, two = [each["fields"]["code"] for each in house.mails(ANN) if each["letter"] == "reset"]
    assert house.code("POST", f"/api/auth/reset-password/{two}", json={"password": "short"}) == (422, "weak_password")
    assert house.call("POST", f"/api/auth/reset-password/{two}", json={"password": NEW})[0] == 200
    for used in (two, one):
        assert house.code("POST", f"/api/auth/reset-password/{used}", json={"password": "yet another"})[1] == "bad_code"
    assert house.call("GET", "/api/auth/me", old["access_token"])[0] == 401
    assert house.log_in()[0] == 401
    house.signed_in(password=NEW)
    assert house.letters().count("password_changed") == 1
    assert len(house.audited("password.reset")) == 1


def test_a_reset_code_ends_after_a_quarter_of_an_hour(house: House) -> None:
    house.register()
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    house.clock.advance(900)
    code = house.mailed("reset")
    assert house.code("POST", f"/api/auth/reset-password/{code}", json={"password": NEW}) == (422, "bad_code")
    house.signed_in()


def test_a_reset_does_not_go_around_the_second_factor(house: House) -> None:
    house.register()
    house.with_totp(house.signed_in()["access_token"])
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    assert house.call("POST", f"/api/auth/reset-password/{house.mailed('reset')}", json={"password": NEW})[0] == 200
    status, body = house.log_in(password=NEW)
    assert (status, body["error"]["code"]) == (401, "totp_required")


def test_changing_the_password_keeps_this_sign_in_only(house: House) -> None:
    house.register()
    mine, other = house.signed_in(), house.signed_in()
    wrong = {"current_password": "wrong", "new_password": NEW}
    assert house.code("POST", "/api/auth/password", mine["access_token"], json=wrong) == (403, "wrong_password")
    right = {"current_password": PASSWORD, "new_password": NEW}
    assert house.call("POST", "/api/auth/password", mine["access_token"], json=right)[0] == 200
    assert house.call("GET", "/api/auth/me", mine["access_token"])[0] == 200
    assert house.call("GET", "/api/auth/me", other["access_token"])[0] == 401
    house.signed_in(password=NEW)


def test_guessing_the_password_from_within_is_slowed_too(house: House) -> None:
    house.register()
    token = house.signed_in()["access_token"]
    for _ in range(5):
        house.call("POST", "/api/auth/password", token, json={"current_password": "wrong", "new_password": NEW})
    right = {"current_password": PASSWORD, "new_password": NEW}
    assert house.call("POST", "/api/auth/password", token, json=right)[0] == 429
    house.signed_in()  # signing in is another matter


def test_a_new_address_counts_once_it_is_proven(house: House) -> None:
    house.register()
    token, new = house.signed_in()["access_token"], "ann@new.example.com"
    assert house.call("POST", "/api/auth/email", token, json={"email": new, "password": "wrong"})[0] == 403
    assert house.call("POST", "/api/auth/email", token, json={"email": new, "password": PASSWORD})[0] == 202
    house.signed_in()
    assert house.call("POST", "/api/auth/verify-email", json={"token": house.mailed("change_email", new)})[0] == 200
    house.signed_in(new)
    assert house.log_in()[0] == 401
    assert house.letters(ANN)[-1] == "email_changed"
    (row,) = house.audited("email.changed")
    assert (row["before"], row["after"]) == ({"email": ANN}, {"email": new})


def test_the_address_of_another_can_not_be_taken(house: House) -> None:
    house.register()
    house.register("bob@example.com")
    token = house.signed_in()["access_token"]
    answer = house.call("POST", "/api/auth/email", token, json={"email": "bob@example.com", "password": PASSWORD})
    assert answer[0] == 202  # as for any other
    code = house.mailed("change_email", "bob@example.com")
    assert house.code("POST", "/api/auth/verify-email", json={"token": code}) == (409, "known_already")
    house.signed_in()
    house.signed_in("bob@example.com")
