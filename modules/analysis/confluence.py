"""Confluence: how many independent reasons, on how many timeframes, point the same way.

Detectors that read the same thing are one reason: harmonic, Elliott and Fibonacci all measure the same turns. Market-wide
opinions count once, not once a timeframe. Structure speaks through its events of the last bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modules.analysis.detectors.records import Detection
from modules.analysis.structure import Structure

RECENT_BARS = 3
EVENTS = {
    "strat_reversal": "STRAT 2-1-2 reversal",
    "strat_continuation": "STRAT 2-1-2 continuation",
    "bos": "break of structure",
    "choch": "change of character",
    "fvg": "fair value gap",
    "displacement": "displacement",
}
FAMILIES = {
    "turns": ("harmonic", "elliott", "fibonacci"),
    "candles": ("price_action",),
    "trend": ("sar",),
    "crowd": ("sentiment",),
    "news": ("news",),
    "whales": ("whales",),
}
MARKET_WIDE = frozenset({"crowd", "news", "whales"})
LEAST_LEAN = 0.15
"""A family that leans less is no reason."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of one timeframe (None for the market as a whole): its kind, side (1 or -1) and words."""

    timeframe: str | None
    kind: str
    side: int
    words: str

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {"timeframe": self.timeframe, "kind": self.kind, "side": self.side, "words": self.words}


@dataclass(frozen=True, slots=True)
class Confluence:
    """`side` is that of more reasons (0 when equal); `agreeing` and `opposing` count reasons, `timeframes` those on which
    more reasons agree than oppose, of `asked` timeframes; `score` from 0 to 1 is the share of reasons that agree times the
    share of timeframes that do."""

    side: int
    agreeing: int
    opposing: int
    timeframes: int
    asked: int
    score: float
    reasons: tuple[Reason, ...]

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        return {
            "side": self.side,
            "agreeing": self.agreeing,
            "opposing": self.opposing,
            "timeframes": self.timeframes,
            "asked": self.asked,
            "score": self.score,
            "reasons": [reason.as_json() for reason in self.reasons],
        }


def reasons_of(timeframe: str, structure: Structure, detections: Sequence[Detection]) -> list[Reason]:
    """The independent reasons of one timeframe at its last bar."""
    found = [*_events(timeframe, structure)]
    by_name = {each.detector: each for each in detections if each.has_opinion}
    for family, names in FAMILIES.items():
        told = [by_name[name] for name in names if name in by_name]
        total = sum(each.confidence for each in told)
        if not told or total <= 0:
            continue
        lean = sum(each.confidence * each.direction for each in told) / total
        if abs(lean) >= LEAST_LEAN:
            best = max(told, key=lambda each: each.confidence * each.direction * np.sign(lean))
            where = None if family in MARKET_WIDE else timeframe
            found.append(Reason(where, family, 1 if lean > 0 else -1, best.reason))
    return found


def _events(timeframe: str, structure: Structure) -> list[Reason]:
    bars = structure.bars[-RECENT_BARS:]
    found: list[Reason] = []
    for kind, words in EVENTS.items():
        told = [int(side) for side in bars[kind] if side]
        if told:
            found.append(Reason(timeframe, kind, told[-1], f"{'bullish' if told[-1] > 0 else 'bearish'} {words}"))
    swept = bars["sweep_low"].sum() - bars["sweep_high"].sum()
    if swept:
        side = 1 if swept > 0 else -1
        found.append(Reason(timeframe, "sweep", side, f"liquidity of {'lows' if side > 0 else 'highs'} swept"))
    return found


def confluence(reasons_by_timeframe: Mapping[str, Sequence[Reason]]) -> Confluence:
    """All timeframes' reasons as one. Market-wide reasons told on several timeframes count once."""
    unique: dict[tuple[str | None, str], Reason] = {}
    for reasons in reasons_by_timeframe.values():
        for reason in reasons:
            unique.setdefault((reason.timeframe, reason.kind), reason)
    told = tuple(unique.values())
    up = sum(reason.side > 0 for reason in told)
    down = len(told) - up
    side = (up > down) - (down > up)
    agreeing, opposing = (up, down) if side >= 0 else (down, up)
    asked = len(reasons_by_timeframe)
    agree = sum(_leans(told, timeframe) * side > 0 for timeframe in reasons_by_timeframe)
    score = (agreeing / len(told)) * (agree / asked) if side and asked else 0.0
    return Confluence(side, agreeing, opposing, agree, asked, score, told)


def _leans(reasons: Sequence[Reason], timeframe: str) -> int:
    return sum(reason.side for reason in reasons if reason.timeframe == timeframe)
