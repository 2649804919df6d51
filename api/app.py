"""The HTTP door: Flask routes behind a bearer token; `serving` puts them on a port, beside the live stream.

Every answer is JSON with `success`; `problems` has the only other shape. Nothing is decided here.
"""

from __future__ import annotations

import asyncio

from flask import Response
from flask_openapi3 import Info, OpenAPI

from api import gate, problems
from api.patience import Patience
from api.platform import description, headers, idempotency, strict_json
from api.platform.rate_limits import Limits, Rates
from api.rooms import Rooms, answer
from api.routes import (
    accounts,
    admin,
    analysis,
    audit,
    backtests,
    chat,
    exchanges,
    inbound_webhooks,
    market,
    money,
    notifications,
    orders,
    pages,
    predecessor,
    profile,
    safety,
    seed_paths,
    signals,
    strategies,
    telegram_link,
    trade_settings,
    trades,
    two_factor,
    webhooks,
)
from api.serving import live, use_fast_loop
from modules.accounts.access import Access
from modules.analysis_views import AnalysisViews
from modules.runtime.process import run
from modules.views import VERSION, Views
from modules.wiring import make_intake, serve

MAX_BODY = 1_000_000
#: Every area of paths; each has `routes(rooms)`.
AREAS = (
    accounts,
    profile,
    two_factor,
    telegram_link,
    signals,
    trades,
    orders,
    money,
    market,
    trade_settings,
    safety,
    seed_paths,
    analysis,
    strategies,
    backtests,
    audit,
    admin,
    exchanges,
    chat,
    webhooks,
    inbound_webhooks,
    notifications,
    predecessor,
    pages,
)


def create_app(rooms: Rooms) -> OpenAPI:
    """The Flask application over these rooms."""
    app = OpenAPI(
        __name__,
        info=Info(title="VerzekAutoTrader", version=VERSION),
        doc_prefix="/api",
        doc_url="/openapi.json",
        validation_error_status=422,
        validation_error_callback=problems.invalid_fields,
    )
    app.url_map.merge_slashes = False  # no redirect is made of what a client wrote, be it path or Host
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["TRUST_PROXY"] = rooms.settings.trust_proxy
    app.extensions["patience"] = Patience(rooms)
    problems.register(app)
    headers.install(app, rooms.settings.cors_origins)
    for area in AREAS:
        app.register_api(area.routes(rooms))

    @app.get("/api/health", summary="Whether the core can trade")
    @gate.needs(None)
    def health() -> tuple[Response, int]:
        state = rooms.views.health(rooms.clock.now(), trading=rooms.settings.trading, feed=rooms.prices.feed())
        return answer(state, 503 if state["status"] == "down" else 200)

    access = Access(rooms.store, rooms.clock, rooms.settings)
    gate.install(app, lambda asked: access.principal_of(asked.headers), _limits(rooms), rooms.clock)
    strict_json.install(app)
    idempotency.install(app, rooms.store, rooms.clock)
    description.install(app)
    return app


def _limits(rooms: Rooms) -> Limits:
    settings = rooms.settings
    return Limits(Rates(settings.rate_user_per_minute, settings.rate_address_per_minute, settings.rate_auth_per_minute))


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
