"""The numbers behind a strategy's series: one column a series, as long as the candles, NaN where nothing is known.

Row t uses bars closed by the close of bar t only: those of the strategy's timeframe up to t, and of a higher timeframe the
last bar that had closed by then. A higher bar that is missing is not replaced by an older one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import talib

from modules.analysis.candles import Candles, Floats, Integers
from modules.analysis.detectors import DETECTORS
from modules.analysis.detectors.reading import shared_context
from modules.analysis.indicators import NotEnoughData
from modules.analysis.indicators.registry import SOURCES, compute
from modules.analysis.scoring import dynamic_score
from modules.analysis.structure import Settings, Structure, analyse
from modules.analysis.structure.layout import BREAKER_BLOCK, FVG, ORDER_BLOCK
from modules.domain.errors import InvalidInput
from modules.domain.market import TIMEFRAMES_MS
from modules.strategies.catalogue import DETECTORS as DETECTOR_NAMES
from modules.strategies.catalogue import KINDS, Family
from modules.strategies.language import (
    Applied,
    Arithmetic,
    CustomIndicator,
    Formula,
    Numeral,
    Rolling,
    Series,
)
from modules.strategies.windows import Marks, lasting, latest_standing, rolling, shifted

MOST_OPINIONS: Final = 20_000
"""Bars on which one detector may be asked in one run: it looks at each bar by itself, in milliseconds instead of nanoseconds."""

_DAY_MS: Final = 86_400_000
_ZONES: Final = {"fvg": FVG, "order_block": ORDER_BLOCK, "breaker_block": BREAKER_BLOCK}
_STATE_FIELDS: Final = {"premium_discount": "zone"}


class Frame:
    """The series of one timeframe's candles, each computed once."""

    def __init__(self, candles: Candles, indicators: Mapping[str, CustomIndicator]) -> None:
        self.candles = candles
        self._indicators = indicators
        self._columns: dict[Series, Floats] = {}
        self._outputs: dict[object, dict[str, Floats]] = {}
        self._structures: dict[int, Structure] = {}
        self._opinions: dict[tuple[str, int], tuple[Floats, Marks]] = {}
        self._by_family: dict[Family, Callable[[Series], Floats]] = {
            Family.PRICE: lambda series: SOURCES[str(series.setting("field"))](candles),
            Family.VOLUME: lambda _: candles.volume,
            Family.TIME: self._time,
            Family.INDICATOR: self._indicator,
            Family.EVENT: self._event,
            Family.STATE: self._state,
            Family.ZONE: self._zone,
            Family.PATTERN: self._pattern,
            Family.CUSTOM: lambda series: self.formula(indicators[str(series.setting("name"))].formula),
        }

    def column(self, series: Series, needed: Marks | None = None) -> Floats:
        """A series on this timeframe. Of a detector only the rows `needed` are computed; all of them for None."""
        plain = Series(series.type, series.settings, series.output)
        if KINDS[series.type].family is Family.DETECTOR:
            values = self._detector(plain, _moved_back(needed, series.shift))
        else:
            found = self._columns.get(plain)
            if found is None:
                found = self._columns[plain] = self._by_family[KINDS[series.type].family](plain)
            values = found
        if series.times != 1.0:
            values = values * series.times
        return shifted(values, series.shift)

    def formula(self, formula: Formula) -> Floats:
        """A formula's value; what can't be computed (a division by zero, the root of less than nothing) is unknown."""
        match formula:
            case Numeral():
                return np.full(len(self.candles), formula.value)
            case Series():
                return self.column(formula)
            case Rolling():
                return rolling(formula.function, np.ascontiguousarray(self.formula(formula.of)), formula.period)
            case Applied():
                return _known(_APPLIED[formula.function], self.formula(formula.of))
            case Arithmetic():
                return _known(_ARITHMETIC[formula.sign], self.formula(formula.left), self.formula(formula.right))

    # ---- families -----------------------------------------------------------------------------------------------------

    def _indicator(self, series: Series) -> Floats:
        key = (series.type, series.settings)
        if key not in self._outputs:
            self._outputs[key] = _computed(series, self.candles)
        outputs = self._outputs[key]
        return np.asarray(outputs[str(series.output)], np.float64)

    def _time(self, series: Series) -> Floats:
        closes = self.candles.timestamp + self.candles.timeframe_ms
        match series.setting("field"):
            case "hour":
                values = closes // 3_600_000 % 24
            case "minute":
                values = closes // 60_000 % 60
            case "weekday":
                values = (closes // _DAY_MS + 3) % 7  # 1970-01-01 was a Thursday
            case "day":
                months = closes.astype("datetime64[ms]").astype("datetime64[M]")
                values = (closes.astype("datetime64[ms]").astype("datetime64[D]") - months).astype(np.int64) + 1
            case _:
                values = closes.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) % 12 + 1
        return values.astype(np.float64)

    def structure(self, swing_length: int) -> Structure:
        """The market structure read with that length of swings."""
        if swing_length not in self._structures:
            self._structures[swing_length] = analyse(self.candles, Settings(swing_length=swing_length))
        return self._structures[swing_length]

    def _structure_of(self, series: Series) -> Structure:
        return self.structure(int(series.setting("swing_length")))

    def _event(self, series: Series) -> Floats:
        bars = self._structure_of(series).bars
        if series.type == "sweep":
            events = (bars["sweep_low"] > 0).astype(np.int8) - (bars["sweep_high"] > 0).astype(np.int8)
        else:
            events = np.ascontiguousarray(bars[series.type])
        return lasting(events, int(series.setting("within")))

    def _state(self, series: Series) -> Floats:
        bars = self._structure_of(series).bars
        return np.ascontiguousarray(bars[_STATE_FIELDS.get(series.type, series.type)], np.float64)

    def _zone(self, series: Series) -> Floats:
        """The zone's confirmation, or an edge of the latest one standing, or whether the bar touches that one."""
        structure = self._structure_of(series)
        if series.output == "event":
            return self._zone_event(series, structure)
        side, part = str(series.output).split("_")
        table = structure.table
        mine = (table["kind"] == _ZONES[series.type]) & (table["direction"] == (1 if side == "bullish" else -1))
        rows = table[mine]
        confirmed, ended = (np.ascontiguousarray(rows[name], np.int64) for name in ("confirmed", "ended"))
        place = latest_standing(confirmed, ended, len(self.candles))
        if not len(rows):
            return np.zeros(len(place)) if part == "inside" else np.full(len(place), np.nan)
        stands = place >= 0
        low, high = (np.where(stands, rows[name][place], np.nan) for name in ("low", "high"))
        if part == "inside":
            with np.errstate(invalid="ignore"):
                return ((self.candles.low <= high) & (self.candles.high >= low)).astype(np.float64)
        return low if part == "low" else high

    def _zone_event(self, series: Series, structure: Structure) -> Floats:
        if series.type != "breaker_block":
            events = np.ascontiguousarray(structure.bars[series.type])
        else:
            rows = structure.table[structure.table["kind"] == BREAKER_BLOCK]
            events = np.zeros(len(self.candles), np.int8)
            events[rows["confirmed"]] = rows["direction"]
        return lasting(events, int(series.setting("within")))

    def _pattern(self, series: Series) -> Floats:
        run: Any = getattr(talib, "CDL" + str(series.setting("name")).upper())
        c = self.candles
        if not len(c):
            return np.empty(0)
        columns = (np.ascontiguousarray(column, np.float64) for column in (c.open, c.high, c.low, c.close))
        return lasting(np.sign(run(*columns)).astype(np.int8), int(series.setting("within")))

    def _detector(self, series: Series, needed: Marks | None) -> Floats:
        """Opinions of windows of one length, so that they are the same however long the history is."""
        name, bars = str(series.setting("name")), int(series.setting("bars"))
        rows = len(self.candles)
        outputs, done = self._opinions.setdefault((name, bars), (np.full((rows, 2), np.nan), np.zeros(rows, np.bool_)))
        missing = ~done if needed is None else needed & ~done
        asked = int(np.count_nonzero(missing))
        if asked > MOST_OPINIONS:
            raise InvalidInput(
                f"the detector {name} would be asked on {asked} bars, at most {MOST_OPINIONS} are possible: "
                "put it into `all` with conditions that hold less often, or use fewer candles",
                code="too_many_opinions",
            )
        for row in np.flatnonzero(missing):
            if row + 1 >= bars:
                outputs[row] = _opinion(name, self.candles[row + 1 - bars : row + 1])
            done[row] = True
        if series.output == "opinion":
            return outputs[:, 0] * outputs[:, 1]
        return outputs[:, 0] if series.output == "direction" else outputs[:, 1]


def _computed(series: Series, candles: Candles) -> dict[str, Floats]:
    """All outputs of an indicator.

    A history shorter than the look-back gets bars behind its end: none of them changes a row before, and outputs that
    need fewer bars than others are known as early as they would be in a longer history.
    """
    settings: dict[str, Any] = dict(series.settings)
    if not len(candles):
        return dict.fromkeys(KINDS[series.type].outputs or (str(series.output),), np.empty(0))
    longer = candles
    while True:
        try:
            computed = compute(series.type, longer, **settings)
        except NotEnoughData as short:
            longer = _lengthened(longer, max(short.needed - short.have, len(longer)))
        else:
            return {name: values[: len(candles)] for name, values in computed.items()}


def _lengthened(candles: Candles, bars: int) -> Candles:
    """The candles with the last one repeated `bars` times behind it."""
    after = candles.timestamp[-1] + candles.timeframe_ms * np.arange(1, bars + 1)
    names = ("open", "high", "low", "close", "volume")
    columns: dict[str, Any] = {name: np.pad(getattr(candles, name), (0, bars), mode="edge") for name in names}
    stamps = np.concatenate([candles.timestamp, after])
    return Candles(timestamp=stamps, timeframe_ms=candles.timeframe_ms, **columns)


def _opinion(name: str, candles: Candles) -> tuple[float, float]:
    """Direction and confidence of one detector, or of the score of those that read candles alone."""
    if name != "score":
        detector = next(each for each in DETECTORS if each.name == name)
        found = detector.detect(candles, shared_context(candles, None))
        return found.direction, found.confidence
    shared = shared_context(candles, None)
    told = [each.detect(candles, shared) for each in DETECTORS if each.name in DETECTOR_NAMES]
    score = dynamic_score(told, candles)
    return score.direction, score.confidence


def _moved_back(needed: Marks | None, shift: int) -> Marks | None:
    """The rows that a shifted series is read from."""
    if needed is None or shift == 0:
        return needed
    moved = np.zeros(len(needed), np.bool_)
    moved[: max(len(needed) - shift, 0)] = needed[shift:]
    return moved


_APPLIED: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": np.abs,
    "negative": np.negative,
    "sqrt": np.sqrt,
    "log": np.log,
}
_ARITHMETIC: Final[Mapping[str, Callable[..., Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "larger": np.maximum,
    "smaller": np.minimum,
}


def _known(function: Callable[..., Any], *operands: Floats) -> Floats:
    with np.errstate(all="ignore"):
        result: Floats = np.asarray(function(*operands), np.float64)
    if not np.isfinite(result).all():
        result[~np.isfinite(result)] = np.nan
    return result


class Market:
    """The series of one symbol on the strategy's own bars, whatever timeframe they come from."""

    def __init__(
        self, candles: Candles, higher: Mapping[str, Candles] | None, indicators: tuple[CustomIndicator, ...]
    ) -> None:
        self.candles = candles
        self._named = {each.name: each for each in indicators}
        self.own = Frame(candles, self._named)
        self._higher = dict(higher or {})
        self._frames: dict[str, tuple[Frame, Integers]] = {}

    def values(self, series: Series, needed: Marks | None = None) -> Floats:
        """A series. Raises InvalidInput where the candles of its timeframe are missing or don't fit."""
        if series.timeframe is None or TIMEFRAMES_MS[series.timeframe] == self.candles.timeframe_ms:
            return self.own.column(series, needed)
        frame, rows = self._frame(series.timeframe)
        if needed is not None:
            wanted = np.zeros(len(frame.candles), np.bool_)
            wanted[rows[needed & (rows >= 0)]] = True
            needed = wanted
        column = frame.column(series, needed)
        if not len(column):
            return np.full(len(rows), np.nan)
        return np.where(rows >= 0, column[rows], np.nan)

    def _frame(self, timeframe: str) -> tuple[Frame, Integers]:
        if timeframe not in self._frames:
            candles = self._higher.get(timeframe)
            if candles is None:
                raise InvalidInput(f"the strategy needs candles of {timeframe}", fields={"timeframe": timeframe})
            if candles.timeframe_ms != TIMEFRAMES_MS[timeframe]:
                raise InvalidInput(f"the candles given for {timeframe} are of {candles.timeframe_ms} ms")
            self._frames[timeframe] = Frame(candles, self._named), last_closed(self.candles, candles)
        return self._frames[timeframe]


def last_closed(candles: Candles, higher: Candles) -> Integers:
    """For each bar the row of the higher bar that was the last to close by its close; -1 where that bar is missing."""
    moments = candles.timestamp + candles.timeframe_ms
    closes = higher.timestamp + higher.timeframe_ms
    rows = np.searchsorted(closes, moments, side="right") - 1
    fresh = rows >= 0
    if len(closes):
        fresh &= moments - closes[np.maximum(rows, 0)] < higher.timeframe_ms
    return np.where(fresh, rows, -1).astype(np.int64)
