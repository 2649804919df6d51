"""The API process: one port for HTTP and the live stream, in one event loop with a few threads for Flask.

It keeps the prices that somebody looks at, gives the stream its turns, and ends within seconds, whoever is connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import uvloop
from flask_openapi3 import OpenAPI

from api.rooms import Rooms
from api.stream import Authenticate, Stream
from api.stream.door import routes
from api.stream.listener import Listener
from api.stream.stream import StreamParts
from modules.accounts.access import Access
from modules.domain.market import Quote
from modules.runtime.logs import log
from modules.trading.open_symbols import OpenSymbols
from modules.wiring import Place

#: Public paths that many ask often: their answer may be a fifth of a second old.
FRESH_PATHS = frozenset({b"/api/health"})
_THREADS = 8


def use_fast_loop() -> None:
    """The event loop that is made next is uvloop's: it gathers what a turn writes into one call per connection."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


class ApiWorker:
    """Keeps the prices this process shows, tells the stream, and serves until told to stop.

    `make_app` makes the Flask application; `authenticate` says who a token belongs to, by default as for HTTP.
    The application finds the stream as `app.extensions["stream"]`, to publish from its requests.
    """

    name = "api"

    def __init__(
        self, place: Place, rooms: Rooms, make_app: Callable[[Rooms], OpenAPI], authenticate: Authenticate | None = None
    ) -> None:
        self.wake = asyncio.Event()
        self._rooms = rooms
        self._settings = place.core.settings
        self._open = OpenSymbols(place.core.store)
        core = place.core
        self.stream = Stream(
            StreamParts(
                core.store,
                core.clock,
                rooms.prices,
                core.run_dir,
                authenticate or Access(rooms.store, rooms.clock, rooms.settings).principal_of_token,
                listed=lambda symbol: core.instruments.find(symbol) is not None,
            )
        )
        app = make_app(rooms)
        app.register_api(routes(self.stream.tickets))
        app.extensions["stream"] = self.stream
        self.listener = Listener(app.wsgi_app, self.stream.begin, fresh=FRESH_PATHS)

    async def start(self) -> None:
        """Begins to listen; a port that is taken ends the process."""
        self.stream.start(self.wake.set)
        try:
            await self.listener.open(self._settings.host, self._settings.port, threads=_THREADS)
        except OSError as error:
            address = f"{self._settings.host}:{self._settings.port}"
            log("api").error("the address can't be used", address=address, error=str(error))
            raise SystemExit(1) from error

    def take(self, quote: Quote) -> None:
        """A price moved."""
        self.stream.quote(quote)

    async def turn(self, now: datetime) -> bool:
        """Asks for the prices of what is open or watched, and tells what happened."""
        self._rooms.prices.want(
            self._open.symbols(now) | self.stream.hub.watched_symbols() | self._rooms.watched.symbols(now)
        )
        return self.stream.turn(now)

    async def stop(self) -> None:
        """Says goodbye to listeners and finishes the requests under way."""
        await self.listener.close()

    def status(self) -> tuple[str, str]:
        """Always up while it turns."""
        return "up", ""


async def live(
    place: Place,
    rooms: Rooms,
    stopping: asyncio.Event,
    make_app: Callable[[Rooms], OpenAPI],
    authenticate: Authenticate | None = None,
) -> None:
    """The life of this process in its place in the house."""
    worker = ApiWorker(place, rooms, make_app, authenticate)
    await place.live(worker, stopping, quotes=worker.take, prices=rooms.prices, idle_seconds=0.5)
