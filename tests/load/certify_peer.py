"""The open Smart Money Concepts library as cases of the certificate's replay."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from modules.analysis.candles import Candles
from tests.load.certify import Case

SWING_LENGTH = 10
LATER_FATES = {"MitigatedIndex", "BrokenIndex", "Swept", "End"}
"""Columns that tell of what became of a mark: they may change, so they are not held against it."""


def peer_cases() -> list[Case]:
    """Its public functions that take candles alone, and those that build on its swings; none where it is not installed."""
    os.environ["SMC_CREDIT"] = "0"  # it greets on import otherwise
    try:
        import pandas
        from smartmoneyconcepts import smc
    except ImportError:
        return []

    def frame(candles: Candles) -> Any:
        names = ("open", "high", "low", "close", "volume")
        return pandas.DataFrame(
            {name: np.array(getattr(candles, name)) for name in names},
            index=pandas.to_datetime(candles.timestamp, unit="ms"),
        )

    def asked(function: str, candles: Candles, *, on_swings: bool) -> list[np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = frame(candles)
            extra = [smc.swing_highs_lows(table, swing_length=SWING_LENGTH)] if on_swings else []
            options = {"swing_length": SWING_LENGTH} if function == "swing_highs_lows" else {}
            found = getattr(smc, function)(table, *extra, **options)
        return [np.asarray(found[name], dtype=float) for name in found.columns if name not in LATER_FATES]

    alone, on_swings = ("fvg", "swing_highs_lows"), ("bos_choch", "ob", "liquidity", "retracements")
    return [
        Case("smartmoneyconcepts", name, run=lambda c, name=name, on=name in on_swings: asked(name, c, on_swings=on))
        for name in (*alone, *on_swings)
    ]
