"""The certificate of causality: replays prefixes of every public function of analysis and counts the bars it rewrites.

python -m tests.load.certify          (`make certify`)

A bar is rewritten when what a function said of it on `candles[:t]` is not what it says on all candles. Real candles are
used where they lie beside the project, else walks of its own; random candles always. Exit 1 unless every count is nought.
The open Smart Money Concepts library goes through the same replay, to show that the replay finds what it looks for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.indicators import INDICATORS, NotEnoughData, compute
from modules.analysis.structure import analyse
from modules.candles import load_file

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "../shared/data/ohlcv"
CERTIFICATE = ROOT / "docs/analysis/certificate.md"
SYMBOLS, TIMEFRAMES = ("BTCUSDT", "ETHUSDT", "SOLUSDT"), ("15m", "1h", "1d")
BARS = 900
FIRST, STRIDE = 60, 47
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Series:
    """One history to replay."""

    name: str
    candles: Candles


@dataclass(frozen=True, slots=True)
class Case:
    """One public function: `run(candles)` gives rows, one a candle, in any nesting of arrays.

    A function that speaks of the last bar only is asked through `told(candles, index)`: what it says as of a bar of a longer
    history, which must be what it says where the history ends there.
    """

    group: str
    name: str
    run: Callable[[Candles], Any] | None = None
    told: Callable[[Candles, int], Any] | None = None


@dataclass(slots=True)
class Count:
    """What a replay found: bars of prefixes compared, how many different bars were ever rewritten."""

    group: str
    name: str
    prefixes: int = 0
    checked: int = 0
    rewritten: int = 0

    def add(self, other: Count) -> None:
        """Takes another series' count in."""
        self.prefixes += other.prefixes
        self.checked += other.checked
        self.rewritten += other.rewritten


def replay(case: Case, candles: Candles, ends: Iterable[int]) -> Count:
    """Runs one function on each prefix and on the whole."""
    return _replay_rows(case, candles, ends) if case.run else _replay_last(case, candles, ends)


def _replay_rows(case: Case, candles: Candles, ends: Iterable[int]) -> Count:
    assert case.run is not None
    count = Count(case.group, case.name)
    try:
        whole = list(columns(case.run(candles)))
    except NotEnoughData:
        return count
    rewritten = np.zeros(len(candles), dtype=bool)
    for end in ends:
        try:
            part = list(columns(case.run(candles[:end])))
        except NotEnoughData:
            continue
        count.prefixes += 1
        count.checked += end
        if len(part) != len(whole) or any(len(column) != end for column in part):
            rewritten[:end] = True
            continue
        for now, later in zip(part, whole, strict=True):
            rewritten[:end] |= different(now, later[:end])
    count.rewritten = int(rewritten.sum())
    return count


def _replay_last(case: Case, candles: Candles, ends: Iterable[int]) -> Count:
    assert case.told is not None
    count = Count(case.group, case.name)
    for end in ends:
        count.prefixes += 1
        count.checked += 1
        count.rewritten += case.told(candles, end - 1) != case.told(candles[:end], end - 1)
    return count


def columns(result: Any) -> Iterator[np.ndarray]:
    """Every array in a result, whatever it is nested in."""
    if isinstance(result, np.ndarray):
        yield from (result[name] for name in result.dtype.names) if result.dtype.names else (result,)
    elif isinstance(result, Mapping):
        for name in sorted(result):
            yield from columns(result[name])
    elif is_dataclass(result):
        for field in fields(result):
            if isinstance(value := getattr(result, field.name), np.ndarray):
                yield from columns(value)
    else:
        for value in result:
            yield from columns(value)


def different(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which rows of two columns differ; NaN equals NaN."""
    if one.dtype == object or other.dtype == object:
        return np.array([a != b for a, b in zip(one, other, strict=True)], dtype=bool)
    same = one == other
    if one.dtype.kind == "f":
        same |= np.isnan(one) & np.isnan(other)
    return ~same


def objects_of(candles: Candles, index: int) -> list[Any]:
    """Every structure object and its fate, as known at a bar."""
    return [repr(each) for each in analyse(candles).as_of(index).objects()]


def indicator_cases() -> list[Case]:
    """All indicators of the registry with their own settings."""
    return [Case("indicator", name, run=lambda c, name=name: compute(name, c)) for name in INDICATORS]


def structure_cases() -> list[Case]:
    """Market structure: every field of every bar, and every object."""
    return [
        Case("structure", "bars", run=lambda c: analyse(c).bars),
        Case("structure", "objects", told=objects_of),
    ]


def detector_cases() -> list[Case]:
    """Each detector as of a bar, over structure and opinions that know more: they may only count what was known."""
    from modules.analysis.detectors import DETECTORS

    return [
        Case("detector", each.name, told=lambda c, i, each=each: each.detect(c[: i + 1], context_as_of(c, i)))
        for each in DETECTORS
    ]


def score_cases() -> list[Case]:
    """Both scores, confluence, a trade's levels and the scan, over opinions and structure that know more."""
    from modules.analysis.confluence import confluence, reasons_of
    from modules.analysis.detectors import detect_all
    from modules.analysis.fixed_formula import fixed_score
    from modules.analysis.quality import efficiency, levels_of
    from modules.analysis.scanner import analyse_one
    from modules.analysis.scoring import dynamic_score

    def dynamic(candles: Candles, index: int) -> Any:
        known = candles[: index + 1]
        return dynamic_score(detect_all(known, context_as_of(candles, index)), known)

    def fixed(candles: Candles, index: int) -> Any:
        known, context = candles[: index + 1], context_as_of(candles, index)
        return fixed_score(known, detect_all(known, context), context)

    def agreeing(candles: Candles, index: int) -> Any:
        known, context = candles[: index + 1], context_as_of(candles, index)
        return confluence({"x": reasons_of("x", context.structure, detect_all(known, context))})

    def levels(candles: Candles, index: int) -> Any:
        known, context = candles[: index + 1], context_as_of(candles, index)
        return [levels_of(known, context.structure, side) for side in (1, -1)], efficiency(known)

    def scanned(candles: Candles, index: int) -> Any:
        context = replace(context_as_of(candles, index), structure=None)
        return analyse_one("S", {"x": candles}, context, at=candles.closed_at(index)).as_json()

    return [
        Case("score", "dynamic", told=dynamic),
        Case("score", "fixed formula", told=fixed),
        Case("score", "confluence", told=agreeing),
        Case("score", "levels and efficiency", told=levels),
        Case("score", "scan of one symbol", told=scanned),
    ]


def simple_cases() -> list[Case]:
    """Patterns, forecast and mood as of a moment."""
    from modules.analysis.forecasts import forecast
    from modules.analysis.patterns import find_patterns
    from modules.analysis.sentiment import market_sentiment

    def as_of(work: Callable[[Candles], Any]) -> Callable[[Candles, int], Any]:
        def told(candles: Candles, index: int) -> Any:
            try:
                return work(candles.closed_by(candles.closed_at(index)))
            except NotEnoughData as error:
                return str(error)

        return told

    return [
        Case("analytics", "patterns", told=as_of(find_patterns)),
        Case("analytics", "forecast", told=as_of(forecast)),
        Case("analytics", "sentiment", told=as_of(market_sentiment)),
    ]


def context_as_of(candles: Candles, index: int) -> Any:
    """Structure read over all the candles given, as of one bar, with opinions over all their time, later ones included."""
    from modules.analysis.detectors import Context, ExchangeFlow, Headline, LargePrint

    stamps = [
        stamp + 1 for stamp in candles.timestamp[::3].tolist()
    ]  # each just after a bar's open, so within that bar
    turns = [stamp // MINUTE_MS % 2 for stamp in stamps]
    return Context(
        structure=analyse(candles).as_of(index),
        fear_greed=(stamps[0], 20),
        headlines=tuple(
            Headline(at, f"Bitcoin {('rallies', 'crashes')[turn]}", "s") for at, turn in zip(stamps, turns, strict=True)
        ),
        prints=tuple(LargePrint(at, ("buy", "sell")[turn], 2e6) for at, turn in zip(stamps, turns, strict=True)),
        exchange_flow_usd=tuple(ExchangeFlow(at, 5e7 * turn, 4e7) for at, turn in zip(stamps, turns, strict=True)),
    )


def cases() -> list[Case]:
    """Every public function of analysis."""
    return [*indicator_cases(), *structure_cases(), *detector_cases(), *score_cases(), *simple_cases()]


def series() -> list[Series]:
    """Three symbols on three timeframes, real where there are any, and random ones."""
    found = []
    for number, (symbol, timeframe) in enumerate((s, t) for s in SYMBOLS for t in TIMEFRAMES):
        path = RECORDED / f"{symbol}-{timeframe}.parquet"
        if path.exists():
            history = load_file(path)
            start = (len(history) - BARS) // 2
            found.append(Series(f"{symbol} {timeframe}", history[start : start + BARS]))
        else:
            found.append(Series(f"own walk {symbol} {timeframe}", walk(number)))
    return found + [Series(f"random {seed}", walk(seed, wild=True)) for seed in (101, 102, 103)]


def walk(seed: int, count: int = BARS, *, wild: bool = False) -> Candles:
    """Random candles; wild ones have equal prices, jumps, resting bars and holes."""
    generator = np.random.default_rng(seed)
    moves = generator.normal(0, 0.004, count)
    if wild:
        moves = np.where(generator.random(count) < 0.2, 0.0, np.round(moves * 5, 2))
    close = 100 * np.exp(np.cumsum(moves))
    opened = np.concatenate([[100.0], close[:-1]])
    spread = np.abs(generator.normal(0, 0.002, (2, count))) * (generator.random(count) > 0.1)
    steps = np.where(generator.random(count) < (0.02 if wild else 0.0), 3, 1)
    return Candles.checked(
        (np.cumsum(steps) * 15 * MINUTE_MS).astype(np.int64),
        opened,
        np.maximum(opened, close) * (1 + spread[0]),
        np.minimum(opened, close) * (1 - spread[1]),
        close,
        generator.lognormal(3, 1, count) * (generator.random(count) > 0.05),
        timeframe_ms=15 * MINUTE_MS,
        symbol="WALKUSDT",
    )


def ends_of(candles: Candles) -> list[int]:
    """The prefixes to replay, among them successive ones."""
    middle = len(candles) // 2
    return sorted({*range(FIRST, len(candles), STRIDE), middle, middle + 1, middle + 2, len(candles) - 1})


def certify(chosen: Iterable[Case], histories: Iterable[Series]) -> list[Count]:
    """One count per function over all histories."""
    kept = list(histories)
    counts = []
    for case in chosen:
        total = Count(case.group, case.name)
        for each in kept:
            total.add(replay(case, each.candles, ends_of(each.candles)))
        counts.append(total)
    return counts


def render(ours: list[Count], theirs: list[Count], histories: list[Series]) -> str:
    """The certificate as Markdown. No date and no duration: the same code over the same candles is the same text."""
    bad = sum(count.rewritten for count in ours)
    lines = [
        "# Certificate of causality",
        "",
        "Written by `make certify`. A bar is rewritten when what was said of it on the first *t* candles is not what is",
        "said of it on all of them. A function that speaks of its last bar only is asked as of a bar of the longer history.",
        "",
        f"Histories ({len(histories)}, {BARS} candles each): {', '.join(each.name for each in histories)}.",
        "",
        f"**{len(ours)} functions, {sum(count.checked for count in ours):,} bars compared, {bad} rewritten.**",
        "",
        *_table(ours),
        "",
    ]
    if theirs:
        lines += [
            "## The same replay over smartmoneyconcepts",
            "",
            "An open library for the same concepts. It marks swings, blocks and gaps on bars at which they were not known.",
            "Only the marks themselves are compared; columns that tell of a later fate (mitigated, swept, broken) are left out.",
            "",
            *_table(theirs),
            "",
        ]
    return "\n".join(lines)


def _table(counts: list[Count]) -> list[str]:
    head = ["| group | function | prefixes | bars compared | bars rewritten |", "|---|---|---:|---:|---:|"]
    return head + [f"| {c.group} | {c.name} | {c.prefixes:,} | {c.checked:,} | {c.rewritten:,} |" for c in counts]


def main() -> int:
    """Prints the table, writes the certificate; 1 when any bar of ours was rewritten or nothing was compared."""
    from tests.load.certify_peer import peer_cases

    begun = time.perf_counter()
    histories = series()
    ours, theirs = certify(cases(), histories), certify(peer_cases(), histories)
    text = render(ours, theirs, histories)
    print(text)
    print(f"{time.perf_counter() - begun:.0f} s", file=sys.stderr)
    failed = [count for count in ours if count.rewritten or not count.checked]
    if failed:
        print("NOT causal: " + ", ".join(f"{c.group} {c.name}" for c in failed), file=sys.stderr)
        return 1
    CERTIFICATE.parent.mkdir(parents=True, exist_ok=True)
    CERTIFICATE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
