"""When the next message to a chat may go out: overall, per group and per chat; one slow chat never holds up others.

Telegram allows about 30 messages a second over all chats, 20 a minute in a group or channel and one a second in a
chat. A 429 answer names one chat's wait; only when several chats are told to wait at once is it the whole bot's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from modules.domain.errors import Unavailable

_FLOOD_CHATS = 3
_FLOOD_WITHIN_SECONDS = 2.0
_LANES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any stretch of `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Telegram's limits, and how long one message may wait here before the caller is asked to come back later."""

    overall: Rate = Rate(30, 1.0)
    group: Rate = Rate(20, 60.0)
    chat: Rate = Rate(1, 1.0)
    longest_wait_seconds: float = 5.0


class _Window:
    """Remembers the last `count` moments; the next may come `seconds` after the oldest of them."""

    def __init__(self, rate: Rate) -> None:
        self._seconds = rate.seconds
        self._moments: deque[float] = deque(maxlen=rate.count)

    def free_at(self) -> float:
        if len(self._moments) < (self._moments.maxlen or 0):
            return 0.0
        return self._moments[0] + self._seconds

    def note(self, now: float) -> None:
        self._moments.append(now)

    def idle(self, now: float) -> bool:
        return not self._moments or self._moments[-1] + self._seconds <= now


class _Lane:
    """One chat: its windows, its pause, and a lock that keeps its messages in the order they were handed in."""

    def __init__(self, windows: tuple[_Window, ...]) -> None:
        self.windows = windows
        self.lock = asyncio.Lock()
        self.paused_until = 0.0
        self.users = 0

    def free_at(self) -> float:
        return max(self.paused_until, *(window.free_at() for window in self.windows))

    def idle(self, now: float) -> bool:
        return not self.users and self.paused_until <= now and all(window.idle(now) for window in self.windows)


class SendLimiter:
    """Hands out turns. `monotonic` and `sleep` are given, so that tests need no time."""

    def __init__(
        self,
        limits: Limits,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._sleep = sleep
        self._overall = _Window(limits.overall)
        self._all_paused_until = 0.0
        self._lanes: dict[int | str, _Lane] = {}
        self._told_to_wait: dict[int | str, tuple[float, float]] = {}

    @asynccontextmanager
    async def turn(self, chat: int | str) -> AsyncIterator[None]:
        """Wait for this chat's turn and hold it while the request runs.

        Raises `Unavailable` with the wait as its hint when that would take longer than the limits allow.
        """
        lane = self._lane(chat)
        deadline = self._monotonic() + self._limits.longest_wait_seconds
        lane.users += 1
        try:
            await self._enter(lane)
            try:
                await self._wait(lane, deadline)
                yield
            finally:
                lane.lock.release()
        finally:
            lane.users -= 1

    def pause(self, chat: int | str, seconds: float) -> None:
        """Telegram said to leave this chat alone for so long."""
        now = self._monotonic()
        lane = self._lane(chat)
        lane.paused_until = max(lane.paused_until, now + seconds)
        recent = {c: told for c, told in self._told_to_wait.items() if told[0] > now - _FLOOD_WITHIN_SECONDS}
        recent[chat] = (now, now + seconds)
        self._told_to_wait = recent
        if len(recent) >= _FLOOD_CHATS:
            self._all_paused_until = max(self._all_paused_until, min(until for _, until in recent.values()))

    async def _enter(self, lane: _Lane) -> None:
        try:
            async with asyncio.timeout(self._limits.longest_wait_seconds):
                await lane.lock.acquire()
        except TimeoutError:
            wait = max(1.0, lane.free_at() - self._monotonic())
            raise Unavailable("too many messages wait for this chat", code="paced", retry_after_seconds=wait) from None

    async def _wait(self, lane: _Lane, deadline: float) -> None:
        while True:
            now = self._monotonic()
            free_at = max(lane.free_at(), self._overall.free_at(), self._all_paused_until)
            if free_at <= now:
                break
            if free_at > deadline:
                raise Unavailable("Telegram's limits ask to wait", code="paced", retry_after_seconds=free_at - now)
            await self._sleep(free_at - now)
        self._overall.note(now)
        for window in lane.windows:
            window.note(now)

    def _lane(self, chat: int | str) -> _Lane:
        lane = self._lanes.get(chat)
        if lane is None:
            if len(self._lanes) >= _LANES_KEPT:
                now = self._monotonic()
                self._lanes = {key: kept for key, kept in self._lanes.items() if not kept.idle(now)}
            # A name or a negative number is a group or a channel.
            is_group = isinstance(chat, str) or chat < 0
            rates = (self._limits.chat, self._limits.group) if is_group else (self._limits.chat,)
            lane = self._lanes[chat] = _Lane(tuple(_Window(rate) for rate in rates))
        return lane
