"""One recorded trade as a JSON line: `{"time": ms, "exchange", "symbol", "price": "64000.1", "quantity": "0.5"}`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import orjson

from modules.domain.errors import InvalidInput

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,29}")
#: Times beyond this (year 2286) are seconds, microseconds or nonsense; before 2001 likewise.
_FIRST_MS, _LAST_MS = 1_000_000_000_000 // 10, 10_000_000_000_000


@dataclass(frozen=True, slots=True)
class Tick:
    """One trade; `quantity` is base quantity as text (0 where none was given)."""

    time_ms: int
    exchange: str
    symbol: str
    price: float
    quantity: str


def read_tick(line: bytes) -> Tick:
    """The trade on one line. `quantity` and `exchange` may be absent. Raises InvalidInput saying what is wrong."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidInput("no JSON object")
    symbol = str(fields.get("symbol", "")).strip().upper().replace("/", "")
    if not _SYMBOL.fullmatch(symbol):
        raise InvalidInput("no symbol")
    price, quantity = _number(fields.get("price"), "price"), fields.get("quantity", "0")
    if price <= 0:
        raise InvalidInput("the price is not above zero")
    if _number(quantity, "quantity") < 0:
        raise InvalidInput("the quantity is below zero")
    time_ms = _number(fields.get("time"), "time")
    if not _FIRST_MS <= time_ms <= _LAST_MS:
        raise InvalidInput("time is not in milliseconds since 1970")
    return Tick(int(time_ms), str(fields.get("exchange") or "recorded"), symbol, price, str(quantity))


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidInput(f"{name} is not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{name} is not a number") from None
    if not math.isfinite(number):
        raise InvalidInput(f"{name} is not finite")
    return number
