"""Outgoing webhooks at work: facts of the journal become deliveries, and deliveries are sent until they arrive.

Writing a delivery commits together with the reader's cursor, under an id made of the event and the hook: exactly one row for
each. Sending is at least once, with the same id and the same bytes every time; a receiver that has seen the id drops it. A
hook gets one request at a time, so that its events come in order unless one had to be tried again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from tinydb import where

from database import Document, Entry, Store, Transaction
from modules.accounts import audit
from modules.accounts.people import is_active
from modules.domain.errors import InvalidInput, Unavailable
from modules.domain.events import SIGNAL_EVENTS, EventKind
from modules.domain.market import ms_from_utc
from modules.domain.ports import Clock
from modules.journal import JournalConsumer
from modules.notices.deliveries import LOOK_AHEAD, DeliveryState, claim, due_at, next_of_each
from modules.notices.personal import tell
from modules.notices.preferences import NOTICE_OF, Channel, Notice, preferences_of
from modules.notices.sending import Lanes
from modules.notices.webhook_book import Hook, cancel_waiting, delivery_row
from modules.notices.webhook_rules import EVENT_TYPES, is_hopeless, signing_secret, wait_before, wants
from modules.records import changes, from_document
from modules.runtime.logs import log

AT_ONCE = 16
#: So many deliveries of one hook, then others get their turn at its place.
_IN_A_ROW = 50
_GONE = 410
_LONGEST_HINT_SECONDS = 43_200.0
_SWEEP_EVERY = timedelta(hours=1)
_PUBLIC = SIGNAL_EVENTS | {EventKind.SAFETY_CHANGED, EventKind.PRICES_STALE, EventKind.PRICES_BACK}
_KEPT = {DeliveryState.DELIVERED: 7, DeliveryState.FAILED: 30, DeliveryState.CANCELLED: 7}


@dataclass(frozen=True, slots=True)
class Answered:
    """What a receiver answered. `retry_after_seconds` is its own hint, where it gave one."""

    status: int
    milliseconds: int
    excerpt: str
    retry_after_seconds: float | None = None


class HookSender(Protocol):
    """How a delivery leaves.

    Raises InvalidInput where nothing may be sent, Unavailable where nobody answered.
    """

    async def send(self, row: Document, url: str, secret: str, now: datetime) -> Answered:
        """Sends the body of a row of `hook_deliveries`, signed with `secret`; what the receiver answered."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One try: an answer, or what went wrong; `final` where another try can't help."""

    answered: Answered | None = None
    error: str = ""
    final: bool = False

    @property
    def arrived(self) -> bool:
        """Whether the receiver answered that it took it (2xx)."""
        return self.answered is not None and 200 <= self.answered.status < 300

    @property
    def why(self) -> str:
        """What to show of a try that failed."""
        return self.error or (f"answered {self.answered.status}" if self.answered else "")


class WebhookWriter:
    """Turns facts into deliveries, for the hooks of those whom they concern."""

    def __init__(self, store: Store) -> None:
        self._consumer = JournalConsumer(store, "webhooks", self._handle, EVENT_TYPES)

    def turn(self, now: datetime) -> int:
        """Writes the deliveries of what happened since; returns how many events were read."""
        return self._consumer.turn(now)

    @staticmethod
    def _handle(entry: Entry, tx: Transaction, now: datetime) -> None:
        kind = EventKind(entry.kind)
        concerned, user_id = _audience(tx, kind, entry)
        if not concerned:
            return
        mine = where("enabled") == True  # noqa: E712 - a query, not a truth
        for document in tx["hooks"].search(mine if user_id is None else mine & (where("user_id") == user_id)):
            hook = from_document(Hook, document)
            if ms_from_utc(hook.created_at) <= entry.at_ms and _is_to_hear(tx, hook, kind):
                data = {"event_id": entry.seq, **{k: v for k, v in entry.body.items() if k != "owner"}}
                row = delivery_row(hook, f"evt_{entry.seq}", EVENT_TYPES[kind], data, entry.at_ms, now)
                if not tx["hook_deliveries"].contains(key=row["id"]):
                    tx["hook_deliveries"].insert(row)


class WebhookCourier:
    """Writes and sends deliveries in turns; whatever takes long happens beside them."""

    name = "webhooks"

    def __init__(
        self,
        store: Store,
        sender: HookSender,
        clock: Clock,
        *,
        root_secret: str,
        wake: Callable[[], None] = lambda: None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._root = root_secret
        self._wake = wake
        self._draw = draw
        self._writer = WebhookWriter(store)
        self._lanes = Lanes(AT_ONCE)
        self._swept: datetime | None = None
        self._stopping = False
        self._trouble = ""
        self._log = log("webhooks")

    async def turn(self, now: datetime) -> bool:
        """Writes what happened, begins to send what is due; whether there may be more to do at once."""
        read = self._writer.turn(now)
        self._lanes.clear_ended()
        for row in self._due(now):
            self._lanes.begin(row["hook_id"], self._serve(row))
        self._sweep(now)
        return read > 0

    async def stop(self) -> None:
        """Lets what is being sent finish, for a few seconds; what does not is sent again by the next start."""
        self._stopping = True
        await self._lanes.finish()

    def trouble(self) -> str:
        """What the newest try failed with; empty when it worked."""
        return self._trouble

    def _due(self, now: datetime) -> Sequence[Document]:
        """The next delivery of every hook that is free, each claimed."""
        if self._lanes.room <= 0:
            return []
        due = due_at(now)
        rows = self._store["hook_deliveries"].search(due, order_by="due_at", limit=LOOK_AHEAD)
        if len(rows) == LOOK_AHEAD:  # one hook's many must not hide another's few
            for hook in self._store["hooks"].all():
                rows += self._store["hook_deliveries"].search(due & (where("hook_id") == hook["id"]), limit=1)
        in_order = sorted(rows, key=lambda each: int(each["created_at"]))  # ties as they were written
        return claim(self._store, "hook_deliveries", next_of_each(in_order, "hook_id", self._lanes), now)

    async def _serve(self, row: Document) -> None:
        """Sends to one hook what is due, one after the other; a failure leaves the rest to the next turn."""
        left = _IN_A_ROW
        while await self._deliver(row):
            left -= 1
            following = [] if self._stopping or not left else self._next_of(row["hook_id"])
            if not following:
                break
            (row,) = following
        self._wake()

    def _next_of(self, hook_id: str) -> Sequence[Document]:
        """The hook's next delivery that is due, claimed; nothing where there is none."""
        now = self._clock.now()
        due = (where("hook_id") == hook_id) & due_at(now)
        found = self._store["hook_deliveries"].search(due, order_by="created_at", limit=1)
        return claim(self._store, "hook_deliveries", found, now)

    async def _deliver(self, row: Document) -> bool:
        """Tries one delivery and writes down what became of it; whether it arrived."""
        document = self._store["hooks"].get(key=row["hook_id"])
        if document is None:  # removed meanwhile, with its deliveries
            return False
        hook = from_document(Hook, document)
        if not is_active(self._store["users"].get(key=hook.user_id)):
            with self._store.transaction() as tx:
                cancel_waiting(tx, hook.id, "its user is not active", self._clock.now())
            return False
        tried = await self._try(row, hook)
        self._trouble = "" if tried.arrived else tried.why
        with self._store.transaction() as tx:
            self._settle(tx, row, tried)
        return tried.arrived

    async def _try(self, row: Document, hook: Hook) -> Tried:
        secret = signing_secret(self._root, hook.id, hook.salt)
        try:
            return Tried(await self._sender.send(row, hook.url, secret, self._clock.now()))
        except InvalidInput as forbidden:
            return Tried(error=forbidden.message, final=True)
        except Unavailable as silence:
            return Tried(error=silence.message)
        except Exception as error:  # noqa: BLE001 - one hook's send must not end the others'
            self._log.error("webhook failed", delivery=row["id"], error=repr(error), exc_info=error)
            return Tried(error="it could not be sent from here")

    def _settle(self, tx: Transaction, row: Document, tried: Tried) -> None:
        """Writes down what became of the try, for the delivery and for its hook."""
        now, kept = self._clock.now(), tx["hook_deliveries"].get(key=row["id"])
        document = tx["hooks"].get(key=row["hook_id"])
        if kept is None or document is None or kept["status"] != DeliveryState.SENDING.value:
            return  # removed or switched off while it was being sent
        hook = from_document(Hook, document)
        answered = tried.answered
        fields: Document = {
            "response_status": answered.status if answered else None,
            "response_ms": answered.milliseconds if answered else None,
            "response_excerpt": answered.excerpt if answered else "",
            "error": "" if tried.arrived else tried.why,
        }
        state, due = self._next(row, tried, now)
        ended = {"ended_at": ms_from_utc(now)} if due is None else {"due_at": ms_from_utc(due)}
        tx["hook_deliveries"].update({**fields, "status": state.value, **ended}, key=row["id"])
        if not row["once"]:
            self._note(tx, hook, tried, now)

    def _next(self, row: Document, tried: Tried, now: datetime) -> tuple[DeliveryState, datetime | None]:
        if tried.arrived:
            return DeliveryState.DELIVERED, None
        wait = None if tried.final or row["once"] else wait_before(int(row["tries"]), self._draw())
        if wait is None:
            return DeliveryState.FAILED, None
        hint = tried.answered.retry_after_seconds if tried.answered else None
        wait = max(wait, min(hint or 0.0, _LONGEST_HINT_SECONDS))
        return DeliveryState.QUEUED, now + timedelta(seconds=wait)

    def _note(self, tx: Transaction, hook: Hook, tried: Tried, now: datetime) -> None:
        """What a try says of the hook: it works, it fails, or it is given up."""
        if tried.arrived:
            new = replace(hook, failures=0, failing_since=None, last_delivered_at=now)
        else:
            new = replace(hook, failures=hook.failures + 1, failing_since=hook.failing_since or now)
        gone = tried.answered is not None and tried.answered.status == _GONE
        since = new.failing_since or now
        if hook.enabled and not tried.arrived and (gone or is_hopeless(new.failures, since, now)):
            why = (
                "its server says it is gone for good" if gone else f"{new.failures} tries failed in a row: {tried.why}"
            )
            new = replace(new, enabled=False, disabled_reason=why)
            self._switch_off(tx, new, now)
        tx["hooks"].update(changes(hook, new), key=hook.id)

    def _switch_off(self, tx: Transaction, hook: Hook, now: datetime) -> None:
        cancel_waiting(tx, hook.id, "the webhook was switched off", now)
        after = {"enabled": False, "reason": hook.disabled_reason}
        audit.record(tx, audit.SYSTEM, "webhook.disable", f"webhook:{hook.id}", now=now, after=after)
        text = f"Your webhook {hook.name or hook.id} was switched off: {hook.disabled_reason}. Switch it on again once it works."
        tell(tx, hook.user_id, Notice.ACCOUNT, text, key=f"webhook-off:{hook.id}:{ms_from_utc(now)}", now=now)
        self._log.warning("webhook switched off", hook=hook.id, reason=hook.disabled_reason)

    def _sweep(self, now: datetime) -> None:
        """Forgets deliveries that ended long ago."""
        if self._swept is not None and now - self._swept < _SWEEP_EVERY:
            return
        self._swept = now
        for state, days in _KEPT.items():
            old = (where("status") == state.value) & (where("due_at") < ms_from_utc(now - timedelta(days=days)))
            self._store["hook_deliveries"].remove(old)


def _audience(tx: Transaction, kind: EventKind, entry: Entry) -> tuple[bool, str | None]:
    """(whether anybody may hear of it, the one user it concerns or None for everybody)."""
    body = entry.body
    if (owner := body.get("owner")) is not None:
        return True, str(owner)
    if (account_id := body.get("account_id")) is not None:
        return _owner_of(tx, str(account_id))
    if kind is EventKind.SAFETY_CHANGED and body.get("scope") != "global":
        if body.get("scope") == "account":
            return _owner_of(tx, str(body.get("scope_id")))
        return body.get("scope") == "user", str(body.get("scope_id"))
    return kind in _PUBLIC, None  # a private fact that names nobody is nobody's


def _owner_of(tx: Transaction, account_id: str) -> tuple[bool, str | None]:
    account = tx["accounts"].get(key=account_id)
    return (True, str(account["user_id"])) if account is not None else (False, None)


def _is_to_hear(tx: Transaction, hook: Hook, kind: EventKind) -> bool:
    if not wants(hook.events, EVENT_TYPES[kind]) or not is_active(tx["users"].get(key=hook.user_id)):
        return False
    notice = NOTICE_OF.get(kind)
    return notice is None or preferences_of(tx, hook.user_id).wants(notice, Channel.WEBHOOK)
