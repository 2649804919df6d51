"""The stream as the rest of the API sees it: give it quotes and turns, publish to it from any thread, open sessions on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from api.stream.facts import RETAINED, Facts
from api.stream.hub import PRICE_SECONDS, Hub
from api.stream.jobs import JobProgress
from api.stream.live import LivePositions, Prices, Processes
from api.stream.session import Authenticate, Session, Wire
from api.stream.tickets import Tickets
from api.stream.topics import JOURNAL_TOPICS, channel_key, symbol_of
from database import Store
from modules.domain.errors import InvalidInput
from modules.domain.market import Quote
from modules.domain.ports import Clock

#: A connection that says nothing of itself for this long is sent away; who is signed in is checked again as often.
PURPOSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class StreamParts:
    """What the stream tells of. `authenticate` is asked for every token, at its sign-in and again while it is connected."""

    store: Store
    clock: Clock
    prices: Prices
    run_dir: Path
    authenticate: Authenticate
    listed: Callable[[str], bool] = lambda _symbol: True
    price_seconds: float = PRICE_SECONDS
    retained: int = RETAINED


class Stream:
    """One per process. All but `publish`, `tickets` and the constructor belong to the event loop."""

    def __init__(self, parts: StreamParts) -> None:
        self._parts = parts
        self.hub = Hub(parts.clock, interval_seconds=parts.price_seconds, listed=parts.listed)
        self.tickets = Tickets(parts.clock)
        self._facts = Facts(parts.store, self.hub, retained=parts.retained)
        self._positions = LivePositions(parts.store, self.hub, parts.prices)
        self._jobs = JobProgress(parts.store, self.hub)
        self._processes = Processes(self.hub, parts.run_dir, parts.prices)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._suspects: set[Session] = set()
        self._checked = parts.clock.monotonic()

    def start(self, wake: Callable[[], None]) -> None:
        """Belongs to the running loop from now on; `wake` is called when other symbols are wanted."""
        self._loop = asyncio.get_running_loop()
        self.hub.on_symbols = wake
        while self._facts.turn():
            pass

    def turn(self, now: datetime) -> bool:
        """Tells what happened; whether there is more."""
        more = self._facts.turn()
        self._positions.turn(now)
        self._processes.turn(now)
        self._jobs.turn(now)
        self._check_sessions()
        return more

    def quote(self, quote: Quote) -> None:
        """A symbol's market moved."""
        self.hub.price(quote)

    def publish(self, topic: str, kind: str, data: Any, user_id: str | None = None) -> None:
        """Tells `data` on a topic that no journal keeps (`scanner`, `jobs:ID`); from any thread, in the order of calls.

        `user_id` is the owner of a private topic. Raises NotFound or InvalidInput for a topic that can't be told so.
        """
        channel_key(topic, user_id)
        if topic in JOURNAL_TOPICS or symbol_of(topic) is not None:
            raise InvalidInput(f"{topic} tells what the journal and the market say, nothing else")
        if self._loop is None or self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self.hub.publish, topic, kind, data, user_id)

    def begin(self, wire: Wire) -> Session:
        """A new listener."""
        return Session(self.hub, wire, self._parts.authenticate, self.tickets)

    def _check_sessions(self) -> None:
        """Every half minute: who has been without a purpose since the last look leaves, who was signed out too."""
        now = self._parts.clock.monotonic()
        if now - self._checked < PURPOSE_SECONDS:
            return
        self._checked = now
        for session in list(self.hub.sessions):
            session.check()
        idle = {session for session in self.hub.sessions if session.idle}
        for session in idle & self._suspects:
            session.end(1008, "neither signed in nor subscribed")
        self._suspects = idle - self._suspects
