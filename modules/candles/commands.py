"""What the terminal says of stored candles: imported, downloaded, verified, listed. Each answer has `rows` and `lines`.

Decides no more than how an answer reads; `failed` says whether the command as a whole did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from modules.candles.files import is_candle_file, parse_file_name
from modules.candles.names import BadCandles, SeriesName
from modules.candles.store import CandleStore
from modules.domain.errors import NotFound
from modules.domain.market import iso_from_ms, utc_from_ms

MOST_FINDINGS_SHOWN = 20
"""Findings of one history that are written out for people; `rows` has all of them."""

UNNAMED_VENUE = "binance"
"""A file called SYMBOL-TIMEFRAME names no venue; recorded sets mean this one."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: `rows` for programs, `lines` for people, and whether something went wrong."""

    rows: list[dict[str, Any]]
    lines: list[str]
    failed: bool = False


class DownloadOutcome(Protocol):
    """What a finished download says of itself."""

    @property
    def name(self) -> SeriesName: ...
    @property
    def inserted(self) -> int: ...
    @property
    def replaced(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def error(self) -> str | None: ...


def import_paths(
    store: CandleStore,
    paths: Sequence[Path],
    *,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    times: str = "auto",
) -> Told:
    """Store every candle file named, or in a folder named. A file that can't be used is a row with its error.

    The exchange is the one given, else the venue in the file's name, else binance. Raises BadCandles where a folder has
    no candle file at all.
    """
    told = Told([], [])
    failed = False
    for path in _files(paths):
        said = parse_file_name(path)
        venue = exchange or (said.venue if said else None) or UNNAMED_VENUE
        try:
            name, stored = store.import_file(path, venue, symbol=symbol, timeframe=timeframe, times=times)
        except BadCandles as error:
            failed = True
            told.rows.append({"file": str(path), "error": error.message})
            told.lines.append(f"FAIL {path.name}: {error.message}")
            continue
        counts = {"inserted": stored.inserted, "replaced": stored.replaced, "unchanged": stored.unchanged}
        told.rows.append({"file": str(path), **_named(name), **counts})
        told.lines.append(f"ok   {path.name} -> {name}: {', '.join(f'{n} {what}' for what, n in counts.items())}")
    return Told(told.rows, told.lines, failed)


def downloaded(results: Iterable[DownloadOutcome]) -> Told:
    """What became of downloads; one that broke off is a row with its error."""
    rows, lines, failed = [], [], False
    for each in results:
        counts = {"inserted": each.inserted, "replaced": each.replaced, "refused": each.refused}
        rows.append({**_named(each.name), **counts, "requests": each.requests, "error": each.error})
        failed |= each.error is not None
        text = each.error or f"{each.inserted} new, {each.replaced} changed, {each.refused} malformed and left out"
        lines.append(f"{'FAIL' if each.error else 'ok  '} {each.name}: {text}")
    return Told(rows, lines, failed)


def verify(store: CandleStore, wanted: Sequence[SeriesName] = ()) -> Told:
    """Every finding of the histories named, or of all. Only what can't be used fails; gaps and jumps may be the truth.

    Raises NotFound for a history that is not stored.
    """
    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    failed = False
    for name in chosen(store, wanted):
        findings = store.verify(name)
        bad = [each for each in findings if each.problem.is_error]
        failed |= bool(bad)
        lines.append(f"{'FAIL' if bad else 'ok  '} {name}: {len(bad)} errors, {len(findings) - len(bad)} remarks")
        for place, each in enumerate(findings):
            moment = iso_from_ms(each.timestamp)
            rows.append(
                {
                    **_named(name),
                    "problem": each.problem.value,
                    "error": each.problem.is_error,
                    "at": moment,
                    "row": each.row,
                    "bars": each.bars,
                    "detail": each.detail,
                }
            )
            if place < MOST_FINDINGS_SHOWN:
                lines.append(f"       {moment} row {each.row}: {each.problem.value}, {each.bars} bars: {each.detail}")
        if len(findings) > MOST_FINDINGS_SHOWN:
            lines.append(f"       and {len(findings) - MOST_FINDINGS_SHOWN} more; --json has all of them")
    return Told(rows, lines or ["no candles are stored"], failed)


def listing(store: CandleStore) -> Told:
    """Every stored history with its extent and holes."""
    rows, lines = [], []
    for each in store.summaries():
        first, last = iso_from_ms(each.first_ms), iso_from_ms(each.last_ms)
        rows.append(
            {
                **_named(each.name),
                "rows": each.rows,
                "first": first,
                "last": last,
                "gaps": each.gaps,
                "missing": each.missing,
            }
        )
        holes = f", {each.missing} missing in {each.gaps} gaps" if each.gaps else ""
        lines.append(f"{each.name!s:<30} {each.rows:>9} rows  {first[:16]} to {last[:16]}{holes}")
    return Told(rows, lines or ["no candles are stored; `candles import FILE` or `candles download` brings some"])


def chosen(store: CandleStore, wanted: Sequence[SeriesName]) -> list[SeriesName]:
    """The stored histories named, or all. Raises NotFound for one that is not stored."""
    names = store.names()
    for name in wanted:
        if name not in names:
            raise NotFound(f"no candles of {name} are stored; `candles list` shows what there is")
    return list(wanted) or names


def series_named(text: str, exchange: str) -> SeriesName:
    """`BTCUSDT-1h` or `EXCHANGE:BTCUSDT-1h` as a history's name. Raises BadCandles for anything else."""
    venue, colon, rest = text.rpartition(":")
    symbol, dash, timeframe = rest.rpartition("-")
    if not dash or not symbol:
        raise BadCandles(f"{text!r} is not like BTCUSDT-1h")
    return SeriesName((venue if colon else exchange).lower(), symbol.upper(), timeframe)


def moment(text: str) -> datetime:
    """ISO-8601 (UTC where it names no zone) or milliseconds since 1970. Raises BadCandles for anything else."""
    if text.strip().isdigit() and len(text.strip()) > 8:
        return utc_from_ms(int(text))
    try:
        said = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadCandles(f"{text!r} is not a time like 2024-01-31, 2024-01-31T12:00Z or milliseconds") from None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(each for each in path.iterdir() if each.is_file() and is_candle_file(each))
        if not inside:
            raise BadCandles(f"{path}: has no candle files (.parquet, .csv)")
        found += inside
    return found


def _named(name: SeriesName) -> dict[str, str]:
    return {"exchange": name.exchange, "symbol": name.symbol, "timeframe": name.timeframe}
