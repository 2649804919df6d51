"""A strategy's document put to the test: its numbers are the parameters, by their places in its long form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modules.analysis.candles import Candles
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.robustness.subject import Parameters, Subject
from modules.strategies.decide import decide
from modules.strategies.decisions import Decisions, TradeRules
from modules.strategies.documents import long_form, read_strategy, version_of
from modules.strategies.language import CustomIndicator, Strategy
from modules.strategies.tuning import with_values


@dataclass(frozen=True, slots=True)
class Tuned:
    """A document whose numbers are set anew for every run. `higher` are candles of the other timeframes it looks at."""

    document: Mapping[str, Any]
    higher: Mapping[str, Candles] = field(default_factory=dict)
    indicators: Mapping[str, CustomIndicator] = field(default_factory=dict)

    def strategy(self, parameters: Parameters) -> Strategy:
        """The strategy with these numbers. Raises InvalidInput for what it can't be."""
        return read_strategy(with_values(self.document, parameters), self.indicators)

    def decide(self, candles: Candles, parameters: Parameters) -> Decisions:
        """What it wants with these numbers."""
        return decide(self.strategy(parameters), candles, self.higher)

    def rules(self, parameters: Parameters) -> TradeRules:
        """The rules of its trades with these numbers."""
        return self.strategy(parameters).rules


def subject_of(
    strategy: Strategy,
    assumptions: Assumptions | None = None,
    *,
    higher: Mapping[str, Candles] | None = None,
    indicators: Mapping[str, CustomIndicator] | None = None,
) -> Subject:
    """A strategy as what the tests take. `indicators` are those it names besides the ones it carries itself."""
    tuned = Tuned(long_form(strategy), dict(higher or {}), dict(indicators or {}))
    return Subject(tuned.decide, tuned.rules, assumptions or Assumptions(), version_of(strategy))
