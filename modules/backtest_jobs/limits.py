"""How large a test may be. Sizes are counted in bars times runs, the same at the door and in the worker."""

from __future__ import annotations

from typing import Final

from modules.candles.names import timeframe_ms
from modules.domain.errors import InvalidInput

#: Bars of one symbol that may count, and bars times runs of a whole test.
MOST_BARS: Final = 2_000_000
MOST_WORK: Final = 2_000_000_000


def bars_between(start_ms: int, end_ms: int, timeframe: str) -> int:
    """Bars of a timeframe that open in a span. Raises InvalidInput where those are too many."""
    bars = max(end_ms - start_ms, 0) // timeframe_ms(timeframe) + 1
    if bars > MOST_BARS:
        raise InvalidInput(
            f"{bars:,} bars of {timeframe} are more than {MOST_BARS:,}: take a shorter span or a longer timeframe",
            code="too_large",
            fields={"timeframe": f"at most {MOST_BARS:,} bars"},
        )
    return bars


def refuse_too_large(work: int) -> None:
    """Raises InvalidInput for a test of more bars times runs than one may ask for."""
    if work > MOST_WORK:
        raise InvalidInput(
            f"this test is {work:,} bars times runs, more than {MOST_WORK:,}: take fewer sets, or a shorter span",
            code="too_large",
            fields={"search.trials": f"at most {MOST_WORK:,} bars times runs"},
        )
