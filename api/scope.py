"""Whose things a request is about: one's own, or for staff another user's or everybody's."""

from __future__ import annotations

from api.gate import current
from api.rooms import Rooms
from modules.accounts.permissions import Verb, require
from modules.domain.errors import NotFound
from modules.domain.people import Account


def own_accounts(rooms: Rooms) -> list[Account]:
    """The accounts of whoever asks."""
    return rooms.views.accounts_of(current().user_id)


def own_account(rooms: Rooms, account_id: str | None = None) -> Account:
    """One's account of that id, or one's first. Raises NotFound where one has none such."""
    mine = own_accounts(rooms)
    found = mine if account_id is None else [each for each in mine if each.id == account_id]
    if not found:
        raise NotFound("You have no such account." if account_id else "You have no trading account.")
    return found[0]


def accounts_in_question(rooms: Rooms, user: str | None, everybody: bool) -> list[str] | None:
    """Ids of the accounts a list shows: one's own, `user`'s, or None for `everybody`'s.

    Raises NotAllowed where somebody asks for more than their own and is not staff.
    """
    if everybody:
        require(current(), Verb.READ_ALL_TRADES)
        return None
    if user is not None and user != current().user_id:
        require(current(), Verb.READ_ALL_TRADES)
        return [each.id for each in rooms.views.accounts_of(user)]
    return [each.id for each in own_accounts(rooms)]
