"""Which notices a user wants over which channel, and when they sleep. Pure but for reading and writing one document.

Nothing said means everything: a new user is told all by chat and push, and by mail what concerns the account itself. A quiet
time holds chat messages back until it is over and leaves pushes out; alarms pass, and mail and webhooks make no noise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from database import Store, Transaction
from modules.domain.errors import InvalidInput
from modules.domain.events import EventKind

SETTINGS = "notification_settings"
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")
_ZONE = re.compile(r"[A-Za-z0-9_+\-/]{1,64}\Z")


class Notice(StrEnum):
    """The kinds of notices a person can choose between."""

    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"
    CLOSE = "close"
    REFUSAL = "refusal"
    ALARM = "alarm"
    ACCOUNT = "account"
    SIGN_IN = "sign_in"


class Channel(StrEnum):
    """The ways to reach a person. `telegram` is every chat of theirs, the local one too."""

    TELEGRAM = "telegram"
    MAIL = "mail"
    WEBHOOK = "webhook"
    PUSH = "push"


_ALL = frozenset(Channel)
_NO_MAIL = _ALL - {Channel.MAIL}
DEFAULT_CHANNELS: Mapping[Notice, frozenset[Channel]] = {
    Notice.ENTRY: _NO_MAIL,
    Notice.TARGET: _NO_MAIL,
    Notice.STOP: _NO_MAIL,
    Notice.CLOSE: _NO_MAIL,
    Notice.REFUSAL: _NO_MAIL,
    Notice.ALARM: _ALL,
    Notice.ACCOUNT: _ALL,
    Notice.SIGN_IN: _ALL,
}

#: What a fact is to the person it concerns; facts that are not here are no notices of their own.
NOTICE_OF: Mapping[EventKind, Notice] = {
    EventKind.SIGNAL_RECEIVED: Notice.ENTRY,
    EventKind.SIGNAL_ENTERED: Notice.ENTRY,
    EventKind.SIGNAL_TARGET_HIT: Notice.TARGET,
    EventKind.SIGNAL_STOP_MOVED: Notice.STOP,
    EventKind.SIGNAL_CLOSED: Notice.CLOSE,
    EventKind.SIGNAL_REFUSED: Notice.REFUSAL,
    EventKind.UPDATE_UNBOUND: Notice.REFUSAL,
    EventKind.PLAN_MADE: Notice.ENTRY,
    EventKind.PLAN_ENDED: Notice.ENTRY,
    EventKind.TRADE_REFUSED: Notice.REFUSAL,
    EventKind.REQUEST_REFUSED: Notice.REFUSAL,
    EventKind.POSITION_OPENED: Notice.ENTRY,
    EventKind.TARGET_HIT: Notice.TARGET,
    EventKind.STOP_MOVED: Notice.STOP,
    EventKind.POSITION_CLOSED: Notice.CLOSE,
    EventKind.ORDER_UNKNOWN: Notice.ALARM,
    EventKind.SAFETY_CHANGED: Notice.ALARM,
    EventKind.PRICES_STALE: Notice.ALARM,
    EventKind.PRICES_BACK: Notice.ALARM,
    EventKind.RECONCILED: Notice.ALARM,
    EventKind.ALARM: Notice.ALARM,
}


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` until `end` by the clock of `zone`, every day; over midnight where `end` is earlier."""

    begin: time
    end: time
    zone: ZoneInfo

    def until(self, now: datetime) -> datetime | None:
        """When the quiet time that holds now is over; None outside of it. A clock change moves it as people expect."""
        local = now.astimezone(self.zone)
        clock = local.time().replace(tzinfo=None)
        inside = self.begin <= clock < self.end if self.begin < self.end else clock >= self.begin or clock < self.end
        if not inside:
            return None
        day = local.date() + timedelta(days=1 if clock >= self.end else 0)
        return datetime.combine(day, self.end, self.zone).astimezone(now.tzinfo)


@dataclass(frozen=True, slots=True)
class Preferences:
    """One user's choice."""

    channels: Mapping[Notice, frozenset[Channel]] = field(default_factory=lambda: DEFAULT_CHANNELS)
    quiet: QuietHours | None = None

    def wants(self, notice: Notice, channel: Channel) -> bool:
        """Whether this kind of notice is to come over this channel at all."""
        return channel in self.channels[notice]

    def without(self, channel: Channel) -> Preferences:
        """The same with one channel left out."""
        return replace(self, channels={notice: channels - {channel} for notice, channels in self.channels.items()})

    def quiet_until(self, notice: Notice, now: datetime) -> datetime | None:
        """Until when such a notice must make no noise; None when it may come now. Alarms always may."""
        return None if self.quiet is None or notice is Notice.ALARM else self.quiet.until(now)


def preferences_of(reader: Store | Transaction, user_id: str | None) -> Preferences:
    """What the user chose, or the defaults."""
    document = reader[SETTINGS].get(key=user_id) if user_id is not None else None
    if document is None:
        return Preferences()
    chosen = {Notice(kind): frozenset(map(Channel, names)) for kind, names in document["channels"].items()}
    return Preferences({**DEFAULT_CHANNELS, **chosen}, _quiet(document.get("quiet")))


def keep(tx: Transaction, user_id: str, channels: Mapping[str, list[str]], quiet: Mapping[str, str] | None) -> None:
    """Writes the user's choice. Raises InvalidInput for what is no kind, channel, clock time or zone."""
    wrong: dict[str, str] = {}
    for kind, names in channels.items():
        if kind not in set(Notice):
            wrong[f"channels.{kind[:40]}"] = f"is none of {', '.join(Notice)}"
        elif unknown := [each for each in names if each not in set(Channel)]:
            wrong[f"channels.{kind}"] = f"{unknown[0][:40]!r} is none of {', '.join(Channel)}"
    if wrong:
        raise InvalidInput("; ".join(f"{name} {why}" for name, why in wrong.items()), fields=wrong)
    _quiet(quiet)
    document = {
        "id": user_id,
        "user_id": user_id,
        "channels": {kind: sorted(set(names)) for kind, names in channels.items()},
        "quiet": dict(quiet) if quiet else None,
    }
    tx[SETTINGS].replace(document)


def as_json(preferences: Preferences) -> dict[str, Any]:
    """The choice as doors show and take it."""
    quiet = preferences.quiet
    return {
        "channels": {kind.value: sorted(preferences.channels[kind]) for kind in Notice},
        "quiet": None
        if quiet is None
        else {"from": f"{quiet.begin:%H:%M}", "to": f"{quiet.end:%H:%M}", "zone": quiet.zone.key},
    }


def _quiet(said: Mapping[str, str] | None) -> QuietHours | None:
    if not said:
        return None
    begin, end = _clock("from", said["from"]), _clock("to", said["to"])
    if begin == end:
        raise _wrong("to", "must differ from the beginning")
    try:
        if not _ZONE.match(said["zone"]):
            raise ValueError
        return QuietHours(begin, end, ZoneInfo(said["zone"]))
    except (ValueError, OSError, KeyError) as error:
        raise _wrong("zone", "is no time zone, for example Europe/Berlin") from error


def _clock(name: str, text: str) -> time:
    found = _CLOCK.match(text)
    if found is None:
        raise _wrong(name, "is no time of day, for example 22:30")
    return time(int(found[1]), int(found[2]))


def _wrong(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"quiet.{name} {why}", fields={f"quiet.{name}": why})
