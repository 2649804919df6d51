"""Follows every signal against prices, whoever trades it: entered, targets reached, stopped, closed, expired.

This is the signal's record: it comes from prices and the exit kernel, never from the channel's own boasts. Each target
counts an equal part; the stop stays where the source put it until the source moves it. An entry is reached when price
trades at the nearest entry; a target reached before the entry cancels the call.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Entry, Store, StoreError, Transaction
from modules.domain.errors import InvalidInput
from modules.domain.events import Event, EventKind
from modules.domain.market import Quote, ms_from_utc, utc_from_ms
from modules.domain.money import HUNDRED, ZERO, from_float, plain
from modules.domain.plans import ExitRules
from modules.domain.ports import QuoteBoard
from modules.domain.signals import Signal, SignalHit, SignalStatus
from modules.journal import JournalConsumer, append
from modules.records import changes, from_document
from modules.runtime.logs import log
from modules.trading.exit_book import ExitBook, ExitEvent, ExitKind
from modules.trading.exits import target_fill
from modules.trading.targets import FirstBar, equal_shares, program_from_signal

#: How a source is judged: its own stop, its own targets, nothing added.
JUDGED_BY = ExitRules(break_even_after=None)
_OPEN = (SignalStatus.WAITING.value, SignalStatus.ACTIVE.value)


class SignalTracker:
    """The open signals of every source. `sync` learns of new signals and updates, `on_quote` of prices."""

    def __init__(self, store: Store, board: QuoteBoard, *, fresh_seconds: float = 30.0) -> None:
        self._store = store
        self._board = board
        self._fresh_seconds = fresh_seconds
        self._open: dict[str, Signal] = {}
        self._waiting: dict[str, set[str]] = {}
        self._book = ExitBook()
        self._undone: deque[ExitEvent] = deque()
        self._log = log("signals")
        kinds = (EventKind.SIGNAL_RECEIVED, EventKind.UPDATE_RECEIVED)
        self._consumer = JournalConsumer(store, "signals.tracker", self._handle, kinds)

    def recover(self, now: datetime) -> None:
        """Takes up every signal that was open."""
        for document in self._store["signals"].search(where("status").one_of(list(_OPEN))):
            self._take_up(from_document(Signal, document), now)

    def symbols(self) -> set[str]:
        """Symbols whose prices are needed."""
        return {signal.symbol for signal in self._open.values()}

    def reference_price(self, symbol: str) -> Decimal | None:
        """A price near which `symbol` was called: where a simulated market may begin."""
        for signal in self._open.values():
            if signal.symbol == symbol and signal.reference_price is not None:
                return signal.reference_price
        return None

    def sync(self, now: datetime) -> int:
        """Reads the journal; returns how many events were handled."""
        self._take_exits(now)
        return self._consumer.turn(now)

    def on_quote(self, quote: Quote, now: datetime) -> int:
        """Judges the signals on this symbol; returns how many changed."""
        changed = sum(
            self._try_entry(self._open[each], quote, now) for each in sorted(self._waiting.get(quote.symbol, ()))
        )
        try:
            events = self._book.on_quote(quote.symbol, quote)
        except InvalidInput as wrong:
            self._log.error("quote refused", symbol=quote.symbol, reason=wrong.message)
            return changed
        self._undone += events
        self._take_exits(now)
        return changed + len(events)

    def expire(self, now: datetime) -> int:
        """Ends the waiting signals whose time to enter is over; returns how many."""
        waiting = [each for ids in self._waiting.values() for each in ids]
        due = [signal for each in waiting if (signal := self._open[each]).expires_at <= now]
        for signal in due:
            self._end(signal, SignalStatus.EXPIRED, "not_entered_in_time", now)
        return len(due)

    # ---- events ---------------------------------------------------------------------------------------------------

    def _handle(self, entry: Entry, tx: Transaction, now: datetime) -> None:
        document = tx["signals"].get(key=entry.body["signal_id"])
        if document is None:
            return
        signal = from_document(Signal, document)
        if entry.kind == EventKind.SIGNAL_RECEIVED.value:
            if not signal.status.ended:
                tx.after_commit(lambda: self._take_up(signal, now))
            return
        self._update(self._open.get(signal.id, signal), entry, now)

    def _update(self, signal: Signal, entry: Entry, now: datetime) -> None:
        """What the source itself did. Its claims of targets and stops are kept in the journal but judge nothing."""
        if signal.status.ended:
            return
        what, price = entry.body["update"], entry.body.get("price")
        if what in ("cancel", "close"):
            self._closed_by_source(signal, what, now)
        elif what == "move_stop" and signal.status is SignalStatus.WAITING:
            if price is not None:
                self._stop_set(signal, Decimal(price))
        elif what == "move_stop":
            to = Decimal(price) if price is not None else signal.entry_price
            if to is not None:
                self._stop_moved(signal, to, entry.seq, now)

    def _closed_by_source(self, signal: Signal, what: str, now: datetime) -> None:
        if signal.status is SignalStatus.WAITING:
            self._end(signal, SignalStatus.CANCELLED, f"{what}_by_source", now)
            return
        quote = self._board.latest(signal.symbol)
        if quote is None:
            self._end(signal, SignalStatus.CLOSED, f"{what}_by_source_without_price", now)
            return
        self._end(signal, SignalStatus.CLOSED, f"{what}_by_source", now, quote.last)

    def _stop_set(self, signal: Signal, price: Decimal) -> None:
        """Before the entry the source may still say where its stop is to be: on the losing side of every entry."""
        if any((entry - price) * signal.side.sign <= ZERO for entry in signal.entries):
            return
        moved = replace(signal, stop_loss=price)
        with self._store.transaction() as tx:
            self._save(tx, signal, moved)
            tx.after_commit(lambda: self._open.update({signal.id: moved}))

    def _stop_moved(self, signal: Signal, price: Decimal, seq: int, now: datetime) -> None:
        moved = replace(signal, stop_now=price)
        with self._store.transaction() as tx:
            self._save(tx, signal, moved)
            self._tell(
                tx, EventKind.SIGNAL_STOP_MOVED, moved, now, {"price": plain(price), "reason": "source"}, str(seq)
            )
            tx.after_commit(lambda: self._restop(moved, price))

    def _restop(self, moved: Signal, price: Decimal) -> None:
        self._open[moved.id] = moved
        if moved.id in self._book:
            self._book.move_stop(moved.id, price)

    # ---- prices ---------------------------------------------------------------------------------------------------

    def _try_entry(self, signal: Signal, quote: Quote, now: datetime) -> int:
        quote = quote.seen_from(ms_from_utc(signal.received_at))
        price, first_bar = _entry_price(signal, quote), _first_bar(signal, quote)
        if price is None:
            if signal.targets and _touched(signal, signal.targets[0], quote):
                self._end(signal, SignalStatus.CANCELLED, "target_before_entry", now)
                return 1
            return 0
        if signal.stop_loss is not None and (price - signal.stop_loss) * signal.side.sign <= ZERO:
            self._end(signal, SignalStatus.CANCELLED, "stop_before_entry", now)
            return 1
        if signal.targets and (price - signal.targets[0]) * signal.side.sign >= ZERO:
            self._end(signal, SignalStatus.CANCELLED, "target_before_entry", now)
            return 1
        at = utc_from_ms(quote.time_ms)
        active = replace(
            signal, status=SignalStatus.ACTIVE, entry_price=price, entered_at=at, best_price=price, worst_price=price
        )
        with self._store.transaction() as tx:
            self._save(tx, signal, active)
            self._tell(tx, EventKind.SIGNAL_ENTERED, active, now, {"price": plain(price), "symbol": signal.symbol})
        self._waiting[signal.symbol].discard(signal.id)
        self._open[signal.id] = active
        self._follow(active, first_bar)
        return 1

    def _take_exits(self, now: datetime) -> None:
        """Writes down what the kernel decided. It decides once: what the store can't take now is written later."""
        while self._undone:
            event = self._undone.popleft()
            try:
                self._on_exit(event, now)
            except StoreError:
                self._undone.appendleft(event)
                raise

    def _on_exit(self, event: ExitEvent, now: datetime) -> None:
        signal = self._open.get(event.position_id)
        if signal is None or event.price is None:
            return
        if event.kind is ExitKind.TARGET:
            self._hit(signal, event, now)
        elif event.kind is ExitKind.STOP:
            reason = event.reason.value if event.reason else "stop_loss"
            self._end(signal, SignalStatus.CLOSED, reason, now, event.price)

    def _hit(self, signal: Signal, event: ExitEvent, now: datetime) -> None:
        assert event.price is not None
        at = utc_from_ms(event.time_ms)
        after = replace(signal, hits=(*signal.hits, SignalHit(event.level, event.price, at)))
        body = {
            "symbol": signal.symbol,
            "number": event.level,
            "of": len(signal.targets),
            "price": plain(event.price),
            "return_percent": plain(_return(signal, event.price)),
            "after_seconds": _seconds_since_entry(signal, at),
        }
        with self._store.transaction() as tx:
            self._save(tx, signal, after)
            self._tell(tx, EventKind.SIGNAL_TARGET_HIT, after, now, body, str(event.level))
        self._open[signal.id] = after
        if len(after.hits) == len(after.targets):
            self._end(after, SignalStatus.CLOSED, "targets", now, event.price)

    def _end(
        self, signal: Signal, status: SignalStatus, reason: str, now: datetime, price: Decimal | None = None
    ) -> None:
        ended = replace(signal, status=status, reason=reason, closed_at=now, exit_price=price)
        ended = self._with_extremes(ended)
        if price is not None and signal.entry_price is not None:
            result = _result(signal, price)
            ended = replace(ended, return_percent=result, r_multiple=_r_multiple(signal, result))
        body: dict[str, Any] = {
            "symbol": signal.symbol,
            "status": status.value,
            "reason": reason,
            "price": plain(price) if price is not None else None,
            "return_percent": plain(ended.return_percent) if ended.return_percent is not None else None,
            "r_multiple": plain(ended.r_multiple) if ended.r_multiple is not None else None,
            "targets_hit": len(signal.hits),
            "after_seconds": _seconds_since_entry(signal, now),
        }
        with self._store.transaction() as tx:
            self._save(tx, signal, ended)
            self._tell(tx, EventKind.SIGNAL_CLOSED, ended, now, body)
            tx.after_commit(lambda: self._forget(signal))

    def _with_extremes(self, signal: Signal) -> Signal:
        if signal.id not in self._book:
            return signal
        row = self._book.program(signal.id)
        return replace(signal, best_price=from_float(row["best"]), worst_price=from_float(row["worst"]))

    # ---- bookkeeping ----------------------------------------------------------------------------------------------

    def _take_up(self, signal: Signal, now: datetime) -> None:
        if signal.id in self._open:
            return
        self._open[signal.id] = signal
        if signal.status is SignalStatus.WAITING:
            self._waiting.setdefault(signal.symbol, set()).add(signal.id)
            quote = self._board.latest(signal.symbol)
            if quote is not None and quote.age_seconds(ms_from_utc(now)) <= self._fresh_seconds:
                # Only the newest price counts: the quote's range was before the signal was known.
                self._try_entry(signal, Quote.at_price(quote.exchange, quote.symbol, quote.time_ms, quote.last), now)
        else:
            self._follow(signal, FirstBar.ANY_BAR)

    def _follow(self, signal: Signal, first_bar: FirstBar) -> None:
        row = program_from_signal(signal, JUDGED_BY, first_bar=first_bar)
        if first_bar is FirstBar.ANY_BAR:
            # Taken up again after a kill: the quote of its entry or last hit may be told once more, and has counted.
            counted = [hit.at for hit in signal.hits] + [signal.entered_at or signal.received_at]
            row["opened_ms"] = ms_from_utc(max(counted)) + 1
        self._book.add(signal.id, signal.symbol, row)

    def _forget(self, signal: Signal) -> None:
        self._open.pop(signal.id, None)
        self._book.remove(signal.id)
        self._waiting.get(signal.symbol, set()).discard(signal.id)

    @staticmethod
    def _save(tx: Transaction, before: Signal, after: Signal) -> None:
        tx["signals"].update(changes(before, after), key=before.id)

    @staticmethod
    def _tell(
        tx: Transaction, kind: EventKind, signal: Signal, now: datetime, body: dict[str, Any], key: str = "1"
    ) -> None:
        about = body if signal.owner is None else {**body, "owner": signal.owner}
        append(tx, Event(kind, now, about, key=f"{kind.value}:{signal.id}:{key}", signal_id=signal.id))


def _entry_price(signal: Signal, quote: Quote) -> Decimal | None:
    """Where the signal is entered within this quote, or None."""
    if _at_market(signal):
        # Told late, its range is what followed the price that stood when the signal came.
        return quote.last if quote.stood is None else quote.stood
    nearest = max(signal.entries) if signal.side.sign > 0 else min(signal.entries)
    bar = (float(quote.open), float(quote.high), float(quote.low))
    filled = target_fill(-signal.side.sign, float(nearest), *bar)
    return None if filled != filled else from_float(filled)


def _first_bar(signal: Signal, quote: Quote) -> FirstBar:
    return FirstBar.OWN_PRICE if _at_market(signal) and quote.stood is not None else FirstBar.CLOSE_ONLY


def _at_market(signal: Signal) -> bool:
    return signal.order == "market" or not signal.entries


def _touched(signal: Signal, target: Decimal, quote: Quote) -> bool:
    return quote.high >= target if signal.side.sign > 0 else quote.low <= target


def _return(signal: Signal, price: Decimal) -> Decimal:
    """Percent from the entry to `price`, in the signal's favour, without leverage."""
    entry = signal.entry_price or price
    return round((price / entry - 1) * HUNDRED * signal.side.sign, 2)


def _result(signal: Signal, price: Decimal) -> Decimal:
    """Percent made by the whole call: each target reached with its equal part, the rest at `price`."""
    shares = equal_shares(len(signal.targets))
    done, total = ZERO, ZERO
    for hit in signal.hits:
        done += shares[hit.number - 1]
        total += shares[hit.number - 1] * _return(signal, hit.price)
    return round(total + (1 - done) * _return(signal, price), 2)


def _r_multiple(signal: Signal, result_percent: Decimal) -> Decimal | None:
    if signal.stop_loss is None or signal.entry_price is None:
        return None
    risk = -_return(signal, signal.stop_loss)
    return round(result_percent / risk, 2) if risk > ZERO else None


def _seconds_since_entry(signal: Signal, at: datetime) -> int | None:
    return int((at - signal.entered_at).total_seconds()) if signal.entered_at else None
