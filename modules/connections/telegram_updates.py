"""The receiving side of the bot: polls Telegram or answers its webhook, and hands each update over once it is safe.

An update is confirmed to Telegram only after the callback has returned. A crash or a failing callback therefore makes
Telegram send it again, never lose it; callers know a repetition by `update_id`. For that the library's own dispatcher
is not used: the updater's queue is replaced by a hand-over that waits for the callback.

One token has one consumer. When somebody else polls with it, `run` ends with `TokenInUse`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from telegram import Update
from telegram.error import Conflict as PollConflict
from telegram.error import TelegramError
from telegram.ext import Updater

from modules.connections.telegram_inputs import ChatInput, Membership, chat_input, membership
from modules.connections.telegram_requests import (
    BotRequest,
    RequestSettings,
    SecretFilter,
    check_token,
    make_bot,
    translated,
)
from modules.domain.errors import Conflict, InvalidInput, Misconfigured, Trouble, Unavailable
from modules.domain.ports import Clock

__all__ = ["BotReceiver", "ChatInput", "Membership", "TokenInUse", "WebhookHealth", "WebhookSettings"]

_LOG = structlog.get_logger(__name__)
_KINDS = [
    *("message", "edited_message", "channel_post", "edited_channel_post", "callback_query"),
    *("chat_join_request", "chat_member", "my_chat_member"),
]
_POLL_CONNECTIONS = 6
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_STOP_SECONDS = 4.0


class TokenInUse(Conflict):
    """Another process receives with this token; wait until its lease has run out."""

    code = "token_in_use"


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where Telegram posts (`url`, public), what it must show (`secret`), and where this process listens for it."""

    url: str
    secret: str
    listen: str = "127.0.0.1"
    port: int = 8443
    path: str = "/telegram"

    def __post_init__(self) -> None:
        if not self.secret or not all(c.isascii() and (c.isalnum() or c in "_-") for c in self.secret):
            raise InvalidInput("the webhook's secret has 1 to 256 letters, digits, _ or -", fields={"secret": "shape"})


@dataclass(frozen=True, slots=True)
class WebhookHealth:
    """What Telegram says of our webhook."""

    in_place: bool
    pending: int
    last_error: str | None


OnUpdate = Callable[[ChatInput], Awaitable[None]]
OnMembership = Callable[[Membership], Awaitable[None]]


class BotReceiver:
    """Receives for one bot inside the running loop. `run` is the whole life; `start`, `wait`, `stop` are its parts."""

    def __init__(
        self,
        token: str,
        base_url: str,
        on_update: OnUpdate,
        webhook: WebhookSettings | None = None,
        *,
        clock: Clock,
        on_membership: OnMembership | None = None,
        requests: RequestSettings | None = None,
        long_poll_seconds: float = 10.0,
    ) -> None:
        check_token(token)
        self._token = token
        self._base_url = base_url
        self._on_update = on_update
        self._on_membership = on_membership
        self._webhook = webhook
        self._clock = clock
        self._requests = requests or RequestSettings(read_seconds=5.0)
        self._long_poll = timedelta(seconds=long_poll_seconds)
        self._updater: Updater | None = None
        self._ended: asyncio.Future[None] | None = None
        self._last_contact: float | None = None
        self._waiting_since: float | None = None
        self._hidden = SecretFilter(webhook.secret) if webhook else None

    # ---- health

    @property
    def last_poll_age_seconds(self) -> float | None:
        """Seconds since Telegram last answered a poll (with a webhook: since it last posted or was asked); None: never."""
        return None if self._last_contact is None else self._clock.monotonic() - self._last_contact

    @property
    def held_up_seconds(self) -> float:
        """For how long the callback has been failing on one and the same update; 0 when all is well."""
        return 0.0 if self._waiting_since is None else self._clock.monotonic() - self._waiting_since

    async def check_webhook(self) -> WebhookHealth:
        """Ask Telegram what it thinks of the webhook. Raises `Unavailable`."""
        if self._updater is None or self._webhook is None:
            raise Unavailable("no webhook is running")
        try:
            info = await self._updater.bot.get_webhook_info()
        except TelegramError as error:
            raise translated(error, repeatable=True) or Unavailable(error.message) from error
        self._note_contact()
        return WebhookHealth(info.url == self._webhook.url, info.pending_update_count, info.last_error_message)

    # ---- life

    async def run(self) -> None:
        """Receive until cancelled or stopped. Raises what `start` and `wait` raise."""
        try:
            await self.start()
            await self.wait()
        finally:
            await self.stop()

    async def start(self) -> None:
        """Begin to receive; nothing that waits at Telegram is dropped.

        Raises `Unavailable` when Telegram cannot be reached and `Misconfigured` when it refuses the token or the
        webhook's port is taken.
        """
        if self._updater is not None:
            raise Conflict("this receiver is already running")
        self._ended = asyncio.get_running_loop().create_future()
        if self._hidden:
            self._hidden.install()
        polling = _PollRequest(self._token, self._requests, self._polled)
        bot = make_bot(self._base_url, BotRequest(self._token, self._requests, 4), polling)
        self._updater = Updater(bot, _HandOver(self._take))
        try:
            await self._updater.initialize()
            await self._begin(self._updater)
        except TelegramError as error:
            await self.stop()
            raise translated(error, repeatable=True) or Misconfigured([f"Telegram: {error.message}"]) from error
        except OSError as error:
            await self.stop()
            raise Misconfigured([f"the webhook cannot listen: {error.strerror}"]) from error

    async def _begin(self, updater: Updater) -> None:
        hook = self._webhook
        if hook is None:
            await updater.start_polling(
                timeout=self._long_poll, allowed_updates=_KINDS, drop_pending_updates=False, error_callback=self._failed
            )
            return
        _check_free(hook)
        await updater.start_webhook(
            listen=hook.listen,
            port=hook.port,
            url_path=hook.path,
            webhook_url=hook.url,
            secret_token=hook.secret,
            allowed_updates=_KINDS,
            drop_pending_updates=False,
        )
        self._note_contact()

    async def wait(self) -> None:
        """Until `stop`. Raises `TokenInUse` or `Misconfigured` when receiving cannot go on."""
        if self._ended is not None:
            await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """End within five seconds. What was not handed over stays at Telegram; a webhook stays registered there."""
        updater, self._updater = self._updater, None
        if updater is None:
            return
        with contextlib.suppress(TelegramError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                if updater.running:
                    await updater.stop()
        with contextlib.suppress(TelegramError, RuntimeError):
            await updater.shutdown()
        if self._hidden:
            self._hidden.remove()
        self._end(None)

    # ---- what the library calls

    def _polled(self, status: int) -> None:
        if status == 200:
            self._note_contact()
        elif status in (401, 404):
            self._end(Misconfigured(["Telegram refuses TELEGRAM_BOT_TOKEN: get the current one from @BotFather"]))

    def _failed(self, error: TelegramError) -> None:
        if isinstance(error, PollConflict):
            self._end(TokenInUse("another process receives with this bot's token"))
        else:
            _LOG.warning("telegram poll failed", reason=error.message)

    async def _take(self, update: Update) -> None:
        """Hand an update over. While polling, a failing callback is tried again until it works or we stop."""
        self._note_contact()
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._dispatch(update)
            except Exception as error:  # the edge of the process: whatever failed, the update must stay
                _LOG.warning("telegram update not taken", update=update.update_id, reason=str(error))
                if self._webhook is not None:
                    raise  # answered with 500: Telegram posts it again
                if self._waiting_since is None:
                    self._waiting_since = self._clock.monotonic()
            else:
                self._waiting_since = None
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _dispatch(self, update: Update) -> None:
        said = chat_input(update)
        if said is not None:
            await self._on_update(said)
        moved = membership(update)
        if moved is not None and self._on_membership is not None:
            await self._on_membership(moved)

    def _note_contact(self) -> None:
        self._last_contact = self._clock.monotonic()

    def _end(self, error: Trouble | None) -> None:
        if self._ended is None or self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
            self._ended.exception()  # whoever only calls stop() need not ask for it


def _check_free(hook: WebhookSettings) -> None:
    """Raises `OSError` when the address is taken; the web server would leave its half-made socket behind."""
    family = socket.AF_INET6 if ":" in hook.listen else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((hook.listen, hook.port))


class _HandOver(asyncio.Queue[object]):
    """Stands where the updater expects its queue: `put` returns when the update has been taken."""

    def __init__(self, take: Callable[[Update], Awaitable[None]]) -> None:
        super().__init__()
        self._take = take

    async def put(self, item: object) -> None:
        if isinstance(item, Update):
            await self._take(item)


class _PollRequest(BotRequest):
    """Tells of every answered poll. Several connections, so that one torn down does not starve the next poll."""

    def __init__(self, token: str, settings: RequestSettings, polled: Callable[[int], None]) -> None:
        super().__init__(token, settings, _POLL_CONNECTIONS)
        self._polled = polled

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        status, body = await super().do_request(*args, **kwargs)
        self._polled(status)
        return status, body
