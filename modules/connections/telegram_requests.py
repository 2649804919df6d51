"""How requests to the Bot API are made, and what its errors mean for us.

The bot's token is part of every address. Libraries log addresses and put them into exceptions, so they are only given
a stand-in; the token itself is put in at the last step, in the transport, where nothing is logged any more.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

import httpx
from telegram import Bot
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from modules.domain.errors import Misconfigured, OutcomeUnknown, Trouble, Unavailable

# The library reads this at every use: durations come as timedelta, as they will in its next major version.
os.environ.setdefault("PTB_TIMEDELTA", "1")

OFFICIAL_API = "https://api.telegram.org"
_STAND_IN = "hidden-token"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """How long each step of a request may take, and through which proxy it goes (`http://…`; None: directly)."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    write_seconds: float = 10.0
    upload_seconds: float = 30.0
    pool_seconds: float = 5.0
    proxy: str | None = None


class _TokenTransport(httpx.AsyncBaseTransport):
    """Puts the token into the path of a request that carries the stand-in."""

    def __init__(self, token: str, connections: int, proxy: str | None) -> None:
        self._token = token.encode()
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=connections), proxy=proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request with the real token in the place of the stand-in."""
        path = request.url.raw_path.replace(b"/bot" + _STAND_IN.encode(), b"/bot" + self._token, 1)
        real = httpx.Request(
            request.method,
            request.url.copy_with(raw_path=path),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await self._inner.handle_async_request(real)

    async def aclose(self) -> None:
        await self._inner.aclose()


class BotRequest(HTTPXRequest):
    """python-telegram-bot's HTTP layer over a transport that alone knows the token."""

    def __init__(self, token: str, settings: RequestSettings, connections: int) -> None:
        super().__init__(
            connection_pool_size=connections,
            connect_timeout=settings.connect_seconds,
            read_timeout=settings.read_seconds,
            write_timeout=settings.write_seconds,
            pool_timeout=settings.pool_seconds,
            media_write_timeout=settings.upload_seconds,
            httpx_kwargs={"transport": _TokenTransport(token, connections, settings.proxy)},
        )


def make_bot(base_url: str, request: HTTPXRequest, polling: HTTPXRequest) -> Bot:
    """A client for the API at `base_url` (`https://api.telegram.org` or a local Bot API server)."""
    root = base_url.rstrip("/").removesuffix("/bot")
    return Bot(
        _STAND_IN,
        base_url=f"{root}/bot",
        base_file_url=f"{root}/file/bot",
        request=request,
        get_updates_request=polling,
    )


def check_token(token: str) -> None:
    """A token is `digits:letters`; anything else is refused before it is sent anywhere."""
    number, colon, secret = token.partition(":")
    if not (number.isdigit() and colon and secret and all(c.isalnum() or c in "_-" for c in secret)):
        raise Misconfigured(["TELEGRAM_BOT_TOKEN is not a token: it looks like 123456:ABC-def, as @BotFather gives it"])


def translated(error: TelegramError, *, repeatable: bool) -> Trouble | None:
    """The error in our words, or None when it is a final "no" about this one request.

    `repeatable` says that doing it twice does no harm: then a lost answer is only a reason to try again.
    """
    cause = error.__cause__
    match error:
        case RetryAfter():
            return Unavailable("Telegram asks to wait", code="flood", retry_after_seconds=seconds_of(error))
        case InvalidToken():
            return Misconfigured(["Telegram refuses TELEGRAM_BOT_TOKEN: get the current one from @BotFather"])
        case BadRequest() | Forbidden():
            return None
        case NetworkError() if repeatable or isinstance(cause, _NEVER_SENT):
            return Unavailable(f"Telegram could not be reached: {error.message}")
        case NetworkError() if cause is None:
            return Unavailable(f"Telegram could not do it: {error.message}")
        case NetworkError():
            return OutcomeUnknown(f"no answer from Telegram: {error.message}")
        case _:
            return Unavailable(f"Telegram answers: {error.message}")


def seconds_of(error: RetryAfter) -> float:
    """The wait Telegram asks for, in seconds."""
    asked: Any = error.retry_after
    return float(asked.total_seconds() if hasattr(asked, "total_seconds") else asked)


class SecretFilter(logging.Filter):
    """Blots a secret out of the lines of the loggers it is put on (python-telegram-bot prints parameters at DEBUG)."""

    LOGGERS = ("telegram.Bot", "telegram.ext.Updater")

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        line = record.getMessage()
        if self._secret in line:
            record.msg, record.args = line.replace(self._secret, "***"), None
        return True

    def install(self) -> None:
        for name in self.LOGGERS:
            logging.getLogger(name).addFilter(self)

    def remove(self) -> None:
        for name in self.LOGGERS:
            logging.getLogger(name).removeFilter(self)
