"""Whether data that says it comes from Telegram does: Mini App init data and the Login Widget's fields.

Both are checked as Telegram documents it (core.telegram.org/bots/webapps#validating-data-received-via-the-mini-app and
core.telegram.org/widgets/login#checking-authorization): an HMAC-SHA256 over the sorted fields, with a key made of the bot's
token. Data older than its age limit proves nothing any more, however well it is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

#: How long data signed by Telegram is good here.
INIT_DATA_LIFETIME = timedelta(hours=1)
WIDGET_LIFETIME = timedelta(minutes=10)
_AHEAD = timedelta(seconds=60)
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class TelegramIdentity:
    """Whom Telegram vouches for."""

    telegram_id: int
    name: str
    username: str


def read_init_data(init_data: str, bot_token: str, now: datetime) -> TelegramIdentity | None:
    """Whom a Mini App's init data is about; None when it is not signed for this bot, too old, or about nobody."""
    if not bot_token or len(init_data) > _LONGEST:
        return None
    try:
        pairs = parse_qsl(init_data, keep_blank_values=True, strict_parsing=True, max_num_fields=50)
    except ValueError:
        return None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        return None  # a name said twice: which of the two was signed would be a guess
    key = hmac.digest(b"WebAppData", bot_token.encode(), hashlib.sha256)
    if not _signed(fields, key) or not _recent(fields.get("auth_date", ""), INIT_DATA_LIFETIME, now):
        return None
    try:
        return _identity(json.loads(fields.get("user", "")))
    except ValueError:
        return None


def read_widget(fields: Mapping[str, str], bot_token: str, now: datetime) -> TelegramIdentity | None:
    """Whom the Login Widget's fields are about; None when they are not signed for this bot, or too old."""
    if not bot_token or sum(len(name) + len(value) for name, value in fields.items()) > _LONGEST:
        return None
    key = hashlib.sha256(bot_token.encode()).digest()
    if not _signed(fields, key) or not _recent(fields.get("auth_date", ""), WIDGET_LIFETIME, now):
        return None
    told: dict[str, object] = dict(fields)
    told["id"] = int(fields["id"]) if _is_number(fields.get("id", "")) else None
    return _identity(told)


def _signed(fields: Mapping[str, str], key: bytes) -> bool:
    given = fields.get("hash", "")
    lines = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()) if name != "hash")
    wanted = hmac.digest(key, lines.encode(errors="replace"), hashlib.sha256).hex()
    return hmac.compare_digest(wanted.encode(), given.encode(errors="replace"))


def _recent(said: str, lifetime: timedelta, now: datetime) -> bool:
    if not _is_number(said):
        return False
    age = now.timestamp() - int(said)
    return -_AHEAD.total_seconds() <= age <= lifetime.total_seconds()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _identity(user: object) -> TelegramIdentity | None:
    if not isinstance(user, dict) or type(user.get("id")) is not int or user.get("is_bot"):
        return None
    names = (user.get("first_name"), user.get("last_name"))
    name = " ".join(part for part in names if isinstance(part, str))[:100]
    username = user.get("username")
    return TelegramIdentity(user["id"], name, username if isinstance(username, str) else "")
