"""Pictures of a signal: candles where there are any, its entry, targets and stop, and what was reached. PNG bytes.

Drawn from the same values as the text under them. Without candles only the levels are drawn, and the picture says so.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from modules.analysis.candles import Candles
from modules.domain.market import ms_from_utc, utc_from_ms
from modules.domain.money import plain
from modules.domain.signals import Signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BACK, _GRID, _TEXT = "#12161c", "#222a35", "#c9d1d9"
_UP, _DOWN, _ENTRY, _TARGET, _STOP = "#26a69a", "#ef5350", "#64b5f6", "#66bb6a", "#ff7043"
_MOST_CANDLES = 120


def signal_chart(signal: Signal, candles: Candles | None) -> bytes:
    """The signal's picture, 900 x 560 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.6), dpi=100, facecolor=_BACK)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.055, 0.08, 0.775, 0.82))
    shown = candles[-_MOST_CANDLES:] if candles is not None and len(candles) else None
    _style(axes)
    if shown is not None:
        _draw_candles(axes, shown)
    _draw_levels(axes, signal)
    _fit(axes, signal, shown)
    _title(axes, signal, shown)
    if shown is None:
        axes.set_xticks([])
        axes.text(
            0.5,
            0.02,
            "levels only: no candles of this market yet",
            color=_TEXT,
            alpha=0.6,
            ha="center",
            transform=axes.transAxes,
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=_BACK)
    return buffer.getvalue()


def _style(axes: Axes) -> None:
    axes.set_facecolor(_BACK)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.tick_params(colors=_TEXT, labelsize=8)
    axes.yaxis.tick_right()
    axes.yaxis.set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(_GRID)


def _draw_candles(axes: Axes, candles: Candles) -> None:
    count = len(candles)
    x = np.arange(count)
    rising = candles.close >= candles.open
    for up, color in ((True, _UP), (False, _DOWN)):
        chosen = rising == up
        axes.vlines(x[chosen], candles.low[chosen], candles.high[chosen], color=color, linewidth=1)
        bottom = np.minimum(candles.open, candles.close)[chosen]
        height = np.abs(candles.close - candles.open)[chosen]
        axes.bar(x[chosen], np.maximum(height, candles.close[chosen] * 1e-5), bottom=bottom, width=0.7, color=color)
    ticks = np.linspace(0, count - 1, min(6, count)).astype(int)
    axes.set_xticks(ticks, [f"{utc_from_ms(int(candles.timestamp[i])):%d %b %H:%M}" for i in ticks])
    axes.set_xlim(-1, count)


def _draw_levels(axes: Axes, signal: Signal) -> None:
    hits = {hit.number for hit in signal.hits}
    for price in signal.entries:
        _level(axes, float(price), f"entry {plain(price)}", _ENTRY, solid=False)
    if len(signal.entries) == 2 and signal.entry_range:
        axes.axhspan(float(min(signal.entries)), float(max(signal.entries)), color=_ENTRY, alpha=0.12)
    for number, price in enumerate(signal.targets, start=1):
        mark = "✓ " if number in hits else ""
        _level(axes, float(price), f"{mark}T{number} {plain(price)}", _TARGET, solid=number in hits)
    if signal.stop_loss is not None:
        _level(
            axes,
            float(signal.stop_loss),
            f"stop {plain(signal.stop_loss)}",
            _STOP,
            solid=signal.status.ended and not hits,
        )
    if signal.stop_now is not None and signal.stop_now != signal.stop_loss:
        _level(axes, float(signal.stop_now), f"stop now {plain(signal.stop_now)}", _STOP, solid=False)


def _level(axes: Axes, price: float, label: str, color: str, *, solid: bool) -> None:
    axes.axhline(price, color=color, linewidth=1.2, linestyle="-" if solid else "--")
    axes.annotate(
        label, (1.0, price), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
        color=color, fontsize=9, va="center", annotation_clip=False,
    )  # fmt: skip


def _fit(axes: Axes, signal: Signal, candles: Candles | None) -> None:
    prices = [float(price) for price in (*signal.entries, *signal.targets)]
    prices += [float(signal.stop_loss)] if signal.stop_loss is not None else []
    if candles is not None:
        prices += [float(candles.low.min()), float(candles.high.max())]
    low, high = min(prices), max(prices)
    margin = (high - low) * 0.06 or high * 0.01
    axes.set_ylim(low - margin, high + margin)


def _title(axes: Axes, signal: Signal, candles: Candles | None) -> None:
    side: Any = signal.side.value
    title = f"{signal.symbol} {side}"
    if signal.leverage is not None:
        title += f"  {plain(signal.leverage)}x"
    result = f"{signal.status.value}" + (
        f", {plain(signal.return_percent)} %" if signal.return_percent is not None else ""
    )
    axes.set_title(title, color=_TEXT, fontsize=13, loc="left", fontweight="bold")
    axes.set_title(f"{result}   said {signal.said_at:%Y-%m-%d %H:%M} UTC", color=_TEXT, fontsize=9, loc="right")
    if candles is None:
        return
    said = int(np.searchsorted(candles.timestamp, ms_from_utc(signal.said_at), side="right")) - 1
    if 0 <= said < len(candles):
        axes.axvline(said, color=_TEXT, linewidth=0.8, alpha=0.5, linestyle=":")
