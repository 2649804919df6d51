"""Users' outgoing webhooks: which there are, what was delivered to them, and every change a person makes to them.

A hook's signing secret is derived from the installation's key and a salt of the hook; it is shown when it is made and never
again. Whoever makes a hook hears through it only of what they may read themselves.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tinydb import where

from database import Document, Store, Transaction
from modules.accounts import audit
from modules.accounts.listing import page
from modules.accounts.permissions import Verb, require
from modules.domain.errors import Conflict, NotFound
from modules.domain.market import iso_from_utc, ms_from_utc, utc_from_ms
from modules.domain.people import Principal
from modules.notices.deliveries import WAITING, DeliveryState, not_ended
from modules.notices.webhook_rules import TEST_TYPE, OutboundRules, checked_events, signing_secret, target_of
from modules.records import changes, from_document, to_document

MAX_HOOKS = 20


@dataclass(frozen=True, slots=True)
class Hook:
    """One address that events are sent to. `failures` counts tries that failed since the last that worked."""

    id: str
    user_id: str
    name: str
    url: str
    events: tuple[str, ...]
    salt: str
    created_at: datetime
    enabled: bool = True
    failures: int = 0
    failing_since: datetime | None = None
    disabled_reason: str = ""
    last_delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HookChange:
    """What is to be different; None leaves it."""

    name: str | None = None
    url: str | None = None
    events: tuple[str, ...] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, when, and from where."""

    who: Principal
    now: datetime
    origin: str = ""


class WebhookBook:
    """The hooks. Another user's hook is as if there were none."""

    def __init__(self, store: Store, root_secret: str, rules: OutboundRules) -> None:
        self._store = store
        self._root = root_secret
        self._rules = rules

    def create(self, asked: Asked, url: str, events: Iterable[str], name: str = "") -> tuple[Hook, str]:
        """A new hook and its secret. Raises InvalidInput for a wrong address or event, Conflict beyond 20 hooks."""
        for verb in (Verb.READ_SIGNALS, Verb.READ_TRADES):
            require(asked.who, verb)  # an API key can't hear through a hook what it may not read
        host = target_of(url, self._rules).authority
        made = Hook(
            id="wh_" + secrets.token_urlsafe(12),
            user_id=asked.who.user_id,
            name=name,
            url=url,
            events=checked_events(events),
            salt=secrets.token_hex(8),
            created_at=asked.now,
        )
        with self._store.transaction() as tx:
            if tx["hooks"].count(where("user_id") == made.user_id) >= MAX_HOOKS:
                raise Conflict(f"There are {MAX_HOOKS} webhooks already; remove one first.", code="too_many_webhooks")
            tx["hooks"].insert(to_document(made))
            after = {"host": host, "events": list(made.events), "name": name}
            audit.record(
                tx, asked.who, "webhook.create", f"webhook:{made.id}", now=asked.now, origin=asked.origin, after=after
            )
        return made, self.secret(made)

    def hooks_of(self, user_id: str, cursor: str | None = None, limit: int = 100) -> tuple[list[Hook], str | None]:
        """The user's hooks, newest first, and the cursor of the next page."""
        mine = where("user_id") == user_id
        found, following = page(
            self._store["hooks"], mine, order_by="created_at", limit=limit, cursor=cursor, owner=user_id
        )
        return [from_document(Hook, each) for each in found], following

    def get(self, user_id: str, hook_id: str) -> Hook:
        """One of the user's hooks. Raises NotFound."""
        return _hook(self._store, user_id, hook_id)

    def change(self, asked: Asked, hook_id: str, change: HookChange) -> Hook:
        """The hook as changed. Switching it on again forgets its failures."""
        if change.url is not None:
            target_of(change.url, self._rules)
        events = checked_events(change.events) if change.events is not None else None
        with self._store.transaction() as tx:
            old = _hook(tx, asked.who.user_id, hook_id)
            wanted = {"name": change.name, "url": change.url, "events": events, "enabled": change.enabled}
            new = replace(old, **{key: value for key, value in wanted.items() if value is not None})  # type: ignore[arg-type]
            if new.enabled and not old.enabled:
                new = replace(new, failures=0, failing_since=None, disabled_reason="")
            if old.enabled and not new.enabled:
                new = replace(new, disabled_reason="switched off by you")
                cancel_waiting(tx, hook_id, "the webhook was switched off", asked.now)
            after = changes(old, new)
            if after:
                tx["hooks"].update(after, key=hook_id)
                before = {key: value for key, value in to_document(old).items() if key in after}
                self._audit(tx, asked, "webhook.change", hook_id, before=self._named(before), after=self._named(after))
        return new

    def rotate(self, asked: Asked, hook_id: str) -> tuple[Hook, str]:
        """Another secret for the hook; the old one signs nothing from now on."""
        with self._store.transaction() as tx:
            new = replace(_hook(tx, asked.who.user_id, hook_id), salt=secrets.token_hex(8))
            tx["hooks"].update({"salt": new.salt}, key=hook_id)
            self._audit(tx, asked, "webhook.rotate", hook_id)
        return new, self.secret(new)

    def remove(self, asked: Asked, hook_id: str) -> None:
        """The hook and its deliveries are gone."""
        with self._store.transaction() as tx:
            hook = _hook(tx, asked.who.user_id, hook_id)
            tx["hooks"].remove(key=hook_id)
            tx["hook_deliveries"].remove(where("hook_id") == hook_id)
            self._audit(tx, asked, "webhook.delete", hook_id, before=self._named({"url": hook.url}))

    def test(self, asked: Asked, hook_id: str) -> str:
        """Queues one test event, tried once, for a hook that may be off; the delivery's id. One test at a time."""
        with self._store.transaction() as tx:
            hook = _hook(tx, asked.who.user_id, hook_id)
            same = (where("hook_id") == hook_id) & where("status").one_of(list(WAITING))
            for row in tx["hook_deliveries"].search(same):
                if row["type"] == TEST_TYPE:
                    return str(row["id"])
            event_id = "evt_test_" + secrets.token_hex(8)
            data = {"webhook_id": hook_id, "message": "This is a test."}
            row = delivery_row(hook, event_id, TEST_TYPE, data, ms_from_utc(asked.now), asked.now)
            tx["hook_deliveries"].insert(row)
            return str(row["id"])

    def deliveries(
        self, user_id: str, hook_id: str, status: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[Document], str | None]:
        """What was sent to the hook or waits to be, newest first."""
        self.get(user_id, hook_id)
        wanted = where("hook_id") == hook_id
        if status is not None:
            wanted = wanted & (where("status") == status)
        rows = self._store["hook_deliveries"]
        return page(rows, wanted, order_by="created_at", limit=limit, cursor=cursor, owner=user_id)

    def send_again(self, asked: Asked, hook_id: str, delivery_id: str) -> Document:
        """Queues a delivery that has ended once more, under the same event id."""
        with self._store.transaction() as tx:
            _hook(tx, asked.who.user_id, hook_id)
            row = tx["hook_deliveries"].get(key=delivery_id)
            if row is None or row["hook_id"] != hook_id:
                raise NotFound("There is no such delivery.")
            if row["status"] in WAITING:
                raise Conflict("This delivery is on its way already.")
            again = {"status": DeliveryState.QUEUED.value, "tries": 0, "due_at": ms_from_utc(asked.now), "once": True}
            tx["hook_deliveries"].update(again, key=delivery_id)
        return {**row, **again}

    def secret(self, hook: Hook) -> str:
        """What the hook signs with."""
        return signing_secret(self._root, hook.id, hook.salt)

    def _named(self, values: Document) -> Document:
        """The values as the audit log keeps them: of an address only the host, since paths often hold a secret."""
        shown = {name: value for name, value in values.items() if name != "url"}
        return {**shown, "host": urlsplit(values["url"]).netloc} if "url" in values else shown

    @staticmethod
    def _audit(tx: Transaction, asked: Asked, action: str, hook_id: str, **values: Any) -> None:
        audit.record(tx, asked.who, action, f"webhook:{hook_id}", now=asked.now, origin=asked.origin, **values)


def delivery_row(hook: Hook, event_id: str, name: str, data: dict[str, Any], at_ms: int, now: datetime) -> Document:
    """One event for one hook: the bytes that will be sent are fixed here, so that every try sends the same."""
    created = iso_from_utc(utc_from_ms(at_ms), timespec="milliseconds")
    body = {"id": event_id, "type": name, "created_at": created, "data": data}
    return {
        "id": f"{event_id}:{hook.id}",
        "hook_id": hook.id,
        "user_id": hook.user_id,
        "event_id": event_id,
        "type": name,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        "status": DeliveryState.QUEUED.value,
        "tries": 0,
        "once": name == TEST_TYPE,
        "due_at": ms_from_utc(now),
        "created_at": ms_from_utc(now),
        "ended_at": None,
        "response_status": None,
        "response_ms": None,
        "response_excerpt": "",
        "error": "",
    }


def cancel_waiting(tx: Transaction, hook_id: str, why: str, now: datetime) -> None:
    """What still waits for the hook is not sent."""
    waiting = (where("hook_id") == hook_id) & not_ended()
    ended = {"status": DeliveryState.CANCELLED.value, "error": why, "ended_at": ms_from_utc(now)}
    tx["hook_deliveries"].update(ended, waiting)


def _hook(reader: Store | Transaction, user_id: str, hook_id: str) -> Hook:
    document = reader["hooks"].get(key=hook_id)
    if document is None or document["user_id"] != user_id:
        raise NotFound("There is no such webhook.")
    return from_document(Hook, document)
