"""What analysis says of a market: structure, charts, opinions, weights."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.analysis import AnalysisQuery, ScoreBody, SymbolPath, WeightsBody
from api.rooms import Rooms, answer
from modules.analysis_views import Weights
from modules.domain.market import ms_from_utc
from modules.views import iso

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("analysis", __name__, url_prefix="/api", abp_tags=[Tag(name="analysis")])
    views = rooms.analysis

    def moment(at: datetime | None) -> int:
        return ms_from_utc(at or rooms.clock.now())

    @blueprint.post("/signals/score", summary="Score a symbol: nine detectors, one figure, and every part of it")
    def score(body: ScoreBody) -> Answer:
        return answer(views.score(body.symbol, body.timeframe, moment(body.at), body.weights))

    @blueprint.get(
        "/analytics/advanced-smc/<symbol>", summary="Market structure: blocks, gaps, liquidity, breaks, flow"
    )
    def advanced_smc(path: SymbolPath, query: AnalysisQuery) -> Answer:
        return answer(views.structure(path.symbol, query.timeframe, moment(query.at)))

    @blueprint.get("/analytics/chart/<symbol>", summary="Candles and what lies on them, to be drawn")
    def chart(path: SymbolPath, query: AnalysisQuery) -> Answer:
        return answer(views.chart(path.symbol, query.timeframe, moment(query.at)))

    @blueprint.get(
        "/analytics/opinions/<symbol>", summary="Fear & greed, headlines, prints and flows, and how fresh each is"
    )
    def opinions(path: SymbolPath) -> Answer:
        return answer({"symbol": path.symbol, **views.opinions(moment(None), path.symbol)})

    @blueprint.get("/config/weights", summary="The detectors' weights, normalised")
    def weights() -> Answer:
        return answer(_weights(views.weights()))

    @blueprint.post("/config/weights", summary="Set the detectors' weights for this deployment")
    def set_weights(body: WeightsBody) -> Answer:
        return answer(_weights(views.set_weights(body.weights, moment(None))))

    return blueprint


def _weights(weights: Weights) -> dict[str, Any]:
    changed = weights.changed_at
    return {
        "weights": dict(weights.values),
        "documented": weights.documented,
        "changed_at": None if changed is None else iso(changed),
    }
