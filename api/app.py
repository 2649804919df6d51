"""The HTTP door: Flask routes behind a bearer token, served by uvicorn in one process together with what comes later.

Every answer is JSON with `success`; `problems` has the only other shape. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import uvicorn
from a2wsgi import WSGIMiddleware
from flask import Request, Response
from flask_openapi3 import Info, OpenAPI

from api import gate, problems
from api.rooms import Rooms, answer
from api.routes import analysis, safety, signals, trades
from modules.accounts.first_start import OPERATOR, is_operator_token
from modules.analysis_views import AnalysisViews
from modules.domain.people import Principal, Role
from modules.runtime.process import run
from modules.trading.open_symbols import OpenSymbols
from modules.views import VERSION, Views
from modules.wiring import Place, make_intake, serve

MAX_BODY = 1_000_000


def create_app(rooms: Rooms) -> OpenAPI:
    """The Flask application over these rooms."""
    app = OpenAPI(
        __name__,
        info=Info(title="VerzekAutoTrader", version=VERSION),
        security_schemes={"token": {"type": "http", "scheme": "bearer"}},
        doc_prefix="/api",
        doc_url="/openapi.json",
        validation_error_status=422,
        validation_error_callback=problems.invalid_fields,
    )
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]
    problems.register(app)
    for area in (signals, trades, safety, analysis):
        app.register_api(area.routes(rooms))

    @app.get("/api/health", summary="Whether the core can trade")
    @gate.needs(None)
    def health() -> tuple[Response, int]:
        state = rooms.views.health(rooms.clock.now(), trading=rooms.trading, feed=rooms.prices.feed())
        return answer(state, 503 if state["status"] == "down" else 200)

    def authenticate(asked: Request) -> Principal | None:
        scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_operator_token(rooms.store, token.strip()):
            return None
        return Principal(OPERATOR, Role.OWNER, "operator_token")

    gate.install(app, authenticate)

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    return app


class ApiWorker:
    """Keeps the prices this process shows, and serves HTTP until told to stop."""

    name = "api"

    def __init__(self, place: Place, rooms: Rooms) -> None:
        self.wake = asyncio.Event()
        self._place = place
        self._rooms = rooms
        self._open = OpenSymbols(place.core.store)
        settings = place.core.settings
        config = uvicorn.Config(
            WSGIMiddleware(create_app(rooms), workers=10),  # type: ignore[arg-type]
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=30,
        )
        self._server = uvicorn.Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to listen."""
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._serving = asyncio.create_task(self._server._serve())  # noqa: SLF001 - `serve` would take over the signals

    async def turn(self, now: datetime) -> bool:
        """Asks for the prices of what is open; raises when the server ended by itself (the port is taken, say)."""
        if self._serving is not None and self._serving.done():
            self._serving.result()
            raise SystemExit(1)
        self._rooms.prices.want(self._open.symbols(now))
        return False

    async def stop(self) -> None:
        """Finishes the requests under way."""
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)

    def status(self) -> tuple[str, str]:
        """Always up while it turns."""
        return "up", ""


async def main(stopping: asyncio.Event) -> None:
    """The life of this process."""
    async with serve("api") as place:
        core, prices = place.core, place.quote_client()
        rooms = Rooms(
            store=core.store,
            views=Views(core.store, core.run_dir),
            intake=make_intake(core, prices),
            clock=core.clock,
            prices=prices,
            kill_file=core.settings.kill_file,
            trading=core.settings.trading,
            analysis=AnalysisViews(core.settings.data_dir / "candles", core.store),
        )
        await place.live(
            ApiWorker(place, rooms),
            stopping,
            quotes=lambda _quote: None,
            prices=prices,
            idle_seconds=1.0,
            doorbell=False,
        )


if __name__ == "__main__":
    run(main)
