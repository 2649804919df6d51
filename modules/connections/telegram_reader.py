"""Reads channels with a user's Telegram session, and does nothing else: it never sends, joins, forwards or marks read.

Starting and recovering are one path: connect, find the channels, read what was missed in each, follow. Whenever the
connection ends, that is done again with growing pauses. The session string must be used by one process at a time;
whoever runs this holds a lease, because Telegram revokes a key that it sees in two places.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from telethon import TelegramClient, errors, events, functions
from telethon.network import ConnectionTcpAbridged
from telethon.sessions import StringSession

from modules.connections.telegram_channels import (
    KnownChannel,
    channel_key,
    chats_of,
    is_number,
    look_up,
    possible_ids,
)
from modules.connections.telegram_lane import (
    ChannelLane,
    ChannelLost,
    Deleted,
    Edited,
    History,
    LaneHealth,
    LaneMemory,
    New,
    ReaderHooks,
)
from modules.connections.telegram_session import LOST, UserAccount, problems_with, raise_if_fatal
from modules.domain.errors import Misconfigured, NotFound
from modules.domain.ports import Clock

__all__ = ["ChannelReader", "ChannelStatus", "Pace", "ReaderHooks", "ReaderStatus", "UserAccount"]

_LOG = structlog.get_logger(__name__)
_REQUEST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between things. `look`: how often a silent channel is read to prove that nothing was missed;
    `look_not_joined`: the same where Telegram pushes nothing because the account only looks at the channel.
    """

    ping: float = 30.0
    look: float = 300.0
    look_not_joined: float = 20.0
    search_again: float = 600.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    connect_timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One channel as the operator sees it."""

    title: str
    last_message_at: datetime | None
    last_read_at: datetime | None
    waiting: int
    failing_since: datetime | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """Proof of message flow, not only of a living loop. `problems`: channels that could not be found, and why."""

    connected: bool
    connections: int
    last_update_age_seconds: float | None
    last_ping_age_seconds: float | None
    flood_wait_until: datetime | None
    channels: Mapping[int, ChannelStatus]
    problems: Mapping[str, str]

    @property
    def last_message_at(self) -> dict[int, datetime | None]:
        return {chat_id: channel.last_message_at for chat_id, channel in self.channels.items()}


class ChannelReader:
    """`run` is the whole life. `channels` are names, links, invitations or numbers, as `channel_key` reads them."""

    def __init__(
        self,
        account: UserAccount,
        channels: Sequence[str | int],
        hooks: ReaderHooks,
        *,
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        problems = problems_with(account)
        if problems:
            raise Misconfigured(problems)
        self._account = account
        self._wanted = list(dict.fromkeys(channel_key(each) for each in channels))
        self._hooks = hooks
        self._clock = clock
        self._pace = pace or Pace()
        self._user_id: int | None = None
        self._known: dict[str, KnownChannel] = {}
        self._memories: dict[int, LaneMemory] = {}
        self._health: dict[int, LaneHealth] = {}
        self._lanes: dict[int, ChannelLane] = {}
        self._problems: dict[str, str] = {}
        self._connected = False
        self._connections = 0
        self._last_update: float | None = None
        self._last_ping: float | None = None
        self._flooded_until: float | None = None
        self._load()

    # ---- status

    def status(self) -> ReaderStatus:
        """How the reader stands: connected, last heard, waiting for a flood to pass."""
        now = self._clock.monotonic()
        floods = [self._flooded_until, *(lane.flooded_until for lane in self._lanes.values())]
        until = max((each for each in floods if each is not None and each > now), default=None)
        return ReaderStatus(
            connected=self._connected,
            connections=self._connections,
            last_update_age_seconds=None if self._last_update is None else now - self._last_update,
            last_ping_age_seconds=None if self._last_ping is None else now - self._last_ping,
            flood_wait_until=None if until is None else self._clock.now() + timedelta(seconds=until - now),
            channels={known.chat_id: self._channel_status(known) for known in self._known.values()},
            problems=dict(self._problems),
        )

    def _channel_status(self, known: KnownChannel) -> ChannelStatus:
        health = self._health.setdefault(known.chat_id, LaneHealth())
        lane = self._lanes.get(known.chat_id)
        return ChannelStatus(
            title=known.title,
            last_message_at=health.last_message_at,
            last_read_at=health.last_read_at,
            waiting=lane.events.qsize() if lane else 0,
            failing_since=health.failing_since,
            problem=health.problem,
        )

    # ---- life

    async def run(self) -> None:
        """Read until cancelled. Raises `Misconfigured` when only the operator can help."""
        pause = self._pace.first_pause
        while True:
            begun = self._clock.monotonic()
            try:
                await self._session()
            except errors.FloodError as error:
                await self._sit_out(float(getattr(error, "seconds", 0) or 1))
                continue
            except asyncio.CancelledError:
                # The library also cancels what waits for an answer when a connection ends.
                if _asked_to_end():
                    raise
            except LOST as error:
                raise_if_fatal(error)
                _LOG.warning("telegram connection ended", reason=f"{type(error).__name__}: {error}")
            if self._clock.monotonic() - begun > self._pace.longest_pause:
                pause = self._pace.first_pause
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads reconnections, not a secret
            pause = min(pause * 2, self._pace.longest_pause)

    async def _sit_out(self, seconds: float) -> None:
        self._flooded_until = self._clock.monotonic() + seconds
        _LOG.warning("telegram asks to wait before connecting again", seconds=seconds)
        await asyncio.sleep(seconds)

    async def _session(self) -> None:
        """One connection's life; ends with the error that ended it."""
        client = TelegramClient(
            StringSession(self._account.session),
            self._account.api_id,
            self._account.api_hash,
            connection=ConnectionTcpAbridged,
            auto_reconnect=False,
            connection_retries=1,
            retry_delay=0,
            request_retries=2,
            raise_last_call_error=True,
            flood_sleep_threshold=0,
            sequential_updates=True,
        )
        try:
            async with asyncio.timeout(self._pace.connect_timeout):
                await client.connect()
                await self._sign_in(client)
            self._listen(client)
            self._connected = True
            self._connections += 1
            await self._work(client)
        finally:
            self._connected = False
            self._lanes = {}
            await client.disconnect()

    async def _sign_in(self, client: Any) -> None:
        await client(functions.updates.GetStateRequest())
        me = await client.get_me()
        if self._user_id not in (None, me.id):
            # Another account addresses the same channels differently; what it has read stays valid.
            self._known.clear()
        self._user_id = me.id
        self._last_ping = self._clock.monotonic()

    async def _work(self, client: Any) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ping(client))
                group.create_task(self._until_gone(client))
                await self._follow_all(client, group)
        except BaseExceptionGroup as failures:
            fatal = next((each for each in failures.exceptions if isinstance(each, Misconfigured)), None)
            raise fatal or failures.exceptions[0] from failures

    async def _until_gone(self, client: Any) -> None:
        await client.disconnected
        raise ConnectionError("Telegram closed the connection")

    async def _ping(self, client: Any) -> None:
        """Ask for a sign of life when nothing has come for a while; no answer ends the connection."""
        while True:
            await asyncio.sleep(self._pace.ping)
            heard = max(self._last_update or 0.0, self._last_ping or 0.0)
            if self._clock.monotonic() - heard < self._pace.ping:
                continue
            with suppress(errors.FloodError):
                async with asyncio.timeout(self._pace.connect_timeout):
                    await client(functions.updates.GetStateRequest())
            self._last_ping = self._clock.monotonic()

    # ---- channels

    async def _follow_all(self, client: Any, group: asyncio.TaskGroup) -> None:
        """Start a lane for every channel that is known, and look the others up now and then."""
        history = History(client)
        while True:
            for key in self._wanted:
                known = self._known.get(key)
                if known is not None and known.chat_id not in self._lanes:
                    self._start_lane(history, key, known, group)
            missing = [key for key in self._wanted if key not in self._known]
            wait = self._pace.search_again
            if missing:
                found_before = len(self._known)
                try:
                    await self._search(client, missing)
                except errors.FloodError as error:
                    wait = float(getattr(error, "seconds", 0) or 1)
                    self._flooded_until = self._clock.monotonic() + wait
                    _LOG.warning("telegram asks to wait before looking up channels", seconds=wait)
                if len(self._known) > found_before:
                    continue
            if not self._known and len(self._problems) == len(self._wanted) > 0:
                raise Misconfigured([f"channel {key}: {why}" for key, why in self._problems.items()])
            await asyncio.sleep(wait)

    async def _search(self, client: Any, missing: Sequence[str]) -> None:
        if any(is_number(key) for key in missing):
            async with asyncio.timeout(_REQUEST_SECONDS):
                mine = await chats_of(client)
            for key in filter(is_number, missing):
                found = next((mine[each] for each in possible_ids(key) if each in mine), None)
                self._remember(key, found or NotFound("the account is in no chat with this number"))
        for key in missing:
            if not is_number(key):
                try:
                    async with asyncio.timeout(_REQUEST_SECONDS):
                        self._remember(key, await look_up(client, key))
                except NotFound as reason:
                    self._remember(key, reason)

    def _remember(self, key: str, found: KnownChannel | NotFound) -> None:
        if isinstance(found, NotFound):
            self._problems[key] = found.message
            _LOG.warning("telegram channel not found", channel=key, reason=found.message)
            return
        self._problems.pop(key, None)
        self._known[key] = found
        self._save()
        _LOG.info("telegram channel found", channel=key, chat=found.chat_id, title=found.title)

    def _start_lane(self, history: History, key: str, known: KnownChannel, group: asyncio.TaskGroup) -> None:
        lane = ChannelLane(
            history,
            known,
            self._memories.setdefault(known.chat_id, LaneMemory()),
            self._health.setdefault(known.chat_id, LaneHealth()),
            self._hooks,
            self._save,
            self._clock,
            self._pace.look if known.joined else self._pace.look_not_joined,
        )
        self._lanes[known.chat_id] = lane
        group.create_task(self._keep(key, lane))

    async def _keep(self, key: str, lane: ChannelLane) -> None:
        try:
            await lane.run()
        except ChannelLost as error:
            # The kept address is stale: forget it, and look the channel up again on a new connection.
            del self._known[key]
            self._save()
            raise ConnectionError(f"the address of channel {key} is no longer valid: {error}") from error

    # ---- what the library calls

    def _listen(self, client: Any) -> None:
        client.add_event_handler(self._on(New), events.NewMessage())
        client.add_event_handler(self._on(Edited), events.MessageEdited())
        client.add_event_handler(self._on_deleted, events.MessageDeleted())
        client.add_event_handler(self._on_anything, events.Raw())

    def _on(self, kind: type[New] | type[Edited]) -> Callable[[Any], Awaitable[None]]:
        async def put(event: Any) -> None:
            lane = self._lanes.get(event.chat_id)
            if lane is not None:
                lane.events.put_nowait(kind(event.message))

        return put

    async def _on_deleted(self, event: Any) -> None:
        numbers = tuple(event.deleted_ids)
        if event.chat_id is not None:
            lane = self._lanes.get(event.chat_id)
            if lane is not None:
                lane.events.put_nowait(Deleted(numbers))
            return
        # Outside channels Telegram does not say where; the numbers are the account's own, so they tell.
        for lane in self._lanes.values():
            mine = tuple(each for each in numbers if each in lane.memory.recent)
            if mine and not lane.channel.numbered_without_gaps:
                lane.events.put_nowait(Deleted(mine))

    async def _on_anything(self, _: Any) -> None:
        self._last_update = self._clock.monotonic()

    # ---- state

    def _load(self) -> None:
        state = self._hooks.load_state()
        self._user_id = state.get("user_id")
        self._known = {key: KnownChannel.from_json(each) for key, each in state.get("known", {}).items()}
        self._memories = {int(chat): LaneMemory.from_json(each) for chat, each in state.get("memories", {}).items()}

    def _save(self) -> None:
        self._hooks.save_state(
            {
                "user_id": self._user_id,
                "known": {key: known.as_json() for key, known in self._known.items()},
                "memories": {str(chat): memory.as_json() for chat, memory in self._memories.items()},
            }
        )


def _asked_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
