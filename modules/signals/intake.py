"""Taking messages in: each (source, id, edit) once, in one transaction, with an answer that says what it was.

It decides: our own words come back? a repeat? what does it say? may it be traded, or why not? which signal does an
update mean? It never trades and never posts; it writes the message, the signal and one event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Store, Transaction
from modules.domain.errors import InvalidInput
from modules.domain.events import Event, EventKind
from modules.domain.market import ms_from_utc
from modules.domain.money import plain
from modules.domain.parses import Kind, Parse
from modules.domain.sides import Side
from modules.domain.signals import Signal, SignalStatus, SourceMessage, content_hash, signal_id
from modules.journal import append
from modules.records import from_document, to_document
from modules.signals.binding import Binding, bind
from modules.signals.dialects import Dialect
from modules.signals.parsing import parse
from modules.signals.parsing.validate import Invalid, validate

MAX_TEXT = 100_000
#: A signal said again within this time of the first is an echo or a cross-post, not a second call.
REPEAT_WINDOW = timedelta(hours=1)
#: A source's clock may run ahead of ours by this much; beyond it the time of arrival counts.
CLOCK_TOLERANCE = timedelta(minutes=5)
ENTRY_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to one message. `reason` says why it was not accepted, or what was understood."""

    accepted: bool
    duplicate: bool
    kind: Kind
    signal_id: str | None
    parse: dict[str, Any]
    reason: str


class Intake:
    """The one way in for every source."""

    def __init__(
        self,
        store: Store,
        *,
        late_after: timedelta,
        listed: Callable[[str], bool] | None = None,
        market_price: Callable[[str], Decimal | None] = lambda _symbol: None,
        dialect: Callable[[str], Dialect | None] = lambda _source: None,
    ) -> None:
        self._store = store
        self._late_after = late_after
        self._listed = listed
        self._market_price = market_price
        self._dialect = dialect

    def take(self, message: SourceMessage) -> Taken:
        """Takes one message in. The same message again answers the same and does nothing.

        Characters that no text can hold (half of a pair, zero) are replaced. Raises InvalidInput for a text that is empty
        or longer than 100 kB, and for such characters in the source or an id.
        """
        _check_ids(message)
        message = replace(message, text=storable(message.text))
        if not message.text.strip():
            raise InvalidInput("the message has no text", fields={"text": "required"})
        if len(message.text.encode()) > MAX_TEXT:
            raise InvalidInput("the message is longer than 100 kB", fields={"text": "too long"})
        known = self._store["messages"].get(key=message.id)
        if known is not None:
            return _answer(known, duplicate=True)
        read = parse(message.text, self._dialect(message.source))
        with self._store.transaction() as tx:
            known = tx["messages"].get(key=message.id)
            if known is not None:
                return _answer(known, duplicate=True)
            document = self._decide(tx, message, read)
            tx["messages"].insert(document)
        return _answer(document, duplicate=False)

    def next_edit(self, source: str, message_id: str, text: str) -> int:
        """The edit number of a changed text of that message: the number it already has, else the next one."""
        seen = self._store["messages"].search((where("source") == source) & (where("message_id") == message_id))
        for each in seen:
            if each["text"] == storable(text):
                return int(each["edited"])
        return max((int(each["edited"]) for each in seen), default=-1) + 1

    def _decide(self, tx: Transaction, message: SourceMessage, read: Parse) -> dict[str, Any]:
        document = {
            "id": message.id,
            "source": message.source,
            "message_id": message.message_id,
            "edited": message.edited,
            "text": message.text,
            "at": ms_from_utc(message.at),
            "received_at": ms_from_utc(message.received_at),
            "reply_to": message.reply_to,
            "content_hash": content_hash(message.text),
            "kind": read.kind.value,
            "parse": read.as_json(),
            "signal_id": None,
            "accepted": False,
            "reason": read.reason,
        }
        document.update(self._outcome(tx, message, read, document))
        if not document["accepted"] and document["kind"] == Kind.NONE.value:
            self._tell(tx, message, EventKind.MESSAGE_IGNORED, {"reason": document["reason"]})
        return document

    def _outcome(
        self, tx: Transaction, message: SourceMessage, read: Parse, document: dict[str, Any]
    ) -> dict[str, Any]:
        echo = _own_words(tx, message, document["content_hash"])
        if echo:
            return {"kind": Kind.NONE.value, "reason": echo}
        if message.edited and (first := _signal_of(tx, message)) is not None:
            return self._edited(tx, message, read, first)
        match read.kind:
            case Kind.ENTRY:
                return self._entry(tx, message, read)
            case Kind.UPDATE:
                return self._update(tx, message, read, bind(tx, message, read))
        return {}

    def _entry(self, tx: Transaction, message: SourceMessage, read: Parse) -> dict[str, Any]:
        repeated = self._repeat_of(tx, message, read)
        if repeated:
            self._tell(tx, message, EventKind.MESSAGE_IGNORED, {"reason": f"repeats {repeated}"})
            return {"signal_id": repeated, "reason": f"This repeats signal {repeated}."}
        if read.symbol is None or read.side is None:
            missing = "symbol" if read.symbol is None else "side"
            sentence = f"It calls for an entry but its {missing} can't be told."
            self._tell(tx, message, EventKind.SIGNAL_REFUSED, {"rule": f"no_{missing}", "sentence": sentence})
            return {"reason": sentence}
        signal = self._signal(message, read, read.symbol, read.side)
        tx["signals"].insert({**to_document(signal), "fingerprint": fingerprint(read)})
        body = {"source": signal.source, "symbol": signal.symbol, "side": signal.side.value}
        if signal.status is SignalStatus.WAITING:
            self._tell(tx, message, EventKind.SIGNAL_RECEIVED, body, signal.id)
            return {"accepted": True, "signal_id": signal.id}
        rule, _, sentence = (signal.reason or "").partition(": ")
        self._tell(tx, message, EventKind.SIGNAL_REFUSED, {**body, "rule": rule, "sentence": sentence}, signal.id)
        return {"signal_id": signal.id, "reason": sentence}

    def _signal(self, message: SourceMessage, read: Parse, symbol: str, side: Side) -> Signal:
        said_at = _said_at(message, read)
        refused = validate(read, market_price=self._market_price(symbol), listed=self._listed)
        late = message.received_at - said_at > self._late_after
        if refused is None and late:
            minutes = int((message.received_at - said_at).total_seconds() // 60)
            refused = Invalid("late", f"It was said {minutes} minutes before it arrived; late entries are not traded.")
        signal = Signal(
            id=signal_id(message.source, message.message_id),
            source=message.source,
            message_id=message.message_id,
            symbol=symbol,
            side=side,
            order=read.order or "limit",
            entries=read.entries,
            entry_range=read.entry_range,
            targets=read.targets,
            stop_loss=read.stop_loss,
            leverage=read.leverage,
            text=message.text,
            said_at=said_at,
            received_at=message.received_at,
            expires_at=said_at + ENTRY_WINDOW,
            confidence=read.confidence,
            late=late,
            owner=message.owner,
        )
        if refused is None:
            return signal
        status = SignalStatus.EXPIRED if refused.reason == "late" else SignalStatus.INVALID
        return replace(
            signal, status=status, reason=f"{refused.reason}: {refused.sentence}", closed_at=message.received_at
        )

    def _repeat_of(self, tx: Transaction, message: SourceMessage, read: Parse) -> str | None:
        """An open signal that says exactly the same, or one said within the last hour: an echo, not a second call."""
        earliest = ms_from_utc(message.received_at - REPEAT_WINDOW)
        same = tx["signals"].search(where("fingerprint") == fingerprint(read))
        for signal in same:
            if signal.get("owner") != message.owner:
                continue  # what one user's own source says can't silence anybody else's, nor the other way round
            open_still = signal["status"] in (SignalStatus.WAITING.value, SignalStatus.ACTIVE.value)
            if open_still or signal["received_at"] >= earliest:
                return str(signal["id"])
        return None

    def _update(self, tx: Transaction, message: SourceMessage, read: Parse, bound: Binding) -> dict[str, Any]:
        body = _update_body(read)
        if bound.signal_id is None:
            self._tell(tx, message, EventKind.UPDATE_UNBOUND, {**body, "sentence": bound.sentence})
            return {"reason": bound.sentence}
        self._tell(tx, message, EventKind.UPDATE_RECEIVED, body, bound.signal_id)
        return {"accepted": True, "signal_id": bound.signal_id, "reason": bound.sentence}

    def _edited(self, tx: Transaction, message: SourceMessage, read: Parse, first: Signal) -> dict[str, Any]:
        """An edit never makes a new entry: it is an update to the signal first posted, or changes nothing."""
        if read.kind is Kind.UPDATE:
            return self._update(tx, message, read, Binding(first.id, "An edit of the signal's own post."))
        stop = read.stop_loss if read.kind is Kind.ENTRY else None
        if stop is not None and stop != _stop_in_post(tx, message):
            change = replace(read, kind=Kind.UPDATE, update="move_stop")
            return self._update(tx, message, change, Binding(first.id, "The post's stop was edited."))
        return {"kind": Kind.NONE.value, "signal_id": first.id, "reason": "An edit that changes nothing to act on."}

    def _tell(
        self, tx: Transaction, message: SourceMessage, kind: EventKind, body: dict[str, Any], signal: str | None = None
    ) -> None:
        about = {"source": message.source, "message_id": message.message_id, **body}
        if message.owner is not None:
            about["owner"] = message.owner
        append(tx, Event(kind, message.received_at, about, key=f"{kind.value}:{message.id}", signal_id=signal))


def fingerprint(read: Parse) -> str:
    """Hash of what an entry calls for: the same call under another header or in another channel is the same."""
    parts = [read.symbol or "", read.side.value if read.side else ""]
    parts += [",".join(plain(price) for price in sorted(prices)) for prices in (read.entries, read.targets)]
    parts.append(plain(read.stop_loss) if read.stop_loss is not None else "")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


def _said_at(message: SourceMessage, read: Parse) -> datetime:
    said = message.at if message.at <= message.received_at + CLOCK_TOLERANCE else message.received_at
    if read.age_seconds:
        said = min(said, message.received_at - timedelta(seconds=read.age_seconds))
    return said


def storable(text: str) -> str:
    """`text` with what no UTF-8 text can hold, and zero characters, replaced by the sign for that."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _check_ids(message: SourceMessage) -> None:
    for name in ("source", "message_id", "reply_to"):
        value = getattr(message, name) or ""
        if storable(value) != value:
            raise InvalidInput(f"{name} has characters that no text can hold", fields={name: "not valid text"})


def _stop_in_post(tx: Transaction, message: SourceMessage) -> Decimal | None:
    """The stop that the post named last, before this edit."""
    same = (where("source") == message.source) & (where("message_id") == message.message_id)
    seen = sorted(tx["messages"].search(same), key=lambda each: int(each["edited"]))
    stops = [each["parse"].get("stop_loss") for each in seen if each["edited"] < message.edited]
    named = [stop for stop in stops if stop is not None]
    return Decimal(named[-1]) if named else None


def _own_words(tx: Transaction, message: SourceMessage, digest: str) -> str | None:
    """Why this is our own broadcast coming back, or None."""
    if tx["posts"].contains(key=f"{message.source}/{message.message_id}"):
        return "This is our own post."
    if tx["posts"].contains(where("content_hash") == digest):
        return "This repeats our own words."
    return None


def _signal_of(tx: Transaction, message: SourceMessage) -> Signal | None:
    document = tx["signals"].get(key=signal_id(message.source, message.message_id))
    return from_document(Signal, document) if document else None


def _update_body(read: Parse) -> dict[str, Any]:
    return {
        "update": read.update,
        "level": read.update_level,
        "price": plain(read.stop_loss) if read.stop_loss is not None else None,
        "share": plain(read.close_share) if read.close_share is not None else None,
        "symbol": read.symbol,
    }


def _answer(document: dict[str, Any], *, duplicate: bool) -> Taken:
    return Taken(
        document["accepted"],
        duplicate,
        Kind(document["kind"]),
        document["signal_id"],
        document["parse"],
        document["reason"],
    )
