"""Refuse an entry that contradicts itself or the market. The parse stays as written; the refusal says why it must not trade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from modules.domain.parses import Parse


@dataclass(frozen=True, slots=True)
class Invalid:
    """Why an entry is refused: a code for programs and a sentence for people."""

    reason: str
    sentence: str


def validate(parse: Parse, *, market_price: Decimal | None = None, max_leverage: Decimal | None = None, listed: Callable[[str], bool] | None = None) -> Invalid | None:
    """The first thing that speaks against trading the entry, None where nothing does."""
    return None
