"""Which signal an update means: by the post it answers, else by symbol, side and time. When unsure: none, and says so.

The trap this avoids: "cancelled, closed due to opposite direction" arrives seconds after the new opposite signal and
means the older one. Closing by symbol alone would kill the new trade.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tinydb import where

from database import Transaction
from modules.domain.market import ms_from_utc
from modules.domain.parses import Parse
from modules.domain.signals import SignalStatus, SourceMessage

#: A signal younger than this can't be the one that an "opposite direction" notice ends.
OPPOSITE_GRACE = timedelta(seconds=120)
#: How far a stated age ("8 hours 22 minutes ago") may be off from the signal it names.
AGE_TOLERANCE = 0.25
LEAST_AGE_TOLERANCE_MS = 120_000
_OPEN = [SignalStatus.WAITING.value, SignalStatus.ACTIVE.value]


@dataclass(frozen=True, slots=True)
class Binding:
    """The signal meant, or None; `sentence` says how it was found or why not."""

    signal_id: str | None
    sentence: str


def bind(tx: Transaction, message: SourceMessage, read: Parse) -> Binding:
    """The signal that this update of `message.source` means."""
    if message.reply_to is not None:
        answered = _answered(tx, message, message.reply_to)
        if answered is not None:
            return Binding(answered, "It answers the signal's post.")
    candidates = _open_signals(tx, message, read.symbol)
    if not candidates:
        what = read.symbol or "which the message does not name"
        return Binding(None, f"There is no open signal of this source on {what}.")
    if read.opposite_direction:
        return _older(candidates, message)
    return _fitting(candidates, message, read)


def _fitting(candidates: list[dict[str, Any]], message: SourceMessage, read: Parse) -> Binding:
    """The one among the source's open signals that has the side and the age that the message names."""
    if read.side is not None:
        candidates = [each for each in candidates if each["side"] == read.side.value]
        if not candidates:
            return Binding(None, f"It speaks of a {read.side.value}, and none of this source is open.")
    if read.age_seconds:
        candidates = _of_age(candidates, message, read.age_seconds)
        if not candidates:
            return Binding(None, "No open signal of this source is as old as it says.")
    if len(candidates) == 1:
        return Binding(candidates[0]["id"], "It is the source's only open signal that fits.")
    if read.symbol is None:
        return Binding(None, f"It names no symbol and answers no post, and {len(candidates)} signals are open.")
    return Binding(candidates[-1]["id"], f"The newest of {len(candidates)} open signals on {read.symbol}.")


def _answered(tx: Transaction, message: SourceMessage, message_id: str) -> str | None:
    """The signal of the message answered, or of the one that in turn was answered, or of our own post of a signal."""
    source = message.source
    for _ in range(10):
        seen = tx["messages"].search((where("source") == source) & (where("message_id") == message_id))
        bound = [each["signal_id"] for each in seen if each["signal_id"]]
        if bound:
            return str(bound[0]) if _same_owner(tx, message, bound[0]) else None
        onward = [each["reply_to"] for each in seen if each["reply_to"]]
        if not onward:
            break
        message_id = onward[0]
    post = tx["posts"].get(key=f"{source}/{message_id}")
    return str(post["signal_id"]) if post and post.get("signal_id") else None


def _open_signals(tx: Transaction, message: SourceMessage, symbol: str | None) -> list[dict[str, Any]]:
    wanted = (where("source") == message.source) & where("status").one_of(_OPEN)
    if symbol is not None:
        wanted = wanted & (where("symbol") == symbol)
    found = tx["signals"].search(wanted, order_by="received_at")
    return [each for each in found if each.get("owner") == message.owner]


def _same_owner(tx: Transaction, message: SourceMessage, signal_id: str) -> bool:
    """Two users may name their private sources alike; neither's updates reach the other's signals."""
    signal = tx["signals"].get(key=signal_id)
    return signal is not None and signal.get("owner") == message.owner


def _older(candidates: list[dict[str, Any]], message: SourceMessage) -> Binding:
    newest_start = ms_from_utc(message.received_at - OPPOSITE_GRACE)
    older = [each for each in candidates if each["received_at"] < newest_start]
    if older:
        return Binding(older[-1]["id"], "Closed by an opposite signal: the older one is meant.")
    if len(candidates) > 1:
        return Binding(candidates[0]["id"], "Closed by an opposite signal: the older one is meant.")
    return Binding(None, "Closed by an opposite signal, but only the new signal is known here; it stays.")


def _of_age(candidates: list[dict[str, Any]], message: SourceMessage, age_seconds: int) -> list[dict[str, Any]]:
    """The candidate that was said that long ago, nearest first, or none."""
    said = ms_from_utc(message.at) - age_seconds * 1000
    tolerance = max(AGE_TOLERANCE * age_seconds * 1000, LEAST_AGE_TOLERANCE_MS)
    near = [each for each in candidates if abs(each["said_at"] - said) <= tolerance]
    return sorted(near, key=lambda each: int(abs(each["said_at"] - said)))[:1]
