"""A description and its candles carried out: the result, and the document that tells it. Pure: no clock, store or network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Candles
from modules.backtest_jobs.descriptions import Description, Kind
from modules.backtest_jobs.histories import Market, Material, Needs
from modules.backtest_jobs.parameter_search import ParameterSearch, SearchMethod, varied
from modules.backtesting import portfolio
from modules.backtesting.benchmark import hold_equity
from modules.backtesting.documents import MOST_POINTS, points, result_document, thinned
from modules.backtesting.engine import run
from modules.backtesting.result import Result, hash_of
from modules.backtesting.robustness.checkpoint import Checkpoint, fingerprint
from modules.backtesting.robustness.compare import compare
from modules.backtesting.robustness.lookahead import check
from modules.backtesting.robustness.monte_carlo import simulate
from modules.backtesting.robustness.search import Search, heat_map, luck, search
from modules.backtesting.robustness.subject import Parameters, Progress, Subject, cut, unheard
from modules.backtesting.robustness.tree_search import Study, tree_search
from modules.backtesting.robustness.walk_forward import walk_forward
from modules.backtesting.warnings import Checks
from modules.domain.errors import InvalidInput
from modules.strategies.decide import decide
from modules.strategies.decisions import Decisions, TradeRules
from modules.strategies.documents import version_of
from modules.strategies.language import CustomIndicator, Strategy
from modules.strategies.warmup import bars_needed

#: The best sets of a search that its document shows.
_RANKED: Final = 50


@dataclass(frozen=True, slots=True)
class Means:
    """How a test is carried out: where finished pieces of a long one are kept (None: nowhere), on how many processes, with
    the tables of its trades or without, and with how many points of its equity."""

    kept: Path | None = None
    processes: int = 0
    tables: bool = False
    most_points: int = MOST_POINTS


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a test: the document, and the run it shows (the second one of a comparison beside it)."""

    document: dict[str, Any]
    result: Result
    rival: Result | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """A strategy with open parameters on one market: what a test calls again and again, in other processes, too.

    Candles given to `decide` are stretches of the market's; so many bars before them as live decisions see are its history.
    """

    strategy: Strategy
    source: str
    market: Market
    history: bool = True
    indicators: Mapping[str, CustomIndicator] = field(default_factory=dict)

    def decide(self, candles: Candles, values: Parameters) -> Decisions:
        """Decisions at the close of each of `candles`; no bar after the last of them is seen."""
        strategy, whole = self.chosen(values), self.market.candles
        if not len(candles):
            return decide(strategy, candles, self.market.higher)
        start = int(np.searchsorted(whole.timestamp, candles.timestamp[0]))
        warm = min(start, bars_needed(strategy, strategy.timeframe)) if self.history else 0
        seen = whole[start - warm : start + len(candles)] if warm else candles
        closed = candles.closed_at(len(candles) - 1)
        higher = {name: each.closed_by(closed) for name, each in self.market.higher.items()}
        return cut(decide(strategy, seen, higher), warm) if warm else decide(strategy, seen, higher)

    def rules(self, values: Parameters) -> TradeRules:
        """The rules that go with the parameters."""
        return self.chosen(values).rules

    def chosen(self, values: Parameters) -> Strategy:
        """The strategy with these parameters."""
        return varied(self.strategy, self.source, values, self.indicators)


def needs_of(described: Description) -> Needs:
    """What candles a description asks for."""
    strategies = (described.strategy(), *([described.rival()] if described.other is not None else []))
    return Needs(
        symbols=described.symbols,
        timeframe=described.timeframe,
        strategies=strategies,
        start_ms=described.start_ms,
        end_ms=described.end_ms,
        lower=described.lower,
        exchange=described.exchange,
        simulated=described.simulated,
    )


def carry_out(
    described: Description, material: Material, progress: Progress = unheard, means: Means | None = None
) -> Outcome:
    """Carry the test out. Raises InvalidInput for what does not fit the candles; what `progress` raises ends it."""
    how = means or Means()
    work: Mapping[Kind, Callable[[Description, Material, Progress, Means], Outcome]] = {
        Kind.BACKTEST: _backtest,
        Kind.COMPARE: _compare,
        Kind.MONTE_CARLO: _monte_carlo,
        Kind.WALK_FORWARD: _walk_forward,
        Kind.SEARCH: _search,
    }
    progress(0.0)
    try:
        outcome = work[described.kind](described, material, progress, how)
    except ValueError as problem:  # what the engine and the tests of luck say of values that don't fit
        place, _, words = str(problem).partition(": ")
        raise InvalidInput(str(problem), fields={place: words} if words else {}) from problem
    progress(1.0)
    outcome.document["warnings"] = [each.document() for each in material.notes] + outcome.document["warnings"]
    outcome.document["kind"] = described.kind.value
    outcome.document["source"] = described.source
    outcome.document["data"]["origin"] = ",".join(dict.fromkeys(each.exchange for each in material.markets))
    return outcome


def _subject(described: Description, strategy: Strategy, market: Market) -> Subject:
    play = Play(strategy, described.source, market, indicators=described.indicators)
    return Subject(play.decide, play.rules, described.assumptions, label=f"{version_of(strategy)}:{described.source}")


def played(described: Description, material: Material, strategy: Strategy) -> Result:
    """One backtest of a strategy over all symbols."""
    plays = [Play(strategy, described.source, each) for each in material.markets]
    decisions = [each.decide(each.market.counted, {}) for each in plays]
    if len(plays) == 1:
        market = material.markets[0]
        lower = market.lower
        return run(market.counted, decisions[0], strategy.rules, described.assumptions, lower=lower)
    markets = [
        portfolio.Market(each.counted, wanted, lower=each.lower)
        for each, wanted in zip(material.markets, decisions, strict=True)
    ]
    return portfolio.run(markets, strategy.rules, described.assumptions)


def _checked(described: Description, material: Material, strategy: Strategy, progress: Progress) -> Checks | None:
    """Both checks of every symbol; the first thing that is found."""
    if not described.checks:
        return None
    found: list[Checks] = []
    for number, market in enumerate(material.markets):
        play = Play(strategy, described.source, market, history=False)
        told = _part(progress, number, len(material.markets))
        found.append(check(play.decide, market.candles, {}, told))
    ahead = next((each.look_ahead for each in found if each.look_ahead is not None), None)
    return Checks(ahead, next((each.recursive for each in found if each.recursive is not None), None))


def _part(progress: Progress, number: int, count: int) -> Progress:
    return lambda share: progress((number + share) / count)


def _backtest(described: Description, material: Material, progress: Progress, means: Means) -> Outcome:
    strategy = described.strategy()
    result = played(described, material, strategy)
    progress(0.5)
    checks = _checked(described, material, strategy, lambda share: progress(0.5 + 0.5 * share))
    document = result_document(
        result, described.document, checks=checks, tables=means.tables, most_points=means.most_points
    )
    return Outcome(document, result)


def _compare(described: Description, material: Material, progress: Progress, means: Means) -> Outcome:
    first = played(described, material, described.strategy())
    progress(0.3)
    second = played(described, material, described.rival())
    progress(0.6)
    compared = compare(first, second, seed=described.luck.seed, progress=lambda share: progress(0.6 + 0.4 * share))
    document = result_document(first, described.document, tables=means.tables, most_points=means.most_points)
    other = result_document(second, described.other or {}, tables=means.tables, most_points=means.most_points)
    shared = ("data", "benchmark")
    document["b"] = {name: value for name, value in other.items() if name not in shared}
    document["comparison"] = compared.document()
    return Outcome(document, first, second)


def _monte_carlo(described: Description, material: Material, progress: Progress, means: Means) -> Outcome:
    result = played(described, material, described.strategy())
    progress(0.1)
    simulated = simulate(result, described.luck, lambda share: progress(0.1 + 0.9 * share))
    document = result_document(result, described.document, tables=means.tables, most_points=means.most_points)
    return Outcome({**document, "monte_carlo": simulated.document()}, result)


def _checkpoint(described: Description, subject: Subject, candles: Candles, means: Means) -> Checkpoint | None:
    """The file finished pieces of this very work are kept in."""
    if means.kept is None:
        return None
    wanted, walk = described.search, described.walk
    work = fingerprint(subject, candles, wanted.as_json() if wanted else None, walk)
    return Checkpoint(means.kept / f"{work[:32]}.jsonl", work)


def _wanted_search(described: Description) -> ParameterSearch:
    if described.search is None:
        raise InvalidInput("say which numbers to vary", fields={"search": "is needed"})
    return described.search


def _walk_forward(described: Description, material: Material, progress: Progress, means: Means) -> Outcome:
    (market,), strategy = material.markets, described.strategy()
    subject, candles = _subject(described, strategy, market), market.counted
    kept = _checkpoint(described, subject, candles, means)
    if described.walk is None:
        raise InvalidInput("say how long trainings and tests are", fields={"walk": "is needed"})
    wanted = _wanted_search(described)
    walked = walk_forward(
        subject, candles, wanted.sets(), described.walk, wanted.objective,
        checkpoint=kept, processes=means.processes, progress=progress,
    )  # fmt: skip
    document = result_document(walked.joined, described.document, tables=means.tables, most_points=means.most_points)
    return Outcome({**document, "walk_forward": walked.document(), "asked": wanted.as_json()}, walked.joined)


def _search(described: Description, material: Material, progress: Progress, means: Means) -> Outcome:
    (market,), strategy, wanted = material.markets, described.strategy(), _wanted_search(described)
    subject, candles = _subject(described, strategy, market), market.counted
    found = _found(described, (subject, candles), lambda share: progress(0.85 * share), means)
    chance = luck(subject, candles, found, seed=wanted.seed, progress=lambda share: progress(0.85 + 0.14 * share))
    values = found.best.parameters if found.best else {}
    best = Play(strategy, described.source, market, indicators=described.indicators).chosen(values)
    result = played(described, material, best)
    document = result_document(
        result, {**best.document, "timeframe": described.timeframe}, tables=means.tables, most_points=means.most_points
    )
    maps = _heat_maps(found)
    told = {**found.document(_RANKED), "heat_map": next(iter(maps), None), "heat_maps": maps, "luck": chance}
    return Outcome({**document, "search": {**told, "asked": wanted.as_json()}}, result)


def _found(described: Description, work: tuple[Subject, Candles], progress: Progress, means: Means) -> Search:
    (subject, candles), wanted = work, _wanted_search(described)
    if wanted.method is not SearchMethod.TREE:
        kept = _checkpoint(described, subject, candles, means)
        return search(
            subject, candles, wanted.sets(), wanted.objective,
            checkpoint=kept, processes=means.processes, progress=progress,
        )  # fmt: skip
    name = fingerprint(subject, candles, wanted.as_json())[:32]
    storage = None
    if means.kept is not None:
        means.kept.mkdir(parents=True, exist_ok=True)
        storage = f"sqlite:///{(means.kept / f'{name}.db').resolve()}"
    study = Study(name, storage, wanted.seed)
    return tree_search(subject, candles, wanted.space, wanted.trials, wanted.objective, kept=study, progress=progress)


def _heat_maps(found: Search) -> list[dict[str, Any]]:
    """Mean scores over the first pairs of parameters, up to three."""
    names = list(found.trials[0].parameters) if found.trials else []
    pairs = [(names[i], names[j]) for i in range(len(names)) for j in range(i + 1, len(names))]
    return [heat_map(found, across, down) for across, down in pairs[:3]]


def work_of(described: Description, material: Material) -> int:
    """How much there is to do, in bars times runs: what size limits count."""
    bars = sum(len(each.candles) + (len(each.lower) if each.lower is not None else 0) for each in material.markets)
    runs = 1
    if described.search is not None:
        runs = described.search.size * (2 if described.kind is Kind.SEARCH else 1)
    if described.walk is not None:
        walk = described.walk
        windows = max((bars - walk.train_bars) // walk.test_bars, 1)
        average = walk.train_bars if not walk.anchored else (walk.train_bars + bars) // 2
        return described.search.size * windows * average + bars if described.search is not None else bars
    return bars * (runs + (60 if described.checks else 0)) + described.luck.runs * 1_000 * (
        described.kind is Kind.MONTE_CARLO
    )


def data_hash(material: Material) -> str:
    """The hash of the bars that count, as results carry it."""
    return hash_of([each.counted for each in material.markets])


def held_curve(described: Description, material: Material) -> list[list[float]]:
    """Buy and hold over the bars that count, as points of a drawing."""
    still = [
        Subject(_nothing, TradeRules(), described.assumptions).stand_still(each.counted) for each in material.markets
    ]
    if len(still) != 1:
        return []  # of several symbols the page draws none
    held = hold_equity(still[0])
    chosen = thinned(held)
    return points(still[0].times[chosen], held[chosen])


def _nothing(candles: Candles, _values: Parameters) -> Decisions:
    nothing = np.zeros(len(candles), np.bool_)
    return Decisions(np.zeros(len(candles), np.int8), nothing, nothing)
