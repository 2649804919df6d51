"""What a rehearsal is made from: a channel's past messages with their times, and the candles of the symbols they name."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.candles.files import is_candle_file, load_file, parse_file_name
from modules.domain.errors import InvalidInput
from modules.domain.market import Quote, ms_from_utc, utc_from_ms
from modules.domain.money import from_float

SOURCE = "rehearsed"


@dataclass(frozen=True, slots=True)
class PastMessage:
    """One line of the file. `at` is None where it says no time."""

    id: str
    text: str
    at: datetime | None
    reply_to: str | None = None


def read_messages(path: Path) -> list[PastMessage]:
    """The file's messages in the order of time. Raises InvalidInput naming the line that can't be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} can't be read: {error}") from error
    messages = [_message(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if not messages:
        raise InvalidInput(f"{path} holds no messages")
    earliest = datetime.min.replace(tzinfo=UTC)
    return sorted(messages, key=lambda each: each.at or earliest)


class CandleFolder:
    """Candle files of a folder, the finest that covers a moment first. Nothing is read before it is needed."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InvalidInput(f"{folder} is no folder of candle files")
        self._files: dict[str, list[Path]] = {}
        for path in sorted(folder.iterdir()):
            named = parse_file_name(path) if is_candle_file(path) else None
            if named is not None and named.venue is None:
                self._files.setdefault(named.symbol, []).append(path)
        self._loaded: dict[Path, Candles] = {}

    def covering(self, symbol: str, at: datetime) -> Candles | None:
        """The finest candles of `symbol` in which `at` lies, or None."""
        moment = ms_from_utc(at)
        found = [candles for path in self._files.get(symbol, ()) if _covers(candles := self._load(path), moment)]
        return min(found, key=lambda each: each.timeframe_ms, default=None)

    def _load(self, path: Path) -> Candles:
        if path not in self._loaded:
            self._loaded[path] = load_file(path)
        return self._loaded[path]


def finest_quotes(histories: list[Candles], start: datetime, end: datetime) -> Iterator[Quote]:
    """The quotes of several histories of one symbol, each moment told once, by the finest that covers it."""
    covered: list[tuple[int, int]] = []
    parts: list[list[Quote]] = []
    for candles in sorted(histories, key=lambda each: each.timeframe_ms):
        quotes = quotes_of(candles, start, end)
        parts.append([quote for quote in quotes if not _overlaps(quote, covered)])
        covered.append((int(candles.timestamp[0]), int(candles.timestamp[-1]) + candles.timeframe_ms))
    return heapq.merge(*parts, key=lambda quote: quote.time_ms)


def _overlaps(quote: Quote, covered: list[tuple[int, int]]) -> bool:
    since = quote.since_ms if quote.since_ms is not None else quote.time_ms
    return any(since < end and quote.time_ms > start for start, end in covered)


def quotes_of(candles: Candles, start: datetime, end: datetime) -> Iterator[Quote]:
    """One quote per candle that closes in [start, end], at its close, standing for its whole range."""
    close_times = candles.timestamp + candles.timeframe_ms
    first = int(np.searchsorted(close_times, ms_from_utc(start), side="left"))
    last = int(np.searchsorted(close_times, ms_from_utc(end), side="right"))
    for index in range(first, last):
        open_ms = int(candles.timestamp[index])
        at_ms = open_ms + candles.timeframe_ms
        close = from_float(candles.close[index])
        yield Quote(
            exchange="candles",
            symbol=candles.symbol or "",
            time_ms=at_ms,
            received_ms=at_ms,
            last=close,
            open=from_float(candles.open[index]),
            high=from_float(candles.high[index]),
            low=from_float(candles.low[index]),
            bid=close,
            ask=close,
            volume=from_float(candles.volume[index]),
            since_ms=open_ms,
        )


def _covers(candles: Candles, moment: int) -> bool:
    if not len(candles):
        return False
    return int(candles.timestamp[0]) <= moment <= int(candles.timestamp[-1]) + candles.timeframe_ms


def _message(line: str, number: int) -> PastMessage:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"line {number} is not JSON: {error}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
        raise InvalidInput(f'line {number} needs an object with "text"', fields={"text": "required"})
    reply_to = fields.get("reply_to")
    return PastMessage(
        id=str(fields.get("id") or fields.get("message_id") or number),
        text=fields["text"],
        at=_moment(fields.get("logged_at") or fields.get("at"), number),
        reply_to=str(reply_to) if reply_to is not None else None,
    )


def _moment(value: Any, number: int) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float):
            return utc_from_ms(int(value))
        moment = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(f"line {number}: {value!r} is no time") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
