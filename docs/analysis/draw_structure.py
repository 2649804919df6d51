"""Draw the examples of `structure.md`: small hand-made candles, read by the real code, as SVG files beside this one.

python -m docs.analysis.draw_structure
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.structure import Settings, StructureObject, analyse

Quote = tuple[float, float, float, float]

FOLDER = Path(__file__).with_name("structure")
SMALL = Settings(swing_length=2, atr_period=2, flow_window=3)
STEP, HEIGHT, MARGIN = 26, 240, 34
UP, DOWN, INK = "#2a9d62", "#c8453b", "#333333"
RISE = (12, 11, 10, 12, 14, 16, 14, 13, 12, 14, 15, 18, 19)
TOPS = (10, 11, 15, 12, 11, 12, 15.02, 12, 11, 12)


def zigzag(*closes: float) -> list[Quote]:
    """Candles whose bodies join the closes, with wicks of a quarter."""
    quotes, before = [], 2 * closes[0] - closes[1]
    for close in closes:
        quotes.append((before, max(before, close) + 0.25, min(before, close) - 0.25, close))
        before = close
    return quotes


def read(quotes: list[Quote], *kinds: str) -> list[StructureObject]:
    """The objects of the kinds named, as the code reads them."""
    opened, high, low, close = np.array(quotes, float).T
    stamps = np.arange(len(quotes), dtype=np.int64)
    volume = np.ones(len(quotes))
    return analyse(Candles.checked(stamps, opened, high, low, close, volume, timeframe_ms=1), SMALL).objects(*kinds)


class Picture:
    """An SVG of candles with objects laid over them."""

    def __init__(self, quotes: list[Quote]) -> None:
        self.quotes = quotes
        self.top = max(quote[1] for quote in quotes) + 0.4
        self.bottom = min(quote[2] for quote in quotes) - 0.4
        self.width = 2 * MARGIN + STEP * len(quotes) + 70
        self.parts: list[str] = []

    def x(self, index: float) -> float:
        return MARGIN + STEP * (index + 0.5)

    def y(self, price: float) -> float:
        return MARGIN / 2 + (self.top - price) / (self.top - self.bottom) * (HEIGHT - MARGIN)

    def candles(self) -> None:
        """The candles, numbered from nought."""
        for index, (opened, high, low, close) in enumerate(self.quotes):
            colour = UP if close >= opened else DOWN
            top, size = self.y(max(opened, close)), max(abs(self.y(opened) - self.y(close)), 1.0)
            self.parts += [
                f'<line x1="{self.x(index):.1f}" x2="{self.x(index):.1f}" y1="{self.y(high):.1f}" y2="{self.y(low):.1f}" stroke="{colour}"/>',
                f'<rect x="{self.x(index) - 7:.1f}" y="{top:.1f}" width="14" height="{size:.1f}" fill="{colour}"/>',
                f'<text x="{self.x(index):.1f}" y="{HEIGHT - 4}" text-anchor="middle" fill="#999999">{index}</text>',
            ]

    def zone(self, found: StructureObject, name: str) -> None:
        """A box from where the object lies to where it ended, with a mark where it became known."""
        colour = UP if found.direction > 0 else DOWN
        end = len(self.quotes) - 0.5 if found.invalidated_index is None else found.invalidated_index
        begin = found.confirmed_index if found.kind == "breaker_block" else found.formed_index
        left, right = self.x(begin), self.x(end)
        top, size = self.y(found.high), max(self.y(found.low) - self.y(found.high), 1.5)
        known = self.x(found.confirmed_index)
        self.parts += [
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{size:.1f}" fill="{colour}" fill-opacity="0.16" stroke="{colour}" stroke-dasharray="3 2"/>',
            f'<line x1="{known:.1f}" x2="{known:.1f}" y1="{top - 5:.1f}" y2="{top + size + 5:.1f}" stroke="{INK}" stroke-width="2"/>',
            f'<text x="{right + 4:.1f}" y="{top + size / 2 + 4:.1f}" fill="{INK}">{name}</text>',
        ]

    def level(self, found: StructureObject, name: str) -> None:
        """A line at the object's price from where it lies to where it became known."""
        left, right, height = self.x(found.formed_index), self.x(found.confirmed_index), self.y(found.price)
        self.parts += [
            f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{height:.1f}" y2="{height:.1f}" stroke="{INK}" stroke-dasharray="5 3"/>',
            f'<circle cx="{right:.1f}" cy="{height:.1f}" r="3" fill="{INK}"/>',
            f'<text x="{(left + right) / 2:.1f}" y="{height - 4:.1f}" text-anchor="middle" fill="{INK}">{name}</text>',
        ]

    def save(self, name: str) -> None:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {HEIGHT}" width="{self.width}" '
            f'height="{HEIGHT}" font-family="sans-serif" font-size="10"><rect width="100%" height="100%" fill="#ffffff"/>'
        )
        (FOLDER / f"{name}.svg").write_text("\n".join([head, *self.parts, "</svg>", ""]))


def draw_breaks() -> None:
    """Breaks of structure and changes of character."""
    quotes = zigzag(*RISE, 16, 13, 11, 10)
    picture = Picture(quotes)
    picture.candles()
    for found in read(quotes, "swing_high", "swing_low"):
        picture.level(found, found.label or ("high" if found.direction > 0 else "low"))
    for found in read(quotes, "bos", "choch"):
        picture.level(found, "BOS" if found.kind == "bos" else "CHoCH")
    picture.save("breaks")


def draw_blocks() -> None:
    """An order block and the move it stands before."""
    quotes = zigzag(*RISE, 16, 12.1, 11, 10, 12, 13, 14)
    picture = Picture(quotes)
    picture.candles()
    picture.zone(read(quotes, "order_block")[0], "")
    picture.zone(read(quotes, "breaker_block")[0], "breaker")
    picture.save("order_block")


def draw_gap() -> None:
    """A fair value gap and its filling."""
    quotes = [
        (10, 10.5, 9.5, 10.2),
        (10.2, 13, 10, 12.8),
        (12.8, 14, 11.5, 13.5),
        (13.5, 13.9, 11.3, 13),
        (13, 13.2, 10.9, 12),
        (12, 12.2, 10.3, 11),
    ]
    picture = Picture(quotes)
    picture.candles()
    picture.zone(read(quotes, "fvg")[0], "")
    picture.save("fair_value_gap")


def draw_sweep() -> None:
    """Liquidity above equal highs, and the sweep of it."""
    quotes = [*zigzag(*TOPS), (12, 15.6, 11.8, 14.0), (14.0, 14.2, 13.0, 13.5), (13.5, 13.6, 12, 12.2)]
    picture = Picture(quotes)
    picture.candles()
    picture.zone(next(o for o in read(quotes, "liquidity_pool") if o.direction > 0), "")
    picture.zone(read(quotes, "liquidity_sweep")[1], "sweep")
    picture.save("pool_and_sweep")


def draw_range() -> None:
    """The dealing range with its premium and discount."""
    quotes = zigzag(*RISE[:12])
    picture = Picture(quotes)
    picture.candles()
    last = read(quotes, "dealing_range")[-1]
    picture.zone(last, "premium / discount")
    picture.level(last, "equilibrium")
    picture.save("dealing_range")


def draw_strat() -> None:
    quotes = [(9, 10, 8, 9.5), (9.5, 11.5, 9.2, 11), (10.5, 11, 10.2, 10.6), (10.5, 10.9, 9.5, 9.6), (9.6, 10, 9, 9.2)]
    picture = Picture(quotes)
    picture.candles()
    picture.zone(read(quotes, "strat_reversal")[0], "2-1-2 reversal")
    picture.save("strat")


def draw_all() -> None:
    """Write every picture."""
    FOLDER.mkdir(exist_ok=True)
    for draw in (draw_breaks, draw_blocks, draw_gap, draw_sweep, draw_range, draw_strat):
        draw()


if __name__ == "__main__":
    draw_all()
