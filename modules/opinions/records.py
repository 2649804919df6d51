"""The four kinds of opinion, each with its source and the moment from which it could be known.

`at_ms` is when it was said or happened, `known_ms` from when a decision may use it (never before `at_ms`): an hour's sum is
known when the hour is over. Values that can't be true are refused where they are made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import isfinite

from modules.domain.errors import InvalidInput

HOUR_MS = 3_600_000

CLASSES = ((24, "Extreme Fear"), (46, "Fear"), (54, "Neutral"), (75, "Greed"), (100, "Extreme Greed"))
"""The index's usual bands: highest value of each, and its name."""


@dataclass(frozen=True, slots=True)
class FearGreed:
    """The fear & greed index of one day, 0 (fear) to 100 (greed)."""

    at_ms: int
    value: int
    source: str

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 100:
            raise InvalidInput(f"fear & greed: {self.value} is not within 0 and 100")

    @property
    def known_ms(self) -> int:
        return self.at_ms

    @property
    def classification(self) -> str:
        """The name of the band."""
        return next(name for most, name in CLASSES if self.value <= most)

    @property
    def id(self) -> str:
        return f"fear_greed:{self.source}:{self.at_ms}"


@dataclass(frozen=True, slots=True)
class Headline:
    """One headline. `subject` is the asset it is filed under, empty for the market as a whole."""

    at_ms: int
    title: str
    source: str
    url: str = ""
    subject: str = ""
    received_ms: int | None = None

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise InvalidInput("a headline without words")

    @property
    def known_ms(self) -> int:
        """Its publication; for one fetched live, not before it was received."""
        return max(self.at_ms, self.received_ms or self.at_ms)

    @property
    def id(self) -> str:
        """The same for the same words of the same source, whichever link they came with."""
        words = " ".join(self.title.lower().split())
        return "headline:" + hashlib.sha256(f"{self.source}\n{words}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class LargePrint:
    """Trades of one aggressor within one short stretch that together exceed a threshold, in USD of the quote."""

    at_ms: int
    symbol: str
    buy: bool
    usd: float
    price: float
    trades: int
    source: str

    def __post_init__(self) -> None:
        if not (isfinite(self.usd) and self.usd > 0 and isfinite(self.price) and self.price > 0):
            raise InvalidInput(f"{self.symbol}: a print of {self.usd} USD at {self.price}")

    @property
    def known_ms(self) -> int:
        return self.at_ms

    @property
    def id(self) -> str:
        return f"print:{self.source}:{self.symbol}:{self.at_ms}:{'buy' if self.buy else 'sell'}"


@dataclass(frozen=True, slots=True)
class ExchangeFlow:
    """Large transfers of an asset in one hour, in USD: on to exchanges and off them. `at_ms` is the hour's start."""

    at_ms: int
    asset: str
    to_exchange_usd: float
    from_exchange_usd: float
    source: str

    def __post_init__(self) -> None:
        for value in (self.to_exchange_usd, self.from_exchange_usd):
            if not (isfinite(value) and value >= 0):
                raise InvalidInput(f"{self.asset}: a flow of {value} USD")

    @property
    def known_ms(self) -> int:
        """The hour's end: a sum is not known before."""
        return self.at_ms + HOUR_MS

    @property
    def net_to_exchange_usd(self) -> float:
        """More on to exchanges (to be sold) than off them where above zero."""
        return self.to_exchange_usd - self.from_exchange_usd

    @property
    def id(self) -> str:
        return f"flow:{self.source}:{self.asset}:{self.at_ms}"


Opinion = FearGreed | Headline | LargePrint | ExchangeFlow
KINDS: dict[str, type[Opinion]] = {
    "fear_greed": FearGreed,
    "headline": Headline,
    "large_print": LargePrint,
    "exchange_flow": ExchangeFlow,
}


def kind_of(opinion: Opinion) -> str:
    """The name of its kind."""
    return next(name for name, kind in KINDS.items() if isinstance(opinion, kind))


def subject_of(opinion: Opinion) -> str:
    """The asset or symbol it is about; empty for the market as a whole."""
    match opinion:
        case LargePrint():
            return opinion.symbol
        case ExchangeFlow():
            return opinion.asset
        case Headline():
            return opinion.subject
        case FearGreed():
            return ""
