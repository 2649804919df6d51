"""Draw the examples of `strategies.md`: a made-up market, traded by each built-in strategy as a backtest does.

python -m docs.strategies.draw_strategies
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from modules.analysis.candles import Candles
from modules.candles import resample
from modules.domain.market import TIMEFRAMES_MS
from modules.strategies.builtin import builtin, builtin_names
from modules.strategies.language import needed_timeframes
from modules.strategy_book.pictures import trades_picture

FOLDER = Path(__file__).parent
START_MS = 1_700_006_400_000
BARS = 4_000

#: The market each example is drawn on: the first whose last trades show what the strategy is about.
SEEDS = {
    "rsi_mean_reversion": 3,
    "macd_trend": 3,
    "ma_cross": 3,
    "bollinger_breakout": 3,
    "smc": 3,
    "choch_breakout": 3,
    "strat_212": 3,
}


def market(seed: int, length_ms: int) -> Candles:
    """A restless walk whose drift turns now and then, with volume that rises when the price runs."""
    draw = np.random.default_rng(seed)
    drift = np.repeat(draw.normal(0, 0.0008, BARS // 50), 50)
    steps = drift + draw.standard_t(4, BARS) * 0.003
    close = 100 * np.exp(np.cumsum(steps))
    opened = np.concatenate([close[:1], close[:-1]])
    wicks = np.abs(draw.normal(0, 0.0015, (2, BARS)))
    return Candles.checked(
        START_MS + np.arange(BARS, dtype=np.int64) * length_ms,
        opened,
        np.maximum(opened, close) * (1 + wicks[0]),
        np.minimum(opened, close) * (1 - wicks[1]),
        close,
        100 * (1 + 200 * np.abs(steps)) * (0.5 + draw.random(BARS)),
        timeframe_ms=length_ms,
        symbol="EXAMPLE",
    )


def draw(name: str) -> None:
    """Writes one picture."""
    strategy = builtin(name)
    candles = market(SEEDS[name], TIMEFRAMES_MS[strategy.timeframe])
    names = needed_timeframes(strategy) - {strategy.timeframe}
    higher = {each: resample(candles, TIMEFRAMES_MS[each]).candles for each in names}
    png = trades_picture(strategy, candles, higher, newest_trade=True)
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=48)
        small.save(FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    """All of them."""
    for name in builtin_names():
        draw(name)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
