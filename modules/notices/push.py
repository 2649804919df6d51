"""Push notices: the devices a user registered, and what is to be shown on them.

A device is a browser's push subscription (kind `web`) or an app's messaging token (kind `fcm`). A notice is one row per device,
sent a few times and then given up: an old push is worth nothing, the chat and the page have it anyway. A device that its push
service no longer knows is forgotten.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from tinydb import where

from database import Document, Store, Transaction
from modules.accounts import audit
from modules.accounts.listing import page
from modules.domain.errors import Conflict, InvalidInput, NotFound, Rejected, Unavailable
from modules.domain.market import ms_from_utc
from modules.domain.ports import Clock
from modules.notices.deliveries import LOOK_AHEAD, DeliveryState, claim, due_at, next_of_each
from modules.notices.preferences import Notice
from modules.notices.sending import Lanes
from modules.notices.webhook_book import Asked
from modules.runtime.logs import log

MAX_DEVICES = 20
AT_ONCE = 16
#: A push is kept by the push service this long for a device that is off.
TTL_SECONDS = 4 * 3600
_RETRY_SECONDS = (30, 120, 600)
_LONGEST_TEXT = 500
_SWEEP_EVERY = timedelta(hours=1)
_KEPT = timedelta(days=2)


class DeviceKind(StrEnum):
    """How a device is reached."""

    WEB = "web"
    FCM = "fcm"


@dataclass(frozen=True, slots=True)
class Registration:
    """What a device gives of itself: `address` is a push endpoint or a messaging token; the two keys belong to `web`."""

    kind: DeviceKind
    address: str
    p256dh: str = ""
    auth: str = ""
    name: str = ""

    @property
    def device_id(self) -> str:
        """The same device registered again is the same."""
        return "dev_" + hashlib.sha256(f"{self.kind.value}\n{self.address}".encode()).hexdigest()[:24]


class DeviceGone(Rejected):
    """The push service does not know the device any more."""

    code = "device_gone"


class PushSender(Protocol):
    """How a push leaves.

    Raises DeviceGone, Rejected where it can never be delivered, Unavailable where it may be tried again.
    """

    async def send(self, device: Document, payload: bytes, *, urgent: bool, now: datetime) -> None:
        """Hands `payload` (JSON text) to the push service of a row of `push_devices`."""


class PushBook:
    """The devices. Another user's device is as if there were none."""

    def __init__(self, store: Store, check: Callable[[Registration], None]) -> None:
        """`check` raises InvalidInput for a registration that can't be served here."""
        self._store = store
        self._check = check

    def register(self, asked: Asked, given: Registration) -> Document:
        """Adds or renews a device; one that another user had on the same browser is now this user's."""
        self._check(given)
        user_id = asked.who.user_id
        row: Document = {
            "id": given.device_id,
            "user_id": user_id,
            "kind": given.kind.value,
            "address": given.address,
            "p256dh": given.p256dh,
            "auth": given.auth,
            "name": given.name,
            "created_at": ms_from_utc(asked.now),
        }
        with self._store.transaction() as tx:
            known = tx["push_devices"].get(key=row["id"])
            if known is None or known["user_id"] != user_id:
                if tx["push_devices"].count(where("user_id") == user_id) >= MAX_DEVICES:
                    raise Conflict(
                        f"There are {MAX_DEVICES} devices already; remove one first.", code="too_many_devices"
                    )
                tx["push_deliveries"].remove(where("device_id") == row["id"])
                after = {"kind": row["kind"], "name": row["name"]}
                subject = f"device:{row['id']}"
                audit.record(tx, asked.who, "device.register", subject, now=asked.now, origin=asked.origin, after=after)
            tx["push_devices"].replace(row)
        return row

    def devices_of(self, user_id: str) -> list[Document]:
        """The user's devices, oldest first; at most 20."""
        return self._store["push_devices"].search(where("user_id") == user_id, order_by="created_at")

    def page_of(self, user_id: str, cursor: str | None, limit: int) -> tuple[list[Document], str | None]:
        """A page of the user's devices, newest first. Raises InvalidInput for a cursor that this list did not give."""
        devices, mine = self._store["push_devices"], where("user_id") == user_id
        return page(devices, mine, order_by="created_at", limit=limit, cursor=cursor, owner=user_id)

    def unregister(self, asked: Asked, device_id: str) -> None:
        """Forgets a device and what waits for it. Raises NotFound."""
        with self._store.transaction() as tx:
            device = tx["push_devices"].get(key=device_id)
            if device is None or device["user_id"] != asked.who.user_id:
                raise NotFound("There is no such device.")
            forget(tx, device_id)
            audit.record(
                tx, asked.who, "device.unregister", f"device:{device_id}", now=asked.now, origin=asked.origin
            )  # fmt: skip

    def test(self, asked: Asked, device_id: str | None = None) -> int:
        """Queues a test notice for one device, or all of the user's; how many. Raises NotFound where there is none."""
        devices = [each for each in self.devices_of(asked.who.user_id) if device_id in (None, each["id"])]
        if not devices:
            raise NotFound("There is no such device." if device_id else "No device is registered yet.")
        with self._store.transaction() as tx:
            for each in devices:
                _queue(tx, each, Notice.ACCOUNT, "This is a test notice.", f"test-{secrets.token_hex(6)}", asked.now)
        return len(devices)


class PushCourier:
    """Sends what is due in turns; whatever takes long happens beside them."""

    name = "push"

    def __init__(
        self,
        store: Store,
        sender: PushSender,
        clock: Clock,
        *,
        wake: Callable[[], None] = lambda: None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._wake = wake
        self._draw = draw
        self._lanes = Lanes(AT_ONCE)
        self._swept: datetime | None = None
        self._trouble = ""
        self._log = log("push")

    async def turn(self, now: datetime) -> bool:
        """Begins to send what is due; there is never more to do at once."""
        self._lanes.clear_ended()
        for row in self._due(now):
            self._lanes.begin(row["device_id"], self._deliver(row))
        if self._swept is None or now - self._swept >= _SWEEP_EVERY:
            self._swept = now
            self._store["push_deliveries"].remove(where("due_at") < ms_from_utc(now - _KEPT))
        return False

    async def stop(self) -> None:
        """Lets what is being sent finish, for a few seconds."""
        await self._lanes.finish()

    def trouble(self) -> str:
        """What the newest try failed with; empty when it worked."""
        return self._trouble

    def _due(self, now: datetime) -> Sequence[Document]:
        """The next push of every device that is free, each claimed."""
        rows = self._store["push_deliveries"].search(due_at(now), order_by="due_at", limit=LOOK_AHEAD)
        return claim(self._store, "push_deliveries", next_of_each(rows, "device_id", self._lanes), now)

    async def _deliver(self, row: Document) -> None:
        device = self._store["push_devices"].get(key=row["device_id"])
        if device is None:  # unregistered meanwhile, with what waited for it
            return
        try:
            payload = str(row["payload"]).encode()
            await self._sender.send(device, payload, urgent=bool(row["urgent"]), now=self._clock.now())
        except DeviceGone:
            with self._store.transaction() as tx:
                forget(tx, device["id"])
            self._log.info("device is gone", device=device["id"])
        except (InvalidInput, Rejected) as never:
            self._failed(row, never.message, None)
        except Unavailable as later:
            self._failed(row, later.message, later.retry_after_seconds or 0.0)
        except Exception as error:  # noqa: BLE001 - one device's send must not end the others'
            self._log.error("push failed", delivery=row["id"], error=repr(error), exc_info=error)
            self._failed(row, repr(error), 0.0)
        else:
            self._trouble = ""
            self._store["push_deliveries"].update({"status": DeliveryState.DELIVERED.value, "error": ""}, key=row["id"])
        self._wake()

    def _failed(self, row: Document, why: str, hint_seconds: float | None) -> None:
        """Tried again later, or given up: `hint_seconds` None says that another try can't help."""
        self._trouble = why
        tries = int(row["tries"])
        if hint_seconds is None or tries > len(_RETRY_SECONDS):
            fields: Document = {"status": DeliveryState.FAILED.value}
        else:
            wait = max(_RETRY_SECONDS[tries - 1] * (0.8 + 0.4 * self._draw()), min(hint_seconds, TTL_SECONDS))
            due = self._clock.now() + timedelta(seconds=wait)
            fields = {"status": DeliveryState.QUEUED.value, "due_at": ms_from_utc(due)}
        self._store["push_deliveries"].update({**fields, "error": why[:300]}, key=row["id"])
        self._log.warning("push not delivered", delivery=row["id"], reason=why, tries=tries)


def queue_push(tx: Transaction, user_id: str, notice: Notice, text: str, *, key: str, now: datetime) -> None:
    """One row per device of the user; `key` makes queueing it twice harmless."""
    for device in tx["push_devices"].search(where("user_id") == user_id):
        _queue(tx, device, notice, text, key, now)


def forget(tx: Transaction, device_id: str) -> None:
    """The device and what waits for it are gone."""
    tx["push_devices"].remove(key=device_id)
    tx["push_deliveries"].remove(where("device_id") == device_id)


def _queue(tx: Transaction, device: Document, notice: Notice, text: str, key: str, now: datetime) -> None:
    shown = text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
    payload = {"title": "VerzekAutoTrader", "body": shown, "kind": notice.value, "tag": key, "url": "/"}
    row = {
        "id": f"{key}:{device['id']}",
        "device_id": device["id"],
        "user_id": device["user_id"],
        "payload": json.dumps(payload, ensure_ascii=False),
        "urgent": notice is Notice.ALARM,
        "status": DeliveryState.QUEUED.value,
        "tries": 0,
        "due_at": ms_from_utc(now),
        "created_at": ms_from_utc(now),
        "error": "",
    }
    if not tx["push_deliveries"].contains(key=row["id"]):
        tx["push_deliveries"].insert(row)
