"""How quotes and the state of the feed are written on the quote hub's socket: one JSON line each.

A quote is a list, anything else an object: the state of the feed, or the number of the batch of quotes that ends here. Prices travel as text, so that they arrive exactly as they left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from modules.domain.errors import InvalidInput
from modules.domain.market import Quote

LONGEST_FRAME = 1 << 20


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What is known of the feed: its source, whether its prices are made up, how old each symbol's price is.

    `ages` are seconds since the newest quote of each wanted symbol was received; `unknown` the wanted symbols without
    any price. `at_ms` is when the server said so.
    """

    source: str
    simulated: bool = False
    ages: Mapping[str, float] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    detail: str = ""
    at_ms: int = 0


def encode_quote(quote: Quote) -> bytes:
    """One quote as a line."""
    return orjson.dumps([
        quote.exchange, quote.symbol, quote.time_ms, quote.received_ms, str(quote.last), str(quote.open),
        str(quote.high), str(quote.low), str(quote.bid), str(quote.ask), str(quote.volume), quote.trades,
        quote.simulated, quote.since_ms,
        None if quote.stood is None else str(quote.stood),
    ]) + b"\n"  # fmt: skip


def decode_quote(fields: list[Any]) -> Quote:
    """The quote of a decoded line. Raises InvalidInput for anything else."""
    try:
        exchange, symbol, time_ms, received_ms, *prices, volume, trades, simulated, since_ms, stood = fields
        last, opened, high, low, bid, ask = prices
        return Quote(
            str(exchange), str(symbol), int(time_ms), int(received_ms), Decimal(last), Decimal(opened), Decimal(high),
            Decimal(low), Decimal(bid), Decimal(ask), Decimal(volume), int(trades), bool(simulated),
            None if since_ms is None else int(since_ms), None if stood is None else Decimal(stood),
        )  # fmt: skip
    except (ValueError, TypeError, ArithmeticError) as error:
        raise InvalidInput(f"not a quote: {error}") from None


def encode_batch(number: int) -> bytes:
    """The end of a batch of quotes, to be acknowledged by its number."""
    return orjson.dumps({"batch": number}) + b"\n"


def encode_status(status: FeedStatus) -> bytes:
    """The state of the feed as a line."""
    return orjson.dumps({
        "source": status.source, "simulated": status.simulated, "ages": dict(status.ages),
        "unknown": status.unknown, "detail": status.detail, "at_ms": status.at_ms,
    }) + b"\n"  # fmt: skip


def decode_status(fields: dict[str, Any]) -> FeedStatus:
    """The state of a decoded line. Raises InvalidInput for anything else."""
    try:
        return FeedStatus(
            source=str(fields["source"]),
            simulated=bool(fields["simulated"]),
            ages={str(symbol): float(age) for symbol, age in fields["ages"].items()},
            unknown=tuple(str(symbol) for symbol in fields["unknown"]),
            detail=str(fields["detail"]),
            at_ms=int(fields["at_ms"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"not a state of the feed: {error}") from None
