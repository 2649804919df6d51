"""The HTTP door: Flask routes behind a bearer token; `serving` puts them on a port, beside the live stream.

Every answer is JSON with `success`; `problems` has the only other shape. Nothing is decided here.
"""

from __future__ import annotations

import asyncio

from flask import Request, Response
from flask_openapi3 import Info, OpenAPI

from api import gate, problems
from api.rooms import Rooms, answer
from api.routes import analysis, safety, signals, trades
from api.serving import live, use_fast_loop
from modules.accounts.first_start import OPERATOR, is_operator_token
from modules.analysis_views import AnalysisViews
from modules.domain.people import Principal, Role
from modules.runtime.process import run
from modules.views import VERSION, Views
from modules.wiring import make_intake, serve

MAX_BODY = 1_000_000
#: Every area of paths; each has `routes(rooms)`.
AREAS = (
    signals,
    trades,
    safety,
    analysis,
)


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
    app.config["TRUST_PROXY"] = rooms.settings.trust_proxy
    app.json.sort_keys = False  # type: ignore[attr-defined]
    problems.register(app)
    for area in AREAS:
        app.register_api(area.routes(rooms))

    @app.get("/api/health", summary="Whether the core can trade")
    @gate.needs(None)
    def health() -> tuple[Response, int]:
        state = rooms.views.health(rooms.clock.now(), trading=rooms.settings.trading, feed=rooms.prices.feed())
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
            settings=core.settings,
            analysis=AnalysisViews(core.settings.data_dir / "candles", core.store),
        )
        await live(place, rooms, stopping, create_app)


if __name__ == "__main__":
    use_fast_loop()
    run(main)
