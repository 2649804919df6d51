"""Signing in over HTTP: what a right and a wrong sign-in answer, and that tokens end when they should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from modules.accounts.first_start import first_password
from modules.runtime.settings import Settings
from tests.contracts.accounts_house import ANN, PASSWORD, House


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("accounts"))
    yield made
    made.close()


@pytest.fixture
def house(shared: House) -> House:
    return shared.begin_anew()


def test_a_sign_in_answers_exactly_what_is_promised(house: House) -> None:
    house.register()
    status, body = house.log_in()
    assert status == 200
    assert set(body) == {"success", "access_token", "refresh_token", "expires_in"}
    assert body["expires_in"] == 900
    status, me = house.call("GET", "/api/auth/me", body["access_token"])
    assert (me["user"]["email"], me["user"]["role"], me["via"]) == (ANN, "subscriber", "access_token")
    assert "password_hash" not in str(me)


def test_the_operator_signs_in_with_the_first_password(house: House) -> None:
    made_up = first_password(house.store, house.settings)
    assert made_up is not None
    assert first_password(house.store, house.settings) is None  # said once
    body = house.signed_in("operator@localhost", made_up)
    assert house.call("GET", "/api/auth/me", body["access_token"])[1]["user"]["role"] == "owner"
    assert made_up not in str(house.store["users"].all())


def test_a_given_first_password_is_not_told_and_not_set_again(tmp_path: Path) -> None:
    house = House(tmp_path, admin_email="Boss@Example.com", admin_password="a given one 4 all")
    assert first_password(house.store, house.settings) is None
    house.signed_in("boss@example.com", "a given one 4 all")
    later = Settings(_env_file=None, data_dir=tmp_path, admin_password="another one entirely")
    assert first_password(house.store, later) is None
    assert house.log_in("boss@example.com", "another one entirely")[0] == 401
    house.close()


def test_case_and_blanks_of_an_address_do_not_matter(house: House) -> None:
    house.register()
    house.signed_in("  ANN@Example.COM ")


@pytest.mark.parametrize("email", ["nobody@example.com", "no address at all", ANN])
def test_a_wrong_sign_in_tells_nothing_of_the_address(house: House, email: str) -> None:
    house.register()
    status, body = house.log_in(email, "not the password")
    assert (status, body["error"]["code"]) == (401, "wrong_credentials")
    assert body["error"]["message"] == "The address or the password is wrong."


def test_an_address_that_is_not_proven_does_not_sign_in(house: House) -> None:
    house.call("POST", "/api/auth/register", json={"email": ANN, "password": PASSWORD})
    assert house.log_in()[0] == 401


def test_guessing_gets_slower_and_slower(house: House) -> None:
    house.register()
    for _ in range(5):
        assert house.log_in(password="wrong")[0] == 401
    waits = []
    for _ in range(4):
        answer = house.send("POST", "/api/auth/login", json={"email": ANN, "password": PASSWORD})
        assert answer.status_code == 429  # the right one too
        waits.append(int(answer.headers["Retry-After"]))
        house.clock.advance(waits[-1])
        assert house.log_in(password="wrong")[0] == 401
    assert waits == [15, 30, 60, 120]
    house.clock.advance(240)
    house.signed_in()
    assert house.log_in(password="wrong")[0] == 401  # forgotten by a right one
    house.signed_in()


def test_a_closed_door_stays_closed_over_a_restart(house: House) -> None:
    house.register()
    for _ in range(5):
        house.log_in(password="wrong")
    again = House(house.folder)
    assert again.log_in()[0] == 429
    again.close()


def test_one_origin_that_tries_many_addresses_is_slowed(house: House) -> None:
    for number in range(30):
        assert house.log_in(f"u{number}@example.com", "wrong")[0] == 401
    for _ in range(5):  # many may share an origin: it is never closed for long
        answer = house.send("POST", "/api/auth/login", json={"email": "another@example.com", "password": "wrong"})
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 60
        house.clock.advance(60)
        assert house.log_in("another@example.com", "wrong")[0] == 401


def test_signing_out_takes_effect_at_once(house: House) -> None:
    house.register()
    body = house.signed_in()
    assert house.call("POST", "/api/auth/logout", json={"refresh_token": body["refresh_token"]})[0] == 200
    assert house.call("GET", "/api/auth/me", body["access_token"])[0] == 401
    assert house.code("POST", "/api/auth/refresh", json={"refresh_token": body["refresh_token"]}) == (
        401,
        "session_over",
    )


def test_signing_out_by_the_access_token_alone(house: House) -> None:
    house.register()
    body = house.signed_in()
    assert house.call("POST", "/api/auth/logout", body["access_token"])[0] == 200
    assert house.call("GET", "/api/auth/me", body["access_token"])[0] == 401


def test_signing_out_everywhere(house: House) -> None:
    house.register()
    one, two = house.signed_in(), house.signed_in()
    status, body = house.call("POST", "/api/auth/logout-all", one["access_token"])
    assert (status, body["sessions_ended"]) == (200, 2)
    for each in (one, two):
        assert house.call("GET", "/api/auth/me", each["access_token"])[0] == 401
        assert house.call("POST", "/api/auth/refresh", json={"refresh_token": each["refresh_token"]})[0] == 401


def test_an_access_token_ends_after_a_quarter_of_an_hour(house: House) -> None:
    house.register()
    token = house.signed_in()["access_token"]
    house.clock.advance(899)
    assert house.call("GET", "/api/auth/me", token)[0] == 200
    house.clock.advance(1)
    assert house.call("GET", "/api/auth/me", token)[0] == 401


def test_a_refresh_token_is_worth_one_use(house: House) -> None:
    house.register()
    first = house.signed_in()
    status, second = house.call("POST", "/api/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert status == 200
    assert set(second) == {"success", "access_token", "refresh_token", "expires_in"}
    assert second["refresh_token"] != first["refresh_token"]
    assert house.call("GET", "/api/auth/me", second["access_token"])[0] == 200

    assert house.code("POST", "/api/auth/refresh", json={"refresh_token": first["refresh_token"]}) == (
        401,
        "session_over",
    )
    assert house.code("POST", "/api/auth/refresh", json={"refresh_token": second["refresh_token"]})[0] == 401
    assert house.call("GET", "/api/auth/me", second["access_token"])[0] == 401
    assert len(house.audited("session.reused")) == 1
    assert house.letters().count("token_reused") == 1


def test_an_idle_session_ends(house: House) -> None:
    house.register()
    body = house.signed_in()
    house.clock.advance(timedelta(days=30).total_seconds())
    assert house.call("POST", "/api/auth/refresh", json={"refresh_token": body["refresh_token"]})[0] == 401


def test_no_session_lasts_for_ever(house: House) -> None:
    house.register()
    body, days = house.signed_in(), 0
    while days < 400:
        house.clock.advance(timedelta(days=20).total_seconds())
        days += 20
        status, body = house.call("POST", "/api/auth/refresh", json={"refresh_token": body.get("refresh_token", "x")})
        if status != 200:
            break
    assert days == 180


@pytest.mark.parametrize("token", ["", "x", "vzk_r_", "vzk_r_" + "0" * 32 + "_0_" + "A" * 43, "\u0000", "ü" * 50])
def test_a_refresh_token_of_ones_own_making_is_none(house: House, token: str) -> None:
    status, _ = house.call("POST", "/api/auth/refresh", json={"refresh_token": token})
    assert status in (401, 422)


def test_whoever_is_disabled_is_nobody_from_then_on(house: House) -> None:
    user_id = house.register()
    body = house.signed_in()
    house.store["users"].update({"enabled": False}, key=user_id)
    assert house.call("GET", "/api/auth/me", body["access_token"])[0] == 401
    assert house.call("POST", "/api/auth/refresh", json={"refresh_token": body["refresh_token"]})[0] == 401
    assert house.log_in()[0] == 401


def test_a_new_role_counts_at_once(house: House) -> None:
    user_id = house.register()
    token = house.signed_in()["access_token"]
    assert house.call("GET", "/api/events", token)[0] == 403
    house.store["users"].update({"role": "operator"}, key=user_id)
    assert house.call("GET", "/api/events", token)[0] == 200


def test_sessions_are_listed_and_ended_one_by_one(house: House) -> None:
    house.register()
    house.register("bob@example.com")
    mine = house.signed_in()
    other = house.call(
        "POST", "/api/auth/login", json={"email": ANN, "password": PASSWORD}, headers={"User-Agent": "Phone"}
    )[1]
    strangers = house.signed_in("bob@example.com")
    _, body = house.call("GET", "/api/sessions", mine["access_token"])
    assert sorted(each["current"] for each in body["sessions"]) == [False, True]
    assert {each["agent"] for each in body["sessions"]} >= {"Phone"}
    assert not {"seed", "generation"} & set(body["sessions"][0])
    (phone,) = [each["id"] for each in body["sessions"] if each["agent"] == "Phone"]
    assert house.call("DELETE", f"/api/sessions/{phone}", strangers["access_token"])[0] == 404
    assert house.call("DELETE", f"/api/sessions/{phone}", mine["access_token"])[0] == 200
    assert house.call("GET", "/api/auth/me", other["access_token"])[0] == 401
    assert house.call("DELETE", f"/api/sessions/{phone}", mine["access_token"])[0] == 404
    assert house.call("GET", "/api/auth/me", mine["access_token"])[0] == 200


def test_a_sign_in_from_elsewhere_is_told_by_mail(house: House) -> None:
    house.register()
    house.signed_in()
    house.signed_in()
    assert "new_device" not in house.letters()  # the first, and one more like it
    house.call(
        "POST", "/api/auth/login", json={"email": ANN, "password": PASSWORD}, headers={"User-Agent": "Elsewhere"}
    )
    assert house.letters().count("new_device") == 1


def test_old_parameters_of_a_password_are_renewed_by_a_sign_in(house: House) -> None:
    from modules.accounts.passwords import Passwords

    user_id = house.register()
    weak = Passwords(time_cost=1, memory_kib=1024).kept(PASSWORD)
    house.store["users"].update({"password_hash": weak}, key=user_id)
    house.signed_in()
    kept = (house.store["users"].get(key=user_id) or {})["password_hash"]
    assert kept != weak
    assert "m=19456,t=2,p=1" in kept
    house.signed_in()


class TestCookie:
    """The way of a browser: the refresh token is where no script can read it."""

    OURS: ClassVar = {"X-Requested-With": "verzek", "Origin": "http://localhost"}

    def cookie(self, house: House) -> str:
        house.register()
        answer = house.send("POST", "/api/auth/login", json={"email": ANN, "password": PASSWORD, "cookie": True})
        assert answer.status_code == 200
        assert set(answer.get_json()) == {"success", "access_token", "expires_in"}
        (told,) = answer.headers.getlist("Set-Cookie")
        assert told.startswith("vzk_refresh=")
        assert {"HttpOnly", "SameSite=Strict", "Path=/api/auth"} <= set(told.split("; "))
        assert "Secure" not in told.split("; ")
        return told.split(";")[0]

    def test_a_refresh_turns_the_cookie_over(self, house: House) -> None:
        cookie = self.cookie(house)
        answer = house.send("POST", "/api/auth/refresh", headers={**self.OURS, "Cookie": cookie})
        assert answer.status_code == 200, answer.data
        assert "refresh_token" not in answer.get_json()
        assert answer.headers["Set-Cookie"].split(";")[0] != cookie

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-Requested-With": "verzek"},
            {"Origin": "http://localhost"},
            {"X-Requested-With": "verzek", "Origin": "http://evil.example"},
            {"X-Requested-With": "verzek", "Origin": "null"},
            {"X-Requested-With": "verzek", "Origin": "http://localhost.evil.example"},
            {"X-Requested-With": "XMLHttpRequest", "Origin": "http://localhost"},
        ],
    )
    def test_a_foreign_page_gets_nothing(self, house: House, headers: dict[str, str]) -> None:
        cookie = self.cookie(house)
        for path in ("/api/auth/refresh", "/api/auth/logout"):
            assert house.code("POST", path, headers={**headers, "Cookie": cookie}) == (403, "foreign_page")
        answer = house.send("POST", "/api/auth/refresh", headers={**self.OURS, "Cookie": cookie})
        assert answer.status_code == 200  # and nothing was used up

    def test_signing_out_ends_the_session_and_takes_the_cookie_away(self, house: House) -> None:
        cookie = self.cookie(house)
        answer = house.send("POST", "/api/auth/logout", headers={**self.OURS, "Cookie": cookie})
        assert answer.status_code == 200
        assert answer.headers["Set-Cookie"].startswith("vzk_refresh=;")
        assert house.code("POST", "/api/auth/refresh", headers={**self.OURS, "Cookie": cookie}) == (401, "session_over")

    def test_the_cookie_signs_no_other_request_in(self, house: House) -> None:
        cookie = self.cookie(house)
        assert house.call("GET", "/api/auth/me", headers={**self.OURS, "Cookie": cookie})[0] == 401

    def test_behind_https_the_cookie_is_secure(self, tmp_path: Path) -> None:
        house = House(tmp_path, public_url="https://trade.example.com")
        house.register()
        answer = house.send("POST", "/api/auth/login", json={"email": ANN, "password": PASSWORD, "cookie": True})
        assert "Secure" in answer.headers["Set-Cookie"].split("; ")
        ours = {"X-Requested-With": "verzek", "Origin": "https://trade.example.com"}
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        assert house.call("POST", "/api/auth/refresh", headers={**ours, "Cookie": cookie})[0] == 200
        house.close()
