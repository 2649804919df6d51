"""The terminal's commands as an operator types them: what they change, what they print, and their exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import run_all
from cli import app
from database import Store
from modules.accounts.first_start import prepare
from modules.domain.market import utc_from_ms
from modules.records import open_records
from modules.runtime.settings import Settings, ensure_data_dir

NOW = utc_from_ms(1_760_000_000_000)


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with its first operator, and this process in an empty folder beside it."""
    folder, elsewhere = tmp_path / "var", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("DATA_DIR", str(folder))
    settings = Settings(data_dir=folder)
    ensure_data_dir(settings)
    store = opened(folder)
    prepare(store, settings, NOW)
    store.close()
    return folder


def opened(folder: Path) -> Store:
    return open_records(f"sqlite:///{folder / 'verzek.db'}", folder)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def answered(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    row: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert row["success"] is True
    return row


def test_a_kill_is_in_the_file_in_the_store_and_in_the_state(data_dir: Path) -> None:
    assert answered("kill", "--flatten") == {"success": True, "scope": "global", "stage": "flatten", "store_told": True}
    assert (data_dir / "KILL").read_text() == "flatten"
    assert answered("status")["health"]["trading"] == "halted"


def test_the_kill_file_alone_is_shown_as_a_halt(data_dir: Path) -> None:
    assert answered("status")["health"]["trading"] == "paper"
    (data_dir / "KILL").touch()
    assert answered("status")["health"]["trading"] == "halted"


def test_a_flatten_is_resumed_only_where_closing_is_given_up(data_dir: Path) -> None:
    answered("kill", "--flatten")
    waits = run("resume")
    assert waits.exit_code == 2
    assert "--stop-closing" in waits.output
    assert (data_dir / "KILL").exists()
    assert answered("resume", "--stop-closing")["stage"] == "active"
    assert not (data_dir / "KILL").exists()


def test_somebody_unknown_is_not_stopped(data_dir: Path) -> None:
    result = run("kill", "--user", "nobody")
    assert result.exit_code == 2
    assert "no user nobody" in result.output
    assert answered("kill", "--user", "operator")["scope"] == "user"


def test_a_kill_works_with_a_damaged_store(data_dir: Path) -> None:
    (data_dir / "verzek.db").write_bytes(b"no database" * 1000)
    result = run("kill", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["store_told"] is False
    assert (data_dir / "KILL").exists()


def test_a_file_that_can_not_be_written_stops_all_the_same(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_a: object, **_k: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = run("kill", "--flatten")
    assert result.exit_code == 0
    assert (data_dir / "KILL").exists()
    assert "could not be kept" in result.output


def test_a_bad_copy_leaves_the_store_as_it_is(data_dir: Path) -> None:
    bad = data_dir / "random"
    bad.write_bytes(bytes(range(256)) * 100)
    for file in (bad, data_dir / "missing"):
        assert run("restore", str(file), "--yes").exit_code == 2
    store = opened(data_dir)
    assert store["users"].contains(key="operator")
    store.close()


def test_a_copy_comes_back(data_dir: Path) -> None:
    copy = data_dir / "copy.db"
    assert answered("backup", str(copy))["bytes"] == copy.stat().st_size
    store = opened(data_dir)
    store["users"].remove(key="operator")
    store.close()
    answered("restore", str(copy), "--yes")
    store = opened(data_dir)
    assert store["users"].contains(key="operator")
    store.close()


def test_an_export_comes_back_and_nothing_unreadable_does(data_dir: Path) -> None:
    folder = data_dir / "out"
    answered("export", str(folder))
    assert answered("import", str(folder), "--yes")["collections"]["users"] == 1
    (folder / "signals.json").write_text('[{"id": 5, "x": 1}]', encoding="utf-8")
    result = run("import", str(folder), "--yes")
    assert result.exit_code == 2
    assert "signals.json" in result.output
    (folder / "signals.json").write_text("{", encoding="utf-8")
    assert run("import", str(folder), "--yes").exit_code == 2
    empty = data_dir / "empty"
    empty.mkdir()
    assert run("import", str(empty), "--yes").exit_code == 2
    store = opened(data_dir)
    assert store["users"].contains(key="operator")
    store.close()


def test_the_store_s_other_commands_answer_in_json(data_dir: Path) -> None:
    assert answered("check-store")["problems"] == []
    assert answered("migrate")["version"] >= 0


@pytest.mark.parametrize(
    ("prices", "problem"),
    [("replay:/nowhere/at/all", "to replay"), ("follow:{folder}", "must be a file"), ("follow:/nowhere/x", "folder")],
)
def test_a_price_file_that_can_not_be_is_told_at_the_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prices: str, problem: str
) -> None:
    monkeypatch.setenv("PRICES", prices.format(folder=data_dir))
    assert started(monkeypatch) == 78
    assert problem in capsys.readouterr().err


def test_a_taken_port_is_told_at_the_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        assert started(monkeypatch) == 78
    assert "PORT" in capsys.readouterr().err


def test_a_store_damaged_in_the_middle_is_told_at_the_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = opened(data_dir)
    store["posts"].insert_multiple([{"id": str(n), "text": "x" * 500} for n in range(500)])
    store.close()
    path = data_dir / "verzek.db"
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 60_000] = b"\xff" * 60_000
    path.write_bytes(bytes(whole))
    monkeypatch.setenv("PORT", str(free_port()))
    assert started(monkeypatch) == 78
    assert "damaged" in capsys.readouterr().err
    assert path.read_bytes() == bytes(whole)


def test_mistyped_names_in_the_env_file_are_told(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text("MAX_LEVRAGE=3\n# a remark\nEDITOR=vi\nwhat is this\n", encoding="utf-8")
    assert started(monkeypatch) == 78
    told = capsys.readouterr().err
    assert "did you mean MAX_LEVERAGE" in told
    assert "line 4" in told
    assert "EDITOR" not in told


def started(monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a start that must end before it starts anything."""
    monkeypatch.setattr("sys.argv", ["run_all.py"])
    monkeypatch.setattr(run_all, "_supervise", None)
    return run_all.main()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
