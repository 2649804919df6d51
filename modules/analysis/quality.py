"""From many signals to the day's best five: levels, false-signal filters, clusters, and a choice that explains itself.

Decides which candidates are worth showing; it never sends or trades one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import refuse_bad
from modules.analysis.indicators import NotEnoughData
from modules.analysis.structure import Structure
from modules.analysis.structure.layout import POOL, SWING

BEST = 5
STOP_ATR, STOP_ROOM_ATR = (0.75, 4.0), 0.25
"""A stop lies at the nearest standing swing and a little beyond, but never nearer or farther than this."""

LEAST_TARGET_R, PLAIN_TARGET_R, BEST_R = 1.0, 2.0, 3.0
CHOP_BARS = 20
CLUSTER_ATR = 1.0


@dataclass(frozen=True, slots=True)
class Filters:
    """What a candidate must meet. `min_effort`: volume by its mean; `min_efficiency`: how straight the last 20 bars went, from
    0 (chop) to 1; `with_higher`: the next timeframe must not point against it."""

    min_confidence: float = 0.2
    min_risk_reward: float = 1.5
    min_effort: float = 0.5
    min_efficiency: float = 0.12
    with_higher: bool = True

    def __post_init__(self) -> None:
        for name in ("min_confidence", "min_risk_reward", "min_effort", "min_efficiency"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: must be at least 0, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signal that might be shown. `side` is 1 or -1, `at` the close (ms UTC) of the bar that gave it.

    `effort` is its volume by the mean (None without volume), `efficiency` how straight the market went, `higher` the direction
    of the next timeframe (None when unknown), `agreement` from 0 to 1 how far other reasons agree. Raises ValueError for
    levels on the wrong side.
    """

    symbol: str
    timeframe: str
    side: int
    entry: float
    stop: float
    target: float
    confidence: float
    atr: float
    at: int
    agreement: float
    efficiency: float
    effort: float | None = None
    higher: float | None = None

    def __post_init__(self) -> None:
        if self.side not in (1, -1):
            raise ValueError(f"side: must be 1 or -1, got {self.side}")
        if not self.side * self.stop < self.side * self.entry < self.side * self.target:
            raise ValueError(
                f"levels: stop {self.stop}, entry {self.entry}, target {self.target} do not follow each other"
            )

    @property
    def risk_reward(self) -> float:
        """What may be won by what may be lost."""
        return abs(self.target - self.entry) / abs(self.entry - self.stop)

    @property
    def quality(self) -> float:
        """From 0 to 1: how clean the surroundings are (agreement, straightness, volume, the higher timeframe)."""
        volume = 0.5 if self.effort is None else min(1.0, self.effort / 2)
        higher = 0.5 if self.higher is None else 0.5 + 0.5 * max(-1.0, min(1.0, self.side * self.higher))
        return 0.35 * self.agreement + 0.25 * min(1.0, 2 * self.efficiency) + 0.15 * volume + 0.25 * higher

    @property
    def combined(self) -> float:
        """From 0 to 1: confidence, quality and risk-reward together; none can make up for the want of another."""
        pay = min(1.0, self.risk_reward / BEST_R)
        return float((self.confidence * self.quality * pay) ** (1 / 3))


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate, its cluster, its rank among the day's best (None when dropped), and why."""

    candidate: Candidate
    cluster: int
    rank: int | None
    reasons: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether it is among the best."""
        return self.rank is not None

    def as_json(self) -> dict[str, Any]:
        """The form of the command line and the API."""
        one = self.candidate
        return {
            "symbol": one.symbol,
            "timeframe": one.timeframe,
            "side": "LONG" if one.side > 0 else "SHORT",
            "entry": one.entry,
            "stop": one.stop,
            "target": one.target,
            "confidence": one.confidence,
            "risk_reward": one.risk_reward,
            "quality": one.quality,
            "combined": one.combined,
            "cluster": self.cluster,
            "rank": self.rank,
            "kept": self.kept,
            "reasons": list(self.reasons),
            "at": one.at,
        }


def choose(candidates: Sequence[Candidate], filters: Filters | None = None, count: int = BEST) -> list[Judged]:
    """Every candidate judged, best first within each UTC day: at most `count` kept a day, one of each cluster.

    The order in which candidates are given does not matter.
    """
    chosen = filters or Filters()
    days: dict[str, list[Candidate]] = {}
    for each in candidates:
        days.setdefault(datetime.fromtimestamp(each.at / 1000, UTC).date().isoformat(), []).append(each)
    return [judged for day in sorted(days) for judged in _choose_of_day(days[day], chosen, count)]


def _choose_of_day(candidates: Sequence[Candidate], filters: Filters, count: int) -> list[Judged]:
    ordered = sorted(candidates, key=_order)
    clusters = _clusters(ordered)
    judged: list[Judged] = []
    taken: dict[int, Candidate] = {}
    rank = 0
    for each, cluster in zip(ordered, clusters, strict=True):
        complaints = complaints_of(each, filters)
        if complaints:
            judged.append(Judged(each, cluster, None, complaints))
        elif cluster in taken:
            better = taken[cluster]
            words = f"near-duplicate of the better {better.symbol} signal on {better.timeframe} ({better.combined:.2f})"
            judged.append(Judged(each, cluster, None, (words,)))
        elif rank >= count:
            judged.append(
                Judged(each, cluster, None, (f"{count} better signals that day, this one {each.combined:.2f}",))
            )
            taken[cluster] = each
        else:
            rank += 1
            taken[cluster] = each
            judged.append(Judged(each, cluster, rank, (_praise(each),)))
    return judged


def _order(each: Candidate) -> tuple[Any, ...]:
    return (-each.combined, each.at, each.symbol, each.timeframe, each.side, each.entry, each.stop, each.target)


def complaints_of(each: Candidate, filters: Filters) -> tuple[str, ...]:
    """Why a candidate is taken for a false signal; empty for one that passes."""
    found: list[str] = []
    if each.confidence < filters.min_confidence:
        found.append(f"confidence {each.confidence:.2f} below {filters.min_confidence:g}")
    if each.risk_reward < filters.min_risk_reward:
        found.append(f"risk-reward {each.risk_reward:.2f} below {filters.min_risk_reward:g}")
    if each.effort is not None and each.effort < filters.min_effort:
        found.append(f"volume {each.effort:.2f} times its mean, below {filters.min_effort:g}")
    if each.efficiency < filters.min_efficiency:
        found.append(f"choppy market, efficiency {each.efficiency:.2f} below {filters.min_efficiency:g}")
    if filters.with_higher and each.higher is not None and each.side * each.higher < 0:
        found.append("against the higher timeframe")
    return tuple(found)


def _praise(each: Candidate) -> str:
    return (
        f"combined {each.combined:.2f}: confidence {each.confidence:.2f}, quality {each.quality:.2f}, "
        f"risk-reward {each.risk_reward:.2f}"
    )


def _clusters(ordered: Sequence[Candidate]) -> list[int]:
    """A number for each: candidates of one symbol and side whose entries lie within an ATR of the cluster's best."""
    heads: list[Candidate] = []
    numbers: list[int] = []
    for each in ordered:
        near = (
            number
            for number, head in enumerate(heads)
            if (head.symbol, head.side) == (each.symbol, each.side)
            and abs(head.entry - each.entry) <= CLUSTER_ATR * max(head.atr, each.atr)
        )
        number = next(near, len(heads))
        if number == len(heads):
            heads.append(each)
        numbers.append(number)
    return numbers


def efficiency(candles: Candles, bars: int = CHOP_BARS) -> float:
    """Net move by the path of the last closes (Kaufman): 1 for a straight line, near 0 for chop.

    Raises NotEnoughData for fewer bars.
    """
    if len(candles) <= bars:
        raise NotEnoughData("efficiency", bars + 1, len(candles))
    steps = np.diff(candles.close[-bars - 1 :])
    path = float(np.sum(np.abs(steps)))
    return abs(float(np.sum(steps))) / path if path > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Levels:
    """Where a trade would begin and end."""

    entry: float
    stop: float
    target: float


def levels_of(candles: Candles, structure: Structure, side: int) -> Levels:
    """Levels for a trade at the last close: the stop beyond the nearest standing swing, the target at the nearest standing
    liquidity at least one risk away, else two risks away.

    Raises ValueError for a side that is not 1 or -1 or a market that does not move, NotEnoughData before there is an ATR.
    """
    refuse_bad(candles)
    if side not in (1, -1):
        raise ValueError(f"side: must be 1 or -1, got {side}")
    entry, atr = float(candles.close[-1]), float(structure.bars["atr"][-1])
    if not np.isfinite(atr):
        raise NotEnoughData("levels", structure.settings.atr_period + 1, len(candles))
    if not atr > 1e-12 * entry:
        raise ValueError("candles: the price does not move")
    table = structure.table
    standing = table[(table["ended"] < 0) & np.isin(table["kind"], (SWING, POOL))]
    behind = np.sort(side * (entry - standing["price"]))
    behind = behind[behind > 0]
    away = float(behind[0]) + STOP_ROOM_ATR * atr if len(behind) else STOP_ATR[0] * 2 * atr
    risk = min(max(away, STOP_ATR[0] * atr), STOP_ATR[1] * atr)
    risk = min(risk, 0.9 * entry) if side > 0 else risk
    ahead = np.sort(side * (standing["price"] - entry))
    ahead = ahead[ahead >= LEAST_TARGET_R * risk]
    reward = float(ahead[0]) if len(ahead) else PLAIN_TARGET_R * risk
    if side < 0:
        reward = min(reward, 0.95 * entry)
    return Levels(entry, entry - side * risk, entry + side * reward)
