"""What a backtest tells: trades, fills, equity, and everything needed to repeat it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from modules.analysis.candles import Candles, Floats, Integers
from modules.backtesting import words
from modules.backtesting.assumptions import Assumptions
from modules.strategies.decisions import TradeRules
from modules.trading import exit_program as codes

#: Raised by one whenever the same data, decisions and assumptions would give other trades.
ENGINE_VERSION: Final = 1


class ExitReason(StrEnum):
    """Why a trade ended."""

    STOP_LOSS = "stop_loss"
    BREAK_EVEN = "break_even"
    TRAILING = "trailing"
    TARGETS = "targets"
    TIME = "time"
    SIGNAL = "signal"
    LIQUIDATION = "liquidation"
    END = "end"


_REASONS: Final = {
    codes.INITIAL: ExitReason.STOP_LOSS,
    codes.BREAK_EVEN: ExitReason.BREAK_EVEN,
    codes.TRAILED: ExitReason.TRAILING,
    codes.BY_TARGETS: ExitReason.TARGETS,
    codes.BY_TIME: ExitReason.TIME,
    words.BY_SIGNAL: ExitReason.SIGNAL,
    words.BY_LIQUIDATION: ExitReason.LIQUIDATION,
    words.BY_END: ExitReason.END,
}


def reason_of(code: int) -> ExitReason:
    """The word for a code in the column `reason` of the trades."""
    return _REASONS[int(code)]


@dataclass(frozen=True, eq=False)
class Result:
    """One run. Arrays are read-only.

    `trades` has one record per round trip in the order they began, `fills` one per execution in the order they happened;
    their columns are those of `words.TRADE` and `words.FILL`, by name: `result.trades["pnl"]`. `times` and `equity` have one
    value per bar: its open time (ms UTC) and the account's value at its close, open positions marked at the close
    (the last one after everything was closed). A portfolio's bars are all times at which any symbol has one.
    `bars_held` counts bars in which a position was held, `refused` entry signals that led to no trade, by reason,
    `magnified_bars` those that were decided by candles of a lower timeframe.
    """

    markets: tuple[Candles, ...]
    times: Integers
    equity: Floats
    trades: words.Records
    fills: words.Records
    rules: TradeRules
    assumptions: Assumptions
    bars_held: int
    fees: float
    funding: float
    turnover: float
    refused: Mapping[str, int]
    magnified_bars: int = 0
    engine_version: int = ENGINE_VERSION

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the symbols; a trade's `symbol` is a place in it."""
        return tuple(market.symbol or "" for market in self.markets)

    @property
    def timeframe_ms(self) -> int:
        return self.markets[0].timeframe_ms

    @property
    def final_equity(self) -> float:
        """Account value after the last bar; the capital when there was none."""
        return float(self.equity[-1]) if len(self.equity) else self.assumptions.capital

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 over every column of every symbol: two runs over the same candles show the same hash."""
        return hash_of(self.markets)

    def exit_reasons(self) -> list[ExitReason]:
        """Why each trade ended."""
        return [_REASONS[int(code)] for code in self.trades["reason"]]

    def trade_documents(self) -> list[dict[str, object]]:
        """The trades as JSON documents: times in ms UTC, returns as fractions, None where there is no stop."""
        return [_document(trade, self.symbols) for trade in self.trades]


class Records(NamedTuple):
    """What the kernel left behind: the account, and buffers whose first rows were written."""

    account: np.void
    trades: words.Records
    fills: words.Records
    magnified_bars: int


def result_of(
    markets: tuple[Candles, ...],
    times: Integers,
    equity: Floats,
    records: Records,
    rules: TradeRules,
    assumptions: Assumptions,
) -> Result:
    """The result in what the kernel left behind."""
    account = records.account
    trades = _written(records.trades, int(account["trades"]))
    fills = _written(records.fills, int(account["fills"]))
    for array in (equity, trades, fills):
        array.setflags(write=False)
    refused = {name: int(count) for name, count in zip(words.REFUSALS, account["refused"], strict=True) if count}
    return Result(
        markets,
        times,
        equity,
        trades,
        fills,
        rules,
        assumptions,
        bars_held=int(account["bars_held"]),
        fees=float(account["fees"]),
        funding=float(account["funding"]),
        turnover=float(account["turnover"]),
        refused=refused,
        magnified_bars=records.magnified_bars,
    )


def _written(buffer: words.Records, count: int) -> words.Records:
    """The rows that were written: the buffer itself where they fill most of it, else a copy that lets it go."""
    return buffer[:count] if 2 * count > len(buffer) else buffer[:count].copy()


def hash_of(markets: Sequence[Candles]) -> str:
    """SHA-256 of symbols, timeframes and all columns, in the order given."""
    digest = hashlib.sha256()
    for market in markets:
        digest.update(f"{market.symbol}|{market.timeframe_ms}|{len(market)}|".encode())
        for column in (market.timestamp, market.open, market.high, market.low, market.close, market.volume):
            digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()


def _document(trade: np.void, symbols: Sequence[str]) -> dict[str, object]:
    multiple, stop = float(trade["r_multiple"]), float(trade["initial_stop"])
    return {
        "symbol": symbols[int(trade["symbol"])],
        "entry_time": int(trade["entry_time"]),
        "exit_time": int(trade["exit_time"]),
        "side": "long" if trade["side"] > 0 else "short",
        "entry_price": float(trade["entry_price"]),
        "exit_price": float(trade["exit_price"]),
        "quantity": float(trade["quantity"]),
        "pnl": float(trade["pnl"]),
        "return": float(trade["return"]),
        "fees": float(trade["fees"]),
        "funding": float(trade["funding"]),
        "exit_reason": _REASONS[int(trade["reason"])].value,
        "mae": float(trade["mae"]),
        "mfe": float(trade["mfe"]),
        "r_multiple": None if np.isnan(multiple) else multiple,
        "initial_stop": stop if stop > 0 else None,
        "targets_hit": int(trade["targets_hit"]),
    }
