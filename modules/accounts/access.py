"""Who sends a request: the one place that turns what was sent into a principal, for HTTP and the stream alike.

Ways in: an access token or the operator's token (`Authorization: Bearer`), an API key (`X-API-Key`, or as a bearer token),
a Mini App's init data (`Authorization: tma`). The role is always the one on record now; whoever was disabled, deleted or
signed out is nobody from that moment on. Who proves nothing is None, never an error.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from database import Document, Store
from modules.accounts.api_keys import ApiKeys
from modules.accounts.first_start import OPERATOR, is_operator_token
from modules.accounts.office import Office, open_office
from modules.accounts.people import by_telegram, is_active, principal
from modules.accounts.sessions import goes_on
from modules.accounts.telegram_login import read_init_data
from modules.accounts.two_factor import is_on
from modules.domain.people import Principal
from modules.domain.ports import Clock
from modules.runtime.settings import Settings

_LONGEST = 10_000


class Headers(Protocol):
    """What is asked of a request's headers: their value by name, whatever its case."""

    def get(self, name: str, /) -> str | None:
        """The value of a header, or None."""


class Access:
    """Knows everybody who may come in."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, office: Office | None = None) -> None:
        self._office = office or open_office(store, clock, settings)
        self._store = store
        self._keys = ApiKeys(self._office)
        self._bot_token = settings.telegram_bot_token.get_secret_value()

    def principal_of(self, headers: Headers) -> Principal | None:
        """Who sent these headers. More than one proof in one request is none: which was meant would be a guess."""
        authorization, key = headers.get("Authorization") or "", headers.get("X-API-Key")
        if key is not None:
            return None if authorization else self._keys.principal_of(key.strip(), self._office.now())
        scheme, _, proof = authorization.partition(" ")
        if len(proof) > _LONGEST:
            return None
        match scheme.lower():
            case "bearer":
                return self.principal_of_token(proof)
            case "tma":
                return self._of_mini_app(proof.strip(), self._office.now())
        return None

    def principal_of_token(self, token: str) -> Principal | None:
        """Whom a token stands for: an access token, the operator's token, an API key, or `tma` and a Mini App's data."""
        token, now = token.strip(), self._office.now()
        if token[:4].lower() == "tma ":
            return self._of_mini_app(token[4:].strip(), now)
        if token.startswith("vzk_"):  # the operator's first: its random part may begin like a key's
            return self._of_operator(token) or self._keys.principal_of(token, now)
        return self._of_session(token, now)

    def _of_session(self, token: str, now: datetime) -> Principal | None:
        claims = self._office.tokens.read_access(token, now)
        session = self._store["sessions"].get(key=claims.session_id) if claims and claims.session_id else None
        if claims is None or session is None or session["user_id"] != claims.user_id or not goes_on(session, now):
            return None
        user = self._active(claims.user_id)
        return principal(user, "access_token", session_id=claims.session_id) if user else None

    def _of_operator(self, token: str) -> Principal | None:
        user = self._active(OPERATOR) if is_operator_token(self._store, token) else None
        return principal(user, "operator_token") if user else None

    def _of_mini_app(self, init_data: str, now: datetime) -> Principal | None:
        identity = read_init_data(init_data, self._bot_token, now)
        user = by_telegram(self._store, identity.telegram_id) if identity else None
        if user is None or not is_active(user) or is_on(user.get("two_factor")):
            return None  # with a second factor one signs in by POST /api/auth/telegram, which asks for it
        return principal(user, "telegram")

    def _active(self, user_id: str) -> Document | None:
        user = self._store["users"].get(key=user_id)
        return user if is_active(user) else None
