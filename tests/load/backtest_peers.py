"""The same strategy in other backtesters and in a bare loop: SMA 20/50 cross with RSI(14) < 70, 5 % stop, 10 % target.

Assumptions shared by all: long only, signals at the close, market orders at the next open, all of the equity in whole
coins or all of it, 0.1 % fee per side, stop first when a bar touches both, a gap through a level fills at the open.
Peers are imported inside the functions: they take seconds.
"""

from __future__ import annotations

import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import talib

from modules.analysis.candles import Candles
from modules.analysis.compiled import kernel
from modules.strategies.decisions import Decisions, SizeMode, TradeRules

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "../shared/data/ohlcv"
STOP, TAKE, FEE = 0.05, 0.10, 0.001
WHOLE = Decimal(1)
RULES = TradeRules(size_mode=SizeMode.EQUITY_PERCENT, size_value=100.0, stop_pct=100 * STOP, take_profit_pct=100 * TAKE)
NAMES = ("timestamp", "open", "high", "low", "close", "volume")


class Found(NamedTuple):
    """What a peer says: bars and prices of entry and exit of each trade, and the account's last value."""

    entry_bar: Any
    exit_bar: Any
    entry_price: Any
    exit_price: Any
    final_equity: float


def recorded(name: str, timeframe_ms: int, symbol: str, rows: slice = slice(None)) -> Candles:
    """Candles of one recorded file."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(RECORDED / name, columns=list(NAMES))
    return Candles.checked(
        *(table[column].to_numpy()[rows] for column in NAMES), timeframe_ms=timeframe_ms, symbol=symbol
    )


def generated(count: int, timeframe_ms: int, seed: int = 1, spread: float = 0.004, symbol: str = "WALK") -> Candles:
    """A random walk with gaps between its bars."""
    draws = np.random.default_rng(seed)
    close = 30_000 * np.exp(np.cumsum(draws.normal(0, spread, count)))
    opened = np.concatenate([[30_000.0], close[:-1]]) * np.exp(draws.normal(0, spread / 4, count))
    high = np.maximum(opened, close) * (1 + np.abs(draws.normal(0, spread / 2, count)))
    low = np.minimum(opened, close) * (1 - np.abs(draws.normal(0, spread / 2, count)))
    stamps = np.arange(count, dtype=np.int64) * timeframe_ms
    volume = draws.lognormal(3, 1, count)
    return Candles.checked(stamps, opened, high, low, close, volume, timeframe_ms=timeframe_ms, symbol=symbol)


def tiled(source: Candles, count: int) -> Candles:
    """The recorded bar shapes and log returns of `source`, drift removed, repeated up to `count` bars."""
    steps = np.diff(np.log(source.close))
    steps = np.resize(steps - steps.mean(), count)
    close = source.close[0] * np.exp(np.cumsum(steps))
    shape = [np.resize((getattr(source, name) / source.close)[1:], count) for name in ("open", "high", "low")]
    stamps = np.arange(count, dtype=np.int64) * source.timeframe_ms
    volume = np.resize(source.volume[1:], count)
    opened = close * shape[0]
    high, low = (
        np.maximum(close * shape[1], np.maximum(opened, close)),
        np.minimum(close * shape[2], np.minimum(opened, close)),
    )
    return Candles.checked(
        stamps, opened, high, low, close, volume, timeframe_ms=source.timeframe_ms, symbol=source.symbol
    )


def cross(candles: Candles, fast: int = 20, slow: int = 50) -> Decisions:
    """Entries and exits of the strategy; the last two bars sell and buy nothing, so that all trades end by themselves."""
    quick, calm, strength = talib.SMA(candles.close, fast), talib.SMA(candles.close, slow), talib.RSI(candles.close, 14)
    up, down = np.zeros(len(candles), bool), np.zeros(len(candles), bool)
    up[1:] = (quick[1:] > calm[1:]) & (quick[:-1] <= calm[:-1]) & (strength[1:] < 70)
    down[1:] = (quick[1:] < calm[1:]) & (quick[:-1] >= calm[:-1])
    up[-3:] = False
    down[-2] = True
    return Decisions(up.astype(np.int8), down, np.zeros(len(candles), bool))


def by_backtesting_py(candles: Candles, decisions: Decisions, cash: float, fee: float = FEE) -> Found:
    """backtesting.py. It trades whole units, so `cash` should be a large multiple of the price.

    Its stop has to be known with the order: it is measured from the next open, which is where the order fills.
    """
    import backtesting
    import pandas

    opened = candles.open

    class Cross(backtesting.Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.bar = 0

        def next(self) -> None:
            at = len(self.data) - 1
            if self.position:
                if decisions.exit_long[at]:
                    self.position.close()
            elif decisions.entry[at] and at + 1 < len(opened):
                self.buy(sl=opened[at + 1] * (1 - STOP), tp=opened[at + 1] * (1 + TAKE))

    frame = pandas.DataFrame(
        {name.capitalize(): np.array(getattr(candles, name)) for name in NAMES[1:]},
        index=pandas.to_datetime(candles.timestamp, unit="ms"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = backtesting.Backtest(frame, Cross, cash=cash, commission=fee, finalize_trades=True).run()
    trades = stats["_trades"].sort_values("EntryBar")
    return Found(
        trades["EntryBar"].to_numpy(),
        trades["ExitBar"].to_numpy(),
        trades["EntryPrice"].to_numpy(),
        trades["ExitPrice"].to_numpy(),
        float(stats["_equity_curve"]["Equity"].iloc[-1]),
    )


def vectorbt_portfolio(candles: Candles, entries: Any, exits: Any, cash: float, fee: float = FEE) -> Any:
    """A vectorbt portfolio: signals moved one bar on, filled at that bar's open. It checks stops from the bar after entry on."""
    import vectorbt

    shifted = [np.concatenate((np.zeros((1, *column.shape[1:]), bool), column[:-1])) for column in (entries, exits)]
    columns = (candles.open, candles.high, candles.low, candles.close)
    opened, high, low, close = columns if entries.ndim == 1 else (column[:, None] for column in columns)
    return vectorbt.Portfolio.from_signals(
        close,
        *shifted,
        price=opened,
        open=opened,
        high=high,
        low=low,
        sl_stop=STOP,
        tp_stop=TAKE,
        stop_entry_price="fillprice",
        stop_exit_price="stoplimit",
        fees=fee,
        init_cash=cash,
        freq=f"{candles.timeframe_ms // 1000}s",
    )


def by_vectorbt(candles: Candles, decisions: Decisions, cash: float, fee: float = FEE) -> Found:
    """vectorbt's numba engine."""
    portfolio = vectorbt_portfolio(candles, decisions.entry > 0, decisions.exit_long, cash, fee)
    trades = portfolio.trades.records
    return Found(
        trades["entry_idx"].to_numpy(),
        trades["exit_idx"].to_numpy(),
        trades["entry_price"].to_numpy(),
        trades["exit_price"].to_numpy(),
        float(portfolio.value().iloc[-1]),
    )


@kernel
def bare_loop(
    prices: tuple[Any, Any, Any, Any], entry: Any, leave: Any, money: tuple[float, float], equity: Any, trades: Any
) -> tuple[int, float, float, float, float]:
    """The strategy as one written-out loop, fitted to it alone: the limit line of a machine.

    Writes equity and one row per trade (entry bar, exit bar, entry, exit, profit); returns the count, final equity, mean and
    variance sum of the returns, and the deepest drawdown.
    """
    opened, high, low, close = prices
    cash, fee = money
    held, size, paid, stop, take, since = False, 0.0, 0.0, 0.0, 0.0, 0
    count, last, mean, square, peak, deepest = 0, len(opened) - 1, 0.0, 0.0, cash, 0.0
    before, buy, sell = cash, False, False
    for at in range(last + 1):
        price = 0.0
        if held and sell:
            price = opened[at]
        elif not held and buy:
            paid, since, held = opened[at], at, True
            size = cash / (paid * (1.0 + fee))
            cash -= size * paid * fee
            stop, take = paid * (1.0 - STOP), paid * (1.0 + TAKE)
        if held and price == 0.0:
            if low[at] <= stop:
                price = stop if since == at else min(stop, opened[at])
            elif high[at] >= take:
                price = take if since == at else max(take, opened[at])
            elif at == last:
                price = close[at]
        if price > 0.0:
            cash += size * (price - paid) - size * price * fee
            trades[count, 0], trades[count, 1], trades[count, 2] = since, at, paid
            trades[count, 3], trades[count, 4] = price, cash
            count += 1
            held = False
        now = cash + size * (close[at] - paid) if held else cash
        equity[at] = now
        if now != before:
            change = now / before - 1.0
            mean += change
            square += change * change
            peak = max(peak, now)
            deepest = min(deepest, now / peak - 1.0)
            before = now
        buy, sell = not held and entry[at] != 0, held and leave[at]
    return count, cash, mean, square, deepest
