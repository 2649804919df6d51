"""A source's message and the signal it carries: what was said, by whom, when, and what became of it.

A signal's id is derived from its source and message id, so taking the same message in twice makes one signal.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from modules.domain.errors import InvalidInput
from modules.domain.sides import Side


class SignalStatus(StrEnum):
    """Life of a signal, judged by prices: waiting for its entry, active, then one of the ends."""

    WAITING = "waiting"
    ACTIVE = "active"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    INVALID = "invalid"

    @property
    def ended(self) -> bool:
        return self not in (SignalStatus.WAITING, SignalStatus.ACTIVE)


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """One post as a source adapter delivers it. `edited` counts edits (0 = as first posted).

    `owner` is the user whose private source it came through (a webhook of theirs, a strategy); None for what concerns all.
    """

    source: str
    message_id: str
    text: str
    at: datetime
    received_at: datetime
    reply_to: str | None = None
    edited: int = 0
    backlog: bool = False
    owner: str | None = None

    def __post_init__(self) -> None:
        if not self.source or not self.message_id:
            raise InvalidInput("a message needs its source and its id", fields={"source": "required"})
        if self.at.tzinfo is None or self.received_at.tzinfo is None:
            raise InvalidInput("a message needs times with a zone", fields={"at": "no zone"})

    @property
    def id(self) -> str:
        """Unique per source, message and edit."""
        return f"{self.source}/{self.message_id}/{self.edited}"


@dataclass(frozen=True, slots=True)
class SignalHit:
    """A target that the market reached, and when."""

    number: int
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Signal:
    """An entry call and its life so far. `targets` run in the order of the trade's direction.

    With an `owner` it is private: planned for that user's accounts alone and told to nobody else.
    """

    id: str
    source: str
    message_id: str
    symbol: str
    side: Side
    order: str
    entries: tuple[Decimal, ...]
    entry_range: bool
    targets: tuple[Decimal, ...]
    stop_loss: Decimal | None
    leverage: Decimal | None
    text: str
    said_at: datetime
    received_at: datetime
    expires_at: datetime
    confidence: float
    status: SignalStatus = SignalStatus.WAITING
    reason: str | None = None
    late: bool = False
    stop_now: Decimal | None = None
    entry_price: Decimal | None = None
    entered_at: datetime | None = None
    hits: tuple[SignalHit, ...] = ()
    best_price: Decimal | None = None
    worst_price: Decimal | None = None
    exit_price: Decimal | None = None
    closed_at: datetime | None = None
    r_multiple: Decimal | None = None
    return_percent: Decimal | None = None
    owner: str | None = None

    @property
    def reference_price(self) -> Decimal | None:
        """A price near which this call was made: its first entry, else midway from the stop to the first target."""
        if self.entries:
            return self.entries[0]
        if self.stop_loss is not None and self.targets:
            return (self.stop_loss + self.targets[0]) / 2
        return self.stop_loss or next(iter(self.targets), None)


def signal_id(source: str, message_id: str) -> str:
    """The id of the signal in that message."""
    return "sig-" + hashlib.sha256(f"{source}\n{message_id}".encode()).hexdigest()[:16]


def content_hash(text: str) -> str:
    """Hash of what a text says, without case, spacing, emoji and markup, so that our own words are known again."""
    letters = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c for c in letters if c.isalnum() or c in ".,:%/-")
    return hashlib.sha256(kept.encode("utf-8", "surrogatepass")).hexdigest()[:32]
