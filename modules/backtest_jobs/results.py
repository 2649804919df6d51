"""Finished tests in the store: a row for lists, and the whole document beside it. Each user keeps the newest hundred."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tinydb import where

from database import Store, Transaction
from modules.accounts.listing import page
from modules.backtest_jobs.jobs import Job
from modules.domain.errors import NotFound
from modules.records import from_document, to_document

MOST_KEPT: Final = 100
#: A document with more trades keeps the first ones and says how many are left out; its figures are those of all.
MOST_TRADES: Final = 20_000
_ROWS: Final = "backtest_results"
_DOCUMENTS: Final = "backtest_documents"
_FIGURES: Final = (
    "total_return", "cagr", "sharpe", "max_drawdown", "profit_factor", "win_rate", "trades", "net_profit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A finished test as lists show it; `description` is what was asked, as JSON."""

    id: str
    user_id: str
    job_id: str
    kind: str
    title: str
    created_at: datetime
    strategy: str
    symbol: str
    timeframe: str
    from_ms: int
    to_ms: int
    days: int | None
    figures: dict[str, Any]
    warnings: int
    description: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """What a test leaves behind: its document, what was asked (as JSON), and a picture (PNG) where one was drawn.

    `text` and `picture_path` are for a chat that waits for the answer.
    """

    document: Mapping[str, Any]
    description: Mapping[str, Any]
    picture: bytes | None = None
    text: str = ""
    picture_path: str | None = None


def keep_result(tx: Transaction, job: Job, finished: Finished, now: datetime) -> str:
    """Writes a finished test within `tx` and forgets the user's oldest; returns its id, which follows from the job's."""
    document = finished.document
    name = "bt-" + job.id.removeprefix("job-")
    data, strategy = document["data"], document["strategy"]
    row = KeptResult(
        id=name,
        user_id=job.user_id,
        job_id=job.id,
        kind=job.kind,
        title=job.title,
        created_at=now,
        strategy=strategy if isinstance(strategy, str) else str(strategy.get("name", "")),
        symbol=str(data["symbol"]),
        timeframe=str(data["timeframe"]),
        from_ms=int(data["from"]),
        to_ms=int(data["to"]),
        days=job.wish.get("days"),
        figures={each: document["metrics"][each] for each in _FIGURES},
        warnings=len(document["warnings"]),
        description=dict(finished.description),
    )
    tx[_ROWS].upsert(to_document(row))
    drawn = None if finished.picture is None else base64.b64encode(finished.picture).decode()
    tx[_DOCUMENTS].upsert({"id": name, "body": _packed(_bounded(document)), "picture": drawn})
    mine = where("user_id") == job.user_id
    for old in tx[_ROWS].search(mine, order_by="created_at", descending=True)[MOST_KEPT:]:
        tx[_ROWS].remove(key=old["id"])
        tx[_DOCUMENTS].remove(key=old["id"])
    return name


def _bounded(document: Mapping[str, Any]) -> dict[str, Any]:
    trades = document["trades"]
    if len(trades) <= MOST_TRADES:
        return dict(document)
    return {**document, "trades": trades[:MOST_TRADES], "trades_left_out": len(trades) - MOST_TRADES}


def _packed(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(text, 3)).decode()


class ResultBook:
    """Finished tests of every user; what is somebody else's is not found."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, user_id: str, result_id: str) -> KeptResult:
        """One test's row. Raises NotFound."""
        found = self._store[_ROWS].get(key=result_id)
        if found is None or found["user_id"] != user_id:
            raise NotFound("There is no such backtest.")
        return from_document(KeptResult, found)

    def document(self, user_id: str, result_id: str) -> dict[str, Any]:
        """One test's whole document. Raises NotFound."""
        self.get(user_id, result_id)
        kept = self._store[_DOCUMENTS].get(key=result_id)
        if kept is None:
            raise NotFound("There is no such backtest.")
        read: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(kept["body"])))
        return read

    def picture(self, user_id: str, result_id: str) -> str | None:
        """The picture that was drawn when the test ended (PNG in base64), None where none was."""
        self.get(user_id, result_id)
        kept = self._store[_DOCUMENTS].get(key=result_id)
        return None if kept is None else kept.get("picture")

    def results(self, user_id: str, *, limit: int, cursor: str | None = None) -> tuple[list[KeptResult], str | None]:
        """A user's tests, newest first, and the cursor of the next page."""
        if cursor is not None:
            self.get(user_id, cursor)
        mine = where("user_id") == user_id
        found, following = page(self._store[_ROWS], mine, order_by="created_at", limit=limit, cursor=cursor)
        return [from_document(KeptResult, each) for each in found], following

    def delete(self, user_id: str, result_id: str) -> None:
        """Forgets a test. Raises NotFound."""
        with self._store.transaction() as tx:
            found = tx[_ROWS].get(key=result_id)
            if found is None or found["user_id"] != user_id:
                raise NotFound("There is no such backtest.")
            tx[_ROWS].remove(key=result_id)
            tx[_DOCUMENTS].remove(key=result_id)
