"""What analysis found, drawn on candles: as a picture (PNG bytes) and as JSON for the dashboard's chart.

Both come from the same shapes, so they show the same. A shape begins on the bar where the thing lies and says when it was
known. Nothing is drawn that analysis did not say.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from modules.analysis.candles import Candles
from modules.domain.errors import InvalidInput
from modules.domain.market import utc_from_ms

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from modules.analysis.detectors.records import Evidence
    from modules.analysis.structure import StructureObject

MOST_CANDLES = 160
MOST_SHAPES = 40

_BACK, _GRID, _TEXT = "#12161c", "#222a35", "#c9d1d9"
_UP, _DOWN, _FLAT = "#26a69a", "#ef5350", "#64b5f6"
_TONES = {1: _UP, -1: _DOWN, 0: _FLAT}
_ON_ONE_BAR = {
    "swing_high", "swing_low", "liquidity_sweep", "displacement", "strat_reversal", "strat_continuation", "absorption",
    "volume_impulse", "money_flow_divergence",
}  # fmt: skip
_SAID = {"bullish": 1, "bearish": -1}  # evidence against the detection it belongs to says so itself
_DOTTED = 12  # a path with more points is a stop that follows the price, not a leg
_NEAR = 3.0  # visible price ranges within which a level is worth drawing

Form = Literal["zone", "level", "path", "mark"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing to draw. `points` are (ms UTC, price): two corners of a zone, the ends of a level, the turns of a path.

    A zone or level whose last time is None goes on to the right edge. `direction` is 1, -1 or 0.
    """

    form: Form
    kind: str
    label: str
    direction: int
    points: tuple[tuple[int | None, float], ...]
    known_at: int | None = None


def structure_shapes(objects: Iterable[StructureObject]) -> list[Shape]:
    """Shapes of structure objects: zones for what has a height, levels for lines, marks for what happened on one bar."""
    return [_structure_shape(each) for each in objects]


def evidence_shapes(evidence: Iterable[Evidence], direction: float = 0.0) -> list[Shape]:
    """Shapes of a detection's evidence, in the tone of its direction. Evidence without any price has none."""
    sign = (direction > 0) - (direction < 0)
    found = (_evidence_shape(each, sign) for each in evidence)
    return [shape for shape in found if shape is not None]


def analysis_chart(candles: Candles, shapes: Sequence[Shape], title: str) -> bytes:
    """The picture, 1000 x 600 pixels: the newest candles with their volume, and the shapes that lie near them.

    Raises InvalidInput without a candle.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not len(candles):
        raise InvalidInput("there are no candles to draw on")
    shown = candles[-MOST_CANDLES:]
    figure = Figure(figsize=(10, 6), dpi=100, facecolor=_BACK)
    FigureCanvasAgg(figure)
    prices, volumes = figure.add_axes((0.04, 0.26, 0.82, 0.66)), figure.add_axes((0.04, 0.07, 0.82, 0.17))
    for axes in (prices, volumes):
        _style(axes)
    _draw_bars(prices, volumes, shown)
    labels = _Labels(prices, len(shown))
    for shape in visible(shapes, shown):
        _draw(prices, shape, shown, labels)
    prices.set_title(title, color=_TEXT, fontsize=12, loc="left", fontweight="bold")
    last = utc_from_ms(shown.closed_at(len(shown) - 1))
    prices.set_title(f"closed by {last:%Y-%m-%d %H:%M} UTC", color=_TEXT, fontsize=9, loc="right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=_BACK)
    return buffer.getvalue()


def chart_json(candles: Candles, shapes: Sequence[Shape], most_candles: int = MOST_CANDLES) -> dict[str, Any]:
    """The same for the dashboard: candles as `[ms, open, high, low, close, volume]`, and every visible shape."""
    shown = candles[-most_candles:]
    columns = (shown.timestamp, shown.open, shown.high, shown.low, shown.close, shown.volume)
    rows = [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    return {
        "symbol": candles.symbol,
        "timeframe_ms": candles.timeframe_ms,
        "candles": rows,
        "shapes": [asdict(shape) for shape in visible(shapes, shown)] if rows else [],
    }


def visible(shapes: Sequence[Shape], shown: Candles) -> list[Shape]:
    """The newest shapes that reach into the candles shown and lie near their prices."""
    low, high = float(shown.low.min()), float(shown.high.max())
    margin = (high - low) * (_NEAR - 1) / 2 or high * 0.05
    start = int(shown.timestamp[0])

    def near(shape: Shape) -> bool:
        values = [price for _, price in shape.points]
        times = [at for at, _ in shape.points]
        late = any(at is None or at >= start for at in times)
        return late and max(values) >= low - margin and min(values) <= high + margin

    chosen = [shape for shape in shapes if near(shape)]
    newest = sorted(chosen, key=lambda one: one.known_at or 0)[-MOST_SHAPES:]
    return [shape for shape in chosen if shape in newest]


def _structure_shape(found: StructureObject) -> Shape:
    label = f"{found.kind.replace('_', ' ')}{f' {found.label}' if found.label else ''}"
    ended = found.invalidated_at
    form: Form
    points: tuple[tuple[int | None, float], ...]
    if found.kind in _ON_ONE_BAR:
        form, points = "mark", ((found.formed_at, found.price),)
    elif found.kind in ("bos", "choch"):
        form, points = "level", ((found.formed_at, found.price), (found.confirmed_at, found.price))
    elif found.high > found.low:
        form, points = "zone", ((found.formed_at, found.low), (ended, found.high))
    else:
        form, points = "level", ((found.formed_at, found.price), (ended, found.price))
    return Shape(form, found.kind, label, found.direction, points, found.confirmed_at)


def _evidence_shape(each: Evidence, direction: int) -> Shape | None:
    label = each.label or each.kind.replace("_", " ")
    path = tuple((int(point[0]), float(point[1])) for point in each.points)
    form: Form
    points: tuple[tuple[int | None, float], ...]
    if len(path) > 1:
        form, points = "path", path
    elif each.low is not None and each.high is not None and each.high > each.low:
        form, points = "zone", ((each.formed_at, each.low), (None, each.high))
    elif each.price is not None:
        form, points = "level", ((each.formed_at, each.price), (None, each.price))
    else:
        return None
    return Shape(form, each.kind, label, _SAID.get(label.split(" ")[0].lower(), direction), points, each.confirmed_at)


def _style(axes: Axes) -> None:
    axes.set_facecolor(_BACK)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.tick_params(colors=_TEXT, labelsize=8)
    axes.yaxis.tick_right()
    for spine in axes.spines.values():
        spine.set_color(_GRID)


def _draw_bars(prices: Axes, volumes: Axes, candles: Candles) -> None:
    count = len(candles)
    x = np.arange(count)
    tones = [_UP if up else _DOWN for up in (candles.close >= candles.open).tolist()]
    prices.vlines(x, candles.low, candles.high, colors=tones, linewidth=1)
    body = np.maximum(np.abs(candles.close - candles.open), candles.close * 1e-5)
    prices.bar(x, body, bottom=np.minimum(candles.open, candles.close), width=0.7, color=tones)
    volumes.bar(x, candles.volume, width=0.7, color=tones, alpha=0.6)
    volumes.set_yticks([])
    ticks = np.linspace(0, count - 1, min(6, count)).astype(int)
    volumes.set_xticks(ticks, [f"{utc_from_ms(int(candles.timestamp[i])):%d %b %H:%M}" for i in ticks])
    prices.set_xticks(ticks, [""] * len(ticks))
    low, high = float(candles.low.min()), float(candles.high.max())
    margin = (high - low) * 0.15 or high * 0.01
    prices.set_ylim(low - margin, high + margin)
    for axes in (prices, volumes):
        axes.set_xlim(-1, count)


def _place(candles: Candles, at: int | None) -> float:
    """The bar's place on the axis: the right edge for None, the left edge for what lies before the first candle."""
    if at is None:
        return float(len(candles))
    return float(np.searchsorted(candles.timestamp, at, side="right") - 1)


class _Labels:
    """Writes labels where none is yet; one that would lie on another is left out."""

    def __init__(self, axes: Axes, bars: int) -> None:
        self._axes, self._bars = axes, bars
        self._taken: list[tuple[float, float, float, float]] = []

    def write(self, text: str, x: float, price: float, tone: str) -> None:
        """Beside the place, to its left near the right edge."""
        low, high = self._axes.get_ylim()
        if not low <= price <= high:
            return
        across, up = max(x, 0.0) / self._bars, (price - low) / (high - low)
        width, height = 0.0075 * len(text), 0.028
        left = across - width if across + width > 1 else across
        box = (left, up, left + width, up + height)
        if any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in self._taken):
            return
        self._taken.append(box)
        self._axes.annotate(
            text,
            (left, up),
            xycoords="axes fraction",
            xytext=(2, 2),
            textcoords="offset points",
            color=tone,
            fontsize=7,
        )


def _draw(axes: Axes, shape: Shape, candles: Candles, labels: _Labels) -> None:
    tone = _TONES[shape.direction]
    x = [_place(candles, at) for at, _ in shape.points]
    y = [price for _, price in shape.points]
    match shape.form:
        case "zone":
            width = max(x[1] - x[0], 0.5)
            axes.bar([x[0]], [y[1] - y[0]], width=width, bottom=y[0], align="edge", color=tone, alpha=0.18)
        case "level":
            axes.plot(x, y, color=tone, linewidth=1.1, linestyle="--")
        case "path":
            line = "" if len(x) > _DOTTED else "-"
            axes.plot(x, y, color=tone, linewidth=1.4, linestyle=line, marker="o", markersize=2)
        case "mark":
            axes.plot(x, y, color=tone, marker="v" if shape.direction > 0 else "^", markersize=5, linestyle="")
            return
    labels.write(shape.label, x[0] if shape.form != "path" else x[-1], y[-1], tone)
