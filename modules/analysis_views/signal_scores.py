"""Both scores of every signal at the moment it came, kept with it: what analysis said then, and never later.

A signal whose symbol has no candles here gets a document that says so. Scores judge and trade nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tinydb import where

from database import Entry, Store, Transaction
from modules.analysis_views.answers import AnalysisViews
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.events import EventKind
from modules.domain.market import ms_from_utc
from modules.domain.signals import Signal
from modules.journal import JournalConsumer
from modules.records import from_document

TIMEFRAMES = ("1h", "15m", "5m", "1m")
"""The first of these with enough candles is the one a signal is scored on."""

ENOUGH_BARS = 60
DUE, SCORED, NO_OPINION = "due", "scored", "no_opinion"
_KEPT = (
    "timeframe", "exchange", "as_of", "score", "direction", "side", "consensus", "disagreement", "confidence",
    "risk_level", "advice", "price", "atr_percent", "parts", "fixed_formula",
)  # fmt: skip


class SignalScorer:
    """`sync` notes which signals came, `score_next` scores one of them; a kill between the two loses nothing."""

    def __init__(self, store: Store, views: AnalysisViews) -> None:
        self._store = store
        self._views = views
        self._consumer = JournalConsumer(store, "trader.scores", self._note, (EventKind.SIGNAL_RECEIVED,))

    def sync(self, now: datetime) -> int:
        """Reads the journal; returns how many signals are new."""
        return self._consumer.turn(now)

    def due(self) -> list[str]:
        """Signals that wait for their scores, by id."""
        return sorted(str(each["id"]) for each in self._store["signal_scores"].search(where("status") == DUE))

    def score(self, signal_id: str) -> None:
        """Scores one signal as of the moment it was received."""
        document = self._store["signals"].get(key=signal_id)
        found: dict[str, Any] = {"status": NO_OPINION, "reason": "the signal is not kept any more"}
        if document is not None:
            found = self._scored(from_document(Signal, document))
        self._store["signal_scores"].upsert({"id": signal_id, **found})

    def _note(self, entry: Entry, tx: Transaction, _now: datetime) -> None:
        signal_id = str(entry.body["signal_id"])
        if not tx["signal_scores"].contains(key=signal_id):
            tx["signal_scores"].insert({"id": signal_id, "status": DUE})

    def _scored(self, signal: Signal) -> dict[str, Any]:
        at_ms = ms_from_utc(signal.received_at)
        place = {"symbol": signal.symbol, "at": at_ms}
        reasons = []
        for timeframe in TIMEFRAMES:
            try:
                answer = self._views.score(signal.symbol, timeframe, at_ms)
            except (NotFound, InvalidInput) as error:
                reasons.append(error.message)
                continue
            if answer["candles_read"] < ENOUGH_BARS:
                reasons.append(f"{answer['candles_read']} candles on {timeframe}, {ENOUGH_BARS} are needed")
                continue
            return {**place, "status": SCORED, "reason": None, **{name: answer[name] for name in _KEPT}}
        return {**place, "status": NO_OPINION, "reason": "; ".join(reasons)}
