"""How positions, orders, signals, sources and processes are shown: one row each, the same at every door.

Money and quantities are decimal strings, times ISO-8601 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from modules.domain.market import iso_from_utc
from modules.domain.money import ZERO, plain
from modules.domain.orders import Order
from modules.domain.positions import Position, PositionStatus
from modules.domain.signals import Signal
from modules.runtime.heartbeat import Beat
from modules.trading.manual import is_by_hand

#: A process that has not finished a turn for this long counts as down.
SILENT_AFTER_MS = 10_000


def position_row(position: Position, prices: Mapping[str, Decimal]) -> dict[str, Any]:
    """A position as the contract shows it."""
    price = prices.get(position.symbol)
    return {
        "id": position.id,
        "account_id": position.account_id,
        "symbol": position.symbol,
        "side": position.side.value,
        "status": position.status.value,
        "quantity": plain(position.quantity),
        "initial_quantity": plain(position.initial_quantity),
        "average_price": _price(position.average_price),
        "current_price": _text(price),
        "stop_loss": _text(position.stop_loss),
        "targets": [
            {"price": plain(each.price), "share": plain(each.share), "hit_at": _moment(each.hit_at)}
            for each in position.targets
        ],
        "leverage": plain(position.leverage),
        "realised_pnl": rounded(position.realised_pnl),
        "unrealised_pnl": rounded(position.unrealised_pnl(price)) if price is not None else _idle_pnl(position),
        "fees": rounded(position.fees),
        "signal_id": None if is_by_hand(position.signal_id) else position.signal_id,
        "opened_at": _moment(position.opened_at),
        "closed_at": _moment(position.closed_at),
        "close_reason": position.close_reason,
    }


def order_row(order: Order) -> dict[str, Any]:
    """An order as every door shows it."""
    return {
        "id": order.id,
        "account_id": order.account_id,
        "symbol": order.symbol,
        "role": order.role.value,
        "type": order.type.value,
        "action": order.action.value,
        "status": order.state.value,
        "quantity": plain(order.quantity),
        "filled": plain(order.filled),
        "price": _text(order.price),
        "trigger_price": _text(order.trigger_price),
        "average_price": _price(order.average_price) if order.average_price is not None else None,
        "fees": rounded(order.fees),
        "reduce_only": order.reduce_only,
        "leverage": plain(order.leverage),
        "plan_id": order.plan_id,
        "signal_id": None if is_by_hand(order.signal_id) else order.signal_id,
        "reason": order.reason,
        "created_at": _moment(order.created_at),
        "updated_at": _moment(order.updated_at),
    }


def signal_row(signal: Signal) -> dict[str, Any]:
    """A signal as every door shows it."""
    return {
        "id": signal.id,
        "source": signal.source,
        "message_id": signal.message_id,
        "symbol": signal.symbol,
        "side": signal.side.value,
        "order": signal.order,
        "entries": [plain(price) for price in signal.entries],
        "entry_range": signal.entry_range,
        "targets": [plain(price) for price in signal.targets],
        "stop_loss": _text(signal.stop_loss),
        "leverage": _text(signal.leverage),
        "status": signal.status.value,
        "reason": signal.reason,
        "late": signal.late,
        "confidence": signal.confidence,
        "text": signal.text,
        "said_at": _moment(signal.said_at),
        "received_at": _moment(signal.received_at),
        "expires_at": _moment(signal.expires_at),
        "entry_price": _text(signal.entry_price),
        "entered_at": _moment(signal.entered_at),
        "targets_hit": [{"number": h.number, "price": plain(h.price), "at": _moment(h.at)} for h in signal.hits],
        "exit_price": _text(signal.exit_price),
        "closed_at": _moment(signal.closed_at),
        "return_percent": _text(signal.return_percent),
        "r_multiple": _text(signal.r_multiple),
    }


def source_row(source: str, signals: list[Signal]) -> dict[str, Any]:
    """A source's true record: what prices say of its ended signals."""
    entered = [each for each in signals if each.entry_price is not None]
    judged = [each for each in entered if each.return_percent is not None]
    rs = [each.r_multiple for each in judged if each.r_multiple is not None]
    won = sum(1 for each in judged if (each.return_percent or ZERO) > ZERO)
    return {
        "source": source,
        "signals": len(signals),
        "open": sum(1 for each in signals if not each.status.ended),
        "invalid": sum(1 for each in signals if each.status.value == "invalid"),
        "expired": sum(1 for each in signals if each.status.value == "expired"),
        "entered": len(entered),
        "judged": len(judged),
        "won": won,
        "win_rate": plain(round(Decimal(won) / len(judged), 4)) if judged else None,
        "average_r": plain(round(sum(rs, ZERO) / len(rs), 3)) if rs else None,
    }


def process_row(beat: Beat | None, supervised: Mapping[str, Any] | None, now_ms: int) -> dict[str, Any]:
    """One process's health: what the supervisor knows of it and when it last finished a turn of work."""
    known = supervised or {}
    age = (now_ms - beat.at_ms) / 1000 if beat else None
    state = str(known.get("state") or "up")
    if beat is None:
        state = "starting" if state == "up" else state
    elif state == "up" and now_ms - beat.at_ms > SILENT_AFTER_MS:
        state = "silent"
    elif state == "up":
        state = beat.state
    return {
        "state": state,
        "last_work_seconds_ago": round(age, 1) if age is not None else None,
        "restarts": int(known.get("restarts", 0)),
        "detail": beat.detail if beat else "",
    }


def _idle_pnl(position: Position) -> str | None:
    return "0" if position.status is PositionStatus.CLOSED else None


def _text(number: Decimal | None) -> str | None:
    return plain(number) if number is not None else None


def rounded(number: Decimal) -> str:
    """Money as text, to eight places."""
    return plain(round(number, 8))


def _price(number: Decimal) -> str:
    """An average price to eight places, or eight digits where it is smaller than one."""
    return plain(round(number, max(8, 7 - number.adjusted()) if number else 8))


def _moment(at: datetime | None) -> str | None:
    return iso_from_utc(at) if at is not None else None
