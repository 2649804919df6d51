"""Loads the compiled kernels before the first tick: reading them from the on-disk cache takes a few tenths of a second,
which belongs to a start and not to the first stop of the day."""

from __future__ import annotations

from decimal import Decimal

from modules.domain.instruments import Instrument, MarketKind
from modules.domain.market import Quote
from modules.domain.sides import Action, Side
from modules.trading import exit_program, fill_model
from modules.trading.exit_book import ExitBook
from modules.trading.fill_model import FillModel, Market, Slippage

_ONE = Decimal(1)
_TICK = Decimal("0.01")


def warm_kernels() -> None:
    """Runs every kernel that a tick can reach once, on made-up numbers that touch nothing else."""
    instrument = Instrument("warm", "WARMUSDT", "WARM", "USDT", MarketKind.PERPETUAL, _TICK, _TICK, _TICK, Decimal(0))
    model = FillModel(slippage=Slippage.BPS, slippage_size=_ONE)
    market = Market(instrument, Quote.at_price("warm", "WARMUSDT", 1, Decimal(100)), model)
    fill_model.market_fill(Action.BUY, _ONE, market)
    fill_model.limit_fill(Action.SELL, Decimal(90), _ONE, market)
    fill_model.stop_fill(Action.SELL, Decimal(110), _ONE, market)
    row = exit_program.blank()
    row["direction"], row["entry"], row["best"], row["worst"] = Side.LONG.sign, 100.0, 100.0, 100.0
    row["remaining"] = 1.0
    book = ExitBook()
    book.add("warm", "WARMUSDT", row, instrument)
    book.on_quote("WARMUSDT", market.quote)
