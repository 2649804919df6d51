"""Which symbols are listed and by which rules they trade: the exchange's own rules where they are known, else assumed ones.

Known rules come from a JSON file in the data directory, written (see `feeds.market_rules`) from the exchange's market list. Without it
(no network, simulated or replayed prices) rules are assumed from the price: seven significant digits for prices, lots of
about one thousandth of what 100 units of quote buy. Assumed rules serve paper trading only and say so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog

from modules.domain.errors import InvalidInput
from modules.domain.instruments import Instrument, MarketKind
from modules.domain.money import ONE, ZERO, plain
from modules.records import from_document, to_document

_log = structlog.get_logger(__name__)

#: Quote currencies of crypto markets, longest first: a symbol ends with the first that fits.
_QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "BTC", "ETH", "BNB", "EUR")
_PERPETUAL_QUOTES = {"USDT", "USDC"}
_SYMBOL = re.compile(r"[A-Z0-9]{4,24}")
#: Metals and currencies that trade elsewhere than on crypto exchanges: listed only where the price source has them.
_ELSEWHERE = {
    "XAU",
    "XAG",
    "XPT",
    "XPD",
    "EUR",
    "GBP",
    "AUD",
    "NZD",
    "CAD",
    "CHF",
    "JPY",
    "US30",
    "NAS100",
    "SPX500",
    "GER40",
}
_DIGITS = 7
_LONGEST_BASE = 15
CACHE_FILE = "instruments.json"


class InstrumentCatalogue:
    """Implements the `Instruments` port. `has_price` tells which unusual symbols the price source knows."""

    def __init__(self, data_dir: Path, *, has_price: Callable[[str], bool] = lambda _symbol: False) -> None:
        self._path = data_dir / CACHE_FILE
        self._has_price = has_price
        self._known: dict[str, Instrument] | None = None
        self._read_at = 0

    def find(self, symbol: str, *, reference_price: Decimal | None = None) -> Instrument | None:
        """The rules of `symbol`, or None where it is not listed."""
        known = self._load()
        if known:
            return known.get(symbol)
        return assumed_instrument(symbol, reference_price, anywhere=self._has_price(symbol))

    @property
    def assumed(self) -> bool:
        """Whether rules are assumed rather than the exchange's own."""
        return not self._load()

    def keep(self, instruments: list[Instrument]) -> None:
        """Writes the exchange's rules for every process to find; replaces the file in one step."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(json.dumps([to_document(each) for each in instruments]), encoding="utf-8")
        draft.replace(self._path)

    def _load(self) -> dict[str, Instrument]:
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            return self._known or {}
        if self._known is None or changed != self._read_at:
            self._known, self._read_at = self._read(), changed
        return self._known

    def _read(self) -> dict[str, Instrument]:
        """The file's rules; those known before when it can't be read (and a log line), none on the first time."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return {row["symbol"]: from_document(Instrument, row) for row in rows}
        except (OSError, ValueError, TypeError, KeyError, InvalidInput) as error:
            _log.warning(
                "instrument_rules_unreadable", path=str(self._path), reason=f"{type(error).__name__}: {error}"[:160]
            )
            return self._known or {}


def assumed_instrument(symbol: str, reference_price: Decimal | None, *, anywhere: bool = False) -> Instrument | None:
    """Conservative rules for a symbol nobody told us the rules of; None for what can't be a listed symbol."""
    parts = split_symbol(symbol)
    if parts is None or (parts[0] in _ELSEWHERE and not anywhere):
        return None
    base, quote = parts
    perpetual = quote in _PERPETUAL_QUOTES
    tick, lot = _steps(reference_price)
    return Instrument(
        exchange="paper",
        symbol=symbol,
        base=base,
        quote=quote,
        kind=MarketKind.PERPETUAL if perpetual else MarketKind.SPOT,
        tick_size=tick,
        lot_size=lot,
        min_quantity=lot,
        min_notional=Decimal(5),
        max_leverage=Decimal(125) if perpetual else ONE,
    )


def split_symbol(symbol: str) -> tuple[str, str] | None:
    """Base and quote of a symbol, or None where it ends with no quote currency or what is before that is no asset."""
    if not _SYMBOL.fullmatch(symbol):
        return None
    for quote in _QUOTES:
        base = symbol.removesuffix(quote)
        if base and base != symbol:
            sensible = base != quote and len(base) <= _LONGEST_BASE and not base.isdigit()
            return (base, quote) if sensible else None
    return None


def instruments_from_ccxt(exchange: str, markets: dict[str, dict[str, Any]]) -> list[Instrument]:
    """The rules in a ccxt market list (its unified structure), spot and linear perpetuals that are active.

    A perpetual goes before a spot market of the same symbol.
    """
    found: dict[str, Instrument] = {}
    for market in markets.values():
        made = _from_market(exchange, market)
        if made is None:
            continue
        known = found.get(made.symbol)
        if known is None or (known.kind is MarketKind.SPOT and made.kind is MarketKind.PERPETUAL):
            found[made.symbol] = made
    return sorted(found.values(), key=lambda each: each.symbol)


def _from_market(exchange: str, market: dict[str, Any]) -> Instrument | None:
    perpetual = bool(market.get("swap") and market.get("linear"))
    if market.get("active") is False or not (market.get("spot") or perpetual):
        return None
    precision, limits = market.get("precision") or {}, market.get("limits") or {}
    tick, lot = precision.get("price"), precision.get("amount")
    if not tick or not lot:
        return None
    smallest = (limits.get("amount") or {}).get("min")
    notional = (limits.get("cost") or {}).get("min")
    leverage = (limits.get("leverage") or {}).get("max")
    made = Instrument(
        exchange=exchange,
        symbol=f"{market['base']}{market['quote']}",
        base=str(market["base"]),
        quote=str(market["quote"]),
        kind=MarketKind.PERPETUAL if perpetual else MarketKind.SPOT,
        tick_size=Decimal(str(tick)),
        lot_size=Decimal(str(lot)),
        min_quantity=Decimal(str(smallest)) if smallest else Decimal(str(lot)),
        min_notional=Decimal(str(notional)) if notional else ZERO,
        max_leverage=Decimal(str(leverage)) if leverage else Decimal(125) if perpetual else ONE,
    )
    maker, taker = market.get("maker"), market.get("taker")
    if maker is not None and taker is not None:
        made = replace(made, maker_fee=Decimal(str(maker)), taker_fee=Decimal(str(taker)))
    return made


def _steps(price: Decimal | None) -> tuple[Decimal, Decimal]:
    """Tick and lot for a price of this size: seven significant digits, and a lot worth about a tenth of a unit of quote."""
    if price is None or price <= ZERO:
        return Decimal("0.00000001"), Decimal("0.00000001")
    tick = Decimal(1).scaleb(price.adjusted() - _DIGITS + 1)
    lot = Decimal(1).scaleb(-price.adjusted() - 1)
    return Decimal(plain(tick)), Decimal(plain(lot))
