"""What came of a test as one HTML page and as one picture."""

from __future__ import annotations

from modules.backtest_jobs.running import Outcome
from modules.backtesting.benchmark import hold_equity
from modules.backtesting.breakdown import breakdown
from modules.backtesting.documents import points, thinned
from modules.notices.backtests.page import page
from modules.notices.backtests.picture import picture


def report_page(outcome: Outcome) -> str:
    """The self-contained page, with the trades drawn on the candles."""
    result = outcome.result
    held = hold_equity(result)
    chosen = thinned(held)
    document = {**outcome.document, "breakdown": breakdown(result)}
    return page(document, result.markets, points(result.times[chosen], held[chosen]))


def result_picture(outcome: Outcome) -> bytes:
    """The picture for a chat (PNG). Raises ValueError for a run of less than two bars."""
    return picture(outcome.result, outcome.document["strategy"])
