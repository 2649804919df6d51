"""Users' inbound webhooks: addresses at which other programs (TradingView alerts, one's own bots) hand in calls.

The address is long and random and is all that an unsigned hook asks for, so it is kept like a secret: derived, never stored,
and recognised by the logs. A signed hook also asks for an HMAC-SHA256 of the body. What comes in is the owner's alone, unless the owner may post signals for everybody and made the hook public.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tinydb import where

from database import Store, Transaction
from modules.accounts import audit
from modules.accounts.listing import page
from modules.accounts.people import is_active, principal
from modules.accounts.permissions import Verb, may, require
from modules.domain.errors import Conflict, NotFound, NotSignedIn
from modules.domain.market import ms_from_utc
from modules.notices.webhook_book import Asked
from modules.notices.webhook_rules import signing_secret
from modules.records import from_document, to_document

MAX_HOOKS = 20
_PREFIX = "in_"
_ADDRESS = re.compile(r"vzk_([0-9a-f]{16})_[A-Za-z0-9_-]{43}\Z")
#: A signature that names its time is good for this long, so that a request overheard once can't be sent for ever.
TOLERANCE_SECONDS = 300
#: Where senders put the signature: hex of HMAC-SHA256 over the body, bare or after `sha256=`.
SIGNATURE_HEADERS = ("x-webhook-signature", "x-signature", "x-hub-signature-256")
TIMED_HEADER = "x-verzek-signature"


@dataclass(frozen=True, slots=True)
class InboundHook:
    """One address that calls come in by. `kind` is what the owner says will post there."""

    id: str
    user_id: str
    name: str
    kind: str
    salt: str
    created_at: datetime
    signed: bool = False
    public: bool = False
    enabled: bool = True
    received: int = 0
    last_received_at: datetime | None = None
    last_outcome: str = ""

    @property
    def source(self) -> str:
        """The name its signals go by."""
        return f"webhook:{self.name}"

    def message_id(self, body: bytes, given_id: str | None, now: datetime) -> str:
        """The id of a posted message: the one it was given, else of the same body within the same minute."""
        if given_id is None:
            given_id = f"{hashlib.sha256(body).hexdigest()[:24]}-{int(now.timestamp()) // 60}"
        return f"{self.id}-{given_id}"


class InboundBook:
    """The inbound hooks. Another user's is as if there were none."""

    def __init__(self, store: Store, root_secret: str) -> None:
        self._store = store
        self._root = root_secret

    def create(
        self, asked: Asked, name: str, kind: str, *, signed: bool = False, public: bool = False
    ) -> tuple[InboundHook, str]:
        """A new address and the secret that may sign what is posted there.

        The owner's accounts that follow named sources follow this one too. Raises Conflict for a name already used and beyond
        20 hooks, NotAllowed for a public one where the owner may not post signals.
        """
        require(asked.who, Verb.TRADE)
        if public:
            require(asked.who, Verb.POST_SIGNALS)
        made = InboundHook(
            id=_PREFIX + secrets.token_hex(8),
            user_id=asked.who.user_id,
            name=name,
            kind=kind,
            salt=secrets.token_hex(8),
            created_at=asked.now,
            signed=signed,
            public=public,
        )
        with self._store.transaction() as tx:
            mine = tx["inbound_hooks"].search(where("user_id") == made.user_id)
            if any(each["name"] == name for each in mine):
                raise Conflict("There is a webhook of this name already.", fields={"name": "used already"})
            if len(mine) >= MAX_HOOKS:
                raise Conflict(f"There are {MAX_HOOKS} webhooks already; remove one first.", code="too_many_webhooks")
            tx["inbound_hooks"].insert(to_document(made))
            _follow(tx, made)
            self._audit(tx, asked, "inbound_webhook.create", made, after=_shown(made))
        return made, self.secret(made)

    def hooks_of(
        self, user_id: str, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[InboundHook], str | None]:
        """The user's hooks, newest first, and the cursor of the next page."""
        mine = where("user_id") == user_id
        found, following = page(
            self._store["inbound_hooks"], mine, order_by="created_at", limit=limit, cursor=cursor, owner=user_id
        )
        return [from_document(InboundHook, each) for each in found], following

    def toggle(self, asked: Asked, hook_id: str, enabled: bool | None = None) -> InboundHook:
        """Switches the hook to `enabled`, or to the other state."""
        with self._store.transaction() as tx:
            old = self._get(tx, asked.who.user_id, hook_id)
            new = replace(old, enabled=not old.enabled if enabled is None else enabled)
            if new != old:
                tx["inbound_hooks"].update({"enabled": new.enabled}, key=hook_id)
                self._audit(tx, asked, "inbound_webhook.change", new, before=_shown(old), after=_shown(new))
        return new

    def remove(self, asked: Asked, hook_id: str) -> None:
        """The address is gone; signals that came by it stay."""
        with self._store.transaction() as tx:
            hook = self._get(tx, asked.who.user_id, hook_id)
            tx["inbound_hooks"].remove(key=hook_id)
            self._audit(tx, asked, "inbound_webhook.delete", hook, before=_shown(hook))

    def address(self, hook: InboundHook) -> str:
        """The last part of the path that messages are posted to."""
        token = signing_secret(self._root, f"{hook.id}/address", hook.salt).removeprefix("whsec_")
        return f"vzk_{hook.id.removeprefix(_PREFIX)}_{token}"

    def admit(self, address: str, body: bytes, headers: Mapping[str, str], now: datetime) -> InboundHook:
        """The hook that takes this body. Raises NotFound where there is none or it is off, NotSignedIn for a wrong signature."""
        found = _ADDRESS.match(address)
        document = self._store["inbound_hooks"].get(key=_PREFIX + found[1]) if found else None
        hook = from_document(InboundHook, document) if document is not None else None
        if hook is None or not hmac.compare_digest(self.address(hook), address):
            raise NotFound("There is no such webhook.")
        if not hook.enabled or not is_active(self._owner(hook.user_id)):
            raise NotFound("There is no such webhook.")
        if not _is_signed(self.secret(hook), body, headers, now, needed=hook.signed):
            raise NotSignedIn("The signature does not fit the body.", code="bad_signature")
        return hook

    def owner_of_signals(self, hook: InboundHook) -> str | None:
        """Whose the hook's signals are: its user's, or everybody's (None) where it is public and its user may post."""
        user = self._owner(hook.user_id)
        public = hook.public and user is not None and may(principal(user, "webhook"), Verb.POST_SIGNALS)
        return None if public else hook.user_id

    def note(self, hook: InboundHook, outcome: str, now: datetime) -> None:
        """Keeps what became of the newest message, for the owner to see."""

        def count(document: dict[str, Any]) -> None:
            document["received"] = int(document["received"]) + 1
            document["last_received_at"] = ms_from_utc(now)
            document["last_outcome"] = outcome[:300]

        self._store["inbound_hooks"].update(count, key=hook.id)

    def secret(self, hook: InboundHook) -> str:
        """What signs the bodies posted to the hook."""
        return signing_secret(self._root, hook.id, hook.salt)

    def _owner(self, user_id: str) -> dict[str, Any] | None:
        return self._store["users"].get(key=user_id)

    @staticmethod
    def _get(tx: Transaction, user_id: str, hook_id: str) -> InboundHook:
        document = tx["inbound_hooks"].get(key=hook_id)
        if document is None or document["user_id"] != user_id:
            raise NotFound("There is no such webhook.")
        return from_document(InboundHook, document)

    @staticmethod
    def _audit(tx: Transaction, asked: Asked, action: str, hook: InboundHook, **values: Any) -> None:
        audit.record(tx, asked.who, action, f"inbound_webhook:{hook.id}", now=asked.now, origin=asked.origin, **values)


def _follow(tx: Transaction, hook: InboundHook) -> None:
    for account in tx["accounts"].search(where("user_id") == hook.user_id):
        sources = account["settings"].get("sources", ["*"])
        if "*" not in sources and hook.source not in sources:
            settings = {**account["settings"], "sources": [*sources, hook.source]}
            tx["accounts"].update({"settings": settings}, key=account["id"])


def _shown(hook: InboundHook) -> dict[str, Any]:
    return {"name": hook.name, "enabled": hook.enabled, "signed": hook.signed, "public": hook.public}


def _is_signed(secret: str, body: bytes, headers: Mapping[str, str], now: datetime, *, needed: bool) -> bool:
    """Whether a signature fits. One that is given must fit, even where none is needed."""
    given = {name.lower(): value for name, value in headers.items()}
    if (timed := given.get(TIMED_HEADER)) is not None:
        parts = dict(part.strip().partition("=")[::2] for part in timed.split(","))
        at = parts.get("t", "")
        if not (at.isascii() and at.isdigit()) or len(at) > 12:
            return False
        if abs(int(at) - now.timestamp()) > TOLERANCE_SECONDS:
            return False
        return _equal(secret, at.encode() + b"." + body, parts.get("v1", ""))
    for name in SIGNATURE_HEADERS:
        if name in given:
            return _equal(secret, body, given[name].strip().removeprefix("sha256="))
    return not needed


def _equal(secret: str, signed: bytes, said: str) -> bool:
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(digest.encode(), said.lower().encode("utf-8", "replace"))
