"""Trading sessions: a stretch of an account's trading under one name, with what it made. One is open at a time.

A session moves nothing; it only marks a beginning and an end, and its figures are those of the trades closed in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Store, Transaction
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.money import ZERO, plain
from modules.domain.people import Account
from modules.domain.positions import Position
from modules.records import from_document
from modules.trading.manual import is_by_hand


def begin(tx: Transaction, account: Account, name: str, key: str, equity: str, now: datetime) -> str:
    """Ends the account's open session and begins one; its id. The same key begins the same one again."""
    session_id = "ses-" + hashlib.sha256(f"{account.id}\n{key}".encode()).hexdigest()[:16]
    if tx["trading_sessions"].contains(key=session_id):
        return session_id
    mine = (where("account_id") == account.id) & (where("ended_at") == None)  # noqa: E711 - a query
    tx["trading_sessions"].update({"ended_at": ms_from_utc(now), "equity_at_end": equity}, mine)
    tx["trading_sessions"].insert(
        {
            "id": session_id,
            "account_id": account.id,
            "user_id": account.user_id,
            "name": name,
            "started_at": ms_from_utc(now),
            "ended_at": None,
            "equity_at_start": equity,
            "equity_at_end": None,
        }
    )
    return session_id


def session_row(store: Store, document: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A session with the figures of the trades that closed in it."""
    ended = document["ended_at"]
    until = ended if ended is not None else ms_from_utc(now) + 1
    closed = store["positions"].search(
        (where("account_id") == document["account_id"])
        & (where("closed_at") >= document["started_at"])
        & (where("closed_at") < until)
    )
    trades = [from_document(Position, each) for each in closed]
    won = sum(1 for each in trades if each.net_pnl > ZERO)
    results = [each.r_multiple for each in trades if each.r_multiple is not None]
    return {
        "id": document["id"],
        "account_id": document["account_id"],
        "name": document["name"],
        "status": "active" if ended is None else "ended",
        "started_at": iso_from_ms(document["started_at"]),
        "ended_at": iso_from_ms(ended) if ended is not None else None,
        "equity_at_start": document["equity_at_start"],
        "equity_at_end": document["equity_at_end"],
        "total_trades": len(trades),
        "winning_trades": won,
        "win_rate": plain(round(Decimal(won) / len(trades), 4)) if trades else None,
        "total_pnl": plain(round(sum((each.net_pnl for each in trades), ZERO), 8)),
        "fees": plain(round(sum((each.fees for each in trades), ZERO), 8)),
        "average_r": plain(round(sum(results, ZERO) / len(results), 3)) if results else None,
    }


def trade_row(position: Position) -> dict[str, Any]:
    """A trade as it is recorded: how it was entered and left, what it made and risked."""
    r_multiple, risk = position.r_multiple, position.risk
    return {
        "id": position.id,
        "account_id": position.account_id,
        "signal_id": None if is_by_hand(position.signal_id) else position.signal_id,
        "symbol": position.symbol,
        "side": position.side.value,
        "status": position.status.value,
        "entry_price": plain(round(position.average_price, 8)),
        "exit_price": plain(round(position.exit_price, 8)) if position.exit_price is not None else None,
        "quantity": plain(position.initial_quantity),
        "leverage": plain(position.leverage),
        "pnl": plain(round(position.net_pnl, 8)),
        "fees": plain(round(position.fees, 8)),
        "risk_amount": plain(round(risk, 8)) if risk is not None else None,
        "r_multiple": plain(round(r_multiple, 3)) if r_multiple is not None else None,
        "stop_loss": plain(position.initial_stop) if position.initial_stop is not None else None,
        "close_reason": position.close_reason,
        "opened_at": iso_from_ms(ms_from_utc(position.opened_at)),
        "closed_at": iso_from_ms(ms_from_utc(position.closed_at)) if position.closed_at is not None else None,
    }
