"""A user's Telegram session: what it consists of, and which of its errors only the operator can repair."""

from __future__ import annotations

from dataclasses import dataclass

from telethon import errors
from telethon.sessions import StringSession

from modules.domain.errors import Misconfigured

_NEW_SESSION = "make a new TELEGRAM_SESSION for this installation"
_FATAL: dict[type[Exception], str] = {
    errors.AuthKeyDuplicatedError: "TELEGRAM_SESSION was used in two places at once and Telegram has revoked it: stop "
    f"the other program that uses it, then {_NEW_SESSION} alone",
    errors.AuthKeyNotFound: f"Telegram does not know TELEGRAM_SESSION: {_NEW_SESSION}",
    errors.UserDeactivatedBanError: "Telegram has banned the account of TELEGRAM_SESSION: use another account",
    errors.UserDeactivatedError: "the account of TELEGRAM_SESSION was deleted: use another account",
    errors.UnauthorizedError: f"TELEGRAM_SESSION is logged out: {_NEW_SESSION}",
    errors.ApiIdInvalidError: "TELEGRAM_API_ID and TELEGRAM_API_HASH do not belong together: see my.telegram.org",
    errors.ApiIdPublishedFloodError: "TELEGRAM_API_ID is a published one that Telegram refuses: get your own at "
    "my.telegram.org",
}

# What ends a connection and is cured by a new one.
LOST = (
    *(OSError, EOFError, TimeoutError, ValueError, BufferError),
    *(errors.RPCError, errors.AuthKeyNotFound, errors.TypeNotFoundError, errors.SecurityError),
)


@dataclass(frozen=True, slots=True)
class UserAccount:
    """An application's id and hash (my.telegram.org) and the session string of a signed-in account."""

    api_id: int
    api_hash: str
    session: str


def problems_with(account: UserAccount) -> list[str]:
    """Everything that can be seen to be wrong without asking Telegram."""
    problems = []
    if not account.api_id or not account.api_hash:
        problems.append("TELEGRAM_API_ID and TELEGRAM_API_HASH are needed: get them at my.telegram.org")
    try:
        if StringSession(account.session).auth_key is None:
            problems.append("TELEGRAM_SESSION is empty: sign in once and put the session string there")
    except Exception:  # noqa: BLE001 - the library fails in several ways on a malformed string
        problems.append("TELEGRAM_SESSION is not a session string: it was cut off or comes from another program")
    return problems


def raise_if_fatal(error: BaseException) -> None:
    """Raise `Misconfigured` with a sentence that says what to do, when a new connection would not help."""
    for kind, sentence in _FATAL.items():
        if isinstance(error, kind):
            raise Misconfigured([sentence]) from error
