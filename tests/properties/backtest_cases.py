"""Random histories, decisions, rules and assumptions for the backtester, on a coarse grid so that levels are often met."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from hypothesis import strategies as st

from modules.analysis.candles import Candles
from modules.backtesting.assumptions import Assumptions, EntryOrder
from modules.strategies.decisions import Decisions, SizeMode, Target, TargetKind, TradeRules
from modules.trading.fill_model import Slippage

HOUR = 3_600_000
BAR = 4 * HOUR


@dataclass(frozen=True)
class Case:
    candles: Candles
    decisions: Decisions
    rules: TradeRules
    assumed: Assumptions
    lower: Candles | None = None


def candles_from(bars, timeframe_ms=BAR, holes=(), symbol="TEST") -> Candles:
    """Bars as (open, high, low, close); every index in `holes` leaves a bar out of the times."""
    steps = np.ones(len(bars), np.int64)
    for hole in holes:
        if 0 < hole < len(bars):
            steps[hole] = 2
    stamps = (np.cumsum(steps) - 1) * timeframe_ms
    columns = np.array(bars, float).reshape(-1, 4).T
    volume = 5.0 + np.arange(len(bars)) % 7
    return Candles.checked(stamps, *columns, volume, timeframe_ms=timeframe_ms, symbol=symbol)


@st.composite
def paths(draw: st.DrawFn, most: int) -> list[tuple[float, float, float, float]]:
    """Bars near 100 in eighths, with gaps between them."""
    eighth = st.integers(-24, 24).map(lambda n: n / 8)
    wick = st.integers(0, 16).map(lambda n: n / 8)
    bars, level = [], 100.0
    for _ in range(draw(st.integers(2, most))):
        opened = max(level + draw(st.sampled_from([0.0, 0.0, 0.0, -3.0, 3.0, -9.0, 9.0])), 20.0)
        close = max(opened + draw(eighth), 20.0)
        bars.append((opened, max(opened, close) + draw(wick), min(opened, close) - draw(wick), close))
        level = close
    return bars


def merged(bars, count=4):
    """Every `count` bars as one."""
    groups = [bars[n : n + count] for n in range(0, len(bars) - count + 1, count)]
    return [(g[0][0], max(b[1] for b in g), min(b[2] for b in g), g[-1][3]) for g in groups]


@st.composite
def decisions(draw: st.DrawFn, count: int, closes) -> Decisions:
    rows = st.lists(st.sampled_from([0, 0, 1, -1]), min_size=count, max_size=count)
    flags = st.lists(st.sampled_from([False, False, False, False, True]), min_size=count, max_size=count)
    near = lambda low, high: st.lists(  # noqa: E731
        st.one_of(st.just(float("nan")), st.integers(low * 8, high * 8).map(lambda n: n / 8)),
        min_size=count, max_size=count,
    )  # fmt: skip
    entry = np.array(draw(rows), np.int8)
    closes = np.array(closes)
    stop = draw(st.none() | near(1, 6).map(np.array))
    targets = draw(st.none() | st.integers(1, 3).flatmap(lambda k: st.tuples(*[near(1, 7)] * k)))
    price = draw(st.none() | near(-3, 3).map(np.array))
    atr = draw(st.none() | near(1, 4).map(np.array) | st.sampled_from([1.0, 2.0, 3.0]).map(lambda v: np.full(count, v)))
    return Decisions(
        entry,
        np.array(draw(flags)),
        np.array(draw(flags)),
        None if stop is None else closes - entry * stop,
        None if targets is None else closes[:, None] + entry[:, None] * np.array(targets).T,
        atr,
        None if price is None else closes + price,
    )


@st.composite
def rules(draw: st.DrawFn) -> TradeRules:
    pick = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    kinds = st.sampled_from(list(TargetKind))
    levels = draw(st.lists(st.tuples(kinds, st.sampled_from([0.5, 1.0, 2.0, 3.0])), max_size=3))
    share = pick(0.25, 0.3, 1 / 3) if levels else 0.0
    trail = pick(None, None, "pct", "atr")
    mode = draw(st.sampled_from(list(SizeMode)))
    size = {"quote": (500.0, 20_000.0), "equity_percent": (100.0, 40.0)}.get(mode.value, (1.0, 5.0))
    return TradeRules(
        size_mode=mode,
        size_value=pick(*size),
        stop_pct=pick(None, 1.0, 3.0, 5.0),
        stop_atr=pick(None, 1.5),
        take_profit_pct=pick(None, 2.0, 6.0),
        targets=tuple(Target(kind, value, share) for kind, value in levels),
        trail_pct=pick(1.0, 3.0) if trail == "pct" else None,
        trail_atr=1.5 if trail == "atr" else None,
        trail_activate_pct=pick(None, 2.0),
        break_even_after=pick(None, 1, 2),
        time_exit_bars=pick(None, None, 1, 4),
        dca=pick((), (), ((1.0, 1.0),), ((1.0, 0.5), (2.0, 2.0))),
        leverage=pick(1.0, 1.0, 5.0, 25.0),
    )


@st.composite
def assumptions(draw: st.DrawFn) -> Assumptions:
    pick = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    slippage = draw(st.sampled_from(list(Slippage)))
    return Assumptions(
        capital=10_000.0,
        taker_fee=pick(0.0, 0.001, 0.0025),
        maker_fee=pick(0.0, 0.001),
        slippage=slippage,
        slippage_size={"bps": 20.0, "volume_share": 1e-6, "atr_share": 0.1}.get(slippage.value, 0.0),
        spread_bps=pick(0.0, 0.0, 10.0),
        funding_rate=pick(0.0, 0.0, 0.001, -0.002),
        maintenance_margin=pick(0.0, 0.005),
        entry_order=draw(st.sampled_from(list(EntryOrder))),
        entry_bars=pick(1, 1, 0, 3),
        reverse=pick(False, True),
        tick_size=pick(None, Decimal("0.125"), Decimal("0.01")),
        lot_size=pick(None, Decimal("0.01"), Decimal(1)),
        min_notional=pick(0.0, 100.0),
    )


@st.composite
def cases(draw: st.DrawFn, most: int = 30, magnified: bool = False) -> Case:
    """Any run; with `magnified` each bar is made of four shorter ones, some of which are missing."""
    bars = draw(paths(4 * most if magnified else most))
    lower = None
    if magnified:
        bars = bars * 4 if len(bars) < 4 else bars
        inner = candles_from(bars, HOUR)
        bars = merged(bars)
        missing = draw(st.integers(0, len(inner) - 1))
        keep = np.arange(len(inner)) != missing
        columns = (inner.timestamp, inner.open, inner.high, inner.low, inner.close, inner.volume)
        lower = Candles.checked(*(column[keep] for column in columns), timeframe_ms=HOUR)
    holes = () if magnified else draw(st.lists(st.integers(1, most), max_size=2))
    candles = candles_from(bars, BAR, holes)
    chosen = draw(decisions(len(candles), candles.close))
    return Case(candles, chosen, draw(rules()), draw(assumptions()), lower)
