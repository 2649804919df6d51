"""Which topics exist, and which channel of a topic somebody may hear. Decides; holds nothing.

A private topic has one channel per user: `positions` means something else for each, so that no subscription can reach
another user's. What belongs to everybody has topics of its own (`positions:all`), for staff.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from modules.accounts.permissions import Verb, may
from modules.domain.errors import InvalidInput, NotAllowed, NotFound
from modules.domain.people import Principal

_SYMBOL = re.compile(r"[A-Z0-9]{2,30}\Z")
_JOB = re.compile(r"[A-Za-z0-9_.-]{1,80}\Z")


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic needs. `private`: a channel per user. `conflated`: only the newest state matters, nothing is replayed.

    `companion` is a topic that a subscription brings along: the moving figures of what the topic tells the facts of.
    """

    verb: Verb
    private: bool = False
    conflated: bool = False
    companion: str | None = None


TOPICS: Mapping[str, Topic] = {
    "signals": Topic(Verb.READ_SIGNALS, companion="signals:own"),
    "signals:own": Topic(Verb.READ_SIGNALS, private=True),
    "scanner": Topic(Verb.READ_ANALYSIS),
    "system": Topic(Verb.READ_SAFETY, companion="system:processes"),
    "system:processes": Topic(Verb.READ_SAFETY),
    "system:all": Topic(Verb.READ_SYSTEM),
    "positions": Topic(Verb.READ_TRADES, private=True, companion="positions:live"),
    "positions:live": Topic(Verb.READ_TRADES, private=True, conflated=True),
    "positions:all": Topic(Verb.READ_EVENTS),
    "orders": Topic(Verb.READ_TRADES, private=True),
    "jobs": Topic(Verb.READ_BACKTESTS, private=True),
    "orders:all": Topic(Verb.READ_EVENTS),
}
#: Topics whose messages are facts of the journal: their numbers outlive this process.
JOURNAL_TOPICS = frozenset(
    {"signals", "signals:own", "system", "system:all", "positions", "positions:all", "orders", "orders:all"}
)
_JOBS = Topic(Verb.OWN_PROFILE, private=True)


def price_topic(symbol: str) -> str:
    """The topic of a symbol's price. Raises InvalidInput for what can be no symbol."""
    name = symbol.upper().replace("/", "").replace("-", "")
    if not _SYMBOL.match(name):
        raise InvalidInput(f"{symbol[:40]!r} is no symbol", code="unknown_topic")
    return f"price:{name}"


def symbol_of(topic: str) -> str | None:
    """The symbol of a price topic; None for other topics."""
    return topic[6:] if topic.startswith("price:") else None


def describe(topic: str) -> Topic:
    """What a topic other than a price is. Raises NotFound when there is none of that name."""
    if (known := TOPICS.get(topic)) is not None:
        return known
    if topic.startswith("jobs:") and _JOB.match(topic[5:]):
        return _JOBS
    raise NotFound(f"there is no topic {topic[:100]!r}", code="unknown_topic")


def channel_key(topic: str, user_id: str | None) -> str:
    """The channel for one user's messages of a private topic, or for everybody's of another.

    Raises InvalidInput when a private message has no owner, or another one.
    """
    private = describe(topic).private
    if private != (user_id is not None):
        raise InvalidInput(f"{topic}: a private message needs its owner, another has none")
    return f"{topic}@{user_id}" if private else topic


def admit(topic: str, who: Principal | None) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The topic's proper name, and the (topic, channel key) pairs that a subscription of `who` means.

    Raises NotFound, or NotAllowed with `not_signed_in` or `not_allowed`.
    """
    if topic.startswith("price:"):
        name = price_topic(topic[6:])
        return name, ((name, name),)
    wanted = describe(topic)
    if who is None:
        raise NotAllowed(f"{topic} needs a sign-in first", code="not_signed_in")
    if not may(who, wanted.verb):
        raise NotAllowed(f"{topic} is not open to you")
    names = (topic,) if wanted.companion is None else (topic, wanted.companion)
    return topic, tuple((each, channel_key(each, who.user_id if describe(each).private else None)) for each in names)
