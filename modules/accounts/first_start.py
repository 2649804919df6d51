"""The first start: the operator, their paper account, bearer token and password, and the local chats. Repeating it changes nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from database import Store
from modules.accounts.passwords import Passwords, made_up
from modules.domain.market import ms_from_utc
from modules.domain.people import Account
from modules.records import to_document
from modules.runtime.settings import Settings, keep_once

OPERATOR = "operator"
TOKEN_FILE = "operator.token"  # noqa: S105 - a file's name


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What the start made. `token` is the operator's bearer token; `fresh` whether it was made just now."""

    email: str
    token: str
    fresh: bool


def prepare(store: Store, settings: Settings, now: datetime) -> FirstStart:
    """Makes whatever a working installation needs and does not have yet."""
    path = settings.data_dir / TOKEN_FILE
    fresh = not path.exists()
    token = keep_once(path, "vzk_" + secrets.token_urlsafe(32))
    with store.transaction() as tx:
        if not tx["users"].contains(key=OPERATOR):
            email = settings.admin_email.strip().lower()
            user = {"id": OPERATOR, "email": email, "role": "owner", "created_at": ms_from_utc(now)}
            tx["users"].insert(user)
        tx["users"].update({"token_hash": token_hash(token)}, key=OPERATOR)
        if not tx["accounts"].contains(key=f"paper-{OPERATOR}"):
            tx["accounts"].insert(to_document(paper_account(OPERATOR, settings, now)))
        for chat in _chats(settings):
            if not tx["chats"].contains(key=str(chat["id"])):
                tx["chats"].insert(chat)
    return FirstStart(settings.admin_email, token, fresh)


def first_password(store: Store, settings: Settings) -> str | None:
    """Gives the operator a password where they have none; the password, if it was made up here, to be shown this once.

    ADMIN_PASSWORD is what it is set to, at the first start only: later it changes where passwords are changed.
    """
    user = store["users"].get(key=OPERATOR)
    if user is None or user.get("password_hash"):
        return None
    given = settings.admin_password.get_secret_value()
    password = given or made_up()
    kept = Passwords().kept(password)
    is_set = store["users"].compare_and_set(OPERATOR, {"password_hash": None}, {"password_hash": kept})
    return password if is_set and not given else None


def paper_account(user_id: str, settings: Settings, now: datetime) -> Account:
    """A new paper account: it follows every source with 1 % risk per trade."""
    return Account(f"paper-{user_id}", user_id, "paper", "USDT", settings.paper_balance, now)


def token_hash(token: str) -> str:
    """What is kept of a bearer token; the token itself is long and random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_operator_token(store: Store, token: str) -> bool:
    """Whether this is the operator's token; takes the same time for every wrong one."""
    user = store["users"].get(key=OPERATOR)
    kept = str(user["token_hash"]) if user else ""
    return hmac.compare_digest(token_hash(token), kept)


def operator_token(data_dir: Path) -> str | None:
    """The operator's token as kept on this machine, for local tools."""
    try:
        return (data_dir / TOKEN_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _chats(settings: Settings) -> list[dict[str, object]]:
    blank: dict[str, object] = {"user_id": None, "muted": [], "muted_until": None, "blocked": False}
    chats = [
        {**blank, "id": "local:vip", "kind": "vip"},
        {**blank, "id": "local:trial", "kind": "trial"},
        {**blank, "id": f"local:{OPERATOR}", "kind": "operator", "user_id": OPERATOR},
    ]
    if settings.telegram_bot_token.get_secret_value():
        for kind, chat in (("vip", settings.vip_chat_id), ("trial", settings.trial_chat_id)):
            if chat:
                chats.append({**blank, "id": f"telegram:{chat}", "kind": kind})
    return chats
