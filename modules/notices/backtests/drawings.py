"""The drawings of a backtest's page, each from the numbers of its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Candles, Floats
from modules.notices.backtests.canvas import (
    Frame,
    area,
    drawing,
    percent,
    polyline,
    round_ticks,
    spread_out,
    text,
    time_ticks,
    wide,
    x_axis,
    y_axis,
)

WIDTH: Final = 960
_LEFT: Final = 8
_RIGHT: Final = 70
_INNER: Final = WIDTH - _LEFT - _RIGHT
MOST_CANDLES: Final = 320
MOST_MARKS: Final = 400
_BINS: Final = 41

Points = Sequence[Sequence[float]]


def equity_drawing(equity: Points, held: Points, capital: float) -> str:
    """The account against buy and hold, and its depth below the peak under it."""
    pairs = [(point[0], point[1]) for point in equity]
    market = [(point[0], point[1]) for point in held]
    start, end = pairs[0][0], pairs[-1][0]
    upper = _framed(250, (start, end), [value for _, value in (*pairs, *market)])
    depths, peak = list[tuple[float, float]](), capital
    for at, value in pairs:
        peak = max(peak, value)
        depths.append((at, value / peak - 1.0))
    deepest = min(depth for _, depth in depths)
    lower = Frame(_LEFT, 290, _INNER, 90, start, end, deepest * 1.08 or -0.01, 0.0)
    body = [
        y_axis(upper, upper.ticks()),
        area(upper, pairs, upper.y_low, "gain-area"),
        polyline(upper, market, "market") if market else "",
        polyline(upper, pairs, "gain-line"),
        y_axis(lower, [(tick, percent(tick)) for tick in round_ticks(lower.y_low, 0.0, 3)]),
        area(lower, depths, 0.0, "loss-area"),
        polyline(lower, depths, "loss-line"),
        x_axis(lower, time_ticks(start, end)),
        text(_LEFT + 8, 26, "equity", style="key gain-text"),
        text(_LEFT + 66, 26, "buy and hold", style="key market-text") if market else "",
        text(_LEFT + 8, 373, "drawdown", style="key loss-text"),
        text(WIDTH - _RIGHT - 4, 254, "logarithmic", "end") if upper.by_factors else "",
    ]
    return drawing(WIDTH, 404, "".join(body), "Equity and drawdown")


def _framed(height: float, times: tuple[float, float], values: Sequence[float]) -> Frame:
    """A frame at the top of a drawing with room for all values, by factors where they reach far."""
    low, high = min(values), max(values)
    if wide(low, high):
        return Frame(_LEFT, 10, _INNER, height, *times, low / 1.08, high * 1.08, by_factors=True)
    return Frame(_LEFT, 10, _INNER, height, *times, *spread_out((low, high)))


def merged(candles: Candles, most: int = MOST_CANDLES) -> tuple[Floats, int]:
    """Candles brought together so that at most `most` are left: rows of (time, open, high, low, close), and bars in each."""
    size = max(-(-len(candles) // most), 1)
    starts = np.arange(0, len(candles), size)
    ends = np.minimum(starts + size, len(candles)) - 1
    rows = np.column_stack(
        (
            candles.timestamp[starts],
            candles.open[starts],
            np.maximum.reduceat(candles.high, starts),
            np.minimum.reduceat(candles.low, starts),
            candles.close[ends],
        )
    )
    return rows, size


def candles_drawing(candles: Candles, trades: Sequence[Mapping[str, Any]]) -> str:
    """Candles with the way of each trade from its entry to its exit; of many trades evenly chosen ones."""
    rows, _ = merged(candles)
    step = float(rows[1, 0] - rows[0, 0]) if len(rows) > 1 else float(candles.timeframe_ms)
    start, end = float(rows[0, 0]) - step, float(rows[-1, 0]) + step
    frame = _framed(330, (start, end), (float(rows[:, 3].min()), float(rows[:, 2].max())))
    body = [y_axis(frame, frame.ticks(6))]
    body.append(text(WIDTH - _RIGHT - 4, 334, "logarithmic", "end") if frame.by_factors else "")
    body += [_candle(frame, row, step) for row in rows.tolist()]
    body += [_trade(frame, trade) for trade in chosen(trades)]
    body.append(x_axis(frame, time_ticks(start, end)))
    return drawing(WIDTH, 366, "".join(body), "Trades on candles")


def chosen(trades: Sequence[Mapping[str, Any]], most: int = MOST_MARKS) -> list[Mapping[str, Any]]:
    """All trades, or so many of them evenly."""
    if len(trades) <= most:
        return list(trades)
    return [trades[place] for place in np.linspace(0, len(trades) - 1, most).astype(int).tolist()]


def _candle(frame: Frame, row: Sequence[float], step: float) -> str:
    at, opened, high, low, close = row
    x, breadth = frame.x(at + step / 2), max((frame.x(at + step) - frame.x(at)) * 0.66, 0.7)
    style = "up" if close >= opened else "down"
    top, bottom = frame.y(max(opened, close)), frame.y(min(opened, close))
    return (
        f'<path class="{style}" d="M{x:.1f} {frame.y(high):.1f}V{frame.y(low):.1f}'
        f'M{x - breadth / 2:.1f} {top:.1f}h{breadth:.1f}v{max(bottom - top, 0.8):.1f}h{-breadth:.1f}z"/>'
    )


def _trade(frame: Frame, trade: Mapping[str, Any]) -> str:
    x1, y1 = frame.x(trade["entry_time"]), frame.y(trade["entry_price"])
    x2, y2 = frame.x(trade["exit_time"]), frame.y(trade["exit_price"])
    point = -1 if trade["side"] == "long" else 1
    style = "won" if trade["pnl"] > 0 else "lost"
    words = f"{trade['side']} {_moment(trade['entry_time'])}: {percent(trade['return'], 2)}, {trade['exit_reason']}"
    return (
        f'<g class="{style}"><title>{escape(words)}</title><line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
        f'<path d="M{x1:.1f} {y1 - point * 2:.1f}l-4 {-point * 7}h8z"/><circle cx="{x2:.1f}" cy="{y2:.1f}" r="2.4"/></g>'
    )


def _moment(at_ms: float) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def distribution_drawing(returns: Sequence[float]) -> str:
    """How often trades returned how much; the outermost bars hold everything beyond them."""
    values = np.array(returns, float)
    reach = float(np.percentile(np.abs(values), 99)) or float(np.abs(values).max()) or 0.01
    edges = np.linspace(-reach, reach, _BINS + 1)
    counts, _ = np.histogram(np.clip(values, -reach, reach), edges)
    frame = Frame(_LEFT, 10, _INNER, 200, -reach, reach, 0.0, float(counts.max()) * 1.08)
    body = [y_axis(frame, [(tick, f"{tick:g}") for tick in round_ticks(0, frame.y_high, 4)])]
    for count, left, right in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        style = "gain-bar" if left + right > 1e-12 else "loss-bar" if left + right < -1e-12 else "zero-bar"
        x, y = frame.x(left), frame.y(count)
        breadth, tall = frame.x(right) - x - 1, frame.y(0) - y
        words = f"{percent(left, 2)} to {percent(right, 2)}: {count}"
        body.append(
            f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{breadth:.1f}" height="{tall:.1f}"><title>{words}</title></rect>'
        )
    mean = float(values.mean())
    body.append(
        f'<line class="mean" x1="{frame.x(mean):.1f}" x2="{frame.x(mean):.1f}" y1="10" y2="{frame.y(0):.1f}"/>'
        if abs(mean) <= reach
        else ""
    )
    body.append(x_axis(frame, [(tick, percent(tick)) for tick in round_ticks(-reach, reach, 8)]))
    return drawing(WIDTH, 236, "".join(body), "Distribution of trade returns")


def fan_drawing(fan: Mapping[str, Any]) -> str:
    """The bands of a Monte Carlo simulation: account over capital, by the number of trades behind it."""
    bands = [[float(value) for value in band] for band in fan["bands"]]
    low, high = spread_out([value for band in bands for value in band[1:]])
    frame = Frame(_LEFT, 10, _INNER, 230, bands[0][0], bands[-1][0], low, high)
    body = [y_axis(frame, [(tick, f"{tick:.3g}x") for tick in round_ticks(low, high, 4)])]
    count = len(fan["percentiles"])
    for place in range(count // 2):
        there = [(band[0], band[1 + place]) for band in bands]
        back = [(band[0], band[count - place]) for band in reversed(bands)]
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in (*there, *back))
        body.append(f'<polygon class="band" points="{path}"/>')
    body.append(polyline(frame, [(band[0], band[1 + count // 2]) for band in bands], "gain-line"))
    body.append(x_axis(frame, [(tick, f"{tick:g}") for tick in round_ticks(frame.x_low, frame.x_high, 8)]))
    return drawing(WIDTH, 266, "".join(body), "Monte Carlo: 5th to 95th percentile by trades")
