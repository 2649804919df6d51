"""What those who run the service look at: the whole in a few numbers, what happened last, how full the queues are.

Read-only. Numbers are counted in the store when asked; nothing is kept for them.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tinydb import where

from database import Store
from modules.accounts.alerts import open_count
from modules.accounts.people import is_active
from modules.domain.errors import InvalidInput
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.orders import RequestStatus
from modules.domain.people import Role
from modules.notices.outbox import DeliveryStatus

_WORKING_ORDERS = ["submitted", "unknown", "open", "partially_filled"]
_DAY = timedelta(days=1)


def overview(store: Store, now: datetime, health: Mapping[str, Any]) -> dict[str, Any]:
    """Users, trades, signals, safety and open alerts; `health` is what the facade says of the processes."""
    users = [each for each in store["users"].all() if each.get("deleted_at") is None]
    roles = Counter(str(each["role"]) for each in users)
    day = ms_from_utc(now - _DAY)
    week = ms_from_utc(now - 7 * _DAY)
    closed = store["positions"].search((where("status") == "closed") & (where("closed_at") >= day))
    return {
        "users": {
            "total": len(users),
            "enabled": sum(1 for each in users if is_active(each)),
            "new_this_week": sum(1 for each in users if int(each["created_at"]) >= week),
            "by_role": {role.value: roles.get(role.value, 0) for role in Role},
        },
        "accounts": {
            "total": store["accounts"].count(),
            "trading": store["accounts"].count(where("settings").autotrade == True),  # noqa: E712 - a query
        },
        "trades": {
            "open_positions": store["positions"].count(where("status") == "open"),
            "working_orders": store["orders"].count(where("state").one_of(_WORKING_ORDERS)),
            "closed_last_day": len(closed),
        },
        "signals": {
            "last_day": store["signals"].count(where("received_at") >= day),
            "open": store["signals"].count(where("status").one_of(["waiting", "active"])),
        },
        "safety": {"trading": health["trading"], "states": [_stage(each) for each in store["safety"].all()]},
        "service": {"status": health["status"], "prices": health["prices"], "version": health["version"]},
        "alerts": {"open": open_count(store)},
    }


def activity(store: Store, limit: int, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
    """Deeds and facts, newest first: what people did (audit log) mixed with what happened (journal).

    The cursor holds the numbers of both logs that were shown last. Raises InvalidInput for one that does not.
    """
    before_deed, before_fact = _numbers(cursor, store)
    earlier = where("seq") < before_deed
    deeds = [
        {"at": row["at"], "kind": "deed", "seq": row["seq"], "what": row["action"], "who": row["who"]}
        | {"about": row["subject"]}
        for row in store["audit_log"].search(earlier, order_by="seq", descending=True, limit=limit)
    ]
    first = max(0, before_fact - 1 - limit)
    facts = [
        {"at": entry.at_ms, "kind": "fact", "seq": entry.seq, "what": entry.kind, "who": None}
        | {"about": _about(entry.body)}
        for entry in store.journal.read(first, limit)
        if entry.seq < before_fact
    ]
    newest = sorted((*deeds, *facts), key=lambda each: (each["at"], each["seq"]), reverse=True)[:limit]
    shown = [{**each, "at": iso_from_ms(each["at"])} for each in newest]
    if len(newest) < limit:
        return shown, None
    deed = min((each["seq"] for each in newest if each["kind"] == "deed"), default=before_deed)
    fact = min((each["seq"] for each in newest if each["kind"] == "fact"), default=before_fact)
    return shown, f"{deed}.{fact}"


def metrics(store: Store) -> dict[str, Any]:
    """Counts by state, and how far every reader of the journal is behind."""
    last = store.journal.last_seq()
    return {
        "journal": {
            "last_seq": last,
            "lag": {name: last - seq for name, seq in sorted(store.journal.cursors().items())},
            "dead_letters": len(store.journal.dead_letters()),
        },
        "deliveries": {each.value: _count(store, "deliveries", each.value) for each in DeliveryStatus},
        "order_requests": {each.value: _count(store, "order_requests", each.value) for each in RequestStatus},
        "planning_queue": store["planning_queue"].count(),
        "documents": {name: store[name].count() for name in sorted(store.collections)},
    }


def health_details(health: Mapping[str, Any], store: Store, data_dir: Path) -> dict[str, Any]:
    """Every process, the store's size, and the room left on the disk, in bytes."""
    path = store.path
    sizes = {side: Path(f"{path}{side}").stat().st_size for side in ("", "-wal") if Path(f"{path}{side}").exists()}
    disk = shutil.disk_usage(data_dir)
    return {
        **health,
        "store": {**health["store"], "bytes": sizes.get("", 0), "wal_bytes": sizes.get("-wal", 0)},
        "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
    }


def _numbers(cursor: str | None, store: Store) -> tuple[int, int]:
    if cursor is None:
        return 2**62, store.journal.last_seq() + 1
    deed, _, fact = cursor.partition(".")
    if not (deed.isdecimal() and fact.isdecimal() and len(cursor) < 40):
        raise InvalidInput("the cursor is not one that this list gave", fields={"cursor": "unknown"})
    return min(int(deed), 2**62), min(int(fact), 2**62)


def _count(store: Store, collection: str, status: str) -> int:
    return store[collection].count(where("status") == status)


def _stage(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: state.get(name) for name in ("scope", "scope_id", "stage", "by", "reason")}


def _about(body: Mapping[str, Any]) -> str:
    for name in ("symbol", "signal_id", "account_id", "source", "scope", "area"):
        if body.get(name):
            return str(body[name])
    return ""
