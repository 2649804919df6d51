"""The scan of many symbols: closed bars only, rules, ranking, failures as rows, and workers that die."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.analysis.scanner import Failure, Opportunity, Rules, analyse_one, broken_rules, day_volume, rank
from modules.analysis_views import scans
from modules.candles import BadCandles, save_file
from modules.domain.errors import InvalidInput, NotFound
from modules.scanning import Job, Scanner, run_job
from tests.fakes.drawn_candles import closing
from tests.load.certify import walk


def opportunity(seed: int = 1, symbol: str = "BTCUSDT") -> Opportunity:
    found = analyse_one(symbol, {"15m": walk(seed, 300)})
    assert isinstance(found, Opportunity)
    return found


# ---- one symbol


def test_a_bar_counts_once_it_is_closed() -> None:
    fast = walk(3, 400)
    slow = walk(4, 400)
    at = int(fast.timestamp[300])
    then = analyse_one("S", {"15m": fast, "1h": slow}, at=at)
    known = analyse_one("S", {"15m": fast.closed_by(at), "1h": slow.closed_by(at)}, at=at)
    assert isinstance(then, Opportunity)
    assert isinstance(known, Opportunity)
    assert then.as_json() == known.as_json()
    assert all(score.at <= at for score in then.scores.values())


def test_a_timeframe_that_can_t_be_read_is_told_and_with_none_left_the_symbol_fails() -> None:
    bad = walk(3, 300)
    broken = Candles(bad.timestamp, bad.open, bad.high, bad.low, bad.close * np.nan, bad.volume, bad.timeframe_ms, "S")
    found = analyse_one("S", {"15m": walk(4, 300), "5m": broken})
    assert isinstance(found, Opportunity)
    assert "close: row 0" in found.errors["5m"]
    failed = analyse_one("S", {"5m": broken})
    assert isinstance(failed, Failure)
    assert "close: row 0" in failed.error
    assert analyse_one("S", {}) == Failure("S", "there are no candles")


def test_the_volume_of_a_day() -> None:
    hours = closing(np.full(30, 50.0), spread=0.0)  # 100 coins an hour at 50
    assert day_volume(hours) == pytest.approx(24 * 100 * 50)
    assert day_volume(hours[:20]) is None


# ---- rules and ranking


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (Rules(min_score=1.0), "score"),
        (Rules(min_score=0, min_confidence=1.0), "confidence"),
        (Rules(min_score=0, min_confidence=0, max_risk_level="LOW"), "risk"),
        (Rules(min_score=0, min_confidence=0, min_volume_usd=1e15), "volume"),
    ],
)
def test_what_breaks_a_rule_is_left_out_with_the_reason(rules: Rules, words: str) -> None:
    found = next(each for seed in range(50) if (each := opportunity(seed)).risk_level != "LOW" and each.direction)
    ranking = rank([found], rules)
    assert ranking.opportunities == ()
    assert any(words in reason for reason in ranking.dropped[0].reasons)
    assert broken_rules(found, Rules(min_score=0, min_confidence=0)) == ()


def test_the_order_in_which_results_come_does_not_matter() -> None:
    results = [opportunity(seed, f"S{seed}USDT") for seed in range(6)] + [Failure("XUSDT", "gone")]
    rules = Rules(min_score=0, min_confidence=0)
    one, other = rank(results, rules), rank(reversed(results), rules)
    assert one.as_json() == other.as_json()
    strengths = [(2 * each.score - 1) * each.confidence for each in one.opportunities]
    assert strengths == sorted(strengths, reverse=True)
    assert [each.symbol for each in one.failures] == ["XUSDT"]


@pytest.mark.parametrize(
    "wrong", [{"min_score": 2}, {"min_confidence": -1}, {"max_risk_level": "NONE"}, {"min_volume_usd": -1}]
)
def test_rules_that_can_t_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rules(**wrong)  # type: ignore[arg-type]


# ---- workers


@dataclass(frozen=True)
class Dies:
    """Candles whose reading ends the process that reads them."""

    def __call__(self) -> Mapping[str, Candles]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass(frozen=True)
class Breaks:
    def __call__(self) -> Mapping[str, Candles]:
        raise BadCandles("no such file")


def test_a_symbol_s_failure_is_a_row_and_not_the_end() -> None:
    jobs = [Job("A", {"15m": walk(1, 200)}), Job("B", Breaks()), Job("C", {"15m": walk(2, 200)})]
    seen: list[tuple[int, int]] = []
    with Scanner(1) as scanner:
        results = list(scanner.scan(jobs, progress=lambda done, known: seen.append((done, known))))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [type(each) for each in results] == [Opportunity, Failure, Opportunity]
    assert results[1] == Failure("B", "BadCandles: no such file")


@pytest.mark.timeout(180)
def test_workers_give_the_same_and_one_that_dies_fails_its_symbol_only() -> None:
    jobs = [Job(f"S{seed}", {"15m": walk(seed, 200)}) for seed in range(4)]
    with Scanner(2) as scanner:
        results = {each.symbol: each for each in scanner.scan([*jobs[:2], Job("BAD", Dies()), *jobs[2:]])}
        again = {each.symbol: each for each in scanner.scan(jobs)}
    bad = results.pop("BAD")
    assert isinstance(bad, Failure)
    assert "ended" in bad.error
    for job in jobs:
        alone = run_job(job, None)
        assert isinstance(alone, Opportunity)
        for found in (results[job.symbol], again[job.symbol]):
            assert isinstance(found, Opportunity)
            assert found.as_json() == alone.as_json()


# ---- files and rules in files


def test_files_are_found_by_their_names_and_a_plain_one_goes_first(tmp_path: Path) -> None:
    for name in ("BTCUSDT-1h.parquet", "BTCUSDT-BYBIT-1h.parquet", "BTCUSDT-5m.csv", "ETHUSDT-4h.csv", "notes.txt"):
        (tmp_path / name).touch()
    jobs = scans.file_jobs(tmp_path, scans.ScanWish())
    found = {job.symbol: job.candles.paths for job in jobs}  # type: ignore[union-attr]
    assert found == {
        "BTCUSDT": (("1h", tmp_path / "BTCUSDT-1h.parquet"),),
        "ETHUSDT": (("4h", tmp_path / "ETHUSDT-4h.csv"),),
    }
    with pytest.raises(NotFound, match="SOLUSDT"):
        scans.file_jobs(tmp_path, scans.ScanWish(symbols=("SOLUSDT",)))
    with pytest.raises(NotFound, match="15m"):
        scans.file_jobs(tmp_path / "none", scans.ScanWish())


def test_a_file_is_cut_where_its_bars_were_not_closed(tmp_path: Path) -> None:
    candles = walk(1, 1200)
    save_file(candles, tmp_path / "WALKUSDT-15m.parquet")
    (job,) = scans.file_jobs(tmp_path, scans.ScanWish(), at_ms=candles.closed_at(1100) + 1)
    read = job.candles()["15m"]  # type: ignore[operator]
    assert len(read) == scans.BARS
    assert read.timestamp[-1] == candles.timestamp[1100]


def test_rules_are_read_from_a_file_and_every_mistake_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"symbols": ["btcusdt"], "timeframes": ["1h"], "min_score": 0.7}))
    wish = scans.read_wish(path)
    assert (wish.symbols, wish.timeframes, wish.rules) == (("BTCUSDT",), ("1h",), Rules(min_score=0.7))
    for text in ("[]", "{", '{"min_scor": 1}', '{"timeframes": ["1x"]}', '{"symbols": []}', '{"symbols": "BTCUSDT"}',
                 '{"min_score": "a"}', '{"min_score": 7}'):  # fmt: skip
        path.write_text(text)
        with pytest.raises(InvalidInput):
            scans.read_wish(path)
    with pytest.raises(InvalidInput):
        scans.read_wish(tmp_path / "none.json")


def test_lines_for_people(tmp_path: Path) -> None:
    save_file(walk(5, 300), tmp_path / "WALKUSDT-15m.parquet")
    (tmp_path / "BADUSDT-1h.csv").write_text("timestamp,open\n")
    ranking = scans.scan(scans.file_jobs(tmp_path, scans.ScanWish()), Rules(min_score=0, min_confidence=0))
    lines = scans.ranking_lines(ranking)
    assert any("WALKUSDT" in line for line in lines)
    assert any(line.startswith("failed:   BADUSDT") for line in lines)
    empty = scans.ranking_lines(rank([], Rules()))
    assert empty == ["No symbol meets the rules."]


def test_candles_that_ended_long_ago_say_nothing_of_now() -> None:
    candles = walk(3, 300)
    at = candles.closed_at(299) + 3 * candles.timeframe_ms
    assert isinstance(analyse_one("S", {"15m": candles}, at=at), Opportunity)
    late = analyse_one("S", {"15m": candles}, at=at + 1)
    assert isinstance(late, Failure)
    assert "0.8 hours before" in late.error
