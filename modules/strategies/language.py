"""What a strategy is made of once it is read: series, conditions, groups, levels and the strategy itself.

These values only hold what was said. They decide nothing; `documents` makes them of a document and `decide` carries them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from modules.strategies.decisions import TradeRules

Document = Mapping[str, Any]


class Operator(StrEnum):
    """How two series, or a series and a number, are compared. A cross is told on the bar on which it happens."""

    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    EQUAL = "=="
    CROSSES_ABOVE = "crosses_above"
    CROSSES_BELOW = "crosses_below"

    @property
    def crosses(self) -> bool:
        """Whether the bar before counts too."""
        return self in (Operator.CROSSES_ABOVE, Operator.CROSSES_BELOW)


class Joined(StrEnum):
    """How the members of a group are joined."""

    ALL = "all"
    ANY = "any"
    NOT = "not"


class Action(StrEnum):
    """The side a strategy's entry opens: BUY a long position, SELL a short one."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def direction(self) -> int:
        """1 for BUY, -1 for SELL."""
        return 1 if self is Action.BUY else -1


@dataclass(frozen=True, slots=True)
class Series:
    """One number a bar. `settings` are all settings of its type by name, in the catalogue's order.

    `timeframe` None is the strategy's own; of a higher one the last closed bar counts. `shift` looks that many bars of its
    timeframe back; the value is multiplied by `times`.
    """

    type: str
    settings: tuple[tuple[str, float | str], ...] = ()
    output: str | None = None
    timeframe: str | None = None
    shift: int = 0
    times: float = 1.0

    def setting(self, name: str) -> float | str:
        """One setting. Raises KeyError for a name its type does not have."""
        return dict(self.settings)[name]


@dataclass(frozen=True, slots=True)
class Condition:
    """`left` compared with another series or a number; `place` is where the document says so."""

    left: Series
    operator: Operator
    right: Series | float
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules joined by all, any or not; `not` has one member."""

    joined: Joined
    members: tuple[Rule, ...]
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class First:
    """`rule` where it holds for the first time since `after` last began to hold, on that bar or a later one."""

    rule: Rule
    after: Rule
    place: str = field(default="", compare=False)


Rule = Condition | Group | First


@dataclass(frozen=True, slots=True)
class Level:
    """A price read off a series at the bar of the signal, moved away from the entry by percent or average true ranges."""

    series: Series
    offset_pct: float = 0.0
    offset_atr: float = 0.0


@dataclass(frozen=True, slots=True)
class Conduct:
    """What is done on one side of the market: when to enter, when to leave, and at which levels."""

    entry: Rule
    exit: Rule | None = None
    stop_at: Level | None = None
    targets_at: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number of a formula."""

    value: float


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two operands under `+ - * /`, or the `min` or `max` of both."""

    sign: str
    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Applied:
    """A function of one operand: `abs`, `negative`, `sqrt`, `log`."""

    function: str
    of: Formula


@dataclass(frozen=True, slots=True)
class Rolling:
    """`mean`, `sum`, `max`, `min`, `stdev` or `ema` of the last `period` values, or the value `shift` bars ago."""

    function: str
    of: Formula
    period: int


Formula = Numeral | Series | Arithmetic | Applied | Rolling


@dataclass(frozen=True, slots=True)
class CustomIndicator:
    """A user's own series: a formula, and levels with names that conditions may compare it with."""

    name: str
    formula: Formula
    levels: tuple[tuple[str, float], ...] = ()
    document: Document = field(default_factory=lambda: MappingProxyType({}), compare=False)


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy as read. `symbols` may be empty: then whoever runs it says which.

    `main` is the side of `action`, `opposite` the other one where the strategy trades both. `document` is what it was read
    of, kept as it was written. Two strategies that mean the same are equal however they were written.
    """

    name: str
    symbols: tuple[str, ...]
    timeframe: str
    action: Action
    main: Conduct
    rules: TradeRules
    opposite: Conduct | None = None
    atr_period: int = 14
    description: str = ""
    indicators: tuple[CustomIndicator, ...] = ()
    document: Document = field(default_factory=lambda: MappingProxyType({}), compare=False)

    def conducts(self) -> Iterator[tuple[int, Conduct]]:
        """Each side that is traded: its direction and what is done there."""
        yield self.action.direction, self.main
        if self.opposite is not None:
            yield -self.action.direction, self.opposite


def conditions_of(rule: Rule | None) -> Iterator[Condition]:
    """Every condition of a rule, in the order of the document."""
    if isinstance(rule, Condition):
        yield rule
    elif rule is not None:
        for member in rule.members if isinstance(rule, Group) else (rule.rule, rule.after):
            yield from conditions_of(member)


def series_in(formula: Formula) -> Iterator[Series]:
    """Every series a formula reads."""
    match formula:
        case Series():
            yield formula
        case Arithmetic():
            yield from series_in(formula.left)
            yield from series_in(formula.right)
        case Applied() | Rolling():
            yield from series_in(formula.of)
        case Numeral():
            return


def series_of(strategy: Strategy) -> Iterator[Series]:
    """Every series a strategy reads, those behind its custom indicators included."""
    for _, conduct in strategy.conducts():
        for rule in (conduct.entry, conduct.exit):
            for condition in conditions_of(rule):
                yield condition.left
                if isinstance(condition.right, Series):
                    yield condition.right
        levels = (*conduct.targets_at, *((conduct.stop_at,) if conduct.stop_at else ()))
        yield from (level.series for level in levels)
    for indicator in strategy.indicators:
        yield from series_in(indicator.formula)


def needed_timeframes(strategy: Strategy) -> frozenset[str]:
    """The timeframes whose candles `decide` needs, the strategy's own included."""
    return frozenset({strategy.timeframe, *(one.timeframe for one in series_of(strategy) if one.timeframe)})
