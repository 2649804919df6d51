"""What analysis says of a market: scores, structure, charts, patterns, forecasts, mood; and the weights of the scores."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.analysis import AnalysisQuery, ScanBody, ScoreBody, SymbolPath, WeightsBody, WinProbabilityBody
from api.bodies.predecessor import PredictQuery
from api.gate import needs
from api.rooms import Rooms, answer
from modules.accounts.permissions import Verb
from modules.analysis_views import Weights
from modules.domain.errors import InvalidInput
from modules.domain.market import iso_from_ms, ms_from_utc

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("analysis", __name__, url_prefix="/api", abp_tags=[Tag(name="analysis")])
    _scores(blueprint, rooms)
    _structure(blueprint, rooms)
    _simple(blueprint, rooms)
    return blueprint


def _scores(blueprint: APIBlueprint, rooms: Rooms) -> None:
    views = rooms.analysis

    @blueprint.post("/signals/score", summary="Score a symbol: nine detectors, one figure, and every part of it")
    @needs(Verb.READ_ANALYSIS)
    def score(body: ScoreBody) -> Answer:
        return answer(views.score(body.symbol, body.timeframe, _moment(rooms, body.at), body.weights))

    @blueprint.post("/scanner/run", summary="Rank symbols over several timeframes; failures are rows")
    @needs(Verb.READ_ANALYSIS)
    def scan(body: ScanBody) -> Answer:
        return answer(views.scan(_wish(body), _moment(rooms, body.at)))

    @blueprint.get("/analytics/top5", summary="The five best signals of now, and why others were dropped")
    @needs(Verb.READ_ANALYSIS)
    def best_five() -> Answer:
        return answer(views.best_five(_moment(rooms, None)))

    @blueprint.get("/config/weights", summary="The detectors' weights, normalised")
    @needs(Verb.READ_ANALYSIS)
    def weights() -> Answer:
        return answer(_weights(views.weights()))

    @blueprint.post("/config/weights", summary="Set the detectors' weights for this deployment")
    @needs(Verb.MANAGE_ANALYSIS)
    def set_weights(body: WeightsBody) -> Answer:
        return answer(_weights(views.set_weights(body.weights, _moment(rooms, None))))


def _structure(blueprint: APIBlueprint, rooms: Rooms) -> None:
    views = rooms.analysis

    @blueprint.get("/analytics/advanced-smc/<symbol>", summary="Structure: blocks, gaps, liquidity, breaks, flow")
    @needs(Verb.READ_ANALYSIS)
    def advanced_smc(path: SymbolPath, query: AnalysisQuery) -> Answer:
        return answer(views.structure(path.symbol, query.timeframe, _moment(rooms, query.at)))

    @blueprint.get("/analytics/chart/<symbol>", summary="Candles and what lies on them, to be drawn")
    @needs(Verb.READ_ANALYSIS)
    def chart(path: SymbolPath, query: AnalysisQuery) -> Answer:
        return answer(views.chart(path.symbol, query.timeframe, _moment(rooms, query.at)))

    @blueprint.get(
        "/analytics/opinions/<symbol>", summary="Fear & greed, headlines, prints and flows, how fresh each is"
    )
    @needs(Verb.READ_ANALYSIS)
    def opinions(path: SymbolPath) -> Answer:
        return answer({"symbol": path.symbol, **views.opinions(_moment(rooms, None), path.symbol)})


def _simple(blueprint: APIBlueprint, rooms: Rooms) -> None:
    views = rooms.analysis

    @blueprint.get("/analytics/patterns/<symbol>", summary="Momentum, crosses and breakouts of the last candle")
    @needs(Verb.READ_ANALYSIS)
    def patterns(path: SymbolPath, query: AnalysisQuery) -> Answer:
        return answer(views.patterns(path.symbol, query.timeframe, _moment(rooms, query.at)))

    @blueprint.get("/analytics/predict/<symbol>", summary="The price a day ahead, with its measured error")
    @needs(Verb.READ_ANALYSIS)
    def predict(path: SymbolPath, query: PredictQuery) -> Answer:
        from modules.analysis.forecasts import HOURS_AHEAD  # numerics are loaded when somebody asks for them

        if query.hours != HOURS_AHEAD:
            raise InvalidInput(
                f"Forecasts look {HOURS_AHEAD} hours ahead: for no other horizon is it measured how wrong they are.",
                fields={"hours": f"must be {HOURS_AHEAD}"},
            )
        return answer(views.predict(path.symbol, query.timeframe, _moment(rooms, query.at)))

    @blueprint.get("/analytics/sentiment/<symbol>", summary="The market's mood, and others' opinions of it")
    @needs(Verb.READ_ANALYSIS)
    def sentiment(path: SymbolPath, query: AnalysisQuery) -> Answer:
        return answer(views.sentiment(path.symbol, query.timeframe, _moment(rooms, query.at)))

    @blueprint.post("/analytics/win-probability", summary="How often such trades were won")
    @needs(Verb.READ_ANALYSIS)
    def win_probability(body: WinProbabilityBody) -> Answer:
        return answer(views.win_probability(body.symbol, body.side))


def _moment(rooms: Rooms, at: datetime | None) -> int:
    return ms_from_utc(at or rooms.clock.now())


def _wish(body: ScanBody) -> dict[str, Any]:
    named = {} if body.symbols is None else {"symbols": body.symbols}
    return {**named, "timeframes": body.timeframes, **body.rules.model_dump()}


def _weights(weights: Weights) -> dict[str, Any]:
    changed = weights.changed_at
    return {
        "weights": dict(weights.values),
        "documented": weights.documented,
        "changed_at": None if changed is None else iso_from_ms(changed),
    }
