"""Read-only answers for every door: chat, HTTP and terminal render the same data. Decides nothing, writes nothing.

Money and quantities are decimal strings, times ISO-8601 UTC. A cursor is opaque to callers; it continues a list after
the last row shown.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tinydb import where
from tinydb.queries import QueryInstance

from database import Store
from modules.domain.errors import InvalidInput
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.money import ZERO, plain
from modules.domain.orders import Order
from modules.domain.people import Account
from modules.domain.positions import Position, PositionStatus
from modules.domain.signals import Signal
from modules.records import from_document
from modules.rows import order_row, position_row, process_row, rounded, signal_row, source_row
from modules.runtime.heartbeat import read_beats
from modules.runtime.settings import KILL_FILE

VERSION = "0.1.0"
MAX_PAGE = 500
#: Without these nothing is traded.
CORE_PROCESSES = ("executor", "prices")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: the rows, and the cursor of the next page (None at the end)."""

    rows: list[dict[str, Any]]
    next_cursor: str | None


class Views:
    """The facade. `price` is the newest price known of a symbol, where the caller has one."""

    def __init__(self, store: Store, run_dir: Path) -> None:
        self._store = store
        self._run_dir = run_dir

    def positions(
        self,
        status: str = "open",
        *,
        accounts: Collection[str] | None = None,
        symbol: str | None = None,
        prices: Mapping[str, Decimal] | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Positions, newest first. `accounts` limits whose; None is everybody's. `symbol` leaves only those of it."""
        wanted = None if status == "all" else where("status") == status
        found, following = self._page("positions", _and(wanted, _of(accounts, symbol)), "opened_at", cursor, limit)
        return Page([position_row(from_document(Position, each), prices or {}) for each in found], following)

    def orders(
        self,
        status: str = "all",
        *,
        accounts: Collection[str] | None = None,
        symbol: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Orders, newest first. `status` is an order state, `open` for all that work, or `all`; `symbol` as for positions."""
        working = ["submitted", "unknown", "open", "partially_filled"]
        wanted = {"all": None, "open": where("state").one_of(working)}.get(status, where("state") == status)
        found, following = self._page("orders", _and(wanted, _of(accounts, symbol)), "created_at", cursor, limit)
        return Page([order_row(from_document(Order, each)) for each in found], following)

    def signals(
        self,
        status: str = "all",
        *,
        source: str | None = None,
        symbol: str | None = None,
        side: str | None = None,
        since: datetime | None = None,
        viewer: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Signals, newest first. `status` is a signal status, `open` for waiting and active, or `all`.

        `source`, `symbol` and `side` leave only theirs, `since` only what was received then or later.
        Signals of private sources are shown to the `viewer` whose they are, and to nobody else.
        """
        open_ones = where("status").one_of(["waiting", "active"])
        wanted = {"all": None, "open": open_ones}.get(status, where("status") == status)
        for field, value in (("source", source), ("symbol", symbol), ("side", side)):
            wanted = _and(wanted, where(field) == value if value is not None else None)
        if since is not None:
            wanted = _and(wanted, where("received_at") >= ms_from_utc(since))
        seen = ~where("owner").exists() | where("owner").one_of([None, viewer])
        found, following = self._page("signals", _and(wanted, seen), "received_at", cursor, limit)
        return Page([signal_row(from_document(Signal, each)) for each in found], following)

    def signal(self, signal_id: str, *, viewer: str | None = None) -> dict[str, Any] | None:
        """One signal with the message it came from and how that was read; None too where it is another user's own."""
        document = self._store["signals"].get(key=signal_id)
        if document is None or document.get("owner") not in (None, viewer):
            return None
        row = signal_row(from_document(Signal, document))
        message = self._store["messages"].get(key=f"{row['source']}/{row['message_id']}/0")
        row["parse"] = message["parse"] if message else None
        row["scores"] = self._scores(signal_id)
        refusals = self._store["refusals"].search(where("signal_id") == signal_id)
        row["refusals"] = [
            {k: each.get(k) for k in ("account_id", "rule", "sentence", "figure", "limit")} for each in refusals
        ]
        return row

    def _scores(self, signal_id: str) -> dict[str, Any]:
        """What analysis said of a signal when it came; `status` says when it has said nothing yet, or can't."""
        kept = self._store["signal_scores"].get(key=signal_id)
        if kept is None:
            return {"status": "due"}
        return {name: value for name, value in kept.items() if name != "id"}

    def events(
        self,
        after: int = 0,
        *,
        accounts: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        limit: int = 100,
    ) -> Page:
        """Facts of the journal after that number. With `accounts`, other accounts' private facts are left out."""
        entries = self._store.journal.read(after, min(limit, MAX_PAGE), set(kinds) if kinds else None)
        rows = []
        for entry in entries:
            owner = entry.body.get("account_id")
            if accounts is None or owner is None or owner in accounts:
                rows.append(
                    {"seq": entry.seq, "kind": entry.kind, "occurred_at": iso_from_ms(entry.at_ms), **entry.body}
                )
        following = str(entries[-1].seq) if len(entries) == min(limit, MAX_PAGE) else None
        return Page(rows, following)

    def sources(self, *, viewer: str | None = None) -> list[dict[str, Any]]:
        """Every source with the record of its ended signals, computed from prices; private ones only of the `viewer`."""
        by_source: dict[str, list[Signal]] = {}
        for document in self._store["signals"].all():
            signal = from_document(Signal, document)
            if signal.owner in (None, viewer):
                by_source.setdefault(signal.source, []).append(signal)
        return [source_row(source, signals) for source, signals in sorted(by_source.items())]

    def accounts_of(self, user_id: str) -> list[Account]:
        """The accounts of a user."""
        return [from_document(Account, each) for each in self._store["accounts"].search(where("user_id") == user_id)]

    def balance(self, account: Account, prices: Mapping[str, Decimal]) -> dict[str, str]:
        """A paper account's wallet, what open positions make at `prices`, and both together."""
        document = self._store["paper_accounts"].get(key=account.id)
        wallet = Decimal(document["wallet"]) if document else account.starting_balance
        mine = (where("account_id") == account.id) & (where("status") == PositionStatus.OPEN.value)
        held = [from_document(Position, each) for each in self._store["positions"].search(mine)]
        made = sum((each.unrealised_pnl(prices[each.symbol]) for each in held if each.symbol in prices), ZERO)
        return {"wallet": rounded(wallet), "unrealised": rounded(made), "equity": rounded(wallet + made)}

    def pnl(self, account_id: str, since: datetime) -> dict[str, Any]:
        """What the account's closed trades made since then."""
        mine = (where("account_id") == account_id) & (where("closed_at") >= ms_from_utc(since))
        closed = [from_document(Position, each) for each in self._store["positions"].search(mine)]
        wins = [each for each in closed if each.net_pnl > ZERO]
        return {
            "since": iso_from_ms(ms_from_utc(since)),
            "trades": len(closed),
            "wins": len(wins),
            "net_pnl": plain(sum((each.net_pnl for each in closed), ZERO)),
            "fees": plain(sum((each.fees for each in closed), ZERO)),
        }

    # ---- health ---------------------------------------------------------------------------------------------------

    def health(self, now: datetime, *, trading: str, feed: Mapping[str, Any] | None) -> dict[str, Any]:
        """The state of the whole: `status` is ok, degraded (something secondary is down) or down (it can't trade).

        `feed` is what the price hub last said (`source`, `stale`), None where it says nothing.
        """
        now_ms = ms_from_utc(now)
        supervised = _supervised(self._run_dir)
        beats = read_beats(self._run_dir)
        names = sorted(supervised.keys() | beats.keys())
        processes = {name: process_row(beats.get(name), supervised.get(name), now_ms) for name in names}
        store_ok = self._store_answers()
        down = [name for name in CORE_PROCESSES if processes.get(name, {}).get("state") != "up"]
        prices = "stale" if feed is None or feed.get("stale") else str(feed["source"])
        lame = [name for name, row in processes.items() if row["state"] not in ("up", "waiting")]
        status = "down" if down or not store_ok else "degraded" if lame or prices == "stale" else "ok"
        state = self._store["safety"].get(key="global") if store_ok else None
        halted = (state is not None and state["stage"] != "active") or (self._run_dir.parent / KILL_FILE).exists()
        return {
            "status": status,
            "version": VERSION,
            "trading": "halted" if halted else trading,
            "prices": prices,
            "processes": processes,
            "store": {"engine": "sqlite", "ok": store_ok},
        }

    def _store_answers(self) -> bool:
        try:
            self._store.journal.last_seq()
        except Exception:  # noqa: BLE001 - health must answer whatever is wrong with the store
            return False
        return True

    def _page(
        self, collection: str, wanted: QueryInstance | None, order: str, cursor: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        size = max(1, min(limit, MAX_PAGE))
        if cursor is not None and not self._store[collection].contains(key=cursor):
            raise InvalidInput("the cursor is not one that this list gave", fields={"cursor": "unknown"})
        found = self._store[collection].search(wanted, order_by=order, descending=True, after=cursor, limit=size + 1)
        following = str(found[size - 1]["id"]) if len(found) > size else None
        return found[:size], following


def _supervised(run_dir: Path) -> dict[str, Mapping[str, Any]]:
    """What the supervisor wrote of its processes; empty where none supervises."""
    try:
        content = json.loads((run_dir / "supervisor.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    processes = content.get("processes", {})
    return processes if isinstance(processes, dict) else {}


def _of(accounts: Collection[str] | None, symbol: str | None) -> QueryInstance | None:
    mine = where("account_id").one_of(sorted(accounts)) if accounts is not None else None
    return _and(mine, where("symbol") == symbol if symbol is not None else None)


def _and(left: QueryInstance | None, right: QueryInstance | None) -> QueryInstance | None:
    if left is None or right is None:
        return left if right is None else right
    both: QueryInstance = left & right
    return both
