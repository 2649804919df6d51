"""Stopping, starting again, and the kill switch of the whole program: what was open goes on, what must not is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.processes.running import NAMES, ROOT, Program, environment, free_port, until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]


def call(symbol: str, price: int) -> str:
    return (
        f"#{symbol}/USDT LONG\nEntry: {price}\nStop Loss: {price - 2}\nTargets: {price + 1} - {price + 2}\nLeverage: 5x"
    )


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()


def open_trade(program: Program, symbol: str, price: int) -> str:
    program.tick(f"{symbol}USDT", str(price))
    signal_id = str(program.post(call(symbol, price))["signal_id"])
    program.until_position(signal_id, status="open")
    return signal_id


def start_second(program: Program, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run_all.py")],
        cwd=ROOT,
        env={**program.environment, **settings},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_stopped_and_started_again_with_the_kill_switch_in_between(program: Program) -> None:
    program.start()
    token, signal_id = program.token, open_trade(program, "BTC", 100)

    refused = start_second(program, PORT=str(free_port()))
    assert refused.returncode == 78
    assert "is in use by another start" in refused.stderr
    assert program.until_healthy()["status"] == "ok"

    begun = time.monotonic()
    assert program.stop(signal.SIGINT) == 0
    assert time.monotonic() - begun < 10
    assert program.living() == []
    assert program.health() == {}

    killed = program.cli("kill")  # with everything down
    assert killed.returncode == 0, killed.stderr
    program.tick("BTCUSDT", "101")  # the first target, while nobody was there

    program.start()
    assert program.token == token
    assert "shown this once" not in program.log.read_text(encoding="utf-8").rpartition("VerzekAutoTrader")[2]
    assert program.health()["trading"] == "halted"
    until(lambda: program.until_position(signal_id)["targets"][0]["hit_at"], 10, "the open trade goes on")
    program.tick("ETHUSDT", "100")
    stopped = program.post(call("ETH", 100))["signal_id"]
    until(lambda: program.get(f"/api/signals/{stopped}")["signal"]["refusals"], 10, "the new entry is refused")
    assert program.position(stopped) is None
    program.tick("BTCUSDT", "102")
    assert program.until_position(signal_id, status="closed")["close_reason"] == "targets"

    resumed = program.cli("resume")
    assert resumed.returncode == 0, resumed.stderr
    held = open_trade(program, "SOL", 100)
    assert program.health()["trading"] == "paper"

    assert program.cli("kill", "--flatten", "--reason", "drill").returncode == 0
    flat = program.until_position(held, status="closed")
    assert Decimal(flat["quantity"]) == 0

    def stages() -> set[str]:
        return {state["stage"] for state in program.get("/api/safety/status")["states"]}

    until(lambda: stages() == {"locked"}, 10, "the switch locks once all is flat")
    assert program.get("/api/orders?status=open")["orders"] == []
    told = until(
        lambda: [m for m in program.room("local:operator") if "drill" in m["text"]], 10, "the operator is told"
    )
    assert told
    assert program.stop(signal.SIGTERM) == 0
    assert program.living() == []
    assert "Traceback" not in program.log.read_text(encoding="utf-8")


def test_a_killed_run_all_leaves_nothing_that_keeps_the_next_start_from_working(program: Program) -> None:
    program.start()
    signal_id = open_trade(program, "BTC", 100)
    before = program.pids()
    os.kill(before["executor"], signal.SIGSTOP)  # one that can't even hear that it should end
    program.kill_supervisor()
    program.start()
    after = program.pids()
    assert set(after) == set(NAMES)
    assert not set(before.values()) & set(after.values())
    assert set(program.living()) == set(after.values())
    program.tick("BTCUSDT", "101", "102")
    assert program.until_position(signal_id, status="closed")["close_reason"] == "targets"


def refusal(tmp_path: Path, *words: str, **settings: str) -> list[str]:
    """What a start says that must end with 78 and begin nothing."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_all.py"), *words],
        cwd=ROOT,
        env=environment(tmp_path / "var", **settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    assert not (tmp_path / "var").exists()
    return done.stderr.splitlines()


def test_wrong_settings_are_all_listed_and_end_with_78(tmp_path: Path) -> None:
    wrong = {"PORT": "70000", "PRICES": "tea-leaves", "MAX_LEVERAGE": "0", "LOG_FORMAT": "xml", "SPEED": "-1"}
    lines = refusal(tmp_path, **wrong, DATABASE_URL="mysql://x")
    assert all(line.startswith("wrong setting: ") for line in lines)
    assert sorted(line.split(":")[1].strip() for line in lines) == sorted([*wrong, "DATABASE_URL"])


def test_a_procfile_that_cannot_be_read_ends_with_78(tmp_path: Path) -> None:
    wrong = tmp_path / "Procfile"
    wrong.write_text("this is no process\n", encoding="utf-8")
    (line,) = refusal(tmp_path, "--procfile", str(wrong))
    assert "Procfile line 1" in line


def test_a_setting_that_must_be_json_is_listed_too(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path, EXCHANGE_URLS="{")
    assert line.startswith("wrong setting: EXCHANGE_URLS")


def test_what_does_not_go_together_is_listed_beside_what_is_wrong(tmp_path: Path) -> None:
    lines = refusal(tmp_path, PORT="70000", TRADING="live")
    assert any("I_UNDERSTAND_LIVE_TRADING" in line for line in lines)
    assert any("PORT" in line for line in lines)
