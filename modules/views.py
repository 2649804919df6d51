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
from modules.domain.market import ms_from_utc, utc_from_ms
from modules.domain.money import ZERO, plain
from modules.domain.orders import Order
from modules.domain.people import Account
from modules.domain.positions import Position, PositionStatus
from modules.domain.signals import Signal
from modules.records import from_document
from modules.runtime.heartbeat import Beat, read_beats
from modules.runtime.settings import KILL_FILE
from modules.trading.manual import is_by_hand

VERSION = "0.1.0"
MAX_PAGE = 500
#: A process that has not finished a turn for this long counts as down.
SILENT_AFTER_MS = 10_000
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
                rows.append({"seq": entry.seq, "kind": entry.kind, "occurred_at": iso(entry.at_ms), **entry.body})
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
        return {"wallet": _rounded(wallet), "unrealised": _rounded(made), "equity": _rounded(wallet + made)}

    def pnl(self, account_id: str, since: datetime) -> dict[str, Any]:
        """What the account's closed trades made since then."""
        mine = (where("account_id") == account_id) & (where("closed_at") >= ms_from_utc(since))
        closed = [from_document(Position, each) for each in self._store["positions"].search(mine)]
        wins = [each for each in closed if each.net_pnl > ZERO]
        return {
            "since": iso(ms_from_utc(since)),
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


def position_row(position: Position, prices: Mapping[str, Decimal]) -> dict[str, Any]:
    """A position as the contract shows it."""
    price = prices.get(position.symbol)
    return {
        "id": position.id,
        "account_id": position.account_id,
        "symbol": position.symbol,
        "side": position.side.value,
        "status": position.status.value,
        "quantity": plain(position.quantity),
        "initial_quantity": plain(position.initial_quantity),
        "average_price": _price(position.average_price),
        "current_price": _text(price),
        "stop_loss": _text(position.stop_loss),
        "targets": [
            {"price": plain(each.price), "share": plain(each.share), "hit_at": _moment(each.hit_at)}
            for each in position.targets
        ],
        "leverage": plain(position.leverage),
        "realised_pnl": _rounded(position.realised_pnl),
        "unrealised_pnl": _rounded(position.unrealised_pnl(price)) if price is not None else _idle_pnl(position),
        "fees": _rounded(position.fees),
        "signal_id": None if is_by_hand(position.signal_id) else position.signal_id,
        "opened_at": _moment(position.opened_at),
        "closed_at": _moment(position.closed_at),
        "close_reason": position.close_reason,
    }


def order_row(order: Order) -> dict[str, Any]:
    """An order as every door shows it."""
    return {
        "id": order.id,
        "account_id": order.account_id,
        "symbol": order.symbol,
        "role": order.role.value,
        "type": order.type.value,
        "action": order.action.value,
        "status": order.state.value,
        "quantity": plain(order.quantity),
        "filled": plain(order.filled),
        "price": _text(order.price),
        "trigger_price": _text(order.trigger_price),
        "average_price": _price(order.average_price) if order.average_price is not None else None,
        "fees": _rounded(order.fees),
        "reduce_only": order.reduce_only,
        "leverage": plain(order.leverage),
        "plan_id": order.plan_id,
        "signal_id": None if is_by_hand(order.signal_id) else order.signal_id,
        "reason": order.reason,
        "created_at": _moment(order.created_at),
        "updated_at": _moment(order.updated_at),
    }


def signal_row(signal: Signal) -> dict[str, Any]:
    """A signal as every door shows it."""
    return {
        "id": signal.id,
        "source": signal.source,
        "message_id": signal.message_id,
        "symbol": signal.symbol,
        "side": signal.side.value,
        "order": signal.order,
        "entries": [plain(price) for price in signal.entries],
        "entry_range": signal.entry_range,
        "targets": [plain(price) for price in signal.targets],
        "stop_loss": _text(signal.stop_loss),
        "leverage": _text(signal.leverage),
        "status": signal.status.value,
        "reason": signal.reason,
        "late": signal.late,
        "confidence": signal.confidence,
        "text": signal.text,
        "said_at": _moment(signal.said_at),
        "received_at": _moment(signal.received_at),
        "expires_at": _moment(signal.expires_at),
        "entry_price": _text(signal.entry_price),
        "entered_at": _moment(signal.entered_at),
        "targets_hit": [{"number": h.number, "price": plain(h.price), "at": _moment(h.at)} for h in signal.hits],
        "exit_price": _text(signal.exit_price),
        "closed_at": _moment(signal.closed_at),
        "return_percent": _text(signal.return_percent),
        "r_multiple": _text(signal.r_multiple),
    }


def source_row(source: str, signals: list[Signal]) -> dict[str, Any]:
    """A source's true record: what prices say of its ended signals."""
    entered = [each for each in signals if each.entry_price is not None]
    judged = [each for each in entered if each.return_percent is not None]
    rs = [each.r_multiple for each in judged if each.r_multiple is not None]
    won = sum(1 for each in judged if (each.return_percent or ZERO) > ZERO)
    return {
        "source": source,
        "signals": len(signals),
        "open": sum(1 for each in signals if not each.status.ended),
        "invalid": sum(1 for each in signals if each.status.value == "invalid"),
        "expired": sum(1 for each in signals if each.status.value == "expired"),
        "entered": len(entered),
        "judged": len(judged),
        "won": won,
        "win_rate": plain(round(Decimal(won) / len(judged), 4)) if judged else None,
        "average_r": plain(round(sum(rs, ZERO) / len(rs), 3)) if rs else None,
    }


def process_row(beat: Beat | None, supervised: Mapping[str, Any] | None, now_ms: int) -> dict[str, Any]:
    """One process's health: what the supervisor knows of it and when it last finished a turn of work."""
    known = supervised or {}
    age = (now_ms - beat.at_ms) / 1000 if beat else None
    state = str(known.get("state") or "up")
    if beat is None:
        state = "starting" if state == "up" else state
    elif state == "up" and now_ms - beat.at_ms > SILENT_AFTER_MS:
        state = "silent"
    elif state == "up":
        state = beat.state
    return {
        "state": state,
        "last_work_seconds_ago": round(age, 1) if age is not None else None,
        "restarts": int(known.get("restarts", 0)),
        "detail": beat.detail if beat else "",
    }


def iso(at_ms: int) -> str:
    """ISO-8601 UTC of a millisecond stamp."""
    return utc_from_ms(at_ms).isoformat().replace("+00:00", "Z")


def _supervised(run_dir: Path) -> dict[str, Mapping[str, Any]]:
    """What the supervisor wrote of its processes; empty where none supervises."""
    try:
        content = json.loads((run_dir / "supervisor.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    processes = content.get("processes", {})
    return processes if isinstance(processes, dict) else {}


def _idle_pnl(position: Position) -> str | None:
    return "0" if position.status is PositionStatus.CLOSED else None


def _text(number: Decimal | None) -> str | None:
    return plain(number) if number is not None else None


def _rounded(number: Decimal) -> str:
    return plain(round(number, 8))


def _price(number: Decimal) -> str:
    """An average price to eight places, or eight digits where it is smaller than one."""
    return plain(round(number, max(8, 7 - number.adjusted()) if number else 8))


def _moment(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at is not None else None


def _of(accounts: Collection[str] | None, symbol: str | None) -> QueryInstance | None:
    mine = where("account_id").one_of(sorted(accounts)) if accounts is not None else None
    return _and(mine, where("symbol") == symbol if symbol is not None else None)


def _and(left: QueryInstance | None, right: QueryInstance | None) -> QueryInstance | None:
    if left is None or right is None:
        return left if right is None else right
    both: QueryInstance = left & right
    return both
