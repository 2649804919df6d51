"""The outbox: every fact that somebody should be told, as one durable row per recipient.

Reading the journal and writing the rows is one transaction with the cursor, and a row's id is made of the event and the
chat: nothing is lost, nothing is written twice. A row is marked before it is sent; a kill between sending and the note of
it repeats at most that one notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tinydb import where

from database import Entry, Store, Transaction
from modules.domain.events import EventKind
from modules.domain.market import ms_from_utc
from modules.domain.signals import Signal, content_hash
from modules.journal import JournalConsumer
from modules.notices.preferences import NOTICE_OF, Channel, preferences_of
from modules.notices.wording import account_line, operator_line, signal_line, signal_post, without_markup
from modules.records import from_document

_SIGNAL_KINDS = (
    EventKind.SIGNAL_RECEIVED,
    EventKind.SIGNAL_ENTERED,
    EventKind.SIGNAL_TARGET_HIT,
    EventKind.SIGNAL_STOP_MOVED,
    EventKind.SIGNAL_CLOSED,
)
ACCOUNT_KINDS = (
    EventKind.PLAN_MADE,
    EventKind.PLAN_ENDED,
    EventKind.TRADE_REFUSED,
    EventKind.REQUEST_REFUSED,
    EventKind.POSITION_OPENED,
    EventKind.TARGET_HIT,
    EventKind.STOP_MOVED,
    EventKind.POSITION_CLOSED,
    EventKind.ORDER_UNKNOWN,
)
_OPERATOR_KINDS = (
    EventKind.SIGNAL_REFUSED,
    EventKind.UPDATE_UNBOUND,
    EventKind.SAFETY_CHANGED,
    EventKind.PRICES_STALE,
    EventKind.PRICES_BACK,
    EventKind.RECONCILED,
    EventKind.ALARM,
)
#: Requests that are refused because there was nothing to do are no news.
QUIET_RULES = {"nothing_to_close", "nothing_to_protect", "unchanged"}
_GROUPS = {
    EventKind.SIGNAL_RECEIVED: "signal",
    EventKind.TARGET_HIT: "target",
    EventKind.SIGNAL_TARGET_HIT: "target",
    EventKind.STOP_MOVED: "stop",
    EventKind.SIGNAL_STOP_MOVED: "stop",
    EventKind.POSITION_OPENED: "fill",
    EventKind.POSITION_CLOSED: "fill",
    EventKind.SIGNAL_CLOSED: "signal",
    EventKind.SIGNAL_ENTERED: "signal",
    EventKind.PLAN_MADE: "fill",
    EventKind.PLAN_ENDED: "fill",
    EventKind.TRADE_REFUSED: "risk",
    EventKind.REQUEST_REFUSED: "risk",
}
_LOOK_AHEAD = 2000
NOTICE_KINDS = ("signal", "fill", "target", "stop", "risk", "system")


class ChatKind(StrEnum):
    """Who reads a chat: paying subscribers, trial users, one user, or whoever runs the service."""

    VIP = "vip"
    TRIAL = "trial"
    USER = "user"
    OPERATOR = "operator"


class DeliveryStatus(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True, slots=True)
class Chat:
    """Where notices go. `id` is `local:NAME` or `telegram:ID`. `muted` lists notice kinds that are off."""

    id: str
    kind: ChatKind
    user_id: str | None = None
    muted: tuple[str, ...] = ()
    muted_until: datetime | None = None
    blocked: bool = False

    def wants(self, notice: str, now: datetime) -> bool:
        """Whether this chat is to get that kind of notice now; a quiet time lets system notices through."""
        if self.blocked or (self.muted_until is not None and now < self.muted_until and notice != "system"):
            return False
        return notice not in self.muted


class Outbox:
    """Turns events into deliveries."""

    def __init__(self, store: Store) -> None:
        self._store = store
        kinds = (*_SIGNAL_KINDS, *ACCOUNT_KINDS, *_OPERATOR_KINDS)
        self._consumer = JournalConsumer(store, "outbox", self._handle, kinds)

    def turn(self, now: datetime) -> int:
        """Writes the rows of what happened since; returns how many events were read."""
        return self._consumer.turn(now)

    def _handle(self, entry: Entry, tx: Transaction, now: datetime) -> None:
        kind = EventKind(entry.kind)
        body = {**self._about(tx, entry.body), **entry.body}
        if body.get("rule") in QUIET_RULES:
            return
        text = self._text(tx, kind, body)
        if text is None:
            return
        for chat in self._readers(tx, kind, body):
            if chat.wants(_GROUPS.get(kind, "system"), now) and (chosen := _chosen(tx, kind, chat, now)) is not None:
                tx["deliveries"].upsert({**_delivery(entry, chat, text, now), **chosen})

    def _text(self, tx: Transaction, kind: EventKind, body: Mapping[str, Any]) -> str | None:
        if kind is EventKind.SIGNAL_RECEIVED:
            document = tx["signals"].get(key=body["signal_id"])
            return signal_post(from_document(Signal, document)) if document else None
        if kind in _SIGNAL_KINDS:
            return signal_line(kind, body)
        return account_line(kind, body) if kind in ACCOUNT_KINDS else operator_line(kind, body)

    def _about(self, tx: Transaction, body: Mapping[str, Any]) -> dict[str, Any]:
        """The symbol, for events that name only a signal or plan."""
        if "symbol" in body or body.get("signal_id") is None:
            return {}
        document = tx["signals"].get(key=body["signal_id"])
        return {"symbol": document["symbol"]} if document else {}

    def _readers(self, tx: Transaction, kind: EventKind, body: Mapping[str, Any]) -> Iterable[Chat]:
        if kind in ACCOUNT_KINDS:
            account = tx["accounts"].get(key=body["account_id"])
            return chats_of(tx, account["user_id"] if account else None)
        if body.get("owner") is not None:  # of a private source: nobody else's business
            return chats_of(tx, str(body["owner"]))
        if kind in _SIGNAL_KINDS:
            return _chats(tx, ChatKind.VIP, ChatKind.TRIAL)
        return _chats(tx, ChatKind.OPERATOR)


def say(tx: Transaction, chat_id: str, text: str, key: str, now: datetime, **fields: Any) -> None:
    """Queues a text for one chat outside of any event (a broadcast); `key` makes saying it twice harmless."""
    document = {
        "id": f"said:{key}:{chat_id}",
        "chat": chat_id,
        "seq": 0,
        "kind": "Said",
        "text": text,
        "signal_id": None,
        "status": DeliveryStatus.QUEUED.value,
        "due_at": ms_from_utc(now),
        "attempts": 0,
        "created_at": ms_from_utc(now),
        **fields,
    }
    if not tx["deliveries"].contains(key=document["id"]):
        tx["deliveries"].insert(document)


def due_deliveries(store: Store, chat_prefix: str, now: datetime, limit: int = 50) -> list[dict[str, Any]]:
    """The next row of every chat of that channel, oldest first: a chat's rows go out in order, one at a time.

    What a reader's quiet time holds back lets what is said later pass, until that time is over.
    """
    waiting = where("status").one_of([DeliveryStatus.QUEUED.value, DeliveryStatus.SENDING.value])
    rows = store["deliveries"].search(waiting, order_by="created_at", limit=_LOOK_AHEAD)
    first: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda each: (each["created_at"], each["seq"], each["id"])):
        if row["chat"].startswith(chat_prefix) and row.get("quiet_until", 0) <= ms_from_utc(now):
            first.setdefault(row["chat"], row)
    return [row for row in first.values() if row["due_at"] <= ms_from_utc(now)][:limit]


def begin(store: Store, row: Mapping[str, Any]) -> None:
    """The row is about to be sent."""
    fields = {"status": DeliveryStatus.SENDING.value, "attempts": int(row["attempts"]) + 1}
    store["deliveries"].update(fields, key=row["id"])


def delivered(tx: Transaction, row: Mapping[str, Any], message_id: str, now: datetime) -> None:
    """The row was sent as `message_id`: remembered as our own words, and as the post that replies go to."""
    tx["deliveries"].update({"status": DeliveryStatus.SENT.value, "message_id": message_id}, key=row["id"])
    chat = str(row["chat"]).partition(":")[2]
    post = {
        "id": f"{row['chat']}/{message_id}",
        "chat": chat,
        "message_id": message_id,
        "signal_id": row["signal_id"],
        "first": row["kind"] == EventKind.SIGNAL_RECEIVED.value,
        "content_hash": content_hash(without_markup(row["text"])),
        "at": ms_from_utc(now),
    }
    tx["posts"].upsert(post)


def postpone(store: Store, row: Mapping[str, Any], seconds: float, why: str, now: datetime) -> None:
    """The row could not be sent now."""
    due = ms_from_utc(now + timedelta(seconds=seconds))
    store["deliveries"].update(
        {"status": DeliveryStatus.QUEUED.value, "due_at": due, "trouble": why[:200]}, key=row["id"]
    )


def undeliverable(store: Store, row: Mapping[str, Any], why: str, *, blocked: bool) -> None:
    """The row can never be sent; a chat that blocked us gets nothing more until it writes again."""
    with store.transaction() as tx:
        tx["deliveries"].update({"status": DeliveryStatus.UNDELIVERABLE.value, "trouble": why[:200]}, key=row["id"])
        if blocked:
            tx["chats"].update({"blocked": True}, key=row["chat"])
            mine = (where("chat") == row["chat"]) & (where("status") == DeliveryStatus.QUEUED.value)
            tx["deliveries"].update({"status": DeliveryStatus.UNDELIVERABLE.value, "trouble": why[:200]}, mine)


def first_post(reader: Store | Transaction, chat_id: str, signal_id: str | None) -> str | None:
    """The message that announced the signal in that chat, to reply to."""
    if signal_id is None:
        return None
    posts = reader["posts"].search(where("signal_id") == signal_id)
    mine = [each for each in posts if each["id"].startswith(f"{chat_id}/")]
    firsts = [each for each in mine if each["first"]] or sorted(
        mine, key=lambda each: (each["at"], int(each["message_id"]))
    )
    return str(firsts[0]["message_id"]) if firsts else None


def _chats(tx: Transaction, *kinds: ChatKind) -> list[Chat]:
    found = tx["chats"].search(where("kind").one_of([kind.value for kind in kinds]))
    return [from_document(Chat, each) for each in found]


def _chosen(tx: Transaction, kind: EventKind, chat: Chat, now: datetime) -> dict[str, int] | None:
    """None where the chat's user does not want this notice there; else until when it is held back, if at all."""
    if chat.user_id is None or (notice := NOTICE_OF.get(kind)) is None:
        return {}
    preferences = preferences_of(tx, chat.user_id)
    if not preferences.wants(notice, Channel.TELEGRAM):
        return None
    until = preferences.quiet_until(notice, now)
    return {} if until is None else {"quiet_until": ms_from_utc(until)}


def chats_of(tx: Transaction, user_id: str | None) -> list[Chat]:
    """The chats of one user."""
    return [chat for chat in _chats(tx, ChatKind.USER, ChatKind.OPERATOR) if chat.user_id == user_id]


def _delivery(entry: Entry, chat: Chat, text: str, now: datetime) -> dict[str, Any]:
    return {
        "id": f"{entry.seq}:{chat.id}",
        "chat": chat.id,
        "seq": entry.seq,
        "kind": entry.kind,
        "text": text,
        "signal_id": entry.body.get("signal_id"),
        "status": DeliveryStatus.QUEUED.value,
        "due_at": ms_from_utc(now),
        "attempts": 0,
        "created_at": ms_from_utc(now),
    }
