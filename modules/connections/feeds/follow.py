"""Prices from a file that somebody appends trades to, one JSON line each.

Everything that is already in the file is read first, so that prices are known; but what was written before this source
ever ran stands for no trade (its range is older than whoever listens). With a `resume_path` the place reached is
remembered, and what was appended while the process was down is delivered in full.

The file may not be there yet, be cut off, be replaced, end in half a line or hold lines that are no trades: none of it
stops the source.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Collection
from io import FileIO
from pathlib import Path

import orjson
import structlog

from modules.connections.feeds.conflation import CandleListener, Conflator
from modules.connections.feeds.tape import MINUTE_MS
from modules.connections.feeds.ticks import Tick, read_tick
from modules.domain.errors import InvalidInput
from modules.domain.market import Quote
from modules.domain.ports import Clock

_log = structlog.get_logger(__name__)
_CHUNK = 1 << 18
_LONGEST_LINE = 1 << 16
_REPEATS_REMEMBERED = 200
#: A file has few trades compared with an exchange: quotes follow one another faster.
_INTERVAL_MS = 20


class TailedFile:
    """The complete lines appended to a file, through truncation, replacement and absence. Reads, never waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity: tuple[int, int] | None = None
        self.offset = 0
        self._file: FileIO | None = None
        self._half = b""

    @property
    def consumed(self) -> int:
        """Bytes of the present file that were handed out as whole lines."""
        return self.offset - len(self._half)

    def lines(self) -> list[bytes]:
        """The next complete lines, at most about a quarter megabyte of them; empty when there is nothing new."""
        if self._file is None and not self._open():
            return []
        if (block := self._read()) == b"":
            if not self._replaced():
                return []
            self.close()
            if not self._open():
                return []
            block = self._read()
        *whole, self._half = (self._half + block).split(b"\n")
        if len(self._half) > _LONGEST_LINE:
            whole.append(self._half)
            self._half = b""
        return whole

    def close(self) -> None:
        """Let go of the file; the next `lines` opens it anew from its start."""
        if self._file is not None:
            self._file.close()
        self._file, self._half, self.offset, self.identity = None, b"", 0, None

    def _read(self) -> bytes:
        if self._file is None:
            return b""
        block = self._file.read(_CHUNK) or b""
        self.offset += len(block)
        return block

    def _open(self) -> bool:
        try:
            self._file = FileIO(str(self.path), "r")
        except OSError:
            return False
        stat = os.fstat(self._file.fileno())
        self.identity = (stat.st_dev, stat.st_ino)
        self.offset, self._half = 0, b""
        return True

    def _replaced(self) -> bool:
        """At the end of what we hold: was the file cut off, or is another one in its place?"""
        try:
            stat = self.path.stat()
        except OSError:
            return False
        return (stat.st_dev, stat.st_ino) != self.identity or stat.st_size < self.offset


class Bookmark:
    """How far a file was delivered, kept beside the data so that a restarted process goes on there.

    The file is known by its path and its first bytes, so a copied one is still itself and a replaced one is not.
    """

    _HEAD = 256

    def __init__(self, kept_at: Path, file: Path) -> None:
        self._kept_at = kept_at
        self._file = file
        self._saved = -1

    def place(self) -> int | None:
        """The offset to go on from: 0 when the file was replaced meanwhile, None when it was never followed before."""
        try:
            kept = orjson.loads(self._kept_at.read_bytes())
            path, offset, length, checksum = kept["path"], int(kept["offset"]), int(kept["length"]), kept["checksum"]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if path != str(self._file):
            return None
        same = self._head(length) == (length, checksum) and self._file.stat().st_size >= offset
        return offset if same else 0

    def move(self, offset: int) -> None:
        """Delivered up to here. Written after delivery: a process killed in between delivers twice, never not at all."""
        if offset == self._saved:
            return
        self._saved = offset
        length, checksum = self._head(min(offset, self._HEAD))
        kept = {"path": str(self._file), "offset": offset, "length": length, "checksum": checksum}
        beside = self._kept_at.with_suffix(".new")
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(orjson.dumps(kept))
        beside.replace(self._kept_at)

    def _head(self, length: int) -> tuple[int, int]:
        try:
            with self._file.open("rb") as opened:
                head = opened.read(length)
        except OSError:
            head = b""
        return len(head), zlib.crc32(head)


class FollowSource:
    """A `PriceSource` over a file of appended trades.

    `poll_seconds` bounds the delay from append to quote. With `resume_path`, trades that were appended while the process
    was down wait `claim_seconds` for their symbol to be wanted.
    """

    name = "follow"

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        resume_path: Path | None = None,
        poll_seconds: float = 0.01,
        claim_seconds: float = 10.0,
        on_candle: CandleListener | None = None,
    ) -> None:
        self._tail = TailedFile(path)
        self._bookmark = Bookmark(resume_path, path) if resume_path else None
        self._poll = poll_seconds
        self._claim_seconds = claim_seconds
        self._clock = clock
        self._on_candle = on_candle
        self._conflators: dict[str, Conflator] = {}
        self._wanted: frozenset[str] = frozenset()
        self._known: dict[str, Tick] = {}
        self._unclaimed: dict[str, list[Tick]] | None = None
        self._reported: set[bytes] = set()
        self._closed = False
        self.malformed = 0

    @property
    def unknown(self) -> frozenset[str]:
        """Wanted symbols of which the file has said nothing yet."""
        return self._wanted - self._known.keys()

    def lists(self, symbol: str) -> bool:
        """Has the file named this symbol?"""
        return symbol in self._known

    def want(self, symbols: Collection[str]) -> None:
        """From now on deliver these symbols, beginning with the price already known of each new one."""
        wanted = frozenset(symbols)
        fresh, dropped = wanted - self._wanted, self._wanted - wanted
        self._wanted = wanted
        for conflator in self._conflators.values():
            for symbol in dropped:
                conflator.drop(symbol)
        for symbol in sorted(fresh):
            if self._unclaimed and (ticks := self._unclaimed.pop(symbol, None)):
                for tick in ticks:
                    self._onto_tape(tick)
            elif symbol in self._known:
                self._seed(self._known[symbol])

    async def quotes(self) -> AsyncIterator[Quote]:
        """Quotes as trades are appended, until closed."""
        try:
            await self._read_past()
            claims_end = self._clock.monotonic() + self._claim_seconds
            while not self._closed:
                read = self._take(self._tail.lines())
                for quote in self._drain():
                    yield quote
                if self._bookmark is not None:
                    self._bookmark.move(self._tail.consumed)
                if self._unclaimed is not None and self._clock.monotonic() >= claims_end:
                    self._unclaimed = None
                await asyncio.sleep(0 if read else self._poll)
        finally:
            self._tail.close()

    async def close(self) -> None:
        """End `quotes`."""
        self._closed = True

    def _drain(self) -> list[Quote]:
        return [quote for conflator in self._conflators.values() for quote in conflator.due()]

    async def _read_past(self) -> None:
        """What was in the file before: prices, but no range; up to the bookmark, else all that is there."""
        until = self._bookmark.place() if self._bookmark is not None else None
        if until is not None:
            self._unclaimed = {}
        position = 0
        while lines := self._tail.lines():
            for index, line in enumerate(lines):
                if until is not None and position >= until:
                    self._take(lines[index:])
                    return
                position += len(line) + 1
                if (tick := self._tick(line)) is not None:
                    self._known[tick.symbol] = tick
            await asyncio.sleep(0)
        for tick in self._known.values():
            if tick.symbol in self._wanted:
                self._seed(tick)

    def _take(self, lines: list[bytes]) -> bool:
        for line in lines:
            if (tick := self._tick(line)) is None:
                continue
            self._known[tick.symbol] = tick
            if tick.symbol in self._wanted:
                self._onto_tape(tick)
            elif self._unclaimed is not None:
                self._unclaimed.setdefault(tick.symbol, []).append(tick)
        return bool(lines)

    def _onto_tape(self, tick: Tick) -> None:
        """The order of lines decides which price is the last; times that jump far back begin a new recording."""
        tape = self._conflator(tick.exchange).tape(tick.symbol)
        if tape.newest_ms - tick.time_ms > MINUTE_MS:
            tape.rewind()
        tape.trade(tick.price, tick.quantity, max(tick.time_ms, tape.newest_ms))

    def _tick(self, line: bytes) -> Tick | None:
        if not line.strip():
            return None
        try:
            return read_tick(line)
        except InvalidInput as error:
            self.malformed += 1
            if line[:200] not in self._reported and len(self._reported) < _REPEATS_REMEMBERED:
                self._reported.add(line[:200])
                _log.warning("follow_line_skipped", path=str(self._tail.path), reason=error.message, line=line[:80])
            return None

    def _seed(self, tick: Tick) -> None:
        self._conflator(tick.exchange).tape(tick.symbol).seed(tick.price, tick.time_ms)

    def _conflator(self, exchange: str) -> Conflator:
        if (conflator := self._conflators.get(exchange)) is None:
            conflator = self._conflators[exchange] = Conflator(
                exchange, self._clock, interval_ms=_INTERVAL_MS, on_candle=self._on_candle
            )
        return conflator
