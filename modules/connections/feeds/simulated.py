"""A simulated market: seeded, the same for the same seed and symbol, and it says of every price that no market made it.

Returns are Student-t (fat tails) around the drift and volatility of the current regime (trend, range, volatile), with
rare jumps. Each step draws several trades, so that quotes carry a real range and volume. A symbol's path depends only
on seed, symbol, start price and step number, never on the clock or on other symbols.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import orjson

from modules.domain.errors import InvalidInput
from modules.domain.market import Quote, ms_from_utc
from modules.domain.ports import Clock

#: How many times its usual price a known symbol may be named to start at.
_FARTHEST = 20
#: Start prices of symbols that need no reference: round figures of about the right size, not a claim about any day.
START_PRICES: dict[str, Decimal] = {
    symbol: Decimal(price)
    for symbol, price in {
        "BTCUSDT": "65000", "ETHUSDT": "3200", "BNBUSDT": "600", "SOLUSDT": "150", "XRPUSDT": "0.6",
        "ADAUSDT": "0.45", "DOGEUSDT": "0.12", "AVAXUSDT": "30", "LINKUSDT": "15", "DOTUSDT": "6.5",
        "LTCUSDT": "80", "TRXUSDT": "0.13", "BCHUSDT": "400", "ATOMUSDT": "8", "UNIUSDT": "8",
        "NEARUSDT": "5", "ARBUSDT": "0.9", "OPUSDT": "2", "APTUSDT": "8", "SUIUSDT": "1.2",
        "ETHBTC": "0.05", "BTCUSDC": "65000", "ETHUSDC": "3200",
    }.items()
}  # fmt: skip

_YEAR_SECONDS = 365 * 86_400
_TRADES_PER_STEP = 4
#: Degrees of freedom of the returns; the variance of a t variable is nu / (nu - 2).
_FREEDOM = 4.0
_T_SCALE = math.sqrt((_FREEDOM - 2) / _FREEDOM)


@dataclass(frozen=True, slots=True)
class Regime:
    """How a market behaves for a while: yearly volatility, drift in yearly volatilities, pull to its middle price."""

    name: str
    volatility: float
    drift: float
    pull: float
    mean_seconds: float


REGIMES: tuple[Regime, ...] = (
    Regime("range", 0.45, 0.0, 1 / 600, 1_800),
    Regime("trend", 0.60, 12.0, 0.0, 2_400),
    Regime("volatile", 1.60, 0.0, 0.0, 600),
)
#: Mean seconds of market time between jumps, and their size.
_JUMP_SECONDS = 4 * 3_600.0
_JUMP_SIZE = 0.006


_KEEP_SECONDS = 1.0


def _remembered(memory: Path | None) -> dict[str, Decimal]:
    """Where markets stood; nothing where there is no memory, or one that can't be read: the market is made up anyway."""
    try:
        kept = orjson.loads(memory.read_bytes()) if memory is not None else {}
        found = {str(symbol): Decimal(price) for symbol, price in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError, ArithmeticError):
        return {}
    return {symbol: price for symbol, price in found.items() if price.is_finite() and price > 0}


class SimulatedPath:
    """The market of one symbol, one step at a time."""

    def __init__(self, seed: int, symbol: str, start: Decimal, step_seconds: float) -> None:
        if start <= 0:
            raise InvalidInput(f"{symbol}: a simulated market needs a start price above zero")
        self.symbol = symbol
        self.steps = 0
        self._draw = random.Random(f"{seed}:{symbol}")  # noqa: S311 - a market, not a secret
        self._step_seconds = step_seconds
        self._places = max(0, 5 - start.adjusted())
        self._tick = 10.0**-self._places
        self._price = float(start)
        self._middle = self._price
        self._left = 0.0
        self._regime = REGIMES[0]
        self._direction = 1.0

    def step(self, time_ms: int, received_ms: int) -> Quote:
        """The next quote: everything that was traded in one step of market time."""
        self._change_regime()
        prices = [self._price_after(self._step_seconds / _TRADES_PER_STEP) for _ in range(_TRADES_PER_STEP)]
        rounded = [self._rounded(price) for price in prices]
        self.steps += 1
        half_spread = self._tick * max(1, round(self._price * 0.00005 * (1 + self._draw.random()) / self._tick))
        last = rounded[-1]
        bid = max(self._rounded(self._price - half_spread), Decimal(repr(self._tick)))
        ask = max(self._rounded(self._price + half_spread), bid)
        volume = self._volume()
        return Quote(
            exchange="simulated", symbol=self.symbol, time_ms=time_ms, received_ms=received_ms, last=last,
            open=rounded[0], high=max(rounded), low=min(rounded), bid=min(bid, last), ask=max(ask, last),
            volume=volume, trades=_TRADES_PER_STEP, simulated=True,
        )  # fmt: skip

    def _change_regime(self) -> None:
        self._left -= self._step_seconds
        if self._left > 0:
            return
        self._regime = self._draw.choice(REGIMES)
        self._left = self._draw.expovariate(1 / self._regime.mean_seconds)
        self._direction = self._draw.choice((-1.0, 1.0))
        self._middle = self._price

    def _price_after(self, seconds: float) -> float:
        regime, years = self._regime, seconds / _YEAR_SECONDS
        shock = self._student() * _T_SCALE * regime.volatility * math.sqrt(years)
        drift = self._direction * regime.drift * regime.volatility * years
        drift += regime.pull * math.log(self._middle / self._price) * seconds
        if self._draw.random() < seconds / _JUMP_SECONDS:
            shock += self._draw.gauss(0.0, _JUMP_SIZE)
        move = min(max(drift + shock, -0.2), 0.2)
        self._price = max(self._price * math.exp(move), self._tick)
        return self._price

    def _student(self) -> float:
        chi = self._draw.gammavariate(_FREEDOM / 2, 2.0)
        return self._draw.gauss(0.0, 1.0) / math.sqrt(max(chi, 1e-9) / _FREEDOM)

    def _rounded(self, price: float) -> Decimal:
        return max(Decimal(f"{price:.{self._places}f}"), Decimal(1).scaleb(-self._places))

    def _volume(self) -> Decimal:
        """Base volume of a step: about 20,000 of quote currency a second, log-normal."""
        worth = 20_000 * self._step_seconds * self._draw.lognormvariate(0.0, 1.0) * self._regime.volatility
        return Decimal(f"{worth / self._price:.8g}")


class SimulatedMarket:
    """A `PriceSource` of simulated symbols.

    Known majors begin at `START_PRICES`; any other symbol needs a reference price (`want_at`), for example the entry
    price of the signal that asks for it, and is listed in `unknown` until it has one. `speed` is market time over real
    time; at 0 steps follow one another as fast as they are taken. `on_quote` is told every quote made. With a `memory`
    (a file, written once a second) a market goes on after a restart where it stood, as a market would.
    """

    name = "simulated"

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 1,
        speed: float = 1.0,
        step_ms: int = 250,
        start_ms: int | None = None,
        on_quote: Callable[[Quote], None] | None = None,
        memory: Path | None = None,
    ) -> None:
        if speed < 0 or step_ms <= 0:
            raise InvalidInput("speed must be zero or more and step_ms above zero")
        self._clock = clock
        self._on_quote = on_quote
        self._seed = seed
        self._speed = speed
        self._step_ms = step_ms
        self._time_ms = ms_from_utc(clock.now()) if start_ms is None else start_ms
        self._paths: dict[str, SimulatedPath] = {}
        self._wanted: frozenset[str] = frozenset()
        self._references: dict[str, Decimal] = {}
        self._changed = asyncio.Event()
        self._closed = False
        self._memory = memory
        self._stood = _remembered(memory)
        self._kept_at = clock.monotonic()

    @property
    def unknown(self) -> frozenset[str]:
        """Wanted symbols that have no price until somebody gives a reference (`want_at`)."""
        return frozenset(symbol for symbol in self._wanted if symbol not in self._paths)

    def want(self, symbols: Collection[str]) -> None:
        """From now on deliver these symbols. A symbol that is wanted again goes on where it stood."""
        self._wanted = frozenset(symbols)
        for symbol in sorted(self._wanted):
            self._begin(symbol)
        self._changed.set()

    def want_at(self, symbol: str, price: Decimal) -> None:
        """Deliver `symbol` too; if its market has not begun yet it begins at `price`."""
        if not price.is_finite() or price <= 0:
            raise InvalidInput(f"{symbol}: a reference price must be above zero")
        self._references[symbol] = price
        self.want(self._wanted | {symbol})

    async def quotes(self) -> AsyncIterator[Quote]:
        """One quote per symbol and step, until closed."""
        due = self._clock.monotonic()
        while not self._closed:
            symbols = sorted(symbol for symbol in self._wanted if symbol in self._paths)
            if not symbols:
                self._changed.clear()
                idle_since = self._clock.monotonic()
                await self._changed.wait()
                due = self._clock.monotonic()
                self._time_ms += round((due - idle_since) * 1000 * self._speed)
                continue
            self._time_ms += self._step_ms
            for symbol in symbols:
                quote = self._paths[symbol].step(self._time_ms, ms_from_utc(self._clock.now()))
                if self._on_quote is not None:
                    self._on_quote(quote)
                self._stood[symbol] = quote.last
                yield quote
            self._remember()
            due = await self._until(due)

    async def close(self) -> None:
        """End `quotes`."""
        self._closed = True
        self._changed.set()
        self._remember(at_once=True)

    def _remember(self, *, at_once: bool = False) -> None:
        now = self._clock.monotonic()
        if self._memory is None or not self._stood or (not at_once and now - self._kept_at < _KEEP_SECONDS):
            return
        self._kept_at = now
        draft = self._memory.with_suffix(".new")
        draft.write_bytes(orjson.dumps({symbol: str(price) for symbol, price in self._stood.items()}))
        draft.replace(self._memory)

    def _begin(self, symbol: str) -> None:
        start = self._stood.get(symbol) or self._named(symbol) or START_PRICES.get(symbol)
        if symbol not in self._paths and start is not None:
            self._paths[symbol] = SimulatedPath(self._seed, symbol, start, self._step_ms / 1000)

    def _named(self, symbol: str) -> Decimal | None:
        """The reference somebody named; not where it is far from what a known symbol costs: a slip makes no market."""
        named, usual = self._references.get(symbol), START_PRICES.get(symbol)
        if named is None or usual is None or usual / _FARTHEST <= named <= usual * _FARTHEST:
            return named
        return None

    async def _until(self, due: float) -> float:
        """Wait for the next step; a sleeper that overslept (suspended machine) does not run after the lost time."""
        if self._speed == 0:
            await asyncio.sleep(0)
            return due
        due += self._step_ms / 1000 / self._speed
        late = self._clock.monotonic() - due
        if late > 1.0:
            due += late
        await asyncio.sleep(max(0.0, -late))
        return due
