"""What is put to the test: a strategy with open parameters, its rules, and what is assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.engine import run
from modules.backtesting.result import Result
from modules.strategies.decisions import Decisions, TradeRules

#: Values by the name of the parameter.
Parameters = Mapping[str, Any]
Decide = Callable[[Candles, Parameters], Decisions]
Rules = TradeRules | Callable[[Parameters], TradeRules]
#: Hears the share of the work that is done, from 0 to 1, and may raise `Cancelled`.
Progress = Callable[[float], None]


class Cancelled(Exception):
    """Raised by a progress callback to end a test; what was finished before stays finished."""


def unheard(_share: float) -> None:
    """A progress callback for nobody."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A strategy with open parameters. `decide` and `rules` must be importable functions to be tested in other processes.

    `label` tells strategies apart whose functions have the same name, such as a strategy's version.
    """

    decide: Decide
    rules: Rules
    assumptions: Assumptions = field(default_factory=Assumptions)
    label: str = ""

    def rules_for(self, parameters: Parameters) -> TradeRules:
        """The rules with these parameters."""
        return self.rules(parameters) if callable(self.rules) else self.rules

    def play(self, candles: Candles, parameters: Parameters) -> Result:
        """One backtest."""
        return run(candles, self.decide(candles, parameters), self.rules_for(parameters), self.assumptions)

    def play_from(self, candles: Candles, start: int, parameters: Parameters) -> Result:
        """A backtest of the bars from `start` on, decided with those before as history; it begins without a position."""
        decisions = cut(self.decide(candles, parameters), start)
        return run(candles[start:], decisions, self.rules_for(parameters), self.assumptions)

    def stand_still(self, candles: Candles) -> Result:
        """A run in which nothing is decided."""
        count = len(candles)
        nothing = Decisions(np.zeros(count, np.int8), np.zeros(count, np.bool_), np.zeros(count, np.bool_))
        return run(candles, nothing, TradeRules(), self.assumptions)


def cut(decisions: Decisions, start: int, end: int | None = None) -> Decisions:
    """The decisions of the bars from `start` up to `end`."""
    part = slice(start, end)
    optional = {
        name: None if (column := getattr(decisions, name)) is None else column[part]
        for name in ("stop", "targets", "atr", "entry_price")
    }
    return replace(
        decisions,
        entry=decisions.entry[part],
        exit_long=decisions.exit_long[part],
        exit_short=decisions.exit_short[part],
        **optional,
    )
