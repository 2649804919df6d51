"""`cli.py user …`: people added and repaired from the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app
from database import Store
from modules.accounts.passwords import Passwords
from modules.records import open_records

RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # no .env of whoever runs the tests
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    made = open_records(f"sqlite:///{folder / 'verzek.db'}", folder)
    yield made
    made.close()


def run(*words: str, said: str = "", code: int = 0) -> dict[str, Any]:
    """The answer in JSON; of a refusal nothing but that it was one."""
    result = RUNNER.invoke(app, ["user", *words, "--json"], input=said)
    assert result.exit_code == code, result.output
    answer: dict[str, Any] = json.loads(result.stdout) if code == 0 else {}
    return answer


def test_a_user_added_by_hand_can_sign_in(store: Store) -> None:
    made = run("add", "Bob@Example.com", "--role", "admin", "--name", "Bob")
    user = store["users"].get(key=made["user_id"]) or {}
    assert (user["email"], user["role"], user["name"]) == ("bob@example.com", "admin", "Bob")
    assert Passwords().matches(user["password_hash"], made["password"])
    assert [row["settings"]["autotrade"] for row in store["accounts"].all()] == [False]
    assert [row["action"] for row in store["audit_log"].all()] == ["user.added"]


def test_a_given_password_is_not_said_back(store: Store) -> None:
    made = run("add", "bob@example.com", "--password-stdin", said="a password of one's own\n")
    assert "password" not in made
    user = store["users"].get(key=made["user_id"]) or {}
    assert Passwords().matches(user["password_hash"], "a password of one's own")


def test_what_can_not_be_is_refused(store: Store) -> None:
    run("add", "bob@example.com")
    run("add", "BOB@example.com", code=2)
    run("add", "no address", code=2)
    run("add", "ann@example.com", "--role", "king", code=2)
    run("add", "ann@example.com", "--password-stdin", said="short\n", code=2)
    run("role", "nobody@example.com", "admin", code=2)
    run("reset-password", "nobody@example.com", code=2)
    assert [row["email"] for row in store["users"].all()] == ["bob@example.com"]


def test_a_role_is_set_by_id_or_address(store: Store) -> None:
    user_id = run("add", "bob@example.com")["user_id"]
    run("role", "bob@example.com", "analyst")
    assert (store["users"].get(key=user_id) or {})["role"] == "analyst"
    run("role", user_id, "read-only")
    assert (store["users"].get(key=user_id) or {})["role"] == "read_only"


def test_the_last_owner_stays_one(store: Store) -> None:
    run("add", "boss@example.com", "--role", "owner")
    run("role", "boss@example.com", "admin", code=2)
    run("add", "other@example.com", "--role", "owner")
    run("role", "boss@example.com", "admin")


def test_a_new_password_ends_every_sign_in(store: Store) -> None:
    made = run("add", "bob@example.com")
    far = 2**50
    session = {"id": "s1", "user_id": made["user_id"], "expires_at": far, "revoked_at": None}
    store["sessions"].insert(session)
    store["users"].update({"two_factor": {"sealed": "x", "enabled_at": 1}}, key=made["user_id"])
    new = run("reset-password", "bob@example.com")
    user = store["users"].get(key=made["user_id"]) or {}
    assert Passwords().matches(user["password_hash"], new["password"])
    assert not Passwords().matches(user["password_hash"], made["password"])
    assert (store["sessions"].get(key="s1") or {})["revoked_at"] is not None
    assert user["two_factor"] is not None
    run("reset-password", "bob@example.com", "--two-factor-off")
    assert (store["users"].get(key=made["user_id"]) or {})["two_factor"] is None


def test_people_read_sentences(folder: Path) -> None:
    result = RUNNER.invoke(app, ["user", "add", "bob@example.com"])
    assert result.exit_code == 0
    assert result.stdout.startswith("bob@example.com is u-")
    assert "(shown this once)" in result.stdout
