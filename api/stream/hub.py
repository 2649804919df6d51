"""Channels and their fan-out: numbers each message, frames it once, and hands the same bytes to every listener.

Ordered channels remember their newest messages for who comes back. Conflated channels have no past: what comes faster than
`interval_seconds` is joined (a price keeps its high, low and volume), and a listener that is slow gets it joined further.
Everything here runs in one event loop; other threads use `Stream.publish`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from api.stream import protocol
from api.stream.topics import JOURNAL_TOPICS, admit, channel_key, describe, symbol_of
from modules.connections.feeds.conflation import join_quotes
from modules.domain.errors import NotFound, Unavailable
from modules.domain.market import Quote, ms_from_utc
from modules.domain.money import plain
from modules.domain.people import Principal
from modules.domain.ports import Clock

if TYPE_CHECKING:
    from api.stream.session import Session

#: How often a price may be told, and how many messages an ordered channel remembers.
PRICE_SECONDS = 0.1
REMEMBERED = 1_000
#: Jobs of which the progress is remembered.
MOST_JOBS = 500
#: Different symbols that all listeners together may watch.
MOST_SYMBOLS = 1_000


@dataclass(slots=True)
class Joined:
    """What a conflated channel has to tell: a quote or a state, of how many messages, up to which number."""

    content: Any
    seq: int
    count: int = 1


class Channel:
    """One sequence of messages and who hears it. `first` is the number before its first message."""

    __slots__ = ("conflated", "due", "key", "kind", "listeners", "past", "pending", "seq", "timer", "topic")

    def __init__(self, key: str, topic: str, first: int, *, conflated: bool) -> None:
        self.key = key
        self.topic = topic
        self.seq = first
        self.kind = ""
        self.conflated = conflated
        self.listeners: dict[Session, None] = {}
        self.past: deque[tuple[int, bytes]] = deque(maxlen=1 if conflated else REMEMBERED)
        self.pending: Any = None
        self.due = 0.0
        self.timer: asyncio.TimerHandle | None = None

    def since(self, after: int) -> list[bytes] | None:
        """The messages after a number; None when they are not all known any more, or the number is from another life."""
        if self.conflated or after > self.seq:
            return None
        if after == self.seq:
            return []
        if not self.past or self.past[0][0] > after + 1:
            return None
        return [frame for seq, frame in self.past if seq > after]


def joined(first: Any, second: Any) -> Any:
    """One content that stands for both: quotes keep their range, of other states only the newer counts."""
    return join_quotes(first, second) if isinstance(first, Quote) else second


def content_data(content: Any) -> Any:
    """What a conflated content says."""
    return quote_data(content) if isinstance(content, Quote) else content


def quote_data(quote: Quote) -> dict[str, Any]:
    """A price as the stream shows it; open, high, low and volume are those since the message before."""
    return {
        "symbol": quote.symbol,
        "price": plain(quote.last),
        "open": plain(quote.open),
        "high": plain(quote.high),
        "low": plain(quote.low),
        "bid": plain(quote.bid),
        "ask": plain(quote.ask),
        "volume": plain(quote.volume),
        "trades": quote.trades,
        "exchange": quote.exchange,
        "simulated": quote.simulated,
        "traded_at": quote.time_ms,
    }


class Hub:
    """All channels of this process."""

    def __init__(
        self,
        clock: Clock,
        *,
        interval_seconds: float = PRICE_SECONDS,
        listed: Callable[[str], bool] = lambda _symbol: True,
    ) -> None:
        self._clock = clock
        self._listed = listed
        self._interval = interval_seconds
        self._channels: dict[str, Channel] = {}
        self._symbols: frozenset[str] | None = None
        self._jobs: dict[str, None] = {}
        self.sessions: set[Session] = set()
        self.told = 0
        self.on_symbols: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        """The clock's time."""
        return self._clock.now()

    def time(self) -> str:
        """The time as messages carry it."""
        return protocol.iso_time(self._clock.now())

    # ---- telling ------------------------------------------------------------------------------------------------

    def publish(self, topic: str, kind: str, data: Any, user_id: str | None = None) -> int:
        """Tells everybody who hears the topic (its owner, for a private one); returns the message's number.

        Raises NotFound for an unknown topic, InvalidInput for a private one without its owner.
        """
        key = channel_key(topic, user_id)
        return self.tell(self.channel(key, topic), kind, data, self.time())

    def tell(self, channel: Channel, kind: str, data: Any, time: str) -> int:
        """Numbers, frames, remembers and hands out one message of an ordered or conflated channel."""
        channel.seq += 1
        channel.kind = kind
        frame = protocol.message(kind, channel.topic, channel.seq, time, data)
        channel.past.append((channel.seq, frame))
        self.told += len(channel.listeners)
        if channel.conflated:
            for session in list(channel.listeners):
                session.give_latest(channel, frame, data)
        else:
            for session in list(channel.listeners):
                session.give(frame)
        return channel.seq

    def price(self, quote: Quote) -> None:
        """The market of a symbol moved: told at once where it was still, else joined until its time has come."""
        channel = self._channels.get(f"price:{quote.symbol}")
        if channel is None or not channel.listeners:
            return
        channel.pending = quote if channel.pending is None else join_quotes(channel.pending, quote)
        if channel.timer is not None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= channel.due:
            self._tell_price(channel)
        else:
            channel.timer = loop.call_at(channel.due, self._tell_price, channel)

    def _tell_price(self, channel: Channel) -> None:
        channel.timer = None
        quote, channel.pending = channel.pending, None
        if quote is None:
            return
        channel.due = asyncio.get_running_loop().time() + self._interval
        channel.seq += 1
        channel.kind = "price"
        frame = protocol.message("price", channel.topic, channel.seq, self.time(), quote_data(quote))
        channel.past.append((channel.seq, frame))
        self.told += len(channel.listeners)
        for session in list(channel.listeners):
            session.give_latest(channel, frame, quote)

    def admit(self, topic: str, who: Principal | None) -> tuple[str, tuple[tuple[str, str], ...]]:
        """`topics.admit`, and for a price also: the symbol is listed, and not too many others are watched already.

        Raises NotFound, NotAllowed or InvalidInput.
        """
        name, pairs = admit(topic, who)
        symbol = symbol_of(name)
        if symbol is not None and name not in self._channels:
            if not self._listed(symbol):
                raise NotFound(f"{symbol} is not listed", code="unknown_symbol")
            if len(self.watched_symbols()) >= MOST_SYMBOLS:
                raise Unavailable("too many symbols are watched already", code="too_many_symbols")
        return name, pairs

    # ---- channels -----------------------------------------------------------------------------------------------

    def channel(self, key: str, topic: str) -> Channel:
        """The channel, made at first use.

        A journal's channel counts from its beginning. Numbers of a channel that no journal keeps begin at the present millisecond: a later life of the channel always
        has higher ones, so that a number from an earlier life is recognised.
        """
        if (found := self._channels.get(key)) is not None:
            return found
        conflated = symbol_of(topic) is not None or describe(topic).conflated
        begin = 0 if topic in JOURNAL_TOPICS else ms_from_utc(self._clock.now())
        made = self._channels[key] = Channel(key, topic, begin, conflated=conflated)
        if topic.startswith("jobs:"):
            self._forget_old_jobs(key)
        return made

    def find(self, key: str) -> Channel | None:
        """The channel, if it exists."""
        return self._channels.get(key)

    def hear(self, session: Session, topic: str, key: str) -> Channel:
        """From now on the session hears the channel."""
        channel = self.channel(key, topic)
        if session not in channel.listeners:
            channel.listeners[session] = None
            if symbol_of(topic) is not None and len(channel.listeners) == 1:
                self._symbols = None
                self.on_symbols()
        return channel

    def leave(self, session: Session, key: str) -> None:
        """The session hears it no more. A conflated channel that nobody hears is forgotten:
        its last word would grow old."""
        channel = self._channels.get(key)
        if channel is None:
            return
        channel.listeners.pop(session, None)
        if (
            channel.listeners
            or (channel.past and not channel.conflated)
            or (channel.topic in JOURNAL_TOPICS and channel.seq)
        ):
            return
        if channel.timer is not None:
            channel.timer.cancel()
        del self._channels[key]
        self._jobs.pop(key, None)
        if symbol_of(channel.topic) is not None:
            self._symbols = None

    def _forget_old_jobs(self, key: str) -> None:
        """Of finished jobs the newest are remembered; one that somebody hears stays."""
        self._jobs[key] = None
        if len(self._jobs) <= MOST_JOBS:
            return
        for old in list(self._jobs):
            if not self._channels[old].listeners and old != key:
                del self._jobs[old], self._channels[old]
                return

    def watched_symbols(self) -> frozenset[str]:
        """The symbols whose price somebody wants."""
        if self._symbols is None:
            self._symbols = frozenset(price[6:] for price in self._channels if price.startswith("price:"))
        return self._symbols

    def listeners(self, prefix: str) -> list[str]:
        """The users who hear their channel of a private topic."""
        return [
            key[len(prefix) + 1 :]
            for key, channel in self._channels.items()
            if channel.listeners and channel.topic == prefix and key.startswith(f"{prefix}@")
        ]
