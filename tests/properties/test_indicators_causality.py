"""The one law: row t of an indicator uses candles up to t, and later candles never change it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analysis.candles import Candles
from modules.analysis.indicators import INDICATORS, NotEnoughData, compute
from tests.fakes.candle_rest import walk

SHARED = Path(__file__).resolve().parents[2] / "../shared/data/ohlcv"
HOUR_MS = 3_600_000

# settings small enough that a short history reaches past every look-back
SHORT: dict[str, dict[str, float]] = {
    "nadaraya_watson": {"bandwidth": 2.5, "window": 30, "error_period": 20},
    "ichimoku": {"conversion": 3, "base": 7, "span": 12, "displacement": 7},
    "liquidity_swings": {"length": 3},
    "rsi_divergence": {"period": 4, "left": 2, "right": 2, "nearest": 2, "farthest": 30},
    "macd": {"fast": 3, "slow": 7, "signal": 4},
    "vwap_session": {"session_hours": 4},
    "pivot_points": {"session_hours": 6, "offset_hours": 1},
}


def refuse_lookahead(name: str, candles: Candles, rows: int, params: dict[str, float]) -> None:
    """The first `rows` rows must be what the first `rows` candles alone give, to the last bit."""
    spec = INDICATORS[name]
    whole = compute(name, candles, **params)
    try:
        part = compute(name, candles[:rows], **params)
    except NotEnoughData:
        lookback = spec.lookback(spec.settings(**params))
        told = np.all([~np.isnan(values[:rows]) for values in whole.values()], axis=0)
        assert not told.any(), "a refused history had a whole row of values"
        assert spec.sparse or rows <= lookback
        return
    for output, values in whole.items():
        np.testing.assert_array_equal(part[output], values[:rows], err_msg=f"{name}.{output} at {rows}")


@pytest.mark.parametrize("name", INDICATORS)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(0, 400),
    missing=st.sampled_from([0.0, 0.05]),
    resting=st.sampled_from([0.0, 0.3, 1.0]),
    price=st.sampled_from([1e-7, 3.0, 60_000.0]),
)
@settings(max_examples=25, deadline=None)
def test_a_prefix_gives_the_same_rows(
    name: str, seed: int, rows: int, missing: float, resting: float, price: float
) -> None:
    candles = walk(400, seed, missing=missing, resting=resting, price=price)
    refuse_lookahead(name, candles, rows, SHORT.get(name, {}))


@pytest.mark.parametrize("name", INDICATORS)
def test_every_row_can_be_the_last_one(name: str) -> None:
    """Bar by bar, as it happens live: the last row of each prefix is the row of the whole."""
    candles = walk(260, 7, missing=0.02, resting=0.1)
    params = SHORT.get(name, {})
    whole = compute(name, candles, **params)
    told = 0
    for rows in range(1, len(candles) + 1):
        try:
            last = {output: values[-1] for output, values in compute(name, candles[:rows], **params).items()}
        except NotEnoughData:
            continue
        told += 1
        for output, value in last.items():
            np.testing.assert_array_equal(value, whole[output][rows - 1], err_msg=f"{name}.{output} at {rows}")
    assert told > 100


@pytest.mark.parametrize("name", [name for name, spec in INDICATORS.items() if not spec.sparse])
def test_the_lookback_is_exact(name: str) -> None:
    """Before it no row is whole, from it on every row is."""
    candles = walk(260, 3, resting=0.2)
    params = SHORT.get(name, {})
    lookback = INDICATORS[name].lookback(INDICATORS[name].settings(**params))
    whole = ~np.any([np.isnan(values) for values in compute(name, candles, **params).values()], axis=0)
    assert not whole[:lookback].any()
    assert whole[lookback:].all()


@pytest.mark.shared
@pytest.mark.parametrize("name", INDICATORS)
def test_real_candles_do_not_repaint(name: str) -> None:
    file = SHARED / "BTCUSDT-1h.parquet"
    if not file.exists():
        pytest.skip("the recorded candles are not beside the project")
    table = pq.read_table(file)
    columns = {column: table[column].to_numpy()[20_000:24_000] for column in table.column_names}
    candles = Candles.checked(**columns, timeframe_ms=HOUR_MS)
    for rows in range(900, 4_000, 311):
        refuse_lookahead(name, candles, rows, {})
