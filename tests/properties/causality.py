"""The one law of the analysis room as a check, and candles to run it on.

What is said of bar t uses bars up to t and never changes when later bars arrive: a function of `candles[:t]` must give
exactly the first t rows of the same function of all candles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from modules.analysis.candles import Candles

RECORDED = Path(__file__).resolve().parents[2] / "../shared/data/ohlcv"
MINUTE = 60_000
TIMEFRAMES = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "1h": 60 * MINUTE,
    "4h": 240 * MINUTE,
    "1d": 1440 * MINUTE,
}


def rewritten_rows(function: Callable[[Candles], Any], candles: Candles, starts: Iterable[int]) -> int:
    """How many rows of `function(candles[:t])` differ from the same rows of `function(candles)`, over all t in `starts`.

    The result may be an array (also two-dimensional or structured), or any nesting of mappings, sequences and
    dataclasses of arrays; each array has one row a candle. NaN equals NaN. Raises ValueError for another row count.
    """
    whole = list(_columns(function(candles)))
    rewritten = 0
    for start in starts:
        part = list(_columns(function(candles[:start])))
        if len(part) != len(whole):
            raise ValueError(f"{len(part)} columns on {start} bars, {len(whole)} on {len(candles)}")
        differs = np.zeros(start, dtype=bool)
        for now, later in zip(part, whole, strict=True):
            if len(now) != start or len(later) != len(candles):
                raise ValueError(f"{len(now)} rows on {start} bars, {len(later)} on {len(candles)}")
            differs |= _different(now, later[:start])
        rewritten += int(differs.sum())
    return rewritten


def _columns(result: Any) -> Iterator[np.ndarray]:
    if isinstance(result, np.ndarray):
        if result.dtype.names:
            for name in result.dtype.names:
                yield result[name]
        else:
            yield result
    elif isinstance(result, Mapping):
        for name in sorted(result):
            yield from _columns(result[name])
    elif is_dataclass(result):
        for field in fields(result):
            value = getattr(result, field.name)
            if isinstance(value, np.ndarray):
                yield from _columns(value)
    else:
        for value in result:
            yield from _columns(value)


def _different(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    same = one == other
    if one.dtype.kind == "f":
        same |= np.isnan(one) & np.isnan(other)
    return ~same.reshape(len(one), -1).all(axis=1) if one.ndim > 1 else ~same


@st.composite
def tick_candles(draw: st.DrawFn, least: int = 0, most: int = 160, *, holes: bool = True) -> Candles:
    """Random candles on a grid of eighths: equal highs, flat bars, jumps and holes are common, arithmetic is exact."""
    count = draw(st.integers(least, most))
    wildness = draw(st.sampled_from([1, 2, 5, 12]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    jumps = np.where(generator.random(count) < 0.2, generator.integers(-wildness, wildness + 1, count), 0)
    bodies = generator.integers(-wildness, wildness + 1, count)
    close = 4096 + np.cumsum(jumps + bodies)
    opened = close - bodies
    high = np.maximum(opened, close) + generator.integers(0, wildness + 1, count)
    low = np.minimum(opened, close) - generator.integers(0, wildness + 1, count)
    volume = generator.integers(0, 9, count) * np.where(generator.random(count) < 0.1, 6, 1)
    steps = np.where(generator.random(count) < 0.03, generator.integers(2, 5, count), 1) if holes else np.ones(count)
    return Candles.checked(
        timestamp=(np.cumsum(steps) * MINUTE).astype(np.int64),
        open=opened / 8,
        high=high / 8,
        low=low / 8,
        close=close / 8,
        volume=volume.astype(float),
        timeframe_ms=MINUTE,
    )


def recorded(name: str, count: int | None = None, start: int = 0) -> Candles:
    """Real candles by file name (`BTCUSDT-1h`); skips the test where the recorded data is absent."""
    file = RECORDED / f"{name}.parquet"
    if not file.exists():
        pytest.skip(f"recorded candles {name} are not beside the project")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(file)
    timeframe = next(TIMEFRAMES[part] for part in name.split("-") if part in TIMEFRAMES)
    stop = None if count is None else start + count
    columns = {
        column: table[column].to_numpy()[start:stop]
        for column in ("timestamp", "open", "high", "low", "close", "volume")
    }
    return Candles.checked(**columns, timeframe_ms=timeframe, symbol=name.split("-")[0])
