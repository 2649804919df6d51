"""What somebody with bad intent tries with tokens, codes and headers; each must get nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest

from modules.accounts.tokens import Tokens, purpose_key, read_refresh
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


def claims(house: House, token: str) -> dict[str, Any]:
    """What an access token says, unproven."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def signing_key(house: House) -> bytes:
    return purpose_key(kept_secret(house.settings, "secret_key"), "access-token")


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def without_signature(token: str, algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{token.split('.')[1]}."


FORGERIES: dict[str, Callable[[House, str], str]] = {
    "alg none": lambda house, token: without_signature(token, "none"),
    "alg None": lambda house, token: without_signature(token, "None"),
    "alg none with the signature": lambda house, token: without_signature(token, "none") + token.split(".")[2],
    "another key": lambda house, token: jwt.encode(claims(house, token), b"x" * 32, algorithm="HS256"),
    "the empty key": lambda house, token: _signed(claims(house, token), b""),
    "another algorithm": lambda house, token: jwt.encode(
        claims(house, token), signing_key(house) * 2, algorithm="HS512"
    ),
    "the raw secret as key": lambda house, token: jwt.encode(
        claims(house, token), kept_secret(house.settings, "secret_key"), algorithm="HS256"
    ),
    "claims exchanged": lambda house, token: ".".join(
        [token.split(".")[0], part({**claims(house, token), "sub": "operator"}), token.split(".")[2]]
    ),
    "a key of one's own in the header": lambda house, token: jwt.encode(
        claims(house, token),
        b"x" * 32,
        algorithm="HS256",
        headers={"jwk": {"kty": "oct", "k": "eHg"}, "kid": "../../x"},
    ),
    "cut": lambda house, token: token[:-1],
    "without signature": lambda house, token: token.rpartition(".")[0],
    "only dots": lambda house, token: "..",
    "very long": lambda house, token: token + "A" * 100_000,
    "not text": lambda house, token: token + "é",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_access_token_is_none(house: House, forgery: str) -> None:
    house.register()
    token = house.signed_in()["access_token"]
    forged = FORGERIES[forgery](house, token)
    assert forged != token
    assert house.call("GET", "/api/auth/me", forged)[0] == 401
    assert house.desk.access.principal_of_token(forged) is None  # the stream asks this way


CHANGES: dict[str, dict[str, Any]] = {
    "for another service": {"aud": "another"},
    "of another issuer": {"iss": "another"},
    "of another kind": {"typ": "refresh"},
    "without session": {"sid": None},
    "of a session that never was": {"sid": "0" * 32},
    "of another user": {"sub": "operator"},
    "of the future": {"iat": 4_000_000_000, "exp": 4_000_000_900},
    "that never ends": {"exp": None},
    "that ends in text": {"exp": "4000000000"},
    "that ends in a fraction": {"exp": 4e9},
}


@pytest.mark.parametrize("change", CHANGES)
def test_even_well_signed_a_token_must_be_right_in_everything(house: House, change: str) -> None:
    house.register()
    said = claims(house, house.signed_in()["access_token"])
    assert house.call("GET", "/api/auth/me", _signed(said, signing_key(house)))[0] == 200  # signed as we do it
    changed = {name: value for name, value in {**said, **CHANGES[change]}.items() if value is not None}
    assert house.call("GET", "/api/auth/me", _signed(changed, signing_key(house)))[0] == 401


def test_a_role_written_into_a_token_is_not_read(house: House) -> None:
    house.register()
    said = claims(house, house.signed_in()["access_token"])
    boasting = _signed({**said, "role": "owner", "scopes": ["*"], "admin": True}, signing_key(house))
    assert house.call("GET", "/api/auth/me", boasting)[1]["user"]["role"] == "subscriber"
    assert house.call("GET", "/api/events", boasting)[0] == 403


def test_tokens_of_one_installation_are_none_in_another(house: House, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = House(tmp_path / "other")
    house.register()
    other.register()
    grant = house.signed_in()
    assert other.call("GET", "/api/auth/me", grant["access_token"])[0] == 401
    assert other.call("POST", "/api/auth/refresh", json={"refresh_token": grant["refresh_token"]})[0] == 401
    other.close()


def test_who_reads_the_store_makes_no_token_of_it(house: House) -> None:
    """Everything but the installation's secret is known to the thief."""
    house.register()
    parts = read_refresh(house.signed_in()["refresh_token"])
    assert parts is not None
    session = house.store["sessions"].get(key=parts.session_id) or {}
    thief = Tokens("the thief's own secret, which is long enough")
    forged = thief.refresh(parts.session_id, parts.generation, session["seed"])
    assert house.call("POST", "/api/auth/refresh", json={"refresh_token": forged})[0] == 401
    access = thief.access(session["user_id"], parts.session_id, house.clock.now())
    assert house.call("GET", "/api/auth/me", access)[0] == 401


def test_a_forged_refresh_token_ends_nobodys_session(house: House) -> None:
    """Whoever knows a session's number (it is in every access token) can't end it by sending rubbish."""
    house.register()
    grant = house.signed_in()
    parts = read_refresh(grant["refresh_token"])
    assert parts is not None
    for generation in (0, 1, 999_999_999):
        rubbish = f"vzk_r_{parts.session_id}_{generation}_{'A' * 43}"
        assert house.call("POST", "/api/auth/refresh", json={"refresh_token": rubbish})[0] == 401
        house.call("POST", "/api/auth/logout", json={"refresh_token": rubbish})
    assert house.call("GET", "/api/auth/me", grant["access_token"])[0] == 200
    assert house.audited("session.reused") == []


def test_a_stolen_refresh_token_ends_the_thief_too(house: House) -> None:
    house.register()
    stolen = house.signed_in()["refresh_token"]
    _, thief = house.call("POST", "/api/auth/refresh", json={"refresh_token": stolen})
    assert house.call("POST", "/api/auth/refresh", json={"refresh_token": stolen})[0] == 401  # the owner's next one
    assert house.call("POST", "/api/auth/refresh", json={"refresh_token": thief["refresh_token"]})[0] == 401
    assert house.call("GET", "/api/auth/me", thief["access_token"])[0] == 401
    house.signed_in()  # other families and new ones are untouched


def test_a_code_of_the_authenticator_is_good_once(house: House) -> None:
    house.register()
    secret = house.with_totp(house.signed_in()["access_token"])
    house.clock.advance(30)
    code = house.totp(secret)
    house.signed_in(totp=code)
    status, body = house.log_in(totp=code)
    assert (status, body["error"]["code"]) == (401, "wrong_code")
    house.clock.advance(29)
    assert house.log_in(totp=code)[0] == 401  # not within its drift either
    house.clock.advance(30)
    house.signed_in(totp=house.totp(secret))


def test_the_code_that_enrolled_does_not_sign_in(house: House) -> None:
    house.register()
    secret = house.with_totp(house.signed_in()["access_token"])
    assert house.log_in(totp=house.totp(secret))[0] == 401


def test_guessing_codes_is_slowed(house: House) -> None:
    house.register()
    secret = house.with_totp(house.signed_in()["access_token"])
    house.clock.advance(60)
    for _ in range(5):
        assert house.log_in(totp="000000")[0] == 401
    assert house.log_in(totp=house.totp(secret))[0] == 429


def test_without_the_password_nobody_learns_that_a_code_is_asked_for(house: House) -> None:
    house.register()
    house.with_totp(house.signed_in()["access_token"])
    status, body = house.log_in(password="wrong")
    assert (status, body["error"]["code"]) == (401, "wrong_credentials")


def at_once(house: House, path: str, body: dict[str, Any], times: int = 6) -> list[int]:
    """The statuses of the same request sent by several threads."""
    start = threading.Barrier(times)

    def send(_number: int) -> int:
        start.wait()
        return house.app.test_client(use_cookies=False).post(path, json=body).status_code

    with ThreadPoolExecutor(times) as pool:
        return sorted(pool.map(send, range(times)))


def test_of_many_refreshes_at_once_one_is_served_and_the_family_ends(house: House) -> None:
    house.register()
    grant = house.signed_in()
    statuses = at_once(house, "/api/auth/refresh", {"refresh_token": grant["refresh_token"]})
    assert statuses == [200, 401, 401, 401, 401, 401]
    assert house.call("GET", "/api/auth/me", grant["access_token"])[0] == 401
    assert len(house.audited("session.reused")) == 1


def test_of_many_that_use_one_code_at_once_one_does(house: House) -> None:
    house.register()
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    path = f"/api/auth/reset-password/{house.mailed('reset')}"
    assert at_once(house, path, {"password": "something new here"}, 4) == [200, 422, 422, 422]
    house.call("POST", "/api/auth/register", json={"email": "new@example.com", "password": PASSWORD})
    code = {"token": house.mailed("verify", "new@example.com")}
    assert set(at_once(house, "/api/auth/verify-email", code, 4)) == {200}  # it is no mistake to open it again
    assert len([row for row in house.store["users"].all() if row.get("email") == "new@example.com"]) == 1


def test_of_many_sign_ins_with_one_code_at_once_one_is_let_in(house: House) -> None:
    house.register()
    secret = house.with_totp(house.signed_in()["access_token"])
    house.clock.advance(60)
    body = {"email": ANN, "password": PASSWORD, "totp": house.totp(secret)}
    assert at_once(house, "/api/auth/login", body, 4) == [200, 401, 401, 401]


def test_two_proofs_in_one_request_are_none(house: House) -> None:
    house.register()
    token = house.signed_in()["access_token"]
    key = house.call("POST", "/api/keys", token, json={"name": "k"})[1]["key"]
    assert house.call("GET", "/api/auth/me", token, headers={"X-API-Key": key})[0] == 401
    assert house.call("GET", "/api/auth/me", headers={"X-API-Key": key})[0] == 200


@pytest.mark.parametrize("header", ["Bearer", "bearer  ", "Basic b3BlcmF0b3I6eA==", "tma x", "Token x", "Bearer a b c"])
def test_other_headers_prove_nothing(house: House, header: str) -> None:
    assert house.call("GET", "/api/auth/me", headers={"Authorization": header})[0] == 401


def test_secrets_are_in_no_log_line(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.register()
    grant = house.signed_in()
    key = house.call("POST", "/api/keys", grant["access_token"], json={"name": "k"})[1]["key"]
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    house.call("POST", f"/api/auth/reset-password/{house.mailed('reset')}", json={"password": "something new here"})
    said = capsys.readouterr()
    for secret in (PASSWORD, "something new here", grant["access_token"], grant["refresh_token"], key):
        assert secret not in said.out + said.err


def test_secrets_are_in_no_audit_row_and_kept_nowhere_as_they_are(house: House) -> None:
    house.register()
    grant = house.signed_in()
    secret = house.with_totp(grant["access_token"])
    key = house.call("POST", "/api/keys", grant["access_token"], json={"name": "k"})[1]["key"]
    codes = house.call("POST", "/api/2fa/backup-codes", grant["access_token"], json={"password": PASSWORD})[1][
        "backup_codes"
    ]
    everything = json.dumps({name: house.store[name].all() for name in house.store.collections})
    for hidden in (PASSWORD, secret, key, grant["access_token"], grant["refresh_token"], *codes):
        assert hidden not in everything


def _signed(said: dict[str, Any], key: bytes) -> str:
    """A token by hand, since the library refuses to sign much of what is tried here."""
    body = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(said)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key, body.encode(), hashlib.sha256)).decode().rstrip("=")
    return f"{body}.{signature}"
