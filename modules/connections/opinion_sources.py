"""Asks the fear & greed index and RSS feeds over HTTP, and keeps what they say in the opinion book.

A source that fails is a result with its error, never the end of the others. Answers are bounded in size and time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import httpx

from modules.domain.errors import InvalidInput, Rejected, Trouble, Unavailable
from modules.domain.market import ms_from_utc
from modules.opinions.book import OpinionBook
from modules.opinions.feeds import LARGEST_FEED, parse_fear_greed, parse_feed
from modules.opinions.records import FearGreed, Opinion

FEAR_GREED_URL = "https://api.alternative.me"

FEEDS: Mapping[str, str] = MappingProxyType(
    {
        "coindesk": "https://www.coindesk.com/arc/outboundfeeds/rss/",
        "cointelegraph": "https://cointelegraph.com/rss",
        "cryptonews": "https://cryptonews.com/news/feed/",
    }
)
"""Feeds by the name they are kept under."""

_AGENT = "VerzekAutoTrader"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where to ask. Tests and mirrors put their own here."""

    fear_greed: str = FEAR_GREED_URL
    feeds: Mapping[str, str] = field(default_factory=lambda: FEEDS)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one source brought: how many it told, how many were new, how many entries it had that say nothing usable."""

    source: str
    told: int = 0
    added: int = 0
    left_out: int = 0
    error: str | None = None


class OpinionSources:
    """The sources. Use as `async with OpinionSources(...) as sources`."""

    def __init__(self, addresses: Addresses | None = None, *, timeout_seconds: float = 10.0) -> None:
        self._addresses = addresses or Addresses()
        self._timeout = timeout_seconds
        self._client = httpx.AsyncClient(
            timeout=timeout_seconds, follow_redirects=True, max_redirects=3, headers={"User-Agent": _AGENT}
        )

    async def __aenter__(self) -> OpinionSources:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def refresh(self, book: OpinionBook, now: datetime) -> list[Asked]:
        """Asks every source at once and keeps what is new; one row per source, in a fixed order."""
        return [
            await asyncio.to_thread(_kept, book, name, told)
            for name, told in zip(self.names, await self._ask_all(now), strict=True)
        ]

    @property
    def names(self) -> Sequence[str]:
        """The sources in the order of `refresh`."""
        return ("fear_greed", *self._addresses.feeds)

    async def fear_greed(self, days: int = 2) -> list[FearGreed]:
        """The newest values of the index, oldest first. Raises Unavailable, Rejected or InvalidInput."""
        address = f"{self._addresses.fear_greed.rstrip('/')}/fng/?limit={days}"
        return parse_fear_greed(await self._get(address), "alternative.me")

    async def headlines(self, name: str, now: datetime) -> tuple[Sequence[Opinion], int]:
        """The headlines of one feed, and how many entries had nothing usable. Raises as `fear_greed` does."""
        feed = parse_feed(await self._get(self._addresses.feeds[name]), name, ms_from_utc(now))
        return feed.headlines, feed.left_out

    async def _ask_all(self, now: datetime) -> list[tuple[Sequence[Opinion], int] | Trouble]:
        async def asked(name: str) -> tuple[Sequence[Opinion], int] | Trouble:
            try:
                return (await self.fear_greed(), 0) if name == "fear_greed" else await self.headlines(name, now)
            except Trouble as trouble:
                return trouble

        return await asyncio.gather(*(asked(name) for name in self.names))

    async def _get(self, address: str) -> bytes:
        try:
            async with asyncio.timeout(self._timeout), self._client.stream("GET", address) as answer:
                if answer.status_code >= 500 or answer.status_code == 429:
                    raise Unavailable(f"the source answered {answer.status_code}")
                if answer.status_code != 200:
                    raise Rejected(f"the source answered {answer.status_code}")
                return await _bounded(answer)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise InvalidInput(f"not an address: {error}") from None
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}"[:160]) from None


async def _bounded(answer: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > LARGEST_FEED:
            raise InvalidInput(f"the answer is larger than {LARGEST_FEED} bytes")
    return bytes(content)


def _kept(book: OpinionBook, name: str, told: tuple[Sequence[Opinion], int] | Trouble) -> Asked:
    if isinstance(told, Trouble):
        return Asked(name, error=told.message)
    opinions, left_out = told
    return Asked(name, told=len(opinions), added=book.add(opinions), left_out=left_out)
