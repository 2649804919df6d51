"""What other programs post to a webhook, as the text of a message: then it is read, checked and traded like any other.

Three forms: TradingView's alert (`ticker`, `action`, `price`, `stop`, `targets`), a plain call (`symbol`, `side`, `entry`,
`stop_loss`, `targets`), and text, bare or under `text`. Pure; numbers stay as they were written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from modules.domain.errors import InvalidInput
from modules.domain.money import plain

MAX_PRICES = 20
_IDS = ("id", "message_id", "alert_id")
_SYMBOL = re.compile(r"[A-Z0-9]{2,30}\Z")
_SIDES = {"buy": "LONG", "long": "LONG", "sell": "SHORT", "short": "SHORT"}
_ENDS = {"close": "", "exit": "", "flat": "", "close_long": " LONG", "close_short": " SHORT", "cancel": "cancel"}
_FORMS = (
    'Send {"ticker", "action", "price", "stop", "targets"}, {"symbol", "side", "entry", "stop_loss", "targets"}, '
    '{"text"}, or plain text.'
)


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted body as a message: its text, and the id its sender gave it, if any."""

    text: str
    given_id: str | None = None


def read_posted(body: bytes) -> Posted:
    """The message in a posted body. Raises InvalidInput, with the field that is wrong where there is one."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("The body is not UTF-8 text.", fields={"body": "not UTF-8"}) from error
    if not text.strip():
        raise InvalidInput(f"The body is empty. {_FORMS}", fields={"body": "empty"})
    if not text.lstrip().startswith("{"):
        return Posted(text)
    try:
        said = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The body begins like JSON but is none. {_FORMS}", fields={"body": "not JSON"}) from error
    return _from_fields(said)


def _from_fields(said: Mapping[str, Any]) -> Posted:
    given = next((str(said[name])[:100] for name in _IDS if isinstance(said.get(name), str | int)), None)
    if "ticker" in said or "action" in said:
        return Posted(_alert(said), given or None)
    if "symbol" in said or "side" in said:
        return Posted(_call(said), given or None)
    for name in ("text", "message"):
        if isinstance(said.get(name), str) and said[name].strip():
            return Posted(said[name], given or None)
    raise InvalidInput(f"There is no call and no text in this. {_FORMS}", fields={"body": "no known form"})


def _alert(said: Mapping[str, Any]) -> str:
    """TradingView's form: its price is where the market stands, unless `order_type` says limit."""
    symbol, action = _symbol("ticker", said.get("ticker")), _word("action", said.get("action"))
    if action in _ENDS:
        return _ending(symbol, action)
    side = _SIDES.get(action) or _refuse("action", f"is none of {', '.join((*_SIDES, *_ENDS))}")
    prices = _prices("price", said.get("price"))
    limit = said.get("order_type") is not None and _word("order_type", said.get("order_type")) == "limit"
    if limit and not prices:
        _refuse("price", "is needed for a limit order")
    return _entry(symbol, side, prices, said, stop_name="stop", market=not limit)


def _call(said: Mapping[str, Any]) -> str:
    """The plain form: an entry with numbers waits for them; `market`, or none, enters at once."""
    symbol, side = _symbol("symbol", said.get("symbol")), _word("side", said.get("side"))
    if side in _ENDS:
        return _ending(symbol, side)
    direction = _SIDES.get(side) or _refuse("side", f"is none of {', '.join((*_SIDES, *_ENDS))}")
    entry = said.get("entry")
    market = entry is None or (isinstance(entry, str) and entry.strip().lower() == "market")
    return _entry(
        symbol, direction, () if market else _prices("entry", entry), said, stop_name="stop_loss", market=market
    )


def _entry(
    symbol: str, side: str, prices: Sequence[str], said: Mapping[str, Any], *, stop_name: str, market: bool
) -> str:
    stops, targets = _prices(stop_name, said.get(stop_name)), _prices("targets", said.get("targets"))
    if len(stops) > 1:
        _refuse(stop_name, "must be one price")
    if not prices and not stops and not targets:
        _refuse("price" if stop_name == "stop" else "entry", "is needed where there is neither a stop nor a target")
    lines = [f"{symbol} {side}"]
    if market:
        lines.append(f"Entry: market {prices[0]}" if prices else "Entry: market")
    else:
        lines += [f"Entry {number}: {price}" for number, price in enumerate(prices, start=1)]
    lines += [f"Stop Loss: {price}" for price in stops]
    lines += [f"Target {number}: {price}" for number, price in enumerate(targets, start=1)]
    if said.get("leverage") is not None:
        leverage = _prices("leverage", said["leverage"])
        lines += [f"Leverage: {each}x" for each in leverage[:1]]
    return "\n".join(lines)


def _ending(symbol: str, word: str) -> str:
    return f"{symbol} cancel" if word == "cancel" else f"{symbol}{_ENDS[word]} close now"


def _symbol(name: str, value: Any) -> str:
    """`BINANCE:BTCUSDT.P`, `BTC/USDT` and `btcusdt` are BTCUSDT."""
    if not isinstance(value, str):
        _refuse(name, "is needed, for example BTCUSDT")
    bare = value.strip().upper().rpartition(":")[2].removesuffix(".P").removesuffix("PERP")
    symbol = re.sub(r"[/\-_ ]", "", bare)
    return symbol if _SYMBOL.match(symbol) else _refuse(name, "is no symbol, for example BTCUSDT")


def _word(name: str, value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else _refuse(name, "is needed as text")


def _prices(name: str, value: Any) -> list[str]:
    """A number, a number in text, or a list of them; nothing said is none."""
    if value is None or value == "" or value == []:
        return []
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_PRICES:
        _refuse(name, f"has more than {MAX_PRICES} prices")
    return [_price(name, each) for each in values]


def _price(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        _refuse(name, "must be a number")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        _refuse(name, "must be a number")
    if not number.is_finite() or number <= 0 or not -12 <= number.adjusted() <= 12:
        _refuse(name, "must be a price above zero")
    return plain(number)


def _refuse(name: str, why: str) -> NoReturn:
    raise InvalidInput(f"{name} {why}.", fields={name: why})


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
