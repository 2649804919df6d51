"""A rehearsal drawn: the wallet from close to close, and per signal what was claimed beside what prices show. PNG bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from modules.rehearsal.report import claimed_level, summary
from modules.rehearsal.run import Rehearsal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BACK, _GRID, _TEXT = "#12161c", "#222a35", "#c9d1d9"
_GAIN, _LOSS, _CLAIM, _SHOWN = "#26a69a", "#ef5350", "#b39ddb", "#66bb6a"
_MOST_ROWS = 40


def draw(result: Rehearsal) -> bytes:
    """The picture, 1100 pixels wide."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(len(result.signals[:_MOST_ROWS]), 4)
    height = 4.2 + 0.28 * rows
    figure = Figure(figsize=(11, height), dpi=100, facecolor=_BACK)
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, height_ratios=[3, 0.28 * rows], gridspec_kw={"hspace": 0.32})
    for axes in (top, bottom):
        axes.set_facecolor(_BACK)
        axes.tick_params(colors=_TEXT, labelsize=8)
        axes.grid(color=_GRID, linewidth=0.6)
        for spine in axes.spines.values():
            spine.set_color(_GRID)
    _wallet(top, result)
    _claims(bottom, result)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=_BACK, bbox_inches="tight")
    return buffer.getvalue()


def _wallet(axes: Axes, result: Rehearsal) -> None:
    total = summary(result)
    times = np.array(
        [at.replace(tzinfo=None) for at in (result.start, *(at for at, _ in result.equity))], "datetime64[s]"
    )
    values = [float(result.balance), *(float(value) for _, value in result.equity)]
    color = _GAIN if values[-1] >= values[0] else _LOSS
    axes.step(times, values, where="post", color=color, linewidth=1.6)
    axes.axhline(float(result.balance), color=_TEXT, linewidth=0.7, linestyle=":")
    axes.set_title("wallet, USDT", color=_TEXT, loc="left", fontsize=11)
    figures = f"{total['traded']} trades, net {total['net_pnl']} ({total['return_percent']} %), average R {total['average_r']}"
    axes.set_title(figures, color=_TEXT, loc="right", fontsize=9)


def _claims(axes: Axes, result: Rehearsal) -> None:
    shown = result.signals[:_MOST_ROWS]
    places = list(range(len(shown)))
    axes.barh(
        [y - 0.2 for y in places],
        [claimed_level(row) for row in shown],
        height=0.36,
        color=_CLAIM,
        label="targets claimed",
    )
    axes.barh(
        [y + 0.2 for y in places],
        [len(row.signal.hits) for row in shown],
        height=0.36,
        color=_SHOWN,
        label="targets by prices",
    )
    for y, row in zip(places, shown, strict=True):
        position = row.position
        made = (
            f"{position.net_pnl:+.2f} USDT, {position.close_reason}"
            if position
            else (row.signal.reason or "").replace("_", " ")
        )
        color = _TEXT if position is None else _GAIN if position.net_pnl >= 0 else _LOSS
        end = max(claimed_level(row), len(row.signal.hits))
        axes.annotate(made, (end, y), xytext=(6, 0), textcoords="offset points", color=color, fontsize=7.5, va="center")
    names = [f"{row.signal.said_at:%d %b %H:%M}  {row.signal.symbol} {row.signal.side.value}" for row in shown]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xticks(range(max([1, *(max(claimed_level(row), len(row.signal.hits)) for row in shown)]) + 1))
    axes.set_title("the channel's claims beside what prices say", color=_TEXT, loc="left", fontsize=11)
    axes.legend(loc="upper right", fontsize=8, facecolor=_BACK, labelcolor=_TEXT, edgecolor=_GRID)
