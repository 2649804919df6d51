"""How fast an edge is gone: the same decisions carried out some bars later."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from modules.analysis.candles import Candles
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.engine import run
from modules.backtesting.robustness.subject import Progress, unheard
from modules.backtesting.statistics import Figure, metrics_of
from modules.strategies.decisions import Decisions, TradeRules

LAGS: Final = 5
_SHOWN: Final = ("total_return", "sharpe", "max_drawdown", "profit_factor", "win_rate", "trades", "expectancy")


@dataclass(frozen=True, slots=True)
class Lagged:
    """Figures of a run whose decisions are carried out `lag` bars later than they could be."""

    lag: int
    figures: dict[str, Figure]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"lag": self.lag, **self.figures}


def delayed(decisions: Decisions, lag: int) -> Decisions:
    """The decisions `lag` bars later; those of the last bars are lost."""
    if lag == 0:
        return decisions
    return replace(
        decisions,
        entry=_later(decisions.entry, lag),
        exit_long=_later(decisions.exit_long, lag),
        exit_short=_later(decisions.exit_short, lag),
        **{
            name: None if (column := getattr(decisions, name)) is None else _later(column, lag)
            for name in ("stop", "targets", "atr", "entry_price")
        },
    )


def _later(column: npt.NDArray[Any], lag: int) -> npt.NDArray[Any]:
    empty = np.nan if column.dtype.kind == "f" else 0
    moved = np.full_like(column, empty)
    moved[lag:] = column[: max(len(column) - lag, 0)]
    return moved


def lag_decay(
    candles: Candles,
    decisions: Decisions,
    rules: TradeRules,
    assumptions: Assumptions | None = None,
    *,
    lags: int = LAGS,
    progress: Progress = unheard,
) -> list[Lagged]:
    """Figures with the decisions carried out 0 to `lags` bars later."""
    told = []
    for lag in range(lags + 1):
        progress(lag / (lags + 1))
        metrics = metrics_of(run(candles, delayed(decisions, lag), rules, assumptions))
        told.append(Lagged(lag, {name: metrics[name] for name in _SHOWN}))
    progress(1.0)
    return told
