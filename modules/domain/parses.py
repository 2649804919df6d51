"""What one message says: an entry signal, an update to one, or neither.

A parse is literal: it repeats what is written, also where that is implausible. Whether it may be traded is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from modules.domain.sides import Side

Order = Literal["market", "limit"]


class Kind(StrEnum):
    """The three answers to the question what a message is."""

    ENTRY = "entry"
    UPDATE = "update"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Span:
    """Where in the message a field was read: `text == message[start:end]`, offsets in characters of the original text."""

    field: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Parse:
    """One message understood.

    `entries` and `targets` are in the order written; `entry_range` is true where exactly two entry prices were given as a
    span. `leverage` is the first figure written and `leverage_max` the last where several were. `update` names what an
    update does (`target_hit`, `stop_hit`, `all_targets`, `close`, `cancel`, `partial_close`, `move_stop`), and is None for
    a notice of an entry that was filled. `close_share` is the fraction (0 to 1) that a `partial_close` names, None where it
    names none. `opposite_direction` marks a close or cancel that a newer signal of the other side
    caused: it concerns the older position. `age_seconds` is the age the text itself states. `confidence` is 0 to 1.
    """

    kind: Kind
    symbol: str | None = None
    side: Side | None = None
    order: Order | None = None
    entries: tuple[Decimal, ...] = ()
    entry_range: bool = False
    targets: tuple[Decimal, ...] = ()
    stop_loss: Decimal | None = None
    leverage: Decimal | None = None
    leverage_max: Decimal | None = None
    update: str | None = None
    update_level: int | None = None
    close_share: Decimal | None = None
    confidence: float = 0.0
    reason: str = ""
    spans: tuple[Span, ...] = ()
    age_seconds: int | None = None
    opposite_direction: bool = False
    language: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The parse as plain JSON values; prices are numbers that print as they were written (no float noise)."""
        return {
            "kind": self.kind.value,
            "symbol": self.symbol,
            "side": self.side.value if self.side else None,
            "order": self.order,
            "entries": [json_number(price) for price in self.entries],
            "entry_range": self.entry_range,
            "targets": [json_number(price) for price in self.targets],
            "stop_loss": _optional(self.stop_loss),
            "leverage": _optional(self.leverage),
            "leverage_max": _optional(self.leverage_max),
            "update": self.update,
            "update_level": self.update_level,
            "close_share": _optional(self.close_share),
            "age_seconds": self.age_seconds,
            "opposite_direction": self.opposite_direction,
            "confidence": round(self.confidence, 3),
            "reason": self.reason,
            "spans": [{"field": s.field, "start": s.start, "end": s.end, "text": s.text} for s in self.spans],
        }


def json_number(value: Decimal) -> int | float:
    """A JSON number for `value`: an int where it is whole, else the float whose shortest print is the decimal written."""
    return int(value) if value == value.to_integral_value() else float(value)


def _optional(value: Decimal | None) -> int | float | None:
    return None if value is None else json_number(value)
