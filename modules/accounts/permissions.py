"""Who may what: one table that HTTP, chats and the command line ask. What is not in it is denied."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from modules.domain.errors import NotAllowed
from modules.domain.people import Principal, Role


class Verb(StrEnum):
    """Something that can be allowed. Reading and changing are about one's own things unless the name says `all`."""

    READ_SIGNALS = "signals.read"
    POST_SIGNALS = "signals.post"
    MANAGE_SOURCES = "sources.manage"
    READ_TRADES = "trades.read"
    READ_ALL_TRADES = "trades.read_all"
    TRADE = "trades.write"
    READ_SAFETY = "safety.read"
    STOP_OWN = "safety.stop_own"
    STOP_ALL = "safety.stop_all"
    READ_ANALYSIS = "analysis.read"
    MANAGE_ANALYSIS = "analysis.manage"
    READ_STRATEGIES = "strategies.read"
    MANAGE_STRATEGIES = "strategies.write"
    READ_BACKTESTS = "backtests.read"
    RUN_BACKTESTS = "backtests.run"
    OWN_PROFILE = "profile.own"
    MANAGE_KEYS = "keys.own"
    MANAGE_EXCHANGES = "exchanges.own"
    MANAGE_WEBHOOKS = "webhooks.own"
    READ_SYSTEM = "system.read"
    READ_EVENTS = "events.read_all"
    MANAGE_USERS = "users.manage"
    READ_AUDIT = "audit.read"
    BROADCAST = "broadcast.send"
    MANAGE_BACKUPS = "backups.manage"


_EVERYBODY = frozenset(Role)
_STAFF = frozenset({Role.OWNER, Role.ADMIN, Role.OPERATOR})
_CHIEFS = frozenset({Role.OWNER, Role.ADMIN})
_ACTIVE = _EVERYBODY - {Role.READ_ONLY}

PERMISSIONS: Mapping[Verb, frozenset[Role]] = {
    Verb.READ_SIGNALS: _EVERYBODY,
    Verb.POST_SIGNALS: _STAFF | {Role.ANALYST},
    Verb.MANAGE_SOURCES: _STAFF,
    Verb.READ_TRADES: _EVERYBODY,
    Verb.READ_ALL_TRADES: _STAFF,
    Verb.TRADE: _ACTIVE,
    Verb.READ_SAFETY: _EVERYBODY,
    Verb.STOP_OWN: _ACTIVE,
    Verb.STOP_ALL: _STAFF,
    Verb.READ_ANALYSIS: _EVERYBODY,
    Verb.MANAGE_ANALYSIS: _STAFF | {Role.ANALYST},
    Verb.READ_STRATEGIES: _EVERYBODY,
    Verb.MANAGE_STRATEGIES: _ACTIVE,
    Verb.READ_BACKTESTS: _EVERYBODY,
    Verb.RUN_BACKTESTS: _ACTIVE,
    Verb.OWN_PROFILE: _EVERYBODY,
    Verb.MANAGE_KEYS: _ACTIVE,
    Verb.MANAGE_EXCHANGES: _ACTIVE,
    Verb.MANAGE_WEBHOOKS: _ACTIVE,
    Verb.READ_SYSTEM: _STAFF,
    Verb.READ_EVENTS: _STAFF,
    Verb.MANAGE_USERS: _CHIEFS,
    Verb.READ_AUDIT: _CHIEFS,
    Verb.BROADCAST: _STAFF,
    Verb.MANAGE_BACKUPS: _CHIEFS,
}


def may(principal: Principal, verb: Verb) -> bool:
    """Whether the role allows the verb and, for an API key, its scopes do too."""
    scopes = principal.scopes
    return principal.role in PERMISSIONS.get(verb, frozenset()) and (scopes is None or verb.value in scopes)


def require(principal: Principal, verb: Verb) -> None:
    """Raises NotAllowed where the principal may not."""
    if may(principal, verb):
        return
    if principal.role in PERMISSIONS.get(verb, frozenset()):  # then it is the key's scopes that lack it
        raise NotAllowed(f"this key may not do this: {verb.value} is not among its scopes")
    raise NotAllowed(f"a {principal.role.value.replace('_', '-')} may not do this ({verb.value})")
