"""Refuse an entry that contradicts itself, the market or the list of symbols.

The parse stays as it was written; the refusal says why it must not be traded. A missing stop is no refusal here: whether an
account trades without one is a risk setting. Leverage over an account's cap is cut by the risk rules, not refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from modules.domain.parses import Parse
from modules.domain.sides import Side

LARGEST_RATIO = Decimal(10)
"""Between any two prices of one signal."""

FARTHEST_ENTRY = Decimal("0.5")
"""How far an entry may lie from the market, as a share of the market price."""

LARGEST_LEVERAGE = Decimal(500)
"""No venue offers more: a number misread or a joke. What an account allows is the risk rules' to cut."""

_SWAPS_BORNE = 1
"""How many neighbouring targets may be out of order: one typing slip is common and harmless, more is another meaning."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """Why an entry is refused: a code for programs and a sentence for people."""

    reason: str
    sentence: str


def validate(
    parse: Parse,
    *,
    market_price: Decimal | None = None,
    max_leverage: Decimal | None = None,
    listed: Callable[[str], bool] | None = None,
) -> Invalid | None:
    """The first thing that speaks against trading the entry, None where nothing does.

    `market_price` is the last price of the symbol, `max_leverage` a hard ceiling above which the leverage is taken for a
    misreading (default 500), `listed` says whether a symbol can be traded.
    """
    return (
        _symbol(parse, listed)
        or _side(parse)
        or _ratio(parse)
        or _stop(parse, market_price)
        or _targets(parse, market_price)
        or _market(parse, market_price)
        or _leverage(parse, max_leverage or LARGEST_LEVERAGE)
    )


def _symbol(parse: Parse, listed: Callable[[str], bool] | None) -> Invalid | None:
    if parse.symbol is None:
        return Invalid("no_symbol", "The signal names no symbol.")
    if listed is not None and not listed(parse.symbol):
        return Invalid("unknown_symbol", f"{parse.symbol} is not listed.")
    return None


def _side(parse: Parse) -> Invalid | None:
    if parse.side is None:
        return Invalid("no_side", "Neither the words nor the prices say whether it is long or short.")
    if not parse.entries and not parse.targets and parse.stop_loss is None:
        return Invalid("no_prices", "The signal holds no price at all.")
    return None


def _prices(parse: Parse) -> list[Decimal]:
    stop = [parse.stop_loss] if parse.stop_loss is not None else []
    return [*parse.entries, *parse.targets, *stop]


def _ratio(parse: Parse) -> Invalid | None:
    prices = _prices(parse)
    if min(prices) <= 0:
        return Invalid("not_positive", "A price is zero or below.")
    if max(prices) > min(prices) * LARGEST_RATIO:
        return Invalid(
            "prices_apart", f"The prices {min(prices)} and {max(prices)} lie more than {LARGEST_RATIO} times apart."
        )
    return None


def _bases(parse: Parse, market_price: Decimal | None) -> tuple[Decimal, ...]:
    """The prices to enter at; the market's where none is written."""
    return parse.entries or ((market_price,) if market_price is not None else ())


def _stop(parse: Parse, market_price: Decimal | None) -> Invalid | None:
    """The stop must lie beyond every entry, and beyond every target's other side where no entry is known."""
    if parse.stop_loss is None:
        return None
    long = parse.side is Side.LONG
    for price in _bases(parse, market_price) or parse.targets:
        if price == parse.stop_loss or (parse.stop_loss > price) is long:
            where = "above" if parse.stop_loss > price else "below" if parse.stop_loss < price else "at"
            return Invalid(
                "stop_side", f"The stop {parse.stop_loss} lies {where} {price}, on the wrong side for a {_name(parse)}."
            )
    return None


def _targets(parse: Parse, market_price: Decimal | None) -> Invalid | None:
    """Every target must lie beyond the nearest entry; they may run the other way, but not to and fro."""
    long = parse.side is Side.LONG
    bases = _bases(parse, market_price)
    if bases:
        nearest = min(bases) if long else max(bases)
        for target in parse.targets:
            if target == nearest or (target < nearest) is long:
                return Invalid(
                    "target_side",
                    f"The target {target} lies on the wrong side of the entry {nearest} for a {_name(parse)}.",
                )
    rises = [later > earlier for earlier, later in pairwise(parse.targets)]
    if min(rises.count(True), rises.count(False)) > _SWAPS_BORNE:
        return Invalid("target_order", "The targets run to and fro.")
    return None


def _market(parse: Parse, market_price: Decimal | None) -> Invalid | None:
    if market_price is None or not parse.entries:
        return None
    nearest = min(parse.entries, key=lambda price: abs(price - market_price))
    if abs(nearest - market_price) > FARTHEST_ENTRY * market_price:
        return Invalid(
            "entry_far",
            f"The entry {nearest} lies more than {FARTHEST_ENTRY:.0%} from the market price {market_price}.",
        )
    return None


def _leverage(parse: Parse, ceiling: Decimal) -> Invalid | None:
    if parse.leverage is not None and not 0 < parse.leverage <= ceiling:
        return Invalid("leverage", f"A leverage of {parse.leverage} is beyond sense.")
    return None


def _name(parse: Parse) -> str:
    return parse.side.value.lower() if parse.side else "trade"
