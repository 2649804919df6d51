"""Facts, in the past tense. Every process tells the others through these, in one journal.

An event's body is plain JSON; the names of its fields are listed here once. `key` makes appending it twice harmless.
Events about messages and signals of a private source also carry `owner`, the one user they concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """All kinds of events; the comment lists the body's fields beyond the ids in `Event`."""

    MESSAGE_IGNORED = "MessageIgnored"  # source, message_id, reason
    SIGNAL_RECEIVED = "SignalReceived"  # source, symbol, side
    SIGNAL_REFUSED = "SignalRefused"  # source, message_id, symbol, rule, sentence
    UPDATE_RECEIVED = "UpdateReceived"  # source, message_id, update, level, price, symbol, share
    UPDATE_UNBOUND = "UpdateUnbound"  # source, message_id, update, symbol, sentence
    SIGNAL_ENTERED = "SignalEntered"  # price
    SIGNAL_TARGET_HIT = "SignalTargetHit"  # number, of, price, return_percent, after_seconds
    SIGNAL_STOP_MOVED = "SignalStopMoved"  # price, reason
    SIGNAL_CLOSED = "SignalClosed"  # status, reason, price, return_percent, r_multiple, after_seconds
    PLAN_MADE = "PlanMade"  # symbol, side, quantity, leverage, risk_amount
    PLAN_ENDED = "PlanEnded"  # symbol, outcome: nothing was ever filled
    TRADE_REFUSED = "TradeRefused"  # rule, sentence, figure, limit, stage
    REQUEST_REFUSED = "RequestRefused"  # request_id, rule, sentence, figure, limit
    ORDER_SUBMITTED = "OrderSubmitted"  # order fields
    ORDER_OPENED = "OrderOpened"
    ORDER_FILLED = "OrderFilled"  # fill_id, role, number, price, quantity, fee, state
    ORDER_ENDED = "OrderEnded"  # state, reason
    ORDER_UNKNOWN = "OrderUnknown"
    POSITION_OPENED = "PositionOpened"  # symbol, side, quantity, price, stop, targets
    TARGET_HIT = "TargetHit"  # number, of, price, quantity, pnl
    STOP_MOVED = "StopMoved"  # price, reason
    TARGETS_CHANGED = "TargetsChanged"  # targets, reason
    POSITION_CLOSED = "PositionClosed"  # reason, price, pnl, fees, r_multiple
    SAFETY_CHANGED = "SafetyChanged"  # scope, stage, by, reason
    PRICES_STALE = "PricesStale"  # symbols
    PRICES_BACK = "PricesBack"  # symbols
    RECONCILED = "Reconciled"  # findings
    ALARM = "Alarm"  # area, sentence


#: What is told of signals themselves: facts that concern no one user, unless their source is private.
SIGNAL_EVENTS = frozenset(
    {
        EventKind.SIGNAL_RECEIVED,
        EventKind.SIGNAL_REFUSED,
        EventKind.UPDATE_RECEIVED,
        EventKind.UPDATE_UNBOUND,
        EventKind.SIGNAL_ENTERED,
        EventKind.SIGNAL_TARGET_HIT,
        EventKind.SIGNAL_STOP_MOVED,
        EventKind.SIGNAL_CLOSED,
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `body` holds JSON values only; `key`, where given, is unique in the journal."""

    kind: EventKind
    occurred_at: datetime
    body: Mapping[str, object]
    key: str | None = None
    account_id: str | None = None
    signal_id: str | None = None
    plan_id: str | None = None
    order_id: str | None = None
