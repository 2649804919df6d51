"""Indicators: columns in, columns out, nothing known of the future.

Decides nothing about trading; it computes. Row t of every output uses bars up to and including t, so running an
indicator on the first t bars gives exactly the first t rows of running it on all.
"""

from modules.analysis.indicators.declaration import Indicator, IndicatorSpec, Parameter
from modules.analysis.indicators.inputs import NotEnoughData
from modules.analysis.indicators.registry import INDICATORS, SOURCES, compute, indicator_spec

__all__ = [
    "INDICATORS",
    "SOURCES",
    "Indicator",
    "IndicatorSpec",
    "NotEnoughData",
    "Parameter",
    "compute",
    "indicator_spec",
]
