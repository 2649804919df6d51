"""Strategies that are switched on, bar by bar: an entry becomes a private signal, an exit a close of what that signal opened.

Each closed bar is decided once, by the code that a backtest runs. Signals carry ids derived from the strategy, its version,
the symbol and the bar, and are written in one transaction with the note of the bar, so that doing it again after a kill
changes nothing. A bar that is missing, or is known too late, makes no entry, and the note says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
from tinydb import where

from database import Store, Transaction
from modules.analysis.candles import Candles
from modules.candles.names import grid_phase_ms
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.events import Event, EventKind
from modules.domain.market import TIMEFRAMES_MS, ms_from_utc, utc_from_ms
from modules.domain.plans import PlanStatus
from modules.domain.ports import Instruments
from modules.domain.sides import Side
from modules.domain.signals import Signal, signal_id
from modules.journal import append
from modules.records import to_document
from modules.runtime.logs import log
from modules.strategies.builtin import builtin
from modules.strategies.decide import decide
from modules.strategies.decisions import Decisions
from modules.strategies.language import Strategy
from modules.strategies.orders import EntryCall, entry_call
from modules.strategies.warmup import bars_needed
from modules.strategy_book.book import KeptStrategy, StrategyBook
from modules.strategy_book.markets import MarketNow

PATIENCE_MS: Final = 60_000
"""How long after a bar's close its candle may still come in."""

ASK_AGAIN_MS: Final = 3_000
LATE_MS: Final = 120_000
"""An entry is not made later than this after the close it was decided on."""

RECENT_BARS: Final = 50
"""With a hole among the newest bars nothing is entered: what is computed over it is not what it says."""

REFRESH_MS: Final = 2_000

Load = Callable[[Strategy, str, int], MarketNow]


@dataclass(frozen=True, slots=True)
class Run:
    """One symbol of one strategy: the close (ms UTC) it has decided up to, and what it has to say."""

    id: str
    strategy_id: str
    symbol: str
    decided_ms: int | None = None
    state: str = "waiting"
    note: str = ""


@dataclass(slots=True)
class _Watched:
    """A symbol of a strategy that is on; `asked_ms` is when its candles were last looked for."""

    kept: KeptStrategy
    strategy: Strategy
    run: Run
    asked_ms: int = 0
    given_up_ms: int = 0


class StrategyRuns:
    """All strategies that are on. `load` gives the candles known at a moment; it raises NotFound where there are none.

    `instruments` says on which ticks levels lie.
    """

    def __init__(self, store: Store, load: Load, instruments: Instruments) -> None:
        self._instruments = instruments
        self._store = store
        self._book = StrategyBook(store)
        self._load = load
        self._watched: dict[str, _Watched] = {}
        self._unreadable: set[str] = set()
        self._refreshed_ms = -REFRESH_MS
        self._log = log("strategies")

    def due(self, now: datetime) -> list[str]:
        """The runs whose next bar has closed and may be decided now."""
        now_ms = ms_from_utc(now)
        if not 0 <= now_ms - self._refreshed_ms < REFRESH_MS:
            self._refresh()
            self._refreshed_ms = now_ms
        return [name for name, watched in self._watched.items() if _is_due(watched, now_ms)]

    def symbols(self) -> frozenset[str]:
        """The symbols whose prices, and so candles, are needed."""
        return frozenset(watched.run.symbol for watched in self._watched.values())

    def decide(self, name: str, now: datetime) -> bool:
        """Decides one run's newest bar; whether it did anything that others will see."""
        watched, now_ms = self._watched[name], ms_from_utc(now)
        watched.asked_ms = now_ms
        closed_ms = _last_close(watched.strategy, now_ms)
        try:
            market = self._load(watched.strategy, watched.run.symbol, closed_ms)
        except (NotFound, InvalidInput) as missing:
            return self._without_candles(watched, closed_ms, now_ms, missing.message.rstrip("."))
        if market.closed_ms < closed_ms:
            why = f"the newest candle closed at {utc_from_ms(market.closed_ms):%d %b %H:%M UTC}"
            return self._without_candles(watched, closed_ms, now_ms, why)
        return self._decide_on(watched, market, now)

    def failed(self, name: str, now: datetime, reason: str) -> None:
        """Leaves a bar alone whose decision raised something, and says so."""
        watched = self._watched[name]
        watched.given_up_ms = _last_close(watched.strategy, ms_from_utc(now))
        note = f"Nothing done at {utc_from_ms(watched.given_up_ms):%d %b %H:%M UTC}: {reason}."
        with self._store.transaction() as tx:
            self._note(tx, watched, replace(watched.run, state="failed", note=note))

    # ---- which strategies ---------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Takes up what was switched on or changed, and lets go of what was switched off."""
        watched: dict[str, _Watched] = {}
        for kept in self._book.enabled():
            for symbol in kept.whole["symbols"]:
                name = f"{kept.id}:{symbol}"
                before = self._watched.get(name)
                if before is not None and (before.kept.version, before.kept.enabled_at) == (
                    kept.version,
                    kept.enabled_at,
                ):
                    before.kept = kept
                    watched[name] = before
                    continue
                try:
                    watched[name] = _Watched(kept, kept.strategy(), self._run(name, kept, symbol))
                except InvalidInput as wrong:  # kept by another version of the language: it rests, the others go on
                    if kept.id not in self._unreadable:
                        self._log.error("strategy can't be read", strategy_id=kept.id, reason=wrong.message)
                    self._unreadable.add(kept.id)
        self._watched = watched

    def _run(self, name: str, kept: KeptStrategy, symbol: str) -> Run:
        """Where the run stands. Bars that closed before the strategy was switched on are none of its."""
        document = self._store["strategy_runs"].get(key=name)
        since = ms_from_utc(kept.enabled_at or kept.updated_at)
        if document is None:
            return Run(name, kept.id, symbol, since)
        decided = document.get("decided_ms")
        return Run(name, kept.id, symbol, max(since, decided or since), document["state"], document["note"])

    # ---- one bar ------------------------------------------------------------------------------------------------------

    def _without_candles(self, watched: _Watched, closed_ms: int, now_ms: int, why: str) -> bool:
        """Waits a while for the candle, then says that it is missing and leaves this bar alone."""
        if now_ms - closed_ms < PATIENCE_MS:
            return False
        watched.given_up_ms = closed_ms
        note = f"Nothing done at {utc_from_ms(closed_ms):%d %b %H:%M UTC}: {why}."
        self._log.warning("no candles", strategy_id=watched.kept.id, symbol=watched.run.symbol, reason=why)
        with self._store.transaction() as tx:
            self._note(tx, watched, replace(watched.run, state="no_candles", note=note))
        return True

    def _decide_on(self, watched: _Watched, market: MarketNow, now: datetime) -> bool:
        """Exits of every bar since the last one decided, and an entry of the newest, unless it is late or has a hole."""
        strategy, candles = watched.strategy, market.candles
        new = candles.timestamp + candles.timeframe_ms > (watched.run.decided_ms or 0)
        fresh = np.flatnonzero(new)
        if not len(fresh):
            return False
        decisions = decide(strategy, candles, market.higher, only=new)
        trouble = _trouble(market, now)
        listed = self._instruments.find(watched.run.symbol)
        call = None if trouble else entry_call(strategy, decisions, candles, len(candles) - 1, listed)
        with self._store.transaction(durable=True) as tx:
            if not self._still_meant(tx, watched.kept):
                return False
            held = self._held(tx, watched)
            if held is not None:
                note = self._leave(tx, watched, held, decisions, fresh, market, now)
            elif call is not None:
                note = self._enter(tx, watched, call, market, now)
            else:
                note = trouble or _short_of(strategy, candles)
            run = replace(watched.run, decided_ms=market.closed_ms, state="gap" if trouble else "running", note=note)
            self._note(tx, watched, run)
        return bool(note)

    @staticmethod
    def _still_meant(tx: Transaction, kept: KeptStrategy) -> bool:
        """Whether the strategy is still on and says the same: its owner may have changed it a moment ago."""
        document = tx["strategies"].get(key=kept.id)
        return document is not None and document["enabled"] and document["version"] == kept.version

    def _held(self, tx: Transaction, watched: _Watched) -> tuple[str, Side] | None:
        """The signal and side of what this strategy has open on the symbol, or is about to open."""
        source = source_of(watched.kept.id)
        open_plans = (where("status") == PlanStatus.OPEN.value) & (where("source") == source)
        for plan in tx["plans"].search(open_plans):
            if plan["symbol"] == watched.run.symbol:
                return str(plan["signal_id"]), Side(plan["side"])
        waiting = where("symbol") == watched.run.symbol
        for item in tx["planning_queue"].search(waiting):
            signal = tx["signals"].get(key=item["signal_id"])
            if signal is not None and signal["source"] == source:
                return str(signal["id"]), Side(signal["side"])
        return None

    def _leave(
        self,
        tx: Transaction,
        watched: _Watched,
        held: tuple[str, Side],
        decisions: Decisions,
        fresh: Any,
        market: MarketNow,
        now: datetime,
    ) -> str:
        signal, side = held
        opened = tx["signals"].get(key=signal)
        since = 0 if opened is None else int(opened["said_at"])
        closes = market.candles.timestamp[fresh] + market.candles.timeframe_ms
        exits = (decisions.exit_long if side is Side.LONG else decisions.exit_short)[fresh] & (closes > since)
        if not exits.any():
            return ""
        body = {"update": "close", "level": None, "price": None, "share": None, "symbol": watched.run.symbol}
        about = {"source": source_of(watched.kept.id), "message_id": signal, "owner": watched.kept.user_id, **body}
        key = f"{EventKind.UPDATE_RECEIVED.value}:{watched.run.id}:{market.closed_ms}"
        append(tx, Event(EventKind.UPDATE_RECEIVED, now, about, key=key, signal_id=signal))
        return "Closing: the exit's conditions hold."

    def _enter(self, tx: Transaction, watched: _Watched, call: EntryCall, market: MarketNow, now: datetime) -> str:
        account = _account_of(tx, watched.kept)
        if account is None:
            return "Nothing entered: there is no account to trade for."
        signal = _signal(watched, call, market.closed_ms, now)
        if tx["signals"].contains(key=signal.id):
            return ""
        tx["signals"].insert({**to_document(signal), "fingerprint": signal.id})
        tx["signal_terms"].upsert(to_document(call.terms(signal.id, account)))
        about = {
            "source": signal.source,
            "message_id": signal.message_id,
            "owner": signal.owner,
            "symbol": signal.symbol,
            "side": signal.side.value,
        }
        key = f"{EventKind.SIGNAL_RECEIVED.value}:{signal.id}"
        append(tx, Event(EventKind.SIGNAL_RECEIVED, now, about, key=key, signal_id=signal.id))
        return f"{'Buying' if call.side is Side.LONG else 'Selling'}: the entry's conditions hold."

    @staticmethod
    def _note(tx: Transaction, watched: _Watched, run: Run) -> None:
        """Stores the run and takes it over once that is certain."""
        if run != watched.run:
            tx["strategy_runs"].upsert(to_document(run))

            def keep() -> None:
                watched.run = run

            tx.after_commit(keep)


def warm_up() -> None:
    """Loads the compiled parts, so that the first bar is decided as fast as the next."""
    flat = np.full(60, 100.0)
    stamps = np.arange(60, dtype=np.int64) * TIMEFRAMES_MS["1h"]
    candles = Candles.checked(stamps, flat, flat, flat, flat, flat, timeframe_ms=TIMEFRAMES_MS["1h"])
    for name in ("rsi_mean_reversion", "bollinger_breakout", "smc"):
        decide(builtin(name), candles)


def source_of(strategy_id: str) -> str:
    """What a strategy's signals, plans and positions name as their source."""
    return f"strategy:{strategy_id}"


def _is_due(watched: _Watched, now_ms: int) -> bool:
    closed_ms = _last_close(watched.strategy, now_ms)
    if closed_ms <= max(watched.run.decided_ms or 0, watched.given_up_ms):
        return False
    return not 0 <= now_ms - watched.asked_ms < ASK_AGAIN_MS


def _last_close(strategy: Strategy, now_ms: int) -> int:
    """The newest moment at which a bar of the strategy's timeframe closed."""
    length = TIMEFRAMES_MS[strategy.timeframe]
    phase = grid_phase_ms(length)
    return (now_ms - phase) // length * length + phase


def _trouble(market: MarketNow, now: datetime) -> str:
    """Why nothing may be entered on this bar; empty where nothing stands against it."""
    late_ms = ms_from_utc(now) - market.closed_ms
    if late_ms > LATE_MS:
        return f"No entry: the bar was known {late_ms // 1000} seconds after its close."
    missing = sum(bars for _, bars in market.candles[-RECENT_BARS:].gaps())
    if missing:
        return f"No entry: {missing} of the newest bars are missing."
    return ""


def _short_of(strategy: Strategy, candles: Candles) -> str:
    """Says where the history is shorter than the strategy's figures need; empty where it suffices."""
    needed = bars_needed(strategy, strategy.timeframe)
    return (
        "" if len(candles) >= needed else f"Only {len(candles)} candles are stored; its figures settle after {needed}."
    )


def _account_of(tx: Transaction, kept: KeptStrategy) -> str | None:
    """The account a strategy trades for: the one chosen, else the user's first paper account."""
    if kept.account_id is not None:
        chosen = tx["accounts"].get(key=kept.account_id)
        return kept.account_id if chosen is not None and chosen["user_id"] == kept.user_id else None
    paper = (where("user_id") == kept.user_id) & (where("exchange") == "paper")
    found = tx["accounts"].search(paper, order_by="created_at", limit=1)
    return str(found[0]["id"]) if found else None


def _signal(watched: _Watched, call: EntryCall, closed_ms: int, now: datetime) -> Signal:
    kept, symbol = watched.kept, watched.run.symbol
    source, message = source_of(kept.id), f"{kept.version}:{symbol}:{closed_ms}"
    length = timedelta(milliseconds=TIMEFRAMES_MS[watched.strategy.timeframe])
    return Signal(
        id=signal_id(source, message),
        source=source,
        message_id=message,
        symbol=symbol,
        side=call.side,
        order="market",
        entries=(call.price,),
        entry_range=False,
        targets=call.targets,
        stop_loss=call.stop,
        leverage=max(call.leverage, Decimal(1)),
        text=f"{kept.name}: {call.side.value} {symbol} {watched.strategy.timeframe}",
        said_at=utc_from_ms(closed_ms),
        received_at=now,
        expires_at=utc_from_ms(closed_ms) + length,
        confidence=1.0,
        owner=kept.user_id,
    )
