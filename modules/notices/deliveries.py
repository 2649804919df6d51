"""The bookkeeping of deliveries, the same for webhooks and pushes: which are due, whose turn it is, who is sending them.

A delivery is a row with `status`, `tries`, `due_at` (ms UTC) and one field that names its receiver. Whoever sends claims it
first: the claim counts the try and moves `due_at` to the time at which the row is free again should the process die.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from tinydb import where
from tinydb.queries import QueryInstance

from database import Document, Store
from modules.domain.market import ms_from_utc
from modules.notices.sending import Lanes

#: So many due rows are looked at in one turn.
LOOK_AHEAD = 200
#: A delivery that was being sent when the process died is sent again after this long.
_STUCK_AFTER = timedelta(seconds=60)


class DeliveryState(StrEnum):
    """Life of one delivery: queued, sending, then delivered, failed (given up) or cancelled (its receiver went off)."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: The states of a delivery that has not ended.
WAITING = (DeliveryState.QUEUED.value, DeliveryState.SENDING.value)


def not_ended() -> QueryInstance:
    """The deliveries that wait or are being sent."""
    return where("status").one_of(list(WAITING))


def due_at(now: datetime) -> QueryInstance:
    """The deliveries that are to be sent now: queued ones, and ones whose claim ran out."""
    return not_ended() & (where("due_at") <= ms_from_utc(now))


def next_of_each(rows: Iterable[Document], receiver: str, lanes: Lanes) -> list[Document]:
    """The first row of every receiver that is free, in the order given, as many as may begin now.

    `receiver` is the field that names the receiver.
    """
    first: dict[str, Document] = {}
    for row in rows:
        if row[receiver] not in lanes.busy:
            first.setdefault(row[receiver], row)
    return list(first.values())[: max(lanes.room, 0)]


def claim(store: Store, collection: str, rows: Sequence[Document], now: datetime) -> Sequence[Document]:
    """Marks the rows as being sent and counts the try, in the store and in the rows themselves, which are returned."""
    if rows:
        claimed = {"status": DeliveryState.SENDING.value, "due_at": ms_from_utc(now + _STUCK_AFTER)}
        with store.transaction() as tx:
            for row in rows:
                row["tries"] = int(row["tries"]) + 1
                tx[collection].update({**claimed, "tries": row["tries"]}, key=row["id"])
    return rows
