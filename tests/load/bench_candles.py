"""Candles: reading a million, storing one more, and every indicator at 100,000 against TA-Lib in the same run."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import talib

from modules.analysis.candles import Candles
from modules.analysis.indicators import INDICATORS, compute
from modules.candles import CandleStore, SeriesName, load_file
from tests.fakes.candle_rest import MINUTE_MS, walk
from tests.load.table import Row, render

RECORDED = Path(__file__).resolve().parents[2] / "../shared/data/ohlcv/BTCUSD-BITFINEX-1m.parquet"
ROWS = 100_000
Call = Callable[[Candles], object]

# what TA-Lib itself does for the same outputs, with its own wrapper and nothing checked
PEERS: Mapping[str, Call] = {
    "sma": lambda c: talib.SMA(c.close, 20),
    "ema": lambda c: talib.EMA(c.close, 20),
    "wma": lambda c: talib.WMA(c.close, 20),
    "dema": lambda c: talib.DEMA(c.close, 20),
    "tema": lambda c: talib.TEMA(c.close, 20),
    "kama": lambda c: talib.KAMA(c.close, 10),
    "rsi": lambda c: talib.RSI(c.close, 14),
    "macd": lambda c: talib.MACD(c.close, 12, 26, 9),
    "ppo": lambda c: talib.PPO(c.close, 12, 26, 1),
    "stochastic": lambda c: talib.STOCH(c.high, c.low, c.close, 14, 3, 0, 3, 0),
    "stochastic_rsi": lambda c: talib.SMA(talib.SMA(talib.STOCHRSI(c.close, 14, 14, 3, 0)[0], 3), 3),
    "cci": lambda c: talib.CCI(c.high, c.low, c.close, 20),
    "mfi": lambda c: talib.MFI(c.high, c.low, c.close, c.volume, 14),
    "williams_r": lambda c: talib.WILLR(c.high, c.low, c.close, 14),
    "roc": lambda c: talib.ROC(c.close, 10),
    "momentum": lambda c: talib.MOM(c.close, 10),
    "trix": lambda c: talib.TRIX(c.close, 15),
    "adx": lambda c: (
        talib.ADX(c.high, c.low, c.close, 14),
        talib.PLUS_DI(c.high, c.low, c.close, 14),
        talib.MINUS_DI(c.high, c.low, c.close, 14),
    ),
    "aroon": lambda c: (talib.AROON(c.high, c.low, 25), talib.AROONOSC(c.high, c.low, 25)),
    "sar": lambda c: talib.SAR(c.high, c.low, 0.02, 0.2),
    "linear_regression": lambda c: (talib.LINEARREG(c.close, 20), talib.LINEARREG_SLOPE(c.close, 20)),
    "atr": lambda c: talib.ATR(c.high, c.low, c.close, 14),
    "natr": lambda c: talib.NATR(c.high, c.low, c.close, 14),
    "standard_deviation": lambda c: talib.STDDEV(c.close, 20, 1.0),
    "bollinger": lambda c: talib.BBANDS(c.close, 20, 2.0, 2.0, 0),
    "donchian": lambda c: (talib.MAX(c.high, 20), talib.MIN(c.low, 20)),
    "obv": lambda c: talib.OBV(c.close, c.volume),
    "accumulation_distribution": lambda c: talib.AD(c.high, c.low, c.close, c.volume),
    "chaikin_oscillator": lambda c: talib.ADOSC(c.high, c.low, c.close, c.volume, 3, 10),
}


def run() -> list[Row]:
    """Medians of one run; the ratios are what counts on a shared machine."""
    return [*_store_rows(), *_indicator_rows()]


def _median_seconds(call: Callable[[], object], rounds: int) -> float:
    call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _million() -> Candles:
    if RECORDED.exists():
        return load_file(RECORDED)[-1_000_000:]
    return walk(1_000_000, 1, timeframe_ms=MINUTE_MS)


def _store_rows() -> list[Row]:
    candles = _million()
    name = SeriesName("bitfinex", candles.symbol or "BTCUSD", "1m")
    with tempfile.TemporaryDirectory() as folder:
        store = CandleStore(folder)
        start = time.perf_counter()
        store.upsert(name, candles[:-400])
        first = time.perf_counter() - start
        read = _median_seconds(lambda: store.read(name), 9)
        month = int(candles.timestamp[-40_000])
        read_month = _median_seconds(lambda: store.read(name, start_ms=month), 9)
        rows = iter(range(len(candles) - 400, len(candles)))

        def append() -> None:
            row = next(rows)
            store.upsert(name, candles[row : row + 1])

        one = _median_seconds(append, 300)
        synced = _median_seconds(lambda: _sync_once(Path(folder) / "raw"), 50)
    return [
        Row("candles", "store 1M new rows", first, "s"),
        Row("candles", "read 1M rows from the store", 1e3 * read, "ms", "< 100 ms", read < 0.1),
        Row("candles", "read the last 40k of 1M rows", 1e3 * read_month, "ms"),
        Row("candles", "upsert one new row into 1M", 1e3 * one, "ms", "< 1/20 of reading 1M", one < read / 20),
        Row("candles", "upsert one new row, of a raw 48-byte write + fsync", one / synced, "x"),
    ]


def _sync_once(path: Path) -> None:
    with path.open("wb") as file:
        file.write(bytes(48))
        file.flush()
        os.fsync(file.fileno())


def _indicator_rows() -> list[Row]:
    candles = walk(ROWS, 2)
    rows = []
    for name in INDICATORS:
        # alternating rounds, so that a busy moment of the machine meets both
        call, peer = (lambda name=name: compute(name, candles)), PEERS.get(name)
        call()
        ours, theirs = [], []
        for _ in range(15):
            ours.append(_once(call))
            if peer is not None:
                theirs.append(_once(lambda peer=peer: peer(candles)))
        took = statistics.median(ours)
        rows.append(Row("indicators", f"{name}, {ROWS:,} candles", 1e6 * took, "us"))
        if theirs:
            ratio = took / statistics.median(theirs)
            rows.append(Row("indicators", f"{name}, of TA-Lib", ratio, "x", "<= 2 x", ratio <= 2.0))
    return rows


def _once(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    np.seterr(all="raise")
    print(render(run()))
