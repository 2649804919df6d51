"""The candles of a test: out of files people hand in, or out of the candle store. Prices are never made up.

Bars before the first one that counts are kept as history for the strategy's averages. What is missing is said: nothing at
all is an error that names symbol, timeframe and span, a shorter history a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis_views.files import candles_of_file
from modules.backtest_jobs.wording import when
from modules.backtesting.warnings import Warned
from modules.candles import BadCandles, CandleStore, SeriesName, parse_file_name, resample, timeframe_ms, timeframe_name
from modules.candles.files import is_candle_file
from modules.domain.errors import InvalidInput, NotFound
from modules.strategies.language import Strategy, needed_timeframes
from modules.strategies.warmup import bars_needed

#: Under this name the candles of the simulated market are kept.
SIMULATED: Final = "simulated"
#: A joined bar may lack as many of its minutes as live decisions allow.
_LEAST_SHARE: Final = 0.9
#: The history may begin or end so many bars from what was asked for without a word: the newest bar may not have closed yet.
_SLACK_BARS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One symbol's candles for a test: those of its timeframe with history before bar `start`, the first that counts.

    `higher` holds candles by timeframe, `lower` those that decide what happened inside a bar. `exchange` is where they are
    from, or the file's name.
    """

    candles: Candles
    start: int
    exchange: str
    higher: Mapping[str, Candles]
    lower: Candles | None = None

    @property
    def counted(self) -> Candles:
        """The bars that count."""
        return self.candles[self.start :]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Everything a test needs besides its description; `notes` are warnings about the candles."""

    markets: tuple[Market, ...]
    notes: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked of a source of candles."""

    symbols: tuple[str, ...]
    timeframe: str
    strategies: tuple[Strategy, ...]
    start_ms: int | None
    end_ms: int | None
    lower: str | None = None
    exchange: str | None = None
    simulated: bool = False

    @property
    def higher(self) -> list[str]:
        """Timeframes that conditions look at besides the test's own."""
        wanted = {each for strategy in self.strategies for each in needed_timeframes(strategy)}
        return sorted(wanted - {self.timeframe})

    def warm_up(self, timeframe: str) -> int:
        """Bars of a timeframe the strategies want before the first decision."""
        return max(bars_needed(strategy, timeframe) for strategy in self.strategies)

    def nothing(self, symbol: str, timeframe: str | None = None) -> NotFound:
        """No such candles, in words."""
        span = f"from {when(self.start_ms, 'the beginning')} to {when(self.end_ms, 'now')}"
        return NotFound(f"no data for {symbol} {timeframe or self.timeframe} {span}", code="no_data")


# ---- files --------------------------------------------------------------------------------------------------------------


def file_timeframe(path: Path, timeframe: str | None) -> str:
    """The timeframe of a candle file: the one given, the one its name says, else the shortest step in it."""
    if timeframe is not None:
        return timeframe_name(timeframe_ms(timeframe))
    said = parse_file_name(path)
    return said.timeframe if said is not None else timeframe_name(candles_of_file(path).timeframe_ms)


def choose_files(path: Path, symbols: Sequence[str], timeframe: str) -> dict[str, Path]:
    """The file of each symbol in a folder: of those whose timeframe makes the one wanted, the coarsest."""
    found: dict[str, tuple[int, Path]] = {}
    for each in sorted(path.iterdir()):
        said = parse_file_name(each) if is_candle_file(each) else None
        if said is None or said.symbol not in symbols or timeframe_ms(timeframe) % timeframe_ms(said.timeframe):
            continue
        length = timeframe_ms(said.timeframe)
        if said.symbol not in found or found[said.symbol][0] < length:
            found[said.symbol] = (length, each)
    return {symbol: chosen for symbol, (_, chosen) in found.items()}


def from_files(
    needs: Needs, files: Mapping[str, Path], *, timeframe: str | None = None, lower: Path | None = None
) -> Material:
    """Candles out of a file for each symbol. `timeframe` is the files' own where their names don't say.

    Raises BadCandles for a file that is no history, NotFound where it has nothing in the span asked for.
    """
    markets, notes = list[Market](), list[Warned]()
    for symbol in needs.symbols:
        if symbol not in files:
            raise needs.nothing(symbol)
        whole = candles_of_file(files[symbol], symbol=symbol, timeframe=timeframe)
        own = _until(_as(whole, needs.timeframe), needs.end_ms)
        end = own.closed_at(len(own) - 1) if len(own) else 0
        higher = {each: _as(whole, each).closed_by(end) for each in needs.higher}
        finer = None if lower is None else candles_of_file(lower, symbol=symbol)
        origin = _origin(files[symbol], needs)
        market = Market(own, _first(own, needs.start_ms), origin, higher, finer)
        notes += _checked(market, needs, symbol)
        markets.append(market)
    return Material(tuple(markets), tuple(notes))


def _origin(path: Path, needs: Needs) -> str:
    """Where a file's candles are from: its name, or the simulated market. Raises InvalidInput where that was not allowed."""
    said = parse_file_name(path)
    if (said is None or said.venue != SIMULATED) and SIMULATED not in path.resolve().parent.parts:
        return path.name
    if not needs.simulated:
        raise InvalidInput(
            f"{path.name} holds candles of the simulated market; say --simulated to test on them all the same",
            code="simulated_candles",
        )
    return SIMULATED


def _as(candles: Candles, timeframe: str) -> Candles:
    """Candles joined to a timeframe. Raises BadCandles where theirs does not make it."""
    length = timeframe_ms(timeframe)
    if length == candles.timeframe_ms:
        return candles
    own = timeframe_name(candles.timeframe_ms)
    if length % candles.timeframe_ms:
        raise BadCandles(
            f"{candles.symbol}: {own} candles can't make {timeframe} bars; give finer candles, or test on --timeframe {own}"
        )
    return resample(candles, length, least_share=_LEAST_SHARE).candles


def _until(candles: Candles, end_ms: int | None) -> Candles:
    return candles if end_ms is None else candles[: int(np.searchsorted(candles.timestamp, end_ms, side="right"))]


def _first(candles: Candles, start_ms: int | None) -> int:
    return 0 if start_ms is None else int(np.searchsorted(candles.timestamp, start_ms, side="left"))


def _checked(market: Market, needs: Needs, symbol: str) -> Iterator[Warned]:
    """Warnings about the candles found. Raises NotFound where none counts, or a higher timeframe has none."""
    counted = market.counted
    if not len(counted):
        raise needs.nothing(symbol)
    for timeframe, candles in market.higher.items():
        if not len(candles):
            raise needs.nothing(symbol, timeframe)
    first, last = int(counted.timestamp[0]), int(counted.timestamp[-1])
    slack = _SLACK_BARS * counted.timeframe_ms
    if market.exchange == SIMULATED:
        yield Warned(
            "simulated", f"{symbol}: these candles were made by the simulated market; no market ever traded so."
        )
    late = needs.start_ms is not None and first > needs.start_ms + slack
    early = needs.end_ms is not None and last < needs.end_ms - slack
    if late or early:
        asked = f"{when(needs.start_ms, 'the beginning')} to {when(needs.end_ms, 'now')}"
        there = f"{when(first, '')} to {when(last, '')}"
        yield Warned("shorter_history", f"{symbol}: asked for {asked}, there are candles from {there} only.")


# ---- the candle store ---------------------------------------------------------------------------------------------------


def from_store(needs: Needs, store: CandleStore) -> Material:
    """Candles out of the store, of the exchange named or of the one with the most of what is asked for.

    Raises NotFound where nothing is stored in the span, InvalidInput for simulated candles that were not asked for by name.
    """
    names = store.names()
    markets, notes = list[Market](), list[Warned]()
    for symbol in needs.symbols:
        market = _stored(needs, store, [name for name in names if name.symbol == symbol], symbol)
        notes += _checked(market, needs, symbol)
        markets.append(market)
    return Material(tuple(markets), tuple(notes))


def _stored(needs: Needs, store: CandleStore, names: Sequence[SeriesName], symbol: str) -> Market:
    exchanges = _exchanges(needs, {name.exchange for name in names}, symbol)
    found = [_of_exchange(needs, store, [n for n in names if n.exchange == each], each) for each in exchanges]
    usable = [each for each in found if each is not None and len(each.counted)]
    if not usable:
        raise needs.nothing(symbol)
    return max(usable, key=lambda each: (len(each.counted), int(each.candles.timestamp[-1])))


def _exchanges(needs: Needs, stored: set[str], symbol: str) -> list[str]:
    """The exchanges to look at: of those stored the one asked for, or any real one where none is.

    Raises InvalidInput for simulated candles that the test does not allow.
    """
    if needs.exchange == SIMULATED or (stored == {SIMULATED} and needs.exchange is None):
        if needs.simulated:
            return sorted(stored & {SIMULATED})
        raise InvalidInput(
            f"{symbol} has only candles of the simulated market here. Real ones come by `candles download` or `candles"
            " import`; to test on the made-up ones all the same, name the exchange 'simulated' (--simulated at the terminal)",
            code="simulated_candles",
            fields={"exchange": "only simulated candles are stored"},
        )
    return sorted(stored - {SIMULATED} if needs.exchange is None else stored & {needs.exchange})


def _of_exchange(needs: Needs, store: CandleStore, names: Sequence[SeriesName], exchange: str) -> Market | None:
    own = _series(needs, store, names, needs.timeframe)
    if own is None or not len(own):
        return None
    end = own.closed_at(len(own) - 1)
    higher: dict[str, Candles] = {}
    for each in needs.higher:
        found = _series(needs, store, names, each)
        if found is None:
            return None
        higher[each] = found.closed_by(end)
    lower = None if needs.lower is None else _exact(needs, store, names, needs.lower)
    return Market(own, _first(own, needs.start_ms), exchange, higher, lower)


def _series(needs: Needs, store: CandleStore, names: Sequence[SeriesName], timeframe: str) -> Candles | None:
    """The history that makes a timeframe and has the most bars of the span, coarser sources first."""
    length = timeframe_ms(timeframe)
    start = None if needs.start_ms is None else needs.start_ms - (needs.warm_up(timeframe) + 1) * length
    end = None if needs.end_ms is None else needs.end_ms + length
    best: Candles | None = None
    for name in sorted(names, key=lambda one: -one.timeframe_ms):
        if length % name.timeframe_ms:
            continue
        read = _until(_as(store.read(name, start_ms=start, end_ms=end), timeframe), needs.end_ms)
        if best is None or len(read) > len(best):
            best = read
    return best


def _exact(needs: Needs, store: CandleStore, names: Sequence[SeriesName], timeframe: str) -> Candles | None:
    name = next((each for each in names if each.timeframe == timeframe), None)
    end = None if needs.end_ms is None else needs.end_ms + timeframe_ms(needs.timeframe)
    return None if name is None else store.read(name, start_ms=needs.start_ms, end_ms=end)


def missing_in_store(needs: Needs, store: CandleStore, exchange: str) -> list[SeriesName]:
    """The histories to fetch before `from_store` has all of the span: those that no stored one, finer ones included, makes."""
    stored = [name for name in store.names() if name.exchange == exchange and name.symbol in needs.symbols]
    wanted: list[SeriesName] = []
    for symbol in needs.symbols:
        for timeframe in [needs.timeframe, *needs.higher, *([needs.lower] if needs.lower else [])]:
            name = SeriesName(exchange, symbol, timeframe)
            makers = [each for each in stored if each.symbol == symbol and not name.timeframe_ms % each.timeframe_ms]
            if not any(_covers(needs, store, each, name.timeframe_ms) for each in makers):
                wanted.append(name)
    return wanted


def _covers(needs: Needs, store: CandleStore, name: SeriesName, length_ms: int) -> bool:
    """Whether a stored history reaches to both edges of the span, as far as bars of that length have closed."""
    first, last = store.first_ms(name), store.last_ms(name)
    if first is None or last is None:
        return False
    begins = needs.start_ms is None or first <= needs.start_ms + length_ms
    return begins and (needs.end_ms is None or last >= needs.end_ms - _SLACK_BARS * length_ms)
