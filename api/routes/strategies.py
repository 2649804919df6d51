"""Strategies and indicators of one's own: make, change, switch on and off, and ask what they say now."""

from __future__ import annotations

import io
from typing import Any

from flask import send_file
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel

from api.bodies.strategies import (
    ChartQuery,
    EvaluateBody,
    IndicatorDocument,
    IndicatorPath,
    StrategyDocument,
    StrategyPath,
    StrategyQuery,
    ToggleBody,
)
from api.gate import current, needs, origin
from api.rooms import Rooms, answer
from modules.accounts.permissions import Verb
from modules.domain.market import ms_from_utc
from modules.strategy_book.views import StrategyViews

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("strategies", __name__, url_prefix="/api", abp_tags=[Tag(name="strategies")])
    views = StrategyViews(rooms.settings.data_dir / "candles", rooms.store)
    _reading(blueprint, views)
    _looking(blueprint, rooms, views)
    _changing(blueprint, rooms, views)
    _indicators(blueprint, rooms, views)
    return blueprint


def _said(body: BaseModel) -> dict[str, Any]:
    return body.model_dump()


def _reading(blueprint: APIBlueprint, views: StrategyViews) -> None:
    @blueprint.get("/strategies", summary="Your strategies, newest first")
    @needs(Verb.READ_STRATEGIES)
    def strategies(query: StrategyQuery) -> Answer:
        page = views.strategies(current().user_id, limit=query.limit, cursor=query.cursor)
        return answer({"strategies": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/strategies/builtin", summary="Strategies that come with the house, with their parameters")
    @needs(Verb.READ_STRATEGIES)
    def builtins() -> Answer:
        return answer({"strategies": views.builtins(), "next_cursor": None})

    @blueprint.get("/strategies/language", summary="Series, settings and operators that conditions may use")
    @needs(Verb.READ_STRATEGIES)
    def language() -> Answer:
        return answer({"language": views.language()})

    @blueprint.post("/strategies/check", summary="Read a document without keeping it")
    @needs(Verb.READ_STRATEGIES)
    def check(body: StrategyDocument) -> Answer:
        return answer(views.checked(current().user_id, _said(body)))


def _looking(blueprint: APIBlueprint, rooms: Rooms, views: StrategyViews) -> None:
    @blueprint.get("/strategies/<strategy_id>", summary="One strategy, as written and in full")
    @needs(Verb.READ_STRATEGIES)
    def strategy(path: StrategyPath) -> Answer:
        return answer({"strategy": views.strategy(current().user_id, path.strategy_id)})

    @blueprint.get("/strategies/<strategy_id>/versions", summary="Every version of a strategy, newest first")
    @needs(Verb.READ_STRATEGIES)
    def versions(path: StrategyPath) -> Answer:
        return answer({"versions": views.versions(current().user_id, path.strategy_id), "next_cursor": None})

    @blueprint.post("/strategies/<strategy_id>/evaluate", summary="What it says now, condition by condition")
    @needs(Verb.READ_STRATEGIES)
    def evaluate(path: StrategyPath, body: EvaluateBody) -> Answer:
        now = ms_from_utc(rooms.clock.now())
        return answer(views.evaluate(current().user_id, path.strategy_id, now, body.symbol))

    @blueprint.get("/strategies/<strategy_id>/chart", summary="Its trades on the newest candles of a symbol (PNG)")
    @needs(Verb.READ_STRATEGIES)
    def chart(path: StrategyPath, query: ChartQuery) -> Any:
        now = ms_from_utc(rooms.clock.now())
        picture = views.picture(current().user_id, path.strategy_id, now, query.symbol)
        return send_file(io.BytesIO(picture), mimetype="image/png", max_age=0)


def _changing(blueprint: APIBlueprint, rooms: Rooms, views: StrategyViews) -> None:
    def who() -> Any:
        return views.who(current(), rooms.clock.now(), origin())

    @blueprint.post("/strategies", summary="Keep a new strategy, switched off", responses={201: None})
    @needs(Verb.MANAGE_STRATEGIES)
    def create(body: StrategyDocument) -> Answer:
        kept = views.book.create(who(), _said(body))
        return answer({"strategy_id": kept.id, "strategy": views.row(kept)}, 201)

    @blueprint.put("/strategies/<strategy_id>", summary="Replace a strategy's document")
    @needs(Verb.MANAGE_STRATEGIES)
    def update(path: StrategyPath, body: StrategyDocument) -> Answer:
        return answer({"strategy": views.row(views.book.update(who(), path.strategy_id, _said(body)))})

    @blueprint.delete("/strategies/<strategy_id>", summary="Forget a strategy; its open trades stay")
    @needs(Verb.MANAGE_STRATEGIES)
    def delete(path: StrategyPath) -> Answer:
        views.book.delete(who(), path.strategy_id)
        return answer({"strategy_id": path.strategy_id})

    @blueprint.post("/strategies/<strategy_id>/toggle", summary="Switch a strategy on or off")
    @needs(Verb.MANAGE_STRATEGIES)
    def toggle(path: StrategyPath, body: ToggleBody) -> Answer:
        kept = views.book.toggle(who(), path.strategy_id, enabled=body.enabled, account_id=body.account_id)
        return answer({"strategy_id": kept.id, "enabled": kept.enabled, "strategy": views.row(kept)})


def _indicators(blueprint: APIBlueprint, rooms: Rooms, views: StrategyViews) -> None:
    @blueprint.get("/indicators", summary="Your indicators, newest first")
    @needs(Verb.READ_STRATEGIES)
    def indicators(query: StrategyQuery) -> Answer:
        page = views.indicators(current().user_id, limit=query.limit, cursor=query.cursor)
        return answer({"indicators": page.rows, "next_cursor": page.next_cursor})

    @blueprint.post("/indicators", summary="Keep an indicator under its name", responses={201: None})
    @needs(Verb.MANAGE_STRATEGIES)
    def create_indicator(body: IndicatorDocument) -> Answer:
        who = views.who(current(), rooms.clock.now(), origin())
        kept = views.book.create_indicator(who, _said(body))
        return answer({"indicator_id": kept.id, "indicator": views.indicator_row(kept)}, 201)

    @blueprint.delete("/indicators/<indicator_id>", summary="Forget an indicator")
    @needs(Verb.MANAGE_STRATEGIES)
    def delete_indicator(path: IndicatorPath) -> Answer:
        views.book.delete_indicator(views.who(current(), rooms.clock.now(), origin()), path.indicator_id)
        return answer({"indicator_id": path.indicator_id})
