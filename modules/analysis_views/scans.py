"""Scans of many symbols: over a folder of candle files, or over the candles stored here, as of a moment.

A scan's rules are a JSON object: `symbols`, `timeframes`, and what an opportunity must meet (`min_score`,
`min_confidence`, `max_risk_level`, `min_volume_usd`). All of them may be left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors import Context
from modules.analysis.quality import Judged, choose
from modules.analysis.scanner import TIMEFRAMES, Opportunity, Ranking, Rules, rank
from modules.analysis_views.history import read_history, stored_symbols
from modules.candles import CandleStore, load_file, parse_file_name, timeframe_ms
from modules.candles.files import is_candle_file
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.market import utc_from_ms
from modules.scanning import Job, Progress, Scanner

BARS = 1000
"""Bars of each timeframe that a scan reads."""


@dataclass(frozen=True, slots=True)
class ScanWish:
    """What to scan, and what to keep of it. No symbols means all there are."""

    symbols: tuple[str, ...] = ()
    timeframes: tuple[str, ...] = TIMEFRAMES
    rules: Rules = field(default_factory=Rules)


#: Ends further apart than this are told: beside each other they are no ranking of one moment.
_TOGETHER_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class FileCandles:
    """Reads one symbol's files, by timeframe; `at_ms` cuts them. Can be sent to a worker."""

    paths: tuple[tuple[str, Path], ...]
    at_ms: int | None

    def __call__(self) -> dict[str, Candles]:
        found = {}
        for name, path in self.paths:
            candles = load_file(path)
            end = len(candles)
            if self.at_ms is not None:
                end = int(np.searchsorted(candles.timestamp + candles.timeframe_ms, self.at_ms, side="right"))
            if end:
                found[name] = candles[max(0, end - BARS) : end]
        return found


@dataclass(frozen=True, slots=True)
class StoredCandles:
    """Reads one symbol's stored candles on those of the timeframes that can be made. Can be sent to a worker."""

    folder: Path
    symbol: str
    timeframes: tuple[str, ...]
    at_ms: int

    def __call__(self) -> dict[str, Candles]:
        store, found = CandleStore(self.folder), {}
        for name in self.timeframes:
            try:
                found[name] = read_history(store, self.symbol, name, self.at_ms, bars=BARS).candles
            except NotFound:
                continue
        return found


def read_wish(path: Path) -> ScanWish:
    """The rules in a JSON file. Raises InvalidInput naming every field that is wrong."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} can't be read as JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidInput(f"{path} holds no JSON object")
    return wish_of(given)


def wish_of(given: Mapping[str, Any]) -> ScanWish:
    """The same from an object. Raises InvalidInput."""
    ruling = {each.name for each in fields(Rules)}
    known = ruling | {"symbols", "timeframes"}
    wrong = {name: f"not known; there are {', '.join(sorted(known))}" for name in given if name not in known}
    if wrong:
        raise InvalidInput(f"rules that are not known: {', '.join(sorted(wrong))}", fields=wrong)
    symbols = tuple(str(each).upper() for each in _list(given, "symbols", ()))
    timeframes = tuple(str(each) for each in _list(given, "timeframes", TIMEFRAMES))
    for name in timeframes:
        timeframe_ms(name)
    try:
        rules = Rules(**{name: value for name, value in given.items() if name in ruling})
    except (TypeError, ValueError) as error:
        raise InvalidInput(str(error)) from error
    return ScanWish(symbols, timeframes, rules)


def _list(given: Mapping[str, Any], name: str, default: Sequence[str]) -> Sequence[str]:
    value = given.get(name, default)
    if not isinstance(value, list | tuple) or (name in given and not value):
        raise InvalidInput(f"{name}: must be a list with at least one entry", fields={name: "must be a list"})
    return value


def file_jobs(folder: Path, wish: ScanWish, at_ms: int | None = None) -> list[Job]:
    """A job for each symbol with files like `BTCUSDT-1h.parquet` in a folder. A plain name goes before one of a venue.

    Raises NotFound where the folder has none, or a symbol asked for has none.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*"), key=lambda one: (len(one.name), one.name)):
        name = parse_file_name(path) if is_candle_file(path) else None
        if name is not None and name.timeframe in wish.timeframes:
            found.setdefault(name.symbol, {}).setdefault(name.timeframe, path)
    wanted = wish.symbols or tuple(sorted(found))
    missing = [symbol for symbol in wanted if symbol not in found]
    if missing or not wanted:
        raise NotFound(f"{folder} has no candles of {', '.join(missing) or ', '.join(wish.timeframes)}")
    return [Job(symbol, FileCandles(tuple(found[symbol].items()), at_ms), at=at_ms) for symbol in wanted]


def stored_jobs(folder: Path, wish: ScanWish, at_ms: int, context: Callable[[str], Context]) -> list[Job]:
    """A job for each symbol stored here, or those asked for, with what else was known of it."""
    store = CandleStore(folder)
    held = {symbol for name in wish.timeframes for symbol in stored_symbols(store, name)}
    wanted = wish.symbols or tuple(sorted(held))
    return [
        Job(symbol, StoredCandles(folder, symbol, wish.timeframes, at_ms), context(symbol), at_ms) for symbol in wanted
    ]


def scan(
    jobs: Iterable[Job],
    rules: Rules,
    *,
    weights: Mapping[str, float] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Ranking:
    """Analyses every job's symbol and ranks them; `progress(done, known)` after each."""
    with Scanner(workers) as scanner:
        return rank(scanner.scan(jobs, weights, progress), rules)


def best_five(ranking: Ranking) -> list[Judged]:
    """Every candidate of a scan judged: the best five, and why each other one was dropped."""
    read: list[Opportunity] = [*ranking.opportunities, *(each.opportunity for each in ranking.dropped)]
    return choose([candidate for one in read for candidate in one.candidates])


def ranking_lines(ranking: Ranking) -> list[str]:
    """The result for people: opportunities best first, then how many were left out and what failed."""
    lines = [f"{'':>2}  {'symbol':<12} {'side':<7} {'score':>5} {'conf':>5} {'risk':<6} {'as of':<16} agreeing"]
    for place, one in enumerate(ranking.opportunities, start=1):
        agree = f"{one.confluence.agreeing} of {one.confluence.agreeing + one.confluence.opposing} reasons"
        lines.append(
            f"{place:>2}  {one.symbol:<12} {one.side:<7} {one.score:>5.2f} {one.confidence:>5.0%} {one.risk_level:<6} "
            f"{utc_from_ms(one.at):%Y-%m-%d %H:%M} {agree} on {one.confluence.timeframes} of {one.confluence.asked} timeframes"
        )
    if not ranking.opportunities:
        lines = ["No symbol meets the rules."]
    lines += _apart(ranking)
    lines += [f"left out: {each.opportunity.symbol:<12} {'; '.join(each.reasons)}" for each in ranking.dropped]
    return lines + [f"failed:   {each.symbol:<12} {each.error}" for each in ranking.failures]


def _apart(ranking: Ranking) -> list[str]:
    """A warning where what is ranked side by side was not seen at the same time."""
    ends = [each.at for each in ranking.opportunities]
    if not ends or max(ends) - min(ends) <= _TOGETHER_MS:
        return []
    first, last = (f"{utc_from_ms(end):%Y-%m-%d}" for end in (min(ends), max(ends)))
    return [f"WARNING:  these candles end between {first} and {last}; --at TIME compares all as of one time"]
