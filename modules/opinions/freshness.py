"""Which opinions count at a moment: known by then, and not too old. Nothing fresh is "none", never an older one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from modules.opinions.records import (
    HOUR_MS,
    ExchangeFlow,
    FearGreed,
    Headline,
    LargePrint,
    Opinion,
    kind_of,
    subject_of,
)

T = TypeVar("T", FearGreed, Headline, LargePrint, ExchangeFlow)

KEPT_MS = {
    "fear_greed": 36 * HOUR_MS,  # published once a day; half a day's grace for a late one
    "headline": 24 * HOUR_MS,
    "large_print": HOUR_MS,
    "exchange_flow": 24 * HOUR_MS,
}
"""How long each kind counts after it was known."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of one kind at one moment: how many count, from where, and the age of the newest known at all."""

    kind: str
    count: int
    sources: tuple[str, ...]
    newest_ms: int | None
    age_seconds: float | None

    @property
    def state(self) -> str:
        """`fresh`, `stale` (there are some, all too old) or `none`."""
        if self.count:
            return "fresh"
        return "none" if self.newest_ms is None else "stale"

    def as_json(self) -> dict[str, object]:
        """The form every door shows."""
        return {
            "state": self.state,
            "count": self.count,
            "sources": list(self.sources),
            "age_seconds": self.age_seconds,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """The opinions that count at `at_ms`, oldest first, and the freshness of each kind."""

    at_ms: int
    fear_greed: FearGreed | None = None
    headlines: tuple[Headline, ...] = ()
    prints: tuple[LargePrint, ...] = ()
    flows: tuple[ExchangeFlow, ...] = ()
    freshness: dict[str, Freshness] = field(default_factory=dict)


def opinions_on(opinions: Iterable[Opinion], symbol: str | None) -> list[Opinion]:
    """Those that concern a symbol: of the market as a whole, prints of the symbol, the rest of its base asset."""
    return [each for each in opinions if concerns(kind_of(each), subject_of(each), symbol)]


def concerns(kind: str, subject: str, symbol: str | None) -> bool:
    """Whether an opinion of a kind on a subject says something of a symbol; everything does without one."""
    if symbol is None or not subject:
        return True
    return subject == symbol if kind == "large_print" else symbol.startswith(subject)


def known_by(opinions: Iterable[Opinion], at_ms: int) -> Known:
    """What of `opinions` counts at `at_ms` (ms UTC)."""
    by_kind: dict[str, list[Opinion]] = {kind: [] for kind in KEPT_MS}
    for each in opinions:
        if each.known_ms <= at_ms:
            by_kind[kind_of(each)].append(each)
    fresh: dict[str, list[Opinion]] = {}
    told: dict[str, Freshness] = {}
    for kind, known in by_kind.items():
        known.sort(key=lambda one: (one.known_ms, one.id))
        fresh[kind] = [each for each in known if at_ms - each.known_ms <= KEPT_MS[kind]]
        newest = known[-1].known_ms if known else None
        age = None if newest is None else (at_ms - newest) / 1000
        sources = tuple(sorted({each.source for each in fresh[kind]}))
        told[kind] = Freshness(kind, len(fresh[kind]), sources, newest, age)
    indices = _of(FearGreed, fresh["fear_greed"])
    return Known(
        at_ms,
        fear_greed=indices[-1] if indices else None,
        headlines=_of(Headline, fresh["headline"]),
        prints=_of(LargePrint, fresh["large_print"]),
        flows=_of(ExchangeFlow, fresh["exchange_flow"]),
        freshness=told,
    )


def _of(kind: type[T], opinions: list[Opinion]) -> tuple[T, ...]:
    return tuple(each for each in opinions if isinstance(each, kind))
