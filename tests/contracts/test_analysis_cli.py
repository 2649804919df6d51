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
from modules.candles import load_file, save_file
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
    told = run_json("candles", "import", tmp_path, code=2)
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


def test_history_lists_every_object_and_a_prefix_changes_none(hourly: Path, tmp_path: Path) -> None:
    whole = run_json("analyse", "--candles", hourly, "--history")
    assert set(whole) == {"objects"}
    keys = {"kind", "direction", "low", "high", "price", "formed_at", "confirmed_at", "invalidated_at"}
    assert all(set(row) == keys for row in whole["objects"])
    at = START_MS + 400 * HOUR_MS
    cut = tmp_path / "cut" / "BTCUSDT-1h.csv"
    cut.parent.mkdir()
    save_file(load_file(hourly)[:401], cut)
    by_time = run_json("analyse", "--candles", hourly, "--history", "--at", at)
    assert by_time == run_json("analyse", "--candles", cut, "--history")
    assert by_time == run_json("analyse", "--candles", hourly, "--history", "--at", "2023-12-01T16:59")
    known = [row for row in whole["objects"] if row["confirmed_at"] <= at]
    assert [row["formed_at"] for row in known] == [row["formed_at"] for row in by_time["objects"]]
    assert len(run("analyse", "--candles", hourly, "--history").splitlines()) == len(whole["objects"])


def test_analyse_says_what_is_known_at_a_candle(hourly: Path, tmp_path: Path) -> None:
    at = START_MS + 400 * HOUR_MS
    found = run_json("analyse", "--candles", hourly, "--at", at)
    assert set(found) == {"symbol", "timeframe", "at", "detections", "score"}
    assert (found["symbol"], found["timeframe"], found["at"]) == ("BTCUSDT", "1h", at)
    assert len(found["detections"]) == 9
    for row in found["detections"]:
        assert set(row) == {"detector", "direction", "confidence", "reason", "evidence"}
        assert -1 <= row["direction"] <= 1
        assert 0 <= row["confidence"] <= 1
        assert row["reason"]
        assert all((each["confirmed_at"] or at) <= at for each in row["evidence"])
    assert 0.5 <= found["score"]["score"] <= 1
    cut = tmp_path / "mine.parquet"
    save_file(load_file(hourly)[:401], cut)
    assert found == run_json("analyse", "--candles", cut, "--symbol", "BTCUSDT")
    assert run("analyse", "--candles", hourly).startswith("BTCUSDT 1h at the candle of 2023-12-14 03:00 UTC, ")


def test_recorded_opinions_count_only_once_they_were_known(hourly: Path, tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    path.write_text("date,value\n2023-12-01T12:00Z,5\n2023-12-02,95\n")

    def sentiment(at: str) -> dict[str, Any]:
        found = run_json("analyse", "--candles", hourly, "--opinions", path, "--at", at)
        return next(row for row in found["detections"] if row["detector"] == "sentiment")

    assert sentiment("2023-12-01T10:00")["confidence"] == 0
    assert sentiment("2023-12-01T11:00")["direction"] > 0, "closed at noon, when the index was published"
    assert sentiment("2023-12-01T22:59")["direction"] > 0
    assert sentiment("2023-12-02T00:00")["direction"] < 0
    assert "no such file" in run("analyse", "--candles", hourly, "--opinions", tmp_path / "no.csv", code=2).lower()


@pytest.mark.parametrize(
    ("name", "content", "extra"),
    [
        ("BTCUSDT-1h.csv", "timestamp,open,high,low,close,volume\n1700006400000,1,2,0.5,nan,1\n", ()),
        ("BTCUSDT-1h.csv", "time,price\n1,2\n", ()),
        ("BTCUSDT-1h.txt", "", ()),
        ("BTCUSDT-1h.parquet", "no parquet", ()),
        ("BTCUSDT-1h.csv", "timestamp,open,high,low,close,volume\n", ()),
        ("BTCUSDT-1h.csv", "timestamp,open,high,low,close,volume\n1700006400000,1,2,0.5,1,1\n", ("--at", "later")),
        ("BTCUSDT-1h.csv", "timestamp,open,high,low,close,volume\n1700006400000,1,2,0.5,1,1\n", ("--at", "2020-01-01")),
    ],
)
def test_a_file_that_cannot_be_analysed_is_one_line_and_exit_2(
    tmp_path: Path, name: str, content: str, extra: tuple[str, ...]
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert len(run("analyse", "--candles", path, *extra, code=2).strip().splitlines()) == 1
    assert "no such file" in run("analyse", "--candles", tmp_path / "nowhere-1h.csv", code=2)


def test_scan_ranks_a_folder(hourly: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"min_score": 0, "min_confidence": 0, "timeframes": ["1h"]}))
    told = run_json("scan", "--candles", tmp_path, "--rules", rules)
    (found,) = told["opportunities"]
    assert (found["symbol"], set(found["timeframes"]), told["failures"]) == ("BTCUSDT", {"1h"}, [])
    assert found["side"] in ("LONG", "SHORT")
    assert {"score", "confidence", "risk_level", "volume_usd", "confluence", "fixed", "at"} <= set(found)
    assert "BTCUSDT" in run("scan", "--candles", tmp_path, "--rules", rules)
    strict = tmp_path / "strict.json"
    strict.write_text(json.dumps({"min_score": 1}))
    assert "left out: BTCUSDT" in run("scan", "--candles", tmp_path, "--rules", strict)


def test_scan_says_what_is_wrong(tmp_path: Path) -> None:
    assert "has no candles" in run("scan", "--candles", tmp_path, code=2)
    (tmp_path / "BTCUSDT-1h.csv").write_text("nonsense")
    assert "failed:   BTCUSDT" in run("scan", "--candles", tmp_path, code=1)
    rules = tmp_path / "rules.json"
    rules.write_text('{"min_scor": 1}')
    assert "min_scor" in run("scan", "--candles", tmp_path, "--rules", rules, code=2)
