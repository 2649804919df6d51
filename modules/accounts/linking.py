"""Linking a Telegram account to a user, by a code that is worth one use within ten minutes.

Whoever began in the chat before has a user of the chat's own; linking hands that user's trading accounts over, so that no
open trade is left without an owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tinydb import where

from database import Document, Store, Transaction
from modules.accounts import attempts, audit, one_time
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import post
from modules.accounts.office import Caller, Office, shown
from modules.accounts.one_time import LIFETIMES, Purpose
from modules.accounts.people import is_active, principal, require_personal
from modules.domain.errors import Conflict, InvalidInput, NotFound, TooMany
from modules.domain.market import ms_from_utc
from modules.domain.people import Principal

_BAD_CODE = "This code is not good any more. Make a new one where you made it."
_TRIES_PER_HOUR = 20


@dataclass(frozen=True, slots=True)
class LinkCode:
    """A code to be said to the bot, and the address that says it at a touch (empty while the bot's name is unknown)."""

    code: str
    url: str
    expires_at: datetime


class Linking:
    """Makes codes and takes links away; `bind` is the chat's side."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store

    def begin(self, who: Principal) -> LinkCode:
        """A new code; an older one is no good from then on. Raises Conflict while a Telegram account is linked."""
        require_personal(who)
        now = self._office.now()
        with self._store.transaction() as tx:
            user = tx["users"].get(key=who.user_id)
            if user is None or user.get("telegram_id") is not None:
                raise Conflict("A Telegram account is linked already. Take it away first.", code="linked_already")
            one_time.cancel(tx, Purpose.LINK_TELEGRAM, f"user:{who.user_id}")
            code = one_time.issue(tx, Purpose.LINK_TELEGRAM, f"user:{who.user_id}", now)
        bot = self._office.settings.telegram_bot_name.removeprefix("@") or bot_name(self._store)
        url = f"https://t.me/{bot}?start={code}" if bot else ""
        return LinkCode(code, url, now + LIFETIMES[Purpose.LINK_TELEGRAM])

    def end(self, who: Principal, caller: Caller) -> None:
        """Takes the link away: the chat is a stranger's from then on. Raises NotFound where there is none."""
        require_personal(who)
        now = self._office.now()
        with self._store.transaction() as tx:
            user = tx["users"].get(key=who.user_id)
            if user is None or user.get("telegram_id") is None:
                raise NotFound("No Telegram account is linked.")
            tx["users"].update({"telegram_id": None, "telegram_name": None}, key=who.user_id)
            tx["chats"].remove((where("user_id") == who.user_id) & where("id").matches("telegram:"))
            subject, before = f"user:{who.user_id}", {"telegram_id": user["telegram_id"]}
            audit.record(tx, who, "telegram.unlinked", subject, now=now, origin=caller.address, before=before)


def bind(store: Store, code: str, telegram_id: int, chat_id: str, name: str, now: datetime) -> str:
    """Binds a Telegram account, whose private chat is `chat_id`, to the user who made `code`; the user's id.

    Raises InvalidInput for a code that is not good (and nothing else, whatever is wrong with it), Conflict when this
    Telegram account belongs to another user already, TooMany for whoever tries codes.
    """
    with store.transaction() as tx:
        span = timedelta(hours=1)
        within = attempts.allowed(tx, "link", str(telegram_id), most=_TRIES_PER_HOUR, per=span, now=now)
    if not within:
        raise TooMany("Too many codes. Try again in an hour.", retry_after_seconds=3600)
    with store.transaction() as tx:
        row = one_time.redeem(tx, Purpose.LINK_TELEGRAM, code, now)
        user = tx["users"].get(key=str(row["subject"]).removeprefix("user:")) if row else None
        if user is None or not is_active(user) or user.get("telegram_id") is not None:
            raise InvalidInput(_BAD_CODE, code="bad_code")
        user_id = str(user["id"])
        if tx["users"].contains(where("telegram_id") == telegram_id):
            raise Conflict("This Telegram account is linked to another user.", code="linked_already")
        tx["users"].update({"telegram_id": telegram_id, "telegram_name": name[:100]}, key=user_id)
        _hand_over(tx, f"tg-{telegram_id}", user_id)
        chat: Document = {
            "id": chat_id,
            "kind": "user",
            "user_id": user_id,
            "muted": [],
            "muted_until": None,
            "blocked": False,
        }
        tx["chats"].upsert(chat)
        who = principal(user, "chat")
        after = {"telegram_id": telegram_id, "telegram_name": name[:100]}
        audit.record(tx, who, "telegram.linked", f"user:{user_id}", now=now, origin=chat_id, after=after)
        if user.get("email"):
            post(tx, user["email"], Letter.TELEGRAM_LINKED, now, fields={"at": shown(now)}, user_id=user_id)
    return user_id


def remember_bot_name(store: Store, name: str, now: datetime) -> None:
    """Keeps what Telegram calls the bot, for links that open its chat."""
    store["telegram_bots"].upsert({"id": "bot", "username": name, "seen_at": ms_from_utc(now)})


def bot_name(store: Store) -> str:
    """What Telegram called the bot when it last connected; empty before."""
    return str((store["telegram_bots"].get(key="bot") or {}).get("username") or "")


def _hand_over(tx: Transaction, chat_user: str, user_id: str) -> None:
    """The chat's own user, if there was one, goes; their accounts belong to the linked user."""
    former = tx["users"].get(key=chat_user)
    if former is None or chat_user == user_id:
        return
    stopped = tx["safety"].get(key=f"user:{chat_user}")
    if stopped is not None and stopped["stage"] != "active":
        raise Conflict("Trading is stopped in this chat. Write /resume first, then link.", code="stopped")
    tx["accounts"].update({"user_id": user_id}, where("user_id") == chat_user)
    tx["users"].remove(key=chat_user)
