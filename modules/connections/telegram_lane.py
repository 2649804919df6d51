"""One channel's posts, one after another: new ones, edits and deletions, with whatever was missed read in between.

The lane's memory is the number of the last post that was taken and the fingerprints of the latest posts. It moves on
only after the callback has returned; so a crash repeats a post, and never loses one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from telethon import errors, types

from modules.connections.telegram_channels import KnownChannel
from modules.domain.ports import Clock
from modules.domain.signals import SourceMessage

_LOG = structlog.get_logger(__name__)
_PAGE = 50
_CHUNK = 100
_REQUEST_SECONDS = 30.0
_REQUESTS_AT_ONCE = 3
_REMEMBERED = 100
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
# A post found by looking rather than pushed counts as live while it is this young.
_FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ReaderHooks:
    """What the reader's owner provides.

    `load_state` and `save_state` keep one JSON object. `on_message` takes a post; whatever it raises, it gets the post
    again. `on_deleted` is told chat id and message ids. `is_own(chat_id, message_id, sender_id)` recognises what this
    installation has sent itself, so that it is never taken in again.
    """

    load_state: Callable[[], dict[str, Any]]
    save_state: Callable[[dict[str, Any]], None]
    on_message: Callable[[SourceMessage], Awaitable[None]]
    on_deleted: Callable[[int, tuple[int, ...]], Awaitable[None]] | None = None
    is_own: Callable[[int, int, int | None], bool] | None = None


@dataclass
class LaneMemory:
    """What outlives a restart. `recent`: message id → (edits seen, fingerprint of the text)."""

    last_id: int | None = None
    recent: dict[int, tuple[int, str]] = field(default_factory=dict)

    def note(self, number: int, edits: int, text: str) -> None:
        self.recent[number] = (edits, fingerprint(text))
        for oldest in sorted(self.recent)[:-_REMEMBERED]:
            del self.recent[oldest]

    def as_json(self) -> dict[str, Any]:
        return {"last_id": self.last_id, "recent": {str(n): list(each) for n, each in self.recent.items()}}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> LaneMemory:
        recent = {int(number): (int(edits), str(mark)) for number, (edits, mark) in body.get("recent", {}).items()}
        return cls(body.get("last_id"), recent)


@dataclass
class LaneHealth:
    """How the channel is doing; times are UTC."""

    last_message_at: datetime | None = None
    last_read_at: datetime | None = None
    failing_since: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class New:
    message: Any


@dataclass(frozen=True, slots=True)
class Edited:
    message: Any


@dataclass(frozen=True, slots=True)
class Deleted:
    numbers: tuple[int, ...]


class ChannelLost(Exception):
    """The account's address of the channel is no longer valid."""


class History:
    """Asks Telegram for posts: few requests at once, each bounded in time."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._gate = asyncio.Semaphore(_REQUESTS_AT_ONCE)

    async def newest(self, channel: KnownChannel, limit: int) -> list[Any]:
        """The channel's end, oldest first."""
        return list(reversed(await self._ask(channel, limit=limit)))

    async def after(self, channel: KnownChannel, number: int) -> list[Any]:
        """The posts that follow a number, oldest first."""
        return list(await self._ask(channel, limit=_CHUNK, min_id=number, reverse=True))

    async def _ask(self, channel: KnownChannel, **what: Any) -> Any:
        async with self._gate, asyncio.timeout(_REQUEST_SECONDS):
            return await self._client.get_messages(channel.peer(), **what)


class ChannelLane:
    """Works through one channel. `events` is filled from outside; `run` ends only by an error or cancellation."""

    def __init__(
        self,
        history: History,
        channel: KnownChannel,
        memory: LaneMemory,
        health: LaneHealth,
        hooks: ReaderHooks,
        save: Callable[[], None],
        clock: Clock,
        look_every_seconds: float,
    ) -> None:
        self.channel = channel
        self.memory = memory
        self.health = health
        self.events: asyncio.Queue[New | Edited | Deleted] = asyncio.Queue()
        self.flooded_until: float | None = None
        self._history = history
        self._hooks = hooks
        self._save = save
        self._clock = clock
        self._look_every = look_every_seconds
        self._source = f"telegram:{channel.chat_id}"
        self._begun = clock.now().replace(microsecond=0)
        self._look_at = clock.monotonic()
        self._caught_up = False

    async def run(self) -> None:
        """Read what was missed, then follow. Raises `ChannelLost` and what the connection raises."""
        while True:
            remaining = self._look_at - self._clock.monotonic()
            if remaining <= 0:
                self._caught_up = await self._look(backlog=not self._caught_up) or self._caught_up
                continue
            try:
                event = await asyncio.wait_for(self.events.get(), remaining)
            except TimeoutError:
                continue
            await self._handle(event)

    async def _handle(self, event: New | Edited | Deleted) -> None:
        match event:
            case New(message):
                await self._pushed(message)
            case Edited(message):
                await self._pushed_edit(message)
            case Deleted(numbers):
                await self._gone(numbers)

    async def _pushed(self, message: Any) -> None:
        if self._taken(message.id):
            return
        if self.memory.last_id is None:
            self.memory.last_id = message.id - 1
        whole = True
        if self.channel.numbered_without_gaps and message.id > self.memory.last_id + 1:
            whole = await self._look(backlog=False, before=message.id)
        # While Telegram makes us wait, a fresh post is not held back; the hole before it is read later.
        await self._take(message, backlog=False, moves_on=whole)

    async def _pushed_edit(self, message: Any) -> None:
        if self.memory.last_id is None or (message.id > self.memory.last_id and message.id not in self.memory.recent):
            await self._pushed(message)
        else:
            await self._take_edit(message)

    async def _look(self, *, backlog: bool, before: int | None = None) -> bool:
        """Read the channel's end and take what is new or changed. False when Telegram does not let us now."""
        now = self._clock.monotonic()
        if self.flooded_until is not None and now < self.flooded_until:
            return False
        self._look_at = now + self._look_every
        try:
            page = await self._history.newest(self.channel, _PAGE)
            if self.memory.last_id is None:
                self._begin_after(page)
            await self._compare(page, self.memory.last_id or 0)
            await self._read_on(page, backlog, before)
        except errors.FloodError as error:
            wait = float(getattr(error, "seconds", 0) or 1)
            self._look_at = self.flooded_until = now + wait
            _LOG.warning("telegram asks to wait", channel=self.channel.chat_id, seconds=wait)
            return False
        except (errors.ChannelInvalidError, errors.PeerIdInvalidError) as error:
            raise ChannelLost(str(error)) from error
        except (errors.ChannelPrivateError, errors.ChatForbiddenError) as error:
            self.health.problem = "the account is no longer a member, or was shut out"
            _LOG.warning("telegram channel closed", channel=self.channel.chat_id, reason=type(error).__name__)
            return False
        self.health.problem = None
        self.health.last_read_at = self._clock.now()
        return True

    async def _read_on(self, page: list[Any], backlog: bool, before: int | None) -> None:
        """Take the posts after the last one, oldest first: from the page when it reaches back that far."""
        last = self.memory.last_id or 0
        reaches_back = len(page) < _PAGE or page[0].id <= last + 1
        chunk = (
            [message for message in page if message.id > last]
            if reaches_back
            else await self._history.after(self.channel, last)
        )
        while chunk:
            for message in chunk:
                if before is not None and message.id >= before:
                    return
                old = (self._clock.now() - message.date).total_seconds() > _FRESH_SECONDS
                await self._take(message, backlog=backlog or old, moves_on=True)
            chunk = [] if reaches_back else await self._history.after(self.channel, chunk[-1].id)

    def _begin_after(self, page: list[Any]) -> None:
        """The very first look: what was posted before we began is history and is not taken."""
        old = [message for message in page if message.date < self._begun]
        for message in old:
            self.memory.note(message.id, 0, _text(message))
        self.memory.last_id = old[-1].id if old else 0
        self._save()

    async def _compare(self, page: list[Any], last: int) -> None:
        """Edits and deletions that nobody told us of, among the posts we remember."""
        there = {message.id: message for message in page}
        if page:
            since = page[0].id if len(page) == _PAGE else 0
            covered = sorted(number for number in self.memory.recent if since <= number <= last)
            await self._gone(tuple(number for number in covered if number not in there))
        for number, message in there.items():
            if number > last:
                continue
            if number in self.memory.recent:
                await self._take_edit(message)
            else:
                self.memory.note(number, 0, _text(message))

    async def _take(self, message: Any, *, backlog: bool, moves_on: bool) -> None:
        if self._taken(message.id):
            if moves_on and message.id > (self.memory.last_id or 0):
                self._move_on(message.id)
                self._save()
            return
        await self._deliver(message, 0, backlog)
        self.memory.note(message.id, 0, _text(message))
        if moves_on:
            self._move_on(message.id)
        self._save()

    async def _take_edit(self, message: Any) -> None:
        known = self.memory.recent.get(message.id)
        # Reactions and view counts arrive as edits too: the text decides, and for posts long past Telegram's own mark.
        if known is None and getattr(message, "edit_hide", False):
            return
        if known is not None and known[1] == fingerprint(_text(message)):
            return
        edits = (known[0] if known else 0) + 1
        await self._deliver(message, edits, backlog=False)
        self.memory.note(message.id, edits, _text(message))
        self._save()

    async def _gone(self, numbers: tuple[int, ...]) -> None:
        if not numbers:
            return
        told = self._hooks.on_deleted
        if told is not None:
            await self._until_taken(lambda: told(self.channel.chat_id, numbers))
        for number in numbers:
            self.memory.recent.pop(number, None)
        self._save()

    async def _until_taken(self, hand_over: Callable[[], Awaitable[None]]) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await hand_over()
            except Exception as error:  # noqa: BLE001 - whatever failed, nothing may be lost: it is handed over again
                self.health.failing_since = self.health.failing_since or self._clock.now()
                _LOG.warning("telegram post not taken", channel=self.channel.chat_id, reason=str(error))
            else:
                self.health.failing_since = None
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _taken(self, number: int) -> bool:
        last = self.memory.last_id
        return (last is not None and number <= last) or number in self.memory.recent

    def _move_on(self, number: int) -> None:
        self.memory.last_id = max(number, self.memory.last_id or 0)

    def _wanted(self, message: Any) -> bool:
        if isinstance(message, types.MessageService) or message.out or not _text(message).strip():
            return False
        is_own = self._hooks.is_own
        return is_own is None or not is_own(self.channel.chat_id, message.id, message.sender_id)

    async def _deliver(self, message: Any, edits: int, backlog: bool) -> None:
        async def hand_over() -> None:
            if self._wanted(message):
                await self._hooks.on_message(self._source_message(message, edits, backlog))
                if not edits:
                    self.health.last_message_at = message.date

        await self._until_taken(hand_over)

    def _source_message(self, message: Any, edits: int, backlog: bool) -> SourceMessage:
        return SourceMessage(
            source=self._source,
            message_id=str(message.id),
            text=_text(message),
            at=message.date,
            received_at=self._clock.now(),
            reply_to=_reply_to(message),
            edited=edits,
            backlog=backlog,
        )


def fingerprint(text: str) -> str:
    """Tells two versions of a post apart; short, because many are kept."""
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _text(message: Any) -> str:
    return getattr(message, "message", None) or ""


def _reply_to(message: Any) -> str | None:
    header = message.reply_to
    number = getattr(header, "reply_to_msg_id", None)
    # In a forum the "reply" of an ordinary post names its topic.
    if number is None or (getattr(header, "forum_topic", False) and not getattr(header, "reply_to_top_id", None)):
        return None
    return str(number)
