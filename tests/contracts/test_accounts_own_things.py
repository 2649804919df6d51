"""The second factor, API keys, profile, the copy of one's data and its erasure, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tinydb import where

from modules.accounts.mail_wording import Letter, write
from modules.accounts.personal_data import OWN_FORM, Leaving, holdings
from modules.accounts.two_factor import reseal
from modules.runtime.settings import kept_secret
from tests.contracts.accounts_house import ANN, PASSWORD, House


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


class TestSecondFactor:
    def test_from_enrolment_to_sign_in(self, house: House, ann: str) -> None:
        assert house.call("GET", "/api/2fa/status", ann)[1]["enabled"] is False
        status, enrolled = house.call("POST", "/api/2fa/enroll", ann)
        assert status == 201
        assert enrolled["otpauth_uri"].startswith("otpauth://totp/VerzekAutoTrader:ann%40example.com?secret=")
        assert enrolled["qr_svg"].startswith("<svg")
        house.signed_in()  # not on yet: a secret that never arrived locks nobody out
        assert house.code("POST", "/api/2fa/verify", ann, json={"code": "000000"}) == (422, "wrong_code")
        status, on = house.call("POST", "/api/2fa/verify", ann, json={"code": house.totp(enrolled["secret"])})
        assert (status, on["enabled"], len(set(on["backup_codes"]))) == (200, True, 10)
        state = house.call("GET", "/api/2fa/status", ann)[1]
        assert (state["enabled"], state["backup_codes_left"]) == (True, 10)
        status, body = house.log_in()
        assert (status, body["error"]["code"]) == (401, "totp_required")
        house.clock.advance(30)
        house.signed_in(totp=house.totp(enrolled["secret"]))
        assert house.letters().count("two_factor_on") == 1

    def test_a_neighbouring_code_is_taken_for_clocks_that_differ(self, house: House, ann: str) -> None:
        secret = house.with_totp(ann)
        house.clock.advance(90)
        late = house.totp(secret)
        house.clock.advance(30)
        house.signed_in(totp=late)
        house.clock.advance(90)
        early = house.totp(secret)
        house.clock.advance(-30)
        house.signed_in(totp=early)
        house.clock.advance(120)
        too_late = house.totp(secret)
        house.clock.advance(60)
        assert house.log_in(totp=too_late)[0] == 401

    def test_a_backup_code_is_good_once_however_it_is_written(self, house: House, ann: str) -> None:
        house.with_totp(ann)
        codes = house.call("POST", "/api/2fa/backup-codes", ann, json={"password": PASSWORD})[1]["backup_codes"]
        house.signed_in(totp=f" {codes[0].upper().replace('-', ' ')} ")
        assert house.log_in(totp=codes[0])[0] == 401
        house.signed_in(totp=codes[1])
        assert house.call("GET", "/api/2fa/status", ann)[1]["backup_codes_left"] == 8

    def test_new_backup_codes_end_the_old_ones(self, house: House, ann: str) -> None:
        house.with_totp(ann)
        assert house.code("POST", "/api/2fa/backup-codes", ann, json={"password": "wrong"}) == (403, "wrong_password")
        old = house.call("POST", "/api/2fa/backup-codes", ann, json={"password": PASSWORD})[1]["backup_codes"]
        house.call("POST", "/api/2fa/backup-codes", ann, json={"password": PASSWORD})
        assert house.log_in(totp=old[0])[0] == 401

    def test_turning_it_off_takes_the_password(self, house: House, ann: str) -> None:
        house.with_totp(ann)
        assert house.code("POST", "/api/2fa/enroll", ann) == (409, "two_factor_on")
        assert house.code("POST", "/api/2fa/disable", ann, json={"password": "wrong"}) == (403, "wrong_password")
        assert house.call("POST", "/api/2fa/disable", ann, json={"password": PASSWORD})[0] == 200
        house.signed_in()
        assert house.code("POST", "/api/2fa/disable", ann, json={"password": PASSWORD}) == (409, "two_factor_off")
        assert house.letters().count("two_factor_off") == 1

    @pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12 34 56 78", "-" * 11])
    def test_odd_codes_are_a_no(self, house: House, ann: str, code: str) -> None:
        house.with_totp(ann)
        assert house.log_in(totp=code)[0] in (401, 422)

    def test_a_new_master_key_keeps_second_factors(self, house: House, ann: str) -> None:
        secret = house.with_totp(ann)
        old = kept_secret(house.settings, "master_key")
        with house.store.transaction() as tx:
            assert reseal(tx, old, "a new master key, long enough for that") == 1
        again = House(house.folder, master_key="a new master key, long enough for that")
        again.clock.advance(60)
        again.signed_in(totp=again.totp(secret))
        again.close()


class TestKeys:
    def test_a_key_is_shown_once_and_works_until_it_is_revoked(self, house: House, ann: str) -> None:
        status, made = house.call("POST", "/api/keys", ann, json={"name": "my bot"})
        assert status == 201
        key = made["key"]
        assert key.startswith("vzk_k_")
        (row,) = house.call("GET", "/api/keys", ann)[1]["keys"]
        assert (row["name"], row["prefix"], row["scopes"], row["last_used_at"]) == ("my bot", key[:12], None, None)
        assert key not in json.dumps(row)
        for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
            assert house.call("GET", "/api/positions", headers=headers)[0] == 200
        assert house.call("GET", "/api/keys", ann)[1]["keys"][0]["last_used_at"] is not None
        assert house.call("DELETE", f"/api/keys/{row['id']}", ann)[0] == 200
        assert house.call("GET", "/api/positions", headers={"X-API-Key": key})[0] == 401
        assert house.call("GET", "/api/keys", ann)[1]["keys"] == []
        assert house.call("DELETE", f"/api/keys/{row['id']}", ann)[0] == 404

    def test_scopes_limit_what_a_key_may(self, house: House, ann: str) -> None:
        key = house.call("POST", "/api/keys", ann, json={"name": "k", "scopes": ["trades.read"]})[1]["key"]
        assert house.call("GET", "/api/positions", headers={"X-API-Key": key})[0] == 200
        assert house.code("GET", "/api/signals", headers={"X-API-Key": key}) == (403, "not_allowed")
        assert house.code("GET", "/api/users/me", headers={"X-API-Key": key}) == (403, "not_allowed")

    @pytest.mark.parametrize("scopes", [["users.manage"], ["everything"], [], ["trades.read", "safety.stop_all"], [""]])
    def test_nobody_gives_a_key_more_than_they_have(self, house: House, ann: str, scopes: list[str]) -> None:
        status, body = house.call("POST", "/api/keys", ann, json={"name": "k", "scopes": scopes})
        assert (status, list(body["error"]["fields"])) == (422, ["scopes"])

    def test_a_key_loses_what_its_owner_loses(self, house: House) -> None:
        user_id = house.register()
        house.store["users"].update({"role": "operator"}, key=user_id)
        token = house.signed_in()["access_token"]
        key = house.call("POST", "/api/keys", token, json={"name": "k", "scopes": ["events.read_all"]})[1]["key"]
        assert house.call("GET", "/api/events", headers={"X-API-Key": key})[0] == 200
        house.store["users"].update({"role": "subscriber"}, key=user_id)
        assert house.call("GET", "/api/events", headers={"X-API-Key": key})[0] == 403
        house.store["users"].update({"enabled": False}, key=user_id)
        assert house.call("GET", "/api/positions", headers={"X-API-Key": key})[0] == 401

    def test_a_key_ends_when_it_was_to(self, house: House, ann: str) -> None:
        until = (house.clock.now() + timedelta(hours=1)).isoformat()
        key = house.call("POST", "/api/keys", ann, json={"name": "k", "expires_at": until})[1]["key"]
        house.clock.advance(3599)
        assert house.call("GET", "/api/positions", headers={"X-API-Key": key})[0] == 200
        house.clock.advance(1)
        assert house.call("GET", "/api/positions", headers={"X-API-Key": key})[0] == 401
        fresh = house.signed_in()["access_token"]
        assert house.call("GET", "/api/keys", fresh)[1]["keys"][0]["expired"] is True
        past = (house.clock.now() - timedelta(seconds=1)).isoformat()
        assert house.call("POST", "/api/keys", fresh, json={"name": "k", "expires_at": past})[0] == 422

    def test_a_key_changes_nothing_about_signing_in(self, house: House, ann: str) -> None:
        key = house.call("POST", "/api/keys", ann, json={"name": "k"})[1]["key"]
        me = {"X-API-Key": key}
        tried: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/api/keys", {"name": "another"}),
            ("POST", "/api/2fa/enroll", {}),
            ("POST", "/api/auth/password", {"current_password": PASSWORD, "new_password": "something else 1"}),
            ("POST", "/api/auth/email", {"email": "x@example.com", "password": PASSWORD}),
            ("POST", "/api/telegram/link", {}),
            ("DELETE", "/api/users/me", {"password": PASSWORD}),
            ("GET", "/api/users/me/export", {}),
        ]
        for method, path, body in tried:
            assert house.code(method, path, headers=me, json=body or None) == (403, "sign_in_needed"), path
        assert house.call("GET", "/api/users/me", headers=me)[0] == 200

    def test_another_users_key_is_not_found(self, house: House, ann: str) -> None:
        house.register("bob@example.com")
        bob = house.signed_in("bob@example.com")["access_token"]
        made = house.call("POST", "/api/keys", ann, json={"name": "k"})[1]
        assert house.call("DELETE", f"/api/keys/{made['api_key']['id']}", bob)[0] == 404
        assert house.call("GET", "/api/positions", headers={"X-API-Key": made["key"]})[0] == 200

    def test_lists_are_paged(self, house: House, ann: str) -> None:
        for number in range(5):
            house.call("POST", "/api/keys", ann, json={"name": f"k{number}"})
        seen, cursor = [], ""
        for _ in range(10):
            page = house.call("GET", f"/api/keys?limit=2{cursor}", ann)[1]
            seen += [row["name"] for row in page["keys"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == ["k4", "k3", "k2", "k1", "k0"]
        assert house.call("GET", "/api/keys?cursor=nonsense", ann)[0] == 422

    def test_nobody_has_keys_without_end(self, house: House, ann: str) -> None:
        for number in range(25):
            assert house.call("POST", "/api/keys", ann, json={"name": f"k{number}"})[0] == 201
        assert house.code("POST", "/api/keys", ann, json={"name": "one more"}) == (409, "too_many_keys")

    def test_using_a_key_often_writes_seldom(self, house: House, ann: str) -> None:
        key = house.call("POST", "/api/keys", ann, json={"name": "k"})[1]["key"]
        revisions = []
        for _ in range(5):
            house.call("GET", "/api/positions", headers={"X-API-Key": key})
            (row,) = house.store["api_keys"].all()
            revisions.append((house.store["api_keys"].get_with_revision(row["id"]) or ({}, 0))[1])
        assert len(set(revisions)) == 1
        house.clock.advance(60)
        house.call("GET", "/api/positions", headers={"X-API-Key": key})
        assert (house.store["api_keys"].get_with_revision(row["id"]) or ({}, 0))[1] == revisions[0] + 1


class TestProfile:
    def test_one_changes_ones_own(self, house: House, ann: str) -> None:
        status, body = house.call("PATCH", "/api/users/me", ann, json={"name": "Anna", "time_zone": "Europe/Zurich"})
        assert (status, body["user"]["name"], body["user"]["time_zone"]) == (200, "Anna", "Europe/Zurich")
        assert house.call("GET", "/api/users/me", ann)[1]["user"]["name"] == "Anna"
        for wrong in ({"time_zone": "Mars/North"}, {"role": "owner"}, {"email": "x@example.com"}, {"language": "x"}):
            assert house.call("PATCH", "/api/users/me", ann, json=wrong)[0] == 422
        assert house.call("GET", "/api/auth/me", ann)[1]["user"]["role"] == "subscriber"

    def test_the_older_paths_serve_oneself_and_nobody_else(self, house: House, ann: str) -> None:
        bob = house.register("bob@example.com")
        me = house.call("GET", "/api/users/me", ann)[1]["user"]["id"]
        assert house.call("GET", f"/api/users/{me}", ann)[1]["user"]["email"] == ANN
        assert house.call("PUT", f"/api/users/{me}/general", ann, json={"name": "A"})[1]["general"]["name"] == "A"
        wanted = {"preferences": {"theme": "dark", "columns": [1, 2]}}
        assert house.call("PUT", f"/api/users/{me}/preferences", ann, json=wanted)[0] == 200
        assert house.call("GET", f"/api/users/{me}/preferences", ann)[1]["preferences"] == wanted["preferences"]
        for other in (bob, "operator", "nobody"):
            for path in ("", "/general", "/preferences"):
                assert house.call("GET", f"/api/users/{other}{path}", ann)[0] == 404
            assert house.call("PUT", f"/api/users/{other}", ann, json={"name": "x"})[0] == 404
            assert house.call("DELETE", f"/api/users/{other}", ann, json={"password": PASSWORD})[0] == 404
            assert house.call("PUT", f"/api/users/{other}/general", ann, json={"name": "x"})[0] == 404
            assert house.call("PUT", f"/api/users/{other}/preferences", ann, json={"preferences": {}})[0] == 404
        assert (
            house.call("PUT", f"/api/users/{me}/preferences", ann, json={"preferences": {"x": "y" * 20_000}})[0] == 422
        )
        assert house.call("PUT", f"/api/users/{me}", ann, json={"name": "Ann"})[1]["user"]["name"] == "Ann"
        assert house.code("DELETE", f"/api/users/{me}", ann, json={"password": "wrong"}) == (403, "wrong_password")
        assert house.call("DELETE", f"/api/users/{me}", ann, json={"password": PASSWORD})[0] == 200
        assert house.call("GET", "/api/users/me", ann)[0] == 401


def test_a_mail_to_try_is_sent_to_oneself_a_few_times(house: House, ann: str) -> None:
    for _ in range(3):
        assert house.call("POST", "/api/test/email", ann)[0] == 202
    assert house.code("POST", "/api/test/email", ann) == (429, "too_many")
    assert house.letters().count("test") == 3
    house.store["users"].update({"email": None}, where("email") == ANN)
    assert house.code("POST", "/api/test/email", ann) == (409, "no_address")


def test_a_question_goes_to_whoever_runs_the_installation(house: House, ann: str) -> None:
    asked = {"subject": "My key", "message": "It is refused.\nWhy?\n\nSubject: forged"}
    for _ in range(5):
        assert house.call("POST", "/api/support/message", ann, json=asked)[0] == 202
    assert house.code("POST", "/api/support/message", ann, json=asked) == (429, "too_many")
    (first, *others) = [each for each in house.mails() if each["letter"] == "support"]
    assert len(others) == 4
    assert first["to"] == house.settings.admin_email
    written = write(Letter.SUPPORT, first["fields"], "http://here")
    assert f"<{ANN}>" in written.text
    assert "about: My key" in written.text
    assert "> It is refused.\n> Why?\n> \n> Subject: forged\n" in written.text
    for wrong in (
        {},
        {"message": ""},
        {"message": " \n"},
        {"message": "x" * 5001},
        {"message": "x", "to": "eve@example.com"},
    ):
        assert house.call("POST", "/api/support/message", ann, json=wrong)[0] == 422


def test_an_address_that_signs_in_is_proven(house: House, ann: str) -> None:
    body = house.call("GET", "/api/auth/check-verification", ann)[1]
    assert (body["email"], body["verified"]) == (ANN, True)


def test_who_has_no_password_can_not_lock_themselves_out(house: House) -> None:
    """Turning the second factor off asks for the password."""
    assert house.code("POST", "/api/2fa/enroll", house.operator_token) == (409, "no_password")


ODD = ["\x00", "a\x00b", "\ud800", 10**30, [], {}, True, None, "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_values_that_no_store_can_hold_are_a_no(house: House, ann: str, odd: Any) -> None:
    tried: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", "/api/users/me", {"name": odd}),
        ("PUT", "/api/users/me/preferences", {"preferences": {"a": [odd]}}),
        ("PUT", "/api/users/me/preferences", {"preferences": {str(odd): 1}}),
        ("POST", "/api/keys", {"name": odd}),
        ("POST", "/api/keys", {"name": "k", "expires_at": odd}),
        ("POST", "/api/keys", {"name": "k", "scopes": odd}),
        ("POST", "/api/auth/register", {"email": "x@example.com", "password": PASSWORD, "name": odd}),
        ("POST", "/api/auth/register", {"email": "x@example.com", "password": odd}),
        ("POST", "/api/auth/login", {"email": ANN, "password": odd}),
        ("POST", "/api/auth/verify-email", {"token": odd}),
        ("POST", "/api/auth/refresh", {"refresh_token": odd}),
        ("POST", "/api/auth/telegram", {"widget": {"id": odd, "hash": odd}}),
        ("DELETE", "/api/users/me", {"password": odd}),
    ]
    for method, path, body in tried:
        answer = house.client.open(
            path,
            method=method,
            data=json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {ann}", "User-Agent": "é\x7f", "Origin": "http://["},
        )
        assert answer.status_code < 500, (path, body, answer.text)


class TestLeaving:
    def test_the_copy_holds_everything_and_no_secret(self, house: House, ann: str) -> None:
        secret = house.with_totp(ann)
        key = house.call("POST", "/api/keys", ann, json={"name": "my bot"})[1]["key"]
        user_id = house.call("GET", "/api/users/me", ann)[1]["user"]["id"]
        house.store["positions"].insert({"id": "p1", "account_id": f"paper-{user_id}", "status": "open", "symbol": "X"})
        house.store["positions"].insert({"id": "p2", "account_id": "paper-operator", "status": "open", "symbol": "Y"})
        house.store["exchange_keys"].insert({"id": "e1", "user_id": user_id, "label": "mine", "sealed": "zzz"})
        deep = {
            "id": "h1",
            "user_id": user_id,
            "url": "https://example.com",
            "auth": [{"secret": "yyy", "scheme": "v1"}],
        }
        house.store["hooks"].insert(deep)
        response = house.send("GET", "/api/users/me/export", ann)
        body = response.get_json()
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert body["user"]["email"] == ANN
        assert [row["id"] for row in body["accounts"]] == [f"paper-{user_id}"]
        assert [row["id"] for row in body["positions"]] == ["p1"]
        assert [row["label"] for row in body["exchange_keys"]] == ["mine"]
        assert body["hooks"][0]["auth"] == [{"scheme": "v1"}]
        assert {row["action"] for row in body["audit_log"]} >= {"session.opened", "api_key.created", "two_factor.on"}
        assert len(body["sessions"]) == 1
        hashes = [str(value) for row in house.store["api_keys"].all() for value in [row["secret_hash"]]]
        stored = house.store["users"].get(key=user_id) or {}
        sealed = [stored["password_hash"], stored["two_factor"]["sealed"], "zzz", "yyy"]
        for hidden in (secret, key, *hashes, *sealed, *(row["seed"] for row in house.store["sessions"].all())):
            assert hidden not in response.text
        assert len(house.audited("user.exported")) == 1

    def test_leaving_erases_the_person_and_keeps_the_trades(self, house: House, ann: str) -> None:
        user_id = house.call("GET", "/api/users/me", ann)[1]["user"]["id"]
        house.call("PATCH", "/api/users/me", ann, json={"name": "Ann Unusual"})
        key = house.call("POST", "/api/keys", ann, json={"name": "my bot"})[1]["key"]
        account = f"paper-{user_id}"
        house.store["positions"].insert({"id": "p1", "account_id": account, "status": "closed", "symbol": "BTCUSDT"})
        house.store["chats"].insert({"id": "telegram:7", "kind": "user", "user_id": user_id})
        house.store["deliveries"].insert({"id": "d1", "chat": "telegram:7", "text": "you won"})
        house.store["deliveries"].insert({"id": "d2", "chat": "telegram:8", "text": "not yours"})
        house.store["strategies"].insert({"id": "st1", "user_id": user_id})
        house.store["strategy_versions"].insert({"id": "v1", "strategy_id": "st1"})
        house.store["exchange_keys"].insert({"id": "e1", "user_id": user_id, "sealed": "zzz"})
        for body in (None, {}, {"confirm": "delete my account"}):
            assert house.code("DELETE", "/api/users/me", ann, json=body) == (422, "invalid_input")
        assert house.store["audit_log"].count(where("action") == "password.wrong") == 0
        assert house.code("DELETE", "/api/users/me", ann, json={"password": "wrong"}) == (403, "wrong_password")
        assert house.call("DELETE", "/api/users/me", ann, json={"password": PASSWORD})[0] == 200

        assert house.call("GET", "/api/auth/me", ann)[0] == 401
        assert house.call("GET", "/api/positions", headers={"X-API-Key": key})[0] == 401
        assert house.log_in()[0] == 401
        left = {name: house.store[name].all() for name in house.store.collections}
        log, farewell = left.pop("audit_log"), left.pop("mails")
        assert "Ann Unusual" not in json.dumps(left)
        assert ANN not in json.dumps(left)
        assert [(row["to"], row["letter"]) for row in farewell if row["to"] == ANN] == [(ANN, "deleted")]
        assert [row["id"] for row in left["positions"]] == ["p1"]
        assert left["exchange_keys"] == left["api_keys"] == left["strategies"] == left["strategy_versions"] == []
        assert [row["id"] for row in left["deliveries"]] == ["d2"]
        assert [row for row in left["sessions"] if row["user_id"] == user_id] == []
        (gone,) = [row for row in left["accounts"] if row["id"] == account]
        assert gone["enabled"] is False
        assert "user.deleted" in {row["action"] for row in log}
        house.register()  # the address is free again, for somebody new
        assert house.call("GET", "/api/users/me", house.signed_in()["access_token"])[1]["user"]["id"] != user_id

    def test_who_still_trades_stays(self, house: House, ann: str) -> None:
        user_id = house.call("GET", "/api/users/me", ann)[1]["user"]["id"]
        account = f"paper-{user_id}"
        house.store["plans"].insert({"id": "pl", "account_id": account, "status": "open"})
        assert house.code("DELETE", "/api/users/me", ann, json={"password": PASSWORD}) == (409, "plans_open")
        house.store["positions"].insert({"id": "p1", "account_id": account, "status": "open", "symbol": "BTCUSDT"})
        assert house.code("DELETE", "/api/users/me", ann, json={"password": PASSWORD}) == (409, "positions_open")
        assert house.call("GET", "/api/auth/me", ann)[0] == 200
        house.store["positions"].update({"status": "closed"}, key="p1")
        house.store["plans"].update({"status": "done"}, key="pl")
        assert house.call("DELETE", "/api/users/me", ann, json={"password": PASSWORD})[0] == 200

    def test_the_installation_keeps_an_owner(self, house: House) -> None:
        body = {"confirm": "delete my account"}
        assert house.code("DELETE", "/api/users/me", house.operator_token, json=body) == (409, "first_operator")

    def test_every_collection_about_people_is_in_the_copy(self) -> None:
        found = {each.collection: each.leaving for each in holdings()}
        assert {"accounts", "positions", "orders", "fills", "plans", "chats", "mails", "exchange_keys"} <= set(found)
        assert found["accounts"] is found["positions"] is Leaving.KEPT
        assert found["chats"] is found["exchange_keys"] is Leaving.REMOVED
        assert not OWN_FORM & set(found)


def test_the_store_finds_people_by_address_alone(house: House) -> None:
    """Two users never share an address, whatever way they came in."""
    from database import DuplicateKey

    house.register()
    with pytest.raises(DuplicateKey):
        house.store["users"].insert({"id": "another", "email": ANN, "role": "subscriber"})
    assert house.store["users"].count(where("email") == ANN) == 1
