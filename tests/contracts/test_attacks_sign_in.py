"""What somebody with bad intent tries at the sign-in from many places at once, and with proofs that have had their time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from api.stream.door import routes
from api.stream.hub import Hub
from api.stream.session import Session
from api.stream.tickets import Tickets
from modules.accounts.attempts import network_of_one
from modules.accounts.office import Caller
from modules.accounts.passwords import Passwords
from modules.accounts.registration import Registration
from modules.domain.errors import NotSignedIn
from tests.contracts.accounts_house import ANN, BOT_TOKEN, PASSWORD, House
from tests.contracts.test_accounts_telegram import link
from tests.unit.test_telegram_login import init_data, widget


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("sign-in"), trust_proxy=1, public_url="https://verzek.example")
    made.tickets = Tickets(made.clock)  # type: ignore[attr-defined]
    made.app.register_api(routes(made.tickets))  # type: ignore[attr-defined]
    yield made
    made.close()


@pytest.fixture
def house(shared: House) -> House:
    return shared.begin_anew()


def log_in_from(house: House, address: str, **fields: Any) -> tuple[int, str]:
    """The status and code of a sign-in that a proxy of ours says came from there."""
    body = {"email": ANN, "password": PASSWORD, **fields}
    return house.code("POST", "/api/auth/login", json=body, headers={"X-Forwarded-For": address})


# ---- guessing from many places -----------------------------------------------------------------------------------------


def test_codes_are_not_guessed_from_many_addresses(house: House) -> None:
    """The password is known, six digits are missing, and every try comes from somewhere else."""
    house.register()
    secret = house.with_totp(house.signed_in()["access_token"])
    house.clock.advance(60)
    tries = [log_in_from(house, f"203.0.113.{number}", totp="000000") for number in range(40)]
    assert tries[:10] == [(401, "wrong_code")] * 10
    assert set(tries[10:]) == {(429, "too_many_tries")}
    assert log_in_from(house, "198.51.100.1", totp=house.totp(secret)) == (429, "too_many_tries")
    house.clock.advance(900)
    assert log_in_from(house, "198.51.100.1", totp=house.totp(secret))[0] == 200
    assert log_in_from(house, "203.0.113.1", totp="000000") == (401, "wrong_code")  # a right code forgives


def test_without_the_password_nobody_locks_the_second_factor(house: House) -> None:
    house.register()
    secret = house.with_totp(house.signed_in()["access_token"])
    house.clock.advance(60)
    for number in range(30):
        assert log_in_from(house, f"203.0.113.{number}", password="wrong", totp="000000")[0] == 401
    assert log_in_from(house, "198.51.100.1", totp=house.totp(secret))[0] == 200


@pytest.mark.parametrize("prefix", ["2001:db8:1:2::", "2001:db8::", "2001:db8:1:2:ffff:ffff:ffff:"])
def test_a_network_of_ipv6_guesses_as_one(house: House, prefix: str) -> None:
    """Whoever has one line has 2**64 addresses."""
    house.register()
    tries = [log_in_from(house, f"{prefix}{number:x}", password="wrong") for number in range(1, 9)]
    assert tries == [(401, "wrong_credentials")] * 5 + [(429, "too_many_tries")] * 3
    assert log_in_from(house, "2001:db8:9:9::1")[0] == 200  # others sign in


@pytest.mark.parametrize("prefix", ["2001:db8:1:2::", "2001:db8::", "2001:db8::ffff:"])
def test_a_network_of_ipv6_has_one_bucket(tmp_path: Path, prefix: str) -> None:
    house = House(tmp_path, trust_proxy=1, rate_auth_per_minute=5)
    statuses = [
        house.call("POST", "/api/auth/refresh", json={"refresh_token": "x"}, headers={"X-Forwarded-For": f"{prefix}{n:x}"})[0]
        for n in range(1, 8)
    ]  # fmt: skip
    assert statuses == [401] * 5 + [429] * 2
    house.close()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_what_counts_as_one_asker(address: str, network: str) -> None:
    assert network_of_one(address) == network


# ---- who is known here -------------------------------------------------------------------------------------------------


class Counted(Passwords):
    """Counts the work instead of doing it dearly."""

    def __init__(self) -> None:
        super().__init__(1, 8)
        self.work: list[str] = []

    def kept(self, password: str) -> str:
        self.work.append("hash")
        return super().kept(password)

    def matches(self, kept: str | None, password: str) -> bool:
        self.work.append("compare")
        return super().matches(kept, password)


def test_the_same_work_is_done_for_who_is_known_and_who_is_not(house: House) -> None:
    """What an answer says and what it costs must not tell whether an address has an account."""
    house.register()
    house.register("off@example.com")
    house.store["users"].update({"enabled": False}, key=_id_of(house, "off@example.com"))
    counted = Counted()
    object.__setattr__(house.desk.sign_in._office, "passwords", counted)
    registration: Registration = house.desk.registration
    assert registration._office.passwords is counted
    for path, rest, work in (
        ("/api/auth/login", {"password": "wrong password"}, ["compare"]),
        ("/api/auth/register", {"password": PASSWORD, "name": "x"}, ["hash"]),
        ("/api/auth/forgot-password", {}, []),
        ("/api/auth/resend-verification", {}, []),
    ):
        told: set[str] = set()
        for email in (ANN, "off@example.com", "nobody@example.com"):
            counted.work.clear()
            _desk_call(house, path, email, rest, told)
            assert counted.work == work, (path, email)
        assert len(told) == 1, (path, told)


def _desk_call(house: House, path: str, email: str, rest: dict[str, str], told: set[str]) -> None:
    """The work as the desk does it, the answer as the route gives it."""
    caller = Caller("203.0.113.5", "test")
    match path.rsplit("/", 1)[1]:
        case "login":
            with pytest.raises(NotSignedIn):
                house.desk.sign_in.with_password(email, rest["password"], None, caller)
        case "register":
            house.desk.registration.register(email, rest["password"], rest["name"], caller)
        case "forgot-password":
            house.desk.recovery.forgot(email)
        case _:
            house.desk.registration.resend(email, caller)
    answer = house.send("POST", path, json={"email": email, **rest})
    told.add(f"{answer.status_code} {answer.get_data(as_text=True)} {sorted(name for name, _ in answer.headers)}")


def _id_of(house: House, email: str) -> str:
    (user,) = [each for each in house.store["users"].all() if each.get("email") == email]
    return str(user["id"])


# ---- Telegram's word ---------------------------------------------------------------------------------------------------


def test_data_of_the_mini_app_is_none_of_the_widget_and_the_other_way_round(house: House) -> None:
    """They are signed under different keys; the one must not pass for the other."""
    house.register()
    link(house, house.signed_in()["access_token"])
    app, fields = init_data(bot=BOT_TOKEN, at=house.clock.now()), widget(bot=BOT_TOKEN, at=house.clock.now())
    as_widget, as_app = dict(parse_qsl(app)), urlencode(fields)
    assert house.code("POST", "/api/auth/telegram", json={"widget": as_widget})[0] in (401, 422)
    assert house.code("POST", "/api/auth/telegram", json={"init_data": as_app}) == (401, "bad_signature")
    assert house.code("POST", "/api/auth/telegram", json={"init_data": app + "&user=%7B%22id%22%3A1%7D"})[0] == 401
    assert house.call("POST", "/api/auth/telegram", json={"init_data": app})[0] == 200


# ---- the stream's tickets ----------------------------------------------------------------------------------------------


class Wire:
    """What a session writes, and whether it was closed."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.closed: int | None = None

    def write(self, frame: bytes) -> None:
        self.said.append(json.loads(frame[frame.index(b"{") :]))

    def close(self, code: int, reason: str) -> None:
        self.closed = code


def listen(house: House, headers: dict[str, str], *, meanwhile: Any = None) -> tuple[Wire, Session]:
    """A session that came in by a ticket got with these headers."""
    issued = house.call("POST", "/api/ws/ticket", headers=headers)[1]["ticket"]
    if meanwhile is not None:
        meanwhile()
    wire, tickets = Wire(), house.tickets  # type: ignore[attr-defined]
    session = Session(Hub(house.clock), wire, house.desk.access.principal_of_token, tickets)
    session.welcome(issued)
    return wire, session


@pytest.mark.parametrize("way", ["access token", "API key", "Mini App", "operator"])
def test_a_stream_ends_with_what_let_it_in(house: House, way: str) -> None:
    """Whatever proof a ticket was given for, whoever is switched off hears no more."""
    house.register()
    token = house.signed_in()["access_token"]
    key = house.call("POST", "/api/keys", token, json={"name": "k"})[1]["key"]
    link(house, token)
    headers = {
        "access token": {"Authorization": f"Bearer {token}"},
        "API key": {"X-API-Key": key},
        "Mini App": {"Authorization": f"TMA {init_data(bot=BOT_TOKEN, at=house.clock.now())}"},
        "operator": {"Authorization": f"bearer {house.operator_token}"},
    }[way]
    wire, session = listen(house, headers)
    assert wire.said[0]["type"] == "authenticated"
    session.check()
    assert wire.closed is None
    house.store["users"].update({"enabled": False}, key=session.who.user_id)  # type: ignore[union-attr]
    session.check()
    assert wire.closed == 1008


def test_a_ticket_of_who_was_signed_out_since_lets_nobody_in(house: House) -> None:
    house.register()
    token = house.signed_in()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    wire, session = listen(house, headers, meanwhile=lambda: house.call("POST", "/api/auth/logout-all", token))
    assert wire.said[0]["data"]["code"] == "not_signed_in"
    assert session.who is None


def test_a_ticket_is_worth_no_more_than_its_key(house: House) -> None:
    """A key whose scopes leave out trades hears none, whatever its owner may hear."""
    house.register()
    token = house.signed_in()["access_token"]
    wanted = {"name": "k", "scopes": ["profile.own", "signals.read"]}
    key = house.call("POST", "/api/keys", token, json=wanted)[1]["key"]
    wire, session = listen(house, {"X-API-Key": key})
    session.received(b'{"action": "subscribe", "topics": ["positions"]}')
    assert wire.said[-1]["data"]["code"] == "not_allowed"
    session.received(b'{"action": "resume", "topic": "orders", "after": 0}')
    assert wire.said[-1]["data"]["code"] == "not_allowed"
    session.received(b'{"action": "subscribe", "topics": ["signals"]}')
    assert wire.said[-1]["type"] == "subscribed"


# ---- what a host header reaches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:443", "verzek.example@evil.example", 'x"><script>'])
def test_links_name_the_installations_address_whatever_the_host_header(house: House, host: str) -> None:
    headers = {"Host": host, "X-Forwarded-Host": host, "Forwarded": f'host="{host}"'}
    body = {"email": ANN, "password": PASSWORD, "name": "Ann"}
    assert house.call("POST", "/api/auth/register", json=body, headers=headers)[0] == 202
    assert (
        house.call("POST", "/api/auth/verify-email", json={"token": house.mailed("verify")}, headers=headers)[0] == 200
    )
    assert house.call("POST", "/api/auth/forgot-password", json={"email": ANN}, headers=headers)[0] == 202
    token = house.signed_in()["access_token"]
    made = house.call("POST", "/api/webhooks", token, json={"name": "w", "source": "tradingview"}, headers=headers)[1]
    assert made["webhook"]["url"].startswith("https://verzek.example/api/webhook/")
    assert host not in json.dumps([each["fields"] for each in house.mails()])
    answer = house.send("GET", "/api/openapi.json", headers=headers)
    assert host not in answer.get_data(as_text=True)
