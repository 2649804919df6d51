"""All indicators by name, and the one call that runs any of them on candles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from modules.analysis.candles import Candles, Floats
from modules.analysis.indicators import averages, bands, divergence, levels, momentum, trend, volume
from modules.analysis.indicators.declaration import Indicator, IndicatorSpec


def _declared() -> dict[str, IndicatorSpec]:
    specs: dict[str, IndicatorSpec] = {}
    for module in (averages, momentum, trend, bands, volume, levels, divergence):
        for value in vars(module).values():
            if isinstance(value, Indicator):
                specs[value.spec.name] = value.spec
    return dict(sorted(specs.items()))


INDICATORS: Mapping[str, IndicatorSpec] = MappingProxyType(_declared())
"""Every indicator by its name, in alphabetical order."""

SOURCES: Mapping[str, Callable[[Candles], Floats]] = MappingProxyType(
    {
        "open": lambda c: c.open,
        "high": lambda c: c.high,
        "low": lambda c: c.low,
        "close": lambda c: c.close,
        "volume": lambda c: c.volume,
        "hl2": lambda c: (c.high + c.low) / 2.0,
        "hlc3": lambda c: (c.high + c.low + c.close) / 3.0,
        "ohlc4": lambda c: (c.open + c.high + c.low + c.close) / 4.0,
    }
)
"""The series an indicator of one close may be computed from instead."""


def indicator_spec(name: str) -> IndicatorSpec:
    """The spec of an indicator. Raises ValueError for an unknown name."""
    try:
        return INDICATORS[name]
    except KeyError:
        raise ValueError(f"no indicator named {name!r}; there are {', '.join(INDICATORS)}") from None


def compute(name: str, candles: Candles, *, source: str = "close", **params: Any) -> dict[str, Floats]:
    """Run one indicator: its outputs by name, each as long as the candles, NaN where it has no value.

    `source` picks another series for an indicator whose only input is the close. Row t depends on candles up to and
    including t only. Raises ValueError for an unknown name or a bad setting, NotEnoughData for a short history.
    """
    spec = indicator_spec(name)
    columns: list[Any] = [getattr(candles, column) for column in spec.inputs]
    if source != "close":
        if spec.inputs != ("close",):
            raise ValueError(f"{name}: reads {', '.join(spec.inputs)}; only an indicator of the close takes a source")
        if source not in SOURCES:
            raise ValueError(f"{name}: no source named {source!r}; there are {', '.join(SOURCES)}")
        columns = [SOURCES[source](candles)]
    result = spec.function(*columns, **params)
    if isinstance(result, tuple):
        return dict(zip(spec.outputs, result, strict=True))
    return {spec.outputs[0]: result}
