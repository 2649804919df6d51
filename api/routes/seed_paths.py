"""Recorded trading and the controls of automatic trading, under the paths that earlier clients call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from flask_openapi3 import APIBlueprint, Tag
from tinydb import where

from api.bodies.records import AutoTradeBody, SessionBody, TradeQuery
from api.bodies.trading import ListQuery, SignalQuery
from api.gate import current, needs, origin
from api.platform.idempotency import answered_once, request_key
from api.platform.strict_json import takes_raw_body
from api.rooms import Rooms, answer
from api.routes.trade_settings import change_settings
from api.scope import own_account, own_accounts
from modules.accounts.audit import record
from modules.accounts.permissions import Verb
from modules.admin_views import metrics
from modules.domain.errors import InvalidInput
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.money import plain
from modules.domain.positions import Position
from modules.records import from_document
from modules.trading import safety
from modules.trading.safety import SafetyState, Scope, Stage
from modules.trading.safety_records import change, effective_for
from modules.trading_sessions import begin, session_row, trade_row

Answer = tuple[Any, int]
_WORDS = {Stage.PAUSED: "paused", Stage.REDUCING: "killed", Stage.FLATTEN: "stopping", Stage.LOCKED: "killed"}


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("seed_paths", __name__, url_prefix="/api", abp_tags=[Tag(name="records")])
    _sessions(blueprint, rooms)
    _records(blueprint, rooms)
    _standing(blueprint, rooms)
    _automatic_trading(blueprint, rooms)
    _automatic_stops(blueprint, rooms)
    return blueprint


def _sessions(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/database/trading-sessions", summary="One's trading sessions with what they made, newest first")
    @needs(Verb.READ_TRADES)
    def trading_sessions(query: ListQuery) -> Answer:
        mine = where("account_id").one_of([each.id for each in own_accounts(rooms)])
        kept = rooms.store["trading_sessions"]
        if query.cursor is not None and not kept.contains(key=query.cursor):
            raise InvalidInput("the cursor is not one that this list gave", fields={"cursor": "unknown"})
        found = kept.search(mine, order_by="started_at", descending=True, after=query.cursor, limit=query.limit + 1)
        rows = [session_row(rooms.store, each, rooms.clock.now()) for each in found[: query.limit]]
        following = rows[-1]["id"] if len(found) > query.limit else None
        return answer({"sessions": rows, "next_cursor": following})

    @blueprint.post("/database/create-session", summary="Begin a trading session; the one before ends")
    @answered_once
    @needs(Verb.TRADE)
    def create_session(body: SessionBody) -> Answer:
        account, now = own_account(rooms, body.account_id), rooms.clock.now()
        equity = rooms.views.balance(account, rooms.prices_of_open_positions())["equity"]
        with rooms.store.transaction() as tx:
            session_id = begin(tx, account, body.name, request_key(), equity, now)
            after = {"name": body.name, "equity": equity}
            record(tx, current(), "session.begin", f"session:{session_id}", now=now, origin=origin(), after=after)
        kept = rooms.store["trading_sessions"].get(key=session_id) or {}
        return answer({"session_id": session_id, "session": session_row(rooms.store, kept, now)}, 201)


def _records(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/database/signals", summary="Signals with the scores they had when they came")
    @needs(Verb.READ_SIGNALS)
    def recorded_signals(query: SignalQuery) -> Answer:
        page = rooms.views.signals(
            query.status, source=query.source, viewer=current().user_id, cursor=query.cursor, limit=query.limit
        )
        ids = [each["id"] for each in page.rows]
        scores = {each["id"]: each for each in rooms.store["signal_scores"].search(where("id").one_of(ids))}
        rows = [{**each, "scores": _scores(scores.get(each["id"]))} for each in page.rows]
        return answer({"signals": rows, "next_cursor": page.next_cursor})

    @blueprint.get("/database/trades", summary="One's trades with what they made and risked, newest first")
    @needs(Verb.READ_TRADES)
    def recorded_trades(query: TradeQuery) -> Answer:
        mine = [each.id for each in own_accounts(rooms)]
        page = rooms.views.positions(query.status, accounts=mine, cursor=query.cursor, limit=query.limit)
        kept = rooms.store["positions"].search(where("id").one_of([each["id"] for each in page.rows]))
        trades = {each["id"]: trade_row(from_document(Position, each)) for each in kept}
        return answer({"trades": [trades[each["id"]] for each in page.rows], "next_cursor": page.next_cursor})


def _standing(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/database/system-metrics", summary="Processes, queues and counts")
    @needs(Verb.READ_SYSTEM)
    def system_metrics() -> Answer:
        now = rooms.clock.now()
        health = rooms.views.health(now, trading=rooms.settings.trading, feed=rooms.prices.feed())
        return answer({"time": iso_from_ms(ms_from_utc(now)), "health": health, "metrics": metrics(rooms.store)})

    @blueprint.get("/database/risk-limits", summary="One's own limits, and the deployment's, which nobody exceeds")
    @needs(Verb.READ_TRADES)
    def risk_limits() -> Answer:
        account, settings = own_account(rooms), rooms.settings
        own = account.settings.limits
        values = {name: getattr(own, name) for name in type(own).__dataclass_fields__}
        shown = {
            name: value if value is None or isinstance(value, int) else plain(value) for name, value in values.items()
        }
        deployment = {
            "max_order_value": plain(settings.max_order_value),
            "max_position_value": plain(settings.max_position_value),
            "max_leverage": plain(settings.max_leverage),
            "max_daily_loss": plain(settings.max_daily_loss),
            "max_orders_per_minute": settings.max_orders_per_minute,
        }
        return answer({"account_id": account.id, "risk_limits": shown, "deployment": deployment})


def _automatic_trading(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/auto-trade/status", summary="Whether one's account trades by itself, and what stops it")
    @needs(Verb.READ_TRADES)
    def auto_trade_status() -> Answer:
        return answer(_state(rooms))

    @blueprint.post("/auto-trade/start", summary="Trade signals automatically on one's account")
    @answered_once
    @needs(Verb.TRADE)
    def auto_trade_start(body: AutoTradeBody) -> Answer:  # noqa: ARG001 - its reason needs none
        change_settings(rooms, own_account(rooms), {"autotrade": True})
        return answer(_state(rooms))

    @blueprint.post("/auto-trade/stop", summary="Trade no more signals; open trades go on")
    @answered_once
    @needs(Verb.TRADE)
    def auto_trade_stop(body: AutoTradeBody) -> Answer:  # noqa: ARG001 - its reason needs none
        change_settings(rooms, own_account(rooms), {"autotrade": False})
        return answer(_state(rooms))


def _automatic_stops(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.post("/auto-trade/pause", summary="No new entries for a while")
    @answered_once
    @needs(Verb.STOP_OWN)
    def auto_trade_pause(body: AutoTradeBody) -> Answer:
        length = timedelta(minutes=body.duration_minutes)
        _set(rooms, lambda held, by, now: safety.pause(held, by, now, duration=length, reason=body.reason))
        return answer(_state(rooms))

    @blueprint.post("/auto-trade/resume", summary="End one's own pause or kill")
    @answered_once
    @needs(Verb.STOP_OWN)
    def auto_trade_resume(body: AutoTradeBody) -> Answer:
        _set(rooms, lambda held, by, now: safety.resume(held, by, now, reason=body.reason))
        return answer(_state(rooms))

    @blueprint.post("/auto-trade/kill", summary="Stop one's trading until resumed; `flatten` closes everything too")
    @needs(Verb.STOP_OWN)
    @takes_raw_body
    def auto_trade_kill(body: AutoTradeBody) -> Answer:
        stage = Stage.FLATTEN if body.flatten else Stage.REDUCING
        _set(rooms, lambda held, by, now: safety.kill(held, by, now, stage=stage, reason=body.reason))
        return answer(_state(rooms))


def _set(rooms: Rooms, step: Callable[[SafetyState, str, datetime], SafetyState]) -> None:
    who, now = current(), rooms.clock.now()
    change(
        rooms.store,
        Scope.USER,
        who.user_id,
        lambda held: step(held, who.user_id, now),
        now,
        who=who,
        origin=origin(),
    )
    rooms.store.doorbell.ring()


def _state(rooms: Rooms) -> dict[str, Any]:
    """`running`, `stopped` (not trading signals), `paused`, `stopping` (everything is being closed) or `killed`."""
    account, now = own_account(rooms), rooms.clock.now()
    holds = effective_for(rooms.store, account, rooms.kill_file, now)
    idle = "running" if account.settings.autotrade else "stopped"
    return {
        "state": _WORDS.get(holds.stage, idle),
        "account_id": account.id,
        "autotrade": account.settings.autotrade,
        "mode": rooms.settings.trading,
        "stopped_by": holds.by or None,
        "reason": holds.reason or None,
        "until": iso_from_ms(ms_from_utc(holds.until)) if holds.until is not None else None,
        "open_positions": len(rooms.views.positions("open", accounts=[account.id], limit=500).rows),
        "sources": list(account.settings.sources),
    }


def _scores(kept: dict[str, Any] | None) -> dict[str, Any]:
    return {"status": "due"} if kept is None else {name: value for name, value in kept.items() if name != "id"}
