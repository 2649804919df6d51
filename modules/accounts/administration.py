"""Users as those who run the service handle them: finding, role, switching off and on, ending their sign-ins.

There is always an owner who can come in, only owners touch owners, and nobody locks themselves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tinydb import where

from database import Document, Store, Transaction
from modules.accounts.audit import record
from modules.accounts.listing import page
from modules.accounts.people import by_email, is_active
from modules.accounts.sessions import end_all
from modules.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from modules.domain.market import iso_from_ms
from modules.domain.people import Principal, Role


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user is, and whether they may come in."""

    role: Role
    enabled: bool

    @property
    def is_owner(self) -> bool:
        """Whether this is an owner who can come in."""
        return self.role is Role.OWNER and self.enabled


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is wanted of a user; None leaves as it is."""

    role: Role | None = None
    enabled: bool | None = None

    def applied_to(self, before: Standing) -> Standing:
        """The standing afterwards."""
        role = before.role if self.role is None else self.role
        return Standing(role, before.enabled if self.enabled is None else self.enabled)


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users a list shows; None is any. `search` is a part of id, e-mail address or name, whatever the case."""

    search: str | None = None
    role: Role | None = None
    enabled: bool | None = None

    def fits(self, user: Document) -> bool:
        """Whether this user is meant. Whoever deleted their account is no user any more."""
        if user.get("deleted_at") is not None:
            return False
        if self.role is not None and user.get("role") != self.role.value:
            return False
        if self.enabled is not None and bool(user.get("enabled", True)) is not self.enabled:
            return False
        words = (str(user.get(name) or "").casefold() for name in ("id", "email", "name"))
        return self.search is None or any(self.search.casefold() in word for word in words)


def list_users(
    store: Store, wanted: UserFilter, *, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Users, newest first, and the cursor of the next page."""
    found, following = page(store["users"], wanted.fits, order_by="created_at", limit=limit, cursor=cursor)
    return [user_row(store, each) for each in found], following


def one_user(reader: Store | Transaction, user_id: str) -> Document:
    """The user of that id. Raises NotFound where there is none."""
    user = reader["users"].get(key=user_id)
    if user is None or user.get("deleted_at") is not None:
        raise NotFound("There is no such user.")
    return user


def find_user(reader: Store | Transaction, wanted: str) -> Document:
    """The user of that id or e-mail address. Raises NotFound."""
    found = reader["users"].get(key=wanted) or by_email(reader, wanted.strip().lower())
    if found is None or found.get("deleted_at") is not None:
        raise NotFound(f"There is no user {wanted}.")
    return found


def change_user(
    tx: Transaction, who: Principal, user_id: str, wanted: UserChange, *, now: datetime, origin: str = ""
) -> bool:
    """Changes role and access within `tx`; False when all was so already. A user who is switched off is signed out.

    Raises NotFound, NotAllowed (only owners touch owners; nobody gives more than they have), Conflict (the last owner).
    """
    user = one_user(tx, user_id)
    before = Standing(Role(user["role"]), bool(user.get("enabled", True)))
    after = wanted.applied_to(before)
    if after == before:
        return False
    _check_rank(who, before.role)
    _check_rank(who, after.role)
    if user_id == who.user_id and not after.enabled:
        raise Conflict("You can't switch yourself off.")
    if before.is_owner and not after.is_owner and not _another_owner(tx, user_id):
        raise Conflict("This is the last owner; make another one first.", code="last_owner")
    tx["users"].update({"role": after.role.value, "enabled": after.enabled}, key=user_id)
    if before.enabled and not after.enabled:
        end_all(tx, user_id, "switched off by an admin", now)
    for name in ("role", "enabled"):
        old, new = {name: getattr(before, name)}, {name: getattr(after, name)}
        if old != new:
            record(tx, who, f"user.{name}", f"user:{user_id}", now=now, origin=origin, before=old, after=new)
    return True


def sign_out(tx: Transaction, who: Principal, user_id: str, *, now: datetime, origin: str = "") -> int:
    """Ends every sign-in of a user; how many there were."""
    user = one_user(tx, user_id)
    _check_rank(who, Role(user["role"]))
    count = end_all(tx, user_id, "signed out by an admin", now)
    record(tx, who, "session.closed_all", f"user:{user_id}", now=now, origin=origin, after={"sessions": count})
    return count


def user_row(reader: Store | Transaction, user: Document) -> dict[str, Any]:
    """What admins see of a user: nothing that signs in."""
    mine = where("user_id") == user["id"]
    seen = max((int(each["last_used_at"]) for each in reader["sessions"].search(mine)), default=None)
    return {
        "id": user["id"],
        "email": user.get("email"),
        "name": user.get("name") or "",
        "role": user["role"],
        "enabled": bool(user.get("enabled", True)),
        "telegram_linked": user.get("telegram_id") is not None or str(user["id"]).startswith("tg-"),
        "created_at": iso_from_ms(int(user["created_at"])),
        "last_seen_at": None if seen is None else iso_from_ms(seen),
        "accounts": reader["accounts"].count(mine),
    }


def _check_rank(who: Principal, role: Role) -> None:
    if role is Role.OWNER and who.role is not Role.OWNER:
        raise NotAllowed("Only an owner may make or change an owner.")


def _another_owner(tx: Transaction, user_id: str) -> bool:
    owners = tx["users"].search(where("role") == Role.OWNER.value)
    return any(is_active(each) and each["id"] != user_id for each in owners)


def role_named(text: str) -> Role:
    """The role of that name. Raises InvalidInput with the names there are."""
    try:
        return Role(text.strip().lower().replace("-", "_"))
    except ValueError:
        raise InvalidInput(f"{text} is no role: {', '.join(each.value for each in Role)}") from None
