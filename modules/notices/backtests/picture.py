"""A backtest as one picture for a chat: equity, drawdown, and the price with its trades. PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modules.analysis.candles import Floats, Integers
from modules.backtesting.benchmark import hold_equity
from modules.backtesting.documents import thinned, timeframe_name
from modules.backtesting.result import Result
from modules.backtesting.statistics import metrics_of
from modules.domain.market import utc_from_ms
from modules.notices.backtests.canvas import Frame, wide
from modules.notices.backtests.drawings import chosen
from modules.notices.backtests.page import shown, strategy_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BACK, _GRID, _TEXT = "#12161c", "#222a35", "#c9d1d9"
_GAIN, _LOSS, _MARKET = "#26a69a", "#ef5350", "#9d8cff"
_MOST_POINTS: Final = 1_600
_TOLD: Final = (("total_return", "return"), ("max_drawdown", "drawdown"), ("sharpe", "Sharpe"), ("win_rate", "won"))


def picture(result: Result, strategy: Mapping[str, Any] | str) -> bytes:
    """The run's picture, 1000 x 700 pixels. Raises ValueError for a run of less than two bars."""
    if len(result.times) < 2:
        raise ValueError("a run of less than two bars can't be drawn")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), dpi=100, facecolor=_BACK)
    FigureCanvasAgg(figure)
    upper, middle, lower = figure.subplots(3, 1, height_ratios=(5, 2, 5), sharex=True)
    figure.subplots_adjust(left=0.035, right=0.9, top=0.9, bottom=0.055, hspace=0.07)
    for axes in (upper, middle, lower):
        _style(axes)
    _equity(upper, result)
    _depths(middle, result)
    _price(lower, result)
    times = result.times
    ticks = np.linspace(float(times[0]), float(times[-1]), 7)[:-1] + float(times[-1] - times[0]) / 12
    lower.set_xticks(ticks, [f"{utc_from_ms(int(at)):%d %b %y}" for at in ticks])
    lower.set_xlim(float(times[0]), float(times[-1]))
    _title(figure, result, strategy)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=_BACK)
    return buffer.getvalue()


def _style(axes: Axes) -> None:
    axes.set_facecolor(_BACK)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.tick_params(colors=_TEXT, labelsize=8, length=0)
    axes.yaxis.tick_right()
    for spine in axes.spines.values():
        spine.set_color(_GRID)


def _curve(times: Integers, values: Floats) -> tuple[Integers, Floats]:
    kept = thinned(values, _MOST_POINTS)
    return times[kept], values[kept]


def _equity(axes: Axes, result: Result) -> None:
    axes.plot(
        *_curve(result.times, hold_equity(result)), color=_MARKET, linewidth=1, linestyle="--", label="buy and hold"
    )
    axes.plot(*_curve(result.times, result.equity), color=_GAIN, linewidth=1.4, label="equity")
    axes.axhline(result.assumptions.capital, color=_TEXT, linewidth=0.6, alpha=0.5)
    _by_factors(axes, (result.equity, hold_equity(result)))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="upper left", fontsize=8, facecolor=_BACK, edgecolor=_GRID, labelcolor=_TEXT)


def _by_factors(axes: Axes, curves: Sequence[Floats]) -> None:
    """A logarithmic scale for values that reach far."""
    low, high = min(float(curve.min()) for curve in curves), max(float(curve.max()) for curve in curves)
    if wide(low, high):
        axes.set_yscale("log")
        axes.set_ylim(low / 1.08, high * 1.08)
        axes.set_yticks([tick for tick, _ in Frame(0, 0, 1, 1, 0, 1, low, high, by_factors=True).ticks()])
        axes.minorticks_off()


def _depths(axes: Axes, result: Result) -> None:
    peak = np.maximum(np.maximum.accumulate(result.equity), result.assumptions.capital)
    times, depths = _curve(result.times, result.equity / peak - 1.0)
    axes.fill_between(times, depths * 100, 0, color=_LOSS, alpha=0.35, linewidth=0)
    axes.plot(times, depths * 100, color=_LOSS, linewidth=0.9)
    axes.yaxis.set_major_formatter("{x:.0f} %")


def _price(axes: Axes, result: Result) -> None:
    """The first market; of several only its trades are shown."""
    candles = result.markets[0]
    axes.plot(*_curve(candles.timestamp, candles.close), color=_TEXT, linewidth=0.8, alpha=0.8)
    own = chosen([trade for trade in result.trade_documents() if trade["symbol"] == (candles.symbol or "")], 300)
    for won, color in ((True, _GAIN), (False, _LOSS)):
        trades = [trade for trade in own if (float(str(trade["pnl"])) > 0) == won]
        for side, mark in (("long", "^"), ("short", "v")):
            entered = [trade for trade in trades if trade["side"] == side]
            axes.scatter(
                [trade["entry_time"] for trade in entered], [trade["entry_price"] for trade in entered], marker=mark,
                s=22, color=color, linewidths=0, zorder=3,
            )  # fmt: skip
        axes.scatter(
            [trade["exit_time"] for trade in trades], [trade["exit_price"] for trade in trades], marker="o", s=7,
            color=color, linewidths=0, zorder=3,
        )  # fmt: skip
    _by_factors(axes, (candles.low, candles.high))
    axes.yaxis.set_major_formatter("{x:,.6g}")


def _title(figure: Any, result: Result, strategy: Mapping[str, Any] | str) -> None:
    metrics = metrics_of(result)
    told = "   ".join(f"{word} {shown(name, metrics[name])}" for name, word in _TOLD)
    # A dollar sign in a name would begin a formula.
    name = strategy_name(strategy)[:60].replace("$", r"\$")
    market = f"{', '.join(result.symbols)[:60]} {timeframe_name(result.timeframe_ms)}".replace("$", r"\$")
    figure.text(0.035, 0.955, name, color=_TEXT, fontsize=14, fontweight="bold")
    figure.text(0.035, 0.918, f"{told}   trades {metrics['trades']:,}", color=_TEXT, fontsize=10)
    figure.text(0.9, 0.955, market, color=_TEXT, fontsize=10, ha="right")
