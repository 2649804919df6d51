"""Search spaces, searches that stop and go on, walk-forward, and checks for knowledge of the future."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import talib

from modules.analysis.candles import Candles
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.engine import run
from modules.backtesting.metrics import summary
from modules.backtesting.robustness.checkpoint import Checkpoint, fingerprint
from modules.backtesting.robustness.lag import delayed, lag_decay
from modules.backtesting.robustness.lookahead import (
    check,
    history_needed,
    look_ahead,
    look_ahead_sentence,
    recursive,
)
from modules.backtesting.robustness.search import Objective, Search, Trial, heat_map, luck, search, stability
from modules.backtesting.robustness.space import Choices, Range, grid, read_space, sample
from modules.backtesting.robustness.subject import Cancelled, Subject, cut
from modules.backtesting.robustness.tree_search import Study, tree_search
from modules.backtesting.robustness.walk_forward import Walk, walk_forward
from modules.backtesting.statistics import metrics_of
from modules.domain.errors import Conflict, InvalidInput
from modules.strategies.decisions import Decisions, TradeRules
from tests.load.backtest_peers import generated

HOUR = 3_600_000


def averages(candles: Candles, parameters) -> Decisions:
    """Long while the fast average is above the slow one."""
    above = talib.SMA(candles.close, parameters["fast"]) > talib.SMA(candles.close, parameters["slow"])
    up, down = np.zeros(len(candles), bool), np.zeros(len(candles), bool)
    up[1:], down[1:] = above[1:] & ~above[:-1], ~above[1:] & above[:-1]
    return Decisions(up.astype(np.int8), down, np.zeros(len(candles), bool))


def stops(parameters) -> TradeRules:
    return TradeRules(stop_pct=float(parameters.get("stop", 5.0)))


SUBJECT = Subject(averages, stops, Assumptions(taker_fee=0.0005))
SPACE = read_space({"fast": {"low": 5, "high": 15, "step": 5}, "slow": [30, 50], "stop": [2.0, 4.0]})


@pytest.fixture(scope="module")
def candles():
    return generated(2_400, HOUR, seed=12)


def test_spaces_are_read_and_all_mistakes_are_named():
    space = read_space({"n": {"low": 2, "high": 6, "step": 2}, "x": {"low": 0.1, "high": 1.0}, "kind": ["a", "b"]})
    assert space == {"n": Range(2, 6, 2, True), "x": Range(0.1, 1.0), "kind": Choices(("a", "b"))}
    assert read_space({"n": {"low": 1, "high": 3}})["n"] == Range(1, 3, 1, True)
    with pytest.raises(InvalidInput) as caught:
        read_space(
            {
                "a": {"low": 2, "high": 1}, "b": [], "c": "words", "d": {"low": 1}, "e": {"low": 0, "high": 1, "step": -1},
                "f": {"low": 0.0, "high": 1.0, "log": True}, "g": {"low": True, "high": 2}, "h": {"low": 0, "high": 1e9, "step": 1e-3},
                "i": [{}],
            }
        )  # fmt: skip
    assert set(caught.value.fields) == set("abcdefghi")
    with pytest.raises(InvalidInput, match="at least one"):
        read_space({})


def test_grids_and_samples():
    assert Range(0.1, 0.5, 0.1).values() == [0.1, 0.2, 0.3, 0.4, 0.5]
    sets = grid(SPACE)
    assert len(sets) == 12 and sets[0] == {"fast": 5, "slow": 30, "stop": 2.0} and sets[1]["stop"] == 4.0
    with pytest.raises(InvalidInput, match="more than 11"):
        grid(SPACE, 11)
    with pytest.raises(InvalidInput, match="step"):
        grid({"x": Range(0.0, 1.0)})
    drawn = sample(SPACE, 8, seed=3)
    assert drawn == sample(SPACE, 8, seed=3) != sample(SPACE, 8, seed=4)
    assert len({repr(each) for each in drawn}) == 8 and len(sample(SPACE, 50)) == 12
    values = [each["x"] for each in sample({"x": Range(1.0, 100.0, log=True)}, 400)]
    assert min(values) >= 1 and max(values) < 100 and np.median(values) == pytest.approx(10, rel=0.25)


def test_a_search_says_what_single_runs_say(candles):
    found = search(SUBJECT, candles, grid(SPACE), Objective("sharpe", min_trades=5))
    for trial in found.trials:
        single = summary(SUBJECT.play(candles, trial.parameters))
        assert trial.figures["final_equity"] == single["final_equity"] and trial.figures["trades"] == single["trades"]
    ranked = found.ranked
    assert [trial.score for trial in ranked] == sorted((t.score for t in ranked), reverse=True)
    assert found.best.score == found.best.figures["sharpe"] == max(t.figures["sharpe"] for t in found.trials)
    json.dumps(found.document(), allow_nan=False)
    none = search(SUBJECT, candles, grid(SPACE), Objective("sharpe", min_trades=10_000))
    assert none.best is None and none.document()["best"] is None
    cheap = search(SUBJECT, candles, grid(SPACE), Objective("fees"))
    assert cheap.best.figures["fees"] == min(trial.figures["fees"] for trial in cheap.trials)
    with pytest.raises(ValueError, match="figure"):
        Objective("beauty")


def test_sets_that_cannot_be_are_told_with_the_reason(candles):
    sets = [
        {"fast": 5, "slow": 30, "stop": 2.0},
        {"fast": 5, "slow": 30, "stop": -1.0},
        {"fast": 5, "slow": 30, "stop": 4.0},
    ]
    found = search(SUBJECT, candles, sets, Objective(min_trades=1))
    assert found.trials[1].score is None and "stop_pct" in found.trials[1].refused
    assert found.document()["refused"] == [{"parameters": sets[1], "reason": found.trials[1].refused}]
    assert [t.figures["trades"] is None for t in found.trials] == [False, True, False]
    assert luck(SUBJECT, candles, found)["deflated_sharpe"]["trials"] == 2
    assert search(SUBJECT, candles, sets[1:2]).best is None
    space = {"fast": Choices((5,)), "slow": Choices((30,)), "stop": Choices((-1.0,))}
    assert tree_search(SUBJECT, candles, space, 1).trials[0].refused == found.trials[1].refused


def test_a_search_goes_on_where_it_was_stopped(candles, tmp_path):
    sets, path = (
        sample(read_space({"fast": {"low": 3, "high": 25}, "slow": {"low": 30, "high": 90}}), 150, seed=2),
        tmp_path / "s",
    )
    asked = fingerprint(SUBJECT, candles, "random")
    played: list[int] = []

    def counted(candles, parameters):
        played.append(1)
        return averages(candles, parameters)

    def stop(share: float) -> None:
        if share > 0.4:
            raise Cancelled

    subject = replace(SUBJECT, decide=counted)
    with pytest.raises(Cancelled):
        search(subject, candles, sets, checkpoint=Checkpoint(path, asked), progress=stop)
    assert len(played) == 64
    with path.open("a") as file:
        file.write('{"key": "fast=3, sl')  # what a crash leaves
    heard: list[float] = []
    found = search(subject, candles, sets, checkpoint=Checkpoint(path, asked), progress=heard.append)
    assert len(played) == 150 and heard[0] == pytest.approx(64 / 150) and heard[-1] == 1.0
    assert found == search(SUBJECT, candles, sets)
    again = search(subject, candles, sets, checkpoint=Checkpoint(path, asked))
    assert len(played) == 150 and again == found
    with pytest.raises(Conflict, match="another search"):
        Checkpoint(path, fingerprint(replace(SUBJECT, label="v2"), candles, "random"))


def peak(scores: dict[tuple[int, int], float | None]) -> Search:
    trials = [Trial(n, {"a": a, "b": b}, {}, score) for n, ((a, b), score) in enumerate(scores.items())]
    return Search(Objective(), tuple(trials))


def test_a_plateau_is_stable_and_a_needle_is_not():
    plateau = peak({(a, b): 2.0 - 0.1 * (abs(a - 2) + abs(b - 2)) for a in range(5) for b in range(5)})
    assert plateau.best.parameters == {"a": 2, "b": 2} and stability(plateau) == pytest.approx(1.9 / 2.0)
    needle = peak({(a, b): 2.0 if (a, b) == (2, 2) else -0.5 for a in range(5) for b in range(5)})
    assert stability(needle) == 0.0
    holed = peak({(a, b): 2.0 if (a, b) == (2, 2) else None for a in range(5) for b in range(5)})
    assert stability(holed) == 0.0
    assert stability(peak({(1, 1): 1.0})) is None


def test_a_heat_map_is_the_mean_over_everything_else():
    found = Search(
        Objective(),
        tuple(
            Trial(n, {"a": a, "b": b, "c": c}, {}, None if (a, b) == (9, "y") else float(a * 10 + c))
            for n, (a, b, c) in enumerate((a, b, c) for a in (9, 2) for b in ("x", "y") for c in (0, 4))
        ),
    )
    assert heat_map(found, "a", "b") == {
        "across": "a", "down": "b", "across_values": [2, 9], "down_values": ["x", "y"],
        "scores": [[22.0, 92.0], [22.0, None]],
    }  # fmt: skip


def test_luck_counts_all_trials_of_a_search(candles):
    found = search(SUBJECT, candles, grid(SPACE), Objective(min_trades=5))
    told = luck(SUBJECT, candles, found, most=6)
    json.dumps(told, allow_nan=False)
    assert told["deflated_sharpe"]["trials"] == 12 and told["overfitting"]["strategies"] == 6
    assert 0 <= told["deflated_sharpe"]["probability"] <= 1 and told["overfitting"]["blocks"] == 16
    assert told == luck(SUBJECT, candles, found, most=6)


def test_the_tree_search_goes_on_in_its_file_and_finds_the_same(candles, tmp_path):
    space = read_space(
        {"fast": {"low": 3, "high": 25}, "slow": {"low": 30, "high": 90}, "stop": {"low": 1.0, "high": 6.0}}
    )
    whole = tree_search(SUBJECT, candles[:800], space, 14, Objective(min_trades=3))
    kept = Study("mine", f"sqlite:///{tmp_path / 'study.db'}")

    def stop(share: float) -> None:
        if share >= 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        tree_search(SUBJECT, candles[:800], space, 14, Objective(min_trades=3), kept=kept, progress=stop)
    heard: list[float] = []
    again = tree_search(SUBJECT, candles[:800], space, 14, Objective(min_trades=3), kept=kept, progress=heard.append)
    assert heard[0] == 0.5 and heard[-1] == 1.0
    assert [t.parameters for t in again.trials] == [t.parameters for t in whole.trials] and again.best == whole.best
    kinds = read_space({"fast": [5, 10], "slow": [30, 40]})
    assert len(tree_search(SUBJECT, candles[:800], kinds, 3).trials) == 3


def test_a_walk_chooses_before_it_trades(candles):
    sets, walk = grid(SPACE), Walk(800, 400)
    walked = walk_forward(SUBJECT, candles, sets, walk, Objective(min_trades=2))
    assert [(s.window.start, s.window.split, s.window.end) for s in walked.steps] == [
        (n, n + 800, n + 1_200) for n in (0, 400, 800, 1_200)
    ]
    money = 10_000.0
    for step in walked.steps:
        training = candles[step.window.start : step.window.split]
        assert step.chosen == search(SUBJECT, training, sets, Objective(min_trades=2)).best.parameters
        decisions = averages(candles[: step.window.end], step.chosen)
        assumed = replace(SUBJECT.assumptions, capital=money)
        test = run(
            candles[step.window.split : step.window.end], cut(decisions, step.window.split), stops(step.chosen), assumed
        )
        money = test.final_equity
        assert step.outside["total_return"] == pytest.approx(metrics_of(test)["total_return"], rel=1e-12)
    joined = walked.joined
    assert joined.final_equity == pytest.approx(money, rel=1e-12) and len(joined.equity) == 1_600
    assert np.array_equal(candles.timestamp[800:][joined.trades["entry_bar"]], joined.trades["entry_time"])
    assert joined.trades["pnl"].sum() == pytest.approx(money - 10_000.0)
    assert set(joined.fills["trade"].tolist()) == set(range(len(joined.trades)))
    document = walked.document()
    json.dumps(document, allow_nan=False)
    assert document["metrics"]["final_equity"] == joined.final_equity and len(document["steps"]) == 4
    won = [step.outside["total_return"] > 0 for step in walked.steps]
    assert document["profitable_tests"] == sum(won) / 4
    trained = np.mean([step.inside["total_return"] / 800 for step in walked.steps])
    tested = np.mean([step.outside["total_return"] / 400 for step in walked.steps])
    assert trained > 0 and walked.efficiency == pytest.approx(tested / trained)


def test_an_anchored_walk_grows_and_goes_on_from_its_checkpoint(candles, tmp_path):
    assert [w.start for w in Walk(800, 700, anchored=True).windows(2_400)] == [0, 0, 0]
    assert Walk(800, 700).windows(2_400)[-1].end == 2_400
    with pytest.raises(ValueError, match="train_bars"):
        Walk(2_400, 100).windows(2_400)
    work = fingerprint(SUBJECT, candles, "walk")
    plain = walk_forward(SUBJECT, candles, grid(SPACE), Walk(800, 700, anchored=True))
    first = walk_forward(
        SUBJECT, candles, grid(SPACE), Walk(800, 700, anchored=True), checkpoint=Checkpoint(tmp_path / "w", work)
    )
    heard: list[float] = []
    again = walk_forward(
        SUBJECT,
        candles,
        [],
        Walk(800, 700, anchored=True),
        checkpoint=Checkpoint(tmp_path / "w", work),
        progress=heard.append,
    )
    assert first.document() == again.document() == plain.document() and heard == sorted(heard)


def test_nothing_is_traded_where_no_set_had_a_score(candles):
    walked = walk_forward(SUBJECT, candles, grid(SPACE), Walk(800, 800), Objective(min_trades=5_000))
    assert [step.chosen for step in walked.steps] == [None, None]
    assert walked.joined.final_equity == 10_000.0 and walked.efficiency is None


def knows_tomorrow(candles: Candles, parameters) -> Decisions:
    honest = averages(candles, parameters)
    entry = np.array(honest.entry)
    entry[:-1][candles.close[1:] > candles.close[:-1] * 1.006] = 1
    return replace(honest, entry=entry)


def centred(candles: Candles, parameters) -> Decisions:
    """A swing high that is marked on its own bar: known three bars later."""
    high, entry = candles.high, np.zeros(len(candles), np.int8)
    for at in range(3, len(candles) - 3):
        entry[at] = -1 if high[at] == high[at - 3 : at + 4].max() else 0
    never = np.zeros(len(candles), bool)
    return Decisions(entry, never, never)


def test_what_looks_ahead_is_found_and_the_bar_is_named(candles):
    chosen = {"fast": 5, "slow": 30}
    assert look_ahead(averages, candles, chosen) is None
    found = look_ahead(knows_tomorrow, candles, chosen)
    whole = knows_tomorrow(candles, chosen)
    assert found is not None and found.column == "entry"
    assert (whole.entry != averages(candles, chosen).entry)[found.bar]
    assert found.time == candles.timestamp[found.bar] and found.all_bars == "1" and found.bars == found.bar + 1
    assert f"bar {found.bar} " in look_ahead_sentence(found)
    swings = look_ahead(centred, candles, chosen)
    assert swings is not None and swings.fewer_bars == "0"


def test_a_stop_that_moves_later_is_found_too(candles):
    def drawn(candles, parameters):
        honest = averages(candles, parameters)
        return replace(honest, stop=np.full(len(candles), candles.low.min() * 0.99))

    found = look_ahead(drawn, candles, {"fast": 5, "slow": 30})
    assert found is None or found.column == "stop"
    falling = Candles.checked(
        candles.timestamp, *(np.array(getattr(candles, n))[::-1] for n in ("open", "high", "low", "close", "volume")),
        timeframe_ms=HOUR,
    )  # fmt: skip
    assert {each.column for each in (found, look_ahead(drawn, falling, {"fast": 5, "slow": 30})) if each} == {"stop"}


def remembers(candles: Candles, parameters) -> Decisions:
    """Buys on every seventh bar it was given."""
    seventh = np.arange(len(candles)) % 7 == 0
    return Decisions(seventh.astype(np.int8), ~seventh, np.zeros(len(candles), bool))


def test_what_depends_on_where_the_candles_begin_is_found(candles):
    chosen = {"fast": 5, "slow": 30}
    assert recursive(averages, candles, chosen) is None
    assert recursive(averages, candles, chosen, history=20).column in ("entry", "exit_long")
    assert history_needed(averages, candles, chosen) == 50
    assert look_ahead(remembers, candles, chosen) is None
    found = recursive(remembers, candles, chosen)
    assert found is not None and found.bar >= 2_200 and history_needed(remembers, candles, chosen) is None
    heard: list[float] = []
    told = check(remembers, candles, chosen, heard.append)
    assert told.look_ahead is None and "where the candles begin" in told.recursive and not told.passed
    assert heard == sorted(heard) and check(averages, candles, chosen).passed
    assert recursive(averages, candles[:3], chosen) is None


def test_later_fills_are_told_lag_by_lag(candles):
    decisions = averages(candles, {"fast": 5, "slow": 30})
    told = lag_decay(candles, decisions, TradeRules(stop_pct=5.0), lags=3)
    assert [each.lag for each in told] == [0, 1, 2, 3]
    assert (
        told[0].figures["total_return"] == metrics_of(run(candles, decisions, TradeRules(stop_pct=5.0)))["total_return"]
    )
    assert len({each.figures["total_return"] for each in told}) == 4
    late = delayed(replace(decisions, stop=np.arange(2_400.0)), 2)
    assert late.entry[:2].tolist() == [0, 0] and np.array_equal(late.entry[2:], decisions.entry[:-2])
    assert np.isnan(late.stop[:2]).all() and late.stop[2] == 0.0
    one = run(candles, decisions, TradeRules()).trades
    two = run(candles, delayed(decisions, 1), TradeRules()).trades
    assert np.array_equal(one["entry_bar"][:5] + 1, two["entry_bar"][:5])
    json.dumps([each.document() for each in told], allow_nan=False)
