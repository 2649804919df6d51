"""A rehearsal: past messages arrive at their times, candles close at theirs, and everything else is the real thing.

The market at a message is the last closed candle; a candle's range counts only for what existed before it opened, so
nothing is filled by a price from before the call. A symbol without candles is skipped and said.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tinydb import where

from modules.analysis.candles import Candles
from modules.connections.instrument_catalogue import InstrumentCatalogue
from modules.domain.errors import InvalidInput
from modules.domain.market import Quote, utc_from_ms
from modules.domain.parses import Kind, Parse
from modules.domain.people import Account
from modules.domain.plans import TradeSettings
from modules.domain.positions import Position
from modules.domain.signals import Signal, SourceMessage
from modules.records import from_document, open_records, to_document
from modules.rehearsal.material import SOURCE, CandleFolder, PastMessage, finest_quotes, read_messages
from modules.rehearsal.stage import Stage, StageParts
from modules.signals.parsing import parse
from modules.trading.fill_model import FillModel, Slippage
from modules.trading.risk import HardLimits
from modules.trading.settings_edit import edit

BALANCE = Decimal(10_000)
#: How long after the last message prices are still followed.
AFTER = timedelta(days=14)
#: A claim without a stated age is taken to mean a call of these last days.
CLAIM_WINDOW = timedelta(days=3)
AGE_TOLERANCE = 0.1
ACCOUNT = "rehearsal"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the channel itself said of a signal, and when."""

    at: datetime
    what: str
    level: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One signal: the record by prices, what the account made of it, and the channel's claims."""

    signal: Signal
    position: Position | None
    refusal: str | None
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    message_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result. `equity` is the wallet after each close; `assumptions` are sentences that belong to the figures."""

    signals: tuple[Rehearsed, ...]
    skipped: tuple[Skipped, ...]
    start: datetime
    end: datetime
    balance: Decimal
    equity: tuple[tuple[datetime, Decimal], ...]
    assumptions: tuple[str, ...]
    messages: int


@dataclass(slots=True)
class _Cast:
    """Which messages take part, and the candles of their symbols."""

    playing: list[tuple[PastMessage, Parse]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    candles: dict[str, list[Candles]] = field(default_factory=dict)


class _PastClock:
    """Stands at the moment being rehearsed."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


def rehearse_files(
    messages: Path, candles: Path, settings: Path | None = None, *, progress: Callable[[float], None] | None = None
) -> Rehearsal:
    """Rehearses a channel's file over a folder of candles. Raises InvalidInput for files that can't be read."""
    return rehearse(read_messages(messages), CandleFolder(candles), _settings(settings), progress=progress)


def rehearse(
    messages: list[PastMessage],
    folder: CandleFolder,
    settings: TradeSettings,
    *,
    progress: Callable[[float], None] | None = None,
) -> Rehearsal:
    """Trades the messages over the candles. `progress` is told the fraction done."""
    cast = _choose(messages, folder)
    if not cast.playing:
        moment = next((each.at for each in messages if each.at), utc_from_ms(0))
        return Rehearsal((), tuple(cast.skipped), moment, moment, BALANCE, (), (), len(messages))
    first = min(message.at for message, _ in cast.playing if message.at)
    last = max(message.at for message, _ in cast.playing if message.at)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch:
        stage, clock = _stage(Path(scratch), first, cast, settings)
        try:
            _play(stage, clock, cast, (first, last + AFTER), progress)
            return _result(stage, cast, (first, clock.now()), len(messages))
        finally:
            stage.store.close()


def _choose(messages: list[PastMessage], folder: CandleFolder) -> _Cast:
    cast = _Cast()
    for message in messages:
        read = parse(message.text)
        if message.at is None:
            cast.skipped.append(Skipped(message.id, "it has no time"))
            continue
        if read.kind is Kind.NONE:
            cast.skipped.append(Skipped(message.id, f"no signal: {read.reason}"))
            continue
        if read.kind is Kind.ENTRY and read.symbol is not None:
            candles = folder.covering(read.symbol, message.at)
            if candles is None:
                cast.skipped.append(Skipped(message.id, f"no candles of {read.symbol} at {message.at:%Y-%m-%d %H:%M}"))
                continue
            known = cast.candles.setdefault(read.symbol, [])
            if candles not in known:
                known.append(candles)
        cast.playing.append((message, read))
    return cast


def _stage(scratch: Path, start: datetime, cast: _Cast, settings: TradeSettings) -> tuple[Stage, _PastClock]:
    clock = _PastClock(start - timedelta(hours=1))
    store = open_records(f"sqlite:///{scratch.resolve() / 'rehearsal.db'}", scratch)
    widest = max((each.timeframe_ms for found in cast.candles.values() for each in found), default=60_000) / 1000
    parts = StageParts(
        store=store,
        clock=clock,
        instruments=InstrumentCatalogue(scratch),
        kill_file=scratch / "KILL",
        model=FillModel(slippage=Slippage.BPS, slippage_size=Decimal(1)),
        hard=HardLimits(max_orders_per_minute=10_000),
        fresh_seconds=2 * widest,
    )
    store["accounts"].insert(
        to_document(Account(ACCOUNT, ACCOUNT, "paper", "USDT", BALANCE, clock.now(), settings=settings))
    )
    return Stage(parts), clock


def _play(
    stage: Stage,
    clock: _PastClock,
    cast: _Cast,
    span: tuple[datetime, datetime],
    progress: Callable[[float], None] | None,
) -> None:
    start, end = span
    lead = start - timedelta(days=2)
    streams: list[Iterator[tuple[datetime, int, Quote | PastMessage]]] = [
        ((utc_from_ms(quote.time_ms), 0, quote) for quote in finest_quotes(found, lead, end))
        for found in cast.candles.values()
    ]
    streams.append((message.at or start, 1, message) for message, _ in cast.playing)
    said = sum(1 for _ in cast.playing)
    heard, hour = 0, None
    for at, _, item in heapq.merge(*streams, key=lambda each: each[:2]):
        clock.at = max(clock.at, at)
        if isinstance(item, Quote):
            stage.quote(item)
        else:
            heard += 1
            stage.take(SourceMessage(SOURCE, item.id, item.text, at, clock.now(), reply_to=item.reply_to))
            stage.settle()
        if hour != at.replace(minute=0, second=0, microsecond=0):
            hour = at.replace(minute=0, second=0, microsecond=0)
            stage.settle()  # what is due by time alone
            if progress is not None:
                progress(max((at - start) / (end - start), 0.0))
        if heard == said and not _anything_open(stage):
            break


def _anything_open(stage: Stage) -> bool:
    open_ones = where("status").one_of(["waiting", "active"])
    return stage.store["signals"].contains(open_ones) or stage.store["plans"].contains(where("status") == "open")


def _result(stage: Stage, cast: _Cast, span: tuple[datetime, datetime], count: int) -> Rehearsal:
    store = stage.store
    found = [from_document(Signal, each) for each in store["signals"].search(where("said_at") >= 0, order_by="said_at")]
    held = {each["signal_id"]: from_document(Position, each) for each in store["positions"].all()}
    refused = {each["signal_id"]: each["sentence"] for each in store["refusals"].all() if each.get("signal_id")}
    claims = _claims(stage, cast, found)
    known = {each.message_id for each in found}
    repeated = [
        Skipped(message.id, store["messages"].get(key=f"{SOURCE}/{message.id}/0")["reason"])  # type: ignore[index]
        for message, read in cast.playing
        if read.kind is Kind.ENTRY and message.id not in known
    ]
    rows = tuple(
        Rehearsed(each, held.get(each.id), refused.get(each.id), tuple(claims.get(each.id, ()))) for each in found
    )
    return Rehearsal(
        signals=rows,
        skipped=(*cast.skipped, *repeated),
        start=span[0],
        end=span[1],
        balance=BALANCE,
        equity=_equity(rows),
        assumptions=_assumptions(cast),
        messages=count,
    )


def _claims(stage: Stage, cast: _Cast, signals: list[Signal]) -> dict[str, list[Claim]]:
    """Each update under the signal it means: as bound when it arrived, else the newest call on its symbol before it."""
    claims: dict[str, list[Claim]] = {}
    for message, read in cast.playing:
        if read.kind is not Kind.UPDATE or read.update is None or message.at is None:
            continue
        document = stage.store["messages"].get(key=f"{SOURCE}/{message.id}/0")
        bound = document["signal_id"] if document else None
        if bound is None:
            bound = _meant(read, message.at, signals)
        if bound is not None:
            first_line = message.text.strip().splitlines()[0]
            claims.setdefault(bound, []).append(Claim(message.at, read.update, read.update_level, first_line))
    return claims


def _meant(read: Parse, at: datetime, signals: list[Signal]) -> str | None:
    """The call that a claim means which came after the call had ended: the one of the stated age, else the newest."""
    earlier = [
        each
        for each in signals
        if each.symbol == read.symbol and each.said_at < at and each.said_at > at - CLAIM_WINDOW
    ]
    if read.age_seconds is not None:
        said = at - timedelta(seconds=read.age_seconds)
        slack = max(timedelta(seconds=read.age_seconds) * AGE_TOLERANCE, timedelta(minutes=5))
        earlier = [each for each in earlier if abs(each.said_at - said) <= slack]
    return earlier[-1].id if earlier else None


def _equity(rows: tuple[Rehearsed, ...]) -> tuple[tuple[datetime, Decimal], ...]:
    closed = [
        (each.closed_at, each) for row in rows if (each := row.position) is not None and each.closed_at is not None
    ]
    wallet, points = BALANCE, []
    for at, position in sorted(closed, key=lambda each: each[0]):
        wallet += position.net_pnl
        points.append((at, wallet))
    return tuple(points)


def _assumptions(cast: _Cast) -> tuple[str, ...]:
    frames = ", ".join(
        f"{symbol} {'/'.join(str(each.timeframe_ms // 60_000) for each in found)} min"
        for symbol, found in sorted(cast.candles.items())
    )
    return (
        f"Candles: {frames}; stop before target when one candle touches both; a gap fills at the open.",
        "Paper fills: 1 basis point of slippage, 0.02 % maker and 0.05 % taker fee, no funding.",
        "Tick and lot sizes are assumed from the price.",
        "A source is judged with its own stop and equal parts per target; the account trades with its settings.",
    )


def _settings(path: Path | None) -> TradeSettings:
    base = replace(TradeSettings(), autotrade=True)
    if path is None:
        return base
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} can't be read: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidInput(f"{path} must be an object of setting names and values")
    return edit(base, {str(name): _as_text(value) for name, value in fields.items()})


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ",".join(str(each) for each in value)
    return str(value)
