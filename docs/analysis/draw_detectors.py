"""Draw the examples of `detectors.md` and `scores.md`: made-up candles, read by the real detectors.

python -m docs.analysis.draw_detectors
"""

from __future__ import annotations

import io
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from modules.analysis.candles import Candles
from modules.analysis.detectors import DETECTORS, Context
from modules.notices.analysis_charts import analysis_chart, evidence_shapes

FOLDER = Path(__file__).with_name("detectors")
HOUR_MS = 3_600_000
START_MS = 1_700_006_400_000
BARS_A_LEG = 12

#: Turning prices of one market for each detector that reads candles.
EXAMPLES: dict[str, tuple[float, ...]] = {
    "harmonic": (120, 100, 140, 115.3, 130, 108.6, 113),
    "elliott": (108, 100, 110, 104, 124, 114.5, 129, 125),
    "smc": (120, 130, 124, 138, 132, 148, 142, 158, 152),
    "fibonacci": (110, 118, 100, 140, 116),
    "price_action": (130, 110, 122, 111, 110, 114),
    "sar": (115, 110, 125, 122, 150, 147, 168),
}


def candles_along(prices: tuple[float, ...]) -> Candles:
    """Hours along a line of prices, a little restless."""
    legs = [np.linspace(a, b, BARS_A_LEG, endpoint=False) for a, b in pairwise(prices)]
    close = np.concatenate([*legs, [prices[-1]]])
    noise = np.random.default_rng(5).normal(0, 0.25, len(close))
    noise[::BARS_A_LEG] = 0
    close = close + noise
    opened = np.concatenate([close[:1], close[:-1]])
    wicks = np.abs(np.random.default_rng(6).normal(0, 0.3, (2, len(close))))
    return Candles.checked(
        START_MS + np.arange(len(close), dtype=np.int64) * HOUR_MS,
        opened,
        np.maximum(opened, close) + wicks[0],
        np.minimum(opened, close) - wicks[1],
        close,
        np.full(len(close), 100.0),
        timeframe_ms=HOUR_MS,
        symbol="EXAMPLE",
    )


def draw(name: str, prices: tuple[float, ...]) -> str:
    """Writes one picture and returns what the detector says of it."""
    candles = candles_along(prices)
    detector = next(each for each in DETECTORS if each.name == name)
    found = detector.detect(candles, Context())
    png = analysis_chart(candles, evidence_shapes(found.evidence, found.direction), f"{name}: {found.direction:+.2f}")
    FOLDER.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=48)
        small.save(FOLDER / f"{name}.png", optimize=True)
    return f"{name}: {found.direction:+.2f} at {found.confidence:.0%}: {found.reason}"


def main() -> None:
    """All of them."""
    for name, prices in EXAMPLES.items():
        sys.stdout.write(draw(name, prices) + "\n")


if __name__ == "__main__":
    main()
