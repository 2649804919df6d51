"""The operator's commands at the terminal: the audit log, roles by hand, the change of the master key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

import cli
from database import Store
from modules.accounts import audit, two_factor
from modules.accounts.exchange_keys import KeyReport, NewKey, WithdrawRight, add, place_of
from modules.accounts.first_start import prepare
from modules.accounts.vault import Keyring, vault_key
from modules.accounts.vault_opening import open_sealed
from modules.domain.errors import Misconfigured
from modules.domain.people import Principal, Role
from modules.records import open_records
from modules.runtime.settings import load_settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ANN = Principal("u-ann", Role.SUBSCRIBER, "access_token")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(audit, "_seal_key", b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    for name, value in (("SECRET_KEY", "the secret"), ("MASTER_KEY", "master one")):
        monkeypatch.setenv(name, value)
    return tmp_path / "var"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    folder.mkdir()
    settings = load_settings()
    with open_records(settings.store_url, folder) as opened:
        audit.seal_with("the secret")
        prepare(opened, settings, NOW)
        user = {"id": "u-ann", "email": "ann@example.org", "role": "subscriber", "created_at": 1, "enabled": True}
        opened["users"].insert(user)
        yield opened


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, list(words))


def role(store: Store, user: str = "u-ann") -> tuple[str, bool]:
    row = store["users"].get(key=user) or {}
    return str(row["role"]), bool(row["enabled"])


def actions(store: Store) -> list[str]:
    return [row["action"] for row in store["audit_log"].all()]


def test_a_role_is_given_by_address_or_id_and_taken_away(store: Store) -> None:
    assert "is admin, on" in run("grant", "Ann@Example.org", "admin").output
    assert role(store) == ("admin", True)
    store["users"].update({"enabled": False}, key="u-ann")
    assert run("grant", "u-ann", "read-only").exit_code == 0
    assert role(store) == ("read_only", True)
    session = {"id": "s1", "user_id": "u-ann", "revoked_at": None, "expires_at": 2**50, "last_used_at": 1}
    store["sessions"].insert(session)
    assert run("grant", "u-ann", "owner").exit_code == 0
    assert "is subscriber, on" in run("revoke", "u-ann").output
    assert (store["sessions"].get(key="s1") or {})["revoked_at"] is not None
    assert actions(store) == ["user.role", "user.role", "user.enabled", "user.role", "user.role", "session.closed_all"]
    row = store["audit_log"].all()[0]
    assert (row["who"], row["via"]) == ("operator", "cli")
    assert row["origin"].startswith("terminal")


@pytest.mark.parametrize(
    ("words", "said"),
    [(("grant", "nobody", "admin"), "no user nobody"), (("grant", "u-ann", "king"), "king is no role"),
     (("revoke", "nobody"), "no user"), (("revoke", "operator"), "last owner")],
)  # fmt: skip
def test_what_can_t_be_done_is_said_and_changes_nothing(store: Store, words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert actions(store) == []


def test_the_audit_log_is_listed_and_verified(store: Store) -> None:
    run("grant", "u-ann", "admin")
    run("revoke", "u-ann")
    assert "user.role  user:u-ann" in run("audit", "list").output
    told = json.loads(run("audit", "list", "--json", "--action", "session.", "--limit", "5").output)
    assert [each["action"] for each in told["entries"]] == ["session.closed_all"]
    good = run("audit", "verify")
    assert (good.exit_code, good.output.split(":")[0]) == (0, "3 rows")
    store["audit_log"].update({"who": "u-eve"}, key=2)
    bad = run("audit", "verify")
    assert (bad.exit_code, "BROKEN at row 2: the row was changed" in bad.output) == (1, True)
    told = json.loads(run("audit", "verify", "--json").output)
    assert (told["success"], told["broken_seq"]) == (False, 2)


def test_what_is_done_at_the_terminal_is_written_down(store: Store, folder: Path, tmp_path: Path) -> None:
    assert run("kill", "--user", "u-ann").exit_code == 0
    assert run("resume", "--user", "u-ann").exit_code == 0
    assert run("backup", str(tmp_path / "copy.db")).exit_code == 0
    assert actions(store) == ["safety.reducing", "safety.active", "backup.created"]
    assert {row["via"] for row in store["audit_log"].all()} == {"cli"}
    store.close()
    assert run("restore", str(tmp_path / "copy.db"), "--yes").exit_code == 0
    with open_records(load_settings().store_url, folder) as restored:
        assert actions(restored) == ["safety.reducing", "safety.active", "backup.restored"]
    assert run("audit", "verify").exit_code == 0


def keep_key(store: Store, master: str, exchange: str) -> dict[str, Any]:
    wish = NewKey(exchange, "", SecretStr(f"key-at-{exchange}-0123456789"), SecretStr("s3cret"))
    with store.transaction() as tx:
        report = KeyReport(True, "", WithdrawRight.NO)
        return add(tx, Keyring(vault_key(master)), ANN, wish, report, now=NOW)


def secret_of(store: Store, master: str, key_id: str) -> str:
    row = store["exchange_keys"].get(key=key_id) or {}
    return open_sealed(Keyring(vault_key(master)), row["sealed"], place_of(row))["secret"].get_secret_value()


def test_the_master_key_is_changed_for_everything_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [keep_key(store, "master one", each)["id"] for each in ("bybit", "okx")]
    sealed = two_factor._Seal("master one").close("OTPSECRET", "u-ann")
    store["users"].update({"two_factor": {"sealed": sealed, "enabled_at": 1, "last_step": 0}}, key="u-ann")
    without = run("vault", "rotate")
    assert (without.exit_code, "MASTER_KEY_OLD" in without.stderr) == (78, True)
    monkeypatch.setenv("MASTER_KEY", "master two")
    monkeypatch.setenv("MASTER_KEY_OLD", "neither")
    assert run("vault", "rotate").exit_code == 78
    assert [secret_of(store, "master one", each) for each in ids] == ["s3cret"] * 2  # all or nothing
    monkeypatch.setenv("MASTER_KEY_OLD", "master one")
    assert "2 exchange keys and 1 second factors" in run("vault", "rotate").output
    assert [secret_of(store, "master two", each) for each in ids] == ["s3cret"] * 2
    with pytest.raises(Misconfigured):
        secret_of(store, "master one", ids[0])
    factor = (store["users"].get(key="u-ann") or {})["two_factor"]
    assert two_factor._Seal("master two").open(factor["sealed"], "u-ann") == "OTPSECRET"
    again = json.loads(run("vault", "rotate", "--json").output)
    assert (again["exchange_keys"], again["second_factors"]) == (0, 0)
    monkeypatch.delenv("MASTER_KEY_OLD")
    with pytest.raises(Exception, match="here already"):  # the mark of the same key fits under the new one, too
        keep_key(store, "master two", "bybit")
