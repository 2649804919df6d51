"""The trades a strategy would have made on the newest candles, drawn: each from its entry to its exit, with its first stop.

They are those of a backtest with the default assumptions over the candles given, so a picture shows what a report counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from modules.analysis.candles import Candles
from modules.backtesting import engine
from modules.backtesting.result import Result
from modules.notices.analysis_charts import MOST_CANDLES, Shape, analysis_chart
from modules.strategies.decide import decide
from modules.strategies.language import Strategy


def trades_picture(
    strategy: Strategy, candles: Candles, higher: Mapping[str, Candles] | None = None, *, newest_trade: bool = False
) -> bytes:
    """The picture (PNG): the newest candles, or with `newest_trade` those up to shortly after the last finished trade.

    Raises InvalidInput without a candle, or where candles of a higher timeframe are missing.
    """
    result = engine.run(candles, decide(strategy, candles, higher), strategy.rules)
    if newest_trade:
        candles = candles[: _end_of_example(result, len(candles))]
    shown = f"{candles.symbol or ''} {strategy.timeframe}".strip()
    return analysis_chart(candles, trade_shapes(result, int(candles.timestamp[-1])), f"{strategy.name}, {shown}")


def trade_shapes(result: Result, until_ms: int) -> list[Shape]:
    """Each trade that began by then as a line from entry to exit, green where it won, and its first stop."""
    shapes: list[Shape] = []
    for trade, reason in zip(result.trades, result.exit_reasons(), strict=True):
        entered, left = int(trade["entry_time"]), int(trade["exit_time"])
        if entered > until_ms:
            continue
        side = "long" if trade["side"] > 0 else "short"
        words = f"{side} {trade['return']:+.1%}, {reason.value.replace('_', ' ')}"
        ends = ((entered, float(trade["entry_price"])), (left, float(trade["exit_price"])))
        shapes.append(Shape("path", "trade", words, 1 if trade["pnl"] > 0 else -1, ends, left))
        if trade["initial_stop"] > 0:
            stop = float(trade["initial_stop"])
            shapes.append(Shape("level", "stop", "stop", 0, ((entered, stop), (left, stop)), left))
    return shapes


def _end_of_example(result: Result, bars: int) -> int:
    """Where to cut, so that the last trades that ended by themselves lie well inside the picture."""
    ended = [row for row in range(len(result.trades)) if result.exit_reasons()[row].value != "end"]
    if not ended:
        return bars
    last = int(result.trades["exit_bar"][ended[-1]])
    return int(np.clip(last + MOST_CANDLES // 10, min(bars, MOST_CANDLES), bars))
