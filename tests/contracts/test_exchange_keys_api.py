"""Exchange keys: checked by asking the exchange, kept closed, shown masked, and never found in clear anywhere."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from pydantic import SecretStr
from schemathesis import GenerationMode

from modules.accounts import audit
from modules.accounts.exchange_keys import place_of
from modules.accounts.vault import Keyring, Place, keyring, seal, vault_key
from modules.accounts.vault_opening import open_sealed
from modules.connections.exchange_keys import VENUES
from modules.domain.errors import Misconfigured, Rejected
from modules.domain.people import Principal, Role
from tests.contracts import trading_house
from tests.contracts.test_openapi_fuzz import try_operation
from tests.contracts.trading_house import House
from tests.fakes.exchange_accounts import API_KEY, PASSPHRASE, SECRET, ExchangeAccounts

ROOT = Path(__file__).resolve().parents[2]
KEY = {"api_key": API_KEY, "secret": SECRET}
SECRETS = (API_KEY, SECRET, PASSPHRASE)
TELLING = ("binance", "binanceusdm", "bybit", "okx")


@pytest.fixture
def accounts() -> Iterator[ExchangeAccounts]:
    with ExchangeAccounts().open() as opened:
        yield opened


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The application is made once; every test finds its store empty and an exchange of its own."""
    nobody = {"binance": "http://127.0.0.1:9"}
    made = House(tmp_path_factory.mktemp("house"), rate_user_per_minute=10**6, exchange_urls=nobody)
    yield made
    made.close()


@pytest.fixture
def house(built: House, accounts: ExchangeAccounts, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(audit, "_seal_key", b"")
    ways = {"anns-key": Principal("ann", Role.SUBSCRIBER, "api_key", frozenset({"exchanges.own"}))}
    monkeypatch.setattr(trading_house, "PEOPLE", {**trading_house.PEOPLE, **ways})
    for name in built.world.store.collections:
        built.world.store[name].truncate()
    built.settings.exchange_urls.update(dict.fromkeys(VENUES, accounts.address))
    return built


def add(house: House, exchange: str = "binanceusdm", who: str = "ann", **fields: Any) -> tuple[int, dict[str, Any]]:
    passphrase = {"passphrase": PASSPHRASE} if exchange == "okx" else {}
    body = {"exchange": exchange, "label": "main", **KEY, **passphrase, **fields}
    return house.call(who, "POST", "/api/exchanges", json={k: v for k, v in body.items() if v is not ...})


def kept(house: House) -> list[dict[str, Any]]:
    return house.world.store["exchange_keys"].all()


@pytest.mark.parametrize("exchange", TELLING)
def test_a_good_key_is_kept_and_shown_masked(house: House, exchange: str) -> None:
    status, told = add(house, exchange)
    assert status == 201, told
    shown = told["exchange"]
    assert (shown["exchange"], shown["label"], shown["api_key"]) == (exchange, "main", "…wxyz")
    assert (shown["check"]["ok"], shown["check"]["withdrawals"], shown["check"]["can_trade"]) == (True, "no", True)
    assert set(shown) == {
        "id",
        "exchange",
        "label",
        "testnet",
        "api_key",
        "enabled",
        "leverage_cap",
        "created_at",
        "check",
    }
    _, listed = house.call("ann", "GET", "/api/exchanges")
    assert listed["exchanges"] == [shown]
    assert {each["id"] for each in listed["supported"] if each["tells_rights"]} == set(TELLING)


@pytest.mark.parametrize("exchange", TELLING)
def test_a_key_that_may_withdraw_is_refused(house: House, accounts: ExchangeAccounts, exchange: str) -> None:
    accounts.withdraws = True
    status, told = add(house, exchange, i_confirm_no_withdrawals=True)
    assert (status, told["error"]["code"]) == (422, "withdrawals_enabled")
    assert kept(house) == []


WRONG = ({"api_key": "another-key-0123456789"}, {"secret": "another secret"})


@pytest.mark.parametrize(
    ("exchange", "wrong"), [*((each, wrong) for each in TELLING for wrong in WRONG), ("gate", WRONG[0])]
)
def test_a_key_that_the_exchange_does_not_know_is_refused(house: House, exchange: str, wrong: dict[str, str]) -> None:
    status, told = add(house, exchange, i_confirm_no_withdrawals=True, **wrong)
    assert (status, told["error"]["code"]) == (422, "key_refused")
    assert not any(value in json.dumps(told) for value in (*SECRETS, *wrong.values()))
    assert kept(house) == []


def test_where_the_exchange_does_not_tell_one_confirms(house: House) -> None:
    status, told = add(house, "gate")
    assert (status, told["error"]["code"]) == (422, "withdrawals_unknown")
    status, told = add(house, "gate", i_confirm_no_withdrawals=True)
    assert (status, told["exchange"]["check"]["withdrawals"]) == (201, "unknown")
    assert kept(house)[0]["confirmed_no_withdrawals"] is True


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_an_exchange_that_does_not_answer_is_no_verdict(house: House, accounts: ExchangeAccounts, status: int) -> None:
    accounts.trouble = status
    got, told = add(house)
    assert got == 503, told
    assert kept(house) == []


@pytest.mark.parametrize(
    "fields",
    [{"exchange": "nowhere"}, {"exchange": ""}, {"api_key": ""}, {"secret": ...}, {"api_key": 5}, {"testnet": "yes"},
     {"extra": 1}, {"label": "x" * 81}, {"exchange": "okx", "passphrase": ...}, {"secret": "s" * 4097}],
)  # fmt: skip
def test_wrong_values_are_named_without_the_secret(house: House, fields: dict[str, Any]) -> None:
    status, told = add(house, **fields)
    assert status == 422, told
    assert not any(value in json.dumps(told) for value in SECRETS)


@pytest.mark.parametrize(
    "key", ["kéy-with-letters-of-elsewhere", "key\r\nX-Evil: 1-0123456789", "key 0123456789", "\U0001f511" * 8]
)
def test_a_damaged_key_is_a_no_without_a_trace(house: House, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = add(house, api_key=key)
    assert (status, told["error"]["code"]) == (422, "key_refused")
    assert key not in json.dumps(told, ensure_ascii=False) + capsys.readouterr().out


def test_the_same_key_is_kept_once(house: House) -> None:
    assert add(house)[0] == 201
    status, told = add(house, label="again")
    assert (status, told["error"]["code"]) == (409, "key_exists")
    assert add(house, "bybit")[0] == 201
    assert len(kept(house)) == 2


def test_copied_blanks_are_no_part_of_a_key(house: House) -> None:
    assert add(house, api_key=f" {API_KEY}\n", secret=f"{SECRET} ")[0] == 201


def test_an_api_key_can_look_but_not_add_or_remove(house: House) -> None:
    _, told = add(house)
    key_id = told["exchange"]["id"]
    assert house.call("anns-key", "GET", "/api/exchanges")[0] == 200
    assert add(house, "bybit", who="anns-key")[0] == 403
    assert house.call("anns-key", "DELETE", f"/api/exchanges/{key_id}")[0] == 403


def test_another_users_key_does_not_exist(house: House) -> None:
    _, told = add(house)
    key_id = told["exchange"]["id"]
    for method, path, body in (
        ("POST", f"/api/exchanges/{key_id}/test", None),
        ("GET", f"/api/exchanges/{key_id}/balance", None),
        ("PATCH", f"/api/exchanges/{key_id}", {"leverage_cap": 3}),
        ("DELETE", f"/api/exchanges/{key_id}", None),
        ("GET", "/api/users/ann/exchanges", None),
        ("POST", "/api/users/ann/exchanges", {"exchange": "bybit", **KEY}),
        ("DELETE", f"/api/users/ann/exchanges?exchange={key_id}", None),
        ("DELETE", f"/api/users/bob/exchanges/{key_id}", None),
        ("GET", f"/api/users/bob/exchanges/{key_id}/leverage", None),
        ("PUT", f"/api/users/bob/exchanges/{key_id}/leverage", {"leverage": 3}),
        ("GET", f"/api/users/bob/exchanges/{key_id}/balance", None),
    ):
        for who in ("bob", "operator"):
            if f"/users/{who}" in path or who == "bob" or "/users/" not in path:
                assert house.call(who, method, path, json=body)[0] == 404, (who, path)
    assert house.call("bob", "GET", "/api/exchanges")[1]["exchanges"] == []
    assert len(kept(house)) == 1


def test_a_key_is_tested_again_and_no_more_used_once_it_may_withdraw(house: House, accounts: ExchangeAccounts) -> None:
    key_id = add(house)[1]["exchange"]["id"]
    _, told = house.call("ann", "POST", f"/api/exchanges/{key_id}/test")
    assert told["exchange"]["enabled"] is True
    accounts.withdraws = True
    _, told = house.call("ann", "POST", f"/api/exchanges/{key_id}/test")
    assert (told["exchange"]["enabled"], told["exchange"]["check"]["withdrawals"]) == (False, "yes")
    accounts.api_key = "taken back"
    _, told = house.call("ann", "POST", f"/api/exchanges/{key_id}/test")
    assert (told["exchange"]["enabled"], told["exchange"]["check"]["ok"]) == (False, False)
    accounts.trouble = 503
    assert house.call("ann", "POST", f"/api/exchanges/{key_id}/test")[0] == 503
    assert kept(house)[0]["check"]["ok"] is False  # no answer changes nothing


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm", "gate"])
def test_the_balance_is_in_decimal_strings(house: House, exchange: str) -> None:
    key_id = add(house, exchange, i_confirm_no_withdrawals=True)[1]["exchange"]["id"]
    _, told = house.call("ann", "GET", f"/api/exchanges/{key_id}/balance")
    assert {each["asset"]: each["total"] for each in told["balances"]} == {"USDT": "1250.5", "BTC": "0.25"}


@pytest.mark.parametrize(
    ("cap", "status"), [(10, 200), (None, 200), (0, 422), (126, 422), (2.5, 422), ("5", 422), (True, 422)]
)
def test_the_leverage_cap(house: House, cap: Any, status: int) -> None:
    key_id = add(house)[1]["exchange"]["id"]
    got, told = house.call("ann", "PATCH", f"/api/exchanges/{key_id}", json={"leverage_cap": cap})
    assert got == status, told
    assert kept(house)[0]["leverage_cap"] == (cap if status == 200 else None)


def test_the_paths_of_earlier_clients_do_the_same(house: House) -> None:
    body = {"exchange": "binanceusdm", "label": "", **KEY}
    assert house.call("ann", "POST", "/api/users/ann/exchanges", json=body)[0] == 201
    assert len(house.call("ann", "GET", "/api/users/ann/exchanges")[1]["exchanges"]) == 1
    path = "/api/users/ann/exchanges/binanceusdm/leverage"
    assert house.call("ann", "PUT", path, json={"leverage": 7})[0] == 200
    assert house.call("ann", "GET", path)[1]["leverage"] == 7
    assert house.call("ann", "GET", "/api/users/ann/exchanges/binanceusdm/balance")[0] == 200
    assert house.call("ann", "DELETE", "/api/users/ann/exchanges?exchange=binanceusdm")[0] == 200
    assert kept(house) == []
    add(house)
    assert house.call("ann", "DELETE", "/api/users/ann/exchanges/binanceusdm")[0] == 200
    assert kept(house) == []


def test_no_secret_is_found_in_clear_anywhere(
    house: House, accounts: ExchangeAccounts, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[Any] = [add(house, exchange) for exchange in TELLING]
    told.append(add(house, "gate", i_confirm_no_withdrawals=True))
    told.append(add(house, "bybit", secret="wrong" + SECRET))
    accounts.trouble = 500
    told.append(add(house, "bybit"))
    told.append(house.call("ann", "POST", f"/api/exchanges/{kept(house)[0]['id']}/test"))
    accounts.trouble = 0
    told.append(house.call("ann", "GET", f"/api/exchanges/{kept(house)[0]['id']}/balance"))
    told.append(house.call("ann", "DELETE", f"/api/exchanges/{kept(house)[0]['id']}"))
    told.append(house.call("operator", "GET", "/api/audit"))
    told.append(house.call("ann", "GET", "/api/audit/user/ann"))
    house.world.store.export(house.folder / "export")
    house.world.store.backup(house.folder / "copy.db")
    told += [path.read_text() for path in (house.folder / "export").iterdir()]
    told.append(capfd.readouterr())
    files = [path for path in house.folder.rglob("*") if path.is_file()]
    assert files
    for value in SECRETS:
        assert value not in json.dumps(told, default=str)
        assert not any(value.encode() in path.read_bytes() for path in files), value
    actions = [row["action"] for row in house.world.store["audit_log"].all()]
    assert actions.count("exchange_key.added") == 5
    assert actions.count("exchange_key.removed") == 1


def test_a_key_closed_with_another_master_key_is_a_clear_no(house: House) -> None:
    key_id = add(house)[1]["exchange"]["id"]
    row = kept(house)[0]
    other = seal(
        Keyring(vault_key("another")), {"api_key": SecretStr(API_KEY), "secret": SecretStr(SECRET)}, place_of(row)
    )
    house.world.store["exchange_keys"].update({"sealed": other}, key=key_id)
    for method, path in (("POST", "test"), ("GET", "balance")):
        status, told = house.call("ann", method, f"/api/exchanges/{key_id}/{path}")
        assert (status, told["error"]["code"]) == (503, "unavailable")
        assert "MASTER_KEY" not in json.dumps(told)


def test_a_refused_key_has_no_balance(house: House, accounts: ExchangeAccounts) -> None:
    key_id = add(house)[1]["exchange"]["id"]
    accounts.api_key = "taken back"
    status, told = house.call("ann", "GET", f"/api/exchanges/{key_id}/balance")
    assert (status, told["error"]["code"]) == (422, "key_refused")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_description_names(house: House, mode: GenerationMode) -> None:
    """As for all other paths, but with an exchange on loopback that knows nobody."""
    description = schemathesis.openapi.from_wsgi("/api/openapi.json", house.app)
    tried = 0
    for found in description.include(path_regex="/exchanges").get_all_operations():
        try_operation(found.ok(), "ann", mode)
        tried += 1
    assert tried >= 13


# ---- the vault ------------------------------------------------------------------------------------------------------

FIELDS = {"api_key": SecretStr(API_KEY), "secret": SecretStr(SECRET)}
PLACE = Place("ek-1", "ann", "bybit")


def opened(ring: Keyring, sealed: dict[str, Any], place: Place = PLACE) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in open_sealed(ring, sealed, place).items()}


def test_what_is_closed_opens_under_the_same_key_at_the_same_place() -> None:
    ring = Keyring(vault_key("master"))
    first, second = seal(ring, FIELDS, PLACE), seal(ring, FIELDS, PLACE)
    assert opened(ring, first) == opened(ring, second) == {"api_key": API_KEY, "secret": SECRET}
    assert first["closed"] != second["closed"]
    assert SECRET not in repr(open_sealed(ring, first, PLACE)) + repr(ring) + json.dumps(first)


@pytest.mark.parametrize(
    "place", [Place("ek-2", "ann", "bybit"), Place("ek-1", "bob", "bybit"), Place("ek-1", "ann", "okx")]
)
def test_moved_to_another_row_it_does_not_open(place: Place) -> None:
    ring = Keyring(vault_key("master"))
    with pytest.raises(Rejected):
        open_sealed(ring, seal(ring, FIELDS, PLACE), place)


def test_changed_it_does_not_open() -> None:
    ring = Keyring(vault_key("master"))
    sealed = seal(ring, FIELDS, PLACE)
    for place in range(0, len(sealed["closed"]), 7):
        letter = "A" if sealed["closed"][place] != "A" else "B"
        changed = sealed["closed"][:place] + letter + sealed["closed"][place + 1 :]
        with pytest.raises(Rejected):
            open_sealed(ring, {**sealed, "closed": changed}, PLACE)
    with pytest.raises(Rejected):
        open_sealed(ring, {**sealed, "closed": "no base64!"}, PLACE)


def test_another_master_key_says_so_and_the_old_one_opens_until_everything_is_closed_anew() -> None:
    sealed = seal(Keyring(vault_key("old")), FIELDS, PLACE)
    with pytest.raises(Misconfigured, match="MASTER_KEY_OLD"):
        open_sealed(Keyring(vault_key("new")), sealed, PLACE)
    assert opened(Keyring(vault_key("new"), (vault_key("old"),)), sealed)["secret"] == SECRET


def test_two_keys_of_one_user_cannot_be_exchanged_in_the_store(house: House) -> None:
    add(house, "binanceusdm")
    add(house, "bybit")
    first, second = kept(house)
    house.world.store["exchange_keys"].update({"sealed": second["sealed"]}, key=first["id"])
    status, told = house.call("ann", "POST", f"/api/exchanges/{first['id']}/test")
    assert status == 409, told
    ring = keyring(house.settings)
    assert opened(ring, second["sealed"], place_of(second))["api_key"] == API_KEY


def test_only_the_executor_the_check_and_the_change_of_the_master_key_open_the_vault() -> None:
    """Imports of the module that opens; a new one must be argued for here."""
    allowed = {"modules/connections/exchange_keys.py", "modules/accounts/operator_commands.py", "services/executor.py"}
    found = set()
    for folder in ("api", "bots", "database", "modules", "services"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)) if "vault_opening" in text else ():
                names = [each.name for each in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                if any("vault_opening" in f"{module}.{name}" for name in names):
                    found.add(path.relative_to(ROOT).as_posix())
    assert found <= allowed
    assert "modules/connections/exchange_keys.py" in found
