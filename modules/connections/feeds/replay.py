"""Recorded prices played again: candle files (Parquet, CSV) or trades (JSON lines, also .gz), one file or a folder.

A candle becomes one quote at its close that stands for its whole range, a recorded trade becomes one quote. Files are named `SYMBOL-TF` (`BTCUSDT-1m.parquet`, also `BTCUSDT-1m-2024-08.parquet` and
`BTCUSDT-BYBIT-5m.parquet`). Of a symbol with several timeframes the finest is played, so nothing is said twice.

Market time starts to run when the first symbol is wanted and runs for all symbols alike: one wanted later joins at the
present moment of the recording.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import heapq
import re
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import structlog

from modules.connections.feeds.conflation import snapshot
from modules.connections.feeds.ticks import read_tick
from modules.domain.errors import InvalidInput, Misconfigured
from modules.domain.market import TIMEFRAMES_MS, Quote, ms_from_utc
from modules.domain.money import from_float
from modules.domain.ports import Clock

_log = structlog.get_logger(__name__)
_NAME = re.compile(r"(?P<symbol>[A-Z0-9]{3,24})(?:-(?P<venue>[A-Z]+))?-(?P<timeframe>\d+[mhdw])(?:-[\d-]+)?")
_CANDLE_ENDINGS = (".parquet", ".csv")
_TICK_ENDINGS = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
_ROWS_AT_ONCE = 20_000
_Row = tuple[int, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Recording:
    """One file: what it holds and whose it is. A tick file has no symbol of its own."""

    path: Path
    symbol: str | None = None
    exchange: str = "recorded"
    timeframe_ms: int = 0


def find_recordings(path: Path) -> list[Recording]:
    """The recordings at `path`, of each symbol only the finest timeframe.

    Raises Misconfigured when there is nothing there that can be played.
    """
    if not path.exists():
        raise Misconfigured([f"PRICES=replay: there is no {path}"])
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [recording for file in files if (recording := _recognise(file)) is not None]
    if not found:
        raise Misconfigured([f"PRICES=replay: {path} holds no candle file named SYMBOL-TF and no JSON lines of trades"])
    ticks = [recording for recording in found if recording.symbol is None]
    best: dict[str, tuple[int, str]] = {}
    for recording in found:
        if recording.symbol is not None:
            rank = (recording.timeframe_ms, "" if recording.exchange == "binance" else recording.exchange)
            best[recording.symbol] = min(best.get(recording.symbol, rank), rank)
    kept = [
        recording
        for recording in found
        if recording.symbol is not None
        and recording.timeframe_ms == best[recording.symbol][0]
        and ("" if recording.exchange == "binance" else recording.exchange) == best[recording.symbol][1]
    ]
    return ticks + kept


def _recognise(file: Path) -> Recording | None:
    name = file.name
    if name.endswith(_TICK_ENDINGS):
        return Recording(file)
    ending = next((ending for ending in _CANDLE_ENDINGS if name.endswith(ending)), None)
    if ending is None or (match := _NAME.fullmatch(name.removesuffix(ending))) is None:
        return None
    timeframe_ms = TIMEFRAMES_MS.get(match["timeframe"])
    exchange = (match["venue"] or "binance").lower()
    return Recording(file, match["symbol"], exchange, timeframe_ms) if timeframe_ms else None


def candle_rows(path: Path) -> Iterator[_Row]:
    """(open time ms, open, high, low, close, volume) of a Parquet or CSV file, oldest first, a batch in memory at a time.

    Raises InvalidInput when a column is missing or a cell is no number.
    """
    if path.suffix == ".csv":
        yield from _csv_rows(path)
        return
    from pyarrow import parquet  # heavy, and only this source needs it

    with parquet.ParquetFile(path) as file:
        if missing := [name for name in _COLUMNS if name not in file.schema_arrow.names]:
            raise InvalidInput(f"{path.name} lacks the columns {', '.join(missing)}")
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(_COLUMNS)):
            yield from zip(*(batch.column(name).to_pylist() for name in _COLUMNS), strict=True)


def _csv_rows(path: Path) -> Iterator[_Row]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
            raise InvalidInput(f"{path.name} lacks the columns {', '.join(missing)}")
        for row in reader:
            try:
                opened, high, low, close, volume = (float(row[name]) for name in _COLUMNS[1:])
                yield int(float(row["timestamp"])), opened, high, low, close, volume
            except (TypeError, ValueError):
                raise InvalidInput(f"{path.name}, line {reader.line_num}: not a candle") from None


def recorded_quotes(recording: Recording) -> Iterator[Quote]:
    """The quotes of one file in its order; `received_ms` is set when they are played. Bad lines are left out, logged."""
    if recording.symbol is None:
        yield from _tick_quotes(recording.path)
        return
    for row in candle_rows(recording.path):
        quote = _candle_quote(recording, row)
        if quote is not None:
            yield quote


def _candle_quote(recording: Recording, row: _Row) -> Quote | None:
    opened_ms, opened, high, low, close, volume = row
    last = from_float(close)
    time_ms = opened_ms + recording.timeframe_ms - 1
    try:
        return Quote(
            recording.exchange, recording.symbol or "", time_ms, time_ms, last, from_float(opened), from_float(high),
            from_float(low), last, last, from_float(volume), 1 if volume else 0,
        )  # fmt: skip
    except InvalidInput as error:
        _log.warning("replay_candle_skipped", file=recording.path.name, open_ms=opened_ms, reason=error.message)
        return None


def _tick_quotes(path: Path) -> Iterator[Quote]:
    opener = gzip.open if path.name.endswith(".gz") else open
    skipped = 0
    with opener(path, "rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                tick = read_tick(line)
            except InvalidInput as error:
                skipped += 1
                if skipped == 1:
                    _log.warning("replay_line_skipped", file=path.name, reason=error.message, line=line[:80])
                continue
            price = from_float(tick.price)
            yield Quote(
                tick.exchange, tick.symbol, tick.time_ms, tick.time_ms, price, price, price, price, price, price,
                Decimal(tick.quantity),
            )  # fmt: skip
    if skipped:
        _log.warning("replay_lines_skipped", file=path.name, lines=skipped)


class ReplaySource:
    """A `PriceSource` over recordings. `speed` 1 is real time, 0 is as fast as quotes are taken.

    `finished` is True once the recordings have ended; `quotes` then ends too. `from_ms`/`until_ms` cut the recording.
    """

    name = "replay"

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        speed: float = 1.0,
        from_ms: int = 0,
        until_ms: int | None = None,
    ) -> None:
        if speed < 0:
            raise InvalidInput("SPEED must be zero or more")
        self._clock = clock
        self._speed = speed
        self._from_ms = from_ms
        self._until_ms = until_ms
        self._recordings = find_recordings(path)
        self._wanted: frozenset[str] = frozenset()
        self._newest: dict[str, Quote] = {}
        self._joining: list[str] = []
        self._changed = asyncio.Event()
        self._closed = False
        self.finished = False
        self.time_ms = 0

    @property
    def lossless(self) -> bool:
        """Quotes wait for whoever takes them: nothing may be merged on the way."""
        return self._speed == 0

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols that candle files are named after, and those seen in tick files so far."""
        named = {recording.symbol for recording in self._recordings if recording.symbol}
        return frozenset(named) | self._newest.keys()

    @property
    def unknown(self) -> frozenset[str]:
        """Wanted symbols of which nothing is recorded (or, with tick files, nothing was met yet)."""
        return self._wanted - self.symbols

    def lists(self, symbol: str) -> bool:
        """Is this symbol recorded?"""
        return symbol in self.symbols

    def want(self, symbols: Collection[str]) -> None:
        """From now on deliver these symbols; a new one begins with its present price."""
        wanted = frozenset(symbols)
        self._joining += sorted(wanted - self._wanted)
        self._wanted = wanted
        self._changed.set()

    async def quotes(self) -> AsyncIterator[Quote]:
        """The recording in order of time, until its end or until closed."""
        await self._someone()
        started = self._clock.monotonic()
        first_ms: int | None = None
        last_yield = started
        for quote in self._merged():
            if first_ms is None:
                first_ms = quote.time_ms
            await self._until(started, quote.time_ms - first_ms)
            if self._closed:
                return
            self.time_ms = quote.time_ms
            for joined in self._welcome():
                yield joined
            self._newest[quote.symbol] = quote
            if quote.symbol in self._wanted:
                yield self._received(quote)
            elif self._speed == 0 and (now := self._clock.monotonic()) - last_yield > 0.01:
                last_yield = now
                await asyncio.sleep(0)
        self.finished = True

    async def close(self) -> None:
        """End `quotes`."""
        self._closed = True
        self._changed.set()

    def _merged(self) -> Iterator[Quote]:
        """All recordings in order of time; a candle that two files of a symbol share is played once."""
        streams = [recorded_quotes(recording) for recording in self._recordings]
        played: dict[str, int] = {}
        candles = {recording.symbol for recording in self._recordings if recording.symbol}
        for quote in heapq.merge(*streams, key=lambda quote: quote.time_ms):
            if quote.time_ms < self._from_ms:
                continue
            if self._until_ms is not None and quote.time_ms > self._until_ms:
                return
            if quote.symbol in candles and played.get(quote.symbol, -1) >= quote.time_ms:
                continue
            played[quote.symbol] = quote.time_ms
            yield quote

    def _welcome(self) -> list[Quote]:
        joining, self._joining = self._joining, []
        return [
            self._received(snapshot(self._newest[symbol]))
            for symbol in joining
            if symbol in self._newest and symbol in self._wanted
        ]

    def _received(self, quote: Quote) -> Quote:
        return Quote(
            quote.exchange, quote.symbol, quote.time_ms, ms_from_utc(self._clock.now()), quote.last, quote.open,
            quote.high, quote.low, quote.bid, quote.ask, quote.volume, quote.trades,
        )  # fmt: skip

    async def _someone(self) -> None:
        while not self._wanted and not self._closed:
            self._changed.clear()
            await self._changed.wait()

    async def _until(self, started: float, recorded_ms: int) -> None:
        """Sleep until it is this quote's turn; wakes early to end."""
        if self._speed == 0:
            return
        due = started + recorded_ms / 1000 / self._speed
        while not self._closed and (wait := due - self._clock.monotonic()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                return
