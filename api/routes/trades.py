"""Positions over HTTP: what is held, opening, changing, closing; and the facts of the journal for staff."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.asking import ask_for, ask_to_open, refuse_while_halted
from api.bodies.orders import (
    BulkCloseBody,
    ChangeBody,
    CloseBody,
    LimitsBody,
    OpenBody,
    PositionPath,
    ReasonBody,
    TrailBody,
)
from api.bodies.trading import EventQuery, PositionQuery
from api.gate import current, needs, origin
from api.platform.idempotency import answered_once, request_key
from api.rooms import Rooms, answer
from api.routes.orders import accounts_asked_for, follow_with_trail, open_position_of
from api.routes.trade_settings import change_settings
from api.scope import own_account, own_accounts
from modules.accounts.permissions import Verb, may
from modules.domain.errors import InvalidInput
from modules.domain.events import EventKind
from modules.domain.money import HUNDRED, ONE, ZERO, plain
from modules.domain.orders import OrderRequest, WantedTarget
from modules.domain.plans import Sizing
from modules.domain.positions import Position
from modules.domain.sides import Side
from modules.trade_views import position_of, whole_position
from modules.trading import manual, safety
from modules.trading.manual import OpenWish
from modules.trading.safety import Scope, Stage
from modules.trading.safety_records import change

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("trades", __name__, url_prefix="/api", abp_tags=[Tag(name="trades")])
    _reading(blueprint, rooms)
    _opening_and_closing(blueprint, rooms)
    _everything(blueprint, rooms)
    _own_limits(blueprint, rooms)
    return blueprint


def _reading(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/positions", summary="Positions, newest first")
    @needs(Verb.READ_TRADES)
    def positions(query: PositionQuery) -> Answer:
        prices = rooms.prices_of_open_positions()
        page = rooms.views.positions(
            query.status,
            accounts=accounts_asked_for(rooms, query),
            symbol=query.symbol,
            prices=prices,
            cursor=query.cursor,
            limit=query.limit,
        )
        return answer({"positions": page.rows, "next_cursor": page.next_cursor})

    @blueprint.get("/positions/<position_id>", summary="One position with its plan, orders and fills")
    @needs(Verb.READ_TRADES)
    def position(path: PositionPath) -> Answer:
        everybody = may(current(), Verb.READ_ALL_TRADES)
        whose = None if everybody else [each.id for each in own_accounts(rooms)]
        found = position_of(rooms.store, path.position_id, whose)
        return answer({"position": whole_position(rooms.store, found, rooms.prices_of_open_positions())})

    @blueprint.get("/events", summary="Facts of the journal after a number, oldest first")
    @needs(Verb.READ_EVENTS)
    def events(query: EventQuery) -> Answer:
        if query.kind is not None and query.kind not in set(EventKind):
            raise InvalidInput(f"there are no events of kind {query.kind}", fields={"kind": "unknown"})
        page = rooms.views.events(query.after, kinds=[query.kind] if query.kind else None, limit=query.limit)
        return answer({"events": page.rows, "next_cursor": page.next_cursor})


def _opening_and_closing(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.post("/positions", summary="Open a trade: planned, checked and sent like a signal's")
    @answered_once
    @needs(Verb.TRADE)
    def open_position(body: OpenBody) -> Answer:
        account = own_account(rooms, body.account_id)
        refuse_while_halted(rooms, account)
        wish = _wish(rooms, body, account.id)
        found = ask_to_open(rooms, wish, account)
        return answer({"plan_id": wish.plan_id, "position_id": f"pos-{wish.plan_id}", **found}, 202)

    @blueprint.patch("/positions/<position_id>", summary="Move the stop, replace the targets, let the stop trail")
    @answered_once
    @needs(Verb.TRADE)
    def change_position(path: PositionPath, body: ChangeBody) -> Answer:
        found = open_position_of(rooms, path.position_id)
        trails = [] if body.trailing is None else [_trail(rooms, found, body.trailing)]
        rows = ask_for(
            rooms,
            _changes(rooms, found, body),
            "position.change",
            f"position:{found.id}",
            body.model_dump(exclude_none=True, mode="json"),
        )
        return answer({"position_id": found.id, "requests": [*rows, *trails]}, 202)

    @blueprint.post("/positions/<position_id>/close", summary="Close a position, or a part, at the market")
    @answered_once
    @needs(Verb.TRADE)
    def close_position(path: PositionPath, body: CloseBody) -> Answer:
        found = open_position_of(rooms, path.position_id)
        request = manual.closing(found, request_key(), rooms.clock.now(), share=body.percent / HUNDRED)
        after = {"symbol": found.symbol, "side": found.side, "percent": body.percent}
        (row,) = ask_for(rooms, [request], "position.close", f"position:{found.id}", after)
        return answer({"position_id": found.id, **row}, 202)


def _everything(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.post("/positions/bulk-close", summary="Close several positions at the market")
    @answered_once
    @needs(Verb.TRADE)
    def bulk_close(body: BulkCloseBody) -> Answer:
        wanted = list(dict.fromkeys(body.position_ids))
        found = [open_position_of(rooms, each) for each in wanted]
        now = rooms.clock.now()
        requests = [manual.closing(each, request_key(), now) for each in found]
        rows = ask_for(rooms, requests, "position.bulk_close", f"user:{current().user_id}", {"positions": wanted})
        return answer(
            {"closing": [{"position_id": each.id, **row} for each, row in zip(found, rows, strict=True)]}, 202
        )

    @blueprint.post(
        "/positions/emergency-exit", summary="Close everything of one's own and trade no more until resumed"
    )
    @answered_once
    @needs(Verb.STOP_OWN)
    def emergency_exit(body: ReasonBody) -> Answer:
        who, now = current(), rooms.clock.now()
        state = change(
            rooms.store,
            Scope.USER,
            who.user_id,
            lambda held: safety.kill(held, who.user_id, now, stage=Stage.FLATTEN, reason=body.reason),
            now,
            who=who,
            origin=origin(),
        )
        rooms.store.doorbell.ring()
        mine = [each.id for each in own_accounts(rooms)]
        closing = rooms.views.positions("open", accounts=mine, limit=500).rows
        return answer({"stage": state.stage.value, "closing": [each["id"] for each in closing]}, 202)


def _own_limits(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/positions/limits", summary="One's own limits")
    @needs(Verb.READ_TRADES)
    def limits() -> Answer:
        return answer({"limits": _limits(rooms)})

    @blueprint.post("/positions/limits", summary="Change one's own limits; null lifts one")
    @answered_once
    @needs(Verb.TRADE)
    def change_limits(body: LimitsBody) -> Answer:
        names = {
            "max_positions": "max_open_positions",
            "max_exposure": "max_total_exposure_percent",
            "max_position_size": "max_position_value",
        }
        given = {names[name]: getattr(body, name) for name in body.model_fields_set}
        change_settings(rooms, own_account(rooms), given)
        return answer({"limits": _limits(rooms)})


def _wish(rooms: Rooms, body: OpenBody, account_id: str) -> OpenWish:
    sizing, size = None, None
    for kind, value in (
        (Sizing.FIXED, body.amount),
        (Sizing.RISK_PERCENT, body.risk_percent),
        (Sizing.EQUITY_PERCENT, body.equity_percent),
    ):
        if value is not None:
            sizing, size = kind, value
    ordered = sorted(body.targets, key=lambda each: each.price, reverse=body.side == "SHORT")
    shares = tuple(each.share for each in ordered if each.share is not None)
    return OpenWish(
        key=request_key(),
        user_id=current().user_id,
        account_id=account_id,
        symbol=body.symbol,
        side=Side(body.side),
        asked_at=rooms.clock.now(),
        price=body.price,
        quantity=body.quantity,
        sizing=sizing,
        size=size,
        stop_loss=body.stop_loss,
        targets=tuple(each.price for each in ordered),
        target_shares=tuple(share / HUNDRED for share in shares),
        leverage=body.leverage,
    )


def _changes(rooms: Rooms, position: Position, body: ChangeBody) -> list[OrderRequest]:
    """The requests of a change, each with its own derived id."""
    now, key = rooms.clock.now(), request_key()
    found = []
    if body.stop_loss is not None or body.break_even:
        _refuse_stop_past_the_market(rooms, position, body.stop_loss or position.average_price)
        found.append(manual.moving_stop(position, key, now, price=body.stop_loss))
    if body.targets is not None:
        even = ONE / Decimal(len(body.targets) or 1)
        wanted = [
            WantedTarget(each.price, even if each.share is None else each.share / HUNDRED) for each in body.targets
        ]
        found.append(manual.setting_targets(position, key, now, targets=wanted))
    return found


def _refuse_stop_past_the_market(rooms: Rooms, position: Position, stop: Decimal) -> None:
    """A stop that the market has passed would close at once; who wants that closes. Without a price nobody can tell."""
    quote = rooms.prices.latest(position.symbol)
    if quote is not None and (quote.last - stop) * position.side.sign <= ZERO:
        side = "below" if position.side is Side.LONG else "above"
        raise InvalidInput(
            f"{position.symbol} is at {plain(quote.last)}: a stop at {plain(stop)} would close the position at once.",
            fields={"stop_loss": f"must be {side} {plain(quote.last)}"},
        )


def _trail(rooms: Rooms, position: Position, body: TrailBody) -> dict[str, Any]:
    order = follow_with_trail(
        rooms, position, percent=body.percent, amount=body.amount, activation_price=body.activation_price
    )
    return {"request_id": order["id"], "status": "done", "refusal": None}


def _limits(rooms: Rooms) -> dict[str, Any]:
    account = own_account(rooms)
    own, settings = account.settings.limits, rooms.settings

    def text(value: Decimal | None) -> str | None:
        return plain(value) if value is not None and value > ZERO else None

    return {
        "max_positions": own.max_open_positions,
        "max_exposure": text(own.max_total_exposure_percent),
        "max_position_size": text(own.max_position_value),
        "open_positions": len(rooms.views.positions("open", accounts=[account.id], limit=500).rows),
        "deployment": {
            "max_order_value": plain(settings.max_order_value),
            "max_position_value": plain(settings.max_position_value),
            "max_leverage": plain(settings.max_leverage),
            "max_daily_loss": plain(settings.max_daily_loss),
        },
    }
