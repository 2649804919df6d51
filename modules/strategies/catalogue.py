"""Which series a condition may read: their names, settings, outputs, and the words that stand for values.

Every indicator of `modules.analysis` is here under its own name; market structure, candlestick patterns, opinions of
detectors, prices, volume and the clock are added. The table only describes; `measures` computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import talib

from modules.analysis.indicators.declaration import IndicatorSpec
from modules.analysis.indicators.registry import INDICATORS, SOURCES
from modules.analysis.structure.settings import LONGEST_WINDOW

MOST_BARS: Final = 5_000
_function_groups: Any = talib.get_function_groups


class Family(StrEnum):
    """How a series is computed."""

    PRICE = "price"
    VOLUME = "volume"
    TIME = "time"
    INDICATOR = "indicator"
    EVENT = "event"
    STATE = "state"
    ZONE = "zone"
    PATTERN = "pattern"
    DETECTOR = "detector"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Number:
    """A setting that is a number, whole or any, from `low` to `high`."""

    name: str
    default: float
    whole: bool
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting that is one of some words; without a default it must be given."""

    name: str
    options: tuple[str, ...]
    default: str | None = None


Setting = Number | Choice


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of series. `words` are names for values; `aliases` are other names of settings.

    Without a `default_output` a type with several outputs must be told which.
    """

    name: str
    family: Family
    summary: str
    settings: tuple[Setting, ...] = ()
    outputs: tuple[str, ...] = ()
    default_output: str | None = None
    words: Mapping[str, float] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


SIDES: Final[Mapping[str, float]] = MappingProxyType({"bullish": 1.0, "bearish": -1.0, "none": 0.0})
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SWING = Number("swing_length", 10, True, 1, LONGEST_WINDOW)
_WITHIN = Number("within", 1, True, 1, MOST_BARS)
_SOURCE = Choice("source", tuple(SOURCES), "close")

EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bos": "a break of structure in the direction of the trend",
        "choch": "a change of character: a break against the trend",
        "sweep": "a sweep of liquidity: bullish below lows, bearish above highs",
        "displacement": "a candle with an unusually large body",
        "strat_reversal": "the STRAT 2-1-2 reversal",
        "strat_continuation": "the STRAT 2-1-2 continuation",
        "absorption": "unusual volume that did not move the price",
        "impulse": "unusual volume that drove the price",
    }
)
"""What a bar of market structure may confirm. The value is 1 bullish, -1 bearish, 0 none, of the latest `within` bars."""

ZONES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fvg": "a fair value gap",
        "order_block": "an order block",
        "breaker_block": "a breaker block",
    }
)
"""Zones that stand until price ends them. `event` is their confirmation; the other outputs tell of the latest one standing."""

STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "swing_high": "price of the latest confirmed swing high",
        "swing_low": "price of the latest confirmed swing low",
        "trend": "direction of the latest break of structure",
        "strat": "STRAT bar: 1 inside, 2 up, -2 down, 3 outside",
        "premium_discount": "1 in the premium of the dealing range, -1 in its discount, 0 in between",
        "range_position": "the close within the dealing range: 0 its low, 1 its high",
        "retracement": "the pullback from the latest swing as a share of the range",
        "money_flow": "money flow of the structure's window, from -1 to 1",
    }
)

ZONE_OUTPUTS: Final = (
    "event",
    *(f"{side}_{part}" for side in ("bullish", "bearish") for part in ("low", "high", "inside")),
)
DETECTORS: Final = ("score", "harmonic", "elliott", "smc", "fibonacci", "price_action", "sar")
"""The detectors that read candles alone, and the score they make together."""

_DEFAULT_OUTPUTS: Final = {
    "macd": "macd",
    "stochastic": "k",
    "stochastic_rsi": "k",
    "adx": "adx",
    "rsi_divergence": "rsi",
}
_ALIASES: Final[Mapping[str, Mapping[str, str]]] = {
    "macd": {"fast_period": "fast", "slow_period": "slow", "signal_period": "signal"},
    "bollinger": {"std_dev": "deviations", "stddev": "deviations", "multiplier": "deviations", "band": "output"},
    "stochastic": {"k_period": "period", "d_period": "smooth_d"},
    "keltner": {"band": "output"},
    "donchian": {"band": "output"},
}
_DIGITS: Final = {"three": "3", "two": "2"}


def _of_indicator(spec: IndicatorSpec) -> Kind:
    settings: list[Setting] = [Number(p.name, p.default, p.whole, p.low, p.high) for p in spec.parameters]
    if spec.inputs == ("close",):
        settings.append(_SOURCE)
    several = len(spec.outputs) > 1
    default = _DEFAULT_OUTPUTS.get(spec.name) if several else spec.outputs[0]
    outputs = spec.outputs if several else ()
    aliases = MappingProxyType(dict(_ALIASES.get(spec.name, {})))
    return Kind(spec.name, Family.INDICATOR, spec.summary, tuple(settings), outputs, default, aliases=aliases)


def _plain_kinds() -> tuple[Kind, ...]:
    weekdays = MappingProxyType({name: float(number) for number, name in enumerate(_WEEKDAYS)})
    fields = ("hour", "minute", "weekday", "day", "month")
    return (
        Kind("price", Family.PRICE, "a price of the bar", (Choice("field", tuple(SOURCES)[:4] + tuple(SOURCES)[5:], "close"),)),
        Kind("volume", Family.VOLUME, "the bar's volume"),
        Kind("time", Family.TIME, "the moment of the bar's close, UTC", (Choice("field", fields, "hour"),), words=weekdays),
        Kind("pattern", Family.PATTERN, "a candlestick pattern that ends on the bar", (Choice("name", patterns()), _WITHIN), words=SIDES),
        Kind(
            "detector",
            Family.DETECTOR,
            "a detector's opinion of the last bars: direction times confidence, from -1 to 1",
            (Choice("name", DETECTORS, "score"), Number("bars", 300, True, 100, 1_000)),
            ("opinion", "direction", "confidence"),
            "opinion",
        ),
        Kind("custom", Family.CUSTOM, "an indicator of one's own, by its name"),
    )  # fmt: skip


def _structure_kinds() -> tuple[Kind, ...]:
    events = [Kind(n, Family.EVENT, words, (_SWING, _WITHIN), words=SIDES) for n, words in EVENTS.items()]
    zones = [
        Kind(name, Family.ZONE, words, (_SWING, _WITHIN), ZONE_OUTPUTS, "event", SIDES) for name, words in ZONES.items()
    ]
    states = [
        Kind(name, Family.STATE, words, (_SWING,), words=SIDES if name == "trend" else {})
        for name, words in STATES.items()
    ]
    return (*events, *zones, *states)


@cache
def patterns() -> tuple[str, ...]:
    """The candlestick patterns by their short names, such as `engulfing`, in alphabetical order."""
    return tuple(sorted(name[3:].lower() for name in _function_groups()["Pattern Recognition"]))


def pattern_name(text: str) -> str:
    """The short name of a pattern however it is spelt: `CDLENGULFING`, `three_white_soldiers`, `Morning Star`."""
    short = "".join(letter for letter in text.lower() if letter.isalnum()).removeprefix("cdl")
    for word, digit in _DIGITS.items():
        if short not in patterns() and short.startswith(word):
            short = digit + short.removeprefix(word)
    return short


def _kinds() -> dict[str, Kind]:
    indicators = [_of_indicator(spec) for spec in INDICATORS.values()]
    return {kind.name: kind for kind in (*indicators, *_structure_kinds(), *_plain_kinds())}


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(_kinds())
"""Every type of series by its name."""

STRUCTURE_KINDS: Final = (*EVENTS, *ZONES, *STATES)
"""The types that may also be written as `{"type": "structure", "kind": ...}`."""

AVERAGES: Final = ("sma", "ema", "wma", "dema", "tema", "hull", "kama")
"""The types of a moving average that `ma_type` may name."""
