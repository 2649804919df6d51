"""The whole API on a port of loopback, in a thread with its own event loop: what a client program really talks to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from api.app import create_app
from api.rooms import Rooms
from api.stream import Stream
from api.stream.door import routes
from api.stream.listener import Listener
from api.stream.stream import StreamParts
from modules.accounts.access import Access
from modules.accounts.first_start import paper_account, prepare
from modules.accounts.passwords import Passwords
from modules.accounts.people import add_user
from modules.analysis_views import AnalysisViews
from modules.domain.people import Role
from modules.records import to_document
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.views import Views
from tests.contracts.trading_house import BoardPrices, Turns
from tests.flows.world import World

EMAIL = "ann@example.com"
PASSWORD = "four red boats at sea"


class RealPort:
    """An application over one store. `address` is where it listens; `in_loop` runs something in its event loop's thread."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.world = World(folder)
        self.settings = Settings(_env_file=None, data_dir=folder, **settings)
        self.operator_token = prepare(self.world.store, self.settings, self.world.clock.now()).token
        with self.world.store.transaction() as tx:
            user = add_user(
                tx, self.settings, self.world.clock.now(), email=EMAIL, password_hash=Passwords(1, 1024).kept(PASSWORD), name="Ann",
                role=Role.SUBSCRIBER,
            )  # fmt: skip
            tx["users"].update({"email_verified_at": 1}, key=user["id"])
            self.user_id = str(user["id"])
            tx["accounts"].upsert(to_document(paper_account(self.user_id, self.settings, self.world.clock.now())))
        self.rooms = Rooms(
            store=self.world.store,
            views=Views(self.world.store, folder / "run"),
            intake=Intake(self.world.store, late_after=timedelta(minutes=15)),
            clock=self.world.clock,
            prices=BoardPrices(self.world),  # type: ignore[arg-type]
            settings=self.settings,
            analysis=AnalysisViews(folder / "candles", self.world.store),
        )
        self.access = Access(self.rooms.store, self.rooms.clock, self.settings)
        self._ready = threading.Event()
        self._stopping: Callable[[], None] = lambda: None
        self.port = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def in_loop(self, do: Callable[[], None]) -> None:
        """Does something in the thread of the event loop, and waits for it."""
        done = threading.Event()

        def doing() -> None:
            do()
            done.set()

        self._loop.call_soon_threadsafe(doing)
        assert done.wait(20)

    def break_connections(self) -> None:
        """Every connection ends as if the network had gone."""

        def drop() -> None:
            for connection in list(self.listener.connections):
                connection._transport.abort()
            for session in list(self.stream.hub.sessions):
                session.end(1001, "the test ends it")

        self.in_loop(drop)

    def close(self) -> None:
        """Stops listening and closes the store."""
        self._loop.call_soon_threadsafe(self._stopping)
        self._thread.join(20)
        self.world.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        self._stopping = stopping.set
        self.stream = Stream(
            StreamParts(
                self.rooms.store,
                self.rooms.clock,
                self.rooms.prices,
                self.settings.data_dir / "run",
                self.access.principal_of_token,
                lambda _symbol: True,
            )
        )
        app = create_app(self.rooms)
        app.register_api(routes(self.stream.tickets))
        app.extensions["stream"] = self.stream
        app.extensions["patience"] = Turns(self.world)
        self.listener = Listener(app.wsgi_app, self.stream.begin)
        await self.listener.open("127.0.0.1", 0, threads=4)
        self.port = self.listener.port
        self.stream.start(lambda: None)
        self._ready.set()
        bell = self.rooms.store.doorbell.listen("real-port")
        while not stopping.is_set():
            self.stream.turn(self.rooms.clock.now())
            await bell.wait_async(0.05)
        bell.close()
        await self.listener.close(0.2)
