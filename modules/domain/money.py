"""Exact decimal numbers: reading them, and the one border between them and floats.

Money, prices and quantities are `Decimal` from text. Floats appear only in indicator arrays and inside the exit
kernel's triggers; `from_float` is the way back.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from modules.domain.errors import InvalidInput

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)

#: Larger or finer than any market quotes; beyond it a number is a mistake or an attack on the arithmetic.
_MAX_EXPONENT = 24


def decimal_from(value: object, name: str = "value") -> Decimal:
    """The exact number written in `value` (text, int or Decimal; a float by its shortest spelling).

    Raises InvalidInput, naming `name`, for anything that is not a finite number of sensible size.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InvalidInput(f"{name} must be a number", fields={name: "not a number"})
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise InvalidInput(f"{name} is not a number: {str(value)[:40]!r}", fields={name: "not a number"}) from None
    if not number.is_finite():
        raise InvalidInput(f"{name} must be finite", fields={name: "not finite"})
    if number and abs(number.adjusted()) > _MAX_EXPONENT:
        raise InvalidInput(f"{name} is out of any sensible range", fields={name: "out of range"})
    return number


def positive(value: object, name: str = "value") -> Decimal:
    """Like `decimal_from`, and above zero."""
    number = decimal_from(value, name)
    if number <= 0:
        raise InvalidInput(f"{name} must be above zero", fields={name: "must be above zero"})
    return number


def from_float(value: float) -> Decimal:
    """The shortest decimal that reads back as this float; exact for numbers of up to 15 digits that came from text."""
    number = Decimal(repr(float(value)))
    if not number.is_finite():
        raise InvalidInput("a price must be finite")
    return number


def plain(number: Decimal) -> str:
    """Decimal text without exponent or trailing zeros: `1E+2` reads 100, `0.5000` reads 0.5."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"", "-0"} else text


#: Amounts of any length can be rounded: the usual context raises beyond 28 digits.
_WIDE = Context(prec=400)


def cents(amount: Decimal, places: int = 2) -> Decimal:
    """Amount of quote currency for display, rounded half to even."""
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, context=_WIDE)
