"""A loopback server that answers like the fear & greed API and like RSS and Atom feeds, well or badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from html import escape

from aiohttp import web

from modules.connections.opinion_sources import Addresses
from modules.domain.market import utc_from_ms


@dataclass
class OpinionFeeds:
    """What it answers with. `broken` maps a feed's name (or `fear_greed`) to a status, `hang`, or bytes to send."""

    index: list[tuple[int, int]] = field(default_factory=list)  # (seconds, value)
    titles: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # feed -> (ms, words)
    atom: set[str] = field(default_factory=set)
    broken: dict[str, int | str | bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.address, {name: f"{self.address}/feeds/{name}" for name in self.titles})

    async def fear_greed(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if (bad := await self._bad("fear_greed")) is not None:
            return bad
        rows = [{"value": str(value), "timestamp": str(at)} for at, value in reversed(self.index)]
        wanted = int(request.query["limit"])
        return web.json_response({"name": "Fear and Greed Index", "data": rows[:wanted], "metadata": {"error": None}})

    async def feed(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked.append(request.path_qs)
        if (bad := await self._bad(name)) is not None:
            return bad
        text = atom(self.titles[name]) if name in self.atom else rss(self.titles[name])
        return web.Response(body=text.encode(), content_type="application/xml")

    async def _bad(self, name: str) -> web.StreamResponse | None:
        match self.broken.get(name):
            case None:
                return None
            case int(status):
                return web.Response(status=status)
            case "hang":
                await self._over.wait()
                return web.Response()
            case content:
                return web.Response(body=content)


def rss(titles: list[tuple[int, str]]) -> str:
    """An RSS 2.0 document."""
    items = "".join(
        f"<item><title>{escape(words)}</title><link>https://example.org/{at}</link>"
        f"<pubDate>{format_datetime(utc_from_ms(at))}</pubDate></item>"
        for at, words in titles
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>t</title>{items}</channel></rss>'


def atom(titles: list[tuple[int, str]]) -> str:
    """An Atom document."""
    entries = "".join(
        f'<entry><title type="html">{escape(words)}</title><link href="https://example.org/{at}"/>'
        f"<updated>{utc_from_ms(at).isoformat()}</updated></entry>"
        for at, words in titles
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title>{entries}</feed>'


@asynccontextmanager
async def serving(feeds: OpinionFeeds) -> AsyncIterator[OpinionFeeds]:
    """The server on a free loopback port; its address is in `feeds.address`."""
    app = web.Application()
    app.router.add_get("/fng/", feeds.fear_greed)
    app.router.add_get("/feeds/{name}", feeds.feed)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        feeds.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield feeds
    finally:
        feeds._over.set()
        await runner.cleanup()
