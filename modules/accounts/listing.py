"""Pages of long lists, newest first; a cursor is the key of the last row shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinydb.queries import QueryInstance

from database import Collection, Document
from modules.domain.errors import InvalidInput

Wanted = QueryInstance | Callable[[Document], bool] | None


def page(
    collection: Collection,
    wanted: Wanted,
    *,
    order_by: str,
    limit: int,
    cursor: str | int | None,
    owner: str | None = None,
) -> tuple[list[Document], Any]:
    """Up to `limit` rows after `cursor`, and the key to go on from (None at the end).

    Raises InvalidInput for a cursor that this list did not give: no row's key, or that of a row of another user than
    `owner` where one is named.
    """
    last = None if cursor is None else collection.get(key=cursor)
    given_here = last is not None and (owner is None or last["user_id"] == owner)
    if cursor is not None and not given_here:
        raise InvalidInput("the cursor is not one that this list gave", fields={"cursor": "unknown"})
    found = collection.search(wanted, order_by=order_by, descending=True, after=cursor, limit=limit + 1)
    following = found[limit - 1][collection.spec.key] if len(found) > limit else None
    return found[:limit], following
