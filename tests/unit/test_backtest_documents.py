"""What is told of a run: its JSON, tables, benchmark, warnings and CSV files."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.backtesting import portfolio
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.benchmark import alpha_beta, benchmark_document, hold_equity
from modules.backtesting.breakdown import breakdown
from modules.backtesting.documents import equity_csv, result_document, thinned, timeframe_name, trades_csv
from modules.backtesting.engine import run
from modules.backtesting.statistics import MEANINGS, metrics_of
from modules.backtesting.statistics_equity import returns_of
from modules.backtesting.warnings import Checks, warnings_of
from modules.strategies.decisions import Decisions, Target, TargetKind, TradeRules
from modules.trading.fill_model import Slippage
from tests.load.backtest_peers import RULES, cross, generated

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture(scope="module")
def result():
    candles = generated(3_000, HOUR, seed=4)
    return run(candles, cross(candles), RULES, Assumptions(tick_size=Decimal("0.01")))


def test_the_document_has_what_the_contract_names(result):
    told = result_document(result, {"name": "Cross"}, tables=True)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert {"strategy", "data", "assumptions", "metrics", "trades", "equity", "benchmark", "warnings"} <= set(told)
    assert told["data"] == {
        "symbol": "WALK", "timeframe": "1h", "from": 0, "to": 2_999 * HOUR, "rows": 3_000, "hash": result.data_hash,
    }  # fmt: skip
    assert list(told["metrics"]) == list(MEANINGS)
    assert told["equity"] == [[int(t), float(v)] for t, v in zip(result.times, result.equity, strict=True)]
    assert told["equity_points"] == {"kept": 3_000, "of": 3_000, "rule": "every bar"}
    assert len(told["trades"]) == told["metrics"]["trades"] == len(result.trades)
    asked = ["entry_time", "exit_time", "side", "entry_price", "exit_price", "quantity", "pnl", "return", "fees"]
    assert {*asked, "exit_reason", "mae", "mfe", "r_multiple"} <= set(told["trades"][0])
    assumed = told["assumptions"]
    assert (assumed["tick_size"], assumed["slippage"], assumed["rules"]["stop_pct"]) == ("0.01", "none", 5.0)
    assert result_document(result, "cross")["strategy"] == "cross" and "breakdown" not in result_document(result, "x")


def test_targets_of_a_ladder_are_told_with_the_assumptions():
    candles = generated(200, HOUR)
    rules = TradeRules(targets=(Target(TargetKind.R, 2.0, 0.5),), stop_pct=2.0, dca=((1.0, 2.0),))
    told = result_document(run(candles, cross(candles), rules), "ladder")["assumptions"]["rules"]
    assert told["targets"] == [{"kind": "r", "value": 2.0, "share": 0.5}] and told["dca"] == [[1.0, 2.0]]


def test_a_thinned_curve_keeps_its_ends_its_peak_and_its_low():
    values = np.cumsum(np.random.default_rng(2).normal(size=50_000))
    kept = thinned(values, 400)
    assert len(kept) <= 400 and (kept[0], kept[-1]) == (0, 49_999) and np.all(np.diff(kept) > 0)
    assert {int(values.argmax()), int(values.argmin())} <= set(kept.tolist())
    assert thinned(values[:400], 400).tolist() == list(range(400))


def test_a_run_without_candles_or_trades_is_told_too():
    empty = generated(5, HOUR)[:0]
    told = result_document(
        run(empty, Decisions(np.zeros(0, np.int8), np.zeros(0, bool), np.zeros(0, bool)), RULES), "x", tables=True
    )
    json.dumps(told, allow_nan=False)
    assert told["data"]["from"] is None and next(w["code"] for w in told["warnings"]) == "no_data"


def test_csv_files_say_the_same(result):
    rows = list(csv.DictReader(io.StringIO(trades_csv(result))))
    documents = result.trade_documents()
    assert len(rows) == len(documents)
    assert [float(row["pnl"]) for row in rows] == [each["pnl"] for each in documents]
    curve = list(csv.DictReader(io.StringIO(equity_csv(result))))
    assert [float(row["equity"]) for row in curve] == result.equity.tolist()
    assert min(float(row["drawdown"]) for row in curve) == pytest.approx(metrics_of(result)["max_drawdown"], rel=1e-12)
    empty = generated(5, HOUR)[:0]
    nothing = run(empty, Decisions(np.zeros(0, np.int8), np.zeros(0, bool), np.zeros(0, bool)), RULES)
    assert equity_csv(nothing) == "time,equity,drawdown\n" and trades_csv(nothing).startswith("symbol,")


def test_names_of_timeframes():
    assert [timeframe_name(ms) for ms in (60_000, HOUR, DAY, 7 * DAY, 2 * HOUR, 45 * 60_000, 1_500)] == [
        "1m", "1h", "1d", "1w", "2h", "45m", "1500ms",
    ]  # fmt: skip


def test_groups_add_up_to_the_run(result):
    tables = breakdown(result)
    for name in ("by_symbol", "by_side", "by_weekday", "by_hour", "by_exit_reason"):
        assert sum(group["trades"] for group in tables[name]) == len(result.trades), name
        assert sum(group["net_profit"] for group in tables[name]) == pytest.approx(result.trades["pnl"].sum()), name
    first = result.trades[0]
    assert tables["by_side"][0]["side"] == "long"
    assert {group["exit_reason"] for group in tables["by_exit_reason"]} == {r.value for r in result.exit_reasons()}
    at = np.datetime64(int(first["entry_time"]), "ms").astype(object)
    assert at.strftime("%A") in [group["weekday"] for group in tables["by_weekday"]]
    months = tables["monthly"]
    assert np.prod([1 + month["return"] for month in months]) == pytest.approx(result.final_equity / 10_000)
    assert [(m["year"], m["month"]) for m in months] == [(1970, n) for n in range(1, 6)]
    assert tables["yearly"] == [{"year": 1970, "return": pytest.approx(result.final_equity / 10_000 - 1)}]


def days(prices, start=0, symbol="HELD") -> Candles:
    columns = [np.array(prices, float)] * 4
    stamps = (start + np.arange(len(prices), dtype=np.int64)) * DAY
    return Candles.checked(stamps, *columns, np.ones(len(prices)), timeframe_ms=DAY, symbol=symbol)


def idle(candles: Candles) -> Decisions:
    count = len(candles)
    return Decisions(np.zeros(count, np.int8), np.zeros(count, bool), np.zeros(count, bool))


def test_holding_divides_the_capital_and_pays_its_fees():
    one, two = days([10, 12, 11], symbol="A"), days([5, 6], start=1, symbol="B")
    assumed = Assumptions(capital=1_000.0, taker_fee=0.01)
    together = portfolio.run([portfolio.Market(one, idle(one)), portfolio.Market(two, idle(two))], RULES, assumed)
    first, second = 500 / (10 * 1.01), 500 / (5 * 1.01)
    expected = [first * 10 + 500, first * 12 + second * 5, (first * 11 + second * 6) * 0.99]
    assert hold_equity(together).tolist() == pytest.approx(expected, rel=1e-12)


def test_alpha_and_beta_are_those_of_empyrical(result):
    import empyrical

    returns, market = (returns_of(curve, 10_000.0) for curve in (result.equity, hold_equity(result)))
    alpha, beta = alpha_beta(returns, market, 8_760.0)
    theirs = empyrical.alpha_beta(returns, market, annualization=8_760)
    assert (alpha, beta) == pytest.approx(tuple(theirs), rel=1e-9)
    told = benchmark_document(result)
    assert (told["alpha"], told["beta"]) == (alpha, beta)
    assert told["sharpe"] == pytest.approx(empyrical.sharpe_ratio(market, annualization=8_760), rel=1e-9)
    assert told["max_drawdown"] == pytest.approx(empyrical.max_drawdown(market), rel=1e-9)
    assert told["correlation"] == pytest.approx(np.corrcoef(returns, market)[0, 1], rel=1e-9)
    excess = empyrical.excess_sharpe(returns, market) * np.sqrt(8_760)
    assert told["information_ratio"] == pytest.approx(excess, rel=1e-9)


def test_a_market_that_does_not_move_has_no_beta():
    still = days([10, 10, 10, 10])
    told = benchmark_document(run(still, idle(still), RULES, Assumptions(taker_fee=0.0)))
    assert (told["alpha"], told["beta"], told["correlation"], told["information_ratio"]) == (None,) * 4


def codes(result, checks=None) -> list[str]:
    return [each.code for each in warnings_of(result, metrics_of(result), checks)]


def riser(count=400) -> tuple[Candles, Decisions]:
    """A market that only rises, bought and sold again and again."""
    candles = days(100 * 1.01 ** np.arange(count))
    entry, leave = np.zeros(count, np.int8), np.zeros(count, bool)
    entry[0:-4:4], leave[2:-2:4] = 1, True
    return candles, Decisions(entry, leave, leave)


def test_absurd_figures_raise_an_alarm_until_checks_are_attached():
    candles, decisions = riser()
    result = run(candles, decisions, TradeRules())
    assert codes(result)[0] == "too_good"
    assert "too_good" not in codes(result, Checks())
    assert codes(result, Checks(look_ahead="bar 7 differs"))[:2] == ["look_ahead", "too_good"]
    told = result_document(result, "riser", checks=Checks(recursive="bar 9 drifts"))
    assert told["checks"] == {"passed": False, "look_ahead": None, "recursive": "bar 9 drifts"}


def test_every_other_warning_has_its_case(result):
    candles, decisions = riser()
    careful = Assumptions(slippage=Slippage.BPS, slippage_size=5.0)
    assert codes(run(candles, decisions, TradeRules(), careful), Checks()) == []
    assert "no_fees" in codes(run(candles, decisions, TradeRules(), Assumptions(taker_fee=0.0, maker_fee=0.0)))
    assert "no_slippage" in codes(result) and "short_history" not in codes(result)
    assert {"few_trades", "short_history"} <= set(codes(run(candles[:50], idle(candles[:50]), TradeRules())))
    kept = np.arange(len(candles)) != 9
    columns = (getattr(candles, name)[kept] for name in ("timestamp", "open", "high", "low", "close", "volume"))
    holed = Candles.checked(*columns, timeframe_ms=DAY)
    assert "gaps" in codes(run(holed, idle(holed), TradeRules()))
    entry = decisions.entry.copy()
    entry[-2:] = 1
    late = replace(decisions, entry=entry, exit_long=np.zeros(len(candles), bool))
    assert "open_at_end" in codes(run(candles, late, TradeRules()))
    fall = days([100, 100, 80, 80])
    long = Decisions(np.array([1, 0, 0, 0], np.int8), np.zeros(4, bool), np.zeros(4, bool))
    assert {"liquidations", "ruin"} <= set(
        codes(run(fall, long, TradeRules(leverage=10.0), Assumptions(taker_fee=0.0)))
    )
    refused = run(fall, long, TradeRules(size_value=100.0), Assumptions(min_notional=1e9))
    assert "refused" in codes(refused)
    pay = Assumptions(taker_fee=0.009)
    assert "fees_exceed_profit" in codes(run(candles, decisions, TradeRules(), pay))
    twice = Decisions(np.array([1, 0, 0, 1, 0, 0], np.int8), np.array([0, 1, 0, 0, 1, 0], bool), np.zeros(6, bool))
    assert "one_trade" in codes(run(days([10, 10, 20, 20, 20, 20.2]), twice, TradeRules()))
