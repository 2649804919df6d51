"""Small reading paths that earlier clients call: results, risk, own trades, the platform's figures, signs of life."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask_openapi3 import APIBlueprint, Tag
from tinydb import where

from api.bodies.admin import AuditQuery, UsersQuery
from api.bodies.orders import UserPath
from api.bodies.predecessor import AccountDaysQuery, ClosedTradeQuery, DaysQuery, OwnDaysQuery
from api.gate import current, needs
from api.rooms import Rooms, answer
from api.scope import own_account, own_accounts
from modules import performance as figures
from modules.accounts import administration, audit_views
from modules.accounts.administration import UserFilter
from modules.accounts.audit_views import AuditFilter
from modules.accounts.permissions import Verb
from modules.admin_views import overview
from modules.domain.errors import NotFound
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.people import Account
from modules.domain.positions import Position
from modules.records import from_document
from modules.trade_views import period_start
from modules.trading_sessions import trade_row

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("predecessor", __name__, abp_tags=[Tag(name="earlier paths")])
    _own_figures(blueprint, rooms)
    _own_trades(blueprint, rooms)
    _everybodys_figures(blueprint, rooms)
    _chiefs(blueprint, rooms)
    _signs_of_life(blueprint, rooms)
    return blueprint


def _own_figures(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/api/users/<user_id>/stats", summary="What each of one's accounts has made so far")
    @needs(Verb.READ_TRADES)
    def stats(path: UserPath) -> Answer:
        who, now = current().user_id, rooms.clock.now()
        if path.user_id not in (who, "me"):
            raise NotFound("There is no such user.")
        ever = period_start("all", now)
        rows = [_account_figures(rooms, each, ever) for each in own_accounts(rooms)]
        return answer({"stats": {"user_id": who, "accounts": rows}})

    @blueprint.get("/api/analytics/performance", summary="What one's closed trades made, in all and by symbol")
    @needs(Verb.READ_TRADES)
    def performance(query: OwnDaysQuery) -> Answer:
        account, since = own_account(rooms, query.account_id), _since(rooms, query.days)
        trades = figures.closed_since(rooms.store, account.id, since)
        span = {"days": query.days, "since": iso_from_ms(ms_from_utc(since))}
        shown = {"performance": figures.performance(trades), "symbols": figures.by_symbol(trades)}
        return answer({"account_id": account.id, "currency": account.currency, **span, **shown})

    @blueprint.get("/api/analytics/risk", summary="One's exposure, what stops would lose, and the fall below the peak")
    @needs(Verb.READ_TRADES)
    def risk(query: OwnDaysQuery) -> Answer:
        account, since = own_account(rooms, query.account_id), _since(rooms, query.days)
        prices = rooms.prices_of_open_positions()
        told = rooms.views.balance(account, prices)["equity"]
        found = {
            "equity": told,
            **figures.exposure(rooms.store, account.id, Decimal(told), prices),
            **figures.drawdown(rooms.store, account.id, since, Decimal(told)),
        }
        return answer({"account_id": account.id, "currency": account.currency, "days": query.days, "risk": found})


def _own_trades(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/api/trades", summary="One's trades with what they made and risked, newest first")
    @needs(Verb.READ_TRADES)
    def own_trades(query: ClosedTradeQuery) -> Answer:
        page = rooms.views.positions(query.status, accounts=_mine(rooms), cursor=query.cursor, limit=query.limit)
        kept = rooms.store["positions"].search(where("id").one_of([each["id"] for each in page.rows]))
        trades = {each["id"]: trade_row(from_document(Position, each)) for each in kept}
        return answer({"trades": [trades[each["id"]] for each in page.rows], "next_cursor": page.next_cursor})

    @blueprint.get("/api/latest", summary="One's trade that closed last; null before there is one")
    @needs(Verb.READ_TRADES)
    def latest() -> Answer:
        wanted = where("account_id").one_of(_mine(rooms)) & (where("status") == "closed")
        found = rooms.store["positions"].search(wanted, order_by="closed_at", descending=True, limit=1)
        return answer({"trade": trade_row(from_document(Position, found[0])) if found else None})


def _everybodys_figures(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/api/analytics/platform", summary="Users, trades and signals, and what all trades made by currency")
    @needs(Verb.READ_ALL_TRADES)
    def platform(query: DaysQuery) -> Answer:
        since = _since(rooms, query.days)
        whole = overview(rooms.store, rooms.clock.now(), _health(rooms))
        counts = {name: whole[name] for name in ("users", "accounts", "trades", "signals")}
        made = figures.by_currency(rooms.store, since)
        return answer({"days": query.days, "since": iso_from_ms(ms_from_utc(since)), **counts, "performance": made})

    @blueprint.get("/api/admin/trading/performance", summary="What every account's closed trades made, by account id")
    @needs(Verb.READ_ALL_TRADES)
    def trading_performance(query: AccountDaysQuery) -> Answer:
        since = _since(rooms, query.days)
        ids = sorted(each["id"] for each in rooms.store["accounts"].all() if each["id"] > (query.cursor or ""))
        kept = rooms.store["accounts"].search(where("id").one_of(ids[: query.limit]))
        found = sorted((from_document(Account, each) for each in kept), key=lambda each: each.id)
        rows = [{"user_id": each.user_id, **_account_figures(rooms, each, since)} for each in found]
        following = rows[-1]["account_id"] if len(ids) > query.limit else None
        return answer({"days": query.days, "accounts": rows, "next_cursor": following})


def _chiefs(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/api/users", summary="Users, newest first; as /api/admin/users")
    @needs(Verb.MANAGE_USERS)
    def users(query: UsersQuery) -> Answer:
        wanted = UserFilter(query.search, query.role, query.enabled)
        found, following = administration.list_users(rooms.store, wanted, limit=query.limit, cursor=query.cursor)
        return answer({"users": found, "next_cursor": following})

    @blueprint.get("/api/admin/audit", summary="Who did what, newest first; as /api/audit")
    @needs(Verb.READ_AUDIT)
    def admin_audit(query: AuditQuery) -> Answer:
        wanted = AuditFilter(query.who, query.action, query.subject, query.origin, query.since, query.until)
        found, following = audit_views.rows(rooms.store, wanted, limit=query.limit, cursor=query.cursor)
        return answer({"entries": found, "next_cursor": following})


def _signs_of_life(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/health", summary="Whether the core can trade; as /api/health")
    @needs(None)
    def plain_health() -> Answer:
        state = _health(rooms)
        return answer(state, 503 if state["status"] == "down" else 200)

    @blueprint.get("/api/status", summary="The state of the whole in a word, the version, and how trading stands")
    @needs(None)
    def status() -> Answer:
        state = _health(rooms)
        return answer({name: state[name] for name in ("status", "version", "trading", "prices")})

    @blueprint.get("/api/test", summary="Whether anybody answers")
    @needs(None)
    def test() -> Answer:
        return answer({"message": "This is the API.", "time": iso_from_ms(ms_from_utc(rooms.clock.now()))})

    @blueprint.get("/api/system/ip", summary="The public address, where the settings name it")
    @needs(Verb.READ_SYSTEM)
    def system_ip() -> Answer:
        return answer(_public_address(rooms.settings.public_url))


def _public_address(public_url: str) -> dict[str, Any]:
    """The host of PUBLIC_URL, and its address where the host is written as one. Nothing is looked up or asked."""
    host = urlsplit(public_url).hostname
    try:
        address = str(ip_address(host)) if host else None
    except ValueError:
        address = None
    if address is not None:
        message = "PUBLIC_URL names this address."
    elif host:
        message = f"PUBLIC_URL names {host}; which address that has is not known here."
    else:
        message = "The public address is not known here: PUBLIC_URL is not set."
    return {"ip": address, "host": host, "message": message}


def _account_figures(rooms: Rooms, account: Account, since: datetime) -> dict[str, Any]:
    made = figures.performance(figures.closed_since(rooms.store, account.id, since))
    held = (where("account_id") == account.id) & (where("status") == "open")
    return {
        "account_id": account.id,
        "exchange": account.exchange,
        "currency": account.currency,
        "open_positions": rooms.store["positions"].count(held),
        **made,
    }


def _mine(rooms: Rooms) -> list[str]:
    return [each.id for each in own_accounts(rooms)]


def _since(rooms: Rooms, days: int) -> datetime:
    return rooms.clock.now() - timedelta(days=days)


def _health(rooms: Rooms) -> dict[str, Any]:
    return rooms.views.health(rooms.clock.now(), trading=rooms.settings.trading, feed=rooms.prices.feed())
