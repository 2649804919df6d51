"""Backtests over HTTP as clients know them: the old request and its keys, our document beside it, jobs, history and files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.analysis.candles import Candles
from modules.backtest_jobs.jobs import Lane
from modules.backtest_jobs.workshop import Running
from modules.candles import SeriesName
from tests.contracts import trading_house
from tests.contracts.backtest_objects import RULES
from tests.unit.backtest_house import BARS, HOUR_MS, House

SEED: dict[str, Any] = {
    "strategy": {
        "name": "Test Strategy",
        "entry_conditions": {"rsi": {"operator": "<", "value": 30}},
        "exit_conditions": {"rsi": {"operator": ">", "value": 70}},
        "position_size": 1000,
        "stop_loss_pct": 5,
        "take_profit_pct": 10,
    },
    "symbol": "BTCUSDT",
    "days": 30,
}
#: The same on a market that swings less.
CALM: dict[str, Any] = {
    **SEED,
    "strategy": {
        **SEED["strategy"],
        "entry_conditions": {"rsi": {"operator": "<", "value": 45}},
        "exit_conditions": {"rsi": {"operator": ">", "value": 55}},
    },
}
SIMPLE = (
    "symbol",
    "period",
    "total_trades",
    "win_rate",
    "total_pnl",
    "profit_factor",
    "max_drawdown_pct",
    "return_pct",
)
DOCUMENT = ("strategy", "data", "assumptions", "metrics", "trades", "equity", "benchmark", "warnings")


class Desk:
    """The HTTP door, and a worker beside it."""

    def __init__(self, folder: Path) -> None:
        self.http = trading_house.House(folder)
        self.tests = House(folder, store=self.http.world.store, clock=self.http.world.clock)

    def post(
        self, path: str, body: dict[str, Any], who: str = "ann", worked: bool = True
    ) -> tuple[int, dict[str, Any]]:
        if not worked:
            return self.http.call(who, "POST", f"/api/backtest{path}", json=body)
        with self.tests.at_work():
            return self.http.call(who, "POST", f"/api/backtest{path}", json=body)

    def get(self, path: str, who: str = "ann") -> tuple[int, dict[str, Any]]:
        return self.http.call(who, "GET", f"/api/backtest{path}")

    def file(self, path: str) -> Any:
        return self.http.client.get(f"/api/backtest{path}", headers={"Authorization": "Bearer ann"})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("desk"))
    yield made
    made.http.close()


def done(desk: Desk, path: str, body: dict[str, Any]) -> dict[str, Any]:
    status, told = desk.post(path, body)
    assert status == 200, told
    return told


def test_the_request_clients_have_always_sent_has_the_keys_they_read_and_ours_beside_them(desk: Desk) -> None:
    assert set(SIMPLE) | set(DOCUMENT) <= done(desk, "", SEED).keys()
    told = done(desk, "", CALM)
    assert set(SIMPLE) | set(DOCUMENT) <= told.keys()
    assert told["symbol"] == "BTCUSDT"
    assert told["period"] == "30 days"
    metrics = told["metrics"]
    assert told["total_trades"] == metrics["trades"] == len(told["trades"]) > 0
    assert told["win_rate"] == pytest.approx(100 * metrics["win_rate"])
    assert told["return_pct"] == pytest.approx(100 * metrics["total_return"])
    assert told["max_drawdown_pct"] == pytest.approx(-100 * metrics["max_drawdown"])
    assert told["total_pnl"] == pytest.approx(sum(each["pnl"] for each in told["trades"]))
    assert told["strategy"] == CALM["strategy"]
    assert told["source"] == "document"


def test_it_tests_the_last_so_many_days_with_history_before_them(desk: Desk) -> None:
    told = done(desk, "", CALM)
    data = told["data"]
    last = desk.tests.start_ms + (BARS - 1) * HOUR_MS
    assert (data["symbol"], data["timeframe"], data["to"]) == ("BTCUSDT", "1h", last)
    assert last - data["from"] == pytest.approx(30 * 24 * HOUR_MS, abs=3 * HOUR_MS)
    assert data["rows"] == (last - data["from"]) // HOUR_MS + 1
    shorter = done(desk, "", {**CALM, "days": 10})
    by_entry = {each["entry_time"]: each for each in told["trades"]}
    inside = [each for each in shorter["trades"] if each["entry_time"] in by_entry]
    assert inside, "decisions do not depend on where the test begins"


def test_a_test_of_a_builtin_is_told_in_full_and_is_the_same_again(desk: Desk) -> None:
    body = {
        "strategy": "ma_cross",
        "parameters": {"fast": 5, "slow": 15},
        "symbol": "ETHUSDT",
        "timeframe": "1h",
        "days": 40,
    }
    one, two = done(desk, "", body), done(desk, "", body)
    assert one["id"] != two["id"]
    assert {name: one[name] for name in DOCUMENT} == {name: two[name] for name in DOCUMENT}
    assert one["source"] == "builtin:ma_cross"


def test_assumptions_are_told_and_change_the_outcome(desk: Desk) -> None:
    plain = done(desk, "", CALM)
    dear = done(desk, "", {**CALM, "fee": 0.01, "slippage": "5 bps", "capital": 5000, "assumptions": {"spread_bps": 2}})
    assert dear["assumptions"]["taker_fee"] == dear["assumptions"]["maker_fee"] == 0.01
    assert (dear["assumptions"]["slippage"], dear["assumptions"]["slippage_size"]) == ("bps", 5.0)
    assert dear["assumptions"]["capital"] == 5000
    assert plain["assumptions"]["taker_fee"] == 0.001
    assert dear["total_pnl"] < plain["total_pnl"]


def test_run_takes_two_days_and_names_the_strategy_it_used(desk: Desk) -> None:
    last = desk.http.world.clock.now()
    body = {"symbol": "BTCUSDT", "start_date": f"{last.year}-08-20", "end_date": f"{last.year}-10-01"}
    told = done(desk, "/run", body)
    assert told["source"] == "default:ma_cross"
    assert told["strategy"]["name"] == "Moving-average cross"
    assert told["data"]["timeframe"] == "4h"


def test_a_short_job_is_answered_and_a_job_nobody_works_on_is_named(desk: Desk) -> None:
    desk.http.world.clock.advance(60)
    status, told = desk.post("", CALM, worked=False)
    assert status == 202
    assert told["job"]["status"] == "queued"
    path = f"/jobs/{told['job_id']}"
    desk.tests.work()
    status, told = desk.get(path)
    assert (told["job"]["status"], told["job"]["progress"]) == ("done", 1.0)
    assert desk.get(f"/{told['job']['result_id']}")[0] == 200


def test_history_lists_ones_own_newest_first(desk: Desk) -> None:
    newest = done(desk, "", CALM)["id"]
    status, told = desk.get("/history?limit=2")
    assert status == 200
    assert told["backtests"][0]["id"] == newest
    assert set(SIMPLE) <= told["backtests"][0].keys()
    _, following = desk.get(f"/history?limit=2&cursor={told['next_cursor']}")
    assert {each["id"] for each in following["backtests"]}.isdisjoint(each["id"] for each in told["backtests"])
    assert desk.get("/history", who="bob")[1]["backtests"] == []


def test_one_test_can_be_read_again_and_forgotten(desk: Desk) -> None:
    told = done(desk, "", CALM)
    status, again = desk.get(f"/{told['id']}")
    assert status == 200
    assert again == told
    assert desk.get(f"/{told['id']}", who="bob")[0] == 404
    assert desk.http.call("bob", "DELETE", f"/api/backtest/{told['id']}")[0] == 404
    assert desk.http.call("ann", "DELETE", f"/api/backtest/{told['id']}")[0] == 200
    assert desk.get(f"/{told['id']}")[0] == 404


def test_the_report_is_one_page_that_may_load_nothing_and_shows_text_as_text(desk: Desk) -> None:
    name = "<script>alert(1)</script>"
    told = done(desk, "", {**CALM, "strategy": {**CALM["strategy"], "name": name}})
    response = desk.file(f"/{told['id']}/report")
    page = response.get_data(as_text=True)
    assert response.mimetype == "text/html"
    assert response.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(?:src|href)=[\"']?https?:", page)
    assert 'class="won"' in page or 'class="lost"' in page, "trades are drawn on candles"


def test_trades_come_as_csv_and_the_picture_as_png(desk: Desk) -> None:
    told = done(desk, "", CALM)
    response = desk.file(f"/{told['id']}/trades.csv")
    rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))
    assert len(rows) == told["total_trades"]
    assert float(rows[0]["pnl"]) == told["trades"][0]["pnl"]
    assert "attachment" in response.headers["Content-Disposition"]
    picture = desk.file(f"/{told['id']}/chart.png")
    assert picture.mimetype == "image/png"
    assert picture.data.startswith(b"\x89PNG")


def test_two_versions_are_compared(desk: Desk) -> None:
    other = {**CALM["strategy"], "stop_loss_pct": 1}
    told = done(desk, "/compare", {**CALM, "other": other, "days": 50})
    assert {"annual_return", "sharpe", "better"} <= told["comparison"].keys()
    assert told["b"]["strategy"] == other
    assert told["b"]["metrics"]["trades"] != 0
    same = done(desk, "/compare", {**CALM, "other": CALM["strategy"], "days": 50})
    assert same["comparison"]["better"] is None


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/monte-carlo", {"runs": 50, "strategy": RULES, "symbol": "BTCUSDT", "days": 60}, "monte_carlo"),
        (
            "/search",
            {"strategy": RULES, "symbol": "BTCUSDT", "days": 60, "space": {"entry_conditions.rsi.value": [35, 40, 45]},
             "min_trades": 1},
            "search",
        ),
        (
            "/walk-forward",
            {"strategy": RULES, "symbol": "BTCUSDT", "days": 60, "space": {"entry_conditions.rsi.value": [35, 40]},
             "min_trades": 1, "train_bars": 400, "test_bars": 200},
            "walk_forward",
        ),
    ],
)  # fmt: skip
def test_tests_of_luck_answer_with_their_part(desk: Desk, path: str, body: dict[str, Any], key: str) -> None:
    told = done(desk, path, body)
    assert told[key]
    assert told["kind"] == key
    assert set(DOCUMENT) <= told.keys()
    assert desk.file(f"/{told['id']}/report").status_code == 200
    assert desk.file(f"/{told['id']}/chart.png").data.startswith(b"\x89PNG")


def test_a_running_job_is_cancelled_within_a_look(desk: Desk) -> None:
    body = {"strategy": RULES, "symbol": "BTCUSDT", "space": {"entry_conditions.rsi.value": [30, 35]}, "days": 60}
    desk.http.world.clock.advance(60)
    _, told = desk.post("/search", body, worked=False)
    job = desk.tests.queue.claim("one", Lane.LONG, desk.tests.now)
    assert job is not None
    running = Running(job)
    status, told = desk.http.call("ann", "POST", f"/api/backtest/jobs/{job.id}/cancel", json={})
    assert (status, told["job"]["status"]) == (200, "running")
    held = desk.tests.queue.renew(running.job, desk.tests.now, progress=0.2, stage="testing")
    assert held is not None
    assert held.cancel_wanted
    desk.tests.queue.cancelled(running.job, desk.tests.now)
    assert desk.get(f"/jobs/{job.id}")[1]["job"]["status"] == "cancelled"
    assert desk.http.call("ann", "POST", f"/api/backtest/jobs/{job.id}/cancel", json={})[0] == 409


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"symbol": "NOPEUSDT"}, 404, "no data for NOPEUSDT 1h from "),
        ({"days": 0}, 422, "days"),
        ({"days": 30, "from": "2024-01-01"}, 422, "body"),
        ({"days": None, "from": "2035-01-01"}, 422, "has not come yet"),
        ({"days": None, "from": "2012-01-01", "to": "2012-02-01"}, 404, "from 2012-01-01 00:00 to 2012-02-01 23:59"),
        ({"strategy": {"name": "x", "entry": {"type": "rsi", "operator": "<<", "value": 1}}}, 422, "entry.operator"),
        ({"strategy": "astrology"}, 422, "built-in"),
        ({"strategy_id": "str-nobody", "strategy": None}, 404, "no such strategy"),
        ({"weather": 1}, 422, "weather"),
        ({"fee": 2}, 422, "fee"),
        ({"slippage": "a bit"}, 422, "assumptions.slippage"),
        ({"timeframe": "1m", "days": 3000}, 422, "shorter span"),
        ({"exchange": "kraken"}, 404, "no data for BTCUSDT"),
        ({"symbols": ["BTCUSDT"]}, 422, "body"),
    ],
)
def test_what_can_not_be_tested_is_said_clearly(desk: Desk, change: dict[str, Any], status: int, told: str) -> None:
    body = {name: value for name, value in {**CALM, **change}.items() if value is not None}
    got, answer = desk.post("", body)
    assert got == status, answer
    assert told in str(answer["error"])


def test_simulated_prices_are_used_only_by_name_and_marked(desk: Desk) -> None:
    names = desk.tests.candles.names()
    real = desk.tests.candles.read(next(each for each in names if each.symbol == "BTCUSDT"))
    made = Candles(
        *(getattr(real, c) for c in ("timestamp", "open", "high", "low", "close", "volume")), HOUR_MS, "SIMUSDT"
    )
    desk.tests.candles.upsert(SeriesName("simulated", "SIMUSDT", "1h"), made)
    status, told = desk.post("", {**CALM, "symbol": "SIMUSDT"})
    assert (status, told["error"]["code"]) == (422, "simulated_candles")
    told = done(desk, "", {**CALM, "symbol": "SIMUSDT", "exchange": "simulated"})
    assert told["data"]["origin"] == "simulated"
    assert told["warnings"][0]["code"] == "simulated"


def test_a_read_only_person_reads_and_runs_nothing(desk: Desk) -> None:
    assert desk.post("", CALM, who="eve", worked=False)[0] == 403
    assert desk.get("/history", who="eve")[0] == 200
