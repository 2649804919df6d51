"""The terminal's backtests: the JSON others read, what people read, the files, and what is refused by its place."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import cli
from modules.candles import load_file, save_file
from modules.candles.resample import resample
from tests.contracts.backtest_objects import RULES, wave

HOUR_MS = 3_600_000
BARS = 1_200
START_MS = 1_704_067_200_000
SHARED = Path(__file__).resolve().parents[2] / "../shared/data/ohlcv/BTCUSDT-1h.parquet"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    (tmp_path / "rules.json").write_text(json.dumps(RULES))
    save_file(wave(BARS), tmp_path / "BTCUSDT-1h.parquet")
    return tmp_path


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def run_json(*words: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(*words, "--json"))
    return told


def backtested(*words: object, strategy: str = "rules.json") -> dict[str, Any]:
    return run_json("backtest", "--strategy", strategy, "--candles", "BTCUSDT-1h.parquet", *words)


def test_the_json_has_everything_a_reader_is_promised() -> None:
    told = backtested()
    assert told["strategy"] == RULES
    assert told["data"].keys() >= {"symbol", "timeframe", "from", "to", "rows", "hash"}
    assert (told["data"]["symbol"], told["data"]["timeframe"], told["data"]["rows"]) == ("BTCUSDT", "1h", BARS)
    assert told["metrics"].keys() >= {
        "total_return", "cagr", "sharpe", "sortino", "calmar", "max_drawdown", "profit_factor", "win_rate", "trades", "expectancy",
    }  # fmt: skip
    assert told["trades"]
    for trade in told["trades"]:
        assert trade.keys() >= {
            "entry_time", "exit_time", "side", "entry_price", "exit_price", "quantity", "pnl", "return", "fees",
            "exit_reason", "mae", "mfe", "r_multiple",
        }  # fmt: skip
    times, values = zip(*told["equity"], strict=True)
    assert len(times) == BARS
    assert all(isinstance(each, int) for each in times)
    assert values[-1] == pytest.approx(told["metrics"]["final_equity"])
    assert told["assumptions"]["taker_fee"] == 0.001
    assert told["benchmark"]["name"] == "buy_and_hold"
    assert isinstance(told["warnings"], list)


def test_an_entry_is_filled_at_the_open_after_its_signal_and_pays_its_fee() -> None:
    candles = wave(BARS)
    opens = dict(zip(candles.timestamp.tolist(), candles.open.tolist(), strict=True))
    for trade in backtested()["trades"]:
        assert trade["entry_price"] == opens[trade["entry_time"]]
        both = trade["quantity"] * (trade["entry_price"] + trade["exit_price"])
        assert trade["fees"] == pytest.approx(0.001 * both)


def test_dates_bound_the_bars_that_count_ends_included_and_history_goes_before() -> None:
    whole, part = backtested(), backtested("--from", "2024-01-20", "--to", "2024-01-31")
    assert part["data"]["from"] == START_MS + 19 * 24 * HOUR_MS
    assert part["data"]["to"] == START_MS + 31 * 24 * HOUR_MS - HOUR_MS
    ms = backtested("--from", part["data"]["from"], "--to", part["data"]["to"])
    assert ms["trades"] == part["trades"]
    later = [each["entry_time"] for each in part["trades"]][1:]  # the first depends on what was held when it began
    assert later
    assert set(later) <= {each["entry_time"] for each in whole["trades"]}


def test_a_file_with_a_timeframe_of_its_own_and_finer_candles_joined() -> None:
    document = {**RULES, "timeframe": "4h"}
    Path("slow.json").write_text(json.dumps(document))
    told = backtested(strategy="slow.json")
    joined = resample(wave(BARS), 4 * HOUR_MS).candles
    assert (told["data"]["timeframe"], told["data"]["rows"]) == ("4h", len(joined))
    save_file(joined, Path("BTCUSDT-4h.csv"))
    again = run_json("backtest", "--strategy", "slow.json", "--candles", "BTCUSDT-4h.csv")
    assert again["trades"] == told["trades"]
    assert again["data"]["hash"] == told["data"]["hash"]


def test_a_builtin_runs_on_the_files_candles_with_other_parameters() -> None:
    told = backtested("--parameter", "fast=5", "--parameter", "slow=15", strategy="ma_cross")
    assert told["data"]["timeframe"] == "1h"
    assert told["strategy"]["entry"]["period"] == 5
    assert told["source"] == "builtin:ma_cross"


def test_costs_are_what_was_said() -> None:
    told = backtested("--fee", "0.002", "--slippage", "0.0005", "--capital", "5000", "--assume", "spread_bps=2")
    said = told["assumptions"]
    assert (said["taker_fee"], said["maker_fee"], said["capital"], said["spread_bps"]) == (0.002, 0.002, 5000, 2)
    assert (said["slippage"], said["slippage_size"]) == ("bps", 5.0)


def test_a_folder_of_files_is_a_portfolio_with_shared_capital(place: Path) -> None:
    save_file(wave(BARS, symbol="ETHUSDT"), place / "ETHUSDT-1h.parquet")
    told = run_json(
        "backtest", "--strategy", "rules.json", "--candles", place, "--symbol", "BTCUSDT", "--symbol", "ETHUSDT"
    )
    assert told["data"]["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert {each["symbol"] for each in told["trades"]} <= {"BTCUSDT", "ETHUSDT"}
    assert "no data for SOLUSDT" in run(
        "backtest", "--strategy", "rules.json", "--candles", place, "--symbol", "SOLUSDT", code=2
    )


def test_finer_candles_decide_inside_a_bar(place: Path) -> None:
    save_file(resample(wave(BARS), 4 * HOUR_MS).candles, place / "BTCUSDT-4h.parquet")
    told = run_json(
        "backtest", "--strategy", "rules.json", "--candles", "BTCUSDT-4h.parquet", "--lower", "BTCUSDT-1h.parquet"
    )
    assert told["magnified_bars"] == told["data"]["rows"]


def test_checks_are_told_with_the_result() -> None:
    told = backtested("--check-lookahead", "--check-recursive")
    assert told["checks"] == {"passed": True, "look_ahead": None, "recursive": None}


def test_reports_tables_and_pictures_are_written(place: Path) -> None:
    told = backtested("--report", "r.html", "--csv", "out", "--png", "p.png")
    assert "<!doctype html>" in (place / "r.html").read_text()[:20]
    assert (place / "p.png").read_bytes().startswith(b"\x89PNG")
    with (place / "out/trades.csv").open() as file:
        assert [float(row["pnl"]) for row in csv.DictReader(file)] == [each["pnl"] for each in told["trades"]]
    with (place / "out/equity.csv").open() as file:
        assert len(list(csv.DictReader(file))) == BARS


def test_people_read_the_figures_the_assumptions_the_warnings_and_what_next() -> None:
    told = run("backtest", "--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet")
    for words in (
        "RSI both ways on BTCUSDT 1h, 1,200 bars",
        "Total return",
        "buy and hold",
        "Assumed: ",
        "! ",
        "Next: ",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--strategy", "nope", "--candles", "BTCUSDT-1h.parquet"), "neither a file nor a built-in strategy"),
        (("--strategy", "rules.json", "--candles", "nothing.parquet"), "no such file"),
        (("--strategy", "rules.json", "--candles", "rules.json"), "neither .parquet nor .csv"),
        (("--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--from", "2031-01-01"),
         "no data for BTCUSDT 1h from 2031-01-01 00:00 to now"),
        (("--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--from", "yesterday"), "is not a time"),
        (("--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--from", "2024-02-01", "--to", "2024-01-01"),
         "to: must not lie before from"),
        (("--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--fee", "3"), "assumptions.taker_fee"),
        (("--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--slippage", "lots"), "assumptions.slippage"),
        (("--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--assume", "x"), "NAME=VALUE"),
        (("--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--timeframe", "15m"), "can't make 15m bars"),
        (("--strategy", "ma_cross", "--candles", "BTCUSDT-1h.parquet", "--parameter", "speed=1"), "is no parameter of ma_cross"),
        (("--strategy", "broken.json", "--candles", "BTCUSDT-1h.parquet"), "entry.operator: must be one of"),
        (("--strategy", "text.json", "--candles", "BTCUSDT-1h.parquet"), "is no JSON"),
        (("--strategy", "rules.json", "--candles", "made/BTCUSDT-simulated-1h.parquet"), "simulated market"),
        (("--strategy", "rules.json", "--candles", "holed.csv"), "high: row 1"),
    ],
)  # fmt: skip
def test_bad_input_ends_with_2_and_names_the_place(place: Path, words: tuple[str, ...], told: str) -> None:
    (place / "broken.json").write_text('{"name": "x", "entry": {"type": "rsi", "operator": "<<", "value": 3}}')
    (place / "text.json").write_text("buy low, sell high")
    (place / "made").mkdir()
    save_file(wave(50), place / "made/BTCUSDT-simulated-1h.parquet")
    rows = ["timestamp,open,high,low,close,volume", "1704067200000,1,2,1,1,1", "1704070800000,1,,1,1,1"]
    (place / "holed.csv").write_text("\n".join(rows))
    assert told in run("backtest", *words, code=2)


def test_simulated_candles_are_marked_where_they_are_allowed(place: Path) -> None:
    save_file(wave(BARS), place / "BTCUSDT-simulated-1h.parquet")
    told = run_json("backtest", "--strategy", "rules.json", "--candles", "BTCUSDT-simulated-1h.parquet", "--simulated")
    assert told["data"]["origin"] == "simulated"
    assert told["warnings"][0]["code"] == "simulated"


def test_a_search_goes_on_where_it_stopped_and_says_what_luck_did(place: Path) -> None:
    words = (
        "search", "--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--min-trades", "1",
        "--vary", "entry_conditions.rsi.value=30:45:5", "--vary", "exit_conditions.rsi.value=55,60", "--method", "grid",
    )  # fmt: skip
    told = run_json(*words)
    found = told["search"]
    assert found["trials"] == 8
    assert found["best"]["score"] == max(each["score"] for each in found["ranking"])
    assert found["heat_map"]["across_values"] == [30, 35, 40, 45]
    assert found["luck"].keys() == {"deflated_sharpe", "overfitting"}
    (kept,) = (place / "var/searches").glob("*.jsonl")
    before = kept.read_bytes()
    assert len(before.splitlines()) == 9
    assert run_json(*words) == told
    assert kept.read_bytes() == before


def test_a_walk_forward_only_counts_bars_no_choice_has_seen() -> None:
    told = run_json(
        "walk-forward", "--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--min-trades", "1",
        "--vary", "entry_conditions.rsi.value=35,40", "--train", 400, "--test", 200,
    )  # fmt: skip
    walked = told["walk_forward"]
    assert len(walked["steps"]) == 4
    assert told["data"]["from"] == START_MS + 400 * HOUR_MS
    assert told["metrics"] == walked["metrics"]
    assert min(each["entry_time"] for each in told["trades"]) >= told["data"]["from"]


def test_monte_carlo_is_the_same_for_the_same_seed() -> None:
    words = ("monte-carlo", "--strategy", "rules.json", "--candles", "BTCUSDT-1h.parquet", "--runs", 200)
    one, two = run_json(*words, "--seed", 5), run_json(*words, "--seed", 5)
    assert one == two
    assert run_json(*words, "--seed", 6)["monte_carlo"] != one["monte_carlo"]
    drawn = one["monte_carlo"]["total_return"]
    assert drawn["p5"] <= drawn["p50"] <= drawn["p95"]


def test_two_versions_are_compared_on_the_same_candles() -> None:
    told = run_json(
        "compare", "--strategy", "rules.json", "--with", "rsi_mean_reversion", "--candles", "BTCUSDT-1h.parquet"
    )
    assert told["b"]["strategy"]["name"] != told["strategy"]["name"]
    assert 0.0 <= told["comparison"]["sharpe"]["p_value"] <= 1.0
    assert "B less A" in run(
        "compare", "--strategy", "rules.json", "--with", "ma_cross", "--candles", "BTCUSDT-1h.parquet"
    )


def test_without_files_the_stored_candles_are_tested_and_missing_ones_say_how_to_get_them() -> None:
    run("candles", "import", "BTCUSDT-1h.parquet")
    stored = run_json("backtest", "--strategy", "rules.json", "--symbol", "BTCUSDT")
    assert stored["trades"] == backtested()["trades"]
    assert stored["data"]["rows"] == BARS
    said = run("backtest", "--strategy", "rules.json", "--symbol", "ETHUSDT", code=2)
    assert "candles download ETHUSDT-1h" in said
    lower = run("backtest", "--strategy", "rules.json", "--symbol", "BTCUSDT", "--lower", "BTCUSDT-1h.parquet", code=2)
    assert "--candles" in lower


@pytest.mark.skipif(not SHARED.exists(), reason="needs the recorded candles beside the project")
def test_recorded_hours_give_the_trades_of_a_plain_loop() -> None:
    """A crossing of two means, decided at the close and filled at the next open, in a dozen lines of its own."""
    document = {
        "name": "cross", "action": "BUY", "position_size": {"mode": "equity_percent", "value": 100},
        "entry": {"type": "sma", "period": 20, "operator": "crosses_above", "other": {"type": "sma", "period": 50}},
        "exit": {"type": "sma", "period": 20, "operator": "crosses_below", "other": {"type": "sma", "period": 50}},
    }  # fmt: skip
    Path("cross.json").write_text(json.dumps(document))
    told = run_json("backtest", "--strategy", "cross.json", "--candles", SHARED, "--to", "2019-12-31")
    candles = load_file(SHARED)
    count = told["data"]["rows"]
    close, opens = candles.close[:count], candles.open[:count]
    fast, slow = (np.convolve(close, np.ones(n) / n, "valid") for n in (20, 50))
    fast = np.concatenate((np.full(19, np.nan), fast))
    slow = np.concatenate((np.full(49, np.nan), slow))
    cash, entry, pnl = 10_000.0, None, []
    for bar in range(51, count):
        up = fast[bar - 1] > slow[bar - 1] and fast[bar - 2] <= slow[bar - 2]
        down = fast[bar - 1] < slow[bar - 1] and fast[bar - 2] >= slow[bar - 2]
        if entry is not None and down:
            price, quantity = entry
            pnl.append(quantity * (opens[bar] - price) - 0.001 * quantity * (opens[bar] + price))
            cash, entry = cash + pnl[-1], None
        elif entry is None and up:
            entry = (opens[bar], cash / (opens[bar] * 1.001))
    closed = [each["pnl"] for each in told["trades"] if each["exit_reason"] == "signal"]
    assert len(pnl) > 50
    assert closed == pytest.approx(pnl, rel=1e-6)
