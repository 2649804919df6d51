"""The fixed formula: 0.40 RSI and MACD + 0.25 smart money + 0.20 candlesticks + 0.10 sentiment + 0.05 model.

Its weights are a constant, not a setting. A part without an opinion is left out and the weights of the others are raised to
add up to 1; the result says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import fsum, sqrt, tanh
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import shared_context
from modules.analysis.detectors.records import Context, Detection
from modules.analysis.indicators.momentum import macd, rsi

Strength = Literal["STRONG", "MODERATE", "WEAK"]
Side = Literal["BUY", "SELL", "HOLD"]

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"rsi_macd": 0.40, "smc": 0.25, "pattern": 0.20, "sentiment": 0.10, "ml": 0.05}
)
STRONG, MODERATE = 0.20, 0.10
"""Distance of the formula's value from 0.5 for a strong and a moderate signal."""

RSI_MACD_BARS = 40
VOLATILITY_BARS = 20
YEAR_MS = 365 * 86_400_000

# Momentum in the middle of the RSI, exhaustion at its ends; the same on both sides of 50.
_RSI = (0.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 100.0)
_RSI_LEANS = (1.0, 0.8, 0.2, -0.5, 0.0, 0.5, -0.2, -0.8, -1.0)

SESSIONS = ((7, "asia"), (13, "london"), (16, "london_new_york"), (21, "new_york"), (24, "off_hours"))
"""Trading sessions by the hour (UTC) before which each ends."""


@dataclass(frozen=True, slots=True)
class FormulaPart:
    """One part: its weight in the formula, the weight it had here, and its value from 0 (sell) to 1 (buy); None without
    an opinion."""

    name: str
    weight: float
    used_weight: float
    value: float | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The form saved with a signal."""
        return {
            "name": self.name,
            "weight": self.weight,
            "used_weight": self.used_weight,
            "value": self.value,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class FixedScore:
    """The formula at `at` (ms UTC, the close of the last bar).

    `value` is the formula's: 0 all sell, 0.5 neither, 1 all buy. `direction` is the same from -1 to 1, and `score` how strongly
    the side it points to is favoured, from 0.5 to 1, as in the dynamic score. `volatility` is the standard deviation of log
    returns over 20 bars, a year's, as a share; `atr` is in price; None while there are too few bars.
    """

    value: float
    direction: float
    score: float
    side: Side
    strength: Strength
    parts: tuple[FormulaPart, ...]
    left_out: tuple[str, ...]
    price: float
    atr: float | None
    volatility: float | None
    session: str
    at: int

    def as_json(self) -> dict[str, Any]:
        """The form saved with a signal."""
        return {
            "value": self.value,
            "direction": self.direction,
            "score": self.score,
            "side": self.side,
            "strength": self.strength,
            "parts": [part.as_json() for part in self.parts],
            "left_out": list(self.left_out),
            "price": self.price,
            "atr": self.atr,
            "volatility": self.volatility,
            "session": self.session,
        }


def fixed_score(
    candles: Candles, detections: Sequence[Detection], context: Context | None = None, *, ml: float | None = None
) -> FixedScore:
    """The formula over the opinions of one moment; `ml` is a model's lean from -1 to 1 where there is a model.

    Raises ValueError for bad candles, opinions of another moment, or a lean out of range.
    """
    shared = shared_context(candles, context)
    at = candles.closed_at(len(candles) - 1)
    _check_inputs(detections, at, ml)
    assert shared.structure is not None
    atr = float(shared.structure.bars["atr"][-1])
    by_name = {each.detector: each for each in detections}
    leans = {
        "rsi_macd": _rsi_macd(candles, atr),
        "smc": _one(by_name.get("smc")),
        "pattern": _one(by_name.get("price_action")),
        "sentiment": _joined([by_name.get("sentiment"), by_name.get("news")]),
        "ml": (None, "no model is in use") if ml is None else (ml, f"the model leans {ml:+.2f}"),
    }
    known = fsum(WEIGHTS[name] for name, (lean, _) in leans.items() if lean is not None)
    parts = tuple(_part(name, lean, words, known) for name, (lean, words) in leans.items())
    value = fsum(part.used_weight * part.value for part in parts if part.value is not None) if known else 0.5
    value = min(1.0, max(0.0, value))
    away = abs(value - 0.5)
    return FixedScore(
        value=value,
        direction=2 * value - 1,
        score=0.5 + away,
        side=_side(value),
        strength=_strength(away),
        parts=parts,
        left_out=tuple(part.name for part in parts if part.value is None),
        price=float(candles.close[-1]),
        atr=atr if np.isfinite(atr) else None,
        volatility=volatility(candles),
        session=session_of(at),
        at=at,
    )


def _check_inputs(detections: Sequence[Detection], at: int, ml: float | None) -> None:
    for each in detections:
        if each.at != at:
            raise ValueError(f"detections: {each.detector} speaks of {each.at}, the candles end at {at}")
    if ml is not None and not -1 <= ml <= 1:
        raise ValueError(f"ml: {ml} is not within -1 and 1")


def _side(value: float) -> Side:
    if abs(value - 0.5) < MODERATE / 2:
        return "HOLD"
    return "BUY" if value > 0.5 else "SELL"


def _strength(away: float) -> Strength:
    """How strong a side is whose value lies so far from the middle."""
    if away >= STRONG:
        return "STRONG"
    return "MODERATE" if away >= MODERATE else "WEAK"


def _part(name: str, lean: float | None, words: str, known: float) -> FormulaPart:
    used = WEIGHTS[name] / known if lean is not None else 0.0
    return FormulaPart(name, WEIGHTS[name], used, None if lean is None else (lean + 1) / 2, words)


def _rsi_macd(candles: Candles, atr: float) -> tuple[float | None, str]:
    if len(candles) < RSI_MACD_BARS:
        return None, f"not enough data: needs {RSI_MACD_BARS} candles, has {len(candles)}"
    if not atr > 1e-12 * float(candles.close[-1]):
        return None, "the price does not move"
    strength = float(rsi(candles.close)[-1])
    lines = macd(candles.close)
    histogram, line = float(lines.histogram[-1]), float(lines.macd[-1])
    by_rsi = float(np.interp(strength, _RSI, _RSI_LEANS))
    by_macd = 0.7 * tanh(4 * histogram / atr) + 0.3 * tanh(line / atr)
    words = f"RSI {strength:.0f}, MACD histogram {histogram / atr:+.2f} ATR"
    return 0.5 * by_rsi + 0.5 * by_macd, words


def _one(found: Detection | None) -> tuple[float | None, str]:
    if found is None:
        return None, "was not asked"
    return (found.direction if found.has_opinion else None), found.reason


def _joined(found: Sequence[Detection | None]) -> tuple[float | None, str]:
    """Several opinions as one, by their confidence."""
    told = [each for each in found if each is not None and each.has_opinion]
    if not told:
        return None, "; ".join(each.reason for each in found if each is not None) or "was not asked"
    total = fsum(each.confidence for each in told)
    lean = fsum(each.confidence * each.direction for each in told) / total
    return max(-1.0, min(1.0, lean)), "; ".join(each.reason for each in told)


def volatility(candles: Candles) -> float | None:
    """A year's standard deviation of log returns, from the last 20 bars; None for fewer than 21."""
    if len(candles) <= VOLATILITY_BARS:
        return None
    returns = np.diff(np.log(candles.close[-VOLATILITY_BARS - 1 :]))
    return float(np.std(returns, ddof=1)) * sqrt(YEAR_MS / candles.timeframe_ms)


def session_of(at_ms: int) -> str:
    """The trading session of a moment (ms UTC)."""
    hour = datetime.fromtimestamp(at_ms / 1000, UTC).hour
    return next(name for end, name in SESSIONS if hour < end)
