"""Asking the executor for something by hand over HTTP: one durable transaction with its audit row, then a moment's wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import current_app

from api.gate import current, origin
from api.patience import Patience
from api.rooms import Rooms
from modules.accounts.audit import record
from modules.domain.errors import Halted
from modules.domain.orders import OrderRequest
from modules.domain.people import Account
from modules.trading import orders_by_hand
from modules.trading.manual import OpenWish
from modules.trading.orders_by_hand import Outcome
from modules.trading.requests import ask
from modules.trading.safety import Stage, sentence
from modules.trading.safety_records import effective_for


def refuse_while_halted(rooms: Rooms, account: Account) -> None:
    """Raises Halted where nothing new may be opened for this account."""
    holds = effective_for(rooms.store, account, rooms.kill_file, rooms.clock.now())
    if holds.stage is not Stage.ACTIVE:
        raise Halted(sentence(holds))


def ask_for(
    rooms: Rooms, requests: Sequence[OrderRequest], action: str, subject: str, after: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Hands the requests to the executor; what became of each, in their order."""
    with rooms.store.transaction(durable=True) as tx:
        if ask(rooms.store, tx, requests):
            record(tx, current(), action, subject, now=rooms.clock.now(), origin=origin(), after=after)
    found = _patience().outcomes(lambda: [orders_by_hand.outcome_of_request(rooms.store, each.id) for each in requests])
    return [outcome_row(each, request.id) for each, request in zip(found, requests, strict=True)]


def ask_to_open(rooms: Rooms, wish: OpenWish, account: Account) -> dict[str, Any]:
    """Hands a trade to the planner; what became of it."""
    with rooms.store.transaction(durable=True) as tx:
        if orders_by_hand.ask_open(rooms.store, tx, wish, account):
            after = {
                "symbol": wish.symbol,
                "side": wish.side,
                "price": wish.price,
                "quantity": wish.quantity,
                "size": wish.size,
                "stop_loss": wish.stop_loss,
                "leverage": wish.leverage,
            }
            now = rooms.clock.now()
            record(tx, current(), "position.open", f"plan:{wish.plan_id}", now=now, origin=origin(), after=after)
    (found,) = _patience().outcomes(lambda: [orders_by_hand.outcome_of_open(rooms.store, wish.plan_id)])
    return outcome_row(found)


def outcome_row(outcome: Outcome, request_id: str | None = None) -> dict[str, Any]:
    """An outcome as clients see it."""
    refused = outcome.refusal
    row: dict[str, Any] = {} if request_id is None else {"request_id": request_id}
    row["status"] = outcome.status
    row["refusal"] = refused and {
        "rule": refused.rule,
        "sentence": refused.sentence,
        "figure": refused.figure,
        "limit": refused.limit,
    }
    return row


def _patience() -> Patience:
    patience: Patience = current_app.extensions["patience"]
    return patience
