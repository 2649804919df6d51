"""The terminal's candle and analysis commands: what they print, as JSON and text, and their exit codes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cli
from modules.candles import save_file
from tests.fakes.candle_rest import START_MS, CandleRest, serving, walk

HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    return tmp_path / "var"


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def run_json(*words: object, code: int = 0) -> Any:
    return json.loads(run(*words, "--json", code=code))


@pytest.fixture
def hourly(tmp_path: Path) -> Path:
    path = tmp_path / "BTCUSDT-1h.parquet"
    save_file(walk(700, 3, timeframe_ms=HOUR_MS, tick=0.01), path)
    return path


def test_import_list_and_verify(hourly: Path) -> None:
    told = run_json("candles", "import", hourly)
    assert told["success"]
    assert told["rows"][0] | {"file": ""} == {
        "file": "", "exchange": "binance", "symbol": "BTCUSDT", "timeframe": "1h",
        "inserted": 700, "replaced": 0, "unchanged": 0,
    }  # fmt: skip
    assert run_json("candles", "import", hourly)["rows"][0]["unchanged"] == 700
    (row,) = run_json("candles", "list")["rows"]
    assert (row["rows"], row["gaps"], row["first"]) == (700, 0, "2023-11-15T00:00:00Z")
    assert "700 rows" in run("candles", "list")
    assert run("candles", "verify", "BTCUSDT-1h").startswith("ok   binance BTCUSDT 1h: 0 errors")


def test_one_bad_file_is_a_row_and_the_others_go_in(hourly: Path, tmp_path: Path) -> None:
    bad = tmp_path / "ETHUSDT-1h.csv"
    bad.write_text("timestamp,open,high,low,close,volume\n1700006400000,1,2,3,1,1\n")
    told = run_json("candles", "import", tmp_path, code=1)
    assert {Path(row["file"]).name: "error" in row for row in told["rows"]} == {bad.name: True, hourly.name: False}
    assert not told["success"]
    assert [row["symbol"] for row in run_json("candles", "list")["rows"]] == ["BTCUSDT"]


def test_verify_fails_on_what_cannot_be_used(hourly: Path, data_dir: Path) -> None:
    run("candles", "import", hourly)
    part = next((data_dir / "candles").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-20])
    told = run_json("candles", "verify", code=1)
    assert any(row["problem"] == "unreadable" and row["error"] for row in told["rows"])


@pytest.mark.parametrize(
    "words",
    [
        ("candles", "verify", "ETHUSDT-1h"),
        ("candles", "verify", "nonsense"),
        ("candles", "import", "."),
        ("candles", "download", "BTCUSDT-1h", "--since", "yesterday"),
        ("candles", "download", "BTCUSDT-1h", "--since", "2024-01-02", "--until", "2024-01-01"),
        ("candles", "download", "BTCUSDT-1h", "--since", "2024-01-01", "--exchange", "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(words: tuple[str, ...]) -> None:
    assert len(run(*words, code=2).strip().splitlines()) == 1


@contextmanager
def exchange(rest: CandleRest) -> Iterator[str]:
    """The exchange's double in a loop of its own, since the command makes one too."""
    ready, over = threading.Event(), threading.Event()

    async def live() -> None:
        async with serving(rest):
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield rest.address
    finally:
        over.set()
        thread.join(10)


def test_download_fills_the_store_and_goes_on_where_it_stopped() -> None:
    history = walk(300, 5, timeframe_ms=HOUR_MS, tick=0.01)
    now = START_MS + 250 * HOUR_MS + 1
    with exchange(CandleRest(history, now_ms=now)) as address:
        words = ("candles", "download", "BTCUSDT-1h", "--since", START_MS, "--address", address)
        first = run_json(*words, "--until", START_MS + 100 * HOUR_MS)
        again = run_json(*words, "--until", START_MS + 250 * HOUR_MS)
        unknown = run_json(*words[:2], "NOPEUSDT-1h", *words[3:], code=1)
    assert (first["rows"][0]["inserted"], again["rows"][0]["inserted"]) == (100, 150)
    assert "NOPEUSDT" in unknown["rows"][0]["error"]
    (row,) = run_json("candles", "list")["rows"]
    assert (row["rows"], row["missing"]) == (250, 0)
