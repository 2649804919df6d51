"""Scales, ticks and paths of a drawing in SVG. Colours are left to the page's style, by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, isfinite, log10
from typing import Final

_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_DAY_MS: Final = 86_400_000
_WIDE: Final = 8.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of the drawing, in pixels, and the values its edges stand for; `by_factors` makes its height logarithmic."""

    left: float
    top: float
    width: float
    height: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    by_factors: bool = False

    def x(self, value: float) -> float:
        """Pixels from the left of the drawing."""
        return self.left + (value - self.x_low) / ((self.x_high - self.x_low) or 1.0) * self.width

    def y(self, value: float) -> float:
        """Pixels from its top."""
        high, low = self.y_high, self.y_low
        if self.by_factors:
            high, low, value = log10(high), log10(low), log10(max(value, low))
        return self.top + (high - value) / ((high - low) or 1.0) * self.height

    def ticks(self, wanted: int = 5) -> list[tuple[float, str]]:
        """Round values for its height, and how they are written."""
        if not self.by_factors:
            return [(tick, short_number(tick)) for tick in round_ticks(self.y_low, self.y_high, wanted)]
        first, last = floor(log10(self.y_low)), ceil(log10(self.y_high))
        leads = (1, 2, 5) if last - first < wanted else (1,)
        found = [lead * 10.0**power for power in range(first, last + 1) for lead in leads]
        return [(tick, short_number(tick)) for tick in found if self.y_low <= tick <= self.y_high]


def spread_out(values: Iterable[float], margin: float = 0.05) -> tuple[float, float]:
    """Lowest and highest value with some room around them, never the same."""
    known = [value for value in values if isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return low - room, high + room


def wide(low: float, high: float) -> bool:
    """Whether values reach so far that equal steps would hide the small ones: they are then drawn by factors."""
    return low > 0.0 and high / low > _WIDE


def round_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers between two values, about as many as wanted."""
    rough = (high - low) / max(wanted, 1)
    if not (isfinite(rough) and rough > 0):
        return [low]
    size = 10.0 ** floor(log10(rough))
    step = next(size * each for each in _STEPS if size * each >= rough * 0.999)
    return [number * step for number in range(ceil(low / step), floor(high / step) + 1)]


def time_ticks(start_ms: float, end_ms: float, wanted: int = 7) -> list[tuple[float, str]]:
    """Times between two, evenly, each with a short text: with the hour where days are few."""
    span = end_ms - start_ms
    pattern = "%d %b %H:%M" if span < 6 * _DAY_MS else "%d %b %y" if span < 800 * _DAY_MS else "%b %Y"
    ticks = []
    for number in range(wanted):
        at = start_ms + span * (number + 0.5) / wanted
        ticks.append((at, f"{datetime.fromtimestamp(at / 1000, UTC):{pattern}}"))
    return ticks


def short_number(value: float) -> str:
    """A figure for an axis: 12.5k, 3.2M, 0.0004."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scale = 1e3 if letter == "k" else size
            return f"{value / scale:.4g}{letter}"
    return f"{value:.5g}"


def percent(value: float, places: int = 1) -> str:
    """A fraction as percent."""
    return f"{value * 100:,.{places}f} %"


def polyline(frame: Frame, points: Sequence[tuple[float, float]], style: str) -> str:
    """A line through points given in values."""
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    return f'<polyline class="{style}" points="{path}"/>'


def area(frame: Frame, points: Sequence[tuple[float, float]], base: float, style: str) -> str:
    """What lies between a line and the value `base`."""
    if not points:
        return ""
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    first, last, ground = frame.x(points[0][0]), frame.x(points[-1][0]), frame.y(base)
    return f'<polygon class="{style}" points="{first:.1f},{ground:.1f} {path} {last:.1f},{ground:.1f}"/>'


def text(x: float, y: float, words: str, anchor: str = "start", style: str = "label") -> str:
    """Words at a place, escaped."""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def y_axis(frame: Frame, ticks: Iterable[tuple[float, str]]) -> str:
    """Horizontal lines with their values at the right."""
    parts = []
    for value, words in ticks:
        y, right = frame.y(value), frame.left + frame.width
        parts.append(f'<line class="grid" x1="{frame.left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(right + 6, y + 4, words))
    return "".join(parts)


def x_axis(frame: Frame, ticks: Iterable[tuple[float, str]]) -> str:
    """Words under the frame."""
    bottom = frame.top + frame.height + 16
    return "".join(text(frame.x(at), bottom, words, "middle") for at, words in ticks)


def drawing(width: int, height: int, body: str, title: str) -> str:
    """The whole drawing; it grows and shrinks with the page."""
    return (
        f'<svg class="drawing" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )
