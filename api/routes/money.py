"""An account's money over HTTP: what it holds, what closed trades made, what it was worth over time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.orders import AccountQuery, EquityQuery, PnlQuery
from api.gate import needs
from api.rooms import Rooms, answer
from api.scope import own_account
from modules.accounts.permissions import Verb
from modules.trade_views import equity_series, period_start

Answer = tuple[Any, int]
_SHOWN = timedelta(days=30)


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("money", __name__, url_prefix="/api", abp_tags=[Tag(name="money")])

    @blueprint.get("/balance", summary="Wallet, what open trades make, and both together")
    @needs(Verb.READ_TRADES)
    def balance(query: AccountQuery) -> Answer:
        account = own_account(rooms, query.account_id)
        money = rooms.views.balance(account, rooms.prices_of_open_positions())
        return answer({"account_id": account.id, "exchange": account.exchange, "currency": account.currency, **money})

    @blueprint.get("/pnl", summary="What closed trades made in a period")
    @needs(Verb.READ_TRADES)
    def pnl(query: PnlQuery) -> Answer:
        account = own_account(rooms, query.account_id)
        made = rooms.views.pnl(account.id, period_start(query.period, rooms.clock.now()))
        return answer({"account_id": account.id, "period": query.period, "currency": account.currency, **made})

    @blueprint.get("/equity", summary="What the account was worth over time, oldest first")
    @needs(Verb.READ_TRADES)
    def equity(query: EquityQuery) -> Answer:
        account = own_account(rooms, query.account_id)
        now = rooms.clock.now()
        points = equity_series(rooms.store, account.id, query.since or now - _SHOWN, query.limit)
        current = rooms.views.balance(account, rooms.prices_of_open_positions())
        latest = {"equity": current["equity"], "wallet": current["wallet"]}
        return answer({"account_id": account.id, "currency": account.currency, "equity": points, "now": latest})

    return blueprint
